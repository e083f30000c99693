
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* Which kept connections may carry a key. */


#ifndef _NGX_HTTP_KATALO_PEER_H_INCLUDED_
#define _NGX_HTTP_KATALO_PEER_H_INCLUDED_


#include "ngx_http_katalo.h"
#include "ngx_http_katalo_ctx.h"


/* of an "upstream" block, or an upstream of the module's own */

typedef struct {
    ngx_http_upstream_init_peer_pt   init_peer;
    ngx_http_katalo_host_t          *host;      /* NULL: not followed */
} ngx_http_katalo_srv_conf_t;


/* after all has been merged; NGX_ERROR is logged */
ngx_int_t ngx_http_katalo_peer_init(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *klcf);

/*
 * The upstream request ends: if its connection is kept, others with a key may
 * use it.  Where memory is missing, they will not.
 */
void ngx_http_katalo_peer_used(ngx_http_katalo_ctx_t *ctx);


#endif /* _NGX_HTTP_KATALO_PEER_H_INCLUDED_ */
