
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* Counting by consumer, of requests that have one. */


#ifndef _NGX_HTTP_KATALO_CONSUMED_H_INCLUDED_
#define _NGX_HTTP_KATALO_CONSUMED_H_INCLUDED_


#include "ngx_http_katalo_consumers.h"


/*
 * The key is attached; "column" is that of the operation.  NGX_DECLINED: there
 * is no room before the usage log has counts, said once a second.
 */
ngx_int_t ngx_http_katalo_consumed_start(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row, ngx_uint_t column, ngx_http_katalo_consumer_t *consumer);

/* "class" is that of the status */
void ngx_http_katalo_consumed_finish(ngx_http_katalo_usage_t *usage,
    ngx_uint_t slot, ngx_uint_t class, ngx_http_katalo_consumer_t *consumer);


#endif /* _NGX_HTTP_KATALO_CONSUMED_H_INCLUDED_ */
