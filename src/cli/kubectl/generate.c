/* generate.c - the objects that `create TYPE NAME`, run, expose and autoscale make of their flags. */
#include "cli/kubectl/kubectl.h"

#include <dirent.h>
#include <sys/stat.h>

typedef struct err *generate_fn(struct kube_args *args, struct json *o, str name);

static struct err *flag_missing(const char *flag)
{
    return err_new(REASON_BAD_REQUEST, "required flag(s) \"%s\" not set", flag);
}

str kube_lower(struct kubectl *k, str s)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    for (size_t i = 0; i < s.n; i++)
        buf_char(&b, s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] + 32) : s.p[i]);
    return arena_dup(k->a, buf_view(&b));
}

static void set_words(struct kubectl *k, struct json *into, const char *key, char **words, int n)
{
    struct json *list = json_setz(k->a, into, key, json_array());

    for (int i = 0; i < n; i++)
        json_append(k->a, list, json_z(words[i]));
}

/* "a,b" as a list of strings. */
static void set_list(struct kubectl *k, struct json *into, const char *key, str words)
{
    struct json *list = json_setz(k->a, into, key, json_array());
    str word;

    while (str_cut(&words, ',', &word))
        json_append(k->a, list, json_string(word));
}

/* ---- configmap, secret ---- */

static void add_value(struct kubectl *k, struct json *data, str key, str value, bool base64)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    if (base64)
        buf_base64(&b, value);
    json_set(k->a, data, arena_dup(k->a, key),
             json_string(arena_dup(k->a, base64 ? buf_view(&b) : value)));
}

static struct err *add_file(struct kubectl *k, struct json *data, str key, str path, bool base64)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    int rc = file_read(k->loop, arena_dupz(k->a, path), 1 << 20, &text);

    if (rc)
        return err_errno(rc, "error reading " PRI_STR, STR_ARG(path));
    add_value(k, data, key, buf_view(&text), base64);
    return NULL;
}

/* Every regular file of a folder, by its name. */
static struct err *add_folder(struct kubectl *k, struct json *data, str path, bool base64)
{
    struct dirent **entries;
    int n = scandir(arena_dupz(k->a, path), &entries, NULL, alphasort);
    struct err *err = n < 0 ? err_errno(-errno, "reading " PRI_STR, STR_ARG(path)) : NULL;

    for (int i = 0; i < n; i++) {
        str full = arena_fmt(k->a, PRI_STR "/%s", STR_ARG(path), entries[i]->d_name);
        struct stat st;

        if (!err && !stat(full.p, &st) && S_ISREG(st.st_mode))
            err = add_file(k, data, str_of(entries[i]->d_name), full, base64);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    return err;
}

static struct err *add_env_file(struct kubectl *k, struct json *data, str path, bool base64)
{
    CLEANUP(buf) struct buf text = BUF_INIT;
    int rc = file_read(k->loop, arena_dupz(k->a, path), 1 << 20, &text);
    str rest = buf_view(&text), line, key;

    if (rc)
        return err_errno(rc, "error reading " PRI_STR, STR_ARG(path));
    while (str_cut(&rest, '\n', &line)) {
        line = str_trim(line);
        if (!line.n || line.p[0] == '#')
            continue;
        str_cut(&line, '=', &key);
        add_value(k, data, key, line, base64);
    }
    return NULL;
}

static struct err *add_pairs(struct kube_args *args, struct json *o, bool base64)
{
    struct kubectl *k = args->k;
    struct json *data = json_make(k->a, o, "data", JSON_OBJECT);
    struct err *err = NULL;

    for (size_t i = 0; i < args->f->n_literals; i++) {
        str value = args->f->literals[i], key;

        if (!str_has_char(value, '='))
            return err_new(REASON_BAD_REQUEST,
                           "invalid literal source " PRI_STR ", expected key=value",
                           STR_ARG(value));
        str_cut(&value, '=', &key);
        add_value(k, data, key, value, base64);
    }
    for (size_t i = 0; !err && i < args->f->n_from_files; i++) {
        str path = args->f->from_files[i], key;
        bool named = str_has_char(path, '=');
        struct stat st;

        if (named)
            str_cut(&path, '=', &key);
        else
            key = str_skip(path, (size_t)(str_rindex(path, '/') + 1));
        if (!named && !stat(arena_dupz(k->a, path), &st) && S_ISDIR(st.st_mode))
            err = add_folder(k, data, path, base64);
        else
            err = add_file(k, data, key, path, base64);
    }
    if (!err && args->f->from_env_file.n)
        err = add_env_file(k, data, args->f->from_env_file, base64);
    if (!json_count(data))
        json_removez(o, "data");
    return err;
}

static struct err *configmap_of(struct kube_args *args, struct json *o, str name)
{
    return add_pairs(args, o, false);
}

static struct err *secret_of(struct kube_args *args, struct json *o, str name)
{
    json_setz(args->k->a, o, "type",
              args->f->type.n ? json_string(args->f->type) : json_z("Opaque"));
    return add_pairs(args, o, true);
}

static struct err *registry_secret_of(struct kube_args *args, struct json *o, str name)
{
    struct kubectl *k = args->k;
    const struct kube_flagvals *f = args->f;
    struct json config = json_object(), entry = json_object();
    CLEANUP(buf) struct buf auth = BUF_INIT;
    CLEANUP(buf) struct buf text = BUF_INIT;

    if (!f->docker_username.n || !f->docker_password.n)
        return err_new(REASON_BAD_REQUEST, "either --from-file or the combination of "
                                           "--docker-username, --docker-password and "
                                           "--docker-server is required");
    buf_base64(&auth, arena_fmt(k->a, PRI_STR ":" PRI_STR, STR_ARG(f->docker_username),
                                STR_ARG(f->docker_password)));
    json_setz(k->a, &entry, "username", json_string(f->docker_username));
    json_setz(k->a, &entry, "password", json_string(f->docker_password));
    if (f->docker_email.n)
        json_setz(k->a, &entry, "email", json_string(f->docker_email));
    json_setz(k->a, &entry, "auth", json_string(buf_view(&auth)));
    json_set(k->a, json_make(k->a, &config, "auths", JSON_OBJECT),
             f->docker_server.n ? f->docker_server : S("https://index.docker.io/v1/"), entry);
    json_encode(&text, &config);
    json_setz(k->a, o, "type", json_z("kubernetes.io/dockerconfigjson"));
    add_value(k, json_make(k->a, o, "data", JSON_OBJECT), S(".dockerconfigjson"), buf_view(&text),
              true);
    return NULL;
}

static struct err *tls_secret_of(struct kube_args *args, struct json *o, str name)
{
    struct kubectl *k = args->k;
    struct json *data = json_make(k->a, o, "data", JSON_OBJECT);
    struct err *err;

    if (!args->f->cert.n || !args->f->key.n)
        return flag_missing(args->f->cert.n ? "key" : "cert");
    json_setz(k->a, o, "type", json_z("kubernetes.io/tls"));
    err = add_file(k, data, S("tls.crt"), args->f->cert, true);
    return err ? err : add_file(k, data, S("tls.key"), args->f->key, true);
}

/* ---- workloads ---- */

/* A container's name from its image: what follows the last slash, without tag and digest. */
static str name_of_image(str image)
{
    str base = str_skip(image, (size_t)(str_rindex(image, '/') + 1)), name;

    str_cut(&base, ':', &name);
    base = name;
    str_cut(&base, '@', &name);
    return name;
}

static struct err *number_flag(str s, const char *flag, int64_t *ret)
{
    if (!s.n || str_to_int64(s, ret))
        return NULL;
    return err_new(REASON_BAD_REQUEST,
                   "invalid argument \"" PRI_STR "\" for \"--%s\" flag: strconv.ParseInt: parsing "
                   "\"" PRI_STR "\": invalid syntax",
                   STR_ARG(s), flag, STR_ARG(s));
}

static struct json *add_container(struct kube_args *args, struct json *spec, str name, str image)
{
    struct kubectl *k = args->k;
    struct json *c =
        json_append(k->a, json_make(k->a, spec, "containers", JSON_ARRAY), json_object());

    json_setz(k->a, c, "name", json_string(name));
    json_setz(k->a, c, "image", json_string(image));
    json_setz(k->a, c, "resources", json_object());
    return c;
}

static struct err *deployment_of(struct kube_args *args, struct json *o, str name)
{
    struct kubectl *k = args->k;
    struct json *spec, *c = NULL;
    str images = args->f->image, image;
    int64_t replicas = 1, port = 0;
    struct err *err = number_flag(args->f->replicas, "replicas", &replicas);

    if (!err)
        err = number_flag(args->f->port, "port", &port);
    if (err || !images.n)
        return err ? err : flag_missing("image");
    json_setz(k->a, json_make(k->a, o, "metadata.labels", JSON_OBJECT), "app", json_string(name));
    json_setz(k->a, json_make(k->a, o, "spec", JSON_OBJECT), "replicas", json_int(replicas));
    json_setz(k->a, json_make(k->a, o, "spec.selector.matchLabels", JSON_OBJECT), "app",
              json_string(name));
    json_setz(k->a, json_make(k->a, o, "spec.template.metadata.labels", JSON_OBJECT), "app",
              json_string(name));
    json_make(k->a, o, "spec.strategy", JSON_OBJECT);
    json_make(k->a, o, "status", JSON_OBJECT);
    spec = json_make(k->a, o, "spec.template.spec", JSON_OBJECT);
    while (str_cut(&images, ',', &image))
        c = add_container(args, spec, name_of_image(image), image);
    if (args->n_rest)
        set_words(k, c, "command", args->rest, args->n_rest);
    if (port) {
        struct json p = json_object();

        json_setz(k->a, &p, "containerPort", json_int(port));
        json_append(k->a, json_setz(k->a, c, "ports", json_array()), p);
    }
    return NULL;
}

static struct err *job_spec_of(struct kube_args *args, struct json *into, str name,
                               const char *policy)
{
    struct kubectl *k = args->k;
    struct json *spec = json_make(k->a, into, "template.spec", JSON_OBJECT), *c;

    if (!args->f->image.n)
        return flag_missing("image");
    c = add_container(args, spec, name, args->f->image);
    if (args->n_rest)
        set_words(k, c, "command", args->rest, args->n_rest);
    json_setz(k->a, spec, "restartPolicy", json_z(policy));
    return NULL;
}

static struct err *job_of(struct kube_args *args, struct json *o, str name)
{
    struct kubectl *k = args->k;
    struct kube_targets t = {0};
    struct json *source, owner = json_object();
    char *from;
    struct err *err;

    if (!args->f->from.n)
        return job_spec_of(args, json_make(k->a, o, "spec", JSON_OBJECT), name, "Never");
    from = arena_dupz(k->a, args->f->from);
    err = kube_targets_of_args(k, &from, 1, &t);
    if (!err && !str_is(t.items[0].res.plural, "cronjobs"))
        err = err_new(REASON_BAD_REQUEST, "from must be an existing cronjob");
    if (!err)
        err = kube_get(k, &t.items[0], &source);
    if (err)
        return err;
    json_setz(k->a, json_make(k->a, o, "metadata.annotations", JSON_OBJECT),
              "cronjob.kubernetes.io/instantiate", json_z("manual"));
    json_setz(k->a, &owner, "apiVersion", json_z("batch/v1"));
    json_setz(k->a, &owner, "kind", json_z("CronJob"));
    json_setz(k->a, &owner, "name", json_string(json_get_str(source, "metadata.name")));
    json_setz(k->a, &owner, "uid", json_string(json_get_str(source, "metadata.uid")));
    json_append(k->a, json_make(k->a, o, "metadata.ownerReferences", JSON_ARRAY), owner);
    json_setz(k->a, o, "spec", *json_path(source, "spec.jobTemplate.spec"));
    return NULL;
}

static struct err *cronjob_of(struct kube_args *args, struct json *o, str name)
{
    struct kubectl *k = args->k;

    if (!args->f->schedule.n)
        return flag_missing("schedule");
    json_setz(k->a, json_make(k->a, o, "spec", JSON_OBJECT), "schedule",
              json_string(args->f->schedule));
    json_setz(k->a, json_make(k->a, o, "spec.jobTemplate.metadata", JSON_OBJECT), "name",
              json_string(name));
    return job_spec_of(args, json_make(k->a, o, "spec.jobTemplate.spec", JSON_OBJECT), name,
                       args->f->restart.n ? arena_dupz(k->a, args->f->restart) : "OnFailure");
}

/* ---- services ---- */

/* --tcp=PORT[:TARGET],... */
static struct err *service_ports(struct kube_args *args, struct json *o)
{
    struct kubectl *k = args->k;
    str all = args->f->tcp, one;
    struct json *ports;

    if (!all.n)
        return NULL;
    ports = json_make(k->a, o, "spec.ports", JSON_ARRAY);
    while (str_cut(&all, ',', &one)) {
        struct json p = json_object();
        str target = one, port;
        int64_t number, node_port = 0;
        struct err *err = number_flag(args->f->node_port, "node-port", &node_port);

        if (err)
            return err;
        port = one;
        if (str_has_char(one, ':'))
            str_cut(&target, ':', &port);
        json_setz(k->a, &p, "name",
                  json_string(str_eq(port, one) ? one
                                                : arena_fmt(k->a, PRI_STR "-" PRI_STR,
                                                            STR_ARG(port), STR_ARG(target))));
        if (!str_to_int64(port, &number))
            return err_new(REASON_BAD_REQUEST, "invalid port " PRI_STR, STR_ARG(port));
        json_setz(k->a, &p, "port", json_int(number));
        json_setz(k->a, &p, "protocol", json_z("TCP"));
        json_setz(k->a, &p, "targetPort",
                  str_to_int64(target, &number) ? json_int(number) : json_string(target));
        if (node_port)
            json_setz(k->a, &p, "nodePort", json_int(node_port));
        json_append(k->a, ports, p);
    }
    return NULL;
}

static struct err *service_of(struct kube_args *args, struct json *o, str name, const char *type)
{
    struct kubectl *k = args->k;

    json_setz(k->a, json_make(k->a, o, "metadata.labels", JSON_OBJECT), "app", json_string(name));
    json_setz(k->a, json_make(k->a, o, "spec.selector", JSON_OBJECT), "app", json_string(name));
    json_setz(k->a, json_make(k->a, o, "spec", JSON_OBJECT), "type", json_z(type));
    if (args->f->cluster_ip.n)
        json_setz(k->a, json_make(k->a, o, "spec", JSON_OBJECT), "clusterIP",
                  json_string(args->f->cluster_ip));
    if (!args->f->tcp.n && !str_is(args->f->cluster_ip, "None") && strcmp(type, "ExternalName"))
        return err_new(REASON_BAD_REQUEST, "at least one tcp port specifier must be provided");
    return service_ports(args, o);
}

static struct err *clusterip_of(struct kube_args *args, struct json *o, str name)
{
    return service_of(args, o, name, "ClusterIP");
}

static struct err *nodeport_of(struct kube_args *args, struct json *o, str name)
{
    return service_of(args, o, name, "NodePort");
}

static struct err *loadbalancer_of(struct kube_args *args, struct json *o, str name)
{
    return service_of(args, o, name, "LoadBalancer");
}

static struct err *externalname_of(struct kube_args *args, struct json *o, str name)
{
    if (!args->f->external_name.n)
        return flag_missing("external-name");
    json_setz(args->k->a, json_make(args->k->a, o, "spec", JSON_OBJECT), "externalName",
              json_string(args->f->external_name));
    return service_of(args, o, name, "ExternalName");
}

/* ---- access ---- */

/* --resource=pods,deployments.apps: each becomes a rule of its group. */
static struct err *rules_of(struct kube_args *args, struct json *o, str name)
{
    struct kubectl *k = args->k;
    str resources = args->f->resource, one;
    struct json *rules = json_setz(k->a, o, "rules", json_array());

    if (!args->f->verb.n)
        return err_new(REASON_BAD_REQUEST, "at least one verb must be specified");
    if (!resources.n)
        return err_new(REASON_BAD_REQUEST, "one of resource or nonResourceURL must be specified");
    while (str_cut(&resources, ',', &one)) {
        struct kube_resource res;
        struct json rule = json_object();
        str sub = one, base = one;
        struct err *err;

        if (str_has_char(one, '/'))
            str_cut(&sub, '/', &base);
        err = kube_resource_find(k, base, &res);
        if (err)
            return err;
        json_append(k->a, json_setz(k->a, &rule, "apiGroups", json_array()),
                    json_string(res.group));
        set_list(k, &rule, "resources",
                 str_eq(base, one)
                     ? res.plural
                     : arena_fmt(k->a, PRI_STR "/" PRI_STR, STR_ARG(res.plural), STR_ARG(sub)));
        if (args->f->resource_name.n)
            set_list(k, &rule, "resourceNames", args->f->resource_name);
        set_list(k, &rule, "verbs", args->f->verb);
        json_append(k->a, rules, rule);
    }
    return NULL;
}

static struct err *binding_of(struct kube_args *args, struct json *o, str name)
{
    struct kubectl *k = args->k;
    struct json *subjects = json_setz(k->a, o, "subjects", json_array()), *ref;
    static const struct {
        const char *kind;
        size_t offset;
    } kinds[] = {{"User", offsetof(struct kube_flagvals, user)},
                 {"Group", offsetof(struct kube_flagvals, group)},
                 {"ServiceAccount", offsetof(struct kube_flagvals, service_account)}};

    if (!args->f->role.n == !args->f->cluster_role.n)
        return err_new(REASON_BAD_REQUEST, "exactly one of clusterrole or role must be specified");
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        str all = *(const str *)(const void *)((const char *)args->f + kinds[i].offset), one;

        while (str_cut(&all, ',', &one)) {
            struct json s = json_object();
            str ns;

            json_setz(k->a, &s, "kind", json_z(kinds[i].kind));
            if (i == 2) {
                if (!str_has_char(one, ':'))
                    return err_new(REASON_BAD_REQUEST, "serviceaccount must be <namespace>:<name>");
                str_cut(&one, ':', &ns);
                json_setz(k->a, &s, "namespace", json_string(ns));
            } else {
                json_setz(k->a, &s, "apiGroup", json_z("rbac.authorization.k8s.io"));
            }
            json_setz(k->a, &s, "name", json_string(one));
            json_append(k->a, subjects, s);
        }
    }
    ref = json_make(k->a, o, "roleRef", JSON_OBJECT);
    json_setz(k->a, ref, "apiGroup", json_z("rbac.authorization.k8s.io"));
    json_setz(k->a, ref, "kind", json_z(args->f->role.n ? "Role" : "ClusterRole"));
    json_setz(k->a, ref, "name",
              json_string(args->f->role.n ? args->f->role : args->f->cluster_role));
    return NULL;
}

/* ---- the rest ---- */

static struct err *quota_of(struct kube_args *args, struct json *o, str name)
{
    struct kubectl *k = args->k;
    struct json *hard = json_make(k->a, o, "spec.hard", JSON_OBJECT);
    str all = args->f->hard, one, key;

    while (str_cut(&all, ',', &one)) {
        str_cut(&one, '=', &key);
        json_set(k->a, hard, key, json_string(one));
    }
    return NULL;
}

static struct err *priorityclass_of(struct kube_args *args, struct json *o, str name)
{
    int64_t value = 0;
    struct err *err = number_flag(args->f->value, "value", &value);

    if (err)
        return err;
    json_setz(args->k->a, o, "value", json_int(value));
    if (args->f->description.n)
        json_setz(args->k->a, o, "description", json_string(args->f->description));
    return NULL;
}

/* --rule=host/path=service:port; "*" at the end of the path: everything below it. */
static struct err *ingress_of(struct kube_args *args, struct json *o, str name)
{
    struct kubectl *k = args->k;
    struct json *rules = json_make(k->a, o, "spec.rules", JSON_ARRAY);

    if (args->f->class_name.n)
        json_setz(k->a, json_make(k->a, o, "spec", JSON_OBJECT), "ingressClassName",
                  json_string(args->f->class_name));
    if (!args->f->n_rules)
        return flag_missing("rule");
    for (size_t i = 0; i < args->f->n_rules; i++) {
        str back = args->f->rules[i], at, host = STR_NONE, service, path;
        struct json rule = json_object(), p = json_object(), *service_at;
        bool prefix;
        int64_t port;

        str_cut(&back, '=', &at);
        str_cut(&back, ',', &service); /* tls=... is left out */
        back = service;
        str_cut(&back, ':', &service);
        path = at;
        str_cut(&path, '/', &host);
        prefix = str_has_suffix(path, S("*"));
        if (prefix)
            path.n--;
        if (!service.n || !back.n)
            return err_new(REASON_BAD_REQUEST,
                           "rule " PRI_STR " is invalid and should be in format "
                           "host/path=svcname:svcport[,tls[=secret]]",
                           STR_ARG(args->f->rules[i]));
        json_setz(k->a, &p, "path", json_string(arena_fmt(k->a, "/" PRI_STR, STR_ARG(path))));
        json_setz(k->a, &p, "pathType", json_z(prefix ? "Prefix" : "Exact"));
        service_at = json_make(k->a, &p, "backend.service", JSON_OBJECT);
        json_setz(k->a, service_at, "name", json_string(service));
        if (str_to_int64(back, &port))
            json_setz(k->a, json_make(k->a, service_at, "port", JSON_OBJECT), "number",
                      json_int(port));
        else
            json_setz(k->a, json_make(k->a, service_at, "port", JSON_OBJECT), "name",
                      json_string(back));
        if (host.n)
            json_setz(k->a, &rule, "host", json_string(host));
        json_append(k->a, json_make(k->a, &rule, "http.paths", JSON_ARRAY), p);
        json_append(k->a, rules, rule);
    }
    return NULL;
}

static const struct {
    const char *word, *alias, *kind_of; /* kind_of: the second word of `create secret tls NAME` */
    const char *api_version, *kind;
    generate_fn *fn;
} generators[] = {
    {"namespace", "ns", NULL, "v1", "Namespace", NULL},
    {"configmap", "cm", NULL, "v1", "ConfigMap", configmap_of},
    {"secret", "secrets", "generic", "v1", "Secret", secret_of},
    {"secret", "secrets", "docker-registry", "v1", "Secret", registry_secret_of},
    {"secret", "secrets", "tls", "v1", "Secret", tls_secret_of},
    {"serviceaccount", "sa", NULL, "v1", "ServiceAccount", NULL},
    {"deployment", "deploy", NULL, "apps/v1", "Deployment", deployment_of},
    {"job", "jobs", NULL, "batch/v1", "Job", job_of},
    {"cronjob", "cj", NULL, "batch/v1", "CronJob", cronjob_of},
    {"service", "svc", "clusterip", "v1", "Service", clusterip_of},
    {"service", "svc", "nodeport", "v1", "Service", nodeport_of},
    {"service", "svc", "loadbalancer", "v1", "Service", loadbalancer_of},
    {"service", "svc", "externalname", "v1", "Service", externalname_of},
    {"role", "roles", NULL, "rbac.authorization.k8s.io/v1", "Role", rules_of},
    {"clusterrole", "clusterroles", NULL, "rbac.authorization.k8s.io/v1", "ClusterRole", rules_of},
    {"rolebinding", "rolebindings", NULL, "rbac.authorization.k8s.io/v1", "RoleBinding",
     binding_of},
    {"clusterrolebinding", "clusterrolebindings", NULL, "rbac.authorization.k8s.io/v1",
     "ClusterRoleBinding", binding_of},
    {"quota", "resourcequota", NULL, "v1", "ResourceQuota", quota_of},
    {"priorityclass", "pc", NULL, "scheduling.k8s.io/v1", "PriorityClass", priorityclass_of},
    {"ingress", "ing", NULL, "networking.k8s.io/v1", "Ingress", ingress_of},
};

struct err *kube_generate(struct kube_args *args, struct json **ret)
{
    struct kubectl *k = args->k;
    bool known = false;

    for (size_t i = 0; i < ARRAY_LEN(generators); i++) {
        const char *word = args->args[0], *second = args->n > 1 ? args->args[1] : "";
        int at = generators[i].kind_of ? 2 : 1;
        struct json *o;
        str name;

        if (strcmp(word, generators[i].word) && strcmp(word, generators[i].alias))
            continue;
        known = true;
        if (generators[i].kind_of && strcmp(second, generators[i].kind_of))
            continue;
        if (args->n != at + 1)
            return err_new(REASON_BAD_REQUEST, "exactly one NAME is required, got %d",
                           MAX(args->n - at, 0));
        name = str_of(args->args[at]);
        o = json_new(k->a, json_object());
        json_setz(k->a, o, "apiVersion", json_z(generators[i].api_version));
        json_setz(k->a, o, "kind", json_z(generators[i].kind));
        json_setz(k->a, json_make(k->a, o, "metadata", JSON_OBJECT), "name", json_string(name));
        *ret = o;
        return generators[i].fn ? generators[i].fn(args, o, name) : NULL;
    }
    return known ? err_new(REASON_BAD_REQUEST, "unknown command \"%s %s\" for \"kubectl create\"",
                           args->args[0], args->n > 1 ? args->args[1] : "")
                 : err_new(REASON_BAD_REQUEST, "Unexpected args: [%s]", args->args[0]);
}

struct err *kube_create_token(struct kube_args *args)
{
    struct kubectl *k = args->k;
    struct json request = json_object(), *answer;
    struct err *err;

    if (args->n != 2)
        return err_new(REASON_BAD_REQUEST, "exactly one NAME is required, got %d", args->n - 1);
    json_setz(k->a, &request, "apiVersion", json_z("authentication.k8s.io/v1"));
    json_setz(k->a, &request, "kind", json_z("TokenRequest"));
    json_make(k->a, &request, "spec", JSON_OBJECT);
    if (args->f->audience.n)
        set_list(k, json_findz(&request, "spec"), "audiences", args->f->audience);
    err = kube_call_json(k,
                         &(struct kube_request){.method = "POST",
                                                .path = arena_fmt(k->a,
                                                                  "/api/v1/namespaces/" PRI_STR
                                                                  "/serviceaccounts/%s/token",
                                                                  STR_ARG(k->ns), args->args[1]),
                                                .body = kube_encode(k, &request)},
                         &answer);
    if (!err)
        printf(PRI_STR "\n", STR_ARG(json_get_str(answer, "status.token")));
    return err;
}
