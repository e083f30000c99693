
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * The header of an upstream request is in its buffer, and in that of the TLS
 * connection: it is wiped from both when the request has ended, and from the
 * latter also when the connection is left for another peer, since memory is
 * freed as it is.
 */


#include "ngx_http_katalo.h"


static ngx_int_t ngx_http_katalo_wipe_writer(void *data, ngx_chain_t *in);
static void ngx_http_katalo_wipe_free_peer(ngx_peer_connection_t *pc,
    void *data, ngx_uint_t state);
static void ngx_http_katalo_wipe_connection(ngx_http_upstream_t *u);


void
ngx_http_katalo_wipe_init(ngx_http_katalo_ctx_t *ctx)
{
    /* the proxy module has its own writer for what it cannot send again */

    ctx->upstream->output.output_filter = ngx_http_katalo_wipe_writer;
    ctx->upstream->output.filter_ctx = ctx;
}


/* the peer is known by now: how it is freed is taken over */

static ngx_int_t
ngx_http_katalo_wipe_writer(void *data, ngx_chain_t *in)
{
    ngx_http_katalo_ctx_t *ctx = data;

    ngx_http_upstream_t  *u;

    u = ctx->upstream;

    if (ctx->free_peer == NULL) {
        ctx->free_peer = u->peer.free;
        u->peer.free = ngx_http_katalo_wipe_free_peer;
    }

    return ngx_chain_writer(&u->writer, in);
}


/* a connection is left for another peer, or kept alive */

static void
ngx_http_katalo_wipe_free_peer(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state)
{
    ngx_http_upstream_t    *u;
    ngx_http_katalo_ctx_t  *ctx;

    u = (ngx_http_upstream_t *)
            ((u_char *) pc - offsetof(ngx_http_upstream_t, peer));

    ctx = u->output.filter_ctx;

    if (!ctx->finished) {
        ngx_http_katalo_wipe_connection(u);
    }

    ctx->free_peer(pc, data, state);
}


/* the request line is left: error messages show it */

void
ngx_http_katalo_wipe(ngx_http_upstream_t *u)
{
    u_char     *p, *uri_end;
    ngx_buf_t  *b;

    if (u->request_bufs == NULL) {
        return;
    }

    b = u->request_bufs->buf;
    p = b->start;

    uri_end = u->uri.data + u->uri.len;

    if (p <= u->uri.data && uri_end <= b->end) {
        p = uri_end;
    }

    ngx_explicit_memzero(p, b->end - p);

    ngx_http_katalo_wipe_connection(u);
}


static void
ngx_http_katalo_wipe_connection(ngx_http_upstream_t *u)
{
#if (NGX_HTTP_SSL)

    ngx_buf_t         *b, *ssl;
    ngx_connection_t  *c;

    b = u->request_bufs->buf;
    c = u->peer.connection;

    if (c == NULL || c->ssl == NULL || c->ssl->buf == NULL) {
        return;
    }

    ssl = c->ssl->buf;

    if (ssl->start) {
        ngx_explicit_memzero(ssl->start, ngx_min(b->end - b->start,
                                                 ssl->end - ssl->start));
    }

#endif
}
