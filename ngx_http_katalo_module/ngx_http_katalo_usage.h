
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_USAGE_H_INCLUDED_
#define _NGX_HTTP_KATALO_USAGE_H_INCLUDED_


/* counters of a key name; a refusal's is its decision */

typedef enum {
    NGX_HTTP_KATALO_DENIED = 0,
    NGX_HTTP_KATALO_BROWSER_REPORTED = NGX_HTTP_KATALO_REFUSALS,
    NGX_HTTP_KATALO_STRIPPED,
    NGX_HTTP_KATALO_CLIENT_KEY,
    NGX_HTTP_KATALO_KEY_COUNTERS,

    /* not counted by each process, but totals nevertheless */
    NGX_HTTP_KATALO_ROTATIONS = NGX_HTTP_KATALO_KEY_COUNTERS,
    NGX_HTTP_KATALO_READ_FAILURES,
    NGX_HTTP_KATALO_KEY_TOTALS
} ngx_http_katalo_key_counter_e;


#define NGX_HTTP_KATALO_STATUSES         19
#define NGX_HTTP_KATALO_STATUS_NONE      (NGX_HTTP_KATALO_STATUSES - 1)
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


/* how an upstream request ended */

typedef struct {
    ngx_uint_t                       status;    /* 0: no valid header */
    ngx_uint_t                       attempts;
    ngx_msec_t                       elapsed;   /* retries included */
    off_t                            bytes_sent;
    off_t                            bytes_received;
} ngx_http_katalo_result_t;


/* snapshots: these have no field that could hold a secret */

typedef struct {
    ngx_str_t                        name;
    ngx_http_katalo_source_e         source;
    uint64_t                         usable;    /* boolean */
    uint64_t                         rejected;  /* boolean */
    uint64_t                         in_flight;
    uint64_t                         rotations;
    uint64_t                         read_failures;
    uint64_t                         counters[NGX_HTTP_KATALO_KEY_COUNTERS];
} ngx_http_katalo_key_row_t;


typedef enum {
    NGX_HTTP_KATALO_ID_CURRENT = 0,
    NGX_HTTP_KATALO_ID_PREVIOUS,
    NGX_HTTP_KATALO_ID_REVOKED
} ngx_http_katalo_id_state_e;


typedef struct {
    ngx_str_t                        name;
    ngx_http_katalo_source_e         source;
    ngx_uint_t                       serial;
    ngx_str_t                        id;
    u_char                           data[NGX_HTTP_KATALO_KEY_LEN];
    ngx_http_katalo_id_state_e       state;
    time_t                           first_used;    /* 0: never */
    time_t                           last_used;
    uint64_t                         counters[NGX_HTTP_KATALO_ID_COUNTERS];
} ngx_http_katalo_id_row_t;


/*
 * ngx_http_katalo_usage_zone.c, _rows.c, _slots.c, ngx_http_katalo_usage.c: the
 * only code that touches shared memory
 */

char *ngx_http_katalo_conf_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_katalo_usage_add_zone(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf);

/* the configuration takes effect: rows and slots for its keys */
void ngx_http_katalo_usage_init(ngx_http_katalo_usage_t *usage);
void ngx_http_katalo_usage_init_process(ngx_http_katalo_usage_t *usage);

/* the key was installed, or revoked, in this process */
void ngx_http_katalo_usage_publish(ngx_http_katalo_key_t *key);

/* takes a slot for a key that found none, if there is one by now */
void ngx_http_katalo_usage_retry(ngx_http_katalo_key_t *key);

/* the key is what the master read, and maybe not the current one any more */
void ngx_http_katalo_usage_hold(ngx_http_katalo_key_t *key);
ngx_uint_t ngx_http_katalo_usage_current(ngx_http_katalo_key_t *key);

/* a refusal's counter is its decision */
void ngx_http_katalo_usage_key(ngx_http_katalo_key_t *key, ngx_uint_t counter);

/* a key is attached; returns its id's slot, for usage_finish() */
ngx_uint_t ngx_http_katalo_usage_start(ngx_http_katalo_key_t *key,
    ngx_uint_t operation);
void ngx_http_katalo_usage_finish(ngx_http_katalo_key_t *key, ngx_uint_t slot,
    ngx_http_katalo_result_t *result);

/* this process has just looked at the file of the key */
void ngx_http_katalo_usage_see(ngx_http_katalo_key_t *key,
    ngx_http_katalo_file_id_t *file_id);

/* has a process seen this file within the last half of the interval? */
ngx_uint_t ngx_http_katalo_usage_seen(ngx_http_katalo_key_t *key,
    ngx_http_katalo_file_id_t *file_id);

/* counted once for all workers that see it, until the key is read again */
void ngx_http_katalo_usage_read_failed(ngx_http_katalo_key_t *key,
    ngx_http_katalo_file_id_t *file_id, ngx_err_t err);

/*
 * Katalo rejects, or accepts, the id that has the slot.  Returns 1 for the
 * process that is the first to say so; a key whose id was rejected is
 * accepted again with whatever id.
 */
ngx_uint_t ngx_http_katalo_usage_rejected(ngx_http_katalo_key_t *key,
    ngx_uint_t slot, ngx_uint_t rejected);

/*
 * May a line be logged of this client key?  One a minute for each id, and
 * for each held key, which a flood of other ids must not hide.
 */
ngx_uint_t ngx_http_katalo_usage_tripwire(ngx_http_katalo_usage_t *usage,
    ngx_http_katalo_key_t *held, ngx_str_t *id);

/* the id that has the slot; it keeps it while requests are in flight */
ngx_str_t *ngx_http_katalo_usage_id(ngx_http_katalo_key_t *key,
    ngx_uint_t slot);

/* requests of a key id, over all workers */
uint64_t ngx_http_katalo_usage_requests(ngx_http_katalo_key_t *key,
    ngx_uint_t slot);

extern ngx_msec_t  ngx_http_katalo_usage_bounds[];

/*
 * Finds out which processes are alive, for the requests in flight that
 * usage_read_key() gathers: once for many keys, in the same event.
 */
void ngx_http_katalo_usage_read_processes(ngx_http_katalo_usage_t *usage);

/* gathers what is known of a key name */
void ngx_http_katalo_usage_read_key(ngx_http_katalo_key_t *key,
    ngx_http_katalo_key_row_t *row);

/*
 * Gathers the latest id of a key name that is older than "serial", 0 for any.
 * NGX_DONE: there are no more.  No id is met twice, whatever comes and goes
 * between the calls.
 */
ngx_int_t ngx_http_katalo_usage_read_id(ngx_http_katalo_key_t *key,
    ngx_uint_t serial, ngx_http_katalo_id_row_t *row);

/* places for key ids that are taken, and those that are not */
ngx_uint_t ngx_http_katalo_usage_slots(ngx_http_katalo_usage_t *usage,
    ngx_uint_t *unused);


/* ngx_http_katalo_conf_log.c */

char *ngx_http_katalo_conf_usage_log(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


/* ngx_http_katalo_usage_log.c */

/* a process ends: what it, and those that were killed, have counted */
void ngx_http_katalo_usage_log_exit(ngx_cycle_t *cycle);


#endif /* _NGX_HTTP_KATALO_USAGE_H_INCLUDED_ */
