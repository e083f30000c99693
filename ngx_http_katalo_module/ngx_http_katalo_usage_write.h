
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/* Bytes of the usage log, to a file, a pipe or syslog. */


#ifndef _NGX_HTTP_KATALO_USAGE_WRITE_H_INCLUDED_
#define _NGX_HTTP_KATALO_USAGE_WRITE_H_INCLUDED_


#include "ngx_http_katalo_usage_log.h"
#include "ngx_http_katalo_zone.h"


/*
 * The pending line begins at buf + 1 and has "len" bytes.  The line before it
 * may have been cut off, by a full disk or with its process: an end of line
 * comes first where the file is not as the last whole line left it.  NGX_AGAIN:
 * there is no room now.
 */
ngx_int_t ngx_http_katalo_usage_write(ngx_http_katalo_usage_log_t *log,
    ngx_http_katalo_sh_line_t *line, u_char *buf, size_t len);


#endif /* _NGX_HTTP_KATALO_USAGE_WRITE_H_INCLUDED_ */
