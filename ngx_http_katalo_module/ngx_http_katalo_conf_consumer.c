
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_conf_consumer.h"
#include "ngx_http_katalo_conf_error.h"
#include "ngx_http_katalo_consumer.h"


/* "ssl_verify_client" */
#define NGX_HTTP_KATALO_SSL_OFF          0
#define NGX_HTTP_KATALO_SSL_NO_CA        3


static char *ngx_http_katalo_conf_consumer_value(ngx_conf_t *cf,
    ngx_http_katalo_consumers_conf_t *consumers, ngx_str_t *text);
static ngx_int_t ngx_http_katalo_conf_consumer_variables(ngx_conf_t *cf,
    ngx_http_katalo_consumer_value_t *value);
static void ngx_http_katalo_conf_consumer_chosen(ngx_conf_t *cf,
    ngx_str_t *name);
static void ngx_http_katalo_conf_consumer_check_value(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf, ngx_str_t *name);
static void ngx_http_katalo_conf_consumer_check_user(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf);
static ngx_http_complex_value_t *ngx_http_katalo_conf_consumer_basic(
    ngx_conf_t *cf, ngx_http_katalo_loc_conf_t *conf, const char *directive);
static void ngx_http_katalo_conf_consumer_missing(ngx_conf_t *cf,
    ngx_http_katalo_place_t *place, ngx_uint_t n);


#define ngx_http_katalo_conf_consumer_begins(name, prefix)                    \
    ((name)->len > sizeof(prefix) - 1                                         \
     && ngx_strncasecmp((name)->data, (u_char *) prefix,                      \
                        sizeof(prefix) - 1) == 0)


char *
ngx_http_katalo_conf_consumer(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_katalo_loc_conf_t *klcf = conf;

    ngx_str_t                         *value;
    ngx_uint_t                         i, n;
    ngx_http_katalo_consumers_conf_t  *consumers;

    if (klcf->consumers != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;
    n = cf->args->nelts;

    consumers = ngx_pcalloc(cf->pool, sizeof(ngx_http_katalo_consumers_conf_t));
    if (consumers == NULL
        || ngx_array_init(&consumers->values, cf->pool, n - 1,
                          sizeof(ngx_http_katalo_consumer_value_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    consumers->place = ngx_http_katalo_conf_place(cf);
    klcf->consumers = consumers;

    if (n == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }

    for (i = 1; i < n; i++) {
        if (ngx_http_katalo_conf_consumer_value(cf, consumers, &value[i])
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_katalo_conf_consumer_value(ngx_conf_t *cf,
    ngx_http_katalo_consumers_conf_t *consumers, ngx_str_t *text)
{
    ngx_uint_t                          i;
    ngx_http_compile_complex_value_t    ccv;
    ngx_http_katalo_consumer_value_t   *value;

    if (ngx_strcmp(text->data, "off") == 0) {
        return ngx_http_katalo_conf_error(cf,
                   "\"off\" stands alone in \"katalo_consumer\", remove it or "
                   "the values");
    }

    if (ngx_http_script_variables_count(text) == 0) {
        return ngx_http_katalo_conf_error(cf,
                   "\"%V\" in \"katalo_consumer\" has no variable, so it "
                   "would be the name of every client: use a variable of what "
                   "verifies the client, such as \"$remote_user\", or \"off\" "
                   "alone", text);
    }

    value = consumers->values.elts;

    for (i = 0; i < consumers->values.nelts; i++) {
        if (ngx_strcmp(value[i].text.data, text->data) == 0) {
            return ngx_http_katalo_conf_error(cf,
                       "duplicate \"%V\" in \"katalo_consumer\", remove one",
                       text);
        }
    }

    value = ngx_array_push(&consumers->values);
    if (value == NULL) {
        return NGX_CONF_ERROR;
    }

    value->text = *text;
    value->complex = NULL;

    if (ngx_http_katalo_conf_consumer_variables(cf, value) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (value->complex == NULL) {
        return NGX_CONF_OK;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = text;
    ccv.complex_value = value->complex;

    return ngx_http_compile_complex_value(&ccv) == NGX_OK ? NGX_CONF_OK
                                                          : NGX_CONF_ERROR;
}


/* the variables in the text; "complex" is to be compiled if there is more */

static ngx_int_t
ngx_http_katalo_conf_consumer_variables(ngx_conf_t *cf,
    ngx_http_katalo_consumer_value_t *value)
{
    u_char     *p, *last;
    ngx_int_t  *index, n;
    ngx_str_t   name, *names;

    if (ngx_array_init(&value->names, cf->pool, 1, sizeof(ngx_str_t))
        != NGX_OK
        || ngx_array_init(&value->indexes, cf->pool, 1, sizeof(ngx_int_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    name.len = 0;
    p = value->text.data;
    last = p + value->text.len;

    while (p < last) {

        if (*p++ != '$') {
            continue;
        }

        p += (p < last && *p == '{');
        name.data = p;

        while (p < last && (isalnum(*p) || *p == '_')) {
            p++;
        }

        name.len = p - name.data;

        /* captures have no index */

        if (name.len == 0 || isdigit(name.data[0])) {
            continue;
        }

        n = ngx_http_get_variable_index(cf, &name);
        index = ngx_array_push(&value->indexes);
        names = ngx_array_push(&value->names);

        if (n == NGX_ERROR || index == NULL || names == NULL) {
            return NGX_ERROR;
        }

        *index = n;
        *names = name;

        ngx_http_katalo_conf_consumer_chosen(cf, names);
    }

    if (value->indexes.nelts == 1
        && (value->text.len == name.len + sizeof("$") - 1
            || (value->text.len == name.len + sizeof("${}") - 1
                && value->text.data[1] == '{')))
    {
        return NGX_OK;
    }

    value->complex = ngx_pcalloc(cf->pool, sizeof(ngx_http_complex_value_t));

    return value->complex ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_katalo_conf_consumer_chosen(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_http_katalo_place_t  place;

    if (!ngx_http_katalo_conf_consumer_begins(name, "http_")
        && !ngx_http_katalo_conf_consumer_begins(name, "arg_")
        && !ngx_http_katalo_conf_consumer_begins(name, "cookie_"))
    {
        return;
    }

    place = ngx_http_katalo_conf_place(cf);

    ngx_http_katalo_conf_warn(cf->log, &place,
        "any client can choose \"$%V\" in \"katalo_consumer\": use a variable "
        "of what verifies the client, such as \"$remote_user\" with "
        "\"auth_basic\", \"$ssl_client_s_dn\", or one of \"auth_request_set\"",
        name);
}


ngx_uint_t
ngx_http_katalo_conf_consumer_check(ngx_conf_t *cf,
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

        /* "if" and "limit_except" have the key of the location around them */

        if (!conf[i]->enabled || (conf[i]->core->noname && !conf[i]->own)) {
            continue;
        }

        if (conf[i]->consumers == NULL) {
            place = place ? place : &conf[i]->place;
            missing++;
            continue;
        }

        value = conf[i]->consumers->values.elts;

        for (j = 0; j < conf[i]->consumers->values.nelts; j++) {
            name = value[j].names.elts;
            needed = 1;

            for (k = 0; k < value[j].names.nelts; k++) {
                ngx_http_katalo_conf_consumer_check_value(cf, conf[i],
                                                          &name[k]);
            }
        }
    }

    if (missing) {
        ngx_http_katalo_conf_consumer_missing(cf, place, missing);
    }

    return needed;
}


static void
ngx_http_katalo_conf_consumer_missing(ngx_conf_t *cf,
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
ngx_http_katalo_conf_consumer_check_value(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf, ngx_str_t *name)
{
    ngx_http_katalo_consumers_conf_t  *consumers;

    consumers = conf->consumers;

    if (name->len == sizeof("remote_user") - 1
        && ngx_http_katalo_conf_consumer_begins(name, "remote_use"))
    {
        ngx_http_katalo_conf_consumer_check_user(cf, conf);
        return;
    }

    if (!ngx_http_katalo_conf_consumer_begins(name, "ssl_client_")
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
ngx_http_katalo_conf_consumer_check_user(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf)
{
    ngx_http_complex_value_t          *realm;
    ngx_http_katalo_consumers_conf_t  *consumers;

    consumers = conf->consumers;

    if (consumers->warned_user) {
        return;
    }

    realm = ngx_http_katalo_conf_consumer_basic(cf, conf, "auth_basic");

    if (realm == NULL
        || (realm->lengths == NULL && realm->value.len == 3
            && ngx_strncmp(realm->value.data, "off", 3) == 0)
        || !ngx_http_katalo_conf_consumer_basic(cf, conf,
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

    if (conf->core->satisfy == NGX_HTTP_SATISFY_ANY) {
        consumers->warned_user = 1;

        ngx_http_katalo_conf_warn(cf->log, &consumers->place,
            "any client can choose \"$remote_user\" in \"katalo_consumer\" "
            "where \"satisfy any\" lets it by without its password: use "
            "\"satisfy all\", or a variable that is empty for such clients");
    }
}


/* its module may be missing; the offset is in its public command table */

static ngx_http_complex_value_t *
ngx_http_katalo_conf_consumer_basic(ngx_conf_t *cf,
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
