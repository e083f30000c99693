
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * The shared memory: a row for each key name, a slot for each key id, and
 * stripes of counters.  A stripe has the counters of all rows and slots, in
 * cache lines that one process alone writes: a sum over the stripes is exact
 * without a lock.  Processes share a stripe where there are more of them than
 * stripes.
 *
 * Rows, slots and stripes are assigned under the zone's mutex.  A slot is given
 * to another id only if no living process holds it, no request that used it is
 * in flight, and the usage log has its counts.
 */


#ifndef _NGX_HTTP_KATALO_ZONE_H_INCLUDED_
#define _NGX_HTTP_KATALO_ZONE_H_INCLUDED_


#include "ngx_http_katalo_counters.h"


/* no row, or no slot */
#define NGX_HTTP_KATALO_NONE      ((ngx_uint_t) NGX_MAX_INT_T_VALUE)

/* places in a stripe, for processes that share it */
#define NGX_HTTP_KATALO_SHARERS   8

/* slots for each row: the current id and a previous one */
#define NGX_HTTP_KATALO_IDS       2

/* bytes of "run" in the id of a line of the usage log */
#define NGX_HTTP_KATALO_RUN_LEN   16


/*
 * A process, in a cache line of its own.  "between" is not 0: it counts for an
 * id, and not yet for a consumer.
 */

typedef struct {
    ngx_atomic_t                  pid;      /* 0: nobody's, or it has left */
    ngx_atomic_t                  between;
    u_char                        unused[NGX_CPU_CACHE_LINE
                                         - 2 * sizeof(ngx_atomic_t)];
} ngx_http_katalo_sh_process_t;


/* "held" has a bit for each place of the stripe */

typedef struct {
    ngx_atomic_t                  counters[NGX_HTTP_KATALO_KEY_COUNTERS];
    ngx_atomic_t                  held;
} ngx_http_katalo_key_stripe_t;


/* 0: never */

typedef struct {
    ngx_atomic_t                  first;
    ngx_atomic_t                  last;
} ngx_http_katalo_used_t;


/* used[0]: requests without a consumer, used[1]: requests with one */

typedef struct {
    ngx_atomic_t                  counters[NGX_HTTP_KATALO_ID_COUNTERS];
    ngx_http_katalo_used_t        used[2];
    ngx_atomic_t                  in_flight[NGX_HTTP_KATALO_SHARERS];
    ngx_atomic_t                  held;
} ngx_http_katalo_id_stripe_t;


/* of a consumer; "flushed" is what the usage log has */

typedef struct {
    ngx_atomic_t                  counters[NGX_HTTP_KATALO_CONSUMER_COUNTERS];
    uint64_t                      flushed[NGX_HTTP_KATALO_CONSUMER_COUNTERS];
    time_t                        first_used;   /* 0: never */
    time_t                        last_used;
} ngx_http_katalo_sh_counts_t;


typedef struct {
    ngx_str_t                     name;     /* empty: a free row */
    u_char                        data[NGX_HTTP_KATALO_NAME_LEN];
    ngx_uint_t                    slots;    /* the first, then next */
    uint64_t                      flushed[NGX_HTTP_KATALO_KEY_COUNTERS];

    /* the current id, also while revoked: it may have found no slot */
    ngx_uint_t                    current;
    uint32_t                      current_hash;
    ngx_uint_t                    known;    /* there was one */
    ngx_uint_t                    usable;
    ngx_uint_t                    replaced; /* in the latest conf */
    ngx_atomic_t                  rejected; /* slot + 1 */
    time_t                        leaked;   /* a client had a key last */

    /* until when each class cools, in ngx_current_msec; 0: never did */
    ngx_atomic_t                  cooldown[NGX_HTTP_KATALO_CLASSES];

    /* its file */
    ngx_uint_t                    failed;
    ngx_err_t                     failed_err;
    ngx_uint_t                    unreadable;   /* by workers */

    /*
     * nobody  requests without a consumer, as shown last, and the times of ids
     *         that have left the row
     * others  consumers that found no room
     * gone    counts of ids that have left the row, less those of consumers
     *         that have given way; under the mutex of the consumers
     */
    ngx_http_katalo_sh_counts_t   nobody;
    ngx_http_katalo_sh_counts_t   others;
    uint64_t                      gone[NGX_HTTP_KATALO_CONSUMER_COUNTERS];
} ngx_http_katalo_sh_key_t;


typedef struct {
    ngx_str_t                     id;       /* empty: a free slot */
    u_char                        data[NGX_HTTP_KATALO_KEY_LEN];
    ngx_uint_t                    row;
    ngx_uint_t                    next;
    uint64_t                      flushed[NGX_HTTP_KATALO_ID_COUNTERS];
} ngx_http_katalo_sh_id_t;


typedef struct {
    ngx_str_t                     name;     /* empty: a free column */
    u_char                        data[NGX_HTTP_KATALO_NAME_LEN];
} ngx_http_katalo_sh_operation_t;


/*
 * The line of the usage log that is to be written.  Only the process that owns
 * the log changes it, under the mutex.  While it is pending, it stays as it is,
 * and its row and slot keep their name and id.  Operations are in columns.
 */

typedef struct {
    ngx_atomic_t                  pending;
    u_char                        run[NGX_HTTP_KATALO_RUN_LEN];
    uint64_t                      number;   /* in the run, from 1 */
    uint64_t                      lines;    /* written in the run */
    time_t                        time;
    ngx_uint_t                    interval; /* seconds */
    ngx_uint_t                    row;
    ngx_uint_t                    slot;     /* NONE: no facts of an id */
    ngx_uint_t                    of_key;   /* facts of the name, too */

    /* a consumer's line: its deltas and totals are in those of an id */
    ngx_http_katalo_sh_counts_t  *counts;   /* NULL: it is none */
    ngx_str_t                     consumer;
    u_char                        data[NGX_HTTP_KATALO_CONSUMER_LEN];

    uint64_t                      id_delta[NGX_HTTP_KATALO_ID_COUNTERS];
    uint64_t                      id_total[NGX_HTTP_KATALO_ID_COUNTERS];
    uint64_t                      key_delta[NGX_HTTP_KATALO_KEY_COUNTERS];
    uint64_t                      key_total[NGX_HTTP_KATALO_KEY_COUNTERS];

    off_t                         end;      /* of the file, after a whole one */
    ngx_err_t                     err;      /* why it could not be written */
} ngx_http_katalo_sh_line_t;


typedef struct {
    ngx_uint_t                    rows;
    ngx_uint_t                    slots;
    ngx_uint_t                    stripes;
    ngx_uint_t                    stripes_used;
    ngx_uint_t                    processes;    /* highest slot, plus 1 */
    size_t                        stripe_size;
    ngx_uint_t                    hand;     /* the slot to look at next */
    ngx_uint_t                    generation;   /* of the latest conf */

    /* bits of keys that were replaced without a row, in the latest conf */
    ngx_uint_t                    replaced;

    ngx_http_katalo_sh_key_t     *keys;
    ngx_http_katalo_sh_id_t      *ids;
    u_char                       *stripe;

    ngx_http_katalo_sh_operation_t
                                  operations[NGX_HTTP_KATALO_CUSTOM];

    /* the usage log: is there one, when is it due, who writes it */
    ngx_uint_t                    logged;
    ngx_msec_t                    log_next;
    ngx_atomic_t                  log_owner;    /* pid; 0: nobody */
    ngx_http_katalo_sh_line_t     line;

    /* too rare for the stripes */
    ngx_atomic_t                  unattributed; /* found no row or slot */
    ngx_atomic_t                  no_key;       /* named no key */
} ngx_http_katalo_sh_t;


/* a process's view of the zone */

struct ngx_http_katalo_usage_s {
    ngx_http_katalo_sh_t         *sh;
    ngx_slab_pool_t              *shpool;
    ngx_http_katalo_sh_consumers_t
                                 *consumers;
    ngx_shmtx_t                  *consumers_mutex;
    ngx_shm_zone_t               *zones[2];
    ngx_http_katalo_usage_t      *replaced; /* whose zones are not used again */
    ngx_cycle_t                  *cycle;
    ngx_http_katalo_main_conf_t  *conf;
    ngx_http_katalo_usage_log_t  *log;      /* NULL: off */
    ngx_event_t                  *log_event;
    ngx_uint_t                    generation;   /* of the configuration */

    /* by slots in nginx's table of processes */
    ngx_http_katalo_sh_process_t *processes;

    /* where it counts: the master in the first stripe, without a place */
    ngx_http_katalo_sh_process_t *process;      /* NULL: it has not joined */
    ngx_http_katalo_key_stripe_t *keys;
    ngx_http_katalo_id_stripe_t  *ids;
    ngx_uint_t                    place;

    /* when rows were looked for last, for keys that have none */
    ngx_msec_t                    rows_tried;

    /* a bit for each place of a stripe, if it is used, at stripes_read() */
    ngx_uint_t                   *alive;

    /* where an operation of this configuration is counted */
    ngx_uint_t                    columns[NGX_HTTP_KATALO_OPERATIONS];
};


/*
 * What a process with an older configuration knows is the state of files that
 * may not be configured any more: it counts, but tells no state.
 */
#define ngx_http_katalo_zone_latest(usage)                                    \
    ((usage)->generation == (usage)->sh->generation)

#define ngx_http_katalo_zone_key_stripe(sh, n)                                \
    ((ngx_http_katalo_key_stripe_t *)                                         \
     ((sh)->stripe + (n) * (sh)->stripe_size))

#define ngx_http_katalo_zone_id_stripe(sh, n)                                 \
    ((ngx_http_katalo_id_stripe_t *)                                          \
     (ngx_http_katalo_zone_key_stripe(sh, n) + (sh)->rows))

#define ngx_http_katalo_zone_add(counter, n)                                  \
    (void) ngx_atomic_fetch_add(&(counter), n)


/*
 * Lays the zone out for as many rows as there is room for, with stripes for
 * two generations of workers.  NGX_DECLINED: they are fewer than "keys".
 */
ngx_int_t ngx_http_katalo_zone_create(ngx_http_katalo_usage_t *usage,
    ngx_uint_t workers, ngx_uint_t keys);

/* bytes of a zone that has this number of rows */
size_t ngx_http_katalo_zone_need(ngx_uint_t rows, ngx_uint_t workers);

/* makes it a free row */
void ngx_http_katalo_zone_init_row(ngx_http_katalo_sh_key_t *shkey);

/*
 * Takes a mutex, or the zone's.  A master that waits for it sees no SIGCHLD,
 * on which nginx unlocks the mutexes of a worker that was killed: so it looks
 * by itself.
 */
void ngx_http_katalo_zone_take(ngx_http_katalo_usage_t *usage,
    ngx_shmtx_t *mutex);
void ngx_http_katalo_zone_lock(ngx_http_katalo_usage_t *usage);
void ngx_http_katalo_zone_unlock(ngx_http_katalo_usage_t *usage);

/* what has been counted, over all processes; operations by their columns */
void ngx_http_katalo_zone_sum_key(ngx_http_katalo_sh_t *sh, ngx_uint_t row,
    uint64_t *totals);
void ngx_http_katalo_zone_sum_id(ngx_http_katalo_sh_t *sh, ngx_uint_t slot,
    uint64_t *totals);

/*
 * Finds columns for the operations of the configuration, at a start or reload.
 * Names keep their columns until nginx ends; those that find none are counted
 * as "other".
 */
void ngx_http_katalo_zone_init_columns(ngx_http_katalo_usage_t *usage);

/* the name of a column; empty: it was never used */
ngx_str_t *ngx_http_katalo_zone_operation(ngx_http_katalo_usage_t *usage,
    ngx_uint_t column);


#endif /* _NGX_HTTP_KATALO_ZONE_H_INCLUDED_ */
