
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_CONF_LOG_H_INCLUDED_
#define _NGX_HTTP_KATALO_CONF_LOG_H_INCLUDED_


#include "ngx_http_katalo.h"


char *ngx_http_katalo_conf_usage_log(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* all other files are open; NGX_ERROR is logged */
ngx_int_t ngx_http_katalo_conf_log_open(ngx_cycle_t *cycle,
    ngx_http_katalo_usage_log_t *log);


#endif /* _NGX_HTTP_KATALO_CONF_LOG_H_INCLUDED_ */
