
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* What the proxy module trusts, and how it verifies an upstream. */


#include "ngx_http_katalo_conf_error.h"
#include "ngx_http_katalo_proxy.h"
#include "ngx_http_katalo_proxy_trust.h"


static ngx_uint_t ngx_http_katalo_proxy_trust_same(
    ngx_http_katalo_loc_conf_t *one, ngx_http_katalo_loc_conf_t *two);
static ngx_uint_t ngx_http_katalo_proxy_trust_same_authority(
    ngx_http_katalo_loc_conf_t *one, ngx_http_katalo_loc_conf_t *two);
static ngx_uint_t ngx_http_katalo_proxy_trust_same_protocol(
    ngx_http_katalo_loc_conf_t *one, ngx_http_katalo_loc_conf_t *two);
static ngx_uint_t ngx_http_katalo_proxy_trust_same_value(
    ngx_http_complex_value_t *one, ngx_http_complex_value_t *two);


/* Debian and Alpine, Red Hat, others */

static char  *ngx_http_katalo_proxy_trust_bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    NULL
};


void
ngx_http_katalo_proxy_trust_init(ngx_http_katalo_main_conf_t *kmcf)
{
    char             **path;
    ngx_file_info_t    fi;

    for (path = ngx_http_katalo_proxy_trust_bundles; *path; path++) {

        if (ngx_file_info(*path, &fi) != NGX_FILE_ERROR && ngx_is_file(&fi)) {
            kmcf->ca_bundle.len = ngx_strlen(*path);
            kmcf->ca_bundle.data = (u_char *) *path;
            return;
        }
    }
}


/* the proxy module's own message would not say what to do */

char *
ngx_http_katalo_proxy_trust_check(ngx_conf_t *cf,
    ngx_http_katalo_loc_conf_t *conf)
{
    ngx_str_t   *certificate;
    ngx_flag_t  *verify;

    verify = ngx_http_katalo_proxy_setting(conf, NGX_HTTP_KATALO_SSL_VERIFY,
                                           ngx_flag_t);
    certificate = ngx_http_katalo_proxy_setting(conf,
                                               NGX_HTTP_KATALO_SSL_CERTIFICATE,
                                               ngx_str_t);

    if (conf->enabled && *verify && certificate->len == 0) {
        return ngx_http_katalo_conf_error_at(cf, &conf->place,
                   "\"katalo_bearer\" finds no CA certificates of the system "
                   "to verify the upstream with, install them (package "
                   "ca-certificates) or set \"proxy_ssl_trusted_certificate\"");
    }

    return NGX_CONF_OK;
}


void
ngx_http_katalo_proxy_trust_group(ngx_http_katalo_main_conf_t *kmcf)
{
    ngx_uint_t                    i, j;
    ngx_http_upstream_conf_t     *ucf;
    ngx_http_katalo_loc_conf_t  **klcf;

    klcf = kmcf->locations.elts;

    for (i = 0; i < kmcf->locations.nelts; i++) {

        ucf = ngx_http_katalo_proxy_upstream(klcf[i]);

        /* the next connection may have another certificate, or address */

        if (!klcf[i]->enabled
            || (ucf->ssl_certificate && ucf->ssl_certificate->lengths)
            || (ucf->ssl_certificate_key && ucf->ssl_certificate_key->lengths)
            || (ucf->local && ucf->local->value))
        {
            continue;
        }

        for (j = 0; j < i; j++) {

            if (klcf[j]->trust == klcf[j]
                && ngx_http_katalo_proxy_trust_same(klcf[j], klcf[i]))
            {
                break;
            }
        }

        klcf[i]->trust = klcf[j];
    }
}


static ngx_uint_t
ngx_http_katalo_proxy_trust_same(ngx_http_katalo_loc_conf_t *one,
    ngx_http_katalo_loc_conf_t *two)
{
    ngx_http_upstream_conf_t  *a, *b;

    a = ngx_http_katalo_proxy_upstream(one);
    b = ngx_http_katalo_proxy_upstream(two);

    if (a->local != b->local
        || *ngx_http_katalo_proxy_setting(one, NGX_HTTP_KATALO_HTTP_VERSION,
                                          ngx_uint_t)
           != *ngx_http_katalo_proxy_setting(two, NGX_HTTP_KATALO_HTTP_VERSION,
                                             ngx_uint_t)
        || ngx_http_katalo_proxy_tls(one) != ngx_http_katalo_proxy_tls(two))
    {
        return 0;
    }

    if (!ngx_http_katalo_proxy_tls(one)) {
        return 1;
    }

    return a->ssl_verify == b->ssl_verify
           && ngx_http_katalo_proxy_trust_same_authority(one, two)
           && ngx_http_katalo_proxy_trust_same_value(a->ssl_certificate,
                                               b->ssl_certificate)
           && ngx_http_katalo_proxy_trust_same_value(a->ssl_certificate_key,
                                               b->ssl_certificate_key);
}


static ngx_uint_t
ngx_http_katalo_proxy_trust_same_authority(ngx_http_katalo_loc_conf_t *one,
    ngx_http_katalo_loc_conf_t *two)
{
    ngx_str_t  *a, *b;

    /* chains that are too long for one of them */

    if (*ngx_http_katalo_proxy_setting(one, NGX_HTTP_KATALO_SSL_DEPTH,
                                       ngx_int_t)
        != *ngx_http_katalo_proxy_setting(two, NGX_HTTP_KATALO_SSL_DEPTH,
                                          ngx_int_t))
    {
        return 0;
    }

    if (ngx_http_katalo_proxy_upstream(one)->ssl->ctx
        == ngx_http_katalo_proxy_upstream(two)->ssl->ctx)
    {
        return 1;
    }

    a = ngx_http_katalo_proxy_field(one, ngx_http_katalo_proxy_crl_offset,
                                    ngx_str_t);
    b = ngx_http_katalo_proxy_field(two, ngx_http_katalo_proxy_crl_offset,
                                    ngx_str_t);

    if (a->len
        || b->len
        || !ngx_http_katalo_proxy_trust_same_protocol(one, two))
    {
        return 0;
    }

    a = ngx_http_katalo_proxy_setting(one, NGX_HTTP_KATALO_SSL_CERTIFICATE,
                                      ngx_str_t);
    b = ngx_http_katalo_proxy_setting(two, NGX_HTTP_KATALO_SSL_CERTIFICATE,
                                      ngx_str_t);

    return a->len == b->len && ngx_memcmp(a->data, b->data, a->len) == 0;
}


/* commands of OpenSSL may name other CA certificates */

static ngx_uint_t
ngx_http_katalo_proxy_trust_same_protocol(ngx_http_katalo_loc_conf_t *one,
    ngx_http_katalo_loc_conf_t *two)
{
    ngx_str_t  *a, *b;

    if (*ngx_http_katalo_proxy_field(one,
                                     ngx_http_katalo_proxy_commands_offset,
                                     ngx_array_t *)
        != *ngx_http_katalo_proxy_field(two,
                                        ngx_http_katalo_proxy_commands_offset,
                                        ngx_array_t *)
        || *ngx_http_katalo_proxy_field(one,
                                        ngx_http_katalo_proxy_protocols_offset,
                                        ngx_uint_t)
           != *ngx_http_katalo_proxy_field(two,
                                        ngx_http_katalo_proxy_protocols_offset,
                                        ngx_uint_t))
    {
        return 0;
    }

    a = ngx_http_katalo_proxy_field(one, ngx_http_katalo_proxy_ciphers_offset,
                                    ngx_str_t);
    b = ngx_http_katalo_proxy_field(two, ngx_http_katalo_proxy_ciphers_offset,
                                    ngx_str_t);

    return a->len == b->len && ngx_memcmp(a->data, b->data, a->len) == 0;
}


static ngx_uint_t
ngx_http_katalo_proxy_trust_same_value(ngx_http_complex_value_t *one,
    ngx_http_complex_value_t *two)
{
    if (one == NULL || two == NULL) {
        return one == two;
    }

    return one->value.len == two->value.len
           && ngx_memcmp(one->value.data, two->value.data, one->value.len)
              == 0;
}


/*
 * The TLS context of the location around has no CA certificates if that
 * location does not verify its upstream.  To have them changes nothing for it.
 */

char *
ngx_http_katalo_proxy_trust_finish(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_http_katalo_loc_conf_t *conf)
{
    ngx_int_t                 *depth;
    ngx_str_t                 *certificate, *crl;
    ngx_flag_t                 verified;
    ngx_http_upstream_conf_t  *ucf;

    if (!conf->proxy.borrows || !ngx_http_katalo_proxy_tls(conf)) {
        return NGX_CONF_OK;
    }

    ucf = ngx_http_katalo_proxy_upstream(conf);
    verified = ucf->ssl_verify;

    ngx_http_katalo_proxy_write(kmcf, conf, 1);

    if (verified || !ucf->ssl_verify) {
        return NGX_CONF_OK;
    }

    certificate = ngx_http_katalo_proxy_setting(conf,
                                               NGX_HTTP_KATALO_SSL_CERTIFICATE,
                                               ngx_str_t);
    depth = ngx_http_katalo_proxy_setting(conf, NGX_HTTP_KATALO_SSL_DEPTH,
                                          ngx_int_t);
    crl = ngx_http_katalo_proxy_field(conf, ngx_http_katalo_proxy_crl_offset,
                                      ngx_str_t);

    if (ngx_http_katalo_proxy_trust_check(cf, conf) != NGX_CONF_OK
        || ngx_ssl_trusted_certificate(cf, ucf->ssl, certificate, *depth)
           != NGX_OK
        || ngx_ssl_crl(cf, ucf->ssl, crl) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
