
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * nginx keeps one TLS session for each peer, whoever made it, with the result
 * of its verification.  Requests with a key resume only sessions of their own:
 * of the same trust, the same address and the same name.
 */


#include "ngx_http_katalo_ctx.h"
#include "ngx_http_katalo_session.h"


#define NGX_HTTP_KATALO_SESSIONS  64


typedef struct {
    ngx_ssl_session_t            *session;
    ngx_http_katalo_loc_conf_t   *trust;
    socklen_t                     socklen;
    ngx_sockaddr_t                sockaddr;
    size_t                        len;
    u_char                        name[NGX_MAXHOSTNAMELEN];
} ngx_http_katalo_session_t;


struct ngx_http_katalo_sessions_s {
    ngx_uint_t                    next;       /* gives way */
    ngx_http_katalo_session_t     session[NGX_HTTP_KATALO_SESSIONS];
};


static ngx_int_t ngx_http_katalo_session_set(ngx_peer_connection_t *pc,
    void *data);
static void ngx_http_katalo_session_save(ngx_peer_connection_t *pc,
    void *data);
static ngx_http_katalo_session_t *ngx_http_katalo_session_find(
    ngx_http_katalo_ctx_t *ctx, ngx_peer_connection_t *pc);
static void ngx_http_katalo_session_cleanup(void *data);


ngx_http_katalo_sessions_t *
ngx_http_katalo_session_init(ngx_conf_t *cf)
{
    ngx_pool_cleanup_t          *cln;
    ngx_http_katalo_sessions_t  *sessions;

    sessions = ngx_pcalloc(cf->pool, sizeof(ngx_http_katalo_sessions_t));
    if (sessions == NULL) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_katalo_session_cleanup;
    cln->data = sessions;

    return sessions;
}


static void
ngx_http_katalo_session_cleanup(void *data)
{
    ngx_http_katalo_sessions_t *sessions = data;

    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_KATALO_SESSIONS; i++) {

        if (sessions->session[i].session) {
            ngx_ssl_free_session(sessions->session[i].session);
        }
    }
}


void
ngx_http_katalo_session_add(ngx_http_katalo_ctx_t *ctx)
{
    ctx->upstream->peer.set_session = ngx_http_katalo_session_set;
    ctx->upstream->peer.save_session = ngx_http_katalo_session_save;
}


static ngx_int_t
ngx_http_katalo_session_set(ngx_peer_connection_t *pc, void *data)
{
    ngx_http_katalo_ctx_t      *ctx;
    ngx_http_katalo_session_t  *session;

    ctx = ngx_http_katalo_ctx_peer(pc);

    if (ctx == NULL || ctx->conf->trust == NULL) {
        return NGX_OK;
    }

    session = ngx_http_katalo_session_find(ctx, pc);

    if (session == NULL) {
        return NGX_OK;
    }

    return ngx_ssl_set_session(pc->connection, session->session);
}


static void
ngx_http_katalo_session_save(ngx_peer_connection_t *pc, void *data)
{
    ngx_str_t                     name;
    ngx_ssl_session_t            *ssl_session;
    ngx_http_katalo_ctx_t        *ctx;
    ngx_http_katalo_session_t    *session;
    ngx_http_katalo_sessions_t   *sessions;
    ngx_http_katalo_main_conf_t  *kmcf;

    ctx = ngx_http_katalo_ctx_peer(pc);

    if (ctx == NULL || ctx->conf->trust == NULL) {
        return;
    }

    name = ctx->upstream->ssl_name;

    /* one that was refused would be resumed, and refused again */

    if (name.len > NGX_MAXHOSTNAMELEN
        || SSL_get_verify_result(pc->connection->ssl->connection) != X509_V_OK
        || ngx_ssl_check_host(pc->connection, &name) != NGX_OK)
    {
        return;
    }

    ssl_session = ngx_ssl_get_session(pc->connection);
    if (ssl_session == NULL) {
        return;
    }

    kmcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_katalo_module);
    sessions = kmcf->sessions;

    session = ngx_http_katalo_session_find(ctx, pc);

    if (session == NULL) {
        session = &sessions->session[sessions->next];
        sessions->next = (sessions->next + 1) % NGX_HTTP_KATALO_SESSIONS;
    }

    if (session->session) {
        ngx_ssl_free_session(session->session);
    }

    session->session = ssl_session;
    session->trust = ctx->conf->trust;
    session->socklen = pc->socklen;
    ngx_memcpy(&session->sockaddr, pc->sockaddr, pc->socklen);
    session->len = name.len;
    ngx_memcpy(session->name, name.data, name.len);
}


static ngx_http_katalo_session_t *
ngx_http_katalo_session_find(ngx_http_katalo_ctx_t *ctx,
    ngx_peer_connection_t *pc)
{
    ngx_str_t                    *name;
    ngx_uint_t                    i;
    ngx_http_katalo_session_t    *session;
    ngx_http_katalo_main_conf_t  *kmcf;

    kmcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_katalo_module);
    session = kmcf->sessions->session;
    name = &ctx->upstream->ssl_name;

    for (i = 0; i < NGX_HTTP_KATALO_SESSIONS; i++) {

        if (session[i].trust == ctx->conf->trust
            && ngx_memn2cmp((u_char *) &session[i].sockaddr,
                            (u_char *) pc->sockaddr,
                            session[i].socklen, pc->socklen)
               == 0
            && ngx_memn2cmp(session[i].name, name->data, session[i].len,
                            name->len)
               == 0)
        {
            return &session[i];
        }
    }

    return NULL;
}
