
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
 * current one and no request that used it is in flight, and if its counts have
 * gone to the usage log.
 */


#ifndef _NGX_HTTP_KATALO_ZONE_H_INCLUDED_
#define _NGX_HTTP_KATALO_ZONE_H_INCLUDED_


#include "ngx_http_katalo.h"
#include "ngx_http_katalo_usage_line.h"


#define NGX_HTTP_KATALO_NONE      ((ngx_uint_t) -1)

/* processes in a stripe, if there are more than stripes; fills a cache line */
#define NGX_HTTP_KATALO_SHARERS   8

/* slots for each key name: the current one and a previous one */
#define NGX_HTTP_KATALO_IDS       2

/* worker processes of two generations, and the cache manager and loader */
#define ngx_http_katalo_usage_stripes(workers)  (2 * (workers) + 2)


/*
 * "held" has a bit for each process in the stripe, "in_flight" a count.  Where
 * two processes have a place, and one of them is gone, its successor begins
 * from zero: the count may be below zero until the other one is gone, too.
 */

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
    ngx_http_katalo_file_id_t     seen_file;
    ngx_atomic_t                  seen;     /* when, in milliseconds */
    ngx_atomic_t                  rejected; /* slot + 1 */
    time_t                        exposed;  /* when a line was logged of it */
    uint64_t                      rotations;
    uint64_t                      read_failures;

    /* what the usage log has */
    uint64_t                      flushed[NGX_HTTP_KATALO_KEY_TOTALS];
} ngx_http_katalo_sh_key_t;


typedef struct {
    ngx_str_t                     id;       /* empty: a free slot */
    u_char                        data[NGX_HTTP_KATALO_KEY_LEN];
    ngx_uint_t                    serial;   /* greater than any before */
    ngx_uint_t                    row;
    ngx_uint_t                    next;
    uint64_t                      flushed[NGX_HTTP_KATALO_ID_COUNTERS];
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


/*
 * The line of the usage log that is being written.  Its file is that which the
 * line was begun in; "ino" is 0 where it is not a regular one.
 */

typedef struct {
    ngx_atomic_t                  pending;
    ngx_atomic_t                  writing;  /* in write() */

    dev_t                         dev;
    ino_t                         ino;
    off_t                         start;    /* of the line, in the file */
    size_t                        len;
    size_t                        written;

    ngx_uint_t                    row;
    ngx_uint_t                    slot;
    ngx_http_katalo_usage_line_t  line;

    ngx_err_t                     err;      /* why it could not be written */
} ngx_http_katalo_sh_line_t;


/* the last row and the last slot take what finds no other */

typedef struct {
    ngx_uint_t                    rows;
    ngx_uint_t                    slots;
    ngx_uint_t                    stripes;
    ngx_uint_t                    stripes_used;
    size_t                        stripe_size;
    ngx_uint_t                    serial;   /* of the latest id */
    ngx_uint_t                    unused;   /* no slot before it is free */

    ngx_http_katalo_sh_key_t     *keys;
    ngx_http_katalo_sh_id_t      *ids;
    u_char                       *stripe;

    ngx_http_katalo_sh_operation_t
                                  operations[NGX_HTTP_KATALO_CUSTOM];

    ngx_http_katalo_sh_tripwire_t tripwires[NGX_HTTP_KATALO_TRIPWIRES];

    /* the usage log: is there one, when is it due, how often reopened */
    ngx_uint_t                    logged;
    ngx_msec_t                    log_next;
    ngx_uint_t                    log_reopens;
    ngx_http_katalo_sh_line_t     line;
} ngx_http_katalo_sh_t;


struct ngx_http_katalo_usage_log_s {
    ngx_str_t                     name;     /* for messages */
    ngx_open_file_t              *file;     /* NULL: syslog */
    ngx_syslog_peer_t            *peer;
    ngx_uint_t                    interval; /* seconds */

    ngx_fd_t                      previous; /* the old configuration's file */
    ngx_uint_t                    reopens;

    ngx_http_katalo_usage_t      *usage;
    ngx_event_t                   event;
    ngx_uint_t                    row;      /* the next of a pass, or NONE */
};


struct ngx_http_katalo_usage_s {
    ngx_http_katalo_sh_t         *sh;
    ngx_slab_pool_t              *shpool;
    ngx_cycle_t                  *cycle;
    ngx_http_katalo_main_conf_t  *conf;
    ngx_http_katalo_usage_log_t  *log;      /* NULL: off */

    /* this process's own, and its place in the stripe */
    ngx_http_katalo_key_stripe_t *keys;
    ngx_http_katalo_id_stripe_t  *ids;
    ngx_uint_t                    place;

    /* who in each stripe was alive at usage_read_processes() */
    ngx_uint_t                   *alive;

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

/*
 * Held by a process that was alive at usage_read_processes(), or with requests
 * of it in flight; when it was used last, if not.
 */
ngx_uint_t ngx_http_katalo_usage_slot_in_use(ngx_http_katalo_usage_t *usage,
    ngx_uint_t slot, ngx_atomic_uint_t *last_used);

/* frees the slot; its counts must have gone to the usage log */
void ngx_http_katalo_usage_evict(ngx_http_katalo_sh_t *sh,
    ngx_uint_t slot);

/*
 * The stripe and the place in it that are this process's already, those of one
 * that is gone, or, with more processes than stripes, as after a reload with
 * more workers than at the start, a further place.
 */
ngx_uint_t ngx_http_katalo_usage_join(ngx_http_katalo_sh_t *sh,
    ngx_uint_t *place);

/* a bit for the place of each process in the stripe that is alive */
ngx_uint_t ngx_http_katalo_usage_alive(ngx_http_katalo_sh_t *sh, ngx_uint_t n);

/*
 * Takes the zone's mutex.  A master that waits for it sees no SIGCHLD, which
 * would unlock it for a worker that was killed.
 */
void ngx_http_katalo_usage_lock(ngx_http_katalo_usage_t *usage);
void ngx_http_katalo_usage_unlock(ngx_http_katalo_usage_t *usage);

/* what has been counted, over all processes; operations by their columns */
void ngx_http_katalo_usage_sum_key(ngx_http_katalo_sh_t *sh, ngx_uint_t row,
    uint64_t *totals);
void ngx_http_katalo_usage_sum_id(ngx_http_katalo_sh_t *sh, ngx_uint_t slot,
    uint64_t *totals);


/*
 * ngx_http_katalo_usage_flush.c: what is new to the usage log.  The caller
 * has the mutex.  NGX_AGAIN: try again soon.  NGX_ERROR: something waits to be
 * written; it is logged once.
 */

ngx_int_t ngx_http_katalo_usage_flush_row(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row);
ngx_int_t ngx_http_katalo_usage_flush_slot(ngx_http_katalo_usage_t *usage,
    ngx_uint_t slot);

/* does the usage log have all of the slot? */
ngx_uint_t ngx_http_katalo_usage_flushed(ngx_http_katalo_usage_t *usage,
    ngx_uint_t slot);

/* writes the line that a process left unwritten, if any */
ngx_int_t ngx_http_katalo_usage_flush_pending(ngx_http_katalo_usage_t *usage);


/*
 * ngx_http_katalo_usage_write.c: writes what of the line is not written yet;
 * results as above, errno is set.  The caller has the mutex.
 */
ngx_int_t ngx_http_katalo_usage_write(ngx_http_katalo_usage_log_t *log,
    ngx_http_katalo_sh_line_t *line, u_char *buf, size_t len);


/* ngx_http_katalo_usage_log.c */

/* before the file is reopened */
void ngx_http_katalo_usage_log_reopen(ngx_open_file_t *file,
    ngx_log_t *unused);

/* a reload: the file that old workers go on to write */
ngx_int_t ngx_http_katalo_usage_log_inherit(ngx_http_katalo_usage_t *usage,
    ngx_http_katalo_usage_t *old);

/* the configuration takes effect; the caller has the mutex */
void ngx_http_katalo_usage_log_init(ngx_http_katalo_usage_t *usage);
void ngx_http_katalo_usage_log_init_process(ngx_http_katalo_usage_t *usage);


#endif /* _NGX_HTTP_KATALO_ZONE_H_INCLUDED_ */
