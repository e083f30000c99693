
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_answer.h"
#include "ngx_http_katalo_retry_json.h"


/* bytes of a body that are looked at */
#define NGX_HTTP_KATALO_ANSWER_BODY  4096

/* milliseconds, where nothing is said */
#define NGX_HTTP_KATALO_RETRY_AFTER  1000


static void ngx_http_katalo_answer_cors(ngx_list_part_t *part);
static ngx_int_t ngx_http_katalo_answer_retry_body(ngx_http_katalo_ctx_t *ctx,
    ngx_msec_t *msec);
static ngx_int_t ngx_http_katalo_answer_retry_unread(ngx_http_upstream_t *u,
    ngx_msec_t *msec);
static ngx_int_t ngx_http_katalo_answer_retry_header(ngx_http_upstream_t *u,
    ngx_msec_t *msec);
static ngx_str_t *ngx_http_katalo_answer_find(ngx_http_upstream_t *u,
    ngx_str_t *name);


void
ngx_http_katalo_answer_header(ngx_http_request_t *r,
    ngx_http_katalo_loc_conf_t *klcf)
{
    ngx_http_katalo_ctx_t  *ctx;

    if (klcf->cors) {
        ngx_http_katalo_answer_cors(&r->headers_out.headers.part);
    }

    /* an error_page may have a status of its own */

    if (r->upstream == NULL
        || r->upstream->headers_in.status_n != NGX_HTTP_TOO_MANY_REQUESTS)
    {
        return;
    }

    ctx = ngx_http_katalo_ctx_upstream(r);

    if (ctx && ctx->finish && ctx->conf->cooldown) {
        ctx->body = ngx_create_temp_buf(r->pool, NGX_HTTP_KATALO_ANSWER_BODY);
        r->filter_need_in_memory = 1;
    }
}


static void
ngx_http_katalo_answer_cors(ngx_list_part_t *part)
{
    ngx_uint_t        i;
    ngx_table_elt_t  *header;

    static ngx_str_t  prefix = ngx_string("Access-Control-");

    for ( /* void */ ; part; part = part->next) {
        header = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (header[i].key.len > prefix.len
                && (header[i].key.data[0] | 0x20) == 'a'
                && ngx_strncasecmp(header[i].key.data, prefix.data, prefix.len)
                   == 0)
            {
                header[i].hash = 0;
            }
        }
    }
}


size_t
ngx_http_katalo_answer_body(ngx_http_katalo_ctx_t *ctx, ngx_chain_t *in)
{
    size_t      n;
    u_char     *kept;
    ngx_buf_t  *body;

    body = ctx->body;
    kept = body->last;

    for ( /* void */ ; in; in = in->next) {

        if (ngx_buf_in_memory(in->buf)) {
            n = ngx_min(in->buf->last - in->buf->pos, body->end - body->last);
            body->last = ngx_cpymem(body->last, in->buf->pos, n);
        }
    }

    return body->last - kept;
}


ngx_msec_t
ngx_http_katalo_answer_retry_after(ngx_http_katalo_ctx_t *ctx)
{
    ngx_msec_t  msec;

    if (ngx_http_katalo_answer_retry_body(ctx, &msec) == NGX_OK
        || ngx_http_katalo_answer_retry_header(ctx->upstream, &msec) == NGX_OK)
    {
        return msec;
    }

    return NGX_HTTP_KATALO_RETRY_AFTER;
}


static ngx_int_t
ngx_http_katalo_answer_retry_body(ngx_http_katalo_ctx_t *ctx, ngx_msec_t *msec)
{
    ngx_buf_t  *b;

    static ngx_str_t  encoding = ngx_string("Content-Encoding");

    if (ngx_http_katalo_answer_find(ctx->upstream, &encoding)) {
        return NGX_DECLINED;
    }

    b = ctx->body;

    if (b && b->last != b->pos) {
        return ngx_http_katalo_retry_json(b->pos, b->last, msec);
    }

    return ngx_http_katalo_answer_retry_unread(ctx->upstream, msec);
}


/* a body that was not sent on: what has come with its header */

static ngx_int_t
ngx_http_katalo_answer_retry_unread(ngx_http_upstream_t *u, ngx_msec_t *msec)
{
    u_char     *p, *last;
    ngx_int_t   size;

    p = u->buffer.pos;
    last = u->buffer.last;

    if (!u->headers_in.chunked) {

        /*
         * HTTP/2, RFC 9113, 4.1: frames before that of DATA, whose type is 0,
         * and its header.  By default, a length begins with 0; JSON never does.
         */

        while (last - p > 9 && *p == '\0') {
            size = p[3] ? p[1] << 8 | p[2] : 0;
            p += ngx_min(last - p, 9 + size);
        }

        return ngx_http_katalo_retry_json(p, last, msec);
    }

    /* the first chunk, RFC 9112, 7.1; a number at its end may be incomplete */

    while (p < last && isxdigit(*p)) {
        p++;
    }

    size = ngx_hextoi(u->buffer.pos, p - u->buffer.pos);
    p = ngx_strlchr(p, last, LF);

    if (p == NULL || size == NGX_ERROR) {
        return NGX_DECLINED;
    }

    p++;

    return ngx_http_katalo_retry_json(p, p + ngx_min(last - p, size), msec);
}


/* RFC 9110, 10.2.3: seconds, or a date; and seconds that are negative */

static ngx_int_t
ngx_http_katalo_answer_retry_header(ngx_http_upstream_t *u, ngx_msec_t *msec)
{
    u_char      *p, *last;
    time_t       t;
    ngx_str_t   *value;
    ngx_uint_t   negative;

    static ngx_str_t  name = ngx_string("Retry-After");

    value = ngx_http_katalo_answer_find(u, &name);
    if (value == NULL) {
        return NGX_DECLINED;
    }

    p = value->data;
    last = p + value->len;

    negative = (p < last && *p == '-');
    p += negative;

    while (p < last && *p >= '0' && *p <= '9') {
        p++;
    }

    if (p == last && p > value->data + negative) {
        p = value->data + negative;
        t = negative ? 0 : ngx_atotm(p, last - p);

        /* too great for a number */

        if (t == NGX_ERROR) {
            t = NGX_HTTP_KATALO_RETRY_MAX;
        }

    } else {
        t = ngx_parse_http_time(value->data, value->len);

        if (t == NGX_ERROR) {
            return NGX_DECLINED;
        }

        t = ngx_max(t - ngx_time(), 0);
    }

    *msec = ngx_min((ngx_msec_t) t, NGX_HTTP_KATALO_RETRY_MAX / 1000) * 1000;

    return NGX_OK;
}


/* the first one; NULL: there is none */

static ngx_str_t *
ngx_http_katalo_answer_find(ngx_http_upstream_t *u, ngx_str_t *name)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    for (part = &u->headers_in.headers.part; part; part = part->next) {
        header = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (header[i].key.len == name->len
                && ngx_strncasecmp(header[i].key.data, name->data, name->len)
                   == 0)
            {
                return &header[i].value;
            }
        }
    }

    return NULL;
}
