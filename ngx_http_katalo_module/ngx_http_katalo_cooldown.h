
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* After a 429 of Katalo, requests that would get another one are not sent. */


#ifndef _NGX_HTTP_KATALO_COOLDOWN_H_INCLUDED_
#define _NGX_HTTP_KATALO_COOLDOWN_H_INCLUDED_


#include "ngx_http_katalo_ctx.h"


/* locations with a key obey cool-downs, when all of them are merged */
void ngx_http_katalo_cooldown_init(ngx_http_katalo_main_conf_t *kmcf);

/* Katalo has answered 429 to the upstream request of the context */
void ngx_http_katalo_cooldown_begin(ngx_http_katalo_ctx_t *ctx);

/* the body of such an answer */
void ngx_http_katalo_cooldown_body(ngx_http_request_t *r, ngx_chain_t *in);


#endif /* _NGX_HTTP_KATALO_COOLDOWN_H_INCLUDED_ */
