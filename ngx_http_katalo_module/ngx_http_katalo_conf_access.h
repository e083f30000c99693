
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_CONF_ACCESS_H_INCLUDED_
#define _NGX_HTTP_KATALO_CONF_ACCESS_H_INCLUDED_


#include "ngx_http_katalo.h"


/* warns of key files that the configured user may not read */
void ngx_http_katalo_conf_access(ngx_cycle_t *cycle,
    ngx_http_katalo_main_conf_t *kmcf);


#endif /* _NGX_HTTP_KATALO_CONF_ACCESS_H_INCLUDED_ */
