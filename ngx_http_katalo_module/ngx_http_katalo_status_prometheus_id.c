
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_json.h"
#include "ngx_http_katalo_status_prometheus_id.h"


static u_char *ngx_http_katalo_prometheus_bound(u_char *p, ngx_uint_t bucket);


u_char *
ngx_http_katalo_prometheus_series(u_char *p, char *metric, char *suffix,
    ngx_str_t *key, ngx_str_t *id)
{
    p = ngx_sprintf(p, "%s%s{key=\"%V\"", metric, suffix, key);

    return id ? ngx_sprintf(p, ",key_id=\"%V\"", id) : p;
}


u_char *
ngx_http_katalo_prometheus_histogram(u_char *p, char *metric,
    ngx_http_katalo_id_row_t *row)
{
    uint64_t    count;
    ngx_uint_t  i;

    count = 0;

    for (i = 0; i < NGX_HTTP_KATALO_BUCKETS; i++) {
        count += row->counters[NGX_HTTP_KATALO_UPSTREAM_TIME + i];

        p = ngx_http_katalo_prometheus_series(p, metric, "_bucket",
                                              &row->name, &row->id);
        p = ngx_sprintf(p, ",le=\"");
        p = ngx_http_katalo_prometheus_bound(p, i);
        p = ngx_sprintf(p, "\"} %uL\n", count);
    }

    p = ngx_http_katalo_prometheus_series(p, metric, "_sum", &row->name,
                                          &row->id);
    p = ngx_sprintf(p, "} ");
    p = ngx_http_katalo_json_seconds(p,
                                row->counters[NGX_HTTP_KATALO_UPSTREAM_MSEC]);
    *p++ = '\n';

    p = ngx_http_katalo_prometheus_series(p, metric, "_count", &row->name,
                                          &row->id);

    return ngx_sprintf(p, "} %uL\n", count);
}


/* as Prometheus writes numbers, since it compares labels as text */

static u_char *
ngx_http_katalo_prometheus_bound(u_char *p, ngx_uint_t bucket)
{
    if (bucket == NGX_HTTP_KATALO_BUCKETS - 1) {
        return ngx_sprintf(p, "+Inf");
    }

    p = ngx_http_katalo_json_seconds(p,
                                      ngx_http_katalo_counters_bounds[bucket]);

    while (p[-1] == '0') {
        p--;
    }

    return p[-1] == '.' ? p - 1 : p;
}


u_char *
ngx_http_katalo_prometheus_last_used(u_char *p, char *metric,
    ngx_http_katalo_id_row_t *row)
{
    p = ngx_http_katalo_prometheus_series(p, metric, "", &row->name, &row->id);

    return ngx_sprintf(p, "} %T\n", row->last_used);
}


u_char *
ngx_http_katalo_prometheus_info(u_char *p, char *metric,
    ngx_http_katalo_id_row_t *row)
{
    p = ngx_http_katalo_prometheus_series(p, metric, "", &row->name, &row->id);

    return ngx_sprintf(p, ",source=\"%V\",state=\"%s\"} 1\n",
                       &row->source, row->state);
}
