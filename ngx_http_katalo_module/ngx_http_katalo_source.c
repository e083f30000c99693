
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_conf_error.h"
#include "ngx_http_katalo_source.h"
#include "ngx_http_katalo_vault.h"


/* not a path of any file, since full names begin with a slash */
#define NGX_HTTP_KATALO_NO_DIRECTORY  "$CREDENTIALS_DIRECTORY"


static ngx_int_t ngx_http_katalo_source_file(ngx_conf_t *cf,
    ngx_http_katalo_key_t *key, ngx_str_t *arg);
static ngx_int_t ngx_http_katalo_source_env(ngx_conf_t *cf,
    ngx_http_katalo_key_t *key, ngx_str_t *arg);
static ngx_int_t ngx_http_katalo_source_credential(ngx_conf_t *cf,
    ngx_http_katalo_key_t *key, ngx_str_t *arg);
static ngx_int_t ngx_http_katalo_source_read_file(ngx_http_katalo_key_t *key,
    ngx_str_t *text, ngx_http_katalo_key_error_t *error);
static ngx_int_t ngx_http_katalo_source_read_env(ngx_http_katalo_key_t *key,
    ngx_str_t *text, ngx_http_katalo_key_error_t *error);
static char *ngx_http_katalo_source_getenv(const char *name);
static ngx_int_t ngx_http_katalo_source_keep_env(ngx_conf_t *cf,
    ngx_str_t *name);


static ngx_str_t  ngx_http_katalo_credentials =
    ngx_string("CREDENTIALS_DIRECTORY");

static ngx_http_katalo_source_t  ngx_http_katalo_sources[] = {

    { ngx_string("file"), 5000,
      ngx_http_katalo_source_file, ngx_http_katalo_source_read_file },

    { ngx_string("env"), 0,
      ngx_http_katalo_source_env, ngx_http_katalo_source_read_env },

    { ngx_string("credential"), 5000,
      ngx_http_katalo_source_credential, ngx_http_katalo_source_read_file },

    { ngx_null_string, 0, NULL, NULL }
};


char *
ngx_http_katalo_source_set(ngx_conf_t *cf, ngx_http_katalo_key_t *key,
    ngx_str_t *value)
{
    ngx_int_t                  rc;
    ngx_str_t                  arg;
    ngx_http_katalo_source_t  *source;

    rc = NGX_DECLINED;

    for (source = ngx_http_katalo_sources; source->name.len; source++) {

        if (value->len > source->name.len + 1
            && value->data[source->name.len] == ':'
            && ngx_strncmp(value->data, source->name.data, source->name.len)
               == 0)
        {
            arg.len = value->len - source->name.len - 1;
            arg.data = value->data + source->name.len + 1;

            key->source = source;
            rc = source->set(cf, key, &arg);

            break;
        }
    }

    if (rc == NGX_DECLINED) {
        return ngx_http_katalo_conf_error(cf,
                   "invalid source of \"katalo_key\" \"%V\", use "
                   "\"file:PATH\", \"env:NAME\" or \"credential:NAME\"",
                   &key->name);
    }

    if (rc == NGX_ERROR) {
        return NGX_CONF_ERROR;
    }

    ngx_conf_init_msec_value(key->check, source->check);

    if (key->check && source->check == 0) {
        return ngx_http_katalo_conf_error(cf,
                   "\"check=\" of \"katalo_key\" \"%V\" needs a file, the "
                   "environment does not change: use \"file:PATH\" or leave "
                   "it out", &key->name);
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_katalo_source_file(ngx_conf_t *cf, ngx_http_katalo_key_t *key,
    ngx_str_t *arg)
{
    key->path = *arg;

    return ngx_conf_full_name(cf->cycle, &key->path, 1);
}


static ngx_int_t
ngx_http_katalo_source_env(ngx_conf_t *cf, ngx_http_katalo_key_t *key,
    ngx_str_t *arg)
{
    if (!ngx_http_katalo_conf_word(arg, "_")) {
        return NGX_DECLINED;
    }

    key->path = *arg;
    key->env_value = ngx_http_katalo_source_getenv((char *) arg->data);

    return NGX_OK;
}


static ngx_int_t
ngx_http_katalo_source_credential(ngx_conf_t *cf, ngx_http_katalo_key_t *key,
    ngx_str_t *arg)
{
    char  *dir;

    if (!ngx_http_katalo_conf_word(arg, "_-.") || arg->data[0] == '.') {
        return NGX_DECLINED;
    }

    dir = ngx_http_katalo_source_getenv(
              (char *) ngx_http_katalo_credentials.data);

    if (dir == NULL && key->optional) {
        dir = NGX_HTTP_KATALO_NO_DIRECTORY;
        key->check = 0;
    }

    if (dir == NULL) {
        (void) ngx_http_katalo_conf_error(cf,
                   "\"katalo_key\" \"%V\": no $CREDENTIALS_DIRECTORY in the "
                   "environment, start nginx from a systemd unit with "
                   "\"LoadCredential=%V:PATH\", use \"file:PATH\", or add "
                   "\"optional\" to start without it", &key->name, arg);
        return NGX_ERROR;
    }

    if (ngx_http_katalo_source_keep_env(cf, &ngx_http_katalo_credentials)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    key->path.len = ngx_strlen(dir) + 1 + arg->len;
    key->path.data = ngx_pnalloc(cf->pool, key->path.len + 1);
    if (key->path.data == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(key->path.data, "%s/%V%Z", dir, arg);

    return NGX_OK;
}


static ngx_int_t
ngx_http_katalo_source_read_file(ngx_http_katalo_key_t *key, ngx_str_t *text,
    ngx_http_katalo_key_error_t *error)
{
    ssize_t          n;
    ngx_fd_t         fd;
    ngx_int_t        rc;
    ngx_file_info_t  fi;

    /* O_NONBLOCK: a FIFO or a device must not block the worker */

    if (key->path.data[0] == '$') {
        error->text = "is not there: nginx was started without this variable";
        return NGX_ERROR;
    }

    fd = open((char *) key->path.data,
              O_RDONLY|O_NONBLOCK|O_CLOEXEC|O_NOCTTY);

    if (fd == NGX_INVALID_FILE) {
        error->err = ngx_errno;
        error->text = "could not be opened";
        return NGX_ERROR;
    }

    rc = NGX_ERROR;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        error->err = ngx_errno;
        error->text = "could not be examined";
        goto done;
    }

    if (!ngx_is_file(&fi)) {
        error->text = "is not a regular file";
        goto done;
    }

    ngx_http_katalo_key_file_id(&fi, &key->file_id);
    key->file_mode = ngx_file_access(&fi);

    do {
        n = read(fd, text->data + text->len,
                 NGX_HTTP_KATALO_READ_LEN - text->len);

        if (n == -1) {
            error->err = ngx_errno;
            error->text = "could not be read";
            goto done;
        }

        text->len += n;

    } while (n != 0 && text->len < NGX_HTTP_KATALO_READ_LEN);

    rc = NGX_OK;

done:

    (void) ngx_close_file(fd);

    return rc;
}


static ngx_int_t
ngx_http_katalo_source_read_env(ngx_http_katalo_key_t *key, ngx_str_t *text,
    ngx_http_katalo_key_error_t *error)
{
    if (key->env_value == NULL) {
        error->text = "is not in the environment that nginx was started with: "
                      "set it and restart nginx";
        return NGX_ERROR;
    }

    text->len = ngx_min(ngx_strlen(key->env_value), NGX_HTTP_KATALO_READ_LEN);
    ngx_memcpy(text->data, key->env_value, text->len);

    return NGX_OK;
}


/*
 * Returns the environment's own memory, or NULL if the variable is not set.
 * With the Perl module, and in a single process, "environ" is later replaced
 * by one that has only the variables of the "env" directives.
 */

static char *
ngx_http_katalo_source_getenv(const char *name)
{
    char    **p;
    size_t    len;

    static char  **started;

    if (started == NULL) {
        started = environ;
    }

    len = ngx_strlen(name);

    for (p = started; *p; p++) {
        if (ngx_strncmp(*p, name, len) == 0 && (*p)[len] == '=') {
            return *p + len + 1;
        }
    }

    return NULL;
}


/*
 * As "env NAME;" does: a binary upgrade starts nginx with these variables
 * only.  For names of what is no secret.
 */

static ngx_int_t
ngx_http_katalo_source_keep_env(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_str_t        *var;
    ngx_uint_t        i;
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                           ngx_core_module);
    var = ccf->env.elts;

    for (i = 0; i < ccf->env.nelts; i++) {
        if (var[i].len == name->len
            && ngx_strncmp(var[i].data, name->data, name->len) == 0)
        {
            return NGX_OK;
        }
    }

    var = ngx_array_push(&ccf->env);
    if (var == NULL) {
        return NGX_ERROR;
    }

    *var = *name;

    return NGX_OK;
}


void
ngx_http_katalo_source_wipe(ngx_http_katalo_key_t *key)
{
    if (key->env_value) {
        ngx_explicit_memzero(key->env_value, ngx_strlen(key->env_value));
    }
}
