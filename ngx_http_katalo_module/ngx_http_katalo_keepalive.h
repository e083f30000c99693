
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_KEEPALIVE_H_INCLUDED_
#define _NGX_HTTP_KATALO_KEEPALIVE_H_INCLUDED_


#include "ngx_http_katalo.h"


/*
 * Gives the locations with a key whose "proxy_pass" names a host without an
 * "upstream" block upstreams that keep connections.  After all locations have
 * been merged, and their destinations checked.  NGX_ERROR is logged.
 */
ngx_int_t ngx_http_katalo_keepalive_init(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf);


#endif /* _NGX_HTTP_KATALO_KEEPALIVE_H_INCLUDED_ */
