
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * A line goes to the usage log at least once, always with the same id and the
 * same content, wherever a process is killed:
 *
 * - under the mutex, what is new is put into the zone as the pending line;
 * - without the mutex, the line is rendered from the zone and written;
 * - under the mutex, its totals become those that the usage log has, its
 *   number the last one written, and it is not pending any more.
 *
 * If the process is killed in between, the next owner of the log goes on with
 * the pending line, and may write it again.
 */


#include "ngx_http_katalo_json.h"
#include "ngx_http_katalo_usage_flush.h"
#include "ngx_http_katalo_usage_log.h"
#include <poll.h>


/* of syslog: priority, time, host and tag */
#define NGX_HTTP_KATALO_USAGE_HEADER     512


static ngx_int_t ngx_http_katalo_usage_flush_pending(
    ngx_http_katalo_usage_t *usage);
static ngx_uint_t ngx_http_katalo_usage_fill(ngx_http_katalo_usage_t *usage,
    ngx_uint_t place);
static ngx_uint_t ngx_http_katalo_usage_fill_line(
    ngx_http_katalo_usage_t *usage, ngx_uint_t row, ngx_uint_t slot);
static ngx_uint_t ngx_http_katalo_usage_delta(uint64_t *delta, uint64_t *total,
    uint64_t *flushed, ngx_uint_t n);
static void ngx_http_katalo_usage_done(ngx_http_katalo_usage_t *usage);
static ngx_int_t ngx_http_katalo_usage_write(
    ngx_http_katalo_usage_log_t *log, ngx_http_katalo_sh_line_t *line,
    u_char *buf, size_t len);
static ngx_int_t ngx_http_katalo_usage_write_file(ngx_fd_t fd, off_t size,
    ngx_http_katalo_sh_line_t *line, u_char *buf, size_t len);
static ngx_int_t ngx_http_katalo_usage_write_pipe(
    ngx_http_katalo_usage_log_t *log, ngx_http_katalo_sh_line_t *line,
    u_char *buf, size_t len);


ngx_int_t
ngx_http_katalo_usage_flush(ngx_http_katalo_usage_t *usage, ngx_uint_t place)
{
    ngx_int_t  rc;

    rc = ngx_http_katalo_usage_flush_pending(usage);

    if (rc == NGX_OK && ngx_http_katalo_usage_fill(usage, place)) {
        rc = ngx_http_katalo_usage_flush_pending(usage);
    }

    return rc;
}


static ngx_int_t
ngx_http_katalo_usage_flush_pending(ngx_http_katalo_usage_t *usage)
{
    u_char                        buf[1 + NGX_HTTP_KATALO_USAGE_HEADER
                                      + NGX_HTTP_KATALO_USAGE_LINE];
    u_char                       *p;
    ngx_int_t                     rc;
    ngx_err_t                     err;
    ngx_http_katalo_sh_line_t    *line;
    ngx_http_katalo_usage_log_t  *log;

    log = usage->log;
    line = &usage->sh->line;

    if (!line->pending) {
        return NGX_OK;
    }

    p = log->peer ? ngx_syslog_add_header(log->peer, buf + 1) : buf + 1;
    p = ngx_http_katalo_usage_line(usage, p);

    if (log->file) {
        *p++ = '\n';
    }

    rc = ngx_http_katalo_usage_write(log, line, buf, p - buf - 1);

    if (rc == NGX_OK) {
        ngx_http_katalo_usage_done(usage);

        if (line->err) {
            line->err = 0;

            ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                          "katalo: usage log \"%V\" is written again",
                          &log->name);
        }

        return NGX_OK;
    }

    err = ngx_errno;

    if (rc == NGX_ERROR && line->err != err) {
        line->err = err;

        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, err,
                      "katalo: usage log \"%V\" could not be written, it is "
                      "tried again at each interval", &log->name);
    }

    return rc;
}


/* returns 0 where nothing changed */

static ngx_uint_t
ngx_http_katalo_usage_fill(ngx_http_katalo_usage_t *usage, ngx_uint_t place)
{
    ngx_uint_t                 row, filled;
    ngx_http_katalo_sh_t      *sh;
    ngx_http_katalo_sh_key_t  *shkey;

    sh = usage->sh;
    filled = 0;

    ngx_http_katalo_zone_lock(usage);

    if (place < sh->slots) {

        if (sh->ids[place].id.len) {
            filled = ngx_http_katalo_usage_fill_line(usage, sh->ids[place].row,
                                                     place);
        }

    } else {
        row = place - sh->slots;
        shkey = &sh->keys[row];

        /* facts of a key name without an id, or with one that has no slot */

        if (shkey->name.len && shkey->current == NGX_HTTP_KATALO_NONE) {
            filled = ngx_http_katalo_usage_fill_line(usage, row,
                                                     NGX_HTTP_KATALO_NONE);
        }
    }

    ngx_http_katalo_zone_unlock(usage);

    return filled;
}


static ngx_uint_t
ngx_http_katalo_usage_fill_line(ngx_http_katalo_usage_t *usage, ngx_uint_t row,
    ngx_uint_t slot)
{
    ngx_uint_t                  changed;
    ngx_http_katalo_sh_t       *sh;
    ngx_http_katalo_sh_key_t   *shkey;
    ngx_http_katalo_sh_line_t  *line;

    sh = usage->sh;
    shkey = &sh->keys[row];
    line = &sh->line;

    changed = 0;

    line->number = line->lines + 1;
    line->time = ngx_time();
    line->interval = usage->log->interval;
    line->row = row;
    line->slot = slot;
    line->of_key = (slot == shkey->current);

    if (slot != NGX_HTTP_KATALO_NONE) {
        ngx_http_katalo_zone_sum_id(sh, slot, line->id_total);

        changed |= ngx_http_katalo_usage_delta(line->id_delta, line->id_total,
                                               sh->ids[slot].flushed,
                                               NGX_HTTP_KATALO_ID_COUNTERS);
    }

    if (line->of_key) {
        ngx_http_katalo_zone_sum_key(sh, row, line->key_total);

        changed |= ngx_http_katalo_usage_delta(line->key_delta,
                                               line->key_total, shkey->flushed,
                                               NGX_HTTP_KATALO_KEY_COUNTERS);
    }

    ngx_memory_barrier();

    line->pending = changed;

    return changed;
}


static ngx_uint_t
ngx_http_katalo_usage_delta(uint64_t *delta, uint64_t *total,
    uint64_t *flushed, ngx_uint_t n)
{
    ngx_uint_t  i, changed;

    changed = 0;

    for (i = 0; i < n; i++) {
        delta[i] = total[i] - flushed[i];
        changed |= (delta[i] != 0);
    }

    return changed;
}


/* a process that is killed here leaves a line that is written again */

static void
ngx_http_katalo_usage_done(ngx_http_katalo_usage_t *usage)
{
    ngx_http_katalo_sh_t       *sh;
    ngx_http_katalo_sh_line_t  *line;

    sh = usage->sh;
    line = &sh->line;

    ngx_http_katalo_zone_lock(usage);

    if (line->slot != NGX_HTTP_KATALO_NONE) {
        ngx_memcpy(sh->ids[line->slot].flushed, line->id_total,
                   sizeof(line->id_total));
    }

    if (line->of_key) {
        ngx_memcpy(sh->keys[line->row].flushed, line->key_total,
                   sizeof(line->key_total));
    }

    line->lines = line->number;

    ngx_memory_barrier();

    line->pending = 0;

    ngx_http_katalo_zone_unlock(usage);
}


u_char *
ngx_http_katalo_usage_line(ngx_http_katalo_usage_t *usage, u_char *p)
{
    ngx_uint_t                  total, of_id;
    ngx_http_katalo_sh_t       *sh;
    ngx_http_katalo_sh_line_t  *line;

    sh = usage->sh;
    line = &sh->line;
    of_id = (line->slot != NGX_HTTP_KATALO_NONE);

    p = ngx_sprintf(p, "{\"id\":\"%*s.%uL\"",
                    (size_t) NGX_HTTP_KATALO_RUN_LEN, line->run,
                    line->number);
    p = ngx_http_katalo_json_time(p, "time", line->time);
    p = ngx_http_katalo_json_string(p, "key", &sh->keys[line->row].name);
    p = ngx_http_katalo_json_string(p, "key_id",
                                    of_id ? &sh->ids[line->slot].id : NULL);
    p = ngx_http_katalo_json_number(p, "interval", line->interval);

    for (total = 0; total < 2; total++) {
        p = ngx_http_katalo_json_name(p, total ? "total" : "delta");
        *p++ = '{';

        if (of_id) {
            p = ngx_http_katalo_json_counters(p, usage, 1,
                               total ? line->id_total : line->id_delta, 0);
        }

        if (line->of_key) {
            p = ngx_http_katalo_json_counters(p, usage, 0,
                               total ? line->key_total : line->key_delta, 0);
        }

        *p++ = '}';
    }

    *p++ = '}';

    return p;
}


/*
 * The pending line begins at buf + 1 and has "len" bytes.  The line before it
 * may have been cut off, by a full disk or with its process: an end of line
 * comes first where the file is not as the last whole line left it.
 */

static ngx_int_t
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
