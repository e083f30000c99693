
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_zone.h"


/* seconds */
#define NGX_HTTP_KATALO_CONF_LOG_MAX     86400


static char *ngx_http_katalo_conf_log_interval(ngx_conf_t *cf,
    ngx_http_katalo_usage_log_t *log, ngx_str_t *value);
static char *ngx_http_katalo_conf_log_open(ngx_conf_t *cf,
    ngx_http_katalo_usage_log_t *log, ngx_str_t *name);
static void ngx_http_katalo_conf_log_close(void *data);


char *
ngx_http_katalo_conf_usage_log(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_katalo_main_conf_t *kmcf = conf;

    ngx_str_t                    *value;
    ngx_http_katalo_usage_log_t  *log;

    if (kmcf->usage_log != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    if (ngx_http_katalo_conf_literal_key(cf)) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {

        if (cf->args->nelts > 2) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" in \"katalo_usage_log"
                               " off\", use \"off\" alone", &value[2]);
            return NGX_CONF_ERROR;
        }

        kmcf->usage_log = NULL;
        return NGX_CONF_OK;
    }

    log = ngx_pcalloc(cf->pool, sizeof(ngx_http_katalo_usage_log_t));
    if (log == NULL) {
        return NGX_CONF_ERROR;
    }

    log->name = value[1];
    log->interval = 60;
    log->previous = NGX_INVALID_FILE;
    log->row = NGX_HTTP_KATALO_NONE;

    kmcf->usage_log = log;

    if (cf->args->nelts > 2
        && ngx_http_katalo_conf_log_interval(cf, log, &value[2])
           != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_katalo_conf_log_open(cf, log, &value[1]);
}


static char *
ngx_http_katalo_conf_log_interval(ngx_conf_t *cf,
    ngx_http_katalo_usage_log_t *log, ngx_str_t *value)
{
    ngx_int_t  interval;
    ngx_str_t  s;

    if (ngx_strncmp(value->data, "interval=", 9) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\" in \"katalo_usage_log\", "
                           "use \"interval=\"", value);
        return NGX_CONF_ERROR;
    }

    s.data = value->data + 9;
    s.len = value->len - 9;

    interval = ngx_parse_time(&s, 1);

    if (interval == NGX_ERROR || interval < 1
        || interval > NGX_HTTP_KATALO_CONF_LOG_MAX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" of \"katalo_usage_log\", use "
                           "a time from \"1s\" to \"1d\"", value);
        return NGX_CONF_ERROR;
    }

    log->interval = interval;

    return NGX_CONF_OK;
}


static char *
ngx_http_katalo_conf_log_open(ngx_conf_t *cf,
    ngx_http_katalo_usage_log_t *log, ngx_str_t *name)
{
    ngx_uint_t           files;
    ngx_list_t          *list;
    ngx_list_part_t     *part;
    ngx_pool_cleanup_t  *cln;

    /* a log of any kind may have to look at a file of the old one */

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_katalo_conf_log_close;
    cln->data = log;

    if (ngx_strncmp(name->data, "syslog:", 7) == 0) {

        log->peer = ngx_pcalloc(cf->pool, sizeof(ngx_syslog_peer_t));
        if (log->peer == NULL) {
            return NGX_CONF_ERROR;
        }

        return ngx_syslog_process_conf(cf, log->peer);
    }

    if (name->len == 0 || ngx_http_script_variables_count(name)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid path \"%V\" in \"katalo_usage_log\", use "
                           "a path without variables, \"syslog:\" or \"off\"",
                           name);
        return NGX_CONF_ERROR;
    }

    /* what is written after a process was killed depends on the file's size */

    list = &cf->cycle->open_files;
    files = 0;

    for (part = &list->part; part; part = part->next) {
        files += part->nelts;
    }

    log->file = ngx_conf_open_file(cf->cycle, name);
    if (log->file == NULL) {
        return NGX_CONF_ERROR;
    }

    for (part = &list->part; part; part = part->next) {
        files -= part->nelts;
    }

    if (files == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"katalo_usage_log\" \"%V\" is the file of another"
                           " log, use one of its own", name);
        return NGX_CONF_ERROR;
    }

    log->file->flush = ngx_http_katalo_usage_log_reopen;
    log->file->data = log;

    return NGX_CONF_OK;
}


static void
ngx_http_katalo_conf_log_close(void *data)
{
    ngx_http_katalo_usage_log_t *log = data;

    if (log->previous != NGX_INVALID_FILE
        && ngx_close_file(log->previous) == NGX_FILE_ERROR)
    {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_errno,
                      ngx_close_file_n " of the old usage log failed");
    }
}
