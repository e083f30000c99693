
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* Names of certificates that are variables. */


#ifndef _NGX_HTTP_KATALO_VERIFY_H_INCLUDED_
#define _NGX_HTTP_KATALO_VERIFY_H_INCLUDED_


#include "ngx_http_katalo.h"


/*
 * Has the name that a handshake verified compared with "host=", before the
 * first byte of the upstream request is sent.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_katalo_verify_init(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx);

/* what is written to the peer passes the check, once the request is created */
void ngx_http_katalo_verify_add(ngx_http_katalo_ctx_t *ctx);

/* the check: NGX_OK, or what an output filter returns */
ngx_int_t ngx_http_katalo_verify(ngx_http_katalo_ctx_t *ctx);


#endif /* _NGX_HTTP_KATALO_VERIFY_H_INCLUDED_ */
