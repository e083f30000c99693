
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_USAGE_LINE_H_INCLUDED_
#define _NGX_HTTP_KATALO_USAGE_LINE_H_INCLUDED_


#include "ngx_http_katalo.h"


/*
 * Bytes of the longest line: a name and an id of their greatest lengths, and
 * each counter twice, of twenty digits.
 */
#define NGX_HTTP_KATALO_USAGE_LINE       8192


/* of a key id, of a key name, or of both; operations by their columns */

typedef struct {
    time_t                           time;
    ngx_uint_t                       interval;      /* seconds */
    ngx_uint_t                       of_id;
    ngx_uint_t                       of_key;

    uint64_t                         id_delta[NGX_HTTP_KATALO_ID_COUNTERS];
    uint64_t                         id_total[NGX_HTTP_KATALO_ID_COUNTERS];
    uint64_t                         key_delta[NGX_HTTP_KATALO_KEY_TOTALS];
    uint64_t                         key_total[NGX_HTTP_KATALO_KEY_TOTALS];
} ngx_http_katalo_usage_line_t;


/*
 * Writes the line, without an end of line, at p; returns its end.  The same
 * line always gives the same bytes.  "operations" are the names of the
 * columns; one that is empty was never counted.
 */
u_char *ngx_http_katalo_usage_line(u_char *p,
    ngx_http_katalo_usage_line_t *line, ngx_str_t *key, ngx_str_t *id,
    ngx_str_t **operations);


#endif /* _NGX_HTTP_KATALO_USAGE_LINE_H_INCLUDED_ */
