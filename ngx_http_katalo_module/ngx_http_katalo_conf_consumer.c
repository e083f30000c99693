
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_conf_consumer.h"
#include "ngx_http_katalo_conf_error.h"
#include "ngx_http_katalo_consumer.h"


static char *ngx_http_katalo_conf_consumer_value(ngx_conf_t *cf,
    ngx_http_katalo_consumers_conf_t *consumers, ngx_str_t *text);
static char *ngx_http_katalo_conf_consumer_variables(ngx_conf_t *cf,
    ngx_http_katalo_consumers_conf_t *consumers,
    ngx_http_katalo_consumer_value_t *value);
static char *ngx_http_katalo_conf_consumer_variable(ngx_conf_t *cf,
    ngx_http_katalo_consumers_conf_t *consumers,
    ngx_http_katalo_consumer_value_t *value, ngx_str_t *name);
static void ngx_http_katalo_conf_consumer_chosen(ngx_conf_t *cf,
    ngx_http_katalo_consumers_conf_t *consumers, ngx_str_t *name);


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
    ngx_str_t                          *name;
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

    ngx_memzero(value, sizeof(ngx_http_katalo_consumer_value_t));

    value->text = *text;
    value->index = NGX_ERROR;

    if (ngx_http_katalo_conf_consumer_variables(cf, consumers, value)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (value->index != NGX_ERROR
        && value->names.nelts == 1
        && value->around == 0)
    {
        name = value->names.elts;

        value->user = (name->len == sizeof("remote_user") - 1
                       && ngx_strncasecmp(name->data,
                                          (u_char *) "remote_user", name->len)
                          == 0);

        return NGX_CONF_OK;
    }

    value->complex = ngx_pcalloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (value->complex == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = text;
    ccv.complex_value = value->complex;

    return ngx_http_compile_complex_value(&ccv) == NGX_OK ? NGX_CONF_OK
                                                          : NGX_CONF_ERROR;
}


/* nginx says what is wrong with the text when it is compiled */

static char *
ngx_http_katalo_conf_consumer_variables(ngx_conf_t *cf,
    ngx_http_katalo_consumers_conf_t *consumers,
    ngx_http_katalo_consumer_value_t *value)
{
    char       *rv;
    u_char     *p, *last;
    ngx_str_t   name;
    ngx_uint_t  bracket;

    if (ngx_array_init(&value->names, cf->pool, 1, sizeof(ngx_str_t))
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    p = value->text.data;
    last = p + value->text.len;

    while (p < last) {

        if (*p++ != '$') {
            value->around++;
            continue;
        }

        bracket = (p < last && *p == '{');
        p += bracket;
        name.data = p;

        if (p < last && *p >= '1' && *p <= '9') {
            p++;

        } else {
            while (p < last && (isalnum(*p) || *p == '_')) {
                p++;
            }
        }

        name.len = p - name.data;

        if (bracket && (p == last || *p++ != '}')) {
            value->around++;
        }

        rv = ngx_http_katalo_conf_consumer_variable(cf, consumers, value,
                                                    &name);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_katalo_conf_consumer_variable(ngx_conf_t *cf,
    ngx_http_katalo_consumers_conf_t *consumers,
    ngx_http_katalo_consumer_value_t *value, ngx_str_t *name)
{
    ngx_str_t  *names;

    names = ngx_array_push(&value->names);
    if (names == NULL) {
        return NGX_CONF_ERROR;
    }

    *names = *name;

    ngx_http_katalo_conf_consumer_chosen(cf, consumers, names);

    /* captures have no index */

    if (name->len == 0 || isdigit(name->data[0])) {
        return NGX_CONF_OK;
    }

    if (name->len == sizeof("ssl_client_verify") - 1
        && ngx_http_katalo_conf_begins(name, "ssl_client_verif"))
    {
        return ngx_http_katalo_conf_error(cf,
                   "\"$%V\" in \"katalo_consumer\" is no name, it is \"NONE\" "
                   "without a certificate: use \"$ssl_client_s_dn\"", name);
    }

    if (ngx_http_katalo_conf_begins(name, "ssl_client_")) {
        value->certificate = 1;
    }

    value->index = ngx_http_get_variable_index(cf, names);

    return (value->index == NGX_ERROR) ? NGX_CONF_ERROR : NGX_CONF_OK;
}


static void
ngx_http_katalo_conf_consumer_chosen(ngx_conf_t *cf,
    ngx_http_katalo_consumers_conf_t *consumers, ngx_str_t *name)
{
    if (consumers->warned_chosen
        || (!ngx_http_katalo_conf_begins(name, "http_")
            && !ngx_http_katalo_conf_begins(name, "arg_")
            && !ngx_http_katalo_conf_begins(name, "cookie_")
            && !(name->len == 1 && isdigit(name->data[0]))))
    {
        return;
    }

    consumers->warned_chosen = 1;

    ngx_http_katalo_conf_warn(cf->log, &consumers->place,
        "any client can choose \"$%V\" in \"katalo_consumer\": use a variable "
        "of what verifies the client, such as \"$remote_user\" with "
        "\"auth_basic\", \"$ssl_client_s_dn\", or one of \"auth_request_set\"",
        name);
}
