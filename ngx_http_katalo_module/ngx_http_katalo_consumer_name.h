
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * The name of a consumer as it is counted, shown and passed on.
 *
 * Printable ASCII stands for itself.  Any other byte is "\xc2\xa7", the section
 * sign, and two hexadecimal digits: no name has a control character, all are
 * valid UTF-8, and two different values never have the same name.  A sign that
 * is no printable ASCII makes that possible: no printable one is left over.
 *
 * A longer name is its beginning, "~" and 32 hexadecimal digits of the SHA-256
 * of the value.  A value that looks like such a name is taken for a longer one,
 * and "*", which stands for other consumers, is escaped.
 */


#ifndef _NGX_HTTP_KATALO_CONSUMER_NAME_H_INCLUDED_
#define _NGX_HTTP_KATALO_CONSUMER_NAME_H_INCLUDED_


#include "ngx_http_katalo.h"


/* bytes that are left of a name that is longer */
#define NGX_HTTP_KATALO_CONSUMER_BEGIN   95


/*
 * The name of a value that is not empty.  It may be the value's own memory, or
 * is from the pool.
 */
ngx_int_t ngx_http_katalo_consumer_name(ngx_pool_t *pool, ngx_str_t *value,
    ngx_str_t *name);


#endif /* _NGX_HTTP_KATALO_CONSUMER_NAME_H_INCLUDED_ */
