
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * What consumers of a key name have used; the caller has the mutex of
 * katalo_zone, unless a remark says otherwise.
 */


#ifndef _NGX_HTTP_KATALO_CONSUMED_READ_H_INCLUDED_
#define _NGX_HTTP_KATALO_CONSUMED_READ_H_INCLUDED_


#include "ngx_http_katalo_consumers.h"
#include "ngx_http_katalo_snapshot.h"


/*
 * Places: the entries of the zone, then those without a consumer of each row,
 * then those of each row that found no room.
 */
#define ngx_http_katalo_consumed_places(usage)                                \
    ((usage)->consumers->size + 2 * (usage)->sh->rows)


/* a consumer that the status lists */

typedef struct {
    ngx_uint_t                       row;       /* number of the key's */
    uint64_t                         requests;
    ngx_uint_t                       place;
    ngx_uint_t                       serial;
} ngx_http_katalo_consumer_ref_t;


/*
 * Takes the mutex of the consumers, once those without a consumer are summed up
 * where the place is theirs; the caller has that of katalo_zone.
 */
void ngx_http_katalo_consumed_lock(ngx_http_katalo_usage_t *usage,
    ngx_uint_t place);

/* A copy of what was counted at a place.  NGX_DECLINED: nothing. */
ngx_int_t ngx_http_katalo_consumed_read(ngx_http_katalo_usage_t *usage,
    ngx_uint_t place, ngx_http_katalo_consumer_row_t *row);

/* where it is counted */
ngx_http_katalo_sh_counts_t *ngx_http_katalo_consumed_counts(
    ngx_http_katalo_usage_t *usage, ngx_uint_t place);

/*
 * The consumers of all rows, in any order, once those without a consumer are
 * summed up; takes both mutexes for a short time.
 */
ngx_int_t ngx_http_katalo_consumed_list(ngx_http_katalo_usage_t *usage,
    ngx_pool_t *pool, ngx_array_t *refs);

/*
 * Does what a process that was killed has left of an id that leaves its row:
 * before the ids of a row are read to be changed.
 */
void ngx_http_katalo_consumed_settle(ngx_http_katalo_usage_t *usage);

/*
 * An id leaves its row: *link, which leads to its slot, leads to the next one,
 * and its requests without a consumer stay with the row.  These take the mutex
 * of the consumers for a short time; the caller has that of katalo_zone.
 */
void ngx_http_katalo_consumed_unlink(ngx_http_katalo_usage_t *usage,
    ngx_uint_t slot, ngx_uint_t *link);

/* has the usage log the counts of all consumers of the row? */
ngx_uint_t ngx_http_katalo_consumed_logged(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row);

/* the row is given away */
void ngx_http_katalo_consumed_forget(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row);


#endif /* _NGX_HTTP_KATALO_CONSUMED_READ_H_INCLUDED_ */
