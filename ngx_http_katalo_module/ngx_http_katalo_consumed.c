
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_consumed.h"
#include "ngx_http_katalo_stripes.h"


/* entries that are looked at before others get the mutex */
#define NGX_HTTP_KATALO_CONSUMED_LOOKS   32


static void ngx_http_katalo_consumed_nobody(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row, ngx_uint_t slot, ngx_http_katalo_sh_counts_t *counts);
static uint64_t ngx_http_katalo_consumed_requests(uint64_t *counters);
static ngx_int_t ngx_http_katalo_consumed_list_part(
    ngx_http_katalo_usage_t *usage, ngx_uint_t row, ngx_uint_t first,
    ngx_array_t *refs);
static ngx_int_t ngx_http_katalo_consumed_list_place(
    ngx_http_katalo_usage_t *usage, ngx_uint_t place, ngx_array_t *refs);


ngx_int_t
ngx_http_katalo_consumed_start(ngx_http_katalo_usage_t *usage,
    ngx_uint_t slot, ngx_uint_t column, ngx_http_katalo_consumer_t *consumer)
{
    time_t                           now;
    uint64_t                         hash;
    ngx_int_t                        rc;
    ngx_uint_t                       n;
    ngx_http_katalo_sh_id_t         *shid;
    ngx_http_katalo_sh_counts_t     *counts;
    ngx_http_katalo_sh_consumers_t  *csh;

    csh = usage->consumers;
    shid = &usage->sh->ids[slot];
    hash = ngx_http_katalo_consumers_hash(csh, shid->row, &consumer->name);
    now = ngx_time();
    rc = NGX_OK;

    ngx_http_katalo_consumers_lock(usage);

    n = ngx_http_katalo_consumers_find(csh, shid->row, &consumer->name, hash);

    if (n == NGX_HTTP_KATALO_NONE) {
        n = ngx_http_katalo_consumers_take(usage, shid->row, &consumer->name,
                                           hash);

    } else {
        ngx_http_katalo_consumers_touch(csh, n);
    }

    consumer->entry = n;

    if (n != NGX_HTTP_KATALO_NONE) {
        consumer->serial = csh->entries[n].serial;
        counts = &csh->entries[n].counts;

    } else {
        counts = &usage->sh->keys[shid->row].others;

        if (csh->wanted != now) {
            csh->wanted = now;
            rc = NGX_DECLINED;
        }
    }

    counts->first_used = counts->first_used ? counts->first_used : now;
    counts->last_used = now;
    shid->named_first = shid->named_first ? shid->named_first : now;
    shid->named_last = now;

    column += NGX_HTTP_KATALO_CONSUMER_REQUESTS;

    ngx_http_katalo_consumers_count(csh, &counts->counters[column],
                                    &shid->named[column]);

    ngx_http_katalo_consumers_unlock(usage);

    return rc;
}


void
ngx_http_katalo_consumed_finish(ngx_http_katalo_usage_t *usage,
    ngx_uint_t slot, ngx_uint_t status, ngx_http_katalo_consumer_t *consumer)
{
    ngx_http_katalo_sh_id_t         *shid;
    ngx_http_katalo_sh_counts_t     *counts;
    ngx_http_katalo_sh_consumers_t  *csh;

    csh = usage->consumers;
    shid = &usage->sh->ids[slot];

    ngx_http_katalo_consumers_lock(usage);

    /* its entry may be another one's: the request is counted, and stays */

    counts = (consumer->entry != NGX_HTTP_KATALO_NONE
              && csh->entries[consumer->entry].serial == consumer->serial)
             ? &csh->entries[consumer->entry].counts
             : &usage->sh->keys[shid->row].others;

    ngx_http_katalo_consumers_count(csh,
        &counts->counters[NGX_HTTP_KATALO_CONSUMER_RESPONSES
                          + ngx_http_katalo_counters_class(status)],
        &shid->named[NGX_HTTP_KATALO_RESPONSES + status]);

    ngx_http_katalo_consumers_unlock(usage);
}


ngx_uint_t
ngx_http_katalo_consumed_logged(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row)
{
    ngx_uint_t                       i, logged;
    ngx_http_katalo_sh_counts_t      nobody;
    ngx_http_katalo_sh_consumers_t  *csh;

    csh = usage->consumers;

    ngx_http_katalo_consumers_lock(usage);

    ngx_http_katalo_consumed_nobody(usage, row, NGX_HTTP_KATALO_NONE,
                                     &nobody);

    logged = ngx_http_katalo_consumers_flushed(usage, &nobody)
             && ngx_http_katalo_consumers_flushed(usage,
                                               &usage->sh->keys[row].others);

    for (i = 0; logged && i < csh->size; i++) {
        if (csh->entries[i].len && csh->entries[i].row == row) {
            logged = ngx_http_katalo_consumers_flushed(usage,
                                                     &csh->entries[i].counts);
        }
    }

    ngx_http_katalo_consumers_unlock(usage);

    return logged;
}


void
ngx_http_katalo_consumed_forget(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row)
{
    ngx_uint_t                       i;
    ngx_http_katalo_sh_consumers_t  *csh;

    csh = usage->consumers;

    ngx_http_katalo_consumers_lock(usage);

    for (i = 0; i < csh->size; i++) {
        if (csh->entries[i].len && csh->entries[i].row == row) {
            ngx_http_katalo_consumers_free(csh, i);
        }
    }

    ngx_http_katalo_consumers_unlock(usage);
}


void
ngx_http_katalo_consumed_unlink(ngx_http_katalo_usage_t *usage,
    ngx_uint_t slot, ngx_uint_t *link)
{
    ngx_uint_t                       i;
    ngx_http_katalo_sh_id_t         *shid;
    ngx_http_katalo_sh_counts_t      counts, *gone;
    ngx_http_katalo_sh_consumers_t  *csh;

    csh = usage->consumers;
    shid = &usage->sh->ids[slot];
    gone = &usage->sh->keys[shid->row].nobody;

    ngx_http_katalo_consumers_lock(usage);

    if (link == NULL) {
        shid->id.len = 0;
        ngx_http_katalo_consumers_unlock(usage);
        return;
    }

    ngx_http_katalo_consumed_nobody(usage, shid->row, slot, &counts);

    for (i = 0; i < NGX_HTTP_KATALO_CONSUMER_COUNTERS; i++) {
        ngx_http_katalo_consumers_note(csh, &gone->counters[i],
                                       counts.counters[i]);
    }

    ngx_http_katalo_consumers_note(csh, &gone->first_used, counts.first_used);
    ngx_http_katalo_consumers_note(csh, &gone->last_used, counts.last_used);
    ngx_http_katalo_consumers_note(csh, link, shid->next);
    ngx_http_katalo_consumers_note(csh, &shid->id.len, 0);

    ngx_http_katalo_consumers_do(csh);

    ngx_http_katalo_consumers_unlock(usage);
}


/* of ids that are gone, and of those of the row, or of one slot of it */

static void
ngx_http_katalo_consumed_nobody(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row, ngx_uint_t slot, ngx_http_katalo_sh_counts_t *counts)
{
    time_t                 first, last;
    uint64_t               totals[NGX_HTTP_KATALO_UPSTREAM_TIME];
    ngx_uint_t             i, n, one;
    ngx_http_katalo_sh_t  *sh;

    sh = usage->sh;
    one = (slot != NGX_HTTP_KATALO_NONE);

    *counts = sh->keys[row].nobody;

    for (n = one ? slot : sh->keys[row].slots;
         n != NGX_HTTP_KATALO_NONE;
         n = one ? NGX_HTTP_KATALO_NONE : sh->ids[n].next)
    {
        ngx_http_katalo_zone_sum_nobody(sh, n, totals);

        for (i = 0; i < NGX_HTTP_KATALO_OPERATIONS; i++) {
            counts->counters[NGX_HTTP_KATALO_CONSUMER_REQUESTS + i]
                                     += totals[NGX_HTTP_KATALO_REQUESTS + i];
        }

        for (i = 0; i < NGX_HTTP_KATALO_STATUSES; i++) {
            counts->counters[NGX_HTTP_KATALO_CONSUMER_RESPONSES
                             + ngx_http_katalo_counters_class(i)]
                                    += totals[NGX_HTTP_KATALO_RESPONSES + i];
        }

        ngx_http_katalo_stripes_nobody_times(sh, n, &first, &last);

        if (first) {
            counts->first_used = counts->first_used
                                 ? ngx_min(counts->first_used, first) : first;
            counts->last_used = ngx_max(counts->last_used, last);
        }
    }
}


ngx_http_katalo_sh_counts_t *
ngx_http_katalo_consumed_counts(ngx_http_katalo_usage_t *usage,
    ngx_uint_t place)
{
    if (place < usage->consumers->size) {
        return &usage->consumers->entries[place].counts;
    }

    place -= usage->consumers->size;

    return place < usage->sh->rows
           ? &usage->sh->keys[place].nobody
           : &usage->sh->keys[place - usage->sh->rows].others;
}


ngx_int_t
ngx_http_katalo_consumed_read(ngx_http_katalo_usage_t *usage,
    ngx_uint_t place, ngx_http_katalo_consumer_row_t *row)
{
    ngx_http_katalo_sh_t            *sh;
    ngx_http_katalo_sh_counts_t      counts;
    ngx_http_katalo_sh_consumer_t   *entry;
    ngx_http_katalo_sh_consumers_t  *csh;

    sh = usage->sh;
    csh = usage->consumers;

    row->consumer.data = row->data;
    row->serial = 0;

    if (place < csh->size) {
        entry = &csh->entries[place];

        row->row = entry->row;
        row->serial = entry->serial;
        row->consumer.len = entry->len;
        ngx_memcpy(row->data, entry->name, entry->len);

        if (entry->len == 0) {
            return NGX_DECLINED;
        }

        counts = entry->counts;

    } else if (place < csh->size + sh->rows) {
        row->row = place - csh->size;
        row->consumer.len = 0;

        if (sh->keys[row->row].name.len == 0) {
            return NGX_DECLINED;
        }

        ngx_http_katalo_consumed_nobody(usage, row->row,
                                         NGX_HTTP_KATALO_NONE, &counts);

    } else {
        row->row = place - csh->size - sh->rows;
        row->consumer.len = 1;
        row->data[0] = '*';

        counts = sh->keys[row->row].others;
    }

    row->first_used = counts.first_used;
    row->last_used = counts.last_used;
    ngx_memcpy(row->counters, counts.counters, sizeof(counts.counters));

    row->requests = ngx_http_katalo_consumed_requests(counts.counters);

    return row->requests ? NGX_OK : NGX_DECLINED;
}


static uint64_t
ngx_http_katalo_consumed_requests(uint64_t *counters)
{
    uint64_t    requests;
    ngx_uint_t  i;

    requests = 0;

    for (i = 0; i < NGX_HTTP_KATALO_OPERATIONS; i++) {
        requests += counters[NGX_HTTP_KATALO_CONSUMER_REQUESTS + i];
    }

    return requests;
}


ngx_int_t
ngx_http_katalo_consumed_list(ngx_http_katalo_usage_t *usage, ngx_uint_t row,
    ngx_array_t *refs)
{
    ngx_uint_t  i, size;

    size = usage->consumers->size;

    for (i = 0; i < size; i += NGX_HTTP_KATALO_CONSUMED_LOOKS) {
        if (ngx_http_katalo_consumed_list_part(usage, row, i, refs) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (ngx_http_katalo_consumed_list_place(usage, size + row, refs) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_katalo_consumed_list_place(usage,
                                     size + usage->sh->rows + row, refs);
}


static ngx_int_t
ngx_http_katalo_consumed_list_part(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row, ngx_uint_t first, ngx_array_t *refs)
{
    ngx_int_t                        rc;
    ngx_uint_t                       i, last;
    ngx_http_katalo_consumer_ref_t  *ref;
    ngx_http_katalo_sh_consumer_t   *entry;
    ngx_http_katalo_sh_consumers_t  *csh;

    csh = usage->consumers;
    last = ngx_min(first + NGX_HTTP_KATALO_CONSUMED_LOOKS, csh->size);
    rc = NGX_OK;

    ngx_http_katalo_consumers_lock(usage);

    for (i = first; i < last; i++) {
        entry = &csh->entries[i];

        if (entry->len == 0 || entry->row != row) {
            continue;
        }

        ref = ngx_array_push(refs);
        if (ref == NULL) {
            rc = NGX_ERROR;
            break;
        }

        ref->place = i;
        ref->serial = entry->serial;
        ref->requests =
                   ngx_http_katalo_consumed_requests(entry->counts.counters);
    }

    ngx_http_katalo_consumers_unlock(usage);

    return rc;
}


static ngx_int_t
ngx_http_katalo_consumed_list_place(ngx_http_katalo_usage_t *usage,
    ngx_uint_t place, ngx_array_t *refs)
{
    ngx_int_t                        rc;
    ngx_http_katalo_consumer_row_t   row;
    ngx_http_katalo_consumer_ref_t  *ref;

    ngx_http_katalo_zone_lock(usage);
    ngx_http_katalo_consumers_lock(usage);

    rc = ngx_http_katalo_consumed_read(usage, place, &row);

    ngx_http_katalo_consumers_unlock(usage);
    ngx_http_katalo_zone_unlock(usage);

    if (rc != NGX_OK) {
        return NGX_OK;
    }

    ref = ngx_array_push(refs);
    if (ref == NULL) {
        return NGX_ERROR;
    }

    ref->place = place;
    ref->serial = 0;
    ref->requests = row.requests;

    return NGX_OK;
}
