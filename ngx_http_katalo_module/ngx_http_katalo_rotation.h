
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_ROTATION_H_INCLUDED_
#define _NGX_HTTP_KATALO_ROTATION_H_INCLUDED_


#include "ngx_http_katalo.h"


/*
 * All files of a process, by when they are looked at next: of many keys there
 * is one timer among those of the requests.
 */

typedef struct {
    ngx_event_t                     event;
    ngx_rbtree_t                    looks;
    ngx_rbtree_node_t               sentinel;
} ngx_http_katalo_schedule_t;


/*
 * Keys that follow each other are looked at together, once in an interval,
 * since to be woken costs more than a look.  A file that is not at rest has a
 * look of its own besides.
 */

typedef struct {
    ngx_rbtree_node_t               node;
    ngx_http_katalo_schedule_t     *schedule;
    ngx_http_katalo_rotation_t     *rotations;
    ngx_uint_t                      n;
    ngx_uint_t                      next;       /* of them, in this look */
    ngx_msec_t                      check;      /* 0: once */
    ngx_msec_t                      phase;      /* of the interval */
    unsigned                        scheduled:1;
} ngx_http_katalo_look_t;


struct ngx_http_katalo_rotation_s {
    ngx_http_katalo_look_t          look;       /* of its own */
    ngx_log_t                      *log;
    ngx_http_katalo_key_t          *key;
    ngx_http_katalo_vault_t        *vault;

    /* last dealt with, and last seen; err: why it could not be examined */
    ngx_http_katalo_file_id_t       known;
    ngx_err_t                       known_err;
    ngx_http_katalo_file_id_t       seen;
    ngx_msec_t                      seen_since;
    ngx_msec_t                      moving_since;

    ngx_http_katalo_key_error_t     error;      /* the last one */
    ngx_http_katalo_file_id_t       error_file; /* only dev and ino */

    unsigned                        asked:1;    /* for a look of its own */
    unsigned                        unreadable:1;
    unsigned                        failed:1;
    unsigned                        moving:1;   /* not at rest yet */
};


#define ngx_http_katalo_rotation_same(a, b)                                   \
    (ngx_memcmp(a, b, sizeof(ngx_http_katalo_file_id_t)) == 0)


/* milliseconds: a file that goes on changing is at rest after so long */
#define NGX_HTTP_KATALO_ROTATION_LIMIT     1500


/* ngx_http_katalo_rotation.c */

/* the timer's: all looks that are due */
void ngx_http_katalo_rotation_handler(ngx_event_t *ev);

/* returns in how many milliseconds to look again, 0 if the file is at rest */
ngx_msec_t ngx_http_katalo_rotation_look(ngx_http_katalo_rotation_t *rotation);

/* in the next interval; in so many milliseconds, whenever it was to be */
void ngx_http_katalo_rotation_next(ngx_http_katalo_look_t *look);
void ngx_http_katalo_rotation_later(ngx_http_katalo_look_t *look,
    ngx_msec_t wait);


/* ngx_http_katalo_rotation_install.c: what comes of a look at the file */

/* the file is at rest: its key is installed, or revoked, or the last kept */
void ngx_http_katalo_rotation_install(ngx_http_katalo_rotation_t *rotation);

/* the file could not be examined, "err" says why; the last key is kept */
void ngx_http_katalo_rotation_missing(ngx_http_katalo_rotation_t *rotation,
    ngx_err_t err);


#endif /* _NGX_HTTP_KATALO_ROTATION_H_INCLUDED_ */
