
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * The proxy module makes buffers of what it has read from the upstream, with
 * or without buffering, and decodes chunks meanwhile.  Its functions are called
 * as before, and what they have made is copied, as it is sent on.
 */


#include "ngx_http_katalo_retry_body.h"


/* bytes of a body that are looked at */
#define NGX_HTTP_KATALO_RETRY_BODY  4096


struct ngx_http_katalo_retry_body_s {
    ngx_http_request_t              *request;

    ngx_int_t                      (*init)(void *data);
    ngx_int_t                      (*filter)(void *data, ssize_t bytes);
    void                            *filter_ctx;
    ngx_event_pipe_input_filter_pt   pipe_filter;
    void                            *pipe_ctx;

    size_t                           len;
    u_char                           data[NGX_HTTP_KATALO_RETRY_BODY];
};


static ngx_int_t ngx_http_katalo_retry_body_begin(void *data);
static ngx_int_t ngx_http_katalo_retry_body_filter(void *data, ssize_t bytes);
static ngx_int_t ngx_http_katalo_retry_body_pipe_filter(ngx_event_pipe_t *p,
    ngx_buf_t *buf);
static void ngx_http_katalo_retry_body_copy(ngx_http_katalo_retry_body_t *body,
    ngx_chain_t *cl);
static void ngx_http_katalo_retry_body_chunk(ngx_str_t *body);
static ngx_uint_t ngx_http_katalo_retry_body_encoded(ngx_http_upstream_t *u);


void
ngx_http_katalo_retry_body_init(ngx_http_request_t *r)
{
    ngx_http_upstream_t           *u;
    ngx_http_katalo_ctx_t         *ctx;
    ngx_http_katalo_retry_body_t  *body;

    u = r->upstream;

    if (u == NULL || u->input_filter_init == NULL || u->pipe == NULL) {
        return;
    }

    ctx = ngx_http_katalo_ctx_upstream(r);

    if (ctx == NULL
        || ctx->finish == NULL
        || ctx->body
        || ctx->conf->cooldown == 0
        || ngx_http_katalo_retry_body_encoded(u))
    {
        return;
    }

    body = ngx_palloc(r->pool, sizeof(ngx_http_katalo_retry_body_t));
    if (body == NULL) {
        return;
    }

    body->request = r;
    body->len = 0;

    body->init = u->input_filter_init;
    body->filter = NULL;
    body->filter_ctx = u->input_filter_ctx;
    body->pipe_ctx = u->pipe->input_ctx;

    u->input_filter_init = ngx_http_katalo_retry_body_begin;
    u->input_filter_ctx = body;
    u->pipe->input_ctx = body;

    ctx->body = body;
}


/* the proxy module chooses other functions for chunks */

static ngx_int_t
ngx_http_katalo_retry_body_begin(void *data)
{
    ngx_http_katalo_retry_body_t *body = data;

    ngx_int_t             rc;
    ngx_http_upstream_t  *u;

    u = body->request->upstream;

    rc = body->init(u->buffering ? body->pipe_ctx : body->filter_ctx);

    body->filter = u->input_filter;
    body->pipe_filter = u->pipe->input_filter;

    u->input_filter = ngx_http_katalo_retry_body_filter;
    u->pipe->input_filter = ngx_http_katalo_retry_body_pipe_filter;

    return rc;
}


static ngx_int_t
ngx_http_katalo_retry_body_filter(void *data, ssize_t bytes)
{
    ngx_http_katalo_retry_body_t *body = data;

    ngx_int_t             rc;
    ngx_chain_t         **last;
    ngx_http_upstream_t  *u;

    u = body->request->upstream;

    for (last = &u->out_bufs; *last; last = &(*last)->next) { /* void */ }

    rc = body->filter(body->filter_ctx, bytes);

    ngx_http_katalo_retry_body_copy(body, *last);

    return rc;
}


static ngx_int_t
ngx_http_katalo_retry_body_pipe_filter(ngx_event_pipe_t *p, ngx_buf_t *buf)
{
    ngx_int_t                       rc;
    ngx_chain_t                   **last;
    ngx_http_katalo_retry_body_t   *body;

    body = p->input_ctx;
    last = p->in ? p->last_in : &p->in;

    p->input_ctx = body->pipe_ctx;

    rc = body->pipe_filter(p, buf);

    p->input_ctx = body;

    ngx_http_katalo_retry_body_copy(body, *last);

    return rc;
}


static void
ngx_http_katalo_retry_body_copy(ngx_http_katalo_retry_body_t *body,
    ngx_chain_t *cl)
{
    size_t  n;

    for ( /* void */ ; cl; cl = cl->next) {
        n = ngx_min((size_t) (cl->buf->last - cl->buf->pos),
                    NGX_HTTP_KATALO_RETRY_BODY - body->len);

        ngx_memcpy(body->data + body->len, cl->buf->pos, n);
        body->len += n;
    }
}


void
ngx_http_katalo_retry_body(ngx_http_katalo_ctx_t *ctx, ngx_str_t *body)
{
    ngx_buf_t            *b;
    ngx_http_upstream_t  *u;

    u = ctx->upstream;

    if (ctx->body && ctx->body->filter) {
        body->data = ctx->body->data;
        body->len = ctx->body->len;
        return;
    }

    ngx_str_set(body, "");

    /* it is not read, or not sent on: what has come with its header */

    b = &u->buffer;

    if ((u->header_sent && ctx->body == NULL)
        || b->start == NULL
        || ngx_http_katalo_retry_body_encoded(u))
    {
        return;
    }

    body->data = b->pos;
    body->len = b->last - b->pos;

    if (u->headers_in.chunked) {
        ngx_http_katalo_retry_body_chunk(body);
    }

    body->len = ngx_min(body->len, NGX_HTTP_KATALO_RETRY_BODY);
}


/* the first chunk, RFC 9112, 7.1: the next one's size is no number of JSON */

static void
ngx_http_katalo_retry_body_chunk(ngx_str_t *body)
{
    u_char     *p, *last;
    ngx_int_t   size;

    last = body->data + body->len;

    p = body->data;

    while (p < last
           && ((*p >= '0' && *p <= '9')
               || ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'f')))
    {
        p++;
    }

    size = ngx_hextoi(body->data, p - body->data);

    p = ngx_strlchr(p, last, LF);

    if (p == NULL || size == NGX_ERROR) {
        body->len = 0;
        return;
    }

    body->data = ++p;
    body->len = ngx_min(last - p, size);
}


/* nginx 1.23 and later have no field of it */

static ngx_uint_t
ngx_http_katalo_retry_body_encoded(ngx_http_upstream_t *u)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    static ngx_str_t  name = ngx_string("Content-Encoding");

    part = &u->headers_in.headers.part;
    header = part->elts;

    for (i = 0; /* void */; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return 0;
            }

            part = part->next;
            header = part->elts;
            i = 0;
        }

        if (header[i].key.len == name.len
            && ngx_strncasecmp(header[i].key.data, name.data, name.len) == 0)
        {
            return 1;
        }
    }
}
