/* volume.c - rules of volume sources: one table says in which order they are looked at, which of
 * their fields have to be there, and which function knows the rest.
 *
 * Source of rules and texts: k8s.io/kubernetes/pkg/apis/core/validation/validation.go
 * (validateVolumeSource, ValidatePersistentVolumeSpec). */
#include "api/validation/volume.h"

#include <ctype.h>

#define ISCSI_NAME_MAX 64
#define QUOBYTE_TENANT_MAX 64
#define DRIVER_NAME_MAX 63

typedef void source_fn(struct check *c, const struct at *at, const struct json *s,
                       const struct volume_use *use);

static void must_be_between(struct check *c, const struct at *at, const struct json *v, int64_t low,
                            int64_t high, int64_t shown_low)
{
    if (json_is(v, JSON_INT) && (v->i < low || v->i > high))
        bad_invalid(c, at, *v, "must be between %lld and %lld, inclusive", (long long)shown_low,
                    (long long)high);
}

static void check_secret_ref(struct check *c, const struct at *at, const struct json *ref,
                             bool with_namespace)
{
    if (ref && !json_get_str(ref, "name").n)
        bad_required(c, AT(at, "name"), "");
    if (ref && with_namespace && !json_get_str(ref, "namespace").n)
        bad_required(c, AT(at, "namespace"), "");
}

void check_file_mode(struct check *c, const struct at *at, const struct json *mode)
{
    if (json_is(mode, JSON_INT) && (mode->i < 0 || mode->i > 0777))
        bad_invalid(c, at, *mode, "must be a number between 0 and 0777 (octal), both inclusive");
}

void check_one_key_to_path(struct check *c, const struct at *at, const struct json *item)
{
    str path = json_get_str(item, "path");

    if (!json_get_str(item, "key").n)
        bad_required(c, AT(at, "key"), "");
    if (!path.n)
        bad_required(c, AT(at, "path"), "");
    check_local_free_path(c, AT(at, "path"), path);
    check_file_mode(c, AT(at, "mode"), field(item, "mode"));
}

static void check_key_to_path(struct check *c, const struct at *at, const struct json *items)
{
    int64_t i = 0;

    JSON_EACH(item, items)
        check_one_key_to_path(c, AT_INDEX(at, i++), item);
}

/* ---- one function for each source that has rules beyond required fields ---- */

static void empty_dir(struct check *c, const struct at *at, const struct json *s,
                      const struct volume_use *use)
{
    struct quantity q;

    (void)use;
    if (quantity_parse(json_get_str(s, "sizeLimit"), &q) && q.nano < 0)
        bad_forbidden(c, AT(at, "sizeLimit"), "SizeLimit field must be a valid resource quantity");
}

static void host_path(struct check *c, const struct at *at, const struct json *s,
                      const struct volume_use *use)
{
    static const char *const types[] = {
        "",     "BlockDevice",  "CharDevice", "Directory", "DirectoryOrCreate",
        "File", "FileOrCreate", "Socket",     NULL};
    str path = json_get_str(s, "path");

    (void)use;
    if (!path.n) {
        bad_required(c, AT(at, "path"), "");
        return;
    }
    check_no_backsteps(c, AT(at, "path"), path);
    check_enum(c, AT(at, "type"), field(s, "type"), types);
}

static void git_repo(struct check *c, const struct at *at, const struct json *s,
                     const struct volume_use *use)
{
    (void)use;
    check_local_path(c, AT(at, "directory"), json_get_str(s, "directory"));
}

static void partition(struct check *c, const struct at *at, const struct json *s,
                      const struct volume_use *use)
{
    (void)use;
    must_be_between(c, AT(at, "partition"), field(s, "partition"), 0, 255, 1);
}

static void secret(struct check *c, const struct at *at, const struct json *s,
                   const struct volume_use *use)
{
    (void)use;
    check_file_mode(c, AT(at, "defaultMode"), field(s, "defaultMode"));
    check_key_to_path(c, AT(at, "items"), field(s, "items"));
}

static void nfs(struct check *c, const struct at *at, const struct json *s,
                const struct volume_use *use)
{
    str path = json_get_str(s, "path");

    (void)use;
    if (!path.n || path.p[0] != '/')
        bad_invalid(c, AT(at, "path"), json_string(path), "must be an absolute path");
}

/* "iqn.2001-04.com.example:storage" somewhere in it, up to the end. */
static bool is_iqn(str s)
{
    ptrdiff_t at;

    for (str rest = s; (at = str_find(rest, S("iqn."))) >= 0;
         rest = str_skip(rest, (size_t)at + 1)) {
        str x = str_skip(rest, (size_t)at + 4), domain = x;
        size_t n = 0;

        if (x.n < 9 || x.p[4] != '-' || x.p[7] != '.')
            continue;
        while (n < 7 && (n == 4 || isdigit((unsigned char)x.p[n])))
            n++;
        if (n < 7)
            continue;
        domain = str_skip(x, 8);
        for (n = 0; n < domain.n && (isalnum((unsigned char)domain.p[n]) || domain.p[n] == '-' ||
                                     domain.p[n] == '.');)
            n++;
        if (!n)
            continue;
        if (n == domain.n)
            return true;
        if (domain.p[n] != ':' || n + 1 == domain.n)
            continue;
        for (n++; n < domain.n && !strchr(",;*&$| \t\n\f\r\v", domain.p[n]);)
            n++;
        if (n == domain.n)
            return true;
    }
    return false;
}

static bool is_long_name(str s, size_t digits)
{
    if (s.n != 4 + digits)
        return false;
    for (size_t i = 4; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]))
            return false;
    return true;
}

/* Of both the target and the initiator. */
static void iscsi_name(struct check *c, const struct at *at, str s, const char *no_prefix)
{
    bool iqn = str_has_prefix(s, S("iqn")), eui = str_has_prefix(s, S("eui")),
         naa = str_has_prefix(s, S("naa"));

    if (!iqn && !eui && !naa)
        bad_invalid(c, at, json_string(s), "%s", no_prefix);
    else if ((iqn && !is_iqn(s)) || (eui && !is_long_name(s, 16)) || (naa && !is_long_name(s, 32)))
        bad_invalid(c, at, json_string(s), "must be valid format");
}

#define ISCSI_TOO_LONG                                                                             \
    "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if "           \
    "iscsi.initiatorName is specified."

static void iscsi(struct check *c, const struct at *at, const struct json *s,
                  const struct volume_use *use)
{
    str portal = json_get_str(s, "targetPortal"), iqn = json_get_str(s, "iqn");
    const struct json *initiator = field(s, "initiatorName");
    const char *no_prefix = use->persistent ? "must be valid format"
                                            : "must be valid format starting with iqn, eui, or naa";
    bool too_long = initiator && use->name.n + 1 + portal.n > ISCSI_NAME_MAX;

    if (!portal.n)
        bad_required(c, AT(at, "targetPortal"), "");
    if (too_long && use->persistent)
        bad_invalid(c, AT(at, "targetportal"), json_string(portal), ISCSI_TOO_LONG);
    if (!iqn.n)
        bad_required(c, AT(at, "iqn"), "");
    else
        iscsi_name(c, AT(at, "iqn"), iqn, no_prefix);
    must_be_between(c, AT(at, "lun"), field(s, "lun"), 0, 255, 0);
    if ((json_get_bool(s, "chapAuthDiscovery", false) ||
         json_get_bool(s, "chapAuthSession", false)) &&
        !field(s, "secretRef"))
        bad_required(c, AT(at, "secretRef"), "");
    if (use->persistent)
        check_secret_ref(c, AT(at, "secretRef"), field(s, "secretRef"), false);
    if (initiator)
        iscsi_name(c, AT(at, "initiatorname"), json_str(initiator), no_prefix);
    if (too_long && !use->persistent)
        bad_invalid(c, AT(at->up, "name"), json_string(use->name), ISCSI_TOO_LONG);
}

static void glusterfs(struct check *c, const struct at *at, const struct json *s,
                      const struct volume_use *use)
{
    const struct json *ns = field(s, "endpointsNamespace");

    if (!use->persistent || !ns)
        return;
    if (!json_str(ns).n)
        bad_invalid(c, AT(at, "endpointsNamespace"), *ns,
                    "if the endpointnamespace is set, it must be a valid namespace name");
    else
        check_dns_label(c, AT(at, "endpointsNamespace"), json_str(ns));
}

static void flocker(struct check *c, const struct at *at, const struct json *s,
                    const struct volume_use *use)
{
    str name = json_get_str(s, "datasetName"), uuid = json_get_str(s, "datasetUUID");

    (void)use;
    if (!name.n && !uuid.n)
        bad_required(c, at, "one of datasetName and datasetUUID is required");
    if (name.n && uuid.n)
        bad_invalid(c, at, json_z("resource"),
                    "datasetName and datasetUUID can not be specified simultaneously");
    if (str_has_char(name, '/'))
        bad_invalid(c, AT(at, "datasetName"), json_string(name), "must not contain '/'");
}

static void secret_ref(struct check *c, const struct at *at, const struct json *s,
                       const struct volume_use *use)
{
    check_secret_ref(c, AT(at, "secretRef"), field(s, "secretRef"), use->persistent);
}

static bool is_host_port(str s)
{
    ptrdiff_t colon = str_rindex(s, ':');

    if (colon < 0)
        return false;
    if (s.n && s.p[0] == '[')
        return colon > 1 && s.p[colon - 1] == ']';
    return str_index(s, ':') == colon;
}

static void quobyte(struct check *c, const struct at *at, const struct json *s,
                    const struct volume_use *use)
{
    static const char pairs[] = "must be a host:port pair or multiple pairs separated by commas";
    str registry = json_get_str(s, "registry"), rest = registry, pair;

    (void)use;
    if (!registry.n)
        bad_required(c, AT(at, "registry"), pairs);
    else if (json_get_str(s, "tenant").n > QUOBYTE_TENANT_MAX)
        bad_required(c, AT(at, "tenant"),
                     "must be a UUID and may not exceed a length of 64 characters");
    else
        while (str_cut(&rest, ',', &pair))
            if (!is_host_port(pair))
                bad_invalid(c, AT(at, "registry"), json_string(registry), "%s", pairs);
    if (!json_get_str(s, "volume").n)
        bad_required(c, AT(at, "volume"), "");
}

static void downward_api(struct check *c, const struct at *at, const struct json *s,
                         const struct volume_use *use)
{
    (void)use;
    check_downward_api(c, at, s);
}

static void fc(struct check *c, const struct at *at, const struct json *s,
               const struct volume_use *use)
{
    const struct json *wwns = field(s, "targetWWNs"), *wwids = field(s, "wwids");

    (void)use;
    if (!json_count(wwns) && !json_count(wwids))
        bad_required(c, AT(at, "targetWWNs"),
                     "must specify either targetWWNs or wwids, but not both");
    if (json_count(wwns) && json_count(wwids))
        bad_invalid(c, AT(at, "targetWWNs"), *wwns,
                    "targetWWNs and wwids can not be specified simultaneously");
    if (json_count(wwns)) {
        if (!field(s, "lun"))
            bad_required(c, AT(at, "lun"), "lun is required if targetWWNs is specified");
        must_be_between(c, AT(at, "lun"), field(s, "lun"), 0, 255, 0);
    }
}

static void flex_volume(struct check *c, const struct at *at, const struct json *s,
                        const struct volume_use *use)
{
    (void)use;
    JSON_EACH_MEMBER(m, field(s, "options")) {
        str rest = m->key, ns;
        char *dotted;

        str_cut(&rest, '/', &ns);
        dotted = arena_dupz(c->a, arena_fmt(c->a, "." PRI_STR, STR_ARG(ns)));
        for (char *p = dotted; *p; p++)
            *p = (char)tolower((unsigned char)*p);
        if (str_has_suffix(str_of(dotted), S(".kubernetes.io")) ||
            str_has_suffix(str_of(dotted), S(".k8s.io")))
            bad_invalid(c, AT_KEY(AT(at, "options"), m->key), json_string(m->key),
                        "kubernetes.io and k8s.io namespaces are reserved");
    }
}

static void azure_file(struct check *c, const struct at *at, const struct json *s,
                       const struct volume_use *use)
{
    const struct json *ns = field(s, "secretNamespace");

    if (use->persistent && ns && !json_str(ns).n)
        bad_required(c, AT(at, "secretNamespace"), "");
}

static void azure_disk(struct check *c, const struct at *at, const struct json *s,
                       const struct volume_use *use)
{
    static const char *const caching[] = {"None", "ReadOnly", "ReadWrite", NULL};
    static const char *const kinds[] = {"Dedicated", "Managed", "Shared", NULL};
    static const char *const managed[] = {
        "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/"
        "{disk-id}",
        NULL};
    static const char *const blob[] = {
        "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd", NULL};
    str kind = json_get_str(s, "kind"), uri = json_get_str(s, "diskURI");

    (void)use;
    check_enum(c, AT(at, "cachingMode"), field(s, "cachingMode"), caching);
    check_enum(c, AT(at, "kind"), field(s, "kind"), kinds);
    if (!field(s, "kind"))
        return;
    if (str_is(kind, "Managed")) {
        if (!str_has_prefix(uri, S("/subscriptions/")))
            bad_unsupported(c, AT(at, "diskURI"), json_string(uri), managed);
    } else if (!str_has_prefix(uri, S("https://")))
        bad_unsupported(c, AT(at, "diskURI"), json_string(uri), blob);
}

static void storageos(struct check *c, const struct at *at, const struct json *s,
                      const struct volume_use *use)
{
    str name = json_get_str(s, "volumeName"), ns = json_get_str(s, "volumeNamespace");

    if (!name.n)
        bad_required(c, AT(at, "volumeName"), "");
    else
        check_dns_label(c, AT(at, "volumeName"), name);
    if (ns.n)
        check_dns_label(c, AT(at, "volumeNamespace"), ns);
    secret_ref(c, at, s, use);
}

static void projected(struct check *c, const struct at *at, const struct json *s,
                      const struct volume_use *use)
{
    (void)use;
    check_projected(c, at, s);
}

void check_csi_driver_name(struct check *c, const struct at *at, str name)
{
    char *lower = arena_dupz(c->a, name);

    if (!name.n)
        bad_required(c, at, "");
    if (name.n > DRIVER_NAME_MAX)
        bad_too_long(c, at, DRIVER_NAME_MAX);
    for (char *p = lower; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    if (not_dns_subdomain((str){lower, name.n}))
        bad_invalid(c, at, json_string(name), "%s", not_dns_subdomain((str){lower, name.n}));
}

static void named_secret(struct check *c, const struct at *at, const struct json *ref)
{
    str name = json_get_str(ref, "name"), ns = json_get_str(ref, "namespace");

    if (!name.n)
        bad_required(c, AT(at, "name"), "");
    else
        check_dns_subdomain(c, AT(at, "name"), name);
    if (!ns.n)
        bad_required(c, AT(at, "namespace"), "");
    else
        check_dns_label(c, AT(at, "namespace"), ns);
}

static void csi(struct check *c, const struct at *at, const struct json *s,
                const struct volume_use *use)
{
    static const char *const secrets[] = {"controllerPublishSecretRef", "controllerExpandSecretRef",
                                          "nodePublishSecretRef", "nodeExpandSecretRef"};
    const struct json *ref = field(s, "nodePublishSecretRef");

    check_csi_driver_name(c, AT(at, "driver"), json_get_str(s, "driver"));
    if (use->persistent) {
        if (!json_get_str(s, "volumeHandle").n)
            bad_required(c, AT(at, "volumeHandle"), "");
        for (size_t i = 0; i < ARRAY_LEN(secrets); i++)
            if (field(s, secrets[i]))
                named_secret(c, AT(at, secrets[i]), field(s, secrets[i]));
    } else if (ref && !json_get_str(ref, "name").n)
        bad_required(c, AT(AT(at, "nodePublishSecretRef"), "name"), "");
    else if (ref)
        check_dns_subdomain(c, AT(at, "name"), json_get_str(ref, "name"));
}

/* A claim made for the pod: only labels and annotations of its metadata mean anything. */
static void ephemeral(struct check *c, const struct at *at, const struct json *s,
                      const struct volume_use *use)
{
    static const char *const fields[] = {
        "name",       "generateName",      "namespace",       "selfLink",
        "uid",        "resourceVersion",   "generation",      "creationTimestamp",
        "finalizers", "deletionTimestamp", "ownerReferences", "managedFields"};
    const struct json *template = field(s, "volumeClaimTemplate"),
                      *meta = field(template, "metadata");
    const struct at *here = AT(at, "volumeClaimTemplate");

    if (!template)
        bad_required(c, here, "");
    else {
        check_annotations(c, AT(AT(here, "metadata"), "annotations"), field(meta, "annotations"));
        check_labels(c, AT(AT(here, "metadata"), "labels"), field(meta, "labels"));
        for (size_t i = 0; i < ARRAY_LEN(fields); i++)
            if (field(meta, fields[i]))
                bad_forbidden(c, AT(AT(here, "metadata"), fields[i]), "cannot be set");
        check_claim_spec(c, AT(here, "spec"), field(template, "spec"), NULL);
    }
    if (use->pod_name.n && use->name.n) {
        str claim =
            arena_fmt(c->a, PRI_STR "-" PRI_STR, STR_ARG(use->pod_name), STR_ARG(use->name));

        if (claim.n > 253)
            bad_invalid(c, AT(at->up, "name"), json_string(use->name),
                        "PVC name \"" PRI_STR "\": must be no more than 253 characters",
                        STR_ARG(claim));
        if (not_dns_subdomain(claim))
            bad_invalid(c, AT(at->up, "name"), json_string(use->name),
                        "PVC name \"" PRI_STR "\": %s", STR_ARG(claim), not_dns_subdomain(claim));
    }
}

static void image(struct check *c, const struct at *at, const struct json *s,
                  const struct volume_use *use)
{
    static const char *const policies[] = {"Always", "IfNotPresent", "Never", NULL};

    if (use->is_pod && !json_get_str(s, "reference").n)
        bad_required(c, AT(at, "reference"), "");
    check_required_enum(c, AT(at, "pullPolicy"), field(s, "pullPolicy"), policies);
}

static void local(struct check *c, const struct at *at, const struct json *s,
                  const struct volume_use *use)
{
    (void)use;
    if (!json_get_str(s, "path").n)
        bad_required(c, AT(at, "path"), "");
    else
        check_no_backsteps(c, AT(at, "path"), json_get_str(s, "path"));
}

/* ---- the table ---- */

struct source {
    const char *name, *required; /* fields that must be there, separated by blanks */
    source_fn *check;
    const char *shown;   /* in paths below it, where that is another word */
    const char *refused; /* in the complaint about a second source */
};

static const struct source of_pods[] = {
    {"emptyDir", "", empty_dir},
    {"hostPath", "", host_path},
    {"gitRepo", "repository", git_repo},
    {"gcePersistentDisk", "pdName", partition, .shown = "persistentDisk"},
    {"awsElasticBlockStore", "volumeID", partition},
    {"secret", "secretName", secret},
    {"nfs", "server path", nfs},
    {"iscsi", "", iscsi},
    {"glusterfs", "endpoints path", glusterfs},
    {"flocker", "", flocker},
    {"persistentVolumeClaim", "claimName", NULL},
    {"rbd", "monitors image", NULL},
    {"cinder", "volumeID", secret_ref},
    {"cephfs", "monitors", NULL, .refused = "cephFS"},
    {"quobyte", "", quobyte},
    {"downwardAPI", "", downward_api, .refused = "downwarAPI"},
    {"fc", "", fc},
    {"flexVolume", "driver", flex_volume},
    {"configMap", "name", secret},
    {"azureFile", "secretName shareName", azure_file},
    {"vsphereVolume", "volumePath", NULL},
    {"photonPersistentDisk", "pdID", NULL},
    {"portworxVolume", "volumeID", NULL},
    {"azureDisk", "diskName diskURI", azure_disk},
    {"storageos", "", storageos},
    {"projected", "", projected},
    {"scaleIO", "gateway system volumeName", NULL},
    {"csi", "", csi},
    {"ephemeral", "", ephemeral},
    {"image", "", image},
};

static const struct source of_persistent_volumes[] = {
    {"hostPath", "", host_path},
    {"gcePersistentDisk", "pdName", partition, .shown = "persistentDisk"},
    {"awsElasticBlockStore", "volumeID", partition},
    {"glusterfs", "endpoints path", glusterfs},
    {"flocker", "", flocker},
    {"nfs", "server path", nfs},
    {"rbd", "monitors image", NULL},
    {"quobyte", "", quobyte},
    {"cephfs", "monitors", NULL, .refused = "cephFS"},
    {"iscsi", "", iscsi},
    {"cinder", "volumeID", secret_ref},
    {"fc", "", fc},
    {"flexVolume", "driver", flex_volume},
    {"azureFile", "secretName shareName", azure_file},
    {"vsphereVolume", "volumePath", NULL},
    {"photonPersistentDisk", "pdID", NULL},
    {"portworxVolume", "volumeID", NULL},
    {"azureDisk", "diskName diskURI", azure_disk},
    {"scaleIO", "gateway system volumeName", NULL},
    {"local", "", local},
    {"storageos", "", storageos},
    {"csi", "", csi},
};

static void check_source(struct check *c, const struct at *at, const struct source *s,
                         const struct json *v, const struct volume_use *use)
{
    const struct at *here = AT(at, s->shown ? s->shown : s->name);
    str rest = str_of(s->required), word;

    while (rest.n && str_cut(&rest, ' ', &word)) {
        char *name = arena_dupz(c->a, word);

        if (!is_there(field(v, name)))
            bad_required(c, AT(here, name), "");
    }
    if (s->check)
        s->check(c, here, v, use);
}

void check_volume_source(struct check *c, const struct at *at, const struct json *source,
                         const struct volume_use *use)
{
    const struct source *table = use->persistent ? of_persistent_volumes : of_pods;
    size_t n = use->persistent ? ARRAY_LEN(of_persistent_volumes) : ARRAY_LEN(of_pods);
    bool found = false;

    for (size_t i = 0; i < n; i++) {
        const struct json *v = field(source, table[i].name);

        if (!v)
            continue;
        if (found && !(use->persistent && table[i].check == flex_volume))
            bad_forbidden(c, AT(at, table[i].refused ? table[i].refused : table[i].name),
                          "may not specify more than 1 volume type");
        else
            check_source(c, at, &table[i], v, use);
        if (!found && use->persistent && table[i].check == local && !field(source, "nodeAffinity"))
            bad_required(c, AT(at, "nodeAffinity"), "Local volume requires node affinity");
        found = true;
    }
    if (!found)
        bad_required(c, at, "must specify a volume type");
}

/* Claims that the pod's ephemeral volumes will make. */
static bool is_own_claim(struct check *c, const struct json *volumes, str pod, str claim)
{
    JSON_EACH(v, volumes)
        if (pod.n && field(v, "ephemeral") &&
            str_eq(claim, arena_fmt(c->a, PRI_STR "-" PRI_STR, STR_ARG(pod),
                                    STR_ARG(json_get_str(v, "name")))))
            return true;
    return false;
}

void check_volumes(struct check *c, const struct at *at, const struct json *volumes,
                   const struct volume_use *use, struct map *sound)
{
    int64_t i = 0;

    JSON_EACH(v, volumes) {
        const struct at *here = AT_INDEX(at, i++);
        struct volume_use one = *use;
        unsigned before = check_count(c);
        str claim = json_get_str(v, "persistentVolumeClaim.claimName");

        one.name = json_get_str(v, "name");
        check_volume_source(c, here, v, &one);
        if (!one.name.n)
            bad_required(c, AT(here, "name"), "");
        else
            check_dns_label(c, AT(here, "name"), one.name);
        if (map_find(sound, one.name))
            bad_duplicate(c, AT(here, "name"), json_string(one.name), "");
        if (check_count(c) == before)
            map_put(sound, one.name, v);
        if (claim.n && is_own_claim(c, volumes, use->pod_name, claim))
            bad_invalid(c, AT(AT(here, "persistentVolumeClaim"), "claimName"), json_string(claim),
                        "must not reference a PVC that gets created for an ephemeral volume");
    }
}
