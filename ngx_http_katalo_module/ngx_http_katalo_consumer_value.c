
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_consumer_name.h"
#include "ngx_http_katalo_consumer_value.h"
#include "ngx_http_katalo_key.h"
#include "ngx_http_katalo_refusal.h"
#include "ngx_http_katalo_value.h"


/*
 * nginx prints the subject of a certificate anew for each request.  The name of
 * one that was verified is therefore kept with its connection, in a cleanup.
 */

typedef struct {
    ngx_str_t    name;
    uint64_t     hash;
    uint64_t     seed;      /* of the hash */
} ngx_http_katalo_consumer_kept_t;


static ngx_int_t ngx_http_katalo_consumer_first(ngx_http_request_t *r,
    ngx_http_katalo_loc_conf_t *klcf, ngx_str_t *result, ngx_uint_t *keep);
static ngx_int_t ngx_http_katalo_consumer_text(ngx_http_request_t *r,
    ngx_http_katalo_consumer_value_t *value, ngx_str_t *result);
static ngx_uint_t ngx_http_katalo_consumer_verified(ngx_connection_t *c);
static ngx_inline ngx_http_katalo_consumer_kept_t *
    ngx_http_katalo_consumer_kept(ngx_connection_t *c);
static void ngx_http_katalo_consumer_kept_cleanup(void *data);
static void ngx_http_katalo_consumer_keep(ngx_connection_t *c,
    ngx_http_katalo_consumer_t *consumer, uint64_t seed);
static ngx_uint_t ngx_http_katalo_consumer_own(ngx_http_request_t *r,
    ngx_int_t index);


/*
 * nginx skips the access phase of a subrequest, so it has no name of its own.
 * While auth_request asks, the main request has none yet.
 */

ngx_int_t
ngx_http_katalo_consumer_of_main(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx)
{
    ngx_http_katalo_ctx_t  *main;

    if (ctx->conf->consumers && !ctx->conf->identified) {
        return NGX_DECLINED;
    }

    main = ngx_http_katalo_ctx_find(r->main);

    if (main && main->consumer.name.len) {
        ngx_http_katalo_ctx_consumer(ctx, &main->consumer.name);
        return NGX_DECLINED;
    }

    return ctx->conf->identified
           ? ngx_http_katalo_refuse(r, ctx, NGX_HTTP_KATALO_CONSUMER)
           : NGX_DECLINED;
}


/* auth_basic has decoded it, the variable would do so again */

ngx_int_t
ngx_http_katalo_consumer_user(ngx_http_request_t *r, ngx_http_katalo_ctx_t *ctx)
{
    ngx_uint_t  plain;

    ctx->consumer.hash = ngx_http_katalo_consumer_name_hash(
                                       &r->headers_in.user,
                                       ctx->key->usage->consumers->seed,
                                       &plain);
    if (plain) {
        ctx->consumer.name = r->headers_in.user;
        return NGX_DECLINED;
    }

    return ngx_http_katalo_consumer_value(r, ctx);
}


/* the variable is valid only if the request has set, or read, it */

ngx_int_t
ngx_http_katalo_consumer_subject(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx)
{
    ngx_http_katalo_consumer_kept_t   *kept;
    ngx_http_katalo_consumer_value_t  *value;

    value = ctx->conf->consumers->values.elts;
    kept = ngx_http_katalo_consumer_kept(r->connection);

    if (kept
        && kept->seed == ctx->key->usage->consumers->seed
        && !r->variables[value->index].valid)
    {
        ctx->consumer.name = kept->name;
        ctx->consumer.hash = kept->hash;

        return NGX_DECLINED;
    }

    return ngx_http_katalo_consumer_value(r, ctx);
}


ngx_int_t
ngx_http_katalo_consumer_value(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx)
{
    ngx_int_t                   rc;
    ngx_str_t                   name, result;
    ngx_uint_t                  keep;
    ngx_http_katalo_captures_t  captures;

    if (ngx_http_katalo_captures_keep(r, &captures) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    result.len = 0;
    keep = 0;

    rc = ngx_http_katalo_consumer_first(r, ctx->conf, &result, &keep);

    ngx_http_katalo_captures_restore(r, &captures);

    if (rc == NGX_OK && result.len == 0) {
        return ngx_http_katalo_refuse(r, ctx, NGX_HTTP_KATALO_CONSUMER);
    }

    if (rc != NGX_OK
        || ngx_http_katalo_consumer_name(r->pool, &result, &name) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_katalo_ctx_consumer(ctx, &name);

    if (keep) {
        ngx_http_katalo_consumer_keep(r->connection, &ctx->consumer,
                                      ctx->key->usage->consumers->seed);
    }

    return NGX_DECLINED;
}


/*
 * A certificate that was not verified may come here by an error_page of 495,
 * or where a server without "ssl_verify_client" is named in a connection to
 * another one.  "nginx -t" has warned of "optional_no_ca".
 */

static ngx_int_t
ngx_http_katalo_consumer_first(ngx_http_request_t *r,
    ngx_http_katalo_loc_conf_t *klcf, ngx_str_t *result, ngx_uint_t *keep)
{
    ngx_uint_t                         i, verified;
    ngx_connection_t                  *c;
    ngx_http_katalo_consumer_value_t  *value;

    c = r->connection;
    value = klcf->consumers->values.elts;

    for (i = 0; i < klcf->consumers->values.nelts; i++) {

        if (value[i].certificate && c->ssl) {
            verified = ngx_http_katalo_consumer_verified(c);

            if (!verified && klcf->ssl->verify != NGX_HTTP_KATALO_SSL_NO_CA) {
                continue;
            }

            *keep = value[i].subject
                    && verified
                    && ngx_http_katalo_consumer_own(r, value[i].index);
        }

        if (ngx_http_katalo_consumer_text(r, &value[i], result) != NGX_OK) {
            return NGX_ERROR;
        }

        if (result->len) {
            return NGX_OK;
        }

        *keep = 0;
    }

    return NGX_OK;
}


/* text around variables that are all empty is no name */

static ngx_int_t
ngx_http_katalo_consumer_text(ngx_http_request_t *r,
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


static ngx_uint_t
ngx_http_katalo_consumer_verified(ngx_connection_t *c)
{
    const char  *s;

    return SSL_get_verify_result(c->ssl->connection) == X509_V_OK
           && ngx_ssl_ocsp_get_status(c, &s) == NGX_OK;
}


/* will its value be nginx's?  A configuration may define it, or set it */

static ngx_uint_t
ngx_http_katalo_consumer_own(ngx_http_request_t *r, ngx_int_t index)
{
    ngx_http_variable_t        *v;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);
    v = cmcf->variables.elts;

    return !r->variables[index].valid
           && v[index].data == (uintptr_t) ngx_ssl_get_subject_dn;
}


/* without memory, the name is found again for each request */

static void
ngx_http_katalo_consumer_keep(ngx_connection_t *c,
    ngx_http_katalo_consumer_t *consumer, uint64_t seed)
{
    ngx_pool_cleanup_t               *cln;
    ngx_http_katalo_consumer_kept_t  *kept;

    kept = ngx_http_katalo_consumer_kept(c);

    if (kept) {
        kept->hash = consumer->hash;
        kept->seed = seed;
        return;
    }

    cln = ngx_pool_cleanup_add(c->pool,
                               sizeof(ngx_http_katalo_consumer_kept_t));
    if (cln == NULL) {
        return;
    }

    kept = cln->data;

    kept->name.len = consumer->name.len;
    kept->name.data = ngx_pstrdup(c->pool, &consumer->name);
    kept->hash = consumer->hash;
    kept->seed = seed;

    if (kept->name.data) {
        cln->handler = ngx_http_katalo_consumer_kept_cleanup;
    }
}


static ngx_inline ngx_http_katalo_consumer_kept_t *
ngx_http_katalo_consumer_kept(ngx_connection_t *c)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = c->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_katalo_consumer_kept_cleanup) {
            return cln->data;
        }
    }

    return NULL;
}


static void
ngx_http_katalo_consumer_kept_cleanup(void *data)
{
    /* void */
}
