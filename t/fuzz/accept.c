
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * Values of Accept, one for each line of the input.  Where all of them fit
 * the grammar of RFC 9110, 12.5.1, the format is the one that its rules give;
 * otherwise some format is, and nothing else is expected.
 */


#include "fuzz.h"


#define FUZZ_RANGES  64
#define FUZZ_TCHAR   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"   \
                     "0123456789!#$%&'*+-.^_`|~"


typedef struct {
    ngx_str_t     type;
    ngx_str_t     subtype;
    ngx_uint_t    weight;       /* in thousandths */
} fuzz_range_t;


static void fuzz_accept_headers(ngx_http_request_t *r, const uint8_t *data,
    size_t size);
static ngx_int_t fuzz_accept_parse(ngx_str_t *value);
static ngx_int_t fuzz_accept_range(fuzz_input_t *in, fuzz_range_t *range);
static ngx_int_t fuzz_accept_parameter(fuzz_input_t *in, fuzz_range_t *range);
static ngx_int_t fuzz_accept_weight(ngx_str_t *value, ngx_uint_t *weight);
static ngx_str_t fuzz_accept_token(fuzz_input_t *in);
static void fuzz_accept_blank(fuzz_input_t *in);
static ngx_uint_t fuzz_accept_byte(fuzz_input_t *in, u_char ch);
static ngx_uint_t fuzz_accept_expected(void);
static ngx_uint_t fuzz_accept_exact(fuzz_range_t *range, ngx_str_t *type,
    ngx_str_t *subtype);


/* the formats of the status, and the types that they answer to */

static ngx_str_t  fuzz_json_types[] = {
    ngx_string("application/json"), ngx_null_string
};

static ngx_str_t  fuzz_prometheus_types[] = {
    ngx_string("text/plain"), ngx_string("application/openmetrics-text"),
    ngx_null_string
};

static ngx_str_t  fuzz_html_types[] = {
    ngx_string("text/html"), ngx_null_string
};

static ngx_http_katalo_status_format_t  fuzz_formats[] = {
    { ngx_string("json"), ngx_null_string, fuzz_json_types, NULL, NULL },
    { ngx_string("prometheus"), ngx_null_string, fuzz_prometheus_types, NULL,
      NULL },
    { ngx_string("html"), ngx_null_string, fuzz_html_types, NULL, NULL },
    { ngx_null_string, ngx_null_string, NULL, NULL, NULL }
};


static ngx_uint_t    fuzz_ranges_n;
static fuzz_range_t  fuzz_ranges[FUZZ_RANGES];


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    fuzz_nginx("", "", NULL);

    return 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_int_t                         rc;
    ngx_str_t                         value;
    ngx_uint_t                        expected;
    fuzz_input_t                      in;
    ngx_http_request_t                r;
    ngx_http_katalo_status_format_t  *format;

    ngx_memzero(&r, sizeof(ngx_http_request_t));

    r.pool = ngx_create_pool(1024, ngx_cycle->log);
    fuzz_check(r.pool != NULL, "no pool");

    fuzz_accept_headers(&r, data, size);

    format = ngx_http_katalo_status_accept(&r, fuzz_formats);

    fuzz_check(format >= fuzz_formats && format < fuzz_formats + 3,
               "no format");

    in.pos = data;
    in.last = data + size;
    fuzz_ranges_n = 0;

    for (rc = NGX_OK; rc == NGX_OK && in.pos < in.last; /* void */ ) {
        value = fuzz_take(&in, '\n');
        rc = fuzz_accept_parse(&value);
    }

    if (rc == NGX_OK) {
        expected = fuzz_accept_expected();

        fuzz_check(format == &fuzz_formats[expected], "%.*s is %.*s, not %s",
                   (int) size, data, (int) format->name.len,
                   format->name.data, fuzz_formats[expected].name.data);
    }

    ngx_destroy_pool(r.pool);

    return 0;
}


/* a header has its own memory, of its size, so that an overflow is seen */

static void
fuzz_accept_headers(ngx_http_request_t *r, const uint8_t *data, size_t size)
{
    ngx_str_t         value;
    ngx_uint_t        n;
    fuzz_input_t      in;
    ngx_table_elt_t  *h;

    static char  *names[] = { "Accept", "accept", "ACCEPT" };

    fuzz_check(ngx_list_init(&r->headers_in.headers, r->pool, 2,
                             sizeof(ngx_table_elt_t))
               == NGX_OK, "no memory");

    in.pos = data;
    in.last = data + size;

    for (n = 0; in.pos < in.last; n++) {
        value = fuzz_take(&in, '\n');

        h = ngx_list_push(&r->headers_in.headers);
        ngx_memzero(h, sizeof(ngx_table_elt_t));

        h->key.data = (u_char *) names[n % 3];
        h->key.len = 6;
        h->value.len = value.len;
        h->value.data = ngx_pnalloc(r->pool, value.len ? value.len : 1);
        ngx_memcpy(h->value.data, value.data, value.len);
    }
}


/* RFC 9110, 5.6.1.2: elements may be empty; 12.5.1: NGX_DECLINED: no Accept */

static ngx_int_t
fuzz_accept_parse(ngx_str_t *value)
{
    ngx_int_t      rc;
    fuzz_input_t   in;

    in.pos = value->data;
    in.last = value->data + value->len;

    for ( ;; ) {
        fuzz_accept_blank(&in);

        if (in.pos == in.last) {
            return NGX_OK;
        }

        if (fuzz_accept_byte(&in, ',')) {
            continue;
        }

        if (fuzz_ranges_n == FUZZ_RANGES) {
            return NGX_DECLINED;
        }

        rc = fuzz_accept_range(&in, &fuzz_ranges[fuzz_ranges_n++]);

        fuzz_accept_blank(&in);

        if (rc != NGX_OK || (in.pos < in.last && *in.pos != ',')) {
            return NGX_DECLINED;
        }
    }
}


static ngx_int_t
fuzz_accept_range(fuzz_input_t *in, fuzz_range_t *range)
{
    range->weight = 1001;
    range->type = fuzz_accept_token(in);

    if (!range->type.len || !fuzz_accept_byte(in, '/')) {
        return NGX_DECLINED;
    }

    range->subtype = fuzz_accept_token(in);

    if (range->subtype.len == 0) {
        return NGX_DECLINED;
    }

    for ( ;; ) {
        fuzz_accept_blank(in);

        if (!fuzz_accept_byte(in, ';')) {
            range->weight = ngx_min(range->weight, 1000);
            return NGX_OK;
        }

        fuzz_accept_blank(in);

        /* parameters = *( OWS ";" OWS [ parameter ] ) */

        if (in->pos < in->last && *in->pos != ';' && *in->pos != ','
            && fuzz_accept_parameter(in, range) != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }
}


/* a weight comes last, and once; 1001: there has been none */

static ngx_int_t
fuzz_accept_parameter(fuzz_input_t *in, fuzz_range_t *range)
{
    ngx_str_t  name, value;

    name = fuzz_accept_token(in);

    if (name.len == 0 || !fuzz_accept_byte(in, '=') || range->weight != 1001) {
        return NGX_DECLINED;
    }

    if (fuzz_is(&name, "q") || fuzz_is(&name, "Q")) {
        value = fuzz_accept_token(in);
        return fuzz_accept_weight(&value, &range->weight);
    }

    if (!fuzz_accept_byte(in, '"')) {
        return fuzz_accept_token(in).len ? NGX_OK : NGX_DECLINED;
    }

    /* RFC 9110, 5.6.4: quoted-string */

    while (in->pos < in->last) {

        if (fuzz_accept_byte(in, '"')) {
            return NGX_OK;
        }

        (void) fuzz_accept_byte(in, '\\');

        if (in->pos == in->last
            || (*in->pos < ' ' && *in->pos != '\t') || *in->pos == 0x7f)
        {
            return NGX_DECLINED;
        }

        in->pos++;
    }

    return NGX_DECLINED;
}


/* RFC 9110, 12.4.2: "0" or "1", and up to three digits, zeros after "1" */

static ngx_int_t
fuzz_accept_weight(ngx_str_t *value, ngx_uint_t *weight)
{
    char  text[] = "0.000";

    if (value->len == 0 || value->len > 5
        || (value->data[0] != '0' && value->data[0] != '1')
        || (value->len > 1 && value->data[1] != '.'))
    {
        return NGX_DECLINED;
    }

    ngx_memcpy(text, value->data, value->len);

    if (strspn(text + 2, "0123456789") != 3) {
        return NGX_DECLINED;
    }

    *weight = (text[0] - '0') * 1000 + atoi(text + 2);

    return *weight <= 1000 ? NGX_OK : NGX_DECLINED;
}


static ngx_str_t
fuzz_accept_token(fuzz_input_t *in)
{
    ngx_str_t  token;

    token.data = (u_char *) in->pos;

    while (in->pos < in->last && *in->pos && strchr(FUZZ_TCHAR, *in->pos)) {
        in->pos++;
    }

    token.len = in->pos - token.data;

    return token;
}


static void
fuzz_accept_blank(fuzz_input_t *in)
{
    while (in->pos < in->last && (*in->pos == ' ' || *in->pos == '\t')) {
        in->pos++;
    }
}


static ngx_uint_t
fuzz_accept_byte(fuzz_input_t *in, u_char ch)
{
    if (in->pos == in->last || *in->pos != ch) {
        return 0;
    }

    in->pos++;

    return 1;
}


/*
 * For each type, the most exact range that matches it, the heaviest of those;
 * of the types, the heaviest, the more exact, the one whose range comes first.
 */

static ngx_uint_t
fuzz_accept_expected(void)
{
    ngx_str_t     type, subtype;
    ngx_uint_t    i, n, e, found, exact, best, best_weight, best_exact, best_i;
    fuzz_input_t  in;

    /* types, in the order of the formats that they are of */

    static const struct { const char *type; ngx_uint_t format; }  types[] = {
        { "application/json", 0 }, { "text/plain", 1 },
        { "application/openmetrics-text", 1 }, { "text/html", 2 }
    };

    best = 0;
    best_weight = 0;
    best_exact = 0;
    best_i = 0;

    for (n = 0; n < sizeof(types) / sizeof(types[0]); n++) {
        in.pos = (u_char *) types[n].type;
        in.last = in.pos + strlen(types[n].type);
        type = fuzz_take(&in, '/');
        subtype = fuzz_take(&in, '/');

        exact = 0;
        found = 0;

        for (i = 0; i < fuzz_ranges_n; i++) {
            e = fuzz_accept_exact(&fuzz_ranges[i], &type, &subtype);

            if (e > exact
                || (e && e == exact
                    && fuzz_ranges[i].weight > fuzz_ranges[found].weight))
            {
                exact = e;
                found = i;
            }
        }

        if (exact == 0 || fuzz_ranges[found].weight == 0) {
            continue;
        }

        if (fuzz_ranges[found].weight > best_weight
            || (fuzz_ranges[found].weight == best_weight
                && (exact > best_exact
                    || (exact == best_exact && found < best_i))))
        {
            best = types[n].format;
            best_weight = fuzz_ranges[found].weight;
            best_exact = exact;
            best_i = found;
        }
    }

    return best;
}


static ngx_uint_t
fuzz_accept_exact(fuzz_range_t *range, ngx_str_t *type, ngx_str_t *subtype)
{
    if (fuzz_is(&range->type, "*")) {
        return fuzz_is(&range->subtype, "*") ? 1 : 0;
    }

    if (range->type.len != type->len
        || strncasecmp((char *) range->type.data, (char *) type->data,
                       type->len) != 0)
    {
        return 0;
    }

    if (fuzz_is(&range->subtype, "*")) {
        return 2;
    }

    return (range->subtype.len == subtype->len
            && strncasecmp((char *) range->subtype.data,
                           (char *) subtype->data, subtype->len) == 0) ? 3 : 0;
}
