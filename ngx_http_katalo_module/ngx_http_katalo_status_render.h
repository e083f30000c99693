
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* The renderers of the status: an output format is one of these. */


#ifndef _NGX_HTTP_KATALO_STATUS_RENDER_H_INCLUDED_
#define _NGX_HTTP_KATALO_STATUS_RENDER_H_INCLUDED_


#include "ngx_http_katalo_snapshot.h"


/* the most that a renderer writes in one call, in bytes */
#define NGX_HTTP_KATALO_STATUS_PIECE       16384


/*
 * A page is written in passes over all keys, or all hosts.  "begin" begins a
 * pass and sets "rows" to the rows that the pass needs, or "done" after the
 * last pass.  Each handler writes at p and returns the end of its text.  The
 * consumers of a key follow its ids; before the first one, "row" is NULL.
 */

typedef struct {
    u_char                        *(*begin)(
                                         ngx_http_katalo_snapshot_t *snapshot,
                                         u_char *p);
    u_char                        *(*key)(
                                         ngx_http_katalo_snapshot_t *snapshot,
                                         u_char *p,
                                         ngx_http_katalo_key_row_t *row);
    u_char                        *(*id)(
                                         ngx_http_katalo_snapshot_t *snapshot,
                                         u_char *p,
                                         ngx_http_katalo_id_row_t *row);
    u_char                        *(*consumer)(
                                         ngx_http_katalo_snapshot_t *snapshot,
                                         u_char *p,
                                         ngx_http_katalo_consumer_row_t *row);
    u_char                        *(*host)(
                                         ngx_http_katalo_snapshot_t *snapshot,
                                         u_char *p,
                                         ngx_http_katalo_host_row_t *row);
} ngx_http_katalo_renderer_t;


extern ngx_http_katalo_renderer_t  ngx_http_katalo_status_json;
extern ngx_http_katalo_renderer_t  ngx_http_katalo_status_prometheus;
extern ngx_http_katalo_renderer_t  ngx_http_katalo_status_html;

/* the Content-Security-Policy, made once for a configuration */
ngx_int_t ngx_http_katalo_status_html_init(ngx_conf_t *cf);
ngx_int_t ngx_http_katalo_status_html_headers(ngx_http_request_t *r);


#endif /* _NGX_HTTP_KATALO_STATUS_RENDER_H_INCLUDED_ */
