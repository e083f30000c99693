
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_COUNTERS_H_INCLUDED_
#define _NGX_HTTP_KATALO_COUNTERS_H_INCLUDED_


#include "ngx_http_katalo.h"
#include "ngx_http_katalo_reason.h"


/* counters of a key name; a refusal's is its decision */

typedef enum {
    NGX_HTTP_KATALO_DENIED = 0,
    NGX_HTTP_KATALO_BROWSER_REPORTED = NGX_HTTP_KATALO_DENIED
                                       + NGX_HTTP_KATALO_REFUSALS,
    NGX_HTTP_KATALO_STRIPPED,
    NGX_HTTP_KATALO_CLIENT_KEY,
    NGX_HTTP_KATALO_ROTATIONS,
    NGX_HTTP_KATALO_READ_FAILURES,
    NGX_HTTP_KATALO_KEY_COUNTERS
} ngx_http_katalo_key_counter_e;


/* rows of the tables of statuses and of bounds */
#define NGX_HTTP_KATALO_STATUSES         19
#define NGX_HTTP_KATALO_BUCKETS          13

/* counters of a key id */

typedef enum {
    NGX_HTTP_KATALO_REQUESTS = 0,
    NGX_HTTP_KATALO_RESPONSES = NGX_HTTP_KATALO_REQUESTS
                                + NGX_HTTP_KATALO_OPERATIONS,
    NGX_HTTP_KATALO_UPSTREAM_TIME = NGX_HTTP_KATALO_RESPONSES
                                    + NGX_HTTP_KATALO_STATUSES,
    NGX_HTTP_KATALO_UPSTREAM_MSEC = NGX_HTTP_KATALO_UPSTREAM_TIME
                                    + NGX_HTTP_KATALO_BUCKETS,
    NGX_HTTP_KATALO_RETRIES,
    NGX_HTTP_KATALO_BYTES_SENT,
    NGX_HTTP_KATALO_BYTES_RECEIVED,
    NGX_HTTP_KATALO_ID_COUNTERS
} ngx_http_katalo_id_counter_e;


/* classes of responses of a consumer */
#define NGX_HTTP_KATALO_RESPONSE_CLASSES 6

/* counters of a consumer; operations are as those of a key id */

typedef enum {
    NGX_HTTP_KATALO_CONSUMER_REQUESTS = 0,
    NGX_HTTP_KATALO_CONSUMER_RESPONSES = NGX_HTTP_KATALO_CONSUMER_REQUESTS
                                         + NGX_HTTP_KATALO_OPERATIONS,
    NGX_HTTP_KATALO_CONSUMER_COUNTERS = NGX_HTTP_KATALO_CONSUMER_RESPONSES
                                        + NGX_HTTP_KATALO_RESPONSE_CLASSES
} ngx_http_katalo_consumer_counter_e;


/* whose counters they are */

typedef enum {
    NGX_HTTP_KATALO_OF_KEY = 0,
    NGX_HTTP_KATALO_OF_ID,
    NGX_HTTP_KATALO_OF_CONSUMER
} ngx_http_katalo_counters_of_e;


typedef struct {
    ngx_uint_t                       counter;
    ngx_str_t                        name;
} ngx_http_katalo_counter_name_t;


/*
 * A family of counters, the same in every output: one counter without a label,
 * or several that have the names of a table, or of another part.  Operations
 * have the names of the zone, which "usage" leads to.
 */

typedef struct {
    char                            *json;
    char                            *metric;
    char                            *label;     /* NULL: one counter */
    char                            *help;
    ngx_http_katalo_counters_of_e    of;
    ngx_uint_t                       first;
    ngx_uint_t                       n;
    ngx_uint_t                       total;     /* JSON has their sum, too */
    ngx_http_katalo_counter_name_t  *names;
    ngx_str_t                     *(*name)(ngx_http_katalo_usage_t *usage,
                                         ngx_uint_t i);
} ngx_http_katalo_counters_t;


/* ends with a family whose "json" is NULL */
extern ngx_http_katalo_counters_t  ngx_http_katalo_counters[];

/*
 * The label of the i-th counter of the family.  Empty: it has none yet, and
 * has not been counted.
 */
ngx_str_t *ngx_http_katalo_counters_name(ngx_http_katalo_counters_t *family,
    ngx_http_katalo_usage_t *usage, ngx_uint_t i);

/* the place of a status in NGX_HTTP_KATALO_RESPONSES; 0 is no valid header */
ngx_uint_t ngx_http_katalo_counters_status(ngx_uint_t status);

/* the class of such a place, from NGX_HTTP_KATALO_CONSUMER_RESPONSES on */
ngx_uint_t ngx_http_katalo_counters_class(ngx_uint_t place);

/* upper bounds of the buckets in milliseconds; the last bucket has none */
extern ngx_msec_t  ngx_http_katalo_counters_bounds[];


#endif /* _NGX_HTTP_KATALO_COUNTERS_H_INCLUDED_ */
