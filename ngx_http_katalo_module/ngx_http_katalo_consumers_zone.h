
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_CONSUMERS_ZONE_H_INCLUDED_
#define _NGX_HTTP_KATALO_CONSUMERS_ZONE_H_INCLUDED_


#include "ngx_http_katalo_consumers.h"


/* the zone, for "n" consumers; "fresh": an old one is not used again */
ngx_int_t ngx_http_katalo_consumers_zone_add(ngx_conf_t *cf,
    ngx_http_katalo_usage_t *usage, ngx_uint_t n, ngx_uint_t fresh);


#endif /* _NGX_HTTP_KATALO_CONSUMERS_ZONE_H_INCLUDED_ */
