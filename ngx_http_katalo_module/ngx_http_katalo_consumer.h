
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* The consumer of a request: who uses the key. */


#ifndef _NGX_HTTP_KATALO_CONSUMER_H_INCLUDED_
#define _NGX_HTTP_KATALO_CONSUMER_H_INCLUDED_


#include "ngx_http_katalo.h"


/*
 * In the precontent phase, after the access phase, so that it knows a user
 * whose password was verified.  It also runs in subrequests, which skip the
 * access phase: these have the consumer of the main request.
 */
ngx_int_t ngx_http_katalo_consumer_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_KATALO_CONSUMER_H_INCLUDED_ */
