
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_zone.h"


#define NGX_HTTP_KATALO_ALL_SHARERS                                           \
    (((ngx_uint_t) 1 << NGX_HTTP_KATALO_SHARERS) - 1)


static ngx_uint_t ngx_http_katalo_usage_choose(ngx_http_katalo_sh_t *sh);
static void ngx_http_katalo_usage_clear(ngx_http_katalo_sh_t *sh, ngx_uint_t n,
    ngx_uint_t place);
static ngx_uint_t ngx_http_katalo_usage_running(ngx_pid_t pid);


ngx_uint_t
ngx_http_katalo_usage_join(ngx_http_katalo_sh_t *sh, ngx_uint_t *place)
{
    ngx_uint_t                 i, n, alive;
    ngx_http_katalo_stripe_t  *stripe;

    for (n = 0; n < sh->stripes_used; n++) {
        stripe = ngx_http_katalo_usage_stripe(sh, n);

        for (i = 0; i < NGX_HTTP_KATALO_SHARERS; i++) {

            if (stripe->pids[i] == (ngx_atomic_t) ngx_pid) {
                *place = i;
                return n;
            }
        }
    }

    n = ngx_http_katalo_usage_choose(sh);
    alive = ngx_http_katalo_usage_alive(sh, n);

    for (i = 0; i < NGX_HTTP_KATALO_SHARERS - 1; i++) {
        if (!(alive & ((ngx_uint_t) 1 << i))) {
            break;
        }
    }

    /* where all are taken, two processes have a place, and its gauges */

    if (!(alive & ((ngx_uint_t) 1 << i))) {
        ngx_http_katalo_usage_clear(sh, n, i);
    }

    stripe = ngx_http_katalo_usage_stripe(sh, n);
    stripe->pids[i] = ngx_pid;
    sh->stripes_used = ngx_max(sh->stripes_used, n + 1);

    *place = i;

    return n;
}


/* a stripe that is free, or else has a place, or else any */

static ngx_uint_t
ngx_http_katalo_usage_choose(ngx_http_katalo_sh_t *sh)
{
    ngx_uint_t  i, n, first;

    first = (ngx_uint_t) ngx_process_slot % sh->stripes;

    for (n = 0; n < sh->stripes; n++) {

        if (!ngx_http_katalo_usage_alive(sh, n)) {
            ngx_memzero(ngx_http_katalo_usage_stripe(sh, n),
                        sizeof(ngx_http_katalo_stripe_t));
            return n;
        }
    }

    for (i = 0; i < sh->stripes; i++) {
        n = (first + i) % sh->stripes;

        if (ngx_http_katalo_usage_alive(sh, n)
            != NGX_HTTP_KATALO_ALL_SHARERS)
        {
            return n;
        }
    }

    return first;
}


/* gauges of a process that is gone; its counters stay */

static void
ngx_http_katalo_usage_clear(ngx_http_katalo_sh_t *sh, ngx_uint_t n,
    ngx_uint_t place)
{
    ngx_uint_t                     i, bit;
    ngx_http_katalo_id_stripe_t   *ids;
    ngx_http_katalo_key_stripe_t  *keys;

    bit = (ngx_uint_t) 1 << place;
    keys = ngx_http_katalo_usage_key_stripe(sh, n);
    ids = ngx_http_katalo_usage_id_stripe(sh, n);

    for (i = 0; i < sh->rows; i++) {
        keys[i].held &= ~bit;
    }

    for (i = 0; i < sh->slots; i++) {
        ids[i].held &= ~bit;
        ids[i].in_flight[place] = 0;
    }
}


ngx_uint_t
ngx_http_katalo_usage_alive(ngx_http_katalo_sh_t *sh, ngx_uint_t n)
{
    ngx_uint_t                 i, alive;
    ngx_http_katalo_stripe_t  *stripe;

    alive = 0;
    stripe = ngx_http_katalo_usage_stripe(sh, n);

    for (i = 0; i < NGX_HTTP_KATALO_SHARERS; i++) {

        if (ngx_http_katalo_usage_running((ngx_pid_t) stripe->pids[i])) {
            alive |= (ngx_uint_t) 1 << i;
        }
    }

    return alive;
}


static ngx_uint_t
ngx_http_katalo_usage_running(ngx_pid_t pid)
{
    return pid && (kill(pid, 0) != -1 || ngx_errno != NGX_ESRCH);
}
