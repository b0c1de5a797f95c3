/* describe_kinds.c - Deployments, ReplicaSets, Services, Namespaces, ConfigMaps and Secrets in kubectl's layout; see describe.c.
 *
 * Source: k8s.io/kubectl/pkg/describe/describe.go */
#include "cli/kubectl/describe.h"

void describe_owner(struct describe *d, const struct json *o)
{
    JSON_EACH(owner, json_path(o, "metadata.ownerReferences"))
        if (json_get_bool(owner, "controller", false))
            buf_fmt(&d->b, "Controlled By:\t" PRI_STR "/" PRI_STR "\n",
                    STR_ARG(json_get_str(owner, "kind")), STR_ARG(json_get_str(owner, "name")));
}

static void marks(struct describe *d, const struct json *o)
{
    describe_labels(d, "Labels", json_path(o, "metadata.labels"));
    describe_annotations(d, "Annotations", json_path(o, "metadata.annotations"));
}

/* A label selector as kubectl writes it: the pairs by key, then the expressions. */
static str selector_text(struct kubectl *k, const struct json *selector)
{
    static const struct {
        const char *op, *text;
        bool values;
    } ops[] = {{"In", " in ", true},
               {"NotIn", " notin ", true},
               {"Exists", "", false},
               {"DoesNotExist", "!", false}};
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct json pairs = json_findz(selector, "matchLabels")
                            ? json_share(k->a, json_findz(selector, "matchLabels"))
                            : json_object();

    json_sort_keys(&pairs);
    JSON_EACH_MEMBER(m, &pairs)
        buf_fmt(&b, "%s" PRI_STR "=" PRI_STR, b.n ? "," : "", STR_ARG(m->key),
                STR_ARG(json_str(&m->value)));
    JSON_EACH(e, json_findz(selector, "matchExpressions"))
        for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
            bool absent = !strcmp(ops[i].op, "DoesNotExist");

            if (!str_is(json_get_str(e, "operator"), ops[i].op))
                continue;
            buf_fmt(&b, "%s%s" PRI_STR "%s", b.n ? "," : "", absent ? "!" : "",
                    STR_ARG(json_get_str(e, "key")), absent ? "" : ops[i].text);
            if (!ops[i].values)
                continue;
            buf_char(&b, '(');
            JSON_EACH(v, json_findz(e, "values"))
                buf_fmt(&b, "%s" PRI_STR, v == json_findz(e, "values")->items ? "" : ",",
                        STR_ARG(json_str(v)));
            buf_char(&b, ')');
        }
    return b.n ? arena_dup(k->a, buf_view(&b)) : S("<none>");
}

static struct err *list(struct kubectl *k, str path, str selector, struct json **ret)
{
    CLEANUP(buf) struct buf q = BUF_INIT;

    buf_str(&q, path);
    if (selector.n) {
        buf_z(&q, "?labelSelector=");
        http_percent_encode(&q, selector);
    }
    return kube_call_json(
        k, &(struct kube_request){.method = "GET", .path = arena_dup(k->a, buf_view(&q))}, ret);
}

static bool owned_by(const struct json *o, str uid)
{
    JSON_EACH(owner, json_path(o, "metadata.ownerReferences"))
        if (json_get_bool(owner, "controller", false) && str_eq(json_get_str(owner, "uid"), uid))
            return true;
    return false;
}

/* ---- Deployment ---- */

static str int_or_percent(struct kubectl *k, const struct json *v)
{
    return json_is(v, JSON_STRING)
               ? v->s
               : arena_fmt(k->a, "%lld", (long long)(json_is(v, JSON_INT) ? v->i : 0));
}

/* "web-1 (2/2 replicas created), ..." of the sets that have another (or the same) template than the Deployment. */
static void replica_sets(struct describe *d, const char *title, const struct json *sets,
                         const struct json *o, bool newest)
{
    str revision = json_str(
        json_findz(json_path(o, "metadata.annotations"), "deployment.kubernetes.io/revision"));
    bool any = false;

    buf_fmt(&d->b, "%s:\t", title);
    JSON_EACH(rs, json_findz(sets, "items")) {
        bool is_newest = str_eq(json_str(json_findz(json_path(rs, "metadata.annotations"),
                                                    "deployment.kubernetes.io/revision")),
                                revision);

        if (!owned_by(rs, json_get_str(o, "metadata.uid")) || is_newest != newest)
            continue;
        buf_fmt(&d->b, "%s" PRI_STR " (%lld/%lld replicas created)", any ? ", " : "",
                STR_ARG(json_get_str(rs, "metadata.name")),
                (long long)json_get_int(rs, "status.replicas", 0),
                (long long)json_get_int(rs, "spec.replicas", 0));
        any = true;
    }
    buf_z(&d->b, any ? "\n" : "<none>\n");
}

static void conditions(struct describe *d, const struct json *o)
{
    const struct json *all = json_path(o, "status.conditions");

    if (!json_count(all))
        return;
    buf_z(&d->b, "Conditions:\n  Type\tStatus\tReason\n  ----\t------\t------\n");
    JSON_EACH(c, all)
        buf_fmt(&d->b, "  " PRI_STR " \t" PRI_STR "\t" PRI_STR "\n",
                STR_ARG(json_get_str(c, "type")), STR_ARG(json_get_str(c, "status")),
                STR_ARG(json_get_str(c, "reason")));
}

struct err *describe_deployment(struct describe *d, const struct json *o)
{
    struct kubectl *k = d->k;
    const struct json *rolling = json_path(o, "spec.strategy.rollingUpdate");
    str selector = selector_text(k, json_path(o, "spec.selector"));
    struct json *sets;
    struct err *err = list(k,
                           arena_fmt(k->a, "/apis/apps/v1/namespaces/" PRI_STR "/replicasets",
                                     STR_ARG(json_get_str(o, "metadata.namespace"))),
                           selector, &sets);

    if (err)
        return err;
    buf_fmt(&d->b, "CreationTimestamp:\t" PRI_STR "\n",
            STR_ARG(describe_time(k, json_get_str(o, "metadata.creationTimestamp"))));
    marks(d, o);
    buf_fmt(&d->b,
            "Selector:\t" PRI_STR "\n"
            "Replicas:\t%lld desired | %lld updated | %lld total | %lld available | %lld "
            "unavailable\nStrategyType:\t" PRI_STR "\nMinReadySeconds:\t%lld\n",
            STR_ARG(selector), (long long)json_get_int(o, "spec.replicas", 1),
            (long long)json_get_int(o, "status.updatedReplicas", 0),
            (long long)json_get_int(o, "status.replicas", 0),
            (long long)json_get_int(o, "status.availableReplicas", 0),
            (long long)json_get_int(o, "status.unavailableReplicas", 0),
            STR_ARG(json_get_str(o, "spec.strategy.type")),
            (long long)json_get_int(o, "spec.minReadySeconds", 0));
    if (rolling)
        buf_fmt(&d->b,
                "RollingUpdateStrategy:\t" PRI_STR " max unavailable, " PRI_STR " max surge\n",
                STR_ARG(int_or_percent(k, json_findz(rolling, "maxUnavailable"))),
                STR_ARG(int_or_percent(k, json_findz(rolling, "maxSurge"))));
    describe_template(d, json_path(o, "spec.template"));
    conditions(d, o);
    replica_sets(d, "OldReplicaSets", sets, o, false);
    replica_sets(d, "NewReplicaSet", sets, o, true);
    return NULL;
}

/* ---- ReplicaSet ---- */

struct err *describe_replicaset(struct describe *d, const struct json *o)
{
    struct kubectl *k = d->k;
    str selector = selector_text(k, json_path(o, "spec.selector"));
    int running = 0, waiting = 0, succeeded = 0, failed = 0;
    struct json *pods;
    struct err *err = list(k,
                           arena_fmt(k->a, "/api/v1/namespaces/" PRI_STR "/pods",
                                     STR_ARG(json_get_str(o, "metadata.namespace"))),
                           selector, &pods);

    if (err)
        return err;
    JSON_EACH(p, json_findz(pods, "items")) {
        str phase = json_get_str(p, "status.phase");

        if (!owned_by(p, json_get_str(o, "metadata.uid")))
            continue;
        running += str_is(phase, "Running");
        waiting += str_is(phase, "Pending");
        succeeded += str_is(phase, "Succeeded");
        failed += str_is(phase, "Failed");
    }
    buf_fmt(&d->b, "Selector:\t" PRI_STR "\n", STR_ARG(selector));
    marks(d, o);
    describe_owner(d, o);
    buf_fmt(&d->b,
            "Replicas:\t%lld current / %lld desired\n"
            "Pods Status:\t%d Running / %d Waiting / %d Succeeded / %d Failed\n",
            (long long)json_get_int(o, "status.replicas", 0),
            (long long)json_get_int(o, "spec.replicas", 0), running, waiting, succeeded, failed);
    describe_template(d, json_path(o, "spec.template"));
    conditions(d, o);
    return NULL;
}

/* ---- Service ---- */

#define ENDPOINTS_SHOWN 3

/* Ready addresses of one port of the Service, from its slices. */
static void endpoints(struct describe *d, const struct json *slices, str port)
{
    int n = 0;

    buf_z(&d->b, "Endpoints:\t");
    JSON_EACH(s, json_findz(slices, "items"))
        JSON_EACH(p, json_findz(s, "ports")) {
            if (!str_eq(json_get_str(p, "name"), port))
                continue;
            JSON_EACH(e, json_findz(s, "endpoints")) {
                if (!json_get_bool(e, "conditions.ready", true))
                    continue;
                JSON_EACH(address, json_findz(e, "addresses"))
                    if (n++ < ENDPOINTS_SHOWN)
                        buf_fmt(&d->b, "%s" PRI_STR ":%lld", n > 1 ? "," : "",
                                STR_ARG(json_str(address)), (long long)json_get_int(p, "port", 0));
            }
        }
    if (n > ENDPOINTS_SHOWN)
        buf_fmt(&d->b, " + %d more...", n - ENDPOINTS_SHOWN);
    buf_char(&d->b, '\n');
}

static void joined(struct describe *d, const char *title, const struct json *values)
{
    buf_fmt(&d->b, "%s:\t", title);
    JSON_EACH(v, values)
        buf_fmt(&d->b, "%s" PRI_STR, v == values->items ? "" : ",", STR_ARG(json_str(v)));
    buf_z(&d->b, json_count(values) ? "\n" : "<none>\n");
}

static void line_if(struct describe *d, const char *title, str value)
{
    if (value.n)
        buf_fmt(&d->b, "%s:\t" PRI_STR "\n", title, STR_ARG(value));
}

struct err *describe_service(struct describe *d, const struct json *o)
{
    struct kubectl *k = d->k;
    const struct json *spec = json_findz(o, "spec");
    str ip = json_get_str(spec, "clusterIP");
    struct json *slices;
    struct err *err =
        list(k,
             arena_fmt(k->a, "/apis/discovery.k8s.io/v1/namespaces/" PRI_STR "/endpointslices",
                       STR_ARG(json_get_str(o, "metadata.namespace"))),
             arena_fmt(k->a, "kubernetes.io/service-name=" PRI_STR,
                       STR_ARG(json_get_str(o, "metadata.name"))),
             &slices);
    struct json selector = json_object();

    if (err)
        return err;
    marks(d, o);
    if (json_findz(spec, "selector"))
        json_setz(k->a, &selector, "matchLabels", *json_findz(spec, "selector"));
    buf_fmt(&d->b, "Selector:\t" PRI_STR "\nType:\t" PRI_STR "\n",
            STR_ARG(selector_text(k, &selector)), STR_ARG(json_get_str(spec, "type")));
    line_if(d, "IP Family Policy", json_get_str(spec, "ipFamilyPolicy"));
    if (json_count(json_findz(spec, "ipFamilies")))
        joined(d, "IP Families", json_findz(spec, "ipFamilies"));
    buf_fmt(&d->b, "IP:\t" PRI_STR "\n", STR_ARG(ip));
    joined(d, "IPs", json_findz(spec, "clusterIPs"));
    if (json_count(json_findz(spec, "externalIPs")))
        joined(d, "External IPs", json_findz(spec, "externalIPs"));
    line_if(d, "Desired LoadBalancer IP", json_get_str(spec, "loadBalancerIP"));
    line_if(d, "External Name", json_get_str(spec, "externalName"));
    JSON_EACH(p, json_findz(spec, "ports")) {
        str name = json_get_str(p, "name"), shown = name.n ? name : S("<unset>"),
            protocol = json_get_str(p, "protocol");
        const struct json *target = json_findz(p, "targetPort");

        buf_fmt(&d->b, "Port:\t" PRI_STR "\t%lld/" PRI_STR "\n", STR_ARG(shown),
                (long long)json_get_int(p, "port", 0), STR_ARG(protocol));
        buf_fmt(&d->b, "TargetPort:\t" PRI_STR "/" PRI_STR "\n", STR_ARG(int_or_percent(k, target)),
                STR_ARG(protocol));
        if (json_get_int(p, "nodePort", 0))
            buf_fmt(&d->b, "NodePort:\t" PRI_STR "\t%lld/" PRI_STR "\n", STR_ARG(shown),
                    (long long)json_get_int(p, "nodePort", 0), STR_ARG(protocol));
        endpoints(d, slices, name);
    }
    buf_fmt(&d->b, "Session Affinity:\t" PRI_STR "\n",
            STR_ARG(json_get_str(spec, "sessionAffinity")));
    line_if(d, "External Traffic Policy", json_get_str(spec, "externalTrafficPolicy"));
    line_if(d, "Internal Traffic Policy", json_get_str(spec, "internalTrafficPolicy"));
    return NULL;
}

/* ---- Namespace, ConfigMap, Secret ---- */

struct err *describe_namespace(struct describe *d, const struct json *o)
{
    struct kubectl *k = d->k;
    str path =
        arena_fmt(k->a, "/api/v1/namespaces/" PRI_STR, STR_ARG(json_get_str(o, "metadata.name")));
    struct json *quotas;
    struct err *err =
        list(k, arena_fmt(k->a, PRI_STR "/resourcequotas", STR_ARG(path)), STR_NONE, &quotas);

    if (err)
        return err;
    marks(d, o);
    buf_fmt(&d->b, "Status:\t" PRI_STR "\n", STR_ARG(json_get_str(o, "status.phase")));
    if (!json_count(json_findz(quotas, "items")))
        buf_z(&d->b, "\nNo resource quota.\n");
    else
        buf_z(&d->b, "\nResource Quotas\n");
    JSON_EACH(q, json_findz(quotas, "items")) {
        struct json hard = json_path(q, "status.hard")
                               ? json_share(k->a, json_path(q, "status.hard"))
                               : json_object();

        json_sort_keys(&hard);
        buf_fmt(&d->b, "  Name:\t" PRI_STR "\n  Resource\tUsed\tHard\n  --------\t---\t---\n",
                STR_ARG(json_get_str(q, "metadata.name")));
        JSON_EACH_MEMBER(m, &hard)
            buf_fmt(&d->b, "  " PRI_STR "\t" PRI_STR "\t" PRI_STR "\n", STR_ARG(m->key),
                    STR_ARG(json_str(json_find(json_path(q, "status.used"), m->key))),
                    STR_ARG(json_str(&m->value)));
    }
    buf_z(&d->b, "\nNo LimitRange resource.\n");
    return NULL;
}

void describe_configmap(struct describe *d, const struct json *o)
{
    struct json data = json_findz(o, "data") ? json_share(d->k->a, json_findz(o, "data"))
                                             : json_object(),
                binary = json_findz(o, "binaryData")
                             ? json_share(d->k->a, json_findz(o, "binaryData"))
                             : json_object();

    json_sort_keys(&data);
    json_sort_keys(&binary);
    marks(d, o);
    buf_z(&d->b, "\nData\n====\n");
    JSON_EACH_MEMBER(m, &data)
        buf_fmt(&d->b, PRI_STR ":\n----\n" PRI_STR "\n\n", STR_ARG(m->key),
                STR_ARG(json_str(&m->value)));
    buf_z(&d->b, "\nBinaryData\n====\n");
    JSON_EACH_MEMBER(m, &binary)
        buf_fmt(&d->b, PRI_STR ": %zu bytes\n", STR_ARG(m->key), json_str(&m->value).n / 4 * 3);
    buf_z(&d->b, "\n");
}

void describe_secret(struct describe *d, const struct json *o)
{
    struct json data =
        json_findz(o, "data") ? json_share(d->k->a, json_findz(o, "data")) : json_object();

    json_sort_keys(&data);
    marks(d, o);
    buf_fmt(&d->b, "\nType:\t" PRI_STR "\n\nData\n====\n", STR_ARG(json_get_str(o, "type")));
    JSON_EACH_MEMBER(m, &data) {
        str plain = STR_NONE;

        (void)base64_decode(d->k->a, json_str(&m->value), &plain);
        buf_fmt(&d->b, PRI_STR ":\t%zu bytes\n", STR_ARG(m->key), plain.n);
    }
}
