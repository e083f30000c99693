
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_json.h"
#include "ngx_http_katalo_operation.h"
#include "ngx_http_katalo_status_render.h"


static u_char *ngx_http_katalo_status_json_begin(
    ngx_http_katalo_snapshot_t *snapshot, u_char *p);
static u_char *ngx_http_katalo_status_json_key(
    ngx_http_katalo_snapshot_t *snapshot, u_char *p,
    ngx_http_katalo_key_row_t *row);
static u_char *ngx_http_katalo_status_json_id(
    ngx_http_katalo_snapshot_t *snapshot, u_char *p,
    ngx_http_katalo_id_row_t *row);
static u_char *ngx_http_katalo_status_json_consumer(
    ngx_http_katalo_snapshot_t *snapshot, u_char *p,
    ngx_http_katalo_consumer_row_t *row);
static u_char *ngx_http_katalo_status_json_host(
    ngx_http_katalo_snapshot_t *snapshot, u_char *p,
    ngx_http_katalo_host_row_t *row);


ngx_http_katalo_renderer_t  ngx_http_katalo_status_json = {
    ngx_http_katalo_status_json_begin,
    ngx_http_katalo_status_json_key,
    ngx_http_katalo_status_json_id,
    ngx_http_katalo_status_json_consumer,
    ngx_http_katalo_status_json_host
};


/* the next key, or the second pass, ends the consumers of the key before */

static u_char *
ngx_http_katalo_status_json_begin(ngx_http_katalo_snapshot_t *snapshot,
    u_char *p)
{
    if (snapshot->pass == 1) {
        snapshot->rows = NGX_HTTP_KATALO_ROWS_OF_HOSTS;
        return ngx_sprintf(p, "%s],\"upstreams\":[",
                           snapshot->key ? "]}" : "");
    }

    if (snapshot->pass == 2) {
        snapshot->done = 1;
        return ngx_sprintf(p, "]}\n");
    }

    snapshot->rows = NGX_HTTP_KATALO_ROWS_OF_KEYS|NGX_HTTP_KATALO_ROWS_OF_IDS
                     |NGX_HTTP_KATALO_ROWS_OF_CONSUMERS;

    *p++ = '{';
    p = ngx_http_katalo_json_time(p, "time", snapshot->time);

    return ngx_sprintf(p, ",\"version\":\"%s\","
                       "\"denied\":{\"no_key\":%uL},"
                       "\"unattributed\":%uL,\"keys\":[",
                       NGX_HTTP_KATALO_VERSION,
                       snapshot->no_keys, snapshot->unattributed);
}


static u_char *
ngx_http_katalo_status_json_key(ngx_http_katalo_snapshot_t *snapshot,
    u_char *p, ngx_http_katalo_key_row_t *row)
{
    ngx_str_t   *name;
    ngx_uint_t   i;

    p = ngx_sprintf(p, "%s{\"key\":\"%V\",\"source\":\"%V\"",
                    snapshot->key ? "]}," : "", &row->name,
                    &row->source);

    p = ngx_http_katalo_json_boolean(p, "usable", row->usable);
    p = ngx_http_katalo_json_boolean(p, "rejected", row->rejected);
    p = ngx_http_katalo_json_boolean(p, "source_ok", row->source_ok);
    p = ngx_http_katalo_json_boolean(p, "reload_only", row->reload_only);
    p = ngx_http_katalo_json_counters(p, snapshot->usage,
                                      NGX_HTTP_KATALO_OF_KEY, row->counters,
                                      1);
    p = ngx_http_katalo_json_time(p, "leaked_key_seen", row->leaked);
    p = ngx_http_katalo_json_number(p, "in_flight", row->in_flight);
    p = ngx_http_katalo_json_name(p, "cooldown");
    *p++ = '{';

    for (i = 0; i < NGX_HTTP_KATALO_CLASSES; i++) {
        name = &ngx_http_katalo_operation_class_names[i];

        if (row->cooldown[i]) {
            p = ngx_http_katalo_json_number(p, (char *) name->data,
                                            row->cooldown[i]);
        }
    }

    *p++ = '}';

    p = ngx_http_katalo_json_name(p, "ids");

    *p++ = '[';

    return p;
}


static u_char *
ngx_http_katalo_status_json_id(ngx_http_katalo_snapshot_t *snapshot,
    u_char *p, ngx_http_katalo_id_row_t *row)
{
    p = ngx_sprintf(p, "%s{\"key_id\":\"%V\",\"state\":\"%s\"",
                    snapshot->id ? "," : "", &row->id,
                    row->state);

    p = ngx_http_katalo_json_counters(p, snapshot->usage,
                                      NGX_HTTP_KATALO_OF_ID, row->counters, 1);
    p = ngx_http_katalo_json_time(p, "first_used", row->first_used);
    p = ngx_http_katalo_json_time(p, "last_used", row->last_used);

    *p++ = '}';

    return p;
}


/* there may be many of them: zeros are left out */

static u_char *
ngx_http_katalo_status_json_consumer(ngx_http_katalo_snapshot_t *snapshot,
    u_char *p, ngx_http_katalo_consumer_row_t *row)
{
    if (row == NULL) {
        return ngx_sprintf(p, "],\"consumers\":[");
    }

    p = ngx_sprintf(p, "%s{\"consumer\":", snapshot->consumer ? "," : "");
    p = ngx_http_katalo_json_quoted(p, &row->consumer);
    p = ngx_http_katalo_json_counters(p, snapshot->usage,
                                      NGX_HTTP_KATALO_OF_CONSUMER,
                                      row->counters, 0);
    p = ngx_http_katalo_json_time(p, "first_used", row->first_used);
    p = ngx_http_katalo_json_time(p, "last_used", row->last_used);

    *p++ = '}';

    return p;
}


static u_char *
ngx_http_katalo_status_json_host(ngx_http_katalo_snapshot_t *snapshot,
    u_char *p, ngx_http_katalo_host_row_t *row)
{
    p = ngx_sprintf(p, "%s{\"host\":\"%V\"", snapshot->host ? "," : "",
                    &row->name);

    p = ngx_http_katalo_json_number(p, "addresses", row->addresses);
    p = ngx_http_katalo_json_time(p, "resolved", row->resolved);
    p = ngx_http_katalo_json_number(p, "failures", row->failures);

    *p++ = '}';

    return p;
}
