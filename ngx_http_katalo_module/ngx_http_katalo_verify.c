
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * "proxy_ssl_name" with variables is evaluated by nginx for each handshake.
 * Whether the key may go there is decided then, by the name which that
 * handshake verified, and before anything of the request is sent: by the
 * writer of ngx_http_katalo_wipe.c.
 *
 * For chunks that are sent as they come, the proxy module puts its own filter
 * in place of that writer after the key was attached.  Another filter is then
 * added before that one: when the peer is chosen, or by an event where there
 * is no "upstream" block.  Connections that were kept are also checked when
 * they are taken, see ngx_http_katalo_peer.c.
 */


#include "ngx_http_katalo_ctx.h"
#include "ngx_http_katalo_destination.h"
#include "ngx_http_katalo_usage.h"
#include "ngx_http_katalo_verify.h"


struct ngx_http_katalo_verify_s {
    ngx_event_t                      event;
    ngx_http_katalo_ctx_t           *ctx;
    ngx_http_upstream_t             *upstream;
    ngx_output_chain_filter_pt       output_filter;
    void                            *filter_ctx;
};


static void ngx_http_katalo_verify_handler(ngx_event_t *ev);
static ngx_int_t ngx_http_katalo_verify_filter(void *data, ngx_chain_t *in);
static void ngx_http_katalo_verify_cleanup(void *data);


ngx_int_t
ngx_http_katalo_verify_init(ngx_http_request_t *r, ngx_http_katalo_ctx_t *ctx)
{
    ngx_pool_cleanup_t        *cln;
    ngx_http_katalo_verify_t  *verify;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_katalo_verify_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    verify = cln->data;

    ngx_memzero(verify, sizeof(ngx_http_katalo_verify_t));

    ctx->verify = verify;

    verify->ctx = ctx;
    verify->upstream = r->upstream;
    verify->event.handler = ngx_http_katalo_verify_handler;
    verify->event.data = verify;
    verify->event.log = ngx_cycle->log;

    ngx_post_event(&verify->event, &ngx_posted_events);

    cln->handler = ngx_http_katalo_verify_cleanup;

    return NGX_OK;
}


static void
ngx_http_katalo_verify_cleanup(void *data)
{
    ngx_http_katalo_verify_t *verify = data;

    if (verify->event.posted) {
        ngx_delete_posted_event(&verify->event);
    }
}


static void
ngx_http_katalo_verify_handler(ngx_event_t *ev)
{
    ngx_http_katalo_verify_t  *verify;

    verify = ev->data;

    ngx_http_katalo_verify_add(verify->ctx);
}


void
ngx_http_katalo_verify_add(ngx_http_katalo_ctx_t *ctx)
{
    ngx_output_chain_ctx_t    *output;
    ngx_http_katalo_verify_t  *verify;

    verify = ctx->verify;
    output = &verify->upstream->output;

    /* the writer, or the filter is there already */

    if (output->filter_ctx == ctx) {
        return;
    }

    verify->output_filter = output->output_filter;
    verify->filter_ctx = output->filter_ctx;

    output->output_filter = ngx_http_katalo_verify_filter;
    output->filter_ctx = ctx;
}


static ngx_int_t
ngx_http_katalo_verify_filter(void *data, ngx_chain_t *in)
{
    ngx_http_katalo_ctx_t *ctx = data;

    ngx_int_t                  rc;
    ngx_http_katalo_verify_t  *verify;

    rc = ngx_http_katalo_verify(ctx);

    if (rc != NGX_OK) {
        return rc;
    }

    verify = ctx->verify;

    return verify->output_filter(verify->filter_ctx, in);
}


ngx_int_t
ngx_http_katalo_verify(ngx_http_katalo_ctx_t *ctx)
{
    ngx_http_upstream_t  *u;

    u = ctx->upstream;

    if (ngx_http_katalo_destination_allowed(ctx->key, &u->ssl_name)) {
        return NGX_OK;
    }

    ngx_http_katalo_destination_refused(ctx->request, ctx->key, &u->ssl_name);

    ctx->decision = NGX_HTTP_KATALO_DESTINATION;

    ngx_http_katalo_usage_count(ctx->key, ctx->decision);

    /* no other peer is tried */

    u->peer.tries = 0;

    if (ctx->request->request_body_no_buffering) {
        return NGX_ERROR;
    }

    /* nothing else is asked of the chain, so it returns the status */

    u->output.in = NULL;

    return NGX_HTTP_INTERNAL_SERVER_ERROR;
}
