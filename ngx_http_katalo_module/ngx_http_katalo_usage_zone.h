
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* The life of the shared zone: of a configuration, and of a process. */


#ifndef _NGX_HTTP_KATALO_USAGE_ZONE_H_INCLUDED_
#define _NGX_HTTP_KATALO_USAGE_ZONE_H_INCLUDED_


#include "ngx_http_katalo.h"


/*
 * The zones, with or without "katalo_zone"; counts begin anew where their size
 * is another one than in the configuration before ("old", or NULL).  NGX_ERROR
 * is logged.
 */
ngx_int_t ngx_http_katalo_usage_zone_add(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_main_conf_t *old);

/* the configuration takes effect: rows and slots for its keys */
void ngx_http_katalo_usage_zone_init(ngx_http_katalo_usage_t *usage);

/* a process begins, or ends, to count; helpers of nginx do not */
void ngx_http_katalo_usage_zone_init_process(ngx_http_katalo_usage_t *usage);
void ngx_http_katalo_usage_zone_exit_process(ngx_http_katalo_usage_t *usage);


#endif /* _NGX_HTTP_KATALO_USAGE_ZONE_H_INCLUDED_ */
