
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo.h"
#include "ngx_http_katalo_status.h"


static char *ngx_http_katalo_bearer(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_katalo_strip(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_katalo_allow(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_katalo_enum(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_katalo_flag(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_array_t *ngx_http_katalo_conf_args(ngx_conf_t *cf);
static ngx_uint_t ngx_http_katalo_conf_strippable(ngx_str_t *name);


static ngx_conf_enum_t  ngx_http_katalo_preflight[] = {
    { ngx_string("pass"), 0 },
    { ngx_string("deny"), 1 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_katalo_browser[] = {
    { ngx_string("deny"), NGX_HTTP_KATALO_BROWSER_DENY },
    { ngx_string("report"), NGX_HTTP_KATALO_BROWSER_REPORT },
    { ngx_string("allow"), NGX_HTTP_KATALO_BROWSER_ALLOW },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_katalo_cors[] = {
    { ngx_string("pass"), 0 },
    { ngx_string("strip"), 1 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_katalo_upstream_tls[] = {
    { ngx_string("off"), 0 },
    { ngx_string("verify"), 1 },
    { ngx_null_string, 0 }
};


ngx_command_t  ngx_http_katalo_commands[] = {

    { ngx_string("katalo_key"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_2MORE,
      ngx_http_katalo_conf_key,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("katalo_bearer"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF
                        |NGX_HTTP_LIF_CONF|NGX_CONF_TAKE1,
      ngx_http_katalo_bearer,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("katalo_strip"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_katalo_strip,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("katalo_preflight"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_katalo_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_katalo_loc_conf_t, preflight),
      &ngx_http_katalo_preflight },

    { ngx_string("katalo_browser"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_katalo_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_katalo_loc_conf_t, browser),
      &ngx_http_katalo_browser },

    { ngx_string("katalo_cors"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_katalo_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_katalo_loc_conf_t, cors),
      &ngx_http_katalo_cors },

    { ngx_string("katalo_allow"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_katalo_allow,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("katalo_operation"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE3,
      ngx_http_katalo_conf_operation,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("katalo_upstream_tls"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_katalo_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_katalo_loc_conf_t, upstream_tls),
      &ngx_http_katalo_upstream_tls },

    { ngx_string("katalo_intercept_errors"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_http_katalo_flag,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_katalo_loc_conf_t, intercept_errors),
      NULL },

    { ngx_string("katalo_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_katalo_conf_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("katalo_usage_log"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_http_katalo_conf_usage_log,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("katalo_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_katalo_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static char *
ngx_http_katalo_bearer(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_katalo_loc_conf_t *klcf = conf;

    ngx_str_t                         *value;
    ngx_http_compile_complex_value_t   ccv;

    if (klcf->bearer.data) {
        return "is duplicate";
    }

    if (ngx_http_katalo_conf_literal_key(cf)) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    klcf->bearer = value[1];
    klcf->conf_file = cf->conf_file->file.name;
    klcf->conf_line = cf->conf_file->line;
    klcf->own = (cf->cmd_type & (NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF)) ? 1 : 0;

    if (ngx_http_script_variables_count(&value[1]) == 0) {
        return NGX_CONF_OK;
    }

    klcf->variable = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (klcf->variable == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[1];
    ccv.complex_value = klcf->variable;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_katalo_strip(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_katalo_loc_conf_t *klcf = conf;

    ngx_str_t   *name;
    ngx_uint_t   i;

    if (klcf->strip != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    if (ngx_http_katalo_conf_literal_key(cf)) {
        return NGX_CONF_ERROR;
    }

    klcf->strip = ngx_http_katalo_conf_args(cf);
    if (klcf->strip == NULL) {
        return NGX_CONF_ERROR;
    }

    name = klcf->strip->elts;

    if (klcf->strip->nelts == 1 && ngx_strcmp(name[0].data, "off") == 0) {
        klcf->strip->nelts = 0;
        return NGX_CONF_OK;
    }

    for (i = 0; i < klcf->strip->nelts; i++) {

        /* RFC 9110, 5.6.2: token */

        if (!ngx_http_katalo_conf_word(&name[i], "!#$%&'*+-.^_`|~")
            || ngx_strcmp(name[i].data, "off") == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid header name \"%V\" in "
                               "\"katalo_strip\", use header names, or "
                               "\"off\" alone", &name[i]);
            return NGX_CONF_ERROR;
        }

        if (!ngx_http_katalo_conf_strippable(&name[i])) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"katalo_strip\" cannot take away \"%V\", a "
                               "request cannot be sent without it: remove it "
                               "from the list", &name[i]);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* RFC 9112, 3.2 and 6: without these, a body would be another request */

static ngx_uint_t
ngx_http_katalo_conf_strippable(ngx_str_t *name)
{
    ngx_str_t  *needed;

    static ngx_str_t  headers[] = {
        ngx_string("Host"),
        ngx_string("Content-Length"),
        ngx_string("Transfer-Encoding"),
        ngx_null_string
    };

    for (needed = headers; needed->len; needed++) {

        if (needed->len == name->len
            && ngx_strncasecmp(needed->data, name->data, name->len) == 0)
        {
            return 0;
        }
    }

    return 1;
}


static char *
ngx_http_katalo_allow(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_katalo_loc_conf_t *klcf = conf;

    if (klcf->allow_names != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    if (ngx_http_katalo_conf_literal_key(cf)) {
        return NGX_CONF_ERROR;
    }

    klcf->allow_file = cf->conf_file->file.name;
    klcf->allow_line = cf->conf_file->line;

    klcf->allow_names = ngx_http_katalo_conf_args(cf);
    if (klcf->allow_names == NULL) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* core's own does not name the directive, nor the values it takes */

static char *
ngx_http_katalo_enum(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    u_char            buf[NGX_MAX_CONF_ERRSTR], *last;
    ngx_str_t        *value;
    ngx_uint_t       *field;
    ngx_conf_enum_t  *e;

    field = (ngx_uint_t *) ((char *) conf + cmd->offset);

    if (*field != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    if (ngx_http_katalo_conf_literal_key(cf)) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;
    last = buf;

    for (e = cmd->post; e->name.len; e++) {

        if (e->name.len == value[1].len
            && ngx_strcmp(e->name.data, value[1].data) == 0)
        {
            *field = e->value;
            return NGX_CONF_OK;
        }

        last = ngx_slprintf(last, buf + NGX_MAX_CONF_ERRSTR, "%s\"%V\"",
                            e == cmd->post ? "" : " or ", &e->name);
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"%V\", use %*s",
                       &value[1], &cmd->name, (size_t) (last - buf), buf);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_katalo_flag(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    if (ngx_http_katalo_conf_literal_key(cf)) {
        return NGX_CONF_ERROR;
    }

    return ngx_conf_set_flag_slot(cf, cmd, conf);
}


char *
ngx_http_katalo_conf_error(ngx_conf_t *cf, ngx_str_t *file, ngx_uint_t line,
    const char *fmt, ...)
{
    u_char   buf[NGX_MAX_CONF_ERRSTR], *last;
    va_list  args;

    va_start(args, fmt);
    last = ngx_vslprintf(buf, buf + NGX_MAX_CONF_ERRSTR, fmt, args);
    va_end(args);

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "%*s in %V:%ui",
                  (size_t) (last - buf), buf, file, line);

    return NGX_CONF_ERROR;
}


static ngx_array_t *
ngx_http_katalo_conf_args(ngx_conf_t *cf)
{
    ngx_str_t    *value, *s;
    ngx_uint_t    i;
    ngx_array_t  *args;

    args = ngx_array_create(cf->pool, cf->args->nelts, sizeof(ngx_str_t));
    if (args == NULL) {
        return NULL;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        s = ngx_array_push(args);
        if (s == NULL) {
            return NULL;
        }

        *s = value[i];
    }

    return args;
}


ngx_uint_t
ngx_http_katalo_conf_word(ngx_str_t *value, const char *extra)
{
    u_char      c;
    ngx_uint_t  i;

    for (i = 0; i < value->len; i++) {
        c = value->data[i];

        if (!isalnum(c) && ngx_strchr(extra, c) == NULL) {
            return 0;
        }
    }

    return value->len != 0;
}
