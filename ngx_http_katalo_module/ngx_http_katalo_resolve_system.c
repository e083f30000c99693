
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* The name servers of the system, as resolv.conf(5) has them. */


#include "ngx_http_katalo_resolve_system.h"


#define NGX_HTTP_KATALO_RESOLVE_CONF     "/etc/resolv.conf"
#define NGX_HTTP_KATALO_RESOLVE_SERVERS  3       /* as resolv.conf(5) */


static ngx_int_t ngx_http_katalo_resolve_system_read(ngx_conf_t *cf,
    ngx_str_t *names);


ngx_int_t
ngx_http_katalo_resolve_system(ngx_conf_t *cf,
    ngx_http_katalo_main_conf_t *kmcf, ngx_uint_t ipv6,
    ngx_resolver_t **resolver)
{
    ngx_int_t  n;
    ngx_str_t  names[NGX_HTTP_KATALO_RESOLVE_SERVERS + 1];

    if (kmcf->system_resolver[ipv6] == NULL) {

        n = ngx_http_katalo_resolve_system_read(cf, names);

        if (n == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (n == 0) {
            *resolver = NULL;
            return NGX_OK;
        }

        /* a name server that fails for IPv6 fails for the name */

        if (!ipv6) {
            ngx_str_set(&names[n], "ipv6=off");
            n++;
        }

        kmcf->system_resolver[ipv6] = ngx_resolver_create(cf, names, n);

        if (kmcf->system_resolver[ipv6] == NULL) {
            return NGX_ERROR;
        }
    }

    *resolver = kmcf->system_resolver[ipv6];

    return NGX_OK;
}


/*
 * Returns the number of servers, in the form of the directive "resolver".  What
 * is no address is skipped; a file that cannot be read is as an empty one.
 */

static ngx_int_t
ngx_http_katalo_resolve_system_read(ngx_conf_t *cf, ngx_str_t *names)
{
    char         line[1024], address[64];
    FILE        *file;
    size_t       len;
    ngx_int_t    n;
    ngx_addr_t   addr;

    n = 0;

    file = fopen(NGX_HTTP_KATALO_RESOLVE_CONF, "re");

    if (file == NULL) {
        ngx_log_error(NGX_LOG_NOTICE, cf->log, ngx_errno,
                      "katalo: fopen() \"%s\" failed",
                      NGX_HTTP_KATALO_RESOLVE_CONF);
        return 0;
    }

    while (n < NGX_HTTP_KATALO_RESOLVE_SERVERS
           && fgets(line, sizeof(line), file))
    {
        if (sscanf(line, "nameserver%*[ \t]%63s", address) != 1) {
            continue;
        }

        len = ngx_strlen(address);

        if (ngx_parse_addr(cf->pool, &addr, (u_char *) address, len)
            != NGX_OK)
        {
            continue;
        }

        names[n].data = ngx_pnalloc(cf->pool, len + sizeof("[]"));
        if (names[n].data == NULL) {
            n = NGX_ERROR;
            break;
        }

        names[n].len = ngx_sprintf(names[n].data,
                                   addr.sockaddr->sa_family == AF_INET
                                   ? "%s%Z" : "[%s]%Z", address)
                       - names[n].data - 1;
        n++;
    }

    (void) fclose(file);

    return n;
}
