
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* What "nginx -t" says of consumers, once all configurations are merged. */


#include "ngx_http_katalo_conf_error.h"
#include "ngx_http_katalo_conf_identity.h"
#include "ngx_http_katalo_consumer_value.h"


static void ngx_http_katalo_conf_identity_missing(ngx_conf_t *cf,
    ngx_http_katalo_place_t *place, ngx_uint_t n);
static void ngx_http_katalo_conf_identity_values(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf);
static void ngx_http_katalo_conf_identity_warn(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf, ngx_str_t *name);
static const char *ngx_http_katalo_conf_identity_doubt(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf, ngx_str_t *name);
static const char *ngx_http_katalo_conf_identity_user(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf);
static ngx_uint_t ngx_http_katalo_conf_identity_written(ngx_str_t *name);
static ngx_http_complex_value_t *ngx_http_katalo_conf_identity_basic(
    ngx_conf_t *cf, ngx_http_katalo_loc_conf_t *conf, const char *directive);


/* variables that nginx takes from the client as they come; "_": all below */

static ngx_str_t  ngx_http_katalo_conf_identity_request[] = {
    ngx_string("arg_"),
    ngx_string("args"),
    ngx_string("content_length"),
    ngx_string("content_type"),
    ngx_string("cookie_"),
    ngx_string("document_uri"),
    ngx_string("host"),
    ngx_string("http_"),
    ngx_string("query_string"),
    ngx_string("request"),
    ngx_string("request_body"),
    ngx_string("request_filename"),
    ngx_string("request_method"),
    ngx_string("request_uri"),
    ngx_string("ssl_server_name"),
    ngx_string("uri"),
    ngx_null_string
};


ngx_uint_t
ngx_http_katalo_conf_identity(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf)
{
    ngx_uint_t                    i, missing, needed;
    ngx_http_katalo_place_t      *place;
    ngx_http_katalo_loc_conf_t  **conf;

    conf = kmcf->locations.elts;
    place = NULL;
    missing = 0;
    needed = 0;

    for (i = 0; i < kmcf->locations.nelts; i++) {

        if (!conf[i]->enabled) {
            continue;
        }

        if (conf[i]->consumers) {
            needed |= conf[i]->identified;
            ngx_http_katalo_conf_identity_values(cf, conf[i]);
            continue;
        }

        /* "if" and "limit_except" have the key of the location around */

        if (!conf[i]->core->noname || conf[i]->own) {
            place = place ? place : &conf[i]->place;
            missing++;
        }
    }

    if (missing) {
        ngx_http_katalo_conf_identity_missing(cf, place, missing);
    }

    return needed;
}


static void
ngx_http_katalo_conf_identity_missing(ngx_conf_t *cf,
    ngx_http_katalo_place_t *place, ngx_uint_t n)
{
    u_char  more[sizeof(" (and in  more locations)") + NGX_INT_T_LEN], *last;

    last = more;

    if (n > 1) {
        last = ngx_sprintf(last, " (and in %ui more location%s)", n - 1,
                           n > 2 ? "s" : "");
    }

    ngx_http_katalo_conf_warn(cf->log, place,
        "\"katalo_bearer\" without \"katalo_consumer\"%*s: whoever reaches the "
        "location uses the key; add \"katalo_consumer $remote_user;\", or "
        "another variable of what verifies the client, or \"katalo_consumer "
        "off;\" if it is meant", (size_t) (last - more), more);
}


static void
ngx_http_katalo_conf_identity_values(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf)
{
    ngx_uint_t                         i, *index;
    ngx_http_variable_t               *var;
    ngx_http_core_main_conf_t         *cmcf;
    ngx_http_katalo_consumer_value_t  *value;

    static ngx_str_t  capture = ngx_string("1");

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    var = cmcf->variables.elts;

    value = conf->consumers->values.elts;

    for (i = 0; i < conf->consumers->values.nelts; i++) {

        for (index = value[i].variables; *index != (ngx_uint_t) -1; index++) {
            ngx_http_katalo_conf_identity_warn(cf, conf, &var[*index].name);
        }

        if (value[i].captures) {
            ngx_http_katalo_conf_identity_warn(cf, conf, &capture);
        }
    }
}


/* once for each directive, though many locations may inherit it */

static void
ngx_http_katalo_conf_identity_warn(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf, ngx_str_t *name)
{
    const char  *doubt;

    if (conf->consumers->warned) {
        return;
    }

    doubt = ngx_http_katalo_conf_identity_doubt(cf, conf, name);

    if (doubt) {
        conf->consumers->warned = 1;

        ngx_http_katalo_conf_warn(cf->log, &conf->consumers->place, doubt,
                                  name);
    }
}


/* why the variable is no identity: a message with its name, or NULL */

static const char *
ngx_http_katalo_conf_identity_doubt(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf, ngx_str_t *name)
{
    if (ngx_http_katalo_conf_is(name, "remote_user")) {
        return ngx_http_katalo_conf_identity_user(cf, conf);
    }

    if (ngx_http_katalo_conf_identity_written(name)) {
        return "any client can choose \"$%V\" in \"katalo_consumer\": use a "
               "variable of what verifies the client, such as "
               "\"$remote_user\" with \"auth_basic\", \"$ssl_client_s_dn\", "
               "or one of \"auth_request_set\"";
    }

    if (!ngx_http_katalo_conf_begins(name, "ssl_client_")) {
        return NULL;
    }

    if (conf->ssl->verify == NGX_HTTP_KATALO_SSL_NO_CA) {
        return "any client can choose \"$%V\" in \"katalo_consumer\" with "
               "\"ssl_verify_client optional_no_ca\", which verifies no "
               "certificate: use \"ssl_verify_client on\" or \"optional\"";
    }

    if (conf->ssl->verify == NGX_HTTP_KATALO_SSL_OFF
        && conf->consumers->values.nelts == 1)
    {
        return "\"$%V\" in \"katalo_consumer\" is always empty where "
               "\"ssl_verify_client\" is off, so all requests are refused: "
               "use \"ssl_verify_client on\" or \"optional\"";
    }

    return NULL;
}


static const char *
ngx_http_katalo_conf_identity_user(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf)
{
    ngx_http_complex_value_t  *realm;

    realm = ngx_http_katalo_conf_identity_basic(cf, conf, "auth_basic");

    if (realm == NULL
        || (realm->lengths == NULL
            && ngx_http_katalo_conf_is(&realm->value, "off"))
        || !ngx_http_katalo_conf_identity_basic(cf, conf,
                                                "auth_basic_user_file"))
    {
        return "any client can choose \"$%V\" in \"katalo_consumer\" where "
               "\"auth_basic\" is not in force, nginx takes it from the "
               "client's header as it comes: add \"auth_basic\" with "
               "\"auth_basic_user_file\", or use a variable of what verifies "
               "the client";
    }

    /* nothing but variables */

    if (realm->lengths
        && realm->value.data[0] == '$'
        && ngx_http_katalo_conf_word(&realm->value, "${}_"))
    {
        return "any client can choose \"$%V\" in \"katalo_consumer\" where the "
               "variable in \"auth_basic\" is \"off\": use a variable that is "
               "empty for such clients";
    }

    if (conf->core->satisfy == NGX_HTTP_SATISFY_ANY) {
        return "any client can choose \"$%V\" in \"katalo_consumer\" where "
               "\"satisfy any\" lets it by without its password: use "
               "\"satisfy all\", or a variable that is empty for such clients";
    }

    return NULL;
}


static ngx_uint_t
ngx_http_katalo_conf_identity_written(ngx_str_t *name)
{
    ngx_str_t  *known;

    /* a capture */

    if (isdigit(name->data[0])) {
        return 1;
    }

    for (known = ngx_http_katalo_conf_identity_request; known->len; known++) {

        if (name->len >= known->len
            && ngx_strncmp(name->data, known->data, known->len) == 0
            && (name->len == known->len
                || known->data[known->len - 1] == '_'))
        {
            return 1;
        }
    }

    return 0;
}


/* its module may be missing; the offset is in its public command table */

static ngx_http_complex_value_t *
ngx_http_katalo_conf_identity_basic(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf, const char *directive)
{
    void           *loc;
    ngx_uint_t      i;
    ngx_module_t   *module;
    ngx_command_t  *cmd;

    for (i = 0; cf->cycle->modules[i]; i++) {
        module = cf->cycle->modules[i];

        if (module->type != NGX_HTTP_MODULE
            || ngx_strcmp(module->name, "ngx_http_auth_basic_module") != 0)
        {
            continue;
        }

        for (cmd = module->commands; cmd->name.len; cmd++) {

            if (ngx_strcmp(cmd->name.data, directive) == 0) {
                loc = conf->core->loc_conf[module->ctx_index];

                return *(ngx_http_complex_value_t **)
                           ((u_char *) loc + cmd->offset);
            }
        }
    }

    return NULL;
}
