
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_zone.h"


static ngx_int_t ngx_http_katalo_usage_init_zone(ngx_shm_zone_t *shm_zone,
    void *data);
static ngx_int_t ngx_http_katalo_usage_too_small(ngx_shm_zone_t *shm_zone,
    ngx_http_katalo_usage_t *usage, ngx_uint_t stripes);
static ngx_int_t ngx_http_katalo_usage_create(ngx_shm_zone_t *shm_zone,
    ngx_http_katalo_usage_t *usage);
static size_t ngx_http_katalo_usage_size(ngx_uint_t rows, ngx_uint_t stripes);


char *
ngx_http_katalo_conf_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_katalo_main_conf_t *kmcf = conf;

    ssize_t     size;
    ngx_str_t  *value;

    if (kmcf->zone_size) {
        return "is duplicate";
    }

    if (ngx_http_katalo_conf_literal_key(cf)) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    size = ngx_parse_size(&value[1]);

    if (size == NGX_ERROR || size == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid size \"%V\" in \"katalo_zone\", use a "
                           "size such as \"1m\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (size < (ssize_t) (8 * ngx_pagesize)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"katalo_zone\" \"%V\" is too small, use at least "
                           "%uzk", &value[1], 8 * ngx_pagesize / 1024);
        return NGX_CONF_ERROR;
    }

    kmcf->zone_size = size;
    kmcf->zone_file = cf->conf_file->file.name;
    kmcf->zone_line = cf->conf_file->line;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_katalo_usage_add_zone(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf)
{
    ngx_uint_t                i;
    ngx_shm_zone_t           *shm_zone;
    ngx_http_katalo_key_t   **key;
    ngx_http_katalo_usage_t  *usage;

    static ngx_str_t  name = ngx_string("katalo_usage");

    usage = ngx_pcalloc(cf->pool, sizeof(ngx_http_katalo_usage_t));
    if (usage == NULL) {
        return NGX_ERROR;
    }

    usage->cycle = cf->cycle;
    usage->conf = kmcf;
    usage->log = kmcf->usage_log;

    if (usage->log) {
        usage->log->usage = usage;
    }

    kmcf->usage = usage;

    key = kmcf->keys.elts;

    for (i = 0; i < kmcf->keys.nelts; i++) {
        key[i]->usage = usage;
    }

    if (kmcf->zone_size == 0) {
        kmcf->zone_size = 1024 * 1024;
    }

    shm_zone = ngx_shared_memory_add(cf, &name, kmcf->zone_size,
                                     &ngx_http_katalo_module);
    if (shm_zone == NULL) {
        return NGX_ERROR;
    }

    shm_zone->init = ngx_http_katalo_usage_init_zone;
    shm_zone->data = usage;

    return NGX_OK;
}


static ngx_int_t
ngx_http_katalo_usage_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_katalo_usage_t *old = data;

    ngx_http_katalo_usage_t  *usage;

    usage = shm_zone->data;
    usage->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (old == NULL) {

        if (ngx_http_katalo_usage_create(shm_zone, usage) != NGX_OK) {
            return NGX_ERROR;
        }

    } else {
        usage->sh = old->sh;

        if (usage->sh->rows <= usage->conf->keys.nelts) {
            return ngx_http_katalo_usage_too_small(shm_zone, usage,
                                                   usage->sh->stripes);
        }
    }

    usage->alive = ngx_pcalloc(usage->cycle->pool,
                               usage->sh->stripes * sizeof(ngx_uint_t));
    if (usage->alive == NULL) {
        return NGX_ERROR;
    }

    if (old == NULL) {
        return NGX_OK;
    }

    return ngx_http_katalo_usage_log_inherit(usage, old);
}


/* the default size has no directive: the last key's place is named */

static ngx_int_t
ngx_http_katalo_usage_too_small(ngx_shm_zone_t *shm_zone,
    ngx_http_katalo_usage_t *usage, ngx_uint_t stripes)
{
    size_t                        need;
    ngx_str_t                    *file;
    ngx_uint_t                    line, keys;
    ngx_http_katalo_key_t       **key;
    ngx_http_katalo_main_conf_t  *kmcf;

    kmcf = usage->conf;
    keys = kmcf->keys.nelts;
    key = kmcf->keys.elts;

    file = kmcf->zone_line ? &kmcf->zone_file : &key[keys - 1]->conf_file;
    line = kmcf->zone_line ? kmcf->zone_line : key[keys - 1]->conf_line;

    need = ngx_http_katalo_usage_size(keys + 1, stripes);
    need += need / 64 + 8 * ngx_pagesize;

    ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                  "\"katalo_zone\" is too small for %ui keys, set "
                  "\"katalo_zone %uzk\" or more in %V:%ui",
                  keys, need / 1024 + 1, file, line);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_katalo_usage_create(ngx_shm_zone_t *shm_zone,
    ngx_http_katalo_usage_t *usage)
{
    size_t                 size;
    u_char                *p;
    ngx_uint_t             i, n, stripes;
    ngx_core_conf_t       *ccf;
    ngx_http_katalo_sh_t  *sh;

    ccf = (ngx_core_conf_t *) ngx_get_conf(usage->cycle->conf_ctx,
                                           ngx_core_module);

    stripes = ngx_http_katalo_usage_stripes(ngx_max(ccf->worker_processes, 1));

    size = (usage->shpool->pfree - 1) * ngx_pagesize;

    n = ngx_http_katalo_usage_size(1, stripes) - ngx_http_katalo_usage_size(0,
                                                                      stripes);
    n = size > ngx_http_katalo_usage_size(0, stripes)
        ? (size - ngx_http_katalo_usage_size(0, stripes)) / n : 0;

    if (n <= usage->conf->keys.nelts) {
        return ngx_http_katalo_usage_too_small(shm_zone, usage, stripes);
    }

    size = ngx_http_katalo_usage_size(n, stripes);

    p = ngx_slab_calloc(usage->shpool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    sh = (ngx_http_katalo_sh_t *) p;
    usage->sh = sh;
    usage->shpool->data = sh;

    sh->rows = n;
    sh->slots = n * NGX_HTTP_KATALO_IDS;
    sh->stripes = stripes;
    sh->stripe_size = sizeof(ngx_http_katalo_stripe_t)
                      + sh->rows * sizeof(ngx_http_katalo_key_stripe_t)
                      + sh->slots * sizeof(ngx_http_katalo_id_stripe_t);

    sh->stripe = ngx_align_ptr(p + sizeof(ngx_http_katalo_sh_t),
                               NGX_CPU_CACHE_LINE);
    sh->keys = (ngx_http_katalo_sh_key_t *)
               (sh->stripe + stripes * sh->stripe_size);
    sh->ids = (ngx_http_katalo_sh_id_t *) (sh->keys + sh->rows);

    for (i = 0; i < sh->rows; i++) {
        sh->keys[i].name.data = sh->keys[i].data;
        sh->keys[i].current = NGX_HTTP_KATALO_NONE;
        sh->keys[i].slots = NGX_HTTP_KATALO_NONE;
    }

    for (i = 0; i < sh->slots; i++) {
        sh->ids[i].id.data = sh->ids[i].data;
    }

    for (i = 0; i < NGX_HTTP_KATALO_CUSTOM; i++) {
        sh->operations[i].name.data = sh->operations[i].data;
    }

    return NGX_OK;
}


static size_t
ngx_http_katalo_usage_size(ngx_uint_t rows, ngx_uint_t stripes)
{
    return sizeof(ngx_http_katalo_sh_t) + NGX_CPU_CACHE_LINE
           + stripes * sizeof(ngx_http_katalo_stripe_t)
           + rows * (sizeof(ngx_http_katalo_sh_key_t)
                     + stripes * sizeof(ngx_http_katalo_key_stripe_t)
                     + NGX_HTTP_KATALO_IDS
                       * (sizeof(ngx_http_katalo_sh_id_t)
                          + stripes * sizeof(ngx_http_katalo_id_stripe_t)));
}


void
ngx_http_katalo_usage_init(ngx_http_katalo_usage_t *usage)
{
    ngx_uint_t               i;
    ngx_core_conf_t         *ccf;
    ngx_http_katalo_key_t  **key;

    ngx_http_katalo_usage_lock(usage);

    ngx_http_katalo_usage_log_init(usage);
    ngx_http_katalo_usage_init_rows(usage);
    ngx_http_katalo_usage_init_columns(usage);

    ngx_http_katalo_usage_unlock(usage);

    key = usage->conf->keys.elts;

    for (i = 0; i < usage->conf->keys.nelts; i++) {
        ngx_http_katalo_usage_publish(key[i]);
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(usage->cycle->conf_ctx,
                                           ngx_core_module);

    /* a single process does not initialize itself after a reload */

    if (!ccf->master && !ngx_test_config) {
        ngx_http_katalo_usage_init_process(usage);
    }
}


void
ngx_http_katalo_usage_init_process(ngx_http_katalo_usage_t *usage)
{
    ngx_uint_t               i, n;
    ngx_http_katalo_sh_t    *sh;
    ngx_http_katalo_key_t  **key;

    sh = usage->sh;

    ngx_http_katalo_usage_lock(usage);

    n = ngx_http_katalo_usage_join(sh, &usage->place);

    usage->keys = ngx_http_katalo_usage_key_stripe(sh, n);
    usage->ids = ngx_http_katalo_usage_id_stripe(sh, n);

    key = usage->conf->keys.elts;

    for (i = 0; i < usage->conf->keys.nelts; i++) {
        usage->keys[key[i]->row].held |= (ngx_uint_t) 1 << usage->place;
    }

    ngx_http_katalo_usage_unlock(usage);

    for (i = 0; i < usage->conf->keys.nelts; i++) {
        key[i]->slot = sh->slots - 1;
        ngx_http_katalo_usage_hold(key[i]);
    }

    ngx_http_katalo_usage_log_init_process(usage);
}


#if (NGX_HAVE_ATOMIC_OPS)

void
ngx_http_katalo_usage_lock(ngx_http_katalo_usage_t *usage)
{
    ngx_pid_t     pid;
    siginfo_t     info;
    ngx_shmtx_t  *mutex;

    mutex = &usage->shpool->mutex;

    if (ngx_process != NGX_PROCESS_MASTER) {
        ngx_shmtx_lock(mutex);
        return;
    }

    while (!ngx_shmtx_trylock(mutex)) {
        pid = (ngx_pid_t) *mutex->lock;
        info.si_pid = 0;

        if (pid
            && waitid(P_PID, pid, &info, WEXITED|WNOHANG|WNOWAIT) == 0
            && info.si_pid == pid)
        {
            (void) ngx_shmtx_force_unlock(mutex, pid);
            continue;
        }

        ngx_msleep(1);
    }
}

#else

void
ngx_http_katalo_usage_lock(ngx_http_katalo_usage_t *usage)
{
    ngx_shmtx_lock(&usage->shpool->mutex);
}

#endif


void
ngx_http_katalo_usage_unlock(ngx_http_katalo_usage_t *usage)
{
    ngx_shmtx_unlock(&usage->shpool->mutex);
}
