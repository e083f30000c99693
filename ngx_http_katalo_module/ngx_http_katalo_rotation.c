
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * Each worker looks at the file of each key by itself.  A key is installed,
 * or dropped, only when its file has come to rest: one that was written just
 * now is looked at once more, a moment later, so that a file written in place
 * is not taken half-written.
 */


#include "ngx_http_katalo.h"


#define NGX_HTTP_KATALO_ROTATION_REST  200      /* milliseconds */


struct ngx_http_katalo_rotation_s {
    ngx_event_t                     event;
    ngx_http_katalo_key_t          *key;
    ngx_http_katalo_vault_t        *vault;

    /* last dealt with, and last seen; err: why it could not be examined */
    ngx_http_katalo_file_id_t       known;
    ngx_err_t                       known_err;
    ngx_http_katalo_file_id_t       seen;

    unsigned                        unreadable:1;
    unsigned                        failed:1;
};


static void ngx_http_katalo_rotation_handler(ngx_event_t *ev);
static ngx_msec_t ngx_http_katalo_rotation_look(
    ngx_http_katalo_rotation_t *rotation);
static ngx_uint_t ngx_http_katalo_rotation_at_rest(ngx_file_info_t *fi);
static void ngx_http_katalo_rotation_missing(
    ngx_http_katalo_rotation_t *rotation, ngx_err_t err);
static void ngx_http_katalo_rotation_install(
    ngx_http_katalo_rotation_t *rotation);
static void ngx_http_katalo_rotation_failed(
    ngx_http_katalo_rotation_t *rotation, ngx_http_katalo_key_error_t *error);
static void ngx_http_katalo_rotation_log(ngx_http_katalo_key_t *key,
    ngx_str_t *old, ngx_uint_t was_usable);


#define ngx_http_katalo_rotation_same(a, b)                                   \
    (ngx_memcmp(a, b, sizeof(ngx_http_katalo_file_id_t)) == 0)


ngx_int_t
ngx_http_katalo_rotation_init_process(ngx_cycle_t *cycle,
    ngx_http_katalo_main_conf_t *kmcf)
{
    ngx_msec_t                    next;
    ngx_uint_t                    i;
    ngx_http_katalo_key_t        *key, **keyp;
    ngx_http_katalo_rotation_t   *rotation;

    keyp = kmcf->keys.elts;

    for (i = 0; i < kmcf->keys.nelts; i++) {
        key = keyp[i];

        if (key->check == 0) {
            continue;
        }

        rotation = ngx_pcalloc(cycle->pool, sizeof(ngx_http_katalo_rotation_t));
        if (rotation == NULL) {
            return NGX_ERROR;
        }

        rotation->key = key;
        rotation->vault = kmcf->vault;
        rotation->known = key->file_id;

        rotation->event.handler = ngx_http_katalo_rotation_handler;
        rotation->event.data = rotation;
        rotation->event.log = cycle->log;
        rotation->event.cancelable = 1;

        key->rotation = rotation;

        if (access((char *) key->path.data, R_OK) == -1
            && ngx_errno == NGX_EACCES)
        {
            rotation->unreadable = 1;

            ngx_log_error(NGX_LOG_NOTICE, cycle->log, NGX_EACCES,
                          "katalo: key \"%V\" is rotated on reload only: this "
                          "process may not read \"%V\"",
                          &key->name, &key->path);
        }

        /* what the master read may have been replaced since */

        next = ngx_http_katalo_rotation_look(rotation);

        /* later on, the files are not all looked at at once */

        ngx_add_timer(&rotation->event, next * (i + 1) / kmcf->keys.nelts);
    }

    return NGX_OK;
}


void
ngx_http_katalo_rotation_check(ngx_http_katalo_key_t *key)
{
    if (key->rotation) {
        ngx_post_event(&key->rotation->event, &ngx_posted_events);
    }
}


static void
ngx_http_katalo_rotation_handler(ngx_event_t *ev)
{
    ngx_msec_t                   next;
    ngx_http_katalo_rotation_t  *rotation;

    rotation = ev->data;

    next = ngx_http_katalo_rotation_look(rotation);

    ev->timedout = 0;

    ngx_add_timer(ev, next);
}


/* returns when to look again */

static ngx_msec_t
ngx_http_katalo_rotation_look(ngx_http_katalo_rotation_t *rotation)
{
    ngx_file_info_t             fi;
    ngx_http_katalo_key_t      *key;
    ngx_http_katalo_file_id_t   id;

    key = rotation->key;

    if (ngx_file_info(key->path.data, &fi) == NGX_FILE_ERROR) {
        ngx_http_katalo_rotation_missing(rotation, ngx_errno);
        return key->check;
    }

    ngx_http_katalo_key_file_id(&fi, &id);

    if (ngx_http_katalo_rotation_same(&id, &rotation->known)
        && rotation->known_err == 0)
    {
        return key->check;
    }

    if (ngx_http_katalo_rotation_at_rest(&fi)
        || ngx_http_katalo_rotation_same(&id, &rotation->seen))
    {
        rotation->known = id;
        rotation->known_err = 0;

        ngx_http_katalo_rotation_install(rotation);

        return key->check;
    }

    rotation->seen = id;

    return ngx_min(key->check, NGX_HTTP_KATALO_ROTATION_REST);
}


/* was it last written some time ago?  clocks of file servers may differ */

static ngx_uint_t
ngx_http_katalo_rotation_at_rest(ngx_file_info_t *fi)
{
    int64_t      age;
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    age = ((int64_t) tp->sec - fi->st_mtim.tv_sec) * 1000
          + (int64_t) tp->msec - fi->st_mtim.tv_nsec / 1000000;

    return age > NGX_HTTP_KATALO_ROTATION_REST;
}


static void
ngx_http_katalo_rotation_missing(ngx_http_katalo_rotation_t *rotation,
    ngx_err_t err)
{
    ngx_http_katalo_key_error_t  error;

    if (rotation->known_err == err) {
        return;
    }

    rotation->known_err = err;

    ngx_memzero(&rotation->known, sizeof(ngx_http_katalo_file_id_t));
    ngx_memzero(&rotation->seen, sizeof(ngx_http_katalo_file_id_t));

    error.err = err;
    error.text = "could not be examined";

    ngx_http_katalo_rotation_failed(rotation, &error);
}


static void
ngx_http_katalo_rotation_install(ngx_http_katalo_rotation_t *rotation)
{
    u_char                        old[NGX_HTTP_KATALO_KEY_LEN];
    ngx_int_t                     rc;
    ngx_str_t                     old_id;
    ngx_uint_t                    was_usable;
    ngx_http_katalo_key_t        *key;
    ngx_http_katalo_key_error_t   error;

    key = rotation->key;

    old_id.len = key->id.len;
    old_id.data = old;
    ngx_memcpy(old, key->id.data, key->id.len);

    was_usable = ngx_http_katalo_key_usable(key);

    rc = ngx_http_katalo_key_read(rotation->vault, key, &error);

    if (rc == NGX_ERROR) {
        ngx_http_katalo_rotation_failed(rotation, &error);
        return;
    }

    if (rotation->failed) {
        rotation->failed = 0;

        ngx_log_error(NGX_LOG_NOTICE, rotation->event.log, 0,
                      "katalo: key \"%V\": \"%V\" is usable again",
                      &key->name, &key->path);
    }

    rotation->unreadable = 0;
    key->rejected = 0;

    ngx_http_katalo_usage_publish(key);

    ngx_http_katalo_rotation_log(key, &old_id, was_usable);
}


static void
ngx_http_katalo_rotation_failed(ngx_http_katalo_rotation_t *rotation,
    ngx_http_katalo_key_error_t *error)
{
    ngx_http_katalo_key_t  *key;

    key = rotation->key;

    if (rotation->unreadable && error->err == NGX_EACCES) {
        ngx_log_error(NGX_LOG_NOTICE, rotation->event.log, error->err,
                      "katalo: key \"%V\": \"%V\" was changed, reload nginx "
                      "to use it", &key->name, &key->path);
        return;
    }

    rotation->failed = 1;

    ngx_http_katalo_usage_read_failed(key, &rotation->known, error->err);

    ngx_http_katalo_key_log_error(key, NGX_LOG_ERR, rotation->event.log, error);
}


static void
ngx_http_katalo_rotation_log(ngx_http_katalo_key_t *key, ngx_str_t *old,
    ngx_uint_t was_usable)
{
    ngx_log_t  *log;

    log = key->rotation->event.log;

    if (!ngx_http_katalo_key_usable(key)) {

        if (was_usable) {
            ngx_log_error(NGX_LOG_WARN, log, 0,
                          "katalo: key \"%V\" id \"%V\" is revoked: \"%V\" is "
                          "empty", &key->name, old, &key->path);
        }

        return;
    }

    if (old->len == key->id.len
        && ngx_memcmp(old->data, key->id.data, old->len) == 0)
    {
        if (!was_usable) {
            ngx_log_error(NGX_LOG_NOTICE, log, 0,
                          "katalo: key \"%V\" id \"%V\" is usable again",
                          &key->name, old);
        }

        return;
    }

    ngx_log_error(NGX_LOG_NOTICE, log, 0,
                  "katalo: key \"%V\" is rotated from id \"%V\" to \"%V\"",
                  &key->name, old, &key->id);
}
