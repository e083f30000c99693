
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* Consumers that are missing, or that are no identity. */


#ifndef _NGX_HTTP_KATALO_CONF_IDENTITY_H_INCLUDED_
#define _NGX_HTTP_KATALO_CONF_IDENTITY_H_INCLUDED_


#include "ngx_http_katalo.h"


/*
 * Warns of locations that say nothing of a consumer, and of names that clients
 * can choose; all configurations are merged.  Returns 1 if a location needs a
 * consumer.
 */
ngx_uint_t ngx_http_katalo_conf_identity(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf);


#endif /* _NGX_HTTP_KATALO_CONF_IDENTITY_H_INCLUDED_ */
