
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_STATUS_H_INCLUDED_
#define _NGX_HTTP_KATALO_STATUS_H_INCLUDED_


#include "ngx_http_katalo_status_render.h"


typedef struct {
    ngx_http_katalo_snapshot_t       snapshot;
    ngx_http_katalo_main_conf_t     *conf;
    ngx_http_katalo_renderer_t      *renderer;

    ngx_uint_t                       serial;        /* of the last id */
    ngx_uint_t                       entered;       /* key is written */
    ngx_http_katalo_key_row_t        key;
    ngx_http_katalo_id_row_t         id;
    ngx_http_katalo_host_row_t       host;
} ngx_http_katalo_page_t;


char *ngx_http_katalo_conf_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

void ngx_http_katalo_status_page_init(ngx_http_katalo_page_t *page,
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_renderer_t *renderer);

/* writes the next piece of the page at p, and returns its end */
u_char *ngx_http_katalo_status_piece(ngx_http_katalo_page_t *page, u_char *p);


#endif /* _NGX_HTTP_KATALO_STATUS_H_INCLUDED_ */
