
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * Reads the configuration files once more, as text: nginx does not keep what
 * other modules' directives say, nor where.  Good for messages only, since a
 * file may have changed, or have another language in a block.  The memory that
 * a file was read into is wiped.
 */


#include "ngx_http_katalo_conf_scan.h"


/* bytes of a file, longer ones are data; of nested includes; of a directive */
#define NGX_HTTP_KATALO_CONF_SCAN_SIZE   (1024 * 1024)
#define NGX_HTTP_KATALO_CONF_SCAN_DEPTH  10
#define NGX_HTTP_KATALO_CONF_SCAN_WORDS  32


static void ngx_http_katalo_conf_scan_file(ngx_http_katalo_conf_scan_t *scan,
    ngx_str_t *name);
static void ngx_http_katalo_conf_scan_text(ngx_http_katalo_conf_scan_t *scan,
    ngx_str_t *name, u_char *p, u_char *last);
static u_char *ngx_http_katalo_conf_scan_word(u_char *p, u_char *last,
    ngx_str_t *word);
static void ngx_http_katalo_conf_scan_include(
    ngx_http_katalo_conf_scan_t *scan, ngx_str_t pattern);


void
ngx_http_katalo_conf_scan(ngx_cycle_t *cycle,
    ngx_http_katalo_conf_scan_pt handler, void *data)
{
    ngx_http_katalo_conf_scan_t  scan;

    scan.cycle = cycle;
    scan.handler = handler;
    scan.data = data;
    scan.depth = 0;

    ngx_http_katalo_conf_scan_file(&scan, &cycle->conf_file);
}


/* NOLINTBEGIN(misc-no-recursion): files include files, to a limited depth */

static void
ngx_http_katalo_conf_scan_file(ngx_http_katalo_conf_scan_t *scan,
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
        && ngx_file_size(&fi) <= NGX_HTTP_KATALO_CONF_SCAN_SIZE)
    {
        buf = ngx_alloc(NGX_HTTP_KATALO_CONF_SCAN_SIZE, scan->cycle->log);

        if (buf) {
            n = read(fd, buf, NGX_HTTP_KATALO_CONF_SCAN_SIZE);

            if (n > 0) {
                ngx_http_katalo_conf_scan_text(scan, name, buf, buf + n);
                ngx_explicit_memzero(buf, n);
            }

            ngx_free(buf);
        }
    }

    (void) ngx_close_file(fd);
}


static void
ngx_http_katalo_conf_scan_text(ngx_http_katalo_conf_scan_t *scan,
    ngx_str_t *name, u_char *p, u_char *last)
{
    u_char      *start;
    ngx_str_t    words[NGX_HTTP_KATALO_CONF_SCAN_WORDS], comment;
    ngx_uint_t   i, n, line, first;

    n = 0;
    line = 1;
    first = 1;

    while (p < last) {

        start = p;

        if (n == 0) {
            first = line;
        }

        scan->place.file = *name;
        scan->place.line = first;

        switch (*p) {

        case CR:
        case LF:
        case ' ':
        case '\t':
            p++;
            break;

        case '#':
            p = ngx_strlchr(p, last, LF);
            p = p ? p : last;

            comment.data = start;
            comment.len = p - start;

            scan->place.line = line;
            scan->handler(scan, &comment, 0);
            break;

        case ';':
        case '{':
        case '}':

            for (i = 0; i < n; i++) {
                words[i].data[words[i].len] = '\0';
            }

            if (n) {
                scan->handler(scan, words, n);
            }

            if (n == 2 && ngx_strcmp(words[0].data, "include") == 0) {
                ngx_http_katalo_conf_scan_include(scan, words[1]);
            }

            n = 0;
            p++;
            break;

        default:

            /* of too many words, the last ones take one place */

            n -= (n == NGX_HTTP_KATALO_CONF_SCAN_WORDS);
            p = ngx_http_katalo_conf_scan_word(p, last, &words[n++]);
            break;
        }

        for ( /* void */ ; start < p; start++) {
            line += (*start == LF);
        }
    }
}


/* without its quotes; what is escaped stays so */

static u_char *
ngx_http_katalo_conf_scan_word(u_char *p, u_char *last, ngx_str_t *word)
{
    u_char  quote;

    quote = (*p == '"' || *p == '\'') ? *p++ : 0;
    word->data = p;

    while (p < last) {

        if (quote ? *p == quote
                  : *p == ' ' || *p == '\t' || *p == CR || *p == LF
                    || *p == ';' || *p == '{')
        {
            break;
        }

        /* ${name} */

        if (*p == '$' && last - p > 1 && p[1] == '{') {
            p++;
        }

        p += (*p == '\\' && last - p > 1) ? 2 : 1;
    }

    word->len = p - word->data;

    return p + (quote && p < last);
}


static void
ngx_http_katalo_conf_scan_include(ngx_http_katalo_conf_scan_t *scan,
    ngx_str_t pattern)
{
    ngx_str_t   name;
    ngx_glob_t  gl;

    if (scan->depth == NGX_HTTP_KATALO_CONF_SCAN_DEPTH
        || ngx_conf_full_name(scan->cycle, &pattern, 1) != NGX_OK)
    {
        return;
    }

    ngx_memzero(&gl, sizeof(ngx_glob_t));

    gl.pattern = pattern.data;
    gl.log = scan->cycle->log;
    gl.test = 1;

    if (ngx_open_glob(&gl) != NGX_OK) {
        return;
    }

    scan->depth++;

    while (ngx_read_glob(&gl, &name) == NGX_OK) {
        ngx_http_katalo_conf_scan_file(scan, &name);
    }

    scan->depth--;

    ngx_close_glob(&gl);
}

/* NOLINTEND(misc-no-recursion) */
