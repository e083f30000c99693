
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* Metrics of a key id that are no counters, in the format of Prometheus. */


#ifndef _NGX_HTTP_KATALO_STATUS_PROMETHEUS_ID_H_INCLUDED_
#define _NGX_HTTP_KATALO_STATUS_PROMETHEUS_ID_H_INCLUDED_


#include "ngx_http_katalo_snapshot.h"


/* a series without the bracket that ends its labels; the id may be NULL */
u_char *ngx_http_katalo_prometheus_series(u_char *p, char *metric,
    char *suffix, ngx_str_t *key, ngx_str_t *id);

u_char *ngx_http_katalo_prometheus_histogram(u_char *p, char *metric,
    ngx_http_katalo_id_row_t *row);
u_char *ngx_http_katalo_prometheus_last_used(u_char *p, char *metric,
    ngx_http_katalo_id_row_t *row);
u_char *ngx_http_katalo_prometheus_info(u_char *p, char *metric,
    ngx_http_katalo_id_row_t *row);


#endif /* _NGX_HTTP_KATALO_STATUS_PROMETHEUS_ID_H_INCLUDED_ */
