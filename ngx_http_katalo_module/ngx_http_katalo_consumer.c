
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_consumer.h"
#include "ngx_http_katalo_consumer_name.h"
#include "ngx_http_katalo_ctx.h"
#include "ngx_http_katalo_refusal.h"
#include "ngx_http_katalo_value.h"


static ngx_int_t ngx_http_katalo_consumer_of_main(ngx_http_request_t *r,
    ngx_http_katalo_loc_conf_t *klcf, ngx_str_t *name);
static ngx_int_t ngx_http_katalo_consumer_find(ngx_http_request_t *r,
    ngx_http_katalo_loc_conf_t *klcf, ngx_str_t *name);
static ngx_int_t ngx_http_katalo_consumer_value(ngx_http_request_t *r,
    ngx_http_katalo_consumer_value_t *value, ngx_str_t *result);


ngx_int_t
ngx_http_katalo_consumer_handler(ngx_http_request_t *r)
{
    ngx_int_t                    rc;
    ngx_str_t                    name;
    ngx_http_katalo_ctx_t       *ctx;
    ngx_http_katalo_loc_conf_t  *klcf;

    klcf = ngx_http_get_module_loc_conf(r, ngx_http_katalo_module);
    ctx = ngx_http_get_module_ctx(r, ngx_http_katalo_module);

    if (!klcf->enabled
        || ctx == NULL
        || (!klcf->identified && r == r->main))
    {
        return NGX_DECLINED;
    }

    name.len = 0;

    rc = (r == r->main) ? ngx_http_katalo_consumer_find(r, klcf, &name)
                        : ngx_http_katalo_consumer_of_main(r, klcf, &name);

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (name.len == 0) {
        return klcf->identified
               ? ngx_http_katalo_refuse(r, ctx, NGX_HTTP_KATALO_CONSUMER)
               : NGX_DECLINED;
    }

    ctx->consumer = ngx_http_katalo_ctx_consumer(r->pool, &name);

    return ctx->consumer ? NGX_DECLINED : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


/*
 * A location without "katalo_consumer" may have a subrequest in one with it:
 * the variables are then those of the main request.  One that is still to be
 * asked whether it may pass, as while auth_request asks, has no name.
 */

static ngx_int_t
ngx_http_katalo_consumer_of_main(ngx_http_request_t *r,
    ngx_http_katalo_loc_conf_t *klcf, ngx_str_t *name)
{
    ngx_http_katalo_ctx_t  *ctx;

    if (klcf->consumers && !klcf->identified) {
        return NGX_OK;
    }

    ctx = ngx_http_katalo_ctx_find(r->main);

    if (ctx && ctx->consumer) {
        *name = ctx->consumer->name;
        return NGX_OK;
    }

    if (!klcf->identified || r->main->phase_handler < r->phase_handler) {
        return NGX_OK;
    }

    return ngx_http_katalo_consumer_find(r->main, klcf, name);
}


/* the first value that is not empty, if there is one */

static ngx_int_t
ngx_http_katalo_consumer_find(ngx_http_request_t *r,
    ngx_http_katalo_loc_conf_t *klcf, ngx_str_t *name)
{
    ngx_int_t                          rc;
    ngx_str_t                          result;
    ngx_uint_t                         i;
    ngx_http_katalo_captures_t         captures;
    ngx_http_katalo_consumer_value_t  *value;

    value = klcf->consumers->values.elts;

    if (ngx_http_katalo_captures_keep(r, &captures) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = NGX_OK;
    result.len = 0;

    for (i = 0; i < klcf->consumers->values.nelts; i++) {
        rc = ngx_http_katalo_consumer_value(r, &value[i], &result);

        if (rc != NGX_OK || result.len) {
            break;
        }
    }

    ngx_http_katalo_captures_restore(r, &captures);

    if (rc != NGX_OK || result.len == 0) {
        return rc;
    }

    return ngx_http_katalo_consumer_name(r->pool, &result, name);
}


/* text around variables that are all empty is no name */

static ngx_int_t
ngx_http_katalo_consumer_value(ngx_http_request_t *r,
    ngx_http_katalo_consumer_value_t *value, ngx_str_t *result)
{
    ngx_int_t                  *index;
    ngx_uint_t                  i;
    ngx_http_variable_value_t  *v;

    index = value->indexes.elts;

    if (value->indexes.nelts == 0) {
        return ngx_http_complex_value(r, value->complex, result);
    }

    for (i = 0; i < value->indexes.nelts; i++) {
        v = ngx_http_get_flushed_variable(r, index[i]);

        if (v == NULL) {
            return NGX_ERROR;
        }

        if (v->not_found || v->len == 0) {
            continue;
        }

        if (value->complex) {
            return ngx_http_complex_value(r, value->complex, result);
        }

        result->len = v->len;
        result->data = v->data;

        break;
    }

    return NGX_OK;
}
