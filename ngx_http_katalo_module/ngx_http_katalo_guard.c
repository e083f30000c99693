
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_ctx.h"
#include "ngx_http_katalo_guard.h"
#include "ngx_http_katalo_idempotency.h"
#include "ngx_http_katalo_key.h"
#include "ngx_http_katalo_operation.h"
#include "ngx_http_katalo_refusal.h"
#include "ngx_http_katalo_tripwire.h"
#include "ngx_http_katalo_usage.h"
#include "ngx_http_katalo_value.h"


/* what a request header tells */

#define NGX_HTTP_KATALO_ORIGIN         0x01
#define NGX_HTTP_KATALO_CORS_REQUEST   0x02
#define NGX_HTTP_KATALO_FROM_BROWSER   0x04
#define NGX_HTTP_KATALO_CREDENTIAL     0x08
#define NGX_HTTP_KATALO_IDEMPOTENT     0x10


typedef struct {
    ngx_str_t    name;
    uintptr_t    flags;
} ngx_http_katalo_guard_header_t;


static uintptr_t ngx_http_katalo_guard_headers(ngx_http_request_t *r,
    ngx_http_katalo_loc_conf_t *klcf);
static ngx_int_t ngx_http_katalo_guard_key(ngx_http_request_t *r,
    ngx_http_katalo_loc_conf_t *klcf, ngx_http_katalo_key_t **key);
static ngx_http_katalo_decision_e ngx_http_katalo_guard_decide(
    ngx_http_request_t *r, ngx_http_katalo_ctx_t *ctx);
static ngx_int_t ngx_http_katalo_guard_add_header(ngx_array_t *names,
    ngx_http_katalo_loc_conf_t *conf, ngx_str_t *name, uintptr_t flags);


/* a bit of a mask that leaves out most headers that are of no interest */

#define ngx_http_katalo_guard_bit(hash)                                       \
    ((uint64_t) 1 << ((uint64_t) (hash) * 0x9e3779b97f4a7c15 >> 58))


/*
 * Fetch, 3.2 and 4.8, Fetch Metadata, UA Client Hints: headers that a page's
 * script can neither set nor take away.  Sec-Fetch-Mode is left out on
 * purpose: Node.js sends it with its own fetch().
 */

static ngx_http_katalo_guard_header_t  ngx_http_katalo_guard_known[] = {
    { ngx_string("origin"),
      NGX_HTTP_KATALO_ORIGIN|NGX_HTTP_KATALO_FROM_BROWSER },
    { ngx_string("access-control-request-method"),
      NGX_HTTP_KATALO_CORS_REQUEST },
    { ngx_string("access-control-request-headers"),
      NGX_HTTP_KATALO_CORS_REQUEST },
    { ngx_string("access-control-request-private-network"),
      NGX_HTTP_KATALO_CORS_REQUEST },
    { ngx_string("sec-fetch-site"), NGX_HTTP_KATALO_FROM_BROWSER },
    { ngx_string("sec-fetch-dest"), NGX_HTTP_KATALO_FROM_BROWSER },
    { ngx_string("sec-fetch-user"), NGX_HTTP_KATALO_FROM_BROWSER },
    { ngx_string("sec-ch-ua"), NGX_HTTP_KATALO_FROM_BROWSER },
    { ngx_string("upgrade-insecure-requests"), NGX_HTTP_KATALO_FROM_BROWSER },
    { ngx_string("authorization"), NGX_HTTP_KATALO_CREDENTIAL },
    { ngx_null_string, 0 }
};


ngx_int_t
ngx_http_katalo_guard_handler(ngx_http_request_t *r)
{
    ngx_int_t                    rc;
    ngx_http_katalo_ctx_t       *ctx;
    ngx_http_katalo_loc_conf_t  *klcf;

    klcf = ngx_http_get_module_loc_conf(r, ngx_http_katalo_module);

    if (!klcf->enabled) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_katalo_ctx_create(r, klcf);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_katalo_guard_key(r, klcf, &ctx->key) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->flags = ngx_http_katalo_guard_headers(r, klcf);
    ctx->decision = ngx_http_katalo_guard_decide(r, ctx);

    if (ctx->flags & NGX_HTTP_KATALO_CREDENTIAL) {
        ngx_http_katalo_tripwire(r, ctx->key);
    }

    if (ctx->decision != NGX_HTTP_KATALO_ALLOWED) {
        return ngx_http_katalo_refuse(r, ctx, ctx->decision);
    }

    if (klcf->idempotency) {
        rc = ngx_http_katalo_idempotency(r, ctx,
                                    ctx->flags & NGX_HTTP_KATALO_IDEMPOTENT);

        if (rc == NGX_DECLINED) {
            return ngx_http_katalo_refuse(r, ctx, NGX_HTTP_KATALO_IDEMPOTENCY);
        }

        if (rc != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    /* an error_page of a refusal may lead here */

    if (r->internal) {
        ngx_http_katalo_refusal_forget(r);
    }

    return NGX_DECLINED;
}


void
ngx_http_katalo_guard_passed(ngx_http_katalo_ctx_t *ctx)
{
    if (ctx->flags & NGX_HTTP_KATALO_CREDENTIAL) {
        ngx_http_katalo_usage_count(ctx->key, NGX_HTTP_KATALO_STRIPPED);
    }

    if (ctx->conf->browser == NGX_HTTP_KATALO_BROWSER_REPORT
        && (ctx->flags & NGX_HTTP_KATALO_FROM_BROWSER))
    {
        ngx_http_katalo_usage_count(ctx->key, NGX_HTTP_KATALO_BROWSER_REPORTED);
    }
}


/* *key is NULL where a variable names no key */

static ngx_int_t
ngx_http_katalo_guard_key(ngx_http_request_t *r,
    ngx_http_katalo_loc_conf_t *klcf, ngx_http_katalo_key_t **key)
{
    ngx_str_t                     name;
    ngx_http_katalo_ctx_t        *ctx;
    ngx_http_katalo_main_conf_t  *kmcf;

    if (klcf->key) {
        *key = klcf->key;
        return NGX_OK;
    }

    if (ngx_http_katalo_value(r, klcf->variable, &name) != NGX_OK) {
        return NGX_ERROR;
    }

    kmcf = ngx_http_get_module_main_conf(r, ngx_http_katalo_module);

    *key = ngx_http_katalo_find_key(kmcf, &name);

    if (*key == NULL) {
        ctx = ngx_http_get_module_ctx(r, ngx_http_katalo_module);
        ctx->named = name;
    }

    return NGX_OK;
}


static uintptr_t
ngx_http_katalo_guard_headers(ngx_http_request_t *r,
    ngx_http_katalo_loc_conf_t *klcf)
{
    uint64_t          mask;
    uintptr_t         flags;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    flags = 0;
    mask = klcf->header_mask;

    part = &r->headers_in.headers.part;
    header = part->elts;

    for (i = 0; /* void */; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            header = part->elts;
            i = 0;
        }

        if (!(mask & ngx_http_katalo_guard_bit(header[i].hash))) {
            continue;
        }

        flags |= (uintptr_t) ngx_hash_find(&klcf->headers, header[i].hash,
                                           header[i].lowcase_key,
                                           header[i].key.len);
    }

    return flags;
}


static ngx_http_katalo_decision_e
ngx_http_katalo_guard_decide(ngx_http_request_t *r, ngx_http_katalo_ctx_t *ctx)
{
    ngx_http_katalo_loc_conf_t   *klcf;
    ngx_http_katalo_main_conf_t  *kmcf;

    klcf = ctx->conf;

    if (klcf->preflight
        && r->method == NGX_HTTP_OPTIONS
        && (ctx->flags
            & (NGX_HTTP_KATALO_ORIGIN|NGX_HTTP_KATALO_CORS_REQUEST)))
    {
        return NGX_HTTP_KATALO_PREFLIGHT;
    }

    if (klcf->browser == NGX_HTTP_KATALO_BROWSER_DENY
        && (ctx->flags & NGX_HTTP_KATALO_FROM_BROWSER))
    {
        return NGX_HTTP_KATALO_BROWSER;
    }

    kmcf = ngx_http_get_module_main_conf(r, ngx_http_katalo_module);

    ctx->operation = ngx_http_katalo_operation(r, kmcf);

    if (!(klcf->allow & ((ngx_uint_t) 1 << ctx->operation))) {
        return NGX_HTTP_KATALO_OPERATION;
    }

    if (ctx->key == NULL) {
        return ctx->named.len == 0
               || (ctx->named.len == 3
                   && ngx_strncmp(ctx->named.data, "off", 3) == 0)
               ? NGX_HTTP_KATALO_NOT_GIVEN : NGX_HTTP_KATALO_UNDECLARED;
    }

    if (!ngx_http_katalo_key_usable(ctx->key)) {
        return NGX_HTTP_KATALO_NO_KEY;
    }

    return NGX_HTTP_KATALO_ALLOWED;
}


ngx_int_t
ngx_http_katalo_guard_init(ngx_conf_t *cf, ngx_http_katalo_loc_conf_t *conf)
{
    size_t                           size;
    ngx_str_t                       *name;
    ngx_uint_t                       i, sent;
    ngx_array_t                      names;
    ngx_hash_init_t                  hash;
    ngx_http_katalo_guard_header_t  *known;

    if (ngx_array_init(&names, cf->temp_pool, 16, sizeof(ngx_hash_key_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (known = ngx_http_katalo_guard_known; known->name.len; known++) {

        if (ngx_http_katalo_guard_add_header(&names, conf, &known->name,
                                             known->flags)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    size = 128;
    name = conf->strip->elts;
    sent = (conf->idempotency != NGX_HTTP_KATALO_IDEMPOTENCY_PASS);

    for (i = 0; i < conf->strip->nelts; i++) {

        /* a bucket has room for each name, no directive sets its size */

        size = ngx_max(size, name[i].len + 4 * sizeof(void *));

        if (ngx_http_katalo_guard_add_header(&names, conf, &name[i],
                                             NGX_HTTP_KATALO_CREDENTIAL)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (ngx_strcasecmp(name[i].data, ngx_http_katalo_idempotency_name.data)
            == 0)
        {
            sent = 0;
        }
    }

    if (sent
        && ngx_http_katalo_guard_add_header(&names, conf,
                                            &ngx_http_katalo_idempotency_name,
                                            NGX_HTTP_KATALO_IDEMPOTENT)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    hash.hash = &conf->headers;
    hash.key = ngx_hash_key_lc;
    hash.max_size = 512;
    hash.bucket_size = ngx_align(size, ngx_cacheline_size);
    hash.name = "katalo_headers_hash";
    hash.pool = cf->pool;
    hash.temp_pool = NULL;

    return ngx_hash_init(&hash, names.elts, names.nelts);
}


/* a header may be both a signal and a credential: its flags are joined */

static ngx_int_t
ngx_http_katalo_guard_add_header(ngx_array_t *names,
    ngx_http_katalo_loc_conf_t *conf, ngx_str_t *name, uintptr_t flags)
{
    ngx_uint_t       i;
    ngx_hash_key_t  *key;

    key = names->elts;

    for (i = 0; i < names->nelts; i++) {

        if (key[i].key.len == name->len
            && ngx_strncasecmp(key[i].key.data, name->data, name->len) == 0)
        {
            flags |= (uintptr_t) key[i].value;
            key[i].value = (void *) flags;
            return NGX_OK;
        }
    }

    key = ngx_array_push(names);
    if (key == NULL) {
        return NGX_ERROR;
    }

    key->key = *name;
    key->key_hash = ngx_hash_key_lc(name->data, name->len);
    key->value = (void *) flags;

    conf->header_mask |= ngx_http_katalo_guard_bit(key->key_hash);

    return NGX_OK;
}
