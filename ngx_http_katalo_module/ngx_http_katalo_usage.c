
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_consumed.h"
#include "ngx_http_katalo_key.h"
#include "ngx_http_katalo_slots.h"
#include "ngx_http_katalo_state.h"
#include "ngx_http_katalo_usage.h"


void
ngx_http_katalo_usage_count(ngx_http_katalo_key_t *key, ngx_uint_t counter)
{
    if (key->uncounted) {
        ngx_http_katalo_state_retry(key);
    }

    if (key->row != NGX_HTTP_KATALO_NONE) {
        ngx_http_katalo_zone_add(key->usage->keys[key->row].counters[counter],
                                 1);

    } else if (counter < NGX_HTTP_KATALO_BROWSER_REPORTED) {
        ngx_http_katalo_zone_add(key->usage->sh->unattributed, 1);
    }
}


void
ngx_http_katalo_usage_client_key(ngx_http_katalo_key_t *key)
{
    ngx_http_katalo_usage_count(key, NGX_HTTP_KATALO_CLIENT_KEY);

    if (key->row != NGX_HTTP_KATALO_NONE) {
        key->usage->sh->keys[key->row].leaked = ngx_time();
    }
}


void
ngx_http_katalo_usage_no_key(ngx_http_katalo_usage_t *usage)
{
    ngx_http_katalo_zone_add(usage->sh->no_key, 1);
}


ngx_uint_t
ngx_http_katalo_usage_start(ngx_http_katalo_key_t *key, ngx_uint_t operation,
    ngx_http_katalo_consumer_t *consumer)
{
    time_t                        now;
    ngx_uint_t                    column, named;
    ngx_http_katalo_id_stripe_t  *stripe;

    if (key->uncounted) {
        ngx_http_katalo_state_retry(key);
    }

    if (key->slot == NGX_HTTP_KATALO_NONE) {
        ngx_http_katalo_zone_add(key->usage->sh->unattributed, 1);
        return key->slot;
    }

    now = ngx_time();
    stripe = &key->usage->ids[key->slot];
    column = key->usage->columns[operation];
    named = (consumer->name.len != 0);

    if (named) {
        ngx_http_katalo_zone_add(key->usage->process->between, 1);
    }

    ngx_http_katalo_zone_add(stripe->counters[NGX_HTTP_KATALO_REQUESTS
                                              + column], 1);
    ngx_http_katalo_zone_add(stripe->in_flight[key->usage->place], 1);

    stripe->used[named].last = now;

    if (stripe->used[named].first == 0) {
        stripe->used[named].first = now;
    }

    if (named) {
        if (ngx_http_katalo_consumed_start(key->usage, key->row, column,
                                           consumer)
            == NGX_DECLINED)
        {
            ngx_http_katalo_slots_want(key->usage);
        }

        ngx_http_katalo_zone_add(key->usage->process->between, -1);
    }

    return key->slot;
}


void
ngx_http_katalo_usage_finish(ngx_http_katalo_key_t *key, ngx_uint_t slot,
    ngx_http_katalo_consumer_t *consumer, ngx_http_katalo_result_t *result)
{
    ngx_uint_t                    bucket, class, status;
    ngx_atomic_t                 *counters;
    ngx_http_katalo_id_stripe_t  *stripe;

    if (slot == NGX_HTTP_KATALO_NONE) {
        return;
    }

    stripe = &key->usage->ids[slot];
    counters = stripe->counters;

    bucket = 0;

    while (result->elapsed > ngx_http_katalo_counters_bounds[bucket]) {
        bucket++;
    }

    /* most of them are the first of the table */

    status = (result->status == NGX_HTTP_OK)
             ? 0 : ngx_http_katalo_counters_status(result->status);

    if (consumer->name.len) {
        class = status ? ngx_http_katalo_counters_class(status) : 0;

        ngx_http_katalo_zone_add(key->usage->process->between, 1);

        ngx_http_katalo_zone_add(counters[NGX_HTTP_KATALO_RESPONSES + status],
                                 1);
        ngx_http_katalo_consumed_finish(key->usage, slot, class, consumer);

        ngx_http_katalo_zone_add(key->usage->process->between, -1);

    } else {
        ngx_http_katalo_zone_add(counters[NGX_HTTP_KATALO_RESPONSES + status],
                                 1);
    }

    ngx_http_katalo_zone_add(counters[NGX_HTTP_KATALO_UPSTREAM_TIME + bucket],
                             1);
    ngx_http_katalo_zone_add(counters[NGX_HTTP_KATALO_UPSTREAM_MSEC],
                             result->elapsed);
    ngx_http_katalo_zone_add(counters[NGX_HTTP_KATALO_BYTES_SENT],
                             result->bytes_sent);
    ngx_http_katalo_zone_add(counters[NGX_HTTP_KATALO_BYTES_RECEIVED],
                             result->bytes_received);

    if (result->attempts > 1) {
        ngx_http_katalo_zone_add(counters[NGX_HTTP_KATALO_RETRIES],
                                 result->attempts - 1);
    }

    ngx_http_katalo_zone_add(stripe->in_flight[key->usage->place], -1);
}


uint64_t
ngx_http_katalo_usage_requests(ngx_http_katalo_key_t *key, ngx_uint_t slot)
{
    uint64_t    requests, totals[NGX_HTTP_KATALO_ID_COUNTERS];
    ngx_uint_t  i;

    requests = 0;

    if (slot == NGX_HTTP_KATALO_NONE) {
        return 0;
    }

    ngx_http_katalo_zone_sum_id(key->usage->sh, slot, totals);

    for (i = 0; i < NGX_HTTP_KATALO_OPERATIONS; i++) {
        requests += totals[NGX_HTTP_KATALO_REQUESTS + i];
    }

    return requests;
}
