
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * The zone holds a row for each key name, a slot for each key id, and for
 * each process that counts a stripe: a block of counters for every row and
 * slot that this process alone writes, in cache lines of its own.  A sum over
 * the stripes is exact without a lock.
 *
 * A stripe belongs to a process; one that comes later goes on with the
 * counters of one that is gone, and clears its gauges.  Rows, slots and the
 * assignment of stripes change under the zone's mutex, which the master
 * unlocks for a process that died.
 *
 * A slot is given to another id only if no living process holds it as the
 * current one and no request that used it is in flight.
 */


#ifndef _NGX_HTTP_KATALO_ZONE_H_INCLUDED_
#define _NGX_HTTP_KATALO_ZONE_H_INCLUDED_


#include "ngx_http_katalo.h"


#define NGX_HTTP_KATALO_NONE      ((ngx_uint_t) -1)

/* processes in a stripe, if there are more than stripes; fills a cache line */
#define NGX_HTTP_KATALO_SHARERS   8

/* slots for each key name: the current one and a previous one */
#define NGX_HTTP_KATALO_IDS       2

/* worker processes of two generations, and the cache manager and loader */
#define ngx_http_katalo_usage_stripes(workers)  (2 * (workers) + 2)


/* "held" has a bit for each process in the stripe, "in_flight" a count */

typedef struct {
    ngx_atomic_t                  counters[NGX_HTTP_KATALO_KEY_COUNTERS];
    ngx_atomic_t                  held;
    ngx_atomic_t                  padding[7];
} ngx_http_katalo_key_stripe_t;


typedef struct {
    ngx_atomic_t                  counters[NGX_HTTP_KATALO_ID_COUNTERS];
    ngx_atomic_t                  first_used;
    ngx_atomic_t                  last_used;
    ngx_atomic_t                  in_flight[NGX_HTTP_KATALO_SHARERS];
    ngx_atomic_t                  held;
    ngx_atomic_t                  padding;
} ngx_http_katalo_id_stripe_t;


typedef struct {
    ngx_atomic_t                  pids[NGX_HTTP_KATALO_SHARERS];
} ngx_http_katalo_stripe_t;


typedef struct {
    ngx_str_t                     name;     /* empty: a free row */
    u_char                        data[NGX_HTTP_KATALO_NAME_LEN];
    ngx_uint_t                    current;  /* slot, also while revoked */
    ngx_uint_t                    slots;    /* the latest, then next */
    ngx_uint_t                    usable;
    ngx_uint_t                    failed;
    ngx_http_katalo_file_id_t     failed_file;
    ngx_err_t                     failed_err;
    ngx_atomic_t                  rejected; /* slot + 1 */
    time_t                        exposed;  /* when a line was logged of it */
    uint64_t                      rotations;
    uint64_t                      read_failures;
} ngx_http_katalo_sh_key_t;


typedef struct {
    ngx_str_t                     id;       /* empty: a free slot */
    u_char                        data[NGX_HTTP_KATALO_KEY_LEN];
    ngx_uint_t                    row;
    ngx_uint_t                    next;
} ngx_http_katalo_sh_id_t;


typedef struct {
    ngx_str_t                     name;
    u_char                        data[NGX_HTTP_KATALO_NAME_LEN];
} ngx_http_katalo_sh_operation_t;


/* ids of client keys that a line was logged of within a minute */

#define NGX_HTTP_KATALO_TRIPWIRES  256

typedef struct {
    uint32_t                      hash;
    time_t                        logged;
} ngx_http_katalo_sh_tripwire_t;


/* the last row and the last slot take what finds no other */

typedef struct {
    ngx_uint_t                    rows;
    ngx_uint_t                    slots;
    ngx_uint_t                    stripes;
    ngx_uint_t                    stripes_used;
    size_t                        stripe_size;

    ngx_http_katalo_sh_key_t     *keys;
    ngx_http_katalo_sh_id_t      *ids;
    u_char                       *stripe;

    ngx_http_katalo_sh_operation_t
                                  operations[NGX_HTTP_KATALO_CUSTOM];

    ngx_http_katalo_sh_tripwire_t tripwires[NGX_HTTP_KATALO_TRIPWIRES];
} ngx_http_katalo_sh_t;


struct ngx_http_katalo_usage_s {
    ngx_http_katalo_sh_t         *sh;
    ngx_slab_pool_t              *shpool;
    ngx_cycle_t                  *cycle;
    ngx_http_katalo_main_conf_t  *conf;

    /* this process's own, and its place in the stripe */
    ngx_http_katalo_key_stripe_t *keys;
    ngx_http_katalo_id_stripe_t  *ids;
    ngx_uint_t                    place;

    /* where an operation of this configuration is counted */
    ngx_uint_t                    columns[NGX_HTTP_KATALO_OPERATIONS];
};


#define ngx_http_katalo_usage_stripe(sh, n)                                   \
    ((ngx_http_katalo_stripe_t *) ((sh)->stripe + (n) * (sh)->stripe_size))

#define ngx_http_katalo_usage_key_stripe(sh, n)                               \
    ((ngx_http_katalo_key_stripe_t *)                                         \
     (ngx_http_katalo_usage_stripe(sh, n) + 1))

#define ngx_http_katalo_usage_id_stripe(sh, n)                                \
    ((ngx_http_katalo_id_stripe_t *)                                          \
     (ngx_http_katalo_usage_key_stripe(sh, n) + (sh)->rows))


/* rows for the keys of this configuration; the caller has the mutex */
void ngx_http_katalo_usage_init_rows(ngx_http_katalo_usage_t *usage);

/* where the operations of this configuration are counted; as above */
void ngx_http_katalo_usage_init_columns(ngx_http_katalo_usage_t *usage);

/* held, or with requests in flight; when it was used last, if not */
ngx_uint_t ngx_http_katalo_usage_slot_in_use(ngx_http_katalo_sh_t *sh,
    ngx_uint_t slot, ngx_atomic_uint_t *last_used);

/* frees the slot, and forgets its counts */
void ngx_http_katalo_usage_evict(ngx_http_katalo_sh_t *sh,
    ngx_uint_t slot);

/* a bit for the place of each process in the stripe that is alive */
ngx_uint_t ngx_http_katalo_usage_alive(ngx_http_katalo_sh_t *sh, ngx_uint_t n);


#endif /* _NGX_HTTP_KATALO_ZONE_H_INCLUDED_ */
