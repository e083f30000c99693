
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_rotation.h"


static void ngx_http_katalo_rotation_failed(
    ngx_http_katalo_rotation_t *rotation, ngx_http_katalo_key_error_t *error);
static void ngx_http_katalo_rotation_log(ngx_http_katalo_key_t *key,
    ngx_str_t *old, ngx_uint_t was_usable);


void
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


void
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
        ngx_http_katalo_rotation_failed(rotation, &error);
        return;
    }

    if (rotation->failed) {
        rotation->failed = 0;

        ngx_log_error(NGX_LOG_NOTICE, rotation->log, 0,
                      "katalo: key \"%V\": \"%V\" is usable again",
                      &key->name, &key->path);
    }

    rotation->unreadable = 0;

    ngx_http_katalo_usage_publish(key);

    ngx_http_katalo_rotation_log(key, &old_id, was_usable);
}


static void
ngx_http_katalo_rotation_failed(ngx_http_katalo_rotation_t *rotation,
    ngx_http_katalo_key_error_t *error)
{
    ngx_http_katalo_key_t      *key;
    ngx_http_katalo_file_id_t   file;

    key = rotation->key;

    if (rotation->unreadable && error->err == NGX_EACCES) {
        ngx_log_error(NGX_LOG_NOTICE, rotation->log, error->err,
                      "katalo: key \"%V\": \"%V\" was changed, reload nginx "
                      "to use it", &key->name, &key->path);
        return;
    }

    /* a FIFO, say, changes while it stays as bad as it was */

    ngx_memzero(&file, sizeof(ngx_http_katalo_file_id_t));
    file.dev = rotation->known.dev;
    file.ino = rotation->known.ino;

    if (rotation->failed
        && rotation->error.err == error->err
        && rotation->error.text == error->text
        && ngx_http_katalo_rotation_same(&file, &rotation->error_file))
    {
        return;
    }

    rotation->failed = 1;
    rotation->error = *error;
    rotation->error_file = file;

    ngx_http_katalo_usage_read_failed(key, &file, error->err);

    ngx_http_katalo_key_log_error(key, NGX_LOG_ERR, rotation->log, error);
}


static void
ngx_http_katalo_rotation_log(ngx_http_katalo_key_t *key, ngx_str_t *old,
    ngx_uint_t was_usable)
{
    ngx_log_t  *log;

    log = key->rotation->log;

    if (!ngx_http_katalo_key_usable(key)) {

        if (was_usable) {
            ngx_log_error(NGX_LOG_WARN, log, 0,
                          "katalo: key \"%V\" id \"%V\" is revoked: \"%V\" is "
                          "empty", &key->name, old, &key->path);
        }

        return;
    }

    if (old->len == 0) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "katalo: key \"%V\" id \"%V\" is usable",
                      &key->name, &key->id);
        return;
    }

    if (old->len == key->id.len
        && ngx_memcmp(old->data, key->id.data, old->len) == 0)
    {
        if (!was_usable) {
            ngx_log_error(NGX_LOG_NOTICE, log, 0,
                          "katalo: key \"%V\" id \"%V\" is usable again",
                          &key->name, old);

        } else if (key->changed) {
            ngx_log_error(NGX_LOG_NOTICE, log, 0,
                          "katalo: key \"%V\" id \"%V\" has a new secret",
                          &key->name, old);
        }

        return;
    }

    ngx_log_error(NGX_LOG_NOTICE, log, 0,
                  "katalo: key \"%V\" is rotated from id \"%V\" to \"%V\"",
                  &key->name, old, &key->id);
}
