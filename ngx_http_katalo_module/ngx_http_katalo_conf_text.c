
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * Reads the configuration files once more, line by line: nginx does not keep
 * what other modules' directives say, nor where.  Good for messages only, since
 * a file may have changed, and a directive may have several lines.  The memory
 * that a file was read into is wiped.
 */


#include "ngx_http_katalo_conf_error.h"
#include "ngx_http_katalo_conf_text.h"
#include "ngx_http_katalo_key.h"
#include "ngx_http_katalo_proxy.h"


/* bytes of a file, longer ones are data; of nested includes */
#define NGX_HTTP_KATALO_CONF_TEXT_SIZE   (1024 * 1024)
#define NGX_HTTP_KATALO_CONF_TEXT_DEPTH  10


typedef struct {
    ngx_cycle_t                   *cycle;
    ngx_str_t                     *data;       /* of the handler */
    void                         (*handler)(ngx_cycle_t *cycle,
                                      ngx_http_katalo_place_t *place,
                                      u_char *line, ngx_str_t *data);
    ngx_uint_t                     depth;      /* of includes */
} ngx_http_katalo_conf_text_t;


static void ngx_http_katalo_conf_text_file(ngx_http_katalo_conf_text_t *text,
    ngx_str_t *name);
static void ngx_http_katalo_conf_text_lines(ngx_http_katalo_conf_text_t *text,
    ngx_str_t *name, u_char *p, u_char *last);
static void ngx_http_katalo_conf_text_include(
    ngx_http_katalo_conf_text_t *text, u_char *line);
static u_char *ngx_http_katalo_conf_text_argument(u_char *line,
    const char *directive);
static void ngx_http_katalo_conf_text_literal(ngx_cycle_t *cycle,
    ngx_http_katalo_place_t *place, u_char *line, ngx_str_t *unused);
static void ngx_http_katalo_conf_text_header(ngx_cycle_t *cycle,
    ngx_http_katalo_place_t *place, u_char *line, ngx_str_t *places);
static void ngx_http_katalo_conf_text_cache_key(ngx_cycle_t *cycle,
    ngx_http_katalo_place_t *place, u_char *line, ngx_str_t *bearer);


/* NOLINTBEGIN(misc-no-recursion): files include files, to a limited depth */

static void
ngx_http_katalo_conf_text_file(ngx_http_katalo_conf_text_t *text,
    ngx_str_t *name)
{
    u_char           *buf;
    ssize_t           n;
    ngx_fd_t          fd;
    ngx_file_info_t   fi;

    fd = open((char *) name->data, O_RDONLY|O_NONBLOCK|O_CLOEXEC);

    if (fd == NGX_INVALID_FILE) {
        return;
    }

    if (ngx_fd_info(fd, &fi) != NGX_FILE_ERROR
        && ngx_is_file(&fi)
        && ngx_file_size(&fi) <= NGX_HTTP_KATALO_CONF_TEXT_SIZE)
    {
        buf = ngx_alloc(NGX_HTTP_KATALO_CONF_TEXT_SIZE + 1, text->cycle->log);

        if (buf) {
            n = read(fd, buf, NGX_HTTP_KATALO_CONF_TEXT_SIZE);

            if (n > 0) {
                ngx_http_katalo_conf_text_lines(text, name, buf, buf + n);
                ngx_explicit_memzero(buf, n);
            }

            ngx_free(buf);
        }
    }

    (void) ngx_close_file(fd);
}


static void
ngx_http_katalo_conf_text_lines(ngx_http_katalo_conf_text_t *text,
    ngx_str_t *name, u_char *p, u_char *last)
{
    u_char                   *end;
    ngx_http_katalo_place_t   place;

    place.file = *name;

    for (place.line = 1; p < last; place.line++) {
        end = ngx_strlchr(p, last, LF);
        end = end ? end : last;
        *end = '\0';

        text->handler(text->cycle, &place, p, text->data);
        ngx_http_katalo_conf_text_include(text, p);

        p = end + 1;
    }
}


static void
ngx_http_katalo_conf_text_include(ngx_http_katalo_conf_text_t *text,
    u_char *line)
{
    ngx_str_t   name, pattern;
    ngx_glob_t  gl;

    pattern.data = ngx_http_katalo_conf_text_argument(line, "include");

    if (pattern.data == NULL
        || text->depth == NGX_HTTP_KATALO_CONF_TEXT_DEPTH)
    {
        return;
    }

    pattern.len = strcspn((char *) pattern.data, " \t\"';");
    pattern.data[pattern.len] = '\0';

    if (ngx_conf_full_name(text->cycle, &pattern, 1) != NGX_OK) {
        return;
    }

    ngx_memzero(&gl, sizeof(ngx_glob_t));

    gl.pattern = pattern.data;
    gl.log = text->cycle->log;
    gl.test = 1;

    if (ngx_open_glob(&gl) != NGX_OK) {
        return;
    }

    text->depth++;

    while (ngx_read_glob(&gl, &name) == NGX_OK) {
        ngx_http_katalo_conf_text_file(text, &name);
    }

    text->depth--;

    ngx_close_glob(&gl);
}

/* NOLINTEND(misc-no-recursion) */


/* the first argument of a directive, without its quote; NULL: none */

static u_char *
ngx_http_katalo_conf_text_argument(u_char *line, const char *directive)
{
    u_char  *p;
    size_t   n;

    p = (u_char *) ngx_strstr(line, directive);

    if (p == NULL || strcspn((char *) line, "#") < (size_t) (p - line)) {
        return NULL;
    }

    p += ngx_strlen(directive);
    n = strspn((char *) p, " \t\"'");

    return n ? p + n : NULL;
}


void
ngx_http_katalo_conf_text_literals(ngx_cycle_t *cycle)
{
    ngx_http_katalo_conf_text_t  text = {
        cycle, NULL, ngx_http_katalo_conf_text_literal, 0
    };

    ngx_http_katalo_conf_text_file(&text, &cycle->conf_file);
}


/* a path may have such a part */

static void
ngx_http_katalo_conf_text_literal(ngx_cycle_t *cycle,
    ngx_http_katalo_place_t *place, u_char *line, ngx_str_t *unused)
{
    u_char  *p, *id, *dot, *last;

    last = line + ngx_strlen(line);

    for (p = line; /* void */ ; p = id) {
        p = ngx_strlcasestrn(p, last, (u_char *) NGX_HTTP_KATALO_TOKEN,
                             sizeof(NGX_HTTP_KATALO_TOKEN) - 2);
        if (p == NULL) {
            return;
        }

        id = p + sizeof(NGX_HTTP_KATALO_TOKEN) - 1;
        dot = ngx_http_katalo_key_word(id, last);

        if ((p == line || p[-1] != '/')
            && dot > id && *dot == '.'
            && ngx_http_katalo_key_word(dot + 1, last) > dot + 1)
        {
            break;
        }
    }

    ngx_http_katalo_conf_warn(cycle->log, place,
        "a Katalo key is written in the configuration: whoever reads that has "
        "it; remove it, also from a comment, rotate the key if it is in use, "
        "put the new one into a file and use \"katalo_key NAME file:PATH\"");
}


void
ngx_http_katalo_conf_text_authorization(ngx_conf_t *cf, ngx_str_t *places)
{
    ngx_http_katalo_conf_text_t  text = {
        cf->cycle, places, ngx_http_katalo_conf_text_header, 0
    };

    ngx_http_katalo_conf_text_file(&text, &cf->cycle->conf_file);
}


/* all of them: which one applies is not known here */

static void
ngx_http_katalo_conf_text_header(ngx_cycle_t *cycle,
    ngx_http_katalo_place_t *place, u_char *line, ngx_str_t *places)
{
    u_char  *p;

    p = ngx_http_katalo_conf_text_argument(line, "proxy_set_header");

    if (p == NULL || ngx_strncasecmp(p, (u_char *) "Authorization", 13) != 0) {
        return;
    }

    p = ngx_slprintf(places->data + places->len,
                     places->data + NGX_HTTP_KATALO_CONF_PLACES,
                     "%s%V:%ui", places->len ? ", " : "",
                     &place->file, place->line);

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

    ngx_http_katalo_conf_text_t  text = {
        cf->cycle, &bearer, ngx_http_katalo_conf_text_cache_key, 0
    };

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

        ngx_http_katalo_conf_text_file(&text, &cf->cycle->conf_file);

        if (bearer.len) {
            ngx_http_katalo_conf_warn(cf->log, &klcf[i]->place,
                "\"proxy_cache\" would answer clients with what was got with "
                "another key than \"katalo_bearer %V\" gives them, add "
                "\"$katalo_key\" to \"proxy_cache_key\"", &bearer);
        }

        return;
    }
}


/* no length: a "proxy_cache_key" with the key's name was found */

static void
ngx_http_katalo_conf_text_cache_key(ngx_cycle_t *cycle,
    ngx_http_katalo_place_t *place, u_char *line, ngx_str_t *bearer)
{
    u_char  *p, *named;

    p = ngx_http_katalo_conf_text_argument(line, "proxy_cache_key");

    if (p == NULL || bearer->len == 0) {
        return;
    }

    named = (u_char *) ngx_strstr(p, bearer->data);

    if (ngx_strstr(p, "$katalo_key")
        || ngx_strstr(p, "${katalo_key")
        || (named && !isalnum(named[bearer->len]) && named[bearer->len] != '_'))
    {
        bearer->len = 0;
    }
}
