
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_key.h"
#include "ngx_http_katalo_vault.h"

#include <pthread.h>
#include <sys/mman.h>


static void ngx_http_katalo_vault_forked(void);
static void ngx_http_katalo_vault_destroy(void *data);


ngx_http_katalo_vault_t *
ngx_http_katalo_vault_create(ngx_conf_t *cf, ngx_uint_t cells)
{
    size_t                    size;
    u_char                   *p;
    ngx_pool_cleanup_t       *cln;
    ngx_http_katalo_vault_t  *vault;

    vault = ngx_pcalloc(cf->pool, sizeof(ngx_http_katalo_vault_t));
    if (vault == NULL) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    size = ngx_align((cells + 1) * NGX_HTTP_KATALO_CELL, ngx_pagesize);

    p = mmap(NULL, size + 2 * ngx_pagesize, PROT_NONE,
             MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, ngx_errno,
                      "mmap(%uz) failed", size);
        return NULL;
    }

    vault->pages = p;
    vault->size = size;
    vault->cells = p + ngx_pagesize;
    vault->spare = vault->cells + cells * NGX_HTTP_KATALO_CELL;

    cln->handler = ngx_http_katalo_vault_destroy;
    cln->data = vault;

    if (mprotect(vault->cells, size, PROT_READ|PROT_WRITE) == -1) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, ngx_errno,
                      "mprotect(%uz) failed", size);
        vault->size = 0;
        return NULL;
    }

#ifdef MADV_DONTDUMP

    if (madvise(vault->cells, size, MADV_DONTDUMP) == -1) {
        ngx_log_error(NGX_LOG_WARN, cf->log, ngx_errno,
                      "katalo: madvise(MADV_DONTDUMP) failed, keys may get "
                      "into core dumps");
    }

#endif

    if (mlock(vault->cells, size) == -1) {
        ngx_log_error(NGX_LOG_NOTICE, cf->log, ngx_errno,
                      "katalo: mlock(%uz) failed, keys may be swapped out; "
                      "raise the limit of locked memory (RLIMIT_MEMLOCK)",
                      size);
    }

    return vault;
}


ngx_int_t
ngx_http_katalo_vault_add(ngx_conf_t *cf, ngx_http_katalo_vault_t *vault,
    ngx_http_katalo_key_t *key)
{
    key->id.data = ngx_pnalloc(cf->pool, NGX_HTTP_KATALO_KEY_LEN);
    if (key->id.data == NULL) {
        return NGX_ERROR;
    }

    key->secret.data = vault->cells + vault->nelts++ * NGX_HTTP_KATALO_CELL;

    return NGX_OK;
}


ngx_int_t
ngx_http_katalo_vault_init_module(ngx_cycle_t *cycle)
{
    ngx_err_t  err;

    static ngx_uint_t  done;

    if (done) {
        return NGX_OK;
    }

    err = pthread_atfork(NULL, NULL, ngx_http_katalo_vault_forked);
    if (err) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, err,
                      "pthread_atfork() failed");
        return NGX_ERROR;
    }

    done = 1;

    return NGX_OK;
}


/*
 * Memory locks are not inherited by fork().  The handler of pthread_atfork()
 * also runs in a master that becomes a daemon, and in a worker that still has
 * the master's rights.
 */

static void
ngx_http_katalo_vault_forked(void)
{
    ngx_http_katalo_main_conf_t  *kmcf;

    if (ngx_cycle->conf_ctx == NULL) {
        return;
    }

    kmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                               ngx_http_katalo_module);

    if (kmcf && kmcf->vault) {
        (void) mlock(kmcf->vault->cells, kmcf->vault->size);
    }
}


void
ngx_http_katalo_vault_wipe(ngx_http_katalo_vault_t *vault)
{
    ngx_explicit_memzero(vault->cells, vault->size);
}


static void
ngx_http_katalo_vault_destroy(void *data)
{
    ngx_http_katalo_vault_t *vault = data;

    ngx_http_katalo_vault_wipe(vault);

    (void) munmap(vault->pages, vault->size + 2 * ngx_pagesize);
}
