
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * A method, a blank and the target of a request, as a client sends them, after
 * a byte that is "-" where slashes are not merged.  Two things are expected of
 * the operation: it is that of the documentation's rules, and no upstream that
 * decodes, merges or splits the path in a way of its own could take the
 * request for another of the five operations.
 */


#include "fuzz.h"


#define FUZZ_SEGMENTS  2048
#define FUZZ_PLAIN     "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" \
                       "0123456789-._~!$&'()*+,=:@/"

/* ways to read a path */
#define FUZZ_DECODE    1
#define FUZZ_MERGE     2
#define FUZZ_DOTS      4
#define FUZZ_WAYS      8


typedef struct {
    ngx_uint_t    n;
    ngx_str_t     segments[FUZZ_SEGMENTS];
} fuzz_path_t;


static ngx_int_t fuzz_operation_guard(ngx_http_request_t *r);
static const char *fuzz_operation_expected(ngx_http_request_t *r,
    ngx_str_t *raw);
static ngx_uint_t fuzz_operation_ambiguous(ngx_str_t *raw);
static ngx_uint_t fuzz_operation_escaped(ngx_str_t *raw, const char *escape);
static const char *fuzz_operation_builtin(ngx_str_t *method,
    fuzz_path_t *path);
static void fuzz_operation_others(ngx_str_t *method, ngx_str_t *raw,
    const char *found);
static size_t fuzz_operation_decode(ngx_str_t *raw, u_char *buf);
static void fuzz_operation_split(ngx_str_t *s, ngx_uint_t way,
    fuzz_path_t *path);
static ngx_str_t *fuzz_operation_last(fuzz_path_t *path, ngx_uint_t n);


/* that its guard ran tells that nginx took the request */

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    fuzz_nginx("katalo_key production env:" FUZZ_KEY " host=127.0.0.1;"
               "katalo_operation list GET ~^/list$;"
               "katalo_operation cancel POST ~/generations/[^/]+/cancel$;"
               "katalo_operation any * ~^/any/;",
               "location / { katalo_bearer production;"
               " katalo_upstream_tls off; proxy_pass http://127.0.0.1:1; }",
               fuzz_operation_guard);
    return 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char  request[2048], *p;

    static const char  rest[] = " HTTP/1.1\r\nHost: katalo\r\n\r\n";

    if (size == 0 || size > sizeof(request) - sizeof(rest)) {
        return 0;
    }

    fuzz_server()->merge_slashes = (data[0] != '-');

    p = ngx_cpymem(request, data + 1, size - 1);
    p = ngx_cpymem(p, rest, sizeof(rest) - 1);

    fuzz_reset();
    fuzz_request(request, p - request);

    return 0;
}


static ngx_int_t
fuzz_operation_guard(ngx_http_request_t *r)
{
    u_char      *p;
    ngx_str_t    raw, *name;
    const char  *expected;

    name = ngx_http_katalo_operation_name(fuzz_conf(),
                                  ngx_http_katalo_operation(r, fuzz_conf()));

    raw = r->unparsed_uri;
    p = memchr(raw.data, '?', raw.len);
    raw.len = p ? (size_t) (p - raw.data) : raw.len;

    expected = fuzz_operation_expected(r, &raw);

    fuzz_check(name->len == strlen(expected)
               && memcmp(name->data, expected, name->len) == 0,
               "%.*s is %.*s, not %s", (int) r->request_line.len,
               r->request_line.data, (int) name->len, name->data, expected);

    fuzz_operation_others(&r->method_name, &raw, expected);

    return NGX_HTTP_CLOSE;
}


static const char *
fuzz_operation_expected(ngx_http_request_t *r, ngx_str_t *raw)
{
    ngx_str_t           *method;
    ngx_uint_t           get;
    static fuzz_path_t   path;

    if (!fuzz_only(&r->uri, FUZZ_PLAIN) || fuzz_operation_ambiguous(raw)) {
        return "other";
    }

    method = &r->method_name;
    get = fuzz_is(method, "GET") || fuzz_is(method, "HEAD");

    if (get && fuzz_is(&r->uri, "/list")) {
        return "list";
    }

    fuzz_operation_split(&r->uri, 0, &path);

    if (fuzz_is(method, "POST")
        && fuzz_is(fuzz_operation_last(&path, 1), "cancel")
        && fuzz_operation_last(&path, 2)->len
        && fuzz_is(fuzz_operation_last(&path, 3), "generations"))
    {
        return "cancel";
    }

    if (r->uri.len >= 5 && memcmp(r->uri.data, "/any/", 5) == 0) {
        return "any";
    }

    return fuzz_operation_builtin(method, &path);
}


/* "raw" is what the client sent, up to the arguments */

static ngx_uint_t
fuzz_operation_ambiguous(ngx_str_t *raw)
{
    size_t              i;
    ngx_str_t          *segment;
    ngx_uint_t          empty, dots;
    static fuzz_path_t  path;

    if (fuzz_operation_escaped(raw, "#")
        || fuzz_operation_escaped(raw, "%2f")
        || fuzz_operation_escaped(raw, "%5c")
        || fuzz_operation_escaped(raw, "%25"))
    {
        return 1;
    }

    fuzz_operation_split(raw, 0, &path);

    empty = 0;
    dots = 0;

    for (i = 1; i <= path.n; i++) {
        segment = fuzz_operation_last(&path, i);

        empty |= (segment->len == 0 && i > 1);
        dots |= (segment->len && segment->data[0] == '.');
    }

    return empty + dots + fuzz_operation_escaped(raw, "%2e") >= 2;
}


static ngx_uint_t
fuzz_operation_escaped(ngx_str_t *raw, const char *escape)
{
    size_t  i, len;

    len = strlen(escape);

    for (i = 0; i + len <= raw->len; i++) {

        if (strncasecmp((char *) raw->data + i, escape, len) == 0) {
            return 1;
        }
    }

    return 0;
}


static const char *
fuzz_operation_builtin(ngx_str_t *method, fuzz_path_t *path)
{
    ngx_str_t   *last, *parent;
    ngx_uint_t   get;

    last = fuzz_operation_last(path, 1);
    parent = fuzz_operation_last(path, 2);
    get = fuzz_is(method, "GET") || fuzz_is(method, "HEAD");

    if (fuzz_is(method, "POST")) {

        if (fuzz_is(last, "source-assets") || fuzz_is(last, "generations")) {
            return "create";
        }

        return (fuzz_is(last, "regenerate") && parent->len
                && fuzz_is(fuzz_operation_last(path, 3), "generations"))
               ? "regenerate" : "other";
    }

    if (!get || last->len == 0) {
        return "other";
    }

    if (fuzz_is(parent, "source-assets") || fuzz_is(parent, "generations")) {
        return "read";
    }

    if (fuzz_is(parent, "usage") && fuzz_is(last, "summary")) {
        return "usage";
    }

    return (fuzz_is(parent, "billing") && fuzz_is(last, "events"))
           ? "billing" : "other";
}


/* an upstream that knows no such path answers 404: that is no harm */

static void
fuzz_operation_others(ngx_str_t *method, ngx_str_t *raw, const char *found)
{
    u_char              buf[2048];
    ngx_str_t           s;
    ngx_uint_t          way;
    const char         *other;
    static fuzz_path_t  path;

    if (strcmp(found, "create") != 0 && strcmp(found, "read") != 0
        && strcmp(found, "regenerate") != 0 && strcmp(found, "usage") != 0
        && strcmp(found, "billing") != 0)
    {
        return;
    }

    for (way = 0; way < FUZZ_WAYS; way++) {
        s = *raw;

        if (way & FUZZ_DECODE) {
            s.len = fuzz_operation_decode(raw, buf);
            s.data = buf;
        }

        fuzz_operation_split(&s, way, &path);

        other = fuzz_operation_builtin(method, &path);

        fuzz_check(strcmp(other, found) == 0 || strcmp(other, "other") == 0,
                   "%.*s is %s, but an upstream may see %s (way %d)",
                   (int) raw->len, raw->data, found, other, (int) way);
    }
}


static size_t
fuzz_operation_decode(ngx_str_t *raw, u_char *buf)
{
    char     hex[3];
    u_char  *d;
    size_t   i;

    d = buf;

    for (i = 0; i < raw->len; i++) {

        if (raw->data[i] == '%' && i + 2 < raw->len
            && isxdigit(raw->data[i + 1]) && isxdigit(raw->data[i + 2]))
        {
            hex[0] = raw->data[++i];
            hex[1] = raw->data[++i];
            hex[2] = '\0';
            *d++ = strtoul(hex, NULL, 16);

        } else {
            *d++ = raw->data[i];
        }
    }

    return d - buf;
}


static void
fuzz_operation_split(ngx_str_t *s, ngx_uint_t way, fuzz_path_t *path)
{
    ngx_str_t     segment;
    ngx_uint_t    end;
    fuzz_input_t  in;

    in.pos = s->data;
    in.last = s->data + s->len;
    path->n = 0;

    /* what is before the first slash is no segment; a host may be there */

    (void) fuzz_take(&in, '/');

    for ( ;; ) {
        segment = fuzz_take(&in, '/');
        end = (segment.data + segment.len == in.last);

        if ((way & FUZZ_DOTS)
            && (fuzz_is(&segment, ".") || fuzz_is(&segment, "..")))
        {
            path->n -= (segment.len == 2 && path->n > 0);
            segment.len = 0;

            if (!end) {
                continue;
            }

        } else if ((way & FUZZ_MERGE) && segment.len == 0 && !end) {
            continue;
        }

        fuzz_check(path->n < FUZZ_SEGMENTS, "too many segments");
        path->segments[path->n++] = segment;

        if (end) {
            break;
        }
    }
}


/* the n-th of the last segments, an empty one if there are less */

static ngx_str_t *
fuzz_operation_last(fuzz_path_t *path, ngx_uint_t n)
{
    static ngx_str_t  none;

    return n <= path->n ? &path->segments[path->n - n] : &none;
}
