
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * The page has no data in it: its script takes that from the JSON.  It is the
 * same for each request, so the browser can be told by their hashes which
 * style and which script it may use.
 */


#include "ngx_http_katalo_status.h"
#include "ngx_http_katalo_status_page.h"

#include <openssl/evp.h>


#define NGX_HTTP_KATALO_STATUS_PAGE                                           \
    (sizeof(ngx_http_katalo_status_page) - 1)

/* of a SHA-256, in base64 */
#define NGX_HTTP_KATALO_STATUS_HASH                                           \
    ngx_base64_encoded_length(32)

#define NGX_HTTP_KATALO_STATUS_POLICY                                         \
    "default-src 'none'; connect-src 'self'; img-src data:; "                 \
    "script-src 'sha256-%V'; style-src 'sha256-%V'; "                         \
    "require-trusted-types-for 'script'; trusted-types 'none'; "              \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


static ngx_int_t ngx_http_katalo_status_hash(ngx_str_t *hash, char *begin,
    char *end);


u_char *
ngx_http_katalo_status_html(ngx_http_katalo_status_ctx_t *ctx, u_char *p)
{
    size_t  size;

    size = ngx_min(NGX_HTTP_KATALO_STATUS_PAGE - ctx->part,
                   NGX_HTTP_KATALO_STATUS_PIECE);

    p = ngx_cpymem(p, ngx_http_katalo_status_page + ctx->part, size);

    ctx->part += size;
    ctx->done = (ctx->part == NGX_HTTP_KATALO_STATUS_PAGE);

    return p;
}


ngx_int_t
ngx_http_katalo_status_html_init(ngx_conf_t *cf)
{
    u_char                       *policy;
    u_char                        script_hash[NGX_HTTP_KATALO_STATUS_HASH];
    u_char                        style_hash[NGX_HTTP_KATALO_STATUS_HASH];
    ngx_str_t                     script, style;
    ngx_http_katalo_main_conf_t  *kmcf;

    kmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_katalo_module);

    if (kmcf->status_policy) {
        return NGX_OK;
    }

    script.data = script_hash;
    style.data = style_hash;

    if (ngx_http_katalo_status_hash(&script, "<script>", "</script>") != NGX_OK
        || ngx_http_katalo_status_hash(&style, "<style>", "</style>") != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "EVP_Digest() failed in \"katalo_status\"");
        return NGX_ERROR;
    }

    policy = ngx_pnalloc(cf->pool, sizeof(NGX_HTTP_KATALO_STATUS_POLICY)
                                   + script.len + style.len);
    if (policy == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(policy, NGX_HTTP_KATALO_STATUS_POLICY "%Z", &script, &style);

    kmcf->status_policy = (char *) policy;

    return NGX_OK;
}


ngx_int_t
ngx_http_katalo_status_html_headers(ngx_http_request_t *r)
{
    ngx_http_katalo_main_conf_t  *kmcf;

    kmcf = ngx_http_get_module_main_conf(r, ngx_http_katalo_module);

    if (ngx_http_katalo_status_add_header(r, "Content-Security-Policy",
                                          kmcf->status_policy)
        != NGX_OK
        || ngx_http_katalo_status_add_header(r, "X-Content-Type-Options",
                                             "nosniff")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_katalo_status_add_header(r, "Referrer-Policy",
                                             "no-referrer");
}


/* CSP Level 3, 6.7.3.3: what is between the tags, as it is, in base64 */

static ngx_int_t
ngx_http_katalo_status_hash(ngx_str_t *hash, char *begin, char *end)
{
    u_char     *p, *last, digest[EVP_MAX_MD_SIZE];
    ngx_str_t   binary;
    unsigned    len;

    p = (u_char *) ngx_strstr(ngx_http_katalo_status_page, begin);
    if (p == NULL) {
        return NGX_ERROR;
    }

    p += ngx_strlen(begin);

    last = (u_char *) ngx_strstr(p, end);
    if (last == NULL) {
        return NGX_ERROR;
    }

    if (EVP_Digest(p, last - p, digest, &len, EVP_sha256(), NULL) != 1) {
        return NGX_ERROR;
    }

    binary.data = digest;
    binary.len = len;

    ngx_encode_base64(hash, &binary);

    return NGX_OK;
}
