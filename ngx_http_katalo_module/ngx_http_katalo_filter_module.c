
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * The response side, in a module of its own: its place among the filters,
 * after add_header, is not that of the request side among the handlers.
 */


#include "ngx_http_katalo_answer.h"
#include "ngx_http_katalo_cooldown.h"


/* RFC 8297: a response of status 103, since nginx 1.29.0 */
#define NGX_HTTP_KATALO_EARLY_HINTS  (nginx_version >= 1029000)


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
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;

#if (NGX_HTTP_KATALO_EARLY_HINTS)
static ngx_http_output_header_filter_pt  ngx_http_next_early_hints_filter;
#endif


static ngx_int_t
ngx_http_katalo_header_filter(ngx_http_request_t *r)
{
    ngx_http_katalo_loc_conf_t  *klcf;

    klcf = ngx_http_get_module_loc_conf(r, ngx_http_katalo_module);

    if (klcf->enabled) {
        ngx_http_katalo_answer_header(r, klcf);
    }

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_katalo_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    if (r->upstream
        && r->upstream->headers_in.status_n == NGX_HTTP_TOO_MANY_REQUESTS)
    {
        ngx_http_katalo_cooldown_body(r, in);
    }

    return ngx_http_next_body_filter(r, in);
}


#if (NGX_HTTP_KATALO_EARLY_HINTS)

static ngx_int_t
ngx_http_katalo_early_hints_filter(ngx_http_request_t *r)
{
    ngx_http_katalo_loc_conf_t  *klcf;

    klcf = ngx_http_get_module_loc_conf(r, ngx_http_katalo_module);

    if (klcf->enabled) {
        ngx_http_katalo_answer_header(r, klcf);
    }

    return ngx_http_next_early_hints_filter(r);
}

#endif


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

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_katalo_body_filter;

#if (NGX_HTTP_KATALO_EARLY_HINTS)
    ngx_http_next_early_hints_filter = ngx_http_top_early_hints_filter;
    ngx_http_top_early_hints_filter = ngx_http_katalo_early_hints_filter;
#endif

    return NGX_OK;
}
