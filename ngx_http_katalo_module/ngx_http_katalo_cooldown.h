
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* After a 429 of Katalo, requests that would get another one are not sent. */


#ifndef _NGX_HTTP_KATALO_COOLDOWN_H_INCLUDED_
#define _NGX_HTTP_KATALO_COOLDOWN_H_INCLUDED_


#include "ngx_http_katalo_ctx.h"


/* the directive */
char *ngx_http_katalo_conf_cooldown(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* locations with a key obey cool-downs, when all of them are merged */
void ngx_http_katalo_cooldown_init(ngx_http_katalo_main_conf_t *kmcf);

/* Katalo has answered 429 to the upstream request of the context */
void ngx_http_katalo_cooldown_begin(ngx_http_katalo_ctx_t *ctx);


#endif /* _NGX_HTTP_KATALO_COOLDOWN_H_INCLUDED_ */
