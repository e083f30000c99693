
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_consumers_zone.h"
#include "ngx_http_katalo_key.h"
#include "ngx_http_katalo_rows.h"
#include "ngx_http_katalo_state.h"
#include "ngx_http_katalo_stripes.h"
#include "ngx_http_katalo_usage_log.h"
#include "ngx_http_katalo_usage_zone.h"


static ngx_int_t ngx_http_katalo_usage_zone_create(ngx_shm_zone_t *shm_zone,
    void *data);
static ngx_int_t ngx_http_katalo_usage_zone_too_small(
    ngx_shm_zone_t *shm_zone, ngx_http_katalo_usage_t *usage);
static ngx_uint_t ngx_http_katalo_usage_zone_workers(
    ngx_http_katalo_usage_t *usage);


ngx_int_t
ngx_http_katalo_usage_zone_add(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_main_conf_t *old)
{
    ngx_uint_t                i, fresh;
    ngx_shm_zone_t           *shm_zone;
    ngx_http_katalo_key_t   **key;
    ngx_http_katalo_usage_t  *usage;

    static ngx_str_t  name = ngx_string("ngx_http_katalo_usage");

    usage = ngx_pcalloc(cf->pool, sizeof(ngx_http_katalo_usage_t));
    if (usage == NULL) {
        return NGX_ERROR;
    }

    usage->cycle = cf->cycle;
    usage->conf = kmcf;
    usage->log = kmcf->usage_log;

    kmcf->usage = usage;

    key = kmcf->keys.elts;

    for (i = 0; i < kmcf->keys.nelts; i++) {
        key[i]->usage = usage;
    }

    if (kmcf->zone_size == 0) {
        kmcf->zone_size = 1024 * 1024;
    }

    if (kmcf->consumers == 0) {
        kmcf->consumers = 256;
    }

    /* the counts of ids and those of consumers belong together */

    fresh = (old == NULL || old->zone_size != kmcf->zone_size
             || old->consumers != kmcf->consumers);

    shm_zone = ngx_shared_memory_add(cf, &name, kmcf->zone_size,
                                     &ngx_http_katalo_module);
    if (shm_zone == NULL) {
        return NGX_ERROR;
    }

    shm_zone->init = ngx_http_katalo_usage_zone_create;
    shm_zone->data = usage;
    shm_zone->noreuse = fresh;

    usage->zones[0] = shm_zone;
    usage->replaced = (fresh && old) ? old->usage : NULL;

    return ngx_http_katalo_consumers_zone_add(cf, usage, kmcf->consumers,
                                              fresh);
}


static ngx_int_t
ngx_http_katalo_usage_zone_create(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_katalo_usage_t *old = data;

    ngx_int_t                 rc;
    ngx_uint_t                keys;
    ngx_http_katalo_usage_t  *usage;

    /* newer nginx gives a new zone the data of the old one, too */

    if (shm_zone->noreuse) {
        old = NULL;
    }

    usage = shm_zone->data;
    usage->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    keys = usage->conf->keys.nelts;

    if (old) {
        usage->sh = old->sh;
        usage->process = old->process;
        usage->place = old->place;

        rc = (usage->sh->rows < keys) ? NGX_DECLINED : NGX_OK;

    } else {
        rc = ngx_http_katalo_zone_create(usage,
                                     ngx_http_katalo_usage_zone_workers(usage),
                                     keys);
    }

    if (rc == NGX_DECLINED) {
        return ngx_http_katalo_usage_zone_too_small(shm_zone, usage);
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    usage->keys = (old && old->process)
                  ? old->keys : ngx_http_katalo_zone_key_stripe(usage->sh, 0);
    usage->ids = (old && old->process)
                 ? old->ids : ngx_http_katalo_zone_id_stripe(usage->sh, 0);

    usage->alive = ngx_pcalloc(usage->cycle->pool,
                               usage->sh->stripes * sizeof(ngx_uint_t));
    if (usage->alive == NULL) {
        return NGX_ERROR;
    }

    return usage->log ? ngx_http_katalo_usage_log_open(usage->cycle, usage->log)
                      : NGX_OK;
}


/* the default size has no directive: the last key's place is named */

static ngx_int_t
ngx_http_katalo_usage_zone_too_small(ngx_shm_zone_t *shm_zone,
    ngx_http_katalo_usage_t *usage)
{
    size_t                        need;
    ngx_uint_t                    keys;
    ngx_http_katalo_key_t       **key;
    ngx_http_katalo_place_t      *place;
    ngx_http_katalo_main_conf_t  *kmcf;

    kmcf = usage->conf;
    keys = kmcf->keys.nelts;
    key = kmcf->keys.elts;

    place = kmcf->zone_place.line ? &kmcf->zone_place : &key[keys - 1]->place;
    need = ngx_http_katalo_zone_need(keys,
                                    ngx_http_katalo_usage_zone_workers(usage));

    /* another size makes a new zone, in place of one for more workers */

    need = ngx_max(need, kmcf->zone_size);

    ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                  "\"katalo_zone\" is too small for %ui keys, set "
                  "\"katalo_zone %uzk\" or more in %V:%ui",
                  keys, need / 1024 + 1, &place->file, place->line);

    return NGX_ERROR;
}


static ngx_uint_t
ngx_http_katalo_usage_zone_workers(ngx_http_katalo_usage_t *usage)
{
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(usage->cycle->conf_ctx,
                                           ngx_core_module);

    return ccf->worker_processes;
}


void
ngx_http_katalo_usage_zone_init(ngx_http_katalo_usage_t *usage)
{
    ngx_uint_t               i, missing;
    ngx_http_katalo_key_t  **key;

    /* the new configuration is in use: nginx frees the zones of the old one */

    if (usage->replaced) {
        usage->replaced->zones[0]->noreuse = 1;
        usage->replaced->zones[1]->noreuse = 1;
    }

    /* only now: nginx frees new zones of a configuration that is refused */

    usage->zones[0]->noreuse = 0;
    usage->zones[1]->noreuse = 0;

    ngx_http_katalo_zone_lock(usage);

    usage->generation = ++usage->sh->generation;

    ngx_http_katalo_usage_log_init(usage);
    missing = ngx_http_katalo_rows_init(usage);

    ngx_http_katalo_zone_unlock(usage);

    if (missing) {
        ngx_log_error(NGX_LOG_ERR, usage->cycle->log, 0,
                      "katalo: \"katalo_zone\" is full of keys that old "
                      "worker processes still use, or whose counts the usage "
                      "log does not have yet: requests with %ui other keys "
                      "are not counted by key until there is room, set a "
                      "larger \"katalo_zone\"", missing);
    }

    ngx_http_katalo_zone_init_columns(usage);

    key = usage->conf->keys.elts;

    for (i = 0; i < usage->conf->keys.nelts; i++) {
        ngx_http_katalo_state_publish(key[i]);

        if (key[i]->broken) {
            ngx_http_katalo_state_read_failed(key[i], key[i]->error.err);
        }
    }
}


void
ngx_http_katalo_usage_zone_init_process(ngx_http_katalo_usage_t *usage)
{
    ngx_uint_t               i;
    ngx_http_katalo_key_t  **key;

    ngx_http_katalo_zone_lock(usage);

    ngx_http_katalo_stripes_join(usage);
    ngx_http_katalo_rows_init_process(usage);

    key = usage->conf->keys.elts;

    for (i = 0; i < usage->conf->keys.nelts; i++) {
        if (ngx_http_katalo_key_usable(key[i])) {
            ngx_http_katalo_state_take(key[i]);
        }
    }

    ngx_http_katalo_zone_unlock(usage);

    for (i = 0; i < usage->conf->keys.nelts; i++) {
        ngx_http_katalo_state_log_full(key[i]);
    }

    ngx_http_katalo_usage_log_init_process(usage);
}


void
ngx_http_katalo_usage_zone_exit_process(ngx_http_katalo_usage_t *usage)
{
    if (usage->process == NULL) {
        return;
    }

    ngx_http_katalo_usage_log_exit(usage);
    ngx_http_katalo_stripes_leave(usage);
}
