
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_JSON_H_INCLUDED_
#define _NGX_HTTP_KATALO_JSON_H_INCLUDED_


#include "ngx_http_katalo_counters.h"


/*
 * Each function writes at p and returns the end of what it wrote.  A member
 * is preceded by a comma unless it follows an opening bracket, so the byte
 * before p must be there.  Strings are written as they are: names and ids have
 * no character that JSON escapes.
 */

u_char *ngx_http_katalo_json_name(u_char *p, const char *name);

/* the beginning of an object in an array */
u_char *ngx_http_katalo_json_object(u_char *p);

/* NULL is written as null */
u_char *ngx_http_katalo_json_string(u_char *p, const char *name,
    ngx_str_t *value);

/* the name of a consumer, in quotes; a label of Prometheus has the same form */
u_char *ngx_http_katalo_json_quoted(u_char *p, ngx_str_t *value);

u_char *ngx_http_katalo_json_number(u_char *p, const char *name, uint64_t n);
u_char *ngx_http_katalo_json_boolean(u_char *p, const char *name,
    ngx_uint_t value);

/* RFC 3339, UTC; 0 is written as null */
u_char *ngx_http_katalo_json_time(u_char *p, const char *name, time_t t);

/* milliseconds, as seconds with three decimals; no member */
u_char *ngx_http_katalo_json_seconds(u_char *p, uint64_t msec);

/*
 * The families of counters of a key name, a key id or a consumer, and of an id
 * its "upstream_seconds", whose buckets are cumulative as in Prometheus.
 * "zeros" tells whether to write counters that are zero.
 */
u_char *ngx_http_katalo_json_counters(u_char *p,
    ngx_http_katalo_usage_t *usage, ngx_http_katalo_counters_of_e of,
    uint64_t *counters, ngx_uint_t zeros);


#endif /* _NGX_HTTP_KATALO_JSON_H_INCLUDED_ */
