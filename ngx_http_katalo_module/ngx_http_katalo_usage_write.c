
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_usage_write.h"

#include <poll.h>


static ngx_int_t ngx_http_katalo_usage_write_file(ngx_fd_t fd, off_t size,
    ngx_http_katalo_sh_line_t *line, u_char *buf, size_t len);
static ngx_int_t ngx_http_katalo_usage_write_pipe(
    ngx_http_katalo_usage_log_t *log, ngx_http_katalo_sh_line_t *line,
    u_char *buf, size_t len);


ngx_int_t
ngx_http_katalo_usage_write(ngx_http_katalo_usage_log_t *log,
    ngx_http_katalo_sh_line_t *line, u_char *buf, size_t len)
{
    ssize_t          n;
    ngx_file_info_t  fi;

    if (log->file == NULL) {

        /* what is sent is taken as received */

        n = ngx_syslog_send(log->peer, buf + 1, len);

        return (n == (ssize_t) len) ? NGX_OK
                                    : (n == NGX_AGAIN) ? NGX_AGAIN : NGX_ERROR;
    }

    if (ngx_fd_info(log->file->fd, &fi) == NGX_FILE_ERROR) {
        return NGX_ERROR;
    }

    *buf = '\n';

    if (!ngx_is_file(&fi)) {
        return ngx_http_katalo_usage_write_pipe(log, line, buf, len);
    }

    /* a new file may be read after another, as by "tail -F" */

    if (fi.st_size == line->end || (fi.st_size == 0 && line->end != -1)) {
        buf++;

    } else {
        len++;
    }

    return ngx_http_katalo_usage_write_file(log->file->fd, fi.st_size, line,
                                            buf, len);
}


/* a disk that hangs stops the process here */

static ngx_int_t
ngx_http_katalo_usage_write_file(ngx_fd_t fd, off_t size,
    ngx_http_katalo_sh_line_t *line, u_char *buf, size_t len)
{
    ssize_t  n;

    size += len;
    line->end = -1;

    ngx_memory_barrier();

    while (len) {
        n = ngx_write_fd(fd, buf, len);

        if (n == NGX_FILE_ERROR) {
            return NGX_ERROR;
        }

        if (n == 0) {
            ngx_set_errno(NGX_ENOSPC);
            return NGX_ERROR;
        }

        buf += n;
        len -= n;
    }

    line->end = size;

    return NGX_OK;
}


/*
 * A reader that stands still must not stop the worker: it writes what there is
 * room for, and goes on with that later.  "end" is 0 after a whole line.
 */

static ngx_int_t
ngx_http_katalo_usage_write_pipe(ngx_http_katalo_usage_log_t *log,
    ngx_http_katalo_sh_line_t *line, u_char *buf, size_t len)
{
    size_t         pos, size;
    ssize_t        n;
    struct pollfd  pfd;

    /* the first byte is the end of a line that was cut off */

    len++;
    pos = log->written ? log->written : (line->end == 0);

    while (pos < len) {
        pfd.fd = log->file->fd;
        pfd.events = POLLOUT;

        if (poll(&pfd, 1, 0) != 1) {
            return NGX_AGAIN;
        }

        size = ngx_min(len - pos, PIPE_BUF);

        line->end = -1;

        n = ngx_write_fd(log->file->fd, buf + pos, size);

        if (n <= 0) {
            log->written = 0;
            return NGX_ERROR;
        }

        pos += n;
        log->written = pos;
    }

    log->written = 0;
    line->end = 0;

    return NGX_OK;
}
