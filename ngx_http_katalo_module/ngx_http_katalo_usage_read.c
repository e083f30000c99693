
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_zone.h"


static ngx_uint_t ngx_http_katalo_usage_in_flight(
    ngx_http_katalo_usage_t *usage, ngx_uint_t n, ngx_uint_t slot);
static void ngx_http_katalo_usage_sum(ngx_http_katalo_sh_t *sh,
    ngx_atomic_t *counters, uint64_t *totals, ngx_uint_t n);
static void ngx_http_katalo_usage_times(ngx_http_katalo_sh_t *sh,
    ngx_uint_t slot, ngx_http_katalo_id_row_t *row);
static void ngx_http_katalo_usage_map(ngx_http_katalo_usage_t *usage,
    uint64_t *counters);


void
ngx_http_katalo_usage_read_processes(ngx_http_katalo_usage_t *usage)
{
    ngx_uint_t  n;

    for (n = 0; n < usage->sh->stripes; n++) {
        usage->alive[n] = ngx_http_katalo_usage_alive(usage->sh, n);
    }
}


void
ngx_http_katalo_usage_read_key(ngx_http_katalo_key_t *key,
    ngx_http_katalo_key_row_t *row)
{
    uint64_t                   totals[NGX_HTTP_KATALO_KEY_TOTALS];
    ngx_uint_t                 n;
    ngx_http_katalo_sh_t      *sh;
    ngx_http_katalo_usage_t   *usage;
    ngx_http_katalo_sh_key_t  *shkey;

    usage = key->usage;
    sh = usage->sh;
    shkey = &sh->keys[key->row];

    ngx_memzero(row, sizeof(ngx_http_katalo_key_row_t));

    row->name = key->name;
    row->source = key->source;

    ngx_http_katalo_usage_lock(usage);

    row->usable = shkey->usable;
    row->rejected = shkey->usable && shkey->rejected == shkey->current + 1;
    ngx_http_katalo_usage_sum_key(sh, key->row, totals);
    ngx_memcpy(row->counters, totals, sizeof(row->counters));

    row->rotations = totals[NGX_HTTP_KATALO_ROTATIONS];
    row->read_failures = totals[NGX_HTTP_KATALO_READ_FAILURES];

    for (n = 0; n < sh->stripes_used; n++) {
        row->in_flight += ngx_http_katalo_usage_in_flight(usage, n,
                                                          shkey->slots);
    }

    ngx_http_katalo_usage_unlock(usage);
}


/* of all ids of a key: those of a process that is gone are gone with it */

static ngx_uint_t
ngx_http_katalo_usage_in_flight(ngx_http_katalo_usage_t *usage, ngx_uint_t n,
    ngx_uint_t slot)
{
    ngx_uint_t                    i, alive, in_flight;
    ngx_http_katalo_sh_t         *sh;
    ngx_http_katalo_id_stripe_t  *stripe;

    sh = usage->sh;
    alive = usage->alive[n];
    in_flight = 0;

    for ( /* void */ ;
         alive && slot != NGX_HTTP_KATALO_NONE;
         slot = sh->ids[slot].next)
    {
        stripe = &ngx_http_katalo_usage_id_stripe(sh, n)[slot];

        for (i = 0; i < NGX_HTTP_KATALO_SHARERS; i++) {

            if ((alive & ((ngx_uint_t) 1 << i))
                && (ngx_atomic_int_t) stripe->in_flight[i] > 0)
            {
                in_flight += stripe->in_flight[i];
            }
        }
    }

    return in_flight;
}


ngx_int_t
ngx_http_katalo_usage_read_id(ngx_http_katalo_key_t *key, ngx_uint_t serial,
    ngx_http_katalo_id_row_t *row)
{
    ngx_uint_t                 slot;
    ngx_http_katalo_sh_t      *sh;
    ngx_http_katalo_usage_t   *usage;
    ngx_http_katalo_sh_key_t  *shkey;

    usage = key->usage;
    sh = usage->sh;
    shkey = &sh->keys[key->row];

    ngx_memzero(row, sizeof(ngx_http_katalo_id_row_t));

    ngx_http_katalo_usage_lock(usage);

    for (slot = shkey->slots;
         slot != NGX_HTTP_KATALO_NONE;
         slot = sh->ids[slot].next)
    {
        if (serial == 0 || sh->ids[slot].serial < serial) {
            break;
        }
    }

    if (slot == NGX_HTTP_KATALO_NONE) {
        ngx_http_katalo_usage_unlock(usage);
        return NGX_DONE;
    }

    row->name = key->name;
    row->source = key->source;
    row->serial = sh->ids[slot].serial;

    row->id.len = sh->ids[slot].id.len;
    row->id.data = row->data;
    ngx_memcpy(row->data, sh->ids[slot].data, row->id.len);

    if (slot != shkey->current) {
        row->state = NGX_HTTP_KATALO_ID_PREVIOUS;

    } else {
        row->state = shkey->usable ? NGX_HTTP_KATALO_ID_CURRENT
                                   : NGX_HTTP_KATALO_ID_REVOKED;
    }

    ngx_http_katalo_usage_sum_id(sh, slot, row->counters);
    ngx_http_katalo_usage_times(sh, slot, row);

    ngx_http_katalo_usage_unlock(usage);

    ngx_http_katalo_usage_map(usage, row->counters);

    return NGX_OK;
}


void
ngx_http_katalo_usage_sum_key(ngx_http_katalo_sh_t *sh, ngx_uint_t row,
    uint64_t *totals)
{
    ngx_http_katalo_usage_sum(sh,
                     ngx_http_katalo_usage_key_stripe(sh, 0)[row].counters,
                     totals, NGX_HTTP_KATALO_KEY_COUNTERS);

    totals[NGX_HTTP_KATALO_ROTATIONS] = sh->keys[row].rotations;
    totals[NGX_HTTP_KATALO_READ_FAILURES] = sh->keys[row].read_failures;
}


void
ngx_http_katalo_usage_sum_id(ngx_http_katalo_sh_t *sh, ngx_uint_t slot,
    uint64_t *totals)
{
    ngx_http_katalo_usage_sum(sh,
                     ngx_http_katalo_usage_id_stripe(sh, 0)[slot].counters,
                     totals, NGX_HTTP_KATALO_ID_COUNTERS);
}


/* "counters" are those of the first stripe */

static void
ngx_http_katalo_usage_sum(ngx_http_katalo_sh_t *sh, ngx_atomic_t *counters,
    uint64_t *totals, ngx_uint_t n)
{
    ngx_uint_t  i, stripe;

    ngx_memzero(totals, n * sizeof(uint64_t));

    for (stripe = 0; stripe < sh->stripes_used; stripe++) {

        for (i = 0; i < n; i++) {
            totals[i] += counters[i];
        }

        counters = (ngx_atomic_t *) ((u_char *) counters + sh->stripe_size);
    }
}


static void
ngx_http_katalo_usage_times(ngx_http_katalo_sh_t *sh, ngx_uint_t slot,
    ngx_http_katalo_id_row_t *row)
{
    time_t                        first;
    ngx_uint_t                    n;
    ngx_http_katalo_id_stripe_t  *stripe;

    for (n = 0; n < sh->stripes_used; n++) {
        stripe = &ngx_http_katalo_usage_id_stripe(sh, n)[slot];

        first = stripe->first_used;

        if (first && (row->first_used == 0 || first < row->first_used)) {
            row->first_used = first;
        }

        row->last_used = ngx_max(row->last_used, (time_t) stripe->last_used);
    }
}


/* from columns to operations; a name that is gone is "other" by now */

static void
ngx_http_katalo_usage_map(ngx_http_katalo_usage_t *usage, uint64_t *counters)
{
    uint64_t    columns[NGX_HTTP_KATALO_OPERATIONS];
    ngx_uint_t  i, n;

    ngx_memcpy(columns, counters, sizeof(columns));
    ngx_memzero(counters, sizeof(columns));

    n = NGX_HTTP_KATALO_BUILTIN + usage->conf->operations.nelts;

    for (i = 0; i < n; i++) {
        counters[i] += columns[usage->columns[i]];
        columns[usage->columns[i]] = 0;
    }

    for (i = 0; i < NGX_HTTP_KATALO_OPERATIONS; i++) {
        counters[NGX_HTTP_KATALO_OTHER] += columns[i];
    }
}
