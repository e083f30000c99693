
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_counters.h"
#include "ngx_http_katalo_zone.h"


static ngx_str_t *ngx_http_katalo_counters_reason(
    ngx_http_katalo_usage_t *usage, ngx_uint_t i);
static ngx_str_t *ngx_http_katalo_counters_status_name(
    ngx_http_katalo_usage_t *usage, ngx_uint_t i);
static ngx_str_t *ngx_http_katalo_counters_class_name(
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


/*
 * Statuses by themselves, then their classes, then 0 for no valid header; and
 * the class that a consumer's responses are counted by.
 */

static struct {
    ngx_uint_t  status;
    ngx_str_t   name;
    ngx_uint_t  class;
} ngx_http_katalo_counters_statuses[NGX_HTTP_KATALO_STATUSES] = {
    { 200, ngx_string("200"), 0 },
    { 201, ngx_string("201"), 0 },
    { 202, ngx_string("202"), 0 },
    { 400, ngx_string("400"), 2 },
    { 401, ngx_string("401"), 2 },
    { 403, ngx_string("403"), 2 },
    { 404, ngx_string("404"), 2 },
    { 409, ngx_string("409"), 2 },
    { 422, ngx_string("422"), 2 },
    { 429, ngx_string("429"), 3 },
    { 500, ngx_string("500"), 4 },
    { 502, ngx_string("502"), 4 },
    { 503, ngx_string("503"), 4 },
    { 504, ngx_string("504"), 4 },
    { 2, ngx_string("2xx"), 0 },
    { 3, ngx_string("3xx"), 1 },
    { 4, ngx_string("4xx"), 2 },
    { 5, ngx_string("5xx"), 4 },
    { 0, ngx_string("none"), 5 }
};


static ngx_str_t  ngx_http_katalo_counters_classes[] = {
    ngx_string("2xx"),
    ngx_string("3xx"),
    ngx_string("4xx"),
    ngx_string("429"),
    ngx_string("5xx"),
    ngx_string("none")
};


ngx_msec_t  ngx_http_katalo_counters_bounds[NGX_HTTP_KATALO_BUCKETS] = {
    10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000,
    (ngx_msec_t) -1
};


ngx_http_katalo_counters_t  ngx_http_katalo_counters[] = {

    { "denied", "katalo_denied_total", "reason",
      "Requests refused, or reported as a browser's, by reason.",
      NGX_HTTP_KATALO_OF_KEY, NGX_HTTP_KATALO_DENIED,
      NGX_HTTP_KATALO_BROWSER_REPORTED + 1 - NGX_HTTP_KATALO_DENIED,
      0, NULL, ngx_http_katalo_counters_reason },

    { "client_credentials", "katalo_client_credentials_total", "kind",
      "Requests whose clients sent credentials of their own.",
      NGX_HTTP_KATALO_OF_KEY, NGX_HTTP_KATALO_STRIPPED,
      NGX_HTTP_KATALO_CLIENT_KEY + 1 - NGX_HTTP_KATALO_STRIPPED,
      0, ngx_http_katalo_counters_kinds, NULL },

    { "rotations", "katalo_key_rotations_total", NULL,
      "Changes of the key's id.",
      NGX_HTTP_KATALO_OF_KEY, NGX_HTTP_KATALO_ROTATIONS, 1, 0, NULL, NULL },

    { "read_failures", "katalo_key_read_failures_total", NULL,
      "Times that the key's file was found gone or unusable.",
      NGX_HTTP_KATALO_OF_KEY, NGX_HTTP_KATALO_READ_FAILURES, 1, 0, NULL, NULL },

    { "requests", "katalo_requests_total", "operation",
      "Upstream requests with the key attached, by operation.",
      NGX_HTTP_KATALO_OF_ID, NGX_HTTP_KATALO_REQUESTS,
      NGX_HTTP_KATALO_OPERATIONS,
      1, NULL, ngx_http_katalo_zone_operation },

    { "responses", "katalo_responses_total", "status",
      "Upstream responses by status, none: no valid header came.",
      NGX_HTTP_KATALO_OF_ID, NGX_HTTP_KATALO_RESPONSES,
      NGX_HTTP_KATALO_STATUSES,
      0, NULL, ngx_http_katalo_counters_status_name },

    { "retries", "katalo_upstream_retries_total", NULL,
      "Further attempts of requests, on other peers.",
      NGX_HTTP_KATALO_OF_ID, NGX_HTTP_KATALO_RETRIES, 1, 0, NULL, NULL },

    { "bytes", "katalo_upstream_bytes_total", "direction",
      "Bytes sent to and received from the upstream.",
      NGX_HTTP_KATALO_OF_ID, NGX_HTTP_KATALO_BYTES_SENT,
      NGX_HTTP_KATALO_BYTES_RECEIVED + 1 - NGX_HTTP_KATALO_BYTES_SENT,
      0, ngx_http_katalo_counters_directions, NULL },

    { "requests", "katalo_consumer_requests_total", "operation",
      "Upstream requests with the key attached, by consumer and operation.",
      NGX_HTTP_KATALO_OF_CONSUMER, NGX_HTTP_KATALO_CONSUMER_REQUESTS,
      NGX_HTTP_KATALO_OPERATIONS,
      1, NULL, ngx_http_katalo_zone_operation },

    { "responses", "katalo_consumer_responses_total", "status",
      "Upstream responses by consumer and class, none: no valid header came.",
      NGX_HTTP_KATALO_OF_CONSUMER, NGX_HTTP_KATALO_CONSUMER_RESPONSES,
      NGX_HTTP_KATALO_RESPONSE_CLASSES,
      0, NULL, ngx_http_katalo_counters_class_name },

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


static ngx_str_t *
ngx_http_katalo_counters_class_name(ngx_http_katalo_usage_t *usage,
    ngx_uint_t i)
{
    return &ngx_http_katalo_counters_classes[i];
}


ngx_uint_t
ngx_http_katalo_counters_class(ngx_uint_t place)
{
    return ngx_http_katalo_counters_statuses[place].class;
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
