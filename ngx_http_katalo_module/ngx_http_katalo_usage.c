
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_zone.h"


#define ngx_http_katalo_usage_add(counter, n)                                 \
    (void) ngx_atomic_fetch_add(&(counter), n)


static ngx_uint_t ngx_http_katalo_usage_status(ngx_uint_t status);
static ngx_uint_t ngx_http_katalo_usage_bucket(ngx_msec_t elapsed);
static time_t *ngx_http_katalo_usage_tripwire_time(ngx_http_katalo_sh_t *sh,
    ngx_str_t *id, time_t now);
static ngx_uint_t ngx_http_katalo_usage_tripwire_over(time_t logged,
    time_t now);


/* the first statuses are counted by themselves, then come the classes */

static ngx_uint_t  ngx_http_katalo_usage_statuses[] = {
    200, 201, 202, 400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 504
};

#define NGX_HTTP_KATALO_STATUS_CLASSES                                        \
    (sizeof(ngx_http_katalo_usage_statuses) / sizeof(ngx_uint_t))


/* upper bounds in milliseconds; the last bucket has none */

ngx_msec_t  ngx_http_katalo_usage_bounds[] = {
    10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000
};


void
ngx_http_katalo_usage_key(ngx_http_katalo_key_t *key, ngx_uint_t counter)
{
    ngx_http_katalo_usage_add(key->usage->keys[key->row].counters[counter], 1);
}


ngx_uint_t
ngx_http_katalo_usage_start(ngx_http_katalo_key_t *key, ngx_uint_t operation)
{
    time_t                        now;
    ngx_uint_t                    column;
    ngx_http_katalo_id_stripe_t  *stripe;

    stripe = &key->usage->ids[key->slot];
    column = key->usage->columns[operation];
    now = ngx_time();

    ngx_http_katalo_usage_add(stripe->counters[NGX_HTTP_KATALO_REQUESTS
                                               + column], 1);
    ngx_http_katalo_usage_add(stripe->in_flight[key->usage->place], 1);

    stripe->last_used = now;

    if (stripe->first_used == 0) {
        stripe->first_used = now;
    }

    return key->slot;
}


void
ngx_http_katalo_usage_finish(ngx_http_katalo_key_t *key, ngx_uint_t slot,
    ngx_http_katalo_result_t *result)
{
    ngx_atomic_t                 *counters;
    ngx_http_katalo_id_stripe_t  *stripe;

    stripe = &key->usage->ids[slot];
    counters = stripe->counters;

    ngx_http_katalo_usage_add(counters[NGX_HTTP_KATALO_RESPONSES
                        + ngx_http_katalo_usage_status(result->status)], 1);
    ngx_http_katalo_usage_add(counters[NGX_HTTP_KATALO_UPSTREAM_TIME
                        + ngx_http_katalo_usage_bucket(result->elapsed)], 1);
    ngx_http_katalo_usage_add(counters[NGX_HTTP_KATALO_UPSTREAM_MSEC],
                              result->elapsed);
    ngx_http_katalo_usage_add(counters[NGX_HTTP_KATALO_BYTES_SENT],
                              result->bytes_sent);
    ngx_http_katalo_usage_add(counters[NGX_HTTP_KATALO_BYTES_RECEIVED],
                              result->bytes_received);

    if (result->attempts > 1) {
        ngx_http_katalo_usage_add(counters[NGX_HTTP_KATALO_RETRIES],
                                  result->attempts - 1);
    }

    ngx_http_katalo_usage_add(stripe->in_flight[key->usage->place], -1);
}


static ngx_uint_t
ngx_http_katalo_usage_status(ngx_uint_t status)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_KATALO_STATUS_CLASSES; i++) {
        if (status == ngx_http_katalo_usage_statuses[i]) {
            return i;
        }
    }

    if (status < 200 || status > 599) {
        return NGX_HTTP_KATALO_STATUS_NONE;
    }

    return NGX_HTTP_KATALO_STATUS_CLASSES + status / 100 - 2;
}


static ngx_uint_t
ngx_http_katalo_usage_bucket(ngx_msec_t elapsed)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_KATALO_BUCKETS - 1; i++) {
        if (elapsed <= ngx_http_katalo_usage_bounds[i]) {
            break;
        }
    }

    return i;
}


void
ngx_http_katalo_usage_read_failed(ngx_http_katalo_key_t *key,
    ngx_http_katalo_file_id_t *file_id, ngx_err_t err)
{
    ngx_http_katalo_usage_t   *usage;
    ngx_http_katalo_sh_key_t  *shkey;

    usage = key->usage;
    shkey = &usage->sh->keys[key->row];

    ngx_http_katalo_usage_lock(usage);

    if (!shkey->failed
        || shkey->failed_err != err
        || ngx_memcmp(&shkey->failed_file, file_id,
                      sizeof(ngx_http_katalo_file_id_t))
           != 0)
    {
        shkey->failed = 1;
        shkey->failed_err = err;
        shkey->failed_file = *file_id;
        shkey->read_failures++;
    }

    ngx_http_katalo_usage_unlock(usage);
}


/* "seen" is 0 while "seen_file" changes */

void
ngx_http_katalo_usage_see(ngx_http_katalo_key_t *key,
    ngx_http_katalo_file_id_t *file_id)
{
    ngx_http_katalo_sh_key_t  *shkey;

    /* its configuration may name another file */

    if (ngx_exiting) {
        return;
    }

    shkey = &key->usage->sh->keys[key->row];

    shkey->seen = 0;

    ngx_memory_barrier();

    ngx_memcpy(&shkey->seen_file, file_id, sizeof(ngx_http_katalo_file_id_t));

    ngx_memory_barrier();

    shkey->seen = ngx_current_msec;
}


ngx_uint_t
ngx_http_katalo_usage_seen(ngx_http_katalo_key_t *key,
    ngx_http_katalo_file_id_t *file_id)
{
    ngx_uint_t                 same;
    ngx_atomic_uint_t          seen;
    ngx_http_katalo_sh_key_t  *shkey;

    shkey = &key->usage->sh->keys[key->row];

    seen = shkey->seen;

    if (seen == 0 || ngx_current_msec - seen >= key->check / 2) {
        return 0;
    }

    ngx_memory_barrier();

    same = ngx_memcmp(&shkey->seen_file, file_id,
                      sizeof(ngx_http_katalo_file_id_t))
           == 0;

    ngx_memory_barrier();

    return same && shkey->seen == seen;
}


ngx_uint_t
ngx_http_katalo_usage_rejected(ngx_http_katalo_key_t *key, ngx_uint_t slot,
    ngx_uint_t rejected)
{
    ngx_atomic_t              *value;
    ngx_atomic_uint_t          old;
    ngx_http_katalo_sh_key_t  *shkey;

    shkey = &key->usage->sh->keys[key->row];

    /* this process may not have seen the latest key yet */

    if (slot != shkey->current) {
        return 0;
    }

    value = &shkey->rejected;
    old = *value;

    if (rejected) {
        return old != slot + 1 && ngx_atomic_cmp_set(value, old, slot + 1);
    }

    return old != 0 && ngx_atomic_cmp_set(value, old, 0);
}


ngx_uint_t
ngx_http_katalo_usage_tripwire(ngx_http_katalo_usage_t *usage,
    ngx_http_katalo_key_t *held, ngx_str_t *id)
{
    time_t       *logged, now;
    ngx_uint_t    rc;

    rc = 0;
    now = ngx_time();

    ngx_http_katalo_usage_lock(usage);

    logged = held ? &usage->sh->keys[held->row].exposed
                  : ngx_http_katalo_usage_tripwire_time(usage->sh, id, now);

    if (logged && ngx_http_katalo_usage_tripwire_over(*logged, now)) {
        *logged = now;
        rc = 1;
    }

    ngx_http_katalo_usage_unlock(usage);

    return rc;
}


/* NULL: no line may be logged of yet another id */

static time_t *
ngx_http_katalo_usage_tripwire_time(ngx_http_katalo_sh_t *sh, ngx_str_t *id,
    time_t now)
{
    uint32_t                        hash;
    ngx_uint_t                      i;
    ngx_http_katalo_sh_tripwire_t  *tripwire, *unused;

    hash = ngx_crc32_long(id->data, id->len);
    unused = NULL;

    for (i = 0; i < NGX_HTTP_KATALO_TRIPWIRES; i++) {
        tripwire = &sh->tripwires[i];

        if (ngx_http_katalo_usage_tripwire_over(tripwire->logged, now)) {
            unused = tripwire;

        } else if (tripwire->hash == hash) {
            return &tripwire->logged;
        }
    }

    if (unused == NULL) {
        return NULL;
    }

    unused->hash = hash;

    return &unused->logged;
}


/* the clock may have been set back; other processes may lag by a second */

static ngx_uint_t
ngx_http_katalo_usage_tripwire_over(time_t logged, time_t now)
{
    return now - logged >= 60 || logged - now >= 60;
}


ngx_str_t *
ngx_http_katalo_usage_id(ngx_http_katalo_key_t *key, ngx_uint_t slot)
{
    return &key->usage->sh->ids[slot].id;
}


uint64_t
ngx_http_katalo_usage_requests(ngx_http_katalo_key_t *key, ngx_uint_t slot)
{
    uint64_t               requests;
    ngx_uint_t             i, n;
    ngx_atomic_t          *counters;
    ngx_http_katalo_sh_t  *sh;

    sh = key->usage->sh;
    requests = 0;

    for (n = 0; n < sh->stripes_used; n++) {
        counters = ngx_http_katalo_usage_id_stripe(sh, n)[slot].counters;

        for (i = 0; i < NGX_HTTP_KATALO_OPERATIONS; i++) {
            requests += counters[NGX_HTTP_KATALO_REQUESTS + i];
        }
    }

    return requests;
}
