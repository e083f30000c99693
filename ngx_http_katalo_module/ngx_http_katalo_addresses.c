
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * The addresses of a host that is followed.  New ones have a pool of their
 * own, which lives until they are replaced and the last request that began
 * with them has ended.
 */


#include "ngx_http_katalo_addresses.h"
#include "ngx_http_katalo_resolve.h"


struct ngx_http_katalo_addresses_s {
    ngx_pool_t                      *pool;      /* NULL: the first ones */
    ngx_http_upstream_rr_peers_t    *peers;     /* in the pool */
    ngx_uint_t                       used;      /* by the host, and requests */
};


static void ngx_http_katalo_addresses_release(void *data);


ngx_http_katalo_addresses_t *
ngx_http_katalo_addresses_create(ngx_pool_t *pool)
{
    ngx_http_katalo_addresses_t  *addresses;

    addresses = ngx_pcalloc(pool, sizeof(ngx_http_katalo_addresses_t));

    if (addresses) {
        addresses->used = 1;
    }

    return addresses;
}


/* without "katalo_upstream_tls verify", peers have nginx's own TLS sessions */

void
ngx_http_katalo_addresses_destroy(ngx_http_katalo_addresses_t *addresses)
{
    ngx_http_upstream_rr_peer_t  *peer;

    if (addresses->pool == NULL) {
        return;
    }

    for (peer = addresses->peers->peer; peer; peer = peer->next) {
        if (peer->ssl_session) {
            ngx_ssl_free_session(peer->ssl_session);
        }
    }

    ngx_destroy_pool(addresses->pool);
}


/* a name server may give them in another order each time */

ngx_uint_t
ngx_http_katalo_addresses_same(ngx_http_katalo_host_t *host, ngx_array_t *addrs)
{
    ngx_uint_t                     i;
    ngx_addr_t                    *addr;
    ngx_http_upstream_rr_peer_t   *peer;
    ngx_http_upstream_rr_peers_t  *peers;

    addr = addrs->elts;
    peers = host->upstream->peer.data;

    if (addrs->nelts != peers->number) {
        return 0;
    }

    for (peer = peers->peer; peer; peer = peer->next) {

        for (i = 0; i < addrs->nelts; i++) {
            if (ngx_cmp_sockaddr(peer->sockaddr, peer->socklen,
                                 addr[i].sockaddr, addr[i].socklen, 1)
                == NGX_OK)
            {
                break;
            }
        }

        if (i == addrs->nelts) {
            return 0;
        }
    }

    return 1;
}


ngx_int_t
ngx_http_katalo_addresses_replace(ngx_http_katalo_host_t *host,
    ngx_pool_t *pool, ngx_array_t *addrs)
{
    ngx_conf_t                     cf;
    ngx_http_katalo_addresses_t   *addresses, *before;
    ngx_http_upstream_srv_conf_t  *uscf;

    ngx_memzero(&cf, sizeof(ngx_conf_t));

    cf.pool = pool;
    cf.log = ngx_cycle->log;

    addresses = ngx_http_katalo_addresses_create(pool);
    uscf = ngx_palloc(pool, sizeof(ngx_http_upstream_srv_conf_t));

    if (addresses == NULL || uscf == NULL) {
        ngx_destroy_pool(pool);
        return NGX_ERROR;
    }

    *uscf = *host->upstream;

    if (ngx_http_katalo_addresses_servers(pool, uscf, addrs->elts, addrs->nelts)
        != NGX_OK
        || ngx_http_upstream_init_round_robin(&cf, uscf) != NGX_OK)
    {
        ngx_destroy_pool(pool);
        return NGX_ERROR;
    }

    host->upstream->peer.data = uscf->peer.data;

    before = host->addresses;

    host->addresses = addresses;
    addresses->pool = pool;
    addresses->peers = uscf->peer.data;

    ngx_http_katalo_addresses_release(before);

    return NGX_OK;
}


ngx_int_t
ngx_http_katalo_addresses_hold(ngx_http_request_t *r,
    ngx_http_katalo_host_t *host)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_katalo_addresses_release;
    cln->data = host->addresses;

    host->addresses->used++;

    return NGX_OK;
}


static void
ngx_http_katalo_addresses_release(void *data)
{
    ngx_http_katalo_addresses_t *addresses = data;

    if (--addresses->used == 0) {
        ngx_http_katalo_addresses_destroy(addresses);
    }
}


ngx_int_t
ngx_http_katalo_addresses_servers(ngx_pool_t *pool,
    ngx_http_upstream_srv_conf_t *uscf, ngx_addr_t *addrs, ngx_uint_t naddrs)
{
    ngx_http_upstream_server_t  *server;

    uscf->servers = ngx_array_create(pool, 1,
                                     sizeof(ngx_http_upstream_server_t));
    if (uscf->servers == NULL) {
        return NGX_ERROR;
    }

    server = ngx_array_push(uscf->servers);
    if (server == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(server, sizeof(ngx_http_upstream_server_t));

    server->name = uscf->host;
    server->addrs = addrs;
    server->naddrs = naddrs;

    /* as of an upstream without a block */

    server->weight = 1;
    server->max_fails = 1;
    server->fail_timeout = 10;

    return NGX_OK;
}
