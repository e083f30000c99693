
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_COUNTERS_H_INCLUDED_
#define _NGX_HTTP_KATALO_COUNTERS_H_INCLUDED_


#include "ngx_http_katalo.h"


/*
 * A group of counters, the same in every output.  A group of one counter has
 * no label.
 */

typedef struct {
    char                            *json;
    char                            *metric;
    char                            *label;
    char                            *help;
    ngx_uint_t                       of_id;     /* or of a key name */
    ngx_uint_t                       first;
    ngx_uint_t                       n;
    char                           **names;     /* NULL: operations */
} ngx_http_katalo_counters_t;


extern ngx_http_katalo_counters_t  ngx_http_katalo_counters[];

/* RFC 3339, UTC; 0 is written as null */
u_char *ngx_http_katalo_counters_time(u_char *p, time_t t);

/* milliseconds, as seconds with three decimals */
u_char *ngx_http_katalo_counters_seconds(u_char *p, uint64_t msec);

/*
 * The member "upstream_seconds" of counters of a key id.  Buckets are
 * cumulative, as in Prometheus; "zeros" tells whether to write empty ones.
 */
u_char *ngx_http_katalo_counters_histogram(u_char *p, uint64_t *counters,
    ngx_uint_t zeros);


#endif /* _NGX_HTTP_KATALO_COUNTERS_H_INCLUDED_ */
