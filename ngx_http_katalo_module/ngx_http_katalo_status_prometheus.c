
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


#include "ngx_http_katalo_json.h"
#include "ngx_http_katalo_operation.h"
#include "ngx_http_katalo_status_render.h"


/*
 * A metric that is no counter of the table: of key names, of key ids, or, with
 * neither handler, of hosts.
 */

typedef struct ngx_http_katalo_metric_s  ngx_http_katalo_metric_t;

struct ngx_http_katalo_metric_s {
    char                            *metric;
    char                            *type;
    char                            *help;
    u_char                        *(*key)(u_char *p,
                                         ngx_http_katalo_metric_t *metric,
                                         ngx_http_katalo_key_row_t *key);
    u_char                        *(*id)(u_char *p, char *metric,
                                         ngx_http_katalo_key_row_t *key,
                                         ngx_http_katalo_id_row_t *row);
    size_t                           offset;    /* of a value in a row */
};


static u_char *ngx_http_katalo_prometheus_family(ngx_http_katalo_page_t *page,
    u_char *p, ngx_http_katalo_counters_t *family);
static u_char *ngx_http_katalo_prometheus_counters(
    ngx_http_katalo_page_t *page, u_char *p,
    ngx_http_katalo_counters_t *family, ngx_str_t *key, ngx_str_t *whose,
    uint64_t *counters);
static u_char *ngx_http_katalo_prometheus_metric(ngx_http_katalo_page_t *page,
    u_char *p, ngx_http_katalo_metric_t *metric);
static u_char *ngx_http_katalo_prometheus_head(u_char *p, char *metric,
    char *type, char *help);
static u_char *ngx_http_katalo_prometheus_series(u_char *p, char *metric,
    char *suffix, ngx_str_t *key, char *label, ngx_str_t *value);
static u_char *ngx_http_katalo_prometheus_value(u_char *p,
    ngx_http_katalo_metric_t *metric, ngx_http_katalo_key_row_t *key);
static u_char *ngx_http_katalo_prometheus_cooldown(u_char *p,
    ngx_http_katalo_metric_t *metric, ngx_http_katalo_key_row_t *key);
static u_char *ngx_http_katalo_prometheus_histogram(u_char *p, char *metric,
    ngx_http_katalo_key_row_t *key, ngx_http_katalo_id_row_t *row);
static u_char *ngx_http_katalo_prometheus_bound(u_char *p, ngx_uint_t bucket);
static u_char *ngx_http_katalo_prometheus_last_used(u_char *p, char *metric,
    ngx_http_katalo_key_row_t *key, ngx_http_katalo_id_row_t *row);
static u_char *ngx_http_katalo_prometheus_info(u_char *p, char *metric,
    ngx_http_katalo_key_row_t *key, ngx_http_katalo_id_row_t *row);
static u_char *ngx_http_katalo_prometheus_gateway(u_char *p,
    ngx_http_katalo_snapshot_t *snapshot);


static ngx_http_katalo_metric_t  ngx_http_katalo_prometheus_metrics[] = {

    { "katalo_upstream_seconds", "histogram",
      "Time from the key's attachment to the end of the upstream request.",
      NULL, ngx_http_katalo_prometheus_histogram, 0 },

    { "katalo_key_last_used_timestamp_seconds", "gauge",
      "When the key was attached last, 0 for never.",
      NULL, ngx_http_katalo_prometheus_last_used, 0 },

    { "katalo_key_info", "gauge",
      "A public key id, its state, and the source of its key; always 1.",
      NULL, ngx_http_katalo_prometheus_info, 0 },

    { "katalo_requests_in_flight", "gauge",
      "Upstream requests with the key attached that are not finished.",
      ngx_http_katalo_prometheus_value, NULL,
      offsetof(ngx_http_katalo_key_row_t, in_flight) },

    { "katalo_key_usable", "gauge",
      "Whether there is a key, 0 while it is revoked.",
      ngx_http_katalo_prometheus_value, NULL,
      offsetof(ngx_http_katalo_key_row_t, usable) },

    { "katalo_key_rejected", "gauge",
      "Whether Katalo answers 401 to the current id.",
      ngx_http_katalo_prometheus_value, NULL,
      offsetof(ngx_http_katalo_key_row_t, rejected) },

    { "katalo_key_source_ok", "gauge",
      "Whether the key's source holds a key, and workers may read it.",
      ngx_http_katalo_prometheus_value, NULL,
      offsetof(ngx_http_katalo_key_row_t, source_ok) },

    { "katalo_key_cooldown_seconds", "gauge",
      "Time for which requests of the class are answered by the gateway.",
      ngx_http_katalo_prometheus_cooldown, NULL, 0 },

    { "katalo_upstream_addresses", "gauge",
      "Addresses of an upstream host, as the name servers gave them last.",
      NULL, NULL, offsetof(ngx_http_katalo_host_row_t, addresses) },

    { "katalo_upstream_resolve_failures_total", "counter",
      "Lookups of an upstream host that failed.",
      NULL, NULL, offsetof(ngx_http_katalo_host_row_t, failures) },

    { NULL, NULL, NULL, NULL, NULL, 0 }
};


u_char *
ngx_http_katalo_status_prometheus(ngx_http_katalo_page_t *page, u_char *p)
{
    ngx_http_katalo_metric_t    *metric;
    ngx_http_katalo_counters_t  *family;

    for (family = ngx_http_katalo_counters; family->json; family++) {
        p = ngx_http_katalo_prometheus_family(page, p, family);
    }

    metric = ngx_http_katalo_prometheus_metrics;

    for ( /* void */ ; metric->metric; metric++) {
        p = ngx_http_katalo_prometheus_metric(page, p, metric);
    }

    p = ngx_http_katalo_status_room(page, p);

    return ngx_http_katalo_prometheus_gateway(p, &page->snapshot);
}


static u_char *
ngx_http_katalo_prometheus_family(ngx_http_katalo_page_t *page, u_char *p,
    ngx_http_katalo_counters_t *family)
{
    ngx_uint_t                   i, n;
    ngx_http_katalo_id_row_t    *id;
    ngx_http_katalo_key_row_t   *key;
    ngx_http_katalo_snapshot_t  *snapshot;

    snapshot = &page->snapshot;

    p = ngx_http_katalo_status_room(page, p);
    p = ngx_http_katalo_prometheus_head(p, family->metric, "counter",
                                        family->help);

    if (snapshot->usage && family->of == NGX_HTTP_KATALO_OF_KEY
        && family->first == NGX_HTTP_KATALO_DENIED)
    {
        p = ngx_sprintf(p, "%s{key=\"\",reason=\"no_key\"} %uL\n",
                        family->metric, snapshot->no_keys);
    }

    for (n = 0; n < snapshot->nkeys; n++) {
        key = &snapshot->keys[n];
        id = key->ids.elts;

        switch (family->of) {

        case NGX_HTTP_KATALO_OF_KEY:
            p = ngx_http_katalo_prometheus_counters(page, p, family,
                                                    &key->name, NULL,
                                                    key->counters);
            break;

        case NGX_HTTP_KATALO_OF_ID:
            for (i = 0; i < key->ids.nelts; i++) {
                p = ngx_http_katalo_prometheus_counters(page, p, family,
                                                        &key->name, &id[i].id,
                                                        id[i].counters);
            }
            break;

        case NGX_HTTP_KATALO_OF_CONSUMER:
            for (i = 0; i < key->nconsumers; i++) {
                p = ngx_http_katalo_prometheus_counters(page, p, family,
                                               &key->name,
                                               &key->consumers[i].consumer,
                                               key->consumers[i].counters);
            }
            break;
        }
    }

    return p;
}


/* "whose": an id, or a consumer; of these there may be many, without zeros */

static u_char *
ngx_http_katalo_prometheus_counters(ngx_http_katalo_page_t *page, u_char *p,
    ngx_http_katalo_counters_t *family, ngx_str_t *key, ngx_str_t *whose,
    uint64_t *counters)
{
    ngx_str_t   *name;
    ngx_uint_t   i, consumer;

    name = NULL;
    consumer = (family->of == NGX_HTTP_KATALO_OF_CONSUMER);
    counters += family->first;

    p = ngx_http_katalo_status_room(page, p);

    for (i = 0; i < family->n; i++) {

        if (family->label) {
            name = ngx_http_katalo_counters_name(family, page->snapshot.usage,
                                                 i);
        }

        if ((name && name->len == 0) || (consumer && counters[i] == 0)) {
            continue;
        }

        p = ngx_http_katalo_prometheus_series(p, family->metric, "", key,
                                              consumer ? "consumer" : "key_id",
                                              whose);

        if (name) {
            p = ngx_sprintf(p, ",%s=\"%V\"", family->label, name);
        }

        p = ngx_sprintf(p, "} %uL\n", counters[i]);
    }

    return p;
}


static u_char *
ngx_http_katalo_prometheus_metric(ngx_http_katalo_page_t *page, u_char *p,
    ngx_http_katalo_metric_t *metric)
{
    uint64_t                    *value;
    ngx_uint_t                   i, n;
    ngx_http_katalo_id_row_t    *id;
    ngx_http_katalo_key_row_t   *key;
    ngx_http_katalo_host_row_t  *host;

    p = ngx_http_katalo_status_room(page, p);
    p = ngx_http_katalo_prometheus_head(p, metric->metric, metric->type,
                                        metric->help);

    for (n = 0; n < page->snapshot.nkeys; n++) {
        key = &page->snapshot.keys[n];
        id = key->ids.elts;

        if (metric->key) {
            p = ngx_http_katalo_status_room(page, p);
            p = metric->key(p, metric, key);
        }

        for (i = 0; metric->id && i < key->ids.nelts; i++) {
            p = ngx_http_katalo_status_room(page, p);
            p = metric->id(p, metric->metric, key, &id[i]);
        }
    }

    if (metric->key || metric->id) {
        return p;
    }

    for (n = 0; n < page->snapshot.nhosts; n++) {
        host = &page->snapshot.hosts[n];
        value = (uint64_t *) ((u_char *) host + metric->offset);

        p = ngx_http_katalo_status_room(page, p);
        p = ngx_sprintf(p, "%s{host=\"%V\"} %uL\n", metric->metric,
                        &host->name, *value);
    }

    return p;
}


static u_char *
ngx_http_katalo_prometheus_head(u_char *p, char *metric, char *type,
    char *help)
{
    return ngx_sprintf(p, "# HELP %s %s\n# TYPE %s %s\n",
                       metric, help, metric, type);
}


/* without the bracket that ends the labels; "value" may be NULL */

static u_char *
ngx_http_katalo_prometheus_series(u_char *p, char *metric, char *suffix,
    ngx_str_t *key, char *label, ngx_str_t *value)
{
    p = ngx_sprintf(p, "%s%s{key=\"%V\"", metric, suffix, key);

    if (value == NULL) {
        return p;
    }

    p = ngx_sprintf(p, ",%s=", label);

    return ngx_http_katalo_json_quoted(p, value);
}


static u_char *
ngx_http_katalo_prometheus_value(u_char *p, ngx_http_katalo_metric_t *metric,
    ngx_http_katalo_key_row_t *key)
{
    uint64_t  *value;

    value = (uint64_t *) ((u_char *) key + metric->offset);

    return ngx_sprintf(p, "%s{key=\"%V\"} %uL\n", metric->metric, &key->name,
                       *value);
}


static u_char *
ngx_http_katalo_prometheus_cooldown(u_char *p,
    ngx_http_katalo_metric_t *metric, ngx_http_katalo_key_row_t *key)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_KATALO_CLASSES; i++) {
        p = ngx_sprintf(p, "%s{key=\"%V\",class=\"%V\"} %uL\n", metric->metric,
                        &key->name, &ngx_http_katalo_operation_class_names[i],
                        key->cooldown[i]);
    }

    return p;
}


static u_char *
ngx_http_katalo_prometheus_histogram(u_char *p, char *metric,
    ngx_http_katalo_key_row_t *key, ngx_http_katalo_id_row_t *row)
{
    uint64_t    count;
    ngx_uint_t  i;

    count = 0;

    for (i = 0; i < NGX_HTTP_KATALO_BUCKETS; i++) {
        count += row->counters[NGX_HTTP_KATALO_UPSTREAM_TIME + i];

        p = ngx_http_katalo_prometheus_series(p, metric, "_bucket",
                                              &key->name, "key_id", &row->id);
        p = ngx_sprintf(p, ",le=\"");
        p = ngx_http_katalo_prometheus_bound(p, i);
        p = ngx_sprintf(p, "\"} %uL\n", count);
    }

    p = ngx_http_katalo_prometheus_series(p, metric, "_sum", &key->name,
                                          "key_id", &row->id);
    p = ngx_sprintf(p, "} ");
    p = ngx_http_katalo_json_seconds(p,
                                row->counters[NGX_HTTP_KATALO_UPSTREAM_MSEC]);
    *p++ = '\n';

    p = ngx_http_katalo_prometheus_series(p, metric, "_count", &key->name,
                                          "key_id", &row->id);

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


static u_char *
ngx_http_katalo_prometheus_last_used(u_char *p, char *metric,
    ngx_http_katalo_key_row_t *key, ngx_http_katalo_id_row_t *row)
{
    return ngx_sprintf(p, "%s{key=\"%V\",key_id=\"%V\"} %T\n", metric,
                       &key->name, &row->id, row->last_used);
}


static u_char *
ngx_http_katalo_prometheus_info(u_char *p, char *metric,
    ngx_http_katalo_key_row_t *key, ngx_http_katalo_id_row_t *row)
{
    return ngx_sprintf(p, "%s{key=\"%V\",key_id=\"%V\",source=\"%V\","
                          "state=\"%s\"} 1\n",
                       metric, &key->name, &row->id, &key->source, row->state);
}


static u_char *
ngx_http_katalo_prometheus_gateway(u_char *p,
    ngx_http_katalo_snapshot_t *snapshot)
{
    p = ngx_http_katalo_prometheus_head(p, "katalo_build_info", "gauge",
                                        "The version of the module; always 1.");
    p = ngx_sprintf(p, "katalo_build_info{version=\"%s\"} 1\n",
                    NGX_HTTP_KATALO_VERSION);

    if (snapshot->usage == NULL) {
        return p;
    }

    p = ngx_http_katalo_prometheus_head(p, "katalo_zone_slots", "gauge",
                       "Places for public key ids in the shared memory zone.");
    p = ngx_sprintf(p, "katalo_zone_slots{state=\"used\"} %ui\n"
                       "katalo_zone_slots{state=\"free\"} %ui\n",
                    snapshot->slots_used, snapshot->slots_free);

    p = ngx_http_katalo_prometheus_head(p, "katalo_zone_consumers", "gauge",
                       "Places for consumers in the shared memory zone.");
    p = ngx_sprintf(p, "katalo_zone_consumers{state=\"used\"} %ui\n"
                       "katalo_zone_consumers{state=\"free\"} %ui\n",
                    snapshot->consumers_used, snapshot->consumers_free);

    p = ngx_http_katalo_prometheus_head(p, "katalo_unattributed_requests_total",
                                        "counter",
                                        "Requests with keys or ids that the "
                                        "zone has no room for.");

    return ngx_sprintf(p, "katalo_unattributed_requests_total %uL\n",
                       snapshot->unattributed);
}
