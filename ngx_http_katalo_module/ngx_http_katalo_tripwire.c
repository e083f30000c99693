
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * A client that brings a Katalo key of its own has one that leaked: only
 * gateways and backends hold keys.
 */


#include "ngx_http_katalo.h"

#include <openssl/crypto.h>


static u_char *ngx_http_katalo_tripwire_find(ngx_str_t *value);
static void ngx_http_katalo_tripwire_log(ngx_http_request_t *r,
    ngx_str_t *token);
static ngx_http_katalo_key_t *ngx_http_katalo_tripwire_held(
    ngx_http_katalo_main_conf_t *kmcf, ngx_str_t *token, ngx_str_t *id);


void
ngx_http_katalo_tripwire(ngx_http_request_t *r, ngx_http_katalo_key_t *key)
{
    ngx_str_t  token, *value;

    if (r->headers_in.authorization == NULL) {
        return;
    }

    value = &r->headers_in.authorization->value;

    token.data = ngx_http_katalo_tripwire_find(value);
    if (token.data == NULL) {
        return;
    }

    token.len = value->data + value->len - token.data;

    if (key) {
        ngx_http_katalo_usage_key(key, NGX_HTTP_KATALO_CLIENT_KEY);
    }

    ngx_http_katalo_tripwire_log(r, &token);
}


/*
 * Clients may have long tokens of another kind: the first underscore of a key
 * is looked for, and compared is only what is around one.
 */

static u_char *
ngx_http_katalo_tripwire_find(ngx_str_t *value)
{
    u_char  *p, *last;
    size_t   before;

    before = sizeof("kat") - 1;

    last = value->data + value->len;
    p = value->data + ngx_min(value->len, before);

    for ( ;; ) {
        p = memchr(p, '_', last - p);

        if (p == NULL
            || last - p < (ssize_t) (sizeof(NGX_HTTP_KATALO_TOKEN) - 1
                                     - before))
        {
            return NULL;
        }

        if (ngx_strncasecmp(p - before, (u_char *) NGX_HTTP_KATALO_TOKEN,
                            sizeof(NGX_HTTP_KATALO_TOKEN) - 1)
            == 0)
        {
            return p - before;
        }

        p++;
    }
}


static void
ngx_http_katalo_tripwire_log(ngx_http_request_t *r, ngx_str_t *token)
{
    u_char                       *p, *last;
    ngx_str_t                     id;
    ngx_http_katalo_key_t        *held;
    ngx_http_katalo_main_conf_t  *kmcf;

    static ngx_str_t  unknown = ngx_string("?");

    id.data = token->data + sizeof(NGX_HTTP_KATALO_TOKEN) - 1;
    last = token->data + token->len;
    p = ngx_http_katalo_key_word(id.data, last);
    id.len = p - id.data;

    /* what is not followed by a dot might be a secret */

    if (p == last || *p != '.'
        || id.len == 0 || id.len > NGX_HTTP_KATALO_KEY_LEN)
    {
        id = unknown;

    } else {
        token->len = ngx_http_katalo_key_word(p + 1, last) - token->data;
    }

    kmcf = ngx_http_get_module_main_conf(r, ngx_http_katalo_module);

    held = ngx_http_katalo_tripwire_held(kmcf, token, &id);

    if (!ngx_http_katalo_usage_tripwire(kmcf->usage, held, &id)) {
        return;
    }

    if (held) {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "katalo: client sent the key \"%V\" id \"%V\" of this "
                      "gateway: it is exposed, rotate it", &held->name, &id);
        return;
    }

    ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                  "katalo: client sent a Katalo key with id \"%V\": it is "
                  "exposed, revoke it", &id);
}


/* the key of this gateway that the client's token is equal to, or NULL */

static ngx_http_katalo_key_t *
ngx_http_katalo_tripwire_held(ngx_http_katalo_main_conf_t *kmcf,
    ngx_str_t *token, ngx_str_t *id)
{
    size_t                   skip;
    ngx_str_t               *secret;
    ngx_uint_t               i;
    ngx_http_katalo_key_t  **key;

    skip = sizeof(NGX_HTTP_KATALO_BEARER) - 1;
    key = kmcf->keys.elts;

    for (i = 0; i < kmcf->keys.nelts; i++) {
        secret = ngx_http_katalo_key_secret(key[i]);

        if (key[i]->id.len == id->len
            && ngx_memcmp(key[i]->id.data, id->data, id->len) == 0
            && secret->len == skip + token->len
            && CRYPTO_memcmp(secret->data + skip, token->data, token->len)
               == 0)
        {
            return key[i];
        }
    }

    return NULL;
}
