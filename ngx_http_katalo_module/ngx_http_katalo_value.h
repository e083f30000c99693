
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_VALUE_H_INCLUDED_
#define _NGX_HTTP_KATALO_VALUE_H_INCLUDED_


#include "ngx_http_katalo.h"


typedef struct {
    int                             *captures;
    u_char                          *data;
    ngx_uint_t                       n;
    ngx_uint_t                       realloc;
} ngx_http_katalo_captures_t;


/*
 * Variables that are read in between change a copy of the captures of the
 * request.  NGX_ERROR: no memory, nothing is to be restored.
 */
ngx_int_t ngx_http_katalo_captures_keep(ngx_http_request_t *r,
    ngx_http_katalo_captures_t *kept);
void ngx_http_katalo_captures_restore(ngx_http_request_t *r,
    ngx_http_katalo_captures_t *kept);

/* as ngx_http_complex_value(), but the captures of the request stay */
ngx_int_t ngx_http_katalo_value(ngx_http_request_t *r,
    ngx_http_complex_value_t *cv, ngx_str_t *value);


#endif /* _NGX_HTTP_KATALO_VALUE_H_INCLUDED_ */
