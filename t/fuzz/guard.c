
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * All of a request, as a client sends it.  What nginx's parser makes of it is
 * taken as given; what the guard decides by it, counts and logs is compared.
 */


#include "fuzz.h"


#define FUZZ_PROXY     "katalo_upstream_tls off; proxy_pass http://127.0.0.1:1;"


/* what is configured where; lists of headers end with NULL */

typedef struct {
    const char     *location;
    const char     *conf;

    ngx_uint_t      pass;       /* katalo_preflight */
    ngx_uint_t      browser;    /* katalo_browser: deny, report, allow */
    ngx_uint_t      read;       /* katalo_allow read */
    const char     *strip[4];
    const char     *key;        /* NULL: the header X-Key names it */
} fuzz_location_t;


/* what is expected; nothing of the request, which may be gone by then */

typedef struct {
    const char     *decision;   /* empty: let through */
    int             status;     /* of a refusal */
    ngx_uint_t      browser;
    ngx_uint_t      report;
    ngx_uint_t      credential;
    ngx_uint_t      token;      /* a client's own key */
    char            id[513];    /* of it */
    ngx_int_t       key;        /* in fuzz_keys, or -1 */
} fuzz_verdict_t;


static ngx_int_t fuzz_guard(ngx_http_request_t *r);
static void fuzz_guard_expected(ngx_http_request_t *r, fuzz_verdict_t *v);
static fuzz_location_t *fuzz_guard_location(ngx_http_request_t *r);
static ngx_int_t fuzz_guard_key(ngx_http_request_t *r, fuzz_location_t *l);
static void fuzz_guard_token(ngx_http_request_t *r, fuzz_verdict_t *v);
static void fuzz_guard_answer(fuzz_verdict_t *v);
static void fuzz_guard_rows(ngx_http_katalo_key_row_t *rows);
static void fuzz_guard_counts(fuzz_verdict_t *v,
    ngx_http_katalo_key_row_t *before);
static void fuzz_guard_logged(fuzz_verdict_t *v);


#define FUZZ_STRIP  { "cookie", "proxy-authorization", NULL }

static fuzz_location_t  fuzz_locations[] = {
    { "/", "", 0, 0, 0, FUZZ_STRIP, "production" },
    { "/report/", "katalo_browser report;", 0, 1, 0, FUZZ_STRIP,
      "production" },
    { "/allow/", "katalo_browser allow;", 0, 2, 0, FUZZ_STRIP, "production" },
    { "/pass/", "katalo_preflight pass;", 1, 0, 0, FUZZ_STRIP, "production" },
    { "/open/", "katalo_preflight pass; katalo_browser allow;", 1, 2, 0,
      FUZZ_STRIP, "production" },
    { "/strip/", "katalo_strip X-Api-Key Origin; katalo_browser report;",
      0, 1, 0, { "x-api-key", "origin", NULL }, "production" },
    { "/keep/", "katalo_strip off;", 0, 0, 0, { NULL }, "production" },
    { "/read/", "katalo_allow read;", 0, 0, 1, FUZZ_STRIP, "production" },
    { "/revoked/", "katalo_bearer revoked;", 0, 0, 0, FUZZ_STRIP, "revoked" },
    { "/named/", "katalo_bearer $http_x_key;", 0, 0, 0, FUZZ_STRIP, NULL },
    { NULL, NULL, 0, 0, 0, { NULL }, NULL }
};


/* the keys, as they are declared */
#define FUZZ_KEYS  2

static const char  *fuzz_keys[] = { "production", "revoked" };

/* what the documentation names */

static const char  *fuzz_preflight[] = {
    "origin", "access-control-request-method",
    "access-control-request-headers",
    "access-control-request-private-network", NULL
};

static const char  *fuzz_browser[] = {
    "origin", "sec-fetch-site", "sec-fetch-dest", "sec-fetch-user",
    "sec-ch-ua", "upgrade-insecure-requests", NULL
};

static const char  *fuzz_credential[] = { "authorization", NULL };

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char             server[4096], *p;
    fuzz_location_t  *l;

    fuzz_check(setenv("KATALO_FUZZ_REVOKED", "", 1) == 0, "no environment");

    p = server;

    for (l = fuzz_locations; l->location; l++) {
        p += sprintf(p, "location %s { %s %s %s }", l->location, l->conf,
                     strstr(l->conf, "bearer") ? ""
                                               : "katalo_bearer production;",
                     FUZZ_PROXY);
    }

    fuzz_nginx("katalo_key production env:" FUZZ_KEY " host=127.0.0.1;"
               "katalo_key revoked env:KATALO_FUZZ_REVOKED host=127.0.0.1;",
               server, fuzz_guard);
    return 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* otherwise one line a minute for each id */

    ngx_cached_time->sec += 60;

    fuzz_reset();
    fuzz_request(data, size);

    return 0;
}


static ngx_int_t
fuzz_guard(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    fuzz_verdict_t             v;
    ngx_http_katalo_key_row_t  before[2];

    fuzz_guard_expected(r, &v);
    fuzz_guard_rows(before);

    rc = ngx_http_katalo_guard_handler(r);

    /* it was finalized if it was refused, and may not exist any more */

    if (v.decision[0]) {
        fuzz_check(rc == NGX_DONE, "%d, not refused as %s", (int) rc,
                   v.decision);
        fuzz_guard_answer(&v);

    } else {
        fuzz_check(rc == NGX_DECLINED && fuzz_sent.len == 0,
                   "%d, not let through", (int) rc);

        ngx_http_katalo_guard_passed(
                          ngx_http_get_module_ctx(r, ngx_http_katalo_module));
        rc = NGX_HTTP_CLOSE;
    }

    fuzz_guard_counts(&v, before);
    fuzz_guard_logged(&v);

    return rc;
}


static void
fuzz_guard_expected(ngx_http_request_t *r, fuzz_verdict_t *v)
{
    ngx_uint_t        operation;
    fuzz_location_t  *l;
    ngx_table_elt_t  *named;

    l = fuzz_guard_location(r);

    ngx_memzero(v, sizeof(fuzz_verdict_t));

    v->key = fuzz_guard_key(r, l);
    v->browser = fuzz_has_header(r, fuzz_browser);
    v->credential = fuzz_has_header(r, fuzz_credential)
                    || fuzz_has_header(r, l->strip);

    fuzz_guard_token(r, v);

    operation = ngx_http_katalo_operation(r, fuzz_conf());

    v->status = 403;

    if (!l->pass && fuzz_is(&r->method_name, "OPTIONS")
        && fuzz_has_header(r, fuzz_preflight))
    {
        v->decision = "preflight";

    } else if (l->browser == 0 && v->browser) {
        v->decision = "browser";

    } else if (l->read && operation != NGX_HTTP_KATALO_READ) {
        v->decision = "operation";

    } else if (v->key != 0) {
        named = fuzz_header(r, "x-key");

        /* or else nobody gave the client a key */

        if (v->key > 0
            || (named && named->value.len && !fuzz_is(&named->value, "off")))
        {
            v->status = 503;
        }

        v->decision = "no_key";

    } else {
        v->decision = "";
        v->report = (l->browser == 1 && v->browser);
    }
}


static fuzz_location_t *
fuzz_guard_location(ngx_http_request_t *r)
{
    fuzz_location_t           *l;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    for (l = fuzz_locations; l->location; l++) {

        if (clcf->name.len == strlen(l->location)
            && memcmp(clcf->name.data, l->location, clcf->name.len) == 0)
        {
            return l;
        }
    }

    fuzz_check(0, "unknown location");
}


static ngx_int_t
fuzz_guard_key(ngx_http_request_t *r, fuzz_location_t *l)
{
    ngx_int_t          i;
    ngx_str_t          name;
    ngx_table_elt_t   *header;

    if (l->key) {
        return strcmp(l->key, fuzz_keys[0]) ? 1 : 0;
    }

    header = fuzz_header(r, "x-key");

    if (header == NULL) {
        return -1;
    }

    name = header->value;

    for (i = 0; i < FUZZ_KEYS; i++) {

        if (name.len == strlen(fuzz_keys[i])
            && memcmp(name.data, fuzz_keys[i], name.len) == 0)
        {
            return i;
        }
    }

    return -1;
}


/* only what a dot follows is an id, and may be shown */

static void
fuzz_guard_token(ngx_http_request_t *r, fuzz_verdict_t *v)
{
    char             *p, value[8192];
    size_t            len;
    ngx_table_elt_t  *header;

    header = fuzz_header(r, "authorization");

    if (header == NULL) {
        return;
    }

    fuzz_check(header->value.len < sizeof(value), "a long header");

    ngx_memcpy(value, header->value.data, header->value.len);
    value[header->value.len] = '\0';

    p = strcasestr(value, "kat_live_");

    if (p == NULL) {
        return;
    }

    p += 9;
    len = strspn(p, FUZZ_WORD);

    v->token = 1;

    if (len == 0 || len > 512 || p[len] != '.') {
        strcpy(v->id, "?");

    } else {
        ngx_memcpy(v->id, p, len);
    }
}


static void
fuzz_guard_answer(fuzz_verdict_t *v)
{
    char        *p, header[64];
    const char  *decision;

    decision = v->decision;

    /* HTTP/0.9 has no headers */

    if (fuzz_sent.len && fuzz_sent.data[0] == '{') {
        return;
    }

    fuzz_check(fuzz_sent.len < FUZZ_OUT, "a long answer");
    fuzz_sent.data[fuzz_sent.len] = '\0';

    p = (char *) fuzz_sent.data;

    (void) sprintf(header, "\r\nX-Katalo-Gateway: %s\r\n", decision);

    fuzz_check(strncmp(p, "HTTP/1.1 ", 9) == 0 && (atoi(p + 9) == v->status
                   || (v->key < 0 && atoi(p + 9) == 503))
               && strstr(p, header)
               && strstr(p, "\r\nContent-Type: application/json\r\n")
               && strstr(p, "\r\nCache-Control: no-store\r\n")
               && strcasestr(p, "\r\nAccess-Control-") == NULL,
               "%s gets %s", decision, p);
}


static void
fuzz_guard_rows(ngx_http_katalo_key_row_t *rows)
{
    ngx_uint_t               i;
    ngx_http_katalo_key_t  **key;

    key = fuzz_conf()->keys.elts;

    for (i = 0; i < FUZZ_KEYS; i++) {
        ngx_http_katalo_usage_read_key(key[i], &rows[i]);
    }
}


static void
fuzz_guard_counts(fuzz_verdict_t *v, ngx_http_katalo_key_row_t *before)
{
    uint64_t                   n, *counters;
    ngx_int_t                  key;
    ngx_uint_t                 i, let_through;
    ngx_http_katalo_key_row_t  after[FUZZ_KEYS];

    fuzz_guard_rows(after);

    let_through = (v->decision[0] == '\0');

    for (key = 0; key < FUZZ_KEYS; key++) {
        counters = before[key].counters;

        if (key == v->key) {

            for (i = 0; fuzz_reasons[i]; i++) {
                n = (strcmp(v->decision, fuzz_reasons[i]) == 0);
                counters[NGX_HTTP_KATALO_DENIED + i] += n;
            }

            counters[NGX_HTTP_KATALO_BROWSER_REPORTED] += v->report;
            counters[NGX_HTTP_KATALO_STRIPPED] += let_through && v->credential;
            counters[NGX_HTTP_KATALO_CLIENT_KEY] += v->token;
        }

        fuzz_check(memcmp(counters, after[key].counters,
                          sizeof(after[key].counters)) == 0,
                   "key %s is counted otherwise", fuzz_keys[key]);
    }
}


static void
fuzz_guard_logged(fuzz_verdict_t *v)
{
    char        *p, line[1024];
    ngx_uint_t   unnamed;

    /* a line of a name that is no key's, of some a minute */

    unnamed = v->key < 0 && strcmp(v->decision, "no_key") == 0
              && memmem(fuzz_logged.data, fuzz_logged.len,
                        "\"katalo_bearer\"", 15);

    if (!v->token && !unnamed) {
        fuzz_check(fuzz_lines == 0, "%.*s", (int) fuzz_logged.len,
                   fuzz_logged.data);
        return;
    }

    if (!v->token) {
        fuzz_check(fuzz_lines == 1, "%.*s", (int) fuzz_logged.len,
                   fuzz_logged.data);
        return;
    }

    (void) sprintf(line, "katalo: client sent a Katalo key with id \"%s\": it "
                   "is exposed, revoke it, client: ", v->id);

    p = memmem(fuzz_logged.data, fuzz_logged.len, "katalo: client sent", 19);

    fuzz_check(fuzz_lines == 1 + unnamed && p
               && (char *) fuzz_logged.data + fuzz_logged.len - p
                  > (ptrdiff_t) strlen(line)
               && memcmp(p, line, strlen(line)) == 0, "%.*s, not %s",
               (int) fuzz_logged.len, fuzz_logged.data, line);
}
