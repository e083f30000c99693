
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_H_INCLUDED_
#define _NGX_HTTP_KATALO_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/* CHANGES and debian/changelog begin with the same */
#define NGX_HTTP_KATALO_VERSION          "0.2.0"

#define NGX_HTTP_KATALO_TOKEN            "kat_live_"
#define NGX_HTTP_KATALO_BEARER           "Bearer "

/* bytes of a whole key, "kat_live_<publicKeyId>.<secret>" */
#define NGX_HTTP_KATALO_KEY_LEN          512

#define NGX_HTTP_KATALO_NAME_LEN         64

/* bytes of the name of a consumer */
#define NGX_HTTP_KATALO_CONSUMER_LEN     128


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

/* operations that share an allowance of Katalo's */

#define NGX_HTTP_KATALO_CLASS_OTHER      0
#define NGX_HTTP_KATALO_CLASS_WRITE      1
#define NGX_HTTP_KATALO_CLASS_READ       2
#define NGX_HTTP_KATALO_CLASS_USAGE      3
#define NGX_HTTP_KATALO_CLASSES          4

/* of a request that was refused before its operation mattered */
#define NGX_HTTP_KATALO_UNKNOWN          ((ngx_uint_t) -1)


typedef struct ngx_http_katalo_key_s    ngx_http_katalo_key_t;
typedef struct ngx_http_katalo_usage_s  ngx_http_katalo_usage_t;
typedef struct ngx_http_katalo_usage_log_s  ngx_http_katalo_usage_log_t;
typedef struct ngx_http_katalo_vault_s  ngx_http_katalo_vault_t;

typedef struct ngx_http_katalo_source_s  ngx_http_katalo_source_t;
typedef struct ngx_http_katalo_rotation_s  ngx_http_katalo_rotation_t;
typedef struct ngx_http_katalo_ctx_s    ngx_http_katalo_ctx_t;
typedef struct ngx_http_katalo_verify_s ngx_http_katalo_verify_t;
typedef struct ngx_http_katalo_sessions_s  ngx_http_katalo_sessions_t;
typedef struct ngx_http_katalo_host_s   ngx_http_katalo_host_t;
typedef struct ngx_http_katalo_ready_s  ngx_http_katalo_ready_t;
typedef struct ngx_http_katalo_sh_consumer_s
    ngx_http_katalo_sh_consumer_t;
typedef struct ngx_http_katalo_sh_consumers_s
    ngx_http_katalo_sh_consumers_t;
typedef struct ngx_http_katalo_consumer_s  ngx_http_katalo_consumer_t;
typedef struct ngx_http_katalo_consumers_conf_s
    ngx_http_katalo_consumers_conf_t;


/* of a directive, for messages */

typedef struct {
    ngx_str_t                        file;
    ngx_uint_t                       line;
} ngx_http_katalo_place_t;


typedef struct {
    ngx_array_t                      keys;      /* ngx_http_katalo_key_t * */
    ngx_rbtree_t                     names;     /* of keys */
    ngx_rbtree_node_t                sentinel;

    ngx_array_t                      operations;
                                     /* ngx_http_katalo_operation_t */
    ngx_array_t                      locations;
                                     /* ngx_http_katalo_loc_conf_t * */

    size_t                           zone_size;
    ngx_http_katalo_place_t          zone_place; /* line 0: no directive */
    ngx_uint_t                       consumers; /* that the zone has room for */
    uint64_t                         seed;      /* of hashes of their names */
    ngx_http_katalo_usage_t         *usage;
    ngx_http_katalo_usage_log_t     *usage_log; /* NULL: off */
    ngx_http_katalo_vault_t         *vault;
    ngx_http_katalo_sessions_t      *sessions;  /* TLS, to upstreams */

    ngx_array_t                      hosts;     /* ngx_http_katalo_host_t * */
    ngx_resolver_t                  *system_resolver[2];   /* [1]: with IPv6 */

    ngx_str_t                        bearer;    /* "$<hidden variable>" */
    ngx_str_t                        idempotency; /* another one */
    ngx_http_variable_t             *id_variable;
    ngx_http_variable_t             *requests_variable;
    ngx_uint_t                       keep;      /* either is asked for */
    ngx_str_t                        ca_bundle; /* the system's, if any */
    ngx_str_t                        status_policy;
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
    ngx_http_katalo_place_t          place;     /* of katalo_bearer */

    ngx_array_t                     *strip;     /* ngx_str_t */
    ngx_uint_t                       allow;     /* a bit for each operation */
    ngx_array_t                     *allow_names;
    ngx_http_katalo_place_t          allow_place;

    ngx_http_katalo_consumers_conf_t
                                    *consumers; /* NULL: no directive */
    ngx_http_core_loc_conf_t        *core;      /* nginx's, of the location */
    ngx_http_ssl_srv_conf_t         *ssl;       /* of the server */

    ngx_uint_t                       preflight;
    ngx_uint_t                       browser;
    ngx_uint_t                       cors;
    ngx_uint_t                       upstream_tls;
    ngx_uint_t                       idempotency;
    ngx_msec_t                       cooldown;  /* the longest; 0: off */
    ngx_http_handler_pt              content;   /* without this module */
    ngx_flag_t                       intercept_errors;
    ngx_str_t                        status_format;
    ngx_http_katalo_ready_t         *ready;     /* NULL: no probe */

    /* request headers that the guard looks at, and a mask of their hashes */
    ngx_hash_t                       headers;
    uint64_t                         header_mask;

    ngx_http_katalo_proxy_t          proxy;

    /* the first location whose connections it may use; NULL: none */
    ngx_http_katalo_loc_conf_t      *trust;

    ngx_flag_t                       resolve;
    ngx_resolver_t                  *resolver;  /* NULL: not configured */
    ngx_msec_t                       resolver_timeout;

    /* what nginx made of "proxy_pass", in place of which it has its own */
    ngx_http_upstream_srv_conf_t    *implicit;

    /* a byte for each key: may it go to where this location leads? */
    u_char                          *destinations;

    unsigned                         enabled:1;
    unsigned                         identified:1; /* needs a consumer */
    unsigned                         own:1;        /* katalo_bearer is here */
    unsigned                         container:1;  /* of those that use it */
    unsigned                         destination_known:1;
    unsigned                         idempotency_set:1; /* by the user */
};


#define NGX_HTTP_KATALO_BROWSER_DENY     0
#define NGX_HTTP_KATALO_BROWSER_REPORT   1
#define NGX_HTTP_KATALO_BROWSER_ALLOW    2


extern ngx_module_t  ngx_http_katalo_module;
extern ngx_module_t  ngx_http_katalo_filter_module;


#endif /* _NGX_HTTP_KATALO_H_INCLUDED_ */
