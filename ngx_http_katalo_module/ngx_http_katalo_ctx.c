
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * The context of a request with a key.  nginx clears the contexts of modules
 * when a request is redirected, while its first upstream request may still be
 * there.  Contexts therefore stay in the list of the pool's cleanups, the
 * latest first, and are found there by their request or upstream request.
 */


#include "ngx_http_katalo_consumer_name.h"
#include "ngx_http_katalo_ctx.h"


static void ngx_http_katalo_ctx_cleanup(void *data);
static ngx_http_katalo_ctx_t *ngx_http_katalo_ctx_next(
    ngx_pool_cleanup_t *cln);
static ngx_uint_t ngx_http_katalo_ctx_content_phase(ngx_http_request_t *r);
static ngx_http_katalo_ctx_t *ngx_http_katalo_ctx_clone(ngx_http_request_t *r,
    ngx_http_katalo_loc_conf_t *klcf);


ngx_http_katalo_ctx_t *
ngx_http_katalo_ctx_create(ngx_http_request_t *r,
    ngx_http_katalo_loc_conf_t *klcf)
{
    ngx_http_katalo_ctx_t  *ctx;

    ctx = ngx_palloc(r->pool, sizeof(ngx_http_katalo_ctx_t));
    if (ctx == NULL) {
        return NULL;
    }

    /* one by one: ngx_pcalloc() costs more for each request */

    ctx->key = NULL;
    ctx->named.len = 0;
    ctx->flags = 0;
    ctx->decision = 0;
    ctx->made = 0;
    ctx->consumer.name.len = 0;
    ctx->upstream = NULL;
    ctx->finish = NULL;
    ctx->id.len = 0;
    ctx->requests = 0;

    ctx->request = r;
    ctx->conf = klcf;
    ctx->operation = NGX_HTTP_KATALO_UNKNOWN;

    /* as ngx_pool_cleanup_add() does, which would allocate once more */

    ctx->cleanup.handler = ngx_http_katalo_ctx_cleanup;
    ctx->cleanup.data = ctx;
    ctx->cleanup.next = r->pool->cleanup;

    r->pool->cleanup = &ctx->cleanup;

    ngx_http_set_ctx(r, ctx, ngx_http_katalo_module);

    return ctx;
}


void
ngx_http_katalo_ctx_consumer(ngx_http_katalo_ctx_t *ctx, ngx_str_t *name)
{
    ngx_uint_t                    plain;
    ngx_http_katalo_main_conf_t  *kmcf;

    kmcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_katalo_module);

    ctx->consumer.name = *name;
    ctx->consumer.hash = ngx_http_katalo_consumer_name_hash(name, kmcf->seed,
                                                            &plain);
}


static void
ngx_http_katalo_ctx_cleanup(void *data)
{
    ngx_http_katalo_ctx_t *ctx = data;

    if (ctx->finish) {
        ctx->finish(ctx);
    }
}


ngx_http_katalo_ctx_t *
ngx_http_katalo_ctx_get(ngx_http_request_t *r)
{
    ngx_http_katalo_ctx_t       *ctx;
    ngx_http_katalo_loc_conf_t  *klcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_katalo_module);

    if (ctx) {
        return ctx;
    }

    klcf = ngx_http_get_module_loc_conf(r, ngx_http_katalo_module);

    if (!klcf->enabled || !ngx_http_katalo_ctx_content_phase(r)) {
        return NULL;
    }

    ctx = ngx_http_katalo_ctx_find(r);

    if (ctx && ctx->conf == klcf) {
        return ctx;
    }

    return ngx_http_katalo_ctx_clone(r, klcf);
}


/* the content phase comes after the guard, and is where a clone begins */

static ngx_uint_t
ngx_http_katalo_ctx_content_phase(ngx_http_request_t *r)
{
    ngx_http_phase_handler_t   *ph;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);
    ph = &cmcf->phase_engine.handlers[r->phase_handler];

    return ph->checker == ngx_http_core_content_phase;
}


/*
 * A clone, as for a cache update or a slice, has the method, path and location
 * of its parent.  The parent may be a clone without a context of its own.
 */

static ngx_http_katalo_ctx_t *
ngx_http_katalo_ctx_clone(ngx_http_request_t *r,
    ngx_http_katalo_loc_conf_t *klcf)
{
    ngx_http_request_t     *pr;
    ngx_http_katalo_ctx_t  *ctx, *parent;

    parent = NULL;

    for (pr = r->parent; pr && parent == NULL; pr = pr->parent) {

        if (!ngx_http_katalo_ctx_content_phase(pr)) {
            return NULL;
        }

        parent = ngx_http_katalo_ctx_find(pr);
    }

    if (parent == NULL
        || parent->conf != klcf
        || parent->decision < NGX_HTTP_KATALO_ALLOWED)
    {
        return NULL;
    }

    ctx = ngx_http_katalo_ctx_create(r, klcf);
    if (ctx == NULL) {
        return NULL;
    }

    ctx->key = parent->key;

    ngx_http_katalo_ctx_consumer(ctx, &parent->consumer.name);

    ctx->operation = parent->operation;
    ctx->idempotency = parent->idempotency;
    ctx->made = parent->made;
    ctx->decision = NGX_HTTP_KATALO_ALLOWED;

    return ctx;
}


ngx_http_katalo_ctx_t *
ngx_http_katalo_ctx_find(ngx_http_request_t *r)
{
    ngx_http_katalo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_katalo_module);

    if (ctx || !(r->internal || r->filter_finalize)) {
        return ctx;
    }

    ctx = ngx_http_katalo_ctx_next(r->pool->cleanup);

    while (ctx && ctx->request != r) {
        ctx = ngx_http_katalo_ctx_next(ctx->cleanup.next);
    }

    return ctx;
}


static ngx_http_katalo_ctx_t *
ngx_http_katalo_ctx_next(ngx_pool_cleanup_t *cln)
{
    while (cln && cln->handler != ngx_http_katalo_ctx_cleanup) {
        cln = cln->next;
    }

    return cln ? cln->data : NULL;
}


ngx_http_katalo_ctx_t *
ngx_http_katalo_ctx_before(ngx_http_katalo_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    if (!r->internal) {
        return NULL;
    }

    do {
        ctx = ngx_http_katalo_ctx_next(ctx->cleanup.next);
    } while (ctx && ctx->request != r);

    return ctx;
}


ngx_http_katalo_ctx_t *
ngx_http_katalo_ctx_upstream(ngx_http_request_t *r)
{
    ngx_http_katalo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_katalo_module);

    if (ctx && ctx->upstream == r->upstream) {
        return ctx;
    }

    ctx = ngx_http_katalo_ctx_next(r->pool->cleanup);

    while (ctx && ctx->upstream != r->upstream) {
        ctx = ngx_http_katalo_ctx_next(ctx->cleanup.next);
    }

    return ctx;
}


ngx_http_katalo_ctx_t *
ngx_http_katalo_ctx_peer(ngx_peer_connection_t *pc)
{
    ngx_http_upstream_t  *u;

    u = (ngx_http_upstream_t *)
            ((u_char *) pc - offsetof(ngx_http_upstream_t, peer));

    if (u->cleanup == NULL) {
        return NULL;
    }

    /* u->cleanup is the handler, the first field, of what has the request */

    return ngx_http_katalo_ctx_upstream(
                                    ((ngx_http_cleanup_t *) u->cleanup)->data);
}
