
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * Prometheus' text format, version 0.0.4.  A counter that is zero is written
 * too: a series that begins with its first increment has no rate for it.
 *
 * Label values need no escaping: what names and ids are made of is checked
 * when a configuration or a key is read, and has no quote, backslash or line
 * end in it.
 */


#include "ngx_http_katalo_status.h"


typedef struct ngx_http_katalo_family_s  ngx_http_katalo_family_t;

/* one of the writers is set, and tells what the family is a fact of */

struct ngx_http_katalo_family_s {
    char                            *metric;
    char                            *type;
    char                            *help;

    u_char                        *(*write_key)(u_char *p,
                                         ngx_http_katalo_family_t *family,
                                         ngx_http_katalo_key_row_t *row);
    u_char                        *(*write_id)(u_char *p,
                                         ngx_http_katalo_family_t *family,
                                         ngx_http_katalo_id_row_t *row);

    size_t                           offset;    /* of a value in the row */
    ngx_http_katalo_counters_t      *group;     /* or the group of counters */
    ngx_http_katalo_status_ctx_t    *ctx;
};


static ngx_http_katalo_family_t *ngx_http_katalo_prometheus_family(
    ngx_http_katalo_status_ctx_t *ctx, ngx_http_katalo_family_t *family);
static u_char *ngx_http_katalo_prometheus_head(u_char *p, char *metric,
    char *type, char *help);
static u_char *ngx_http_katalo_prometheus_series(u_char *p, char *metric,
    char *suffix, ngx_str_t *key, ngx_str_t *id);
static u_char *ngx_http_katalo_prometheus_counters(u_char *p,
    ngx_http_katalo_family_t *family, ngx_str_t *key, ngx_str_t *id,
    uint64_t *counters);
static u_char *ngx_http_katalo_prometheus_key_counters(u_char *p,
    ngx_http_katalo_family_t *family, ngx_http_katalo_key_row_t *row);
static u_char *ngx_http_katalo_prometheus_id_counters(u_char *p,
    ngx_http_katalo_family_t *family, ngx_http_katalo_id_row_t *row);
static u_char *ngx_http_katalo_prometheus_value(u_char *p,
    ngx_http_katalo_family_t *family, ngx_http_katalo_key_row_t *row);
static u_char *ngx_http_katalo_prometheus_histogram(u_char *p,
    ngx_http_katalo_family_t *family, ngx_http_katalo_id_row_t *row);
static u_char *ngx_http_katalo_prometheus_last_used(u_char *p,
    ngx_http_katalo_family_t *family, ngx_http_katalo_id_row_t *row);
static u_char *ngx_http_katalo_prometheus_info(u_char *p,
    ngx_http_katalo_family_t *family, ngx_http_katalo_id_row_t *row);
static u_char *ngx_http_katalo_prometheus_slots(u_char *p,
    ngx_http_katalo_status_ctx_t *ctx);


/* these follow the groups of ngx_http_katalo_counters[] */

static ngx_http_katalo_family_t  ngx_http_katalo_prometheus_families[] = {

    { "katalo_upstream_seconds", "histogram",
      "Time from the key's attachment to the end of the upstream request.",
      NULL, ngx_http_katalo_prometheus_histogram, 0, NULL, NULL },

    { "katalo_key_last_used_timestamp_seconds", "gauge",
      "When the key was attached last, 0 for never.",
      NULL, ngx_http_katalo_prometheus_last_used, 0, NULL, NULL },

    { "katalo_key_info", "gauge",
      "A public key id, its state, and the source of its key; always 1.",
      NULL, ngx_http_katalo_prometheus_info, 0, NULL, NULL },

    { "katalo_requests_in_flight", "gauge",
      "Upstream requests with the key attached that are not finished.",
      ngx_http_katalo_prometheus_value, NULL,
      offsetof(ngx_http_katalo_key_row_t, in_flight), NULL, NULL },

    { "katalo_key_usable", "gauge",
      "Whether there is a key, 0 while it is revoked.",
      ngx_http_katalo_prometheus_value, NULL,
      offsetof(ngx_http_katalo_key_row_t, usable), NULL, NULL },

    { "katalo_key_rejected", "gauge",
      "Whether Katalo answers 401 to the current id.",
      ngx_http_katalo_prometheus_value, NULL,
      offsetof(ngx_http_katalo_key_row_t, rejected), NULL, NULL },

    { "katalo_key_rotations_total", "counter",
      "Changes of the key's id.",
      ngx_http_katalo_prometheus_value, NULL,
      offsetof(ngx_http_katalo_key_row_t, rotations), NULL, NULL },

    { "katalo_key_read_failures_total", "counter",
      "Times that the key's file was found gone or unusable.",
      ngx_http_katalo_prometheus_value, NULL,
      offsetof(ngx_http_katalo_key_row_t, read_failures), NULL, NULL },

    { NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL }
};


/*
 * The cursor is the family, in it the key, and of that the n-th id.  A call
 * writes the series of one key or one id.
 */

u_char *
ngx_http_katalo_status_prometheus(ngx_http_katalo_status_ctx_t *ctx, u_char *p)
{
    ngx_http_katalo_key_t      **key;
    ngx_http_katalo_family_t     buf, *family;
    ngx_http_katalo_id_row_t     id_row;
    ngx_http_katalo_key_row_t    key_row;

    family = ngx_http_katalo_prometheus_family(ctx, &buf);

    if (family->metric == NULL) {
        ctx->done = 1;
        return ngx_http_katalo_prometheus_slots(p, ctx);
    }

    if (ctx->key == 0 && ctx->id == 0) {
        p = ngx_http_katalo_prometheus_head(p, family->metric, family->type,
                                            family->help);
    }

    if (ctx->key == ctx->conf->keys.nelts) {
        ctx->part++;
        ctx->key = 0;
        return p;
    }

    key = ctx->conf->keys.elts;
    key += ctx->key;

    if (family->write_key) {
        ctx->key++;
        ngx_http_katalo_usage_read_key(*key, &key_row);

        /* what is returned is in the buffer */
        /* cppcheck-suppress returnDanglingLifetime */
        return family->write_key(p, family, &key_row);
    }

    if (ngx_http_katalo_usage_read_id(*key, ctx->serial, &id_row) == NGX_OK) {
        ctx->id++;
        ctx->serial = id_row.serial;

        /* cppcheck-suppress returnDanglingLifetime */
        return family->write_id(p, family, &id_row);
    }

    ctx->key++;
    ctx->id = 0;
    ctx->serial = 0;

    return p;
}


static ngx_http_katalo_family_t *
ngx_http_katalo_prometheus_family(ngx_http_katalo_status_ctx_t *ctx,
    ngx_http_katalo_family_t *family)
{
    ngx_uint_t                   n;
    ngx_http_katalo_counters_t  *group;

    n = ctx->part;

    for (group = ngx_http_katalo_counters; group->json; group++) {

        if (n-- > 0) {
            continue;
        }

        ngx_memzero(family, sizeof(ngx_http_katalo_family_t));

        family->metric = group->metric;
        family->type = "counter";
        family->help = group->help;
        family->group = group;
        family->ctx = ctx;

        if (group->of_id) {
            family->write_id = ngx_http_katalo_prometheus_id_counters;

        } else {
            family->write_key = ngx_http_katalo_prometheus_key_counters;
        }

        return family;
    }

    return &ngx_http_katalo_prometheus_families[n];
}


static u_char *
ngx_http_katalo_prometheus_head(u_char *p, char *metric, char *type,
    char *help)
{
    return ngx_sprintf(p, "# HELP %s %s\n# TYPE %s %s\n",
                       metric, help, metric, type);
}


/* up to the last label of a series, without the bracket that ends them */

static u_char *
ngx_http_katalo_prometheus_series(u_char *p, char *metric, char *suffix,
    ngx_str_t *key, ngx_str_t *id)
{
    p = ngx_sprintf(p, "%s%s{key=\"%V\"", metric, suffix, key);

    return id ? ngx_sprintf(p, ",key_id=\"%V\"", id) : p;
}


static u_char *
ngx_http_katalo_prometheus_counters(u_char *p,
    ngx_http_katalo_family_t *family, ngx_str_t *key, ngx_str_t *id,
    uint64_t *counters)
{
    ngx_uint_t                   i, n;
    ngx_http_katalo_counters_t  *group;

    group = family->group;
    n = ngx_http_katalo_status_count(family->ctx, group);

    for (i = 0; i < n; i++) {
        p = ngx_http_katalo_prometheus_series(p, family->metric, "", key, id);

        if (group->label) {
            p = ngx_sprintf(p, ",%s=\"", group->label);
            p = ngx_http_katalo_status_name(p, family->ctx, group, i);
            *p++ = '"';
        }

        p = ngx_sprintf(p, "} %uL\n", counters[group->first + i]);
    }

    return p;
}


static u_char *
ngx_http_katalo_prometheus_key_counters(u_char *p,
    ngx_http_katalo_family_t *family, ngx_http_katalo_key_row_t *row)
{
    return ngx_http_katalo_prometheus_counters(p, family, &row->name, NULL,
                                               row->counters);
}


static u_char *
ngx_http_katalo_prometheus_id_counters(u_char *p,
    ngx_http_katalo_family_t *family, ngx_http_katalo_id_row_t *row)
{
    return ngx_http_katalo_prometheus_counters(p, family, &row->name,
                                               &row->id, row->counters);
}


static u_char *
ngx_http_katalo_prometheus_value(u_char *p, ngx_http_katalo_family_t *family,
    ngx_http_katalo_key_row_t *row)
{
    uint64_t  *value;

    value = (uint64_t *) ((u_char *) row + family->offset);

    p = ngx_http_katalo_prometheus_series(p, family->metric, "", &row->name,
                                          NULL);

    return ngx_sprintf(p, "} %uL\n", *value);
}


static u_char *
ngx_http_katalo_prometheus_histogram(u_char *p,
    ngx_http_katalo_family_t *family, ngx_http_katalo_id_row_t *row)
{
    uint64_t    count;
    ngx_uint_t  i;

    count = 0;

    for (i = 0; i < NGX_HTTP_KATALO_BUCKETS; i++) {
        count += row->counters[NGX_HTTP_KATALO_UPSTREAM_TIME + i];

        p = ngx_http_katalo_prometheus_series(p, family->metric, "_bucket",
                                              &row->name, &row->id);
        p = ngx_sprintf(p, ",le=\"");

        if (i == NGX_HTTP_KATALO_BUCKETS - 1) {
            p = ngx_sprintf(p, "+Inf");

        } else {
            p = ngx_http_katalo_counters_seconds(p,
                                             ngx_http_katalo_usage_bounds[i]);

            /* as Prometheus would write it: a bound is compared as text */

            while (p[-1] == '0') {
                p--;
            }

            p -= (p[-1] == '.');
        }

        p = ngx_sprintf(p, "\"} %uL\n", count);
    }

    p = ngx_http_katalo_prometheus_series(p, family->metric, "_sum",
                                          &row->name, &row->id);
    p = ngx_sprintf(p, "} ");
    p = ngx_http_katalo_counters_seconds(p,
                                row->counters[NGX_HTTP_KATALO_UPSTREAM_MSEC]);
    *p++ = '\n';

    p = ngx_http_katalo_prometheus_series(p, family->metric, "_count",
                                          &row->name, &row->id);

    return ngx_sprintf(p, "} %uL\n", count);
}


static u_char *
ngx_http_katalo_prometheus_last_used(u_char *p,
    ngx_http_katalo_family_t *family, ngx_http_katalo_id_row_t *row)
{
    p = ngx_http_katalo_prometheus_series(p, family->metric, "", &row->name,
                                          &row->id);

    return ngx_sprintf(p, "} %T\n", row->last_used);
}


static u_char *
ngx_http_katalo_prometheus_info(u_char *p, ngx_http_katalo_family_t *family,
    ngx_http_katalo_id_row_t *row)
{
    p = ngx_http_katalo_prometheus_series(p, family->metric, "", &row->name,
                                          &row->id);

    return ngx_sprintf(p, ",source=\"%s\",state=\"%s\"} 1\n",
                       ngx_http_katalo_status_sources[row->source],
                       ngx_http_katalo_status_states[row->state]);
}


/* there is no zone where there are no keys */

static u_char *
ngx_http_katalo_prometheus_slots(u_char *p, ngx_http_katalo_status_ctx_t *ctx)
{
    ngx_uint_t  used, unused;

    if (ctx->conf->keys.nelts == 0) {
        return p;
    }

    used = ngx_http_katalo_usage_slots(ctx->conf->usage, &unused);

    p = ngx_http_katalo_prometheus_head(p, "katalo_zone_slots", "gauge",
                                        "Places for public key ids in the "
                                        "shared memory zone.");

    return ngx_sprintf(p, "katalo_zone_slots{state=\"used\"} %ui\n"
                          "katalo_zone_slots{state=\"free\"} %ui\n",
                       used, unused);
}
