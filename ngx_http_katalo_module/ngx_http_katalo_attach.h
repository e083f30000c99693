
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* The one place where a key is used. */


#ifndef _NGX_HTTP_KATALO_ATTACH_H_INCLUDED_
#define _NGX_HTTP_KATALO_ATTACH_H_INCLUDED_


#include "ngx_http_katalo.h"


/* registers the hidden variable; NGX_ERROR is logged */
ngx_int_t ngx_http_katalo_attach_init(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf);


#endif /* _NGX_HTTP_KATALO_ATTACH_H_INCLUDED_ */
