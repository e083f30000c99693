
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * nginx prints a finished upstream request at the debug level: that level is
 * taken out of the connection's log until the end of this event's handler.
 * That nginx may have debug messages where the module was built without them.
 */


#include "ngx_http_katalo_mask.h"


typedef struct {
    ngx_event_t         event;
    ngx_log_t          *log;
    ngx_uint_t          level;          /* to be put back */
} ngx_http_katalo_mask_t;


static void ngx_http_katalo_mask_handler(ngx_event_t *ev);
static void ngx_http_katalo_mask_remove(void *data);


ngx_int_t
ngx_http_katalo_mask(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t      *cln;
    ngx_http_katalo_mask_t  *mask;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_katalo_mask_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    mask = cln->data;

    ngx_memzero(mask, sizeof(ngx_http_katalo_mask_t));

    mask->log = r->connection->log;
    mask->level = mask->log->log_level;
    mask->log->log_level &= ~NGX_LOG_DEBUG_HTTP;

    mask->event.handler = ngx_http_katalo_mask_handler;
    mask->event.data = mask;
    mask->event.log = ngx_cycle->log;

    ngx_post_event(&mask->event, &ngx_posted_events);

    cln->handler = ngx_http_katalo_mask_remove;

    return NGX_OK;
}


static void
ngx_http_katalo_mask_handler(ngx_event_t *ev)
{
    ngx_http_katalo_mask_remove(ev->data);
}


static void
ngx_http_katalo_mask_remove(void *data)
{
    ngx_http_katalo_mask_t *mask = data;

    if (mask->level == 0) {
        return;
    }

    if (mask->event.posted) {
        ngx_delete_posted_event(&mask->event);
    }

    /* unless a redirect has given the connection another level */

    if (mask->log->log_level == (mask->level & ~NGX_LOG_DEBUG_HTTP)) {
        mask->log->log_level = mask->level;
    }

    mask->level = 0;
}
