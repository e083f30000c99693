
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * What consumers have used, in a shared zone with a mutex of its own, which is
 * never held over I/O.  nginx unlocks it when a process that had it died.
 *
 * A process may be killed at any moment.  What changes together is therefore
 * first noted in the zone as a list of words and their new values, and then
 * done; whoever has the mutex next does again what was noted.  So a request
 * counts for its consumer and for its key id, or for neither.
 *
 * Requests without a consumer count in the stripes, without the mutex: what
 * they are is the sum over the ids of a key name, and over those that are gone.
 */


#ifndef _NGX_HTTP_KATALO_CONSUMERS_H_INCLUDED_
#define _NGX_HTTP_KATALO_CONSUMERS_H_INCLUDED_


#include "ngx_http_katalo_zone.h"


/* words that change together, at most */
#define NGX_HTTP_KATALO_CONSUMERS_REDO                                        \
    (NGX_HTTP_KATALO_CONSUMER_COUNTERS + 6)


/* a consumer of a key name; "next" is in its bucket, or of the free ones */

typedef struct {
    ngx_http_katalo_sh_counts_t      counts;
    ngx_uint_t                       next;
    ngx_uint_t                       newer;     /* by last use */
    ngx_uint_t                       older;
    uint64_t                         hash;
    ngx_uint_t                       row;       /* of the key name */
    ngx_uint_t                       serial;    /* grows when it is freed */
    size_t                           len;       /* 0: free */
    u_char                           name[NGX_HTTP_KATALO_CONSUMER_LEN];
} ngx_http_katalo_sh_consumer_t;


typedef struct {
    uint64_t                        *word;
    uint64_t                         value;
} ngx_http_katalo_sh_redo_t;


struct ngx_http_katalo_sh_consumers_s {
    ngx_uint_t                       size;
    ngx_uint_t                       used;
    ngx_uint_t                       mask;      /* of buckets */
    uint64_t                         seed;      /* of hashes */
    ngx_uint_t                       free;
    ngx_uint_t                       newest;
    ngx_uint_t                       oldest;
    time_t                           wanted;    /* room, last */

    ngx_uint_t                       noted;
    ngx_uint_t                       pending;   /* to be done, of noted ones */
    ngx_http_katalo_sh_redo_t        redo[NGX_HTTP_KATALO_CONSUMERS_REDO];

    ngx_uint_t                      *buckets;
    ngx_http_katalo_sh_consumer_t   *entries;
};


/* the zone, for "n" consumers; "fresh": an old one is not used again */
ngx_int_t ngx_http_katalo_consumers_add_zone(ngx_conf_t *cf,
    ngx_http_katalo_usage_t *usage, ngx_uint_t n, ngx_uint_t fresh);

/* takes the mutex, after what a process that was killed has left is done */
void ngx_http_katalo_consumers_lock(ngx_http_katalo_usage_t *usage);
void ngx_http_katalo_consumers_unlock(ngx_http_katalo_usage_t *usage);

/* The caller of the following has the mutex. */

/* notes a word, of eight bytes, and its new value; does all that was noted */
void ngx_http_katalo_consumers_note(ngx_http_katalo_sh_consumers_t *csh,
    void *word, uint64_t value);
void ngx_http_katalo_consumers_do(ngx_http_katalo_sh_consumers_t *csh);

/* adds 1 to both counters, or to neither; nothing may be noted */
void ngx_http_katalo_consumers_count(ngx_http_katalo_sh_consumers_t *csh,
    uint64_t *one, uint64_t *two);

/* needs no mutex */
uint64_t ngx_http_katalo_consumers_hash(ngx_http_katalo_sh_consumers_t *csh,
    ngx_uint_t row, ngx_str_t *name);

/* the number of an entry, or NONE */
ngx_uint_t ngx_http_katalo_consumers_find(ngx_http_katalo_sh_consumers_t *csh,
    ngx_uint_t row, ngx_str_t *name, uint64_t hash);

/*
 * An entry for a consumer that has none, in place of the one that has been
 * unused for the longest time if need be.  NONE: the usage log has to have the
 * counts of that one first.
 */
ngx_uint_t ngx_http_katalo_consumers_take(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row, ngx_str_t *name, uint64_t hash);

/* the entry is used now */
void ngx_http_katalo_consumers_touch(ngx_http_katalo_sh_consumers_t *csh,
    ngx_uint_t n);

void ngx_http_katalo_consumers_free(ngx_http_katalo_sh_consumers_t *csh,
    ngx_uint_t n);

/* has the usage log the counts, or is there no usage log? */
ngx_uint_t ngx_http_katalo_consumers_flushed(ngx_http_katalo_usage_t *usage,
    ngx_http_katalo_sh_counts_t *counts);


#endif /* _NGX_HTTP_KATALO_CONSUMERS_H_INCLUDED_ */
