
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_commands.h"
#include "ngx_http_katalo_conf_error.h"
#include "ngx_http_katalo_usage_log.h"
#include "ngx_http_katalo_zone.h"


/* seconds */
#define NGX_HTTP_KATALO_CONF_LOG_MAX     86400


static char *ngx_http_katalo_conf_log_interval(ngx_conf_t *cf,
    ngx_http_katalo_usage_log_t *log, ngx_str_t *value);
static char *ngx_http_katalo_conf_log_path(ngx_conf_t *cf,
    ngx_http_katalo_usage_log_t *log, ngx_str_t *name);
static void ngx_http_katalo_conf_log_cleanup(void *data);


char *
ngx_http_katalo_conf_usage_log(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_katalo_main_conf_t *kmcf = conf;

    ngx_str_t                    *value;
    ngx_pool_cleanup_t           *cln;
    ngx_http_katalo_usage_log_t  *log;

    if (kmcf->usage_log != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {

        if (cf->args->nelts > 2) {
            return ngx_http_katalo_conf_error(cf,
                       "invalid parameter \"%V\" in \"katalo_usage_log "
                       "off\", use \"off\" alone", &value[2]);
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
    log->next = NGX_HTTP_KATALO_NONE;
    log->place = ngx_http_katalo_conf_place(cf);

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_katalo_conf_log_cleanup;
    cln->data = log;

    kmcf->usage_log = log;

    if (cf->args->nelts > 2
        && ngx_http_katalo_conf_log_interval(cf, log, &value[2])
           != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_katalo_conf_log_path(cf, log, &value[1]);
}


static char *
ngx_http_katalo_conf_log_interval(ngx_conf_t *cf,
    ngx_http_katalo_usage_log_t *log, ngx_str_t *value)
{
    ngx_int_t  interval;
    ngx_str_t  s;

    if (ngx_strncmp(value->data, "interval=", 9) != 0) {
        return ngx_http_katalo_conf_error(cf,
                   "invalid parameter \"%V\" in \"katalo_usage_log\", use "
                   "\"interval=\"", value);
    }

    s.data = value->data + 9;
    s.len = value->len - 9;

    interval = ngx_parse_time(&s, 1);

    if (interval == NGX_ERROR || interval < 1
        || interval > NGX_HTTP_KATALO_CONF_LOG_MAX)
    {
        return ngx_http_katalo_conf_error(cf,
                   "invalid value \"%V\" of \"katalo_usage_log\", use a time "
                   "from \"1s\" to \"1d\"", value);
    }

    log->interval = interval;

    return NGX_CONF_OK;
}


static char *
ngx_http_katalo_conf_log_path(ngx_conf_t *cf,
    ngx_http_katalo_usage_log_t *log, ngx_str_t *name)
{
    if (ngx_strncmp(name->data, "syslog:", 7) == 0) {

        log->peer = ngx_pcalloc(cf->pool, sizeof(ngx_syslog_peer_t));
        if (log->peer == NULL) {
            return NGX_CONF_ERROR;
        }

        return ngx_syslog_process_conf(cf, log->peer);
    }

    /* a mistyped "off", or a path that was left out */

    if (name->len == 0
        || ngx_http_script_variables_count(name)
        || ngx_strcasecmp(name->data, (u_char *) "off") == 0
        || ngx_strcasecmp(name->data, (u_char *) "on") == 0
        || ngx_strncmp(name->data, "interval=", 9) == 0)
    {
        return ngx_http_katalo_conf_error(cf,
                   "invalid path \"%V\" in \"katalo_usage_log\", use a path "
                   "without variables, \"syslog:\" or \"off\"", name);
    }

    if (ngx_conf_full_name(cf->cycle, &log->name, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* the timer of a single process that goes on with another configuration */

static void
ngx_http_katalo_conf_log_cleanup(void *data)
{
    ngx_http_katalo_usage_log_t *log = data;

    if (log->event.timer_set) {
        ngx_del_timer(&log->event);
    }

    if (log->event.posted) {
        ngx_delete_posted_event(&log->event);
    }
}
