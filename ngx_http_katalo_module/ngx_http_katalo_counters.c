
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_counters.h"


static char  *ngx_http_katalo_counters_reasons[] = {
    "preflight", "browser", "operation", "no_key", "destination",
    "browser_reported"
};

static char  *ngx_http_katalo_counters_credentials[] = {
    "stripped", "katalo_key"
};

static char  *ngx_http_katalo_counters_statuses[] = {
    "200", "201", "202", "400", "401", "403", "404", "409", "422", "429",
    "500", "502", "503", "504", "2xx", "3xx", "4xx", "5xx", "none"
};

static char  *ngx_http_katalo_counters_directions[] = {
    "sent", "received"
};

ngx_http_katalo_counters_t  ngx_http_katalo_counters[] = {

    { "denied", "katalo_denied_total", "reason",
      "Requests refused, or reported as a browser's, by reason.",
      0, NGX_HTTP_KATALO_DENIED, 6,
      ngx_http_katalo_counters_reasons },

    { "client_credentials", "katalo_client_credentials_total", "kind",
      "Requests whose clients sent credentials of their own.",
      0, NGX_HTTP_KATALO_STRIPPED, 2,
      ngx_http_katalo_counters_credentials },

    { "requests", "katalo_requests_total", "operation",
      "Upstream requests with the key attached, by operation.",
      1, NGX_HTTP_KATALO_REQUESTS, NGX_HTTP_KATALO_OPERATIONS, NULL },

    { "responses", "katalo_responses_total", "status",
      "Upstream responses by status, none: no valid header came.",
      1, NGX_HTTP_KATALO_RESPONSES, NGX_HTTP_KATALO_STATUSES,
      ngx_http_katalo_counters_statuses },

    { "retries", "katalo_upstream_retries_total", NULL,
      "Further attempts of requests, on other peers.",
      1, NGX_HTTP_KATALO_RETRIES, 1, NULL },

    { "bytes", "katalo_upstream_bytes_total", "direction",
      "Bytes sent to and received from the upstream.",
      1, NGX_HTTP_KATALO_BYTES_SENT, 2,
      ngx_http_katalo_counters_directions },

    { NULL, NULL, NULL, NULL, 0, 0, 0, NULL }
};


u_char *
ngx_http_katalo_counters_time(u_char *p, time_t t)
{
    ngx_tm_t  tm;

    if (t == 0) {
        return ngx_sprintf(p, "null");
    }

    ngx_gmtime(t, &tm);

    return ngx_sprintf(p, "\"%4d-%02d-%02dT%02d:%02d:%02dZ\"",
                       tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                       tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec);
}


u_char *
ngx_http_katalo_counters_seconds(u_char *p, uint64_t msec)
{
    return ngx_sprintf(p, "%uL.%03uL", msec / 1000, msec % 1000);
}


u_char *
ngx_http_katalo_counters_histogram(u_char *p, uint64_t *counters,
    ngx_uint_t zeros)
{
    uint64_t    count;
    ngx_uint_t  i;

    count = 0;

    for (i = 0; i < NGX_HTTP_KATALO_BUCKETS; i++) {
        count += counters[NGX_HTTP_KATALO_UPSTREAM_TIME + i];
    }

    p = ngx_sprintf(p, "\"upstream_seconds\":{\"sum\":");
    p = ngx_http_katalo_counters_seconds(p,
                                      counters[NGX_HTTP_KATALO_UPSTREAM_MSEC]);
    p = ngx_sprintf(p, ",\"count\":%uL,\"buckets\":[", count);

    count = 0;

    for (i = 0; i < NGX_HTTP_KATALO_BUCKETS - 1; i++) {
        count += counters[NGX_HTTP_KATALO_UPSTREAM_TIME + i];

        if (count == 0 && !zeros) {
            continue;
        }

        p = ngx_sprintf(p, "{\"le\":");
        p = ngx_http_katalo_counters_seconds(p,
                                             ngx_http_katalo_usage_bounds[i]);
        p = ngx_sprintf(p, ",\"count\":%uL},", count);
    }

    count += counters[NGX_HTTP_KATALO_UPSTREAM_TIME + i];

    return ngx_sprintf(p, "{\"le\":\"+Inf\",\"count\":%uL}]}", count);
}
