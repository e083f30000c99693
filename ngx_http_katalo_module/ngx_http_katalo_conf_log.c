
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_conf_error.h"
#include "ngx_http_katalo_conf_log.h"
#include "ngx_http_katalo_usage_log.h"
#include "ngx_http_katalo_zone.h"


/* seconds */
#define NGX_HTTP_KATALO_CONF_LOG_MAX     86400


static char *ngx_http_katalo_conf_log_interval(ngx_conf_t *cf,
    ngx_http_katalo_usage_log_t *log, ngx_str_t *value);
static char *ngx_http_katalo_conf_log_path(ngx_conf_t *cf,
    ngx_http_katalo_usage_log_t *log, ngx_str_t *name);
static void ngx_http_katalo_conf_log_reopen(ngx_open_file_t *file,
    ngx_log_t *unused);
static void ngx_http_katalo_conf_log_cleanup(void *data);
static ngx_fd_t ngx_http_katalo_conf_log_create(ngx_cycle_t *cycle,
    ngx_http_katalo_usage_log_t *log);
static ngx_uint_t ngx_http_katalo_conf_log_shared(ngx_cycle_t *cycle,
    ngx_http_katalo_usage_log_t *log, ngx_fd_t fd);


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

    if (name->len == 0 || ngx_http_script_variables_count(name)) {
        return ngx_http_katalo_conf_error(cf,
                   "invalid path \"%V\" in \"katalo_usage_log\", use a path "
                   "without variables, \"syslog:\" or \"off\"", name);
    }

    if (ngx_conf_full_name(cf->cycle, &log->name, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/*
 * The entry in the list of files, by which nginx reopens and closes the file,
 * is made when no other module can take it for its own any more.
 */

ngx_int_t
ngx_http_katalo_conf_log_open(ngx_cycle_t *cycle,
    ngx_http_katalo_usage_log_t *log)
{
    ngx_fd_t          fd;
    ngx_open_file_t  *file;

    if (log->peer) {
        return NGX_OK;
    }

    fd = ngx_http_katalo_conf_log_create(cycle, log);

    if (fd == NGX_INVALID_FILE) {
        return NGX_ERROR;
    }

    file = NULL;

    if (!ngx_http_katalo_conf_log_shared(cycle, log, fd)) {
        file = ngx_list_push(&cycle->open_files);
    }

    if (file == NULL) {

        if (ngx_close_file(fd) == NGX_FILE_ERROR) {
            ngx_log_error(NGX_LOG_ALERT, cycle->log, ngx_errno,
                          ngx_close_file_n " \"%V\" failed", &log->name);
        }

        return NGX_ERROR;
    }

    file->fd = fd;
    file->name = log->name;
    file->flush = ngx_http_katalo_conf_log_reopen;
    file->data = log;

    log->file = file;

    return NGX_OK;
}


/* a line that was begun in a pipe is written again to the new one */

static void
ngx_http_katalo_conf_log_reopen(ngx_open_file_t *file, ngx_log_t *unused)
{
    ngx_http_katalo_usage_log_t  *log;

    log = file->data;
    log->written = 0;
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


static ngx_fd_t
ngx_http_katalo_conf_log_create(ngx_cycle_t *cycle,
    ngx_http_katalo_usage_log_t *log)
{
    ngx_fd_t  fd;

    fd = ngx_open_file(log->name.data, NGX_FILE_APPEND,
                       NGX_FILE_CREATE_OR_OPEN, NGX_FILE_DEFAULT_ACCESS);

    if (fd == NGX_INVALID_FILE) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      ngx_open_file_n " \"%V\" failed in %V:%ui",
                      &log->name, &log->place.file, log->place.line);
        return NGX_INVALID_FILE;
    }

    if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "fcntl(FD_CLOEXEC) \"%V\" failed in %V:%ui",
                      &log->name, &log->place.file, log->place.line);
        (void) ngx_close_file(fd);
        return NGX_INVALID_FILE;
    }

    return fd;
}


/* a device or a pipe may have lines of others, too */

static ngx_uint_t
ngx_http_katalo_conf_log_shared(ngx_cycle_t *cycle,
    ngx_http_katalo_usage_log_t *log, ngx_fd_t fd)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_open_file_t  *file;
    ngx_file_info_t   fi;

    if (ngx_fd_info(fd, &fi) != NGX_FILE_ERROR && !ngx_is_file(&fi)) {
        return 0;
    }

    for (part = &cycle->open_files.part; part; part = part->next) {
        file = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (file[i].name.len != log->name.len
                || ngx_strcmp(file[i].name.data, log->name.data) != 0)
            {
                continue;
            }

            ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                          "\"katalo_usage_log\" \"%V\" is the file of another"
                          " log, use another file for it, or for that "
                          "\"access_log\" or \"error_log\" in %V:%ui",
                          &log->name, &log->place.file, log->place.line);
            return 1;
        }
    }

    return 0;
}
