
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * A key is made by the guard, once for each request, so that it is the same
 * whenever the request is sent, and however often its value is asked for.  The
 * proxy module drops the client's header where its list has one of that name:
 * the hidden variable yields what the client sent, or what was made.
 */


#include "ngx_http_katalo_ctx.h"
#include "ngx_http_katalo_idempotency.h"

#include <openssl/rand.h>


/* random bytes of a key */
#define NGX_HTTP_KATALO_IDEMPOTENCY_RANDOM  16


static ngx_int_t ngx_http_katalo_idempotency_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_katalo_idempotency_sent(ngx_http_request_t *r,
    ngx_str_t *value);
static ngx_int_t ngx_http_katalo_idempotency_make(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx);
static ngx_table_elt_t *ngx_http_katalo_idempotency_next(ngx_list_part_t **part,
    ngx_uint_t *i);


ngx_str_t  ngx_http_katalo_idempotency_name = ngx_string("Idempotency-Key");


ngx_int_t
ngx_http_katalo_idempotency_init(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf)
{
    u_char               *p;
    ngx_str_t             name;
    ngx_http_variable_t  *var;

    static ngx_str_t  suffix = ngx_string("_idempotency");

    /* the name of the key's variable is random */

    p = ngx_pnalloc(cf->pool, kmcf->bearer.len + suffix.len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    kmcf->idempotency.data = p;
    kmcf->idempotency.len = kmcf->bearer.len + suffix.len;

    p = ngx_cpymem(p, kmcf->bearer.data, kmcf->bearer.len);
    p = ngx_cpymem(p, suffix.data, suffix.len);
    *p = '\0';

    name.len = kmcf->idempotency.len - 1;
    name.data = kmcf->idempotency.data + 1;

    var = ngx_http_add_variable(cf, &name,
                                NGX_HTTP_VAR_NOCACHEABLE|NGX_HTTP_VAR_NOHASH);
    if (var == NULL) {
        return NGX_ERROR;
    }

    var->get_handler = ngx_http_katalo_idempotency_variable;

    return NGX_OK;
}


/* an empty value leaves the header out */

static ngx_int_t
ngx_http_katalo_idempotency_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_katalo_ctx_t  *ctx;

    ctx = ngx_http_katalo_ctx_get(r);

    if (ctx == NULL || ctx->key == NULL || ctx->idempotency.len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;
    v->len = ctx->idempotency.len;
    v->data = ctx->idempotency.data;

    return NGX_OK;
}


ngx_int_t
ngx_http_katalo_idempotency(ngx_http_request_t *r, ngx_http_katalo_ctx_t *ctx,
    ngx_uint_t sent)
{
    if (ctx->conf->idempotency_set) {
        return NGX_OK;
    }

    if (sent
        && ngx_http_katalo_idempotency_sent(r, &ctx->idempotency) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ctx->idempotency.len
        || (ctx->operation != NGX_HTTP_KATALO_CREATE
            && ctx->operation != NGX_HTTP_KATALO_REGENERATE))
    {
        return NGX_OK;
    }

    if (ctx->conf->idempotency == NGX_HTTP_KATALO_IDEMPOTENCY_REQUIRE) {
        return NGX_DECLINED;
    }

    return ngx_http_katalo_idempotency_make(r, ctx);
}


/* RFC 9110, 5.3: lines of one name are a list */

static ngx_int_t
ngx_http_katalo_idempotency_sent(ngx_http_request_t *r, ngx_str_t *value)
{
    u_char           *p;
    size_t            len;
    ngx_uint_t        i, n;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    len = 0;
    n = 0;

    part = &r->headers_in.headers.part;
    i = 0;

    while ((header = ngx_http_katalo_idempotency_next(&part, &i)) != NULL) {
        *value = header->value;
        len += header->value.len + sizeof(", ") - 1;
        n++;
    }

    if (n < 2) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value->data = p;

    part = &r->headers_in.headers.part;
    i = 0;

    while ((header = ngx_http_katalo_idempotency_next(&part, &i)) != NULL) {

        if (p != value->data) {
            *p++ = ',';
            *p++ = ' ';
        }

        p = ngx_cpymem(p, header->value.data, header->value.len);
    }

    value->len = p - value->data;

    return NGX_OK;
}


/* the next line of the client's that has a value, or NULL */

static ngx_table_elt_t *
ngx_http_katalo_idempotency_next(ngx_list_part_t **part, ngx_uint_t *i)
{
    ngx_str_t        *name;
    ngx_table_elt_t  *header;

    name = &ngx_http_katalo_idempotency_name;

    for ( ;; ) {

        if (*i >= (*part)->nelts) {
            if ((*part)->next == NULL) {
                return NULL;
            }

            *part = (*part)->next;
            *i = 0;
            continue;
        }

        header = (ngx_table_elt_t *) (*part)->elts + (*i)++;

        if (header->value.len
            && header->key.len == name->len
            && ngx_strncasecmp(header->key.data, name->data, name->len) == 0)
        {
            return header;
        }
    }
}


/* a request that an error_page sends again is still the same request */

static ngx_int_t
ngx_http_katalo_idempotency_make(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx)
{
    u_char                  random[NGX_HTTP_KATALO_IDEMPOTENCY_RANDOM];
    ngx_http_katalo_ctx_t  *before;

    for (before = ngx_http_katalo_ctx_before(ctx);
         before;
         before = ngx_http_katalo_ctx_before(before))
    {
        if (before->made && before->operation == ctx->operation) {
            ctx->idempotency = before->idempotency;
            ctx->made = 1;
            return NGX_OK;
        }
    }

    if (RAND_bytes(random, sizeof(random)) != 1) {
        ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                      "katalo: RAND_bytes() failed, no \"Idempotency-Key\" "
                      "for this request");
        return NGX_ERROR;
    }

    ctx->idempotency.len = 2 * sizeof(random);
    ctx->idempotency.data = ngx_pnalloc(r->pool, ctx->idempotency.len);
    if (ctx->idempotency.data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_hex_dump(ctx->idempotency.data, random, sizeof(random));

    ctx->made = 1;

    return NGX_OK;
}
