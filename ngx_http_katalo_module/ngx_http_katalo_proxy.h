
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* The only code that knows the configuration of the proxy module. */


#ifndef _NGX_HTTP_KATALO_PROXY_H_INCLUDED_
#define _NGX_HTTP_KATALO_PROXY_H_INCLUDED_


#include "ngx_http_katalo.h"


extern ngx_module_t  ngx_http_proxy_module;


typedef char *(*ngx_http_katalo_conf_set_pt)(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);

typedef struct {
    char                           *name;
    ngx_http_katalo_conf_set_pt     set;
    ngx_uint_t                      verify;     /* only with verified TLS */
    ngx_http_katalo_proxy_value_t   with_key;
    ngx_http_katalo_proxy_value_t   without_key;
    ngx_uint_t                      offset;
} ngx_http_katalo_proxy_setting_t;


/* settings that are looked at again */

#define NGX_HTTP_KATALO_SSL_VERIFY       0
#define NGX_HTTP_KATALO_SSL_DEPTH        2
#define NGX_HTTP_KATALO_SSL_CERTIFICATE  3
#define NGX_HTTP_KATALO_HTTP_VERSION     4

extern ngx_http_katalo_proxy_setting_t  ngx_http_katalo_proxy_settings[];

extern ngx_uint_t  ngx_http_katalo_proxy_headers_offset;
extern ngx_uint_t  ngx_http_katalo_proxy_crl_offset;
extern ngx_uint_t  ngx_http_katalo_proxy_commands_offset;
extern ngx_uint_t  ngx_http_katalo_proxy_protocols_offset;
extern ngx_uint_t  ngx_http_katalo_proxy_ciphers_offset;


#define ngx_http_katalo_proxy_field(klcf, offset, type)                       \
    ((type *) ((u_char *) (klcf)->proxy.conf + (offset)))

#define ngx_http_katalo_proxy_setting(conf, i, type)                          \
    ngx_http_katalo_proxy_field(conf,                                         \
                                ngx_http_katalo_proxy_settings[i].offset, type)


/* finds the proxy module's settings; NGX_ERROR is logged */
ngx_int_t ngx_http_katalo_proxy_init(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *main);

/* what the user wrote, here or above */
void ngx_http_katalo_proxy_read(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *prev, ngx_http_katalo_loc_conf_t *conf);

/*
 * Writes what a location needs, and the user did not set.  Settings of trust
 * would give the location a TLS context of its own, which the proxy module
 * makes only where "proxy_pass" is: "trust" tells whether to write them.
 */
void ngx_http_katalo_proxy_write(ngx_http_katalo_main_conf_t *kmcf,
    ngx_http_katalo_loc_conf_t *conf, ngx_uint_t trust);

/* what is public of the location's configuration of the proxy module */
ngx_http_upstream_conf_t *ngx_http_katalo_proxy_upstream(
    ngx_http_katalo_loc_conf_t *conf);

/* may the upstream be TLS?  With variables it may turn out not to be */
ngx_uint_t ngx_http_katalo_proxy_tls(ngx_http_katalo_loc_conf_t *conf);


#endif /* _NGX_HTTP_KATALO_PROXY_H_INCLUDED_ */
