
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * The status as JSON, and a line of the usage log: both are read again and
 * must have what was put in.
 */


#include "fuzz.h"


#define FUZZ_BUCKETS  13


static void fuzz_json_key(fuzz_status_t *status);
static void fuzz_json_id(fuzz_status_t *status, ngx_uint_t n);
static void fuzz_json_requests(fuzz_status_t *status, fuzz_id_t *id,
    const char *path);
static void fuzz_json_responses(fuzz_id_t *id, const char *path);
static void fuzz_json_histogram(fuzz_id_t *id, const char *path);
static void fuzz_json_time(const char *path, time_t t);
static void fuzz_json_line(fuzz_status_t *status);
static void fuzz_json_count(const char *path, uint64_t n, ngx_uint_t zeros);


static char  fuzz_path[256];

/* zeros of counts are left out of the usage log */
static ngx_uint_t  fuzz_zeros;


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    fuzz_status_init();

    return 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_uint_t             n;
    static fuzz_status_t   status;

    if (fuzz_status_make(data, size, &status)) {
        fuzz_zeros = 1;
        fuzz_json(fuzz_status_page(&status, ngx_http_katalo_status_json));
        fuzz_json_key(&status);

        for (n = 0; n < status.nids; n++) {
            fuzz_json_id(&status, n);
        }

        fuzz_zeros = 0;
        fuzz_json_line(&status);
    }

    fuzz_status_done(&status);

    return 0;
}


#define fuzz_json_path(...)                                                   \
    (snprintf(fuzz_path, sizeof(fuzz_path), __VA_ARGS__), fuzz_path)


static void
fuzz_json_key(fuzz_status_t *status)
{
    ngx_uint_t  i, n;

    fuzz_value_string("/keys/0/key", &status->name);
    fuzz_value_literal("/keys/0/source", "\"env\"");
    fuzz_value_literal("/keys/0/usable", "true");
    fuzz_value_number("/keys/0/in_flight", 0);
    fuzz_value_number("/keys/0/read_failures",
                      status->counters[NGX_HTTP_KATALO_READ_FAILURES]);

    n = 0;

    for (i = 0; fuzz_reasons[i]; i++) {
        fuzz_value_number(fuzz_json_path("/keys/0/denied/%s", fuzz_reasons[i]),
                         status->counters[n++]);
    }

    for (i = 0; fuzz_kinds[i]; i++) {
        fuzz_value_number(fuzz_json_path("/keys/0/client_credentials/%s",
                                        fuzz_kinds[i]),
                         status->counters[n++]);
    }

    fuzz_check(!fuzz_value_has("/keys/1"), "a key that is none");
}


/* the latest id comes first */

static void
fuzz_json_id(fuzz_status_t *status, ngx_uint_t n)
{
    char        path[64];
    fuzz_id_t  *id;

    id = &status->ids[n];

    (void) sprintf(path, "/keys/0/ids/%d", (int) (status->nids - 1 - n));

    fuzz_value_string(fuzz_json_path("%s/key_id", path), &id->id);
    fuzz_value_literal(fuzz_json_path("%s/state", path),
                      n == status->nids - 1 ? "\"current\"" : "\"previous\"");

    fuzz_json_requests(status, id, path);
    fuzz_json_responses(id, path);
    fuzz_json_histogram(id, path);

    fuzz_json_time(fuzz_json_path("%s/first_used", path), id->first_used);
    fuzz_json_time(fuzz_json_path("%s/last_used", path), id->last_used);
}


static void
fuzz_json_requests(fuzz_status_t *status, fuzz_id_t *id, const char *path)
{
    uint64_t     total;
    ngx_str_t   *name;
    ngx_uint_t   i;

    total = 0;

    for (i = 0; i < status->noperations; i++) {
        name = &status->operations[i];
        total += id->requests[i];

        fuzz_json_count(fuzz_json_path("%s/requests/%.*s", path,
                                       (int) name->len, name->data),
                        id->requests[i], fuzz_zeros);
    }

    fuzz_json_count(fuzz_json_path("%s/requests/total", path), total,
                    fuzz_zeros);
}


static void
fuzz_json_responses(fuzz_id_t *id, const char *path)
{
    ngx_uint_t  i;

    for (i = 0; fuzz_statuses[i]; i++) {
        fuzz_json_count(fuzz_json_path("%s/responses/%s", path,
                                       fuzz_statuses[i]),
                        id->counters[NGX_HTTP_KATALO_RESPONSES + i],
                        fuzz_zeros);
    }

    fuzz_json_count(fuzz_json_path("%s/retries", path),
                    id->counters[NGX_HTTP_KATALO_RETRIES], fuzz_zeros);
    fuzz_json_count(fuzz_json_path("%s/bytes/sent", path),
                    id->counters[NGX_HTTP_KATALO_BYTES_SENT], fuzz_zeros);
    fuzz_json_count(fuzz_json_path("%s/bytes/received", path),
                    id->counters[NGX_HTTP_KATALO_BYTES_RECEIVED], fuzz_zeros);
}


/* the sum is in milliseconds; buckets are cumulative, the last has no bound */

static void
fuzz_json_histogram(fuzz_id_t *id, const char *path)
{
    char         sum[32];
    uint64_t     count, msec;
    ngx_uint_t   i, n;

    /* the bounds of docs/directives.md */

    static const char  *le[] = {
        "0.010", "0.025", "0.050", "0.100", "0.250", "0.500", "1.000",
        "2.500", "5.000", "10.000", "30.000", "60.000", "\"+Inf\""
    };

    msec = id->counters[NGX_HTTP_KATALO_UPSTREAM_MSEC];
    count = 0;
    n = 0;

    (void) sprintf(sum, "%" PRIu64 ".%03u", msec / 1000,
                   (unsigned) (msec % 1000));

    for (i = 0; i < FUZZ_BUCKETS; i++) {
        count += id->counters[NGX_HTTP_KATALO_UPSTREAM_TIME + i];

        if (count || fuzz_zeros || i == FUZZ_BUCKETS - 1) {
            fuzz_value_literal(fuzz_json_path("%s/upstream_seconds/buckets/%d"
                                              "/le", path, (int) n), le[i]);
            fuzz_value_number(fuzz_json_path("%s/upstream_seconds/buckets/%d"
                                             "/count", path, (int) n++),
                              count);
        }
    }

    fuzz_value_literal(fuzz_json_path("%s/upstream_seconds/sum", path), sum);
    fuzz_value_number(fuzz_json_path("%s/upstream_seconds/count", path), count);
}


/* RFC 3339, in UTC */

static void
fuzz_json_time(const char *path, time_t t)
{
    char       text[64];
    struct tm  tm;

    if (t == 0) {
        fuzz_value_literal(path, "null");
        return;
    }

    (void) gmtime_r(&t, &tm);
    (void) strftime(text, sizeof(text), "\"%Y-%m-%dT%H:%M:%SZ\"", &tm);

    fuzz_value_literal(path, text);
}


/* all counts twice, as of a first line */

static void
fuzz_json_line(fuzz_status_t *status)
{
    u_char                     *last;
    fuzz_id_t                  *id;
    ngx_uint_t                  i;
    ngx_http_katalo_sh_t       *sh;
    ngx_http_katalo_sh_line_t  *line;

    static ngx_str_t  name = ngx_string("0123456789abcdef.42");
    static u_char     text[NGX_HTTP_KATALO_USAGE_LINE + 1];

    id = &status->ids[0];
    sh = status->conf.usage->sh;
    line = &sh->line;

    ngx_memcpy(line->run, name.data, NGX_HTTP_KATALO_RUN_LEN);
    line->number = 42;

    line->time = id->first_used;
    line->interval = 60;
    line->row = status->key->row;
    line->slot = status->key->slot;
    line->of_key = 1;

    sh->keys[line->row].name = status->name;
    sh->ids[line->slot].id = id->id;

    ngx_memcpy(line->id_total, id->counters, sizeof(line->id_total));
    ngx_memcpy(line->key_total, status->counters, sizeof(line->key_total));

    for (i = 0; i < status->noperations; i++) {
        line->id_total[i] = id->requests[i];
    }

    ngx_memcpy(line->id_delta, line->id_total, sizeof(line->id_delta));
    ngx_memcpy(line->key_delta, line->key_total, sizeof(line->key_delta));

    last = ngx_http_katalo_usage_line(status->conf.usage, text);

    fuzz_check(last - text <= NGX_HTTP_KATALO_USAGE_LINE,
               "a line of %zu bytes", (size_t) (last - text));
    *last = '\0';

    fuzz_json((char *) text);

    fuzz_value_string("/id", &name);
    fuzz_json_time("/time", line->time);
    fuzz_value_string("/key", &status->name);
    fuzz_value_string("/key_id", &id->id);
    fuzz_value_number("/interval", 60);

    fuzz_json_requests(status, id, "/total");
    fuzz_json_responses(id, "/delta");

    for (i = 0; fuzz_kinds[i]; i++) {
        fuzz_json_count(fuzz_json_path("/delta/client_credentials/%s",
                                       fuzz_kinds[i]),
                        status->counters[NGX_HTTP_KATALO_STRIPPED + i], 0);
    }
}


static void
fuzz_json_count(const char *path, uint64_t n, ngx_uint_t zeros)
{
    if (n || zeros) {
        fuzz_value_number(path, n);

    } else {
        fuzz_check(!fuzz_value_has(path), "%s is 0", path);
    }
}
