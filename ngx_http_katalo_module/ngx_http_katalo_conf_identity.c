
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* What "nginx -t" says of consumers, once all configurations are merged. */


#include "ngx_http_katalo_conf_consumer.h"
#include "ngx_http_katalo_conf_error.h"
#include "ngx_http_katalo_conf_identity.h"
#include "ngx_http_katalo_consumer.h"


static void ngx_http_katalo_conf_identity_missing(ngx_conf_t *cf,
    ngx_http_katalo_place_t *place, ngx_uint_t n);
static void ngx_http_katalo_conf_identity_value(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf, ngx_str_t *name);
static void ngx_http_katalo_conf_identity_user(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf);
static ngx_uint_t ngx_http_katalo_conf_identity_variable_realm(
    ngx_http_complex_value_t *realm);
static ngx_http_complex_value_t *ngx_http_katalo_conf_identity_basic(
    ngx_conf_t *cf, ngx_http_katalo_loc_conf_t *conf, const char *directive);


ngx_uint_t
ngx_http_katalo_conf_identity(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf)
{
    ngx_str_t                          *name;
    ngx_uint_t                          i, j, k, missing, needed;
    ngx_http_katalo_place_t            *place;
    ngx_http_katalo_loc_conf_t        **conf;
    ngx_http_katalo_consumer_value_t   *value;

    conf = kmcf->locations.elts;
    place = NULL;
    missing = 0;
    needed = 0;

    for (i = 0; i < kmcf->locations.nelts; i++) {

        if (!conf[i]->enabled) {
            continue;
        }

        if (conf[i]->consumers == NULL) {

            /* "if" and "limit_except" have the key of the location around */

            if (conf[i]->core->noname && !conf[i]->own) {
                continue;
            }

            place = place ? place : &conf[i]->place;
            missing++;
            continue;
        }

        value = conf[i]->consumers->values.elts;

        for (j = 0; j < conf[i]->consumers->values.nelts; j++) {
            name = value[j].names.elts;
            needed = 1;

            for (k = 0; k < value[j].names.nelts; k++) {
                ngx_http_katalo_conf_identity_value(cf, conf[i],
                                                          &name[k]);
            }
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


/* once for each directive, though many locations may inherit it */

static void
ngx_http_katalo_conf_identity_value(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf, ngx_str_t *name)
{
    ngx_http_katalo_consumers_conf_t  *consumers;

    consumers = conf->consumers;

    if (name->len == sizeof("remote_user") - 1
        && ngx_http_katalo_conf_begins(name, "remote_use"))
    {
        ngx_http_katalo_conf_identity_user(cf, conf);
        return;
    }

    if (!ngx_http_katalo_conf_begins(name, "ssl_client_")
        || consumers->warned_certificate)
    {
        return;
    }

    if (conf->ssl->verify == NGX_HTTP_KATALO_SSL_NO_CA) {
        consumers->warned_certificate = 1;

        ngx_http_katalo_conf_warn(cf->log, &consumers->place,
            "any client can choose \"$%V\" in \"katalo_consumer\" with "
            "\"ssl_verify_client optional_no_ca\", which verifies no "
            "certificate: use \"ssl_verify_client on\" or \"optional\"", name);
    }

    if (conf->ssl->verify == NGX_HTTP_KATALO_SSL_OFF
        && consumers->values.nelts == 1)
    {
        consumers->warned_certificate = 1;

        ngx_http_katalo_conf_warn(cf->log, &consumers->place,
            "\"$%V\" in \"katalo_consumer\" is always empty where "
            "\"ssl_verify_client\" is off, so all requests are refused: use "
            "\"ssl_verify_client on\" or \"optional\"", name);
    }
}


static void
ngx_http_katalo_conf_identity_user(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf)
{
    ngx_http_complex_value_t          *realm;
    ngx_http_katalo_consumers_conf_t  *consumers;

    consumers = conf->consumers;

    if (consumers->warned_user) {
        return;
    }

    realm = ngx_http_katalo_conf_identity_basic(cf, conf, "auth_basic");

    if (realm == NULL
        || (realm->lengths == NULL && realm->value.len == 3
            && ngx_strncmp(realm->value.data, "off", 3) == 0)
        || !ngx_http_katalo_conf_identity_basic(cf, conf,
                                                "auth_basic_user_file"))
    {
        consumers->warned_user = 1;

        ngx_http_katalo_conf_warn(cf->log, &consumers->place,
            "any client can choose \"$remote_user\" in \"katalo_consumer\" "
            "where \"auth_basic\" is not in force, nginx takes it from the "
            "client's header as it comes: add \"auth_basic\" with "
            "\"auth_basic_user_file\", or use a variable of what verifies "
            "the client");

        return;
    }

    if (ngx_http_katalo_conf_identity_variable_realm(realm)) {
        consumers->warned_user = 1;

        ngx_http_katalo_conf_warn(cf->log, &consumers->place,
            "any client can choose \"$remote_user\" in \"katalo_consumer\" "
            "where \"auth_basic %V\" is \"off\": use a variable that is empty "
            "for such clients", &realm->value);

        return;
    }

    if (conf->core->satisfy == NGX_HTTP_SATISFY_ANY) {
        consumers->warned_user = 1;

        ngx_http_katalo_conf_warn(cf->log, &consumers->place,
            "any client can choose \"$remote_user\" in \"katalo_consumer\" "
            "where \"satisfy any\" lets it by without its password: use "
            "\"satisfy all\", or a variable that is empty for such clients");
    }
}


/* has it nothing but variables, so that it may be "off"? */

static ngx_uint_t
ngx_http_katalo_conf_identity_variable_realm(ngx_http_complex_value_t *realm)
{
    size_t  i;

    if (realm->lengths == NULL) {
        return 0;
    }

    for (i = 0; i < realm->value.len; i++) {
        if (!isalnum(realm->value.data[i])
            && ngx_strchr("${}_", realm->value.data[i]) == NULL)
        {
            return 0;
        }
    }

    return realm->value.data[0] == '$';
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
