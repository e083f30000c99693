
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * nginx takes a kept connection by its address alone, however it was made.  A
 * request with a key takes only one that another such request has used, whose
 * certificate was verified with the same trust as its location's and is for
 * the name that it expects; any other is closed, and a new one is made.
 *
 * The result of the verification alone tells nothing: a request without a key
 * may have resumed a TLS session of a location with other CA certificates.
 */


#include "ngx_http_katalo_ctx.h"
#include "ngx_http_katalo_destination.h"
#include "ngx_http_katalo_peer.h"
#include "ngx_http_katalo_resolve.h"
#include "ngx_http_katalo_session.h"
#include "ngx_http_katalo_proxy.h"
#include "ngx_http_katalo_value.h"
#include "ngx_http_katalo_verify.h"


static void ngx_http_katalo_peer_wrap(ngx_http_upstream_srv_conf_t *uscf);
static ngx_int_t ngx_http_katalo_peer_init_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *uscf);
static ngx_int_t ngx_http_katalo_peer_get(ngx_peer_connection_t *pc,
    void *data);
static ngx_uint_t ngx_http_katalo_peer_trusted(ngx_http_katalo_ctx_t *ctx,
    ngx_connection_t *c);
static ngx_int_t ngx_http_katalo_peer_name(ngx_http_request_t *r,
    ngx_str_t *name);


/* of an SSL: the location with a key that has used it last */
static int  ngx_http_katalo_peer_index = -1;


ngx_int_t
ngx_http_katalo_peer_init(ngx_conf_t *cf, ngx_http_katalo_loc_conf_t *klcf)
{
    ngx_uint_t                       i;
    ngx_http_upstream_conf_t        *ucf;
    ngx_http_upstream_srv_conf_t   **uscf;
    ngx_http_upstream_main_conf_t   *umcf;

    ucf = ngx_http_katalo_proxy_upstream(klcf);

    if (!klcf->upstream_tls) {

        /* its addresses are held, whatever the protocol */

        if (klcf->implicit) {
            ngx_http_katalo_peer_wrap(ucf->upstream);
        }

        return NGX_OK;
    }

    if (ngx_http_katalo_peer_index == -1) {
        ngx_http_katalo_peer_index = SSL_get_ex_new_index(0, NULL, NULL, NULL,
                                                          NULL);

        if (ngx_http_katalo_peer_index == -1) {
            ngx_ssl_error(NGX_LOG_EMERG, cf->log, 0,
                          "SSL_get_ex_new_index() failed");
            return NGX_ERROR;
        }
    }

    if (ucf->upstream) {
        ngx_http_katalo_peer_wrap(ucf->upstream);
        return NGX_OK;
    }

    /* a variable may name any upstream */

    umcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_upstream_module);
    uscf = umcf->upstreams.elts;

    for (i = 0; i < umcf->upstreams.nelts; i++) {
        ngx_http_katalo_peer_wrap(uscf[i]);
    }

    return NGX_OK;
}


static void
ngx_http_katalo_peer_wrap(ngx_http_upstream_srv_conf_t *uscf)
{
    ngx_http_katalo_srv_conf_t  *kscf;

    if (uscf->peer.init == ngx_http_katalo_peer_init_peer) {
        return;
    }

    if (uscf->srv_conf) {
        kscf = ngx_http_conf_upstream_srv_conf(uscf, ngx_http_katalo_module);
        kscf->init_peer = uscf->peer.init;
    }

    uscf->peer.init = ngx_http_katalo_peer_init_peer;
}


static ngx_int_t
ngx_http_katalo_peer_init_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *uscf)
{
    ngx_int_t                    rc;
    ngx_http_katalo_ctx_t       *ctx;
    ngx_http_katalo_srv_conf_t  *kscf;

    /* without an "upstream" block, nginx knows one method only */

    if (uscf->srv_conf) {
        kscf = ngx_http_conf_upstream_srv_conf(uscf, ngx_http_katalo_module);

        if (kscf->host
            && ngx_http_katalo_addresses_hold(r, kscf->host) != NGX_OK)
        {
            return NGX_ERROR;
        }

        rc = kscf->init_peer(r, uscf);

    } else {
        rc = ngx_http_upstream_init_round_robin_peer(r, uscf);
    }

    ctx = ngx_http_katalo_ctx_upstream(r);

    if (rc == NGX_OK && ctx && ctx->conf->upstream_tls) {
        ctx->get_peer = r->upstream->peer.get;
        r->upstream->peer.get = ngx_http_katalo_peer_get;

        ngx_http_katalo_session_add(ctx);

        if (ctx->verify) {
            ngx_http_katalo_verify_add(ctx);
        }
    }

    return rc;
}


static ngx_int_t
ngx_http_katalo_peer_get(ngx_peer_connection_t *pc, void *data)
{
    ngx_int_t               rc;
    ngx_connection_t       *c;
    ngx_http_katalo_ctx_t  *ctx;

    ctx = ngx_http_katalo_ctx_peer(pc);

    rc = ctx->get_peer(pc, data);

    c = pc->connection;

    if (rc != NGX_DONE
        || c == NULL
        || ngx_http_katalo_peer_trusted(ctx, c))
    {
        return rc;
    }

    if (c->ssl) {
        c->ssl->no_wait_shutdown = 1;
        c->ssl->no_send_shutdown = 1;

        (void) ngx_ssl_shutdown(c);
    }

    ngx_destroy_pool(c->pool);
    ngx_close_connection(c);

    pc->connection = NULL;
    pc->cached = 0;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_katalo_peer_trusted(ngx_http_katalo_ctx_t *ctx, ngx_connection_t *c)
{
    SSL                         *ssl;
    ngx_str_t                    name;
    ngx_http_katalo_loc_conf_t  *used;

    if (c->ssl == NULL) {
        return 0;
    }

    ssl = c->ssl->connection;

    used = SSL_get_ex_data(ssl, ngx_http_katalo_peer_index);

    if (used == NULL
        || used->trust == NULL
        || used->trust != ctx->conf->trust)
    {
        return 0;
    }

    if (used == ctx->conf && ctx->conf->destination_known) {
        return 1;
    }

    if (SSL_get_verify_result(ssl) != X509_V_OK
        || ngx_http_katalo_peer_name(ctx->request, &name) != NGX_OK
        || ngx_ssl_check_host(c, &name) != NGX_OK
        || (ctx->verify
            && !ngx_http_katalo_destination_allowed(ctx->key, &name)))
    {
        return 0;
    }

    /* as after a handshake, for the filter that verifies it */

    ctx->upstream->ssl_name = name;

    (void) SSL_set_ex_data(ssl, ngx_http_katalo_peer_index, ctx->conf);

    return 1;
}


void
ngx_http_katalo_peer_used(ngx_http_katalo_ctx_t *ctx)
{
    ngx_connection_t  *c;

    c = ctx->upstream->peer.connection;

    /* nothing is sent before the certificate is verified */

    if (ctx->conf->upstream_tls
        && ctx->upstream->request_sent
        && !ctx->upstream->peer.cached
        && c
        && c->ssl)
    {
        (void) SSL_set_ex_data(c->ssl->connection, ngx_http_katalo_peer_index,
                               ctx->conf);
    }
}


/*
 * The name that nginx would verify, without its port.  It may depend on the
 * address, which nginx makes known a little later.
 */

static ngx_int_t
ngx_http_katalo_peer_name(ngx_http_request_t *r, ngx_str_t *name)
{
    u_char               *p, *last;
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (u->conf->ssl_name == NULL) {
        *name = u->ssl_name;

    } else {
        u->state->peer = u->peer.name;

        if (ngx_http_katalo_value(r, u->conf->ssl_name, name) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    last = name->data + name->len;
    p = name->data;

    if (name->len && *p == '[') {
        p = ngx_strlchr(p, last, ']');
    }

    p = p ? ngx_strlchr(p, last, ':') : NULL;

    if (p) {
        name->len = p - name->data;
    }

    return NGX_OK;
}
