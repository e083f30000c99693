
/*
 * Copyright (C) 2026 ngx_http_katalo_module authors
 */


/*
 * An input is a key name, two names of operations and two key ids, each ended
 * by a zero byte, and numbers of eight bytes that counters are set to.  Names
 * go through the setters of their directives, ids through that of a key: what
 * they take must be what the documentation says.
 */


#include "fuzz.h"


#define FUZZ_NAME  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"     \
                   "0123456789_"

static void fuzz_status_conf(fuzz_status_t *status, ngx_conf_t *cf);
static char *fuzz_status_directive(ngx_conf_t *cf, fuzz_status_t *status,
    ngx_str_t *name, const char *second, const char *third);
static ngx_uint_t fuzz_status_name(fuzz_status_t *status, ngx_conf_t *cf,
    ngx_str_t *name);
static ngx_uint_t fuzz_status_operation(fuzz_status_t *status, ngx_conf_t *cf,
    ngx_str_t *name);
static ngx_uint_t fuzz_status_id(fuzz_status_t *status, ngx_str_t *id,
    fuzz_numbers_t *numbers);
static void fuzz_status_count(fuzz_status_t *status, fuzz_id_t *id,
    fuzz_numbers_t *numbers);


const char  *fuzz_reasons[] = {
    "preflight", "browser", "operation", "no_key", "idempotency",
    "consumer", "cooldown", "destination", "browser_reported", NULL
};

const char  *fuzz_kinds[] = { "stripped", "katalo_key", NULL };

const char  *fuzz_statuses[] = {
    "200", "201", "202", "400", "401", "403", "404", "409", "422", "429",
    "500", "502", "503", "504", "2xx", "3xx", "4xx", "5xx", "none", NULL
};

static const char  *fuzz_builtin[] = {
    "create", "read", "regenerate", "usage", "billing", "other"
};


/* the zone as it is before any of it has been used */

static u_char                   *fuzz_zone;
static size_t                    fuzz_zone_size;
static ngx_http_katalo_usage_t  *fuzz_usage;
static ngx_http_katalo_key_t    *fuzz_production;
static ngx_http_katalo_vault_t  *fuzz_vault;


void
fuzz_status_init(void)
{
    ngx_conf_t  cf;

    fuzz_nginx("katalo_key production env:" FUZZ_KEY ";", "", NULL);

    fuzz_usage = fuzz_conf()->usage;
    fuzz_production = *(ngx_http_katalo_key_t **) fuzz_conf()->keys.elts;

    fuzz_zone_size = (u_char *) fuzz_usage->shpool->end
                     - (u_char *) fuzz_usage->shpool;
    fuzz_zone = malloc(fuzz_zone_size);
    ngx_memcpy(fuzz_zone, fuzz_usage->shpool, fuzz_zone_size);

    ngx_memzero(&cf, sizeof(ngx_conf_t));

    cf.pool = ngx_cycle->pool;
    cf.log = ngx_cycle->log;

    fuzz_vault = ngx_http_katalo_vault_create(&cf, 1);
    fuzz_check(fuzz_vault != NULL, "no vault");
}


ngx_uint_t
fuzz_status_make(const u_char *data, size_t size, fuzz_status_t *status)
{
    ngx_str_t       names[5];
    ngx_uint_t      i;
    ngx_conf_t      cf;
    fuzz_input_t    in;
    fuzz_numbers_t  numbers;

    in.pos = data;
    in.last = data + size;

    for (i = 0; i < 5; i++) {
        names[i] = fuzz_take(&in, '\0');
    }

    numbers.in = in;
    numbers.start = in.pos;
    numbers.taken = 0;

    fuzz_reset();
    ngx_memcpy(fuzz_usage->shpool, fuzz_zone, fuzz_zone_size);
    ngx_memzero(status, sizeof(fuzz_status_t));

    fuzz_status_conf(status, &cf);

    if (!fuzz_status_name(status, &cf, &names[0])) {
        return 0;
    }

    for (i = 0; i < NGX_HTTP_KATALO_BUILTIN; i++) {
        status->operations[i].data = (u_char *) fuzz_builtin[i];
        status->operations[i].len = strlen(fuzz_builtin[i]);
    }

    status->noperations = NGX_HTTP_KATALO_BUILTIN;

    for (i = 1; i < 3; i++) {
        if (!fuzz_status_operation(status, &cf, &names[i])) {
            return 0;
        }
    }

    fuzz_usage->conf = &status->conf;
    ngx_http_katalo_zone_init_columns(fuzz_usage);

    for (i = 3; i < 5; i++) {
        if (!fuzz_status_id(status, &names[i], &numbers)) {
            return 0;
        }
    }

    for (i = 0; i < NGX_HTTP_KATALO_KEY_COUNTERS; i++) {
        status->counters[i] = fuzz_take_number(&numbers);
        fuzz_usage->keys[status->key->row].counters[i] = status->counters[i];
    }

    return 1;
}


/* a configuration that is being read, with nothing of this module in it */

static void
fuzz_status_conf(fuzz_status_t *status, ngx_conf_t *cf)
{
    void                         **main_conf;
    ngx_pool_t                    *pool;
    ngx_conf_file_t               *file;
    ngx_http_conf_ctx_t           *ctx, *real;
    ngx_http_katalo_main_conf_t   *kmcf;

    pool = ngx_create_pool(4096, ngx_cycle->log);
    fuzz_check(pool != NULL, "no pool");

    ngx_memzero(cf, sizeof(ngx_conf_t));

    cf->pool = pool;
    cf->temp_pool = pool;
    cf->log = ngx_cycle->log;
    cf->cycle = (ngx_cycle_t *) ngx_cycle;

    file = ngx_pcalloc(pool, sizeof(ngx_conf_file_t));
    ngx_str_set(&file->file.name, "fuzz");
    cf->conf_file = file;

    real = (ngx_http_conf_ctx_t *) ngx_cycle->conf_ctx[ngx_http_module.index];
    main_conf = ngx_palloc(pool, ngx_http_max_module * sizeof(void *));
    ngx_memcpy(main_conf, real->main_conf,
               ngx_http_max_module * sizeof(void *));

    ctx = ngx_pcalloc(pool, sizeof(ngx_http_conf_ctx_t));
    ctx->main_conf = main_conf;
    cf->ctx = ctx;

    kmcf = &status->conf;
    main_conf[ngx_http_katalo_module.ctx_index] = kmcf;

    ngx_rbtree_init(&kmcf->names, &kmcf->sentinel,
                    ngx_str_rbtree_insert_value);

    fuzz_check(ngx_array_init(&kmcf->keys, pool, 1, sizeof(void *)) == NGX_OK
               && ngx_array_init(&kmcf->operations, pool, 2,
                                 sizeof(ngx_http_katalo_operation_t)) == NGX_OK,
               "no memory");

    kmcf->usage = fuzz_usage;
}


void
fuzz_status_done(fuzz_status_t *status)
{
    fuzz_usage->conf = fuzz_conf();
    ngx_destroy_pool(status->conf.keys.pool);
}


/* the directive's setter with these arguments, as words of a file */

static char *
fuzz_status_directive(ngx_conf_t *cf, fuzz_status_t *status, ngx_str_t *name,
    const char *second, const char *third)
{
    ngx_str_t    *value;
    ngx_uint_t    i;
    ngx_array_t  *args;
    const char   *words[] = { third ? "katalo_operation" : "katalo_key", NULL,
                              second, third };

    args = ngx_array_create(cf->pool, 4, sizeof(ngx_str_t));
    fuzz_check(args != NULL, "no memory");

    for (i = 0; i < 4 && (i == 1 || words[i]); i++) {
        value = ngx_array_push(args);
        value->len = (i == 1) ? name->len : strlen(words[i]);
        value->data = ngx_pnalloc(cf->pool, value->len + 1);
        ngx_memcpy(value->data, i == 1 ? name->data : (u_char *) words[i],
                   value->len);
        value->data[value->len] = '\0';
    }

    cf->args = args;

    /* as for each directive, before its setter */

    if (ngx_http_katalo_conf_literal_key(cf)) {
        return NGX_CONF_ERROR;
    }

    return third ? ngx_http_katalo_conf_operation(cf, NULL, &status->conf)
                 : ngx_http_katalo_conf_key(cf, NULL, &status->conf);
}


static ngx_uint_t
fuzz_status_name(fuzz_status_t *status, ngx_conf_t *cf, ngx_str_t *name)
{
    char        *rv;
    ngx_uint_t   valid;

    valid = name->len >= 1 && name->len <= 64
            && fuzz_only(name, FUZZ_NAME "-.") && !fuzz_is(name, "off")
            && memmem(name->data, name->len, "kat_live_", 9) == NULL;

    rv = fuzz_status_directive(cf, status, name, "env:" FUZZ_KEY, NULL);

    fuzz_check((rv == NGX_CONF_OK) == valid, "key name of %zu bytes",
               name->len);

    if (!valid) {
        return 0;
    }

    status->name = *name;
    status->key = *(ngx_http_katalo_key_t **) status->conf.keys.elts;

    fuzz_vault->nelts = 0;
    fuzz_check(ngx_http_katalo_vault_add(cf, fuzz_vault, status->key)
               == NGX_OK, "no memory");

    status->key->secret.len = 0;
    status->key->usage = fuzz_usage;
    status->key->row = fuzz_production->row;
    status->key->slot = fuzz_production->slot;
    status->key->cooldown = fuzz_production->cooldown;

    return 1;
}


static ngx_uint_t
fuzz_status_operation(fuzz_status_t *status, ngx_conf_t *cf, ngx_str_t *name)
{
    char        *rv;
    ngx_str_t   *known;
    ngx_uint_t   i, valid;

    valid = name->len >= 1 && name->len <= 64 && fuzz_only(name, FUZZ_NAME)
            && !fuzz_is(name, "all") && !fuzz_is(name, "total")
            && memmem(name->data, name->len, "kat_live_", 9) == NULL;

    for (i = 0; i < status->noperations; i++) {
        known = &status->operations[i];

        valid &= !(known->len == name->len
                   && memcmp(known->data, name->data, name->len) == 0);
    }

    rv = fuzz_status_directive(cf, status, name, "*", "~x");

    fuzz_check((rv == NGX_CONF_OK) == valid, "operation name of %zu bytes",
               name->len);

    if (valid) {
        status->operations[status->noperations++] = *name;
    }

    return valid;
}


static ngx_uint_t
fuzz_status_id(fuzz_status_t *status, ngx_str_t *id, fuzz_numbers_t *numbers)
{
    char                         text[1024];
    ngx_int_t                    rc;
    ngx_uint_t                   valid;
    ngx_http_katalo_key_error_t  error;

    /* the key that nginx was started with has a place before these */

    if (id->len > sizeof(text) - 32 || fuzz_is(id, "fuzz")) {
        return 0;
    }

    (void) sprintf(text, "kat_live_%.*s.x", (int) id->len, id->data);

    valid = id->len >= 1 && id->len <= 501 && fuzz_only(id, FUZZ_WORD);

    status->key->env_value = text;
    rc = ngx_http_katalo_key_read(fuzz_vault, status->key, &error);

    fuzz_check((rc == NGX_OK) == valid, "id of %zu bytes", id->len);

    if (!valid) {
        return 0;
    }

    ngx_http_katalo_state_publish(status->key);

    if (status->nids && status->ids[0].id.len == id->len
        && memcmp(status->ids[0].id.data, id->data, id->len) == 0)
    {
        return 1;
    }

    status->ids[status->nids].id = *id;
    fuzz_status_count(status, &status->ids[status->nids++], numbers);

    return 1;
}


static void
fuzz_status_count(fuzz_status_t *status, fuzz_id_t *id, fuzz_numbers_t *numbers)
{
    ngx_uint_t                    i;
    ngx_http_katalo_id_stripe_t  *stripe;

    stripe = &fuzz_usage->ids[status->key->slot];

    for (i = 0; i < status->noperations; i++) {
        id->requests[i] = fuzz_take_number(numbers);
        stripe->counters[fuzz_usage->columns[i]] = id->requests[i];
    }

    for (i = NGX_HTTP_KATALO_OPERATIONS; i < NGX_HTTP_KATALO_ID_COUNTERS; i++) {
        id->counters[i] = fuzz_take_number(numbers);
        stripe->counters[i] = id->counters[i];
    }

    /* up to the year 9999 */

    id->first_used = fuzz_take_number(numbers) % 253402300800;
    id->last_used = fuzz_take_number(numbers) % 253402300800;

    stripe->used[0].first = id->first_used;
    stripe->used[0].last = id->last_used;
}


char *
fuzz_status_page(fuzz_status_t *status, ngx_http_katalo_renderer_pt renderer)
{
    char                    *copy;
    ngx_str_t                text;
    ngx_http_katalo_page_t   page;

    page.pool = status->conf.keys.pool;

    fuzz_check(ngx_http_katalo_usage_read(&status->conf, page.pool,
                                          &page.snapshot)
               == NGX_OK
               && ngx_http_katalo_status_render(&page, renderer, &text)
                  == NGX_OK, "no page");

    copy = ngx_pnalloc(page.pool, text.len + 1);
    ngx_memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';

    fuzz_check(strlen(copy) == text.len, "a zero byte in the page");

    return copy;
}
