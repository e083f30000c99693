
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_KEY_H_INCLUDED_
#define _NGX_HTTP_KATALO_KEY_H_INCLUDED_


/* ngx_http_katalo_vault.c: memory that holds secrets */

/*
 * A vault holds the secrets of one configuration in pages of their own,
 * locked where allowed and left out of core dumps; the pool's cleanup wipes
 * and unmaps it.  NULL is logged.
 */
ngx_http_katalo_vault_t *ngx_http_katalo_vault_create(ngx_conf_t *cf,
    ngx_uint_t cells);

/* gives the key its cell, empty as yet, and room for its id */
ngx_int_t ngx_http_katalo_vault_add(ngx_conf_t *cf,
    ngx_http_katalo_vault_t *vault, ngx_http_katalo_key_t *key);

/* from now on, each new process locks its own copy */
ngx_int_t ngx_http_katalo_vault_init_module(ngx_cycle_t *cycle);

void ngx_http_katalo_vault_wipe(ngx_http_katalo_vault_t *vault);


/* ngx_http_katalo_key.c: read, check, install, revoke */

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

/* names the key and its source, never its content */
void ngx_http_katalo_key_log_error(ngx_http_katalo_key_t *key,
    ngx_uint_t level, ngx_log_t *log, ngx_http_katalo_key_error_t *error);

void ngx_http_katalo_key_file_id(ngx_file_info_t *fi,
    ngx_http_katalo_file_id_t *id);

/* the end of a run of the characters that a part of a key may have */
u_char *ngx_http_katalo_key_word(u_char *p, u_char *last);

/* "Bearer kat_live_..." of a usable key; memory of the vault */
ngx_str_t *ngx_http_katalo_key_secret(ngx_http_katalo_key_t *key);

#define ngx_http_katalo_key_usable(key)                                       \
    (ngx_http_katalo_key_secret(key)->len != 0)


/* ngx_http_katalo_env.c: the environment that nginx was started with */

/* the environment's own memory; NULL: not set */
char *ngx_http_katalo_env_get(ngx_conf_t *cf, char *name);

/* wipes an "env:" key from this process's environment block */
void ngx_http_katalo_env_wipe(ngx_http_katalo_key_t *key);


/* ngx_http_katalo_rotation.c: look, replace, revoke */

/* looks at all files, then again every "check" interval */
ngx_int_t ngx_http_katalo_rotation_init_process(ngx_cycle_t *cycle,
    ngx_http_katalo_main_conf_t *kmcf);

/* looks at the file of this key as soon as the current event is done */
void ngx_http_katalo_rotation_check(ngx_http_katalo_key_t *key);


/* ngx_http_katalo_tripwire.c: a client's own Katalo key */

/* counts it and logs its id; "key" is the location's, or NULL */
void ngx_http_katalo_tripwire(ngx_http_request_t *r,
    ngx_http_katalo_key_t *key);


#endif /* _NGX_HTTP_KATALO_KEY_H_INCLUDED_ */
