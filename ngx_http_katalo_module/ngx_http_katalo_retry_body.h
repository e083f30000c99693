
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* The beginning of the body of a 429 that is sent on to the client. */


#ifndef _NGX_HTTP_KATALO_RETRY_BODY_H_INCLUDED_
#define _NGX_HTTP_KATALO_RETRY_BODY_H_INCLUDED_


#include "ngx_http_katalo_ctx.h"


/*
 * The header of a 429 is about to be sent: if it is Katalo's, its body will be
 * looked at.
 */
void ngx_http_katalo_retry_body_init(ngx_http_request_t *r);

/*
 * What there was of the body when the upstream request ended, empty if there
 * was none, or it was compressed.
 */
void ngx_http_katalo_retry_body(ngx_http_katalo_ctx_t *ctx, ngx_str_t *body);


#endif /* _NGX_HTTP_KATALO_RETRY_BODY_H_INCLUDED_ */
