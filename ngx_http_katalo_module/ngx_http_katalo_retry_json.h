
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* "retry_after" of Katalo's error envelope. */


#ifndef _NGX_HTTP_KATALO_RETRY_JSON_H_INCLUDED_
#define _NGX_HTTP_KATALO_RETRY_JSON_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Reads the number "error.retry_after" of a JSON object, RFC 8259, of which
 * there may be the beginning only, as ngx_http_katalo_retry_number() does.  Of
 * several, the last one counts.  NGX_DECLINED: there is none.
 */
ngx_int_t ngx_http_katalo_retry_json(u_char *p, u_char *last,
    ngx_msec_t *msec);


#endif /* _NGX_HTTP_KATALO_RETRY_JSON_H_INCLUDED_ */
