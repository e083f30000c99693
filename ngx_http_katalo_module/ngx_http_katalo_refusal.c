
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_consumer_name.h"
#include "ngx_http_katalo_ctx.h"
#include "ngx_http_katalo_operation.h"
#include "ngx_http_katalo_refusal.h"
#include "ngx_http_katalo_response.h"
#include "ngx_http_katalo_usage.h"


/* names that a worker remembers */
#define NGX_HTTP_KATALO_REFUSAL_NAMES   16


typedef struct {
    uint32_t    hash;
    time_t      logged;
} ngx_http_katalo_refusal_name_t;


static ngx_int_t ngx_http_katalo_refusal_retry(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx);
static ngx_int_t ngx_http_katalo_refusal_envelope(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx, ngx_str_t *envelope);
static ngx_uint_t ngx_http_katalo_refusal_intercepted(ngx_http_request_t *r,
    ngx_uint_t status);
static void ngx_http_katalo_refusal_no_key(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx);
static ngx_uint_t ngx_http_katalo_refusal_log(ngx_str_t *name);


/* this process's own; names beyond these have no line of theirs */

static ngx_http_katalo_refusal_name_t
    ngx_http_katalo_refusal_names[NGX_HTTP_KATALO_REFUSAL_NAMES];


static ngx_str_t  ngx_http_katalo_gateway = ngx_string("X-Katalo-Gateway");
static ngx_str_t  ngx_http_katalo_retry_after_name = ngx_string("Retry-After");


ngx_int_t
ngx_http_katalo_refuse(ngx_http_request_t *r, ngx_http_katalo_ctx_t *ctx,
    ngx_http_katalo_decision_e reason)
{
    ngx_http_katalo_reason_t     *row;
    ngx_http_katalo_main_conf_t  *kmcf;

    ctx->decision = reason;

    if (ctx->key) {
        ngx_http_katalo_usage_count(ctx->key, reason);

    } else if (reason >= NGX_HTTP_KATALO_REFUSALS) {
        ngx_http_katalo_refusal_no_key(r, ctx);
    }

    /* a chain of error pages may lead to several refusals: the last counts */

    if (r->internal) {
        ngx_http_clean_header(r);
    }

    row = &ngx_http_katalo_reasons[reason];

    if (!ctx->conf->intercept_errors
        || !ngx_http_katalo_refusal_intercepted(r, row->status))
    {
        ngx_http_finalize_request(r, ngx_http_katalo_refusal_send(r, ctx));
        return NGX_DONE;
    }

    if (ngx_http_katalo_response_header(r, &ngx_http_katalo_gateway,
                                        &row->name)
        != NGX_OK
        || (reason == NGX_HTTP_KATALO_COOLDOWN
            && ngx_http_katalo_refusal_retry(r, ctx) != NGX_OK))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* the log asks for it once the request is another one */

    if (ctx->operation == NGX_HTTP_KATALO_UNKNOWN) {
        kmcf = ngx_http_get_module_main_conf(r, ngx_http_katalo_module);
        ctx->operation = ngx_http_katalo_operation(r, kmcf);
    }

    return row->status;
}


ngx_int_t
ngx_http_katalo_refusal_send(ngx_http_request_t *r, ngx_http_katalo_ctx_t *ctx)
{
    ngx_http_complex_value_t   cv;
    ngx_http_katalo_reason_t  *row;

    static ngx_str_t  type = ngx_string("application/json");

    row = &ngx_http_katalo_reasons[ctx->decision];

    if (ngx_http_katalo_response_header(r, &ngx_http_katalo_gateway,
                                        &row->name)
        != NGX_OK
        || ngx_http_katalo_response_no_store(r) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&cv, sizeof(ngx_http_complex_value_t));

    cv.value = row->envelope;

    if (ctx->decision == NGX_HTTP_KATALO_COOLDOWN
        && (ngx_http_katalo_refusal_retry(r, ctx) != NGX_OK
            || ngx_http_katalo_refusal_envelope(r, ctx, &cv.value) != NGX_OK))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_send_response(r, row->status, &type, &cv);
}


static ngx_int_t
ngx_http_katalo_refusal_retry(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx)
{
    ngx_str_t  value;

    value.data = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_sprintf(value.data, "%ui", ctx->retry_after) - value.data;

    return ngx_http_katalo_response_header(r, &ngx_http_katalo_retry_after_name,
                                           &value);
}


/* ends the envelope */

static ngx_int_t
ngx_http_katalo_refusal_envelope(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx, ngx_str_t *envelope)
{
    u_char  *p;

    p = ngx_pnalloc(r->pool, envelope->len + NGX_INT_T_LEN + sizeof("}}") - 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    envelope->len = ngx_sprintf(p, "%V%ui}}", envelope, ctx->retry_after) - p;
    envelope->data = p;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_katalo_refusal_intercepted(ngx_http_request_t *r, ngx_uint_t status)
{
    ngx_uint_t                 i;
    ngx_http_err_page_t       *page;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (clcf->error_pages == NULL) {
        return 0;
    }

    page = clcf->error_pages->elts;

    for (i = 0; i < clcf->error_pages->nelts; i++) {
        if (page[i].status == (ngx_int_t) status) {
            return 1;
        }
    }

    return 0;
}


void
ngx_http_katalo_refusal_forget(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    part = &r->headers_out.headers.part;
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

        if (header[i].key.data == ngx_http_katalo_gateway.data
            || header[i].key.data == ngx_http_katalo_retry_after_name.data)
        {
            header[i].hash = 0;
        }
    }
}


/*
 * A variable of katalo_bearer may yield anything, and clients may choose it:
 * what is logged of it is bounded, and shows no token.
 */

static void
ngx_http_katalo_refusal_no_key(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx)
{
    ngx_str_t                    *value, *name;
    ngx_http_katalo_main_conf_t  *kmcf;

    static ngx_str_t  token = ngx_string(NGX_HTTP_KATALO_TOKEN "...");

    value = &ctx->named;

    kmcf = ngx_http_get_module_main_conf(r, ngx_http_katalo_module);

    ngx_http_katalo_usage_no_key(kmcf->usage);

    if (!ngx_http_katalo_refusal_log(value)) {
        return;
    }

    if (ctx->decision == NGX_HTTP_KATALO_NOT_GIVEN) {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "katalo: nobody gave this client a key: \"%V\" in "
                      "\"katalo_bearer\" is \"%V\"",
                      &ctx->conf->bearer, value);
        return;
    }

    if (ngx_strlcasestrn(value->data, value->data + value->len,
                         (u_char *) NGX_HTTP_KATALO_TOKEN,
                         sizeof(NGX_HTTP_KATALO_TOKEN) - 2))
    {
        name = &token;

    } else {
        name = ngx_palloc(r->pool, sizeof(ngx_str_t));

        if (name == NULL
            || ngx_http_katalo_consumer_name(r->pool, value, name) != NGX_OK)
        {
            return;
        }
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "katalo: \"%V\" in \"katalo_bearer\" names the key \"%V\", "
                  "there is no \"katalo_key\" of that name",
                  &ctx->conf->bearer, name);
}


/* once a minute for each name; the clock may have been set back */

static ngx_uint_t
ngx_http_katalo_refusal_log(ngx_str_t *name)
{
    time_t                           now;
    uint32_t                         hash;
    ngx_uint_t                       i, unused;
    ngx_http_katalo_refusal_name_t  *known;

    now = ngx_time();
    hash = ngx_crc32_long(name->data, name->len);

    known = ngx_http_katalo_refusal_names;
    unused = NGX_HTTP_KATALO_REFUSAL_NAMES;

    for (i = 0; i < NGX_HTTP_KATALO_REFUSAL_NAMES; i++) {

        if (now - known[i].logged >= 60 || known[i].logged - now >= 60) {
            unused = i;

        } else if (known[i].hash == hash) {
            return 0;
        }
    }

    if (unused == NGX_HTTP_KATALO_REFUSAL_NAMES) {
        return 0;
    }

    known[unused].hash = hash;
    known[unused].logged = now;

    return 1;
}
