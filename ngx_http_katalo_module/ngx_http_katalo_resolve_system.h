
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_RESOLVE_SYSTEM_H_INCLUDED_
#define _NGX_HTTP_KATALO_RESOLVE_SYSTEM_H_INCLUDED_


#include "ngx_http_katalo.h"


/*
 * A resolver that asks the name servers of /etc/resolv.conf, for IPv6 too or
 * not.  *resolver is NULL where there are none.
 */
ngx_int_t ngx_http_katalo_resolve_system(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_uint_t ipv6,
    ngx_resolver_t **resolver);


#endif /* _NGX_HTTP_KATALO_RESOLVE_SYSTEM_H_INCLUDED_ */
