
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_consumed_read.h"
#include "ngx_http_katalo_key.h"
#include "ngx_http_katalo_rows.h"
#include "ngx_http_katalo_slots.h"
#include "ngx_http_katalo_stripes.h"


/* milliseconds from one look for rows to the next */
#define NGX_HTTP_KATALO_ROWS_AGAIN  1000


static ngx_uint_t ngx_http_katalo_rows_assign(ngx_http_katalo_usage_t *usage);
static void ngx_http_katalo_rows_set(ngx_http_katalo_key_t *key,
    ngx_uint_t row);
static ngx_uint_t ngx_http_katalo_rows_free(ngx_http_katalo_usage_t *usage,
    ngx_uint_t *next);
static ngx_uint_t ngx_http_katalo_rows_empty(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row);
static ngx_uint_t ngx_http_katalo_rows_in_use(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row);
static ngx_uint_t ngx_http_katalo_rows_logged(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row);
static ngx_uint_t ngx_http_katalo_rows_is(ngx_http_katalo_sh_key_t *shkey,
    ngx_http_katalo_key_t *key);


ngx_uint_t
ngx_http_katalo_rows_init(ngx_http_katalo_usage_t *usage)
{
    ngx_uint_t               i, missing;
    ngx_http_katalo_key_t  **key;

    key = usage->conf->keys.elts;

    for (i = 0; i < usage->conf->keys.nelts; i++) {
        ngx_http_katalo_rows_set(key[i], NGX_HTTP_KATALO_NONE);
        key[i]->slot = NGX_HTTP_KATALO_NONE;
    }

    usage->sh->replaced = 0;

    missing = ngx_http_katalo_rows_assign(usage);

    for (i = 0; i < usage->conf->keys.nelts; i++) {
        key[i]->uncounted = (key[i]->row == NGX_HTTP_KATALO_NONE);
    }

    return missing;
}


void
ngx_http_katalo_rows_init_process(ngx_http_katalo_usage_t *usage)
{
    ngx_uint_t               i;
    ngx_http_katalo_key_t  **key;

    key = usage->conf->keys.elts;

    for (i = 0; i < usage->conf->keys.nelts; i++) {
        key[i]->slot = NGX_HTTP_KATALO_NONE;

        if (key[i]->row == NGX_HTTP_KATALO_NONE) {
            continue;
        }

        /* a reload that came before this process may have given it away */

        if (!ngx_http_katalo_rows_is(&usage->sh->keys[key[i]->row], key[i])) {
            ngx_http_katalo_rows_set(key[i], NGX_HTTP_KATALO_NONE);
            key[i]->uncounted = 1;
            continue;
        }

        usage->keys[key[i]->row].held |= (ngx_uint_t) 1 << usage->place;
    }
}


void
ngx_http_katalo_rows_retry(ngx_http_katalo_usage_t *usage)
{
    ngx_uint_t               i;
    ngx_http_katalo_key_t  **key;

    if (!ngx_http_katalo_zone_latest(usage)
        || (usage->rows_tried
            && ngx_current_msec - usage->rows_tried
               < NGX_HTTP_KATALO_ROWS_AGAIN))
    {
        return;
    }

    usage->rows_tried = ngx_current_msec;

    (void) ngx_http_katalo_rows_assign(usage);

    key = usage->conf->keys.elts;

    for (i = 0; usage->process && i < usage->conf->keys.nelts; i++) {

        if (key[i]->row != NGX_HTTP_KATALO_NONE) {
            usage->keys[key[i]->row].held |= (ngx_uint_t) 1 << usage->place;
            key[i]->placed |= key[i]->uncounted;
        }
    }
}


/* for keys that have none; returns how many have none still */

static ngx_uint_t
ngx_http_katalo_rows_assign(ngx_http_katalo_usage_t *usage)
{
    ngx_uint_t                 i, row, next, missing;
    ngx_http_katalo_key_t     *key, **keyp;
    ngx_http_katalo_sh_key_t  *shkey;

    ngx_http_katalo_stripes_read(usage);
    ngx_http_katalo_consumed_settle(usage);

    for (i = 0; i < usage->sh->rows; i++) {
        shkey = &usage->sh->keys[i];

        key = shkey->name.len
              ? ngx_http_katalo_find_key(usage->conf, &shkey->name) : NULL;

        if (key) {
            ngx_http_katalo_rows_set(key, i);
        }
    }

    next = 0;
    missing = 0;
    keyp = usage->conf->keys.elts;

    for (i = 0; i < usage->conf->keys.nelts; i++) {
        key = keyp[i];

        if (key->row != NGX_HTTP_KATALO_NONE) {
            continue;
        }

        row = ngx_http_katalo_rows_free(usage, &next);

        if (row == NGX_HTTP_KATALO_NONE) {
            missing++;
            continue;
        }

        ngx_http_katalo_rows_set(key, row);

        /* also what a process has left that was killed while it emptied it */

        shkey = &usage->sh->keys[row];

        ngx_http_katalo_stripes_clear_row(usage->sh, row);
        ngx_http_katalo_zone_init_row(shkey);

        ngx_memcpy(shkey->data, key->name.data, key->name.len);
        shkey->name.len = key->name.len;
    }

    return missing;
}


static void
ngx_http_katalo_rows_set(ngx_http_katalo_key_t *key, ngx_uint_t row)
{
    key->row = row;
    key->cooldown = (row == NGX_HTTP_KATALO_NONE)
                    ? key->own_cooldown : key->usage->sh->keys[row].cooldown;
}


/*
 * A row that is free, or else one that can be emptied, or NONE.  The first pass
 * over the rows looks for free ones, the second one empties.  "next" is kept
 * from one key to the next, since a row that was skipped does not become free
 * meanwhile.
 */

static ngx_uint_t
ngx_http_katalo_rows_free(ngx_http_katalo_usage_t *usage, ngx_uint_t *next)
{
    ngx_uint_t             n, row;
    ngx_http_katalo_sh_t  *sh;

    sh = usage->sh;

    while (*next < 2 * sh->rows) {
        n = (*next)++;
        row = (n < sh->rows) ? n : n - sh->rows;

        if (n < sh->rows ? sh->keys[row].name.len == 0
                         : ngx_http_katalo_rows_empty(usage, row))
        {
            return row;
        }
    }

    return NGX_HTTP_KATALO_NONE;
}


static ngx_uint_t
ngx_http_katalo_rows_empty(ngx_http_katalo_usage_t *usage, ngx_uint_t row)
{
    ngx_http_katalo_sh_t  *sh;

    sh = usage->sh;

    if (ngx_http_katalo_rows_in_use(usage, row)) {
        return 0;
    }

    if (!ngx_http_katalo_rows_logged(usage, row)) {
        ngx_http_katalo_slots_want(usage);
        return 0;
    }

    sh->keys[row].current = NGX_HTTP_KATALO_NONE;

    while (sh->keys[row].slots != NGX_HTTP_KATALO_NONE) {
        ngx_http_katalo_slots_evict(usage, sh->keys[row].slots);
    }

    ngx_http_katalo_consumed_forget(usage, row);

    /* what a killed process has left to do is not done to another key */

    ngx_http_katalo_consumed_settle(usage);

    /* before its counters are cleared: the usage log would have less */

    sh->keys[row].name.len = 0;

    return 1;
}


static ngx_uint_t
ngx_http_katalo_rows_in_use(ngx_http_katalo_usage_t *usage, ngx_uint_t row)
{
    ngx_uint_t                 slot;
    ngx_http_katalo_sh_key_t  *shkey;

    shkey = &usage->sh->keys[row];

    if (ngx_http_katalo_find_key(usage->conf, &shkey->name)
        || ngx_http_katalo_stripes_row_held(usage, row))
    {
        return 1;
    }

    for (slot = shkey->slots;
         slot != NGX_HTTP_KATALO_NONE;
         slot = usage->sh->ids[slot].next)
    {
        if (ngx_http_katalo_stripes_slot_held(usage, slot)) {
            return 1;
        }
    }

    return 0;
}


/* has the usage log the counts of the row and its slots? */

static ngx_uint_t
ngx_http_katalo_rows_logged(ngx_http_katalo_usage_t *usage, ngx_uint_t row)
{
    uint64_t               total[NGX_HTTP_KATALO_KEY_COUNTERS];
    ngx_uint_t             slot;
    ngx_http_katalo_sh_t  *sh;

    sh = usage->sh;

    if (sh->line.pending && sh->line.row == row) {
        return 0;
    }

    if (!sh->logged && usage->log == NULL) {
        return 1;
    }

    for (slot = sh->keys[row].slots;
         slot != NGX_HTTP_KATALO_NONE;
         slot = sh->ids[slot].next)
    {
        if (!ngx_http_katalo_slots_logged(usage, slot)) {
            return 0;
        }
    }

    ngx_http_katalo_zone_sum_key(sh, row, total);

    return ngx_memcmp(total, sh->keys[row].flushed, sizeof(total)) == 0
           && ngx_http_katalo_consumed_logged(usage, row);
}


ngx_http_katalo_sh_key_t *
ngx_http_katalo_rows_find(ngx_http_katalo_key_t *key)
{
    ngx_uint_t             i;
    ngx_http_katalo_sh_t  *sh;

    sh = key->usage->sh;

    if (key->row != NGX_HTTP_KATALO_NONE) {
        return &sh->keys[key->row];
    }

    for (i = 0; i < sh->rows; i++) {
        if (ngx_http_katalo_rows_is(&sh->keys[i], key)) {
            return &sh->keys[i];
        }
    }

    return NULL;
}


static ngx_uint_t
ngx_http_katalo_rows_is(ngx_http_katalo_sh_key_t *shkey,
    ngx_http_katalo_key_t *key)
{
    return shkey->name.len == key->name.len
           && ngx_memcmp(shkey->data, key->name.data, key->name.len) == 0;
}
