
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_commands.h"
#include "ngx_http_katalo_conf_error.h"
#include "ngx_http_katalo_operation.h"


static char *ngx_http_katalo_conf_operation_name(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_str_t *name);
static char *ngx_http_katalo_conf_operation_regex(ngx_conf_t *cf,
    ngx_http_katalo_operation_t *operation, ngx_str_t *pattern);


char *
ngx_http_katalo_conf_operation(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_katalo_main_conf_t *kmcf = conf;

    ngx_str_t                    *value;
    ngx_http_katalo_operation_t  *operation;

    value = cf->args->elts;

    if (ngx_http_katalo_conf_operation_name(cf, kmcf, &value[1])
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    operation = ngx_array_push(&kmcf->operations);
    if (operation == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(operation, sizeof(ngx_http_katalo_operation_t));

    operation->name = value[1];

    if (ngx_strcmp(value[2].data, "*") != 0) {

        /* nginx takes no other methods from a client */

        if (value[2].len == 0
            || strspn((char *) value[2].data, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_")
               != value[2].len
            || ngx_strcmp(value[2].data, "HEAD") == 0)
        {
            return ngx_http_katalo_conf_error(cf,
                       "invalid method \"%V\" in \"katalo_operation\", use a "
                       "method such as \"GET\", which stands for \"HEAD\" "
                       "too, or \"*\"", &value[2]);
        }

        operation->method = value[2];
    }

    return ngx_http_katalo_conf_operation_regex(cf, operation, &value[3]);
}


static char *
ngx_http_katalo_conf_operation_name(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_str_t *name)
{
    /* "all" is a word of katalo_allow, "total" a member of the status */

    if (!ngx_http_katalo_conf_word(name, "_")
        || name->len > NGX_HTTP_KATALO_NAME_LEN
        || ngx_strcmp(name->data, "all") == 0
        || ngx_strcmp(name->data, "total") == 0)
    {
        return ngx_http_katalo_conf_error(cf,
                   "invalid name \"%V\" in \"katalo_operation\", use up to "
                   "%d letters, digits and \"_\", but not \"all\" or "
                   "\"total\"", name, NGX_HTTP_KATALO_NAME_LEN);
    }

    if (ngx_http_katalo_operation_find(kmcf, name) != NGX_ERROR) {
        return ngx_http_katalo_conf_error(cf,
                   "duplicate operation \"%V\" in \"katalo_operation\"", name);
    }

    if (kmcf->operations.nelts == NGX_HTTP_KATALO_CUSTOM) {
        return ngx_http_katalo_conf_error(cf,
                   "more than %d \"katalo_operation\" directives",
                   NGX_HTTP_KATALO_CUSTOM);
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_katalo_conf_operation_regex(ngx_conf_t *cf,
    ngx_http_katalo_operation_t *operation, ngx_str_t *pattern)
{
#if (NGX_PCRE)
    u_char               errstr[NGX_MAX_CONF_ERRSTR];
    ngx_regex_compile_t  rc;

    if (pattern->len < 2 || pattern->data[0] != '~') {
        return ngx_http_katalo_conf_error(cf,
                   "invalid pattern \"%V\" in \"katalo_operation\", use "
                   "\"~\" and a regular expression", pattern);
    }

    ngx_memzero(&rc, sizeof(ngx_regex_compile_t));

    rc.pattern.len = pattern->len - 1;
    rc.pattern.data = pattern->data + 1;
    rc.pool = cf->pool;
    rc.err.len = NGX_MAX_CONF_ERRSTR;
    rc.err.data = errstr;

    if (ngx_regex_compile(&rc) != NGX_OK) {
        return ngx_http_katalo_conf_error(cf,
                   "%V in \"katalo_operation\"", &rc.err);
    }

    operation->regex = rc.regex;

    return NGX_CONF_OK;

#else

    return ngx_http_katalo_conf_error(cf,
               "\"katalo_operation\" requires PCRE library");

#endif
}
