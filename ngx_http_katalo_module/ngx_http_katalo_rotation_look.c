
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * A file that has changed is read when it is at rest, that is, has not changed
 * for some time.  Otherwise a file that is written in place could be read when
 * it is half-written.
 */


#include "ngx_http_katalo_rotation.h"
#include "ngx_http_katalo_state.h"


/*
 * Milliseconds until a file is at rest: one that replaced another, or was
 * emptied, and one that is written in place.
 */
#define NGX_HTTP_KATALO_ROTATION_REST      100
#define NGX_HTTP_KATALO_ROTATION_IN_PLACE  1000


static void ngx_http_katalo_rotation_readable(
    ngx_http_katalo_rotation_t *rotation);
static void ngx_http_katalo_rotation_changed(
    ngx_http_katalo_rotation_t *rotation);
static ngx_uint_t ngx_http_katalo_rotation_moving(
    ngx_http_katalo_rotation_t *rotation, ngx_file_info_t *fi,
    ngx_http_katalo_file_id_t *id);
static void ngx_http_katalo_rotation_install(
    ngx_http_katalo_rotation_t *rotation);
static void ngx_http_katalo_rotation_log(ngx_http_katalo_rotation_t *rotation,
    ngx_str_t *old, ngx_uint_t was_usable);
static void ngx_http_katalo_rotation_failed(
    ngx_http_katalo_rotation_t *rotation, ngx_err_t err, const char *text);


static const char  ngx_http_katalo_rotation_missing[] = "could not be examined";


#define ngx_http_katalo_rotation_same(a, b)                                   \
    (ngx_memcmp(a, b, sizeof(ngx_http_katalo_file_id_t)) == 0)


void
ngx_http_katalo_rotation_begin(ngx_http_katalo_rotation_t *rotation,
    ngx_msec_t *wait)
{
    ngx_http_katalo_key_t  *key;

    key = rotation->key;

    /* logged by the master */

    if (key->broken) {
        rotation->failed = 1;
        rotation->error = key->error;
    }

    ngx_http_katalo_rotation_readable(rotation);

    ngx_http_katalo_rotation_look(rotation);

    while (rotation->soon && *wait) {
        ngx_msleep(NGX_HTTP_KATALO_ROTATION_AGAIN);
        ngx_time_update();

        *wait -= NGX_HTTP_KATALO_ROTATION_AGAIN;

        ngx_http_katalo_rotation_look(rotation);
    }

    /*
     * A replaced or revoked key must not be used again, whyever the file could
     * not be read.
     */

    if ((rotation->failed || rotation->unreadable || rotation->soon)
        && ngx_http_katalo_key_usable(key)
        && !ngx_http_katalo_state_current(key))
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
    ngx_http_katalo_key_t  *key;

    key = rotation->key;

    if (access((char *) key->path.data, R_OK) == 0 || ngx_errno != NGX_EACCES) {
        return;
    }

    rotation->unreadable = 1;

    ngx_http_katalo_state_unreadable(key);

    ngx_log_error(NGX_LOG_NOTICE, rotation->log, NGX_EACCES,
                  "katalo: key \"%V\" is rotated on reload only: this "
                  "process may not read \"%V\"", &key->name, &key->path);
}


void
ngx_http_katalo_rotation_look(ngx_http_katalo_rotation_t *rotation)
{
    ngx_http_katalo_key_t  *key;

    key = rotation->key;

    rotation->soon = 0;

    ngx_http_katalo_rotation_changed(rotation);

    ngx_http_katalo_state_retry(key);

    /* the state of a key that has got a row only now */

    if (key->placed) {
        key->placed = 0;

        if (rotation->failed) {
            ngx_http_katalo_state_read_failed(key, rotation->error.err);
        }

        if (rotation->unreadable) {
            ngx_http_katalo_state_unreadable(key);
        }
    }
}


static void
ngx_http_katalo_rotation_changed(ngx_http_katalo_rotation_t *rotation)
{
    ngx_file_info_t             fi;
    ngx_http_katalo_key_t      *key;
    ngx_http_katalo_file_id_t   id;

    key = rotation->key;

    if (ngx_file_info(key->path.data, &fi) == NGX_FILE_ERROR) {
        rotation->moving = 0;
        ngx_http_katalo_rotation_failed(rotation, ngx_errno,
                                        ngx_http_katalo_rotation_missing);
        return;
    }

    ngx_http_katalo_key_file_id(&fi, &id);

    if (ngx_http_katalo_rotation_same(&id, &key->file_id)) {
        rotation->moving = 0;

        if (!rotation->failed) {
            ngx_http_katalo_state_read_well(key);
        }

        return;
    }

    if (ngx_http_katalo_rotation_moving(rotation, &fi, &id)) {
        rotation->soon = 1;
        return;
    }

    rotation->moving = 0;
    key->file_id = id;

    ngx_http_katalo_rotation_install(rotation);
}


/*
 * The clock of a file server may differ from this one, so a file is also at
 * rest if this process has not seen it change for the same time.
 */

static ngx_uint_t
ngx_http_katalo_rotation_moving(ngx_http_katalo_rotation_t *rotation,
    ngx_file_info_t *fi, ngx_http_katalo_file_id_t *id)
{
    int64_t      age;
    ngx_msec_t   rest, now;
    ngx_time_t  *tp;
    ngx_uint_t   in_place;

    now = ngx_current_msec;

    if (!rotation->moving) {
        rotation->moving = 1;
        rotation->moving_since = now;
        rotation->seen_since = now;
        rotation->seen = *id;

    } else if (!ngx_http_katalo_rotation_same(id, &rotation->seen)) {
        rotation->seen_since = now;
        rotation->seen = *id;
    }

    in_place = (id->dev == rotation->key->file_id.dev
                && id->ino == rotation->key->file_id.ino);

    rest = (in_place && id->size) ? NGX_HTTP_KATALO_ROTATION_IN_PLACE
                                  : NGX_HTTP_KATALO_ROTATION_REST;

    tp = ngx_timeofday();

    age = ((int64_t) tp->sec - fi->st_mtim.tv_sec) * 1000
          + (int64_t) tp->msec - fi->st_mtim.tv_nsec / 1000000;

    /* a file that is being emptied has the time of before for a moment */

    if (in_place && id->size == 0) {
        age = 0;
    }

    return age <= (int64_t) rest
           && now - rotation->seen_since <= rest
           && now - rotation->moving_since <= NGX_HTTP_KATALO_ROTATION_LIMIT;
}


static void
ngx_http_katalo_rotation_install(ngx_http_katalo_rotation_t *rotation)
{
    u_char                        old[NGX_HTTP_KATALO_KEY_LEN];
    ngx_str_t                     old_id;
    ngx_uint_t                    was_usable;
    ngx_http_katalo_key_t        *key;
    ngx_http_katalo_key_error_t   error;

    key = rotation->key;

    old_id.len = key->id.len;
    old_id.data = old;
    ngx_memcpy(old, key->id.data, key->id.len);

    was_usable = ngx_http_katalo_key_usable(key);

    if (ngx_http_katalo_key_read(rotation->vault, key, &error) == NGX_ERROR) {
        ngx_http_katalo_rotation_failed(rotation, error.err, error.text);
        return;
    }

    if (rotation->failed) {
        ngx_log_error(NGX_LOG_NOTICE, rotation->log, 0,
                      "katalo: key \"%V\": \"%V\" is usable again",
                      &key->name, &key->path);
    }

    rotation->failed = 0;
    rotation->unreadable = 0;
    rotation->error.text = NULL;

    ngx_http_katalo_state_publish(key);

    ngx_http_katalo_rotation_log(rotation, &old_id, was_usable);
}


static void
ngx_http_katalo_rotation_log(ngx_http_katalo_rotation_t *rotation,
    ngx_str_t *old, ngx_uint_t was_usable)
{
    ngx_http_katalo_key_t  *key;

    key = rotation->key;

    if (!ngx_http_katalo_key_usable(key)) {

        if (was_usable) {
            ngx_log_error(NGX_LOG_WARN, rotation->log, 0,
                          "katalo: key \"%V\" id \"%V\" is revoked: \"%V\" is "
                          "empty", &key->name, old, &key->path);
        }

        return;
    }

    if (old->len
        && (old->len != key->id.len
            || ngx_memcmp(old->data, key->id.data, old->len) != 0))
    {
        ngx_log_error(NGX_LOG_NOTICE, rotation->log, 0,
                      "katalo: key \"%V\" is rotated from id \"%V\" to \"%V\"",
                      &key->name, old, &key->id);

    } else if (!was_usable) {
        ngx_log_error(NGX_LOG_NOTICE, rotation->log, 0,
                      "katalo: key \"%V\" id \"%V\" is usable%s",
                      &key->name, &key->id, old->len ? " again" : "");

    } else if (key->changed) {
        ngx_log_error(NGX_LOG_NOTICE, rotation->log, 0,
                      "katalo: key \"%V\" id \"%V\" has a new secret",
                      &key->name, old);
    }
}


/* the last good key is kept */

static void
ngx_http_katalo_rotation_failed(ngx_http_katalo_rotation_t *rotation,
    ngx_err_t err, const char *text)
{
    ngx_http_katalo_key_t  *key;

    key = rotation->key;

    if (rotation->unreadable && err == NGX_EACCES
        && text != ngx_http_katalo_rotation_missing)
    {
        ngx_log_error(NGX_LOG_NOTICE, rotation->log, err,
                      "katalo: key \"%V\": \"%V\" was changed, reload nginx "
                      "to use it", &key->name, &key->path);
        return;
    }

    /* system errors may end without a change of the file: look again */

    if (err) {
        ngx_memzero(&key->file_id, sizeof(ngx_http_katalo_file_id_t));
    }

    /* a directory that may not be searched is not a failure of the file */

    if ((rotation->unreadable && err == NGX_EACCES)
        || (rotation->error.err == err && rotation->error.text == text))
    {
        return;
    }

    rotation->failed = 1;
    rotation->error.err = err;
    rotation->error.text = text;

    ngx_http_katalo_state_read_failed(key, err);

    ngx_http_katalo_key_log_error(key, NGX_LOG_ERR, rotation->log,
                                  &rotation->error);
}
