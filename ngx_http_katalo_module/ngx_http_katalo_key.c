
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_source.h"
#include "ngx_http_katalo_vault.h"

#include <openssl/crypto.h>


static ngx_int_t ngx_http_katalo_key_check(ngx_str_t *text, ngx_str_t *id,
    ngx_http_katalo_key_error_t *error);
static void ngx_http_katalo_key_install(ngx_http_katalo_key_t *key,
    ngx_str_t *secret, ngx_str_t *id);


ngx_int_t
ngx_http_katalo_key_read(ngx_http_katalo_vault_t *vault,
    ngx_http_katalo_key_t *key, ngx_http_katalo_key_error_t *error)
{
    ngx_int_t  rc;
    ngx_str_t  secret, text, id;

    secret.data = vault->spare;

    text.len = 0;
    text.data = ngx_cpymem(secret.data, NGX_HTTP_KATALO_BEARER,
                           sizeof(NGX_HTTP_KATALO_BEARER) - 1);

    error->err = 0;

    rc = key->source->read(key, &text, error);

    if (rc == NGX_OK) {
        rc = ngx_http_katalo_key_check(&text, &id, error);
    }

    if (rc == NGX_OK) {
        secret.len = sizeof(NGX_HTTP_KATALO_BEARER) - 1 + text.len;
        ngx_http_katalo_key_install(key, &secret, &id);
    }

    if (rc == NGX_DECLINED) {
        ngx_http_katalo_key_revoke(key);
    }

    ngx_explicit_memzero(vault->spare, NGX_HTTP_KATALO_CELL);

    return rc;
}


/* NGX_DECLINED: empty or white space only */

static ngx_int_t
ngx_http_katalo_key_check(ngx_str_t *text, ngx_str_t *id,
    ngx_http_katalo_key_error_t *error)
{
    u_char  *p, *last, *dot;

    p = text->data;
    last = p + text->len;

    while (p < last && isspace(*p)) {
        p++;
    }

    if (p == last && text->len < NGX_HTTP_KATALO_READ_LEN) {
        return NGX_DECLINED;
    }

    /* a line end is not left in the cell */

    if (last[-1] == LF) {
        *--last = '\0';

        if (last != text->data && last[-1] == CR) {
            *--last = '\0';
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
    ngx_str_t *secret, ngx_str_t *id)
{
    key->changed = (key->secret.len != secret->len
                    || CRYPTO_memcmp(key->secret.data, secret->data,
                                     secret->len)
                       != 0);

    /* the whole cell, since the key before may have been longer */

    ngx_memcpy(key->secret.data, secret->data, NGX_HTTP_KATALO_CELL);
    key->secret.len = secret->len;

    ngx_memcpy(key->id.data, id->data, id->len);
    key->id.len = id->len;
}


void
ngx_http_katalo_key_inherit(ngx_http_katalo_key_t *key,
    ngx_http_katalo_key_t *from)
{
    ngx_http_katalo_key_install(key, &from->secret, &from->id);
}


void
ngx_http_katalo_key_revoke(ngx_http_katalo_key_t *key)
{
    ngx_explicit_memzero(key->secret.data, key->secret.len);
    key->secret.len = 0;
}


void
ngx_http_katalo_key_log_error(ngx_http_katalo_key_t *key, ngx_uint_t level,
    ngx_log_t *log, ngx_http_katalo_key_error_t *error)
{
    ngx_log_error(level, log, error->err, "katalo: key \"%V\": \"%V\" %s",
                  &key->name, &key->path, error->text);
}


/* ids are compared as bytes, padding included */

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
