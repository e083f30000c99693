
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
#include "ngx_http_katalo_variables.h"

#include <openssl/rand.h>


/* random bytes of a key */
#define NGX_HTTP_KATALO_IDEMPOTENCY_RANDOM  16


static ngx_int_t ngx_http_katalo_idempotency_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static void ngx_http_katalo_idempotency_sent(ngx_http_request_t *r,
    ngx_str_t *value);
static ngx_int_t ngx_http_katalo_idempotency_make(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx);


ngx_str_t  ngx_http_katalo_idempotency_name = ngx_string("Idempotency-Key");


ngx_int_t
ngx_http_katalo_idempotency_init(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf)
{
    return ngx_http_katalo_variables_hide(cf,
                                          ngx_http_katalo_idempotency_variable,
                                          &kmcf->idempotency);
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

    if (sent) {
        ngx_http_katalo_idempotency_sent(r, &ctx->idempotency);
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


/* of several lines, the first one with a value */

static void
ngx_http_katalo_idempotency_sent(ngx_http_request_t *r, ngx_str_t *value)
{
    ngx_str_t        *name;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    name = &ngx_http_katalo_idempotency_name;

    part = &r->headers_in.headers.part;
    header = part->elts;

    for (i = 0; value->len == 0; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return;
            }

            part = part->next;
            header = part->elts;
            i = 0;
        }

        if (header[i].key.len == name->len
            && ngx_strncasecmp(header[i].key.data, name->data, name->len) == 0)
        {
            *value = header[i].value;
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
