
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * nginx keeps no connection to a host that "proxy_pass" names without an
 * "upstream" block.  Locations with a key get an upstream of their own for
 * such a host: the addresses that nginx found, and nginx's own keepalive
 * module with the values that nginx 1.29.7 and later has as defaults.
 * Locations of the same trust share one.  Locations without a key keep what
 * nginx made for them.  The addresses are followed, see
 * ngx_http_katalo_resolve.c.
 */


#include "ngx_http_katalo_addresses.h"
#include "ngx_http_katalo_keepalive.h"
#include "ngx_http_katalo_peer.h"
#include "ngx_http_katalo_proxy.h"
#include "ngx_http_katalo_resolve.h"


#define NGX_HTTP_KATALO_KEEPALIVE_CONNECTIONS  "32"


static ngx_module_t *ngx_http_katalo_keepalive_module(ngx_conf_t *cf);
static ngx_http_upstream_srv_conf_t *ngx_http_katalo_keepalive_shared(
    ngx_http_katalo_main_conf_t *kmcf, ngx_uint_t n,
    ngx_http_upstream_srv_conf_t *uscf);
static ngx_http_upstream_srv_conf_t *ngx_http_katalo_keepalive_create(
    ngx_conf_t *cf, ngx_http_upstream_srv_conf_t *uscf);
static ngx_int_t ngx_http_katalo_keepalive_servers(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *uscf, ngx_http_upstream_rr_peers_t *peers);
static ngx_int_t ngx_http_katalo_keepalive_set(ngx_conf_t *cf,
    ngx_module_t *module, ngx_http_upstream_srv_conf_t *uscf);
static ngx_int_t ngx_http_katalo_keepalive_directive(ngx_conf_t *cf,
    ngx_module_t *module, void *conf);


ngx_int_t
ngx_http_katalo_keepalive_init(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf)
{
    ngx_int_t                      rc;
    ngx_uint_t                     i;
    ngx_module_t                  *module;
    ngx_http_upstream_conf_t      *ucf;
    ngx_http_katalo_srv_conf_t    *kscf;
    ngx_http_katalo_loc_conf_t   **klcf;
    ngx_http_upstream_srv_conf_t  *uscf;

    module = ngx_http_katalo_keepalive_module(cf);
    klcf = kmcf->locations.elts;

    for (i = 0; i < kmcf->locations.nelts; i++) {

        ucf = ngx_http_katalo_proxy_upstream(klcf[i]);

        if (!klcf[i]->enabled
            || ucf->upstream == NULL
            || ucf->upstream->srv_conf)
        {
            continue;
        }

        uscf = ngx_http_katalo_keepalive_shared(kmcf, i, ucf->upstream);

        if (uscf == NULL) {
            uscf = ngx_http_katalo_keepalive_create(cf, ucf->upstream);
            if (uscf == NULL) {
                return NGX_ERROR;
            }

            rc = (module && klcf[i]->trust)
                 ? ngx_http_katalo_keepalive_set(cf, module, uscf)
                 : ngx_http_upstream_init_round_robin(cf, uscf);

            kscf = ngx_http_conf_upstream_srv_conf(uscf,
                                                   ngx_http_katalo_module);

            if (rc != NGX_OK
                || ngx_http_katalo_resolve_add(cf, kmcf, klcf[i], uscf,
                                               &kscf->host)
                   != NGX_OK)
            {
                return NGX_ERROR;
            }
        }

        klcf[i]->implicit = ucf->upstream;
        ucf->upstream = uscf;
    }

    return NGX_OK;
}


/* nginx may be built without it */

static ngx_module_t *
ngx_http_katalo_keepalive_module(ngx_conf_t *cf)
{
    ngx_uint_t  i;

    for (i = 0; cf->cycle->modules[i]; i++) {

        if (ngx_strcmp(cf->cycle->modules[i]->name,
                       "ngx_http_upstream_keepalive_module")
            == 0)
        {
            return cf->cycle->modules[i];
        }
    }

    return NULL;
}


/* the upstream of one of the first n locations that may share connections */

static ngx_http_upstream_srv_conf_t *
ngx_http_katalo_keepalive_shared(ngx_http_katalo_main_conf_t *kmcf,
    ngx_uint_t n, ngx_http_upstream_srv_conf_t *uscf)
{
    ngx_uint_t                    i;
    ngx_http_katalo_loc_conf_t  **klcf;

    klcf = kmcf->locations.elts;

    for (i = 0; i < n; i++) {

        if (klcf[i]->implicit == uscf
            && klcf[i]->trust == klcf[n]->trust
            && klcf[i]->trust
            && klcf[i]->resolve == klcf[n]->resolve
            && klcf[i]->resolver == klcf[n]->resolver)
        {
            return ngx_http_katalo_proxy_upstream(klcf[i])->upstream;
        }
    }

    return NULL;
}


static ngx_http_upstream_srv_conf_t *
ngx_http_katalo_keepalive_create(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *uscf)
{
    ngx_http_upstream_srv_conf_t  *own;

    own = ngx_palloc(cf->pool, sizeof(ngx_http_upstream_srv_conf_t));
    if (own == NULL) {
        return NULL;
    }

    *own = *uscf;

    own->srv_conf = ngx_pcalloc(cf->pool, sizeof(void *) * ngx_http_max_module);
    if (own->srv_conf == NULL) {
        return NULL;
    }

    ngx_memzero(&own->peer, sizeof(ngx_http_upstream_peer_t));

    own->srv_conf[ngx_http_upstream_module.ctx_index] = own;
    own->srv_conf[ngx_http_katalo_module.ctx_index] = ngx_pcalloc(cf->pool,
                                           sizeof(ngx_http_katalo_srv_conf_t));

    if (own->srv_conf[ngx_http_katalo_module.ctx_index] == NULL
        || ngx_http_katalo_keepalive_servers(cf, own, uscf->peer.data)
           != NGX_OK)
    {
        return NULL;
    }

    return own;
}


/* the addresses that nginx has found already are not looked up again */

static ngx_int_t
ngx_http_katalo_keepalive_servers(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *uscf, ngx_http_upstream_rr_peers_t *peers)
{
    ngx_uint_t                    i;
    ngx_addr_t                   *addr;
    ngx_http_upstream_rr_peer_t  *peer;

    addr = ngx_pcalloc(cf->pool, peers->number * sizeof(ngx_addr_t));
    if (addr == NULL) {
        return NGX_ERROR;
    }

    i = 0;

    for (peer = peers->peer; peer; peer = peer->next) {
        addr[i].sockaddr = peer->sockaddr;
        addr[i].socklen = peer->socklen;
        addr[i].name = peer->name;
        i++;
    }

    return ngx_http_katalo_addresses_servers(cf->pool, uscf, addr, i);
}


/*
 * As if the upstream were a block with the directive "keepalive" in it.  The
 * keepalive module wraps an upstream by the directive's setter, or, since
 * nginx 1.29.7, all upstreams of the main configuration when it is complete.
 */

static ngx_int_t
ngx_http_katalo_keepalive_set(ngx_conf_t *cf, ngx_module_t *module,
    ngx_http_upstream_srv_conf_t *uscf)
{
    void                           *kcf, *main_conf;
    ngx_int_t                       rc;
    ngx_http_module_t              *ctx;
    ngx_http_conf_ctx_t             conf_ctx, *saved_ctx;
    ngx_http_upstream_main_conf_t   umcf;

    ctx = module->ctx;

    kcf = ctx->create_srv_conf(cf);
    if (kcf == NULL) {
        return NGX_ERROR;
    }

    uscf->srv_conf[module->ctx_index] = kcf;

    saved_ctx = cf->ctx;
    conf_ctx = *saved_ctx;
    conf_ctx.srv_conf = uscf->srv_conf;
    cf->ctx = &conf_ctx;

    ngx_memzero(&umcf, sizeof(ngx_http_upstream_main_conf_t));

    umcf.upstreams.elts = &uscf;
    umcf.upstreams.nelts = 1;

    main_conf = conf_ctx.main_conf[ngx_http_upstream_module.ctx_index];
    conf_ctx.main_conf[ngx_http_upstream_module.ctx_index] = &umcf;

    rc = ngx_http_katalo_keepalive_directive(cf, module, kcf);

    if (rc == NGX_OK) {
        rc = uscf->peer.init_upstream
             ? uscf->peer.init_upstream(cf, uscf)
             : ngx_http_upstream_init_round_robin(cf, uscf);
    }

    if (rc == NGX_OK
        && ctx->init_main_conf
        && ctx->init_main_conf(cf, NULL) != NGX_CONF_OK)
    {
        rc = NGX_ERROR;
    }

    conf_ctx.main_conf[ngx_http_upstream_module.ctx_index] = main_conf;
    cf->ctx = saved_ctx;

    return rc;
}


static ngx_int_t
ngx_http_katalo_keepalive_directive(ngx_conf_t *cf, ngx_module_t *module,
    void *conf)
{
    char           *rv;
    ngx_array_t    *saved, args;
    ngx_command_t  *cmd;

    ngx_str_t  value[] = {
        ngx_string("keepalive"),
        ngx_string(NGX_HTTP_KATALO_KEEPALIVE_CONNECTIONS)
    };

    for (cmd = module->commands; cmd->name.len; cmd++) {

        if (ngx_strcmp(cmd->name.data, "keepalive") == 0) {
            break;
        }
    }

    if (cmd->name.len == 0) {
        rv = "unknown";

    } else {
        ngx_memzero(&args, sizeof(ngx_array_t));

        args.elts = value;
        args.nelts = 2;

        saved = cf->args;
        cf->args = &args;

        rv = cmd->set(cf, cmd, conf);

        cf->args = saved;
    }

    if (rv != NGX_CONF_OK) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "the directive \"keepalive\" is not as "
                      "ngx_http_katalo_module knows it");
        return NGX_ERROR;
    }

    return NGX_OK;
}
