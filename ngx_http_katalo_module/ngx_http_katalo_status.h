
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_STATUS_H_INCLUDED_
#define _NGX_HTTP_KATALO_STATUS_H_INCLUDED_


#include "ngx_http_katalo.h"


char *ngx_http_katalo_conf_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


#endif /* _NGX_HTTP_KATALO_STATUS_H_INCLUDED_ */
