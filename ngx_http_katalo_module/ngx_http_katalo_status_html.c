
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * The page has no data: its script reads the JSON.  The page is the same for
 * each request, so its policy names style and script by their hashes.
 */


#include "ngx_http_katalo_response.h"
#include "ngx_http_katalo_status_html.h"
#include "ngx_http_katalo_status_page.h"

#include <openssl/evp.h>


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


ngx_int_t
ngx_http_katalo_status_html_init(ngx_conf_t *cf)
{
    u_char                        script_hash[NGX_HTTP_KATALO_STATUS_HASH];
    u_char                        style_hash[NGX_HTTP_KATALO_STATUS_HASH];
    ngx_str_t                    *policy, script, style;
    ngx_http_katalo_main_conf_t  *kmcf;

    kmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_katalo_module);

    policy = &kmcf->status_policy;

    if (policy->data) {
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

    policy->data = ngx_pnalloc(cf->pool, sizeof(NGX_HTTP_KATALO_STATUS_POLICY)
                                         + script.len + style.len);
    if (policy->data == NULL) {
        return NGX_ERROR;
    }

    policy->len = ngx_sprintf(policy->data, NGX_HTTP_KATALO_STATUS_POLICY,
                              &script, &style)
                  - policy->data;

    return NGX_OK;
}


ngx_int_t
ngx_http_katalo_status_html(ngx_http_request_t *r, ngx_str_t *text)
{
    ngx_http_katalo_main_conf_t  *kmcf;

    static ngx_str_t  policy = ngx_string("Content-Security-Policy");
    static ngx_str_t  options = ngx_string("X-Content-Type-Options");
    static ngx_str_t  nosniff = ngx_string("nosniff");
    static ngx_str_t  referrer = ngx_string("Referrer-Policy");
    static ngx_str_t  no_referrer = ngx_string("no-referrer");

    text->len = sizeof(ngx_http_katalo_status_page) - 1;
    text->data = ngx_http_katalo_status_page;

    kmcf = ngx_http_get_module_main_conf(r, ngx_http_katalo_module);

    if (ngx_http_katalo_response_header(r, &policy, &kmcf->status_policy)
        != NGX_OK
        || ngx_http_katalo_response_header(r, &options, &nosniff) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_katalo_response_header(r, &referrer, &no_referrer);
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
