
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* The table of directives, and the setters that are in files of their own. */


#ifndef _NGX_HTTP_KATALO_COMMANDS_H_INCLUDED_
#define _NGX_HTTP_KATALO_COMMANDS_H_INCLUDED_


#include "ngx_http_katalo.h"


extern ngx_command_t  ngx_http_katalo_commands[];

/* puts a check of the arguments before each setter, before any is called */
void ngx_http_katalo_conf_init(void);

char *ngx_http_katalo_conf_consumer(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_katalo_conf_cooldown(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_katalo_conf_key(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_katalo_conf_operation(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_katalo_conf_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_katalo_conf_usage_log(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_katalo_conf_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


#endif /* _NGX_HTTP_KATALO_COMMANDS_H_INCLUDED_ */
