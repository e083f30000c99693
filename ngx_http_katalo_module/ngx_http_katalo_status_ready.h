
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* Whether keys can be used, for probes: "katalo_status ready". */


#ifndef _NGX_HTTP_KATALO_STATUS_READY_H_INCLUDED_
#define _NGX_HTTP_KATALO_STATUS_READY_H_INCLUDED_


#include "ngx_http_katalo.h"


struct ngx_http_katalo_ready_s {
    ngx_array_t                      names;     /* ngx_str_t, of key= */
    ngx_array_t                     *keys;      /* ngx_http_katalo_key_t * */
    ngx_http_katalo_place_t          place;
};


/* reads the parameters, and makes the location answer probes */
char *ngx_http_katalo_status_ready_set(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf);

/* finds the keys, once all are declared; all of them without key= */
char *ngx_http_katalo_status_ready_merge(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_loc_conf_t *prev,
    ngx_http_katalo_loc_conf_t *conf);


#endif /* _NGX_HTTP_KATALO_STATUS_READY_H_INCLUDED_ */
