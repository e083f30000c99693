
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* The consumer of a request: who uses the key. */


#ifndef _NGX_HTTP_KATALO_CONSUMER_H_INCLUDED_
#define _NGX_HTTP_KATALO_CONSUMER_H_INCLUDED_


#include "ngx_http_katalo.h"


/* "ssl_verify_client" */
#define NGX_HTTP_KATALO_SSL_OFF          0
#define NGX_HTTP_KATALO_SSL_NO_CA        3


/* one of the values of katalo_consumer, with one variable at least */

typedef struct {
    ngx_str_t                        text;      /* as written */
    ngx_array_t                      names;     /* ngx_str_t, of variables */
    ngx_http_complex_value_t        *complex;   /* NULL: one variable alone */
    ngx_int_t                        index;     /* of that */
    size_t                           around;    /* bytes around variables */
    unsigned                         certificate:1; /* the client's */
    unsigned                         user:1;    /* $remote_user alone */
} ngx_http_katalo_consumer_value_t;


struct ngx_http_katalo_consumers_conf_s {
    ngx_array_t                      values;    /* none: off */
    ngx_http_katalo_place_t          place;
    unsigned                         warned_chosen:1;
    unsigned                         warned_user:1;
    unsigned                         warned_certificate:1;
};


/*
 * In the precontent phase, after the access phase, so that it knows a user
 * whose password was verified.  It also runs in subrequests, which skip the
 * access phase: these have the consumer of the main request.
 */
ngx_int_t ngx_http_katalo_consumer_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_KATALO_CONSUMER_H_INCLUDED_ */
