
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * A secret is only ever in a cell of the vault of its configuration, and in
 * the header buffer of an upstream request.  The spare cell takes what is
 * read until it has been checked; it is wiped after every use.
 */


#ifndef _NGX_HTTP_KATALO_VAULT_H_INCLUDED_
#define _NGX_HTTP_KATALO_VAULT_H_INCLUDED_


#include "ngx_http_katalo.h"


/* a key, a line end, and a byte that tells that there is more */
#define NGX_HTTP_KATALO_READ_LEN  (NGX_HTTP_KATALO_KEY_LEN + 3)


struct ngx_http_katalo_cell_s {
    ngx_str_t                secret;
    u_char                   data[sizeof(NGX_HTTP_KATALO_BEARER) - 1
                                  + NGX_HTTP_KATALO_READ_LEN];
};


struct ngx_http_katalo_vault_s {
    u_char                  *pages;     /* with a guard page at both ends */
    size_t                   size;
    ngx_http_katalo_cell_t  *cells;
    ngx_uint_t               nelts;
    ngx_http_katalo_cell_t  *spare;
};


#endif /* _NGX_HTTP_KATALO_VAULT_H_INCLUDED_ */
