
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* Why a request is refused, and what the client is told. */


#ifndef _NGX_HTTP_KATALO_REASON_H_INCLUDED_
#define _NGX_HTTP_KATALO_REASON_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


typedef enum {
    NGX_HTTP_KATALO_PREFLIGHT = 0,
    NGX_HTTP_KATALO_BROWSER,
    NGX_HTTP_KATALO_OPERATION,
    NGX_HTTP_KATALO_NO_KEY,
    NGX_HTTP_KATALO_IDEMPOTENCY,
    NGX_HTTP_KATALO_CONSUMER,
    NGX_HTTP_KATALO_COOLDOWN,
    NGX_HTTP_KATALO_DESTINATION,

    /* the number of reasons that are counted for a key name */
    NGX_HTTP_KATALO_REFUSALS,

    /* a variable yields no name, or an unknown one; shown as "no_key" */
    NGX_HTTP_KATALO_NOT_GIVEN = NGX_HTTP_KATALO_REFUSALS,
    NGX_HTTP_KATALO_UNDECLARED,

    /* let through by the guard, but the key has not been used */
    NGX_HTTP_KATALO_ALLOWED,
    NGX_HTTP_KATALO_ATTACHED
} ngx_http_katalo_decision_e;


typedef struct {
    ngx_str_t                        name;
    ngx_uint_t                       status;
    ngx_str_t                        envelope;  /* of "cooldown": as far as
                                                   it is always the same */
} ngx_http_katalo_reason_t;


/* a row for each decision; those that are no refusals have a name only */
extern ngx_http_katalo_reason_t  ngx_http_katalo_reasons[];


#endif /* _NGX_HTTP_KATALO_REASON_H_INCLUDED_ */
