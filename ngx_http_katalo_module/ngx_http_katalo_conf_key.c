
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_commands.h"
#include "ngx_http_katalo_conf_error.h"
#include "ngx_http_katalo_source.h"


static char *ngx_http_katalo_conf_key_name(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_str_t *name);
static char *ngx_http_katalo_conf_key_parameters(ngx_conf_t *cf,
    ngx_http_katalo_key_t *key);
static char *ngx_http_katalo_conf_key_host(ngx_conf_t *cf,
    ngx_http_katalo_key_t *key, ngx_str_t *host);
static char *ngx_http_katalo_conf_key_check(ngx_conf_t *cf,
    ngx_http_katalo_key_t *key, ngx_str_t *value);


char *
ngx_http_katalo_conf_key(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_katalo_main_conf_t *kmcf = conf;

    ngx_str_t              *value;
    ngx_http_katalo_key_t  *key, **keyp;

    value = cf->args->elts;

    if (ngx_http_katalo_conf_key_name(cf, kmcf, &value[1]) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    key = ngx_pcalloc(cf->pool, sizeof(ngx_http_katalo_key_t));
    if (key == NULL) {
        return NGX_CONF_ERROR;
    }

    key->name = value[1];
    key->place = ngx_http_katalo_conf_place(cf);
    key->check = NGX_CONF_UNSET_MSEC;
    key->index = kmcf->keys.nelts;

    if (ngx_array_init(&key->hosts, cf->pool, 2, sizeof(ngx_str_t)) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    /* the source depends on "optional" and "check=" */

    if (ngx_http_katalo_conf_key_parameters(cf, key) != NGX_CONF_OK
        || ngx_http_katalo_source_set(cf, key, &value[2]) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

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
    if (ngx_strcmp(name->data, "off") == 0) {
        return ngx_http_katalo_conf_error(cf,
                   "invalid key name \"off\" in \"katalo_key\", "
                   "\"katalo_bearer off\" means no key: use another name");
    }

    if (name->len > NGX_HTTP_KATALO_NAME_LEN
        || !ngx_http_katalo_conf_word(name, "_-."))
    {
        return ngx_http_katalo_conf_error(cf,
                   "invalid key name \"%V\" in \"katalo_key\", use up to %d "
                   "letters, digits, \"_\", \"-\" and \".\"", name,
                   NGX_HTTP_KATALO_NAME_LEN);
    }

    if (ngx_http_katalo_find_key(kmcf, name)) {
        return ngx_http_katalo_conf_error(cf,
                   "duplicate \"katalo_key\" \"%V\"", name);
    }

    return NGX_CONF_OK;
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

        } else if (ngx_strcmp(value[i].data, "optional") == 0) {
            key->optional = 1;
            rv = NGX_CONF_OK;

        } else {
            return ngx_http_katalo_conf_error(cf,
                       "invalid parameter \"%V\" in \"katalo_key\", use "
                       "\"host=\", \"check=\" or \"optional\"", &value[i]);
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

    if (h->len > 6 && ngx_strncmp(h->data, "unix:/", 6) == 0) {
        return NGX_CONF_OK;
    }

    ngx_strlow(h->data, h->data, h->len);

    if (h->len > 1 && h->data[h->len - 1] == '.') {
        h->len--;
    }

    if ((h->len == 1 && h->data[0] == '*')
        || (ngx_http_katalo_conf_word(h, ".-_[]:")
            && !(h->len == 1 && h->data[0] == '.')
            && (ngx_strlchr(h->data, h->data + h->len, ':') == NULL
                || (h->data[0] == '[' && h->data[h->len - 1] == ']'))))
    {
        return NGX_CONF_OK;
    }

    return ngx_http_katalo_conf_error(cf,
               "invalid \"host=%V\" of \"katalo_key\" \"%V\", use a name "
               "without a port, \"unix:PATH\", \".suffix\" or \"*\"", host,
               &key->name);
}


static char *
ngx_http_katalo_conf_key_check(ngx_conf_t *cf, ngx_http_katalo_key_t *key,
    ngx_str_t *value)
{
    ngx_int_t  msec;

    if (key->check != NGX_CONF_UNSET_MSEC) {
        return ngx_http_katalo_conf_error(cf,
                   "duplicate \"check=\" of \"katalo_key\" \"%V\"",
                   &key->name);
    }

    if (value->len == 3 && ngx_strncmp(value->data, "off", 3) == 0) {
        key->check = 0;
        return NGX_CONF_OK;
    }

    msec = ngx_parse_time(value, 0);

    if (msec == NGX_ERROR || msec == 0) {
        return ngx_http_katalo_conf_error(cf,
                   "invalid value \"check=%V\" of \"katalo_key\" \"%V\", use "
                   "a time such as \"5s\", or \"off\"", value, &key->name);
    }

    key->check = msec;

    return NGX_CONF_OK;
}
