
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* Idempotency-Key of requests that create something. */


#ifndef _NGX_HTTP_KATALO_IDEMPOTENCY_H_INCLUDED_
#define _NGX_HTTP_KATALO_IDEMPOTENCY_H_INCLUDED_


#include "ngx_http_katalo.h"


#define NGX_HTTP_KATALO_IDEMPOTENCY_PASS     0
#define NGX_HTTP_KATALO_IDEMPOTENCY_ADD      1
#define NGX_HTTP_KATALO_IDEMPOTENCY_REQUIRE  2


/* the header's name */
extern ngx_str_t  ngx_http_katalo_idempotency_name;


/* adds the hidden variable; NGX_ERROR is logged */
ngx_int_t ngx_http_katalo_idempotency_init(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf);

/*
 * Finds or makes the key of a request that is allowed so far.  "sent" tells
 * whether the client sent the header.  NGX_DECLINED: there is none, and one is
 * required.  NGX_ERROR: none could be made.
 */
ngx_int_t ngx_http_katalo_idempotency(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx, ngx_uint_t sent);


#endif /* _NGX_HTTP_KATALO_IDEMPOTENCY_H_INCLUDED_ */
