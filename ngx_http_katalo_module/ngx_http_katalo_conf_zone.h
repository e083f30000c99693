
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_CONF_ZONE_H_INCLUDED_
#define _NGX_HTTP_KATALO_CONF_ZONE_H_INCLUDED_


#include "ngx_http_katalo.h"


/* the setter of "katalo_zone" */
char *ngx_http_katalo_conf_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


#endif /* _NGX_HTTP_KATALO_CONF_ZONE_H_INCLUDED_ */
