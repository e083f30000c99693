
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_consumer.h"
#include "ngx_http_katalo_consumer_name.h"
#include "ngx_http_katalo_ctx.h"
#include "ngx_http_katalo_refusal.h"
#include "ngx_http_katalo_value.h"


static void ngx_http_katalo_consumer_of_main(ngx_http_request_t *r,
    ngx_http_katalo_loc_conf_t *klcf, ngx_str_t *name);
static ngx_int_t ngx_http_katalo_consumer_find(ngx_http_request_t *r,
    ngx_http_katalo_loc_conf_t *klcf, ngx_str_t *name);
static ngx_int_t ngx_http_katalo_consumer_value(ngx_http_request_t *r,
    ngx_http_katalo_consumer_value_t *value, ngx_str_t *result);
static ngx_uint_t ngx_http_katalo_consumer_verified(ngx_http_request_t *r,
    ngx_http_katalo_loc_conf_t *klcf);


ngx_int_t
ngx_http_katalo_consumer_handler(ngx_http_request_t *r)
{
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

    if (r != r->main) {
        ngx_http_katalo_consumer_of_main(r, klcf, &name);

    } else if (ngx_http_katalo_consumer_find(r, klcf, &name) != NGX_OK) {
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
 * nginx skips the access phase of a subrequest, so it has no name of its own.
 * While auth_request asks, the main request has none yet.
 */

static void
ngx_http_katalo_consumer_of_main(ngx_http_request_t *r,
    ngx_http_katalo_loc_conf_t *klcf, ngx_str_t *name)
{
    ngx_http_katalo_ctx_t  *ctx;

    if (klcf->consumers && !klcf->identified) {
        return;
    }

    ctx = ngx_http_katalo_ctx_find(r->main);

    if (ctx && ctx->consumer) {
        *name = ctx->consumer->name;
    }
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

    /* auth_basic has decoded it, the variable would do so again */

    if (value->user && r->headers_in.user.len) {
        return ngx_http_katalo_consumer_name(r->pool, &r->headers_in.user,
                                             name);
    }

    if (ngx_http_katalo_captures_keep(r, &captures) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = NGX_OK;
    result.len = 0;

    for (i = 0; i < klcf->consumers->values.nelts; i++) {

        if (value[i].certificate
            && !ngx_http_katalo_consumer_verified(r, klcf))
        {
            continue;
        }

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
    ngx_http_variable_value_t  *v;

    if (value->complex) {

        if (ngx_http_complex_value(r, value->complex, result) != NGX_OK) {
            return NGX_ERROR;
        }

        if (result->len == value->around) {
            result->len = 0;
        }

        return NGX_OK;
    }

    v = ngx_http_get_flushed_variable(r, value->index);

    if (v == NULL) {
        return NGX_ERROR;
    }

    if (!v->not_found) {
        result->len = v->len;
        result->data = v->data;
    }

    return NGX_OK;
}


/*
 * A certificate that was not verified may come here by an error_page of 495,
 * or where a server without "ssl_verify_client" is named in a connection to
 * another one.
 */

static ngx_uint_t
ngx_http_katalo_consumer_verified(ngx_http_request_t *r,
    ngx_http_katalo_loc_conf_t *klcf)
{
    const char        *s;
    ngx_connection_t  *c;

    c = r->connection;

    /* "nginx -t" has warned of "optional_no_ca" */

    if (c->ssl == NULL || klcf->ssl->verify == NGX_HTTP_KATALO_SSL_NO_CA) {
        return 1;
    }

    return SSL_get_verify_result(c->ssl->connection) == X509_V_OK
           && ngx_ssl_ocsp_get_status(c, &s) == NGX_OK;
}
