
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_zone.h"


static void ngx_http_katalo_usage_take(ngx_http_katalo_key_t *key);
static ngx_uint_t ngx_http_katalo_usage_slot(ngx_http_katalo_usage_t *usage,
    ngx_http_katalo_key_t *key);
static ngx_uint_t ngx_http_katalo_usage_free_slot(
    ngx_http_katalo_usage_t *usage);
static ngx_uint_t ngx_http_katalo_usage_oldest_slot(
    ngx_http_katalo_usage_t *usage, ngx_uint_t flushed);


void
ngx_http_katalo_usage_hold(ngx_http_katalo_key_t *key)
{
    if (!ngx_http_katalo_key_usable(key)) {
        return;
    }

    ngx_http_katalo_usage_lock(key->usage);

    ngx_http_katalo_usage_take(key);

    ngx_http_katalo_usage_unlock(key->usage);
}


static void
ngx_http_katalo_usage_take(ngx_http_katalo_key_t *key)
{
    ngx_uint_t                slot, bit;
    ngx_http_katalo_usage_t  *usage;

    usage = key->usage;
    slot = ngx_http_katalo_usage_slot(usage, key);

    if (usage->ids && slot != key->slot) {
        bit = (ngx_uint_t) 1 << usage->place;
        usage->ids[key->slot].held &= ~bit;
        usage->ids[slot].held |= bit;
    }

    key->slot = slot;

    if (slot != usage->sh->slots - 1) {
        key->uncounted = 0;
        return;
    }

    if (!key->uncounted) {
        key->uncounted = 1;

        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "katalo: \"katalo_zone\" is full, requests with key "
                      "\"%V\" id \"%V\" are not counted until a previous id "
                      "is not in use any more", &key->name, &key->id);
    }
}


void
ngx_http_katalo_usage_retry(ngx_http_katalo_key_t *key)
{
    if (!key->uncounted) {
        return;
    }

    ngx_http_katalo_usage_publish(key);

    if (!key->uncounted) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "katalo: requests with key \"%V\" id \"%V\" are counted "
                      "again", &key->name, &key->id);
    }
}


void
ngx_http_katalo_usage_publish(ngx_http_katalo_key_t *key)
{
    ngx_http_katalo_usage_t   *usage;
    ngx_http_katalo_sh_key_t  *shkey;

    usage = key->usage;

    ngx_http_katalo_usage_lock(usage);

    shkey = &usage->sh->keys[key->row];
    shkey->failed = 0;

    if (ngx_http_katalo_key_usable(key)) {
        ngx_http_katalo_usage_take(key);

        /* a worker that is exiting may have an older configuration */

        if (!ngx_exiting) {

            if (shkey->current != key->slot) {

                /* from the last slot, the same id gets one of its own */

                shkey->rotations += (shkey->current != NGX_HTTP_KATALO_NONE
                                     && shkey->current != usage->sh->slots - 1);
                shkey->current = key->slot;
            }

            shkey->usable = 1;
        }

    } else if (!ngx_exiting) {
        shkey->usable = 0;
    }

    ngx_http_katalo_usage_unlock(usage);
}


ngx_uint_t
ngx_http_katalo_usage_current(ngx_http_katalo_key_t *key)
{
    ngx_http_katalo_sh_key_t  *shkey;

    shkey = &key->usage->sh->keys[key->row];

    return shkey->usable && shkey->current == key->slot;
}


static ngx_uint_t
ngx_http_katalo_usage_slot(ngx_http_katalo_usage_t *usage,
    ngx_http_katalo_key_t *key)
{
    ngx_uint_t                 n, slot;
    ngx_http_katalo_sh_t      *sh;
    ngx_http_katalo_sh_id_t   *id;
    ngx_http_katalo_sh_key_t  *shkey;

    sh = usage->sh;
    shkey = &sh->keys[key->row];

    for (slot = shkey->slots; slot != NGX_HTTP_KATALO_NONE; slot = id->next) {
        id = &sh->ids[slot];

        if (id->id.len == key->id.len
            && ngx_memcmp(id->data, key->id.data, key->id.len) == 0)
        {
            return slot;
        }
    }

    slot = ngx_http_katalo_usage_free_slot(usage);

    if (slot == sh->slots - 1) {
        return slot;
    }

    id = &sh->ids[slot];

    /* what is left of an id before, if a process was killed right here, too */

    for (n = 0; n < sh->stripes; n++) {
        ngx_memzero(&ngx_http_katalo_usage_id_stripe(sh, n)[slot],
                    sizeof(ngx_http_katalo_id_stripe_t));
    }

    ngx_memzero(id->flushed, sizeof(id->flushed));

    ngx_memcpy(id->data, key->id.data, key->id.len);
    id->serial = ++sh->serial;
    id->row = key->row;
    id->next = shkey->slots;

    ngx_memory_barrier();

    id->id.len = key->id.len;

    ngx_memory_barrier();

    shkey->slots = slot;

    return slot;
}


/* a free slot, or that of the longest unused previous id */

static ngx_uint_t
ngx_http_katalo_usage_free_slot(ngx_http_katalo_usage_t *usage)
{
    ngx_uint_t             i, slot;
    ngx_http_katalo_sh_t  *sh;

    sh = usage->sh;

    for (i = sh->unused; i < sh->slots - 1; i++) {

        if (sh->ids[i].id.len == 0) {
            sh->unused = i;
            return i;
        }
    }

    sh->unused = i;

    slot = ngx_http_katalo_usage_oldest_slot(usage, 0);

    if (slot != sh->slots - 1
        && ngx_http_katalo_usage_flush_slot(usage, slot) != NGX_OK)
    {
        slot = ngx_http_katalo_usage_oldest_slot(usage, 1);
    }

    if (slot != sh->slots - 1) {
        ngx_http_katalo_usage_evict(sh, slot);
    }

    return slot;
}


/* flushed: of those only that have nothing for the usage log */

static ngx_uint_t
ngx_http_katalo_usage_oldest_slot(ngx_http_katalo_usage_t *usage,
    ngx_uint_t flushed)
{
    ngx_uint_t             i, slot;
    ngx_atomic_uint_t      last_used, oldest;
    ngx_http_katalo_sh_t  *sh;

    sh = usage->sh;
    slot = sh->slots - 1;
    oldest = (ngx_atomic_uint_t) -1;

    ngx_http_katalo_usage_read_processes(usage);

    for (i = 0; i < sh->slots - 1; i++) {

        if (i != sh->keys[sh->ids[i].row].current
            && !ngx_http_katalo_usage_slot_in_use(usage, i, &last_used)
            && last_used < oldest
            && (!flushed || ngx_http_katalo_usage_flushed(usage, i)))
        {
            slot = i;
            oldest = last_used;
        }
    }

    return slot;
}


ngx_uint_t
ngx_http_katalo_usage_slot_in_use(ngx_http_katalo_usage_t *usage,
    ngx_uint_t slot, ngx_atomic_uint_t *last_used)
{
    ngx_uint_t                    i, n, alive;
    ngx_http_katalo_sh_t         *sh;
    ngx_http_katalo_id_stripe_t  *stripe;

    sh = usage->sh;
    *last_used = 0;

    for (n = 0; n < sh->stripes; n++) {
        stripe = &ngx_http_katalo_usage_id_stripe(sh, n)[slot];

        *last_used = ngx_max(*last_used, stripe->last_used);

        alive = usage->alive[n];

        if (stripe->held & alive) {
            return 1;
        }

        for (i = 0; i < NGX_HTTP_KATALO_SHARERS; i++) {

            if ((alive & ((ngx_uint_t) 1 << i))
                && (ngx_atomic_int_t) stripe->in_flight[i] > 0)
            {
                return 1;
            }
        }
    }

    return 0;
}


/*
 * A process that is killed in between leaves a slot that is in no list, with
 * an id, and is not in use: it is given away later.
 */

void
ngx_http_katalo_usage_evict(ngx_http_katalo_sh_t *sh, ngx_uint_t slot)
{
    ngx_uint_t                *link;
    ngx_http_katalo_sh_key_t  *shkey;

    shkey = &sh->keys[sh->ids[slot].row];

    (void) ngx_atomic_cmp_set(&shkey->rejected, slot + 1, 0);

    for (link = &shkey->slots;
         *link != slot && *link != NGX_HTTP_KATALO_NONE;
         link = &sh->ids[*link].next)
    {
        /* void */
    }

    if (*link == slot) {
        *link = sh->ids[slot].next;
    }

    sh->unused = ngx_min(sh->unused, slot);

    ngx_memory_barrier();

    sh->ids[slot].id.len = 0;
}


ngx_uint_t
ngx_http_katalo_usage_slots(ngx_http_katalo_usage_t *usage,
    ngx_uint_t *unused)
{
    ngx_uint_t             i, used;
    ngx_http_katalo_sh_t  *sh;

    sh = usage->sh;
    used = 0;

    for (i = 0; i < sh->slots - 1; i++) {
        used += (sh->ids[i].id.len != 0);
    }

    *unused = sh->slots - 1 - used;

    return used;
}
