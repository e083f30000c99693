
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_consumed_read.h"
#include "ngx_http_katalo_stripes.h"


static ngx_int_t ngx_http_katalo_consumed_nobody(
    ngx_http_katalo_usage_t *usage, ngx_uint_t row, ngx_uint_t n,
    uint64_t *totals);
static void ngx_http_katalo_consumed_sum_id(ngx_http_katalo_sh_t *sh,
    ngx_uint_t slot, uint64_t *totals);
static void ngx_http_katalo_consumed_times(ngx_http_katalo_sh_t *sh,
    ngx_uint_t slot);
static uint64_t ngx_http_katalo_consumed_requests(ngx_atomic_t *counters);


/* no living process counts for it any more */

ngx_uint_t
ngx_http_katalo_consumed_logged(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row)
{
    uint64_t                         gone[NGX_HTTP_KATALO_CONSUMER_COUNTERS];
    uint64_t                         totals[NGX_HTTP_KATALO_CONSUMER_COUNTERS];
    ngx_uint_t                       i;
    ngx_http_katalo_sh_key_t        *shkey;
    ngx_http_katalo_sh_consumers_t  *csh;

    csh = usage->consumers;
    shkey = &usage->sh->keys[row];

    ngx_memcpy(gone, shkey->gone, sizeof(gone));

    /* if an entry gives way meanwhile, the difference may be too small */

    if (ngx_http_katalo_consumed_nobody(usage, row, 1, totals) != NGX_OK
        || ngx_memcmp(gone, shkey->gone, sizeof(gone)) != 0)
    {
        return 0;
    }

    for (i = 0; i < csh->size; i++) {
        if (csh->entries[i].len
            && csh->entries[i].row == row
            && !ngx_http_katalo_consumers_flushed(usage,
                                                  &csh->entries[i].counts))
        {
            return 0;
        }
    }

    return ngx_http_katalo_consumers_flushed(usage, &shkey->nobody)
           && ngx_http_katalo_consumers_flushed(usage, &shkey->others);
}


void
ngx_http_katalo_consumed_forget(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row)
{
    ngx_uint_t                       i;
    ngx_http_katalo_sh_consumer_t   *entry;
    ngx_http_katalo_sh_consumers_t  *csh;

    csh = usage->consumers;

    for (i = 0; i < csh->size; i++) {
        entry = &csh->entries[i];

        if (entry->len == 0 || entry->row != row) {
            continue;
        }

        ngx_http_katalo_consumers_lock(usage);

        if (entry->len && entry->row == row) {
            (void) ngx_http_katalo_consumers_free(usage, entry);
        }

        ngx_http_katalo_consumers_unlock(usage);
    }
}


void
ngx_http_katalo_consumed_settle(ngx_http_katalo_usage_t *usage)
{
    ngx_http_katalo_consumers_lock(usage);
    ngx_http_katalo_consumers_unlock(usage);
}


void
ngx_http_katalo_consumed_unlink(ngx_http_katalo_usage_t *usage,
    ngx_uint_t slot, ngx_uint_t *link)
{
    uint64_t                         totals[NGX_HTTP_KATALO_CONSUMER_COUNTERS];
    uint64_t                        *gone;
    ngx_uint_t                       i;
    ngx_http_katalo_sh_t            *sh;
    ngx_http_katalo_sh_id_t         *shid;
    ngx_http_katalo_sh_consumers_t  *csh;

    sh = usage->sh;
    csh = usage->consumers;
    shid = &sh->ids[slot];
    gone = sh->keys[shid->row].gone;

    if (link == NULL) {
        shid->id.len = 0;
        return;
    }

    ngx_memzero(totals, sizeof(totals));

    ngx_http_katalo_consumed_sum_id(sh, slot, totals);
    ngx_http_katalo_consumed_times(sh, slot);

    ngx_http_katalo_consumers_lock(usage);

    for (i = 0; i < NGX_HTTP_KATALO_CONSUMER_COUNTERS; i++) {
        ngx_http_katalo_consumers_note(csh, &gone[i], gone[i] + totals[i]);
    }

    ngx_http_katalo_consumers_note(csh, link, shid->next);
    ngx_http_katalo_consumers_note(csh, &shid->id.len, 0);

    ngx_http_katalo_consumers_do(csh);

    ngx_http_katalo_consumers_unlock(usage);
}


/*
 * Those without a consumer are what ids have, and consumers have not, for each
 * of "n" rows.  This is read without the mutex, while others count:
 *
 * - A request counts for its id, then for its consumer: if no process is
 *   between the two once ids were read, consumers have what these ids have.
 * - The counts of an entry that gives way are taken off "gone" first: who does
 *   not meet the entry any more finds them there.
 *
 * So the difference is never too great.  It may be too small, as requests come
 * and entries give way meanwhile: what was shown before stays then.
 *
 * Returns NGX_AGAIN if a process has counted a request for its id, and not yet
 * for its consumer: the difference may be too great.
 */

static ngx_int_t
ngx_http_katalo_consumed_nobody(ngx_http_katalo_usage_t *usage, ngx_uint_t row,
    ngx_uint_t n, uint64_t *totals)
{
    uint64_t                        *total;
    ngx_uint_t                       i, k, slot;
    ngx_http_katalo_sh_t            *sh;
    ngx_http_katalo_sh_key_t        *shkey;
    ngx_http_katalo_sh_consumer_t   *entry;
    ngx_http_katalo_sh_consumers_t  *csh;

    sh = usage->sh;
    csh = usage->consumers;

    ngx_http_katalo_consumed_settle(usage);

    ngx_memzero(totals, n * sizeof(shkey->gone));

    for (i = 0; i < n; i++) {
        total = &totals[i * NGX_HTTP_KATALO_CONSUMER_COUNTERS];

        for (slot = sh->keys[row + i].slots;
             slot != NGX_HTTP_KATALO_NONE;
             slot = sh->ids[slot].next)
        {
            ngx_http_katalo_consumed_sum_id(sh, slot, total);
            ngx_http_katalo_consumed_times(sh, slot);
        }
    }

    ngx_memory_barrier();

    if (ngx_http_katalo_stripes_between(usage)) {
        return NGX_AGAIN;
    }

    ngx_memory_barrier();

    for (i = 0; i < csh->size; i++) {
        entry = &csh->entries[i];
        k = entry->row - row;

        if (entry->len == 0 || k >= n) {
            continue;
        }

        total = &totals[k * NGX_HTTP_KATALO_CONSUMER_COUNTERS];

        for (k = 0; k < NGX_HTTP_KATALO_CONSUMER_COUNTERS; k++) {
            total[k] -= ngx_http_katalo_consumers_counted(
                                                    entry->counts.counters[k]);
        }
    }

    ngx_memory_barrier();

    for (i = 0; i < n; i++) {
        shkey = &sh->keys[row + i];
        total = &totals[i * NGX_HTTP_KATALO_CONSUMER_COUNTERS];

        if (shkey->name.len == 0) {
            continue;
        }

        for (k = 0; k < NGX_HTTP_KATALO_CONSUMER_COUNTERS; k++) {
            total[k] += shkey->gone[k] - shkey->others.counters[k];

            if ((int64_t) (total[k] - shkey->nobody.counters[k]) > 0) {
                shkey->nobody.counters[k] = total[k];
            }
        }
    }

    return NGX_OK;
}


static void
ngx_http_katalo_consumed_sum_id(ngx_http_katalo_sh_t *sh, ngx_uint_t slot,
    uint64_t *totals)
{
    uint64_t    counters[NGX_HTTP_KATALO_ID_COUNTERS];
    ngx_uint_t  i;

    ngx_http_katalo_zone_sum_id(sh, slot, counters);

    for (i = 0; i < NGX_HTTP_KATALO_OPERATIONS; i++) {
        totals[NGX_HTTP_KATALO_CONSUMER_REQUESTS + i]
                                   += counters[NGX_HTTP_KATALO_REQUESTS + i];
    }

    for (i = 0; i < NGX_HTTP_KATALO_STATUSES; i++) {
        totals[NGX_HTTP_KATALO_CONSUMER_RESPONSES
               + ngx_http_katalo_counters_class(i)]
                                  += counters[NGX_HTTP_KATALO_RESPONSES + i];
    }
}


/* of its requests without a consumer, which stay with the row */

static void
ngx_http_katalo_consumed_times(ngx_http_katalo_sh_t *sh, ngx_uint_t slot)
{
    time_t                        first, last;
    ngx_http_katalo_sh_counts_t  *nobody;

    nobody = &sh->keys[sh->ids[slot].row].nobody;

    ngx_http_katalo_stripes_times(sh, slot, 0, &first, &last);

    if (first && (nobody->first_used == 0 || first < nobody->first_used)) {
        nobody->first_used = first;
    }

    nobody->last_used = ngx_max(nobody->last_used, last);
}


void
ngx_http_katalo_consumed_lock(ngx_http_katalo_usage_t *usage, ngx_uint_t place)
{
    uint64_t    totals[NGX_HTTP_KATALO_CONSUMER_COUNTERS];
    ngx_uint_t  size;

    size = usage->consumers->size;

    if (place >= size
        && place < size + usage->sh->rows
        && usage->sh->keys[place - size].name.len)
    {
        (void) ngx_http_katalo_consumed_nobody(usage, place - size, 1, totals);
    }

    ngx_http_katalo_consumers_lock(usage);
}


ngx_int_t
ngx_http_katalo_consumed_read(ngx_http_katalo_usage_t *usage, ngx_uint_t place,
    ngx_http_katalo_consumer_row_t *row)
{
    ngx_int_t                       rc;
    ngx_uint_t                      i, size;
    ngx_http_katalo_sh_t           *sh;
    ngx_http_katalo_sh_counts_t    *counts;
    ngx_http_katalo_sh_consumer_t  *entry;

    sh = usage->sh;
    size = usage->consumers->size;
    counts = ngx_http_katalo_consumed_counts(usage, place);

    row->serial = 0;
    row->consumer.data = row->data;

    if (place < size) {
        entry = &usage->consumers->entries[place];

        row->row = entry->row;
        row->serial = entry->serial;
        row->consumer.len = entry->len;
        ngx_memcpy(row->data, entry->name, entry->len);

        if (entry->len == 0) {
            return NGX_DECLINED;
        }

    } else {
        row->row = (place - size) % sh->rows;

        if (sh->keys[row->row].name.len == 0) {
            return NGX_DECLINED;
        }

        row->consumer.len = (place - size) / sh->rows;
        row->data[0] = '*';
    }

    row->first_used = counts->first_used;
    row->last_used = counts->last_used;
    row->requests = ngx_http_katalo_consumed_requests(counts->counters);

    /*
     * There may be responses and no request: the consumer of the request had
     * given way, and its response counted as "*".
     */

    rc = NGX_DECLINED;

    for (i = 0; i < NGX_HTTP_KATALO_CONSUMER_COUNTERS; i++) {
        row->counters[i] = ngx_http_katalo_consumers_counted(
                                                         counts->counters[i]);
        if (row->counters[i]) {
            rc = NGX_OK;
        }
    }

    return rc;
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


static uint64_t
ngx_http_katalo_consumed_requests(ngx_atomic_t *counters)
{
    uint64_t    requests;
    ngx_uint_t  i;

    requests = 0;

    for (i = 0; i < NGX_HTTP_KATALO_OPERATIONS; i++) {
        requests += ngx_http_katalo_consumers_counted(
                             counters[NGX_HTTP_KATALO_CONSUMER_REQUESTS + i]);
    }

    return requests;
}


/* an entry that becomes another one's meanwhile is left out when it is read */

ngx_int_t
ngx_http_katalo_consumed_list(ngx_http_katalo_usage_t *usage, ngx_pool_t *pool,
    ngx_array_t *refs)
{
    size_t                           len;
    uint64_t                        *totals;
    ngx_uint_t                       i, row, size, serial;
    ngx_http_katalo_sh_t            *sh;
    ngx_http_katalo_sh_consumer_t   *entry;
    ngx_http_katalo_consumer_ref_t  *ref;

    sh = usage->sh;
    size = usage->consumers->size;

    totals = ngx_palloc(pool, sh->rows * sizeof(sh->keys->gone));
    if (totals == NULL) {
        return NGX_ERROR;
    }

    ngx_http_katalo_zone_lock(usage);

    (void) ngx_http_katalo_consumed_nobody(usage, 0, sh->rows, totals);

    ngx_http_katalo_zone_unlock(usage);

    for (i = 0; i < ngx_http_katalo_consumed_places(usage); i++) {

        if (i < size) {
            entry = &usage->consumers->entries[i];
            serial = entry->serial;

            ngx_memory_barrier();

            row = entry->row;
            len = entry->len;

        } else {
            serial = 0;
            row = (i - size) % sh->rows;
            len = sh->keys[row].name.len;
        }

        if (len == 0) {
            continue;
        }

        ref = ngx_array_push(refs);
        if (ref == NULL) {
            return NGX_ERROR;
        }

        ref->row = row;
        ref->requests = ngx_http_katalo_consumed_requests(
                    ngx_http_katalo_consumed_counts(usage, i)->counters);
        ref->place = i;
        ref->serial = serial;
    }

    return NGX_OK;
}
