
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_consumer.h"
#include "ngx_http_katalo_consumer_value.h"
#include "ngx_http_katalo_ctx.h"


ngx_int_t
ngx_http_katalo_consumer_handler(ngx_http_request_t *r)
{
    ngx_http_katalo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_katalo_module);

    if (ctx == NULL) {
        return NGX_DECLINED;
    }

    if (r != r->main) {
        return ngx_http_katalo_consumer_of_main(r, ctx);
    }

    return ctx->conf->identified ? ctx->conf->consumers->find(r, ctx)
                                 : NGX_DECLINED;
}
