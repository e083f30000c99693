# A page's lines, as a C string.

1i\
static u_char  ngx_http_katalo_status_page[] =

s/\\/\\\\/g
s/"/\\"/g
s/??/?""?/g
s/.*/    "&\\n"/

$a\
    ;
