
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* The keys are read after all directives. */


#include "ngx_http_katalo_conf_error.h"
#include "ngx_http_katalo_conf_read.h"
#include "ngx_http_katalo_key.h"
#include "ngx_http_katalo_state.h"
#include "ngx_http_katalo_vault.h"


static char *ngx_http_katalo_conf_read_same_ids(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf);
static char *ngx_http_katalo_conf_read_key(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_key_t *key);
static char *ngx_http_katalo_conf_read_broken(ngx_conf_t *cf,
    ngx_http_katalo_key_t *key, ngx_http_katalo_key_error_t *error);


char *
ngx_http_katalo_conf_read_keys(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf)
{
    ngx_uint_t               i;
    ngx_http_katalo_key_t  **key;

    kmcf->vault = ngx_http_katalo_vault_create(cf, kmcf->keys.nelts);
    if (kmcf->vault == NULL) {
        return NGX_CONF_ERROR;
    }

    key = kmcf->keys.elts;

    for (i = 0; i < kmcf->keys.nelts; i++) {
        if (ngx_http_katalo_conf_read_key(cf, kmcf, key[i]) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return ngx_http_katalo_conf_read_same_ids(cf, kmcf);
}


/* keys with one id can only be revoked together */

static char *
ngx_http_katalo_conf_read_same_ids(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf)
{
    uint32_t                 hash;
    ngx_uint_t               i, n;
    ngx_rbtree_t             ids;
    ngx_str_node_t          *node, *same;
    ngx_rbtree_node_t        sentinel;
    ngx_http_katalo_key_t  **key;

    key = kmcf->keys.elts;
    n = kmcf->keys.nelts;

    node = ngx_pcalloc(cf->temp_pool, n * sizeof(ngx_str_node_t));
    if (node == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_rbtree_init(&ids, &sentinel, ngx_str_rbtree_insert_value);

    for (i = 0; i < n; i++) {

        if (!ngx_http_katalo_key_usable(key[i])) {
            continue;
        }

        hash = ngx_crc32_long(key[i]->id.data, key[i]->id.len);
        same = ngx_str_rbtree_lookup(&ids, &key[i]->id, hash);

        if (same) {
            ngx_http_katalo_conf_warn(cf->log, &key[i]->place,
                "\"katalo_key\" \"%V\" has the same key id \"%V\" as \"%V\": "
                "to revoke one is to revoke both, issue a key for each",
                &key[i]->name, &key[i]->id, &key[same - node]->name);
            continue;
        }

        node[i].str = key[i]->id;
        node[i].node.key = hash;

        ngx_rbtree_insert(&ids, &node[i].node);
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_katalo_conf_read_key(ngx_conf_t *cf, ngx_http_katalo_main_conf_t *kmcf,
    ngx_http_katalo_key_t *key)
{
    ngx_http_katalo_key_error_t  error;

    if (ngx_http_katalo_vault_add(cf, kmcf->vault, key) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    switch (ngx_http_katalo_key_read(kmcf->vault, key, &error)) {

    case NGX_ERROR:

        if (key->optional) {
            return ngx_http_katalo_conf_read_broken(cf, key, &error);
        }

        ngx_http_katalo_key_log_error(key, NGX_LOG_EMERG, cf->log, &error);

        return ngx_http_katalo_conf_error_at(cf, &key->place,
                   "\"katalo_key\" \"%V\" has no usable key, mend its source, "
                   "or add \"optional\" to start without it", &key->name);

    case NGX_DECLINED:
        ngx_http_katalo_conf_warn(cf->log, &key->place,
            "\"katalo_key\" \"%V\" is revoked, its source \"%V\" is empty: "
            "requests get 503 until it holds a key", &key->name, &key->path);
        break;

    default: /* NGX_OK */
        break;
    }

    if (key->file_mode & 0006) {
        ngx_http_katalo_conf_warn(cf->log, &key->place,
            "\"katalo_key\" \"%V\": others may access its file \"%V\" (mode "
            "0%ui%ui%ui), use \"chmod 0640\" or stricter", &key->name,
            &key->path, key->file_mode >> 6 & 7, key->file_mode >> 3 & 7,
            key->file_mode & 7);
    }

    return NGX_CONF_OK;
}


/*
 * The key of the configuration before is kept, as a worker keeps the last good
 * key.  If workers have installed another one since, this process does not have
 * it: the configuration is refused, since an older key must not be used again.
 */

static char *
ngx_http_katalo_conf_read_broken(ngx_conf_t *cf, ngx_http_katalo_key_t *key,
    ngx_http_katalo_key_error_t *error)
{
    ngx_http_katalo_key_t        *old;
    ngx_http_katalo_main_conf_t  *okmcf;

    key->broken = 1;
    key->error = *error;

    ngx_http_katalo_key_log_error(key, NGX_LOG_WARN, cf->log, error);

    okmcf = ngx_http_katalo_conf_read_old(cf);
    old = okmcf ? ngx_http_katalo_find_key(okmcf, &key->name) : NULL;

    if (old == NULL || !ngx_http_katalo_state_usable(old)) {
        ngx_http_katalo_conf_warn(cf->log, &key->place,
            "\"katalo_key\" \"%V\" has no usable key and is optional: its "
            "requests get 503 until %s", &key->name,
            key->check ? "its source holds one"
                       : "nginx is started again with one");
        return NGX_CONF_OK;
    }

    if (!ngx_http_katalo_key_usable(old)
        || !ngx_http_katalo_state_current(old))
    {
        return ngx_http_katalo_conf_error_at(cf, &key->place,
                   "\"katalo_key\" \"%V\" has no usable key, and a reload "
                   "would lose the one that workers use: mend its source, or "
                   "restart nginx to go without", &key->name);
    }

    ngx_http_katalo_key_inherit(key, old);

    ngx_http_katalo_conf_warn(cf->log, &key->place,
        "\"katalo_key\" \"%V\" has no usable key, the one with id \"%V\" "
        "stays in use", &key->name, &key->id);

    return NGX_CONF_OK;
}


ngx_http_katalo_main_conf_t *
ngx_http_katalo_conf_read_old(ngx_conf_t *cf)
{
    ngx_uint_t    i;
    ngx_cycle_t  *old;

    old = cf->cycle->old_cycle;

    if (old == NULL || old->conf_ctx == NULL || old->modules == NULL) {
        return NULL;
    }

    for (i = 0; old->modules[i]; i++) {
        if (old->modules[i] == &ngx_http_katalo_module) {
            return ngx_http_cycle_get_module_main_conf(old,
                                                       ngx_http_katalo_module);
        }
    }

    return NULL;
}
