
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_zone.h"


static ngx_uint_t ngx_http_katalo_usage_free_row(
    ngx_http_katalo_usage_t *usage, ngx_uint_t *next);
static ngx_uint_t ngx_http_katalo_usage_empty_row(
    ngx_http_katalo_usage_t *usage, ngx_uint_t row);
static ngx_uint_t ngx_http_katalo_usage_row_in_use(
    ngx_http_katalo_usage_t *usage, ngx_uint_t row);
static ngx_http_katalo_sh_operation_t *ngx_http_katalo_usage_column(
    ngx_http_katalo_sh_t *sh, ngx_str_t *name);


void
ngx_http_katalo_usage_init_rows(ngx_http_katalo_usage_t *usage)
{
    ngx_uint_t                 i, next;
    ngx_http_katalo_sh_t      *sh;
    ngx_http_katalo_key_t     *key, **keyp;
    ngx_http_katalo_sh_key_t  *shkey;

    ngx_http_katalo_usage_read_processes(usage);

    sh = usage->sh;
    keyp = usage->conf->keys.elts;

    for (i = 0; i < usage->conf->keys.nelts; i++) {
        keyp[i]->row = NGX_HTTP_KATALO_NONE;
        keyp[i]->slot = sh->slots - 1;
    }

    for (i = 0; i < sh->rows; i++) {

        if (sh->keys[i].name.len == 0) {
            continue;
        }

        key = ngx_http_katalo_find_key(usage->conf, &sh->keys[i].name);

        if (key) {
            key->row = i;
        }
    }

    next = 0;

    for (i = 0; i < usage->conf->keys.nelts; i++) {
        key = keyp[i];

        if (key->row != NGX_HTTP_KATALO_NONE) {
            continue;
        }

        key->row = ngx_http_katalo_usage_free_row(usage, &next);

        shkey = &sh->keys[key->row];

        ngx_memcpy(shkey->data, key->name.data, key->name.len);
        shkey->name.len = key->name.len;
    }
}


/*
 * A row that is free, or else one that can be emptied; the last one is for
 * those that found no other.  "next" goes over all rows twice, once for all
 * keys: no row that was passed over becomes free meanwhile.
 */

static ngx_uint_t
ngx_http_katalo_usage_free_row(ngx_http_katalo_usage_t *usage,
    ngx_uint_t *next)
{
    ngx_uint_t             n, row;
    ngx_http_katalo_sh_t  *sh;

    sh = usage->sh;
    n = sh->rows - 1;

    while (*next < 2 * n) {
        row = *next % n;

        if ((*next)++ < n ? sh->keys[row].name.len == 0
                          : ngx_http_katalo_usage_empty_row(usage, row))
        {
            return row;
        }
    }

    if (*next == 2 * n) {
        (*next)++;

        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "katalo: \"katalo_zone\" is full of keys that old "
                      "worker processes still use, or whose counts the usage "
                      "log does not have yet");
    }

    return n;
}


static ngx_uint_t
ngx_http_katalo_usage_empty_row(ngx_http_katalo_usage_t *usage, ngx_uint_t row)
{
    ngx_uint_t                 n;
    ngx_http_katalo_sh_t      *sh;
    ngx_http_katalo_sh_key_t  *shkey;

    sh = usage->sh;
    shkey = &sh->keys[row];

    if (ngx_http_katalo_usage_row_in_use(usage, row)
        || ngx_http_katalo_usage_flush_row(usage, row) != NGX_OK)
    {
        return 0;
    }

    while (shkey->slots != NGX_HTTP_KATALO_NONE) {
        ngx_http_katalo_usage_evict(sh, shkey->slots);
    }

    for (n = 0; n < sh->stripes; n++) {
        ngx_memzero(&ngx_http_katalo_usage_key_stripe(sh, n)[row],
                    sizeof(ngx_http_katalo_key_stripe_t));
    }

    shkey->current = NGX_HTTP_KATALO_NONE;
    shkey->usable = 0;
    shkey->rotations = 0;
    shkey->read_failures = 0;

    ngx_memzero(shkey->flushed, sizeof(shkey->flushed));

    return 1;
}


static ngx_uint_t
ngx_http_katalo_usage_row_in_use(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row)
{
    ngx_uint_t                 n, slot;
    ngx_atomic_uint_t          last_used;
    ngx_http_katalo_sh_t      *sh;

    sh = usage->sh;

    if (ngx_http_katalo_find_key(usage->conf, &sh->keys[row].name)) {
        return 1;
    }

    for (n = 0; n < sh->stripes; n++) {

        if (ngx_http_katalo_usage_key_stripe(sh, n)[row].held
            & usage->alive[n])
        {
            return 1;
        }
    }

    for (slot = sh->keys[row].slots;
         slot != NGX_HTTP_KATALO_NONE;
         slot = sh->ids[slot].next)
    {
        if (ngx_http_katalo_usage_slot_in_use(usage, slot, &last_used)) {
            return 1;
        }
    }

    return 0;
}


/*
 * Names of operations keep their columns over reloads; when there are more
 * names than columns, the requests are counted as "other".
 */

void
ngx_http_katalo_usage_init_columns(ngx_http_katalo_usage_t *usage)
{
    ngx_str_t                       *name;
    ngx_uint_t                       i, n;
    ngx_http_katalo_sh_operation_t  *column;

    n = NGX_HTTP_KATALO_BUILTIN + usage->conf->operations.nelts;

    for (i = 0; i < NGX_HTTP_KATALO_BUILTIN; i++) {
        usage->columns[i] = i;
    }

    for ( /* void */ ; i < n; i++) {
        name = ngx_http_katalo_operation_name(usage->conf, i);
        column = ngx_http_katalo_usage_column(usage->sh, name);

        if (column == NULL) {
            usage->columns[i] = NGX_HTTP_KATALO_OTHER;

            ngx_log_error(NGX_LOG_WARN, usage->cycle->log, 0,
                          "katalo: operation \"%V\" is counted as \"other\": "
                          "%d names were in use since nginx was started",
                          name, NGX_HTTP_KATALO_CUSTOM);
            continue;
        }

        usage->columns[i] = NGX_HTTP_KATALO_BUILTIN
                            + (column - usage->sh->operations);
    }
}


static ngx_http_katalo_sh_operation_t *
ngx_http_katalo_usage_column(ngx_http_katalo_sh_t *sh, ngx_str_t *name)
{
    ngx_uint_t                       i;
    ngx_http_katalo_sh_operation_t  *column;

    for (i = 0; i < NGX_HTTP_KATALO_CUSTOM; i++) {
        column = &sh->operations[i];

        if (column->name.len == 0) {
            ngx_memcpy(column->data, name->data, name->len);
            column->name.len = name->len;
        }

        if (column->name.len == name->len
            && ngx_memcmp(column->data, name->data, name->len) == 0)
        {
            return column;
        }
    }

    return NULL;
}
