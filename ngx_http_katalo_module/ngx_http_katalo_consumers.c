
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_consumers.h"

#include <openssl/rand.h>


static ngx_int_t ngx_http_katalo_consumers_init_zone(ngx_shm_zone_t *shm_zone,
    void *data);
static ngx_uint_t ngx_http_katalo_consumers_buckets(ngx_uint_t n);


ngx_int_t
ngx_http_katalo_consumers_add_zone(ngx_conf_t *cf,
    ngx_http_katalo_usage_t *usage, ngx_uint_t n, ngx_uint_t fresh)
{
    size_t           size;
    ngx_shm_zone_t  *shm_zone;

    static ngx_str_t  name = ngx_string("katalo_consumers");

    size = sizeof(ngx_http_katalo_sh_consumers_t)
           + ngx_http_katalo_consumers_buckets(n) * sizeof(ngx_uint_t)
           + n * sizeof(ngx_http_katalo_sh_consumer_t);

    /* what the slab allocator needs itself */

    size = ngx_align(size + size / 64 + 8 * ngx_pagesize, ngx_pagesize);

    shm_zone = ngx_shared_memory_add(cf, &name, size, &ngx_http_katalo_module);
    if (shm_zone == NULL) {
        return NGX_ERROR;
    }

    shm_zone->init = ngx_http_katalo_consumers_init_zone;
    shm_zone->data = usage;
    shm_zone->noreuse = fresh;

    usage->zones[1] = shm_zone;

    return NGX_OK;
}


static ngx_int_t
ngx_http_katalo_consumers_init_zone(ngx_shm_zone_t *shm_zone, void *data)
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

    shm_zone->noreuse = 0;

    usage = shm_zone->data;
    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    usage->consumers_mutex = &shpool->mutex;

    if (old) {
        usage->consumers = old->consumers;
        return NGX_OK;
    }

    n = usage->conf->consumers;
    buckets = ngx_http_katalo_consumers_buckets(n);
    size = sizeof(ngx_http_katalo_sh_consumers_t)
           + buckets * sizeof(ngx_uint_t)
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
    csh->buckets = (ngx_uint_t *) (csh + 1);
    csh->entries = (ngx_http_katalo_sh_consumer_t *) (csh->buckets + buckets);

    for (i = 0; i < buckets; i++) {
        csh->buckets[i] = NGX_HTTP_KATALO_NONE;
    }

    for (i = 0; i < n; i++) {
        csh->entries[i].next = i + 1;
    }

    csh->entries[n - 1].next = NGX_HTTP_KATALO_NONE;

    usage->consumers = csh;
    shpool->data = csh;

    return NGX_OK;
}


/* a power of two */

static ngx_uint_t
ngx_http_katalo_consumers_buckets(ngx_uint_t n)
{
    ngx_uint_t  buckets;

    for (buckets = 1; buckets < n; buckets *= 2) {
        /* void */
    }

    return buckets;
}


void
ngx_http_katalo_consumers_lock(ngx_http_katalo_usage_t *usage)
{
#if (NGX_HAVE_ATOMIC_OPS)

    /* as ngx_shmtx_trylock(), inline */

    if (!ngx_atomic_cmp_set(usage->consumers_mutex->lock, 0, ngx_pid)) {
        ngx_http_katalo_zone_take(usage->consumers_mutex);
    }

#else

    ngx_http_katalo_zone_take(usage->consumers_mutex);

#endif

    usage->consumers->noted = 0;

    if (usage->consumers->pending) {
        ngx_http_katalo_consumers_do(usage->consumers);
    }
}


void
ngx_http_katalo_consumers_unlock(ngx_http_katalo_usage_t *usage)
{
    ngx_shmtx_unlock(usage->consumers_mutex);
}


void
ngx_http_katalo_consumers_note(ngx_http_katalo_sh_consumers_t *csh, void *word,
    uint64_t value)
{
    csh->redo[csh->noted].word = word;
    csh->redo[csh->noted].value = value;
    csh->noted++;
}


/* what was noted; a process that is killed here leaves it to the next one */

void
ngx_http_katalo_consumers_do(ngx_http_katalo_sh_consumers_t *csh)
{
    ngx_uint_t  i;

    ngx_memory_barrier();

    if (csh->noted) {
        csh->pending = csh->noted;
    }

    ngx_memory_barrier();

    for (i = 0; i < csh->pending; i++) {
        *csh->redo[i].word = csh->redo[i].value;
    }

    ngx_memory_barrier();

    csh->pending = 0;
    csh->noted = 0;
}


/* the same of two counters, in fewer instructions */

void
ngx_http_katalo_consumers_count(ngx_http_katalo_sh_consumers_t *csh,
    uint64_t *one, uint64_t *two)
{
    csh->redo[0].word = one;
    csh->redo[0].value = *one + 1;
    csh->redo[1].word = two;
    csh->redo[1].value = *two + 1;

    ngx_memory_barrier();

    csh->pending = 2;

    ngx_memory_barrier();

    *one = csh->redo[0].value;
    *two = csh->redo[1].value;

    ngx_memory_barrier();

    csh->pending = 0;
}


/* the seed is random: clients cannot choose names that have one bucket */

uint64_t
ngx_http_katalo_consumers_hash(ngx_http_katalo_sh_consumers_t *csh,
    ngx_uint_t row, ngx_str_t *name)
{
    u_char    *p;
    size_t     len;
    uint64_t   w, hash;

    p = name->data;
    len = name->len;
    hash = csh->seed + row * 0x9e3779b97f4a7c15 + len;

    for ( /* void */ ; len >= sizeof(w); len -= sizeof(w)) {
        ngx_memcpy(&w, p, sizeof(w));
        p += sizeof(w);

        hash = (hash ^ w) * 0x9e3779b97f4a7c15;
        hash ^= hash >> 32;
    }

    if (name->len >= sizeof(w)) {
        ngx_memcpy(&w, p + len - sizeof(w), sizeof(w));

    } else {
        w = 0;

        while (len--) {
            w = w << 8 | *p++;
        }
    }

    hash = (hash ^ w) * 0x9e3779b97f4a7c15;

    return hash ^ hash >> 32;
}


ngx_uint_t
ngx_http_katalo_consumers_find(ngx_http_katalo_sh_consumers_t *csh,
    ngx_uint_t row, ngx_str_t *name, uint64_t hash)
{
    ngx_uint_t                      n;
    ngx_http_katalo_sh_consumer_t  *entry;

    for (n = csh->buckets[hash & csh->mask];
         n != NGX_HTTP_KATALO_NONE;
         n = entry->next)
    {
        entry = &csh->entries[n];

        if (entry->hash == hash
            && entry->row == row
            && entry->len == name->len
            && ngx_memcmp(entry->name, name->data, name->len) == 0)
        {
            break;
        }
    }

    return n;
}


/* an entry for a consumer that has none, or NONE */

ngx_uint_t
ngx_http_katalo_consumers_take(ngx_http_katalo_usage_t *usage, ngx_uint_t row,
    ngx_str_t *name, uint64_t hash)
{
    ngx_uint_t                       n, *bucket;
    ngx_http_katalo_sh_consumer_t   *entry;
    ngx_http_katalo_sh_consumers_t  *csh;

    csh = usage->consumers;

    if (csh->free == NGX_HTTP_KATALO_NONE) {
        n = csh->oldest;

        if (!ngx_http_katalo_consumers_flushed(usage,
                                                     &csh->entries[n].counts))
        {
            return NGX_HTTP_KATALO_NONE;
        }

        ngx_http_katalo_consumers_free(csh, n);
    }

    n = csh->free;
    entry = &csh->entries[n];
    bucket = &csh->buckets[hash & csh->mask];

    ngx_memzero(&entry->counts, sizeof(ngx_http_katalo_sh_counts_t));
    ngx_memcpy(entry->name, name->data, name->len);

    entry->row = row;
    entry->hash = hash;

    ngx_http_katalo_consumers_note(csh, &csh->free, entry->next);
    ngx_http_katalo_consumers_note(csh, &csh->used, csh->used + 1);
    ngx_http_katalo_consumers_note(csh, &entry->len, name->len);
    ngx_http_katalo_consumers_note(csh, &entry->next, *bucket);
    ngx_http_katalo_consumers_note(csh, bucket, n);
    ngx_http_katalo_consumers_note(csh, &entry->older, csh->newest);
    ngx_http_katalo_consumers_note(csh, &entry->newer, NGX_HTTP_KATALO_NONE);
    ngx_http_katalo_consumers_note(csh, &csh->newest, n);
    ngx_http_katalo_consumers_note(csh,
                                   csh->newest == NGX_HTTP_KATALO_NONE
                                   ? &csh->oldest
                                   : &csh->entries[csh->newest].newer, n);

    ngx_http_katalo_consumers_do(csh);

    return n;
}


/* it is the newest one, by its second */

void
ngx_http_katalo_consumers_touch(ngx_http_katalo_sh_consumers_t *csh,
    ngx_uint_t n)
{
    ngx_http_katalo_sh_consumer_t  *entry;

    entry = &csh->entries[n];

    if (entry->counts.last_used == ngx_time() || csh->newest == n) {
        return;
    }

    ngx_http_katalo_consumers_note(csh, &csh->entries[entry->newer].older,
                                   entry->older);
    ngx_http_katalo_consumers_note(csh,
                                   entry->older == NGX_HTTP_KATALO_NONE
                                   ? &csh->oldest
                                   : &csh->entries[entry->older].newer,
                                   entry->newer);
    ngx_http_katalo_consumers_note(csh, &csh->entries[csh->newest].newer, n);
    ngx_http_katalo_consumers_note(csh, &entry->older, csh->newest);
    ngx_http_katalo_consumers_note(csh, &entry->newer, NGX_HTTP_KATALO_NONE);
    ngx_http_katalo_consumers_note(csh, &csh->newest, n);

    ngx_http_katalo_consumers_do(csh);
}


void
ngx_http_katalo_consumers_free(ngx_http_katalo_sh_consumers_t *csh,
    ngx_uint_t n)
{
    ngx_uint_t                     *link;
    ngx_http_katalo_sh_consumer_t  *entry;

    entry = &csh->entries[n];

    for (link = &csh->buckets[entry->hash & csh->mask];
         *link != n;
         link = &csh->entries[*link].next)
    {
        /* void */
    }

    ngx_http_katalo_consumers_note(csh, link, entry->next);
    ngx_http_katalo_consumers_note(csh,
                                   entry->newer == NGX_HTTP_KATALO_NONE
                                   ? &csh->newest
                                   : &csh->entries[entry->newer].older,
                                   entry->older);
    ngx_http_katalo_consumers_note(csh,
                                   entry->older == NGX_HTTP_KATALO_NONE
                                   ? &csh->oldest
                                   : &csh->entries[entry->older].newer,
                                   entry->newer);
    ngx_http_katalo_consumers_note(csh, &entry->next, csh->free);
    ngx_http_katalo_consumers_note(csh, &csh->free, n);
    ngx_http_katalo_consumers_note(csh, &csh->used, csh->used - 1);
    ngx_http_katalo_consumers_note(csh, &entry->serial, entry->serial + 1);
    ngx_http_katalo_consumers_note(csh, &entry->len, 0);

    ngx_http_katalo_consumers_do(csh);
}


ngx_uint_t
ngx_http_katalo_consumers_flushed(ngx_http_katalo_usage_t *usage,
    ngx_http_katalo_sh_counts_t *counts)
{
    ngx_http_katalo_sh_t  *sh;

    sh = usage->sh;

    if (sh->line.pending && sh->line.counts == counts) {
        return 0;
    }

    /* the latest configuration decides, not that of an old process */

    return (!sh->logged && usage->log == NULL)
           || ngx_memcmp(counts->counters, counts->flushed,
                         sizeof(counts->counters))
              == 0;
}
