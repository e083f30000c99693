
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* What the status shows: copies, with no field that could hold a secret. */


#ifndef _NGX_HTTP_KATALO_SNAPSHOT_H_INCLUDED_
#define _NGX_HTTP_KATALO_SNAPSHOT_H_INCLUDED_


#include "ngx_http_katalo_counters.h"


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
} ngx_http_katalo_key_row_t;


typedef struct {
    ngx_str_t                        name;
    ngx_str_t                        source;
    ngx_uint_t                       serial;
    ngx_str_t                        id;
    u_char                           data[NGX_HTTP_KATALO_KEY_LEN];
    char                            *state;
    time_t                           first_used;    /* 0: never */
    time_t                           last_used;
    uint64_t                         counters[NGX_HTTP_KATALO_ID_COUNTERS];
} ngx_http_katalo_id_row_t;


/* a consumer of a key name; empty: none, "*": those that found no room */

typedef struct {
    ngx_str_t                        name;          /* of the key */
    ngx_uint_t                       row;           /* its number */
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
    uint64_t                         addresses;
    uint64_t                         failures;
    time_t                           resolved;      /* 0: never */
} ngx_http_katalo_host_row_t;


#define NGX_HTTP_KATALO_ROWS_OF_KEYS       0x01
#define NGX_HTTP_KATALO_ROWS_OF_IDS        0x02
#define NGX_HTTP_KATALO_ROWS_OF_HOSTS      0x04
#define NGX_HTTP_KATALO_ROWS_OF_CONSUMERS  0x08


typedef struct {
    ngx_http_katalo_usage_t         *usage;         /* names; NULL: no zone */
    time_t                           time;
    uint64_t                         no_keys;
    uint64_t                         unattributed;
    ngx_uint_t                       slots_used;
    ngx_uint_t                       slots_free;
    ngx_uint_t                       consumers_used;
    ngx_uint_t                       consumers_free;

    /* where a renderer is: see ngx_http_katalo_status_render.h */

    ngx_uint_t                       pass;
    ngx_uint_t                       rows;
    ngx_uint_t                       key;           /* number of the row */
    ngx_uint_t                       id;            /* number in its key */
    ngx_uint_t                       consumer;      /* number in its key */
    ngx_uint_t                       host;          /* number of the row */
    ngx_uint_t                       done;
} ngx_http_katalo_snapshot_t;


#endif /* _NGX_HTTP_KATALO_SNAPSHOT_H_INCLUDED_ */
