
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * Secrets are kept in the cells of the vault of their configuration, and in
 * the header buffers of upstream requests.  A key is read into the spare cell
 * first, and checked there; the spare cell is wiped after each use.
 */


#ifndef _NGX_HTTP_KATALO_VAULT_H_INCLUDED_
#define _NGX_HTTP_KATALO_VAULT_H_INCLUDED_


#include "ngx_http_katalo.h"


/* a key, a line end, and one byte more, to detect longer files */
#define NGX_HTTP_KATALO_READ_LEN  (NGX_HTTP_KATALO_KEY_LEN + 3)


/* bytes of a cell */
#define NGX_HTTP_KATALO_CELL                                                  \
    (sizeof(NGX_HTTP_KATALO_BEARER) - 1 + NGX_HTTP_KATALO_READ_LEN)


struct ngx_http_katalo_vault_s {
    u_char                  *pages;     /* with a guard page at both ends */
    size_t                   size;
    u_char                  *cells;
    ngx_uint_t               nelts;
    u_char                  *spare;
};


/*
 * A vault holds the secrets of one configuration in pages of their own,
 * locked where allowed and left out of core dumps; the pool's cleanup wipes
 * and unmaps it.  NULL is logged.
 */
ngx_http_katalo_vault_t *ngx_http_katalo_vault_create(ngx_conf_t *cf,
    ngx_uint_t cells);

/* gives the key its cell, empty as yet, and room for its id */
ngx_int_t ngx_http_katalo_vault_add(ngx_conf_t *cf,
    ngx_http_katalo_vault_t *vault, ngx_http_katalo_key_t *key);

/* each process that is started later locks its own copy */
ngx_int_t ngx_http_katalo_vault_init_module(ngx_cycle_t *cycle);

void ngx_http_katalo_vault_wipe(ngx_http_katalo_vault_t *vault);


#endif /* _NGX_HTTP_KATALO_VAULT_H_INCLUDED_ */
