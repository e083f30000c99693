
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_source.h"
#include "ngx_http_katalo_state.h"
#include "ngx_http_katalo_stripes.h"
#include "ngx_http_katalo_usage_read.h"


static int ngx_libc_cdecl ngx_http_katalo_usage_read_more(const void *one,
    const void *two);


void
ngx_http_katalo_usage_read(ngx_http_katalo_usage_t *usage,
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
ngx_http_katalo_usage_read_processes(ngx_http_katalo_usage_t *usage)
{
    ngx_http_katalo_stripes_read(usage);
}


void
ngx_http_katalo_usage_read_state(ngx_http_katalo_key_t *key,
    ngx_http_katalo_key_row_t *row)
{
    ngx_uint_t                 i;
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

    shkey = &key->usage->sh->keys[key->row];

    ngx_http_katalo_zone_lock(key->usage);

    row->usable = shkey->usable;
    row->source_ok = !shkey->failed && !shkey->unreadable;
    row->reload_only = shkey->unreadable
                       || (shkey->failed && shkey->failed_err == NGX_EACCES);
    row->leaked = shkey->leaked;
    row->rejected = shkey->usable && shkey->rejected == shkey->current + 1;

    ngx_http_katalo_zone_unlock(key->usage);
}


void
ngx_http_katalo_usage_read_key(ngx_http_katalo_key_t *key,
    ngx_http_katalo_key_row_t *row)
{
    ngx_uint_t                slot;
    ngx_http_katalo_sh_t     *sh;
    ngx_http_katalo_usage_t  *usage;

    ngx_http_katalo_usage_read_state(key, row);

    if (key->row == NGX_HTTP_KATALO_NONE) {
        return;
    }

    usage = key->usage;
    sh = usage->sh;

    ngx_http_katalo_zone_lock(usage);

    ngx_http_katalo_zone_sum_key(sh, key->row, row->counters);

    for (slot = sh->keys[key->row].slots;
         slot != NGX_HTTP_KATALO_NONE;
         slot = sh->ids[slot].next)
    {
        row->in_flight += ngx_http_katalo_stripes_in_flight(usage, slot);
    }

    ngx_http_katalo_zone_unlock(usage);
}


ngx_int_t
ngx_http_katalo_usage_read_id(ngx_http_katalo_key_t *key, ngx_uint_t serial,
    ngx_http_katalo_id_row_t *row)
{
    ngx_uint_t                 i, slot;
    ngx_http_katalo_sh_t      *sh;
    ngx_http_katalo_sh_key_t  *shkey;

    if (key->row == NGX_HTTP_KATALO_NONE) {
        return NGX_DONE;
    }

    sh = key->usage->sh;
    shkey = &sh->keys[key->row];

    ngx_memzero(row, sizeof(ngx_http_katalo_id_row_t));

    ngx_http_katalo_zone_lock(key->usage);

    slot = NGX_HTTP_KATALO_NONE;

    for (i = shkey->slots; i != NGX_HTTP_KATALO_NONE; i = sh->ids[i].next) {

        if ((serial == 0 || sh->ids[i].serial < serial)
            && (slot == NGX_HTTP_KATALO_NONE
                || sh->ids[i].serial > sh->ids[slot].serial))
        {
            slot = i;
        }
    }

    if (slot == NGX_HTTP_KATALO_NONE) {
        ngx_http_katalo_zone_unlock(key->usage);
        return NGX_DONE;
    }

    row->name = key->name;
    row->source = key->source->name;
    row->serial = sh->ids[slot].serial;

    row->id.len = sh->ids[slot].id.len;
    row->id.data = row->data;
    ngx_memcpy(row->data, sh->ids[slot].data, row->id.len);

    if (slot != shkey->current) {
        row->state = "previous";

    } else {
        row->state = shkey->usable ? "current" : "revoked";
    }

    ngx_http_katalo_zone_sum_id(sh, slot, row->counters);
    ngx_http_katalo_stripes_times(sh, slot, &row->first_used,
                                  &row->last_used);

    ngx_http_katalo_zone_unlock(key->usage);

    return NGX_OK;
}


ngx_int_t
ngx_http_katalo_usage_read_consumers(ngx_http_katalo_key_t *key,
    ngx_array_t *refs)
{
    refs->nelts = 0;

    if (key->row == NGX_HTTP_KATALO_NONE) {
        return NGX_OK;
    }

    if (ngx_http_katalo_consumed_list(key->usage, key->row, refs) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_qsort(refs->elts, refs->nelts, sizeof(ngx_http_katalo_consumer_ref_t),
              ngx_http_katalo_usage_read_more);

    return NGX_OK;
}


static int ngx_libc_cdecl
ngx_http_katalo_usage_read_more(const void *one, const void *two)
{
    const ngx_http_katalo_consumer_ref_t *first = one;
    const ngx_http_katalo_consumer_ref_t *second = two;

    if (first->requests != second->requests) {
        return first->requests < second->requests ? 1 : -1;
    }

    return first->place < second->place ? -1 : 1;
}


ngx_int_t
ngx_http_katalo_usage_read_consumer(ngx_http_katalo_key_t *key,
    ngx_http_katalo_consumer_ref_t *ref, ngx_http_katalo_consumer_row_t *row)
{
    ngx_int_t  rc;

    ngx_http_katalo_zone_lock(key->usage);
    ngx_http_katalo_consumers_lock(key->usage);

    rc = ngx_http_katalo_consumed_read(key->usage, ref->place, row);

    ngx_http_katalo_consumers_unlock(key->usage);
    ngx_http_katalo_zone_unlock(key->usage);

    row->name = key->name;

    return rc == NGX_OK && row->serial == ref->serial ? NGX_OK : NGX_DECLINED;
}
