
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* Method and path to operation. */


#ifndef _NGX_HTTP_KATALO_OPERATION_H_INCLUDED_
#define _NGX_HTTP_KATALO_OPERATION_H_INCLUDED_


#include "ngx_http_katalo.h"


typedef struct {
    ngx_str_t                        name;
    ngx_str_t                        method;    /* empty: any */
#if (NGX_PCRE)
    ngx_regex_t                     *regex;
#endif
} ngx_http_katalo_operation_t;


extern ngx_str_t  ngx_http_katalo_operation_class_names[];


/* the class of an operation: those that katalo_operation names are other */

static ngx_inline ngx_uint_t
ngx_http_katalo_operation_class(ngx_uint_t operation)
{
    static const u_char  classes[NGX_HTTP_KATALO_OPERATIONS] = {
        NGX_HTTP_KATALO_CLASS_WRITE,
        NGX_HTTP_KATALO_CLASS_READ,
        NGX_HTTP_KATALO_CLASS_WRITE,
        NGX_HTTP_KATALO_CLASS_USAGE,
        NGX_HTTP_KATALO_CLASS_USAGE
    };

    return classes[operation];
}


ngx_uint_t ngx_http_katalo_operation(ngx_http_request_t *r,
    ngx_http_katalo_main_conf_t *kmcf);
ngx_str_t *ngx_http_katalo_operation_name(ngx_http_katalo_main_conf_t *kmcf,
    ngx_uint_t operation);

/* NGX_ERROR: no such operation */
ngx_int_t ngx_http_katalo_operation_find(ngx_http_katalo_main_conf_t *kmcf,
    ngx_str_t *name);


#endif /* _NGX_HTTP_KATALO_OPERATION_H_INCLUDED_ */
