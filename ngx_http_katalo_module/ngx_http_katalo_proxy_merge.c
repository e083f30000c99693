
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * What a location with a key needs is written into the proxy module's
 * configuration of that location before the proxy module merges and compiles
 * it.  Locations below it without a key get back what the user wrote.
 */


#include "ngx_http_katalo_conf_error.h"
#include "ngx_http_katalo_conf_text.h"
#include "ngx_http_katalo_idempotency.h"
#include "ngx_http_katalo_proxy.h"
#include "ngx_http_katalo_proxy_merge.h"
#include "ngx_http_katalo_proxy_trust.h"


static char *ngx_http_katalo_proxy_merge_headers(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_loc_conf_t *conf);
static char *ngx_http_katalo_proxy_add_headers(
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_loc_conf_t *conf,
    ngx_array_t *headers);
static ngx_int_t ngx_http_katalo_proxy_add_header(ngx_array_t *headers,
    ngx_str_t *name, ngx_str_t *value);
static ngx_keyval_t *ngx_http_katalo_proxy_find_header(ngx_array_t *headers,
    ngx_str_t *name);


static ngx_str_t  ngx_http_katalo_proxy_authorization =
    ngx_string("Authorization");


char *
ngx_http_katalo_proxy_merge(ngx_conf_t *cf, ngx_http_katalo_main_conf_t *kmcf,
    ngx_http_katalo_loc_conf_t *prev, ngx_http_katalo_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    ngx_http_katalo_proxy_read(cf, prev, conf);

    /* "if" and "limit_except" without "proxy_pass" */

    conf->proxy.borrows = (clcf->noname && clcf->handler == NULL);

    conf->proxy.changed = conf->enabled || prev->proxy.changed;

    if (!conf->proxy.changed) {
        return NGX_CONF_OK;
    }

    ngx_http_katalo_proxy_write(kmcf, conf, !conf->proxy.borrows);

    if (clcf->handler
        && ngx_http_katalo_proxy_trust_check(cf, conf) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_katalo_proxy_merge_headers(cf, kmcf, conf);
}


/*
 * The list is written as "proxy_set_header" would have made it: the directives
 * here or above, the key, an Idempotency-Key, and empty values for what is to
 * be stripped.  nginx drops the client's header of every name in the list.
 */

static char *
ngx_http_katalo_proxy_merge_headers(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_loc_conf_t *conf)
{
    u_char                     buf[NGX_HTTP_KATALO_CONF_PLACES];
    ngx_str_t                  places;
    ngx_array_t               *headers, *user;
    ngx_keyval_t              *header;
    ngx_http_core_loc_conf_t  *clcf;

    user = conf->proxy.headers;

    headers = ngx_array_create(cf->pool, 8, sizeof(ngx_keyval_t));
    if (headers == NULL) {
        return NGX_CONF_ERROR;
    }

    *ngx_http_katalo_proxy_field(conf, ngx_http_katalo_proxy_headers_offset,
                                 ngx_array_t *) = headers;

    if (user != NGX_CONF_UNSET_PTR && user->nelts) {
        header = ngx_array_push_n(headers, user->nelts);
        if (header == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memcpy(header, user->elts, user->nelts * sizeof(ngx_keyval_t));
    }

    if (!conf->enabled) {
        return NGX_CONF_OK;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* where nothing is sent, locations below may yet have other headers */

    if ((clcf->handler || clcf->noname)
        && ngx_http_katalo_proxy_find_header(headers,
                                      &ngx_http_katalo_proxy_authorization))
    {
        places.data = buf;
        places.len = 0;

        ngx_http_katalo_conf_text_authorization(cf, &places);

        return ngx_http_katalo_conf_error_at(cf, &conf->place,
                   "\"katalo_bearer\" conflicts with \"proxy_set_header "
                   "Authorization\" that applies here too (in %V), remove "
                   "one of them", &places);
    }

    return ngx_http_katalo_proxy_add_headers(kmcf, conf, headers);
}


static char *
ngx_http_katalo_proxy_add_headers(ngx_http_katalo_main_conf_t *kmcf,
    ngx_http_katalo_loc_conf_t *conf, ngx_array_t *headers)
{
    ngx_str_t   *name;
    ngx_uint_t   i;

    static ngx_str_t  connection = ngx_string("Connection");
    static ngx_str_t  empty = ngx_string("");

    /* the user's own counts as one, so clients need none */

    if (ngx_http_katalo_proxy_find_header(headers,
                                          &ngx_http_katalo_idempotency_name))
    {
        conf->idempotency_set = 1;
    }

    if (ngx_http_katalo_proxy_add_header(headers,
                                         &ngx_http_katalo_proxy_authorization,
                                         &kmcf->bearer)
        != NGX_OK
        || ngx_http_katalo_proxy_add_header(headers, &connection, &empty)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (conf->idempotency != NGX_HTTP_KATALO_IDEMPOTENCY_PASS
        && ngx_http_katalo_proxy_add_header(headers,
                                            &ngx_http_katalo_idempotency_name,
                                            &kmcf->idempotency)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    name = conf->strip->elts;

    for (i = 0; i < conf->strip->nelts; i++) {

        if (ngx_http_katalo_proxy_add_header(headers, &name[i], &empty)
            != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* unless the list has it already */

static ngx_int_t
ngx_http_katalo_proxy_add_header(ngx_array_t *headers, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_keyval_t  *header;

    if (ngx_http_katalo_proxy_find_header(headers, name)) {
        return NGX_OK;
    }

    header = ngx_array_push(headers);
    if (header == NULL) {
        return NGX_ERROR;
    }

    header->key = *name;
    header->value = *value;

    return NGX_OK;
}


static ngx_keyval_t *
ngx_http_katalo_proxy_find_header(ngx_array_t *headers, ngx_str_t *name)
{
    ngx_uint_t     i;
    ngx_keyval_t  *header;

    header = headers->elts;

    for (i = 0; i < headers->nelts; i++) {

        if (header[i].key.len == name->len
            && ngx_strncasecmp(header[i].key.data, name->data, name->len) == 0)
        {
            return &header[i];
        }
    }

    return NULL;
}
