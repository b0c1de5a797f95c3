/* describe_pod.c - pods and their templates in kubectl's layout; see describe.c. Source: k8s.io/kubectl/pkg/describe/describe.go */
#include "cli/kubectl/describe.h"

#include <time.h>

static int by_key(const void *a, const void *b, void *ctx)
{
    return str_cmp(((const struct json_member *)a)->key, ((const struct json_member *)b)->key);
}

static struct json sorted(struct kubectl *k, const struct json *map)
{
    struct json copy = map ? json_share(k->a, map) : json_object();

    if (copy.type == JSON_OBJECT && copy.n)
        sort_with(copy.members, copy.n, sizeof copy.members[0], by_key, NULL);
    return copy;
}

void describe_labels(struct describe *d, const char *title, const struct json *labels)
{
    struct json map = sorted(d->k, labels);
    bool first = true;

    buf_fmt(&d->b, "%s:\t", title);
    JSON_EACH_MEMBER(m, &map) {
        buf_fmt(&d->b, "%s" PRI_STR "=" PRI_STR "\n", first ? "" : "\t", STR_ARG(m->key),
                STR_ARG(json_str(&m->value)));
        first = false;
    }
    if (first)
        buf_z(&d->b, "<none>\n");
}

#define ANNOTATION_MAX 140 /* bytes on one line */

void describe_annotations(struct describe *d, const char *title, const struct json *annotations)
{
    struct json map = sorted(d->k, annotations);
    bool first = true;

    buf_fmt(&d->b, "%s:\t", title);
    JSON_EACH_MEMBER(m, &map) {
        str value = json_str(&m->value), line;

        if (str_is(m->key, "kubectl.kubernetes.io/last-applied-configuration"))
            continue;
        if (str_has_suffix(value, S("\n")))
            value.n--;
        buf_z(&d->b, first ? "" : "\t");
        first = false;
        if (value.n + m->key.n + 2 < ANNOTATION_MAX && !str_has_char(value, '\n')) {
            buf_fmt(&d->b, PRI_STR ": " PRI_STR "\n", STR_ARG(m->key), STR_ARG(value));
            continue;
        }
        buf_fmt(&d->b, PRI_STR ":\n", STR_ARG(m->key));
        while (str_cut(&value, '\n', &line))
            buf_fmt(&d->b, "\t  " PRI_STR "%s\n",
                    STR_ARG(str_slice(line, 0, MIN(line.n, (size_t)ANNOTATION_MAX - 2))),
                    line.n > ANNOTATION_MAX - 2 ? "..." : "");
    }
    if (first)
        buf_z(&d->b, "<none>\n");
}

/* "Wed, 25 Nov 2026 22:56:50 +0000" */
str describe_time(struct kubectl *k, str rfc3339)
{
    char text[64];
    wall_time t;
    struct tm tm;
    time_t s;

    if (!rfc3339_parse(rfc3339, &t))
        return rfc3339;
    s = t.ns / NS_PER_S;
    gmtime_r(&s, &tm);
    strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S +0000", &tm);
    return arena_dup(k->a, str_of(text));
}

static const char *bool_text(bool v)
{
    return v ? "True" : "False";
}

/* ---- containers ---- */

static void state(struct describe *d, const char *title, const struct json *s)
{
    const struct json *v;

    if ((v = json_findz(s, "running"))) {
        buf_fmt(&d->b, "    %s:\tRunning\n      Started:\t" PRI_STR "\n", title,
                STR_ARG(describe_time(d->k, json_get_str(v, "startedAt"))));
    } else if ((v = json_findz(s, "terminated"))) {
        buf_fmt(&d->b, "    %s:\tTerminated\n", title);
        if (json_get_str(v, "reason").n)
            buf_fmt(&d->b, "      Reason:\t" PRI_STR "\n", STR_ARG(json_get_str(v, "reason")));
        if (json_get_str(v, "message").n)
            buf_fmt(&d->b, "      Message:\t" PRI_STR "\n", STR_ARG(json_get_str(v, "message")));
        buf_fmt(&d->b, "      Exit Code:\t%lld\n", (long long)json_get_int(v, "exitCode", 0));
        if (json_get_int(v, "signal", 0))
            buf_fmt(&d->b, "      Signal:\t%lld\n", (long long)json_get_int(v, "signal", 0));
        buf_fmt(&d->b, "      Started:\t" PRI_STR "\n      Finished:\t" PRI_STR "\n",
                STR_ARG(describe_time(d->k, json_get_str(v, "startedAt"))),
                STR_ARG(describe_time(d->k, json_get_str(v, "finishedAt"))));
    } else {
        v = json_findz(s, "waiting");
        buf_fmt(&d->b, "    %s:\tWaiting\n", title);
        if (json_get_str(v, "reason").n)
            buf_fmt(&d->b, "      Reason:\t" PRI_STR "\n", STR_ARG(json_get_str(v, "reason")));
    }
}

static str value_text(struct kubectl *k, const struct json *v)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (json_is(v, JSON_STRING))
        return v->s;
    if (v)
        json_encode(&b, v);
    return arena_dup(k->a, buf_view(&b));
}

static void probe(struct describe *d, const char *title, const struct json *p)
{
    const struct json *v;

    if (!p)
        return;
    buf_fmt(&d->b, "    %s:\t", title);
    if ((v = json_findz(p, "exec"))) {
        buf_z(&d->b, "exec [");
        JSON_EACH(word, json_findz(v, "command"))
            buf_fmt(&d->b, "%s" PRI_STR, word == json_findz(v, "command")->items ? "" : " ",
                    STR_ARG(json_str(word)));
        buf_char(&d->b, ']');
    } else if ((v = json_findz(p, "httpGet"))) {
        str scheme = json_get_str(v, "scheme"), path = json_get_str(v, "path");

        buf_fmt(&d->b, "http-get " PRI_STR "://" PRI_STR ":" PRI_STR "%s" PRI_STR,
                STR_ARG(kube_lower(d->k, scheme.n ? scheme : S("HTTP"))),
                STR_ARG(json_get_str(v, "host")), STR_ARG(value_text(d->k, json_findz(v, "port"))),
                str_has_prefix(path, S("/")) ? "" : "/", STR_ARG(path));
    } else if ((v = json_findz(p, "tcpSocket"))) {
        buf_fmt(&d->b, "tcp-socket " PRI_STR ":" PRI_STR, STR_ARG(json_get_str(v, "host")),
                STR_ARG(value_text(d->k, json_findz(v, "port"))));
    } else if ((v = json_findz(p, "grpc"))) {
        buf_fmt(&d->b, "grpc <pod>:%lld " PRI_STR, (long long)json_get_int(v, "port", 0),
                STR_ARG(json_get_str(v, "service")));
    }
    buf_fmt(&d->b, " delay=%llds timeout=%llds period=%llds #success=%lld #failure=%lld\n",
            (long long)json_get_int(p, "initialDelaySeconds", 0),
            (long long)json_get_int(p, "timeoutSeconds", 1),
            (long long)json_get_int(p, "periodSeconds", 10),
            (long long)json_get_int(p, "successThreshold", 1),
            (long long)json_get_int(p, "failureThreshold", 3));
}

static void ports(struct describe *d, const struct json *list, const char *field, const char *title)
{
    bool many = json_count(list) > 1;

    buf_fmt(&d->b, "    %s%s:\t", title, many ? "s" : "");
    if (!json_count(list)) {
        buf_z(&d->b, "<none>\n");
        return;
    }
    JSON_EACH(p, list) {
        str protocol = json_get_str(p, "protocol");

        buf_fmt(&d->b, "%s%lld/" PRI_STR, p == list->items ? "" : ", ",
                (long long)json_get_int(p, field, 0), STR_ARG(protocol.n ? protocol : S("TCP")));
    }
    buf_char(&d->b, '\n');
}

static void words(struct describe *d, const char *title, const struct json *list)
{
    if (!json_count(list))
        return;
    buf_fmt(&d->b, "    %s:\n", title);
    JSON_EACH(w, list) {
        str rest = json_str(w), line;

        while (str_cut(&rest, '\n', &line))
            buf_fmt(&d->b, "      " PRI_STR "\n", STR_ARG(line));
    }
}

static void quantities(struct describe *d, const char *title, const struct json *map)
{
    struct json list = sorted(d->k, map);

    if (!list.n)
        return;
    buf_fmt(&d->b, "    %s:\n", title);
    JSON_EACH_MEMBER(m, &list)
        buf_fmt(&d->b, "      " PRI_STR ":\t" PRI_STR "\n", STR_ARG(m->key),
                STR_ARG(value_text(d->k, &m->value)));
}

/* What a container sees of its own limits: in units of the divisor, rounded up. */
static struct buf *resource_text(struct buf *b, const struct json *c, const struct json *ref)
{
    str rest = json_get_str(ref, "resource"), kind; /* "limits.memory" */
    struct quantity q, unit;
    int64_t value, per = 1000;

    str_cut(&rest, '.', &kind);
    if (!quantity_parse(json_str(json_find(json_find(json_findz(c, "resources"), kind), rest)), &q))
        return b;
    if (quantity_parse(json_get_str(ref, "divisor"), &unit) && quantity_milli(&unit) > 0)
        per = quantity_milli(&unit);
    value = quantity_milli(&q);
    buf_int(b, value / per + (value % per > 0));
    return b;
}

static void environment(struct describe *d, const struct json *c)
{
    const struct json *from = json_findz(c, "envFrom"), *env = json_findz(c, "env");

    if (json_count(from))
        buf_z(&d->b, "    Environment Variables from:\n");
    JSON_EACH(f, from) {
        const struct json *map = json_findz(f, "configMapRef"),
                          *secret = json_findz(f, "secretRef");
        str prefix = json_get_str(f, "prefix");

        buf_fmt(&d->b, "      " PRI_STR "\t%s", STR_ARG(json_get_str(map ? map : secret, "name")),
                map ? "ConfigMap" : "Secret");
        if (prefix.n)
            buf_fmt(&d->b, " with prefix '" PRI_STR "'", STR_ARG(prefix));
        buf_fmt(&d->b, "\tOptional: %s\n",
                json_get_bool(map ? map : secret, "optional", false) ? "true" : "false");
    }
    buf_z(&d->b, json_count(env) ? "    Environment:\n" : "    Environment:\t<none>\n");
    JSON_EACH(e, env) {
        str name = json_get_str(e, "name"), value = json_get_str(e, "value"), line;
        const struct json *v, *source = json_findz(e, "valueFrom");
        CLEANUP(buf) struct buf number = BUF_INIT;
        bool first = true;

        if (!source) {
            buf_fmt(&d->b, "      " PRI_STR ":\t", STR_ARG(name));
            while (str_cut(&value, '\n', &line)) {
                buf_fmt(&d->b, "%s" PRI_STR "\n", first ? "" : "      \t", STR_ARG(line));
                first = false;
            }
            if (first)
                buf_char(&d->b, '\n');
        } else if ((v = json_findz(source, "fieldRef"))) {
            buf_fmt(&d->b, "      " PRI_STR ":\t (" PRI_STR ":" PRI_STR ")\n", STR_ARG(name),
                    STR_ARG(json_get_str(v, "apiVersion")), STR_ARG(json_get_str(v, "fieldPath")));
        } else if ((v = json_findz(source, "resourceFieldRef"))) {
            buf_fmt(&d->b, "      " PRI_STR ":\t%s (" PRI_STR ")\n", STR_ARG(name),
                    buf_cstr(resource_text(&number, c, v)), STR_ARG(json_get_str(v, "resource")));
        } else if ((v = json_findz(source, "secretKeyRef"))) {
            buf_fmt(&d->b,
                    "      " PRI_STR ":\t<set to the key '" PRI_STR "' in secret '" PRI_STR
                    "'>\tOptional: %s\n",
                    STR_ARG(name), STR_ARG(json_get_str(v, "key")),
                    STR_ARG(json_get_str(v, "name")),
                    json_get_bool(v, "optional", false) ? "true" : "false");
        } else if ((v = json_findz(source, "configMapKeyRef"))) {
            buf_fmt(&d->b,
                    "      " PRI_STR ":\t<set to the key '" PRI_STR "' of config map '" PRI_STR
                    "'>\tOptional: %s\n",
                    STR_ARG(name), STR_ARG(json_get_str(v, "key")),
                    STR_ARG(json_get_str(v, "name")),
                    json_get_bool(v, "optional", false) ? "true" : "false");
        }
    }
}

static int by_mount_path(const void *a, const void *b, void *ctx)
{
    return str_cmp(json_get_str(a, "mountPath"), json_get_str(b, "mountPath"));
}

static void mounts(struct describe *d, const struct json *c)
{
    struct json list = json_findz(c, "volumeMounts")
                           ? json_share(d->k->a, json_findz(c, "volumeMounts"))
                           : json_array();

    buf_z(&d->b, list.n ? "    Mounts:\n" : "    Mounts:\t<none>\n");
    if (list.n)
        sort_with(list.items, list.n, sizeof list.items[0], by_mount_path, NULL);
    JSON_EACH(m, &list) {
        str sub = json_get_str(m, "subPath");

        buf_fmt(&d->b, "      " PRI_STR " from " PRI_STR " (%s",
                STR_ARG(json_get_str(m, "mountPath")), STR_ARG(json_get_str(m, "name")),
                json_get_bool(m, "readOnly", false) ? "ro" : "rw");
        if (sub.n)
            buf_fmt(&d->b, ",path=\"" PRI_STR "\"", STR_ARG(sub));
        buf_z(&d->b, ")\n");
    }
}

static void containers(struct describe *d, const char *title, const struct json *list,
                       const struct json *statuses, bool in_template)
{
    const char *space = in_template ? "  " : "";

    buf_fmt(&d->b, "%s%s:%s\n", space, title, json_count(list) ? "" : " <none>");
    JSON_EACH(c, list) {
        const struct json *s = NULL;

        JSON_EACH(it, statuses)
            if (str_eq(json_get_str(it, "name"), json_get_str(c, "name")))
                s = it;
        buf_fmt(&d->b, "  %s" PRI_STR ":\n", in_template ? " " : "",
                STR_ARG(json_get_str(c, "name")));
        if (s)
            buf_fmt(&d->b, "    Container ID:\t" PRI_STR "\n",
                    STR_ARG(json_get_str(s, "containerID")));
        buf_fmt(&d->b, "    Image:\t" PRI_STR "\n", STR_ARG(json_get_str(c, "image")));
        if (s)
            buf_fmt(&d->b, "    Image ID:\t" PRI_STR "\n", STR_ARG(json_get_str(s, "imageID")));
        ports(d, json_findz(c, "ports"), "containerPort", "Port");
        ports(d, json_findz(c, "ports"), "hostPort", "Host Port");
        words(d, "Command", json_findz(c, "command"));
        words(d, "Args", json_findz(c, "args"));
        if (s) {
            state(d, "State", json_findz(s, "state"));
            if (json_path(s, "lastState.terminated"))
                state(d, "Last State", json_findz(s, "lastState"));
            buf_fmt(&d->b, "    Ready:\t%s\n    Restart Count:\t%lld\n",
                    bool_text(json_get_bool(s, "ready", false)),
                    (long long)json_get_int(s, "restartCount", 0));
        }
        quantities(d, "Limits", json_path(c, "resources.limits"));
        quantities(d, "Requests", json_path(c, "resources.requests"));
        probe(d, "Liveness", json_findz(c, "livenessProbe"));
        probe(d, "Readiness", json_findz(c, "readinessProbe"));
        probe(d, "Startup", json_findz(c, "startupProbe"));
        environment(d, c);
        mounts(d, c);
    }
}

/* ---- volumes ---- */

static void optional(struct describe *d, const struct json *v)
{
    buf_fmt(&d->b, "    Optional:\t%s\n", json_get_bool(v, "optional", false) ? "true" : "false");
}

static void projected(struct describe *d, const struct json *v)
{
    const struct json *s;

    buf_z(&d->b, "    Type:\tProjected (a volume that contains injected data from multiple "
                 "sources)\n");
    JSON_EACH(source, json_findz(v, "sources")) {
        if ((s = json_findz(source, "secret"))) {
            buf_fmt(&d->b, "    SecretName:\t" PRI_STR "\n", STR_ARG(json_get_str(s, "name")));
            optional(d, s);
        } else if (json_findz(source, "downwardAPI")) {
            buf_z(&d->b, "    DownwardAPI:\ttrue\n");
        } else if ((s = json_findz(source, "configMap"))) {
            buf_fmt(&d->b, "    ConfigMapName:\t" PRI_STR "\n", STR_ARG(json_get_str(s, "name")));
            optional(d, s);
        } else if ((s = json_findz(source, "serviceAccountToken"))) {
            buf_fmt(&d->b, "    TokenExpirationSeconds:\t%lld\n",
                    (long long)json_get_int(s, "expirationSeconds", 0));
        }
    }
}

static void volume(struct describe *d, const struct json *v)
{
    const struct json *s;

    if ((s = json_findz(v, "emptyDir"))) {
        str limit = json_get_str(s, "sizeLimit");

        buf_fmt(&d->b,
                "    Type:\tEmptyDir (a temporary directory that shares a pod's lifetime)\n"
                "    Medium:\t" PRI_STR "\n    SizeLimit:\t" PRI_STR "\n",
                STR_ARG(json_get_str(s, "medium")), STR_ARG(limit.n ? limit : S("<unset>")));
    } else if ((s = json_findz(v, "hostPath"))) {
        buf_fmt(&d->b,
                "    Type:\tHostPath (bare host directory volume)\n    Path:\t" PRI_STR
                "\n    HostPathType:\t" PRI_STR "\n",
                STR_ARG(json_get_str(s, "path")), STR_ARG(json_get_str(s, "type")));
    } else if ((s = json_findz(v, "secret"))) {
        buf_fmt(&d->b,
                "    Type:\tSecret (a volume populated by a Secret)\n    SecretName:\t" PRI_STR
                "\n",
                STR_ARG(json_get_str(s, "secretName")));
        optional(d, s);
    } else if ((s = json_findz(v, "configMap"))) {
        buf_fmt(&d->b,
                "    Type:\tConfigMap (a volume populated by a ConfigMap)\n    Name:\t" PRI_STR
                "\n",
                STR_ARG(json_get_str(s, "name")));
        optional(d, s);
    } else if ((s = json_findz(v, "projected"))) {
        projected(d, s);
    } else if ((s = json_findz(v, "persistentVolumeClaim"))) {
        buf_fmt(
            &d->b,
            "    Type:\tPersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same "
            "namespace)\n    ClaimName:\t" PRI_STR "\n    ReadOnly:\t%s\n",
            STR_ARG(json_get_str(s, "claimName")),
            json_get_bool(s, "readOnly", false) ? "true" : "false");
    } else if ((s = json_findz(v, "nfs"))) {
        buf_fmt(
            &d->b,
            "    Type:\tNFS (an NFS mount that lasts the lifetime of a pod)\n    Server:\t" PRI_STR
            "\n    Path:\t" PRI_STR "\n    ReadOnly:\t%s\n",
            STR_ARG(json_get_str(s, "server")), STR_ARG(json_get_str(s, "path")),
            json_get_bool(s, "readOnly", false) ? "true" : "false");
    } else if ((s = json_findz(v, "downwardAPI"))) {
        buf_z(&d->b, "    Type:\tDownwardAPI (a volume populated by information about the pod)\n"
                     "    Items:\n");
        JSON_EACH(item, json_findz(s, "items"))
            buf_fmt(&d->b, "      " PRI_STR " -> " PRI_STR "\n",
                    STR_ARG(json_get_str(item, "fieldRef.fieldPath")),
                    STR_ARG(json_get_str(item, "path")));
    } else {
        buf_z(&d->b, "    Type:\t<unknown>\n");
    }
}

static void volumes(struct describe *d, const struct json *list, bool in_template)
{
    const char *space = in_template ? "  " : "";

    buf_fmt(&d->b, json_count(list) ? "%sVolumes:\n" : "%sVolumes:\t<none>\n", space);
    JSON_EACH(v, list) {
        buf_fmt(&d->b, "  %s" PRI_STR ":\n", in_template ? " " : "",
                STR_ARG(json_get_str(v, "name")));
        volume(d, v);
    }
}

static int by_toleration_key(const void *a, const void *b, void *ctx)
{
    return str_cmp(json_get_str(a, "key"), json_get_str(b, "key"));
}

static void tolerations(struct describe *d, const char *title, const struct json *spec)
{
    struct json list = json_findz(spec, "tolerations")
                           ? json_share(d->k->a, json_findz(spec, "tolerations"))
                           : json_array();

    buf_fmt(&d->b, "%s:\t", title);
    if (!list.n)
        buf_z(&d->b, "<none>\n");
    else
        sort_with(list.items, list.n, sizeof list.items[0], by_toleration_key, NULL);
    JSON_EACH(t, &list) {
        str value = json_get_str(t, "value"), effect = json_get_str(t, "effect");

        buf_fmt(&d->b, "%s" PRI_STR, t == list.items ? "" : "\t", STR_ARG(json_get_str(t, "key")));
        if (value.n)
            buf_fmt(&d->b, "=" PRI_STR, STR_ARG(value));
        if (effect.n)
            buf_fmt(&d->b, ":" PRI_STR, STR_ARG(effect));
        if (str_is(json_get_str(t, "operator"), "Exists") && !value.n)
            buf_z(&d->b, json_get_str(t, "key").n || effect.n ? " op=Exists" : "op=Exists");
        if (json_findz(t, "tolerationSeconds"))
            buf_fmt(&d->b, " for %llds", (long long)json_get_int(t, "tolerationSeconds", 0));
        buf_char(&d->b, '\n');
    }
}

/* ---- template and pod ---- */

void describe_template(struct describe *d, const struct json *template)
{
    const struct json *spec = json_findz(template, "spec");

    buf_z(&d->b, "Pod Template:\n");
    describe_labels(d, "  Labels", json_path(template, "metadata.labels"));
    if (json_count(json_path(template, "metadata.annotations")))
        describe_annotations(d, "  Annotations", json_path(template, "metadata.annotations"));
    if (json_get_str(spec, "serviceAccountName").n)
        buf_fmt(&d->b, "  Service Account:\t" PRI_STR "\n",
                STR_ARG(json_get_str(spec, "serviceAccountName")));
    if (json_count(json_findz(spec, "initContainers")))
        containers(d, "Init Containers", json_findz(spec, "initContainers"), NULL, true);
    containers(d, "Containers", json_findz(spec, "containers"), NULL, true);
    volumes(d, json_findz(spec, "volumes"), true);
    if (json_get_str(spec, "priorityClassName").n)
        buf_fmt(&d->b, "  Priority Class Name:\t" PRI_STR "\n",
                STR_ARG(json_get_str(spec, "priorityClassName")));
    describe_labels(d, "  Node-Selectors", json_findz(spec, "nodeSelector"));
    tolerations(d, "  Tolerations", spec);
}

void describe_pod(struct describe *d, const struct json *o)
{
    const struct json *spec = json_findz(o, "spec"), *status = json_findz(o, "status");
    str node = json_get_str(spec, "nodeName"), ip = json_get_str(status, "podIP"),
        reason = json_get_str(status, "reason"),
        deleted = json_get_str(o, "metadata.deletionTimestamp");

    if (json_findz(spec, "priority"))
        buf_fmt(&d->b, "Priority:\t%lld\n", (long long)json_get_int(spec, "priority", 0));
    if (json_get_str(spec, "priorityClassName").n)
        buf_fmt(&d->b, "Priority Class Name:\t" PRI_STR "\n",
                STR_ARG(json_get_str(spec, "priorityClassName")));
    if (json_get_str(spec, "runtimeClassName").n)
        buf_fmt(&d->b, "Runtime Class Name:\t" PRI_STR "\n",
                STR_ARG(json_get_str(spec, "runtimeClassName")));
    if (json_get_str(spec, "serviceAccountName").n)
        buf_fmt(&d->b, "Service Account:\t" PRI_STR "\n",
                STR_ARG(json_get_str(spec, "serviceAccountName")));
    if (node.n)
        buf_fmt(&d->b, "Node:\t" PRI_STR "/" PRI_STR "\n", STR_ARG(node),
                STR_ARG(json_get_str(status, "hostIP")));
    else
        buf_z(&d->b, "Node:\t<none>\n");
    if (json_get_str(status, "startTime").n)
        buf_fmt(&d->b, "Start Time:\t" PRI_STR "\n",
                STR_ARG(describe_time(d->k, json_get_str(status, "startTime"))));
    describe_labels(d, "Labels", json_path(o, "metadata.labels"));
    describe_annotations(d, "Annotations", json_path(o, "metadata.annotations"));
    if (deleted.n)
        buf_fmt(&d->b,
                "Status:\tTerminating (lasts " PRI_STR ")\nTermination Grace Period:\t%llds\n",
                STR_ARG(kube_age(d->k, deleted)),
                (long long)json_get_int(o, "metadata.deletionGracePeriodSeconds", 0));
    else
        buf_fmt(&d->b, "Status:\t" PRI_STR "\n", STR_ARG(json_get_str(status, "phase")));
    if (reason.n)
        buf_fmt(&d->b, "Reason:\t" PRI_STR "\n", STR_ARG(reason));
    if (json_get_str(status, "message").n)
        buf_fmt(&d->b, "Message:\t" PRI_STR "\n", STR_ARG(json_get_str(status, "message")));
    buf_fmt(&d->b, "IP:\t" PRI_STR "\n", STR_ARG(ip));
    buf_z(&d->b, json_count(json_findz(status, "podIPs")) ? "IPs:\n" : "IPs:\t<none>\n");
    JSON_EACH(one, json_findz(status, "podIPs"))
        buf_fmt(&d->b, "  IP:\t" PRI_STR "\n", STR_ARG(json_get_str(one, "ip")));
    describe_owner(d, o);
    if (json_get_str(status, "nominatedNodeName").n)
        buf_fmt(&d->b, "NominatedNodeName:\t" PRI_STR "\n",
                STR_ARG(json_get_str(status, "nominatedNodeName")));
    if (json_count(json_findz(spec, "initContainers")))
        containers(d, "Init Containers", json_findz(spec, "initContainers"),
                   json_findz(status, "initContainerStatuses"), false);
    containers(d, "Containers", json_findz(spec, "containers"),
               json_findz(status, "containerStatuses"), false);
    if (json_count(json_findz(spec, "ephemeralContainers")))
        containers(d, "Ephemeral Containers", json_findz(spec, "ephemeralContainers"),
                   json_findz(status, "ephemeralContainerStatuses"), false);
    if (json_count(json_findz(status, "conditions"))) {
        buf_z(&d->b, "Conditions:\n  Type\tStatus\n");
        JSON_EACH(c, json_findz(status, "conditions"))
            buf_fmt(&d->b, "  " PRI_STR " \t" PRI_STR " \n", STR_ARG(json_get_str(c, "type")),
                    STR_ARG(json_get_str(c, "status")));
    }
    volumes(d, json_findz(spec, "volumes"), false);
    if (json_get_str(status, "qosClass").n)
        buf_fmt(&d->b, "QoS Class:\t" PRI_STR "\n", STR_ARG(json_get_str(status, "qosClass")));
    describe_labels(d, "Node-Selectors", json_findz(spec, "nodeSelector"));
    tolerations(d, "Tolerations", spec);
}
