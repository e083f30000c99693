
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * What consumers have used, in a shared zone with a mutex of its own, for what
 * comes and goes.  nginx unlocks it when a process that had it died.
 *
 * A process may be killed at any moment.  What changes together is therefore
 * first noted in the zone as a list of words and their new values, and then
 * done in this order; whoever has the mutex next does again what was noted.
 *
 * Entries are found, and count, without the mutex.  A counter is one word: a
 * tag, the low bits of the serial of its entry, and the count.  It is changed
 * by compare and swap, and only if it has the tag of the serial that a process
 * has seen, so that nothing is counted for another consumer.  Before an entry
 * gives way, its words get the tag of the next serial: its counts are final.
 * The new tags stay if the process is killed then, or if the usage log lacks
 * some of the counts.  Under the mutex tags are ignored, and the next count
 * corrects them.
 */


#ifndef _NGX_HTTP_KATALO_CONSUMERS_H_INCLUDED_
#define _NGX_HTTP_KATALO_CONSUMERS_H_INCLUDED_


#include "ngx_http_katalo_consumer_name.h"
#include "ngx_http_katalo_ctx.h"
#include "ngx_http_katalo_zone.h"


/* words that change together, at most */
#define NGX_HTTP_KATALO_CONSUMERS_REDO                                        \
    (NGX_HTTP_KATALO_CONSUMER_COUNTERS + 8)

/* bits of a count; those above it are the tag */
#define NGX_HTTP_KATALO_CONSUMER_COUNT   48


/* a consumer of a key name; "next" is in its bucket, or of the free ones */

struct ngx_http_katalo_sh_consumer_s {
    ngx_http_katalo_sh_counts_t      counts;
    ngx_atomic_t                     next;
    ngx_uint_t                       newer;     /* by last use */
    ngx_uint_t                       older;
    uint64_t                         hash;
    ngx_atomic_t                     row;       /* of the key name */
    ngx_atomic_t                     serial;    /* grows when it is taken */
    size_t                           len;       /* 0: free */
    u_char                           name[NGX_HTTP_KATALO_CONSUMER_LEN];
};


typedef struct {
    volatile uint64_t               *word;
    uint64_t                         value;
} ngx_http_katalo_sh_redo_t;


struct ngx_http_katalo_sh_consumers_s {

    /* here, since no directive gives the size of this zone */
    ngx_http_katalo_sh_process_t     processes[NGX_MAX_PROCESSES];

    ngx_uint_t                       size;
    ngx_uint_t                       used;
    ngx_uint_t                       mask;      /* of buckets */
    uint64_t                         seed;      /* of hashes of names */
    ngx_uint_t                       free;
    ngx_uint_t                       newest;
    ngx_uint_t                       oldest;
    time_t                           wanted;    /* room, last */

    ngx_uint_t                       noted;
    ngx_uint_t                       pending;   /* to be done, of noted ones */
    ngx_http_katalo_sh_redo_t        redo[NGX_HTTP_KATALO_CONSUMERS_REDO];

    ngx_atomic_t                    *buckets;
    ngx_http_katalo_sh_consumer_t   *entries;
};


/* takes the mutex, after what a process that was killed has left is done */
void ngx_http_katalo_consumers_lock(ngx_http_katalo_usage_t *usage);
void ngx_http_katalo_consumers_unlock(ngx_http_katalo_usage_t *usage);

#define ngx_http_katalo_consumers_bucket(csh, row, hash)                      \
    (&(csh)->buckets[((hash) ^ (row) * 0x9e3779b97f4a7c15) & (csh)->mask])


/*
 * The entry of a consumer, or NULL, and its serial.  Without the mutex, it may
 * be missed, or become another one's at any time.
 */

static ngx_inline ngx_http_katalo_sh_consumer_t *
ngx_http_katalo_consumers_find(ngx_http_katalo_sh_consumers_t *csh,
    ngx_uint_t row, ngx_http_katalo_consumer_t *consumer, ngx_uint_t *serial)
{
    ngx_uint_t                      i, n;
    ngx_http_katalo_sh_consumer_t  *entry;

    n = *ngx_http_katalo_consumers_bucket(csh, row, consumer->hash);

    /* entries move: without a bound, it might never end */

    for (i = 0; n < csh->size && i < csh->size; i++) {
        entry = &csh->entries[n];
        *serial = entry->serial;

        ngx_memory_barrier();

        if (entry->hash == consumer->hash
            && entry->row == row
            && entry->len == consumer->name.len
            && ngx_http_katalo_consumer_name_same(entry->name,
                                                  consumer->name.data,
                                                  consumer->name.len))
        {
            return entry;
        }

        n = entry->next;
    }

    return NULL;
}


/* adds 1 if the counter has the tag of the serial; returns 0 if it has not */

static ngx_inline ngx_uint_t
ngx_http_katalo_consumers_count(ngx_atomic_t *counter, ngx_uint_t serial)
{
    ngx_atomic_uint_t  word;

    do {
        word = *counter;

        if ((word >> NGX_HTTP_KATALO_CONSUMER_COUNT) != (serial & 0xffff)) {
            return 0;
        }

    } while (!ngx_atomic_cmp_set(counter, word, word + 1));

    return 1;
}


/* also of counters without tags */
#define ngx_http_katalo_consumers_counted(counter)                            \
    ((counter) & (((uint64_t) 1 << NGX_HTTP_KATALO_CONSUMER_COUNT) - 1))


/*
 * Counts under the mutex what could not be counted without.  A request takes
 * an entry if it has none, in place of the one that has been unused for the
 * longest time if need be.  NGX_DECLINED: the usage log has to have the counts
 * of that one first; said once a second.
 */
ngx_int_t ngx_http_katalo_consumers_start(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row, ngx_uint_t counter, ngx_http_katalo_consumer_t *consumer);
void ngx_http_katalo_consumers_finish(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row, ngx_uint_t counter, ngx_http_katalo_consumer_t *consumer);

/* has the usage log the counts, or is there no usage log? */
ngx_uint_t ngx_http_katalo_consumers_flushed(ngx_http_katalo_usage_t *usage,
    ngx_http_katalo_sh_counts_t *counts);

/* The caller of the following has the mutex. */

/* notes a word of eight bytes and its new value; does all that was noted */
void ngx_http_katalo_consumers_note(ngx_http_katalo_sh_consumers_t *csh,
    volatile void *word, uint64_t value);
void ngx_http_katalo_consumers_do(ngx_http_katalo_sh_consumers_t *csh);

/* NGX_DECLINED: the usage log has not all of its counts */
ngx_int_t ngx_http_katalo_consumers_free(ngx_http_katalo_usage_t *usage,
    ngx_http_katalo_sh_consumer_t *entry);


#endif /* _NGX_HTTP_KATALO_CONSUMERS_H_INCLUDED_ */
