
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * A harness is one file with LLVMFuzzerInitialize(), which starts nginx, and
 * LLVMFuzzerTestOneInput().  It calls the module's own functions and compares
 * what they do with what the documentation says, written down here once more
 * in another way.
 */


#ifndef _FUZZ_H_INCLUDED_
#define _FUZZ_H_INCLUDED_


#include "ngx_http_katalo_commands.h"
#include "ngx_http_katalo_conf_error.h"
#include "ngx_http_katalo_guard.h"
#include "ngx_http_katalo_key.h"
#include "ngx_http_katalo_operation.h"
#include "ngx_http_katalo_source.h"
#include "ngx_http_katalo_vault.h"
#include "ngx_http_katalo_zone.h"
#include "ngx_http_katalo_state.h"
#include "ngx_http_katalo_status_render.h"
#include "ngx_http_katalo_usage_flush.h"
#include "ngx_http_katalo_usage_read.h"


/* the environment variable that has the key of fuzz_nginx() */
#define FUZZ_KEY  "KATALO_FUZZ_KEY"

#define FUZZ_OUT  65536


typedef struct {
    size_t    len;
    u_char    data[FUZZ_OUT];
} fuzz_buf_t;


/* what the harness's input is taken from, piece by piece */

typedef struct {
    const u_char    *pos;
    const u_char    *last;
} fuzz_input_t;


/* numbers that differ, however few an input has: "start" comes after the end */

typedef struct {
    fuzz_input_t     in;
    const u_char    *start;
    uint64_t         taken;
} fuzz_numbers_t;


int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/*
 * Starts an nginx in this process: its own main() with "http" in http{} and
 * "server" in server{}, up to the loop of a single process.  "guard" takes the
 * place of the module's handler in the phases.
 */
void fuzz_nginx(const char *http, const char *server,
    ngx_http_handler_pt guard);

ngx_http_katalo_main_conf_t *fuzz_conf(void);
ngx_http_core_srv_conf_t *fuzz_server(void);

/* lets nginx read these bytes from a connection, then its end */
void fuzz_request(const u_char *data, size_t size);

/* up to the separator, which is taken too, or all that is left */
ngx_str_t fuzz_take(fuzz_input_t *in, u_char separator);
uint64_t fuzz_take_number(fuzz_numbers_t *numbers);

/* does it have no other bytes than these? */
ngx_uint_t fuzz_only(ngx_str_t *s, const char *bytes);

#define fuzz_is(s, text)                                                      \
    ((s)->len == sizeof(text) - 1                                             \
     && memcmp((s)->data, text, sizeof(text) - 1) == 0)


#define FUZZ_WORD  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"     \
                   "0123456789_-"


/*
 * status.c: a key, its operations, ids and counts, from an input; a page of
 * them.  0: nginx does not start with such names.
 */

#define FUZZ_IDS         2
#define FUZZ_OPERATIONS  (NGX_HTTP_KATALO_BUILTIN + 2)

typedef struct {
    ngx_str_t                      id;
    uint64_t                       requests[FUZZ_OPERATIONS];
    uint64_t                       counters[NGX_HTTP_KATALO_ID_COUNTERS];
    uint64_t                       first_used;
    uint64_t                       last_used;
} fuzz_id_t;

typedef struct {
    ngx_http_katalo_main_conf_t    conf;
    ngx_http_katalo_key_t         *key;
    ngx_str_t                      name;
    ngx_uint_t                     nids;
    fuzz_id_t                      ids[FUZZ_IDS];    /* the current is last */
    ngx_uint_t                     noperations;
    ngx_str_t                      operations[FUZZ_OPERATIONS];
    uint64_t                       counters[NGX_HTTP_KATALO_KEY_COUNTERS];
} fuzz_status_t;

void fuzz_status_init(void);
ngx_uint_t fuzz_status_make(const u_char *data, size_t size,
    fuzz_status_t *status);
void fuzz_status_done(fuzz_status_t *status);

/* ends with a zero byte */
char *fuzz_status_page(fuzz_status_t *status,
    ngx_http_katalo_renderer_pt renderer);

/* the documented names of what is counted, each list ended by NULL */

extern const char  *fuzz_reasons[];
extern const char  *fuzz_kinds[];
extern const char  *fuzz_statuses[];


/* values.c: what was read from a page, each name once */

void fuzz_values_clear(void);
void fuzz_value_add(const char *name, size_t len, const char *value,
    const char *end);

ngx_uint_t fuzz_value_has(const char *name);
void fuzz_value_number(const char *name, uint64_t expected);
void fuzz_value_literal(const char *name, const char *expected);

/* in quotes */
void fuzz_value_string(const char *name, ngx_str_t *expected);


/* document.c: reads JSON, strictly; the name of a value is as "/keys/0/key" */

void fuzz_json(char *text);


/* a header of the client's, or NULL; has it any of them? */
ngx_table_elt_t *fuzz_header(ngx_http_request_t *r, const char *name);
ngx_uint_t fuzz_has_header(ngx_http_request_t *r, const char **names);


/* what nginx sent in the last fuzz_request(), and logged since fuzz_reset() */

extern fuzz_buf_t  fuzz_sent;
extern fuzz_buf_t  fuzz_logged;
extern ngx_uint_t  fuzz_lines;

void fuzz_reset(void);


#define fuzz_check(condition, ...)                                            \
    if (!(condition)) {                                                       \
        fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);       \
        fprintf(stderr, __VA_ARGS__);                                         \
        fprintf(stderr, "\n");                                                \
        abort();                                                              \
    }


#endif /* _FUZZ_H_INCLUDED_ */
