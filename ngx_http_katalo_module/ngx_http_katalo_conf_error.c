
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* What all directives need: messages with a place, and checks of arguments. */


#include "ngx_http_katalo_conf_error.h"


static void ngx_http_katalo_conf_log(ngx_uint_t level, ngx_log_t *log,
    ngx_http_katalo_place_t *place, const char *fmt, va_list args);


ngx_http_katalo_place_t
ngx_http_katalo_conf_place(ngx_conf_t *cf)
{
    ngx_http_katalo_place_t  place;

    place.file = cf->conf_file->file.name;
    place.line = cf->conf_file->line;

    return place;
}


char *
ngx_http_katalo_conf_error(ngx_conf_t *cf, const char *fmt, ...)
{
    va_list                  args;
    ngx_http_katalo_place_t  place;

    place = ngx_http_katalo_conf_place(cf);

    va_start(args, fmt);
    ngx_http_katalo_conf_log(NGX_LOG_EMERG, cf->log, &place, fmt, args);
    va_end(args);

    return NGX_CONF_ERROR;
}


char *
ngx_http_katalo_conf_error_at(ngx_conf_t *cf, ngx_http_katalo_place_t *place,
    const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    ngx_http_katalo_conf_log(NGX_LOG_EMERG, cf->log, place, fmt, args);
    va_end(args);

    return NGX_CONF_ERROR;
}


void
ngx_http_katalo_conf_warn(ngx_log_t *log, ngx_http_katalo_place_t *place,
    const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    ngx_http_katalo_conf_log(NGX_LOG_WARN, log, place, fmt, args);
    va_end(args);
}


static void
ngx_http_katalo_conf_log(ngx_uint_t level, ngx_log_t *log,
    ngx_http_katalo_place_t *place, const char *fmt, va_list args)
{
    u_char  buf[NGX_MAX_CONF_ERRSTR], *last;

    last = ngx_vslprintf(buf, buf + NGX_MAX_CONF_ERRSTR, fmt, args);

    ngx_log_error(level, log, 0, "%*s in %V:%ui",
                  (size_t) (last - buf), buf, &place->file, place->line);
}


ngx_uint_t
ngx_http_katalo_conf_word(ngx_str_t *value, const char *extra)
{
    u_char      c;
    ngx_uint_t  i;

    for (i = 0; i < value->len; i++) {
        c = value->data[i];

        if (!isalnum(c) && ngx_strchr(extra, c) == NULL) {
            return 0;
        }
    }

    return value->len != 0;
}


ngx_uint_t
ngx_http_katalo_conf_literal_key(ngx_conf_t *cf)
{
    u_char      *p;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        p = (u_char *) ngx_strstr(value[i].data, NGX_HTTP_KATALO_TOKEN);

        /* a file may have such a name */

        while (p && p != value[i].data && p[-1] == '/') {
            p = (u_char *) ngx_strstr(p + 1, NGX_HTTP_KATALO_TOKEN);
        }

        if (p) {
            (void) ngx_http_katalo_conf_error(cf,
                       "a key is written in the \"%V\" directive, keep it out "
                       "of the configuration: put it into a file and use "
                       "\"katalo_key NAME file:PATH\"", &value[0]);
            return 1;
        }
    }

    return 0;
}
