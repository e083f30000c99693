
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* Gathers what the status shows. */


#ifndef _NGX_HTTP_KATALO_USAGE_READ_H_INCLUDED_
#define _NGX_HTTP_KATALO_USAGE_READ_H_INCLUDED_


#include "ngx_http_katalo_consumed_read.h"
#include "ngx_http_katalo_snapshot.h"


/* gathers all of it but the hosts; NGX_ERROR: no memory */
ngx_int_t ngx_http_katalo_usage_read(ngx_http_katalo_main_conf_t *kmcf,
    ngx_pool_t *pool, ngx_http_katalo_snapshot_t *snapshot);

/*
 * Gathers what is known of a key name: no ids, and no consumers.  Requests in
 * flight are those of the processes that stripes_read() has found.
 */
void ngx_http_katalo_usage_read_key(ngx_http_katalo_key_t *key,
    ngx_http_katalo_key_row_t *row);


#endif /* _NGX_HTTP_KATALO_USAGE_READ_H_INCLUDED_ */
