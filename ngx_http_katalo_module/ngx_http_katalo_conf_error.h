
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_CONF_ERROR_H_INCLUDED_
#define _NGX_HTTP_KATALO_CONF_ERROR_H_INCLUDED_


#include "ngx_http_katalo.h"


/* of names of variables as nginx keeps them, in lower case */

#define ngx_http_katalo_conf_is(name, s)                                      \
    ((name)->len == sizeof(s) - 1                                             \
     && ngx_strncmp((name)->data, s, sizeof(s) - 1) == 0)

#define ngx_http_katalo_conf_begins(name, s)                                  \
    ((name)->len > sizeof(s) - 1                                              \
     && ngx_strncmp((name)->data, s, sizeof(s) - 1) == 0)


/* the place of the directive that is being read */
ngx_http_katalo_place_t ngx_http_katalo_conf_place(ngx_conf_t *cf);

/*
 * Log an error at "emerg" with the place of the directive that is being read,
 * or with another place; return NGX_CONF_ERROR.
 */
char *ngx_http_katalo_conf_error(ngx_conf_t *cf, const char *fmt, ...);
char *ngx_http_katalo_conf_error_at(ngx_conf_t *cf,
    ngx_http_katalo_place_t *place, const char *fmt, ...);

/* logs a warning with a place */
void ngx_http_katalo_conf_warn(ngx_log_t *log, ngx_http_katalo_place_t *place,
    const char *fmt, ...);

/* not empty, and letters, digits and the extra characters only? */
ngx_uint_t ngx_http_katalo_conf_word(ngx_str_t *value, const char *extra);

/* is a key among the arguments of the directive?  Then logs an error */
ngx_uint_t ngx_http_katalo_conf_literal_key(ngx_conf_t *cf);


#endif /* _NGX_HTTP_KATALO_CONF_ERROR_H_INCLUDED_ */
