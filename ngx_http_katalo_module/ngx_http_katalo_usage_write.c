
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * The caller has the mutex, and whoever has it next may have to go on where
 * this process was killed.  While "writing" is set, nobody but the file knows
 * how much was written; the caller ends that by making the line not pending,
 * and a failure by clearing it.
 */


#include "ngx_http_katalo_zone.h"
#include <poll.h>


static ngx_uint_t ngx_http_katalo_usage_write_settle(
    ngx_http_katalo_usage_log_t *log, ngx_http_katalo_sh_line_t *line);
static ngx_fd_t ngx_http_katalo_usage_write_begun(
    ngx_http_katalo_usage_log_t *log, ngx_http_katalo_sh_line_t *line,
    off_t *size);
static ngx_int_t ngx_http_katalo_usage_write_syslog(ngx_syslog_peer_t *peer,
    ngx_http_katalo_sh_line_t *line, u_char *buf, size_t len);
static ngx_int_t ngx_http_katalo_usage_write_file(ngx_fd_t fd,
    ngx_http_katalo_sh_line_t *line, u_char *buf, size_t len);
static void ngx_http_katalo_usage_write_start(ngx_http_katalo_sh_line_t *line,
    ngx_file_info_t *fi, size_t len);
static void ngx_http_katalo_usage_write_failed(ngx_http_katalo_sh_line_t *line,
    size_t written);


ngx_int_t
ngx_http_katalo_usage_write(ngx_http_katalo_usage_log_t *log,
    ngx_http_katalo_sh_line_t *line, u_char *buf, size_t len)
{
    off_t     size;
    ngx_fd_t  fd;

    if (line->writing && ngx_http_katalo_usage_write_settle(log, line)) {
        return NGX_OK;
    }

    /* a line that was begun is finished where it was, if possible */

    if (line->written && log->file) {
        fd = ngx_http_katalo_usage_write_begun(log, line, &size);

        if (fd != NGX_INVALID_FILE
            && ngx_http_katalo_usage_write_file(fd, line, buf, len) == NGX_OK)
        {
            return NGX_OK;
        }

        if (fd == log->file->fd) {
            return NGX_ERROR;
        }
    }

    if (log->file == NULL) {
        return ngx_http_katalo_usage_write_syslog(log->peer, line, buf, len);
    }

    line->written = 0;

    return ngx_http_katalo_usage_write_file(log->file->fd, line, buf, len);
}


/*
 * A process was killed in write(): how much did it write?  Returns 1 if that
 * was all.  What went to syslog, or to a pipe, is taken as sent; a file that
 * this process does not have gives no answer, and the line is written again.
 */

static ngx_uint_t
ngx_http_katalo_usage_write_settle(ngx_http_katalo_usage_log_t *log,
    ngx_http_katalo_sh_line_t *line)
{
    off_t   size;
    size_t  written;

    if (line->ino == 0) {
        return 1;
    }

    written = 0;

    if (ngx_http_katalo_usage_write_begun(log, line, &size) != NGX_INVALID_FILE
        && size > line->start)
    {
        written = (size_t) ngx_min(size - line->start, (off_t) line->len);
    }

    if (written == line->len) {
        return 1;
    }

    ngx_http_katalo_usage_write_failed(line, written);

    return 0;
}


/* the file that the line was begun in */

static ngx_fd_t
ngx_http_katalo_usage_write_begun(ngx_http_katalo_usage_log_t *log,
    ngx_http_katalo_sh_line_t *line, off_t *size)
{
    ngx_fd_t         fd[2];
    ngx_uint_t       i;
    ngx_file_info_t  fi;

    fd[0] = log->file ? log->file->fd : NGX_INVALID_FILE;
    fd[1] = log->previous;

    for (i = 0; i < 2; i++) {

        if (fd[i] != NGX_INVALID_FILE
            && ngx_fd_info(fd[i], &fi) != NGX_FILE_ERROR
            && ngx_is_file(&fi)
            && fi.st_dev == line->dev
            && fi.st_ino == line->ino)
        {
            *size = fi.st_size;
            return fd[i];
        }
    }

    return NGX_INVALID_FILE;
}


static ngx_int_t
ngx_http_katalo_usage_write_syslog(ngx_syslog_peer_t *peer,
    ngx_http_katalo_sh_line_t *line, u_char *buf, size_t len)
{
    ssize_t  n;

    ngx_http_katalo_usage_write_start(line, NULL, len);

    n = ngx_syslog_send(peer, buf, len);

    if (n == (ssize_t) len) {
        return NGX_OK;
    }

    ngx_http_katalo_usage_write_failed(line, 0);

    return (n == NGX_AGAIN) ? NGX_AGAIN : NGX_ERROR;
}


static ngx_int_t
ngx_http_katalo_usage_write_file(ngx_fd_t fd, ngx_http_katalo_sh_line_t *line,
    u_char *buf, size_t len)
{
    size_t           size;
    ssize_t          n;
    ngx_err_t        err;
    struct pollfd    pfd;
    ngx_file_info_t  fi;

    for ( ;; ) {

        if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
            return NGX_ERROR;
        }

        size = len - line->written;

        if (!ngx_is_file(&fi)) {

            /* the mutex is held: a reader that is slow must not stop nginx */

            pfd.fd = fd;
            pfd.events = POLLOUT;

            if (poll(&pfd, 1, 0) != 1) {
                return NGX_AGAIN;
            }

            size = ngx_min(size, PIPE_BUF);
        }

        ngx_http_katalo_usage_write_start(line, &fi, len);

        n = ngx_write_fd(fd, buf + line->written, size);

        if (n == (ssize_t) (len - line->written)) {
            return NGX_OK;
        }

        err = (n == 0) ? NGX_ENOSPC : ngx_errno;

        ngx_http_katalo_usage_write_failed(line, line->written + ngx_max(n, 0));

        if (n <= 0) {
            ngx_set_errno(err);
            return NGX_ERROR;
        }
    }
}


/* NULL: not a file */

static void
ngx_http_katalo_usage_write_start(ngx_http_katalo_sh_line_t *line,
    ngx_file_info_t *fi, size_t len)
{
    line->ino = 0;
    line->len = len;

    if (fi && ngx_is_file(fi)) {
        line->dev = fi->st_dev;
        line->ino = fi->st_ino;
        line->start = fi->st_size - (off_t) line->written;
    }

    ngx_memory_barrier();

    line->writing = 1;

    ngx_memory_barrier();
}


/* or less was written than asked for */

static void
ngx_http_katalo_usage_write_failed(ngx_http_katalo_sh_line_t *line,
    size_t written)
{
    line->written = written;

    ngx_memory_barrier();

    line->writing = 0;
}
