
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo.h"

#include <openssl/crypto.h>


static ngx_http_katalo_main_conf_t *ngx_http_katalo_env_old(ngx_conf_t *cf);


/*
 * The Perl module, and a process that is its own worker, cut the environment
 * down to what "env" names, so what was found is handed on from one
 * configuration to the next.
 */

char *
ngx_http_katalo_env_get(ngx_conf_t *cf, char *name)
{
    char                         *value;
    ngx_uint_t                    i;
    ngx_http_katalo_env_t        *env;
    ngx_http_katalo_main_conf_t  *kmcf, *okmcf;

    value = getenv(name);

    if (value == NULL) {
        okmcf = ngx_http_katalo_env_old(cf);
        if (okmcf == NULL) {
            return NULL;
        }

        env = okmcf->environment.elts;

        for (i = 0; i < okmcf->environment.nelts; i++) {
            if (ngx_strcmp(env[i].name, name) == 0) {
                value = env[i].value;
            }
        }

        if (value == NULL) {
            return NULL;
        }
    }

    kmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_katalo_module);

    env = ngx_array_push(&kmcf->environment);
    if (env == NULL) {
        return NULL;
    }

    env->value = value;
    env->name = ngx_pnalloc(cf->pool, ngx_strlen(name) + 1);
    if (env->name == NULL) {
        return NULL;
    }

    ngx_cpystrn((u_char *) env->name, (u_char *) name, ngx_strlen(name) + 1);

    return value;
}


static ngx_http_katalo_main_conf_t *
ngx_http_katalo_env_old(ngx_conf_t *cf)
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


void
ngx_http_katalo_env_wipe(ngx_http_katalo_key_t *key)
{
    if (key->env_value) {
        OPENSSL_cleanse(key->env_value, ngx_strlen(key->env_value));
    }
}
