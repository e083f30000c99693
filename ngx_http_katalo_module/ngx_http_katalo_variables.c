
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_ctx.h"
#include "ngx_http_katalo_key.h"
#include "ngx_http_katalo_operation.h"
#include "ngx_http_katalo_usage.h"
#include "ngx_http_katalo_variables.h"

#include <openssl/rand.h>


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
static ngx_int_t ngx_http_katalo_consumer_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_katalo_variable_set(ngx_http_variable_value_t *v,
    ngx_str_t *value);
static ngx_http_katalo_ctx_t *ngx_http_katalo_variable_ctx(
    ngx_http_request_t *r);
static ngx_http_katalo_key_t *ngx_http_katalo_variable_key(
    ngx_http_request_t *r, ngx_http_katalo_ctx_t *ctx);
static ngx_uint_t ngx_http_katalo_variable_attached(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx);


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

    { ngx_string("katalo_consumer"), NULL,
      ngx_http_katalo_consumer_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_katalo_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t          *var, *v;
    ngx_http_katalo_main_conf_t  *kmcf;

    kmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_katalo_module);

    for (v = ngx_http_katalo_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;

        if (v->get_handler == ngx_http_katalo_key_id_variable) {
            kmcf->id_variable = var;
        }

        if (v->get_handler == ngx_http_katalo_requests_variable) {
            kmcf->requests_variable = var;
        }
    }

    return NGX_OK;
}


ngx_uint_t
ngx_http_katalo_variables_own(ngx_str_t *name)
{
    ngx_http_variable_t  *v;

    for (v = ngx_http_katalo_vars; v->name.len; v++) {
        if (v->name.len == name->len
            && ngx_strncmp(v->name.data, name->data, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_katalo_variables_hide(ngx_conf_t *cf,
    ngx_http_get_variable_pt handler, ngx_str_t *value)
{
    u_char                random[16];
    ngx_str_t             name;
    ngx_http_variable_t  *var;

    if (RAND_bytes(random, sizeof(random)) != 1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "RAND_bytes() failed");
        return NGX_ERROR;
    }

    value->len = sizeof("$katalo_") - 1 + 2 * sizeof(random);
    value->data = ngx_pnalloc(cf->pool, value->len + 1);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    *ngx_hex_dump(ngx_cpymem(value->data, "$katalo_", sizeof("$katalo_") - 1),
                  random, sizeof(random)) = '\0';

    name.len = value->len - 1;
    name.data = value->data + 1;

    var = ngx_http_add_variable(cf, &name,
                                NGX_HTTP_VAR_NOCACHEABLE|NGX_HTTP_VAR_NOHASH);
    if (var == NULL) {
        return NGX_ERROR;
    }

    var->get_handler = handler;

    return NGX_OK;
}


ngx_int_t
ngx_http_katalo_variables_keep(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx)
{
    ngx_http_katalo_main_conf_t  *kmcf;

    kmcf = ngx_http_get_module_main_conf(r, ngx_http_katalo_module);

    if (kmcf->id_variable->flags & NGX_HTTP_VAR_INDEXED) {
        ctx->id.data = ngx_pstrdup(r->pool, &ctx->key->id);
        if (ctx->id.data == NULL) {
            return NGX_ERROR;
        }

        ctx->id.len = ctx->key->id.len;
    }

    if ((kmcf->requests_variable->flags & NGX_HTTP_VAR_INDEXED)
        && ctx->requests == 0)
    {
        ctx->requests = 1 + ngx_http_katalo_usage_requests(ctx->key,
                                                           ctx->key->slot);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_katalo_key_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_katalo_key_t  *key;

    key = ngx_http_katalo_variable_key(r, ngx_http_katalo_variable_ctx(r));

    return ngx_http_katalo_variable_set(v, key ? &key->name : NULL);
}


/* the id that was attached, though the key may have been rotated since */

static ngx_int_t
ngx_http_katalo_key_id_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_katalo_ctx_t  *ctx;
    ngx_http_katalo_key_t  *key;

    ctx = ngx_http_katalo_variable_ctx(r);

    if (ctx && ctx->id.len) {
        return ngx_http_katalo_variable_set(v, &ctx->id);
    }

    key = ngx_http_katalo_variable_key(r, ctx);

    return ngx_http_katalo_variable_set(v,
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
    ctx = ngx_http_katalo_variable_ctx(r);

    if (ctx == NULL && !klcf->enabled) {
        return ngx_http_katalo_variable_set(v, NULL);
    }

    operation = ctx ? ctx->operation : NGX_HTTP_KATALO_UNKNOWN;

    if (operation == NGX_HTTP_KATALO_UNKNOWN) {
        operation = ngx_http_katalo_operation(r, kmcf);
    }

    return ngx_http_katalo_variable_set(v,
                              ngx_http_katalo_operation_name(kmcf, operation));
}


static ngx_int_t
ngx_http_katalo_decision_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_katalo_ctx_t       *ctx;
    ngx_http_katalo_decision_e   decision;

    ctx = ngx_http_katalo_variable_ctx(r);

    if (ctx == NULL) {
        return ngx_http_katalo_variable_set(v, NULL);
    }

    decision = ctx->decision;

    if (ngx_http_katalo_variable_attached(r, ctx)) {
        decision = NGX_HTTP_KATALO_ATTACHED;
    }

    return ngx_http_katalo_variable_set(v,
               decision == NGX_HTTP_KATALO_ALLOWED
               ? NULL : &ngx_http_katalo_reasons[decision].name);
}


static ngx_int_t
ngx_http_katalo_requests_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t               value;
    ngx_http_katalo_ctx_t  *ctx;

    ctx = ngx_http_katalo_variable_ctx(r);

    if (ctx == NULL || !ngx_http_katalo_variable_attached(r, ctx)) {
        return ngx_http_katalo_variable_set(v, NULL);
    }

    if (ctx->requests == 0 && ctx->decision == NGX_HTTP_KATALO_ALLOWED) {
        ctx->requests = 1 + ngx_http_katalo_usage_requests(ctx->key,
                                                           ctx->key->slot);

    } else if (ctx->requests == 0) {
        ctx->requests = ngx_http_katalo_usage_requests(ctx->key, ctx->slot);
    }

    value.data = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_sprintf(value.data, "%uL", ctx->requests) - value.data;

    return ngx_http_katalo_variable_set(v, &value);
}


/* known since the precontent phase */

static ngx_int_t
ngx_http_katalo_consumer_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_katalo_ctx_t  *ctx;

    ctx = ngx_http_katalo_variable_ctx(r);

    return ngx_http_katalo_variable_set(v,
               ctx && ctx->consumer.name.len ? &ctx->consumer.name : NULL);
}


/* nginx asks again where a value may have changed: they are not cacheable */

static ngx_int_t
ngx_http_katalo_variable_set(ngx_http_variable_value_t *v, ngx_str_t *value)
{
    if (value == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->len = value->len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->data = value->data;

    return NGX_OK;
}


/*
 * Until there is a response, what is asked about is the location with a key
 * that the request is in; after that, the latest that it was in.
 */

static ngx_http_katalo_ctx_t *
ngx_http_katalo_variable_ctx(ngx_http_request_t *r)
{
    ngx_http_katalo_loc_conf_t  *klcf;

    klcf = ngx_http_get_module_loc_conf(r, ngx_http_katalo_module);

    if (klcf->enabled && r->headers_out.status == 0) {
        return ngx_http_katalo_ctx_get(r);
    }

    return ngx_http_katalo_ctx_find(r);
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


/*
 * nginx puts an upstream request together partly before, and partly after the
 * key is attached: what it reads before is as if the key were attached.
 */

static ngx_uint_t
ngx_http_katalo_variable_attached(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx)
{
    if (ctx->decision == NGX_HTTP_KATALO_ALLOWED) {
        return r->upstream && r->headers_out.status == 0;
    }

    return ctx->decision == NGX_HTTP_KATALO_ATTACHED;
}
