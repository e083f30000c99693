
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
ngx_http_katalo_value(ngx_http_request_t *r, ngx_http_complex_value_t *cv,
    ngx_str_t *value)
{
#if (NGX_PCRE)

    int                        *captures;
    u_char                     *data;
    ngx_int_t                   rc;
    ngx_uint_t                  n, realloc;
    ngx_http_core_main_conf_t  *cmcf;

    n = r->ncaptures;
    captures = r->captures;
    data = r->captures_data;
    realloc = r->realloc_captures;

    if (captures) {
        cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);

        r->captures = ngx_palloc(r->pool, cmcf->ncaptures * sizeof(int));
        if (r->captures == NULL) {
            r->captures = captures;
            return NGX_ERROR;
        }

        ngx_memcpy(r->captures, captures, n * sizeof(int));
        r->realloc_captures = 0;
    }

    rc = ngx_http_complex_value(r, cv, value);

    r->ncaptures = n;
    r->captures = captures;
    r->captures_data = data;
    r->realloc_captures = realloc;

    return rc;

#else

    return ngx_http_complex_value(r, cv, value);

#endif
}
