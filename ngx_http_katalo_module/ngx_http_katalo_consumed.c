
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_consumed.h"


ngx_int_t
ngx_http_katalo_consumed_start(ngx_http_katalo_usage_t *usage, ngx_uint_t row,
    ngx_uint_t column, ngx_http_katalo_consumer_t *consumer)
{
    ngx_uint_t                       serial, counter;
    ngx_http_katalo_sh_consumer_t   *entry;
    ngx_http_katalo_sh_consumers_t  *csh;

    csh = usage->consumers;
    counter = NGX_HTTP_KATALO_CONSUMER_REQUESTS + column;
    entry = ngx_http_katalo_consumers_find(csh, row, consumer, &serial);

    /* once a second, it becomes the newest one */

    if (entry
        && entry->counts.last_used == ngx_time()
        && ngx_http_katalo_consumers_count(&entry->counts.counters[counter],
                                           serial))
    {
        consumer->entry = entry;
        consumer->serial = serial;

        return NGX_OK;
    }

    return ngx_http_katalo_consumers_start(usage, row, counter, consumer);
}


void
ngx_http_katalo_consumed_finish(ngx_http_katalo_usage_t *usage, ngx_uint_t slot,
    ngx_uint_t class, ngx_http_katalo_consumer_t *consumer)
{
    ngx_uint_t                      counter;
    ngx_http_katalo_sh_consumer_t  *entry;

    entry = consumer->entry;
    counter = NGX_HTTP_KATALO_CONSUMER_RESPONSES + class;

    if (entry
        && entry->serial == consumer->serial
        && ngx_http_katalo_consumers_count(&entry->counts.counters[counter],
                                           consumer->serial))
    {
        return;
    }

    ngx_http_katalo_consumers_finish(usage, usage->sh->ids[slot].row, counter,
                                     consumer);
}
