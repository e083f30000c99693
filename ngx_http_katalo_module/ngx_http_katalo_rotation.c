
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * Each worker looks at all key files by itself: before it serves its first
 * request, since the master may have read them long ago, and then every "check"
 * interval.  Keys with the same interval have one timer.
 */


#include "ngx_http_katalo_key.h"
#include "ngx_http_katalo_rotation.h"
#include "ngx_http_katalo_usage.h"


/* milliseconds of looks between other events */
#define NGX_HTTP_KATALO_ROTATION_SLICE  2


struct ngx_http_katalo_rotation_timer_s {
    ngx_event_t                   event;
    ngx_cycle_t                  *cycle;
    ngx_http_katalo_main_conf_t  *conf;
    ngx_msec_t                    check;
    ngx_msec_t                    due;      /* the time to look at all files */
    ngx_uint_t                    next;     /* key; 0: a walk begins */
    unsigned                      all:1;    /* files, in this walk */
    unsigned                      soon:1;   /* some are not at rest */
};


static ngx_http_katalo_rotation_timer_t *ngx_http_katalo_rotation_timer(
    ngx_cycle_t *cycle, ngx_http_katalo_main_conf_t *kmcf, ngx_msec_t check);
static void ngx_http_katalo_rotation_stop(void *data);
static void ngx_http_katalo_rotation_handler(ngx_event_t *ev);
static void ngx_http_katalo_rotation_walk(
    ngx_http_katalo_rotation_timer_t *timer);


ngx_int_t
ngx_http_katalo_rotation_init_process(ngx_cycle_t *cycle,
    ngx_http_katalo_main_conf_t *kmcf)
{
    ngx_msec_t                    wait;
    ngx_uint_t                    i;
    ngx_http_katalo_key_t       **key;
    ngx_http_katalo_rotation_t   *rotation;

    rotation = ngx_pcalloc(cycle->pool, kmcf->keys.nelts
                                        * sizeof(ngx_http_katalo_rotation_t));
    if (rotation == NULL) {
        return NGX_ERROR;
    }

    key = kmcf->keys.elts;
    wait = NGX_HTTP_KATALO_ROTATION_LIMIT;

    for (i = 0; i < kmcf->keys.nelts; i++) {

        if (key[i]->check == 0) {
            continue;
        }

        rotation->key = key[i];
        rotation->vault = kmcf->vault;
        rotation->log = cycle->log;
        rotation->timer = ngx_http_katalo_rotation_timer(cycle, kmcf,
                                                         key[i]->check);
        if (rotation->timer == NULL) {
            return NGX_ERROR;
        }

        ngx_http_katalo_rotation_begin(rotation, &wait);

        key[i]->rotation = rotation++;
    }

    return NGX_OK;
}


static ngx_http_katalo_rotation_timer_t *
ngx_http_katalo_rotation_timer(ngx_cycle_t *cycle,
    ngx_http_katalo_main_conf_t *kmcf, ngx_msec_t check)
{
    ngx_uint_t                         i;
    ngx_pool_cleanup_t                *cln;
    ngx_http_katalo_key_t            **key;
    ngx_http_katalo_rotation_timer_t  *timer;

    key = kmcf->keys.elts;

    for (i = 0; i < kmcf->keys.nelts; i++) {
        if (key[i]->rotation && key[i]->check == check) {
            return key[i]->rotation->timer;
        }
    }

    cln = ngx_pool_cleanup_add(cycle->pool,
                               sizeof(ngx_http_katalo_rotation_timer_t));
    if (cln == NULL) {
        return NULL;
    }

    timer = cln->data;

    ngx_memzero(timer, sizeof(ngx_http_katalo_rotation_timer_t));

    cln->handler = ngx_http_katalo_rotation_stop;

    timer->cycle = cycle;
    timer->conf = kmcf;
    timer->check = check;
    timer->due = ngx_current_msec + check;

    timer->event.handler = ngx_http_katalo_rotation_handler;
    timer->event.data = timer;
    timer->event.log = cycle->log;
    timer->event.cancelable = 1;

    ngx_add_timer(&timer->event, NGX_HTTP_KATALO_ROTATION_AGAIN);

    return timer;
}


static void
ngx_http_katalo_rotation_stop(void *data)
{
    ngx_http_katalo_rotation_timer_t *timer = data;

    if (timer->event.timer_set) {
        ngx_del_timer(&timer->event);
    }

    if (timer->event.posted) {
        ngx_delete_posted_event(&timer->event);
    }
}


void
ngx_http_katalo_rotation_check(ngx_http_katalo_key_t *key)
{
    ngx_http_katalo_rotation_t  *rotation;

    rotation = key->rotation;

    if (rotation) {
        rotation->soon = 1;
        rotation->timer->soon = 1;

        ngx_post_event(&rotation->timer->event, &ngx_posted_events);
    }
}


static void
ngx_http_katalo_rotation_handler(ngx_event_t *ev)
{
    ngx_msec_int_t                     wait;
    ngx_http_katalo_rotation_timer_t  *timer;

    timer = ev->data;

    /* a single process goes on with another configuration, and another zone */

    if (timer->cycle != ngx_cycle) {
        return;
    }

    if (timer->next == 0) {
        timer->soon = 0;
        timer->all = ((ngx_msec_int_t) (timer->due - ngx_current_msec) <= 0);

        if (timer->all) {
            timer->due = ngx_current_msec + timer->check;
        }
    }

    ngx_http_katalo_rotation_walk(timer);

    if (timer->next) {
        wait = 1;

    } else {
        wait = timer->due - ngx_current_msec;

        if (timer->soon) {
            wait = ngx_min(wait, NGX_HTTP_KATALO_ROTATION_AGAIN);
        }
    }

    /* ngx_add_timer() does not move a timer by less than 300 ms */

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    ngx_add_timer(ev, ngx_max(wait, 1));
}


static void
ngx_http_katalo_rotation_walk(ngx_http_katalo_rotation_timer_t *timer)
{
    ngx_msec_t                    started;
    ngx_http_katalo_key_t       **key;
    ngx_http_katalo_rotation_t   *rotation;

    key = timer->conf->keys.elts;
    started = ngx_current_msec;

    while (timer->next < timer->conf->keys.nelts) {
        rotation = key[timer->next++]->rotation;

        if (rotation == NULL
            || rotation->timer != timer
            || (!timer->all && !rotation->soon))
        {
            continue;
        }

        ngx_http_katalo_rotation_look(rotation);

        if (rotation->soon) {
            timer->soon = 1;
        }

        ngx_time_update();

        if (ngx_current_msec - started >= NGX_HTTP_KATALO_ROTATION_SLICE) {
            return;
        }
    }

    timer->next = 0;
}
