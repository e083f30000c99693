
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_STRIPES_H_INCLUDED_
#define _NGX_HTTP_KATALO_STRIPES_H_INCLUDED_


#include "ngx_http_katalo_zone.h"


/*
 * A process counts in the stripe, and has the place in it, that its slot in
 * nginx's table of processes leads to: no other one has them while it lives,
 * unless there are more processes than places.  The caller has the mutex.
 */
void ngx_http_katalo_stripes_join(ngx_http_katalo_usage_t *usage);

/* the process ends: its counters stay */
void ngx_http_katalo_stripes_leave(ngx_http_katalo_usage_t *usage);

/* finds out which processes are alive, for what follows in the same event */
void ngx_http_katalo_stripes_read(ngx_http_katalo_usage_t *usage);

/* of the row and its ids: does a living process hold it? */
ngx_uint_t ngx_http_katalo_stripes_row_held(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row);

/* does a living process hold the slot, or have requests of it in flight? */
ngx_uint_t ngx_http_katalo_stripes_slot_held(ngx_http_katalo_usage_t *usage,
    ngx_uint_t slot);

/* requests in flight, in places of living processes */
ngx_uint_t ngx_http_katalo_stripes_in_flight(ngx_http_katalo_usage_t *usage,
    ngx_uint_t slot);

/* does a process count a request, for its id and not yet for its consumer? */
ngx_uint_t ngx_http_katalo_stripes_between(ngx_http_katalo_usage_t *usage);

/* 0: never; also with a consumer, or without one only */
void ngx_http_katalo_stripes_times(ngx_http_katalo_sh_t *sh, ngx_uint_t slot,
    ngx_uint_t named, time_t *first_used, time_t *last_used);

/* counters and gauges of a row, or of a slot, that is given away */
void ngx_http_katalo_stripes_clear_row(ngx_http_katalo_sh_t *sh,
    ngx_uint_t row);
void ngx_http_katalo_stripes_clear_slot(ngx_http_katalo_sh_t *sh,
    ngx_uint_t slot);


#endif /* _NGX_HTTP_KATALO_STRIPES_H_INCLUDED_ */
