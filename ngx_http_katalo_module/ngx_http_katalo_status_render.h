
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* The renderers of the status: an output format is one of these. */


#ifndef _NGX_HTTP_KATALO_STATUS_RENDER_H_INCLUDED_
#define _NGX_HTTP_KATALO_STATUS_RENDER_H_INCLUDED_


#include "ngx_http_katalo_snapshot.h"


/* the most that is written at once, in bytes */
#define NGX_HTTP_KATALO_STATUS_PIECE       16384


/* a text, from the snapshot alone, in one buffer that grows */

typedef struct {
    ngx_http_katalo_snapshot_t       snapshot;
    ngx_pool_t                      *pool;
    u_char                          *text;
    u_char                          *end;           /* of the buffer */
    ngx_uint_t                       failed;        /* no memory */
} ngx_http_katalo_page_t;


/*
 * A renderer writes at p, and returns the end of its text.  Before each piece,
 * status_room() returns where to write: p, or the same place in a larger
 * buffer.  If there is no memory for one, each piece overwrites the one before.
 */
typedef u_char *(*ngx_http_katalo_renderer_pt)(ngx_http_katalo_page_t *page,
    u_char *p);

u_char *ngx_http_katalo_status_json(ngx_http_katalo_page_t *page, u_char *p);
u_char *ngx_http_katalo_status_prometheus(ngx_http_katalo_page_t *page,
    u_char *p);

/* renders the page; NGX_ERROR: no memory */
ngx_int_t ngx_http_katalo_status_render(ngx_http_katalo_page_t *page,
    ngx_http_katalo_renderer_pt renderer, ngx_str_t *text);

u_char *ngx_http_katalo_status_room(ngx_http_katalo_page_t *page, u_char *p);


#endif /* _NGX_HTTP_KATALO_STATUS_RENDER_H_INCLUDED_ */
