
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * RFC 8259, to the letter: what is not in its grammar, a name that is twice in
 * an object, and what is not UTF-8 (RFC 3629) ends the harness.  A value has
 * the names and indices that lead to it for a name, with "/" before each.
 */


#include "fuzz.h"


#define FUZZ_DEPTH  10


static char *fuzz_document_value(char *p, size_t path, ngx_uint_t depth);
static char *fuzz_document_object(char *p, size_t path, ngx_uint_t depth);
static char *fuzz_document_array(char *p, size_t path, ngx_uint_t depth);
static char *fuzz_document_string(char *p, char *buf, size_t max,
    size_t *len);
static char *fuzz_document_escape(char *p, char *buf, size_t *len);
static size_t fuzz_document_utf8(u_char *p);
static char *fuzz_document_number(char *p);
static char *fuzz_document_blank(char *p);


static char    fuzz_document_path[256];

/* strings, decoded, in quotes */
static char    fuzz_document_text[65536];
static size_t  fuzz_document_len;


void
fuzz_json(char *text)
{
    char  *p;

    fuzz_values_clear();
    fuzz_document_len = 0;

    p = fuzz_document_value(fuzz_document_blank(text), 0, 0);
    p = fuzz_document_blank(p);

    fuzz_check(*p == '\0', "after the end: %s", p);
}


static char *
fuzz_document_value(char *p, size_t path, ngx_uint_t depth)
{
    char    *start, *text;
    size_t   len;

    fuzz_check(depth < FUZZ_DEPTH, "too deep");

    start = p;

    if (*p == '"') {
        text = fuzz_document_text + fuzz_document_len;
        p = fuzz_document_string(p, text + 1, sizeof(fuzz_document_text)
                                              - fuzz_document_len - 2, &len);
        text[0] = '"';
        text[len + 1] = '"';
        fuzz_document_len += len + 2;

        fuzz_value_add(fuzz_document_path, path, text, text + len + 2);

        return p;
    }

    if (*p == '{') {
        p = fuzz_document_object(p + 1, path, depth + 1);

    } else if (*p == '[') {
        p = fuzz_document_array(p + 1, path, depth + 1);

    } else if (strncmp(p, "true", 4) == 0 || strncmp(p, "null", 4) == 0) {
        p += 4;

    } else if (strncmp(p, "false", 5) == 0) {
        p += 5;

    } else {
        p = fuzz_document_number(p);
    }

    fuzz_value_add(fuzz_document_path, path, start, p);

    return p;
}


static char *
fuzz_document_object(char *p, size_t path, ngx_uint_t depth)
{
    size_t  len;

    p = fuzz_document_blank(p);

    if (*p == '}') {
        return p + 1;
    }

    for ( ;; ) {
        fuzz_check(*p == '"', "a name: %s", p);

        fuzz_document_path[path] = '/';
        p = fuzz_document_string(p, fuzz_document_path + path + 1,
                                 sizeof(fuzz_document_path) - path - 1, &len);
        p = fuzz_document_blank(p);

        fuzz_check(*p == ':', "no colon: %s", p);

        p = fuzz_document_blank(p + 1);
        p = fuzz_document_value(p, path + 1 + len, depth);
        p = fuzz_document_blank(p);

        if (*p == '}') {
            return p + 1;
        }

        fuzz_check(*p == ',', "no comma: %s", p);
        p = fuzz_document_blank(p + 1);
    }
}


static char *
fuzz_document_array(char *p, size_t path, ngx_uint_t depth)
{
    int         len;
    ngx_uint_t  i;

    p = fuzz_document_blank(p);

    if (*p == ']') {
        return p + 1;
    }

    for (i = 0; /* void */; i++) {
        len = snprintf(fuzz_document_path + path,
                       sizeof(fuzz_document_path) - path, "/%d", (int) i);

        p = fuzz_document_value(p, path + len, depth);
        p = fuzz_document_blank(p);

        if (*p == ']') {
            return p + 1;
        }

        fuzz_check(*p == ',', "no comma: %s", p);
        p = fuzz_document_blank(p + 1);
    }
}


/* what it decodes to goes to buf */

static char *
fuzz_document_string(char *p, char *buf, size_t max, size_t *len)
{
    size_t  n;

    *len = 0;

    for (p++; *p != '"'; /* void */ ) {
        fuzz_check((u_char) *p >= 0x20 && *len + 4 < max, "in a string: %s", p);

        if (*p == '\\') {
            p = fuzz_document_escape(p + 1, buf, len);
            continue;
        }

        n = fuzz_document_utf8((u_char *) p);
        fuzz_check(n, "no UTF-8: %s", p);

        ngx_memcpy(buf + *len, p, n);
        *len += n;
        p += n;
    }

    return p + 1;
}


static char *
fuzz_document_escape(char *p, char *buf, size_t *len)
{
    char      *found, hex[5];
    unsigned   ch;

    static char  names[] = "\"\\/bfnrt";
    static char  bytes[] = "\"\\/\b\f\n\r\t";

    if (*p != 'u') {
        found = *p ? strchr(names, *p) : NULL;
        fuzz_check(found, "an escape: %s", p);

        buf[(*len)++] = bytes[found - names];

        return p + 1;
    }

    ngx_memzero(hex, sizeof(hex));
    (void) strncpy(hex, p + 1, 4);

    fuzz_check(strspn(hex, "0123456789abcdefABCDEF") == 4, "an escape: %s", p);

    ch = strtoul(hex, NULL, 16);

    /* no name or id has any of these, so no pair of them is put together */

    fuzz_check(ch < 0xd800 || ch > 0xdfff, "half of a pair: %s", p);

    if (ch < 0x80) {
        buf[(*len)++] = ch;

    } else if (ch < 0x800) {
        buf[(*len)++] = 0xc0 | ch >> 6;
        buf[(*len)++] = 0x80 | (ch & 0x3f);

    } else {
        buf[(*len)++] = 0xe0 | ch >> 12;
        buf[(*len)++] = 0x80 | (ch >> 6 & 0x3f);
        buf[(*len)++] = 0x80 | (ch & 0x3f);
    }

    return p + 5;
}


/* bytes of the character at p, 0 if it is none */

static size_t
fuzz_document_utf8(u_char *p)
{
    size_t    i, n;
    uint32_t  ch;

    static uint32_t  least[] = { 0, 0, 0x80, 0x800, 0x10000 };

    if (p[0] < 0x80) {
        return 1;
    }

    n = (p[0] >= 0xf0) ? 4 : (p[0] >= 0xe0) ? 3 : 2;

    if (p[0] < 0xc0 || p[0] > 0xf4) {
        return 0;
    }

    ch = p[0] & (0x7f >> n);

    for (i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }

        ch = ch << 6 | (p[i] & 0x3f);
    }

    return (ch < least[n] || ch > 0x10ffff || (ch >= 0xd800 && ch <= 0xdfff))
           ? 0 : n;
}


static char *
fuzz_document_number(char *p)
{
    size_t       n;
    char        *start;
    const char  *digits = "0123456789";

    start = p;
    p += (*p == '-');

    n = strspn(p, digits);
    fuzz_check(n && (n == 1 || *p != '0'), "a number: %s", start);
    p += n;

    if (*p == '.') {
        n = strspn(p + 1, digits);
        fuzz_check(n, "a number: %s", start);
        p += 1 + n;
    }

    if (*p == 'e' || *p == 'E') {
        p++;
        p += (*p == '-' || *p == '+');
        n = strspn(p, digits);
        fuzz_check(n, "a number: %s", start);
        p += n;
    }

    return p;
}


static char *
fuzz_document_blank(char *p)
{
    return p + strspn(p, " \t\r\n");
}
