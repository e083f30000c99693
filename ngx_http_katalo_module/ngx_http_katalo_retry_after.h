
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* When a request may be tried again. */


#ifndef _NGX_HTTP_KATALO_RETRY_AFTER_H_INCLUDED_
#define _NGX_HTTP_KATALO_RETRY_AFTER_H_INCLUDED_


#include "ngx_http_katalo_ctx.h"


/*
 * Milliseconds that a 429 of the upstream asks for: the body's "retry_after",
 * or else the header, or else 1 second.
 */
ngx_msec_t ngx_http_katalo_retry_after(ngx_http_katalo_ctx_t *ctx);


#endif /* _NGX_HTTP_KATALO_RETRY_AFTER_H_INCLUDED_ */
