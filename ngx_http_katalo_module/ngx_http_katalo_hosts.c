
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * An entry for each host name, in a zone of their own, which is kept over
 * reload.  Entries are only added: workers of the configuration before may use
 * theirs.  After many other hosts there may be no room: a host then has an
 * entry in the memory of each process.
 */


#include "ngx_http_katalo_hosts.h"
#include "ngx_http_katalo_resolve.h"


/* a multiple of it, so that few names more keep the zone over reload */
#define NGX_HTTP_KATALO_HOSTS_SIZE  65536


static ngx_int_t ngx_http_katalo_hosts_init_zone(ngx_shm_zone_t *shm_zone,
    void *data);
static ngx_http_katalo_host_entry_t *ngx_http_katalo_hosts_entry(
    ngx_slab_pool_t *shpool, ngx_str_t *name);
static ngx_http_katalo_host_entry_t *ngx_http_katalo_hosts_own_entry(
    ngx_http_katalo_main_conf_t *kmcf, ngx_uint_t n);


ngx_int_t
ngx_http_katalo_hosts_add_zone(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf)
{
    size_t                    size;
    ngx_uint_t                i;
    ngx_shm_zone_t           *shm_zone;
    ngx_http_katalo_host_t  **host;

    static ngx_str_t  name = ngx_string("ngx_http_katalo_hosts");

    if (kmcf->hosts.nelts == 0) {
        return NGX_OK;
    }

    host = kmcf->hosts.elts;
    size = NGX_HTTP_KATALO_HOSTS_SIZE / 2;

    /* the slab allocator rounds up to a power of two */

    for (i = 0; i < kmcf->hosts.nelts; i++) {
        size += 2 * (sizeof(ngx_http_katalo_host_entry_t) + host[i]->name.len);
    }

    size = ngx_align(size, NGX_HTTP_KATALO_HOSTS_SIZE);

    shm_zone = ngx_shared_memory_add(cf, &name, size, &ngx_http_katalo_module);
    if (shm_zone == NULL) {
        return NGX_ERROR;
    }

    shm_zone->init = ngx_http_katalo_hosts_init_zone;
    shm_zone->data = kmcf;

    return NGX_OK;
}


static ngx_int_t
ngx_http_katalo_hosts_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_uint_t                     i;
    ngx_slab_pool_t               *shpool;
    ngx_http_katalo_host_t       **host;
    ngx_http_katalo_main_conf_t   *kmcf;
    ngx_http_upstream_rr_peers_t  *peers;

    kmcf = shm_zone->data;
    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;
    host = kmcf->hosts.elts;

    /* no room is no error */

    shpool->log_nomem = 0;

    for (i = 0; i < kmcf->hosts.nelts; i++) {
        host[i]->entry = ngx_http_katalo_hosts_entry(shpool,
                                                     &host[i]->name);
        if (host[i]->entry == NULL) {
            host[i]->entry = ngx_http_katalo_hosts_own_entry(kmcf, i);
        }

        if (host[i]->entry == NULL) {
            return NGX_ERROR;
        }

        /* those of the start, until it is resolved */

        if (host[i]->entry->resolved == 0) {
            peers = host[i]->upstream->peer.data;
            host[i]->entry->addresses = peers->number;
        }
    }

    return NGX_OK;
}


static ngx_http_katalo_host_entry_t *
ngx_http_katalo_hosts_entry(ngx_slab_pool_t *shpool, ngx_str_t *name)
{
    ngx_http_katalo_host_entry_t  *entry;

    for (entry = shpool->data; entry; entry = entry->next) {

        if (entry->len == name->len
            && ngx_memcmp(entry->name, name->data, name->len) == 0)
        {
            return entry;
        }
    }

    entry = ngx_slab_calloc(shpool, sizeof(ngx_http_katalo_host_entry_t)
                                  + name->len);
    if (entry == NULL) {
        return NULL;
    }

    entry->len = name->len;
    ngx_memcpy(entry->name, name->data, name->len);

    entry->next = shpool->data;
    shpool->data = entry;

    return entry;
}


/* that of one of the first n hosts, if it has the same name */

static ngx_http_katalo_host_entry_t *
ngx_http_katalo_hosts_own_entry(ngx_http_katalo_main_conf_t *kmcf,
    ngx_uint_t n)
{
    ngx_uint_t                i;
    ngx_http_katalo_host_t  **host;

    host = kmcf->hosts.elts;

    for (i = 0; i < n; i++) {

        if (host[i]->name.len == host[n]->name.len
            && ngx_memcmp(host[i]->name.data, host[n]->name.data,
                          host[n]->name.len)
               == 0)
        {
            return host[i]->entry;
        }
    }

    return ngx_pcalloc(kmcf->hosts.pool, sizeof(ngx_http_katalo_host_entry_t));
}


ngx_uint_t
ngx_http_katalo_hosts_change(ngx_http_katalo_host_entry_t *entry,
    ngx_http_katalo_host_state_e state)
{
    ngx_atomic_uint_t  before;

    before = entry->state;

    return before != state && ngx_atomic_cmp_set(&entry->state, before, state);
}


ngx_int_t
ngx_http_katalo_hosts_read(ngx_http_katalo_main_conf_t *kmcf, ngx_pool_t *pool,
    ngx_http_katalo_snapshot_t *snapshot)
{
    ngx_uint_t                     i, j;
    ngx_http_katalo_host_t       **host;
    ngx_http_katalo_host_row_t    *row;
    ngx_http_katalo_host_entry_t  *entry;

    host = kmcf->hosts.elts;

    snapshot->hosts = ngx_palloc(pool, kmcf->hosts.nelts
                                       * sizeof(ngx_http_katalo_host_row_t));
    if (snapshot->hosts == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < kmcf->hosts.nelts; i++) {
        entry = host[i]->entry;

        for (j = 0; host[j]->entry != entry; j++) { /* void */ }

        if (j < i) {
            continue;
        }

        row = &snapshot->hosts[snapshot->nhosts++];

        row->name = host[i]->name;
        row->addresses = entry->addresses;
        row->failures = entry->failures;
        row->resolved = entry->resolved;
    }

    return NGX_OK;
}
