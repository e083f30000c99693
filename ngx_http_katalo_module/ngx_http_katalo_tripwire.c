
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * A Katalo key that a client sends has leaked: only gateways and backends
 * should have keys.
 */


#include "ngx_http_katalo_key.h"
#include "ngx_http_katalo_tripwire.h"
#include "ngx_http_katalo_usage.h"

#include <openssl/crypto.h>


/* the ids that this process has logged within a minute */

#define NGX_HTTP_KATALO_TRIPWIRE_IDS  256

typedef struct {
    time_t                   logged;
    uint32_t                 id;
    uint32_t                 token;     /* the last one with this id */
} ngx_http_katalo_tripwire_id_t;


static u_char *ngx_http_katalo_tripwire_find(ngx_str_t *value);
static void ngx_http_katalo_tripwire_log(ngx_http_request_t *r,
    ngx_str_t *token);
static ngx_http_katalo_tripwire_id_t *ngx_http_katalo_tripwire_id(
    ngx_str_t *id);
static ngx_uint_t ngx_http_katalo_tripwire_over(time_t logged);
static ngx_http_katalo_key_t *ngx_http_katalo_tripwire_held(
    ngx_http_katalo_main_conf_t *kmcf, ngx_str_t *token, ngx_str_t *id);


static ngx_http_katalo_tripwire_id_t
    ngx_http_katalo_tripwire_ids[NGX_HTTP_KATALO_TRIPWIRE_IDS];


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
        ngx_http_katalo_usage_client_key(key);
    }

    ngx_http_katalo_tripwire_log(r, &token);
}


/*
 * Other tokens may be long, so underscores are searched for, and only the
 * bytes around an underscore are compared.
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
    u_char                         *p, *last;
    uint32_t                        hash;
    ngx_str_t                       id;
    ngx_uint_t                      fresh;
    ngx_http_katalo_key_t          *held;
    ngx_http_katalo_main_conf_t    *kmcf;
    ngx_http_katalo_tripwire_id_t  *seen;

    id.data = token->data + sizeof(NGX_HTTP_KATALO_TOKEN) - 1;
    last = token->data + token->len;
    p = ngx_http_katalo_key_word(id.data, last);
    id.len = p - id.data;

    /* without a dot, this might be a secret */

    if (p == last || *p != '.'
        || id.len == 0 || id.len > NGX_HTTP_KATALO_KEY_LEN)
    {
        ngx_str_set(&id, "?");

    } else {
        token->len = ngx_http_katalo_key_word(p + 1, last) - token->data;
    }

    hash = ngx_crc32_long(token->data, token->len);

    seen = ngx_http_katalo_tripwire_id(&id);
    fresh = (seen && seen->logged == 0);

    /* the keys are not compared again for each request with one token */

    if (seen && !fresh && seen->token == hash) {
        return;
    }

    if (seen) {
        seen->token = hash;
    }

    if (fresh) {
        seen->logged = ngx_time();
    }

    kmcf = ngx_http_get_module_main_conf(r, ngx_http_katalo_module);

    held = ngx_http_katalo_tripwire_held(kmcf, token, &id);

    /* a key of this gateway is logged even if there is no room for its id */

    if (held && ngx_http_katalo_tripwire_over(held->exposed)) {
        held->exposed = ngx_time();

        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "katalo: client sent the key \"%V\" id \"%V\" of this "
                      "gateway: it is exposed, rotate it", &held->name, &id);

    } else if (held == NULL && fresh) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "katalo: client sent a Katalo key with id \"%V\": it is "
                      "exposed, revoke it", &id);
    }
}


/* "logged" is 0 for a new id; NULL: there is no room for it */

static ngx_http_katalo_tripwire_id_t *
ngx_http_katalo_tripwire_id(ngx_str_t *id)
{
    uint32_t                        hash;
    ngx_uint_t                      i;
    ngx_http_katalo_tripwire_id_t  *seen, *unused;

    hash = ngx_crc32_long(id->data, id->len);
    unused = NULL;

    for (i = 0; i < NGX_HTTP_KATALO_TRIPWIRE_IDS; i++) {
        seen = &ngx_http_katalo_tripwire_ids[i];

        if (ngx_http_katalo_tripwire_over(seen->logged)) {
            unused = seen;

        } else if (seen->id == hash) {
            return seen;
        }
    }

    if (unused) {
        unused->logged = 0;
        unused->id = hash;
    }

    return unused;
}


/* the clock may have been set back */

static ngx_uint_t
ngx_http_katalo_tripwire_over(time_t logged)
{
    return ngx_time() < logged || ngx_time() - logged >= 60;
}


/* the key of this gateway with this token, or NULL */

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
        secret = &key[i]->secret;

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
