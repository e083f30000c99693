
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * nginx looks up a host of "proxy_pass" when it starts.  Each worker looks the
 * hosts of locations with a key up again when their TTL ends.  New requests
 * use the new addresses; the old ones stay until the last request that began
 * with them has ended.
 */


#include "ngx_http_katalo_addresses.h"
#include "ngx_http_katalo_conf_error.h"
#include "ngx_http_katalo_resolve.h"
#include "ngx_http_katalo_resolve_system.h"


/* seconds between two lookups */
#define NGX_HTTP_KATALO_RESOLVE_MIN  5
#define NGX_HTTP_KATALO_RESOLVE_MAX  300

#define NGX_HTTP_KATALO_RESOLVE_POOL  1024


static ngx_uint_t ngx_http_katalo_resolve_has(
    ngx_http_upstream_rr_peers_t *peers, int family);
static void ngx_http_katalo_resolve_stop(void *data);
static void ngx_http_katalo_resolve_start(ngx_event_t *ev);
static void ngx_http_katalo_resolve_handler(ngx_resolver_ctx_t *ctx);
static ngx_int_t ngx_http_katalo_resolve_read(ngx_http_katalo_host_t *host,
    ngx_resolver_ctx_t *ctx, ngx_pool_t *pool, ngx_array_t *addrs);
static void ngx_http_katalo_resolve_done(ngx_http_katalo_host_t *host);
static void ngx_http_katalo_resolve_failed(ngx_http_katalo_host_t *host,
    ngx_int_t state);


ngx_int_t
ngx_http_katalo_resolve_add(ngx_conf_t *cf, ngx_http_katalo_main_conf_t *kmcf,
    ngx_http_katalo_loc_conf_t *klcf, ngx_http_upstream_srv_conf_t *uscf,
    ngx_http_katalo_host_t **host)
{
    ngx_uint_t               ipv6;
    ngx_resolver_t          *resolver;
    ngx_http_katalo_host_t  *h, **hp;

    *host = NULL;

    /* an IPv6 address and the path of a socket have other characters */

    if (!klcf->resolve
        || !ngx_http_katalo_conf_word(&uscf->host, "._-")
        || ngx_inet_addr(uscf->host.data, uscf->host.len) != INADDR_NONE)
    {
        return NGX_OK;
    }

    ipv6 = ngx_http_katalo_resolve_has(uscf->peer.data, AF_INET6);
    resolver = klcf->resolver;

    if (resolver == NULL
        && ngx_http_katalo_resolve_system(cf, kmcf, ipv6, &resolver) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (resolver == NULL) {
        return NGX_OK;
    }

    h = ngx_pcalloc(cf->pool, sizeof(ngx_http_katalo_host_t));
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->addresses = ngx_http_katalo_addresses_create(cf->pool);
    if (h->addresses == NULL) {
        return NGX_ERROR;
    }

    hp = ngx_array_push(&kmcf->hosts);
    if (hp == NULL) {
        return NGX_ERROR;
    }

    *hp = h;

    /* the resolver turns a name into lower case where it is */

    h->name.len = uscf->host.len;
    h->name.data = ngx_pnalloc(cf->pool, uscf->host.len);
    if (h->name.data == NULL) {
        return NGX_ERROR;
    }

    ngx_strlow(h->name.data, uscf->host.data, uscf->host.len);

    h->upstream = uscf;
    h->resolver = resolver;
    h->timeout = klcf->resolver_timeout;
    h->ipv4 = ngx_http_katalo_resolve_has(uscf->peer.data, AF_INET);
    h->ipv6 = ipv6;

    *host = h;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_katalo_resolve_has(ngx_http_upstream_rr_peers_t *peers, int family)
{
    ngx_http_upstream_rr_peer_t  *peer;

    for (peer = peers->peer; peer; peer = peer->next) {

        if (peer->sockaddr->sa_family == family) {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_katalo_resolve_init_process(ngx_cycle_t *cycle,
    ngx_http_katalo_main_conf_t *kmcf)
{
    ngx_uint_t                i;
    ngx_pool_cleanup_t       *cln;
    ngx_http_katalo_host_t  **host;

    host = kmcf->hosts.elts;

    for (i = 0; i < kmcf->hosts.nelts; i++) {

        cln = ngx_pool_cleanup_add(cycle->pool, 0);
        if (cln == NULL) {
            return NGX_ERROR;
        }

        cln->handler = ngx_http_katalo_resolve_stop;
        cln->data = host[i];

        host[i]->cycle = cycle;

        host[i]->event.handler = ngx_http_katalo_resolve_start;
        host[i]->event.data = host[i];
        host[i]->event.log = cycle->log;
        host[i]->event.cancelable = 1;

        ngx_add_timer(&host[i]->event, 1);
    }

    return NGX_OK;
}


static void
ngx_http_katalo_resolve_stop(void *data)
{
    ngx_http_katalo_host_t *host = data;

    if (host->event.timer_set) {
        ngx_del_timer(&host->event);
    }

    ngx_http_katalo_addresses_destroy(host->addresses);
}


static void
ngx_http_katalo_resolve_start(ngx_event_t *ev)
{
    ngx_resolver_ctx_t      *ctx;
    ngx_http_katalo_host_t  *host;

    host = ev->data;

    /* a single process goes on with another configuration, and another zone */

    if (ngx_exiting || host->cycle != ngx_cycle) {
        return;
    }

    ctx = ngx_resolve_start(host->resolver, NULL);

    if (ctx == NULL) {
        ngx_http_katalo_resolve_failed(host, NGX_RESOLVE_SERVFAIL);
        return;
    }

    ctx->name = host->name;
    ctx->handler = ngx_http_katalo_resolve_handler;
    ctx->data = host;
    ctx->timeout = host->timeout;
    ctx->cancelable = 1;

    if (ngx_resolve_name(ctx) != NGX_OK) {
        ngx_http_katalo_resolve_failed(host, NGX_RESOLVE_SERVFAIL);
    }
}


static void
ngx_http_katalo_resolve_handler(ngx_resolver_ctx_t *ctx)
{
    time_t                   ttl;
    ngx_int_t                rc, state;
    ngx_pool_t              *pool;
    ngx_array_t              addrs;
    ngx_http_katalo_host_t  *host;

    host = ctx->data;
    state = ctx->state;
    ttl = ctx->valid - ngx_time() + 1;

    if (host->cycle != ngx_cycle) {
        ngx_resolve_name_done(ctx);
        return;
    }

    if (state != NGX_OK) {
        ngx_resolve_name_done(ctx);
        ngx_http_katalo_resolve_failed(host, state);
        return;
    }

    rc = NGX_ERROR;

    pool = ngx_create_pool(NGX_HTTP_KATALO_RESOLVE_POOL, ngx_cycle->log);

    if (pool) {
        rc = ngx_http_katalo_resolve_read(host, ctx, pool, &addrs);
    }

    ngx_resolve_name_done(ctx);

    if (rc == NGX_OK && !ngx_http_katalo_addresses_same(host, &addrs)) {
        rc = ngx_http_katalo_addresses_replace(host, pool, &addrs);

    } else if (pool) {
        ngx_destroy_pool(pool);
    }

    if (rc != NGX_OK) {
        ngx_http_katalo_resolve_failed(host, rc == NGX_DECLINED
                                             ? NGX_RESOLVE_NXDOMAIN
                                             : NGX_RESOLVE_SERVFAIL);
        return;
    }

    ngx_http_katalo_resolve_done(host);

    /* in the last second, the resolver would answer from its cache */

    ttl = ngx_max(ttl, NGX_HTTP_KATALO_RESOLVE_MIN);
    ttl = ngx_min(ttl, NGX_HTTP_KATALO_RESOLVE_MAX);

    ngx_add_timer(&host->event, (ngx_msec_t) ttl * 1000);
}


/*
 * Addresses of the families that the host had at start: getaddrinfo() knows
 * what this machine can reach.  NGX_DECLINED: there are none.
 */

static ngx_int_t
ngx_http_katalo_resolve_read(ngx_http_katalo_host_t *host,
    ngx_resolver_ctx_t *ctx, ngx_pool_t *pool, ngx_array_t *addrs)
{
    ngx_uint_t        i;
    ngx_addr_t       *addr;
    struct sockaddr  *sockaddr;

    if (ngx_array_init(addrs, pool, ctx->naddrs, sizeof(ngx_addr_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < ctx->naddrs; i++) {

        sockaddr = ctx->addrs[i].sockaddr;

        if (!(sockaddr->sa_family == AF_INET ? host->ipv4 : host->ipv6)) {
            continue;
        }

        addr = ngx_array_push(addrs);
        if (addr == NULL) {
            return NGX_ERROR;
        }

        addr->socklen = ctx->addrs[i].socklen;
        addr->sockaddr = ngx_palloc(pool, addr->socklen);
        addr->name.data = ngx_pnalloc(pool, NGX_SOCKADDR_STRLEN);

        if (addr->sockaddr == NULL || addr->name.data == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(addr->sockaddr, sockaddr, addr->socklen);
        ngx_inet_set_port(addr->sockaddr, host->upstream->port);

        addr->name.len = ngx_sock_ntop(addr->sockaddr, addr->socklen,
                                       addr->name.data, NGX_SOCKADDR_STRLEN,
                                       1);
    }

    return addrs->nelts ? NGX_OK : NGX_DECLINED;
}


static void
ngx_http_katalo_resolve_done(ngx_http_katalo_host_t *host)
{
    ngx_http_katalo_host_entry_t  *entry;
    ngx_http_upstream_rr_peers_t  *peers;

    entry = host->entry;
    peers = host->upstream->peer.data;

    entry->addresses = peers->number;
    entry->resolved = ngx_time();

    if (ngx_http_katalo_hosts_change(entry, NGX_HTTP_KATALO_HOST_RESOLVED)) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "katalo: the addresses of host \"%V\" are followed",
                      &host->name);
    }
}


static void
ngx_http_katalo_resolve_failed(ngx_http_katalo_host_t *host, ngx_int_t state)
{
    (void) ngx_atomic_fetch_add(&host->entry->failures, 1);

    /* other workers, and those before, may have found it */

    if (state == NGX_RESOLVE_NXDOMAIN && host->entry->resolved == 0) {

        if (ngx_http_katalo_hosts_change(host->entry,
                                         NGX_HTTP_KATALO_HOST_UNKNOWN))
        {
            ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                          "katalo: the name servers do not know host \"%V\", "
                          "it keeps the addresses that it had at start",
                          &host->name);
        }

        return;
    }

    if (ngx_http_katalo_hosts_change(host->entry,
                                     NGX_HTTP_KATALO_HOST_FAILED))
    {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "katalo: host \"%V\" could not be resolved (%i: %s), "
                      "it keeps the addresses that it has",
                      &host->name, state,
                      ngx_resolver_strerror(state));
    }

    ngx_add_timer(&host->event, NGX_HTTP_KATALO_RESOLVE_MIN * 1000);
}
