
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_retry_json.h"
#include "ngx_http_katalo_retry_number.h"


/* levels of objects and arrays; what is nested deeper is not read */
#define NGX_HTTP_KATALO_RETRY_DEPTH  32


typedef struct {
    u_char       end;       /* a bracket */
    ngx_uint_t   way;       /* members that have led here */
} ngx_http_katalo_retry_list_t;


typedef struct {
    u_char      *p;
    u_char      *last;

    /* objects and arrays that are open */
    ngx_http_katalo_retry_list_t
                 lists[NGX_HTTP_KATALO_RETRY_DEPTH];
    ngx_uint_t   depth;
    ngx_uint_t   opened;    /* just now */

    ngx_uint_t   way;       /* members that lead to the next value */
    ngx_int_t    found;     /* NGX_OK: "msec" is set */
    ngx_msec_t   msec;
} ngx_http_katalo_retry_json_t;


static ngx_int_t ngx_http_katalo_retry_json_value(
    ngx_http_katalo_retry_json_t *json);
static ngx_int_t ngx_http_katalo_retry_json_open(
    ngx_http_katalo_retry_json_t *json, u_char end);
static ngx_int_t ngx_http_katalo_retry_json_next(
    ngx_http_katalo_retry_json_t *json);
static ngx_int_t ngx_http_katalo_retry_json_member(
    ngx_http_katalo_retry_json_t *json, ngx_uint_t way);
static u_char ngx_http_katalo_retry_json_space(
    ngx_http_katalo_retry_json_t *json);
static ngx_int_t ngx_http_katalo_retry_json_string(
    ngx_http_katalo_retry_json_t *json, ngx_str_t *name, ngx_uint_t *same);
static ngx_int_t ngx_http_katalo_retry_json_character(
    ngx_http_katalo_retry_json_t *json);
static ngx_int_t ngx_http_katalo_retry_json_word(
    ngx_http_katalo_retry_json_t *json);


/* the members that lead to the number, on as many levels */

static ngx_str_t  ngx_http_katalo_retry_json_way[] = {
    ngx_string("error"),
    ngx_string("retry_after")
};


#define NGX_HTTP_KATALO_RETRY_WAY                                             \
    (sizeof(ngx_http_katalo_retry_json_way) / sizeof(ngx_str_t))

/* of a value that is not on the way */
#define NGX_HTTP_KATALO_RETRY_ASIDE     ((ngx_uint_t) -1)


ngx_int_t
ngx_http_katalo_retry_json(u_char *p, u_char *last, ngx_msec_t *msec)
{
    ngx_http_katalo_retry_json_t  json;

    json.p = p;
    json.last = last;
    json.depth = 0;
    json.opened = 0;
    json.way = 0;
    json.found = NGX_DECLINED;
    json.msec = 0;

    while (ngx_http_katalo_retry_json_value(&json) == NGX_OK
           && ngx_http_katalo_retry_json_next(&json) == NGX_OK)
    {
        /* void */
    }

    *msec = json.msec;

    return json.found;
}


/*
 * Each of these functions returns NGX_ERROR where the text ends, or is no
 * JSON.  An object or array is opened, other values are read.
 */

static ngx_int_t
ngx_http_katalo_retry_json_value(ngx_http_katalo_retry_json_t *json)
{
    u_char      c;
    ngx_int_t   rc;
    ngx_msec_t  msec;

    c = ngx_http_katalo_retry_json_space(json);

    /* a member that comes again takes the place of the one before */

    if (json->way != NGX_HTTP_KATALO_RETRY_ASIDE) {
        json->found = NGX_DECLINED;
    }

    if (c == '-' || (c >= '0' && c <= '9')) {
        rc = ngx_http_katalo_retry_number(&json->p, json->last, &msec);

        if (rc == NGX_OK && json->way == NGX_HTTP_KATALO_RETRY_WAY) {
            json->found = NGX_OK;
            json->msec = msec;
        }

        return rc;
    }

    switch (c) {

    case '{':
        return ngx_http_katalo_retry_json_open(json, '}');

    case '[':
        return ngx_http_katalo_retry_json_open(json, ']');

    case '"':
        return ngx_http_katalo_retry_json_string(json, NULL, NULL);

    default:
        return ngx_http_katalo_retry_json_word(json);
    }
}


static ngx_int_t
ngx_http_katalo_retry_json_open(ngx_http_katalo_retry_json_t *json, u_char end)
{
    ngx_http_katalo_retry_list_t  *list;

    if (json->depth == NGX_HTTP_KATALO_RETRY_DEPTH) {
        return NGX_ERROR;
    }

    list = &json->lists[json->depth++];

    list->end = end;
    list->way = json->way;

    json->p++;
    json->opened = 1;

    return NGX_OK;
}


/* goes to the next value; NGX_DONE: there is none */

static ngx_int_t
ngx_http_katalo_retry_json_next(ngx_http_katalo_retry_json_t *json)
{
    u_char                         c;
    ngx_uint_t                     opened;
    ngx_http_katalo_retry_list_t  *list;

    for ( ;; ) {

        if (json->depth == 0) {
            return NGX_DONE;
        }

        list = &json->lists[json->depth - 1];
        c = ngx_http_katalo_retry_json_space(json);

        opened = json->opened;
        json->opened = 0;

        if (c == list->end) {
            json->p++;
            json->depth--;
            continue;
        }

        if (!opened) {
            if (c != ',') {
                return NGX_ERROR;
            }

            json->p++;
        }

        if (list->end == '}') {
            return ngx_http_katalo_retry_json_member(json, list->way);
        }

        json->way = NGX_HTTP_KATALO_RETRY_ASIDE;

        return NGX_OK;
    }
}


/* the name of a member, and the colon */

static ngx_int_t
ngx_http_katalo_retry_json_member(ngx_http_katalo_retry_json_t *json,
    ngx_uint_t way)
{
    ngx_str_t   *name;
    ngx_uint_t   same;

    name = (way < NGX_HTTP_KATALO_RETRY_WAY)
           ? &ngx_http_katalo_retry_json_way[way] : NULL;

    same = 0;

    if (ngx_http_katalo_retry_json_space(json) != '"'
        || ngx_http_katalo_retry_json_string(json, name, &same) != NGX_OK
        || ngx_http_katalo_retry_json_space(json) != ':')
    {
        return NGX_ERROR;
    }

    json->p++;

    json->way = same ? way + 1 : NGX_HTTP_KATALO_RETRY_ASIDE;

    return NGX_OK;
}


/* the next byte that is no white space, or 0 at the end */

static u_char
ngx_http_katalo_retry_json_space(ngx_http_katalo_retry_json_t *json)
{
    u_char  *p;

    for (p = json->p; p < json->last; p++) {

        if (*p != ' ' && *p != '\t' && *p != CR && *p != LF) {
            break;
        }
    }

    json->p = p;

    return p < json->last ? *p : '\0';
}


/* "same" tells whether it is the name */

static ngx_int_t
ngx_http_katalo_retry_json_string(ngx_http_katalo_retry_json_t *json,
    ngx_str_t *name, ngx_uint_t *same)
{
    size_t      i;
    ngx_int_t   ch;
    ngx_uint_t  equal;

    equal = 1;

    json->p++;

    for (i = 0; json->p < json->last && *json->p != '"'; i++) {

        ch = ngx_http_katalo_retry_json_character(json);

        if (ch == NGX_ERROR) {
            return NGX_ERROR;
        }

        equal = equal && name && i < name->len && name->data[i] == ch;
    }

    if (json->p == json->last) {
        return NGX_ERROR;
    }

    json->p++;

    if (name) {
        *same = equal && i == name->len;
    }

    return NGX_OK;
}


/* a byte, or what an escape stands for */

static ngx_int_t
ngx_http_katalo_retry_json_character(ngx_http_katalo_retry_json_t *json)
{
    u_char     *p, c;
    ngx_int_t   ch;

    static u_char  escaped[] = "\"\\/bfnrt";
    static u_char  meant[] = "\"\\/\b\f\n\r\t";

    c = *json->p++;

    if (c != '\\') {
        return c < 0x20 ? NGX_ERROR : c;
    }

    if (json->p == json->last) {
        return NGX_ERROR;
    }

    c = *json->p++;

    if (c == 'u') {
        if (json->last - json->p < 4) {
            return NGX_ERROR;
        }

        ch = ngx_hextoi(json->p, 4);
        json->p += 4;

        return ch;
    }

    p = ngx_strlchr(escaped, escaped + sizeof(escaped) - 1, c);

    return p ? meant[p - escaped] : NGX_ERROR;
}


static ngx_int_t
ngx_http_katalo_retry_json_word(ngx_http_katalo_retry_json_t *json)
{
    ngx_str_t  *word;

    static ngx_str_t  words[] = {
        ngx_string("null"),
        ngx_string("true"),
        ngx_string("false"),
        ngx_null_string
    };

    for (word = words; word->len; word++) {

        if ((size_t) (json->last - json->p) >= word->len
            && ngx_memcmp(json->p, word->data, word->len) == 0)
        {
            json->p += word->len;
            return NGX_OK;
        }
    }

    return NGX_ERROR;
}
