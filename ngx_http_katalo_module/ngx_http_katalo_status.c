
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * A page is written piece by piece into one buffer; after each buffer the
 * worker turns to its other events, and the buffer is used again when the
 * client has taken it.
 */


#include "ngx_http_katalo_status.h"


#define NGX_HTTP_KATALO_STATUS_BUFFER  (2 * NGX_HTTP_KATALO_STATUS_PIECE)


static ngx_int_t ngx_http_katalo_status_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_katalo_status_negotiate(ngx_http_request_t *r,
    ngx_http_katalo_status_format_t **format);
static ngx_http_katalo_status_format_t *ngx_http_katalo_status_format(
    ngx_str_t *name);
static ngx_int_t ngx_http_katalo_status_send_header(ngx_http_request_t *r,
    ngx_http_katalo_status_format_t *format);
static void ngx_http_katalo_status_write(ngx_http_request_t *r);
static ngx_int_t ngx_http_katalo_status_send(ngx_http_request_t *r,
    ngx_http_katalo_status_ctx_t *ctx);


char  *ngx_http_katalo_status_sources[] = { "file", "env", "credential" };

char  *ngx_http_katalo_status_states[] = { "current", "previous", "revoked" };


static ngx_str_t  ngx_http_katalo_status_json_types[] = {
    ngx_string("application/json"),
    ngx_null_string
};

static ngx_str_t  ngx_http_katalo_status_prometheus_types[] = {
    ngx_string("text/plain"),
    ngx_string("application/openmetrics-text"),
    ngx_null_string
};

static ngx_str_t  ngx_http_katalo_status_html_types[] = {
    ngx_string("text/html"),
    ngx_null_string
};


/* the first one is the default */

static ngx_http_katalo_status_format_t  ngx_http_katalo_status_formats[] = {

    { ngx_string("json"), ngx_string("application/json"),
      ngx_http_katalo_status_json_types, NULL, ngx_http_katalo_status_json },

    { ngx_string("prometheus"),
      ngx_string("text/plain; version=0.0.4; charset=utf-8"),
      ngx_http_katalo_status_prometheus_types, NULL,
      ngx_http_katalo_status_prometheus },

    { ngx_string("html"), ngx_string("text/html; charset=utf-8"),
      ngx_http_katalo_status_html_types, ngx_http_katalo_status_html_headers,
      ngx_http_katalo_status_html },

    { ngx_null_string, ngx_null_string, NULL, NULL, NULL }
};


static ngx_int_t
ngx_http_katalo_status_handler(ngx_http_request_t *r)
{
    ngx_int_t                         rc;
    ngx_http_katalo_status_ctx_t     *ctx;
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

    rc = ngx_http_katalo_status_send_header(r, format);
    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_katalo_status_ctx_t));
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    ctx->conf = ngx_http_get_module_main_conf(r, ngx_http_katalo_module);
    ctx->format = format;

    ctx->buf = ngx_create_temp_buf(r->pool, NGX_HTTP_KATALO_STATUS_BUFFER);
    if (ctx->buf == NULL) {
        return NGX_ERROR;
    }

    ngx_http_set_ctx(r, ctx, ngx_http_katalo_filter_module);

    r->main->count++;
    r->write_event_handler = ngx_http_katalo_status_write;

    ngx_http_katalo_status_write(r);

    return NGX_DONE;
}


/* the argument, or else the directive, or else the client's Accept */

static ngx_int_t
ngx_http_katalo_status_negotiate(ngx_http_request_t *r,
    ngx_http_katalo_status_format_t **format)
{
    ngx_str_t                    value;
    ngx_http_katalo_loc_conf_t  *klcf;

    klcf = ngx_http_get_module_loc_conf(r, ngx_http_katalo_module);

    value = klcf->status_format;

    if (ngx_http_arg(r, (u_char *) "format", 6, &value) == NGX_OK
        || value.len)
    {
        *format = ngx_http_katalo_status_format(&value);
        return *format ? NGX_OK : NGX_HTTP_BAD_REQUEST;
    }

    *format = ngx_http_katalo_status_accept(r, ngx_http_katalo_status_formats);
    if (*format == NULL) {
        return NGX_ERROR;
    }

    return ngx_http_katalo_status_add_header(r, "Vary", "Accept");
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


static ngx_int_t
ngx_http_katalo_status_send_header(ngx_http_request_t *r,
    ngx_http_katalo_status_format_t *format)
{
    u_char  *parameters;

    parameters = ngx_strlchr(format->content_type.data,
                             format->content_type.data
                             + format->content_type.len, ';');

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_type = format->content_type;
    r->headers_out.content_type_len = parameters
                                    ? (size_t) (parameters
                                                - format->content_type.data)
                                    : format->content_type.len;

    if (ngx_http_katalo_status_add_header(r, "Cache-Control", "no-store")
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (format->headers && format->headers(r) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_clear_content_length(r);

    return ngx_http_send_header(r);
}


ngx_int_t
ngx_http_katalo_status_add_header(ngx_http_request_t *r, char *name,
    char *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value.data = (u_char *) value;
    h->value.len = ngx_strlen(value);

    return NGX_OK;
}


static void
ngx_http_katalo_status_write(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_event_t                   *wev;
    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_katalo_status_ctx_t  *ctx;

    wev = r->connection->write;
    ctx = ngx_http_get_module_ctx(r, ngx_http_katalo_filter_module);

    if (wev->timedout) {
        r->connection->timedout = 1;
        ngx_http_finalize_request(r, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    rc = ngx_buf_size(ctx->buf) ? ngx_http_output_filter(r, NULL)
                                : ngx_http_katalo_status_send(r, ctx);

    if (rc == NGX_ERROR || (ctx->done && ngx_buf_size(ctx->buf) == 0)) {
        ngx_http_finalize_request(r, rc);
        return;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    /* also for what is posted: a worker that leaves waits for timers only */

    if (!wev->delayed) {
        ngx_add_timer(wev, clcf->send_timeout);
    }

    if (ngx_buf_size(ctx->buf) == 0) {
        ngx_post_event(wev, &ngx_posted_next_events);
        return;
    }

    if (ngx_handle_write_event(wev, clcf->send_lowat) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_ERROR);
    }
}


static ngx_int_t
ngx_http_katalo_status_send(ngx_http_request_t *r,
    ngx_http_katalo_status_ctx_t *ctx)
{
    ngx_buf_t    *b;
    ngx_chain_t   out;

    b = ctx->buf;

    b->pos = b->start;
    b->last = b->start;

    if (ctx->conf->usage) {
        ngx_http_katalo_usage_read_processes(ctx->conf->usage);
    }

    while (!ctx->done && b->end - b->last >= NGX_HTTP_KATALO_STATUS_PIECE) {
        b->last = ctx->format->render(ctx, b->last);
    }

    b->flush = !ctx->done;
    b->last_buf = (ctx->done && r == r->main);
    b->last_in_chain = ctx->done;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


u_char *
ngx_http_katalo_status_name(u_char *p, ngx_http_katalo_status_ctx_t *ctx,
    ngx_http_katalo_counters_t *group, ngx_uint_t i)
{
    if (group->names) {
        return ngx_sprintf(p, "%s", group->names[i]);
    }

    return ngx_sprintf(p, "%V", ngx_http_katalo_operation_name(ctx->conf, i));
}


ngx_uint_t
ngx_http_katalo_status_count(ngx_http_katalo_status_ctx_t *ctx,
    ngx_http_katalo_counters_t *group)
{
    if (group->n == NGX_HTTP_KATALO_OPERATIONS) {
        return NGX_HTTP_KATALO_BUILTIN + ctx->conf->operations.nelts;
    }

    return group->n;
}


char *
ngx_http_katalo_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_katalo_loc_conf_t *klcf = conf;

    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    if (ngx_http_katalo_conf_literal_key(cf)) {
        return NGX_CONF_ERROR;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler == ngx_http_katalo_status_handler) {
        return "is duplicate";
    }

    clcf->handler = ngx_http_katalo_status_handler;

    if (ngx_http_katalo_status_html_init(cf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts == 2) {
        value = cf->args->elts;

        if (ngx_http_katalo_status_format(&value[1]) == NULL) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid value \"%V\" in \"katalo_status\", "
                               "use \"json\", \"prometheus\" or \"html\"",
                               &value[1]);
            return NGX_CONF_ERROR;
        }

        klcf->status_format = value[1];
    }

    return NGX_CONF_OK;
}
