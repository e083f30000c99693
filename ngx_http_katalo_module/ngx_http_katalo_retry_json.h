
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* "retry_after" of Katalo's error envelope. */


#ifndef _NGX_HTTP_KATALO_RETRY_JSON_H_INCLUDED_
#define _NGX_HTTP_KATALO_RETRY_JSON_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* the longest time that is told from a longer one, in milliseconds */
#define NGX_HTTP_KATALO_RETRY_MAX  ((ngx_msec_t) NGX_MAX_INT32_VALUE)


/*
 * Reads the number "error.retry_after" of a JSON object, RFC 8259, of which
 * there may be the beginning only.  Seconds become milliseconds, rounded up,
 * NGX_HTTP_KATALO_RETRY_MAX at most; a negative number is 0.  NGX_DECLINED:
 * there is none.
 */
ngx_int_t ngx_http_katalo_retry_json(u_char *p, u_char *last,
    ngx_msec_t *msec);


#endif /* _NGX_HTTP_KATALO_RETRY_JSON_H_INCLUDED_ */
