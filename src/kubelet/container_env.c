/* container_env.c - a container's environment and field references; see container_env.h. Pure. */
#include "kubelet/container_env.h"

#include "kubelet/expand.h"
#include "schema/schema.h"

/* ---- field references ---- */

static int by_key(const void *x, const void *y, void *ctx)
{
    const struct json_member *a = x, *b = y;

    return str_cmp(a->key, b->key);
}

/* A map as the downward API writes it: `key="value"` per line, sorted, values quoted as Go quotes. */
static str format_map(struct arena *a, const struct json *map)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct json sorted = map ? json_share(a, map) : json_object();

    if (sorted.n)
        sort_with(sorted.members, sorted.n, sizeof sorted.members[0], by_key, NULL);
    JSON_EACH_MEMBER(m, &sorted) {
        str v = json_str(&m->value);

        if (m != sorted.members)
            buf_char(&b, '\n');
        buf_str(&b, m->key);
        buf_z(&b, "=\"");
        for (size_t i = 0; i < v.n; i++) {
            unsigned char c = (unsigned char)v.p[i];
            static const char from[] = "\"\\\a\b\f\n\r\t\v", to[] = "\"\\abfnrtv";
            const char *special = c ? strchr(from, c) : NULL;

            if (special)
                buf_fmt(&b, "\\%c", to[special - from]);
            else if (c < 0x20 || c == 0x7f)
                buf_fmt(&b, "\\x%02x", c);
            else
                buf_char(&b, (char)c);
        }
        buf_char(&b, '"');
    }
    return arena_dup(a, buf_view(&b));
}

/* "metadata.labels['x']" -> true, key x. */
static bool subscript(str path, str prefix, str *ret_key)
{
    str rest;

    if (!str_has_prefix(path, prefix))
        return false;
    rest = str_skip(path, prefix.n);
    if (rest.n < 4 || !str_has_prefix(rest, S("['")) || !str_has_suffix(rest, S("']")))
        return false;
    *ret_key = str_slice(rest, 2, rest.n - 2);
    return true;
}

static str join_ips(struct arena *a, const str *ips, size_t n)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    for (size_t i = 0; i < n; i++) {
        buf_z(&b, i ? "," : "");
        buf_str(&b, ips[i]);
    }
    return arena_dup(a, buf_view(&b));
}

struct err *fieldref_value(struct arena *a, const struct pod_context *pc, str path, str *ret)
{
    static const char *const plain[] = {"metadata.name", "metadata.namespace", "metadata.uid",
                                        "spec.nodeName", "spec.serviceAccountName"};
    str key;

    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        if (str_is(path, plain[i])) {
            *ret = json_get_str(pc->pod, plain[i]);
            if (str_is(path, "spec.nodeName") && !ret->n)
                *ret = pc->node_name;
            return NULL;
        }
    if (subscript(path, S("metadata.labels"), &key))
        *ret = podspec_label(pc->pod, key);
    else if (subscript(path, S("metadata.annotations"), &key))
        *ret = podspec_annotation(pc->pod, key);
    else if (str_is(path, "metadata.labels"))
        *ret = format_map(a, json_at(pc->pod, "metadata", "labels", NULL));
    else if (str_is(path, "metadata.annotations"))
        *ret = format_map(a, json_at(pc->pod, "metadata", "annotations", NULL));
    else if (str_is(path, "status.hostIP") || str_is(path, "status.hostIPs"))
        *ret = pc->host_ip;
    else if (str_is(path, "status.podIP"))
        *ret = pc->n_pod_ips ? pc->pod_ips[0] : STR_NONE;
    else if (str_is(path, "status.podIPs"))
        *ret = join_ips(a, pc->pod_ips, pc->n_pod_ips);
    else
        return err_new(REASON_INVALID, "unsupported fieldPath: " PRI_STR, STR_ARG(path));
    return NULL;
}

struct err *resource_ref_value(struct arena *a, const struct pod_context *pc,
                               const struct json *ref, const struct json *container, str *ret)
{
    str resource = json_get_str(ref, "resource"), rest = resource, set, name,
        named = json_get_str(ref, "containerName");
    str divisor_text = json_get_str(ref, "divisor");
    struct quantity q;
    int64_t value = 0, divisor = 0;
    bool is_cpu;
    char set_name[16];

    if (named.n)
        container = podspec_find_container(pc->pod, named, NULL);
    if (!container)
        return err_new(REASON_INVALID, "container " PRI_STR " not found", STR_ARG(named));
    if (!str_cut(&rest, '.', &set) || !(str_is(set, "limits") || str_is(set, "requests")) ||
        !rest.p || !rest.n)
        return err_new(REASON_INVALID, "unsupported container resource : " PRI_STR,
                       STR_ARG(resource));
    name = rest;
    snprintf(set_name, sizeof set_name, PRI_STR, STR_ARG(set));
    is_cpu = str_is(name, "cpu");
    if (!podspec_resource(container, set_name, name, &value) ||
        (value == 0 && str_is(set, "limits"))) {
        if (str_is(set, "requests"))
            value = podspec_request(container, name);
        else if (quantity_parse(json_str(json_find(pc->allocatable, name)), &q))
            value = is_cpu ? quantity_milli(&q) : quantity_value(&q);
    }
    if (divisor_text.n && quantity_parse(divisor_text, &q))
        divisor = is_cpu ? quantity_milli(&q) : quantity_value(&q);
    if (divisor <= 0)
        divisor = is_cpu ? 1000 : 1;
    *ret = arena_fmt(a, "%lld", (long long)(value / divisor + (value % divisor != 0)));
    return NULL;
}

/* ---- the environment ---- */

struct env_build {
    struct arena *a;
    struct env *env, *services;
};

static struct env_var *find_var(const struct env *e, str name)
{
    for (size_t i = 0; i < e->n; i++)
        if (str_eq(e->vars[i].name, name))
            return &e->vars[i];
    return NULL;
}

const str *env_find(const struct env *e, str name)
{
    struct env_var *v = find_var(e, name);

    return v ? &v->value : NULL;
}

static void set_var(struct arena *a, struct env *e, str name, str value)
{
    struct env_var *v = find_var(e, name);

    if (!v) {
        e->vars = arena_grow(a, e->vars, e->n * sizeof *v, (e->n + 1) * sizeof *v);
        v = &e->vars[e->n++];
        v->name = name;
    }
    v->value = value;
}

static bool expand_from(void *ctx, str name, str *ret)
{
    const struct env_build *b = ctx;
    const str *v = env_find(b->env, name);

    if (!v && b->services)
        v = env_find(b->services, name);
    if (v)
        *ret = *v;
    return v != NULL;
}

str env_expand(struct arena *a, const struct env *e, str text, str *ret_missed)
{
    struct env_build b = {a, (struct env *)e, NULL};

    return expand_vars(a, text, expand_from, &b, ret_missed);
}

/* "my-svc" -> "MY_SVC" */
static str env_name(struct arena *a, str s)
{
    char *p = arena_dupz(a, s);

    for (size_t i = 0; i < s.n; i++)
        p[i] = p[i] == '-' || p[i] == '.'   ? '_'
               : p[i] >= 'a' && p[i] <= 'z' ? (char)(p[i] - 32)
                                            : p[i];
    return (str){p, s.n};
}

static str upper_or(struct arena *a, str protocol, bool upper)
{
    char *p = arena_dupz(a, protocol.n ? protocol : S("TCP"));
    size_t n = strlen(p);

    for (size_t i = 0; i < n; i++)
        if (!upper && p[i] >= 'A' && p[i] <= 'Z')
            p[i] = (char)(p[i] + 32);
    return (str){p, n};
}

static void add_service(struct arena *a, struct env *e, const struct json *svc)
{
    str ip = json_get_str(svc, "spec.clusterIP"), name;
    const struct json *ports = json_at(svc, "spec", "ports", NULL);
    bool first = true;

    if (!ip.n || str_is(ip, "None") || !json_count(ports))
        return;
    name = env_name(a, json_get_str(svc, "metadata.name"));
    if (str_has_char(ip, ':'))
        ip = arena_fmt(a, PRI_STR, STR_ARG(ip));
    set_var(a, e, arena_fmt(a, PRI_STR "_SERVICE_HOST", STR_ARG(name)), ip);
    set_var(a, e, arena_fmt(a, PRI_STR "_SERVICE_PORT", STR_ARG(name)),
            arena_fmt(a, "%lld", (long long)json_get_int(json_item(ports, 0), "port", 0)));
    JSON_EACH(p, ports)
        if (json_get_str(p, "name").n)
            set_var(a, e,
                    arena_fmt(a, PRI_STR "_SERVICE_PORT_" PRI_STR, STR_ARG(name),
                              STR_ARG(env_name(a, json_get_str(p, "name")))),
                    arena_fmt(a, "%lld", (long long)json_get_int(p, "port", 0)));
    JSON_EACH(p, ports) {
        str protocol = upper_or(a, json_get_str(p, "protocol"), true),
            lower = upper_or(a, json_get_str(p, "protocol"), false);
        long long port = json_get_int(p, "port", 0);
        bool v6 = str_has_char(ip, ':');
        str url = arena_fmt(a, "%.*s://%s" PRI_STR "%s:%lld", STR_ARG(lower), v6 ? "[" : "",
                            STR_ARG(ip), v6 ? "]" : "", port);
        str prefix =
            arena_fmt(a, PRI_STR "_PORT_%lld_%.*s", STR_ARG(name), port, STR_ARG(protocol));

        if (first) /* as Docker's links had it: the first port without its number */
            set_var(a, e, arena_fmt(a, PRI_STR "_PORT", STR_ARG(name)), url);
        first = false;
        set_var(a, e, prefix, url);
        set_var(a, e, arena_fmt(a, PRI_STR "_PROTO", STR_ARG(prefix)), lower);
        set_var(a, e, arena_fmt(a, PRI_STR "_PORT", STR_ARG(prefix)), arena_fmt(a, "%lld", port));
        set_var(a, e, arena_fmt(a, PRI_STR "_ADDR", STR_ARG(prefix)), ip);
    }
}

static void add_services(struct arena *a, const struct pod_context *pc, struct env *e)
{
    str ns = json_get_str(pc->pod, "metadata.namespace");
    bool links = json_get_bool(pc->pod, "spec.enableServiceLinks", true);

    for (int own = 0; own < 2; own++) /* the namespace's own override `kubernetes` of default */
        JSON_EACH(svc, pc->services) {
            str svc_ns = json_get_str(svc, "metadata.namespace"),
                name = json_get_str(svc, "metadata.name");
            bool is_master = str_is(svc_ns, "default") && str_is(name, "kubernetes");

            if (own ? links && str_eq(svc_ns, ns) && !is_master : is_master)
                add_service(a, e, svc);
        }
}

static bool is_env_name(str s)
{
    if (!s.n)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || (unsigned char)s.p[i] > 0x7e || s.p[i] == '=')
            return false;
    return true;
}

static str secret_value(struct arena *a, str base64)
{
    str v;

    return base64_decode(a, base64, &v) ? v : STR_NONE;
}

static struct err *add_env_from(struct env_build *b, const struct pod_context *pc,
                                const struct json *from)
{
    str ns = json_get_str(pc->pod, "metadata.namespace"), prefix = json_get_str(from, "prefix");
    static const struct {
        const char *field, *what;
        enum ref_kind kind;
    } sources[] = {{"configMapRef", "configmap", REF_CONFIGMAP},
                   {"secretRef", "secret", REF_SECRET}};

    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        const struct json *ref = json_findz(from, sources[i].field), *obj;
        str name = json_get_str(ref, "name");

        if (!ref)
            continue;
        obj = pc->lookup(pc->lookup_ctx, b->a, sources[i].kind, ns, name);
        if (!obj && json_get_bool(ref, "optional", false))
            continue;
        if (!obj)
            return err_new(REASON_INVALID, "%s \"" PRI_STR "\" not found", sources[i].what,
                           STR_ARG(name));
        JSON_EACH_MEMBER(m, json_findz(obj, "data")) {
            str key = prefix.n ? arena_fmt(b->a, PRI_STR PRI_STR, STR_ARG(prefix), STR_ARG(m->key))
                               : m->key;
            str value = json_str(&m->value);

            if (is_env_name(key))
                set_var(b->a, b->env, key,
                        sources[i].kind == REF_SECRET ? secret_value(b->a, value) : value);
        }
    }
    return NULL;
}

/* A key of a ConfigMap or Secret. *ret_skip: it is optional and missing, so the variable is not set at all. */
static struct err *key_ref(struct env_build *b, const struct pod_context *pc,
                           const struct json *ref, enum ref_kind kind, str *ret, bool *ret_skip)
{
    str ns = json_get_str(pc->pod, "metadata.namespace"), name = json_get_str(ref, "name"),
        key = json_get_str(ref, "key");
    const struct json *obj = pc->lookup(pc->lookup_ctx, b->a, kind, ns, name), *v;
    bool optional = json_get_bool(ref, "optional", false);

    if (!obj) {
        if (!optional)
            return err_new(REASON_INVALID, "%s \"" PRI_STR "\" not found",
                           kind == REF_SECRET ? "secret" : "configmap", STR_ARG(name));
        *ret_skip = true;
        return NULL;
    }
    v = json_find(json_findz(obj, "data"), key);
    if (!v) {
        if (!optional)
            return err_new(REASON_INVALID,
                           "couldn't find key " PRI_STR " in %s " PRI_STR "/" PRI_STR, STR_ARG(key),
                           kind == REF_SECRET ? "Secret" : "ConfigMap", STR_ARG(ns), STR_ARG(name));
        *ret_skip = true;
        return NULL;
    }
    *ret = kind == REF_SECRET ? secret_value(b->a, json_str(v)) : json_str(v);
    return NULL;
}

static struct err *value_from(struct env_build *b, const struct pod_context *pc,
                              const struct json *container, const struct json *from, str *ret,
                              bool *ret_skip)
{
    const struct json *ref;

    if ((ref = json_findz(from, "fieldRef")))
        return fieldref_value(b->a, pc, json_get_str(ref, "fieldPath"), ret);
    if ((ref = json_findz(from, "resourceFieldRef")))
        return resource_ref_value(b->a, pc, ref, container, ret);
    if ((ref = json_findz(from, "configMapKeyRef")))
        return key_ref(b, pc, ref, REF_CONFIGMAP, ret, ret_skip);
    if ((ref = json_findz(from, "secretKeyRef")))
        return key_ref(b, pc, ref, REF_SECRET, ret, ret_skip);
    return err_new(REASON_INVALID, "this source of an environment variable is not supported");
}

struct err *container_env_make(struct arena *a, const struct pod_context *pc,
                               const struct json *container, struct env *ret)
{
    struct env env = {0}, services = {0};
    struct env_build b = {a, &env, &services};
    struct err *err;

    add_services(a, pc, &services);
    JSON_EACH(from, json_findz(container, "envFrom")) {
        err = add_env_from(&b, pc, from);
        if (err)
            return err;
    }
    JSON_EACH(var, json_findz(container, "env")) {
        str name = json_get_str(var, "name"), value = json_get_str(var, "value");
        const struct json *from = json_findz(var, "valueFrom");
        bool skip = false;

        if (value.n) {
            value = expand_vars(a, value, expand_from, &b, NULL);
        } else if (from) {
            err = value_from(&b, pc, container, from, &value, &skip);
            if (err)
                return err;
        }
        if (!skip)
            set_var(a, &env, name, value);
    }
    for (size_t i = 0; i < services.n; i++)
        if (!find_var(&env, services.vars[i].name))
            set_var(a, &env, services.vars[i].name, services.vars[i].value);
    *ret = env;
    return NULL;
}
