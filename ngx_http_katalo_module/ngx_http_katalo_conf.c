
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* The directives: the table, and the setters of those that need few lines. */


#include "ngx_http_katalo_commands.h"
#include "ngx_http_katalo_conf_error.h"
#include "ngx_http_katalo_idempotency.h"
#include "ngx_http_katalo_usage.h"


static char *ngx_http_katalo_conf_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_katalo_conf_bearer(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_katalo_conf_strip(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_katalo_conf_allow(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_katalo_conf_enum(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_array_t *ngx_http_katalo_conf_args(ngx_conf_t *cf);


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


static ngx_conf_enum_t  ngx_http_katalo_idempotencies[] = {
    { ngx_string("pass"), NGX_HTTP_KATALO_IDEMPOTENCY_PASS },
    { ngx_string("add"), NGX_HTTP_KATALO_IDEMPOTENCY_ADD },
    { ngx_string("require"), NGX_HTTP_KATALO_IDEMPOTENCY_REQUIRE },
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
      ngx_http_katalo_conf_bearer,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_katalo_loc_conf_t, variable),
      NULL },

    { ngx_string("katalo_strip"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_katalo_conf_strip,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("katalo_preflight"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_katalo_conf_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_katalo_loc_conf_t, preflight),
      &ngx_http_katalo_preflight },

    { ngx_string("katalo_browser"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_katalo_conf_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_katalo_loc_conf_t, browser),
      &ngx_http_katalo_browser },

    { ngx_string("katalo_cors"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_katalo_conf_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_katalo_loc_conf_t, cors),
      &ngx_http_katalo_cors },

    { ngx_string("katalo_allow"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_katalo_conf_allow,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("katalo_consumer"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_katalo_conf_consumer,
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
      ngx_http_katalo_conf_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_katalo_loc_conf_t, upstream_tls),
      &ngx_http_katalo_upstream_tls },

    { ngx_string("katalo_cooldown"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_katalo_conf_cooldown,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("katalo_idempotency"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_katalo_conf_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_katalo_loc_conf_t, idempotency),
      &ngx_http_katalo_idempotencies },

    { ngx_string("katalo_intercept_errors"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_katalo_loc_conf_t, intercept_errors),
      NULL },

    { ngx_string("katalo_resolve"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_katalo_loc_conf_t, resolve),
      NULL },

    { ngx_string("katalo_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
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
      NGX_HTTP_LOC_CONF|NGX_CONF_ANY,
      ngx_http_katalo_conf_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


/* the setters that the table has */
static char  *(*ngx_http_katalo_conf_setters[
    sizeof(ngx_http_katalo_commands) / sizeof(ngx_command_t)])
        (ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


void
ngx_http_katalo_conf_init(void)
{
    ngx_uint_t      i;
    ngx_command_t  *cmd;

    cmd = ngx_http_katalo_commands;

    for (i = 0; cmd[i].name.len; i++) {

        if (cmd[i].set != ngx_http_katalo_conf_set) {
            ngx_http_katalo_conf_setters[i] = cmd[i].set;
            cmd[i].set = ngx_http_katalo_conf_set;
        }
    }
}


/* arguments are shown in messages, so none of them may be a key */

static char *
ngx_http_katalo_conf_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_uint_t  i;

    if (ngx_http_katalo_conf_literal_key(cf)) {
        return NGX_CONF_ERROR;
    }

    i = cmd - ngx_http_katalo_commands;

    return ngx_http_katalo_conf_setters[i](cf, cmd, conf);
}


static char *
ngx_http_katalo_conf_bearer(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_katalo_loc_conf_t *klcf = conf;

    ngx_str_t  *value;

    if (klcf->bearer.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    klcf->bearer = value[1];
    klcf->place = ngx_http_katalo_conf_place(cf);
    klcf->own = (cf->cmd_type & (NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF)) ? 1 : 0;

    if (ngx_http_script_variables_count(&value[1]) == 0) {
        return NGX_CONF_OK;
    }

    return ngx_http_set_complex_value_slot(cf, cmd, conf);
}


static char *
ngx_http_katalo_conf_strip(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_katalo_loc_conf_t *klcf = conf;

    ngx_str_t   *name, *needed;
    ngx_uint_t   i;

    /* RFC 9112, 3.2 and 6: without these, a body would be another request */

    static ngx_str_t  framing[] = {
        ngx_string("Host"),
        ngx_string("Content-Length"),
        ngx_string("Transfer-Encoding"),
        ngx_null_string
    };

    if (klcf->strip != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
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

        /*
         * RFC 9110, 5.6.2: token; but "$" begins a variable, and after a
         * missing ";", the next directive is an argument.
         */

        if (!ngx_http_katalo_conf_word(&name[i], "!#%&'*+-.^_`|~")
            || ngx_strncmp(name[i].data, "katalo_", 7) == 0
            || ngx_strcasecmp(name[i].data, (u_char *) "off") == 0
            || ngx_strcasecmp(name[i].data, (u_char *) "on") == 0
            || ngx_strcasecmp(name[i].data, (u_char *) "all") == 0)
        {
            return ngx_http_katalo_conf_error(cf,
                       "invalid header name \"%V\" in \"katalo_strip\", use "
                       "header names, or \"off\" alone", &name[i]);
        }

        for (needed = framing; needed->len; needed++) {

            if (ngx_strcasecmp(needed->data, name[i].data) == 0) {
                return ngx_http_katalo_conf_error(cf,
                           "\"katalo_strip\" cannot take away \"%V\", a "
                           "request cannot be sent without it: remove it "
                           "from the list", &name[i]);
            }
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_katalo_conf_allow(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_katalo_loc_conf_t *klcf = conf;

    ngx_str_t  *value;

    if (klcf->allow_names != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "all") == 0) {
        klcf->allow_names = NULL;
        return NGX_CONF_OK;
    }

    klcf->allow_place = ngx_http_katalo_conf_place(cf);

    klcf->allow_names = ngx_http_katalo_conf_args(cf);
    if (klcf->allow_names == NULL) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* core's own does not name the directive, nor the values it takes */

static char *
ngx_http_katalo_conf_enum(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    u_char            buf[NGX_MAX_CONF_ERRSTR], *last;
    ngx_str_t        *value;
    ngx_uint_t       *field;
    ngx_conf_enum_t  *e;

    field = (ngx_uint_t *) ((char *) conf + cmd->offset);

    if (*field != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
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

    return ngx_http_katalo_conf_error(cf,
               "invalid value \"%V\" in \"%V\", use %*s", &value[1],
               &cmd->name, (size_t) (last - buf), buf);
}


static ngx_array_t *
ngx_http_katalo_conf_args(ngx_conf_t *cf)
{
    ngx_str_t    *value;
    ngx_uint_t    n;
    ngx_array_t  *args;

    value = cf->args->elts;
    n = cf->args->nelts - 1;

    args = ngx_array_create(cf->pool, n, sizeof(ngx_str_t));

    if (args) {
        ngx_memcpy(ngx_array_push_n(args, n), &value[1], n * sizeof(ngx_str_t));
    }

    return args;
}
