/* world.c - see world.h. */
#include "test/api/world.h"

#include "wire/tls.h"

static void ex_start(struct http_exchange *ex, int status, const struct http_header *headers,
                     size_t n, bool has_body)
{
    struct call *c = CONTAINER_OF(ex, struct call, ex);

    (void)has_body;
    c->status = status;
    for (size_t i = 0; i < n; i++)
        buf_fmt(&c->head, PRI_STR ": " PRI_STR "\n", STR_ARG(headers[i].name),
                STR_ARG(headers[i].value));
}

static void ex_write(struct http_exchange *ex, str data)
{
    buf_str(&CONTAINER_OF(ex, struct call, ex)->body, data);
    CONTAINER_OF(ex, struct call, ex)->n_messages++;
}

static void ex_write_bytes(struct http_exchange *ex, const struct bytes *b)
{
    ex_write(ex, bytes_str(b));
}

static size_t ex_queued(const struct http_exchange *ex)
{
    return CONTAINER_OF(ex, struct call, ex)->queue;
}

static void ex_end(struct http_exchange *ex)
{
    struct call *c = CONTAINER_OF(ex, struct call, ex);

    BUG_ON(c->ended);
    c->ended = true;
    list_del(&c->link);
    arena_free(ex->arena);
    ex->arena = NULL;
}

static struct stream *ex_upgrade(struct http_exchange *ex)
{
    ex_end(ex);
    return NULL;
}

static void ex_messages(struct http_exchange *ex, unsigned opcode)
{
    CONTAINER_OF(ex, struct call, ex)->opcode = opcode;
}

static const struct http_exchange_ops ops = {.start = ex_start,
                                             .write = ex_write,
                                             .write_bytes = ex_write_bytes,
                                             .queued = ex_queued,
                                             .end = ex_end,
                                             .upgrade = ex_upgrade,
                                             .messages = ex_messages};

static bool booted;
static void on_boot(void *ctx, struct err *e)
{
    (void)ctx;
    CHECK_OK(e);
    booted = true;
}

static bool is_booted(void *ctx)
{
    (void)ctx;
    return booted;
}

void world_init(struct world *w)
{
    world_init_with(w, NULL);
}

void world_init_with(struct world *w, void (*adjust)(struct world *w, struct api_options *o))
{
    struct api_options o;
    struct buf key = BUF_INIT, ca = BUF_INIT;

    memset(w, 0, sizeof *w);
    list_init(&w->open);
    w->arena = arena_new();
    w->loop = loop_new_virtual(7, (wall_time){INT64_C(1790000000) * NS_PER_S});
    CHECK_OK(store_open(w->loop, &(struct store_options){.path = ":memory:"}, &w->store));
    CHECK_OK(pki_key_new(&key));
    CHECK_OK(pki_cert_new(&(struct pki_cert_options){.common_name = S("ca"),
                                                     .is_ca = true,
                                                     .not_before = {0},
                                                     .not_after = {INT64_C(2000000000) * NS_PER_S}},
                          buf_view(&key), S(""), S(""), &ca));
    o = (struct api_options){
        .store = w->store,
        .service_cidr = S("10.96.0.0/16"),
        .advertise_address = S("192.0.2.1"),
        .advertise_port = 6443,
        .service_account_key_pem = buf_view(&key),
        .ca_pem = buf_view(&ca),
        .ca_key_pem = buf_view(&key),
        .token_file = S("admin-token,admin,uid-1,\"system:masters\"\nalice-token,alice,uid-2\n"
                        "node-token,system:node:n1,uid-3,\"system:nodes\"\n"),
        .anonymous = true};
    if (adjust)
        adjust(w, &o);
    CHECK_OK(api_new(w->loop, &o, &w->api));
    booted = false;
    api_bootstrap(w->api, on_boot, NULL);
    loop_virtual_run(w->loop, 60 * NS_PER_S, is_booted, NULL);
    CHECK(booted);
    buf_fini(&key);
    buf_fini(&ca);
}

static bool flag_set(void *ctx)
{
    return *(bool *)ctx;
}

static void set_flag(void *ctx)
{
    *(bool *)ctx = true;
}

static void run_until(struct world *w, bool *flag)
{
    loop_virtual_run(w->loop, loop_virtual_elapsed_ns(w->loop) + 60 * NS_PER_S, flag_set, flag);
}

void world_fini(struct world *w)
{
    bool closed = false;

    api_close(w->api, set_flag, &closed);
    run_until(w, &closed);
    CHECK(closed);
    CHECK(list_is_empty(&w->open));
    closed = false;
    store_close(w->store, set_flag, &closed);
    run_until(w, &closed);
    loop_free(w->loop);
    arena_free(w->arena);
}

struct call *world_open(struct world *w, const char *method, const char *path, const char *body,
                        const char *headers)
{
    struct call *c = NEW(struct call);
    str target = str_of(path), head = str_of(headers ? headers : ""), line, query = target;
    size_t n = 0;
    bool auth = false, upgrade = false;

    c->w = w;
    c->ex.ops = &ops;
    c->ex.arena = arena_new();
    list_add_tail(&w->open, &c->link);
    while (head.n && str_cut(&head, '\n', &line)) {
        str name;

        str_cut(&line, ':', &name);
        c->in[n++] = (struct http_header){name, str_trim(line)};
        auth |= str_eq_nocase(name, S("authorization"));
        upgrade |= str_eq_nocase(name, S("upgrade"));
    }
    if (!auth)
        c->in[n++] = (struct http_header){S("Authorization"), S("Bearer admin-token")};
    c->in[n++] = (struct http_header){S("User-Agent"), S("test/1")};
    target = arena_dup(c->ex.arena, target);
    query = target;
    c->ex.req = (struct http_request){.method = str_of(method),
                                      .target = target,
                                      .headers = c->in,
                                      .n_headers = n,
                                      .is_upgrade = upgrade,
                                      .peer = w->peer,
                                      .version = w->http_version,
                                      .body = arena_dup(c->ex.arena, str_of(body ? body : ""))};
    str_cut(&query, '?', &c->ex.req.path);
    c->ex.req.query = query.p ? query : S("");
    api_handle(w->api, &c->ex);
    return c;
}

struct call *world_call(struct world *w, const char *method, const char *path, const char *body,
                        const char *headers)
{
    struct call *c = world_open(w, method, path, body, headers);

    run_until(w, &c->ended);
    CHECK(c->ended);
    return c;
}

void world_run(struct world *w, int64_t ns)
{
    loop_virtual_run(w->loop, loop_virtual_elapsed_ns(w->loop) + ns, NULL, NULL);
}

void call_free(struct call *c)
{
    if (!c->ended && c->ex.on_gone) {
        struct world *w = c->w;

        c->ex.gone = true;
        c->ex.on_gone(c->ex.user, &c->ex);
        run_until(w, &c->ended);
    }
    buf_fini(&c->head);
    buf_fini(&c->body);
    mem_free(c);
}

struct json *call_json(struct call *c)
{
    struct json *v = NULL;

    CHECK_OK(json_parse(c->w->arena, arena_dup(c->w->arena, buf_view(&c->body)), NULL, NULL, &v));
    return v;
}

str call_header(struct call *c, const char *name)
{
    str head = buf_view(&c->head), line, n;

    while (head.n && str_cut(&head, '\n', &line)) {
        if (str_cut(&line, ':', &n) && str_eq_nocase(n, str_of(name)))
            return str_trim(line);
    }
    return STR_NONE;
}

const char *world_quoted(struct world *w, const char *text)
{
    char *z = text ? arena_dupz(w->arena, str_of(text)) : NULL;

    for (char *p = z; p && *p; p++)
        if (*p == '\'')
            *p = '"';
    return z;
}

int world_status(struct world *w, const char *method, const char *path, const char *body)
{
    struct call *c = world_call(w, method, path, body, NULL);
    int status = c->status;

    call_free(c);
    return status;
}

struct json *world_json(struct world *w, const char *method, const char *path, const char *body,
                        int want_status)
{
    struct call *c =
        world_call(w, method, path, body,
                   !strcmp(method, "PATCH") ? "Content-Type: application/merge-patch+json" : NULL);
    struct json *v = call_json(c);

    if (c->status != want_status)
        test_fail(__FILE__, __LINE__, "%s %s is %d, want %d: %s", method, path, c->status,
                  want_status, buf_cstr(&c->body));
    call_free(c);
    return v;
}
