
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo.h"


static char *ngx_http_katalo_conf_key_name(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_str_t *name);
static char *ngx_http_katalo_conf_key_source(ngx_conf_t *cf,
    ngx_http_katalo_key_t *key, ngx_str_t *value);
static char *ngx_http_katalo_conf_key_parameters(ngx_conf_t *cf,
    ngx_http_katalo_key_t *key);
static char *ngx_http_katalo_conf_key_host(ngx_conf_t *cf,
    ngx_http_katalo_key_t *key, ngx_str_t *host);
static char *ngx_http_katalo_conf_key_check(ngx_conf_t *cf,
    ngx_http_katalo_key_t *key, ngx_str_t *value);
static char *ngx_http_katalo_conf_init_key(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_key_t *key);



char *
ngx_http_katalo_conf_key(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_katalo_main_conf_t *kmcf = conf;

    char                   *rv;
    ngx_str_t              *value;
    ngx_http_katalo_key_t  *key, **keyp;

    if (ngx_http_katalo_conf_literal_key(cf)) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    rv = ngx_http_katalo_conf_key_name(cf, kmcf, &value[1]);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    key = ngx_pcalloc(cf->pool, sizeof(ngx_http_katalo_key_t));
    if (key == NULL) {
        return NGX_CONF_ERROR;
    }

    key->name = value[1];
    key->conf_file = cf->conf_file->file.name;
    key->conf_line = cf->conf_file->line;
    key->check = NGX_CONF_UNSET_MSEC;

    if (ngx_array_init(&key->hosts, cf->pool, 2, sizeof(ngx_str_t)) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    rv = ngx_http_katalo_conf_key_source(cf, key, &value[2]);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    rv = ngx_http_katalo_conf_key_parameters(cf, key);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    ngx_conf_init_msec_value(key->check,
                             key->source == NGX_HTTP_KATALO_SOURCE_ENV ? 0
                                                                       : 5000);

    key->index = kmcf->keys.nelts;

    keyp = ngx_array_push(&kmcf->keys);
    if (keyp == NULL) {
        return NGX_CONF_ERROR;
    }

    *keyp = key;

    key->node.str = key->name;
    key->node.node.key = ngx_crc32_long(key->name.data, key->name.len);

    ngx_rbtree_insert(&kmcf->names, &key->node.node);

    return NGX_CONF_OK;
}


static char *
ngx_http_katalo_conf_key_name(ngx_conf_t *cf, ngx_http_katalo_main_conf_t *kmcf,
    ngx_str_t *name)
{
    if (name->len > NGX_HTTP_KATALO_NAME_LEN
        || !ngx_http_katalo_conf_word(name, "_-.")
        || ngx_strcmp(name->data, "off") == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid key name \"%V\" in \"katalo_key\", use up "
                           "to %d letters, digits, \"_\", \"-\" and \".\"",
                           name, NGX_HTTP_KATALO_NAME_LEN);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_katalo_find_key(kmcf, name)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate \"katalo_key\" \"%V\"", name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_katalo_conf_key_source(ngx_conf_t *cf, ngx_http_katalo_key_t *key,
    ngx_str_t *value)
{
    char       *dir;
    ngx_str_t   arg;

    if (ngx_strncmp(value->data, "file:", 5) == 0 && value->len > 5) {
        key->source = NGX_HTTP_KATALO_SOURCE_FILE;
        key->path.len = value->len - 5;
        key->path.data = value->data + 5;

        return ngx_conf_full_name(cf->cycle, &key->path, 1) == NGX_OK
                   ? NGX_CONF_OK : NGX_CONF_ERROR;
    }

    if (ngx_strncmp(value->data, "env:", 4) == 0) {
        key->source = NGX_HTTP_KATALO_SOURCE_ENV;
        key->path.len = value->len - 4;
        key->path.data = value->data + 4;

        if (ngx_http_katalo_conf_word(&key->path, "_")) {
            key->env_value = ngx_http_katalo_env_get(cf,
                                                  (char *) key->path.data);
            return NGX_CONF_OK;
        }

    } else if (ngx_strncmp(value->data, "credential:", 11) == 0) {
        key->source = NGX_HTTP_KATALO_SOURCE_CREDENTIAL;
        arg.len = value->len - 11;
        arg.data = value->data + 11;

        if (ngx_http_katalo_conf_word(&arg, "_-.") && arg.data[0] != '.') {

            dir = ngx_http_katalo_env_get(cf, "CREDENTIALS_DIRECTORY");
            if (dir == NULL) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "\"katalo_key\" \"%V\": no "
                                   "$CREDENTIALS_DIRECTORY in the environment, "
                                   "start nginx from a systemd unit with "
                                   "\"LoadCredential=%V:PATH\" or use "
                                   "\"file:PATH\"", &key->name, &arg);
                return NGX_CONF_ERROR;
            }

            key->path.len = ngx_strlen(dir) + 1 + arg.len;
            key->path.data = ngx_pnalloc(cf->pool, key->path.len + 1);
            if (key->path.data == NULL) {
                return NGX_CONF_ERROR;
            }

            ngx_sprintf(key->path.data, "%s/%V%Z", dir, &arg);

            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid source of \"katalo_key\" \"%V\", use "
                       "\"file:PATH\", \"env:NAME\" or \"credential:NAME\"",
                       &key->name);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_katalo_conf_key_parameters(ngx_conf_t *cf,
    ngx_http_katalo_key_t *key)
{
    char        *rv;
    ngx_str_t   *value, s;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 3; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "host=", 5) == 0) {
            s.len = value[i].len - 5;
            s.data = value[i].data + 5;
            rv = ngx_http_katalo_conf_key_host(cf, key, &s);

        } else if (ngx_strncmp(value[i].data, "check=", 6) == 0) {
            s.len = value[i].len - 6;
            s.data = value[i].data + 6;
            rv = ngx_http_katalo_conf_key_check(cf, key, &s);

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" in \"katalo_key\", "
                               "use \"host=\" or \"check=\"", &value[i]);
            return NGX_CONF_ERROR;
        }

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    if (key->hosts.nelts == 0) {
        ngx_str_set(&s, ".katalo.ai");
        return ngx_http_katalo_conf_key_host(cf, key, &s);
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_katalo_conf_key_host(ngx_conf_t *cf, ngx_http_katalo_key_t *key,
    ngx_str_t *host)
{
    ngx_str_t  *h;

    h = ngx_array_push(&key->hosts);
    if (h == NULL) {
        return NGX_CONF_ERROR;
    }

    h->len = host->len;
    h->data = ngx_pstrdup(cf->pool, host);
    if (h->data == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_strlow(h->data, h->data, h->len);

    if (h->len > 1 && h->data[h->len - 1] == '.') {
        h->len--;
    }

    if ((h->len == 1 && h->data[0] == '*')
        || (ngx_http_katalo_conf_word(h, ".-_[]:")
            && !(h->len == 1 && h->data[0] == '.')
            && (ngx_strlchr(h->data, h->data + h->len, ':') == NULL
                || h->data[0] == '[')))
    {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"host=%V\" of \"katalo_key\" \"%V\", use a "
                       "name without a port, \".suffix\" or \"*\"",
                       host, &key->name);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_katalo_conf_key_check(ngx_conf_t *cf, ngx_http_katalo_key_t *key,
    ngx_str_t *value)
{
    ngx_int_t  msec;

    if (key->check != NGX_CONF_UNSET_MSEC) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate \"check=\" of \"katalo_key\" \"%V\"",
                           &key->name);
        return NGX_CONF_ERROR;
    }

    if (value->len == 3 && ngx_strncmp(value->data, "off", 3) == 0) {
        key->check = 0;
        return NGX_CONF_OK;
    }

    if (key->source == NGX_HTTP_KATALO_SOURCE_ENV) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"check=\" of \"katalo_key\" \"%V\" needs a file, "
                           "the environment does not change: use "
                           "\"file:PATH\" or leave it out", &key->name);
        return NGX_CONF_ERROR;
    }

    msec = ngx_parse_time(value, 0);

    if (msec == NGX_ERROR || msec == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"check=%V\" of \"katalo_key\" "
                           "\"%V\", use a time such as \"5s\", or \"off\"",
                           value, &key->name);
        return NGX_CONF_ERROR;
    }

    key->check = msec;

    return NGX_CONF_OK;
}


char *
ngx_http_katalo_conf_init_keys(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf)
{
    char                    *rv;
    ngx_uint_t               i;
    ngx_http_katalo_key_t  **key;

    kmcf->vault = ngx_http_katalo_vault_create(cf, kmcf->keys.nelts);
    if (kmcf->vault == NULL) {
        return NGX_CONF_ERROR;
    }

    key = kmcf->keys.elts;

    for (i = 0; i < kmcf->keys.nelts; i++) {
        rv = ngx_http_katalo_conf_init_key(cf, kmcf, key[i]);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_katalo_conf_init_key(ngx_conf_t *cf, ngx_http_katalo_main_conf_t *kmcf,
    ngx_http_katalo_key_t *key)
{
    ngx_http_katalo_key_error_t  error;

    if (ngx_http_katalo_vault_add(cf, kmcf->vault, key) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    switch (ngx_http_katalo_key_read(kmcf->vault, key, &error)) {

    case NGX_ERROR:
        ngx_http_katalo_key_log_error(key, NGX_LOG_EMERG, cf->log, &error);

        return ngx_http_katalo_conf_error(cf, &key->conf_file, key->conf_line,
                   "\"katalo_key\" \"%V\" has no usable key, mend its source "
                   "or, to start without it, leave the file empty",
                   &key->name);

    case NGX_DECLINED:
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"katalo_key\" \"%V\" is revoked, its source \"%V\" "
                      "is empty: requests get 503 until it holds a key in "
                      "%V:%ui", &key->name, &key->path, &key->conf_file,
                      key->conf_line);
        break;

    default: /* NGX_OK */
        break;
    }

    if (key->source != NGX_HTTP_KATALO_SOURCE_ENV && (key->file_mode & 0006)) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"katalo_key\" \"%V\": others may access its file "
                      "\"%V\" (mode 0%ui%ui%ui), use \"chmod 0640\" or "
                      "stricter in %V:%ui",
                      &key->name, &key->path, key->file_mode >> 6 & 7,
                      key->file_mode >> 3 & 7, key->file_mode & 7,
                      &key->conf_file, key->conf_line);
    }

    return NGX_CONF_OK;
}


ngx_uint_t
ngx_http_katalo_conf_literal_key(ngx_conf_t *cf)
{
    u_char      *p;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        p = (u_char *) ngx_strstr(value[i].data, NGX_HTTP_KATALO_TOKEN);

        /* a file may be called so */

        while (p && p != value[i].data && p[-1] == '/') {
            p = (u_char *) ngx_strstr(p + 1, NGX_HTTP_KATALO_TOKEN);
        }

        if (p) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "a key is written in the \"%V\" directive, "
                               "keep it out of the configuration: put it into "
                               "a file and use \"katalo_key NAME file:PATH\"",
                               &value[0]);
            return 1;
        }
    }

    return 0;
}
