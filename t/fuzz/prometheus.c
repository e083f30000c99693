
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * The status in Prometheus' text format, version 0.0.4: read again, strictly.
 * A metric has one TYPE, before its series, which are together; no series is
 * there twice.
 */


#include "fuzz.h"


#define FUZZ_METRICS  64


static void fuzz_metrics(char *p);
static char *fuzz_metrics_comment(char *p);
static char *fuzz_metrics_series(char *p);
static char *fuzz_metrics_labels(char *p, char *name, size_t *len);
static char *fuzz_metrics_label(char *p, char *name, size_t *len);
static void fuzz_metrics_family(char *p, size_t len);
static size_t fuzz_metrics_word(char *p, const char *more);
static void fuzz_metrics_key(fuzz_status_t *status);
static void fuzz_metrics_id(fuzz_status_t *status, fuzz_id_t *id,
    const char *state);
static void fuzz_metrics_histogram(fuzz_id_t *id, const char *labels);


typedef struct {
    const char    *name;
    size_t         len;
    ngx_uint_t     histogram;
} fuzz_metric_t;


static ngx_uint_t     fuzz_metrics_n;
static fuzz_metric_t  fuzz_metrics_known[FUZZ_METRICS];
static char           fuzz_name[1024];


#define fuzz_metric(...)                                                      \
    (snprintf(fuzz_name, sizeof(fuzz_name), __VA_ARGS__), fuzz_name)


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    fuzz_status_init();

    return 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_uint_t            n;
    static fuzz_status_t  status;

    if (fuzz_status_make(data, size, &status)) {
        fuzz_metrics(fuzz_status_page(&status,
                                      ngx_http_katalo_status_prometheus));
        fuzz_metrics_key(&status);

        for (n = 0; n < status.nids; n++) {
            fuzz_metrics_id(&status, &status.ids[n],
                            n == status.nids - 1 ? "current" : "previous");
        }
    }

    fuzz_status_done(&status);

    return 0;
}


static void
fuzz_metrics(char *p)
{
    fuzz_values_clear();
    fuzz_metrics_n = 0;

    while (*p) {
        p = (*p == '#') ? fuzz_metrics_comment(p) : fuzz_metrics_series(p);

        fuzz_check(*p == '\n', "no end of line: %s", p);
        p++;
    }
}


/* HELP, then TYPE, of a metric that has had none */

static char *
fuzz_metrics_comment(char *p)
{
    char           *help, *type;
    size_t          i, len;
    fuzz_metric_t  *metric;

    fuzz_check(strncmp(p, "# HELP ", 7) == 0, "a comment: %s", p);
    help = p + 7;
    len = fuzz_metrics_word(help, ":");

    fuzz_check(len && help[len] == ' ', "a name: %s", help);

    for (i = 0; i < fuzz_metrics_n; i++) {
        metric = &fuzz_metrics_known[i];
        fuzz_check(metric->len != len || memcmp(metric->name, help, len) != 0,
                   "twice: %s", help);
    }

    for (p = help + len; *p != '\n'; p++) {
        fuzz_check((u_char) *p >= ' ' && *p != '\\' && (u_char) *p < 0x7f,
                   "help: %s", p);
    }

    type = p + 1;
    fuzz_check(strncmp(type, "# TYPE ", 7) == 0
               && memcmp(type + 7, help, len) == 0 && type[7 + len] == ' ',
               "no type: %s", type);
    p = type + 8 + len;

    fuzz_check(fuzz_metrics_n < FUZZ_METRICS, "too many metrics");

    metric = &fuzz_metrics_known[fuzz_metrics_n++];
    metric->name = help;
    metric->len = len;
    metric->histogram = (strncmp(p, "histogram\n", 10) == 0);

    fuzz_check(metric->histogram || strncmp(p, "counter\n", 8) == 0
               || strncmp(p, "gauge\n", 6) == 0, "a type: %s", p);

    return p + strcspn(p, "\n");
}


static char *
fuzz_metrics_series(char *p)
{
    char    *end, name[1024];
    size_t   len;

    len = fuzz_metrics_word(p, ":");
    fuzz_check(len && len < 128, "a series: %s", p);

    fuzz_metrics_family(p, len);

    ngx_memcpy(name, p, len);
    p += len;

    if (*p == '{') {
        p = fuzz_metrics_labels(p, name, &len);
    }

    fuzz_check(*p == ' ', "no blank: %s", p);

    (void) strtod(p + 1, &end);
    fuzz_check(end > p + 1, "a value: %s", p);

    fuzz_value_add(name, len, p + 1, end);

    return end;
}


/* written as {key="...",...} into the name, whatever was escaped */

static char *
fuzz_metrics_labels(char *p, char *name, size_t *len)
{
    do {
        name[(*len)++] = *p++;
        p = fuzz_metrics_label(p, name, len);
    } while (*p == ',');

    fuzz_check(*p == '}', "no end of labels: %s", p);
    name[(*len)++] = *p++;

    return p;
}


static char *
fuzz_metrics_label(char *p, char *name, size_t *len)
{
    size_t  n;

    n = fuzz_metrics_word(p, "");
    fuzz_check(n && p[n] == '=' && p[n + 1] == '"', "a label: %s", p);

    ngx_memcpy(name + *len, p, n + 2);
    *len += n + 2;

    for (p += n + 2; *p != '"'; p++) {
        fuzz_check((u_char) *p >= ' ' && (u_char) *p < 0x7f
                   && *len + 128 < sizeof(fuzz_name), "a label's value: %s",
                   p);

        if (*p == '\\') {
            p++;
            fuzz_check(*p == '\\' || *p == '"' || *p == 'n', "an escape: %s",
                       p);
            name[(*len)++] = (*p == 'n') ? '\n' : *p;
            continue;
        }

        name[(*len)++] = *p;
    }

    name[(*len)++] = '"';

    return p + 1;
}


/* a series is of the metric whose TYPE came last */

static void
fuzz_metrics_family(char *p, size_t len)
{
    fuzz_metric_t  *metric;

    fuzz_check(fuzz_metrics_n, "no type: %s", p);

    metric = &fuzz_metrics_known[fuzz_metrics_n - 1];

    fuzz_check(len >= metric->len && memcmp(p, metric->name, metric->len) == 0,
               "of another metric: %s", p);

    p += metric->len;
    len -= metric->len;

    if (metric->histogram) {
        fuzz_check((len == 7 && memcmp(p, "_bucket", 7) == 0)
                   || (len == 4 && memcmp(p, "_sum", 4) == 0)
                   || (len == 6 && memcmp(p, "_count", 6) == 0),
                   "of no histogram: %s", p);
        return;
    }

    fuzz_check(len == 0, "of another metric: %s", p);
}


/* letters, digits and "_", none at the beginning */

static size_t
fuzz_metrics_word(char *p, const char *more)
{
    size_t  n;

    for (n = 0; isalpha((u_char) p[n]) || p[n] == '_'
                || (p[n] && strchr(more, p[n]))
                || (n && isdigit((u_char) p[n])); n++)
    {
        /* void */
    }

    return n;
}


static void
fuzz_metrics_key(fuzz_status_t *status)
{
    char        labels[128];
    ngx_uint_t  i, n;

    (void) sprintf(labels, "key=\"%.*s\"", (int) status->name.len,
                   status->name.data);

    n = 0;

    for (i = 0; fuzz_reasons[i]; i++) {
        fuzz_value_number(fuzz_metric("katalo_denied_total{%s,reason=\"%s\"}",
                                      labels, fuzz_reasons[i]),
                          status->counters[n++]);
    }

    for (i = 0; fuzz_kinds[i]; i++) {
        fuzz_value_number(fuzz_metric("katalo_client_credentials_total{%s,"
                                      "kind=\"%s\"}", labels, fuzz_kinds[i]),
                          status->counters[n++]);
    }

    fuzz_value_number(fuzz_metric("katalo_requests_in_flight{%s}", labels), 0);
    fuzz_value_number(fuzz_metric("katalo_key_usable{%s}", labels), 1);
    fuzz_value_number(fuzz_metric("katalo_key_read_failures_total{%s}",
                                  labels),
                      status->counters[NGX_HTTP_KATALO_READ_FAILURES]);
}


static void
fuzz_metrics_id(fuzz_status_t *status, fuzz_id_t *id, const char *state)
{
    char         labels[768];
    ngx_str_t   *name;
    ngx_uint_t   i;

    (void) snprintf(labels, sizeof(labels), "key=\"%.*s\",key_id=\"%.*s\"",
                    (int) status->name.len, status->name.data,
                    (int) id->id.len, id->id.data);

    for (i = 0; i < status->noperations; i++) {
        name = &status->operations[i];
        fuzz_value_number(fuzz_metric("katalo_requests_total{%s,"
                                      "operation=\"%.*s\"}", labels,
                                      (int) name->len, name->data),
                          id->requests[i]);
    }

    for (i = 0; fuzz_statuses[i]; i++) {
        fuzz_value_number(fuzz_metric("katalo_responses_total{%s,"
                                      "status=\"%s\"}", labels,
                                      fuzz_statuses[i]),
                          id->counters[NGX_HTTP_KATALO_RESPONSES + i]);
    }

    fuzz_value_number(fuzz_metric("katalo_key_last_used_timestamp_seconds"
                                  "{%s}", labels), id->last_used);
    fuzz_value_number(fuzz_metric("katalo_key_info{%s,source=\"env\","
                                  "state=\"%s\"}", labels, state), 1);

    fuzz_metrics_histogram(id, labels);
}


static void
fuzz_metrics_histogram(fuzz_id_t *id, const char *labels)
{
    uint64_t     count;
    ngx_uint_t   i;

    /* the bounds of docs/directives.md */

    static const char  *le[] = {
        "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10",
        "30", "60", "+Inf", NULL
    };

    count = 0;

    for (i = 0; le[i]; i++) {
        count += id->counters[NGX_HTTP_KATALO_UPSTREAM_TIME + i];

        fuzz_value_number(fuzz_metric("katalo_upstream_seconds_bucket{%s,"
                                      "le=\"%s\"}", labels, le[i]), count);
    }

    fuzz_value_number(fuzz_metric("katalo_upstream_seconds_count{%s}",
                                  labels), count);
}
