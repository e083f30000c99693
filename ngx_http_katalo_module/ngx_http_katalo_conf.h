
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#ifndef _NGX_HTTP_KATALO_CONF_H_INCLUDED_
#define _NGX_HTTP_KATALO_CONF_H_INCLUDED_


#include "ngx_http_katalo.h"


extern ngx_command_t  ngx_http_katalo_commands[];

/* puts a check of the arguments before each setter, before any is called */
void ngx_http_katalo_conf_init(void);


#endif /* _NGX_HTTP_KATALO_CONF_H_INCLUDED_ */
