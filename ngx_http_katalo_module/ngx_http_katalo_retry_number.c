
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * A number is n times ten to the power of scale.  Digits that do not count are
 * as good as zeros, or as a last one that is greater: the time is rounded up.
 */


#include "ngx_http_katalo_retry_number.h"


/* digits that count */
#define NGX_HTTP_KATALO_RETRY_LIMIT     1000000000000000

/* a power of ten beyond which it makes no difference */
#define NGX_HTTP_KATALO_RETRY_EXPONENT  100000


typedef struct {
    uint64_t     n;
    ngx_int_t    scale;
} ngx_http_katalo_retry_number_t;


static u_char *ngx_http_katalo_retry_number_digits(u_char *p, u_char *last,
    ngx_http_katalo_retry_number_t *number);
static u_char *ngx_http_katalo_retry_number_fraction(u_char *p, u_char *last,
    ngx_http_katalo_retry_number_t *number);
static u_char *ngx_http_katalo_retry_number_exponent(u_char *p, u_char *last,
    ngx_http_katalo_retry_number_t *number);
static ngx_msec_t ngx_http_katalo_retry_number_msec(
    ngx_http_katalo_retry_number_t *number);


/* at the end of the text it may go on */

ngx_int_t
ngx_http_katalo_retry_number(u_char **text, u_char *last, ngx_msec_t *msec)
{
    u_char                          *p, *digits;
    ngx_uint_t                       negative;
    ngx_http_katalo_retry_number_t   number;

    number.n = 0;
    number.scale = 3;

    p = *text;

    negative = (p < last && *p == '-');
    digits = p + negative;

    p = ngx_http_katalo_retry_number_digits(digits, last, &number);

    if (p == digits || (*digits == '0' && p - digits > 1)) {
        return NGX_ERROR;
    }

    p = ngx_http_katalo_retry_number_fraction(p, last, &number);

    if (p) {
        p = ngx_http_katalo_retry_number_exponent(p, last, &number);
    }

    if (p == NULL || p == last) {
        return NGX_ERROR;
    }

    switch (*p) {

    case ' ':
    case '\t':
    case CR:
    case LF:
    case ',':
    case ']':
    case '}':
        *text = p;
        *msec = negative ? 0 : ngx_http_katalo_retry_number_msec(&number);

        return NGX_OK;

    default:
        return NGX_ERROR;
    }
}


/* returns the end of the digits */

static u_char *
ngx_http_katalo_retry_number_digits(u_char *p, u_char *last,
    ngx_http_katalo_retry_number_t *number)
{
    u_char  c;

    for ( /* void */ ; p < last && *p >= '0' && *p <= '9'; p++) {
        c = *p - '0';

        if (number->n < NGX_HTTP_KATALO_RETRY_LIMIT) {
            number->n = number->n * 10 + c;

        } else {
            number->n |= (c != 0);
            number->scale++;
        }
    }

    return p;
}


/* NULL: digits are missing */

static u_char *
ngx_http_katalo_retry_number_fraction(u_char *p, u_char *last,
    ngx_http_katalo_retry_number_t *number)
{
    u_char  *digits;

    if (p == last || *p != '.') {
        return p;
    }

    digits = ++p;

    p = ngx_http_katalo_retry_number_digits(digits, last, number);

    if (p == digits) {
        return NULL;
    }

    number->scale -= p - digits;

    return p;
}


static u_char *
ngx_http_katalo_retry_number_exponent(u_char *p, u_char *last,
    ngx_http_katalo_retry_number_t *number)
{
    u_char                          *digits;
    ngx_int_t                        power;
    ngx_uint_t                       negative;
    ngx_http_katalo_retry_number_t   exponent;

    if (p == last || (*p != 'e' && *p != 'E')) {
        return p;
    }

    p++;

    negative = (p < last && *p == '-');

    if (p < last && (*p == '-' || *p == '+')) {
        p++;
    }

    exponent.n = 0;
    exponent.scale = 0;

    digits = p;
    p = ngx_http_katalo_retry_number_digits(digits, last, &exponent);

    if (p == digits) {
        return NULL;
    }

    power = ngx_min(exponent.n, NGX_HTTP_KATALO_RETRY_EXPONENT);

    number->scale += negative ? -power : power;

    return p;
}


static ngx_msec_t
ngx_http_katalo_retry_number_msec(ngx_http_katalo_retry_number_t *number)
{
    uint64_t    n;
    ngx_int_t   scale;
    ngx_uint_t  rest;

    n = number->n;
    rest = 0;

    for (scale = number->scale; scale < 0 && n; scale++) {
        rest |= (n % 10 != 0);
        n /= 10;
    }

    n += rest;

    for ( /* void */ ; scale > 0 && n && n < NGX_HTTP_KATALO_RETRY_MAX;
         scale--)
    {
        n *= 10;
    }

    return ngx_min(n, NGX_HTTP_KATALO_RETRY_MAX);
}
