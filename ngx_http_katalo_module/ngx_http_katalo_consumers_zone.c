
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_consumers_zone.h"

#include <openssl/rand.h>


static ngx_int_t ngx_http_katalo_consumers_zone_init(ngx_shm_zone_t *shm_zone,
    void *data);
static ngx_uint_t ngx_http_katalo_consumers_zone_buckets(ngx_uint_t n);


ngx_int_t
ngx_http_katalo_consumers_zone_add(ngx_conf_t *cf,
    ngx_http_katalo_usage_t *usage, ngx_uint_t n, ngx_uint_t fresh)
{
    size_t           size;
    ngx_shm_zone_t  *shm_zone;

    static ngx_str_t  name = ngx_string("ngx_http_katalo_consumers");

    size = sizeof(ngx_http_katalo_sh_consumers_t)
           + ngx_http_katalo_consumers_zone_buckets(n) * sizeof(ngx_atomic_t)
           + n * sizeof(ngx_http_katalo_sh_consumer_t);

    /* what the slab allocator needs itself */

    size = ngx_align(size + size / 64 + 8 * ngx_pagesize, ngx_pagesize);

    shm_zone = ngx_shared_memory_add(cf, &name, size, &ngx_http_katalo_module);
    if (shm_zone == NULL) {
        return NGX_ERROR;
    }

    shm_zone->init = ngx_http_katalo_consumers_zone_init;
    shm_zone->data = usage;
    shm_zone->noreuse = fresh;

    usage->zones[1] = shm_zone;

    return NGX_OK;
}


static ngx_int_t
ngx_http_katalo_consumers_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_katalo_usage_t *old = data;

    size_t                           size;
    ngx_uint_t                       i, n, buckets;
    ngx_slab_pool_t                 *shpool;
    ngx_http_katalo_usage_t         *usage;
    ngx_http_katalo_sh_consumers_t  *csh;

    if (shm_zone->noreuse) {
        old = NULL;
    }

    usage = shm_zone->data;
    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    usage->consumers_mutex = &shpool->mutex;

    if (old) {
        usage->consumers = old->consumers;
        usage->processes = old->processes;
        usage->conf->seed = usage->consumers->seed;
        return NGX_OK;
    }

    n = usage->conf->consumers;
    buckets = ngx_http_katalo_consumers_zone_buckets(n);
    size = sizeof(ngx_http_katalo_sh_consumers_t)
           + buckets * sizeof(ngx_atomic_t)
           + n * sizeof(ngx_http_katalo_sh_consumer_t);

    csh = ngx_slab_calloc(shpool, size);

    if (csh == NULL
        || RAND_bytes((u_char *) &csh->seed, sizeof(csh->seed)) != 1)
    {
        return NGX_ERROR;
    }

    csh->size = n;
    csh->mask = buckets - 1;
    csh->newest = NGX_HTTP_KATALO_NONE;
    csh->oldest = NGX_HTTP_KATALO_NONE;
    csh->buckets = (ngx_atomic_t *) (csh + 1);
    csh->entries = (ngx_http_katalo_sh_consumer_t *) (csh->buckets + buckets);

    for (i = 0; i < buckets; i++) {
        csh->buckets[i] = NGX_HTTP_KATALO_NONE;
    }

    for (i = 0; i < n; i++) {
        csh->entries[i].next = i + 1;
    }

    csh->entries[n - 1].next = NGX_HTTP_KATALO_NONE;

    usage->consumers = csh;
    usage->processes = csh->processes;
    usage->conf->seed = csh->seed;
    shpool->data = csh;

    return NGX_OK;
}


/* a power of two */

static ngx_uint_t
ngx_http_katalo_consumers_zone_buckets(ngx_uint_t n)
{
    ngx_uint_t  buckets;

    for (buckets = 1; buckets < n; buckets *= 2) {
        /* void */
    }

    return buckets;
}
