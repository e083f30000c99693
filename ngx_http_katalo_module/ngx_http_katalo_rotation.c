
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * Each worker looks at the file of each key, unless another one has just seen
 * what it knows already: whoever comes first in an interval makes the system
 * call, and none depends on another one that may be gone.  A key is installed,
 * or dropped, only when its file has come to rest, so that one written in
 * place is not taken half-written.  What the master read may have been
 * replaced when it starts a worker, so that looks, and waits, before it serves.
 */


#include "ngx_http_katalo_rotation.h"


/*
 * Milliseconds: for a file that took the place of another, or was emptied; for
 * one that is written over in place; and for one that goes on changing.
 */
#define NGX_HTTP_KATALO_ROTATION_REST      100
#define NGX_HTTP_KATALO_ROTATION_IN_PLACE  1000
#define NGX_HTTP_KATALO_ROTATION_LIMIT     1500

/*
 * Files that are looked at together; milliseconds of work before other events,
 * and between one worker and the next.
 */
#define NGX_HTTP_KATALO_ROTATION_GROUP     128
#define NGX_HTTP_KATALO_ROTATION_WORK      2
#define NGX_HTTP_KATALO_ROTATION_APART     10


static ngx_http_katalo_schedule_t *ngx_http_katalo_rotation_schedule(
    ngx_cycle_t *cycle);
static ngx_int_t ngx_http_katalo_rotation_start(ngx_cycle_t *cycle,
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_key_t *key,
    ngx_msec_t *wait, ngx_msec_t *rest);
static ngx_msec_t ngx_http_katalo_rotation_phase(ngx_cycle_t *cycle,
    ngx_http_katalo_main_conf_t *kmcf, ngx_uint_t i);
static void ngx_http_katalo_rotation_readable(
    ngx_http_katalo_rotation_t *rotation);
static void ngx_http_katalo_rotation_later(
    ngx_http_katalo_rotation_t *rotation, ngx_msec_t rest);
static void ngx_http_katalo_rotation_handler(ngx_event_t *ev);
static ngx_uint_t ngx_http_katalo_rotation_seen(
    ngx_http_katalo_rotation_t *rotation);
static ngx_msec_t ngx_http_katalo_rotation_look(
    ngx_http_katalo_rotation_t *rotation);
static ngx_msec_t ngx_http_katalo_rotation_rest(
    ngx_http_katalo_rotation_t *rotation, ngx_file_info_t *fi,
    ngx_http_katalo_file_id_t *id);


ngx_int_t
ngx_http_katalo_rotation_init_process(ngx_cycle_t *cycle,
    ngx_http_katalo_main_conf_t *kmcf)
{
    ngx_msec_t                   wait, rest;
    ngx_uint_t                   i;
    ngx_http_katalo_key_t      **key;
    ngx_http_katalo_schedule_t  *schedule;

    schedule = ngx_http_katalo_rotation_schedule(cycle);
    if (schedule == NULL) {
        return NGX_ERROR;
    }

    /* for all files together */

    wait = NGX_HTTP_KATALO_ROTATION_LIMIT;

    key = kmcf->keys.elts;

    for (i = 0; i < kmcf->keys.nelts; i++) {

        if (key[i]->check == 0) {
            continue;
        }

        if (ngx_http_katalo_rotation_start(cycle, kmcf, key[i], &wait, &rest)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        key[i]->rotation->schedule = schedule;
        key[i]->rotation->phase = ngx_http_katalo_rotation_phase(cycle, kmcf,
                                                                 i);

        ngx_http_katalo_rotation_later(key[i]->rotation, rest);
    }

    if (schedule->rotations.root != &schedule->sentinel) {
        ngx_add_timer(&schedule->event, 0);
    }

    return NGX_OK;
}


static ngx_http_katalo_schedule_t *
ngx_http_katalo_rotation_schedule(ngx_cycle_t *cycle)
{
    ngx_http_katalo_schedule_t  *schedule;

    schedule = ngx_pcalloc(cycle->pool, sizeof(ngx_http_katalo_schedule_t));
    if (schedule == NULL) {
        return NULL;
    }

    ngx_rbtree_init(&schedule->rotations, &schedule->sentinel,
                    ngx_rbtree_insert_timer_value);

    schedule->event.handler = ngx_http_katalo_rotation_handler;
    schedule->event.data = schedule;
    schedule->event.log = cycle->log;
    schedule->event.cancelable = 1;

    return schedule;
}


static ngx_int_t
ngx_http_katalo_rotation_start(ngx_cycle_t *cycle,
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_key_t *key,
    ngx_msec_t *wait, ngx_msec_t *rest)
{
    ngx_http_katalo_rotation_t  *rotation;

    rotation = ngx_pcalloc(cycle->pool, sizeof(ngx_http_katalo_rotation_t));
    if (rotation == NULL) {
        return NGX_ERROR;
    }

    rotation->key = key;
    rotation->vault = kmcf->vault;
    rotation->known = key->file_id;

    rotation->log = cycle->log;

    key->rotation = rotation;

    ngx_http_katalo_rotation_readable(rotation);

    *rest = ngx_http_katalo_rotation_look(rotation);

    while (*rest && *wait) {
        *wait -= ngx_min(*wait, *rest);

        ngx_msleep(*rest);
        ngx_time_update();

        *rest = ngx_http_katalo_rotation_look(rotation);
    }

    /* a key that was replaced or revoked since does not come back */

    if (rotation->failed
        && ngx_http_katalo_key_usable(key)
        && !ngx_http_katalo_usage_current(key))
    {
        ngx_log_error(NGX_LOG_ERR, cycle->log, 0,
                      "katalo: key \"%V\" id \"%V\" is not used, it was "
                      "replaced or revoked since nginx read \"%V\"",
                      &key->name, &key->id, &key->path);

        ngx_http_katalo_key_revoke(key);
    }

    return NGX_OK;
}


/*
 * The files are not all looked at at once, and a worker looks a little later
 * than the one before, whose look it can then rely on.
 */

static ngx_msec_t
ngx_http_katalo_rotation_phase(ngx_cycle_t *cycle,
    ngx_http_katalo_main_conf_t *kmcf, ngx_uint_t i)
{
    ngx_msec_t               check, apart;
    ngx_core_conf_t         *ccf;
    ngx_http_katalo_key_t  **key;

    key = kmcf->keys.elts;
    check = key[i]->check;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    apart = ngx_min(NGX_HTTP_KATALO_ROTATION_APART,
                    check / 4 / ngx_max(ccf->worker_processes, 1));

    i -= i % NGX_HTTP_KATALO_ROTATION_GROUP;

    return ((uint64_t) check * i / kmcf->keys.nelts + apart * ngx_worker)
           % check;
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


void
ngx_http_katalo_rotation_check(ngx_http_katalo_key_t *key)
{
    ngx_http_katalo_rotation_t  *rotation;

    rotation = key->rotation;

    if (rotation) {
        rotation->asked = 1;

        ngx_rbtree_delete(&rotation->schedule->rotations, &rotation->node);

        rotation->node.key = ngx_current_msec;

        ngx_rbtree_insert(&rotation->schedule->rotations, &rotation->node);

        ngx_post_event(&rotation->schedule->event, &ngx_posted_events);
    }
}


/*
 * After "rest" milliseconds, or in its phase of the next interval.  That
 * depends on the clock only: what was once looked at late does not stay so,
 * and the groups keep apart.
 */

static void
ngx_http_katalo_rotation_later(ngx_http_katalo_rotation_t *rotation,
    ngx_msec_t rest)
{
    ngx_msec_t  check;

    if (rest == 0) {
        check = rotation->key->check;
        rest = check - (ngx_current_msec + check - rotation->phase) % check;
    }

    rotation->node.key = ngx_current_msec + rest;

    ngx_rbtree_insert(&rotation->schedule->rotations, &rotation->node);
}


static void
ngx_http_katalo_rotation_handler(ngx_event_t *ev)
{
    ngx_msec_t                   rest, started;
    ngx_msec_int_t               left;
    ngx_rbtree_node_t           *node;
    ngx_http_katalo_schedule_t  *schedule;
    ngx_http_katalo_rotation_t  *rotation;

    schedule = ev->data;

    started = ngx_current_msec;

    for ( ;; ) {
        node = ngx_rbtree_min(schedule->rotations.root, &schedule->sentinel);
        left = (ngx_msec_int_t) (node->key - ngx_current_msec);

        if (left > 0) {
            break;
        }

        if (ngx_current_msec - started >= NGX_HTTP_KATALO_ROTATION_WORK) {
            left = 1;
            break;
        }

        rotation = ngx_rbtree_data(node, ngx_http_katalo_rotation_t, node);

        ngx_rbtree_delete(&schedule->rotations, node);

        rest = ngx_http_katalo_rotation_seen(rotation)
               ? 0 : ngx_http_katalo_rotation_look(rotation);

        ngx_http_katalo_usage_retry(rotation->key);

        ngx_time_update();

        ngx_http_katalo_rotation_later(rotation, rest);
    }

    /* a timer that is set would not be moved by less than 300 ms */

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    ev->timedout = 0;

    ngx_add_timer(ev, left);
}


/* another worker has just seen that the file is still the same */

static ngx_uint_t
ngx_http_katalo_rotation_seen(ngx_http_katalo_rotation_t *rotation)
{
    if (rotation->asked || rotation->moving || rotation->known_err) {
        rotation->asked = 0;
        return 0;
    }

    return ngx_http_katalo_usage_seen(rotation->key, &rotation->known);
}


/* returns when to look again, if the file is not at rest */

static ngx_msec_t
ngx_http_katalo_rotation_look(ngx_http_katalo_rotation_t *rotation)
{
    ngx_msec_t                  rest;
    ngx_file_info_t             fi;
    ngx_http_katalo_key_t      *key;
    ngx_http_katalo_file_id_t   id;

    key = rotation->key;

    if (ngx_file_info(key->path.data, &fi) == NGX_FILE_ERROR) {
        rotation->moving = 0;
        ngx_http_katalo_rotation_missing(rotation, ngx_errno);
        return 0;
    }

    ngx_http_katalo_key_file_id(&fi, &id);

    if (ngx_http_katalo_rotation_same(&id, &rotation->known)
        && rotation->known_err == 0)
    {
        rotation->moving = 0;
        ngx_http_katalo_usage_see(key, &id);
        return 0;
    }

    rest = ngx_http_katalo_rotation_rest(rotation, &fi, &id);

    if (rest) {
        return rest;
    }

    rotation->moving = 0;
    rotation->known = id;
    rotation->known_err = 0;

    ngx_http_katalo_rotation_install(rotation);

    return 0;
}


/*
 * For how long it must stay as it is.  The clock of a file server may differ,
 * so what does not change before the eyes of this process is at rest as well.
 */

static ngx_msec_t
ngx_http_katalo_rotation_rest(ngx_http_katalo_rotation_t *rotation,
    ngx_file_info_t *fi, ngx_http_katalo_file_id_t *id)
{
    int64_t      age;
    ngx_msec_t   rest, seen, moving;
    ngx_time_t  *tp;

    if (!rotation->moving) {
        rotation->moving = 1;
        rotation->moving_since = ngx_current_msec;
    }

    if (!ngx_http_katalo_rotation_same(id, &rotation->seen)) {
        rotation->seen = *id;
        rotation->seen_since = ngx_current_msec;
    }

    rest = NGX_HTTP_KATALO_ROTATION_REST;

    if (id->size
        && id->dev == rotation->known.dev
        && id->ino == rotation->known.ino)
    {
        rest = NGX_HTTP_KATALO_ROTATION_IN_PLACE;
    }

    tp = ngx_timeofday();

    age = ((int64_t) tp->sec - fi->st_mtim.tv_sec) * 1000
          + (int64_t) tp->msec - fi->st_mtim.tv_nsec / 1000000;

    seen = ngx_current_msec - rotation->seen_since;

    moving = ngx_current_msec - rotation->moving_since;

    if (age > (int64_t) rest || seen > rest
        || moving > NGX_HTTP_KATALO_ROTATION_LIMIT)
    {
        return 0;
    }

    rest -= ngx_max(seen, (ngx_msec_t) ngx_max(age, 0));

    return ngx_min(rest, NGX_HTTP_KATALO_ROTATION_LIMIT - moving) + 1;
}
