
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* The configurations of the module: how they begin, and what they inherit. */


#include "ngx_http_katalo_conf_error.h"
#include "ngx_http_katalo_conf_merge.h"
#include "ngx_http_katalo_consumer_value.h"
#include "ngx_http_katalo_guard.h"
#include "ngx_http_katalo_idempotency.h"
#include "ngx_http_katalo_key.h"
#include "ngx_http_katalo_operation.h"
#include "ngx_http_katalo_peer.h"
#include "ngx_http_katalo_proxy.h"
#include "ngx_http_katalo_proxy_merge.h"
#include "ngx_http_katalo_proxy_trust.h"
#include "ngx_http_katalo_status_ready.h"


static void ngx_http_katalo_conf_merge_handler(
    ngx_http_core_loc_conf_t *clcf, ngx_http_katalo_loc_conf_t *prev,
    ngx_http_katalo_loc_conf_t *conf);
static char *ngx_http_katalo_conf_merge_bearer(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_loc_conf_t *prev,
    ngx_http_katalo_loc_conf_t *conf);
static char *ngx_http_katalo_conf_merge_allow(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_loc_conf_t *prev,
    ngx_http_katalo_loc_conf_t *conf);


void *
ngx_http_katalo_conf_create_main(ngx_conf_t *cf)
{
    ngx_http_katalo_main_conf_t  *kmcf;

    kmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_katalo_main_conf_t));
    if (kmcf == NULL) {
        return NULL;
    }

    ngx_rbtree_init(&kmcf->names, &kmcf->sentinel,
                    ngx_str_rbtree_insert_value);

    if (ngx_array_init(&kmcf->keys, cf->pool, 4,
                       sizeof(ngx_http_katalo_key_t *))
        != NGX_OK
        || ngx_array_init(&kmcf->operations, cf->pool, 4,
                          sizeof(ngx_http_katalo_operation_t))
           != NGX_OK
        || ngx_array_init(&kmcf->locations, cf->pool, 4,
                          sizeof(ngx_http_katalo_loc_conf_t *))
           != NGX_OK
        || ngx_array_init(&kmcf->hosts, cf->pool, 1,
                          sizeof(ngx_http_katalo_host_t *))
           != NGX_OK)
    {
        return NULL;
    }

    kmcf->usage_log = NGX_CONF_UNSET_PTR;

    return kmcf;
}


void *
ngx_http_katalo_conf_create_srv(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_katalo_srv_conf_t));
}


void *
ngx_http_katalo_conf_create_loc(ngx_conf_t *cf)
{
    ngx_http_katalo_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_katalo_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->strip = NGX_CONF_UNSET_PTR;
    conf->allow_names = NGX_CONF_UNSET_PTR;
    conf->preflight = NGX_CONF_UNSET_UINT;
    conf->browser = NGX_CONF_UNSET_UINT;
    conf->cors = NGX_CONF_UNSET_UINT;
    conf->upstream_tls = NGX_CONF_UNSET_UINT;
    conf->idempotency = NGX_CONF_UNSET_UINT;
    conf->cooldown = NGX_CONF_UNSET_MSEC;
    conf->intercept_errors = NGX_CONF_UNSET;
    conf->resolve = NGX_CONF_UNSET;
    conf->consumers = NGX_CONF_UNSET_PTR;

    return conf;
}


char *
ngx_http_katalo_conf_merge_loc(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_katalo_loc_conf_t *prev = parent;
    ngx_http_katalo_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t     *clcf;
    ngx_http_katalo_loc_conf_t  **klcf;
    ngx_http_katalo_main_conf_t  *kmcf;

    static ngx_str_t  names[] = {
        ngx_string("Cookie"),
        ngx_string("Proxy-Authorization")
    };

    static ngx_array_t  strip = { names, 2, sizeof(ngx_str_t), 0, NULL };

    kmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_katalo_module);

    ngx_conf_merge_uint_value(conf->preflight, prev->preflight, 1);
    ngx_conf_merge_uint_value(conf->browser, prev->browser,
                              NGX_HTTP_KATALO_BROWSER_DENY);
    ngx_conf_merge_uint_value(conf->cors, prev->cors, 1);
    ngx_conf_merge_uint_value(conf->upstream_tls, prev->upstream_tls, 1);
    ngx_conf_merge_uint_value(conf->idempotency, prev->idempotency,
                              NGX_HTTP_KATALO_IDEMPOTENCY_PASS);
    ngx_conf_merge_msec_value(conf->cooldown, prev->cooldown, 60000);
    ngx_conf_merge_value(conf->intercept_errors, prev->intercept_errors, 0);
    ngx_conf_merge_value(conf->resolve, prev->resolve, 1);
    ngx_conf_merge_ptr_value(conf->strip, prev->strip, &strip);
    ngx_conf_merge_ptr_value(conf->consumers, prev->consumers, NULL);

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    ngx_http_katalo_conf_merge_handler(clcf, prev, conf);

    /* without the directive, nginx has a resolver without name servers */

    conf->resolver = clcf->resolver->connections.nelts ? clcf->resolver : NULL;
    conf->resolver_timeout = clcf->resolver_timeout;

    if (ngx_http_katalo_conf_merge_bearer(cf, kmcf, prev, conf) != NGX_CONF_OK
        || ngx_http_katalo_conf_merge_allow(cf, kmcf, prev, conf)
           != NGX_CONF_OK
        || ngx_http_katalo_status_ready_merge(cf, kmcf, prev, conf)
           != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    /* an "if" with "katalo_bearer off" is looked at again, too */

    if (conf->enabled || prev->enabled) {
        klcf = ngx_array_push(&kmcf->locations);
        if (klcf == NULL) {
            return NGX_CONF_ERROR;
        }

        *klcf = conf;
    }

    conf->identified = conf->enabled && conf->consumers
                       && conf->consumers->values.nelts;
    conf->ssl = ngx_http_conf_get_module_srv_conf(cf, ngx_http_ssl_module);

    if (conf->enabled && ngx_http_katalo_guard_init(cf, conf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_katalo_proxy_merge(cf, kmcf, prev, conf);
}


/* "if" and "limit_except" have the handler of the location around them */

static void
ngx_http_katalo_conf_merge_handler(ngx_http_core_loc_conf_t *clcf,
    ngx_http_katalo_loc_conf_t *prev, ngx_http_katalo_loc_conf_t *conf)
{
    conf->core = clcf;
    conf->content = clcf->handler;

    if (!clcf->noname) {
        return;
    }

    if (conf->status_format.len == 0) {
        conf->status_format = prev->status_format;
    }

    if (conf->content == NULL) {
        conf->content = prev->content;
    }
}


static char *
ngx_http_katalo_conf_merge_bearer(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_loc_conf_t *prev,
    ngx_http_katalo_loc_conf_t *conf)
{
    if (conf->bearer.data == NULL) {
        conf->parent = prev;
        conf->bearer = prev->bearer;
        conf->variable = prev->variable;
        conf->place = prev->place;
    }

    conf->enabled = conf->bearer.data && ngx_strcmp(conf->bearer.data, "off");

    if (!conf->enabled) {
        return NGX_CONF_OK;
    }

    if (kmcf->keys.nelts == 0) {
        return ngx_http_katalo_conf_error_at(cf, &conf->place,
                   "\"katalo_bearer\" without any \"katalo_key\", add "
                   "\"katalo_key NAME file:PATH;\" to \"http\"");
    }

    if (conf->variable) {
        return NGX_CONF_OK;
    }

    conf->key = ngx_http_katalo_find_key(kmcf, &conf->bearer);

    if (conf->key == NULL) {
        return ngx_http_katalo_conf_error_at(cf, &conf->place,
                   "unknown key \"%V\" in \"katalo_bearer\", there is no "
                   "\"katalo_key\" of that name", &conf->bearer);
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_katalo_conf_merge_allow(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_loc_conf_t *prev,
    ngx_http_katalo_loc_conf_t *conf)
{
    ngx_int_t    operation;
    ngx_str_t   *name;
    ngx_uint_t   i;

    if (conf->allow_names == NGX_CONF_UNSET_PTR) {
        conf->allow_place = prev->allow_place;
    }

    ngx_conf_merge_ptr_value(conf->allow_names, prev->allow_names, NULL);

    if (conf->allow_names == NULL) {
        conf->allow = (ngx_uint_t) -1;
        return NGX_CONF_OK;
    }

    name = conf->allow_names->elts;

    for (i = 0; i < conf->allow_names->nelts; i++) {

        operation = ngx_http_katalo_operation_find(kmcf, &name[i]);

        if (operation == NGX_ERROR) {
            return ngx_http_katalo_conf_error_at(cf, &conf->allow_place,
                       ngx_strcmp(name[i].data, "all") == 0
                       ? "\"%V\" stands alone in \"katalo_allow\", remove it "
                       "or the other operations" :
                       "unknown operation \"%V\" in \"katalo_allow\", use "
                       "\"create\", \"read\", \"regenerate\", \"usage\", "
                       "\"billing\", \"other\", the name of a "
                       "\"katalo_operation\", or \"all\" alone", &name[i]);
        }

        conf->allow |= (ngx_uint_t) 1 << operation;
    }

    return NGX_CONF_OK;
}
