
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * Each worker looks at the file of each key, unless another one has just seen
 * what it knows already: whoever comes first in an interval makes the system
 * call, and none depends on another one that may be gone.  A key is installed,
 * or dropped, only when its file has come to rest, so that one written in
 * place is not taken half-written.
 */


#include "ngx_http_katalo_rotation.h"


/*
 * Milliseconds: for a file that took the place of another, or was emptied; and
 * for one that is written over in place.
 */
#define NGX_HTTP_KATALO_ROTATION_REST      100
#define NGX_HTTP_KATALO_ROTATION_IN_PLACE  1000

/* milliseconds of work before other events; files until the clock is read */
#define NGX_HTTP_KATALO_ROTATION_WORK      2
#define NGX_HTTP_KATALO_ROTATION_SOME      8


static ngx_uint_t ngx_http_katalo_rotation_seen(
    ngx_http_katalo_rotation_t *rotation);
static ngx_msec_t ngx_http_katalo_rotation_rest(
    ngx_http_katalo_rotation_t *rotation, ngx_file_info_t *fi,
    ngx_http_katalo_file_id_t *id);


void
ngx_http_katalo_rotation_check(ngx_http_katalo_key_t *key)
{
    ngx_http_katalo_rotation_t  *rotation;

    rotation = key->rotation;

    if (rotation) {
        rotation->asked = 1;

        ngx_http_katalo_rotation_later(&rotation->look, 0);

        ngx_post_event(&rotation->look.schedule->event, &ngx_posted_events);
    }
}


/*
 * In its phase of the next interval.  That depends on the clock only: what was
 * once looked at late does not stay so, and the groups keep apart.
 */

void
ngx_http_katalo_rotation_next(ngx_http_katalo_look_t *look)
{
    ngx_msec_t  check;

    check = look->check;

    ngx_http_katalo_rotation_later(look,
        check - (ngx_current_msec + check - look->phase) % check);
}


void
ngx_http_katalo_rotation_later(ngx_http_katalo_look_t *look, ngx_msec_t wait)
{
    if (look->scheduled) {
        ngx_rbtree_delete(&look->schedule->looks, &look->node);
    }

    look->scheduled = 1;
    look->node.key = ngx_current_msec + wait;

    ngx_rbtree_insert(&look->schedule->looks, &look->node);
}


void
ngx_http_katalo_rotation_handler(ngx_event_t *ev)
{
    ngx_msec_t                   rest, started;
    ngx_msec_int_t               left;
    ngx_rbtree_node_t           *node;
    ngx_http_katalo_look_t      *look;
    ngx_http_katalo_schedule_t  *schedule;
    ngx_http_katalo_rotation_t  *rotation;

    schedule = ev->data;

    started = ngx_current_msec;

    for ( ;; ) {
        node = ngx_rbtree_min(schedule->looks.root, &schedule->sentinel);
        left = (ngx_msec_int_t) (node->key - ngx_current_msec);

        if (left > 0) {
            break;
        }

        if (ngx_current_msec - started >= NGX_HTTP_KATALO_ROTATION_WORK) {
            left = 1;
            break;
        }

        look = ngx_rbtree_data(node, ngx_http_katalo_look_t, node);

        rotation = &look->rotations[look->next];

        if (++look->next == look->n) {
            look->next = 0;
            look->scheduled = 0;

            ngx_rbtree_delete(&schedule->looks, node);

            if (look->check) {
                ngx_http_katalo_rotation_next(look);
            }
        }

        rest = ngx_http_katalo_rotation_seen(rotation)
               ? 0 : ngx_http_katalo_rotation_look(rotation);

        ngx_http_katalo_usage_retry(rotation->key);

        if (look->next % NGX_HTTP_KATALO_ROTATION_SOME == 0) {
            ngx_time_update();
        }

        if (rest) {
            ngx_http_katalo_rotation_later(&rotation->look, rest);
        }
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

ngx_msec_t
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

    ngx_time_update();

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
