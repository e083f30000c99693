
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* The "katalo_consumer" directive. */


#ifndef _NGX_HTTP_KATALO_CONF_CONSUMER_H_INCLUDED_
#define _NGX_HTTP_KATALO_CONF_CONSUMER_H_INCLUDED_


#include "ngx_http_katalo.h"


#define ngx_http_katalo_conf_begins(name, prefix)                             \
    ((name)->len > sizeof(prefix) - 1                                         \
     && ngx_strncasecmp((name)->data, (u_char *) (prefix),                    \
                        sizeof(prefix) - 1) == 0)


char *ngx_http_katalo_conf_consumer(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


#endif /* _NGX_HTTP_KATALO_CONF_CONSUMER_H_INCLUDED_ */
