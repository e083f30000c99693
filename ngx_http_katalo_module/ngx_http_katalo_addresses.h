
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* The addresses of a host that is followed. */


#ifndef _NGX_HTTP_KATALO_ADDRESSES_H_INCLUDED_
#define _NGX_HTTP_KATALO_ADDRESSES_H_INCLUDED_


#include "ngx_http_katalo.h"


typedef struct ngx_http_katalo_addresses_s  ngx_http_katalo_addresses_t;


/* of an upstream of the configuration; NULL: no memory */
ngx_http_katalo_addresses_t *ngx_http_katalo_addresses_create(
    ngx_pool_t *pool);
void ngx_http_katalo_addresses_destroy(ngx_http_katalo_addresses_t *addresses);

/* the upstream's servers; addrs is not copied; NGX_ERROR: no memory */
ngx_int_t ngx_http_katalo_addresses_servers(ngx_pool_t *pool,
    ngx_http_upstream_srv_conf_t *uscf, ngx_addr_t *addrs, ngx_uint_t naddrs);

/* does the host have the addresses, in any order?  ngx_addr_t */
ngx_uint_t ngx_http_katalo_addresses_same(ngx_http_katalo_host_t *host,
    ngx_array_t *addrs);

/*
 * New requests use the addresses, which are in the pool.  Takes the pool, and
 * destroys it on NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_katalo_addresses_replace(ngx_http_katalo_host_t *host,
    ngx_pool_t *pool, ngx_array_t *addrs);

/* the present addresses stay for as long as r->pool; NGX_ERROR: no memory */
ngx_int_t ngx_http_katalo_addresses_hold(ngx_http_request_t *r,
    ngx_http_katalo_host_t *host);


#endif /* _NGX_HTTP_KATALO_ADDRESSES_H_INCLUDED_ */
