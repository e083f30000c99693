
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_STATUS_H_INCLUDED_
#define _NGX_HTTP_KATALO_STATUS_H_INCLUDED_


#include "ngx_http_katalo_counters.h"


/* bytes that a renderer may write in one call */
#define NGX_HTTP_KATALO_STATUS_PIECE       16384


typedef struct ngx_http_katalo_status_ctx_s  ngx_http_katalo_status_ctx_t;

/*
 * Writes the next piece of the page at p, and moves the cursor; sets done
 * with the last one.  Returns the end of what it wrote.
 */
typedef u_char *(*ngx_http_katalo_status_render_pt)(
    ngx_http_katalo_status_ctx_t *ctx, u_char *p);


/*
 * "types", ended by an empty one, are those of Accept that it answers to;
 * "headers", if any, adds to those that all formats have.
 */

typedef struct {
    ngx_str_t                        name;
    ngx_str_t                        content_type;
    ngx_str_t                       *types;
    ngx_int_t                      (*headers)(ngx_http_request_t *r);
    ngx_http_katalo_status_render_pt render;
} ngx_http_katalo_status_format_t;


struct ngx_http_katalo_status_ctx_s {
    ngx_http_katalo_main_conf_t     *conf;
    ngx_http_katalo_status_format_t *format;
    ngx_buf_t                       *buf;

    /* the cursor, for the renderer */
    ngx_uint_t                       part;
    ngx_uint_t                       key;
    ngx_uint_t                       id;        /* how many so far */
    ngx_uint_t                       serial;    /* of the last one */
    ngx_uint_t                       done;
};


/* ngx_http_katalo_status.c: handler, negotiation */

char *ngx_http_katalo_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* name and value are kept, not copied */
ngx_int_t ngx_http_katalo_status_add_header(ngx_http_request_t *r, char *name,
    char *value);

/* the i-th counter's name in its group */
u_char *ngx_http_katalo_status_name(u_char *p,
    ngx_http_katalo_status_ctx_t *ctx, ngx_http_katalo_counters_t *group,
    ngx_uint_t i);

/* how many counters the group has in this configuration */
ngx_uint_t ngx_http_katalo_status_count(ngx_http_katalo_status_ctx_t *ctx,
    ngx_http_katalo_counters_t *group);

extern char  *ngx_http_katalo_status_sources[];
extern char  *ngx_http_katalo_status_states[];


/* ngx_http_katalo_status_accept.c */

/*
 * The format that the client's Accept asks for; the first one if it asks for
 * none of them.  NULL: no memory.
 */
ngx_http_katalo_status_format_t *ngx_http_katalo_status_accept(
    ngx_http_request_t *r, ngx_http_katalo_status_format_t *formats);


/* renderers */

u_char *ngx_http_katalo_status_json(ngx_http_katalo_status_ctx_t *ctx,
    u_char *p);
u_char *ngx_http_katalo_status_prometheus(ngx_http_katalo_status_ctx_t *ctx,
    u_char *p);

u_char *ngx_http_katalo_status_html(ngx_http_katalo_status_ctx_t *ctx,
    u_char *p);

/* the policy that goes with the page, made once for a configuration */
ngx_int_t ngx_http_katalo_status_html_init(ngx_conf_t *cf);
ngx_int_t ngx_http_katalo_status_html_headers(ngx_http_request_t *r);


#endif /* _NGX_HTTP_KATALO_STATUS_H_INCLUDED_ */
