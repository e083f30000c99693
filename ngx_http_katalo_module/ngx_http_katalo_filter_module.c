
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * The response side, in a module of its own: its place among the filters,
 * after add_header, is not that of the request side among the handlers.
 */


#include "ngx_http_katalo_retry_body.h"


/* RFC 8297: a response of status 103, since nginx 1.29.0 */
#define NGX_HTTP_KATALO_EARLY_HINTS  (nginx_version >= 1029000)


static void ngx_http_katalo_filter_headers(ngx_http_request_t *r);
static ngx_uint_t ngx_http_katalo_filter_cors(ngx_str_t *name);
static ngx_int_t ngx_http_katalo_filter_init(ngx_conf_t *cf);


static ngx_http_module_t  ngx_http_katalo_filter_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_katalo_filter_init,           /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_katalo_filter_module = {
    NGX_MODULE_V1,
    &ngx_http_katalo_filter_module_ctx,    /* module context */
    NULL,                                  /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;

#if (NGX_HTTP_KATALO_EARLY_HINTS)
static ngx_http_output_header_filter_pt  ngx_http_next_early_hints_filter;
#endif


static ngx_int_t
ngx_http_katalo_header_filter(ngx_http_request_t *r)
{
    ngx_http_katalo_filter_headers(r);

    return ngx_http_next_header_filter(r);
}


#if (NGX_HTTP_KATALO_EARLY_HINTS)

static ngx_int_t
ngx_http_katalo_early_hints_filter(ngx_http_request_t *r)
{
    ngx_http_katalo_filter_headers(r);

    return ngx_http_next_early_hints_filter(r);
}

#endif


static void
ngx_http_katalo_filter_headers(ngx_http_request_t *r)
{
    ngx_uint_t                   i;
    ngx_list_part_t             *part;
    ngx_table_elt_t             *header;
    ngx_http_katalo_loc_conf_t  *klcf;

    klcf = ngx_http_get_module_loc_conf(r, ngx_http_katalo_module);

    if (!klcf->enabled) {
        return;
    }

    if (r->headers_out.status == NGX_HTTP_TOO_MANY_REQUESTS) {
        ngx_http_katalo_retry_body_init(r);
    }

    if (!klcf->cors) {
        return;
    }

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

        if (ngx_http_katalo_filter_cors(&header[i].key)) {
            header[i].hash = 0;
        }
    }
}


/*
 * Two words that overlap make 15 bytes.  Names have letters and dashes here,
 * which the bit of lower case does not change into each other.
 */

static ngx_uint_t
ngx_http_katalo_filter_cors(ngx_str_t *name)
{
    uint64_t  word[2], prefix[2];

    static const uint64_t  lower_case = 0x2020202020202020;

    if (name->len < sizeof("Access-Control-")) {
        return 0;
    }

    ngx_memcpy(&word[0], name->data, 8);
    ngx_memcpy(&word[1], name->data + 7, 8);

    ngx_memcpy(&prefix[0], "access-c", 8);
    ngx_memcpy(&prefix[1], "control-", 8);

    return (word[0] | lower_case) == prefix[0]
           && (word[1] | lower_case) == prefix[1];
}


static ngx_int_t
ngx_http_katalo_filter_init(ngx_conf_t *cf)
{
    ngx_http_katalo_main_conf_t  *kmcf;

    kmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_katalo_module);

    if (kmcf->locations.nelts == 0) {
        return NGX_OK;
    }

    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_katalo_header_filter;

#if (NGX_HTTP_KATALO_EARLY_HINTS)
    ngx_http_next_early_hints_filter = ngx_http_top_early_hints_filter;
    ngx_http_top_early_hints_filter = ngx_http_katalo_early_hints_filter;
#endif

    return NGX_OK;
}
