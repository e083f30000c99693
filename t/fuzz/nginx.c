
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * nginx as it is, but for three symbols: t/fuzz/run renames its main(), the
 * loop of a single process, and what installs its signal handlers, in place of
 * which libFuzzer has its own.
 */


#include "fuzz.h"

#include <ftw.h>
#include <sys/mman.h>
#include <openssl/rand.h>


const char *__asan_default_options(void);
int fuzz_nginx_main(int argc, char *const *argv);
void fuzz_nginx_cycle(ngx_cycle_t *cycle);
ngx_int_t fuzz_nginx_signals(ngx_log_t *log);

static void fuzz_nginx_key(void);
static int fuzz_nginx_remove(const char *path, const struct stat *st, int type,
    struct FTW *ftw);
static void fuzz_nginx_log(ngx_log_t *log, ngx_uint_t level, u_char *buf,
    size_t len);
static ssize_t fuzz_nginx_recv(ngx_connection_t *c, u_char *buf, size_t size);
static ssize_t fuzz_nginx_send(ngx_connection_t *c, u_char *buf, size_t size);
static ngx_chain_t *fuzz_nginx_send_chain(ngx_connection_t *c, ngx_chain_t *in,
    off_t limit);
static void fuzz_nginx_append(fuzz_buf_t *b, u_char *data, size_t len);


fuzz_buf_t  fuzz_sent;
fuzz_buf_t  fuzz_logged;
ngx_uint_t  fuzz_lines;

static fuzz_input_t         fuzz_nginx_input;
static ngx_fd_t             fuzz_nginx_fd;
static ngx_http_handler_pt  fuzz_nginx_guard;


/* what is freed is not kept for long, which is most of the speed */

const char *
__asan_default_options(void)
{
    return "detect_leaks=0:quarantine_size_mb=1:"
           "thread_local_quarantine_size_kb=64:malloc_context_size=3:"
           "max_malloc_fill_size=64:allocator_release_to_os_interval_ms=-1";
}


void
fuzz_nginx(const char *http, const char *server, ngx_http_handler_pt guard)
{
    int          fd;
    char         conf[32];
    static char  prefix[] = "/tmp/katalo-fuzz-XXXXXX";
    char        *argv[] = { "nginx", "-p", prefix, "-c", conf, "-e", "stderr",
                            NULL };

    fuzz_nginx_guard = guard;
    fuzz_nginx_fd = open("/dev/null", O_RDWR|O_CLOEXEC);
    fd = memfd_create("nginx.conf", MFD_CLOEXEC);

    fuzz_check(fuzz_nginx_fd != -1 && fd != -1 && mkdtemp(prefix), "no files");

    fuzz_nginx_key();

    (void) snprintf(conf, sizeof(conf), "/proc/self/fd/%d", fd);

    (void) dprintf(fd,
        "daemon off; master_process off; pid pid; error_log stderr warn;"
        "events { worker_connections 16; }"
        "http { access_log off; keepalive_timeout 0; lingering_close off;"
        " katalo_zone 64k; client_body_temp_path a; proxy_temp_path b;"
        " fastcgi_temp_path c; uwsgi_temp_path d; scgi_temp_path e; %s"
        " server { listen unix:%s/socket; %s } }", http, prefix, server);

    fuzz_check(fuzz_nginx_main(7, argv) == 0, "nginx does not start");

    (void) nftw(prefix, fuzz_nginx_remove, 8, FTW_DEPTH|FTW_PHYS);
    (void) close(fd);
}


/* nobody else has it, and no corpus can hold it */

static void
fuzz_nginx_key(void)
{
    char    key[64], *p;
    u_char  bytes[16];
    size_t  i;

    fuzz_check(RAND_bytes(bytes, sizeof(bytes)) == 1, "no random bytes");

    p = key + sprintf(key, "kat_live_fuzz.");

    for (i = 0; i < sizeof(bytes); i++) {
        p += sprintf(p, "%02x", bytes[i]);
    }

    fuzz_check(setenv(FUZZ_KEY, key, 1) == 0, "no environment");
}


static int
fuzz_nginx_remove(const char *path, const struct stat *st, int type,
    struct FTW *ftw)
{
    return remove(path);
}


ngx_int_t
fuzz_nginx_signals(ngx_log_t *log)
{
    return NGX_OK;
}


void
fuzz_nginx_cycle(ngx_cycle_t *cycle)
{
    ngx_uint_t                  i;
    ngx_http_phase_handler_t   *ph;
    ngx_http_core_main_conf_t  *cmcf;

    for (i = 0; cycle->modules[i]; i++) {
        fuzz_check(cycle->modules[i]->init_process == NULL
                   || cycle->modules[i]->init_process(cycle) == NGX_OK,
                   "%s", cycle->modules[i]->name);
    }

    cycle->log->writer = fuzz_nginx_log;

    cmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_core_module);

    for (ph = cmcf->phase_engine.handlers; ph->checker; ph++) {

        if (ph->handler == ngx_http_katalo_guard_handler && fuzz_nginx_guard) {
            ph->handler = fuzz_nginx_guard;
        }
    }
}


ngx_http_katalo_main_conf_t *
fuzz_conf(void)
{
    return ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                               ngx_http_katalo_module);
}


ngx_http_core_srv_conf_t *
fuzz_server(void)
{
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                               ngx_http_core_module);

    return *(ngx_http_core_srv_conf_t **) cmcf->servers.elts;
}


/*
 * As ngx_event_accept() does.  All connections have the same descriptor, which
 * is not closed: no system call is made for a request.
 */

void
fuzz_request(const u_char *data, size_t size)
{
    ngx_log_t                  *log;
    ngx_uint_t                  unused;
    ngx_listening_t            *ls;
    ngx_connection_t           *c;

    static struct sockaddr_un  client = { AF_UNIX, "" };

    fuzz_nginx_input.pos = data;
    fuzz_nginx_input.last = data + size;
    fuzz_sent.len = 0;

    ls = ngx_cycle->listening.elts;
    unused = ngx_cycle->free_connection_n;

    c = ngx_get_connection(fuzz_nginx_fd, ngx_cycle->log);
    fuzz_check(c != NULL, "no connection");
    c->shared = 1;

    c->pool = ngx_create_pool(ls->pool_size, ngx_cycle->log);
    log = ngx_palloc(c->pool, sizeof(ngx_log_t));
    *log = *ngx_cycle->log;

    c->log = log;
    c->pool->log = log;
    c->read->log = log;
    c->write->log = log;

    c->type = SOCK_STREAM;
    c->number = 1;
    c->listening = ls;
    c->local_sockaddr = ls->sockaddr;
    c->local_socklen = ls->socklen;
    c->sockaddr = (struct sockaddr *) &client;
    c->socklen = sizeof(client);
    ngx_str_set(&c->addr_text, "unix:");

    c->recv = fuzz_nginx_recv;
    c->send = fuzz_nginx_send;
    c->send_chain = fuzz_nginx_send_chain;

    /* no event is waited for: there always is one */

    c->read->ready = 1;
    c->read->active = 1;
    c->write->ready = 1;
    c->write->active = 1;

    ls->handler(c);

    ngx_event_process_posted((ngx_cycle_t *) ngx_cycle, &ngx_posted_events);

    fuzz_check(ngx_cycle->free_connection_n == unused, "connection left open");
}


static ssize_t
fuzz_nginx_recv(ngx_connection_t *c, u_char *buf, size_t size)
{
    fuzz_input_t  *in;

    in = &fuzz_nginx_input;

    size = ngx_min(size, (size_t) (in->last - in->pos));

    if (size == 0) {
        c->read->eof = 1;
        return 0;
    }

    ngx_memcpy(buf, in->pos, size);
    in->pos += size;

    return size;
}


static ssize_t
fuzz_nginx_send(ngx_connection_t *c, u_char *buf, size_t size)
{
    fuzz_nginx_append(&fuzz_sent, buf, size);
    c->sent += size;

    return size;
}


static ngx_chain_t *
fuzz_nginx_send_chain(ngx_connection_t *c, ngx_chain_t *in, off_t limit)
{
    for ( /* void */ ; in; in = in->next) {
        (void) fuzz_nginx_send(c, in->buf->pos, ngx_buf_size(in->buf));
        in->buf->pos = in->buf->last;
    }

    return NULL;
}


static void
fuzz_nginx_log(ngx_log_t *log, ngx_uint_t level, u_char *buf, size_t len)
{
    fuzz_nginx_append(&fuzz_logged, buf, len);
    fuzz_lines++;
}


static void
fuzz_nginx_append(fuzz_buf_t *b, u_char *data, size_t len)
{
    fuzz_check(len <= FUZZ_OUT - b->len, "%zu bytes more", len);

    ngx_memcpy(b->data + b->len, data, len);
    b->len += len;
}


void
fuzz_reset(void)
{
    fuzz_logged.len = 0;
    fuzz_lines = 0;
}


ngx_str_t
fuzz_take(fuzz_input_t *in, u_char separator)
{
    ngx_str_t  s;

    s.data = (u_char *) in->pos;

    while (in->pos < in->last && *in->pos != separator) {
        in->pos++;
    }

    s.len = in->pos - s.data;
    in->pos += (in->pos < in->last);

    return s;
}


uint64_t
fuzz_take_number(fuzz_numbers_t *numbers)
{
    size_t         len;
    uint64_t       n;
    fuzz_input_t  *in;

    in = &numbers->in;

    if (in->pos == in->last) {
        in->pos = numbers->start;
    }

    n = 0;
    len = ngx_min(sizeof(n), (size_t) (in->last - in->pos));

    ngx_memcpy(&n, in->pos, len);
    in->pos += len;

    return n + numbers->taken++;
}


ngx_uint_t
fuzz_only(ngx_str_t *s, const char *bytes)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {

        if (s->data[i] == '\0' || strchr(bytes, s->data[i]) == NULL) {
            return 0;
        }
    }

    return 1;
}


ngx_uint_t
fuzz_has_header(ngx_http_request_t *r, const char **names)
{
    for ( /* void */ ; *names; names++) {

        if (fuzz_header(r, *names)) {
            return 1;
        }
    }

    return 0;
}


ngx_table_elt_t *
fuzz_header(ngx_http_request_t *r, const char *name)
{
    size_t            i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        header = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (header[i].key.len == strlen(name)
                && strncasecmp((char *) header[i].key.data, name,
                               header[i].key.len) == 0)
            {
                return &header[i];
            }
        }
    }

    return NULL;
}
