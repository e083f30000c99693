
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * The proxy module asks for the value of the hidden variable once for each
 * upstream request, while it creates that request: this is where a key is
 * used, and counted.  The variable cannot be named in a configuration, its
 * name is made anew for each, and it is in no hash of variables.
 */


#include "ngx_http_katalo_attach.h"
#include "ngx_http_katalo_cooldown.h"
#include "ngx_http_katalo_ctx.h"
#include "ngx_http_katalo_destination.h"
#include "ngx_http_katalo_key.h"
#include "ngx_http_katalo_mask.h"
#include "ngx_http_katalo_peer.h"
#include "ngx_http_katalo_refusal.h"
#include "ngx_http_katalo_rotation.h"
#include "ngx_http_katalo_state.h"
#include "ngx_http_katalo_usage.h"
#include "ngx_http_katalo_variables.h"
#include "ngx_http_katalo_verify.h"
#include "ngx_http_katalo_wipe.h"


static ngx_int_t ngx_http_katalo_attach_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_http_katalo_decision_e ngx_http_katalo_attach_decide(
    ngx_http_request_t *r, ngx_http_katalo_ctx_t *ctx, ngx_str_t *secret);
static void ngx_http_katalo_attach_refuse(ngx_http_request_t *r);
static ngx_int_t ngx_http_katalo_attach_prepare(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx);
static void ngx_http_katalo_attach_start(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx);
static void ngx_http_katalo_attach_hook(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx, ngx_http_katalo_finalize_pt finalize);
static void ngx_http_katalo_attach_finalize(ngx_http_request_t *r,
    ngx_int_t rc);
static ngx_int_t ngx_http_katalo_attach_reinit(ngx_http_request_t *r);
static void ngx_http_katalo_attach_revoked(ngx_http_request_t *r,
    ngx_int_t rc);
static void ngx_http_katalo_attach_finish(ngx_http_katalo_ctx_t *ctx);
static void ngx_http_katalo_attach_verdict(ngx_http_katalo_ctx_t *ctx,
    ngx_uint_t status);


ngx_int_t
ngx_http_katalo_attach_init(ngx_conf_t *cf, ngx_http_katalo_main_conf_t *kmcf)
{
    return ngx_http_katalo_variables_hide(cf, ngx_http_katalo_attach_variable,
                                          &kmcf->bearer);
}


static ngx_int_t
ngx_http_katalo_attach_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t              *secret;
    ngx_http_katalo_ctx_t  *ctx;

    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 1;

    ctx = ngx_http_get_module_ctx(r, ngx_http_katalo_module);

    if (ctx == NULL) {
        ctx = ngx_http_katalo_ctx_get(r);
    }

    /* a key goes only where the guard of this very location let it through */

    if (ctx == NULL
        || ctx->conf != ngx_http_get_module_loc_conf(r, ngx_http_katalo_module)
        || ctx->decision != NGX_HTTP_KATALO_ALLOWED
        || (ctx->conf->identified && ctx->consumer.name.len == 0))
    {
        ngx_log_error(NGX_LOG_ALERT, r->connection->log, 0,
                      "katalo: upstream request without a decision");
        ngx_http_katalo_attach_refuse(r);
        return NGX_OK;
    }

    secret = &ctx->key->secret;

    ctx->verify = NULL;
    ctx->free_peer = NULL;
    ctx->body = NULL;

    ctx->decision = ngx_http_katalo_attach_decide(r, ctx, secret);

    if (ctx->decision != NGX_HTTP_KATALO_ATTACHED) {
        ngx_http_katalo_usage_count(ctx->key, ctx->decision);
        ngx_http_katalo_attach_refuse(r);

        if (ctx->decision == NGX_HTTP_KATALO_NO_KEY) {
            ngx_http_katalo_attach_hook(r, ctx,
                                        ngx_http_katalo_attach_revoked);
        }

        return NGX_OK;
    }

    if (ngx_http_katalo_attach_prepare(r, ctx) != NGX_OK) {
        ctx->decision = NGX_HTTP_KATALO_ALLOWED;
        ngx_http_katalo_attach_refuse(r);
        return NGX_OK;
    }

    ngx_http_katalo_attach_start(r, ctx);

    v->not_found = 0;
    v->len = secret->len;
    v->data = secret->data;

    return NGX_OK;
}


static ngx_http_katalo_decision_e
ngx_http_katalo_attach_decide(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx, ngx_str_t *secret)
{
    ngx_int_t  rc;

    /* revoked while the request body was read */

    if (secret->len == 0) {
        return NGX_HTTP_KATALO_NO_KEY;
    }

    if (ctx->conf->destination_known
        && (ctx->conf->key || ctx->conf->destinations[ctx->key->index]))
    {
        return NGX_HTTP_KATALO_ATTACHED;
    }

    rc = ngx_http_katalo_destination(r, ctx->conf, ctx->key);

    /* a certificate's name that is not known yet is checked before sending */

    if (rc == NGX_AGAIN) {
        rc = ngx_http_katalo_verify_init(r, ctx);
    }

    return (rc == NGX_OK) ? NGX_HTTP_KATALO_ATTACHED
                          : NGX_HTTP_KATALO_DESTINATION;
}


/* without a host and a port, nginx ends the request before it connects */

static void
ngx_http_katalo_attach_refuse(ngx_http_request_t *r)
{
    static ngx_http_upstream_resolved_t  nowhere;

    r->upstream->resolved = &nowhere;
}


/* whatever may fail, before the request is counted */

static ngx_int_t
ngx_http_katalo_attach_prepare(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx)
{
    ngx_http_katalo_main_conf_t  *kmcf;

    kmcf = ngx_http_get_module_main_conf(r, ngx_http_katalo_module);

    if (kmcf->keep && ngx_http_katalo_variables_keep(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (r->connection->log->log_level & NGX_LOG_DEBUG_HTTP) {
        return ngx_http_katalo_mask(r);
    }

    return NGX_OK;
}


static void
ngx_http_katalo_attach_start(ngx_http_request_t *r, ngx_http_katalo_ctx_t *ctx)
{
    ctx->started = ngx_current_msec;
    ctx->states = r->upstream_states ? r->upstream_states->nelts + 1 : 0;
    ctx->slot = ngx_http_katalo_usage_start(ctx->key, ctx->operation,
                                            &ctx->consumer);
    ctx->finish = ngx_http_katalo_attach_finish;

    ngx_http_katalo_attach_hook(r, ctx, ngx_http_katalo_attach_finalize);

    ctx->reinit_request = r->upstream->reinit_request;
    r->upstream->reinit_request = ngx_http_katalo_attach_reinit;

    ngx_http_katalo_wipe_init(ctx);
}


static void
ngx_http_katalo_attach_hook(ngx_http_request_t *r, ngx_http_katalo_ctx_t *ctx,
    ngx_http_katalo_finalize_pt finalize)
{
    ctx->upstream = r->upstream;
    ctx->finalize_request = r->upstream->finalize_request;

    r->upstream->finalize_request = finalize;
}


static void
ngx_http_katalo_attach_finalize(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_http_katalo_ctx_t  *ctx;

    ctx = ngx_http_katalo_ctx_upstream(r);

    ngx_http_katalo_attach_finish(ctx);

    ctx->finalize_request(r, rc);
}


/* another peer is tried, or the cache has an old answer */

static ngx_int_t
ngx_http_katalo_attach_reinit(ngx_http_request_t *r)
{
    ngx_http_katalo_ctx_t  *ctx;

    ctx = ngx_http_katalo_ctx_upstream(r);

    if (r->upstream->headers_in.status_n == NGX_HTTP_TOO_MANY_REQUESTS) {
        ngx_http_katalo_cooldown_begin(ctx);
    }

    return ctx->reinit_request(r);
}


/* nginx sends a page of its own unless it finds that a header was sent */

static void
ngx_http_katalo_attach_revoked(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_http_katalo_ctx_t  *ctx;

    ctx = ngx_http_katalo_ctx_upstream(r);

    ctx->finalize_request(r, rc);

    if (r == r->main && rc == NGX_HTTP_INTERNAL_SERVER_ERROR) {
        (void) ngx_http_katalo_refusal_send(r, ctx);

        r->upstream->header_sent = 1;
        r->header_only = 0;
    }
}


static void
ngx_http_katalo_attach_finish(ngx_http_katalo_ctx_t *ctx)
{
    ngx_uint_t                  i;
    ngx_array_t                *states;
    ngx_http_upstream_t        *u;
    ngx_http_katalo_result_t    result;
    ngx_http_upstream_state_t  *state;

    u = ctx->upstream;
    states = ctx->request->upstream_states;

    ctx->finish = NULL;

    ngx_http_katalo_wipe(ctx);
    ngx_http_katalo_peer_used(ctx);

    ngx_memzero(&result, sizeof(ngx_http_katalo_result_t));

    result.elapsed = ngx_current_msec - ctx->started;

    /* a header that could not be parsed has no status, nor has HTTP/0.9 */

    if (u->state
        && u->state->header_time != (ngx_msec_t) -1
        && u->headers_in.status_n)
    {
        result.status = u->state->status;
    }

    if (states) {
        state = states->elts;

        for (i = ctx->states; i < states->nelts; i++) {
            result.attempts++;
            result.bytes_sent += state[i].bytes_sent;
            result.bytes_received += state[i].bytes_received;
        }
    }

    ngx_http_katalo_usage_finish(ctx->key, ctx->slot, &ctx->consumer, &result);
    ngx_http_katalo_attach_verdict(ctx, result.status);

    /* also if no other peer was there to try */

    if (u->headers_in.status_n == NGX_HTTP_TOO_MANY_REQUESTS) {
        ngx_http_katalo_cooldown_begin(ctx);
    }
}


/* what does the answer tell of the key? */

static void
ngx_http_katalo_attach_verdict(ngx_http_katalo_ctx_t *ctx, ngx_uint_t status)
{
    ngx_http_katalo_key_t  *key;

    key = ctx->key;

    /* the request may have had a previous id, also of those without a slot */

    if (ctx->slot != key->slot
        || (ngx_msec_int_t) (ctx->started - key->published) < 0
        || status == 0)
    {
        return;
    }

    if (status != NGX_HTTP_UNAUTHORIZED) {
        if (ngx_http_katalo_state_may_be_rejected(key)
            && ngx_http_katalo_state_rejected(key, ctx->slot, 0))
        {
            ngx_log_error(NGX_LOG_NOTICE, ctx->request->connection->log, 0,
                          "katalo: key \"%V\" id \"%V\" is accepted by "
                          "Katalo again", &key->name, &key->id);
        }

        key->rejected = 0;

        return;
    }

    if (ngx_http_katalo_state_rejected(key, ctx->slot, 1)) {
        ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                      "katalo: key \"%V\" id \"%V\" is rejected by Katalo: "
                      "revoked or rotated?", &key->name, &key->id);
    }

    /* each worker looks for a new key by itself, at most once a second */

    if (key->rejected != ctx->slot + 1
        || ngx_current_msec - key->rejected_look > 1000)
    {
        key->rejected = ctx->slot + 1;
        key->rejected_look = ngx_current_msec;

        ngx_http_katalo_rotation_check(key);
    }
}
