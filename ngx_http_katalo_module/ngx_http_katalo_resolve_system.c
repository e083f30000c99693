
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* The name servers of the system, as resolv.conf(5) has them. */


#include "ngx_http_katalo_resolve_system.h"


#define NGX_HTTP_KATALO_RESOLVE_CONF     "/etc/resolv.conf"
#define NGX_HTTP_KATALO_RESOLVE_SIZE     4096
#define NGX_HTTP_KATALO_RESOLVE_SERVERS  3       /* as resolv.conf(5) */


static ngx_int_t ngx_http_katalo_resolve_system_read(ngx_conf_t *cf,
    ngx_str_t *text);
static ngx_int_t ngx_http_katalo_resolve_system_servers(ngx_conf_t *cf,
    ngx_str_t *text, ngx_array_t *servers);
static ngx_int_t ngx_http_katalo_resolve_system_server(ngx_conf_t *cf,
    ngx_str_t *address, ngx_array_t *servers);


ngx_int_t
ngx_http_katalo_resolve_system(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_uint_t ipv6,
    ngx_resolver_t **resolver)
{
    ngx_str_t     text, names[NGX_HTTP_KATALO_RESOLVE_SERVERS + 1];
    ngx_uint_t    n;
    ngx_array_t  *servers;

    static ngx_str_t  ipv6_off = ngx_string("ipv6=off");

    servers = kmcf->name_servers;

    if (servers == NULL) {
        servers = ngx_array_create(cf->pool, NGX_HTTP_KATALO_RESOLVE_SERVERS,
                                   sizeof(ngx_str_t));
        if (servers == NULL
            || ngx_http_katalo_resolve_system_read(cf, &text) != NGX_OK
            || ngx_http_katalo_resolve_system_servers(cf, &text, servers)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        kmcf->name_servers = servers;
    }

    if (kmcf->system_resolver[ipv6] == NULL && servers->nelts) {
        n = servers->nelts;
        ngx_memcpy(names, servers->elts, n * sizeof(ngx_str_t));

        /* a name server that fails for IPv6 fails for the name */

        if (!ipv6) {
            names[n++] = ipv6_off;
        }

        kmcf->system_resolver[ipv6] = ngx_resolver_create(cf, names, n);

        if (kmcf->system_resolver[ipv6] == NULL) {
            return NGX_ERROR;
        }
    }

    *resolver = kmcf->system_resolver[ipv6];

    return NGX_OK;
}


/* a file that cannot be read is as an empty one */

static ngx_int_t
ngx_http_katalo_resolve_system_read(ngx_conf_t *cf, ngx_str_t *text)
{
    ssize_t   n;
    ngx_fd_t  fd;

    ngx_str_set(text, "");

    fd = ngx_open_file(NGX_HTTP_KATALO_RESOLVE_CONF, NGX_FILE_RDONLY,
                       NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_log_error(NGX_LOG_NOTICE, cf->log, ngx_errno,
                      "katalo: " ngx_open_file_n " \"%s\" failed",
                      NGX_HTTP_KATALO_RESOLVE_CONF);
        return NGX_OK;
    }

    text->data = ngx_pnalloc(cf->pool, NGX_HTTP_KATALO_RESOLVE_SIZE);

    if (text->data) {
        n = ngx_read_fd(fd, text->data, NGX_HTTP_KATALO_RESOLVE_SIZE);
        text->len = (n > 0) ? n : 0;

        /* an address that was cut off may be another one */

        if (n == NGX_HTTP_KATALO_RESOLVE_SIZE) {
            while (text->len && text->data[text->len - 1] != LF) {
                text->len--;
            }
        }
    }

    (void) ngx_close_file(fd);

    return text->data ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_katalo_resolve_system_servers(ngx_conf_t *cf, ngx_str_t *text,
    ngx_array_t *servers)
{
    u_char     *p, *last, *end;
    ngx_str_t   address;

    static ngx_str_t  keyword = ngx_string("nameserver");

    last = text->data + text->len;

    for (p = text->data; p < last; p = end + 1) {

        end = ngx_strlchr(p, last, LF);
        if (end == NULL) {
            end = last;
        }

        if ((size_t) (end - p) <= keyword.len
            || ngx_strncmp(p, keyword.data, keyword.len) != 0)
        {
            continue;
        }

        p += keyword.len;

        if (*p != ' ' && *p != '\t') {
            continue;
        }

        while (p < end && (*p == ' ' || *p == '\t')) {
            p++;
        }

        address.data = p;

        while (p < end && *p != ' ' && *p != '\t' && *p != CR) {
            p++;
        }

        address.len = p - address.data;

        if (servers->nelts < NGX_HTTP_KATALO_RESOLVE_SERVERS
            && ngx_http_katalo_resolve_system_server(cf, &address, servers)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* in the form of the directive "resolver"; what is no address is skipped */

static ngx_int_t
ngx_http_katalo_resolve_system_server(ngx_conf_t *cf, ngx_str_t *address,
    ngx_array_t *servers)
{
    u_char     *p;
    ngx_str_t  *server;
#if (NGX_HAVE_INET6)
    u_char      addr6[16];
#endif

    if (ngx_inet_addr(address->data, address->len) == INADDR_NONE
#if (NGX_HAVE_INET6)
        && ngx_inet6_addr(address->data, address->len, addr6) != NGX_OK
#endif
       )
    {
        return NGX_OK;
    }

    server = ngx_array_push(servers);
    if (server == NULL) {
        return NGX_ERROR;
    }

    server->data = ngx_pnalloc(cf->pool, address->len + sizeof("[]"));
    if (server->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(server->data,
                    ngx_strlchr(address->data, address->data + address->len,
                                ':')
                    ? "[%V]" : "%V", address);
    *p = '\0';

    server->len = p - server->data;

    return NGX_OK;
}
