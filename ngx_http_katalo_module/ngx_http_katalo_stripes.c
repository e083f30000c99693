
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_stripes.h"


static void ngx_http_katalo_stripes_clear(ngx_http_katalo_usage_t *usage,
    ngx_uint_t n);
static ngx_uint_t ngx_http_katalo_stripes_running(ngx_pid_t pid);


#define ngx_http_katalo_stripes_own(sh)  (ngx_process_slot % (sh)->stripes)


void
ngx_http_katalo_stripes_join(ngx_http_katalo_usage_t *usage)
{
    ngx_pid_t              pid;
    ngx_uint_t             n;
    ngx_atomic_t          *owner;
    ngx_http_katalo_sh_t  *sh;

    /* a single process stays where it is, with another configuration */

    if (usage->joined) {
        return;
    }

    sh = usage->sh;
    n = ngx_http_katalo_stripes_own(sh);

    usage->keys = ngx_http_katalo_zone_key_stripe(sh, n);
    usage->ids = ngx_http_katalo_zone_id_stripe(sh, n);
    usage->place = ngx_process_slot / sh->stripes % NGX_HTTP_KATALO_SHARERS;
    usage->joined = 1;

    sh->stripes_used = ngx_max(sh->stripes_used, n + 1);

    /*
     * A process that was killed has left its gauges; its pid may be this one's
     * now.  If another one lives, it shares the place, and its gauges.
     */

    owner = &ngx_http_katalo_zone_stripe(sh, n)->pids[usage->place];
    pid = (ngx_pid_t) *owner;

    if (pid == ngx_pid || !ngx_http_katalo_stripes_running(pid)) {
        ngx_http_katalo_stripes_clear(usage, n);
    }

    *owner = ngx_pid;
}


void
ngx_http_katalo_stripes_leave(ngx_http_katalo_usage_t *usage)
{
    ngx_uint_t     n;
    ngx_atomic_t  *owner;

    n = ngx_http_katalo_stripes_own(usage->sh);
    owner = &ngx_http_katalo_zone_stripe(usage->sh, n)->pids[usage->place];

    ngx_http_katalo_zone_lock(usage);

    if (*owner == (ngx_atomic_uint_t) ngx_pid) {
        ngx_http_katalo_stripes_clear(usage, n);
        *owner = 0;
    }

    ngx_http_katalo_zone_unlock(usage);
}


static void
ngx_http_katalo_stripes_clear(ngx_http_katalo_usage_t *usage, ngx_uint_t n)
{
    ngx_uint_t                     i, bit;
    ngx_http_katalo_id_stripe_t   *ids;
    ngx_http_katalo_key_stripe_t  *keys;

    bit = (ngx_uint_t) 1 << usage->place;
    keys = ngx_http_katalo_zone_key_stripe(usage->sh, n);
    ids = ngx_http_katalo_zone_id_stripe(usage->sh, n);

    for (i = 0; i < usage->sh->rows; i++) {
        keys[i].held &= ~bit;
    }

    for (i = 0; i < usage->sh->slots; i++) {
        ids[i].held &= ~bit;
        ids[i].in_flight[usage->place] = 0;
    }
}


void
ngx_http_katalo_stripes_read(ngx_http_katalo_usage_t *usage)
{
    ngx_uint_t                 i, n;
    ngx_http_katalo_stripe_t  *stripe;

    for (n = 0; n < usage->sh->stripes; n++) {
        stripe = ngx_http_katalo_zone_stripe(usage->sh, n);
        usage->alive[n] = 0;

        for (i = 0; i < NGX_HTTP_KATALO_SHARERS; i++) {
            if (ngx_http_katalo_stripes_running((ngx_pid_t) stripe->pids[i])) {
                usage->alive[n] |= (ngx_uint_t) 1 << i;
            }
        }
    }
}


static ngx_uint_t
ngx_http_katalo_stripes_running(ngx_pid_t pid)
{
    return pid && (kill(pid, 0) != -1 || ngx_errno != NGX_ESRCH);
}


ngx_uint_t
ngx_http_katalo_stripes_row_held(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row)
{
    ngx_uint_t                     n;
    ngx_http_katalo_key_stripe_t  *stripe;

    for (n = 0; n < usage->sh->stripes; n++) {
        stripe = &ngx_http_katalo_zone_key_stripe(usage->sh, n)[row];

        if (stripe->held & usage->alive[n]) {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_http_katalo_stripes_slot_held(ngx_http_katalo_usage_t *usage,
    ngx_uint_t slot)
{
    ngx_uint_t                    n;
    ngx_http_katalo_id_stripe_t  *stripe;

    for (n = 0; n < usage->sh->stripes; n++) {
        stripe = &ngx_http_katalo_zone_id_stripe(usage->sh, n)[slot];

        if (stripe->held & usage->alive[n]) {
            return 1;
        }
    }

    if (ngx_http_katalo_stripes_in_flight(usage, slot)) {
        return 1;
    }

    /*
     * A request adds its counts, and then takes itself off in_flight, by atomic
     * additions, which are barriers.  Who has seen none in flight must read the
     * counts only now, or the last sum would be without them.
     */

    ngx_memory_barrier();

    return 0;
}


/* a count may be below zero where two processes share a place */

ngx_uint_t
ngx_http_katalo_stripes_in_flight(ngx_http_katalo_usage_t *usage,
    ngx_uint_t slot)
{
    ngx_uint_t         i, n, in_flight;
    ngx_atomic_int_t   count;
    ngx_atomic_t      *counts;

    in_flight = 0;

    for (n = 0; n < usage->sh->stripes; n++) {
        counts = ngx_http_katalo_zone_id_stripe(usage->sh, n)[slot].in_flight;

        for (i = 0; i < NGX_HTTP_KATALO_SHARERS; i++) {
            count = (ngx_atomic_int_t) counts[i];

            if (count > 0 && (usage->alive[n] & ((ngx_uint_t) 1 << i))) {
                in_flight += count;
            }
        }
    }

    return in_flight;
}


void
ngx_http_katalo_stripes_times(ngx_http_katalo_sh_t *sh, ngx_uint_t slot,
    time_t *first_used, time_t *last_used)
{
    time_t  first;

    ngx_http_katalo_stripes_nobody_times(sh, slot, first_used, last_used);

    first = sh->ids[slot].named_first;

    if (first && (*first_used == 0 || first < *first_used)) {
        *first_used = first;
    }

    *last_used = ngx_max(*last_used, sh->ids[slot].named_last);
}


void
ngx_http_katalo_stripes_nobody_times(ngx_http_katalo_sh_t *sh, ngx_uint_t slot,
    time_t *first_used, time_t *last_used)
{
    time_t                        first;
    ngx_uint_t                    n;
    ngx_http_katalo_id_stripe_t  *stripe;

    *first_used = 0;
    *last_used = 0;

    for (n = 0; n < sh->stripes_used; n++) {
        stripe = &ngx_http_katalo_zone_id_stripe(sh, n)[slot];

        first = stripe->first_used;

        if (first && (*first_used == 0 || first < *first_used)) {
            *first_used = first;
        }

        *last_used = ngx_max(*last_used, (time_t) stripe->last_used);
    }
}


void
ngx_http_katalo_stripes_clear_row(ngx_http_katalo_sh_t *sh, ngx_uint_t row)
{
    ngx_uint_t  n;

    for (n = 0; n < sh->stripes; n++) {
        ngx_memzero(&ngx_http_katalo_zone_key_stripe(sh, n)[row],
                    sizeof(ngx_http_katalo_key_stripe_t));
    }
}


void
ngx_http_katalo_stripes_clear_slot(ngx_http_katalo_sh_t *sh, ngx_uint_t slot)
{
    ngx_uint_t  n;

    for (n = 0; n < sh->stripes; n++) {
        ngx_memzero(&ngx_http_katalo_zone_id_stripe(sh, n)[slot],
                    sizeof(ngx_http_katalo_id_stripe_t));
    }
}
