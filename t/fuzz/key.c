
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * Contents of a key file, one after the other.  Each is a key, is empty, or is
 * refused; what is held, and what is left in memory, is as it should be after
 * each.  They are those of a file where the first byte is "f", else of a
 * variable of the environment, which costs no system call; they are split at
 * FUZZ_NEXT.
 */


#include "fuzz.h"

#include <sys/mman.h>


#define FUZZ_NEXT      0xfe
#define FUZZ_CONTENTS  4
#define FUZZ_BLANK     " \t\n\v\f\r"

#define FUZZ_LONG   "is longer than a key may be (512 bytes)"
#define FUZZ_NONE   "holds no key: one line \"kat_live_<publicKeyId>."         \
                    "<secret>\" of letters, digits, \"_\" and \"-\" is expected"


static void fuzz_key_source(ngx_str_t *content, ngx_uint_t env);
static ngx_int_t fuzz_key_expected(ngx_str_t *content, ngx_str_t *whole,
    ngx_str_t *id);
static void fuzz_key_held(ngx_str_t *whole);
static void fuzz_key_error(ngx_str_t *content,
    ngx_http_katalo_key_error_t *error);
static void fuzz_key_message(ngx_http_katalo_key_error_t *error);


static int                        fuzz_key_fd;
static ngx_http_katalo_key_t     *fuzz_key;
static ngx_http_katalo_source_t  *fuzz_key_env, *fuzz_key_file;


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static u_char            path[32];
    ngx_http_katalo_key_t  **keys;

    fuzz_nginx("katalo_key production env:" FUZZ_KEY ";"
               "katalo_key other file:/dev/null optional check=off;", "",
               NULL);

    keys = fuzz_conf()->keys.elts;

    fuzz_key = keys[0];
    fuzz_key_env = keys[0]->source;
    fuzz_key_file = keys[1]->source;

    fuzz_key_fd = memfd_create("key", 0);
    fuzz_check(fuzz_key_fd != -1, "no file");

    fuzz_key->path.data = path;
    fuzz_key->path.len = sprintf((char *) path, "/proc/self/fd/%d",
                                 fuzz_key_fd);
    return 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_int_t                    rc;
    ngx_str_t                    content, whole, id, held;
    ngx_uint_t                   n, env, changed;
    fuzz_input_t                 in;
    ngx_http_katalo_key_error_t  error;

    if (size == 0) {
        return 0;
    }

    in.pos = data + 1;
    in.last = data + size;
    env = (data[0] != 'f');
    held.len = 0;

    ngx_http_katalo_key_revoke(fuzz_key);

    for (n = 0; n < FUZZ_CONTENTS && in.pos < in.last; n++) {
        content = fuzz_take(&in, FUZZ_NEXT);

        if (env) {
            content.len = strnlen((char *) content.data, content.len);
        }

        fuzz_key_source(&content, env);

        rc = ngx_http_katalo_key_read(fuzz_conf()->vault, fuzz_key, &error);

        fuzz_check(rc == fuzz_key_expected(&content, &whole, &id), "%d",
                   (int) rc);

        switch (rc) {

        case NGX_OK:
            changed = (whole.len != held.len
                       || memcmp(whole.data, held.data, held.len) != 0);
            fuzz_check(fuzz_key->changed == changed, "%d", (int) changed);
            fuzz_check(fuzz_key->id.len == id.len
                       && memcmp(fuzz_key->id.data, id.data, id.len) == 0,
                       "another id");
            held = whole;
            break;

        case NGX_DECLINED:
            held.len = 0;
            break;

        default:
            fuzz_key_error(&content, &error);

            if (!env) {
                fuzz_key_message(&error);
            }

            break;
        }

        fuzz_key_held(&held);
    }

    return 0;
}


static void
fuzz_key_source(ngx_str_t *content, ngx_uint_t env)
{
    static char  value[65536];

    if (env) {
        content->len = ngx_min(content->len, sizeof(value) - 1);
        ngx_memcpy(value, content->data, content->len);
        value[content->len] = '\0';

        fuzz_key->source = fuzz_key_env;
        fuzz_key->env_value = value;

        return;
    }

    fuzz_key->source = fuzz_key_file;

    fuzz_check(ftruncate(fuzz_key_fd, 0) == 0
               && pwrite(fuzz_key_fd, content->data, content->len, 0)
                  == (ssize_t) content->len, "cannot write");
}


/*
 * White space alone revokes, as long as it is no longer than a key and its
 * line end.  Otherwise one line end is taken away, and there has to be a key.
 */

static ngx_int_t
fuzz_key_expected(ngx_str_t *content, ngx_str_t *whole, ngx_str_t *id)
{
    u_char     *dot;
    ngx_str_t   secret;

    *whole = *content;

    if (whole->len <= 514 && fuzz_only(whole, FUZZ_BLANK)) {
        return NGX_DECLINED;
    }

    if (whole->len >= 2
        && memcmp(whole->data + whole->len - 2, "\r\n", 2) == 0)
    {
        whole->len -= 2;

    } else if (whole->data[whole->len - 1] == '\n') {
        whole->len--;
    }

    if (whole->len > 512 || whole->len < 9
        || memcmp(whole->data, "kat_live_", 9) != 0)
    {
        return NGX_ERROR;
    }

    dot = memchr(whole->data, '.', whole->len);

    if (dot == NULL) {
        return NGX_ERROR;
    }

    id->data = whole->data + 9;
    id->len = dot - id->data;
    secret.data = dot + 1;
    secret.len = whole->data + whole->len - secret.data;

    return (id->len && fuzz_only(id, FUZZ_WORD)
            && secret.len && fuzz_only(&secret, FUZZ_WORD))
           ? NGX_OK : NGX_ERROR;
}


/* in all of the vault is this key, and nothing else but zeros */

static void
fuzz_key_held(ngx_str_t *held)
{
    size_t         len;
    ngx_str_t     *secret;
    static u_char  zeros[NGX_HTTP_KATALO_CELL];

    secret = &fuzz_key->secret;
    len = held->len ? 7 + held->len : 0;

    fuzz_check(secret->len == len, "%zu bytes held, not %zu", secret->len,
               len);

    if (held->len) {
        fuzz_check(memcmp(secret->data, "Bearer ", 7) == 0
                   && memcmp(secret->data + 7, held->data, held->len) == 0,
                   "another key");
    }

    fuzz_check(memcmp(secret->data + len, zeros, sizeof(zeros) - len) == 0,
               "something is left in the cell");
    fuzz_check(memcmp(fuzz_conf()->vault->spare, zeros, sizeof(zeros)) == 0,
               "something is left in the spare cell");
}


/* one of two texts, whatever the content is */

static void
fuzz_key_error(ngx_str_t *content, ngx_http_katalo_key_error_t *error)
{
    size_t       len;
    const char  *text;

    len = content->len;

    if (len >= 2 && memcmp(content->data + len - 2, "\r\n", 2) == 0) {
        len--;
    }

    if (content->data[content->len - 1] == '\n') {
        len--;
    }

    text = (len > 512) ? FUZZ_LONG : FUZZ_NONE;

    fuzz_check(error->err == 0 && strcmp(error->text, text) == 0,
               "another error");
}


/* there is a system call in each line of a log, so not for each content */

static void
fuzz_key_message(ngx_http_katalo_key_error_t *error)
{
    char    *message, expected[256];
    size_t   len;

    fuzz_reset();

    ngx_http_katalo_key_log_error(fuzz_key, NGX_LOG_ERR, ngx_cycle->log,
                                  error);

    message = memmem(fuzz_logged.data, fuzz_logged.len, "katalo: ", 8);

    len = snprintf(expected, sizeof(expected), "katalo: key \"%.*s\": \"%.*s\""
                   " %s\n", (int) fuzz_key->name.len, fuzz_key->name.data,
                   (int) fuzz_key->path.len, fuzz_key->path.data,
                   error->text);

    fuzz_check(fuzz_lines == 1 && message
               && (size_t) ((char *) fuzz_logged.data + fuzz_logged.len
                            - message) == len
               && memcmp(message, expected, len) == 0, "another message");
}
