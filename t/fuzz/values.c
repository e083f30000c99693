
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * What was read from a page: values by name, in a hash table of which all is
 * forgotten at once.
 */


#include "fuzz.h"


#define FUZZ_VALUES  2048


typedef struct {
    ngx_uint_t    page;             /* the one that it is of */
    size_t        len;
    char          name[1024];
    const char   *value;
    const char   *end;
} fuzz_value_t;


static fuzz_value_t *fuzz_value_find(const char *name, size_t len);


static ngx_uint_t    fuzz_page;
static ngx_uint_t    fuzz_values_n;
static fuzz_value_t  fuzz_values[FUZZ_VALUES];


void
fuzz_values_clear(void)
{
    fuzz_page++;
    fuzz_values_n = 0;
}


void
fuzz_value_add(const char *name, size_t len, const char *value,
    const char *end)
{
    fuzz_value_t  *v;

    v = fuzz_value_find(name, len);

    fuzz_check(v->page != fuzz_page, "twice: %.*s", (int) len, name);
    fuzz_check(++fuzz_values_n < FUZZ_VALUES / 2, "too many values");

    v->page = fuzz_page;
    v->len = len;
    v->value = value;
    v->end = end;

    ngx_memcpy(v->name, name, len);
}


void
fuzz_value_number(const char *name, uint64_t expected)
{
    char          *end;
    fuzz_value_t  *value;

    value = fuzz_value_find(name, strlen(name));

    fuzz_check(value->page == fuzz_page
               && strtoull(value->value, &end, 10) == expected
               && end == value->end, "%s is not %llu", name,
               (unsigned long long) expected);
}


void
fuzz_value_literal(const char *name, const char *expected)
{
    size_t         len;
    fuzz_value_t  *value;

    value = fuzz_value_find(name, strlen(name));
    len = strlen(expected);

    fuzz_check(value->page == fuzz_page
               && (size_t) (value->end - value->value) == len
               && memcmp(value->value, expected, len) == 0, "%s is not %s",
               name, expected);
}


void
fuzz_value_string(const char *name, ngx_str_t *expected)
{
    char  text[1024];

    (void) snprintf(text, sizeof(text), "\"%.*s\"", (int) expected->len,
                    expected->data);

    fuzz_value_literal(name, text);
}


ngx_uint_t
fuzz_value_has(const char *name)
{
    return fuzz_value_find(name, strlen(name))->page == fuzz_page;
}


/* where the value of this name is, or is to be; FNV-1a */

static fuzz_value_t *
fuzz_value_find(const char *name, size_t len)
{
    size_t         i;
    uint32_t       hash;
    fuzz_value_t  *value;

    hash = 2166136261;

    for (i = 0; i < len; i++) {
        hash = (hash ^ (u_char) name[i]) * 16777619;
    }

    for (i = 0; /* void */; i++) {
        value = &fuzz_values[(hash + i) % FUZZ_VALUES];

        if (value->page != fuzz_page
            || (value->len == len && memcmp(value->name, name, len) == 0))
        {
            return value;
        }
    }
}
