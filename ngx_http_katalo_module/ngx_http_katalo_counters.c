
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_counters.h"
#include "ngx_http_katalo_zone.h"


static ngx_str_t *ngx_http_katalo_counters_reason(
    ngx_http_katalo_usage_t *usage, ngx_uint_t i);
static ngx_str_t *ngx_http_katalo_counters_status_name(
    ngx_http_katalo_usage_t *usage, ngx_uint_t i);


static ngx_http_katalo_counter_name_t  ngx_http_katalo_counters_kinds[] = {
    { NGX_HTTP_KATALO_STRIPPED, ngx_string("stripped") },
    { NGX_HTTP_KATALO_CLIENT_KEY, ngx_string("katalo_key") },
    { 0, ngx_null_string }
};

static ngx_http_katalo_counter_name_t  ngx_http_katalo_counters_directions[] = {
    { NGX_HTTP_KATALO_BYTES_SENT, ngx_string("sent") },
    { NGX_HTTP_KATALO_BYTES_RECEIVED, ngx_string("received") },
    { 0, ngx_null_string }
};


/* statuses by themselves, then their classes, then 0 for no valid header */

static struct {
    ngx_uint_t  status;
    ngx_str_t   name;
} ngx_http_katalo_counters_statuses[NGX_HTTP_KATALO_STATUSES] = {
    { 200, ngx_string("200") },
    { 201, ngx_string("201") },
    { 202, ngx_string("202") },
    { 400, ngx_string("400") },
    { 401, ngx_string("401") },
    { 403, ngx_string("403") },
    { 404, ngx_string("404") },
    { 409, ngx_string("409") },
    { 422, ngx_string("422") },
    { 429, ngx_string("429") },
    { 500, ngx_string("500") },
    { 502, ngx_string("502") },
    { 503, ngx_string("503") },
    { 504, ngx_string("504") },
    { 2, ngx_string("2xx") },
    { 3, ngx_string("3xx") },
    { 4, ngx_string("4xx") },
    { 5, ngx_string("5xx") },
    { 0, ngx_string("none") }
};


ngx_msec_t  ngx_http_katalo_counters_bounds[NGX_HTTP_KATALO_BUCKETS] = {
    10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000,
    (ngx_msec_t) -1
};


ngx_http_katalo_counters_t  ngx_http_katalo_counters[] = {

    { "denied", "katalo_denied_total", "reason",
      "Requests refused, or reported as a browser's, by reason.",
      0, NGX_HTTP_KATALO_DENIED,
      NGX_HTTP_KATALO_BROWSER_REPORTED + 1 - NGX_HTTP_KATALO_DENIED,
      0, NULL, ngx_http_katalo_counters_reason },

    { "client_credentials", "katalo_client_credentials_total", "kind",
      "Requests whose clients sent credentials of their own.",
      0, NGX_HTTP_KATALO_STRIPPED,
      NGX_HTTP_KATALO_CLIENT_KEY + 1 - NGX_HTTP_KATALO_STRIPPED,
      0, ngx_http_katalo_counters_kinds, NULL },

    { "rotations", "katalo_key_rotations_total", NULL,
      "Changes of the key's id.",
      0, NGX_HTTP_KATALO_ROTATIONS, 1, 0, NULL, NULL },

    { "read_failures", "katalo_key_read_failures_total", NULL,
      "Times that the key's file was found gone or unusable.",
      0, NGX_HTTP_KATALO_READ_FAILURES, 1, 0, NULL, NULL },

    { "requests", "katalo_requests_total", "operation",
      "Upstream requests with the key attached, by operation.",
      1, NGX_HTTP_KATALO_REQUESTS, NGX_HTTP_KATALO_OPERATIONS,
      1, NULL, ngx_http_katalo_zone_operation },

    { "responses", "katalo_responses_total", "status",
      "Upstream responses by status, none: no valid header came.",
      1, NGX_HTTP_KATALO_RESPONSES, NGX_HTTP_KATALO_STATUSES,
      0, NULL, ngx_http_katalo_counters_status_name },

    { "retries", "katalo_upstream_retries_total", NULL,
      "Further attempts of requests, on other peers.",
      1, NGX_HTTP_KATALO_RETRIES, 1, 0, NULL, NULL },

    { "bytes", "katalo_upstream_bytes_total", "direction",
      "Bytes sent to and received from the upstream.",
      1, NGX_HTTP_KATALO_BYTES_SENT,
      NGX_HTTP_KATALO_BYTES_RECEIVED + 1 - NGX_HTTP_KATALO_BYTES_SENT,
      0, ngx_http_katalo_counters_directions, NULL },

    { NULL, NULL, NULL, NULL, 0, 0, 0, 0, NULL, NULL }
};


ngx_str_t *
ngx_http_katalo_counters_name(ngx_http_katalo_counters_t *family,
    ngx_http_katalo_usage_t *usage, ngx_uint_t i)
{
    ngx_http_katalo_counter_name_t  *row;

    if (family->name) {
        return family->name(usage, i);
    }

    for (row = family->names; row->name.len; row++) {
        if (row->counter == family->first + i) {
            break;
        }
    }

    return &row->name;
}


static ngx_str_t *
ngx_http_katalo_counters_reason(ngx_http_katalo_usage_t *usage, ngx_uint_t i)
{
    static ngx_str_t  reported = ngx_string("browser_reported");

    return (i == NGX_HTTP_KATALO_BROWSER_REPORTED)
           ? &reported
           : &ngx_http_katalo_reasons[i].name;
}


static ngx_str_t *
ngx_http_katalo_counters_status_name(ngx_http_katalo_usage_t *usage,
    ngx_uint_t i)
{
    return &ngx_http_katalo_counters_statuses[i].name;
}


ngx_uint_t
ngx_http_katalo_counters_status(ngx_uint_t status)
{
    ngx_uint_t  i, value;

    if (status < 200 || status > 599) {
        status = 0;
    }

    for (i = 0; i < NGX_HTTP_KATALO_STATUSES - 1; i++) {
        value = ngx_http_katalo_counters_statuses[i].status;

        if (value == status || value == status / 100) {
            break;
        }
    }

    return i;
}
