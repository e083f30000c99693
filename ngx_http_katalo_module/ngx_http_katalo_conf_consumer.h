
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* The "katalo_consumer" directive; names that are no identity are warned of. */


#ifndef _NGX_HTTP_KATALO_CONF_CONSUMER_H_INCLUDED_
#define _NGX_HTTP_KATALO_CONF_CONSUMER_H_INCLUDED_


#include "ngx_http_katalo.h"


char *ngx_http_katalo_conf_consumer(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/*
 * Warns of locations that say nothing of a consumer, and of names that clients
 * can choose; all configurations are merged.  Returns 1 if a location needs a
 * consumer.
 */
ngx_uint_t ngx_http_katalo_conf_consumer_check(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf);


#endif /* _NGX_HTTP_KATALO_CONF_CONSUMER_H_INCLUDED_ */
