
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_value.h"


/*
 * A "map" with regular expressions replaces the captures of the request, so it
 * works on a copy.  A regular expression without captures may have set their
 * number where there is no place for them.
 */

ngx_int_t
ngx_http_katalo_captures_keep(ngx_http_request_t *r,
    ngx_http_katalo_captures_t *kept)
{
#if (NGX_PCRE)

    ngx_http_core_main_conf_t  *cmcf;

    kept->n = r->ncaptures;
    kept->captures = r->captures;
    kept->data = r->captures_data;
    kept->realloc = r->realloc_captures;

    if (kept->captures) {
        cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);

        r->captures = ngx_palloc(r->pool, cmcf->ncaptures * sizeof(int));
        if (r->captures == NULL) {
            r->captures = kept->captures;
            return NGX_ERROR;
        }

        ngx_memcpy(r->captures, kept->captures, kept->n * sizeof(int));
        r->realloc_captures = 0;
    }

#endif

    return NGX_OK;
}


void
ngx_http_katalo_captures_restore(ngx_http_request_t *r,
    ngx_http_katalo_captures_t *kept)
{
#if (NGX_PCRE)

    r->ncaptures = kept->n;
    r->captures = kept->captures;
    r->captures_data = kept->data;
    r->realloc_captures = kept->realloc;

#endif
}


ngx_int_t
ngx_http_katalo_value(ngx_http_request_t *r, ngx_http_complex_value_t *cv,
    ngx_str_t *value)
{
    ngx_int_t                   rc;
    ngx_http_katalo_captures_t  captures;

    if (ngx_http_katalo_captures_keep(r, &captures) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_http_complex_value(r, cv, value);

    ngx_http_katalo_captures_restore(r, &captures);

    return rc;
}
