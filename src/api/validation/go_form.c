/* go_form.c - API objects in the form of Kubernetes' internal types.
 *
 * Where a message shows a structured value, Kubernetes marshals its internal type, which has no JSON
 * names: Go's field names in the order of the internal struct, with every zero value written. That
 * form follows from the schema's tables; what is irregular stands in the two tables below.
 *
 * Source: names and order of fields as the messages of Kubernetes v1.36 show them. */
#include "api/validation/go_form.h"

#include <ctype.h>

#define GROUPS "io.k8s.api."
#define CORE GROUPS "core.v1."

/* Names that are not the JSON name with a capital first letter. */
static const struct {
    const char *json, *go;
} names[] = {
    {"apiGroup", "APIGroup"},
    {"apiVersion", "APIVersion"},
    {"awsElasticBlockStore", "AWSElasticBlockStore"},
    {"cel", "CEL"},
    {"cephfs", "CephFS"},
    {"chapAuthDiscovery", "DiscoveryCHAPAuth"},
    {"chapAuthSession", "SessionCHAPAuth"},
    {"csi", "CSI"},
    {"diskURI", "DataDiskURI"},
    {"dnsConfig", "DNSConfig"},
    {"dnsPolicy", "DNSPolicy"},
    {"endpoints", "EndpointsName"},
    {"fc", "FC"},
    {"fsGroup", "FSGroup"},
    {"fsGroupChangePolicy", "FSGroupChangePolicy"},
    {"fsType", "FSType"},
    {"gcePersistentDisk", "GCEPersistentDisk"},
    {"gmsaCredentialSpec", "GMSACredentialSpec"},
    {"gmsaCredentialSpecName", "GMSACredentialSpecName"},
    {"grpc", "GRPC"},
    {"httpGet", "HTTPGet"},
    {"httpHeaders", "HTTPHeaders"},
    {"ip", "IP"},
    {"ipFamilies", "IPFamilies"},
    {"ipFamilyPolicy", "IPFamilyPolicy"},
    {"iqn", "IQN"},
    {"iscsi", "ISCSI"},
    {"iscsiInterface", "ISCSIInterface"},
    {"nfs", "NFS"},
    {"os", "OS"},
    {"pdID", "PdID"},
    {"pdName", "PDName"},
    {"rbd", "RBD"},
    {"seLinuxChangePolicy", "SELinuxChangePolicy"},
    {"seLinuxOptions", "SELinuxOptions"},
    {"sslEnabled", "SSLEnabled"},
    {"storageos", "StorageOS"},
    {"targetWWNs", "TargetWWNs"},
    {"tcpSocket", "TCPSocket"},
    {"tty", "TTY"},
    {"uid", "UID"},
    {"wwids", "WWIDs"},
};

/* Types whose fields are others than the schema's, or in another order. A word is a JSON name; `!` behind
 * it: a boolean that the schema has elsewhere, `?`: a pointer of that kind; `=NAME` its name in Go. */
static const struct {
    const char *type, *fields;
} orders[] = {
    {"PodSpec", "volumes initContainers containers ephemeralContainers restartPolicy "
                "terminationGracePeriodSeconds activeDeadlineSeconds dnsPolicy nodeSelector "
                "serviceAccountName automountServiceAccountToken nodeName securityContext "
                "imagePullSecrets hostname subdomain setHostnameAsFQDN affinity schedulerName "
                "tolerations hostAliases priorityClassName priority preemptionPolicy dnsConfig "
                "readinessGates runtimeClassName overhead enableServiceLinks "
                "topologySpreadConstraints os schedulingGates resourceClaims resources "
                "hostnameOverride schedulingGroup"},
    {"PodSecurityContext",
     "hostNetwork! hostPID! hostIPC! shareProcessNamespace? hostUsers? seLinuxOptions "
     "windowsOptions runAsUser runAsGroup runAsNonRoot supplementalGroups "
     "supplementalGroupsPolicy fsGroup fsGroupChangePolicy sysctls seccompProfile "
     "appArmorProfile seLinuxChangePolicy"},
    {"VolumeSource",
     "hostPath emptyDir gcePersistentDisk awsElasticBlockStore gitRepo secret nfs iscsi glusterfs "
     "persistentVolumeClaim rbd quobyte flexVolume cinder cephfs flocker downwardAPI fc azureFile "
     "configMap vsphereVolume azureDisk photonPersistentDisk projected portworxVolume scaleIO "
     "storageos csi ephemeral image"},
    {"PersistentVolumeSource",
     "gcePersistentDisk awsElasticBlockStore hostPath glusterfs nfs rbd quobyte iscsi flexVolume "
     "cinder cephfs fc flocker azureFile vsphereVolume azureDisk photonPersistentDisk "
     "portworxVolume scaleIO local storageos csi"},
    {"RBDVolumeSource", "monitors=CephMonitors image=RBDImage fsType pool=RBDPool user=RadosUser "
                        "keyring secretRef readOnly"},
    {"RBDPersistentVolumeSource", "monitors=CephMonitors image=RBDImage fsType pool=RBDPool "
                                  "user=RadosUser keyring secretRef readOnly"},
    {"ISCSIVolumeSource", "targetPortal iqn lun iscsiInterface fsType readOnly portals "
                          "chapAuthDiscovery chapAuthSession secretRef initiatorName"},
    {"PodAffinityTerm", "labelSelector namespaces topologyKey namespaceSelector matchLabelKeys "
                        "mismatchLabelKeys"},
    {"PersistentVolumeClaimSpec",
     "accessModes selector resources volumeName storageClassName volumeMode dataSource "
     "dataSourceRef volumeAttributesClassName"},
};

static str go_name(struct arena *a, str json)
{
    char *p;

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_is(json, names[i].json))
            return str_of(names[i].go);
    p = arena_dupz(a, json);
    p[0] = (char)toupper((unsigned char)p[0]);
    return str_of(p);
}

static const char *order_of(const struct schema_type *t)
{
    if (!str_has_prefix(t->name, S(CORE)))
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(orders); i++)
        if (str_is(str_skip(t->name, sizeof CORE - 1), orders[i].type))
            return orders[i].fields;
    return NULL;
}

static struct json form(struct arena *a, const struct schema_type *t, bool pointer,
                        const struct json *v);

static void put_fields(struct arena *a, const struct schema_type *t, const struct json *v,
                       struct json *out);

static void put_field(struct arena *a, const struct schema_field *f, str name, const struct json *v,
                      struct json *out)
{
    const struct json *m = json_find(v, f->name);

    if (f->flags & FIELD_INLINE)
        put_fields(a, f->type, v, out);
    else if (str_is(f->name, "metadata")) { /* embedded: its members are the outer struct's */
        JSON_EACH_MEMBER(x, m) {
            struct json share = json_share(a, &x->value);

            if (share.type == JSON_OBJECT) /* labels and annotations */
                json_sort_keys(&share);
            json_set(a, out, x->key, share);
        }
    } else
        json_set(a, out, name, form(a, f->type, f->flags & FIELD_POINTER, m));
}

static void put_fields(struct arena *a, const struct schema_type *t, const struct json *v,
                       struct json *out)
{
    const char *order = order_of(t);
    str rest = str_of(order ? order : ""), word, name;

    if (!order)
        for (uint32_t i = 0; i < t->n_fields; i++)
            put_field(a, &t->fields[i], go_name(a, t->fields[i].name), v, out);
    while (order && str_cut(&rest, ' ', &word)) {
        const struct schema_field *f;
        char last = word.p[word.n - 1];

        name = word;
        str_cut(&name, '=', &word);
        if (last == '!' || last == '?') {
            const struct json *m = json_find(v, str_slice(word, 0, word.n - 1));

            json_set(a, out, go_name(a, str_slice(word, 0, word.n - 1)),
                     m             ? *m
                     : last == '!' ? json_bool(false)
                                   : json_null());
            continue;
        }
        f = schema_find_field(t, word);
        BUG_ON(!f);
        put_field(a, f, name.n ? name : go_name(a, word), v, out);
    }
}

/* The pod's host namespaces are part of its security context inside Kubernetes. */
static struct json with_host_fields(struct arena *a, const struct json *spec)
{
    static const char *const moved[] = {"hostNetwork", "hostPID", "hostIPC",
                                        "shareProcessNamespace", "hostUsers"};
    struct json copy = json_share(a, spec),
                *context = json_make(a, &copy, "securityContext", JSON_OBJECT);

    for (size_t i = 0; i < ARRAY_LEN(moved); i++)
        if (json_findz(spec, moved[i]))
            json_setz(a, context, moved[i], *json_findz(spec, moved[i]));
    return copy;
}

static struct json zero(struct arena *a, const struct schema_type *t)
{
    struct json out = json_object();

    switch (t->kind) {
    case SCHEMA_STRUCT:
        put_fields(a, t, NULL, &out);
        return out;
    case SCHEMA_STRING:
        return json_z("");
    case SCHEMA_BOOL:
        return json_bool(false);
    case SCHEMA_INT32:
    case SCHEMA_INT64:
    case SCHEMA_UINT32:
    case SCHEMA_UINT64:
    case SCHEMA_DOUBLE:
    case SCHEMA_FLOAT:
    case SCHEMA_ENUM:
    case SCHEMA_INT_OR_STRING:
        return json_int(0);
    case SCHEMA_QUANTITY:
        return json_z("0");
    case SCHEMA_DURATION:
        return json_z("0s");
    case SCHEMA_MAP:
    case SCHEMA_LIST:
    case SCHEMA_BYTES:
    case SCHEMA_TIME:
    case SCHEMA_MICROTIME:
    case SCHEMA_RAW:
    case SCHEMA_FIELDS_V1:
    case SCHEMA_ANY:
    case SCHEMA_SCHEMA_OR_BOOL:
    case SCHEMA_SCHEMA_OR_ARRAY:
    case SCHEMA_SCHEMA_OR_STRINGS:
    case SCHEMA_VERB_LIST:
        break;
    }
    return json_null();
}

static struct json form(struct arena *a, const struct schema_type *t, bool pointer,
                        const struct json *v)
{
    struct json out, moved;

    if (!v || v->type == JSON_NULL)
        return pointer ? json_null() : zero(a, t);
    if (t->kind == SCHEMA_LIST) {
        out = json_array();
        JSON_EACH(it, v)
            json_append(a, &out, form(a, t->item, false, it));
        return out.n ? out : json_null();
    }
    if (t->kind == SCHEMA_MAP) {
        out = json_share(a, v);
        json_sort_keys(&out);
        return out.n ? out : json_null();
    }
    if (t->kind != SCHEMA_STRUCT || !str_has_prefix(t->name, S(GROUPS)))
        return json_share(a, v); /* types of meta/v1 have JSON names inside, too */
    if (str_is(t->name, CORE "PodSpec")) {
        moved = with_host_fields(a, v);
        v = &moved;
    }
    out = json_object();
    put_fields(a, t, v, &out);
    return out;
}

struct json go_form(struct arena *a, const char *type, const struct json *v)
{
    const struct schema_type *t =
        schema_find_type(arena_fmt(a, "%s%s", strchr(type, '.') ? GROUPS : CORE, type));

    BUG_ON(!t);
    return form(a, t, false, v);
}

static str pretty(struct arena *a, const struct json *v)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    json_encode_pretty(&b, v, 1, 0);
    return arena_dup(a, buf_view(&b));
}

str go_diff(struct arena *a, const char *type, const struct json *old, const struct json *now)
{
    struct json x = go_form(a, type, old), y = go_form(a, type, now);

    return unified_diff(a, pretty(a, &x), pretty(a, &y));
}
