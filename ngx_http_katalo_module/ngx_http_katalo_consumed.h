
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* Requests and responses, by the consumers of a key name. */


#ifndef _NGX_HTTP_KATALO_CONSUMED_H_INCLUDED_
#define _NGX_HTTP_KATALO_CONSUMED_H_INCLUDED_


#include "ngx_http_katalo_consumers.h"
#include "ngx_http_katalo_ctx.h"
#include "ngx_http_katalo_snapshot.h"


/*
 * Places: the entries of the zone, then those without a consumer of each row,
 * then those of each row that found no room.
 */
#define ngx_http_katalo_consumed_places(usage)                                \
    ((usage)->consumers->size + 2 * (usage)->sh->rows)


/* a consumer that the status lists */

typedef struct {
    uint64_t                         requests;
    ngx_uint_t                       place;
    ngx_uint_t                       serial;
} ngx_http_katalo_consumer_ref_t;


/*
 * The key is attached, and the request has a consumer; "column" is that of its
 * operation.  NGX_DECLINED: there is no room before the usage log has counts,
 * said once a second.
 */
ngx_int_t ngx_http_katalo_consumed_start(ngx_http_katalo_usage_t *usage,
    ngx_uint_t slot, ngx_uint_t column, ngx_http_katalo_consumer_t *consumer);

/* "status" is a place in NGX_HTTP_KATALO_RESPONSES */
void ngx_http_katalo_consumed_finish(ngx_http_katalo_usage_t *usage,
    ngx_uint_t slot, ngx_uint_t status, ngx_http_katalo_consumer_t *consumer);

/*
 * A copy of what was counted at a place.  NGX_DECLINED: nothing.  The caller
 * has both mutexes, of katalo_zone first.
 */
ngx_int_t ngx_http_katalo_consumed_read(ngx_http_katalo_usage_t *usage,
    ngx_uint_t place, ngx_http_katalo_consumer_row_t *row);

/* where it is counted: of those without a consumer, what is flushed only */
ngx_http_katalo_sh_counts_t *ngx_http_katalo_consumed_counts(
    ngx_http_katalo_usage_t *usage, ngx_uint_t place);

/* the consumers of a row, in any order; takes the mutexes again and again */
ngx_int_t ngx_http_katalo_consumed_list(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row, ngx_array_t *refs);

/*
 * An id leaves its row: *link, which leads to its slot, leads to the next one,
 * and its requests without a consumer stay with the row.  These take the mutex
 * of the consumers; the caller has that of katalo_zone.
 */
void ngx_http_katalo_consumed_unlink(ngx_http_katalo_usage_t *usage,
    ngx_uint_t slot, ngx_uint_t *link);

/* has the usage log the counts of all consumers of the row? */
ngx_uint_t ngx_http_katalo_consumed_logged(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row);

/* the row is given away */
void ngx_http_katalo_consumed_forget(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row);


#endif /* _NGX_HTTP_KATALO_CONSUMED_H_INCLUDED_ */
