
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_ROWS_H_INCLUDED_
#define _NGX_HTTP_KATALO_ROWS_H_INCLUDED_


#include "ngx_http_katalo_zone.h"


/* Rows of the zone, one for each key name.  The caller has the mutex. */


/* rows for the keys of this configuration; returns how many have none */
ngx_uint_t ngx_http_katalo_rows_init(ngx_http_katalo_usage_t *usage);

/* the process holds the rows of its keys */
void ngx_http_katalo_rows_init_process(ngx_http_katalo_usage_t *usage);

/* rows for keys that have none, once a second at most */
void ngx_http_katalo_rows_retry(ngx_http_katalo_usage_t *usage);

/*
 * The row of the key, which another process may have found.  NULL: there is
 * none, and no state of the key.
 */
ngx_http_katalo_sh_key_t *ngx_http_katalo_rows_find(
    ngx_http_katalo_key_t *key);


#endif /* _NGX_HTTP_KATALO_ROWS_H_INCLUDED_ */
