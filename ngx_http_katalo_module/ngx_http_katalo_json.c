
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_json.h"


static u_char *ngx_http_katalo_json_comma(u_char *p);
static u_char *ngx_http_katalo_json_family(u_char *p,
    ngx_http_katalo_usage_t *usage, ngx_http_katalo_counters_t *family,
    uint64_t *counters, ngx_uint_t zeros);
static u_char *ngx_http_katalo_json_histogram(u_char *p, uint64_t *counters,
    ngx_uint_t zeros);


u_char *
ngx_http_katalo_json_name(u_char *p, const char *name)
{
    p = ngx_http_katalo_json_comma(p);

    return ngx_sprintf(p, "\"%s\":", name);
}


u_char *
ngx_http_katalo_json_object(u_char *p)
{
    p = ngx_http_katalo_json_comma(p);

    *p++ = '{';

    return p;
}


static u_char *
ngx_http_katalo_json_comma(u_char *p)
{
    if (p[-1] != '{' && p[-1] != '[') {
        *p++ = ',';
    }

    return p;
}


u_char *
ngx_http_katalo_json_string(u_char *p, const char *name, ngx_str_t *value)
{
    p = ngx_http_katalo_json_name(p, name);

    return value ? ngx_sprintf(p, "\"%V\"", value) : ngx_sprintf(p, "null");
}


u_char *
ngx_http_katalo_json_quoted(u_char *p, ngx_str_t *value)
{
    size_t  i;

    *p++ = '"';

    for (i = 0; i < value->len; i++) {

        if (value->data[i] == '"' || value->data[i] == '\\') {
            *p++ = '\\';
        }

        *p++ = value->data[i];
    }

    *p++ = '"';

    return p;
}


u_char *
ngx_http_katalo_json_number(u_char *p, const char *name, uint64_t n)
{
    p = ngx_http_katalo_json_name(p, name);

    return ngx_sprintf(p, "%uL", n);
}


u_char *
ngx_http_katalo_json_boolean(u_char *p, const char *name, ngx_uint_t value)
{
    p = ngx_http_katalo_json_name(p, name);

    return ngx_sprintf(p, "%s", value ? "true" : "false");
}


u_char *
ngx_http_katalo_json_time(u_char *p, const char *name, time_t t)
{
    ngx_tm_t  tm;

    p = ngx_http_katalo_json_name(p, name);

    if (t == 0) {
        return ngx_sprintf(p, "null");
    }

    ngx_gmtime(t, &tm);

    return ngx_sprintf(p, "\"%4d-%02d-%02dT%02d:%02d:%02dZ\"",
                       tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                       tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec);
}


u_char *
ngx_http_katalo_json_seconds(u_char *p, uint64_t msec)
{
    return ngx_sprintf(p, "%uL.%03uL", msec / 1000, msec % 1000);
}


u_char *
ngx_http_katalo_json_counters(u_char *p, ngx_http_katalo_usage_t *usage,
    ngx_http_katalo_counters_of_e of, uint64_t *counters, ngx_uint_t zeros)
{
    ngx_http_katalo_counters_t  *family;

    for (family = ngx_http_katalo_counters; family->json; family++) {

        if (family->of != of) {
            continue;
        }

        if (family->label) {
            p = ngx_http_katalo_json_family(p, usage, family, counters, zeros);

        } else if (counters[family->first] || zeros) {
            p = ngx_http_katalo_json_number(p, family->json,
                                            counters[family->first]);
        }
    }

    return of == NGX_HTTP_KATALO_OF_ID
           ? ngx_http_katalo_json_histogram(p, counters, zeros) : p;
}


static u_char *
ngx_http_katalo_json_family(u_char *p, ngx_http_katalo_usage_t *usage,
    ngx_http_katalo_counters_t *family, uint64_t *counters, ngx_uint_t zeros)
{
    uint64_t    total;
    ngx_str_t  *name;
    ngx_uint_t  i;

    p = ngx_http_katalo_json_name(p, family->json);
    *p++ = '{';

    counters += family->first;
    total = 0;

    for (i = 0; family->total && i < family->n; i++) {
        total += counters[i];
    }

    if (family->total && (total || zeros)) {
        p = ngx_http_katalo_json_number(p, "total", total);
    }

    for (i = 0; i < family->n; i++) {
        name = ngx_http_katalo_counters_name(family, usage, i);

        if (name->len && (counters[i] || zeros)) {
            p = ngx_http_katalo_json_comma(p);
            p = ngx_sprintf(p, "\"%V\":%uL", name, counters[i]);
        }
    }

    *p++ = '}';

    return p;
}


static u_char *
ngx_http_katalo_json_histogram(u_char *p, uint64_t *counters,
    ngx_uint_t zeros)
{
    uint64_t     count, total;
    ngx_uint_t   i, last;

    counters += NGX_HTTP_KATALO_UPSTREAM_TIME;
    last = NGX_HTTP_KATALO_BUCKETS - 1;
    total = 0;

    for (i = 0; i <= last; i++) {
        total += counters[i];
    }

    if (total == 0 && !zeros) {
        return p;
    }

    p = ngx_http_katalo_json_name(p, "upstream_seconds");
    p = ngx_sprintf(p, "{\"sum\":");
    p = ngx_http_katalo_json_seconds(p, counters[NGX_HTTP_KATALO_UPSTREAM_MSEC
                                             - NGX_HTTP_KATALO_UPSTREAM_TIME]);
    p = ngx_http_katalo_json_number(p, "count", total);
    p = ngx_http_katalo_json_name(p, "buckets");
    *p++ = '[';

    count = 0;

    for (i = 0; i < last; i++) {
        count += counters[i];

        if (count || zeros) {
            p = ngx_http_katalo_json_object(p);
            p = ngx_http_katalo_json_name(p, "le");
            p = ngx_http_katalo_json_seconds(p,
                                           ngx_http_katalo_counters_bounds[i]);
            p = ngx_sprintf(p, ",\"count\":%uL}", count);
        }
    }

    p = ngx_http_katalo_json_comma(p);

    return ngx_sprintf(p, "{\"le\":\"+Inf\",\"count\":%uL}]}", total);
}
