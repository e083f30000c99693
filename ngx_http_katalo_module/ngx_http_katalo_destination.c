
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_conf_error.h"
#include "ngx_http_katalo_destination.h"
#include "ngx_http_katalo_key.h"
#include "ngx_http_katalo_proxy.h"


static char *ngx_http_katalo_destination_check_host(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf, ngx_http_upstream_conf_t *ucf);
static char *ngx_http_katalo_destination_check_keys(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf, ngx_str_t *host);


void
ngx_http_katalo_destination_mark(ngx_http_katalo_loc_conf_t *conf)
{
    ngx_http_upstream_conf_t  *ucf;

    ucf = ngx_http_katalo_proxy_upstream(conf);

    if (ucf->upstream == NULL && !ngx_http_katalo_proxy_tls(conf)) {
        return;
    }

    for (conf = conf->parent; conf; conf = conf->parent) {
        conf->container = 1;
    }
}


char *
ngx_http_katalo_destination_check(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf)
{
    ngx_http_upstream_conf_t  *ucf;

    ucf = ngx_http_katalo_proxy_upstream(conf);

    if (ucf->upstream == NULL && !ngx_http_katalo_proxy_tls(conf)) {

        if (conf->own && !conf->container) {
            return ngx_http_katalo_conf_error_at(cf, &conf->place,
                       "\"katalo_bearer\" in a location without "
                       "\"proxy_pass\", add \"proxy_pass https://"
                       "app.katalo.ai/api/v1/;\" or set \"katalo_bearer "
                       "off\"");
        }

        conf->enabled = 0;

        return NGX_CONF_OK;
    }

    if (conf->upstream_tls && !ngx_http_katalo_proxy_tls(conf)) {
        return ngx_http_katalo_conf_error_at(cf, &conf->place,
                   "\"katalo_bearer\" would send the key over plain HTTP, use "
                   "\"proxy_pass https://...\", or \"katalo_upstream_tls off\" "
                   "if the network is trusted");
    }

    if (conf->upstream_tls && !ucf->ssl_verify) {
        return ngx_http_katalo_conf_error_at(cf, &conf->place,
                   "\"katalo_bearer\" would send the key to an unverified "
                   "upstream, remove \"proxy_ssl_verify off\", or set "
                   "\"katalo_upstream_tls off\" if the network is trusted");
    }

    return ngx_http_katalo_destination_check_host(cf, conf, ucf);
}


static char *
ngx_http_katalo_destination_check_host(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf, ngx_http_upstream_conf_t *ucf)
{
    ngx_str_t  *host;

    if (ucf->upstream == NULL) {
        return NGX_CONF_OK;         /* known when the key is attached */
    }

    host = &ucf->upstream->host;

    if (conf->upstream_tls && ucf->ssl_name) {

        if (ucf->ssl_name->lengths) {
            return NGX_CONF_OK;
        }

        host = &ucf->ssl_name->value;
    }

    if (conf->key == NULL) {
        return ngx_http_katalo_destination_check_keys(cf, conf, host);
    }

    if (ngx_http_katalo_destination_allowed(conf->key, host)) {
        conf->destination_known = !conf->proxy.borrows;
        return NGX_CONF_OK;
    }

    /* nginx has the path of a socket without its prefix */

    return ngx_http_katalo_conf_error_at(cf, &conf->place,
               "\"katalo_bearer\" would send the key \"%V\" to \"%V\", which "
               "is not among its \"host=\" names: %sadd \"host=%s%V\" to the "
               "\"katalo_key\" if it may go there", &conf->key->name, host,
               conf->upstream_tls && !ucf->ssl_name
               ? "set \"proxy_ssl_name\" to the name in the upstream's "
                 "certificate, or " : "",
               host->len && host->data[0] == '/' ? "unix:" : "", host);
}


/* a variable names the key: any may be asked for, not all may go there */

static char *
ngx_http_katalo_destination_check_keys(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf, ngx_str_t *host)
{
    ngx_uint_t                    i;
    ngx_http_katalo_key_t       **key;
    ngx_http_katalo_main_conf_t  *kmcf;

    kmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_katalo_module);

    conf->destinations = ngx_palloc(cf->pool, kmcf->keys.nelts);
    if (conf->destinations == NULL) {
        return NGX_CONF_ERROR;
    }

    key = kmcf->keys.elts;

    for (i = 0; i < kmcf->keys.nelts; i++) {
        conf->destinations[i] = ngx_http_katalo_destination_allowed(key[i],
                                                                    host);
    }

    conf->destination_known = !conf->proxy.borrows;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_katalo_destination(ngx_http_request_t *r,
    ngx_http_katalo_loc_conf_t *conf, ngx_http_katalo_key_t *key)
{
    ngx_str_t                  host;
    ngx_http_upstream_t       *u;
    ngx_http_upstream_conf_t  *ucf;

    u = r->upstream;
    ucf = u->conf;

    host = u->resolved ? u->resolved->host : ucf->upstream->host;

    if (conf->upstream_tls && u->ssl) {

        if (ucf->ssl_name && ucf->ssl_name->lengths) {
            return NGX_AGAIN;
        }

        if (ucf->ssl_name) {
            host = ucf->ssl_name->value;
        }
    }

    if ((conf->upstream_tls && !u->ssl)
        || !ngx_http_katalo_destination_allowed(key, &host))
    {
        ngx_http_katalo_destination_refused(r, key, &host);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


void
ngx_http_katalo_destination_refused(ngx_http_request_t *r,
    ngx_http_katalo_key_t *key, ngx_str_t *host)
{
    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "katalo: key \"%V\" may not be sent to \"%V\": its upstream "
                  "must be verified TLS and be named by \"host=\"",
                  &key->name, host);
}


ngx_uint_t
ngx_http_katalo_destination_allowed(ngx_http_katalo_key_t *key,
    ngx_str_t *host)
{
    u_char      *p, *last, *colon;
    size_t       len;
    ngx_str_t   *h, domain;
    ngx_uint_t   i, path;

    p = host->data;
    last = p + host->len;

    path = (host->len && *p == '/');

    colon = host->len && *p == '[' ? ngx_strlchr(p, last, ']') : p;
    colon = colon ? ngx_strlchr(colon, last, ':') : NULL;

    if (colon) {
        last = colon;
    }

    if (last - p > 1 && last[-1] == '.') {
        last--;
    }

    len = last - p;

    h = key->hosts.elts;

    for (i = 0; i < key->hosts.nelts; i++) {

        if (h[i].len == 1 && h[i].data[0] == '*') {
            return 1;
        }

        if (path) {

            if (h[i].len == len + 5
                && ngx_strncmp(h[i].data, "unix:", 5) == 0
                && ngx_strncmp(h[i].data + 5, p, len) == 0)
            {
                return 1;
            }

            continue;
        }

        /* ".suffix" is the domain and everything below it */

        domain = h[i];

        if (domain.data[0] == '.') {

            if (len >= domain.len
                && ngx_strncasecmp(last - domain.len, domain.data, domain.len)
                   == 0)
            {
                return 1;
            }

            domain.data++;
            domain.len--;
        }

        if (len == domain.len && ngx_strncasecmp(p, domain.data, len) == 0) {
            return 1;
        }
    }

    return 0;
}
