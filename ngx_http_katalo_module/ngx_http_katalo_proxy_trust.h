
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* What the proxy module trusts, and how it verifies an upstream. */


#ifndef _NGX_HTTP_KATALO_PROXY_TRUST_H_INCLUDED_
#define _NGX_HTTP_KATALO_PROXY_TRUST_H_INCLUDED_


#include "ngx_http_katalo.h"


/* finds the system's CA certificates, if there are any */
void ngx_http_katalo_proxy_trust_init(ngx_http_katalo_main_conf_t *kmcf);

/* an error where there are no certificates to verify the upstream with */
char *ngx_http_katalo_proxy_trust_check(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf);

/* after all has been merged: what could not be written before */
char *ngx_http_katalo_proxy_trust_finish(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_loc_conf_t *conf);

/*
 * Sets "trust" of each location with a key.  Locations of the same trust may
 * use each other's connections and TLS sessions: the same CA certificates,
 * client certificate, protocols, ciphers and commands of TLS, local address and
 * version of HTTP.
 */
void ngx_http_katalo_proxy_trust_group(ngx_http_katalo_main_conf_t *kmcf);


#endif /* _NGX_HTTP_KATALO_PROXY_TRUST_H_INCLUDED_ */
