
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_VARIABLES_H_INCLUDED_
#define _NGX_HTTP_KATALO_VARIABLES_H_INCLUDED_


#include "ngx_http_katalo.h"


ngx_int_t ngx_http_katalo_add_variables(ngx_conf_t *cf);

/* is it the name of a variable of this module? */
ngx_uint_t ngx_http_katalo_variables_own(ngx_str_t *name);

/*
 * Adds a variable that no configuration can name: its name is made anew for
 * each, and it is in no hash of variables.  *value is "$<name>".
 */
ngx_int_t ngx_http_katalo_variables_hide(ngx_conf_t *cf,
    ngx_http_get_variable_pt handler, ngx_str_t *value);

/*
 * The key is attached: keeps what the log will show, since the slot may be
 * another id's by then.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_katalo_variables_keep(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx);


#endif /* _NGX_HTTP_KATALO_VARIABLES_H_INCLUDED_ */
