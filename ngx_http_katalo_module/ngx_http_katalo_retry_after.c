
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_retry_after.h"
#include "ngx_http_katalo_retry_body.h"
#include "ngx_http_katalo_retry_json.h"
#include "ngx_http_katalo_retry_number.h"


#define NGX_HTTP_KATALO_RETRY_AFTER  1000


static ngx_int_t ngx_http_katalo_retry_after_header(ngx_http_upstream_t *u,
    ngx_msec_t *msec);
static ngx_int_t ngx_http_katalo_retry_after_value(ngx_str_t *value,
    ngx_msec_t *msec);


ngx_msec_t
ngx_http_katalo_retry_after(ngx_http_katalo_ctx_t *ctx)
{
    ngx_str_t   body;
    ngx_msec_t  msec;

    ngx_http_katalo_retry_body(ctx, &body);

    if (ngx_http_katalo_retry_json(body.data, body.data + body.len, &msec)
        == NGX_OK
        || ngx_http_katalo_retry_after_header(ctx->upstream, &msec) == NGX_OK)
    {
        return msec;
    }

    return NGX_HTTP_KATALO_RETRY_AFTER;
}


/* the first one that is valid */

static ngx_int_t
ngx_http_katalo_retry_after_header(ngx_http_upstream_t *u, ngx_msec_t *msec)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    static ngx_str_t  name = ngx_string("Retry-After");

    part = &u->headers_in.headers.part;
    header = part->elts;

    for (i = 0; /* void */; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return NGX_DECLINED;
            }

            part = part->next;
            header = part->elts;
            i = 0;
        }

        if (header[i].key.len == name.len
            && ngx_strncasecmp(header[i].key.data, name.data, name.len) == 0
            && ngx_http_katalo_retry_after_value(&header[i].value, msec)
               == NGX_OK)
        {
            return NGX_OK;
        }
    }
}


/* RFC 9110, 10.2.3: seconds, or a date; and seconds that are negative */

static ngx_int_t
ngx_http_katalo_retry_after_value(ngx_str_t *value, ngx_msec_t *msec)
{
    u_char      *p, *last;
    time_t       t;
    ngx_uint_t   negative;

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
