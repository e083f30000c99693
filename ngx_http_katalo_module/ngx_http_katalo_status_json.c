
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_status.h"


static u_char *ngx_http_katalo_json_key(ngx_http_katalo_status_ctx_t *ctx,
    u_char *p, ngx_http_katalo_key_t *key);
static u_char *ngx_http_katalo_json_id(ngx_http_katalo_status_ctx_t *ctx,
    u_char *p, ngx_http_katalo_id_row_t *row);


/* the cursor is the key, and in it 0 for its own facts or its n-th id */

u_char *
ngx_http_katalo_status_json(ngx_http_katalo_status_ctx_t *ctx, u_char *p)
{
    ngx_http_katalo_key_t     **key;
    ngx_http_katalo_id_row_t    row;

    if (ctx->part == 0) {
        p = ngx_sprintf(p, "{\"time\":");
        p = ngx_http_katalo_counters_time(p, ngx_time());
        p = ngx_sprintf(p, ",\"keys\":[");
        ctx->part = 1;
    }

    if (ctx->key == ctx->conf->keys.nelts) {
        ctx->done = 1;
        return ngx_sprintf(p, "]}\n");
    }

    key = ctx->conf->keys.elts;
    key += ctx->key;

    if (ctx->id == 0) {
        ctx->id = 1;
        return ngx_http_katalo_json_key(ctx, p, *key);
    }

    if (ngx_http_katalo_usage_read_id(*key, ctx->serial, &row) == NGX_OK) {
        ctx->id++;
        ctx->serial = row.serial;
        return ngx_http_katalo_json_id(ctx, p, &row);
    }

    ctx->key++;
    ctx->id = 0;
    ctx->serial = 0;

    return ngx_sprintf(p, "]}");
}


u_char *
ngx_http_katalo_json_counters(ngx_http_katalo_status_ctx_t *ctx, u_char *p,
    ngx_uint_t of_id, uint64_t *counters)
{
    uint64_t                     total;
    ngx_uint_t                   i, n;
    ngx_http_katalo_counters_t  *group;

    for (group = ngx_http_katalo_counters; group->json; group++) {

        if (group->of_id != of_id) {
            continue;
        }

        if (group->label == NULL) {
            p = ngx_sprintf(p, ",\"%s\":%uL", group->json,
                            counters[group->first]);
            continue;
        }

        n = ngx_http_katalo_status_count(ctx, group);

        p = ngx_sprintf(p, ",\"%s\":{", group->json);

        if (group->first == NGX_HTTP_KATALO_REQUESTS && of_id) {
            total = 0;

            for (i = 0; i < n; i++) {
                total += counters[group->first + i];
            }

            p = ngx_sprintf(p, "\"total\":%uL,", total);
        }

        for (i = 0; i < n; i++) {
            p = ngx_sprintf(p, "\"");
            p = ngx_http_katalo_status_name(p, ctx, group, i);
            p = ngx_sprintf(p, "\":%uL,", counters[group->first + i]);
        }

        p[-1] = '}';
    }

    return p;
}


static u_char *
ngx_http_katalo_json_key(ngx_http_katalo_status_ctx_t *ctx, u_char *p,
    ngx_http_katalo_key_t *key)
{
    ngx_http_katalo_key_row_t  row;

    ngx_http_katalo_usage_read_key(key, &row);

    p = ngx_sprintf(p, "%s{\"key\":\"%V\",\"source\":\"%s\",\"usable\":%s,"
                    "\"rejected\":%s",
                    ctx->key ? "," : "", &row.name,
                    ngx_http_katalo_status_sources[row.source],
                    row.usable ? "true" : "false",
                    row.rejected ? "true" : "false");

    p = ngx_http_katalo_json_counters(ctx, p, 0, row.counters);

    return ngx_sprintf(p, ",\"in_flight\":%uL,\"rotations\":%uL,"
                          "\"read_failures\":%uL,\"ids\":[",
                       row.in_flight, row.rotations, row.read_failures);
}


static u_char *
ngx_http_katalo_json_id(ngx_http_katalo_status_ctx_t *ctx, u_char *p,
    ngx_http_katalo_id_row_t *row)
{
    p = ngx_sprintf(p, "%s{\"key_id\":\"%V\",\"state\":\"%s\"",
                    ctx->id > 2 ? "," : "", &row->id,
                    ngx_http_katalo_status_states[row->state]);

    p = ngx_http_katalo_json_counters(ctx, p, 1, row->counters);

    p = ngx_sprintf(p, ",\"first_used\":");
    p = ngx_http_katalo_counters_time(p, row->first_used);
    p = ngx_sprintf(p, ",\"last_used\":");
    p = ngx_http_katalo_counters_time(p, row->last_used);


    *p++ = ',';
    p = ngx_http_katalo_counters_histogram(p, row->counters, 1);
    *p++ = '}';

    return p;
}
