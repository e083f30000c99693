
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * What a location with a key sends upstream is the list of its
 * "proxy_set_header" directives, here or above, with the key added and empty
 * values for what is to be stripped: nginx drops the client's header of every
 * name in the list.
 */


#include "ngx_http_katalo.h"


static ngx_keyval_t *ngx_http_katalo_headers_find(ngx_array_t *headers,
    ngx_str_t *name);


char *
ngx_http_katalo_headers_merge(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_loc_conf_t *conf,
    ngx_array_t **list)
{
    ngx_str_t                 *name;
    ngx_uint_t                 i;
    ngx_array_t               *headers, *user;
    ngx_keyval_t              *header;
    ngx_http_core_loc_conf_t  *clcf;

    static ngx_str_t  authorization = ngx_string("Authorization");

    user = conf->proxy.headers;

    headers = ngx_array_create(cf->pool, 8, sizeof(ngx_keyval_t));
    if (headers == NULL) {
        return NGX_CONF_ERROR;
    }

    *list = headers;

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
        && ngx_http_katalo_headers_find(headers, &authorization))
    {
        return ngx_http_katalo_conf_error(cf, &conf->conf_file,
                   conf->conf_line,
                   "\"katalo_bearer\" conflicts with \"proxy_set_header "
                   "Authorization\" that applies here too, remove one of "
                   "them");
    }

    header = ngx_array_push(headers);
    if (header == NULL) {
        return NGX_CONF_ERROR;
    }

    header->key = authorization;
    header->value = kmcf->bearer;

    name = conf->strip->elts;

    for (i = 0; i < conf->strip->nelts; i++) {

        if (ngx_http_katalo_headers_find(headers, &name[i])) {
            continue;
        }

        header = ngx_array_push(headers);
        if (header == NULL) {
            return NGX_CONF_ERROR;
        }

        header->key = name[i];
        ngx_str_set(&header->value, "");
    }

    return NGX_CONF_OK;
}


static ngx_keyval_t *
ngx_http_katalo_headers_find(ngx_array_t *headers, ngx_str_t *name)
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
