
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


#include "ngx_http_katalo_vault.h"
#include "ngx_http_katalo_zone.h"
#include "ngx_http_katalo_status.h"


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
uint64_t fuzz_take_number(fuzz_input_t *in);

/* does it have no other bytes than these? */
ngx_uint_t fuzz_only(ngx_str_t *s, const char *bytes);

#define fuzz_is(s, text)                                                      \
    ((s)->len == sizeof(text) - 1                                             \
     && memcmp((s)->data, text, sizeof(text) - 1) == 0)


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
