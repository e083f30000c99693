
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* What is shared of the hosts whose addresses are followed. */


#ifndef _NGX_HTTP_KATALO_HOSTS_H_INCLUDED_
#define _NGX_HTTP_KATALO_HOSTS_H_INCLUDED_


#include "ngx_http_katalo_snapshot.h"


typedef enum {
    NGX_HTTP_KATALO_HOST_NEW = 0,
    NGX_HTTP_KATALO_HOST_RESOLVED,
    NGX_HTTP_KATALO_HOST_FAILED,
    NGX_HTTP_KATALO_HOST_UNKNOWN        /* to the name servers: left alone */
} ngx_http_katalo_host_state_e;


/* in the shared zone; written by any worker */

typedef struct ngx_http_katalo_host_entry_s  ngx_http_katalo_host_entry_t;

struct ngx_http_katalo_host_entry_s {
    ngx_http_katalo_host_entry_t      *next;
    ngx_atomic_t                     state;
    ngx_atomic_t                     failures;
    ngx_atomic_t                     addresses;
    ngx_atomic_t                     resolved;  /* seconds, 0: never */
    size_t                           len;
    u_char                           name[1];
};


/* room for the hosts of kmcf, if there are any; NGX_ERROR is logged */
ngx_int_t ngx_http_katalo_hosts_add_zone(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf);

/* the state was another: the caller may log that it has changed */
ngx_uint_t ngx_http_katalo_hosts_change(ngx_http_katalo_host_entry_t *entry,
    ngx_http_katalo_host_state_e state);

/* gathers all hosts, once for each name; NGX_ERROR: no memory */
ngx_int_t ngx_http_katalo_hosts_read(ngx_http_katalo_main_conf_t *kmcf,
    ngx_pool_t *pool, ngx_http_katalo_snapshot_t *snapshot);


#endif /* _NGX_HTTP_KATALO_HOSTS_H_INCLUDED_ */
