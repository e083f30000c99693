
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * The name of a consumer as it is counted, shown and passed on.
 *
 * Printable ASCII stands for itself.  Any other byte is "\xc2\xa7", the section
 * sign, and two hexadecimal digits: no name has a control character, all are
 * valid UTF-8, and two different values never have the same name.  A sign that
 * is no printable ASCII makes that possible: no printable one is left over.
 *
 * A longer name is its beginning, "~" and 32 hexadecimal digits of the SHA-256
 * of the value.  A value that looks like such a name is taken for a longer one,
 * and "*", which stands for other consumers, is escaped.
 */


#ifndef _NGX_HTTP_KATALO_CONSUMER_NAME_H_INCLUDED_
#define _NGX_HTTP_KATALO_CONSUMER_NAME_H_INCLUDED_


#include "ngx_http_katalo.h"


/* bytes that stand for one that is escaped */
#define NGX_HTTP_KATALO_CONSUMER_ESCAPE  4

/* so many printable bytes cannot look like a name that was cut */
#define NGX_HTTP_KATALO_CONSUMER_PLAIN                                        \
    (NGX_HTTP_KATALO_CONSUMER_LEN - NGX_HTTP_KATALO_CONSUMER_ESCAPE)

/* bytes that are left of a name that is longer */
#define NGX_HTTP_KATALO_CONSUMER_BEGIN   95


#define ngx_http_katalo_consumer_plain(c)  ((c) >= 0x20 && (c) <= 0x7e)

/* the highest bit of a byte is set if it, or a lower one, is not plain */
#define ngx_http_katalo_consumer_other_bits(w)                                \
    ((w) | ((w) - 0x2020202020202020) | ((w) + 0x0101010101010101))


/*
 * The hash of a name, or of a value: "plain" is not 0 if the value is its own
 * name, which is not found out for less than eight bytes.  With a seed that is
 * random, clients cannot choose names whose hashes are alike.
 */

static ngx_inline uint64_t
ngx_http_katalo_consumer_name_hash(ngx_str_t *name, uint64_t seed,
    ngx_uint_t *plain)
{
    u_char    *p, *last;
    size_t     len;
    uint64_t   w, hash, other;

    p = name->data;
    len = name->len;
    hash = seed + len;

    if (len < sizeof(w)) {
        *plain = 0;
        w = 0;

        while (len--) {
            w = w << 8 | *p++;
        }

    } else {
        last = p + len - sizeof(w);
        other = 0;

        for ( /* void */ ; p < last; p += sizeof(w)) {
            ngx_memcpy(&w, p, sizeof(w));

            other |= ngx_http_katalo_consumer_other_bits(w);
            hash = (hash ^ w) * 0x9e3779b97f4a7c15;
            hash ^= hash >> 32;
        }

        ngx_memcpy(&w, last, sizeof(w));

        other |= ngx_http_katalo_consumer_other_bits(w);
        *plain = (other & 0x8080808080808080) == 0
                 && len <= NGX_HTTP_KATALO_CONSUMER_PLAIN;
    }

    hash = (hash ^ w) * 0x9e3779b97f4a7c15;

    return hash ^ hash >> 32;
}


/*
 * As ngx_memcmp() == 0, without a call: words from the end to the beginning,
 * where the last one may overlap the one before.
 */

static ngx_inline ngx_uint_t
ngx_http_katalo_consumer_name_same(u_char *one, u_char *two, size_t len)
{
    uint64_t  w, v;

    if (len < sizeof(w)) {
        return ngx_memcmp(one, two, len) == 0;
    }

    for ( /* void */ ; len > sizeof(w); len -= sizeof(w)) {
        ngx_memcpy(&w, one + len - sizeof(w), sizeof(w));
        ngx_memcpy(&v, two + len - sizeof(v), sizeof(v));

        if (w != v) {
            return 0;
        }
    }

    ngx_memcpy(&w, one, sizeof(w));
    ngx_memcpy(&v, two, sizeof(v));

    return w == v;
}


/*
 * The name of a value that is not empty.  It may be the value's own memory, or
 * is from the pool.
 */
ngx_int_t ngx_http_katalo_consumer_name(ngx_pool_t *pool, ngx_str_t *value,
    ngx_str_t *name);


#endif /* _NGX_HTTP_KATALO_CONSUMER_NAME_H_INCLUDED_ */
