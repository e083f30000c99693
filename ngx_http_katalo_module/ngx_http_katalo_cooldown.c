
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * A request is looked at right before the proxy module has it: access control
 * and limit_req are done with it, its body is not read, and a cache not asked.
 * The proxy module's handler of the content phase is called by one of this
 * module, in locations with a key only: a handler of a phase would cost more,
 * and would cost all requests.
 */


#include "ngx_http_katalo_answer.h"
#include "ngx_http_katalo_commands.h"
#include "ngx_http_katalo_conf_error.h"
#include "ngx_http_katalo_cooldown.h"
#include "ngx_http_katalo_key.h"
#include "ngx_http_katalo_guard.h"
#include "ngx_http_katalo_operation.h"
#include "ngx_http_katalo_refusal.h"
#include "ngx_http_katalo_state.h"


static ngx_int_t ngx_http_katalo_cooldown_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_katalo_cooldown_refuse(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx, ngx_msec_t left);


static ngx_int_t
ngx_http_katalo_cooldown_handler(ngx_http_request_t *r)
{
    ngx_msec_t                   until;
    ngx_http_katalo_ctx_t       *ctx;
    ngx_http_katalo_loc_conf_t  *klcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_katalo_module);

    /* a clone of a request has no context yet, an "if" may have no key */

    if (ctx) {
        until = ctx->key->cooldown[
                             ngx_http_katalo_operation_class(ctx->operation)];

        if (until
            && (ngx_msec_int_t) (until - ngx_current_msec) > 0
            && ctx->conf->cooldown)
        {
            return ngx_http_katalo_cooldown_refuse(r, ctx,
                                                   until - ngx_current_msec);
        }

        if (ctx->flags) {
            ngx_http_katalo_guard_passed(ctx);
        }
    }

    klcf = ngx_http_get_module_loc_conf(r, ngx_http_katalo_module);

    return klcf->content(r);
}


/* nginx finalizes what a handler of the content phase returns */

static ngx_int_t
ngx_http_katalo_cooldown_refuse(ngx_http_request_t *r,
    ngx_http_katalo_ctx_t *ctx, ngx_msec_t left)
{
    ngx_int_t  rc;

    ctx->retry_after = (left + 999) / 1000;

    r->main->count++;

    rc = ngx_http_katalo_refuse(r, ctx, NGX_HTTP_KATALO_COOLDOWN);

    if (rc != NGX_DONE) {
        r->main->count--;
    }

    return rc;
}


void
ngx_http_katalo_cooldown_begin(ngx_http_katalo_ctx_t *ctx)
{
    ngx_uint_t  class;
    ngx_msec_t  msec;

    if (ctx->conf->cooldown == 0) {
        return;
    }

#if (NGX_HTTP_CACHE)

    /* a 429 of the upstream has given way to an answer of the cache */

    if (ctx->request->cached) {
        return;
    }

#endif

    /* the request may have had a previous id, which has no state any more */

    if (ctx->slot != ctx->key->slot
        || (ngx_msec_int_t) (ctx->started - ctx->key->published) < 0)
    {
        return;
    }

    msec = ngx_http_katalo_answer_retry_after(ctx);

    if (msec == 0) {
        return;
    }

    class = ngx_http_katalo_operation_class(ctx->operation);

    ngx_http_katalo_state_cool(ctx->key, ctx->slot, class,
                               ngx_current_msec
                               + ngx_min(msec, ctx->conf->cooldown));
}


void
ngx_http_katalo_cooldown_body(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_http_katalo_ctx_t  *ctx;

    ctx = ngx_http_katalo_ctx_upstream(r);

    /* a thread reads a cache's file after the upstream request's end */

    if (ctx
        && ctx->body
        && ngx_http_katalo_answer_body(ctx, in)
        && ctx->finish == NULL)
    {
        ngx_http_katalo_cooldown_begin(ctx);
    }
}


/*
 * An "if" without "proxy_pass" has no handler of its own: nginx goes on with
 * that of the location around, which may have no key.  An "if" with another
 * module's handler has the key of the location around, but does not send it.
 */

void
ngx_http_katalo_cooldown_init(ngx_http_katalo_main_conf_t *kmcf)
{
    ngx_uint_t                    i;
    ngx_http_katalo_loc_conf_t  **klcf;

    klcf = kmcf->locations.elts;

    for (i = 0; i < kmcf->locations.nelts; i++) {

        if (klcf[i]->enabled) {
            klcf[i]->core->handler = ngx_http_katalo_cooldown_handler;
        }
    }
}


char *
ngx_http_katalo_conf_cooldown(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_katalo_loc_conf_t *klcf = conf;

    ngx_int_t   msec;
    ngx_str_t  *value;

    if (klcf->cooldown != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        klcf->cooldown = 0;
        return NGX_CONF_OK;
    }

    msec = ngx_parse_time(&value[1], 0);

    if (msec == NGX_ERROR || msec == 0) {
        return ngx_http_katalo_conf_error(cf,
                   "invalid time \"%V\" in \"katalo_cooldown\", use a time "
                   "such as \"60s\", or \"off\"", &value[1]);
    }

    klcf->cooldown = msec;

    return NGX_CONF_OK;
}
