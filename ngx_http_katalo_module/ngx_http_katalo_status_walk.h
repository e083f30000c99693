
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* A page of the status: the walk of a renderer over keys and hosts. */


#ifndef _NGX_HTTP_KATALO_STATUS_WALK_H_INCLUDED_
#define _NGX_HTTP_KATALO_STATUS_WALK_H_INCLUDED_


#include "ngx_http_katalo_status_render.h"


typedef struct {
    ngx_http_katalo_snapshot_t       snapshot;
    ngx_http_katalo_main_conf_t     *conf;
    ngx_http_katalo_renderer_t      *renderer;

    ngx_uint_t                       serial;        /* of the last id */
    ngx_uint_t                       entered;       /* key is written */
    ngx_http_katalo_key_row_t        key;
    ngx_http_katalo_id_row_t         id;
    ngx_http_katalo_consumer_row_t   consumer;
    ngx_http_katalo_host_row_t       host;

    ngx_array_t                      consumers;     /* of the key */
    ngx_uint_t                       listed;
    ngx_uint_t                       next;          /* of them */
} ngx_http_katalo_page_t;


/* the page begins; the pool lives as long as it */
ngx_int_t ngx_http_katalo_status_walk_init(ngx_http_katalo_page_t *page,
    ngx_pool_t *pool, ngx_http_katalo_main_conf_t *kmcf,
    ngx_http_katalo_renderer_t *renderer);

/* writes the next piece of the page at p, and returns its end */
u_char *ngx_http_katalo_status_walk(ngx_http_katalo_page_t *page, u_char *p);


#endif /* _NGX_HTTP_KATALO_STATUS_WALK_H_INCLUDED_ */
