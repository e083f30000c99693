
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_attach.h"
#include "ngx_http_katalo_commands.h"
#include "ngx_http_katalo_conf_identity.h"
#include "ngx_http_katalo_conf_merge.h"
#include "ngx_http_katalo_conf_read.h"
#include "ngx_http_katalo_conf_text.h"
#include "ngx_http_katalo_consumer.h"
#include "ngx_http_katalo_cooldown.h"
#include "ngx_http_katalo_destination.h"
#include "ngx_http_katalo_guard.h"
#include "ngx_http_katalo_hosts.h"
#include "ngx_http_katalo_idempotency.h"
#include "ngx_http_katalo_keepalive.h"
#include "ngx_http_katalo_key.h"
#include "ngx_http_katalo_peer.h"
#include "ngx_http_katalo_proxy.h"
#include "ngx_http_katalo_proxy_trust.h"
#include "ngx_http_katalo_resolve.h"
#include "ngx_http_katalo_rotation.h"
#include "ngx_http_katalo_session.h"
#include "ngx_http_katalo_source.h"
#include "ngx_http_katalo_usage_zone.h"
#include "ngx_http_katalo_variables.h"
#include "ngx_http_katalo_vault.h"


static ngx_int_t ngx_http_katalo_preconfiguration(ngx_conf_t *cf);
static char *ngx_http_katalo_init_main_conf(ngx_conf_t *cf, void *conf);
static ngx_int_t ngx_http_katalo_postconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_katalo_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_katalo_init_process(ngx_cycle_t *cycle);
static void ngx_http_katalo_exit_process(ngx_cycle_t *cycle);


static ngx_http_module_t  ngx_http_katalo_module_ctx = {
    ngx_http_katalo_preconfiguration,      /* preconfiguration */
    ngx_http_katalo_postconfiguration,     /* postconfiguration */

    ngx_http_katalo_conf_create_main,      /* create main configuration */
    ngx_http_katalo_init_main_conf,        /* init main configuration */

    ngx_http_katalo_conf_create_srv,       /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_katalo_conf_create_loc,       /* create location configuration */
    ngx_http_katalo_conf_merge_loc         /* merge location configuration */
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
    ngx_http_katalo_exit_process,          /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_katalo_preconfiguration(ngx_conf_t *cf)
{
    ngx_http_katalo_conf_init();

    return ngx_http_katalo_add_variables(cf);
}


static char *
ngx_http_katalo_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_katalo_main_conf_t *kmcf = conf;

    ngx_http_katalo_loc_conf_t  *klcf;

    klcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_katalo_module);

    if (ngx_http_katalo_proxy_init(cf, klcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    ngx_http_katalo_proxy_trust_init(kmcf);

    ngx_conf_init_ptr_value(kmcf->usage_log, NULL);

    if (kmcf->keys.nelts == 0) {
        return NGX_CONF_OK;
    }

    if (ngx_http_katalo_conf_read_keys(cf, kmcf) != NGX_CONF_OK
        || ngx_http_katalo_attach_init(cf, kmcf) != NGX_OK
        || ngx_http_katalo_idempotency_init(cf, kmcf) != NGX_OK
        || ngx_http_katalo_usage_zone_add(cf, kmcf,
                                          ngx_http_katalo_conf_read_old(cf))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
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
        if (ngx_http_katalo_proxy_trust_finish(cf, kmcf, klcf[i])
            != NGX_CONF_OK
            || (klcf[i]->enabled
                && ngx_http_katalo_destination_check(cf, klcf[i])
                   != NGX_CONF_OK))
        {
            return NGX_ERROR;
        }
    }

    ngx_http_katalo_conf_text_cache(cf, kmcf);

    kmcf->sessions = ngx_http_katalo_session_init(cf);
    if (kmcf->sessions == NULL) {
        return NGX_ERROR;
    }

    ngx_http_katalo_proxy_trust_group(kmcf);

    if (ngx_http_katalo_keepalive_init(cf, kmcf) != NGX_OK
        || ngx_http_katalo_hosts_add_zone(cf, kmcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < kmcf->locations.nelts; i++) {
        if (klcf[i]->enabled
            && ngx_http_katalo_peer_init(cf, klcf[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ngx_http_katalo_cooldown_init(kmcf);

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PREACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_katalo_guard_handler;

    if (!ngx_http_katalo_conf_identity(cf, kmcf)) {
        return NGX_OK;
    }

    /* of the handlers of a phase, the last one is called first */

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_katalo_consumer_handler;

    return NGX_OK;
}


static ngx_int_t
ngx_http_katalo_init_module(ngx_cycle_t *cycle)
{
    ngx_http_katalo_main_conf_t  *kmcf;

    if (!ngx_test_config) {
        ngx_log_error(NGX_LOG_NOTICE, cycle->log, 0,
                      "katalo: ngx_http_katalo_module %s",
                      NGX_HTTP_KATALO_VERSION);
    }

    kmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_katalo_module);

    if (kmcf == NULL || kmcf->keys.nelts == 0) {
        return NGX_OK;
    }

    ngx_http_katalo_conf_text_literals(cycle);
    ngx_http_katalo_conf_read_access(cycle, kmcf);

    kmcf->keep = (kmcf->id_variable->flags | kmcf->requests_variable->flags)
                 & NGX_HTTP_VAR_INDEXED;

    ngx_http_katalo_usage_zone_init(kmcf->usage);

    if (ngx_http_katalo_vault_init_module(cycle) != NGX_OK) {
        return NGX_ERROR;
    }

    /* a single process does not initialize itself after a reload */

    if (ngx_process == NGX_PROCESS_SINGLE
        && !ngx_test_config
        && !ngx_is_init_cycle(cycle->old_cycle))
    {
        return ngx_http_katalo_init_process(cycle);
    }

    return NGX_OK;
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
            ngx_http_katalo_source_wipe(key[i]);
        }
    }

    /* the cache manager and loader need no keys */

    if (ngx_process == NGX_PROCESS_HELPER) {
        ngx_http_katalo_vault_wipe(kmcf->vault);
        return NGX_OK;
    }

    ngx_http_katalo_usage_zone_init_process(kmcf->usage);

    if (ngx_http_katalo_resolve_init_process(cycle, kmcf) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_katalo_rotation_init_process(cycle, kmcf);
}


static void
ngx_http_katalo_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_katalo_main_conf_t  *kmcf;

    kmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_katalo_module);

    if (kmcf && kmcf->usage) {
        ngx_http_katalo_usage_zone_exit_process(kmcf->usage);
    }
}
