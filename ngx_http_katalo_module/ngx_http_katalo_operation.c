
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_operation.h"


static ngx_uint_t ngx_http_katalo_operation_builtin(ngx_http_request_t *r);
static ngx_uint_t ngx_http_katalo_operation_custom(ngx_http_request_t *r,
    ngx_http_katalo_main_conf_t *kmcf, ngx_uint_t *operation);
static ngx_uint_t ngx_http_katalo_operation_ambiguous(ngx_http_request_t *r);
static ngx_uint_t ngx_http_katalo_operation_is_plain(ngx_str_t *path);
static size_t ngx_http_katalo_operation_cut(ngx_str_t *path);


#define ngx_http_katalo_operation_ends(path, s)                               \
    ((path)->len >= sizeof(s) - 1                                             \
     && ngx_memcmp((path)->data + (path)->len - (sizeof(s) - 1), s,           \
                   sizeof(s) - 1)                                             \
        == 0)


static ngx_str_t  ngx_http_katalo_operation_names[] = {
    ngx_string("create"),
    ngx_string("read"),
    ngx_string("regenerate"),
    ngx_string("usage"),
    ngx_string("billing"),
    ngx_string("other")
};


ngx_str_t  ngx_http_katalo_operation_class_names[NGX_HTTP_KATALO_CLASSES] = {
    ngx_string("other"),
    ngx_string("write"),
    ngx_string("read"),
    ngx_string("usage")
};


/*
 * RFC 3986, 3.3: what needs no escape in a path, without ";", which begins a
 * parameter where an upstream knows such.  A byte for each, and not a bit: all
 * of every path is looked up.
 */

static u_char  ngx_http_katalo_operation_plain[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 1, 0, 0, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 0, 0,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1,
    0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 0
};


ngx_uint_t
ngx_http_katalo_operation(ngx_http_request_t *r,
    ngx_http_katalo_main_conf_t *kmcf)
{
    ngx_uint_t  operation;

    if (ngx_http_katalo_operation_ambiguous(r)) {
        return NGX_HTTP_KATALO_OTHER;
    }

    if (kmcf->operations.nelts
        && ngx_http_katalo_operation_custom(r, kmcf, &operation))
    {
        return operation;
    }

    return ngx_http_katalo_operation_builtin(r);
}


static ngx_uint_t
ngx_http_katalo_operation_builtin(ngx_http_request_t *r)
{
    ngx_str_t  path;

    path = r->uri;

    if (r->method == NGX_HTTP_POST) {

        if (ngx_http_katalo_operation_ends(&path, "/generations")
            || ngx_http_katalo_operation_ends(&path, "/source-assets"))
        {
            return NGX_HTTP_KATALO_CREATE;
        }

        if (ngx_http_katalo_operation_ends(&path, "/regenerate")) {
            path.len -= sizeof("/regenerate") - 1;

            if (ngx_http_katalo_operation_cut(&path)
                && ngx_http_katalo_operation_ends(&path, "/generations"))
            {
                return NGX_HTTP_KATALO_REGENERATE;
            }
        }

        return NGX_HTTP_KATALO_OTHER;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_KATALO_OTHER;
    }

    if (ngx_http_katalo_operation_cut(&path)
        && (ngx_http_katalo_operation_ends(&path, "/generations")
            || ngx_http_katalo_operation_ends(&path, "/source-assets")))
    {
        return NGX_HTTP_KATALO_READ;
    }

    if (ngx_http_katalo_operation_ends(&r->uri, "/usage/summary")) {
        return NGX_HTTP_KATALO_USAGE;
    }

    if (ngx_http_katalo_operation_ends(&r->uri, "/billing/events")) {
        return NGX_HTTP_KATALO_BILLING;
    }

    return NGX_HTTP_KATALO_OTHER;
}


static ngx_uint_t
ngx_http_katalo_operation_custom(ngx_http_request_t *r,
    ngx_http_katalo_main_conf_t *kmcf, ngx_uint_t *operation)
{
#if (NGX_PCRE)

    ngx_str_t                    *method;
    ngx_uint_t                    i;
    ngx_http_katalo_operation_t  *op;

    static ngx_str_t  get = ngx_string("GET");

    method = (r->method == NGX_HTTP_HEAD) ? &get : &r->method_name;

    op = kmcf->operations.elts;

    for (i = 0; i < kmcf->operations.nelts; i++) {

        if (op[i].method.len
            && (op[i].method.len != method->len
                || ngx_memcmp(op[i].method.data, method->data, method->len)
                   != 0))
        {
            continue;
        }

        if (ngx_regex_exec(op[i].regex, &r->uri, NULL, 0) >= 0) {
            *operation = NGX_HTTP_KATALO_BUILTIN + i;
            return 1;
        }
    }

#endif

    return 0;
}


/*
 * Would an upstream that decodes or splits the path otherwise than nginx see
 * another operation?  The path is looked at as the client sent it, too: r->uri
 * is decoded, and has no fragment.
 */

static ngx_uint_t
ngx_http_katalo_operation_ambiguous(ngx_http_request_t *r)
{
    u_char      *p, *last;
    ngx_int_t    ch, prev;
    ngx_uint_t   escaped, empty, dots, escaped_dots;

    if (!ngx_http_katalo_operation_is_plain(&r->uri)) {
        return 1;
    }

    if (!r->quoted_uri && !r->complex_uri) {
        return 0;
    }

    p = r->unparsed_uri.data;
    last = p + r->unparsed_uri.len;

    empty = 0;
    dots = 0;
    escaped_dots = 0;

    for (prev = 0; p < last && *p != '?'; prev = ch) {
        ch = *p++;

        if (ch == '#') {
            return 1;
        }

        escaped = (ch == '%' && last - p >= 2);

        if (escaped) {
            ch = ngx_hextoi(p, 2);
            p += 2;

            if (ch == '/' || ch == '\\' || ch == '%') {
                return 1;
            }

            escaped_dots |= (ch == '.');
        }

        if (prev == '/') {
            empty |= (ch == '/');
            dots |= (ch == '.' && !escaped);
        }
    }

    /*
     * What ".." takes away depends on whether slashes are merged before, and
     * "%2e%2e" decoded.
     */

    return empty + dots + escaped_dots > 1;
}


/* without a branch for each byte: this is done for each request */

static ngx_uint_t
ngx_http_katalo_operation_is_plain(ngx_str_t *path)
{
    size_t   left;
    u_char  *p, plain, *table;

    p = path->data;
    table = ngx_http_katalo_operation_plain;

    plain = 1;

    for (left = path->len; left >= 8; left -= 8) {
        plain &= table[p[0]] & table[p[1]] & table[p[2]] & table[p[3]]
                 & table[p[4]] & table[p[5]] & table[p[6]] & table[p[7]];
        p += 8;
    }

    while (left--) {
        plain &= table[*p++];
    }

    return plain;
}


/*
 * Takes the last segment, and the slash before it, off the path; returns the
 * length of the segment.
 */

static size_t
ngx_http_katalo_operation_cut(ngx_str_t *path)
{
    size_t   len;
    u_char  *p;

    p = memrchr(path->data, '/', path->len);

    if (p == NULL) {
        return 0;
    }

    len = path->data + path->len - p - 1;

    path->len = p - path->data;

    return len;
}


ngx_str_t *
ngx_http_katalo_operation_name(ngx_http_katalo_main_conf_t *kmcf,
    ngx_uint_t operation)
{
    ngx_http_katalo_operation_t  *op;

    if (operation < NGX_HTTP_KATALO_BUILTIN) {
        return &ngx_http_katalo_operation_names[operation];
    }

    op = kmcf->operations.elts;

    return &op[operation - NGX_HTTP_KATALO_BUILTIN].name;
}


ngx_int_t
ngx_http_katalo_operation_find(ngx_http_katalo_main_conf_t *kmcf,
    ngx_str_t *name)
{
    ngx_str_t   *s;
    ngx_uint_t   i, n;

    n = NGX_HTTP_KATALO_BUILTIN + kmcf->operations.nelts;

    for (i = 0; i < n; i++) {
        s = ngx_http_katalo_operation_name(kmcf, i);

        if (s->len == name->len
            && ngx_strncmp(s->data, name->data, name->len) == 0)
        {
            return i;
        }
    }

    return NGX_ERROR;
}
