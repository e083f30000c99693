
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo.h"


static ngx_int_t ngx_http_katalo_key_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_katalo_key_id_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_katalo_operation_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_katalo_decision_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_katalo_requests_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_katalo_variable_set(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, ngx_str_t *value);
static ngx_http_katalo_key_t *ngx_http_katalo_variable_key(
    ngx_http_request_t *r, ngx_http_katalo_ctx_t *ctx);


static ngx_http_variable_t  ngx_http_katalo_vars[] = {

    { ngx_string("katalo_key"), NULL, ngx_http_katalo_key_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("katalo_key_id"), NULL, ngx_http_katalo_key_id_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("katalo_operation"), NULL,
      ngx_http_katalo_operation_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("katalo_decision"), NULL,
      ngx_http_katalo_decision_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("katalo_requests"), NULL,
      ngx_http_katalo_requests_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_katalo_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_katalo_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_katalo_key_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_katalo_key_t  *key;

    key = ngx_http_katalo_variable_key(r, ngx_http_katalo_get_ctx(r));

    return ngx_http_katalo_variable_set(r, v, key ? &key->name : NULL);
}


/* the id that was attached, though the key may have been rotated since */

static ngx_int_t
ngx_http_katalo_key_id_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_katalo_ctx_t  *ctx;
    ngx_http_katalo_key_t  *key;

    ctx = ngx_http_katalo_get_ctx(r);

    if (ctx && ctx->upstream) {
        return ngx_http_katalo_variable_set(r, v,
                                ngx_http_katalo_usage_id(ctx->key, ctx->slot));
    }

    key = ngx_http_katalo_variable_key(r, ctx);

    return ngx_http_katalo_variable_set(r, v,
               key && ngx_http_katalo_key_usable(key) ? &key->id : NULL);
}


static ngx_int_t
ngx_http_katalo_operation_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_uint_t                    operation;
    ngx_http_katalo_ctx_t        *ctx;
    ngx_http_katalo_loc_conf_t   *klcf;
    ngx_http_katalo_main_conf_t  *kmcf;

    kmcf = ngx_http_get_module_main_conf(r, ngx_http_katalo_module);
    klcf = ngx_http_get_module_loc_conf(r, ngx_http_katalo_module);
    ctx = ngx_http_katalo_get_ctx(r);

    if (ctx == NULL && !klcf->enabled) {
        return ngx_http_katalo_variable_set(r, v, NULL);
    }

    operation = ctx ? ctx->operation : NGX_HTTP_KATALO_UNKNOWN;

    if (operation == NGX_HTTP_KATALO_UNKNOWN) {
        operation = ngx_http_katalo_operation(r, kmcf);
    }

    return ngx_http_katalo_variable_set(r, v,
                              ngx_http_katalo_operation_name(kmcf, operation));
}


static ngx_int_t
ngx_http_katalo_decision_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_katalo_ctx_t  *ctx;

    ctx = ngx_http_katalo_get_ctx(r);

    if (ctx == NULL || ctx->decision == NGX_HTTP_KATALO_ALLOWED) {
        return ngx_http_katalo_variable_set(r, v, NULL);
    }

    return ngx_http_katalo_variable_set(r, v,
                                 ngx_http_katalo_decision_name(ctx->decision));
}


static ngx_int_t
ngx_http_katalo_requests_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t               value;
    ngx_http_katalo_ctx_t  *ctx;

    ctx = ngx_http_katalo_get_ctx(r);

    if (ctx == NULL || ctx->upstream == NULL) {
        return ngx_http_katalo_variable_set(r, v, NULL);
    }

    value.data = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_sprintf(value.data, "%uL",
                            ngx_http_katalo_usage_requests(ctx->key,
                                                           ctx->slot))
                - value.data;

    return ngx_http_katalo_variable_set(r, v, &value);
}


/*
 * What is asked for before there is a response, as in "if" or "map", may
 * still change: a value that is not valid is asked for again by the log.
 */

static ngx_int_t
ngx_http_katalo_variable_set(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, ngx_str_t *value)
{
    ngx_uint_t  final;

    final = (r->headers_out.status != 0);

    if (value == NULL) {
        v->len = 0;
        v->valid = 0;
        v->not_found = final;
        v->data = (u_char *) "";

        return NGX_OK;
    }

    v->len = value->len;
    v->valid = final;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = value->data;

    return NGX_OK;
}


static ngx_http_katalo_key_t *
ngx_http_katalo_variable_key(ngx_http_request_t *r, ngx_http_katalo_ctx_t *ctx)
{
    ngx_http_katalo_loc_conf_t  *klcf;

    if (ctx) {
        return ctx->key;
    }

    klcf = ngx_http_get_module_loc_conf(r, ngx_http_katalo_module);

    return klcf->enabled ? klcf->key : NULL;
}
