
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * Strings and levels are told apart, which is enough to find a member.  JSON
 * is not validated: what is none may have the number, or not.
 */


#include "ngx_http_katalo_retry_json.h"


static ngx_uint_t ngx_http_katalo_retry_json_same(ngx_str_t *name,
    const char *text);
static ngx_int_t ngx_http_katalo_retry_json_number(u_char *p, u_char *last,
    ngx_msec_t *msec);


ngx_int_t
ngx_http_katalo_retry_json(u_char *p, u_char *last, ngx_msec_t *msec)
{
    ngx_str_t   name;
    ngx_uint_t  depth, error;

    depth = 0;
    error = 0;

    ngx_str_null(&name);

    for ( /* void */ ; p < last; p++) {

        switch (*p) {

        case '{':
        case '[':
            depth++;
            break;

        case '}':
        case ']':
            depth--;
            break;

        case '"':
            name.data = ++p;

            while (p < last && *p != '"') {
                p += (*p == '\\' && last - p > 1) ? 2 : 1;
            }

            name.len = p - name.data;
            break;

        /* the string before it was the name of a member */

        case ':':
            if (depth == 1) {
                error = ngx_http_katalo_retry_json_same(&name, "error");

            } else if (depth == 2 && error
                       && ngx_http_katalo_retry_json_same(&name,
                                                          "retry_after"))
            {
                return ngx_http_katalo_retry_json_number(p + 1, last, msec);
            }

            break;
        }
    }

    return NGX_DECLINED;
}


static ngx_uint_t
ngx_http_katalo_retry_json_same(ngx_str_t *name, const char *text)
{
    return name->len == ngx_strlen(text)
           && ngx_strncmp(name->data, text, name->len) == 0;
}


/*
 * strtod() gets digits and signs only, since it accepts "inf" and hexadecimal.
 * A number at the end of the data may be incomplete.
 */

static ngx_int_t
ngx_http_katalo_retry_json_number(u_char *p, u_char *last, ngx_msec_t *msec)
{
    char    *end;
    u_char  *digits;
    double   value;

    while (p < last && strchr(" \t\r\n", *p)) {
        p++;
    }

    digits = p;

    while (p < last && strchr("0123456789+-.eE", *p)) {
        p++;
    }

    if (p == digits || p == last || strchr(" \t\r\n,}", *p) == NULL) {
        return NGX_DECLINED;
    }

    value = strtod((char *) digits, &end) * 1000;

    if ((u_char *) end != p) {
        return NGX_DECLINED;
    }

    value = ngx_max(value, 0);
    value = ngx_min(value, (double) NGX_HTTP_KATALO_RETRY_MAX);

    *msec = (ngx_msec_t) value;

    if ((double) *msec < value) {
        (*msec)++;
    }

    return NGX_OK;
}
