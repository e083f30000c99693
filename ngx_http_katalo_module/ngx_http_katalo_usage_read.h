
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* Gathers what the status shows. */


#ifndef _NGX_HTTP_KATALO_USAGE_READ_H_INCLUDED_
#define _NGX_HTTP_KATALO_USAGE_READ_H_INCLUDED_


#include "ngx_http_katalo_consumed.h"
#include "ngx_http_katalo_snapshot.h"


/* gathers what is known of the zone as a whole */
void ngx_http_katalo_usage_read(ngx_http_katalo_usage_t *usage,
    ngx_http_katalo_snapshot_t *snapshot);

/*
 * Finds out which processes are alive, for the requests in flight that
 * usage_read_key() gathers: once for many keys, in the same event.
 */
void ngx_http_katalo_usage_read_processes(ngx_http_katalo_usage_t *usage);

/* gathers the state of a key name: no counters, and no requests in flight */
void ngx_http_katalo_usage_read_state(ngx_http_katalo_key_t *key,
    ngx_http_katalo_key_row_t *row);

/* gathers what is known of a key name */
void ngx_http_katalo_usage_read_key(ngx_http_katalo_key_t *key,
    ngx_http_katalo_key_row_t *row);

/*
 * Gathers the latest id of a key name that is older than "serial", 0 for any:
 * first the current one, then by when they ceased to be.  NGX_DONE: there are
 * no more.  No id is met twice, whatever comes and goes between the calls; one
 * that becomes current again meanwhile may be left out.
 */
ngx_int_t ngx_http_katalo_usage_read_id(ngx_http_katalo_key_t *key,
    ngx_uint_t serial, ngx_http_katalo_id_row_t *row);

/* the consumers of a key name, most used first; NGX_ERROR: no memory */
ngx_int_t ngx_http_katalo_usage_read_consumers(ngx_http_katalo_key_t *key,
    ngx_array_t *refs);

/* gathers one of them; NGX_DECLINED: it has given way meanwhile */
ngx_int_t ngx_http_katalo_usage_read_consumer(ngx_http_katalo_key_t *key,
    ngx_http_katalo_consumer_ref_t *ref, ngx_http_katalo_consumer_row_t *row);


#endif /* _NGX_HTTP_KATALO_USAGE_READ_H_INCLUDED_ */
