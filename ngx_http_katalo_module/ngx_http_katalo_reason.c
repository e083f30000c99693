
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo.h"
#include "ngx_http_katalo_reason.h"


#define ngx_http_katalo_envelope(code, retryable, message)                    \
    "{\"error\":{\"code\":\"" code "\",\"message\":\"" message                \
    "\",\"retryable\":" retryable ",\"retry_after\":"

#define ngx_http_katalo_reason(name, status, code, retryable, message)        \
    { ngx_string(name), status,                                               \
      ngx_string(ngx_http_katalo_envelope(code, retryable, message)           \
                 "null}}") }


ngx_http_katalo_reason_t  ngx_http_katalo_reasons[] = {

    ngx_http_katalo_reason("preflight", NGX_HTTP_FORBIDDEN, "forbidden",
        "false", "CORS preflight refused by the gateway: it takes no browser "
        "calls. Call your own backend, and let it call this API."),

    ngx_http_katalo_reason("browser", NGX_HTTP_FORBIDDEN, "forbidden",
        "false", "Browser call refused by the gateway. Call your own backend, "
        "and let it call this API."),

    ngx_http_katalo_reason("operation", NGX_HTTP_FORBIDDEN, "forbidden",
        "false", "Operation refused by the gateway: it is not among those "
        "allowed here. Ask the gateway's operator to allow it."),

    ngx_http_katalo_reason("no_key", NGX_HTTP_SERVICE_UNAVAILABLE,
        "unavailable", "true", "The gateway has no usable API key for this "
        "request at present. Try again later, or tell the gateway's "
        "operator."),

    ngx_http_katalo_reason("idempotency", NGX_HTTP_BAD_REQUEST, "bad_request",
        "false", "The gateway takes this request only with an Idempotency-Key "
        "header. Choose a new value for each thing to be created, and send "
        "the same one with each retry."),

    ngx_http_katalo_reason("consumer", NGX_HTTP_FORBIDDEN, "forbidden",
        "false", "Refused by the gateway: it does not know who this client "
        "is. Send the credentials that the gateway asks for, or ask its "
        "operator for access."),

    { ngx_string("cooldown"), NGX_HTTP_TOO_MANY_REQUESTS,
      ngx_string(ngx_http_katalo_envelope("rate_limited", "true", "The API's "
        "limit for requests of this kind is reached, and the gateway sends "
        "none for a while. Try again after retry_after seconds.")) },

    /* found out when the upstream request is made: nginx's own page */

    { ngx_string("destination"), NGX_HTTP_INTERNAL_SERVER_ERROR,
      ngx_null_string },

    ngx_http_katalo_reason("no_key", NGX_HTTP_FORBIDDEN, "forbidden",
        "false", "Refused by the gateway: nobody gave this client an API key. "
        "Check the client's credentials for the gateway, or ask its operator "
        "for access."),

    ngx_http_katalo_reason("no_key", NGX_HTTP_SERVICE_UNAVAILABLE,
        "unavailable", "false", "The gateway has no API key of the name that "
        "is meant for this client. Tell the gateway's operator, whose error "
        "log names it."),

    { ngx_string(""), 0, ngx_null_string },
    { ngx_string("attached"), 0, ngx_null_string }
};
