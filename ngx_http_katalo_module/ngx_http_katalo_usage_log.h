
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_USAGE_LOG_H_INCLUDED_
#define _NGX_HTTP_KATALO_USAGE_LOG_H_INCLUDED_


#include "ngx_http_katalo.h"


struct ngx_http_katalo_usage_log_s {
    ngx_str_t                     name;     /* for messages, or full path */
    ngx_http_katalo_place_t       place;
    ngx_open_file_t              *file;     /* NULL: syslog */
    ngx_syslog_peer_t            *peer;
    ngx_uint_t                    interval; /* seconds */

    ngx_uint_t                    next;     /* place of a pass, or NONE */
    ngx_event_t                   event;
};


/*
 * Opens the file, once all other files are open.  NGX_ERROR is logged, with the
 * place of the directive.
 */
ngx_int_t ngx_http_katalo_usage_log_open(ngx_cycle_t *cycle,
    ngx_http_katalo_usage_log_t *log);

/* the configuration takes effect; the caller has the mutex */
void ngx_http_katalo_usage_log_init(ngx_http_katalo_usage_t *usage);
void ngx_http_katalo_usage_log_init_process(ngx_http_katalo_usage_t *usage);

/* a worker ends: what it, and those that were killed, have counted */
void ngx_http_katalo_usage_log_exit(ngx_http_katalo_usage_t *usage);


#endif /* _NGX_HTTP_KATALO_USAGE_LOG_H_INCLUDED_ */
