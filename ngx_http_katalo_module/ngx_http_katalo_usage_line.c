
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * Each member writes a comma after itself, and the end of its object takes
 * the last one away.  Counts of zero are left out.
 */


#include "ngx_http_katalo_counters.h"
#include "ngx_http_katalo_usage_line.h"


static u_char *ngx_http_katalo_usage_line_groups(u_char *p, ngx_uint_t of_id,
    uint64_t *counters, ngx_str_t **operations);
static u_char *ngx_http_katalo_usage_line_group(u_char *p,
    ngx_http_katalo_counters_t *group, uint64_t *counters,
    ngx_str_t **operations);
static u_char *ngx_http_katalo_usage_line_histogram(u_char *p,
    uint64_t *counters);
static u_char *ngx_http_katalo_usage_line_number(u_char *p, const char *name,
    uint64_t n);
static u_char *ngx_http_katalo_usage_line_end(u_char *p);


u_char *
ngx_http_katalo_usage_line(u_char *p, ngx_http_katalo_usage_line_t *line,
    ngx_str_t *key, ngx_str_t *id, ngx_str_t **operations)
{
    uint64_t    *ids, *keys;
    ngx_uint_t   total;

    p = ngx_sprintf(p, "{\"time\":");
    p = ngx_http_katalo_counters_time(p, line->time);
    p = ngx_sprintf(p, ",\"key\":\"%V\",\"key_id\":", key);

    p = line->of_id ? ngx_sprintf(p, "\"%V\"", id) : ngx_sprintf(p, "null");

    p = ngx_sprintf(p, ",\"interval\":%ui,", line->interval);

    for (total = 0; total < 2; total++) {
        ids = total ? line->id_total : line->id_delta;
        keys = total ? line->key_total : line->key_delta;

        p = ngx_sprintf(p, "\"%s\":{", total ? "total" : "delta");

        if (line->of_id) {
            p = ngx_http_katalo_usage_line_groups(p, 1, ids, operations);
            p = ngx_http_katalo_usage_line_histogram(p, ids);
        }

        if (line->of_key) {
            p = ngx_http_katalo_usage_line_groups(p, 0, keys, operations);
            p = ngx_http_katalo_usage_line_number(p, "rotations",
                                              keys[NGX_HTTP_KATALO_ROTATIONS]);
            p = ngx_http_katalo_usage_line_number(p, "read_failures",
                                          keys[NGX_HTTP_KATALO_READ_FAILURES]);
        }

        p = ngx_http_katalo_usage_line_end(p);
    }

    return ngx_http_katalo_usage_line_end(p) - 1;
}


static u_char *
ngx_http_katalo_usage_line_groups(u_char *p, ngx_uint_t of_id,
    uint64_t *counters, ngx_str_t **operations)
{
    ngx_http_katalo_counters_t  *group;

    for (group = ngx_http_katalo_counters; group->json; group++) {

        if (group->of_id != of_id) {
            continue;
        }

        if (group->label == NULL) {
            p = ngx_http_katalo_usage_line_number(p, group->json,
                                                  counters[group->first]);
            continue;
        }

        p = ngx_http_katalo_usage_line_group(p, group, counters, operations);
    }

    return p;
}


static u_char *
ngx_http_katalo_usage_line_group(u_char *p, ngx_http_katalo_counters_t *group,
    uint64_t *counters, ngx_str_t **operations)
{
    uint64_t    total, n;
    ngx_uint_t  i;

    p = ngx_sprintf(p, "\"%s\":{", group->json);

    if (group->names == NULL) {
        total = 0;

        for (i = 0; i < group->n; i++) {
            total += counters[group->first + i];
        }

        p = ngx_http_katalo_usage_line_number(p, "total", total);
    }

    for (i = 0; i < group->n; i++) {
        n = counters[group->first + i];

        if (n && group->names == NULL) {
            p = ngx_sprintf(p, "\"%V\":%uL,", operations[i], n);

        } else if (n) {
            p = ngx_http_katalo_usage_line_number(p, group->names[i], n);
        }
    }

    return ngx_http_katalo_usage_line_end(p);
}


static u_char *
ngx_http_katalo_usage_line_histogram(u_char *p, uint64_t *counters)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_KATALO_BUCKETS; i++) {

        if (counters[NGX_HTTP_KATALO_UPSTREAM_TIME + i]) {
            p = ngx_http_katalo_counters_histogram(p, counters, 0);
            *p++ = ',';
            break;
        }
    }

    return p;
}


static u_char *
ngx_http_katalo_usage_line_number(u_char *p, const char *name, uint64_t n)
{
    return n ? ngx_sprintf(p, "\"%s\":%uL,", name, n) : p;
}


static u_char *
ngx_http_katalo_usage_line_end(u_char *p)
{
    if (p[-1] == ',') {
        p--;
    }

    return ngx_sprintf(p, "},");
}
