
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* What the status shows: copies, with no field that could hold a secret. */


#ifndef _NGX_HTTP_KATALO_SNAPSHOT_H_INCLUDED_
#define _NGX_HTTP_KATALO_SNAPSHOT_H_INCLUDED_


#include "ngx_http_katalo_counters.h"


typedef struct {
    ngx_str_t                        id;
    ngx_uint_t                       current;       /* boolean */
    char                            *state;
    time_t                           first_used;    /* 0: never */
    time_t                           last_used;
    uint64_t                         counters[NGX_HTTP_KATALO_ID_COUNTERS];
} ngx_http_katalo_id_row_t;


/* a consumer of a key name; empty: none, "*": those that found no room */

typedef struct {
    ngx_uint_t                       row;           /* number of the key's */
    ngx_uint_t                       serial;
    ngx_str_t                        consumer;
    u_char                           data[NGX_HTTP_KATALO_CONSUMER_LEN];
    time_t                           first_used;
    time_t                           last_used;
    uint64_t                         requests;      /* all together */
    uint64_t                        counters[NGX_HTTP_KATALO_CONSUMER_COUNTERS];
} ngx_http_katalo_consumer_row_t;


typedef struct {
    ngx_str_t                        name;
    ngx_str_t                        source;
    uint64_t                         usable;        /* boolean */
    uint64_t                         rejected;      /* boolean */
    uint64_t                         source_ok;     /* boolean */
    uint64_t                         reload_only;   /* boolean */
    time_t                           leaked;        /* 0: never */
    uint64_t                         cooldown[NGX_HTTP_KATALO_CLASSES];
                                                    /* seconds left */
    uint64_t                         in_flight;
    uint64_t                         counters[NGX_HTTP_KATALO_KEY_COUNTERS];

    ngx_array_t                      ids;           /* id_row_t */
    ngx_http_katalo_consumer_row_t  *consumers;     /* most used first */
    ngx_uint_t                       nconsumers;
} ngx_http_katalo_key_row_t;


typedef struct {
    ngx_str_t                        name;
    uint64_t                         addresses;
    uint64_t                         failures;
    time_t                           resolved;      /* 0: never */
} ngx_http_katalo_host_row_t;


typedef struct {
    ngx_http_katalo_usage_t         *usage;         /* names; NULL: no zone */
    time_t                           time;
    uint64_t                         no_keys;
    uint64_t                         unattributed;
    ngx_uint_t                       slots_used;
    ngx_uint_t                       slots_free;
    ngx_uint_t                       consumers_used;
    ngx_uint_t                       consumers_free;

    ngx_http_katalo_key_row_t       *keys;
    ngx_uint_t                       nkeys;
    ngx_http_katalo_host_row_t      *hosts;
    ngx_uint_t                       nhosts;
} ngx_http_katalo_snapshot_t;


#endif /* _NGX_HTTP_KATALO_SNAPSHOT_H_INCLUDED_ */
