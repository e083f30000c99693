
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * Each worker has a timer; the first one that finds the interval over takes
 * the pass over all rows of the zone, also of keys that have left the
 * configuration.  If it is killed, the next pass has the rest.
 */


#include "ngx_http_katalo_zone.h"


/* milliseconds: of work before other events, and until it is tried again */
#define NGX_HTTP_KATALO_USAGE_LOG_WORK   2
#define NGX_HTTP_KATALO_USAGE_LOG_AGAIN  100

/* how long an exiting process waits for who reads what it writes */
#define NGX_HTTP_KATALO_USAGE_LOG_EXIT   1000


static void ngx_http_katalo_usage_log_handler(ngx_event_t *ev);
static ngx_msec_t ngx_http_katalo_usage_log_due(
    ngx_http_katalo_usage_log_t *log);


/*
 * Before a file is reopened.  The master does so first: what was begun in the
 * old file is settled, and a process that has not reopened it yet leaves it to
 * the others.
 */

void
ngx_http_katalo_usage_log_reopen(ngx_open_file_t *file, ngx_log_t *unused)
{
    ngx_http_katalo_usage_t      *usage;
    ngx_http_katalo_usage_log_t  *log;

    log = file->data;
    usage = log->usage;

    if (usage == NULL || usage->sh == NULL) {
        return;
    }

    ngx_http_katalo_usage_lock(usage);

    if (ngx_process == NGX_PROCESS_MASTER
        || ngx_process == NGX_PROCESS_SINGLE)
    {
        (void) ngx_http_katalo_usage_flush_pending(usage);

        usage->sh->log_reopens++;
    }

    log->reopens = usage->sh->log_reopens;

    ngx_http_katalo_usage_unlock(usage);
}


ngx_int_t
ngx_http_katalo_usage_log_inherit(ngx_http_katalo_usage_t *usage,
    ngx_http_katalo_usage_t *old)
{
    ngx_file_info_t               fi, old_fi;
    ngx_http_katalo_usage_log_t  *log, *old_log;

    log = usage->log;
    old_log = old->log;

    /* a single process goes on with the new configuration */

    if (old_log && old_log->event.timer_set) {
        ngx_del_timer(&old_log->event);
    }

    if (old_log && old_log->event.posted) {
        ngx_delete_posted_event(&old_log->event);
    }

    if (log == NULL || old_log == NULL || old_log->file == NULL) {
        return NGX_OK;
    }

    if (log->file
        && ngx_fd_info(log->file->fd, &fi) != NGX_FILE_ERROR
        && ngx_fd_info(old_log->file->fd, &old_fi) != NGX_FILE_ERROR
        && fi.st_dev == old_fi.st_dev
        && fi.st_ino == old_fi.st_ino)
    {
        return NGX_OK;
    }

    log->previous = fcntl(old_log->file->fd, F_DUPFD_CLOEXEC, 0);

    if (log->previous == NGX_INVALID_FILE) {
        ngx_log_error(NGX_LOG_EMERG, usage->cycle->log, ngx_errno,
                      "fcntl(F_DUPFD_CLOEXEC) \"%V\" failed", &old_log->name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_http_katalo_usage_log_init(ngx_http_katalo_usage_t *usage)
{
    ngx_msec_t                    interval;
    ngx_http_katalo_sh_t         *sh;
    ngx_http_katalo_usage_log_t  *log;

    sh = usage->sh;
    log = usage->log;

    sh->logged = (log != NULL);

    if (log == NULL) {
        return;
    }

    log->reopens = sh->log_reopens;

    interval = log->interval * 1000;

    if (sh->log_next == 0
        || (ngx_msec_int_t) (sh->log_next - ngx_current_msec)
           > (ngx_msec_int_t) interval)
    {
        sh->log_next = ngx_current_msec + interval;
    }

    (void) ngx_http_katalo_usage_flush_pending(usage);
}


void
ngx_http_katalo_usage_log_init_process(ngx_http_katalo_usage_t *usage)
{
    ngx_msec_t                    wait;
    ngx_http_katalo_usage_log_t  *log;

    log = usage->log;

    if (log == NULL) {
        return;
    }

    log->event.handler = ngx_http_katalo_usage_log_handler;
    log->event.data = log;
    log->event.log = usage->cycle->log;
    log->event.cancelable = 1;

    ngx_http_katalo_usage_lock(usage);

    (void) ngx_http_katalo_usage_flush_pending(usage);

    wait = ngx_http_katalo_usage_log_due(log);

    ngx_http_katalo_usage_unlock(usage);

    ngx_add_timer(&log->event, ngx_max(wait, 1));
}


static void
ngx_http_katalo_usage_log_handler(ngx_event_t *ev)
{
    ngx_int_t                     rc;
    ngx_msec_t                    wait, started;
    ngx_http_katalo_usage_t      *usage;
    ngx_http_katalo_usage_log_t  *log;

    log = ev->data;
    usage = log->usage;

    ev->timedout = 0;

    /* others go on; it has its say when it exits */

    if (ngx_exiting) {
        return;
    }

    ngx_http_katalo_usage_lock(usage);

    wait = 0;

    if (log->row == NGX_HTTP_KATALO_NONE) {
        wait = ngx_http_katalo_usage_log_due(log);

        if (wait == 0) {
            usage->sh->log_next = ngx_current_msec + log->interval * 1000;
            log->row = 0;
        }
    }

    ngx_http_katalo_usage_unlock(usage);

    if (wait) {
        ngx_add_timer(ev, wait);
        return;
    }

    started = ngx_current_msec;

    do {
        ngx_http_katalo_usage_lock(usage);

        rc = ngx_http_katalo_usage_flush_row(usage, log->row);

        wait = ngx_http_katalo_usage_log_due(log);

        ngx_http_katalo_usage_unlock(usage);

        if (rc == NGX_AGAIN || rc == NGX_DECLINED) {
            ngx_add_timer(ev, NGX_HTTP_KATALO_USAGE_LOG_AGAIN);
            return;
        }

        if (rc == NGX_ERROR || ++log->row == usage->sh->rows - 1) {
            log->row = NGX_HTTP_KATALO_NONE;
            ngx_add_timer(ev, ngx_max(wait, 1));
            return;
        }

        ngx_time_update();

    } while (ngx_current_msec - started < NGX_HTTP_KATALO_USAGE_LOG_WORK);

    ngx_post_event(ev, &ngx_posted_next_events);
}


/* milliseconds until the next pass; the caller has the mutex */

static ngx_msec_t
ngx_http_katalo_usage_log_due(ngx_http_katalo_usage_log_t *log)
{
    ngx_msec_int_t  wait;

    wait = (ngx_msec_int_t) (log->usage->sh->log_next - ngx_current_msec);

    return wait > 0 ? (ngx_msec_t) wait : 0;
}


void
ngx_http_katalo_usage_log_exit(ngx_cycle_t *cycle)
{
    ngx_int_t                     rc;
    ngx_msec_t                    wait;
    ngx_uint_t                    row;
    ngx_http_katalo_usage_t      *usage;
    ngx_http_katalo_main_conf_t  *kmcf;

    kmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_katalo_module);

    if (kmcf == NULL || kmcf->keys.nelts == 0 || kmcf->usage_log == NULL) {
        return;
    }

    usage = kmcf->usage;

    wait = NGX_HTTP_KATALO_USAGE_LOG_EXIT;

    for (row = 0; row < usage->sh->rows - 1; row++) {

        for ( ;; ) {
            ngx_http_katalo_usage_lock(usage);

            rc = ngx_http_katalo_usage_flush_row(usage, row);

            ngx_http_katalo_usage_unlock(usage);

            if (rc != NGX_AGAIN || wait == 0) {
                break;
            }

            ngx_msleep(10);
            wait -= 10;
        }

        if (rc != NGX_OK) {
            return;
        }
    }
}
