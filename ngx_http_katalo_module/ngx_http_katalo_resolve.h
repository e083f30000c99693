
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* Hosts of "proxy_pass" whose addresses are looked up again. */


#ifndef _NGX_HTTP_KATALO_RESOLVE_H_INCLUDED_
#define _NGX_HTTP_KATALO_RESOLVE_H_INCLUDED_


#include "ngx_http_katalo_addresses.h"
#include "ngx_http_katalo_hosts.h"


struct ngx_http_katalo_host_s {
    ngx_http_upstream_srv_conf_t    *upstream;
    ngx_str_t                        name;      /* in lower case */
    ngx_resolver_t                  *resolver;
    ngx_msec_t                       timeout;
    ngx_event_t                      event;
    ngx_cycle_t                     *cycle;
    ngx_http_katalo_addresses_t     *addresses; /* for new requests */
    ngx_http_katalo_host_entry_t    *entry;
    ngx_uint_t                       ipv4;      /* at start, it had some */
    ngx_uint_t                       ipv6;
};


/*
 * The upstream is one of the module's own, with its first addresses, for the
 * location.  *host is NULL where there is nothing to follow.  NGX_ERROR is
 * logged.
 */
ngx_int_t ngx_http_katalo_resolve_add(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_loc_conf_t *klcf,
    ngx_http_upstream_srv_conf_t *uscf, ngx_http_katalo_host_t **host);

/* in each worker */
ngx_int_t ngx_http_katalo_resolve_init_process(ngx_cycle_t *cycle,
    ngx_http_katalo_main_conf_t *kmcf);


#endif /* _NGX_HTTP_KATALO_RESOLVE_H_INCLUDED_ */
