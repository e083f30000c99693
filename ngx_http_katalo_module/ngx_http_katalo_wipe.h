
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* What a request with a key leaves in memory. */


#ifndef _NGX_HTTP_KATALO_WIPE_H_INCLUDED_
#define _NGX_HTTP_KATALO_WIPE_H_INCLUDED_


#include "ngx_http_katalo.h"


/* before the upstream request is created to its end */
void ngx_http_katalo_wipe_init(ngx_http_katalo_ctx_t *ctx);

/* once it has ended; the connection may be kept alive */
void ngx_http_katalo_wipe(ngx_http_katalo_ctx_t *ctx);


#endif /* _NGX_HTTP_KATALO_WIPE_H_INCLUDED_ */
