
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * What is counted goes to the usage log once: not twice, not never, wherever a
 * process is killed, or a disk is full.  The line is in the zone before it is
 * in the file:
 *
 * - the line is put together; if the process is killed here, nothing happened;
 * - it becomes pending: from here on it is the whole truth, and whoever has
 *   the mutex next goes on with it;
 * - its totals become those that the usage log has; to do it again is to do
 *   nothing;
 * - the file's size is noted, "writing" is set, the line is written, "writing"
 *   is cleared.  If the process is killed while it is set, the file's size
 *   says how much was written;
 * - it is not pending any more.
 *
 * The line's bytes are not kept: they are rendered again, from what is.
 */


#include "ngx_http_katalo_zone.h"


/* of syslog: priority, time, host and tag */
#define NGX_HTTP_KATALO_USAGE_HEADER     512


static ngx_int_t ngx_http_katalo_usage_flush(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row, ngx_uint_t slot);
static ngx_uint_t ngx_http_katalo_usage_fill(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row, ngx_uint_t slot);
static ngx_uint_t ngx_http_katalo_usage_delta(uint64_t *delta, uint64_t *total,
    uint64_t *flushed, ngx_uint_t n);
static void ngx_http_katalo_usage_apply(ngx_http_katalo_sh_t *sh);
static u_char *ngx_http_katalo_usage_render(ngx_http_katalo_usage_t *usage,
    u_char *p);


ngx_int_t
ngx_http_katalo_usage_flush_row(ngx_http_katalo_usage_t *usage, ngx_uint_t row)
{
    ngx_int_t                  rc;
    ngx_uint_t                 slot;
    ngx_http_katalo_sh_t      *sh;
    ngx_http_katalo_sh_key_t  *shkey;

    sh = usage->sh;
    shkey = &sh->keys[row];

    if (shkey->name.len == 0) {
        return NGX_OK;
    }

    for (slot = shkey->slots;
         slot != NGX_HTTP_KATALO_NONE;
         slot = sh->ids[slot].next)
    {
        rc = ngx_http_katalo_usage_flush(usage, row, slot);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    /* facts of a key name without an id, or with one that found no slot */

    if (shkey->current == NGX_HTTP_KATALO_NONE
        || shkey->current == sh->slots - 1)
    {
        return ngx_http_katalo_usage_flush(usage, row, NGX_HTTP_KATALO_NONE);
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_katalo_usage_flush_slot(ngx_http_katalo_usage_t *usage,
    ngx_uint_t slot)
{
    return ngx_http_katalo_usage_flush(usage, usage->sh->ids[slot].row, slot);
}


ngx_uint_t
ngx_http_katalo_usage_flushed(ngx_http_katalo_usage_t *usage, ngx_uint_t slot)
{
    uint64_t                    total[NGX_HTTP_KATALO_ID_COUNTERS];
    ngx_http_katalo_sh_t       *sh;
    ngx_http_katalo_sh_line_t  *line;

    sh = usage->sh;
    line = &sh->line;

    if (line->pending && line->slot == slot) {
        return 0;
    }

    ngx_http_katalo_usage_sum_id(sh, slot, total);

    return ngx_memcmp(total, sh->ids[slot].flushed, sizeof(total)) == 0;
}


static ngx_int_t
ngx_http_katalo_usage_flush(ngx_http_katalo_usage_t *usage, ngx_uint_t row,
    ngx_uint_t slot)
{
    ngx_int_t              rc;
    ngx_http_katalo_sh_t  *sh;

    sh = usage->sh;

    /* the last row has facts of more than one key name */

    if (row == sh->rows - 1) {
        return NGX_OK;
    }

    if (usage->log == NULL) {

        /* an old configuration has none, but the latest one has */

        if (sh->logged) {
            return NGX_ERROR;
        }

        if (sh->line.row == row) {
            sh->line.pending = 0;
        }

        return NGX_OK;
    }

    rc = ngx_http_katalo_usage_flush_pending(usage);

    if (rc == NGX_OK && ngx_http_katalo_usage_fill(usage, row, slot)) {
        rc = ngx_http_katalo_usage_flush_pending(usage);
    }

    return rc;
}


/* returns 0 where nothing changed */

static ngx_uint_t
ngx_http_katalo_usage_fill(ngx_http_katalo_usage_t *usage, ngx_uint_t row,
    ngx_uint_t slot)
{
    ngx_uint_t                     changed;
    ngx_http_katalo_sh_t          *sh;
    ngx_http_katalo_sh_key_t      *shkey;
    ngx_http_katalo_sh_line_t     *pending;
    ngx_http_katalo_usage_line_t  *line;

    sh = usage->sh;
    shkey = &sh->keys[row];
    pending = &sh->line;
    line = &pending->line;

    changed = 0;

    line->time = ngx_time();
    line->interval = usage->log->interval;
    line->of_id = (slot != NGX_HTTP_KATALO_NONE);
    line->of_key = (slot == NGX_HTTP_KATALO_NONE || slot == shkey->current);

    if (line->of_id) {
        ngx_http_katalo_usage_sum_id(sh, slot, line->id_total);

        changed |= ngx_http_katalo_usage_delta(line->id_delta, line->id_total,
                                               sh->ids[slot].flushed,
                                               NGX_HTTP_KATALO_ID_COUNTERS);
    }

    if (line->of_key) {
        ngx_http_katalo_usage_sum_key(sh, row, line->key_total);

        changed |= ngx_http_katalo_usage_delta(line->key_delta,
                                               line->key_total, shkey->flushed,
                                               NGX_HTTP_KATALO_KEY_TOTALS);
    }

    if (!changed) {
        return 0;
    }

    pending->row = row;
    pending->slot = slot;
    pending->written = 0;
    pending->writing = 0;

    ngx_memory_barrier();

    pending->pending = 1;

    ngx_memory_barrier();

    return 1;
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


ngx_int_t
ngx_http_katalo_usage_flush_pending(ngx_http_katalo_usage_t *usage)
{
    u_char                        buf[NGX_HTTP_KATALO_USAGE_HEADER
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

    /* the file has been rotated: this process has yet to reopen it */

    if (log->file && log->reopens != usage->sh->log_reopens) {
        return NGX_DECLINED;
    }

    ngx_http_katalo_usage_apply(usage->sh);

    ngx_memory_barrier();

    p = log->peer ? ngx_syslog_add_header(log->peer, buf) : buf;
    p = ngx_http_katalo_usage_render(usage, p);

    rc = ngx_http_katalo_usage_write(log, line, buf, p - buf);

    if (rc == NGX_OK) {
        ngx_memory_barrier();

        line->pending = 0;

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


static void
ngx_http_katalo_usage_apply(ngx_http_katalo_sh_t *sh)
{
    ngx_http_katalo_sh_line_t  *line;

    line = &sh->line;

    if (line->line.of_id) {
        ngx_memcpy(sh->ids[line->slot].flushed, line->line.id_total,
                   sizeof(line->line.id_total));
    }

    if (line->line.of_key) {
        ngx_memcpy(sh->keys[line->row].flushed, line->line.key_total,
                   sizeof(line->line.key_total));
    }
}


static u_char *
ngx_http_katalo_usage_render(ngx_http_katalo_usage_t *usage, u_char *p)
{
    ngx_str_t                  *operations[NGX_HTTP_KATALO_OPERATIONS], *id;
    ngx_uint_t                  i;
    ngx_http_katalo_sh_t       *sh;
    ngx_http_katalo_sh_line_t  *line;

    sh = usage->sh;
    line = &sh->line;

    for (i = 0; i < NGX_HTTP_KATALO_OPERATIONS; i++) {
        operations[i] = i < NGX_HTTP_KATALO_BUILTIN
                  ? ngx_http_katalo_operation_name(usage->conf, i)
                  : &sh->operations[i - NGX_HTTP_KATALO_BUILTIN].name;
    }

    id = line->line.of_id ? &sh->ids[line->slot].id : NULL;

    p = ngx_http_katalo_usage_line(p, &line->line, &sh->keys[line->row].name,
                                   id, operations);

    if (usage->log->file) {
        *p++ = '\n';
    }

    return p;
}
