
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* Headers of what the module answers by itself. */


#ifndef _NGX_HTTP_KATALO_RESPONSE_H_INCLUDED_
#define _NGX_HTTP_KATALO_RESPONSE_H_INCLUDED_


#include "ngx_http_katalo.h"


/*
 * Adds a response header; memory of name and value is kept, not copied.
 * Inline: this is done for each refusal.
 */

static ngx_inline ngx_int_t
ngx_http_katalo_response_header(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key = *name;
    h->value = *value;

    return NGX_OK;
}


static ngx_inline ngx_int_t
ngx_http_katalo_response_no_store(ngx_http_request_t *r)
{
    static ngx_str_t  name = ngx_string("Cache-Control");
    static ngx_str_t  value = ngx_string("no-store");

    return ngx_http_katalo_response_header(r, &name, &value);
}


#endif /* _NGX_HTTP_KATALO_RESPONSE_H_INCLUDED_ */
