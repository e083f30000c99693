
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* A key is read from its source, checked, installed and revoked. */


#ifndef _NGX_HTTP_KATALO_KEY_H_INCLUDED_
#define _NGX_HTTP_KATALO_KEY_H_INCLUDED_


#include "ngx_http_katalo.h"


/* the identity of a key file; another one if its content has changed */

typedef struct {
    dev_t                            dev;
    ino_t                            ino;
    off_t                            size;
    struct timespec                  mtime;
    struct timespec                  ctime;
} ngx_http_katalo_file_id_t;


/* why a key could not be read: the end of 'key "name": "path" ...' */

typedef struct {
    const char                      *text;
    ngx_err_t                        err;
} ngx_http_katalo_key_error_t;


struct ngx_http_katalo_key_s {
    ngx_str_node_t                   node;      /* in kmcf->names */
    ngx_str_t                        name;
    ngx_uint_t                       index;     /* in kmcf->keys */
    ngx_http_katalo_source_t        *source;

    /* the key file, or the environment variable's name; for messages */
    ngx_str_t                        path;

    ngx_array_t                      hosts;     /* ngx_str_t, lower case */
    ngx_msec_t                       check;     /* 0: never */

    ngx_http_katalo_place_t          place;

    /* the environment block's copy of an "env:" key; wiped in workers */
    char                            *env_value;

    /* "Bearer kat_live_...", in the vault; empty while revoked */
    ngx_str_t                        secret;
    ngx_str_t                        id;        /* publicKeyId */
    ngx_http_katalo_file_id_t        file_id;
    ngx_uint_t                       file_mode;
    ngx_http_katalo_rotation_t      *rotation;  /* NULL: never checked */

    unsigned                         changed:1; /* at the last read */
    unsigned                         uncounted:1;
    unsigned                         full:1;    /* to be logged */
    unsigned                         placed:1;  /* got a row just now */
    unsigned                         optional:1;

    /* an optional key whose source was unusable at the start; why */
    unsigned                         broken:1;
    ngx_http_katalo_key_error_t      error;

    /* the rejected slot, plus 1; the time of the look at the file then */
    ngx_uint_t                       rejected;
    ngx_msec_t                       rejected_look;

    /* when this process installed it; when it logged that a client has it */
    ngx_msec_t                       published;
    time_t                           exposed;

    ngx_msec_t                       retried;   /* last, for a row */

    ngx_http_katalo_usage_t         *usage;
    ngx_uint_t                       row;       /* of the key name */

    /* of the row, or else this process's own */
    ngx_atomic_t                    *cooldown;
    ngx_atomic_t                     own_cooldown[NGX_HTTP_KATALO_CLASSES];
    ngx_uint_t                       slot;      /* of the key id */
};


/* NULL: no key has this name */
ngx_http_katalo_key_t *ngx_http_katalo_find_key(
    ngx_http_katalo_main_conf_t *kmcf, ngx_str_t *name);

/*
 * Reads the key from its source and installs it.
 *
 *     NGX_OK        a key was installed
 *     NGX_DECLINED  the source is empty: the key is revoked, none is held
 *     NGX_ERROR     unusable, what was held is kept; *error says why
 */
ngx_int_t ngx_http_katalo_key_read(ngx_http_katalo_vault_t *vault,
    ngx_http_katalo_key_t *key, ngx_http_katalo_key_error_t *error);
void ngx_http_katalo_key_revoke(ngx_http_katalo_key_t *key);

/* installs the secret of the same key in another configuration */
void ngx_http_katalo_key_inherit(ngx_http_katalo_key_t *key,
    ngx_http_katalo_key_t *from);

/* logs the key's name and path with the error, never its content */
void ngx_http_katalo_key_log_error(ngx_http_katalo_key_t *key,
    ngx_uint_t level, ngx_log_t *log, ngx_http_katalo_key_error_t *error);

void ngx_http_katalo_key_file_id(ngx_file_info_t *fi,
    ngx_http_katalo_file_id_t *id);

/* returns the end of the characters that are allowed in a key */
u_char *ngx_http_katalo_key_word(u_char *p, u_char *last);

#define ngx_http_katalo_key_usable(key)  ((key)->secret.len != 0)


#endif /* _NGX_HTTP_KATALO_KEY_H_INCLUDED_ */
