
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_conf_error.h"
#include "ngx_http_katalo_key.h"
#include "ngx_http_katalo_response.h"
#include "ngx_http_katalo_status_ready.h"
#include "ngx_http_katalo_usage_read.h"


/* bytes of the longest line */
#define NGX_HTTP_KATALO_STATUS_READY_LINE                                     \
    (sizeof("key \"\": rejected by Katalo\n") + NGX_HTTP_KATALO_NAME_LEN)


static ngx_int_t ngx_http_katalo_status_ready_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_katalo_status_ready_text(ngx_http_request_t *r,
    ngx_http_katalo_ready_t *ready, ngx_str_t *text);
static char *ngx_http_katalo_status_ready_fault(
    ngx_http_katalo_key_row_t *row);


static ngx_int_t
ngx_http_katalo_status_ready_handler(ngx_http_request_t *r)
{
    ngx_uint_t                   status;
    ngx_http_complex_value_t     cv;
    ngx_http_katalo_loc_conf_t  *klcf;

    static ngx_str_t  type = ngx_string("text/plain");

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    klcf = ngx_http_get_module_loc_conf(r, ngx_http_katalo_module);

    ngx_memzero(&cv, sizeof(ngx_http_complex_value_t));

    if (ngx_http_katalo_status_ready_text(r, klcf->ready, &cv.value) != NGX_OK
        || ngx_http_katalo_response_no_store(r) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    status = NGX_HTTP_SERVICE_UNAVAILABLE;

    if (cv.value.len == 0) {
        status = NGX_HTTP_OK;
        ngx_str_set(&cv.value, "ready\n");
    }

    return ngx_http_send_response(r, status, &type, &cv);
}


/* a line for each key that cannot be used; empty if all can */

static ngx_int_t
ngx_http_katalo_status_ready_text(ngx_http_request_t *r,
    ngx_http_katalo_ready_t *ready, ngx_str_t *text)
{
    char                        *fault;
    u_char                      *last;
    ngx_uint_t                   i;
    ngx_http_katalo_key_t      **key;
    ngx_http_katalo_key_row_t    row;

    key = ready->keys->elts;

    for (i = 0; i < ready->keys->nelts; i++) {

        ngx_http_katalo_usage_read_key(key[i], &row);

        fault = ngx_http_katalo_status_ready_fault(&row);

        if (fault == NULL) {
            continue;
        }

        if (text->data == NULL) {
            text->data = ngx_pnalloc(r->pool, ready->keys->nelts
                                          * NGX_HTTP_KATALO_STATUS_READY_LINE);
            if (text->data == NULL) {
                return NGX_ERROR;
            }
        }

        last = ngx_sprintf(text->data + text->len, "key \"%V\": %s\n",
                           &row.name, fault);
        text->len = last - text->data;
    }

    return NGX_OK;
}


static char *
ngx_http_katalo_status_ready_fault(ngx_http_katalo_key_row_t *row)
{
    if (row->usable) {
        return row->rejected ? "rejected by Katalo" : NULL;
    }

    /* an optional key may not have been read yet */

    return row->source_ok ? "revoked" : "no usable key";
}


char *
ngx_http_katalo_status_ready_set(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf)
{
    ngx_str_t                 *value, *name;
    ngx_uint_t                 i;
    ngx_http_katalo_ready_t   *ready;
    ngx_http_core_loc_conf_t  *clcf;

    ready = ngx_pcalloc(cf->pool, sizeof(ngx_http_katalo_ready_t));
    if (ready == NULL
        || ngx_array_init(&ready->names, cf->pool, 1, sizeof(ngx_str_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    ready->place = ngx_http_katalo_conf_place(cf);

    value = cf->args->elts;

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "key=", 4) != 0 || value[i].len == 4) {
            return ngx_http_katalo_conf_error(cf,
                       "invalid parameter \"%V\" in \"katalo_status ready\", "
                       "use \"key=NAME\" with the name of a \"katalo_key\"",
                       &value[i]);
        }

        name = ngx_array_push(&ready->names);
        if (name == NULL) {
            return NGX_CONF_ERROR;
        }

        name->len = value[i].len - 4;
        name->data = value[i].data + 4;
    }

    conf->ready = ready;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_katalo_status_ready_handler;

    return NGX_CONF_OK;
}


/* an "if" has the handler of the location around it */

char *
ngx_http_katalo_status_ready_merge(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_loc_conf_t *prev,
    ngx_http_katalo_loc_conf_t *conf)
{
    ngx_str_t                *name;
    ngx_uint_t                i;
    ngx_http_katalo_key_t   **key;
    ngx_http_katalo_ready_t  *ready;

    if (conf->ready == NULL) {
        conf->ready = prev->ready;
        return NGX_CONF_OK;
    }

    ready = conf->ready;

    if (ready->names.nelts == 0) {
        ready->keys = &kmcf->keys;
        return NGX_CONF_OK;
    }

    ready->keys = ngx_array_create(cf->pool, ready->names.nelts,
                                   sizeof(ngx_http_katalo_key_t *));
    if (ready->keys == NULL) {
        return NGX_CONF_ERROR;
    }

    name = ready->names.elts;

    for (i = 0; i < ready->names.nelts; i++) {

        key = ngx_array_push(ready->keys);
        if (key == NULL) {
            return NGX_CONF_ERROR;
        }

        *key = ngx_http_katalo_find_key(kmcf, &name[i]);

        if (*key == NULL) {
            return ngx_http_katalo_conf_error_at(cf, &ready->place,
                       "unknown key \"%V\" in \"katalo_status ready\", there "
                       "is no \"katalo_key\" of that name: declare it, or "
                       "correct \"key=\"", &name[i]);
        }
    }

    return NGX_CONF_OK;
}
