
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
      "Refused", 0, NGX_HTTP_KATALO_DENIED, 6,
      ngx_http_katalo_counters_reasons },

    { "client_credentials", "katalo_client_credentials_total", "kind",
      "Requests whose clients sent credentials of their own.",
      "Client credentials", 0, NGX_HTTP_KATALO_STRIPPED, 2,
      ngx_http_katalo_counters_credentials },

    { "requests", "katalo_requests_total", "operation",
      "Upstream requests with the key attached, by operation.",
      "Requests", 1, NGX_HTTP_KATALO_REQUESTS, NGX_HTTP_KATALO_OPERATIONS,
      NULL },

    { "responses", "katalo_responses_total", "status",
      "Upstream responses by status, none: no valid header came.",
      "Responses", 1, NGX_HTTP_KATALO_RESPONSES, NGX_HTTP_KATALO_STATUSES,
      ngx_http_katalo_counters_statuses },

    { "retries", "katalo_upstream_retries_total", NULL,
      "Further attempts of requests, on other peers.",
      "Retries", 1, NGX_HTTP_KATALO_RETRIES, 1, NULL },

    { "bytes", "katalo_upstream_bytes_total", "direction",
      "Bytes sent to and received from the upstream.",
      "Bytes", 1, NGX_HTTP_KATALO_BYTES_SENT, 2,
      ngx_http_katalo_counters_directions },

    { NULL, NULL, NULL, NULL, NULL, 0, 0, 0, NULL }
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
