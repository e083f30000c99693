
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * RFC 9110, 12.5.1.  Each media type that a format answers to has the weight
 * of the most exact range that matches it.  The heaviest type wins; of several,
 * the one whose range is more exact, or else comes first in the header, or else
 * belongs to the first format.  Parameters of a range are not compared.
 */


#include "ngx_http_katalo_status.h"


#define NGX_HTTP_KATALO_RANGE_ANY      1
#define NGX_HTTP_KATALO_RANGE_SUBTYPE  2
#define NGX_HTTP_KATALO_RANGE_EXACT    3


typedef struct {
    ngx_str_t                        type;      /* without parameters */
    ngx_uint_t                       weight;    /* in thousandths */
} ngx_http_katalo_range_t;


static ngx_int_t ngx_http_katalo_status_accept_parse(ngx_array_t *ranges,
    ngx_str_t *value);
static ngx_int_t ngx_http_katalo_status_accept_range(ngx_array_t *ranges,
    u_char *p, u_char *last);
static ngx_uint_t ngx_http_katalo_status_accept_weight(u_char *p,
    u_char *last);
static u_char *ngx_http_katalo_status_accept_next(u_char *p, u_char *last,
    u_char separator);
static ngx_http_katalo_range_t *ngx_http_katalo_status_accept_find(
    ngx_array_t *ranges, ngx_str_t *type, ngx_uint_t *exact);
static ngx_uint_t ngx_http_katalo_status_accept_match(ngx_str_t *range,
    ngx_str_t *type);


ngx_http_katalo_status_format_t *
ngx_http_katalo_status_accept(ngx_http_request_t *r,
    ngx_http_katalo_status_format_t *formats)
{
    ngx_str_t                        *type;
    ngx_uint_t                        i, exact, rank, best_rank;
    ngx_array_t                       ranges;
    ngx_list_part_t                  *part;
    ngx_table_elt_t                  *header;
    ngx_http_katalo_range_t          *range, *best_range;
    ngx_http_katalo_status_format_t  *format, *best;

    if (ngx_array_init(&ranges, r->pool, 8, sizeof(ngx_http_katalo_range_t))
        != NGX_OK)
    {
        return NULL;
    }

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        header = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (header[i].key.len == 6
                && ngx_strncasecmp(header[i].key.data, (u_char *) "Accept", 6)
                   == 0
                && ngx_http_katalo_status_accept_parse(&ranges,
                                                       &header[i].value)
                   != NGX_OK)
            {
                return NULL;
            }
        }
    }

    best = formats;
    best_rank = 0;
    best_range = NULL;

    for (format = formats; format->name.len; format++) {

        for (type = format->types; type->len; type++) {
            range = ngx_http_katalo_status_accept_find(&ranges, type, &exact);

            if (range == NULL || range->weight == 0) {
                continue;
            }

            rank = range->weight * 4 + exact;

            if (rank > best_rank || (rank == best_rank && range < best_range))
            {
                best = format;
                best_rank = rank;
                best_range = range;
            }
        }
    }

    return best;
}


static ngx_int_t
ngx_http_katalo_status_accept_parse(ngx_array_t *ranges, ngx_str_t *value)
{
    u_char  *p, *end, *last;

    last = value->data + value->len;

    for (p = value->data; p < last; p = end + 1) {
        end = ngx_http_katalo_status_accept_next(p, last, ',');

        if (ngx_http_katalo_status_accept_range(ranges, p, end) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_katalo_status_accept_range(ngx_array_t *ranges, u_char *p,
    u_char *last)
{
    u_char                   *end;
    ngx_http_katalo_range_t  *range;

    range = ngx_array_push(ranges);
    if (range == NULL) {
        return NGX_ERROR;
    }

    end = ngx_http_katalo_status_accept_next(p, last, ';');

    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }

    range->type.data = p;

    while (p < end && *p != ' ' && *p != '\t') {
        p++;
    }

    range->type.len = p - range->type.data;
    range->weight = 1000;

    while (end < last) {
        p = end + 1;
        end = ngx_http_katalo_status_accept_next(p, last, ';');

        while (p < end && (*p == ' ' || *p == '\t')) {
            p++;
        }

        if (end - p >= 2 && (*p == 'q' || *p == 'Q') && p[1] == '=') {
            range->weight = ngx_http_katalo_status_accept_weight(p + 2, end);
        }
    }

    return NGX_OK;
}


/* a weight that is none takes the range away */

static ngx_uint_t
ngx_http_katalo_status_accept_weight(u_char *p, u_char *last)
{
    ngx_int_t  weight;

    while (last > p && (last[-1] == ' ' || last[-1] == '\t')) {
        last--;
    }

    weight = ngx_atofp(p, last - p, 3);

    return (weight == NGX_ERROR || weight > 1000) ? 0 : weight;
}


/* the next separator that is in no quoted string, or the end */

static u_char *
ngx_http_katalo_status_accept_next(u_char *p, u_char *last, u_char separator)
{
    ngx_uint_t  quoted;

    quoted = 0;

    for ( /* void */ ; p < last; p++) {

        if (*p == separator && !quoted) {
            break;
        }

        if (*p == '"') {
            quoted = !quoted;

        } else if (*p == '\\' && quoted && last - p > 1) {
            p++;
        }
    }

    return p;
}


/* the range that says most about the type; the heaviest of its kind */

static ngx_http_katalo_range_t *
ngx_http_katalo_status_accept_find(ngx_array_t *ranges, ngx_str_t *type,
    ngx_uint_t *exact)
{
    ngx_uint_t                i, n;
    ngx_http_katalo_range_t  *range, *found;

    *exact = 0;
    found = NULL;
    range = ranges->elts;

    for (i = 0; i < ranges->nelts; i++) {
        n = ngx_http_katalo_status_accept_match(&range[i].type, type);

        if (n > *exact
            || (found && n == *exact && range[i].weight > found->weight))
        {
            *exact = n;
            found = &range[i];
        }
    }

    return found;
}


static ngx_uint_t
ngx_http_katalo_status_accept_match(ngx_str_t *range, ngx_str_t *type)
{
    size_t  len;

    if (range->len == 3 && ngx_strncmp(range->data, "*/*", 3) == 0) {
        return NGX_HTTP_KATALO_RANGE_ANY;
    }

    len = range->len;

    if (len > 2 && range->data[len - 1] == '*' && range->data[len - 2] == '/')
    {
        len--;

        return (type->len > len
                && ngx_strncasecmp(range->data, type->data, len) == 0)
               ? NGX_HTTP_KATALO_RANGE_SUBTYPE : 0;
    }

    return (type->len == len
            && ngx_strncasecmp(range->data, type->data, len) == 0)
           ? NGX_HTTP_KATALO_RANGE_EXACT : 0;
}
