
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* Is this request let through? */


#ifndef _NGX_HTTP_KATALO_GUARD_H_INCLUDED_
#define _NGX_HTTP_KATALO_GUARD_H_INCLUDED_


#include "ngx_http_katalo_ctx.h"


ngx_int_t ngx_http_katalo_guard_handler(ngx_http_request_t *r);

/*
 * No module has refused the request: it counts, if ctx->flags is not 0, as one
 * that passed without its credentials, or as that of a browser.
 */
void ngx_http_katalo_guard_passed(ngx_http_katalo_ctx_t *ctx);

/* fills conf->headers; NGX_ERROR is logged */
ngx_int_t ngx_http_katalo_guard_init(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf);


#endif /* _NGX_HTTP_KATALO_GUARD_H_INCLUDED_ */
