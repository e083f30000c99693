
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_key.h"
#include "ngx_http_katalo_rows.h"
#include "ngx_http_katalo_slots.h"
#include "ngx_http_katalo_state.h"


/* milliseconds from one look for room to the next */
#define NGX_HTTP_KATALO_STATE_AGAIN  1000

/* with more than 64 keys, some have the same bit */
#define ngx_http_katalo_state_bit(key)  ((ngx_uint_t) 1 << (key)->index % 64)


static void ngx_http_katalo_state_set_current(ngx_http_katalo_key_t *key);
static ngx_http_katalo_sh_key_t *ngx_http_katalo_state_row(
    ngx_http_katalo_key_t *key);
static void ngx_http_katalo_state_clear(ngx_atomic_t *cooldown);
static uint32_t ngx_http_katalo_state_hash(ngx_http_katalo_key_t *key);


void
ngx_http_katalo_state_publish(ngx_http_katalo_key_t *key)
{
    ngx_uint_t                 usable;
    ngx_http_katalo_usage_t   *usage;
    ngx_http_katalo_sh_key_t  *shkey;

    usage = key->usage;
    usable = ngx_http_katalo_key_usable(key);

    ngx_http_katalo_zone_lock(usage);

    if (usable) {
        ngx_http_katalo_state_take(key);
    }

    shkey = ngx_http_katalo_state_row(key);

    if (shkey) {
        shkey->failed = 0;
        shkey->unreadable = 0;
        shkey->usable = usable;

        /* the id may be the same */

        shkey->replaced = key->published ? shkey->replaced | key->changed : 0;

        if (usable) {
            ngx_http_katalo_state_set_current(key);
        }

    } else if (ngx_http_katalo_zone_latest(usage) && usage->process) {
        usage->sh->replaced |= ngx_http_katalo_state_bit(key);
    }

    if (key->row == NGX_HTTP_KATALO_NONE) {
        ngx_http_katalo_state_clear(key->own_cooldown);
    }

    ngx_http_katalo_zone_unlock(usage);

    ngx_http_katalo_state_log_full(key);

    key->published = ngx_current_msec;
}


void
ngx_http_katalo_state_take(ngx_http_katalo_key_t *key)
{
    ngx_uint_t                slot, bit;
    ngx_http_katalo_usage_t  *usage;

    usage = key->usage;

    slot = (key->row == NGX_HTTP_KATALO_NONE)
           ? NGX_HTTP_KATALO_NONE
           : ngx_http_katalo_slots_take(usage, key->row, &key->id);

    if (usage->process && slot != key->slot) {
        bit = (ngx_uint_t) 1 << usage->place;

        if (key->slot != NGX_HTTP_KATALO_NONE) {
            usage->ids[key->slot].held &= ~bit;
        }

        if (slot != NGX_HTTP_KATALO_NONE) {
            usage->ids[slot].held |= bit;
        }
    }

    key->slot = slot;

    if (slot != NGX_HTTP_KATALO_NONE) {
        key->uncounted = 0;
        return;
    }

    key->full = !key->uncounted;
    key->uncounted = 1;
}


void
ngx_http_katalo_state_log_full(ngx_http_katalo_key_t *key)
{
    if (!key->full) {
        return;
    }

    key->full = 0;

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "katalo: \"katalo_zone\" is full, requests with key "
                  "\"%V\" id \"%V\" are not counted by key until there "
                  "is room, set a larger \"katalo_zone\"",
                  &key->name, &key->id);
}


void
ngx_http_katalo_state_retry(ngx_http_katalo_key_t *key)
{
    ngx_uint_t                 usable;
    ngx_http_katalo_usage_t   *usage;
    ngx_http_katalo_sh_key_t  *shkey;

    if (!key->uncounted
        || ngx_current_msec - key->retried < NGX_HTTP_KATALO_STATE_AGAIN)
    {
        return;
    }

    key->retried = ngx_current_msec;

    usage = key->usage;
    usable = ngx_http_katalo_key_usable(key);

    ngx_http_katalo_zone_lock(usage);

    if (key->row == NGX_HTTP_KATALO_NONE) {
        ngx_http_katalo_rows_retry(usage);
    }

    if (key->row != NGX_HTTP_KATALO_NONE) {

        if (usable) {
            ngx_http_katalo_state_take(key);

        } else {
            key->uncounted = 0;
        }
    }

    shkey = ngx_http_katalo_state_row(key);

    /* this process may not have seen the latest key yet */

    if (shkey
        && usable
        && (!shkey->known
            || (shkey->usable
                && shkey->current_hash == ngx_http_katalo_state_hash(key))))
    {
        ngx_http_katalo_state_set_current(key);
    }

    ngx_http_katalo_zone_unlock(usage);

    if (!key->uncounted && usable) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "katalo: requests with key \"%V\" id \"%V\" are counted "
                      "again", &key->name, &key->id);
    }
}


/* an id without a slot is the current one, too: that is known by its hash */

static void
ngx_http_katalo_state_set_current(ngx_http_katalo_key_t *key)
{
    uint32_t                   hash;
    ngx_http_katalo_sh_key_t  *shkey;

    shkey = &key->usage->sh->keys[key->row];
    hash = ngx_http_katalo_state_hash(key);

    if (shkey->known && shkey->current_hash != hash) {
        ngx_http_katalo_state_clear(shkey->cooldown);
        ngx_http_katalo_zone_add(key->usage->keys[key->row]
                                 .counters[NGX_HTTP_KATALO_ROTATIONS], 1);
    }

    shkey->current = key->slot;
    shkey->current_hash = hash;
    shkey->known = 1;
    shkey->usable = 1;
}


ngx_uint_t
ngx_http_katalo_state_usable(ngx_http_katalo_key_t *key)
{
    ngx_uint_t                 usable;
    ngx_http_katalo_sh_key_t  *shkey;

    ngx_http_katalo_zone_lock(key->usage);

    shkey = ngx_http_katalo_rows_find(key);
    usable = shkey ? shkey->usable : ngx_http_katalo_key_usable(key);

    ngx_http_katalo_zone_unlock(key->usage);

    return usable;
}


ngx_uint_t
ngx_http_katalo_state_current(ngx_http_katalo_key_t *key)
{
    ngx_uint_t                 current;
    ngx_http_katalo_sh_key_t  *shkey;

    /* it has installed the key itself */

    if (ngx_process == NGX_PROCESS_SINGLE) {
        return 1;
    }

    ngx_http_katalo_zone_lock(key->usage);

    shkey = ngx_http_katalo_rows_find(key);

    /* the key may have been replaced before it had the row */

    current = !(key->usage->sh->replaced & ngx_http_katalo_state_bit(key))
              && (shkey == NULL
                  || (shkey->usable && !shkey->replaced
                      && shkey->current_hash
                         == ngx_http_katalo_state_hash(key)));

    ngx_http_katalo_zone_unlock(key->usage);

    return current;
}


void
ngx_http_katalo_state_read_failed(ngx_http_katalo_key_t *key, ngx_err_t err)
{
    ngx_http_katalo_sh_key_t  *shkey;

    ngx_http_katalo_zone_lock(key->usage);

    shkey = ngx_http_katalo_state_row(key);

    if (shkey && (!shkey->failed || shkey->failed_err != err)) {
        shkey->failed = 1;
        shkey->failed_err = err;

        ngx_http_katalo_zone_add(key->usage->keys[key->row]
                                 .counters[NGX_HTTP_KATALO_READ_FAILURES], 1);
    }

    ngx_http_katalo_zone_unlock(key->usage);
}


void
ngx_http_katalo_state_read_well(ngx_http_katalo_key_t *key)
{
    ngx_http_katalo_sh_key_t  *shkey;

    shkey = ngx_http_katalo_state_row(key);

    /* whoever said otherwise may be gone */

    if (shkey && shkey->failed) {
        shkey->failed = 0;
    }
}


void
ngx_http_katalo_state_unreadable(ngx_http_katalo_key_t *key)
{
    ngx_http_katalo_sh_key_t  *shkey;

    shkey = ngx_http_katalo_state_row(key);

    if (shkey) {
        shkey->unreadable = 1;
    }
}


/* the row that this process may tell its state to, or NULL */

static ngx_http_katalo_sh_key_t *
ngx_http_katalo_state_row(ngx_http_katalo_key_t *key)
{
    if (key->row == NGX_HTTP_KATALO_NONE
        || !ngx_http_katalo_zone_latest(key->usage))
    {
        return NULL;
    }

    return &key->usage->sh->keys[key->row];
}


ngx_uint_t
ngx_http_katalo_state_rejected(ngx_http_katalo_key_t *key, ngx_uint_t slot,
    ngx_uint_t rejected)
{
    ngx_atomic_uint_t          old;
    ngx_http_katalo_sh_key_t  *shkey;

    /* an id without a slot has no state: each process says so by itself */

    if (slot == NGX_HTTP_KATALO_NONE) {
        return rejected ? key->rejected != slot + 1
                        : key->rejected == slot + 1;
    }

    shkey = ngx_http_katalo_state_row(key);

    /* this process may not have seen the latest key yet */

    if (shkey == NULL || slot != shkey->current) {
        return 0;
    }

    old = shkey->rejected;

    if (rejected) {
        return old != slot + 1
               && ngx_atomic_cmp_set(&shkey->rejected, old, slot + 1);
    }

    return old != 0 && ngx_atomic_cmp_set(&shkey->rejected, old, 0);
}


ngx_msec_t
ngx_http_katalo_state_cools(ngx_http_katalo_key_t *key, ngx_uint_t class)
{
    ngx_msec_t      until;
    ngx_msec_int_t  left;

    until = key->cooldown[class];
    left = until - ngx_current_msec;

    return (until && left > 0) ? (ngx_msec_t) left : 0;
}


/* another process may have seen a later key than this one */

void
ngx_http_katalo_state_cool(ngx_http_katalo_key_t *key, ngx_uint_t slot,
    ngx_uint_t class, ngx_msec_t until)
{
    ngx_atomic_t              *word;
    ngx_atomic_uint_t          old;
    ngx_http_katalo_sh_key_t  *shkey;

    if (key->row != NGX_HTTP_KATALO_NONE) {
        shkey = &key->usage->sh->keys[key->row];

        if (slot != shkey->current
            || (slot == NGX_HTTP_KATALO_NONE
                && shkey->current_hash != ngx_http_katalo_state_hash(key)))
        {
            return;
        }
    }

    word = &key->cooldown[class];

    do {
        old = *word;

        if (old && (ngx_msec_int_t) (until - old) <= 0) {
            return;
        }

    } while (!ngx_atomic_cmp_set(word, old, until));
}


static void
ngx_http_katalo_state_clear(ngx_atomic_t *cooldown)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_KATALO_CLASSES; i++) {
        cooldown[i] = 0;
    }
}


static uint32_t
ngx_http_katalo_state_hash(ngx_http_katalo_key_t *key)
{
    return ngx_crc32_long(key->id.data, key->id.len);
}
