/* connect.c - dynamic admission of requests that write no object of their resource: connections (exec, attach, port-forward,
 * proxies), bindings, evictions, tokens, reviews. */
#include "api/dynamic/dynamic_internal.h"

struct admitting {
    struct attributes t;
    struct json *given; /* the object as it came; NULL: there is none */
    void (*go)(void *ctx);
    void *ctx;
};

static void run(void *ctx, struct err *e)
{
    struct admitting *x = ctx;
    struct attributes *t = &x->t;

    if (!e) {
        answers_begin(t->answers);
        if (x->given)
            *t->obj = json_copy(t->req->a, x->given);
        e = dynamic_mutate(t, NULL, NULL);
        if (!e)
            e = dynamic_validate(t);
        if (answers_wait(t->answers, e, run, x))
            return;
    }
    if (e)
        reply_error(t->req, e);
    else
        x->go(x->ctx);
}

void dynamic_admit_then(const struct attributes *t, void (*go)(void *ctx), void *ctx)
{
    struct req *q = t->req;
    struct answers *n = answers_new(q, t->kind, t->subresource, t->op, t->op);
    struct admitting *x;

    if (!n) {
        go(ctx);
        return;
    }
    x = ARENA_NEW(q->a, struct admitting);
    *x = (struct admitting){.t = *t, .go = go, .ctx = ctx};
    x->t.answers = n;
    x->t.a = q->a; /* few runs of small objects, which outlive them */
    if (t->obj)
        x->given = json_new(q->a, json_copy(q->a, t->obj));
    run(x, NULL);
}

/* ---- connections: the query is the options object ---- */

enum option_type { OPTION_STRING, OPTION_BOOL, OPTION_STRINGS, OPTION_INTS };
struct option {
    const char *name;
    enum option_type type;
};
static const struct option exec_options[] = {{"stdin", OPTION_BOOL},
                                             {"stdout", OPTION_BOOL},
                                             {"stderr", OPTION_BOOL},
                                             {"tty", OPTION_BOOL},
                                             {"container", OPTION_STRING},
                                             {"command", OPTION_STRINGS},
                                             {NULL, 0}},
                           attach_options[] = {{"stdin", OPTION_BOOL},
                                               {"stdout", OPTION_BOOL},
                                               {"stderr", OPTION_BOOL},
                                               {"tty", OPTION_BOOL},
                                               {"container", OPTION_STRING},
                                               {NULL, 0}},
                           ports_options[] = {{"ports", OPTION_INTS}, {NULL, 0}},
                           no_options[] = {{NULL, 0}};
static const struct {
    const char *plural, *sub, *kind;
    const struct option *options;
} connections[] = {
    {"pods", "exec", "PodExecOptions", exec_options},
    {"pods", "attach", "PodAttachOptions", attach_options},
    {"pods", "portforward", "PodPortForwardOptions", ports_options},
    {"pods", "proxy", "PodProxyOptions", no_options},
    {"services", "proxy", "ServiceProxyOptions", no_options},
    {"nodes", "proxy", "NodeProxyOptions", no_options},
};

struct connecting_request {
    struct req *q;
    const struct option *options;
    struct json *obj, *asked;
    void (*go)(struct req *q);
};

static void option_take(struct arena *a, struct json *obj, const struct option *o, str v)
{
    int64_t port;

    switch (o->type) {
    case OPTION_STRING:
        json_setz(a, obj, o->name, json_string(v));
        return;
    case OPTION_BOOL:
        if (str_is(v, "true") || str_is(v, "1"))
            json_setz(a, obj, o->name, json_bool(true));
        return;
    case OPTION_STRINGS:
        json_append(a, json_make(a, obj, o->name, JSON_ARRAY), json_string(v));
        return;
    case OPTION_INTS:
        if (str_to_int64(v, &port))
            json_append(a, json_make(a, obj, o->name, JSON_ARRAY), json_int(port));
        return;
    }
}

static void options_read(struct connecting_request *c)
{
    struct req *q = c->q;
    size_t n = 0;
    struct http_header *all =
        q->ex->req.query.n ? http_query_all(q->a, q->ex->req.query, &n) : NULL;

    for (const struct option *o = c->options; o->name; o++)
        for (size_t i = 0; i < n; i++)
            if (str_is(all[i].name, o->name))
                option_take(q->a, c->obj, o, all[i].value);
    if (str_is(q->route.subresource, "proxy") && q->route.rest.n)
        json_setz(q->a, c->obj, "path",
                  json_string(arena_fmt(q->a, "/" PRI_STR, STR_ARG(q->route.rest))));
}

static void put_pair(struct buf *b, const char *name, const struct json *v)
{
    CLEANUP(buf) struct buf text = BUF_INIT;

    if (json_is(v, JSON_STRING))
        buf_str(&text, v->s);
    else
        json_encode(&text, v);
    if (b->n)
        buf_char(b, '&');
    buf_fmt(b, "%s=", name);
    http_percent_encode(b, buf_view(&text));
}

/* What admission has made of the options is what the other side is told. */
static void options_write(struct connecting_request *c)
{
    struct buf b = BUF_INIT;

    for (const struct option *o = c->options; o->name; o++) {
        const struct json *v = json_findz(c->obj, o->name);

        if (json_is(v, JSON_ARRAY))
            JSON_EACH(item, v)
                put_pair(&b, o->name, item);
        else if (v)
            put_pair(&b, o->name, v);
    }
    c->q->ex->req.query = arena_dup(c->q->a, buf_view(&b));
    buf_fini(&b);
}

static void connect_admitted(void *ctx)
{
    struct connecting_request *c = ctx;

    if (c->options->name && !json_equal(c->obj, c->asked))
        options_write(c);
    c->go(c->q);
}

void dynamic_connect(struct req *q, void (*go)(struct req *q))
{
    struct connecting_request *c;
    const struct schema_type *type;
    struct attributes t;

    if (!q->api->n_dynamic) {
        go(q);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(connections); i++) {
        if (!str_is(q->route.kind->r->plural, connections[i].plural) ||
            !str_is(q->route.subresource, connections[i].sub))
            continue;
        type = schema_find_gvk(S(""), S("v1"), str_of(connections[i].kind));
        if (!type)
            break;
        c = ARENA_NEW(q->a, struct connecting_request);
        c->q = q;
        c->go = go;
        c->options = connections[i].options;
        c->obj = json_new(q->a, json_object());
        json_setz(q->a, c->obj, "kind", json_z(connections[i].kind));
        json_setz(q->a, c->obj, "apiVersion", json_z("v1"));
        options_read(c);
        c->asked = json_new(q->a, json_copy(q->a, c->obj));
        t = (struct attributes){.req = q,
                                .a = q->a,
                                .kind = q->route.kind,
                                .ns = q->route.ns,
                                .name = q->route.name,
                                .subresource = q->route.subresource,
                                .op = ADMIT_CONNECT,
                                .type = type,
                                .group = S(""),
                                .version = S("v1"),
                                .kind_name = str_of(connections[i].kind),
                                .obj = c->obj};
        dynamic_admit_then(&t, connect_admitted, c);
        return;
    }
    go(q);
}
