
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* Where a key may go. */


#ifndef _NGX_HTTP_KATALO_DESTINATION_H_INCLUDED_
#define _NGX_HTTP_KATALO_DESTINATION_H_INCLUDED_


#include "ngx_http_katalo.h"


/* after all has been merged: marks what this location has its key from */
void ngx_http_katalo_destination_mark(ngx_http_katalo_loc_conf_t *conf);

/* after all have been marked */
char *ngx_http_katalo_destination_check(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf);

/*
 * While the upstream request is created, where nothing may be evaluated that
 * changes captures or variables.  NGX_OK: it may have the key.  NGX_AGAIN: a
 * variable names the certificate, see ngx_http_katalo_verify_init().
 * NGX_DECLINED: it may not, which is logged.
 */
ngx_int_t ngx_http_katalo_destination(ngx_http_request_t *r,
    ngx_http_katalo_loc_conf_t *conf, ngx_http_katalo_key_t *key);

/* may the key go to the host?  A port is ignored */
ngx_uint_t ngx_http_katalo_destination_allowed(ngx_http_katalo_key_t *key,
    ngx_str_t *host);

/* logs the refusal at "error" */
void ngx_http_katalo_destination_refused(ngx_http_request_t *r,
    ngx_http_katalo_key_t *key, ngx_str_t *host);


#endif /* _NGX_HTTP_KATALO_DESTINATION_H_INCLUDED_ */
