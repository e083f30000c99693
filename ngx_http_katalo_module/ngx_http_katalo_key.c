
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_vault.h"

#include <openssl/crypto.h>


static ngx_int_t ngx_http_katalo_key_read_file(ngx_http_katalo_key_t *key,
    ngx_str_t *text, ngx_http_katalo_key_error_t *error);
static ngx_int_t ngx_http_katalo_key_read_env(ngx_http_katalo_key_t *key,
    ngx_str_t *text, ngx_http_katalo_key_error_t *error);
static ngx_int_t ngx_http_katalo_key_check(ngx_str_t *text, ngx_str_t *id,
    ngx_http_katalo_key_error_t *error);
static void ngx_http_katalo_key_install(ngx_http_katalo_key_t *key,
    ngx_http_katalo_cell_t *from, ngx_str_t *id);


ngx_str_t *
ngx_http_katalo_key_secret(ngx_http_katalo_key_t *key)
{
    return &key->cell->secret;
}


ngx_int_t
ngx_http_katalo_key_read(ngx_http_katalo_vault_t *vault,
    ngx_http_katalo_key_t *key, ngx_http_katalo_key_error_t *error)
{
    ngx_int_t                rc;
    ngx_str_t                text, id;
    ngx_http_katalo_cell_t  *spare;

    spare = vault->spare;

    text.len = 0;
    text.data = ngx_cpymem(spare->data, NGX_HTTP_KATALO_BEARER,
                           sizeof(NGX_HTTP_KATALO_BEARER) - 1);

    error->err = 0;

    rc = (key->source == NGX_HTTP_KATALO_SOURCE_ENV)
         ? ngx_http_katalo_key_read_env(key, &text, error)
         : ngx_http_katalo_key_read_file(key, &text, error);

    if (rc == NGX_OK) {
        rc = ngx_http_katalo_key_check(&text, &id, error);
    }

    if (rc == NGX_OK) {
        spare->secret.len = sizeof(NGX_HTTP_KATALO_BEARER) - 1 + text.len;
        ngx_http_katalo_key_install(key, spare, &id);
    }

    if (rc == NGX_DECLINED) {
        ngx_http_katalo_key_revoke(key);
    }

    OPENSSL_cleanse(spare, sizeof(ngx_http_katalo_cell_t));

    return rc;
}


static ngx_int_t
ngx_http_katalo_key_read_file(ngx_http_katalo_key_t *key, ngx_str_t *text,
    ngx_http_katalo_key_error_t *error)
{
    ssize_t          n;
    ngx_fd_t         fd;
    ngx_int_t        rc;
    ngx_file_info_t  fi;

    /* O_NONBLOCK: a FIFO or a device must not hold up the worker */

    fd = open((char *) key->path.data,
              O_RDONLY|O_NONBLOCK|O_CLOEXEC|O_NOCTTY);

    if (fd == NGX_INVALID_FILE) {
        error->err = ngx_errno;
        error->text = "could not be opened";
        return NGX_ERROR;
    }

    rc = NGX_ERROR;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        error->err = ngx_errno;
        error->text = "could not be examined";
        goto done;
    }

    if (!ngx_is_file(&fi)) {
        error->text = "is not a regular file";
        goto done;
    }

    ngx_http_katalo_key_file_id(&fi, &key->file_id);
    key->file_mode = ngx_file_access(&fi);

    do {
        n = read(fd, text->data + text->len,
                 NGX_HTTP_KATALO_READ_LEN - text->len);

        if (n == -1) {
            error->err = ngx_errno;
            error->text = "could not be read";
            goto done;
        }

        text->len += n;

    } while (n != 0 && text->len < NGX_HTTP_KATALO_READ_LEN);

    rc = NGX_OK;

done:

    (void) ngx_close_file(fd);

    return rc;
}


static ngx_int_t
ngx_http_katalo_key_read_env(ngx_http_katalo_key_t *key, ngx_str_t *text,
    ngx_http_katalo_key_error_t *error)
{
    if (key->env_value == NULL) {
        error->text = "is not in the environment that nginx was started with: "
                      "set it and restart nginx";
        return NGX_ERROR;
    }

    text->len = ngx_min(ngx_strlen(key->env_value), NGX_HTTP_KATALO_READ_LEN);
    ngx_memcpy(text->data, key->env_value, text->len);

    return NGX_OK;
}


/* NGX_DECLINED: empty or white space only */

static ngx_int_t
ngx_http_katalo_key_check(ngx_str_t *text, ngx_str_t *id,
    ngx_http_katalo_key_error_t *error)
{
    u_char      *p, *last, *dot;
    ngx_uint_t   blank;

    p = text->data;
    last = p + text->len;
    blank = 1;

    for ( /* void */ ; p < last; p++) {

        if (!isspace(*p)) {
            blank = 0;
        }
    }

    if (blank && text->len < NGX_HTTP_KATALO_READ_LEN) {
        return NGX_DECLINED;
    }

    if (last[-1] == LF) {
        last--;

        if (last != text->data && last[-1] == CR) {
            last--;
        }
    }

    text->len = last - text->data;

    if (text->len > NGX_HTTP_KATALO_KEY_LEN) {
        error->text = "is longer than a key may be (512 bytes)";
        return NGX_ERROR;
    }

    error->text = "holds no key: one line \"kat_live_<publicKeyId>.<secret>\" "
                  "of letters, digits, \"_\" and \"-\" is expected";

    if (text->len < sizeof(NGX_HTTP_KATALO_TOKEN) - 1
        || ngx_strncmp(text->data, NGX_HTTP_KATALO_TOKEN,
                       sizeof(NGX_HTTP_KATALO_TOKEN) - 1)
           != 0)
    {
        return NGX_ERROR;
    }

    id->data = text->data + sizeof(NGX_HTTP_KATALO_TOKEN) - 1;
    dot = ngx_http_katalo_key_word(id->data, last);
    id->len = dot - id->data;

    if (id->len == 0 || dot == last || *dot != '.'
        || last - dot == 1
        || ngx_http_katalo_key_word(dot + 1, last) != last)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


u_char *
ngx_http_katalo_key_word(u_char *p, u_char *last)
{
    while (p < last && (isalnum(*p) || *p == '_' || *p == '-')) {
        p++;
    }

    return p;
}


static void
ngx_http_katalo_key_install(ngx_http_katalo_key_t *key,
    ngx_http_katalo_cell_t *from, ngx_str_t *id)
{
    size_t  len;

    len = key->cell->secret.len;

    key->changed = (len != from->secret.len
                    || CRYPTO_memcmp(key->cell->data, from->data, len) != 0);

    ngx_memcpy(key->cell->data, from->data, from->secret.len);
    key->cell->secret.len = from->secret.len;

    if (len > from->secret.len) {
        OPENSSL_cleanse(key->cell->data + from->secret.len,
                        len - from->secret.len);
    }

    ngx_memcpy(key->id.data, id->data, id->len);
    key->id.len = id->len;
}


void
ngx_http_katalo_key_revoke(ngx_http_katalo_key_t *key)
{
    OPENSSL_cleanse(key->cell->data, key->cell->secret.len);
    key->cell->secret.len = 0;
}


void
ngx_http_katalo_key_log_error(ngx_http_katalo_key_t *key, ngx_uint_t level,
    ngx_log_t *log, ngx_http_katalo_key_error_t *error)
{
    ngx_log_error(level, log, error->err, "katalo: key \"%V\": \"%V\" %s",
                  &key->name, &key->path, error->text);
}


/* compared as bytes, so the padding is cleared too */

void
ngx_http_katalo_key_file_id(ngx_file_info_t *fi, ngx_http_katalo_file_id_t *id)
{
    ngx_memzero(id, sizeof(ngx_http_katalo_file_id_t));

    id->dev = fi->st_dev;
    id->ino = fi->st_ino;
    id->size = fi->st_size;
    id->mtime = fi->st_mtim;
    id->ctime = fi->st_ctim;
}


ngx_http_katalo_key_t *
ngx_http_katalo_find_key(ngx_http_katalo_main_conf_t *kmcf, ngx_str_t *name)
{
    uint32_t  hash;

    hash = ngx_crc32_long(name->data, name->len);

    return (ngx_http_katalo_key_t *) ngx_str_rbtree_lookup(&kmcf->names, name,
                                                           hash);
}
