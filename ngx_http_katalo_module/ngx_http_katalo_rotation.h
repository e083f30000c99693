
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* Key files are looked at, and keys replaced and revoked. */


#ifndef _NGX_HTTP_KATALO_ROTATION_H_INCLUDED_
#define _NGX_HTTP_KATALO_ROTATION_H_INCLUDED_


#include "ngx_http_katalo_key.h"


/* milliseconds after which a file that goes on changing is read */
#define NGX_HTTP_KATALO_ROTATION_LIMIT  1500

/* milliseconds between two looks at a file that is not at rest */
#define NGX_HTTP_KATALO_ROTATION_AGAIN  50


/* of all keys with the same "check" */
typedef struct ngx_http_katalo_rotation_timer_s
    ngx_http_katalo_rotation_timer_t;


struct ngx_http_katalo_rotation_s {
    ngx_http_katalo_key_t             *key;
    ngx_http_katalo_vault_t           *vault;
    ngx_log_t                         *log;
    ngx_http_katalo_rotation_timer_t  *timer;

    /* a changed file: its last identity, and since when */
    ngx_http_katalo_file_id_t          seen;
    ngx_msec_t                         seen_since;
    ngx_msec_t                         moving_since;

    ngx_http_katalo_key_error_t        error;   /* text NULL: none */

    unsigned                           soon:1;  /* look before "due" */
    unsigned                           moving:1;
    unsigned                           failed:1;
    unsigned                           unreadable:1;
};


/* ngx_http_katalo_rotation.c: when to look */

/* looks at all files, then again every "check" interval */
ngx_int_t ngx_http_katalo_rotation_init_process(ngx_cycle_t *cycle,
    ngx_http_katalo_main_conf_t *kmcf);

/* looks at the file of this key as soon as the current event is done */
void ngx_http_katalo_rotation_check(ngx_http_katalo_key_t *key);


/* ngx_http_katalo_rotation_look.c: one look at one file */

/*
 * The first look of a process.  It sleeps until the file is at rest, for
 * *wait milliseconds at most, and subtracts the time from *wait.
 */
void ngx_http_katalo_rotation_begin(ngx_http_katalo_rotation_t *rotation,
    ngx_msec_t *wait);

/*
 * If the file has changed, its key is installed or revoked; if the file is
 * unusable, the last key is kept; if it is not at rest, "soon" is set.
 */
void ngx_http_katalo_rotation_look(ngx_http_katalo_rotation_t *rotation);


#endif /* _NGX_HTTP_KATALO_ROTATION_H_INCLUDED_ */
