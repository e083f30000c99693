
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_json.h"
#include "ngx_http_katalo_operation.h"
#include "ngx_http_katalo_status_render.h"


static u_char *ngx_http_katalo_status_json_key(ngx_http_katalo_page_t *page,
    u_char *p, ngx_http_katalo_key_row_t *row);
static u_char *ngx_http_katalo_status_json_id(ngx_http_katalo_page_t *page,
    u_char *p, ngx_http_katalo_id_row_t *row);
static u_char *ngx_http_katalo_status_json_consumer(
    ngx_http_katalo_page_t *page, u_char *p,
    ngx_http_katalo_consumer_row_t *row);
static u_char *ngx_http_katalo_status_json_host(ngx_http_katalo_page_t *page,
    u_char *p, ngx_http_katalo_host_row_t *row);


u_char *
ngx_http_katalo_status_json(ngx_http_katalo_page_t *page, u_char *p)
{
    ngx_uint_t                   i;
    ngx_http_katalo_snapshot_t  *snapshot;

    snapshot = &page->snapshot;

    *p++ = '{';
    p = ngx_http_katalo_json_time(p, "time", snapshot->time);
    p = ngx_sprintf(p, ",\"version\":\"%s\","
                       "\"denied\":{\"no_key\":%uL},"
                       "\"unattributed\":%uL,\"keys\":[",
                    NGX_HTTP_KATALO_VERSION,
                    snapshot->no_keys, snapshot->unattributed);

    for (i = 0; i < snapshot->nkeys; i++) {
        p = ngx_http_katalo_status_json_key(page, p, &snapshot->keys[i]);
    }

    p = ngx_sprintf(p, "],\"upstreams\":[");

    for (i = 0; i < snapshot->nhosts; i++) {
        p = ngx_http_katalo_status_json_host(page, p, &snapshot->hosts[i]);
    }

    return ngx_sprintf(p, "]}\n");
}


static u_char *
ngx_http_katalo_status_json_key(ngx_http_katalo_page_t *page, u_char *p,
    ngx_http_katalo_key_row_t *row)
{
    ngx_str_t                 *name;
    ngx_uint_t                 i;
    ngx_http_katalo_id_row_t  *id;

    p = ngx_http_katalo_json_object(ngx_http_katalo_status_room(page, p));
    p = ngx_http_katalo_json_string(p, "key", &row->name);
    p = ngx_http_katalo_json_string(p, "source", &row->source);
    p = ngx_http_katalo_json_boolean(p, "usable", row->usable);
    p = ngx_http_katalo_json_boolean(p, "rejected", row->rejected);
    p = ngx_http_katalo_json_boolean(p, "source_ok", row->source_ok);
    p = ngx_http_katalo_json_boolean(p, "reload_only", row->reload_only);
    p = ngx_http_katalo_json_counters(p, page->snapshot.usage,
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

    p = ngx_sprintf(p, "},\"ids\":[");
    id = row->ids.elts;

    for (i = 0; i < row->ids.nelts; i++) {
        p = ngx_http_katalo_status_json_id(page, p, &id[i]);
    }

    p = ngx_sprintf(p, "],\"consumers\":[");

    for (i = 0; i < row->nconsumers; i++) {
        p = ngx_http_katalo_status_json_consumer(page, p, &row->consumers[i]);
    }

    return ngx_sprintf(p, "]}");
}


static u_char *
ngx_http_katalo_status_json_id(ngx_http_katalo_page_t *page, u_char *p,
    ngx_http_katalo_id_row_t *row)
{
    p = ngx_http_katalo_json_object(ngx_http_katalo_status_room(page, p));
    p = ngx_http_katalo_json_string(p, "key_id", &row->id);
    p = ngx_sprintf(p, ",\"state\":\"%s\"", row->state);
    p = ngx_http_katalo_json_counters(p, page->snapshot.usage,
                                      NGX_HTTP_KATALO_OF_ID, row->counters, 1);
    p = ngx_http_katalo_json_time(p, "first_used", row->first_used);
    p = ngx_http_katalo_json_time(p, "last_used", row->last_used);

    *p++ = '}';

    return p;
}


/* there may be many of them: zeros are left out */

static u_char *
ngx_http_katalo_status_json_consumer(ngx_http_katalo_page_t *page, u_char *p,
    ngx_http_katalo_consumer_row_t *row)
{
    p = ngx_http_katalo_json_object(ngx_http_katalo_status_room(page, p));
    p = ngx_http_katalo_json_name(p, "consumer");
    p = ngx_http_katalo_json_quoted(p, &row->consumer);
    p = ngx_http_katalo_json_counters(p, page->snapshot.usage,
                                      NGX_HTTP_KATALO_OF_CONSUMER,
                                      row->counters, 0);
    p = ngx_http_katalo_json_time(p, "first_used", row->first_used);
    p = ngx_http_katalo_json_time(p, "last_used", row->last_used);

    *p++ = '}';

    return p;
}


static u_char *
ngx_http_katalo_status_json_host(ngx_http_katalo_page_t *page, u_char *p,
    ngx_http_katalo_host_row_t *row)
{
    p = ngx_http_katalo_json_object(ngx_http_katalo_status_room(page, p));
    p = ngx_http_katalo_json_string(p, "host", &row->name);
    p = ngx_http_katalo_json_number(p, "addresses", row->addresses);
    p = ngx_http_katalo_json_time(p, "resolved", row->resolved);
    p = ngx_http_katalo_json_number(p, "failures", row->failures);

    *p++ = '}';

    return p;
}
