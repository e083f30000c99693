
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* What a refused request gets. */


#ifndef _NGX_HTTP_KATALO_REFUSAL_H_INCLUDED_
#define _NGX_HTTP_KATALO_REFUSAL_H_INCLUDED_


#include "ngx_http_katalo_ctx.h"


/*
 * Counts the refusal and answers the request, in any phase; returns what the
 * handler of the phase is to return.
 */
ngx_int_t ngx_http_katalo_refuse(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx, ngx_http_katalo_decision_e reason);

/* sends the envelope, whatever error_page says; NGX_OK, or as a filter */
ngx_int_t ngx_http_katalo_refusal_send(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx);

/* removes what earlier refusals of the request have left in its answer */
void ngx_http_katalo_refusal_forget(ngx_http_request_t *r);


#endif /* _NGX_HTTP_KATALO_REFUSAL_H_INCLUDED_ */
