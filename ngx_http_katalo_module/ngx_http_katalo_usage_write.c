
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_usage_write.h"

#include <poll.h>


static ngx_int_t ngx_http_katalo_usage_write_fd(ngx_fd_t fd, ngx_uint_t pipe,
    ngx_http_katalo_sh_line_t *line, u_char *buf, size_t len);


ngx_int_t
ngx_http_katalo_usage_write(ngx_http_katalo_usage_log_t *log,
    ngx_http_katalo_sh_line_t *line, u_char *buf, size_t len)
{
    off_t            size;
    ssize_t          n;
    ngx_int_t        rc;
    ngx_uint_t       pipe;
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

    pipe = !ngx_is_file(&fi);
    size = pipe ? 0 : ngx_file_size(&fi);

    *buf = '\n';

    /* a new file may be read after another, as by "tail -F" */

    if (size == line->end || (size == 0 && line->end != -1)) {
        buf++;

    } else {
        len++;
    }

    rc = ngx_http_katalo_usage_write_fd(log->file->fd, pipe, line, buf, len);

    if (rc == NGX_OK) {
        line->end = pipe ? 0 : size + (off_t) len;
    }

    return rc;
}


/*
 * A disk that hangs stops the process here.  A pipe whose reader stands still
 * must not: it gets what it has room for.
 */

static ngx_int_t
ngx_http_katalo_usage_write_fd(ngx_fd_t fd, ngx_uint_t pipe,
    ngx_http_katalo_sh_line_t *line, u_char *buf, size_t len)
{
    ssize_t        n;
    struct pollfd  pfd;

    while (len) {
        pfd.fd = fd;
        pfd.events = POLLOUT;

        if (pipe && poll(&pfd, 1, 0) != 1) {
            return NGX_AGAIN;
        }

        line->end = -1;

        ngx_memory_barrier();

        n = ngx_write_fd(fd, buf, pipe ? ngx_min(len, PIPE_BUF) : len);

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

    return NGX_OK;
}
