
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * The body of a 429.  An input is read as it is, whole and cut off at each
 * byte; and where it has bytes of numbers only, as the number of an envelope,
 * which strtod() reads too.
 */


#include "fuzz.h"
#include "ngx_http_katalo_retry_json.h"

#include <math.h>
#include <stdlib.h>


#define FUZZ_NUMBER   "0123456789+-.eE"
#define FUZZ_DIGITS   "0123456789"
#define FUZZ_BEFORE   "{\"x\":[{}],\"error\":{\"code\":\"a\\\"\","             \
                      "\"retry_after\":"
#define FUZZ_AFTER    ",\"retryable\":true}}"

/* bytes of an input that is cut off everywhere */
#define FUZZ_CUT      256


static ngx_int_t fuzz_retry_read(const char *text, size_t len,
    ngx_msec_t *msec);
static void fuzz_retry_number(const char *text);
static ngx_uint_t fuzz_retry_is_number(const char *p);


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    return 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char        *text;
    size_t       n;
    ngx_str_t    s;
    ngx_int_t    rc;
    ngx_msec_t   msec;

    s.data = (u_char *) data;
    s.len = size;

    rc = fuzz_retry_read((const char *) data, size, &msec);

    fuzz_check(rc == NGX_OK || rc == NGX_DECLINED, "returns %d", (int) rc);

    for (n = 0; n < size && n < FUZZ_CUT; n++) {
        (void) fuzz_retry_read((const char *) data, n, &msec);
    }

    if (size && fuzz_only(&s, FUZZ_NUMBER)) {
        text = strndup((const char *) data, size);

        fuzz_check(text != NULL, "no memory");
        fuzz_retry_number(text);

        free(text);
    }

    return 0;
}


/* from memory of its own, of that size */

static ngx_int_t
fuzz_retry_read(const char *text, size_t len, ngx_msec_t *msec)
{
    u_char     *copy;
    ngx_int_t   rc;

    copy = malloc(len + (len == 0));

    fuzz_check(copy != NULL, "no memory");
    memcpy(copy, text, len);

    rc = ngx_http_katalo_retry_json(copy, copy + len, msec);

    fuzz_check(rc != NGX_OK || *msec <= NGX_HTTP_KATALO_RETRY_MAX,
               "%lu milliseconds", (unsigned long) *msec);

    free(copy);

    return rc;
}


static void
fuzz_retry_number(const char *text)
{
    char        *body;
    double       expected;
    ngx_int_t    rc;
    ngx_msec_t   msec;

    body = malloc(sizeof(FUZZ_BEFORE FUZZ_AFTER) + strlen(text));

    fuzz_check(body != NULL, "no memory");
    (void) sprintf(body, "%s%s%s", FUZZ_BEFORE, text, FUZZ_AFTER);

    rc = fuzz_retry_read(body, strlen(body), &msec);

    if (fuzz_retry_is_number(text)) {
        expected = strtod(text, NULL);
        expected = ceil(fmin(fmax(expected, 0) * 1000,
                             (double) NGX_HTTP_KATALO_RETRY_MAX));

        fuzz_check(rc == NGX_OK, "%s is a number", text);
        fuzz_check(fabs((double) msec - expected) <= 1,
                   "%s is %lu milliseconds", text, (unsigned long) msec);
    }

    free(body);
}


/* RFC 8259, 6 */

static ngx_uint_t
fuzz_retry_is_number(const char *p)
{
    size_t  n;

    p += (*p == '-');
    n = strspn(p, FUZZ_DIGITS);

    if (n == 0 || (*p == '0' && n > 1)) {
        return 0;
    }

    p += n;

    if (*p == '.') {
        p++;
        n = strspn(p, FUZZ_DIGITS);
        p += n;

        if (n == 0) {
            return 0;
        }
    }

    if (*p == 'e' || *p == 'E') {
        p++;
        p += (*p == '+' || *p == '-');
        n = strspn(p, FUZZ_DIGITS);
        p += n;

        if (n == 0) {
            return 0;
        }
    }

    return *p == '\0';
}
