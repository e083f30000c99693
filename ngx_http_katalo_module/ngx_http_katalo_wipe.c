
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * The header of an upstream request is in its own buffer, and in that of the
 * TLS connection.  The latter is wiped as soon as all is sent or, if that does
 * not come to pass, before the connection is closed or left for another peer;
 * the former when the request has ended.  Memory is freed as it is.
 */


#include "ngx_http_katalo_ctx.h"
#include "ngx_http_katalo_verify.h"
#include "ngx_http_katalo_wipe.h"


static ngx_int_t ngx_http_katalo_wipe_writer(void *data, ngx_chain_t *in);
static void ngx_http_katalo_wipe_free_peer(ngx_peer_connection_t *pc,
    void *data, ngx_uint_t state);
static void ngx_http_katalo_wipe_unbuffered(ngx_http_upstream_t *u);
static void ngx_http_katalo_wipe_connection(ngx_http_katalo_ctx_t *ctx);


void
ngx_http_katalo_wipe_init(ngx_http_katalo_ctx_t *ctx)
{
    /* the proxy module has its own writer for what it cannot send again */

    ctx->upstream->output.output_filter = ngx_http_katalo_wipe_writer;
    ctx->upstream->output.filter_ctx = ctx;
}


static ngx_int_t
ngx_http_katalo_wipe_writer(void *data, ngx_chain_t *in)
{
    ngx_http_katalo_ctx_t *ctx = data;

    ngx_int_t             rc;
    ngx_http_upstream_t  *u;

    if (ctx->verify) {
        rc = ngx_http_katalo_verify(ctx);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    u = ctx->upstream;

    rc = ngx_chain_writer(&u->writer, in);

    if (rc == NGX_OK) {
        ngx_http_katalo_wipe_connection(ctx);

    } else if (ctx->free_peer == NULL) {
        ctx->free_peer = u->peer.free;
        u->peer.free = ngx_http_katalo_wipe_free_peer;
    }

    return rc;
}


static void
ngx_http_katalo_wipe_free_peer(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state)
{
    ngx_http_upstream_t    *u;
    ngx_http_katalo_ctx_t  *ctx;

    u = (ngx_http_upstream_t *)
            ((u_char *) pc - offsetof(ngx_http_upstream_t, peer));

    ctx = u->output.filter_ctx;

    ngx_http_katalo_wipe_connection(ctx);

    ctx->free_peer(pc, data, state);
}


/*
 * The request line is left: error messages show it.  If nginx has failed to put
 * the request together, since a value had become longer, there are the buffers
 * of the client's body in its place, and there is no end of the header.
 */

void
ngx_http_katalo_wipe(ngx_http_katalo_ctx_t *ctx)
{
    u_char                   *p, *uri_end;
    ngx_buf_t                *b;
    ngx_http_upstream_t      *u;
    ngx_http_request_body_t  *body;

    u = ctx->upstream;
    body = ctx->request->request_body;

    if (u->request_bufs == NULL
        || (u->output.pool == NULL && body && u->request_bufs == body->bufs))
    {
        return;
    }

    if (ctx->request->request_body_no_buffering) {
        ngx_http_katalo_wipe_unbuffered(u);

    } else {
        b = u->request_bufs->buf;
        p = b->start;

        /* HTTP/2 has no request line */

        if (u->uri.len) {
            uri_end = u->uri.data + u->uri.len;

            if (p <= u->uri.data && uri_end <= b->end) {
                p = uri_end;
            }
        }

        ngx_explicit_memzero(p, b->end - p);
    }

    if (u->output.output_filter != ngx_http_katalo_wipe_writer) {
        ngx_http_katalo_wipe_connection(ctx);
    }
}


/*
 * The links of u->request_bufs are freed as soon as they are sent, and hold
 * other buffers by now.  But the URI is in the header, and an empty line is at
 * its end, always.
 */

static void
ngx_http_katalo_wipe_unbuffered(ngx_http_upstream_t *u)
{
    u_char  *p, *last;

    if (u->uri.len == 0) {
        return;
    }

    p = u->uri.data + u->uri.len;

    if (ngx_strncmp(p, " HTTP/1.", sizeof(" HTTP/1.") - 1) != 0) {
        return;
    }

    last = p;

    while (ngx_strncmp(last, CRLF CRLF, sizeof(CRLF CRLF) - 1) != 0) {
        last++;
    }

    ngx_explicit_memzero(p, last - p);
}


static void
ngx_http_katalo_wipe_connection(ngx_http_katalo_ctx_t *ctx)
{
#if (NGX_HTTP_SSL)

    size_t                n;
    ngx_buf_t            *b, *ssl;
    ngx_connection_t     *c;
    ngx_http_upstream_t  *u;

    u = ctx->upstream;
    c = u->peer.connection;

    if (c == NULL || c->ssl == NULL || c->ssl->buf == NULL) {
        return;
    }

    ssl = c->ssl->buf;

    if (ssl->start == NULL) {
        return;
    }

    n = ssl->end - ssl->start;

    if (!ctx->request->request_body_no_buffering) {
        b = u->request_bufs->buf;
        n = ngx_min(n, (size_t) (b->end - b->start));
    }

    ngx_explicit_memzero(ssl->start, n);

#endif
}
