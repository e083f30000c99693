
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* What a location with a key needs of the proxy module. */


#ifndef _NGX_HTTP_KATALO_PROXY_MERGE_H_INCLUDED_
#define _NGX_HTTP_KATALO_PROXY_MERGE_H_INCLUDED_


#include "ngx_http_katalo.h"


/* before the proxy module merges: adds the headers and TLS settings */
char *ngx_http_katalo_proxy_merge(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_loc_conf_t *prev,
    ngx_http_katalo_loc_conf_t *conf);


#endif /* _NGX_HTTP_KATALO_PROXY_MERGE_H_INCLUDED_ */
