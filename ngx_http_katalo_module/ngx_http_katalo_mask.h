
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_MASK_H_INCLUDED_
#define _NGX_HTTP_KATALO_MASK_H_INCLUDED_


#include "ngx_http_katalo.h"


/* hides debug lines of the connection in this event; NGX_ERROR: no memory */
ngx_int_t ngx_http_katalo_mask(ngx_http_request_t *r);


#endif /* _NGX_HTTP_KATALO_MASK_H_INCLUDED_ */
