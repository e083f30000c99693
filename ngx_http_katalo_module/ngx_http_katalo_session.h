
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_SESSION_H_INCLUDED_
#define _NGX_HTTP_KATALO_SESSION_H_INCLUDED_


#include "ngx_http_katalo.h"


/*
 * The TLS sessions of one worker's connections to upstreams.  They live as
 * long as cf->pool.  NULL: no memory.
 */
ngx_http_katalo_sessions_t *ngx_http_katalo_session_init(ngx_conf_t *cf);

/* has nginx resume and keep the sessions of ctx->upstream here */
void ngx_http_katalo_session_add(ngx_http_katalo_ctx_t *ctx);


#endif /* _NGX_HTTP_KATALO_SESSION_H_INCLUDED_ */
