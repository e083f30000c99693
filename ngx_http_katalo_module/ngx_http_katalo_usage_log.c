
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * Each worker has a timer; the first one that finds the interval over takes
 * the pass over all slots and rows of the zone, also of keys that have left
 * the configuration.  If it is killed, the next pass has the rest.
 *
 * Whoever writes owns the log.  Nobody waits for it, but a process that exits
 * does for a moment: others see that the owner is alive and try later, so that
 * a disk that hangs stops one worker, and the zone's mutex is free meanwhile.
 * The master never writes.
 */


#include "ngx_http_katalo_usage_flush.h"
#include "ngx_http_katalo_usage_log.h"

#include <openssl/rand.h>


/* milliseconds: of work before other events, and until it is tried again */
#define NGX_HTTP_KATALO_USAGE_LOG_WORK   2
#define NGX_HTTP_KATALO_USAGE_LOG_AGAIN  100

/* until it is tried again while another process owns the log */
#define NGX_HTTP_KATALO_USAGE_LOG_BUSY   1000

/* old workers write first what they have, to a file that was theirs */
#define NGX_HTTP_KATALO_USAGE_LOG_RELOAD 1000

/* how long an exiting process waits for the owner, or for a reader */
#define NGX_HTTP_KATALO_USAGE_LOG_EXIT   1000


static ngx_fd_t ngx_http_katalo_usage_log_create(ngx_cycle_t *cycle,
    ngx_http_katalo_usage_log_t *log);
static ngx_uint_t ngx_http_katalo_usage_log_shared(ngx_cycle_t *cycle,
    ngx_http_katalo_usage_log_t *log, ngx_fd_t fd);
static void ngx_http_katalo_usage_log_name(u_char *run);
static void ngx_http_katalo_usage_log_handler(ngx_event_t *ev);
static void ngx_http_katalo_usage_log_pass(ngx_http_katalo_usage_t *usage);
static ngx_msec_t ngx_http_katalo_usage_log_due(
    ngx_http_katalo_usage_t *usage);
static ngx_uint_t ngx_http_katalo_usage_log_own(
    ngx_http_katalo_usage_t *usage);
static void ngx_http_katalo_usage_log_disown(ngx_http_katalo_usage_t *usage);


/*
 * The entry in the list of files, by which nginx reopens and closes the file,
 * is made when no other module can take it for its own any more.
 */

ngx_int_t
ngx_http_katalo_usage_log_open(ngx_cycle_t *cycle,
    ngx_http_katalo_usage_log_t *log)
{
    ngx_fd_t          fd;
    ngx_file_info_t   fi;
    ngx_open_file_t  *file;

    if (log->peer) {
        return NGX_OK;
    }

    fd = ngx_http_katalo_usage_log_create(cycle, log);

    if (fd == NGX_INVALID_FILE) {
        return NGX_ERROR;
    }

    file = NULL;

    if (!ngx_http_katalo_usage_log_shared(cycle, log, fd)) {
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
    file->flush = NULL;
    file->data = NULL;

    /* nginx would wait for the reader of a pipe, but reopens names only */

    if (ngx_fd_info(fd, &fi) != NGX_FILE_ERROR && S_ISFIFO(fi.st_mode)) {
        file->name.len = 0;
    }

    log->file = file;

    return NGX_OK;
}


/* a pipe without a reader is an error: the master must not wait for one */

static ngx_fd_t
ngx_http_katalo_usage_log_create(ngx_cycle_t *cycle,
    ngx_http_katalo_usage_log_t *log)
{
    ngx_fd_t  fd;

    fd = ngx_open_file(log->name.data, NGX_FILE_APPEND|O_NONBLOCK|O_CLOEXEC,
                       NGX_FILE_CREATE_OR_OPEN, NGX_FILE_DEFAULT_ACCESS);

    if (fd == NGX_INVALID_FILE) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      ngx_open_file_n " \"%V\" failed%s in %V:%ui",
                      &log->name,
                      ngx_errno == ENXIO ? ", a pipe needs a reader, and a "
                                           "socket \"syslog:\"" : "",
                      &log->place.file, log->place.line);
        return NGX_INVALID_FILE;
    }

    if (ngx_blocking(fd) == -1) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      ngx_blocking_n " \"%V\" failed in %V:%ui",
                      &log->name, &log->place.file, log->place.line);
        (void) ngx_close_file(fd);
        return NGX_INVALID_FILE;
    }

    return fd;
}


/* a device or a pipe may have lines of others, too */

static ngx_uint_t
ngx_http_katalo_usage_log_shared(ngx_cycle_t *cycle,
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


void
ngx_http_katalo_usage_log_init(ngx_http_katalo_usage_t *usage)
{
    ngx_msec_t                    interval, wait;
    ngx_http_katalo_sh_t         *sh;
    ngx_http_katalo_usage_log_t  *log;

    sh = usage->sh;
    log = usage->log;

    sh->logged = (log != NULL);

    if (log == NULL) {
        return;
    }

    if (sh->line.run[0] == '\0') {
        ngx_http_katalo_usage_log_name(sh->line.run);
    }

    interval = log->interval * 1000;

    /* keys that have left the configuration make room once they are logged */

    wait = sh->log_next ? ngx_min(interval, NGX_HTTP_KATALO_USAGE_LOG_RELOAD)
                        : interval;

    sh->log_next = ngx_current_msec + wait;
}


/* gateways in containers have the same process ids, and ngx_random() seeds */

static void
ngx_http_katalo_usage_log_name(u_char *run)
{
    u_char      bytes[NGX_HTTP_KATALO_RUN_LEN / 2];
    ngx_uint_t  i;

    if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
        for (i = 0; i < sizeof(bytes); i++) {
            bytes[i] = (u_char) ngx_random();
        }
    }

    (void) ngx_hex_dump(run, bytes, sizeof(bytes));
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
    log->event.data = usage;
    log->event.log = usage->cycle->log;
    log->event.cancelable = 1;

    usage->log_event = &log->event;

    wait = ngx_http_katalo_usage_log_due(usage);

    ngx_add_timer(&log->event, ngx_max(wait, 1));
}


static void
ngx_http_katalo_usage_log_handler(ngx_event_t *ev)
{
    ngx_msec_t                    wait;
    ngx_http_katalo_usage_t      *usage;
    ngx_http_katalo_usage_log_t  *log;

    usage = ev->data;
    log = usage->log;

    ev->timedout = 0;

    if (usage->cycle != ngx_cycle) {
        return;
    }

    /* others go on; what is left is written when the process exits */

    if (ngx_exiting) {
        ngx_http_katalo_usage_log_disown(usage);
        return;
    }

    if (log->next == NGX_HTTP_KATALO_NONE) {
        wait = ngx_http_katalo_usage_log_due(usage);

        if (wait) {
            ngx_add_timer(ev, wait);
            return;
        }
    }

    if (!ngx_http_katalo_usage_log_own(usage)) {
        ngx_add_timer(ev, NGX_HTTP_KATALO_USAGE_LOG_BUSY);
        return;
    }

    if (log->next == NGX_HTTP_KATALO_NONE) {
        usage->sh->log_next = ngx_current_msec + log->interval * 1000;
        log->next = 0;
    }

    ngx_http_katalo_usage_log_pass(usage);
    ngx_http_katalo_usage_log_disown(usage);
}


static void
ngx_http_katalo_usage_log_pass(ngx_http_katalo_usage_t *usage)
{
    ngx_int_t                     rc;
    ngx_msec_t                    wait, started;
    ngx_http_katalo_usage_log_t  *log;

    log = usage->log;
    started = ngx_current_msec;

    do {
        rc = ngx_http_katalo_usage_flush(usage, log->next);

        if (rc == NGX_AGAIN) {
            ngx_add_timer(&log->event, NGX_HTTP_KATALO_USAGE_LOG_AGAIN);
            return;
        }

        if (rc == NGX_ERROR
            || ++log->next == ngx_http_katalo_usage_places(usage))
        {
            log->next = NGX_HTTP_KATALO_NONE;

            wait = ngx_http_katalo_usage_log_due(usage);

            ngx_add_timer(&log->event, ngx_max(wait, 1));
            return;
        }

        ngx_time_update();

    } while (ngx_current_msec - started < NGX_HTTP_KATALO_USAGE_LOG_WORK);

    ngx_post_event(&log->event, &ngx_posted_next_events);
}


/* milliseconds until the next pass */

static ngx_msec_t
ngx_http_katalo_usage_log_due(ngx_http_katalo_usage_t *usage)
{
    ngx_msec_int_t  wait;

    wait = (ngx_msec_int_t) (usage->sh->log_next - ngx_current_msec);

    return wait > 0 ? (ngx_msec_t) wait : 0;
}


/*
 * The owner is a process of this nginx, so it is in the same group: another
 * process that has the number of one that died is not.
 */

static ngx_uint_t
ngx_http_katalo_usage_log_own(ngx_http_katalo_usage_t *usage)
{
    ngx_pid_t      pid;
    ngx_atomic_t  *owner;

    owner = &usage->sh->log_owner;
    pid = (ngx_pid_t) *owner;

    if (pid == ngx_pid) {
        return 1;
    }

    if (pid && getpgid(pid) == getpgrp()) {
        return 0;
    }

    return ngx_atomic_cmp_set(owner, (ngx_atomic_uint_t) pid,
                              (ngx_atomic_uint_t) ngx_pid);
}


static void
ngx_http_katalo_usage_log_disown(ngx_http_katalo_usage_t *usage)
{
    (void) ngx_atomic_cmp_set(&usage->sh->log_owner,
                              (ngx_atomic_uint_t) ngx_pid, 0);
}


void
ngx_http_katalo_usage_log_exit(ngx_http_katalo_usage_t *usage)
{
    ngx_int_t   rc;
    ngx_msec_t  wait;
    ngx_uint_t  place;

    if (usage->log == NULL) {
        return;
    }

    place = 0;
    wait = NGX_HTTP_KATALO_USAGE_LOG_EXIT;

    while (place < ngx_http_katalo_usage_places(usage)) {

        rc = ngx_http_katalo_usage_log_own(usage)
             ? ngx_http_katalo_usage_flush(usage, place) : NGX_AGAIN;

        if (rc == NGX_OK) {
            place++;
            continue;
        }

        if (rc == NGX_ERROR || wait == 0) {
            break;
        }

        ngx_msleep(10);
        wait -= 10;
    }

    ngx_http_katalo_usage_log_disown(usage);
}
