
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_STATUS_HTML_H_INCLUDED_
#define _NGX_HTTP_KATALO_STATUS_HTML_H_INCLUDED_


#include "ngx_http_katalo.h"


/* the Content-Security-Policy, made once for a configuration */
ngx_int_t ngx_http_katalo_status_html_init(ngx_conf_t *cf);

/* the page, and the response headers that it needs */
ngx_int_t ngx_http_katalo_status_html(ngx_http_request_t *r, ngx_str_t *text);


#endif /* _NGX_HTTP_KATALO_STATUS_HTML_H_INCLUDED_ */
