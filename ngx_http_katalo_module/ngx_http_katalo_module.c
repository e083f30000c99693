
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo.h"


static ngx_int_t ngx_http_katalo_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_katalo_postconfiguration(ngx_conf_t *cf);
static void *ngx_http_katalo_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_katalo_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_katalo_create_srv_conf(ngx_conf_t *cf);
static void *ngx_http_katalo_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_katalo_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_katalo_merge_bearer(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_loc_conf_t *prev,
    ngx_http_katalo_loc_conf_t *conf);
static char *ngx_http_katalo_merge_allow(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_loc_conf_t *prev,
    ngx_http_katalo_loc_conf_t *conf);
static ngx_int_t ngx_http_katalo_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_katalo_init_process(ngx_cycle_t *cycle);


static ngx_http_module_t  ngx_http_katalo_module_ctx = {
    ngx_http_katalo_preconfiguration,      /* preconfiguration */
    ngx_http_katalo_postconfiguration,     /* postconfiguration */

    ngx_http_katalo_create_main_conf,      /* create main configuration */
    ngx_http_katalo_init_main_conf,        /* init main configuration */

    ngx_http_katalo_create_srv_conf,       /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_katalo_create_loc_conf,       /* create location configuration */
    ngx_http_katalo_merge_loc_conf         /* merge location configuration */
};


ngx_module_t  ngx_http_katalo_module = {
    NGX_MODULE_V1,
    &ngx_http_katalo_module_ctx,           /* module context */
    ngx_http_katalo_commands,              /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_katalo_init_module,           /* init module */
    ngx_http_katalo_init_process,          /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_katalo_usage_log_exit,        /* exit process */
    ngx_http_katalo_usage_log_exit,        /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_str_t  ngx_http_katalo_default_strip[] = {
    ngx_string("Cookie"),
    ngx_string("Proxy-Authorization")
};


ngx_http_katalo_ctx_t *
ngx_http_katalo_get_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t     *cln;
    ngx_http_katalo_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_katalo_module);

    if (ctx || !(r->internal || r->filter_finalize)) {
        return ctx;
    }

    /* the contexts of modules are cleared by an internal redirect */

    for (cln = r->pool->cleanup; cln; cln = cln->next) {

        if (cln->handler == ngx_http_katalo_attach_cleanup) {
            ctx = cln->data;

            if (ctx->request == r) {
                return ctx;
            }
        }
    }

    return NULL;
}


static ngx_int_t
ngx_http_katalo_preconfiguration(ngx_conf_t *cf)
{
    return ngx_http_katalo_add_variables(cf);
}


static ngx_int_t
ngx_http_katalo_postconfiguration(ngx_conf_t *cf)
{
    ngx_uint_t                    i;
    ngx_http_handler_pt          *h;
    ngx_http_core_main_conf_t    *cmcf;
    ngx_http_katalo_loc_conf_t  **klcf;
    ngx_http_katalo_main_conf_t  *kmcf;

    kmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_katalo_module);

    if (kmcf->locations.nelts == 0) {
        return NGX_OK;
    }

    klcf = kmcf->locations.elts;

    for (i = 0; i < kmcf->locations.nelts; i++) {
        ngx_http_katalo_destination_mark(klcf[i]);
    }

    for (i = 0; i < kmcf->locations.nelts; i++) {
        if (ngx_http_katalo_proxy_finish(cf, kmcf, klcf[i]) != NGX_CONF_OK
            || (klcf[i]->enabled
                && ngx_http_katalo_destination_check(cf, klcf[i])
                   != NGX_CONF_OK))
        {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < kmcf->locations.nelts; i++) {
        if (klcf[i]->enabled
            && ngx_http_katalo_peer_init(cf, klcf[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PREACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_katalo_guard_handler;

    return NGX_OK;
}


static void *
ngx_http_katalo_create_main_conf(ngx_conf_t *cf)
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
        || ngx_array_init(&kmcf->environment, cf->pool, 1,
                          sizeof(ngx_http_katalo_env_t))
           != NGX_OK)
    {
        return NULL;
    }

    kmcf->usage_log = NGX_CONF_UNSET_PTR;

    return kmcf;
}


static char *
ngx_http_katalo_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_katalo_main_conf_t *kmcf = conf;

    char                        *rv;
    ngx_http_katalo_loc_conf_t  *klcf;

    klcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_katalo_module);

    if (ngx_http_katalo_proxy_init(cf, kmcf, klcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    ngx_conf_init_ptr_value(kmcf->usage_log, NULL);

    if (kmcf->keys.nelts == 0) {
        return NGX_CONF_OK;
    }

    rv = ngx_http_katalo_conf_init_keys(cf, kmcf);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (ngx_http_katalo_attach_init(cf, kmcf) != NGX_OK
        || ngx_http_katalo_usage_add_zone(cf, kmcf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static void *
ngx_http_katalo_create_srv_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_katalo_srv_conf_t));
}


static void *
ngx_http_katalo_create_loc_conf(ngx_conf_t *cf)
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
    conf->intercept_errors = NGX_CONF_UNSET;

    return conf;
}


static char *
ngx_http_katalo_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_katalo_loc_conf_t *prev = parent;
    ngx_http_katalo_loc_conf_t *conf = child;

    ngx_http_katalo_loc_conf_t  **klcf;
    ngx_http_katalo_main_conf_t  *kmcf;

    static ngx_array_t  default_strip = {
        ngx_http_katalo_default_strip,
        sizeof(ngx_http_katalo_default_strip) / sizeof(ngx_str_t),
        sizeof(ngx_str_t), 0, NULL
    };

    kmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_katalo_module);

    ngx_conf_merge_uint_value(conf->preflight, prev->preflight, 1);
    ngx_conf_merge_uint_value(conf->browser, prev->browser,
                              NGX_HTTP_KATALO_BROWSER_DENY);
    ngx_conf_merge_uint_value(conf->cors, prev->cors, 1);
    ngx_conf_merge_uint_value(conf->upstream_tls, prev->upstream_tls, 1);
    ngx_conf_merge_value(conf->intercept_errors, prev->intercept_errors, 0);
    ngx_conf_merge_ptr_value(conf->strip, prev->strip, &default_strip);

    if (ngx_http_katalo_merge_bearer(cf, kmcf, prev, conf) != NGX_CONF_OK
        || ngx_http_katalo_merge_allow(cf, kmcf, prev, conf) != NGX_CONF_OK)
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

    if (conf->enabled) {

        if (ngx_http_katalo_guard_init(cf, conf) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return ngx_http_katalo_proxy_merge(cf, kmcf, prev, conf);
}


static char *
ngx_http_katalo_merge_bearer(ngx_conf_t *cf, ngx_http_katalo_main_conf_t *kmcf,
    ngx_http_katalo_loc_conf_t *prev, ngx_http_katalo_loc_conf_t *conf)
{
    if (conf->bearer.data == NULL) {
        conf->parent = prev;
        conf->bearer = prev->bearer;
        conf->variable = prev->variable;
        conf->conf_file = prev->conf_file;
        conf->conf_line = prev->conf_line;
    }

    conf->enabled = conf->bearer.data && ngx_strcmp(conf->bearer.data, "off");

    if (!conf->enabled) {
        return NGX_CONF_OK;
    }

    if (kmcf->keys.nelts == 0) {
        return ngx_http_katalo_conf_error(cf, &conf->conf_file,
                   conf->conf_line,
                   "\"katalo_bearer\" without any \"katalo_key\", add "
                   "\"katalo_key NAME file:PATH;\" to \"http\"");
    }

    if (conf->variable) {
        return NGX_CONF_OK;
    }

    conf->key = ngx_http_katalo_find_key(kmcf, &conf->bearer);

    if (conf->key == NULL) {
        return ngx_http_katalo_conf_error(cf, &conf->conf_file,
                   conf->conf_line,
                   "unknown key \"%V\" in \"katalo_bearer\", there is no "
                   "\"katalo_key\" of that name", &conf->bearer);
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_katalo_merge_allow(ngx_conf_t *cf, ngx_http_katalo_main_conf_t *kmcf,
    ngx_http_katalo_loc_conf_t *prev, ngx_http_katalo_loc_conf_t *conf)
{
    ngx_int_t    operation;
    ngx_str_t   *name;
    ngx_uint_t   i;

    if (conf->allow_names == NGX_CONF_UNSET_PTR) {
        conf->allow_file = prev->allow_file;
        conf->allow_line = prev->allow_line;
    }

    ngx_conf_merge_ptr_value(conf->allow_names, prev->allow_names, NULL);

    if (conf->allow_names == NULL) {
        conf->allow = (ngx_uint_t) -1;
        return NGX_CONF_OK;
    }

    name = conf->allow_names->elts;

    for (i = 0; i < conf->allow_names->nelts; i++) {

        if (conf->allow_names->nelts == 1
            && ngx_strcmp(name[i].data, "all") == 0)
        {
            conf->allow = (ngx_uint_t) -1;
            break;
        }

        operation = ngx_http_katalo_operation_find(kmcf, &name[i]);

        if (operation == NGX_ERROR) {
            return ngx_http_katalo_conf_error(cf, &conf->allow_file,
                       conf->allow_line,
                       "unknown operation \"%V\" in \"katalo_allow\", use "
                       "\"create\", \"read\", \"regenerate\", \"usage\", "
                       "\"billing\", \"other\", the name of a "
                       "\"katalo_operation\", or \"all\" alone", &name[i]);
        }

        conf->allow |= (ngx_uint_t) 1 << operation;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_katalo_init_module(ngx_cycle_t *cycle)
{
    ngx_http_katalo_main_conf_t  *kmcf;

    kmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_katalo_module);

    if (kmcf == NULL || kmcf->keys.nelts == 0) {
        return NGX_OK;
    }

    ngx_http_katalo_usage_init(kmcf->usage);

    return ngx_http_katalo_vault_init_module(cycle);
}


static ngx_int_t
ngx_http_katalo_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                    i;
    ngx_http_katalo_key_t       **key;
    ngx_http_katalo_main_conf_t  *kmcf;

    kmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_katalo_module);

    if (kmcf == NULL || kmcf->keys.nelts == 0) {
        return NGX_OK;
    }

    key = kmcf->keys.elts;

    /* a single process reads it again when it is reloaded */

    if (ngx_process != NGX_PROCESS_SINGLE) {
        for (i = 0; i < kmcf->keys.nelts; i++) {
            ngx_http_katalo_env_wipe(key[i]);
        }
    }

    /* the cache manager and loader need no keys */

    if (ngx_process == NGX_PROCESS_HELPER) {
        ngx_http_katalo_vault_wipe(kmcf->vault);
        return NGX_OK;
    }

    ngx_http_katalo_usage_init_process(kmcf->usage);

    return ngx_http_katalo_rotation_init_process(cycle, kmcf);
}
