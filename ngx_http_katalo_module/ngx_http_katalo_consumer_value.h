
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* The values of katalo_consumer. */


#ifndef _NGX_HTTP_KATALO_CONSUMER_VALUE_H_INCLUDED_
#define _NGX_HTTP_KATALO_CONSUMER_VALUE_H_INCLUDED_


#include "ngx_http_katalo_consumers.h"


/* "ssl_verify_client" */
#define NGX_HTTP_KATALO_SSL_OFF          0
#define NGX_HTTP_KATALO_SSL_NO_CA        3


/* one of the values of katalo_consumer, with one variable at least */

typedef struct {
    ngx_uint_t                      *variables; /* indices; -1 is the last */
    ngx_http_complex_value_t        *complex;   /* NULL: one variable alone */
    ngx_uint_t                       index;     /* of that */
    size_t                           around;    /* bytes around variables */
    unsigned                         captures:1; /* has such, too */
    unsigned                         certificate:1; /* the client's */
    unsigned                         user:1;    /* $remote_user alone */
    unsigned                         subject:1; /* $ssl_client_s_dn alone */
} ngx_http_katalo_consumer_value_t;


typedef ngx_int_t (*ngx_http_katalo_consumer_pt)(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx);


struct ngx_http_katalo_consumers_conf_s {
    ngx_array_t                      values;    /* none: off */
    ngx_http_katalo_consumer_pt      find;
    ngx_http_katalo_place_t          place;
    unsigned                         warned:1;
};


/*
 * The consumer of a main request, by the first value that is not empty; returns
 * what a handler of a phase does.
 */
ngx_int_t ngx_http_katalo_consumer_value(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx);

/* the same where the first one is $remote_user, or $ssl_client_s_dn, alone */
ngx_int_t ngx_http_katalo_consumer_user(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx);
ngx_int_t ngx_http_katalo_consumer_subject(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx);


/* that of a subrequest */
ngx_int_t ngx_http_katalo_consumer_of_main(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx);


#endif /* _NGX_HTTP_KATALO_CONSUMER_VALUE_H_INCLUDED_ */
