/* event_parts.c - the pieces that core/v1 Events (events.c) and those of events.k8s.io/v1
 * (event_series.c) are made of.
 *
 * API: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/ */
#include "client/client_internal.h"

struct event_about event_about_of(const struct json *object, str field_path)
{
    return (struct event_about){
        .api_version = json_get_str(object, "apiVersion"),
        .kind = json_get_str(object, "kind"),
        .ns = json_get_str(object, "metadata.namespace"),
        .name = json_get_str(object, "metadata.name"),
        .uid = json_get_str(object, "metadata.uid"),
        .resource_version = json_get_str(object, "metadata.resourceVersion"),
        .field_path = field_path,
    };
}

void event_key_part(struct buf *key, str s)
{
    buf_str(key, s);
    buf_char(key, '\0');
}

void event_about_key(struct buf *key, const struct event_about *about)
{
    event_key_part(key, about->kind);
    event_key_part(key, about->ns);
    event_key_part(key, about->name);
    event_key_part(key, about->uid);
    event_key_part(key, about->api_version);
}

void event_member(struct buf *b, const char *name, str value)
{
    if (!value.n)
        return;
    buf_fmt(b, "%s\"%s\":", b->p[b->n - 1] == '{' ? "" : ",", name);
    json_encode_string(b, value);
}

void event_about_write(struct buf *b, const struct event_about *about)
{
    buf_char(b, '{');
    event_member(b, "kind", about->kind);
    event_member(b, "namespace", about->ns);
    event_member(b, "name", about->name);
    event_member(b, "uid", about->uid);
    event_member(b, "apiVersion", about->api_version);
    event_member(b, "resourceVersion", about->resource_version);
    event_member(b, "fieldPath", about->field_path);
    buf_char(b, '}');
}
