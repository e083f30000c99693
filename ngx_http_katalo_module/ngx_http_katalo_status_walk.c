
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_hosts.h"
#include "ngx_http_katalo_status_walk.h"
#include "ngx_http_katalo_usage_read.h"


static u_char *ngx_http_katalo_status_walk_key(ngx_http_katalo_page_t *page,
    u_char *p, ngx_http_katalo_key_t *key);
static u_char *ngx_http_katalo_status_walk_consumers(
    ngx_http_katalo_page_t *page, u_char *p, ngx_http_katalo_key_t *key);


ngx_int_t
ngx_http_katalo_status_walk_init(ngx_http_katalo_page_t *page,
    ngx_pool_t *pool, ngx_http_katalo_main_conf_t *kmcf,
    ngx_http_katalo_renderer_t *renderer)
{
    ngx_http_katalo_snapshot_t  *snapshot;

    ngx_memzero(page, sizeof(ngx_http_katalo_page_t));

    page->conf = kmcf;
    page->renderer = renderer;

    snapshot = &page->snapshot;

    snapshot->usage = kmcf->usage;
    snapshot->time = ngx_time();

    if (kmcf->usage == NULL) {
        return NGX_OK;
    }

    ngx_http_katalo_usage_read(kmcf->usage, snapshot);

    return ngx_array_init(&page->consumers, pool, 16,
                          sizeof(ngx_http_katalo_consumer_ref_t));
}


u_char *
ngx_http_katalo_status_walk(ngx_http_katalo_page_t *page, u_char *p)
{
    u_char                      *last;
    ngx_http_katalo_key_t      **keys;
    ngx_http_katalo_renderer_t  *renderer;
    ngx_http_katalo_snapshot_t  *snapshot;

    renderer = page->renderer;
    snapshot = &page->snapshot;
    keys = page->conf->keys.elts;

    if (snapshot->rows == 0) {
        p = renderer->begin(snapshot, p);

        snapshot->key = 0;
        snapshot->host = 0;
        snapshot->pass += (snapshot->rows == 0);

        return p;
    }

    if ((snapshot->rows & NGX_HTTP_KATALO_ROWS_OF_HOSTS)
        && ngx_http_katalo_hosts_read(page->conf, snapshot->host,
                                     &page->host)
           == NGX_OK)
    {
        p = renderer->host(snapshot, p, &page->host);
        snapshot->host++;

        return p;
    }

    if (snapshot->key == page->conf->keys.nelts
        || (snapshot->rows & NGX_HTTP_KATALO_ROWS_OF_HOSTS))
    {
        snapshot->pass++;
        snapshot->rows = 0;

        return p;
    }

    last = ngx_http_katalo_status_walk_key(page, p, keys[snapshot->key]);

    if (last) {
        return last;
    }

    snapshot->key++;
    snapshot->id = 0;
    snapshot->consumer = 0;
    page->serial = 0;
    page->entered = 0;
    page->listed = 0;

    return p;
}


/* NULL: there is no more of this key */

static u_char *
ngx_http_katalo_status_walk_key(ngx_http_katalo_page_t *page, u_char *p,
    ngx_http_katalo_key_t *key)
{
    ngx_http_katalo_renderer_t  *renderer;
    ngx_http_katalo_snapshot_t  *snapshot;

    renderer = page->renderer;
    snapshot = &page->snapshot;

    if ((snapshot->rows & NGX_HTTP_KATALO_ROWS_OF_KEYS) && !page->entered) {
        page->entered = 1;
        ngx_http_katalo_usage_read_key(key, &page->key);

        return renderer->key(snapshot, p, &page->key);
    }

    if ((snapshot->rows & NGX_HTTP_KATALO_ROWS_OF_IDS)
        && ngx_http_katalo_usage_read_id(key, page->serial, &page->id)
           == NGX_OK)
    {
        page->serial = page->id.serial;
        p = renderer->id(snapshot, p, &page->id);
        snapshot->id++;

        return p;
    }

    if (snapshot->rows & NGX_HTTP_KATALO_ROWS_OF_CONSUMERS) {
        return ngx_http_katalo_status_walk_consumers(page, p, key);
    }

    return NULL;
}


/* without memory for the list, it is empty */

static u_char *
ngx_http_katalo_status_walk_consumers(ngx_http_katalo_page_t *page, u_char *p,
    ngx_http_katalo_key_t *key)
{
    ngx_http_katalo_snapshot_t      *snapshot;
    ngx_http_katalo_consumer_ref_t  *ref;

    snapshot = &page->snapshot;

    if (!page->listed) {
        page->listed = 1;
        page->next = 0;

        if (ngx_http_katalo_usage_read_consumers(key, &page->consumers)
            != NGX_OK)
        {
            page->consumers.nelts = 0;
        }

        return page->renderer->consumer(snapshot, p, NULL);
    }

    ref = page->consumers.elts;

    while (page->next < page->consumers.nelts) {

        if (ngx_http_katalo_usage_read_consumer(key, &ref[page->next++],
                                                &page->consumer)
            == NGX_OK)
        {
            p = page->renderer->consumer(snapshot, p, &page->consumer);
            snapshot->consumer++;

            return p;
        }
    }

    return NULL;
}
