
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
#include "ngx_http_katalo_usage_write.h"


/* of syslog: priority, time, host and tag */
#define NGX_HTTP_KATALO_USAGE_HEADER     512


static ngx_int_t ngx_http_katalo_usage_flush_pending(
    ngx_http_katalo_usage_t *usage);
static ngx_uint_t ngx_http_katalo_usage_fill(ngx_http_katalo_usage_t *usage,
    ngx_uint_t place);
static ngx_uint_t ngx_http_katalo_usage_fill_consumer(
    ngx_http_katalo_usage_t *usage, ngx_uint_t place);
static void ngx_http_katalo_usage_begin(ngx_http_katalo_usage_t *usage,
    ngx_uint_t row, ngx_uint_t slot);
static ngx_uint_t ngx_http_katalo_usage_fill_line(
    ngx_http_katalo_usage_t *usage, ngx_uint_t row, ngx_uint_t slot);
static ngx_uint_t ngx_http_katalo_usage_delta(uint64_t *delta, uint64_t *total,
    uint64_t *flushed, ngx_uint_t n);
static void ngx_http_katalo_usage_done(ngx_http_katalo_usage_t *usage);


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

    } else if (place >= sh->slots + sh->rows) {
        filled = ngx_http_katalo_usage_fill_consumer(usage,
                                               place - sh->slots - sh->rows);

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


/* as long as the mutex is held, the consumer does not give way */

static ngx_uint_t
ngx_http_katalo_usage_fill_consumer(ngx_http_katalo_usage_t *usage,
    ngx_uint_t place)
{
    ngx_uint_t                       changed;
    ngx_http_katalo_sh_line_t       *line;
    ngx_http_katalo_consumer_row_t   row;

    line = &usage->sh->line;
    changed = 0;

    ngx_http_katalo_consumed_lock(usage, place);

    if (ngx_http_katalo_consumed_read(usage, place, &row) == NGX_OK) {
        ngx_http_katalo_usage_begin(usage, row.row, NGX_HTTP_KATALO_NONE);

        line->of_key = 0;
        line->counts = ngx_http_katalo_consumed_counts(usage, place);
        line->consumer.len = row.consumer.len;
        line->consumer.data = line->data;

        ngx_memcpy(line->data, row.data, row.consumer.len);
        ngx_memcpy(line->id_total, row.counters, sizeof(row.counters));

        changed = ngx_http_katalo_usage_delta(line->id_delta, line->id_total,
                                           line->counts->flushed,
                                           NGX_HTTP_KATALO_CONSUMER_COUNTERS);

        ngx_memory_barrier();

        line->pending = changed;
    }

    ngx_http_katalo_consumers_unlock(usage);

    return changed;
}


static void
ngx_http_katalo_usage_begin(ngx_http_katalo_usage_t *usage, ngx_uint_t row,
    ngx_uint_t slot)
{
    ngx_http_katalo_sh_line_t  *line;

    line = &usage->sh->line;

    line->number = line->lines + 1;
    line->time = ngx_time();
    line->interval = usage->log->interval;
    line->row = row;
    line->slot = slot;
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

    ngx_http_katalo_usage_begin(usage, row, slot);

    line->of_key = (slot == shkey->current);
    line->counts = NULL;

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

    if (line->counts) {
        ngx_http_katalo_consumers_lock(usage);

        ngx_memcpy(line->counts->flushed, line->id_total,
                   sizeof(line->counts->flushed));
    }

    line->lines = line->number;

    ngx_memory_barrier();

    line->pending = 0;

    if (line->counts) {
        ngx_http_katalo_consumers_unlock(usage);
    }

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

    if (line->counts) {
        p = ngx_http_katalo_json_name(p, "consumer");
        p = ngx_http_katalo_json_quoted(p, &line->consumer);

    } else {
        p = ngx_http_katalo_json_string(p, "key_id",
                                        of_id ? &sh->ids[line->slot].id : NULL);
    }

    p = ngx_http_katalo_json_number(p, "interval", line->interval);

    for (total = 0; total < 2; total++) {
        p = ngx_http_katalo_json_name(p, total ? "total" : "delta");
        *p++ = '{';

        if (of_id || line->counts) {
            p = ngx_http_katalo_json_counters(p, usage,
                               of_id ? NGX_HTTP_KATALO_OF_ID
                                     : NGX_HTTP_KATALO_OF_CONSUMER,
                               total ? line->id_total : line->id_delta, 0);
        }

        if (line->of_key) {
            p = ngx_http_katalo_json_counters(p, usage, NGX_HTTP_KATALO_OF_KEY,
                               total ? line->key_total : line->key_delta, 0);
        }

        *p++ = '}';
    }

    *p++ = '}';

    return p;
}
