
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_commands.h"
#include "ngx_http_katalo_conf_error.h"


/* the most that "consumers=" takes */
#define NGX_HTTP_KATALO_CONF_CONSUMERS   100000


char *
ngx_http_katalo_conf_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_katalo_main_conf_t *kmcf = conf;

    ssize_t     size;
    ngx_int_t   n;
    ngx_str_t  *value;

    if (kmcf->zone_size) {
        return "is duplicate";
    }

    value = cf->args->elts;

    size = ngx_parse_size(&value[1]);

    if (size == NGX_ERROR || size == 0) {
        return ngx_http_katalo_conf_error(cf,
                   "invalid size \"%V\" in \"katalo_zone\", use a size such "
                   "as \"1m\"", &value[1]);
    }

    if (size < (ssize_t) (8 * ngx_pagesize)) {
        return ngx_http_katalo_conf_error(cf,
                   "\"katalo_zone\" \"%V\" is too small, use at least %uzk",
                   &value[1], 8 * ngx_pagesize / 1024);
    }

    kmcf->zone_size = size;
    kmcf->zone_place = ngx_http_katalo_conf_place(cf);

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    n = NGX_ERROR;

    if (ngx_strncmp(value[2].data, "consumers=", 10) == 0) {
        n = ngx_atoi(value[2].data + 10, value[2].len - 10);
    }

    if (n < 1 || n > NGX_HTTP_KATALO_CONF_CONSUMERS) {
        return ngx_http_katalo_conf_error(cf,
                   "invalid parameter \"%V\" in \"katalo_zone\", use "
                   "\"consumers=\" with a number from 1 to %d", &value[2],
                   NGX_HTTP_KATALO_CONF_CONSUMERS);
    }

    kmcf->consumers = n;

    return NGX_CONF_OK;
}
