
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* The keys are read after all directives. */


#include "ngx_http_katalo_conf_error.h"
#include "ngx_http_katalo_conf_read.h"
#include "ngx_http_katalo_key.h"
#include "ngx_http_katalo_state.h"
#include "ngx_http_katalo_vault.h"


static void ngx_http_katalo_conf_read_same_id(ngx_conf_t *cf,
    ngx_http_katalo_key_t **key, ngx_uint_t n);
static char *ngx_http_katalo_conf_read_key(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_key_t *key);
static char *ngx_http_katalo_conf_read_broken(ngx_conf_t *cf,
    ngx_http_katalo_key_t *key, ngx_http_katalo_key_error_t *error);
static void ngx_http_katalo_conf_read_try(ngx_cycle_t *cycle,
    ngx_core_conf_t *ccf, ngx_http_katalo_main_conf_t *kmcf);


char *
ngx_http_katalo_conf_read_keys(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf)
{
    ngx_uint_t               i;
    ngx_http_katalo_key_t  **key;

    kmcf->vault = ngx_http_katalo_vault_create(cf, kmcf->keys.nelts);
    if (kmcf->vault == NULL) {
        return NGX_CONF_ERROR;
    }

    key = kmcf->keys.elts;

    for (i = 0; i < kmcf->keys.nelts; i++) {
        if (ngx_http_katalo_conf_read_key(cf, kmcf, key[i]) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }

        ngx_http_katalo_conf_read_same_id(cf, key, i);
    }

    return NGX_CONF_OK;
}


/* keys with one id can only be revoked together */

static void
ngx_http_katalo_conf_read_same_id(ngx_conf_t *cf, ngx_http_katalo_key_t **key,
    ngx_uint_t n)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {

        if (key[i]->id.len == key[n]->id.len
            && ngx_memcmp(key[i]->id.data, key[n]->id.data, key[n]->id.len) == 0
            && ngx_http_katalo_key_usable(key[i])
            && ngx_http_katalo_key_usable(key[n]))
        {
            ngx_http_katalo_conf_warn(cf->log, &key[n]->place,
                "\"katalo_key\" \"%V\" has the same key id \"%V\" as \"%V\": "
                "to revoke one is to revoke both, issue a key for each",
                &key[n]->name, &key[n]->id, &key[i]->name);
            return;
        }
    }
}


static char *
ngx_http_katalo_conf_read_key(ngx_conf_t *cf, ngx_http_katalo_main_conf_t *kmcf,
    ngx_http_katalo_key_t *key)
{
    ngx_http_katalo_key_error_t  error;

    if (ngx_http_katalo_vault_add(cf, kmcf->vault, key) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    switch (ngx_http_katalo_key_read(kmcf->vault, key, &error)) {

    case NGX_ERROR:

        if (key->optional) {
            return ngx_http_katalo_conf_read_broken(cf, key, &error);
        }

        ngx_http_katalo_key_log_error(key, NGX_LOG_EMERG, cf->log, &error);

        return ngx_http_katalo_conf_error_at(cf, &key->place,
                   "\"katalo_key\" \"%V\" has no usable key, mend its source, "
                   "or add \"optional\" to start without it", &key->name);

    case NGX_DECLINED:
        ngx_http_katalo_conf_warn(cf->log, &key->place,
            "\"katalo_key\" \"%V\" is revoked, its source \"%V\" is empty: "
            "requests get 503 until it holds a key", &key->name, &key->path);
        break;

    default: /* NGX_OK */
        break;
    }

    if (key->file_mode & 0006) {
        ngx_http_katalo_conf_warn(cf->log, &key->place,
            "\"katalo_key\" \"%V\": others may access its file \"%V\" (mode "
            "0%ui%ui%ui), use \"chmod 0640\" or stricter", &key->name,
            &key->path, key->file_mode >> 6 & 7, key->file_mode >> 3 & 7,
            key->file_mode & 7);
    }

    return NGX_CONF_OK;
}


/*
 * The key of the configuration before is kept, as a worker keeps the last good
 * key.  If workers have installed another one since, this process does not have
 * it: the configuration is refused, since an older key must not be used again.
 */

static char *
ngx_http_katalo_conf_read_broken(ngx_conf_t *cf, ngx_http_katalo_key_t *key,
    ngx_http_katalo_key_error_t *error)
{
    ngx_http_katalo_key_t        *old;
    ngx_http_katalo_main_conf_t  *okmcf;

    key->broken = 1;
    key->error = *error;

    ngx_http_katalo_key_log_error(key, NGX_LOG_WARN, cf->log, error);

    okmcf = ngx_http_katalo_conf_read_old(cf);
    old = okmcf ? ngx_http_katalo_find_key(okmcf, &key->name) : NULL;

    if (old == NULL || !ngx_http_katalo_state_usable(old)) {
        ngx_http_katalo_conf_warn(cf->log, &key->place,
            "\"katalo_key\" \"%V\" has no usable key and is optional: its "
            "requests get 503 until %s", &key->name,
            key->check ? "its source holds one"
                       : "nginx is started again with one");
        return NGX_CONF_OK;
    }

    if (!ngx_http_katalo_key_usable(old)
        || !ngx_http_katalo_state_current(old))
    {
        return ngx_http_katalo_conf_error_at(cf, &key->place,
                   "\"katalo_key\" \"%V\" has no usable key, and a reload "
                   "would lose the one that workers use: mend its source, or "
                   "restart nginx to go without", &key->name);
    }

    ngx_http_katalo_key_inherit(key, old);

    ngx_http_katalo_conf_warn(cf->log, &key->place,
        "\"katalo_key\" \"%V\" has no usable key, the one with id \"%V\" "
        "stays in use", &key->name, &key->id);

    return NGX_CONF_OK;
}


ngx_http_katalo_main_conf_t *
ngx_http_katalo_conf_read_old(ngx_conf_t *cf)
{
    ngx_uint_t    i;
    ngx_cycle_t  *old;

    old = cf->cycle->old_cycle;

    if (old == NULL || old->conf_ctx == NULL || old->modules == NULL) {
        return NULL;
    }

    for (i = 0; old->modules[i]; i++) {
        if (old->modules[i] == &ngx_http_katalo_module) {
            return ngx_http_cycle_get_module_main_conf(old,
                                                       ngx_http_katalo_module);
        }
    }

    return NULL;
}


/*
 * May workers read the key files?  Modes, groups, access lists and parent
 * directories all matter, so a process with a worker's rights tries.
 */

void
ngx_http_katalo_conf_read_access(ngx_cycle_t *cycle,
    ngx_http_katalo_main_conf_t *kmcf)
{
    pid_t             pid;
    sigset_t          set, old;
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    /* otherwise workers have the same rights as this process */

    if (geteuid() != 0 || !ccf->master || ccf->user == 0) {
        return;
    }

    /* SIGCHLD is blocked, so the master does not handle this process */

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);

    if (sigprocmask(SIG_BLOCK, &set, &old) == -1) {
        return;
    }

    pid = fork();

    if (pid == 0) {
        ngx_http_katalo_conf_read_try(cycle, ccf, kmcf);
        _exit(0);
    }

    if (pid != -1) {
        while (waitpid(pid, NULL, 0) == -1 && ngx_errno == NGX_EINTR) {
            /* void */
        }
    }

    (void) sigprocmask(SIG_SETMASK, &old, NULL);
}


static void
ngx_http_katalo_conf_read_try(ngx_cycle_t *cycle, ngx_core_conf_t *ccf,
    ngx_http_katalo_main_conf_t *kmcf)
{
    ngx_uint_t               i;
    ngx_http_katalo_key_t  **key;

    /* as ngx_worker_process_init() does */

    if (setgid(ccf->group) == -1
        || initgroups(ccf->username, ccf->group) == -1
        || setuid(ccf->user) == -1)
    {
        return;
    }

    key = kmcf->keys.elts;

    for (i = 0; i < kmcf->keys.nelts; i++) {

        if (key[i]->check == 0
            || access((char *) key[i]->path.data, R_OK) == 0
            || ngx_errno != NGX_EACCES)
        {
            continue;
        }

        ngx_http_katalo_conf_warn(cycle->log, &key[i]->place,
            "\"katalo_key\" \"%V\": workers run as \"%s\" and may not read its "
            "file \"%V\", so that it is rotated and revoked on reload only; "
            "let them read it (\"chgrp\" to a group of theirs, \"chmod "
            "0640\", and \"x\" for the directories above), or set "
            "\"check=off\"", &key[i]->name, ccf->username, &key[i]->path);
    }
}
