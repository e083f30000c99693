
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_commands.h"
#include "ngx_http_katalo_conf_error.h"
#include "ngx_http_katalo_consumer_value.h"
#include "ngx_http_katalo_variables.h"


static char *ngx_http_katalo_conf_consumer_value(ngx_conf_t *cf,
    ngx_http_katalo_consumers_conf_t *consumers, ngx_str_t *text);
static char *ngx_http_katalo_conf_consumer_variables(ngx_conf_t *cf,
    ngx_http_katalo_consumer_value_t *value, ngx_http_complex_value_t *cv);


char *
ngx_http_katalo_conf_consumer(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_katalo_loc_conf_t *klcf = conf;

    ngx_str_t                         *value;
    ngx_uint_t                         i, n;
    ngx_http_katalo_consumers_conf_t  *consumers;
    ngx_http_katalo_consumer_value_t  *first;

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

    consumers->find = ngx_http_katalo_consumer_value;
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

    first = consumers->values.elts;

    if (first->user) {
        consumers->find = ngx_http_katalo_consumer_user;

    } else if (first->subject) {
        consumers->find = ngx_http_katalo_consumer_subject;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_katalo_conf_consumer_value(ngx_conf_t *cf,
    ngx_http_katalo_consumers_conf_t *consumers, ngx_str_t *text)
{
    ngx_http_complex_value_t           *cv;
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

    value = ngx_array_push(&consumers->values);
    cv = ngx_pcalloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (value == NULL || cv == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = text;
    ccv.complex_value = cv;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(value, sizeof(ngx_http_katalo_consumer_value_t));

    return ngx_http_katalo_conf_consumer_variables(cf, value, cv);
}


static char *
ngx_http_katalo_conf_consumer_variables(ngx_conf_t *cf,
    ngx_http_katalo_consumer_value_t *value, ngx_http_complex_value_t *cv)
{
    u_char                     *p;
    ngx_str_t                  *name;
    ngx_uint_t                 *index;
    ngx_http_variable_t        *var;
    ngx_http_core_main_conf_t  *cmcf;

    static ngx_uint_t  none = (ngx_uint_t) -1;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    var = cmcf->variables.elts;

    value->variables = cv->flushes ? cv->flushes : &none;
    value->around = cv->value.len;

    for (index = value->variables; *index != none; index++) {
        name = &var[*index].name;

        if (ngx_http_katalo_conf_is(name, "ssl_client_verify")) {
            return ngx_http_katalo_conf_error(cf,
                       "\"$%V\" in \"katalo_consumer\" is no name, it is "
                       "\"NONE\" without a certificate: use "
                       "\"$ssl_client_s_dn\"", name);
        }

        if (ngx_http_katalo_variables_own(name)) {
            return ngx_http_katalo_conf_error(cf,
                       "\"$%V\" in \"katalo_consumer\" names no client: use "
                       "a variable of what verifies the client, such as "
                       "\"$remote_user\"", name);
        }

        if (ngx_http_katalo_conf_begins(name, "ssl_client_")) {
            value->certificate = 1;
        }

        value->around -= name->len + 1;
    }

    for (p = cv->value.data; *p; p++) {

        if (p[0] == '$' && p[1] == '{') {
            value->around -= 2;
        }

        /* captures have no index */

        if (p[0] == '$' && isdigit(p[1])) {
            value->around -= 2;
            value->captures = 1;
        }
    }

    if (ngx_http_script_variables_count(&cv->value) != 1
        || value->captures
        || value->around)
    {
        value->complex = cv;
        return NGX_CONF_OK;
    }

    value->index = value->variables[0];
    name = &var[value->index].name;
    value->user = ngx_http_katalo_conf_is(name, "remote_user");
    value->subject = ngx_http_katalo_conf_is(name, "ssl_client_s_dn");

    return NGX_CONF_OK;
}
