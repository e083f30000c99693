
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_commands.h"
#include "ngx_http_katalo_conf_error.h"
#include "ngx_http_katalo_hosts.h"
#include "ngx_http_katalo_response.h"
#include "ngx_http_katalo_status_html.h"
#include "ngx_http_katalo_status_ready.h"
#include "ngx_http_katalo_status_render.h"
#include "ngx_http_katalo_usage_read.h"


/* a client whose Accept contains one of "types" gets the format */

typedef struct {
    ngx_str_t                        name;
    ngx_str_t                        content_type;
    char                            *types[2];
    ngx_http_katalo_renderer_pt      renderer;  /* NULL: the page */
} ngx_http_katalo_status_format_t;


static ngx_int_t ngx_http_katalo_status_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_katalo_status_negotiate(ngx_http_request_t *r,
    ngx_http_katalo_status_format_t **format);
static ngx_http_katalo_status_format_t *ngx_http_katalo_status_format(
    ngx_str_t *name);
static ngx_http_katalo_status_format_t *ngx_http_katalo_status_accept(
    ngx_http_request_t *r);
static ngx_int_t ngx_http_katalo_status_text(ngx_http_request_t *r,
    ngx_http_katalo_status_format_t *format, ngx_str_t *text);
static ngx_int_t ngx_http_katalo_status_send(ngx_http_request_t *r,
    ngx_str_t *type, ngx_str_t *text);


/* the first one is the default; with several types, the first one counts */

static ngx_http_katalo_status_format_t  ngx_http_katalo_status_formats[] = {

    { ngx_string("json"), ngx_string("application/json"),
      { "application/json", NULL }, ngx_http_katalo_status_json },

    { ngx_string("html"), ngx_string("text/html; charset=utf-8"),
      { "text/html", NULL }, NULL },

    { ngx_string("prometheus"),
      ngx_string("text/plain; version=0.0.4; charset=utf-8"),
      { "text/plain", "application/openmetrics-text" },
      ngx_http_katalo_status_prometheus },

    { ngx_null_string, ngx_null_string, { NULL, NULL }, NULL }
};


static ngx_int_t
ngx_http_katalo_status_handler(ngx_http_request_t *r)
{
    ngx_int_t                         rc;
    ngx_str_t                         text;
    ngx_http_katalo_status_format_t  *format;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_katalo_status_negotiate(r, &format);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_katalo_status_text(r, format, &text) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_katalo_status_send(r, &format->content_type, &text);
}


/* the argument, or else the directive, or else the client's Accept */

static ngx_int_t
ngx_http_katalo_status_negotiate(ngx_http_request_t *r,
    ngx_http_katalo_status_format_t **format)
{
    ngx_str_t                    value;
    ngx_http_katalo_loc_conf_t  *klcf;

    static ngx_str_t  vary = ngx_string("Vary");
    static ngx_str_t  accept = ngx_string("Accept");

    klcf = ngx_http_get_module_loc_conf(r, ngx_http_katalo_module);

    value = klcf->status_format;

    if (ngx_http_arg(r, (u_char *) "format", 6, &value) == NGX_OK
        || value.len)
    {
        *format = ngx_http_katalo_status_format(&value);
        return *format ? NGX_OK : NGX_HTTP_BAD_REQUEST;
    }

    *format = ngx_http_katalo_status_accept(r);

    return ngx_http_katalo_response_header(r, &vary, &accept);
}


static ngx_http_katalo_status_format_t *
ngx_http_katalo_status_format(ngx_str_t *name)
{
    ngx_http_katalo_status_format_t  *format;

    for (format = ngx_http_katalo_status_formats; format->name.len; format++) {

        if (format->name.len == name->len
            && ngx_strncmp(format->name.data, name->data, name->len) == 0)
        {
            return format;
        }
    }

    return NULL;
}


/* what browsers and Prometheus send has no need of weights */

static ngx_http_katalo_status_format_t *
ngx_http_katalo_status_accept(ngx_http_request_t *r)
{
    char                             *type;
    ngx_uint_t                        i, key;
    ngx_http_variable_value_t        *accept;
    ngx_http_katalo_status_format_t  *format;

    static ngx_str_t  name = ngx_string("http_accept");

    key = ngx_hash_key(name.data, name.len);
    accept = ngx_http_get_variable(r, &name, key);

    if (accept == NULL || accept->not_found) {
        return ngx_http_katalo_status_formats;
    }

    for (format = ngx_http_katalo_status_formats; format->name.len; format++) {

        for (i = 0; i < 2 && format->types[i]; i++) {
            type = format->types[i];

            if (ngx_strlcasestrn(accept->data, accept->data + accept->len,
                                 (u_char *) type, ngx_strlen(type) - 1))
            {
                return format;
            }
        }
    }

    return ngx_http_katalo_status_formats;
}


static ngx_int_t
ngx_http_katalo_status_text(ngx_http_request_t *r,
    ngx_http_katalo_status_format_t *format, ngx_str_t *text)
{
    ngx_http_katalo_page_t        page;
    ngx_http_katalo_main_conf_t  *kmcf;

    if (format->renderer == NULL) {
        return ngx_http_katalo_status_html(r, text);
    }

    kmcf = ngx_http_get_module_main_conf(r, ngx_http_katalo_module);

    page.pool = r->pool;

    if (ngx_http_katalo_usage_read(kmcf, r->pool, &page.snapshot) != NGX_OK
        || ngx_http_katalo_hosts_read(kmcf, r->pool, &page.snapshot) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_katalo_status_render(&page, format->renderer, text);
}


static ngx_int_t
ngx_http_katalo_status_send(ngx_http_request_t *r, ngx_str_t *type,
    ngx_str_t *text)
{
    u_char       *last;
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    last = ngx_strlchr(type->data, type->data + type->len, ';');

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = text->len;
    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = last ? (size_t) (last - type->data)
                                           : type->len;

    if (ngx_http_katalo_response_no_store(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_send_header(r);
    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = text->data;
    b->last = text->data + text->len;
    b->memory = 1;
    b->last_buf = (r == r->main);
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


char *
ngx_http_katalo_conf_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_katalo_loc_conf_t *klcf = conf;

    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    value = cf->args->elts;
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler == ngx_http_katalo_status_handler || klcf->ready) {
        return "is duplicate";
    }

    if (cf->args->nelts > 1 && ngx_strcmp(value[1].data, "ready") == 0) {
        return ngx_http_katalo_status_ready_set(cf, klcf);
    }

    clcf->handler = ngx_http_katalo_status_handler;

    if (ngx_http_katalo_status_html_init(cf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts > 1) {
        if (cf->args->nelts > 2 || !ngx_http_katalo_status_format(&value[1])) {
            return ngx_http_katalo_conf_error(cf,
                       "invalid value \"%V\" in \"katalo_status\", use "
                       "\"json\", \"prometheus\" or \"html\" alone, or "
                       "\"ready key=NAME\"", &value[cf->args->nelts - 1]);
        }

        klcf->status_format = value[1];
    }

    return NGX_CONF_OK;
}
