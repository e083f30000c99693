
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* The context of a request; a subrequest has its own. */


#ifndef _NGX_HTTP_KATALO_CTX_H_INCLUDED_
#define _NGX_HTTP_KATALO_CTX_H_INCLUDED_


#include "ngx_http_katalo.h"
#include "ngx_http_katalo_reason.h"


typedef void (*ngx_http_katalo_finalize_pt)(ngx_http_request_t *r,
    ngx_int_t rc);
typedef ngx_int_t (*ngx_http_katalo_reinit_pt)(ngx_http_request_t *r);


/* who uses the key, and where it is counted since the key was attached */

struct ngx_http_katalo_consumer_s {
    ngx_str_t                        name;      /* empty: none, or not yet */
    ngx_http_katalo_sh_consumer_t   *entry;     /* NULL: no room */
    union {
        uint64_t                     hash;      /* of the name */
        ngx_uint_t                   serial;    /* counted: of the entry */
    };
};


/* lives in the request's pool from the guard on */

struct ngx_http_katalo_ctx_s {
    ngx_pool_cleanup_t               cleanup;
    ngx_http_request_t              *request;
    ngx_http_katalo_loc_conf_t      *conf;
    ngx_uint_t                       operation;

    /* set when the key is attached */
    ngx_event_get_peer_pt            get_peer;
    ngx_http_katalo_finalize_pt      finalize_request;
    ngx_http_katalo_reinit_pt        reinit_request;
    ngx_http_katalo_verify_t        *verify;    /* or NULL */
    ngx_event_free_peer_pt           free_peer; /* or NULL */
    ngx_buf_t                       *body;      /* start of a 429's, or NULL */
    ngx_uint_t                       states;    /* index in upstream_states */
    ngx_uint_t                       slot;
    union {
        ngx_msec_t                   started;
        ngx_uint_t                   retry_after; /* refused: seconds */
    };

    /* zero until they are set */
    ngx_http_katalo_key_t           *key;
    union {
        ngx_str_t                    named;     /* by a variable, no key */
        ngx_str_t                    idempotency; /* with a key; or empty */
    };
    ngx_http_katalo_decision_e       decision;
    unsigned                         flags:8;   /* of the guard */
    unsigned                         made:1;    /* idempotency, not sent */
    ngx_http_katalo_consumer_t       consumer;

    ngx_http_upstream_t             *upstream;  /* has the key */

    /* set while the upstream request is not finished */
    void                           (*finish)(ngx_http_katalo_ctx_t *ctx);

    /* what $katalo_key_id and $katalo_requests show; empty, 0: not asked for */
    ngx_str_t                        id;
    uint64_t                         requests;
};


/* lives as long as r->pool; NULL: no memory */
ngx_http_katalo_ctx_t *ngx_http_katalo_ctx_create(ngx_http_request_t *r,
    ngx_http_katalo_loc_conf_t *klcf);

/* the request, which has a key, has this consumer; also of another one */
void ngx_http_katalo_ctx_consumer(ngx_http_katalo_ctx_t *ctx,
    ngx_str_t *name);

/*
 * What was decided of the request in its present location; NULL before the
 * guard has run there.  A clone, which begins after the guard, gets a context
 * of its own if its parent was let through by the same location.
 */
ngx_http_katalo_ctx_t *ngx_http_katalo_ctx_get(ngx_http_request_t *r);

/* the latest context, also that of a location before a redirect, or NULL */
ngx_http_katalo_ctx_t *ngx_http_katalo_ctx_find(ngx_http_request_t *r);

/* the context of the same request in an earlier location, or NULL */
ngx_http_katalo_ctx_t *ngx_http_katalo_ctx_before(ngx_http_katalo_ctx_t *ctx);

/* the context that r->upstream has its key from, or NULL */
ngx_http_katalo_ctx_t *ngx_http_katalo_ctx_upstream(ngx_http_request_t *r);

/* the same of the request whose r->upstream->peer it is */
ngx_http_katalo_ctx_t *ngx_http_katalo_ctx_peer(ngx_peer_connection_t *pc);


#endif /* _NGX_HTTP_KATALO_CTX_H_INCLUDED_ */
