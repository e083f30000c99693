
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_USAGE_FLUSH_H_INCLUDED_
#define _NGX_HTTP_KATALO_USAGE_FLUSH_H_INCLUDED_


#include "ngx_http_katalo_consumed_read.h"


/*
 * Bytes of the longest line: a name and an id of their greatest lengths, and
 * each counter twice, of twenty digits.
 */
#define NGX_HTTP_KATALO_USAGE_LINE       8192


/* a pass over the zone goes over its places: slots, rows, then consumers */
#define ngx_http_katalo_usage_places(usage)                                   \
    ((usage)->sh->slots + (usage)->sh->rows                                   \
     + ngx_http_katalo_consumed_places(usage))


/*
 * Writes what is new of a place; the caller owns the log and does not have the
 * mutex.  NGX_AGAIN: try again soon.  NGX_ERROR: it is pending; this is logged
 * once.
 */
ngx_int_t ngx_http_katalo_usage_flush(ngx_http_katalo_usage_t *usage,
    ngx_uint_t place);

/*
 * Renders the pending line, without an end of line, at p; returns its end.  The
 * same line always gives the same bytes.
 */
u_char *ngx_http_katalo_usage_line(ngx_http_katalo_usage_t *usage, u_char *p);


#endif /* _NGX_HTTP_KATALO_USAGE_FLUSH_H_INCLUDED_ */
