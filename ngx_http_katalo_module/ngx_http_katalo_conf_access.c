
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * May workers read the key files?  Modes, groups, access lists and parent
 * directories all matter, so a process with a worker's rights tries.
 */


#include "ngx_http_katalo_conf_access.h"
#include "ngx_http_katalo_conf_error.h"
#include "ngx_http_katalo_key.h"


static void ngx_http_katalo_conf_access_try(ngx_cycle_t *cycle,
    ngx_core_conf_t *ccf, ngx_http_katalo_main_conf_t *kmcf);


void
ngx_http_katalo_conf_access(ngx_cycle_t *cycle,
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
        ngx_http_katalo_conf_access_try(cycle, ccf, kmcf);
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
ngx_http_katalo_conf_access_try(ngx_cycle_t *cycle, ngx_core_conf_t *ccf,
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
