
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_consumer_name.h"

#include <openssl/evp.h>


/* "~" and digits of the hash */
#define NGX_HTTP_KATALO_CONSUMER_HASH    33


static size_t ngx_http_katalo_consumer_escaped(ngx_str_t *value);
static ngx_uint_t ngx_http_katalo_consumer_hashed(u_char *p, size_t len);
static u_char *ngx_http_katalo_consumer_escape(u_char *p, u_char *last,
    ngx_str_t *value);


ngx_int_t
ngx_http_katalo_consumer_name(ngx_pool_t *pool, ngx_str_t *value,
    ngx_str_t *name)
{
    u_char  *p, digest[EVP_MAX_MD_SIZE];
    size_t   len;

    len = ngx_http_katalo_consumer_escaped(value);

    if (len == value->len && len <= NGX_HTTP_KATALO_CONSUMER_PLAIN) {
        *name = *value;
        return NGX_OK;
    }

    name->data = ngx_pnalloc(pool, NGX_HTTP_KATALO_CONSUMER_LEN);
    if (name->data == NULL) {
        return NGX_ERROR;
    }

    if (len <= NGX_HTTP_KATALO_CONSUMER_LEN) {
        p = ngx_http_katalo_consumer_escape(name->data, name->data + len,
                                            value);
        name->len = p - name->data;

        if (!ngx_http_katalo_consumer_hashed(name->data, len)) {
            return NGX_OK;
        }
    }

    if (EVP_Digest(value->data, value->len, digest, NULL, EVP_sha256(), NULL)
        != 1)
    {
        return NGX_ERROR;
    }

    p = ngx_http_katalo_consumer_escape(name->data,
                                  name->data + NGX_HTTP_KATALO_CONSUMER_BEGIN,
                                  value);
    *p++ = '~';
    p = ngx_hex_dump(p, digest, (NGX_HTTP_KATALO_CONSUMER_HASH - 1) / 2);

    name->len = p - name->data;

    return NGX_OK;
}


/* bytes of the value once it is escaped */

static size_t
ngx_http_katalo_consumer_escaped(ngx_str_t *value)
{
    size_t  i, len;

    if (value->len == 1 && value->data[0] == '*') {
        return NGX_HTTP_KATALO_CONSUMER_ESCAPE;
    }

    len = value->len;

    for (i = 0; i < value->len; i++) {
        if (!ngx_http_katalo_consumer_plain(value->data[i])) {
            len += NGX_HTTP_KATALO_CONSUMER_ESCAPE - 1;
        }
    }

    return len;
}


/* has it the form of a longer name that was cut? */

static ngx_uint_t
ngx_http_katalo_consumer_hashed(u_char *p, size_t len)
{
    size_t  i, begin;

    begin = len - NGX_HTTP_KATALO_CONSUMER_HASH;

    if (len <= NGX_HTTP_KATALO_CONSUMER_PLAIN || p[begin] != '~') {
        return 0;
    }

    for (i = begin + 1; i < len; i++) {
        if ((p[i] < '0' || p[i] > '9') && (p[i] < 'a' || p[i] > 'f')) {
            return 0;
        }
    }

    return 1;
}


/* as much of it as fits, and no part of an escaped byte */

static u_char *
ngx_http_katalo_consumer_escape(u_char *p, u_char *last, ngx_str_t *value)
{
    u_char  c;
    size_t  i;

    for (i = 0; i < value->len; i++) {
        c = value->data[i];

        if (ngx_http_katalo_consumer_plain(c)
            && !(value->len == 1 && c == '*'))
        {
            if (p == last) {
                break;
            }

            *p++ = c;
            continue;
        }

        if (last - p < NGX_HTTP_KATALO_CONSUMER_ESCAPE) {
            break;
        }

        *p++ = 0xc2;
        *p++ = 0xa7;
        p = ngx_hex_dump(p, &c, 1);
    }

    return p;
}
