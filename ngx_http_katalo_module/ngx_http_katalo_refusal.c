
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo.h"


typedef struct {
    ngx_uint_t    status;
    ngx_str_t     envelope;
} ngx_http_katalo_refusal_t;


static ngx_uint_t ngx_http_katalo_refusal_intercepted(ngx_http_request_t *r,
    ngx_http_katalo_loc_conf_t *klcf, ngx_uint_t status);
static ngx_int_t ngx_http_katalo_refusal_header(ngx_http_request_t *r,
    char *name, ngx_str_t *value);


#define ngx_http_katalo_envelope(code, message, retryable)                    \
    ngx_string("{\"error\":{\"code\":\"" code "\",\"message\":\"" message     \
               "\",\"retryable\":" retryable ",\"retry_after\":null}}")


static ngx_http_katalo_refusal_t  ngx_http_katalo_refusals[] = {

    { NGX_HTTP_FORBIDDEN, ngx_http_katalo_envelope("forbidden",
          "CORS preflight refused by the gateway: it takes no browser calls. "
          "Call your own backend, and let it call this API.", "false") },

    { NGX_HTTP_FORBIDDEN, ngx_http_katalo_envelope("forbidden",
          "Browser call refused by the gateway. Call your own backend, and "
          "let it call this API.", "false") },

    { NGX_HTTP_FORBIDDEN, ngx_http_katalo_envelope("forbidden",
          "Operation refused by the gateway: it is not among those allowed "
          "here. Ask the gateway's operator to allow it.", "false") },

    { NGX_HTTP_SERVICE_UNAVAILABLE, ngx_http_katalo_envelope("unavailable",
          "The gateway has no usable API key for this request at present. "
          "Try again later, or tell the gateway's operator.", "true") }
};


static ngx_str_t  ngx_http_katalo_decision_names[] = {
    ngx_string("preflight"),
    ngx_string("browser"),
    ngx_string("operation"),
    ngx_string("no_key"),
    ngx_string("destination"),
    ngx_string(""),
    ngx_string("attached")
};


ngx_int_t
ngx_http_katalo_refuse(ngx_http_request_t *r, ngx_http_katalo_ctx_t *ctx)
{
    ngx_str_t                     value;
    ngx_http_complex_value_t      cv;
    ngx_http_katalo_refusal_t    *refusal;
    ngx_http_katalo_main_conf_t  *kmcf;

    static ngx_str_t  type = ngx_string("application/json");

    refusal = &ngx_http_katalo_refusals[ctx->decision];

    if (ngx_http_katalo_refusal_header(r, "X-Katalo-Gateway",
                                ngx_http_katalo_decision_name(ctx->decision))
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_katalo_refusal_intercepted(r, ctx->conf, refusal->status)) {

        /* the log asks for it once the request is another one */

        if (ctx->operation == NGX_HTTP_KATALO_UNKNOWN) {
            kmcf = ngx_http_get_module_main_conf(r, ngx_http_katalo_module);
            ctx->operation = ngx_http_katalo_operation(r, kmcf);
        }

        return refusal->status;
    }

    ngx_str_set(&value, "no-store");

    if (ngx_http_katalo_refusal_header(r, "Cache-Control", &value) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&cv, sizeof(ngx_http_complex_value_t));

    cv.value = refusal->envelope;

    ngx_http_finalize_request(r, ngx_http_send_response(r, refusal->status,
                                                        &type, &cv));

    return NGX_DONE;
}


static ngx_uint_t
ngx_http_katalo_refusal_intercepted(ngx_http_request_t *r,
    ngx_http_katalo_loc_conf_t *klcf, ngx_uint_t status)
{
    ngx_uint_t                 i;
    ngx_http_err_page_t       *page;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (!klcf->intercept_errors || clcf->error_pages == NULL) {
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


static ngx_int_t
ngx_http_katalo_refusal_header(ngx_http_request_t *r, char *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.len = ngx_strlen(name);
    h->key.data = (u_char *) name;
    h->value = *value;

    return NGX_OK;
}


ngx_str_t *
ngx_http_katalo_decision_name(ngx_http_katalo_decision_e decision)
{
    return &ngx_http_katalo_decision_names[decision];
}
