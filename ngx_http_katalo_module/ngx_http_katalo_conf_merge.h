
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_CONF_MERGE_H_INCLUDED_
#define _NGX_HTTP_KATALO_CONF_MERGE_H_INCLUDED_


#include "ngx_http_katalo.h"


/* as nginx calls them */

void *ngx_http_katalo_conf_create_main(ngx_conf_t *cf);
void *ngx_http_katalo_conf_create_srv(ngx_conf_t *cf);
void *ngx_http_katalo_conf_create_loc(ngx_conf_t *cf);
char *ngx_http_katalo_conf_merge_loc(ngx_conf_t *cf, void *parent,
    void *child);


#endif /* _NGX_HTTP_KATALO_CONF_MERGE_H_INCLUDED_ */
