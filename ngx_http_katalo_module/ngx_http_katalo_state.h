
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * What is known of a key in the zone, over all processes.  A key that found no
 * row has no state there: then each process goes by what it knows itself.
 */


#ifndef _NGX_HTTP_KATALO_STATE_H_INCLUDED_
#define _NGX_HTTP_KATALO_STATE_H_INCLUDED_


#include "ngx_http_katalo_key.h"
#include "ngx_http_katalo_zone.h"


/* the key was installed, or revoked, in this process */
void ngx_http_katalo_state_publish(ngx_http_katalo_key_t *key);

/* holds the slot of the key's id, if there is room; the caller has the mutex */
void ngx_http_katalo_state_take(ngx_http_katalo_key_t *key);

/* without the mutex: logs that there was no room, if that is new */
void ngx_http_katalo_state_log_full(ngx_http_katalo_key_t *key);

/*
 * Is the key that this process has from the master the current one?  0 also if
 * another one was installed since, and the same id again.
 */
ngx_uint_t ngx_http_katalo_state_current(ngx_http_katalo_key_t *key);

/* has any process the key? */
ngx_uint_t ngx_http_katalo_state_usable(ngx_http_katalo_key_t *key);

/*
 * Looks for a row and a slot of a key that found none, once a second at most:
 * with requests as well, as not every key has a timer.
 */
void ngx_http_katalo_state_retry(ngx_http_katalo_key_t *key);

/*
 * The file is as it was when it was read last, and was usable; or this worker
 * may not read it.
 */
void ngx_http_katalo_state_read_well(ngx_http_katalo_key_t *key);
void ngx_http_katalo_state_unreadable(ngx_http_katalo_key_t *key);

/* counted once for all workers that see it, until the key is read again */
void ngx_http_katalo_state_read_failed(ngx_http_katalo_key_t *key,
    ngx_err_t err);

/*
 * Katalo rejects, or accepts, the id that has the slot.  Returns 1 for the
 * process that is the first to say so; a key whose id was rejected is accepted
 * again with whatever id.
 */
ngx_uint_t ngx_http_katalo_state_rejected(ngx_http_katalo_key_t *key,
    ngx_uint_t slot, ngx_uint_t rejected);

/* is there anything to say?  For each answer of Katalo that accepts an id */
#define ngx_http_katalo_state_may_be_rejected(key)                            \
    ((key)->slot == NGX_HTTP_KATALO_NONE                                      \
     || (key)->usage->sh->keys[(key)->row].rejected)

/*
 * Milliseconds that the class cools still, 0 if it does not.  Until then is in
 * key->cooldown, in ngx_current_msec, which is the same for all processes, and
 * does not change when the clock is set.
 */
ngx_msec_t ngx_http_katalo_state_cools(ngx_http_katalo_key_t *key,
    ngx_uint_t class);

/*
 * The class cools until then at least, unless another id than that of the slot
 * is the current one.
 */
void ngx_http_katalo_state_cool(ngx_http_katalo_key_t *key, ngx_uint_t slot,
    ngx_uint_t class, ngx_msec_t until);


#endif /* _NGX_HTTP_KATALO_STATE_H_INCLUDED_ */
