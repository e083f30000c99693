
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_H_INCLUDED_
#define _NGX_HTTP_KATALO_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


#define NGX_HTTP_KATALO_TOKEN            "kat_live_"
#define NGX_HTTP_KATALO_BEARER           "Bearer "

/* bytes of a whole key, "kat_live_<publicKeyId>.<secret>" */
#define NGX_HTTP_KATALO_KEY_LEN          512

#define NGX_HTTP_KATALO_NAME_LEN         64


/* the documentation's five words, "other", then katalo_operation names */

#define NGX_HTTP_KATALO_CREATE           0
#define NGX_HTTP_KATALO_READ             1
#define NGX_HTTP_KATALO_REGENERATE       2
#define NGX_HTTP_KATALO_USAGE            3
#define NGX_HTTP_KATALO_BILLING          4
#define NGX_HTTP_KATALO_OTHER            5
#define NGX_HTTP_KATALO_BUILTIN          6

#define NGX_HTTP_KATALO_CUSTOM           10
#define NGX_HTTP_KATALO_OPERATIONS                                            \
    (NGX_HTTP_KATALO_BUILTIN + NGX_HTTP_KATALO_CUSTOM)

/* of a request that was refused before its operation mattered */
#define NGX_HTTP_KATALO_UNKNOWN          ((ngx_uint_t) -1)


typedef enum {
    NGX_HTTP_KATALO_PREFLIGHT = 0,
    NGX_HTTP_KATALO_BROWSER,
    NGX_HTTP_KATALO_OPERATION,
    NGX_HTTP_KATALO_NO_KEY,
    NGX_HTTP_KATALO_DESTINATION,
    NGX_HTTP_KATALO_REFUSALS,

    /* let through by the guard, but the key has not been used */
    NGX_HTTP_KATALO_ALLOWED = NGX_HTTP_KATALO_REFUSALS,
    NGX_HTTP_KATALO_ATTACHED
} ngx_http_katalo_decision_e;


typedef enum {
    NGX_HTTP_KATALO_SOURCE_FILE = 0,
    NGX_HTTP_KATALO_SOURCE_ENV,
    NGX_HTTP_KATALO_SOURCE_CREDENTIAL
} ngx_http_katalo_source_e;


typedef struct ngx_http_katalo_usage_s  ngx_http_katalo_usage_t;
typedef struct ngx_http_katalo_usage_log_s  ngx_http_katalo_usage_log_t;
typedef struct ngx_http_katalo_vault_s  ngx_http_katalo_vault_t;
typedef struct ngx_http_katalo_cell_s   ngx_http_katalo_cell_t;

typedef struct ngx_http_katalo_rotation_s  ngx_http_katalo_rotation_t;


/* what tells one content of a key file from the next */

typedef struct {
    dev_t                            dev;
    ino_t                            ino;
    off_t                            size;
    struct timespec                  mtime;
    struct timespec                  ctime;
} ngx_http_katalo_file_id_t;


typedef struct {
    ngx_str_node_t                   node;      /* in the keys by name */
    ngx_str_t                        name;
    ngx_uint_t                       index;     /* among the keys */
    ngx_http_katalo_source_e         source;

    /* the key file, or the environment variable's name; for messages */
    ngx_str_t                        path;

    ngx_array_t                      hosts;     /* ngx_str_t, lower case */
    ngx_msec_t                       check;     /* 0: never */

    ngx_str_t                        conf_file;
    ngx_uint_t                       conf_line;

    /* the environment block's copy of an "env:" key; wiped in workers */
    char                            *env_value;

    /* "Bearer kat_live_...", in the vault; empty while revoked */
    ngx_http_katalo_cell_t          *cell;
    ngx_str_t                        id;        /* publicKeyId; room for any */
    ngx_http_katalo_file_id_t        file_id;
    ngx_uint_t                       file_mode;
    ngx_http_katalo_rotation_t      *rotation;  /* NULL: never checked */

    unsigned                         changed:1; /* when it was read last */
    unsigned                         uncounted:1;

    /* the slot whose rejection made this worker look at the file; when */
    ngx_uint_t                       rejected;
    ngx_msec_t                       rejected_look;

    ngx_http_katalo_usage_t         *usage;
    ngx_uint_t                       row;       /* of the name, in the zone */
    ngx_uint_t                       slot;      /* of the current id */
} ngx_http_katalo_key_t;


/* why a key could not be read; the text completes 'key "..": ".." ' */

typedef struct {
    const char                      *text;
    ngx_err_t                        err;
} ngx_http_katalo_key_error_t;


/* a variable of the environment that the master was started with */

typedef struct {
    char                            *name;
    char                            *value;     /* the environment's own */
} ngx_http_katalo_env_t;


typedef struct {
    ngx_str_t                        name;
    ngx_str_t                        method;    /* empty: any */
#if (NGX_PCRE)
    ngx_regex_t                     *regex;
#endif
} ngx_http_katalo_operation_t;


typedef struct {
    ngx_array_t                      keys;      /* ngx_http_katalo_key_t * */
    ngx_rbtree_t                     names;     /* of keys */
    ngx_rbtree_node_t                sentinel;

    ngx_array_t                      operations;
                                     /* ngx_http_katalo_operation_t */
    ngx_array_t                      locations;
                                     /* ngx_http_katalo_loc_conf_t * */

    ngx_array_t                      environment;
                                     /* ngx_http_katalo_env_t */

    size_t                           zone_size;
    ngx_str_t                        zone_file; /* of its directive, if any */
    ngx_uint_t                       zone_line;
    ngx_http_katalo_usage_t         *usage;
    ngx_http_katalo_usage_log_t     *usage_log; /* NULL: off */
    ngx_http_katalo_vault_t         *vault;

    ngx_str_t                        bearer;    /* "$<hidden variable>" */
    ngx_str_t                        ca_bundle; /* the system's, if any */
    char                            *status_policy;
} ngx_http_katalo_main_conf_t;


/* settings of the proxy module that a location with a key has of its own */

#define NGX_HTTP_KATALO_PROXY_SETTINGS   5

typedef union {
    ngx_flag_t                       flag;
    ngx_uint_t                       num;
    ngx_str_t                        str;
} ngx_http_katalo_proxy_value_t;


typedef struct {
    void                            *conf;      /* the proxy module's own */
    ngx_array_t                     *headers;   /* as the user set them */
    ngx_http_katalo_proxy_value_t    settings[NGX_HTTP_KATALO_PROXY_SETTINGS];
    unsigned                         changed:1; /* children inherit changes */
    unsigned                         borrows:1; /* TLS context from around */
} ngx_http_katalo_proxy_t;


typedef struct ngx_http_katalo_loc_conf_s  ngx_http_katalo_loc_conf_t;

struct ngx_http_katalo_loc_conf_s {
    ngx_http_katalo_loc_conf_t      *parent;    /* katalo_bearer is from it */
    ngx_str_t                        bearer;    /* as written */
    ngx_http_complex_value_t        *variable;
    ngx_http_katalo_key_t           *key;
    ngx_str_t                        conf_file;
    ngx_uint_t                       conf_line;

    ngx_array_t                     *strip;     /* ngx_str_t */
    ngx_uint_t                       allow;     /* a bit for each operation */
    ngx_array_t                     *allow_names;
    ngx_str_t                        allow_file;
    ngx_uint_t                       allow_line;

    ngx_uint_t                       preflight;
    ngx_uint_t                       browser;
    ngx_uint_t                       cors;
    ngx_uint_t                       upstream_tls;
    ngx_flag_t                       intercept_errors;
    ngx_str_t                        status_format;

    /* request headers that the guard looks at, and a mask of their hashes */
    ngx_hash_t                       headers;
    uint64_t                         header_mask;

    ngx_http_katalo_proxy_t          proxy;

    /* a byte for each key: may it go to where this location leads? */
    u_char                          *destinations;

    unsigned                         enabled:1;
    unsigned                         own:1;        /* katalo_bearer is here */
    unsigned                         container:1;  /* of those that use it */
    unsigned                         destination_known:1;
};


/* of an "upstream" block */

typedef struct {
    ngx_http_upstream_init_peer_pt   init_peer;
} ngx_http_katalo_srv_conf_t;


#define NGX_HTTP_KATALO_BROWSER_DENY     0
#define NGX_HTTP_KATALO_BROWSER_REPORT   1
#define NGX_HTTP_KATALO_BROWSER_ALLOW    2


/*
 * Lives in the request's pool from the guard on; its pool cleanup, which an
 * internal redirect does not undo, finishes the accounting.
 */

typedef struct {
    ngx_pool_cleanup_t               cleanup;
    ngx_http_request_t              *request;
    ngx_http_katalo_loc_conf_t      *conf;
    ngx_http_katalo_key_t           *key;
    ngx_http_katalo_decision_e       decision;
    ngx_uint_t                       operation;

    /* since the key was attached */
    ngx_http_upstream_t             *upstream;
    ngx_event_get_peer_pt            get_peer;
    void                           (*finalize_request)(ngx_http_request_t *r,
                                                       ngx_int_t rc);
    ngx_event_free_peer_pt           free_peer;
    ngx_uint_t                       states;    /* first of r's that is its */
    ngx_msec_t                       started;
    ngx_uint_t                       slot;
    unsigned                         finished:1;
} ngx_http_katalo_ctx_t;


#include "ngx_http_katalo_key.h"
#include "ngx_http_katalo_usage.h"


extern ngx_module_t  ngx_http_katalo_module;
extern ngx_module_t  ngx_http_katalo_filter_module;


/* ngx_http_katalo_conf.c: directives */

/*
 * Logs a configuration error at "emerg" with the place of the directive;
 * returns NGX_CONF_ERROR.
 */
char *ngx_http_katalo_conf_error(ngx_conf_t *cf, ngx_str_t *file,
    ngx_uint_t line, const char *fmt, ...);

/* letters, digits and the extra characters only, and not empty? */
ngx_uint_t ngx_http_katalo_conf_word(ngx_str_t *value, const char *extra);

extern ngx_command_t  ngx_http_katalo_commands[];


/* ngx_http_katalo_conf_key.c */

/*
 * Arguments are shown in messages, so none of them may be a key: logs an
 * error and returns 1 where one is.
 */
ngx_uint_t ngx_http_katalo_conf_literal_key(ngx_conf_t *cf);

char *ngx_http_katalo_conf_key(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* reads the keys, once all are known */
char *ngx_http_katalo_conf_init_keys(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf);


/* ngx_http_katalo_module.c */

/*
 * The context of this very request (a subrequest has its own), found also
 * after an internal redirect; NULL where the guard did not run.
 */
ngx_http_katalo_ctx_t *ngx_http_katalo_get_ctx(ngx_http_request_t *r);


/* ngx_http_katalo_variables.c */

ngx_int_t ngx_http_katalo_add_variables(ngx_conf_t *cf);


/* ngx_http_katalo_guard.c: is this request let through? */

ngx_int_t ngx_http_katalo_guard_handler(ngx_http_request_t *r);

/*
 * A clone of a request, as for a cache update or a slice, begins with the
 * content phase.  Gives it a context if its parent was let through by the
 * same location, else NULL.
 */
ngx_http_katalo_ctx_t *ngx_http_katalo_guard_clone(ngx_http_request_t *r);

/* fills conf->headers; NGX_ERROR is logged */
ngx_int_t ngx_http_katalo_guard_init(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf);


/* ngx_http_katalo_operation.c: method and path to operation */

ngx_uint_t ngx_http_katalo_operation(ngx_http_request_t *r,
    ngx_http_katalo_main_conf_t *kmcf);
ngx_str_t *ngx_http_katalo_operation_name(ngx_http_katalo_main_conf_t *kmcf,
    ngx_uint_t operation);

char *ngx_http_katalo_conf_operation(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* NGX_ERROR: no such operation */
ngx_int_t ngx_http_katalo_operation_find(ngx_http_katalo_main_conf_t *kmcf,
    ngx_str_t *name);


/* ngx_http_katalo_refusal.c: decision to envelope and headers */

ngx_int_t ngx_http_katalo_refuse(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx);
ngx_str_t *ngx_http_katalo_decision_name(ngx_http_katalo_decision_e decision);


/* ngx_http_katalo_proxy*.c: the only code that knows the proxy module */

/* finds the proxy module's settings; NGX_ERROR is logged */
ngx_int_t ngx_http_katalo_proxy_init(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_loc_conf_t *main);

/* before the proxy module merges: adds the headers and TLS settings */
char *ngx_http_katalo_proxy_merge(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_loc_conf_t *prev,
    ngx_http_katalo_loc_conf_t *conf);

/* after all has been merged: what could not be written before */
char *ngx_http_katalo_proxy_finish(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_loc_conf_t *conf);

/* may the upstream be TLS?  With variables it may turn out not to be */
ngx_uint_t ngx_http_katalo_proxy_tls(ngx_http_katalo_loc_conf_t *conf);

/* do both locations verify with the same certificates? */
ngx_uint_t ngx_http_katalo_proxy_same_trust(ngx_http_katalo_loc_conf_t *one,
    ngx_http_katalo_loc_conf_t *two);

/* what is public of the location's configuration of the proxy module */
ngx_http_upstream_conf_t *ngx_http_katalo_proxy_upstream(
    ngx_http_katalo_loc_conf_t *conf);


/* ngx_http_katalo_headers.c: the headers of a request to the upstream */

/* the list is written as "proxy_set_header" would have made it */
char *ngx_http_katalo_headers_merge(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_loc_conf_t *conf,
    ngx_array_t **list);


/* ngx_http_katalo_destination.c: where a key may go */

/* after all has been merged: marks what this location has its key from */
void ngx_http_katalo_destination_mark(ngx_http_katalo_loc_conf_t *conf);

/* after all have been marked */
char *ngx_http_katalo_destination_check(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf);

/*
 * NGX_OK: the upstream of this request may have the key.  Otherwise *host is
 * the name that was not allowed.
 */
ngx_int_t ngx_http_katalo_destination(ngx_http_request_t *r,
    ngx_http_katalo_loc_conf_t *conf, ngx_http_katalo_key_t *key,
    ngx_str_t *host);


/* ngx_http_katalo_peer.c: which kept connections may carry a key */

/* after all has been merged; NGX_ERROR is logged */
ngx_int_t ngx_http_katalo_peer_init(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *klcf);


/* ngx_http_katalo_attach.c: the one place where a key is used */

/* registers the hidden variable; NGX_ERROR is logged */
ngx_int_t ngx_http_katalo_attach_init(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf);

/* pool cleanup of ngx_http_katalo_ctx_t */
void ngx_http_katalo_attach_cleanup(void *data);


/* ngx_http_katalo_wipe.c: what a request with a key leaves in memory */

/* before the upstream request is created to its end */
void ngx_http_katalo_wipe_init(ngx_http_katalo_ctx_t *ctx);

/* once it has ended; the connection may be kept alive */
void ngx_http_katalo_wipe(ngx_http_katalo_ctx_t *ctx);


#endif /* _NGX_HTTP_KATALO_H_INCLUDED_ */
