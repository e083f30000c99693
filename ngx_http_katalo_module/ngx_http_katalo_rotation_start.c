
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * What the master read may have been replaced when it starts a worker, so that
 * looks, and waits, before it serves.
 */


#include "ngx_http_katalo_rotation.h"


/*
 * Files that are looked at together; milliseconds between one worker and the
 * next.
 */
#define NGX_HTTP_KATALO_ROTATION_GROUP  128
#define NGX_HTTP_KATALO_ROTATION_APART  10


static ngx_http_katalo_schedule_t *ngx_http_katalo_rotation_schedule(
    ngx_cycle_t *cycle);
static ngx_int_t ngx_http_katalo_rotation_looks(ngx_cycle_t *cycle,
    ngx_http_katalo_rotation_t *rotations, ngx_uint_t n);
static void ngx_http_katalo_rotation_phase(ngx_cycle_t *cycle,
    ngx_http_katalo_look_t *look, ngx_msec_t phase);
static void ngx_http_katalo_rotation_start(
    ngx_http_katalo_rotation_t *rotation, ngx_msec_t *wait);
static void ngx_http_katalo_rotation_readable(
    ngx_http_katalo_rotation_t *rotation);


ngx_int_t
ngx_http_katalo_rotation_init_process(ngx_cycle_t *cycle,
    ngx_http_katalo_main_conf_t *kmcf)
{
    ngx_msec_t                    wait;
    ngx_uint_t                    i, n;
    ngx_http_katalo_key_t       **key;
    ngx_http_katalo_schedule_t   *schedule;
    ngx_http_katalo_rotation_t   *rotations, *rotation;

    schedule = ngx_http_katalo_rotation_schedule(cycle);
    if (schedule == NULL) {
        return NGX_ERROR;
    }

    rotations = ngx_pcalloc(cycle->pool, kmcf->keys.nelts
                                         * sizeof(ngx_http_katalo_rotation_t));
    if (rotations == NULL) {
        return NGX_ERROR;
    }

    /* for all files together */

    wait = NGX_HTTP_KATALO_ROTATION_LIMIT;

    key = kmcf->keys.elts;
    n = 0;

    for (i = 0; i < kmcf->keys.nelts; i++) {

        if (key[i]->check == 0) {
            continue;
        }

        rotation = &rotations[n++];

        rotation->key = key[i];
        rotation->vault = kmcf->vault;
        rotation->known = key[i]->file_id;
        rotation->log = cycle->log;

        rotation->look.schedule = schedule;
        rotation->look.rotations = rotation;
        rotation->look.n = 1;

        key[i]->rotation = rotation;

        ngx_http_katalo_rotation_start(rotation, &wait);
    }

    if (n == 0) {
        return NGX_OK;
    }

    ngx_add_timer(&schedule->event, 0);

    return ngx_http_katalo_rotation_looks(cycle, rotations, n);
}


static ngx_http_katalo_schedule_t *
ngx_http_katalo_rotation_schedule(ngx_cycle_t *cycle)
{
    ngx_http_katalo_schedule_t  *schedule;

    schedule = ngx_pcalloc(cycle->pool, sizeof(ngx_http_katalo_schedule_t));
    if (schedule == NULL) {
        return NULL;
    }

    ngx_rbtree_init(&schedule->looks, &schedule->sentinel,
                    ngx_rbtree_insert_timer_value);

    schedule->event.handler = ngx_http_katalo_rotation_handler;
    schedule->event.data = schedule;
    schedule->event.log = cycle->log;
    schedule->event.cancelable = 1;

    return schedule;
}


/* keys with the same interval, as far as they follow each other */

static ngx_int_t
ngx_http_katalo_rotation_looks(ngx_cycle_t *cycle,
    ngx_http_katalo_rotation_t *rotations, ngx_uint_t n)
{
    ngx_uint_t               i;
    ngx_msec_t               check;
    ngx_http_katalo_look_t  *look;

    look = NULL;

    for (i = 0; i < n; i++) {
        check = rotations[i].key->check;

        if (look
            && look->check == check
            && look->n < NGX_HTTP_KATALO_ROTATION_GROUP)
        {
            look->n++;
            continue;
        }

        look = ngx_pcalloc(cycle->pool, sizeof(ngx_http_katalo_look_t));
        if (look == NULL) {
            return NGX_ERROR;
        }

        look->schedule = rotations[i].look.schedule;
        look->rotations = &rotations[i];
        look->n = 1;
        look->check = check;

        ngx_http_katalo_rotation_phase(cycle, look, (uint64_t) check * i / n);

        ngx_http_katalo_rotation_next(look);
    }

    return NGX_OK;
}


/*
 * The files are not all looked at at once, and a worker looks a little later
 * than the one before, whose look it can then rely on.
 */

static void
ngx_http_katalo_rotation_phase(ngx_cycle_t *cycle,
    ngx_http_katalo_look_t *look, ngx_msec_t phase)
{
    ngx_msec_t        apart;
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    apart = ngx_min(NGX_HTTP_KATALO_ROTATION_APART,
                    look->check / 4 / ngx_max(ccf->worker_processes, 1));

    look->phase = (phase + apart * ngx_worker) % look->check;
}


static void
ngx_http_katalo_rotation_start(ngx_http_katalo_rotation_t *rotation,
    ngx_msec_t *wait)
{
    ngx_msec_t              rest;
    ngx_http_katalo_key_t  *key;

    key = rotation->key;

    ngx_http_katalo_rotation_readable(rotation);

    rest = ngx_http_katalo_rotation_look(rotation);

    while (rest && *wait) {
        *wait -= ngx_min(*wait, rest);

        ngx_msleep(rest);
        ngx_time_update();

        rest = ngx_http_katalo_rotation_look(rotation);
    }

    if (rest) {
        ngx_http_katalo_rotation_later(&rotation->look, rest);
    }

    /* a key that was replaced or revoked since does not come back */

    if (rotation->failed
        && ngx_http_katalo_key_usable(key)
        && !ngx_http_katalo_usage_current(key))
    {
        ngx_log_error(NGX_LOG_ERR, rotation->log, 0,
                      "katalo: key \"%V\" id \"%V\" is not used, it was "
                      "replaced or revoked since nginx read \"%V\"",
                      &key->name, &key->id, &key->path);

        ngx_http_katalo_key_revoke(key);
    }
}


static void
ngx_http_katalo_rotation_readable(ngx_http_katalo_rotation_t *rotation)
{
    ngx_file_info_t         fi;
    ngx_http_katalo_key_t  *key;

    key = rotation->key;

    if (access((char *) key->path.data, R_OK) == 0 || ngx_errno != NGX_EACCES) {
        return;
    }

    rotation->unreadable = 1;

    /* a directory that may not be searched hides its changes, too */

    if (ngx_file_info(key->path.data, &fi) == NGX_FILE_ERROR) {
        rotation->known_err = ngx_errno;
    }

    ngx_log_error(NGX_LOG_NOTICE, rotation->log, NGX_EACCES,
                  "katalo: key \"%V\" is rotated on reload only: this "
                  "process may not read \"%V\"", &key->name, &key->path);
}
