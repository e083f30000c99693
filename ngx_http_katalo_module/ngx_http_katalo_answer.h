
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* The response to a request with a key. */


#ifndef _NGX_HTTP_KATALO_ANSWER_H_INCLUDED_
#define _NGX_HTTP_KATALO_ANSWER_H_INCLUDED_


#include "ngx_http_katalo_ctx.h"


/* before it is sent on: takes its "Access-Control-*" out */
void ngx_http_katalo_answer_header(ngx_http_request_t *r,
    ngx_http_katalo_loc_conf_t *klcf);

/* keeps the beginning of a 429 of Katalo's: how many bytes of it are new */
size_t ngx_http_katalo_answer_body(ngx_http_katalo_ctx_t *ctx,
    ngx_chain_t *in);

/*
 * Milliseconds that a 429 of the upstream asks for: the body's "retry_after",
 * or else the header, or else 1 second.
 */
ngx_msec_t ngx_http_katalo_answer_retry_after(ngx_http_katalo_ctx_t *ctx);


#endif /* _NGX_HTTP_KATALO_ANSWER_H_INCLUDED_ */
