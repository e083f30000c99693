
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* A client's own Katalo key. */


#ifndef _NGX_HTTP_KATALO_TRIPWIRE_H_INCLUDED_
#define _NGX_HTTP_KATALO_TRIPWIRE_H_INCLUDED_


#include "ngx_http_katalo.h"


/* counts it and logs its id; "key" is the location's, or NULL */
void ngx_http_katalo_tripwire(ngx_http_request_t *r,
    ngx_http_katalo_key_t *key);


#endif /* _NGX_HTTP_KATALO_TRIPWIRE_H_INCLUDED_ */
