
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * Prometheus text format 0.0.4.  Counters of zero are written, since rate()
 * misses the first increment of a new series.
 *
 * Names of consumers are escaped.  Other label values need it not: the
 * configuration and the key reader accept only letters, digits, "_", "-" and
 * "." in names and ids, and a host is one that name servers were asked for.
 */


#include "ngx_http_katalo_counters.h"
#include "ngx_http_katalo_json.h"
#include "ngx_http_katalo_operation.h"
#include "ngx_http_katalo_status_prometheus_id.h"
#include "ngx_http_katalo_status_render.h"


/* a metric that is no counter of the table */

typedef struct {
    char                            *metric;
    char                            *type;
    char                            *help;
    ngx_uint_t                       rows;
    size_t                           offset;    /* of a value in a row */
    u_char                        *(*id)(u_char *p, char *metric,
                                         ngx_http_katalo_id_row_t *row);
} ngx_http_katalo_metric_t;


static u_char *ngx_http_katalo_prometheus_begin(
    ngx_http_katalo_snapshot_t *snapshot, u_char *p);
static ngx_http_katalo_counters_t *ngx_http_katalo_prometheus_pass(
    ngx_http_katalo_snapshot_t *snapshot, ngx_http_katalo_metric_t **metric);
static u_char *ngx_http_katalo_prometheus_head(u_char *p, char *metric,
    char *type, char *help);
static u_char *ngx_http_katalo_prometheus_build(u_char *p);
static u_char *ngx_http_katalo_prometheus_zone(u_char *p,
    ngx_http_katalo_snapshot_t *snapshot);
static u_char *ngx_http_katalo_prometheus_places(u_char *p, char *metric,
    char *help, ngx_uint_t used, ngx_uint_t free);
static u_char *ngx_http_katalo_prometheus_key(
    ngx_http_katalo_snapshot_t *snapshot, u_char *p,
    ngx_http_katalo_key_row_t *row);
static u_char *ngx_http_katalo_prometheus_cooldown(u_char *p, char *metric,
    ngx_http_katalo_key_row_t *row);
static u_char *ngx_http_katalo_prometheus_id(
    ngx_http_katalo_snapshot_t *snapshot, u_char *p,
    ngx_http_katalo_id_row_t *row);
static u_char *ngx_http_katalo_prometheus_consumer(
    ngx_http_katalo_snapshot_t *snapshot, u_char *p,
    ngx_http_katalo_consumer_row_t *row);
static u_char *ngx_http_katalo_prometheus_host(
    ngx_http_katalo_snapshot_t *snapshot, u_char *p,
    ngx_http_katalo_host_row_t *row);
static u_char *ngx_http_katalo_prometheus_counters(
    ngx_http_katalo_snapshot_t *snapshot, u_char *p,
    ngx_http_katalo_counters_t *family, ngx_str_t *key, ngx_str_t *id,
    uint64_t *counters);


ngx_http_katalo_renderer_t  ngx_http_katalo_status_prometheus = {
    ngx_http_katalo_prometheus_begin,
    ngx_http_katalo_prometheus_key,
    ngx_http_katalo_prometheus_id,
    ngx_http_katalo_prometheus_consumer,
    ngx_http_katalo_prometheus_host
};


static ngx_http_katalo_metric_t  ngx_http_katalo_prometheus_metrics[] = {

    { "katalo_upstream_seconds", "histogram",
      "Time from the key's attachment to the end of the upstream request.",
      NGX_HTTP_KATALO_ROWS_OF_IDS, 0, ngx_http_katalo_prometheus_histogram },

    { "katalo_key_last_used_timestamp_seconds", "gauge",
      "When the key was attached last, 0 for never.",
      NGX_HTTP_KATALO_ROWS_OF_IDS, 0, ngx_http_katalo_prometheus_last_used },

    { "katalo_key_info", "gauge",
      "A public key id, its state, and the source of its key; always 1.",
      NGX_HTTP_KATALO_ROWS_OF_IDS, 0, ngx_http_katalo_prometheus_info },

    { "katalo_requests_in_flight", "gauge",
      "Upstream requests with the key attached that are not finished.",
      NGX_HTTP_KATALO_ROWS_OF_KEYS,
      offsetof(ngx_http_katalo_key_row_t, in_flight), NULL },

    { "katalo_key_usable", "gauge",
      "Whether there is a key, 0 while it is revoked.",
      NGX_HTTP_KATALO_ROWS_OF_KEYS,
      offsetof(ngx_http_katalo_key_row_t, usable), NULL },

    { "katalo_key_rejected", "gauge",
      "Whether Katalo answers 401 to the current id.",
      NGX_HTTP_KATALO_ROWS_OF_KEYS,
      offsetof(ngx_http_katalo_key_row_t, rejected), NULL },

    { "katalo_key_source_ok", "gauge",
      "Whether the key's source holds a key, and workers may read it.",
      NGX_HTTP_KATALO_ROWS_OF_KEYS,
      offsetof(ngx_http_katalo_key_row_t, source_ok), NULL },

    { "katalo_key_cooldown_seconds", "gauge",
      "Time for which requests of the class are answered by the gateway.",
      NGX_HTTP_KATALO_ROWS_OF_KEYS,
      offsetof(ngx_http_katalo_key_row_t, cooldown), NULL },

    { "katalo_upstream_addresses", "gauge",
      "Addresses of an upstream host, as the name servers gave them last.",
      NGX_HTTP_KATALO_ROWS_OF_HOSTS,
      offsetof(ngx_http_katalo_host_row_t, addresses), NULL },

    { "katalo_upstream_resolve_failures_total", "counter",
      "Lookups of an upstream host that failed.",
      NGX_HTTP_KATALO_ROWS_OF_HOSTS,
      offsetof(ngx_http_katalo_host_row_t, failures), NULL },

    { NULL, NULL, NULL, 0, 0, NULL }
};


/* a pass for each metric */

static u_char *
ngx_http_katalo_prometheus_begin(ngx_http_katalo_snapshot_t *snapshot,
    u_char *p)
{
    ngx_http_katalo_metric_t    *metric;
    ngx_http_katalo_counters_t  *family;

    static ngx_uint_t  rows[] = {
        NGX_HTTP_KATALO_ROWS_OF_KEYS,
        NGX_HTTP_KATALO_ROWS_OF_IDS,
        NGX_HTTP_KATALO_ROWS_OF_CONSUMERS
    };

    family = ngx_http_katalo_prometheus_pass(snapshot, &metric);

    if (family) {
        snapshot->rows = rows[family->of];

        p = ngx_http_katalo_prometheus_head(p, family->metric, "counter",
                                            family->help);

        if (snapshot->usage && family->of == NGX_HTTP_KATALO_OF_KEY
            && family->first == NGX_HTTP_KATALO_DENIED)
        {
            p = ngx_sprintf(p, "%s{key=\"\",reason=\"no_key\"} %uL\n",
                            family->metric, snapshot->no_keys);
        }

        return p;
    }

    if (metric->metric == NULL) {
        snapshot->done = 1;
        p = ngx_http_katalo_prometheus_build(p);
        return ngx_http_katalo_prometheus_zone(p, snapshot);
    }

    snapshot->rows = metric->rows;

    return ngx_http_katalo_prometheus_head(p, metric->metric, metric->type,
                                           metric->help);
}


/* the counters of this pass, or NULL and the metric */

static ngx_http_katalo_counters_t *
ngx_http_katalo_prometheus_pass(ngx_http_katalo_snapshot_t *snapshot,
    ngx_http_katalo_metric_t **metric)
{
    ngx_uint_t  i;

    for (i = 0; ngx_http_katalo_counters[i].json; i++) {

        if (i == snapshot->pass) {
            return &ngx_http_katalo_counters[i];
        }
    }

    *metric = &ngx_http_katalo_prometheus_metrics[snapshot->pass - i];

    return NULL;
}


static u_char *
ngx_http_katalo_prometheus_head(u_char *p, char *metric, char *type,
    char *help)
{
    return ngx_sprintf(p, "# HELP %s %s\n# TYPE %s %s\n",
                       metric, help, metric, type);
}


static u_char *
ngx_http_katalo_prometheus_build(u_char *p)
{
    p = ngx_http_katalo_prometheus_head(p, "katalo_build_info", "gauge",
                                        "The version of the module; always 1.");

    return ngx_sprintf(p, "katalo_build_info{version=\"%s\"} 1\n",
                       NGX_HTTP_KATALO_VERSION);
}


static u_char *
ngx_http_katalo_prometheus_zone(u_char *p,
    ngx_http_katalo_snapshot_t *snapshot)
{
    if (snapshot->usage == NULL) {
        return p;
    }

    p = ngx_http_katalo_prometheus_places(p, "katalo_zone_slots",
                        "Places for public key ids in the shared memory zone.",
                        snapshot->slots_used, snapshot->slots_free);
    p = ngx_http_katalo_prometheus_places(p, "katalo_zone_consumers",
                        "Places for consumers in the shared memory zone.",
                        snapshot->consumers_used, snapshot->consumers_free);

    p = ngx_http_katalo_prometheus_head(p, "katalo_unattributed_requests_total",
                                        "counter",
                                        "Requests with keys or ids that the "
                                        "zone has no room for.");

    return ngx_sprintf(p, "katalo_unattributed_requests_total %uL\n",
                       snapshot->unattributed);
}


static u_char *
ngx_http_katalo_prometheus_places(u_char *p, char *metric, char *help,
    ngx_uint_t used, ngx_uint_t free)
{
    p = ngx_http_katalo_prometheus_head(p, metric, "gauge", help);

    return ngx_sprintf(p, "%s{state=\"used\"} %ui\n%s{state=\"free\"} %ui\n",
                       metric, used, metric, free);
}


static u_char *
ngx_http_katalo_prometheus_key(ngx_http_katalo_snapshot_t *snapshot,
    u_char *p, ngx_http_katalo_key_row_t *row)
{
    uint64_t                    *value;
    ngx_http_katalo_metric_t    *metric;
    ngx_http_katalo_counters_t  *family;

    family = ngx_http_katalo_prometheus_pass(snapshot, &metric);

    if (family) {
        return ngx_http_katalo_prometheus_counters(snapshot, p, family,
                                                   &row->name, NULL,
                                                   row->counters);
    }

    value = (uint64_t *) ((u_char *) row + metric->offset);

    if (value == row->cooldown) {
        return ngx_http_katalo_prometheus_cooldown(p, metric->metric, row);
    }

    p = ngx_http_katalo_prometheus_series(p, metric->metric, "", &row->name,
                                          NULL);

    return ngx_sprintf(p, "} %uL\n", *value);
}


static u_char *
ngx_http_katalo_prometheus_cooldown(u_char *p, char *metric,
    ngx_http_katalo_key_row_t *row)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_KATALO_CLASSES; i++) {
        p = ngx_http_katalo_prometheus_series(p, metric, "", &row->name, NULL);
        p = ngx_sprintf(p, ",class=\"%V\"} %uL\n",
                        &ngx_http_katalo_operation_class_names[i],
                        row->cooldown[i]);
    }

    return p;
}


static u_char *
ngx_http_katalo_prometheus_id(ngx_http_katalo_snapshot_t *snapshot, u_char *p,
    ngx_http_katalo_id_row_t *row)
{
    ngx_http_katalo_metric_t    *metric;
    ngx_http_katalo_counters_t  *family;

    family = ngx_http_katalo_prometheus_pass(snapshot, &metric);

    if (family) {
        return ngx_http_katalo_prometheus_counters(snapshot, p, family,
                                                   &row->name, &row->id,
                                                   row->counters);
    }

    return metric->id(p, metric->metric, row);
}


/* there may be many of them: zeros are left out */

static u_char *
ngx_http_katalo_prometheus_consumer(ngx_http_katalo_snapshot_t *snapshot,
    u_char *p, ngx_http_katalo_consumer_row_t *row)
{
    uint64_t                     n;
    ngx_uint_t                   i;
    ngx_http_katalo_metric_t    *metric;
    ngx_http_katalo_counters_t  *family;

    family = ngx_http_katalo_prometheus_pass(snapshot, &metric);

    for (i = 0; row && family && i < family->n; i++) {
        n = row->counters[family->first + i];

        if (n == 0) {
            continue;
        }

        p = ngx_http_katalo_prometheus_series(p, family->metric, "",
                                              &row->name, NULL);
        p = ngx_sprintf(p, ",consumer=");
        p = ngx_http_katalo_json_quoted(p, &row->consumer);
        p = ngx_sprintf(p, ",%s=\"%V\"} %uL\n", family->label,
                        ngx_http_katalo_counters_name(family, snapshot->usage,
                                                      i), n);
    }

    return p;
}


static u_char *
ngx_http_katalo_prometheus_host(ngx_http_katalo_snapshot_t *snapshot,
    u_char *p, ngx_http_katalo_host_row_t *row)
{
    uint64_t                  *value;
    ngx_http_katalo_metric_t  *metric;

    if (ngx_http_katalo_prometheus_pass(snapshot, &metric)) {
        return p;
    }

    value = (uint64_t *) ((u_char *) row + metric->offset);

    return ngx_sprintf(p, "%s{host=\"%V\"} %uL\n", metric->metric, &row->name,
                       *value);
}


static u_char *
ngx_http_katalo_prometheus_counters(ngx_http_katalo_snapshot_t *snapshot,
    u_char *p, ngx_http_katalo_counters_t *family, ngx_str_t *key,
    ngx_str_t *id, uint64_t *counters)
{
    ngx_str_t   *name;
    ngx_uint_t   i;

    name = NULL;

    for (i = 0; i < family->n; i++) {

        if (family->label) {
            name = ngx_http_katalo_counters_name(family, snapshot->usage, i);

            if (name->len == 0) {
                continue;
            }
        }

        p = ngx_http_katalo_prometheus_series(p, family->metric, "", key, id);

        if (name) {
            p = ngx_sprintf(p, ",%s=\"%V\"", family->label, name);
        }

        p = ngx_sprintf(p, "} %uL\n", counters[family->first + i]);
    }

    return p;
}
