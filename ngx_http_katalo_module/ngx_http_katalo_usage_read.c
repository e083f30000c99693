
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_source.h"
#include "ngx_http_katalo_state.h"
#include "ngx_http_katalo_stripes.h"
#include "ngx_http_katalo_usage_read.h"


static void ngx_http_katalo_usage_read_zone(ngx_http_katalo_usage_t *usage,
    ngx_http_katalo_snapshot_t *snapshot);
static ngx_int_t ngx_http_katalo_usage_read_ids(ngx_http_katalo_key_t *key,
    ngx_pool_t *pool, ngx_http_katalo_key_row_t *row);
static ngx_int_t ngx_http_katalo_usage_read_id(ngx_http_katalo_key_t *key,
    ngx_uint_t slot, ngx_pool_t *pool, ngx_http_katalo_id_row_t *row);
static ngx_int_t ngx_http_katalo_usage_read_earlier(const void *one,
    const void *two);
static ngx_int_t ngx_http_katalo_usage_read_consumers(
    ngx_http_katalo_main_conf_t *kmcf, ngx_pool_t *pool,
    ngx_http_katalo_key_row_t *rows);
static int ngx_libc_cdecl ngx_http_katalo_usage_read_more(const void *one,
    const void *two);
static ngx_int_t ngx_http_katalo_usage_read_consumer(
    ngx_http_katalo_usage_t *usage, ngx_http_katalo_consumer_ref_t *ref,
    ngx_http_katalo_consumer_row_t *row);


ngx_int_t
ngx_http_katalo_usage_read(ngx_http_katalo_main_conf_t *kmcf, ngx_pool_t *pool,
    ngx_http_katalo_snapshot_t *snapshot)
{
    ngx_uint_t                  i;
    ngx_http_katalo_key_t     **key;
    ngx_http_katalo_key_row_t  *row;

    ngx_memzero(snapshot, sizeof(ngx_http_katalo_snapshot_t));

    snapshot->usage = kmcf->usage;
    snapshot->time = ngx_time();

    if (kmcf->usage == NULL) {
        return NGX_OK;
    }

    ngx_http_katalo_usage_read_zone(kmcf->usage, snapshot);
    ngx_http_katalo_stripes_read(kmcf->usage);

    key = kmcf->keys.elts;
    row = ngx_palloc(pool, kmcf->keys.nelts
                           * sizeof(ngx_http_katalo_key_row_t));
    if (row == NULL) {
        return NGX_ERROR;
    }

    snapshot->keys = row;
    snapshot->nkeys = kmcf->keys.nelts;

    for (i = 0; i < kmcf->keys.nelts; i++) {
        ngx_http_katalo_usage_read_key(key[i], &row[i]);

        if (key[i]->row != NGX_HTTP_KATALO_NONE
            && ngx_http_katalo_usage_read_ids(key[i], pool, &row[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_http_katalo_usage_read_consumers(kmcf, pool, row);
}


static void
ngx_http_katalo_usage_read_zone(ngx_http_katalo_usage_t *usage,
    ngx_http_katalo_snapshot_t *snapshot)
{
    ngx_uint_t             i;
    ngx_http_katalo_sh_t  *sh;

    sh = usage->sh;

    snapshot->no_keys = sh->no_key;
    snapshot->unattributed = sh->unattributed;
    snapshot->slots_used = 0;

    for (i = 0; i < sh->slots; i++) {
        snapshot->slots_used += (sh->ids[i].id.len != 0);
    }

    snapshot->slots_free = sh->slots - snapshot->slots_used;
    snapshot->consumers_used = usage->consumers->used;
    snapshot->consumers_free = usage->consumers->size
                               - snapshot->consumers_used;
}


void
ngx_http_katalo_usage_read_key(ngx_http_katalo_key_t *key,
    ngx_http_katalo_key_row_t *row)
{
    ngx_uint_t                 i, slot;
    ngx_http_katalo_sh_t      *sh;
    ngx_http_katalo_sh_key_t  *shkey;

    ngx_memzero(row, sizeof(ngx_http_katalo_key_row_t));

    row->name = key->name;
    row->source = key->source->name;

    ngx_http_katalo_state_retry(key);

    for (i = 0; i < NGX_HTTP_KATALO_CLASSES; i++) {
        row->cooldown[i] = (ngx_http_katalo_state_cools(key, i) + 999) / 1000;
    }

    if (key->row == NGX_HTTP_KATALO_NONE) {
        row->usable = ngx_http_katalo_key_usable(key);
        row->source_ok = 1;
        return;
    }

    sh = key->usage->sh;
    shkey = &sh->keys[key->row];

    ngx_http_katalo_zone_lock(key->usage);

    row->usable = shkey->usable;
    row->source_ok = !shkey->failed && !shkey->unreadable;
    row->reload_only = shkey->unreadable
                       || (shkey->failed && shkey->failed_err == NGX_EACCES);
    row->leaked = shkey->leaked;
    row->rejected = shkey->usable && shkey->rejected == shkey->current + 1;

    ngx_http_katalo_zone_sum_key(sh, key->row, row->counters);

    for (slot = shkey->slots;
         slot != NGX_HTTP_KATALO_NONE;
         slot = sh->ids[slot].next)
    {
        row->in_flight += ngx_http_katalo_stripes_in_flight(key->usage, slot);
    }

    ngx_http_katalo_zone_unlock(key->usage);
}


static ngx_int_t
ngx_http_katalo_usage_read_ids(ngx_http_katalo_key_t *key, ngx_pool_t *pool,
    ngx_http_katalo_key_row_t *row)
{
    ngx_int_t                  rc;
    ngx_uint_t                 slot;
    ngx_http_katalo_sh_t      *sh;
    ngx_http_katalo_id_row_t  *id;

    if (ngx_array_init(&row->ids, pool, NGX_HTTP_KATALO_IDS,
                       sizeof(ngx_http_katalo_id_row_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    sh = key->usage->sh;
    rc = NGX_OK;

    ngx_http_katalo_zone_lock(key->usage);

    for (slot = sh->keys[key->row].slots;
         slot != NGX_HTTP_KATALO_NONE && rc == NGX_OK;
         slot = sh->ids[slot].next)
    {
        id = ngx_array_push(&row->ids);

        rc = id ? ngx_http_katalo_usage_read_id(key, slot, pool, id)
                : NGX_ERROR;
    }

    ngx_http_katalo_zone_unlock(key->usage);

    ngx_sort(row->ids.elts, row->ids.nelts, sizeof(ngx_http_katalo_id_row_t),
             ngx_http_katalo_usage_read_earlier);

    return rc;
}


static ngx_int_t
ngx_http_katalo_usage_read_id(ngx_http_katalo_key_t *key, ngx_uint_t slot,
    ngx_pool_t *pool, ngx_http_katalo_id_row_t *row)
{
    ngx_http_katalo_sh_t      *sh;
    ngx_http_katalo_sh_key_t  *shkey;

    sh = key->usage->sh;
    shkey = &sh->keys[key->row];

    row->current = (slot == shkey->current);

    if (!row->current) {
        row->state = "previous";

    } else {
        row->state = shkey->usable ? "current" : "revoked";
    }

    ngx_http_katalo_zone_sum_id(sh, slot, row->counters);
    ngx_http_katalo_stripes_times(sh, slot, 1, &row->first_used,
                                  &row->last_used);

    row->id.len = sh->ids[slot].id.len;
    row->id.data = ngx_pstrdup(pool, &sh->ids[slot].id);

    return row->id.data ? NGX_OK : NGX_ERROR;
}


/* the current one is the latest, then the latest used */

static ngx_int_t
ngx_http_katalo_usage_read_earlier(const void *one, const void *two)
{
    const ngx_http_katalo_id_row_t *first = one;
    const ngx_http_katalo_id_row_t *second = two;

    return first->current == second->current
           ? first->last_used < second->last_used
           : first->current < second->current;
}


static ngx_int_t
ngx_http_katalo_usage_read_consumers(ngx_http_katalo_main_conf_t *kmcf,
    ngx_pool_t *pool, ngx_http_katalo_key_row_t *rows)
{
    ngx_uint_t                        i;
    ngx_array_t                       refs;
    ngx_http_katalo_key_t           **key;
    ngx_http_katalo_usage_t          *usage;
    ngx_http_katalo_key_row_t        *row, **of_row;
    ngx_http_katalo_consumer_ref_t   *ref;
    ngx_http_katalo_consumer_row_t   *consumer;

    usage = kmcf->usage;

    if (ngx_array_init(&refs, pool,
                       usage->consumers->used + 2 * usage->sh->rows,
                       sizeof(ngx_http_katalo_consumer_ref_t))
        != NGX_OK
        || ngx_http_katalo_consumed_list(usage, pool, &refs) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_qsort(refs.elts, refs.nelts, sizeof(ngx_http_katalo_consumer_ref_t),
              ngx_http_katalo_usage_read_more);

    consumer = ngx_palloc(pool, refs.nelts
                                * sizeof(ngx_http_katalo_consumer_row_t));
    of_row = ngx_pcalloc(pool, usage->sh->rows
                               * sizeof(ngx_http_katalo_key_row_t *));

    if (consumer == NULL || of_row == NULL) {
        return NGX_ERROR;
    }

    key = kmcf->keys.elts;

    for (i = 0; i < kmcf->keys.nelts; i++) {
        if (key[i]->row != NGX_HTTP_KATALO_NONE) {
            of_row[key[i]->row] = &rows[i];
        }
    }

    ref = refs.elts;

    for (i = 0; i < refs.nelts; i++) {
        row = of_row[ref[i].row];

        if (row == NULL
            || ngx_http_katalo_usage_read_consumer(usage, &ref[i], consumer)
               != NGX_OK)
        {
            continue;
        }

        if (row->nconsumers++ == 0) {
            row->consumers = consumer;
        }

        consumer++;
    }

    return NGX_OK;
}


static int ngx_libc_cdecl
ngx_http_katalo_usage_read_more(const void *one, const void *two)
{
    const ngx_http_katalo_consumer_ref_t *first = one;
    const ngx_http_katalo_consumer_ref_t *second = two;

    if (first->row != second->row) {
        return first->row < second->row ? -1 : 1;
    }

    if (first->requests != second->requests) {
        return first->requests < second->requests ? 1 : -1;
    }

    return first->place < second->place ? -1 : 1;
}


/* NGX_DECLINED: it has given way meanwhile */

static ngx_int_t
ngx_http_katalo_usage_read_consumer(ngx_http_katalo_usage_t *usage,
    ngx_http_katalo_consumer_ref_t *ref, ngx_http_katalo_consumer_row_t *row)
{
    ngx_int_t  rc;

    ngx_http_katalo_zone_lock(usage);
    ngx_http_katalo_consumers_lock(usage);

    rc = ngx_http_katalo_consumed_read(usage, ref->place, row);

    ngx_http_katalo_consumers_unlock(usage);
    ngx_http_katalo_zone_unlock(usage);

    return rc == NGX_OK && row->serial == ref->serial ? NGX_OK : NGX_DECLINED;
}
