
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_CONF_READ_H_INCLUDED_
#define _NGX_HTTP_KATALO_CONF_READ_H_INCLUDED_


#include "ngx_http_katalo.h"


/* reads the keys, once all are known */
char *ngx_http_katalo_conf_read_keys(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf);

/* warns of key files that the configured user may not read */
void ngx_http_katalo_conf_read_access(ngx_cycle_t *cycle,
    ngx_http_katalo_main_conf_t *kmcf);

/* the one before; NULL: the first, or the first with this module */
ngx_http_katalo_main_conf_t *ngx_http_katalo_conf_read_old(ngx_conf_t *cf);


#endif /* _NGX_HTTP_KATALO_CONF_READ_H_INCLUDED_ */
