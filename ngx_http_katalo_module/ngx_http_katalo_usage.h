
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* Counting in the shared zone, by each process for itself. */


#ifndef _NGX_HTTP_KATALO_USAGE_H_INCLUDED_
#define _NGX_HTTP_KATALO_USAGE_H_INCLUDED_


#include "ngx_http_katalo_counters.h"


/* how an upstream request ended */

typedef struct {
    ngx_uint_t                       status;    /* 0: no valid header */
    ngx_uint_t                       attempts;
    ngx_msec_t                       elapsed;   /* retries included */
    off_t                            bytes_sent;
    off_t                            bytes_received;
} ngx_http_katalo_result_t;


/* counts a fact of a key name; a refusal's counter is its decision */
void ngx_http_katalo_usage_count(ngx_http_katalo_key_t *key,
    ngx_uint_t counter);

/* counts that a client sent a Katalo key */
void ngx_http_katalo_usage_client_key(ngx_http_katalo_key_t *key);

/* counts that a request was refused whose variable named no key */
void ngx_http_katalo_usage_no_key(ngx_http_katalo_usage_t *usage);

/*
 * The key is attached; without a consumer, its name is empty.  Returns the
 * slot of the id for usage_finish(), where the request is counted, though the
 * key may have another one by then.
 */
ngx_uint_t ngx_http_katalo_usage_start(ngx_http_katalo_key_t *key,
    ngx_uint_t operation, ngx_http_katalo_consumer_t *consumer);
void ngx_http_katalo_usage_finish(ngx_http_katalo_key_t *key, ngx_uint_t slot,
    ngx_http_katalo_consumer_t *consumer, ngx_http_katalo_result_t *result);

/* requests of a key id, over all workers; 0 where the id found no slot */
uint64_t ngx_http_katalo_usage_requests(ngx_http_katalo_key_t *key,
    ngx_uint_t slot);


#endif /* _NGX_HTTP_KATALO_USAGE_H_INCLUDED_ */
