
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_stripes.h"


static void ngx_http_katalo_stripes_clear(ngx_http_katalo_usage_t *usage);
static ngx_uint_t ngx_http_katalo_stripes_running(
    ngx_http_katalo_usage_t *usage, ngx_uint_t n);


void
ngx_http_katalo_stripes_join(ngx_http_katalo_usage_t *usage)
{
    ngx_uint_t             n, slot;
    ngx_http_katalo_sh_t  *sh;

    /* a single process keeps its stripe and its place when it reloads */

    if (usage->process) {
        return;
    }

    sh = usage->sh;
    slot = ngx_process_slot;
    n = slot % sh->stripes;

    usage->process = &usage->processes[slot];
    usage->keys = ngx_http_katalo_zone_key_stripe(sh, n);
    usage->ids = ngx_http_katalo_zone_id_stripe(sh, n);
    usage->place = slot / sh->stripes % NGX_HTTP_KATALO_SHARERS;

    sh->stripes_used = ngx_max(sh->stripes_used, n + 1);
    sh->processes = ngx_max(sh->processes, slot + 1);

    /* a process that was killed has left this; its pid may be this one's now */

    ngx_http_katalo_stripes_clear(usage);

    usage->process->between = 0;
    usage->process->pid = ngx_pid;
}


void
ngx_http_katalo_stripes_leave(ngx_http_katalo_usage_t *usage)
{
    ngx_http_katalo_zone_lock(usage);

    ngx_http_katalo_stripes_clear(usage);

    usage->process->pid = 0;

    ngx_http_katalo_zone_unlock(usage);
}


/* gauges, which stay while another process shares them */

static void
ngx_http_katalo_stripes_clear(ngx_http_katalo_usage_t *usage)
{
    ngx_uint_t             i, n, bit;
    ngx_http_katalo_sh_t  *sh;

    sh = usage->sh;
    n = sh->stripes * NGX_HTTP_KATALO_SHARERS;

    for (i = ngx_process_slot % n; i < sh->processes; i += n) {
        if (&usage->processes[i] != usage->process
            && ngx_http_katalo_stripes_running(usage, i))
        {
            return;
        }
    }

    bit = (ngx_uint_t) 1 << usage->place;

    for (i = 0; i < sh->rows; i++) {
        usage->keys[i].held &= ~bit;
    }

    for (i = 0; i < sh->slots; i++) {
        usage->ids[i].held &= ~bit;
        usage->ids[i].in_flight[usage->place] = 0;
    }
}


void
ngx_http_katalo_stripes_read(ngx_http_katalo_usage_t *usage)
{
    ngx_uint_t             i, place;
    ngx_http_katalo_sh_t  *sh;

    sh = usage->sh;

    ngx_memzero(usage->alive, sh->stripes * sizeof(ngx_uint_t));

    for (i = 0; i < sh->processes; i++) {
        if (ngx_http_katalo_stripes_running(usage, i)) {
            place = i / sh->stripes % NGX_HTTP_KATALO_SHARERS;
            usage->alive[i % sh->stripes] |= (ngx_uint_t) 1 << place;
        }
    }
}


/* another process that has the number of one that died is in another group */

static ngx_uint_t
ngx_http_katalo_stripes_running(ngx_http_katalo_usage_t *usage, ngx_uint_t n)
{
    ngx_pid_t  pid;

    pid = (ngx_pid_t) usage->processes[n].pid;

    return pid && getpgid(pid) == getpgrp();
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


ngx_uint_t
ngx_http_katalo_stripes_in_flight(ngx_http_katalo_usage_t *usage,
    ngx_uint_t slot)
{
    ngx_uint_t     i, n, in_flight;
    ngx_atomic_t  *counts;

    in_flight = 0;

    for (n = 0; n < usage->sh->stripes; n++) {
        counts = ngx_http_katalo_zone_id_stripe(usage->sh, n)[slot].in_flight;

        for (i = 0; i < NGX_HTTP_KATALO_SHARERS; i++) {
            if (usage->alive[n] & ((ngx_uint_t) 1 << i)) {
                in_flight += counts[i];
            }
        }
    }

    return in_flight;
}


/* what a killed process counted for an id only has no consumer */

ngx_uint_t
ngx_http_katalo_stripes_between(ngx_http_katalo_usage_t *usage)
{
    ngx_uint_t  i;

    for (i = 0; i < usage->sh->processes; i++) {
        if (usage->processes[i].between
            && ngx_http_katalo_stripes_running(usage, i))
        {
            return 1;
        }
    }

    return 0;
}


void
ngx_http_katalo_stripes_times(ngx_http_katalo_sh_t *sh, ngx_uint_t slot,
    ngx_uint_t named, time_t *first_used, time_t *last_used)
{
    time_t                   first;
    ngx_uint_t               i, n;
    ngx_http_katalo_used_t  *used;

    *first_used = 0;
    *last_used = 0;

    for (n = 0; n < sh->stripes_used; n++) {
        used = ngx_http_katalo_zone_id_stripe(sh, n)[slot].used;

        for (i = 0; i <= named; i++) {
            first = used[i].first;

            if (first && (*first_used == 0 || first < *first_used)) {
                *first_used = first;
            }

            *last_used = ngx_max(*last_used, (time_t) used[i].last);
        }
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
