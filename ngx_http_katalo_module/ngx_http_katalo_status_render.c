
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


#include "ngx_http_katalo_status_render.h"


#define NGX_HTTP_KATALO_STATUS_BUFFER  (2 * NGX_HTTP_KATALO_STATUS_PIECE)


ngx_int_t
ngx_http_katalo_status_render(ngx_http_katalo_page_t *page,
    ngx_http_katalo_renderer_pt renderer, ngx_str_t *text)
{
    u_char  *last;

    page->text = ngx_palloc(page->pool, NGX_HTTP_KATALO_STATUS_BUFFER);
    if (page->text == NULL) {
        return NGX_ERROR;
    }

    page->end = page->text + NGX_HTTP_KATALO_STATUS_BUFFER;
    page->failed = 0;

    last = renderer(page, page->text);

    text->data = page->text;
    text->len = last - page->text;

    return page->failed ? NGX_ERROR : NGX_OK;
}


u_char *
ngx_http_katalo_status_room(ngx_http_katalo_page_t *page, u_char *p)
{
    size_t   len, size;
    u_char  *text;

    if (page->end - p >= NGX_HTTP_KATALO_STATUS_PIECE) {
        return p;
    }

    len = p - page->text;
    size = page->end - page->text;

    text = ngx_palloc(page->pool, 2 * size);
    if (text == NULL) {
        page->failed = 1;
        return page->end - NGX_HTTP_KATALO_STATUS_PIECE;
    }

    ngx_memcpy(text, page->text, len);
    (void) ngx_pfree(page->pool, page->text);

    page->text = text;
    page->end = text + 2 * size;

    return text + len;
}
