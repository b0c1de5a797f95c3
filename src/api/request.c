/* request.c - what a client may choose in headers and query: media types, options, field
 * validation.
 *
 * Everything refused here is refused in Kubernetes' words, since clients and tests read them.
 * API: https://kubernetes.io/docs/reference/using-api/api-concepts/ */
#include "api/api_internal.h"
#include "wire/yaml.h"

#define ACCEPT_CLAUSES_MAX 32
#define SUMMARY_MAX 30 /* bytes of an unreadable body shown in the error */

static const struct {
    str type;
    enum media media;
} media_types[] = {
    {STR("application/json"), MEDIA_JSON},
    {STR("application/yaml"), MEDIA_YAML},
    {STR("application/vnd.kubernetes.protobuf"), MEDIA_PROTOBUF},
};

const char *media_name(enum media m)
{
    return media_types[m].type.p;
}

str query_str(struct req *q, const char *name)
{
    str v;

    return q->ex->req.query.n && http_query(q->a, q->ex->req.query, name, &v) ? v : S("");
}

struct err *query_int(struct req *q, const char *name, int64_t *ret, bool *ret_given)
{
    str v = query_str(q, name);

    *ret_given = false;
    if (!v.n)
        return NULL;
    if (!str_to_int64(v, ret)) {
        struct buf b = BUF_INIT;
        struct err *e;

        buf_quoted(&b, v);
        e = err_new(REASON_BAD_REQUEST, "strconv.ParseInt: parsing %s: invalid syntax",
                    buf_cstr(&b));
        buf_fini(&b);
        return e;
    }
    *ret_given = true;
    return NULL;
}

/* Kubernetes' conversion: present and neither "false" nor "0" is true, the empty value too. */
bool query_bool(struct req *q, const char *name, bool *ret_given)
{
    str v;

    if (!q->ex->req.query.n || !http_query(q->a, q->ex->req.query, name, &v)) {
        if (ret_given)
            *ret_given = false;
        return false;
    }
    if (ret_given)
        *ret_given = true;
    return !(str_eq_nocase(v, S("false")) || str_is(v, "0"));
}

/* ---- Accept ---- */

struct clause {
    str type, as, g, v, stream;
    bool pretty;
    int q_milli;
};

static void clause_param(struct clause *c, str p)
{
    str name;

    if (!str_cut(&p, '=', &name))
        return;
    name = str_trim(name);
    p = p.p ? str_trim(p) : S("");
    if (str_is(name, "as"))
        c->as = p;
    else if (str_is(name, "g"))
        c->g = p;
    else if (str_is(name, "v"))
        c->v = p;
    else if (str_is(name, "stream"))
        c->stream = p;
    else if (str_is(name, "pretty"))
        c->pretty = str_is(p, "1");
    else if (str_is(name, "q") && p.n) {
        int q = 0, digits = 0;

        for (size_t i = 0; i < p.n && digits < 4; i++)
            if (p.p[i] >= '0' && p.p[i] <= '9') {
                q = q * 10 + (p.p[i] - '0');
                digits++;
            }
        while (digits < 4) {
            q *= 10;
            digits++;
        }
        c->q_milli = q;
    }
}

static bool media_of(str type, enum media *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(media_types); i++)
        if (str_eq(type, media_types[i].type)) {
            *ret = media_types[i].media;
            return true;
        }
    if (str_is(type, "*/*") || str_is(type, "application/*") || !type.n) {
        *ret = MEDIA_JSON;
        return true;
    }
    return false;
}

/* What can only be created is not kept, and has no table either: reviews, bindings, evictions, tokens. */
static bool has_tables(const struct route *r)
{
    uint32_t verbs = r->subresource.n && r->sub ? r->sub->verbs : r->kind ? r->kind->r->verbs : 0;

    return (verbs & ~(uint32_t)VERB_CREATE) != 0;
}

/* Does the clause name a form that this endpoint has? */
static bool clause_form(const struct clause *c, enum media media, const struct route *r,
                        struct accept *ret)
{
    static const struct {
        str as;
        enum accept_as form;
    } forms[] = {
        {STR("Table"), AS_TABLE},
        {STR("PartialObjectMetadata"), AS_PARTIAL},
        {STR("PartialObjectMetadataList"), AS_PARTIAL_LIST},
    };

    ret->as = AS_OBJECT;
    ret->stream_watch = str_is(c->stream, "watch");
    /* Any endpoint takes the parameter, where the encoding has a form for streams. */
    if (c->stream.n && (!ret->stream_watch || media == MEDIA_YAML))
        return false;
    if (!c->as.n)
        return true;
    if (!r->is_resource || !str_is(c->g, "meta.k8s.io") ||
        !(str_is(c->v, "v1") || str_is(c->v, "v1beta1")))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++)
        if (str_eq(forms[i].as, c->as)) {
            if (forms[i].form == AS_TABLE && !has_tables(r))
                return false;
            ret->as = forms[i].form;
            ret->as_version = c->v;
            return true;
        }
    return false;
}

/* Metadata of one object is not metadata of a list, and the reverse. */
static struct err *check_list_form(struct req *q, bool list_like, bool watch)
{
    const struct kind *k = q->route.kind;
    enum accept_as as = q->accept.as;

    if (as == AS_TABLE) {
        str include = query_str(q, "includeObject");

        if (!include.n || str_is(include, "Metadata") || str_is(include, "Object") ||
            str_is(include, "None"))
            return NULL;
        q->accept.as = AS_OBJECT;
        return err_new(
            REASON_BAD_REQUEST,
            "Unable to convert to Table as requested: includeObject: Invalid value: \"" PRI_STR
            "\": must be 'Metadata', 'Object', 'None', or empty",
            STR_ARG(include));
    }
    if (!k || watch || (as != AS_PARTIAL && as != AS_PARTIAL_LIST) ||
        (as == AS_PARTIAL_LIST) == list_like)
        return NULL;
    q->accept.as = AS_OBJECT;
    if (list_like)
        return err_new(
            REASON_NOT_ACCEPTABLE,
            "you requested PartialObjectMetadata, but the requested object is a list (*%s." PRI_STR
            "List)",
            internal_package(k->r->group), STR_ARG(k->r->kind));
    return err_new(REASON_NOT_ACCEPTABLE,
                   "you requested PartialObjectMetadataList, but the requested object is not a "
                   "list (*%s." PRI_STR ")",
                   internal_package(k->r->group), STR_ARG(k->r->kind));
}

/* By the query, else by the client: what people read is indented. Source: negotiation/negotiate.go, isPrettyPrint(). */
static bool pretty_asked(struct req *q)
{
    static const str yes[] = {STR("1"), STR("t"), STR("T"), STR("true"), STR("TRUE"), STR("True")};
    static const str readers[] = {STR("curl"), STR("Wget"), STR("Mozilla/5.0")};
    str pretty, agent;

    if (q->ex->req.query.n && http_query(q->a, q->ex->req.query, "pretty", &pretty) && pretty.n) {
        for (size_t i = 0; i < ARRAY_LEN(yes); i++)
            if (str_eq(pretty, yes[i]))
                return true;
        return false;
    }
    agent = http_header(&q->ex->req, "user-agent");
    for (size_t i = 0; i < ARRAY_LEN(readers); i++)
        if (str_has_prefix(agent, readers[i]))
            return true;
    return false;
}

struct err *accept_parse(struct req *q, bool list_like, bool watch)
{
    str header = http_header(&q->ex->req, "accept"), part;
    struct clause clauses[ACCEPT_CLAUSES_MAX];
    size_t n = 0;

    q->accept = (struct accept){.media = MEDIA_JSON};
    q->pretty = pretty_asked(q);
    if (!header.n || str_is(header, "application/json") || str_is(header, "*/*"))
        return NULL;
    while (n < ACCEPT_CLAUSES_MAX && str_cut(&header, ',', &part)) {
        struct clause c = {.q_milli = 1000 * 10};
        str p;

        str_cut(&part, ';', &c.type);
        c.type = str_trim(c.type);
        while (part.p && str_cut(&part, ';', &p))
            clause_param(&c, p);
        /* Stable insertion by descending weight. */
        size_t at = n;
        while (at > 0 && clauses[at - 1].q_milli < c.q_milli) {
            clauses[at] = clauses[at - 1];
            at--;
        }
        clauses[at] = c;
        n++;
    }
    for (size_t i = 0; i < n; i++) {
        enum media m;

        if (media_of(clauses[i].type, &m) && !(watch && m == MEDIA_YAML) &&
            clause_form(&clauses[i], m, &q->route, &q->accept) &&
            !(m == MEDIA_PROTOBUF &&
              (q->accept.as == AS_TABLE ||
               (q->accept.as == AS_OBJECT && q->route.kind && q->route.kind->r->custom &&
                !str_is(q->route.subresource, "scale"))))) {
            q->accept.media = m;
            q->pretty = q->pretty || clauses[i].pretty;
            return check_list_form(q, list_like, watch);
        }
    }
    /* The refusal itself is written in what the client reads best. */
    q->accept = (struct accept){.media = MEDIA_JSON};
    for (size_t i = 0; i < n; i++) {
        enum media m;

        if (!clauses[i].as.n && media_of(clauses[i].type, &m)) {
            q->accept.media = m;
            break;
        }
    }
    if (watch)
        return err_new(
            REASON_NOT_ACCEPTABLE,
            "only the following media types are accepted: application/json;stream=watch, "
            "application/vnd.kubernetes.protobuf;stream=watch");
    return err_new(REASON_NOT_ACCEPTABLE,
                   "only the following media types are accepted: application/json, "
                   "application/yaml, application/vnd.kubernetes.protobuf");
}

/* ---- options of writes ---- */

static void manager_from_agent(struct req *q)
{
    str agent = http_header(&q->ex->req, "user-agent"), head = S("");

    if (agent.n)
        str_cut(&agent, '/', &head);
    for (size_t i = 0; i < head.n; i++)
        if (head.p[i] < 0x20 || head.p[i] > 0x7e) {
            head.n = i;
            break;
        }
    q->wo.manager = str_slice(head, 0, FIELD_MANAGER_MAX);
    if (!q->wo.manager.n)
        q->wo.manager = S("unknown");
}

str req_manager(struct req *q)
{
    if (!q->wo.manager.n)
        manager_from_agent(q);
    return q->wo.manager;
}

static void quoted_list(struct buf *b, const struct json *arr)
{
    buf_char(b, '[');
    JSON_EACH(v, arr) {
        if (v != arr->items)
            buf_char(b, ',');
        json_encode_string(b, v->s);
    }
    buf_char(b, ']');
}

struct err *write_options_parse(struct req *q, const char *options_kind)
{
    struct err *errs = NULL;
    size_t n;
    struct http_header *all;
    struct json dry = json_array();
    bool manager_given = false, bad_dry = false;
    str agent_manager;

    q->wo = (struct write_options){.fields = FIELDS_WARN};
    if (q->ex->req.query.n) {
        all = http_query_all(q->a, q->ex->req.query, &n);
        for (size_t i = 0; i < n; i++) {
            str v = all[i].value;

            if (str_is(all[i].name, "dryRun")) {
                json_append(q->a, &dry, json_string(v));
                if (str_is(v, "All"))
                    q->wo.dry_run = true;
                else
                    bad_dry = true;
            } else if (str_is(all[i].name, "force"))
                q->wo.force = !(str_eq_nocase(v, S("false")) || str_is(v, "0"));
            else if (str_is(all[i].name, "fieldManager")) {
                q->wo.manager = v;
                manager_given = v.n > 0;
            } else if (str_is(all[i].name, "fieldValidation")) {
                if (str_is(v, "Strict"))
                    q->wo.fields = FIELDS_STRICT;
                else if (str_is(v, "Ignore"))
                    q->wo.fields = FIELDS_IGNORE;
                else if (v.n && !str_is(v, "Warn")) {
                    struct buf b = BUF_INIT;

                    buf_quoted(&b, v);
                    cause(&errs, CAUSE_NOT_SUPPORTED, S("fieldValidation"),
                          "Unsupported value: %s: supported values: \"\", \"Ignore\", \"Strict\", "
                          "\"Warn\"",
                          buf_cstr(&b));
                    buf_fini(&b);
                }
            }
        }
    }
    if (bad_dry) {
        struct buf b = BUF_INIT;

        quoted_list(&b, &dry);
        cause(&errs, CAUSE_NOT_SUPPORTED, S("dryRun"),
              "Unsupported value: %s: supported values: \"All\"", buf_cstr(&b));
        buf_fini(&b);
    }
    if (manager_given) {
        if (q->wo.manager.n > FIELD_MANAGER_MAX)
            cause(&errs, CAUSE_TOO_LONG, S("fieldManager"),
                  "Too long: may not be more than %d bytes", FIELD_MANAGER_MAX);
        for (size_t i = 0; i < q->wo.manager.n; i++) {
            unsigned char c = (unsigned char)q->wo.manager.p[i];

            if (c < 0x20 || c == 0x7f) {
                struct buf b = BUF_INIT;

                buf_quoted(&b, q->wo.manager);
                cause(&errs, CAUSE_INVALID, S("fieldManager"),
                      "Invalid value: %s: invalid character U+%04X (at position %zu)", buf_cstr(&b),
                      c, i);
                buf_fini(&b);
                break;
            }
        }
    }
    agent_manager = q->wo.manager;
    if (!agent_manager.n)
        manager_from_agent(q);
    return err_invalid(errs, S("meta.k8s.io"), str_of(options_kind), S(""));
}

/* ---- bodies ---- */

#define WARNINGS_MAX 1024 /* of a request; more than are ever sent */

void req_warn(struct req *q, str text)
{
    if (q->warnings.n == WARNINGS_MAX)
        return;
    JSON_EACH(w, &q->warnings)
        if (str_eq(w->s, text))
            return;
    q->warnings.type = JSON_ARRAY;
    json_append(q->a, &q->warnings, json_string(arena_dup(q->a, text)));
}

static struct err *unsupported_media(void)
{
    return err_new(
        REASON_UNSUPPORTED_MEDIA,
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json, application/yaml, application/vnd.kubernetes.protobuf");
}

struct err *body_parse(struct req *q, struct schema_warnings *w, struct json **ret)
{
    struct json *duplicates = NULL;
    struct err *e;
    str type = http_header(&q->ex->req, "content-type"), head;
    enum media m = MEDIA_JSON;

    if (type.n) {
        str_cut(&type, ';', &head);
        head = str_trim(head);
        if (!media_of(head, &m) || str_has_char(head, '*'))
            return unsupported_media();
    }
    switch (m) {
    case MEDIA_JSON:
        if (w) {
            duplicates = json_new(q->a, json_object());
            w->duplicates = duplicates;
            w->text = q->ex->req.body;
        }
        return json_parse(q->a, q->ex->req.body, NULL, duplicates, ret);
    case MEDIA_YAML:
        e = yaml_parse(q->a, q->ex->req.body, w ? w->list : NULL, ret);
        /* What is read next there is JSON with sorted keys, and unknown fields are told in that order. */
        if (!e && w)
            json_sort_keys(*ret);
        return e;
    case MEDIA_PROTOBUF:
        return proto_decode_envelope(q->a, q->ex->req.body, ret);
    }
    return unsupported_media();
}

/* Source: apiserver/pkg/endpoints/handlers/rest.go, addStrictDecodingWarnings(), for the reverse. */
void strict_text(struct buf *b, const struct json *problems, const char *yaml_head)
{
    bool in_yaml = false;

    buf_z(b, "strict decoding error: ");
    JSON_EACH(p, problems) {
        bool yaml = str_has_prefix(p->s, S("line "));

        if (p != problems->items && !(yaml && in_yaml))
            buf_z(b, ", ");
        if (yaml && !in_yaml)
            buf_z(b, yaml_head);
        buf_fmt(b, "%s" PRI_STR, yaml ? "\n  " : "", STR_ARG(p->s));
        in_yaml = yaml;
    }
}

void strict_warn(struct req *q, const struct json *problems)
{
    JSON_EACH(p, problems)
        req_warn(q, p->s);
}

/* Go package of a group's internal types, as conversion errors name it. */
const char *internal_package(str group)
{
    static const struct {
        const char *group, *package;
    } packages[] = {
        {"", "core"},
        {"apps", "apps"},
        {"autoscaling", "autoscaling"},
        {"batch", "batch"},
        {"events.k8s.io", "core"},
        {"authentication.k8s.io", "authentication"},
        {"authorization.k8s.io", "authorization"},
        {"certificates.k8s.io", "certificates"},
        {"coordination.k8s.io", "coordination"},
        {"discovery.k8s.io", "discovery"},
        {"networking.k8s.io", "networking"},
        {"node.k8s.io", "node"},
        {"policy", "policy"},
        {"rbac.authorization.k8s.io", "rbac"},
        {"scheduling.k8s.io", "scheduling"},
        {"storage.k8s.io", "storage"},
        {"admissionregistration.k8s.io", "admissionregistration"},
        {"apiextensions.k8s.io", "apiextensions"},
        {"apiregistration.k8s.io", "apiregistration"},
        {"flowcontrol.apiserver.k8s.io", "flowcontrol"},
        {"resource.k8s.io", "resource"},
    };

    for (size_t i = 0; i < ARRAY_LEN(packages); i++)
        if (str_is(group, packages[i].group))
            return packages[i].package;
    return "core";
}

/* The beginning of a body, as text where it may be JSON. Source: apiserver/pkg/endpoints/handlers/rest.go, summarizeData(). */
static void buf_summary(struct buf *b, str body)
{
    str start = str_slice(body, 0, SUMMARY_MAX);

    if (!body.n)
        buf_z(b, "<empty>");
    else if (body.p[0] == '{')
        buf_str(b, start);
    else
        buf_hex(b, start);
    if (body.n > SUMMARY_MAX)
        buf_z(b, " ...");
}

/* why: what the reader of the body said. JSON's and YAML's look for the kind first, and say so. */
static struct err *unrecognized(struct req *q, str kind, const char *why)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    enum media m = MEDIA_JSON;
    str type = http_header(&q->ex->req, "content-type"), head;

    if (type.n) {
        str_cut(&type, ';', &head);
        media_of(str_trim(head), &m);
    }
    buf_summary(&b, q->ex->req.body);
    return err_new(REASON_BAD_REQUEST,
                   "the object provided is unrecognized (must be of type " PRI_STR "): %s%s (%s)",
                   STR_ARG(kind),
                   m == MEDIA_PROTOBUF ? "" : "couldn't get version/kind; json parse error: ", why,
                   buf_cstr(&b));
}

struct err *body_decode(struct req *q, const struct kind *k, const struct schema_type *t, str group,
                        str version, str kind, struct json **ret)
{
    bool strict = q->wo.fields != FIELDS_IGNORE;
    struct json problems = json_array();
    struct schema_warnings warnings = {.list = &problems};
    struct json *v = NULL;
    str api_version, got_kind, got_group = S(""), got_version, want;
    struct err *e, *refused;

    (void)k;
    e = body_parse(q, strict ? &warnings : NULL, &v);
    if (e) {
        if (e->reason == REASON_UNSUPPORTED_MEDIA)
            return e;
        refused = unrecognized(q, kind, err_text(e));
        err_free(e);
        return refused;
    }
    if (json_is(v, JSON_NULL)) /* decodes into an empty object */
        *v = json_object();
    if (!json_is(v, JSON_OBJECT))
        return unrecognized(
            q, kind,
            arena_fmt(q->a, "json: cannot unmarshal %s into Go value of type " GO_TYPE_META,
                      json_word(v))
                .p);
    want =
        group.n ? arena_fmt(q->a, PRI_STR "/" PRI_STR, STR_ARG(group), STR_ARG(version)) : version;
    api_version = json_str(json_findz(v, "apiVersion"));
    got_kind = json_str(json_findz(v, "kind"));
    if (!got_kind.n)
        got_kind = kind;
    if (!api_version.n)
        api_version = want;
    got_version = api_version;
    if (str_has_char(api_version, '/'))
        str_cut(&got_version, '/', &got_group);
    /* Old clients drain nodes with the beta form, which differs in nothing. */
    if (str_is(kind, "Eviction") && str_eq(got_kind, kind) && str_is(api_version, "policy/v1beta1"))
        api_version = want;
    if (!str_eq(got_kind, kind) || !str_eq(api_version, want)) {
        const struct schema_type *other = schema_find_gvk(got_group, got_version, got_kind);

        if (!other)
            return err_new(REASON_BAD_REQUEST,
                           PRI_STR " in version \"" PRI_STR "\" cannot be handled as a " PRI_STR
                                   ": no kind \"" PRI_STR "\" is registered for version \"" PRI_STR
                                   "\" in scheme \"pkg/api/legacyscheme/scheme.go:30\"",
                           STR_ARG(got_kind), STR_ARG(got_version), STR_ARG(kind),
                           STR_ARG(got_kind), STR_ARG(api_version));
        if (!str_eq(got_kind, kind))
            return err_new(REASON_BAD_REQUEST,
                           PRI_STR " in version \"" PRI_STR "\" cannot be handled as a " PRI_STR
                                   ": converting (" PRI_STR "." PRI_STR ") to (%s." PRI_STR
                                   "): unknown conversion",
                           STR_ARG(got_kind), STR_ARG(got_version), STR_ARG(kind),
                           STR_ARG(got_version), STR_ARG(got_kind), internal_package(group),
                           STR_ARG(kind));
        return err_new(REASON_BAD_REQUEST,
                       "the API version in the data (" PRI_STR
                       ") does not match the expected API version (" PRI_STR ")",
                       STR_ARG(api_version), STR_ARG(want));
    }
    e = schema_decode(q->a, t, v, strict ? &warnings : NULL);
    if (e) {
        struct err *out =
            err_new(REASON_BAD_REQUEST,
                    PRI_STR " in version \"" PRI_STR "\" cannot be handled as a " PRI_STR ": %s",
                    STR_ARG(got_kind), STR_ARG(got_version), STR_ARG(kind), err_text(e));

        err_free(e);
        return out;
    }
    if (problems.n && q->wo.fields == FIELDS_STRICT) {
        struct buf b = BUF_INIT;

        strict_text(&b, &problems, YAML_ERRORS);
        e = err_new(REASON_BAD_REQUEST,
                    PRI_STR " in version \"" PRI_STR "\" cannot be handled as a " PRI_STR ": %s",
                    STR_ARG(got_kind), STR_ARG(got_version), STR_ARG(kind), buf_cstr(&b));
        buf_fini(&b);
        return e;
    }
    if (q->wo.fields == FIELDS_WARN)
        strict_warn(q, &problems);
    json_setz(q->a, v, "kind", json_string(kind));
    json_setz(q->a, v, "apiVersion", json_string(want));
    *ret = v;
    return NULL;
}
