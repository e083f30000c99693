
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_CONF_SCAN_H_INCLUDED_
#define _NGX_HTTP_KATALO_CONF_SCAN_H_INCLUDED_


#include "ngx_http_katalo.h"


typedef struct ngx_http_katalo_conf_scan_s  ngx_http_katalo_conf_scan_t;

/*
 * Gets the words of a directive, or of the beginning of a block, without their
 * quotes and ended by a zero byte; or one comment, if n is 0.  They are gone
 * when the handler returns.
 */
typedef void (*ngx_http_katalo_conf_scan_pt)(ngx_http_katalo_conf_scan_t *scan,
    ngx_str_t *words, ngx_uint_t n);


struct ngx_http_katalo_conf_scan_s {
    ngx_cycle_t                   *cycle;
    void                          *data;       /* of the handler */
    ngx_http_katalo_conf_scan_pt   handler;
    ngx_http_katalo_place_t        place;
    ngx_uint_t                     depth;      /* of includes */
};


/* reads all files of the configuration that can be read */
void ngx_http_katalo_conf_scan(ngx_cycle_t *cycle,
    ngx_http_katalo_conf_scan_pt handler, void *data);


#endif /* _NGX_HTTP_KATALO_CONF_SCAN_H_INCLUDED_ */
