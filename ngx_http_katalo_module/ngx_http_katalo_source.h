
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* Where a key is read from: a row of a table for each kind of source. */


#ifndef _NGX_HTTP_KATALO_SOURCE_H_INCLUDED_
#define _NGX_HTTP_KATALO_SOURCE_H_INCLUDED_


#include "ngx_http_katalo_key.h"


struct ngx_http_katalo_source_s {
    ngx_str_t                    name;      /* in "katalo_key", before ":" */
    ngx_msec_t                   check;     /* the default; 0: no file */

    /* NGX_DECLINED: no such argument; NGX_ERROR is logged */
    ngx_int_t                  (*set)(ngx_conf_t *cf,
                                     ngx_http_katalo_key_t *key,
                                     ngx_str_t *arg);

    /*
     * Adds at most NGX_HTTP_KATALO_READ_LEN bytes to the text, which is empty;
     * NGX_ERROR: *error says why.
     */
    ngx_int_t                  (*read)(ngx_http_katalo_key_t *key,
                                     ngx_str_t *text,
                                     ngx_http_katalo_key_error_t *error);
};


/* the source of "katalo_key", once its parameters are known */
char *ngx_http_katalo_source_set(ngx_conf_t *cf, ngx_http_katalo_key_t *key,
    ngx_str_t *value);

/* wipes an "env:" key from this process's environment block */
void ngx_http_katalo_source_wipe(ngx_http_katalo_key_t *key);


#endif /* _NGX_HTTP_KATALO_SOURCE_H_INCLUDED_ */
