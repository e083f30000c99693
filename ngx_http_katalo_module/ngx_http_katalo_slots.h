
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_SLOTS_H_INCLUDED_
#define _NGX_HTTP_KATALO_SLOTS_H_INCLUDED_


#include "ngx_http_katalo_zone.h"


/* Slots of the zone, one for each key id.  The caller has the mutex. */


/* the slot of this id of the row, a new one if need be, or NONE */
ngx_uint_t ngx_http_katalo_slots_take(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row, ngx_str_t *id);

/* frees the slot */
void ngx_http_katalo_slots_evict(ngx_http_katalo_usage_t *usage,
    ngx_uint_t slot);

/* has the usage log the counts of the slot, or is there no usage log? */
ngx_uint_t ngx_http_katalo_slots_logged(ngx_http_katalo_usage_t *usage,
    ngx_uint_t slot);

/*
 * Room is wanted whose counts the usage log does not have: makes its next pass
 * due.  This needs no mutex.
 */
void ngx_http_katalo_slots_want(ngx_http_katalo_usage_t *usage);


#endif /* _NGX_HTTP_KATALO_SLOTS_H_INCLUDED_ */
