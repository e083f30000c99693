
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_consumers.h"


static ngx_http_katalo_sh_consumer_t *ngx_http_katalo_consumers_oldest(
    ngx_http_katalo_usage_t *usage);
static ngx_http_katalo_sh_consumer_t *ngx_http_katalo_consumers_take(
    ngx_http_katalo_usage_t *usage, ngx_uint_t row,
    ngx_http_katalo_consumer_t *consumer);
static void ngx_http_katalo_consumers_touch(
    ngx_http_katalo_sh_consumers_t *csh, ngx_http_katalo_sh_consumer_t *entry);
static void ngx_http_katalo_consumers_add(ngx_atomic_t *counter,
    ngx_uint_t serial, ngx_uint_t n);


void
ngx_http_katalo_consumers_lock(ngx_http_katalo_usage_t *usage)
{
#if (NGX_HAVE_ATOMIC_OPS)

    /* as ngx_shmtx_trylock(), inline */

    if (!ngx_atomic_cmp_set(usage->consumers_mutex->lock, 0, ngx_pid)) {
        ngx_http_katalo_zone_take(usage, usage->consumers_mutex);
    }

#else

    ngx_http_katalo_zone_take(usage, usage->consumers_mutex);

#endif

    usage->consumers->noted = 0;

    if (usage->consumers->pending) {
        ngx_http_katalo_consumers_do(usage->consumers);
    }
}


void
ngx_http_katalo_consumers_unlock(ngx_http_katalo_usage_t *usage)
{
    ngx_shmtx_unlock(usage->consumers_mutex);
}


void
ngx_http_katalo_consumers_note(ngx_http_katalo_sh_consumers_t *csh,
    volatile void *word, uint64_t value)
{
    csh->redo[csh->noted].word = word;
    csh->redo[csh->noted].value = value;
    csh->noted++;
}


/* what was noted; a process that is killed here leaves it to the next one */

void
ngx_http_katalo_consumers_do(ngx_http_katalo_sh_consumers_t *csh)
{
    ngx_uint_t  i;

    ngx_memory_barrier();

    if (csh->noted) {
        csh->pending = csh->noted;
    }

    for (i = 0; i < csh->pending; i++) {
        ngx_memory_barrier();
        *csh->redo[i].word = csh->redo[i].value;
    }

    ngx_memory_barrier();

    csh->pending = 0;
    csh->noted = 0;
}


ngx_int_t
ngx_http_katalo_consumers_start(ngx_http_katalo_usage_t *usage, ngx_uint_t row,
    ngx_uint_t counter, ngx_http_katalo_consumer_t *consumer)
{
    time_t                           now;
    ngx_int_t                        rc;
    ngx_uint_t                       serial;
    ngx_http_katalo_sh_counts_t     *counts;
    ngx_http_katalo_sh_consumer_t   *entry;
    ngx_http_katalo_sh_consumers_t  *csh;

    csh = usage->consumers;
    now = ngx_time();
    rc = NGX_OK;

    ngx_http_katalo_consumers_lock(usage);

    entry = ngx_http_katalo_consumers_find(csh, row, consumer, &serial);

    if (entry == NULL) {
        entry = ngx_http_katalo_consumers_take(usage, row, consumer);

    } else if (entry->counts.last_used != now) {
        ngx_http_katalo_consumers_touch(csh, entry);
    }

    consumer->entry = entry;

    if (entry) {
        consumer->serial = entry->serial;
        counts = &entry->counts;

        ngx_http_katalo_consumers_add(&counts->counters[counter],
                                      entry->serial, 1);

    } else {
        counts = &usage->sh->keys[row].others;

        ngx_http_katalo_zone_add(counts->counters[counter], 1);

        if (csh->wanted != now) {
            csh->wanted = now;
            rc = NGX_DECLINED;
        }
    }

    counts->first_used = counts->first_used ? counts->first_used : now;
    counts->last_used = now;

    ngx_http_katalo_consumers_unlock(usage);

    return rc;
}


/*
 * Where the entry has given way to another consumer, the response counts as
 * "*", and the request stays where it was counted.
 */

void
ngx_http_katalo_consumers_finish(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row, ngx_uint_t counter, ngx_http_katalo_consumer_t *consumer)
{
    ngx_http_katalo_sh_consumer_t  *entry;

    entry = consumer->entry;

    ngx_http_katalo_consumers_lock(usage);

    if (entry && entry->len && entry->serial == consumer->serial) {
        ngx_http_katalo_consumers_add(&entry->counts.counters[counter],
                                      entry->serial, 1);

    } else {
        ngx_http_katalo_zone_add(usage->sh->keys[row].others.counters[counter],
                                 1);
    }

    ngx_http_katalo_consumers_unlock(usage);
}


/*
 * The longest unused one that may give way.  A line that is pending may stay so
 * for long, and for ever once there is no usage log: its entry is passed over.
 */

static ngx_http_katalo_sh_consumer_t *
ngx_http_katalo_consumers_oldest(ngx_http_katalo_usage_t *usage)
{
    ngx_http_katalo_sh_line_t       *line;
    ngx_http_katalo_sh_consumer_t   *entry;
    ngx_http_katalo_sh_consumers_t  *csh;

    csh = usage->consumers;
    line = &usage->sh->line;
    entry = &csh->entries[csh->oldest];

    if (line->pending
        && line->counts == &entry->counts
        && entry->newer != NGX_HTTP_KATALO_NONE)
    {
        entry = &csh->entries[entry->newer];
    }

    return entry;
}


/* an entry for a consumer that has none, or NULL */

static ngx_http_katalo_sh_consumer_t *
ngx_http_katalo_consumers_take(ngx_http_katalo_usage_t *usage, ngx_uint_t row,
    ngx_http_katalo_consumer_t *consumer)
{
    ngx_uint_t                       i, n, serial;
    ngx_atomic_t                    *bucket;
    ngx_http_katalo_sh_consumer_t   *entry;
    ngx_http_katalo_sh_consumers_t  *csh;

    csh = usage->consumers;

    if (csh->free == NGX_HTTP_KATALO_NONE
        && ngx_http_katalo_consumers_free(usage,
                                     ngx_http_katalo_consumers_oldest(usage))
           != NGX_OK)
    {
        return NULL;
    }

    n = csh->free;
    entry = &csh->entries[n];
    bucket = ngx_http_katalo_consumers_bucket(csh, row, consumer->hash);

    /*
     * The tags are those of the next serial already: a process that reads the
     * serial before it changes counts nothing here.
     */

    serial = entry->serial + 1;

    ngx_memzero(entry->counts.flushed, sizeof(entry->counts.flushed));
    entry->counts.first_used = 0;
    entry->counts.last_used = 0;

    for (i = 0; i < NGX_HTTP_KATALO_CONSUMER_COUNTERS; i++) {
        entry->counts.counters[i] = (ngx_atomic_uint_t) serial
                                    << NGX_HTTP_KATALO_CONSUMER_COUNT;
    }

    ngx_memcpy(entry->name, consumer->name.data, consumer->name.len);

    entry->row = row;
    entry->hash = consumer->hash;

    ngx_http_katalo_consumers_note(csh, &csh->free, entry->next);
    ngx_http_katalo_consumers_note(csh, &csh->used, csh->used + 1);
    ngx_http_katalo_consumers_note(csh, &entry->len, consumer->name.len);
    ngx_http_katalo_consumers_note(csh, &entry->next, *bucket);
    ngx_http_katalo_consumers_note(csh, bucket, n);
    ngx_http_katalo_consumers_note(csh, &entry->older, csh->newest);
    ngx_http_katalo_consumers_note(csh, &entry->newer, NGX_HTTP_KATALO_NONE);
    ngx_http_katalo_consumers_note(csh, &csh->newest, n);
    ngx_http_katalo_consumers_note(csh,
                                   csh->newest == NGX_HTTP_KATALO_NONE
                                   ? &csh->oldest
                                   : &csh->entries[csh->newest].newer, n);
    ngx_http_katalo_consumers_note(csh, &entry->serial, serial);

    ngx_http_katalo_consumers_do(csh);

    return entry;
}


/* it is the newest one */

static void
ngx_http_katalo_consumers_touch(ngx_http_katalo_sh_consumers_t *csh,
    ngx_http_katalo_sh_consumer_t *entry)
{
    ngx_uint_t  n;

    n = entry - csh->entries;

    if (csh->newest == n) {
        return;
    }

    ngx_http_katalo_consumers_note(csh, &csh->entries[entry->newer].older,
                                   entry->older);
    ngx_http_katalo_consumers_note(csh,
                                   entry->older == NGX_HTTP_KATALO_NONE
                                   ? &csh->oldest
                                   : &csh->entries[entry->older].newer,
                                   entry->newer);
    ngx_http_katalo_consumers_note(csh, &csh->entries[csh->newest].newer, n);
    ngx_http_katalo_consumers_note(csh, &entry->older, csh->newest);
    ngx_http_katalo_consumers_note(csh, &entry->newer, NGX_HTTP_KATALO_NONE);
    ngx_http_katalo_consumers_note(csh, &csh->newest, n);

    ngx_http_katalo_consumers_do(csh);
}


ngx_int_t
ngx_http_katalo_consumers_free(ngx_http_katalo_usage_t *usage,
    ngx_http_katalo_sh_consumer_t *entry)
{
    uint64_t                         count, *gone;
    ngx_uint_t                       i, n;
    ngx_atomic_t                    *counters, *link;
    ngx_http_katalo_sh_consumers_t  *csh;

    csh = usage->consumers;
    n = entry - csh->entries;
    counters = entry->counts.counters;

    if (!ngx_http_katalo_consumers_flushed(usage, &entry->counts)) {
        return NGX_DECLINED;
    }

    for (i = 0; i < NGX_HTTP_KATALO_CONSUMER_COUNTERS; i++) {
        ngx_http_katalo_consumers_add(&counters[i], entry->serial + 1, 0);
    }

    /* what was counted meanwhile */

    if (!ngx_http_katalo_consumers_flushed(usage, &entry->counts)) {
        return NGX_DECLINED;
    }

    gone = usage->sh->keys[entry->row].gone;

    for (i = 0; i < NGX_HTTP_KATALO_CONSUMER_COUNTERS; i++) {
        count = ngx_http_katalo_consumers_counted(counters[i]);

        if (count) {
            ngx_http_katalo_consumers_note(csh, &gone[i], gone[i] - count);
        }
    }

    for (link = ngx_http_katalo_consumers_bucket(csh, entry->row, entry->hash);
         *link != n;
         link = &csh->entries[*link].next)
    {
        /* void */
    }

    ngx_http_katalo_consumers_note(csh, link, entry->next);
    ngx_http_katalo_consumers_note(csh,
                                   entry->newer == NGX_HTTP_KATALO_NONE
                                   ? &csh->newest
                                   : &csh->entries[entry->newer].older,
                                   entry->older);
    ngx_http_katalo_consumers_note(csh,
                                   entry->older == NGX_HTTP_KATALO_NONE
                                   ? &csh->oldest
                                   : &csh->entries[entry->older].newer,
                                   entry->newer);
    ngx_http_katalo_consumers_note(csh, &entry->next, csh->free);
    ngx_http_katalo_consumers_note(csh, &csh->free, n);
    ngx_http_katalo_consumers_note(csh, &csh->used, csh->used - 1);
    ngx_http_katalo_consumers_note(csh, &entry->len, 0);

    ngx_http_katalo_consumers_do(csh);

    return NGX_OK;
}


/* the counter gets the tag of the serial */

static void
ngx_http_katalo_consumers_add(ngx_atomic_t *counter, ngx_uint_t serial,
    ngx_uint_t n)
{
    ngx_atomic_uint_t  word, tagged;

    do {
        word = *counter;
        tagged = ((ngx_atomic_uint_t) serial << NGX_HTTP_KATALO_CONSUMER_COUNT)
                 | ngx_http_katalo_consumers_counted(word + n);

    } while (!ngx_atomic_cmp_set(counter, word, tagged));
}


ngx_uint_t
ngx_http_katalo_consumers_flushed(ngx_http_katalo_usage_t *usage,
    ngx_http_katalo_sh_counts_t *counts)
{
    ngx_uint_t             i;
    ngx_http_katalo_sh_t  *sh;

    sh = usage->sh;

    if (sh->line.pending && sh->line.counts == counts) {
        return 0;
    }

    /* the latest configuration decides, not that of an old process */

    if (!sh->logged && usage->log == NULL) {
        return 1;
    }

    for (i = 0; i < NGX_HTTP_KATALO_CONSUMER_COUNTERS; i++) {
        if (ngx_http_katalo_consumers_counted(counts->counters[i])
            != counts->flushed[i])
        {
            return 0;
        }
    }

    return 1;
}
