
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_consumed_read.h"
#include "ngx_http_katalo_slots.h"
#include "ngx_http_katalo_stripes.h"


/* slots that are looked at for one that may be given away */
#define NGX_HTTP_KATALO_SLOTS_LOOKS  64


static ngx_uint_t ngx_http_katalo_slots_free(ngx_http_katalo_usage_t *usage);


ngx_uint_t
ngx_http_katalo_slots_take(ngx_http_katalo_usage_t *usage, ngx_uint_t row,
    ngx_str_t *id)
{
    ngx_uint_t                 slot;
    ngx_http_katalo_sh_t      *sh;
    ngx_http_katalo_sh_id_t   *shid;
    ngx_http_katalo_sh_key_t  *shkey;

    sh = usage->sh;
    shkey = &sh->keys[row];

    ngx_http_katalo_consumed_settle(usage);

    for (slot = shkey->slots; slot != NGX_HTTP_KATALO_NONE; slot = shid->next) {
        shid = &sh->ids[slot];

        if (shid->id.len == id->len
            && ngx_memcmp(shid->data, id->data, id->len) == 0)
        {
            return slot;
        }
    }

    slot = ngx_http_katalo_slots_free(usage);

    if (slot == NGX_HTTP_KATALO_NONE) {
        return slot;
    }

    shid = &sh->ids[slot];

    /* also what a process has left that was killed right here */

    ngx_http_katalo_stripes_clear_slot(sh, slot);
    ngx_memzero(shid->flushed, sizeof(shid->flushed));

    ngx_memcpy(shid->data, id->data, id->len);
    shid->row = row;
    shid->next = shkey->slots;

    ngx_memory_barrier();

    shid->id.len = id->len;

    ngx_memory_barrier();

    shkey->slots = slot;

    return slot;
}


/*
 * A free slot, or else that of the longest unused one of the ids that the hand
 * passes, or NONE.
 */

static ngx_uint_t
ngx_http_katalo_slots_free(ngx_http_katalo_usage_t *usage)
{
    time_t                 first_used, last_used, oldest;
    ngx_uint_t             i, n, slot;
    ngx_http_katalo_sh_t  *sh;

    sh = usage->sh;
    slot = NGX_HTTP_KATALO_NONE;
    oldest = 0;

    ngx_http_katalo_stripes_read(usage);

    n = ngx_min(sh->slots, NGX_HTTP_KATALO_SLOTS_LOOKS);

    while (n--) {
        i = sh->hand;
        sh->hand = (i + 1) % sh->slots;

        if (sh->ids[i].id.len == 0) {
            slot = i;
            break;
        }

        if (i == sh->keys[sh->ids[i].row].current
            || ngx_http_katalo_stripes_slot_held(usage, i))
        {
            continue;
        }

        ngx_http_katalo_stripes_times(sh, i, 1, &first_used, &last_used);

        if (slot != NGX_HTTP_KATALO_NONE && last_used >= oldest) {
            continue;
        }

        if (!ngx_http_katalo_slots_logged(usage, i)) {
            ngx_http_katalo_slots_want(usage);
            continue;
        }

        slot = i;
        oldest = last_used;
    }

    if (slot != NGX_HTTP_KATALO_NONE && sh->ids[slot].id.len) {
        ngx_http_katalo_slots_evict(usage, slot);
    }

    /* a previous id is logged in time for the next one */

    if (sh->ids[sh->hand].id.len) {
        ngx_http_katalo_slots_want(usage);
    }

    return slot;
}


/* a process that was killed may have left a slot that is in no list */

void
ngx_http_katalo_slots_evict(ngx_http_katalo_usage_t *usage, ngx_uint_t slot)
{
    ngx_uint_t                *link;
    ngx_http_katalo_sh_t      *sh;
    ngx_http_katalo_sh_key_t  *shkey;

    sh = usage->sh;
    shkey = &sh->keys[sh->ids[slot].row];

    (void) ngx_atomic_cmp_set(&shkey->rejected, slot + 1, 0);

    for (link = &shkey->slots;
         *link != slot && *link != NGX_HTTP_KATALO_NONE;
         link = &sh->ids[*link].next)
    {
        /* void */
    }

    ngx_http_katalo_consumed_unlink(usage, slot,
                                    *link == slot ? link : NULL);
}


ngx_uint_t
ngx_http_katalo_slots_logged(ngx_http_katalo_usage_t *usage, ngx_uint_t slot)
{
    uint64_t               total[NGX_HTTP_KATALO_ID_COUNTERS];
    ngx_http_katalo_sh_t  *sh;

    sh = usage->sh;

    if (sh->line.pending && sh->line.slot == slot) {
        return 0;
    }

    /* the latest configuration decides, not that of an old process */

    if (!sh->logged && usage->log == NULL) {
        return 1;
    }

    ngx_http_katalo_zone_sum_id(sh, slot, total);

    return ngx_memcmp(total, sh->ids[slot].flushed, sizeof(total)) == 0;
}


/* other processes find it when they look, this one does at once */

void
ngx_http_katalo_slots_want(ngx_http_katalo_usage_t *usage)
{
    if (!usage->sh->logged) {
        return;
    }

    usage->sh->log_next = ngx_current_msec;

    if (usage->log_event && usage->log_event->timer_set) {
        ngx_add_timer(usage->log_event, 1);
    }
}
