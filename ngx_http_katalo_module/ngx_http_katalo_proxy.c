
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * The bridge to the proxy module.  Its configuration is private, but the
 * offsets of its settings are in its public table of directives.
 */


#include "ngx_http_katalo_proxy.h"


/* since nginx 1.29.7, HTTP/1.1 is the proxy module's default */

#if (nginx_version >= 1029007)
#define NGX_HTTP_KATALO_PROXY_VERSION  NGX_HTTP_VERSION_11
#else
#define NGX_HTTP_KATALO_PROXY_VERSION  NGX_HTTP_VERSION_10
#endif

/* leaf, two intermediate and a cross-signed certificate */
#define NGX_HTTP_KATALO_PROXY_DEPTH    4


static ngx_int_t ngx_http_katalo_proxy_check_order(ngx_conf_t *cf);
static ngx_int_t ngx_http_katalo_proxy_offset(ngx_conf_t *cf, char *name,
    ngx_http_katalo_conf_set_pt set, ngx_uint_t *offset);


ngx_http_katalo_proxy_setting_t  ngx_http_katalo_proxy_settings[] = {

    { "proxy_ssl_verify", ngx_conf_set_flag_slot, 1,
      { .flag = 1 }, { .flag = 0 }, 0 },

    { "proxy_ssl_server_name", ngx_conf_set_flag_slot, 0,
      { .flag = 1 }, { .flag = 0 }, 0 },

    { "proxy_ssl_verify_depth", ngx_conf_set_num_slot, 1,
      { .num = NGX_HTTP_KATALO_PROXY_DEPTH }, { .num = 1 }, 0 },

    { "proxy_ssl_trusted_certificate", ngx_conf_set_str_slot, 1,
      { .str = ngx_null_string }, { .str = ngx_string("") }, 0 },

    { "proxy_http_version", ngx_conf_set_enum_slot, 0,
      { .num = NGX_HTTP_VERSION_11 },
      { .num = NGX_HTTP_KATALO_PROXY_VERSION }, 0 }
};


static ngx_uint_t  ngx_http_katalo_proxy_upstream_offset;

ngx_uint_t  ngx_http_katalo_proxy_headers_offset;
ngx_uint_t  ngx_http_katalo_proxy_crl_offset;
ngx_uint_t  ngx_http_katalo_proxy_commands_offset;
ngx_uint_t  ngx_http_katalo_proxy_protocols_offset;
ngx_uint_t  ngx_http_katalo_proxy_ciphers_offset;


ngx_int_t
ngx_http_katalo_proxy_init(ngx_conf_t *cf, ngx_http_katalo_loc_conf_t *main)
{
    ngx_uint_t                        i, offset;
    ngx_http_katalo_proxy_setting_t  *setting;

    if (ngx_http_katalo_proxy_check_order(cf) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_katalo_proxy_offset(cf, "proxy_set_header",
                                     ngx_conf_set_keyval_slot,
                                     &ngx_http_katalo_proxy_headers_offset)
        != NGX_OK
        || ngx_http_katalo_proxy_offset(cf, "proxy_ssl_crl",
                                        ngx_conf_set_str_slot,
                                        &ngx_http_katalo_proxy_crl_offset)
           != NGX_OK
        || ngx_http_katalo_proxy_offset(cf, "proxy_ssl_conf_command",
                                        ngx_conf_set_keyval_slot,
                                        &ngx_http_katalo_proxy_commands_offset)
           != NGX_OK
        || ngx_http_katalo_proxy_offset(cf, "proxy_ssl_protocols",
                                        ngx_conf_set_bitmask_slot,
                                       &ngx_http_katalo_proxy_protocols_offset)
           != NGX_OK
        || ngx_http_katalo_proxy_offset(cf, "proxy_ssl_ciphers",
                                        ngx_conf_set_str_slot,
                                        &ngx_http_katalo_proxy_ciphers_offset)
           != NGX_OK
        || ngx_http_katalo_proxy_offset(cf, "proxy_connect_timeout",
                                        ngx_conf_set_msec_slot, &offset)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_katalo_proxy_upstream_offset = offset
                         - offsetof(ngx_http_upstream_conf_t, connect_timeout);

    for (i = 0; i < NGX_HTTP_KATALO_PROXY_SETTINGS; i++) {
        setting = &ngx_http_katalo_proxy_settings[i];

        if (ngx_http_katalo_proxy_offset(cf, setting->name, setting->set,
                                         &setting->offset)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    /* while servers are merged, their configurations take this one's place */

    ngx_http_katalo_proxy_read(cf, NULL, main);

    return NGX_OK;
}


static ngx_int_t
ngx_http_katalo_proxy_check_order(ngx_conf_t *cf)
{
    ngx_uint_t     i;
    ngx_module_t  *module;

    for (i = 0; cf->cycle->modules[i]; i++) {
        module = cf->cycle->modules[i];

        if (module == &ngx_http_katalo_module) {
            return NGX_OK;
        }

        if (module == &ngx_http_proxy_module) {
            break;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "ngx_http_katalo_module must come before "
                       "ngx_http_proxy_module, build it with its own "
                       "\"config\" and load it with \"load_module\"");

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_katalo_proxy_offset(ngx_conf_t *cf, char *name,
    ngx_http_katalo_conf_set_pt set, ngx_uint_t *offset)
{
    ngx_command_t  *cmd;

    for (cmd = ngx_http_proxy_module.commands; cmd->name.len; cmd++) {

        if (ngx_strcmp(cmd->name.data, name) != 0) {
            continue;
        }

        if (cmd->set != set || cmd->conf != NGX_HTTP_LOC_CONF_OFFSET) {
            break;
        }

        *offset = cmd->offset;

        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "the proxy module's \"%s\" is not as "
                       "ngx_http_katalo_module knows it", name);

    return NGX_ERROR;
}


void
ngx_http_katalo_proxy_read(ngx_conf_t *cf, ngx_http_katalo_loc_conf_t *prev,
    ngx_http_katalo_loc_conf_t *conf)
{
    ngx_uint_t                      i, unset;
    ngx_array_t                    *headers;
    ngx_http_katalo_proxy_value_t  *value;

    conf->proxy.conf = ngx_http_conf_get_module_loc_conf(cf,
                                                       ngx_http_proxy_module);

    headers = *ngx_http_katalo_proxy_field(conf,
                                          ngx_http_katalo_proxy_headers_offset,
                                          ngx_array_t *);

    conf->proxy.headers = (headers == NGX_CONF_UNSET_PTR && prev)
                          ? prev->proxy.headers : headers;

    for (i = 0; i < NGX_HTTP_KATALO_PROXY_SETTINGS; i++) {
        value = &conf->proxy.settings[i];

        if (ngx_http_katalo_proxy_settings[i].set == ngx_conf_set_str_slot) {
            value->str = *ngx_http_katalo_proxy_setting(conf, i, ngx_str_t);
            unset = (value->str.data == NULL);

        } else {
            value->flag = *ngx_http_katalo_proxy_setting(conf, i, ngx_flag_t);
            unset = (value->flag == NGX_CONF_UNSET);
        }

        if (unset && prev) {
            *value = prev->proxy.settings[i];
        }
    }
}


void
ngx_http_katalo_proxy_write(ngx_http_katalo_main_conf_t *kmcf,
    ngx_http_katalo_loc_conf_t *conf, ngx_uint_t trust)
{
    ngx_str_t                        *str;
    ngx_flag_t                       *flag;
    ngx_uint_t                        i, with_key;
    ngx_http_katalo_proxy_value_t    *user;
    ngx_http_katalo_proxy_setting_t  *setting;

    for (i = 0; i < NGX_HTTP_KATALO_PROXY_SETTINGS; i++) {
        setting = &ngx_http_katalo_proxy_settings[i];

        if (setting->verify && !trust) {
            continue;
        }

        user = &conf->proxy.settings[i];

        with_key = conf->enabled && (conf->upstream_tls || !setting->verify);

        if (setting->set == ngx_conf_set_str_slot) {
            str = ngx_http_katalo_proxy_setting(conf, i, ngx_str_t);

            *str = with_key ? kmcf->ca_bundle : setting->without_key.str;

            if (user->str.data) {
                *str = user->str;
            }

            continue;
        }

        flag = ngx_http_katalo_proxy_setting(conf, i, ngx_flag_t);

        *flag = with_key ? setting->with_key.flag : setting->without_key.flag;

        if (user->flag != NGX_CONF_UNSET) {
            *flag = user->flag;
        }
    }
}


ngx_http_upstream_conf_t *
ngx_http_katalo_proxy_upstream(ngx_http_katalo_loc_conf_t *conf)
{
    return ngx_http_katalo_proxy_field(conf,
                                       ngx_http_katalo_proxy_upstream_offset,
                                       ngx_http_upstream_conf_t);
}


/* newer nginx has an object in each location, a context only for TLS */

ngx_uint_t
ngx_http_katalo_proxy_tls(ngx_http_katalo_loc_conf_t *conf)
{
    ngx_http_upstream_conf_t  *ucf;

    ucf = ngx_http_katalo_proxy_upstream(conf);

    return ucf->ssl && ucf->ssl->ctx;
}
