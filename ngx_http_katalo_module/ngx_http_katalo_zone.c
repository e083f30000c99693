
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_operation.h"
#include "ngx_http_katalo_zone.h"


#define ngx_http_katalo_zone_stripes(workers)  (2 * ngx_max(workers, 1) + 2)


static size_t ngx_http_katalo_zone_size(ngx_uint_t rows, ngx_uint_t stripes);
static size_t ngx_http_katalo_zone_stripe_size(ngx_uint_t rows);
static void ngx_http_katalo_zone_free_dead(ngx_shmtx_t *mutex);
static void ngx_http_katalo_zone_sum(ngx_http_katalo_sh_t *sh,
    ngx_atomic_t *counters, uint64_t *totals, ngx_uint_t n);
static ngx_uint_t ngx_http_katalo_zone_column(ngx_http_katalo_sh_t *sh,
    ngx_str_t *name);


ngx_int_t
ngx_http_katalo_zone_create(ngx_http_katalo_usage_t *usage, ngx_uint_t workers,
    ngx_uint_t keys)
{
    size_t                 size;
    ngx_uint_t             i, n, stripes;
    ngx_http_katalo_sh_t  *sh;

    stripes = ngx_http_katalo_zone_stripes(workers);
    size = (usage->shpool->pfree - 1) * ngx_pagesize;

    for (n = 0; ngx_http_katalo_zone_size(n + 1, stripes) <= size; n++) {
        /* void */
    }

    if (n < keys) {
        return NGX_DECLINED;
    }

    sh = ngx_slab_calloc(usage->shpool, ngx_http_katalo_zone_size(n, stripes));
    if (sh == NULL) {
        return NGX_ERROR;
    }

    usage->sh = sh;
    usage->shpool->data = sh;

    sh->rows = n;
    sh->slots = n * NGX_HTTP_KATALO_IDS;
    sh->stripes = stripes;
    sh->stripes_used = 1;
    sh->stripe_size = ngx_http_katalo_zone_stripe_size(n);

    sh->stripe = ngx_align_ptr((u_char *) (sh + 1), NGX_CPU_CACHE_LINE);
    sh->keys = (ngx_http_katalo_sh_key_t *)
               (sh->stripe + stripes * sh->stripe_size);
    sh->ids = (ngx_http_katalo_sh_id_t *) (sh->keys + sh->rows);

    for (i = 0; i < sh->rows; i++) {
        ngx_http_katalo_zone_init_row(&sh->keys[i]);
    }

    for (i = 0; i < sh->slots; i++) {
        sh->ids[i].id.data = sh->ids[i].data;
    }

    for (i = 0; i < NGX_HTTP_KATALO_CUSTOM; i++) {
        sh->operations[i].name.data = sh->operations[i].data;
    }

    return NGX_OK;
}


size_t
ngx_http_katalo_zone_need(ngx_uint_t rows, ngx_uint_t workers)
{
    size_t  size;

    size = ngx_http_katalo_zone_size(rows,
                                     ngx_http_katalo_zone_stripes(workers));

    /* what the slab allocator needs itself */

    return size + size / 64 + 8 * ngx_pagesize;
}


static size_t
ngx_http_katalo_zone_size(ngx_uint_t rows, ngx_uint_t stripes)
{
    return sizeof(ngx_http_katalo_sh_t) + NGX_CPU_CACHE_LINE
           + stripes * ngx_http_katalo_zone_stripe_size(rows)
           + rows * (sizeof(ngx_http_katalo_sh_key_t)
                     + NGX_HTTP_KATALO_IDS * sizeof(ngx_http_katalo_sh_id_t));
}


static size_t
ngx_http_katalo_zone_stripe_size(ngx_uint_t rows)
{
    size_t  size;

    size = rows * (sizeof(ngx_http_katalo_key_stripe_t)
                   + NGX_HTTP_KATALO_IDS
                     * sizeof(ngx_http_katalo_id_stripe_t));

    return ngx_align(size, NGX_CPU_CACHE_LINE);
}


void
ngx_http_katalo_zone_init_row(ngx_http_katalo_sh_key_t *shkey)
{
    ngx_memzero(shkey, sizeof(ngx_http_katalo_sh_key_t));

    shkey->name.data = shkey->data;
    shkey->current = NGX_HTTP_KATALO_NONE;
    shkey->slots = NGX_HTTP_KATALO_NONE;
}


void
ngx_http_katalo_zone_take(ngx_http_katalo_usage_t *usage, ngx_shmtx_t *mutex)
{
    if (ngx_process != NGX_PROCESS_MASTER) {
        ngx_shmtx_lock(mutex);
        return;
    }

    /* a living process that has one may wait for the other */

    while (!ngx_shmtx_trylock(mutex)) {
        ngx_http_katalo_zone_free_dead(&usage->shpool->mutex);
        ngx_http_katalo_zone_free_dead(usage->consumers_mutex);

        ngx_msleep(1);
    }
}


/* as nginx does once it has SIGCHLD: unlocks what a dead process has locked */

static void
ngx_http_katalo_zone_free_dead(ngx_shmtx_t *mutex)
{
    ngx_pid_t  pid;
    siginfo_t  info;

    pid = (ngx_pid_t) *mutex->lock;
    info.si_pid = 0;

    if (pid
        && waitid(P_PID, pid, &info, WEXITED|WNOHANG|WNOWAIT) == 0
        && info.si_pid == pid)
    {
        (void) ngx_shmtx_force_unlock(mutex, pid);
    }
}


void
ngx_http_katalo_zone_lock(ngx_http_katalo_usage_t *usage)
{
    ngx_http_katalo_zone_take(usage, &usage->shpool->mutex);
}


void
ngx_http_katalo_zone_unlock(ngx_http_katalo_usage_t *usage)
{
    ngx_shmtx_unlock(&usage->shpool->mutex);
}


void
ngx_http_katalo_zone_sum_key(ngx_http_katalo_sh_t *sh, ngx_uint_t row,
    uint64_t *totals)
{
    ngx_http_katalo_zone_sum(sh,
                       ngx_http_katalo_zone_key_stripe(sh, 0)[row].counters,
                       totals, NGX_HTTP_KATALO_KEY_COUNTERS);
}


void
ngx_http_katalo_zone_sum_id(ngx_http_katalo_sh_t *sh, ngx_uint_t slot,
    uint64_t *totals)
{
    ngx_http_katalo_zone_sum(sh,
                       ngx_http_katalo_zone_id_stripe(sh, 0)[slot].counters,
                       totals, NGX_HTTP_KATALO_ID_COUNTERS);
}


/* "counters" are those of the first stripe */

static void
ngx_http_katalo_zone_sum(ngx_http_katalo_sh_t *sh, ngx_atomic_t *counters,
    uint64_t *totals, ngx_uint_t n)
{
    ngx_uint_t  i, stripe;

    ngx_memzero(totals, n * sizeof(uint64_t));

    for (stripe = 0; stripe < sh->stripes_used; stripe++) {

        for (i = 0; i < n; i++) {
            totals[i] += counters[i];
        }

        counters = (ngx_atomic_t *) ((u_char *) counters + sh->stripe_size);
    }
}


void
ngx_http_katalo_zone_init_columns(ngx_http_katalo_usage_t *usage)
{
    ngx_str_t   *name;
    ngx_uint_t   i, n;

    n = NGX_HTTP_KATALO_BUILTIN + usage->conf->operations.nelts;

    for (i = 0; i < n; i++) {

        if (i < NGX_HTTP_KATALO_BUILTIN) {
            usage->columns[i] = i;
            continue;
        }

        name = ngx_http_katalo_operation_name(usage->conf, i);
        usage->columns[i] = ngx_http_katalo_zone_column(usage->sh, name);

        if (usage->columns[i] == NGX_HTTP_KATALO_OTHER) {
            ngx_log_error(NGX_LOG_WARN, usage->cycle->log, 0,
                          "katalo: operation \"%V\" is counted as \"other\": "
                          "%d names were in use since nginx was started",
                          name, NGX_HTTP_KATALO_CUSTOM);
        }
    }
}


static ngx_uint_t
ngx_http_katalo_zone_column(ngx_http_katalo_sh_t *sh, ngx_str_t *name)
{
    ngx_uint_t                       i;
    ngx_http_katalo_sh_operation_t  *column;

    for (i = 0; i < NGX_HTTP_KATALO_CUSTOM; i++) {
        column = &sh->operations[i];

        if (column->name.len == 0) {
            ngx_memcpy(column->data, name->data, name->len);

            ngx_memory_barrier();

            column->name.len = name->len;
        }

        if (column->name.len == name->len
            && ngx_memcmp(column->data, name->data, name->len) == 0)
        {
            return NGX_HTTP_KATALO_BUILTIN + i;
        }
    }

    return NGX_HTTP_KATALO_OTHER;
}


ngx_str_t *
ngx_http_katalo_zone_operation(ngx_http_katalo_usage_t *usage,
    ngx_uint_t column)
{
    if (column < NGX_HTTP_KATALO_BUILTIN) {
        return ngx_http_katalo_operation_name(usage->conf, column);
    }

    return &usage->sh->operations[column - NGX_HTTP_KATALO_BUILTIN].name;
}
