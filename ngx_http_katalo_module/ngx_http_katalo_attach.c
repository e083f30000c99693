
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * The proxy module asks for the value of the hidden variable once for each
 * upstream request, while it creates that request: this is where a key is
 * used, and counted.  The variable cannot be named in a configuration, its
 * name is made anew for each, and it is in no hash of variables.
 */


#include "ngx_http_katalo.h"

#include <openssl/rand.h>


#if (NGX_DEBUG)

typedef struct {
    ngx_event_t         event;
    ngx_log_t          *log;
    ngx_uint_t          level;          /* to be put back */
} ngx_http_katalo_mask_t;


static ngx_int_t ngx_http_katalo_attach_mask(ngx_http_request_t *r);
static void ngx_http_katalo_attach_unmask_handler(ngx_event_t *ev);
static void ngx_http_katalo_attach_unmask(void *data);

#endif

static ngx_int_t ngx_http_katalo_attach_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_http_katalo_decision_e ngx_http_katalo_attach_decide(
    ngx_http_request_t *r, ngx_http_katalo_ctx_t *ctx);
static ngx_int_t ngx_http_katalo_attach_refuse(ngx_http_request_t *r);
static void ngx_http_katalo_attach_finalize(ngx_http_request_t *r,
    ngx_int_t rc);
static void ngx_http_katalo_attach_finish(ngx_http_katalo_ctx_t *ctx);
static void ngx_http_katalo_attach_verdict(ngx_http_katalo_ctx_t *ctx,
    ngx_uint_t status);


ngx_int_t
ngx_http_katalo_attach_init(ngx_conf_t *cf, ngx_http_katalo_main_conf_t *kmcf)
{
    u_char                random[16];
    ngx_str_t             name;
    ngx_http_variable_t  *var;

    if (RAND_bytes(random, sizeof(random)) != 1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "RAND_bytes() failed");
        return NGX_ERROR;
    }

    kmcf->bearer.len = sizeof("$katalo_") - 1 + 2 * sizeof(random);
    kmcf->bearer.data = ngx_pnalloc(cf->pool, kmcf->bearer.len + 1);
    if (kmcf->bearer.data == NULL) {
        return NGX_ERROR;
    }

    name.len = kmcf->bearer.len - 1;
    name.data = kmcf->bearer.data + 1;

    *ngx_hex_dump(ngx_cpymem(kmcf->bearer.data, "$katalo_",
                             sizeof("$katalo_") - 1),
                  random, sizeof(random)) = '\0';

    var = ngx_http_add_variable(cf, &name,
                                NGX_HTTP_VAR_NOCACHEABLE|NGX_HTTP_VAR_NOHASH);
    if (var == NULL) {
        return NGX_ERROR;
    }

    var->get_handler = ngx_http_katalo_attach_variable;

    return NGX_OK;
}


static ngx_int_t
ngx_http_katalo_attach_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t              *secret;
    ngx_http_upstream_t    *u;
    ngx_http_katalo_ctx_t  *ctx;

    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 1;

    u = r->upstream;
    ctx = ngx_http_get_module_ctx(r, ngx_http_katalo_module);

    if (ctx == NULL) {
        ctx = ngx_http_katalo_guard_clone(r);
    }

    /* a key goes only where the guard of this very location let it through */

    if (ctx == NULL
        || ctx->conf != ngx_http_get_module_loc_conf(r, ngx_http_katalo_module)
        || ctx->decision != NGX_HTTP_KATALO_ALLOWED)
    {
        ngx_log_error(NGX_LOG_ALERT, r->connection->log, 0,
                      "katalo: upstream request without a decision");
        return ngx_http_katalo_attach_refuse(r);
    }

    ctx->decision = ngx_http_katalo_attach_decide(r, ctx);

    if (ctx->decision != NGX_HTTP_KATALO_ATTACHED) {
        ngx_http_katalo_usage_key(ctx->key, ctx->decision);
        return ngx_http_katalo_attach_refuse(r);
    }

#if (NGX_DEBUG)

    if ((r->connection->log->log_level & NGX_LOG_DEBUG_HTTP)
        && ngx_http_katalo_attach_mask(r) != NGX_OK)
    {
        return NGX_ERROR;
    }

#endif

    ctx->upstream = u;
    ctx->started = ngx_current_msec;
    ctx->states = r->upstream_states ? r->upstream_states->nelts + 1 : 0;
    ctx->slot = ngx_http_katalo_usage_start(ctx->key, ctx->operation);

    ctx->finalize_request = u->finalize_request;
    u->finalize_request = ngx_http_katalo_attach_finalize;

    ngx_http_katalo_wipe_init(ctx);

    secret = ngx_http_katalo_key_secret(ctx->key);

    v->not_found = 0;
    v->len = secret->len;
    v->data = secret->data;

    return NGX_OK;
}


static ngx_http_katalo_decision_e
ngx_http_katalo_attach_decide(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx)
{
    ngx_str_t  host;

    /* revoked while the request body was read */

    if (!ngx_http_katalo_key_usable(ctx->key)) {
        return NGX_HTTP_KATALO_NO_KEY;
    }

    if (ctx->conf->destination_known
        && (ctx->conf->key || ctx->conf->destinations[ctx->key->index]))
    {
        return NGX_HTTP_KATALO_ATTACHED;
    }

    if (ngx_http_katalo_destination(r, ctx->conf, ctx->key, &host) == NGX_OK) {
        return NGX_HTTP_KATALO_ATTACHED;
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "katalo: key \"%V\" may not be sent to \"%V\": its upstream "
                  "must be verified TLS and be named by \"host=\"",
                  &ctx->key->name, &host);

    return NGX_HTTP_KATALO_DESTINATION;
}


/* without a host and a port, nginx ends the request before it connects */

static ngx_int_t
ngx_http_katalo_attach_refuse(ngx_http_request_t *r)
{
    r->upstream->resolved = ngx_pcalloc(r->pool,
                                        sizeof(ngx_http_upstream_resolved_t));

    return r->upstream->resolved ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_katalo_attach_finalize(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_http_katalo_ctx_t  *ctx;

    ctx = ngx_http_katalo_get_ctx(r);

    ngx_http_katalo_wipe(ctx);
    ngx_http_katalo_attach_finish(ctx);

    ctx->finalize_request(r, rc);
}


void
ngx_http_katalo_attach_cleanup(void *data)
{
    ngx_http_katalo_ctx_t *ctx = data;

    if (ctx->upstream && !ctx->finished) {
        ngx_http_katalo_wipe(ctx);
        ngx_http_katalo_attach_finish(ctx);
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

    ctx->finished = 1;

    ngx_memzero(&result, sizeof(ngx_http_katalo_result_t));

    result.elapsed = ngx_current_msec - ctx->started;

    /* a header that could not be parsed has no status, nor has HTTP/0.9 */

    if (u->state
        && u->state->header_time != (ngx_msec_t) -1
        && u->headers_in.status_n)
    {
        result.status = u->state->status;
    }

    state = states ? states->elts : NULL;

    for (i = ctx->states; states && i < states->nelts; i++) {
        result.attempts++;
        result.bytes_sent += state[i].bytes_sent;
        result.bytes_received += state[i].bytes_received;
    }

    ngx_http_katalo_usage_finish(ctx->key, ctx->slot, &result);
    ngx_http_katalo_attach_verdict(ctx, result.status);
}


/* is the key accepted by Katalo?  1xx and 5xx do not tell */

static void
ngx_http_katalo_attach_verdict(ngx_http_katalo_ctx_t *ctx, ngx_uint_t status)
{
    ngx_log_t              *log;
    ngx_str_t              *id;
    ngx_http_katalo_key_t  *key;

    key = ctx->key;

    if (ctx->slot != key->slot || status < 200 || status > 499) {
        return;
    }

    log = ctx->request->connection->log;

    if (status != NGX_HTTP_UNAUTHORIZED) {
        key->rejected = 0;

        if (ngx_http_katalo_usage_rejected(key, ctx->slot, 0)) {
            id = ngx_http_katalo_usage_id(key, ctx->slot);

            ngx_log_error(NGX_LOG_NOTICE, log, 0,
                          "katalo: key \"%V\" id \"%V\" is accepted by "
                          "Katalo again", &key->name, id);
        }

        return;
    }

    if (ngx_http_katalo_usage_rejected(key, ctx->slot, 1)) {
        id = ngx_http_katalo_usage_id(key, ctx->slot);

        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "katalo: key \"%V\" id \"%V\" is rejected by Katalo: "
                      "revoked or rotated?", &key->name, id);
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


#if (NGX_DEBUG)

/*
 * nginx prints a finished upstream request at the debug level: that level is
 * taken out of the connection's log until the end of this event's handler.
 */

static ngx_int_t
ngx_http_katalo_attach_mask(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t      *cln;
    ngx_http_katalo_mask_t  *mask;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_katalo_mask_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    mask = cln->data;

    ngx_memzero(mask, sizeof(ngx_http_katalo_mask_t));

    mask->log = r->connection->log;
    mask->level = mask->log->log_level;
    mask->log->log_level &= ~NGX_LOG_DEBUG_HTTP;

    mask->event.handler = ngx_http_katalo_attach_unmask_handler;
    mask->event.data = mask;
    mask->event.log = ngx_cycle->log;

    ngx_post_event(&mask->event, &ngx_posted_events);

    cln->handler = ngx_http_katalo_attach_unmask;

    return NGX_OK;
}


static void
ngx_http_katalo_attach_unmask_handler(ngx_event_t *ev)
{
    ngx_http_katalo_attach_unmask(ev->data);
}


static void
ngx_http_katalo_attach_unmask(void *data)
{
    ngx_http_katalo_mask_t *mask = data;

    if (mask->level == 0) {
        return;
    }

    if (mask->event.posted) {
        ngx_delete_posted_event(&mask->event);
    }

    /* unless a redirect has given the connection another level */

    if (mask->log->log_level == (mask->level & ~NGX_LOG_DEBUG_HTTP)) {
        mask->log->log_level = mask->level;
    }

    mask->level = 0;
}

#endif
