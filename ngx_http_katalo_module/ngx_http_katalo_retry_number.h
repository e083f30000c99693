
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* Numbers of JSON, as times. */


#ifndef _NGX_HTTP_KATALO_RETRY_NUMBER_H_INCLUDED_
#define _NGX_HTTP_KATALO_RETRY_NUMBER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* the longest time that is told from a longer one, in milliseconds */
#define NGX_HTTP_KATALO_RETRY_MAX  ((ngx_msec_t) NGX_MAX_INT32_VALUE)


/*
 * Reads a number, RFC 8259, section 6, with the byte after it, to which *text
 * is set.  Seconds become milliseconds, rounded up, NGX_HTTP_KATALO_RETRY_MAX
 * at most; a negative number is 0.  NGX_ERROR: it is none, or the text ends.
 */
ngx_int_t ngx_http_katalo_retry_number(u_char **text, u_char *last,
    ngx_msec_t *msec);


#endif /* _NGX_HTTP_KATALO_RETRY_NUMBER_H_INCLUDED_ */
