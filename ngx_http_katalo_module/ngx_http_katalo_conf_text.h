
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* What is looked for in the text of the configuration, for messages. */


#ifndef _NGX_HTTP_KATALO_CONF_TEXT_H_INCLUDED_
#define _NGX_HTTP_KATALO_CONF_TEXT_H_INCLUDED_


#include "ngx_http_katalo.h"


/* bytes for places */
#define NGX_HTTP_KATALO_CONF_PLACES  512


/* warns of keys that are written in the configuration */
void ngx_http_katalo_conf_text_literals(ngx_cycle_t *cycle);

/*
 * Appends the places of "proxy_set_header Authorization", for a message;
 * there is room for NGX_HTTP_KATALO_CONF_PLACES bytes.
 */
void ngx_http_katalo_conf_text_authorization(ngx_conf_t *cf, ngx_str_t *places);

/*
 * Warns once of a location with "proxy_cache" whose key is named by a variable,
 * where no "proxy_cache_key" of the configuration tells such keys apart.
 */
void ngx_http_katalo_conf_text_cache(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf);


#endif /* _NGX_HTTP_KATALO_CONF_TEXT_H_INCLUDED_ */
