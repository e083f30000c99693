
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* What is looked for in the text of the configuration, for messages. */


#include "ngx_http_katalo_conf_error.h"
#include "ngx_http_katalo_conf_scan.h"
#include "ngx_http_katalo_conf_text.h"
#include "ngx_http_katalo_key.h"
#include "ngx_http_katalo_proxy.h"


static void ngx_http_katalo_conf_text_literal_handler(
    ngx_http_katalo_conf_scan_t *scan, ngx_str_t *words, ngx_uint_t n);
static ngx_uint_t ngx_http_katalo_conf_text_literal(ngx_str_t *word);
static void ngx_http_katalo_conf_text_authorization_handler(
    ngx_http_katalo_conf_scan_t *scan, ngx_str_t *words, ngx_uint_t n);
static void ngx_http_katalo_conf_text_cache_handler(
    ngx_http_katalo_conf_scan_t *scan, ngx_str_t *words, ngx_uint_t n);
static ngx_uint_t ngx_http_katalo_conf_text_cache_has(ngx_str_t *text,
    ngx_str_t *names);
static ngx_uint_t ngx_http_katalo_conf_text_variable(ngx_str_t *text,
    ngx_str_t *name);


void
ngx_http_katalo_conf_text_literals(ngx_cycle_t *cycle)
{
    ngx_http_katalo_conf_scan(cycle, ngx_http_katalo_conf_text_literal_handler,
                              NULL);
}


static void
ngx_http_katalo_conf_text_literal_handler(
    ngx_http_katalo_conf_scan_t *scan, ngx_str_t *words, ngx_uint_t n)
{
    ngx_uint_t  i;

    if (n == 0 && ngx_http_katalo_conf_text_literal(words)) {
        ngx_http_katalo_conf_warn(scan->cycle->log, &scan->place,
            "a Katalo key is written in a comment of the configuration: "
            "whoever reads that has it; remove it, and rotate the key if it "
            "is in use");
    }

    for (i = 0; i < n; i++) {

        if (ngx_http_katalo_conf_text_literal(&words[i])) {
            ngx_http_katalo_conf_warn(scan->cycle->log, &scan->place,
                "a Katalo key is written in the configuration: whoever reads "
                "that has it; put the key into a file and use \"katalo_key "
                "NAME file:PATH\"");
            return;
        }
    }
}


/* a path may have such a part */

static ngx_uint_t
ngx_http_katalo_conf_text_literal(ngx_str_t *word)
{
    u_char  *p, *id, *dot, *last;

    last = word->data + word->len;

    for (p = word->data; /* void */ ; p = id) {
        p = ngx_strlcasestrn(p, last, (u_char *) NGX_HTTP_KATALO_TOKEN,
                             sizeof(NGX_HTTP_KATALO_TOKEN) - 2);
        if (p == NULL) {
            return 0;
        }

        id = p + sizeof(NGX_HTTP_KATALO_TOKEN) - 1;
        dot = ngx_http_katalo_key_word(id, last);

        if ((p == word->data || p[-1] != '/')
            && dot > id && dot < last && *dot == '.'
            && ngx_http_katalo_key_word(dot + 1, last) > dot + 1)
        {
            return 1;
        }
    }
}


void
ngx_http_katalo_conf_text_authorization(ngx_conf_t *cf, ngx_str_t *places)
{
    ngx_http_katalo_conf_scan(cf->cycle,
                              ngx_http_katalo_conf_text_authorization_handler,
                              places);
}


/* all of them: which one applies is not known here */

static void
ngx_http_katalo_conf_text_authorization_handler(
    ngx_http_katalo_conf_scan_t *scan, ngx_str_t *words, ngx_uint_t n)
{
    u_char     *p;
    ngx_str_t  *places = scan->data;

    if (n < 2
        || ngx_strcmp(words[0].data, "proxy_set_header") != 0
        || ngx_strcasecmp(words[1].data, (u_char *) "Authorization") != 0)
    {
        return;
    }

    p = ngx_slprintf(places->data + places->len,
                     places->data + NGX_HTTP_KATALO_CONF_PLACES,
                     "%s%V:%ui", places->len ? ", " : "",
                     &scan->place.file, scan->place.line);

    places->len = p - places->data;
}


/* what Katalo answered to one key is not for clients of another */

void
ngx_http_katalo_conf_text_cache(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf)
{
    ngx_str_t                     bearer;
    ngx_uint_t                    i;
    ngx_http_katalo_loc_conf_t  **klcf;

    klcf = kmcf->locations.elts;

    for (i = 0; i < kmcf->locations.nelts; i++) {

        if (!klcf[i]->enabled || klcf[i]->variable == NULL
#if (NGX_HTTP_CACHE)
            || ngx_http_katalo_proxy_upstream(klcf[i])->cache != 1
#else
            || 1
#endif
           )
        {
            continue;
        }

        bearer = klcf[i]->bearer;

        ngx_http_katalo_conf_scan(cf->cycle,
                                  ngx_http_katalo_conf_text_cache_handler,
                                  &bearer);

        if (bearer.data) {
            ngx_http_katalo_conf_warn(cf->log, &klcf[i]->place,
                "\"proxy_cache\" would answer clients with what was got with "
                "another key than \"katalo_bearer %V\" gives them, add "
                "\"$katalo_key\" to \"proxy_cache_key\"", &bearer);
        }

        return;
    }
}


/* no data: a "proxy_cache_key" with the key's name was found */

static void
ngx_http_katalo_conf_text_cache_handler(
    ngx_http_katalo_conf_scan_t *scan, ngx_str_t *words, ngx_uint_t n)
{
    ngx_str_t  *bearer = scan->data;

    static ngx_str_t  key = ngx_string("$katalo_key");

    if (n > 1
        && ngx_strcmp(words[0].data, "proxy_cache_key") == 0
        && (ngx_http_katalo_conf_text_cache_has(&words[1], &key)
            || ngx_http_katalo_conf_text_cache_has(&words[1], bearer)))
    {
        ngx_str_null(bearer);
    }
}


/* are all variables that are in the names in the text? */

static ngx_uint_t
ngx_http_katalo_conf_text_cache_has(ngx_str_t *text, ngx_str_t *names)
{
    ngx_str_t  rest, name, others, other;

    rest = *names;

    while (ngx_http_katalo_conf_text_variable(&rest, &name)) {
        others = *text;

        do {
            if (!ngx_http_katalo_conf_text_variable(&others, &other)) {
                return 0;
            }

        } while (other.len != name.len
                 || ngx_strncasecmp(other.data, name.data, name.len) != 0);
    }

    return 1;
}


/* takes the next variable off the text */

static ngx_uint_t
ngx_http_katalo_conf_text_variable(ngx_str_t *text, ngx_str_t *name)
{
    u_char  *p, *last;

    last = text->data + text->len;

    p = ngx_strlchr(text->data, last, '$');

    if (p == NULL) {
        return 0;
    }

    p++;
    p += (p < last && *p == '{');

    for (name->data = p; p < last && (isalnum(*p) || *p == '_'); p++) {
        /* void */
    }

    name->len = p - name->data;

    text->data = p;
    text->len = last - p;

    return 1;
}
