/* describe.h - what the describers share: text with tabs (tabs.c lays it out) and its common parts. */
#ifndef K1S_CLI_KUBECTL_DESCRIBE_H
#define K1S_CLI_KUBECTL_DESCRIBE_H
#include "cli/kubectl/kubectl.h"

struct describe {
    struct kubectl *k;
    struct buf b;
};
void describe_labels(struct describe *d, const char *title, const struct json *labels);
void describe_annotations(struct describe *d, const char *title, const struct json *annotations);
void describe_owner(struct describe *d, const struct json *o);
str describe_time(struct kubectl *k, str rfc3339);
void describe_template(struct describe *d, const struct json *template);

/* One kind each, between "Namespace:" and "Events:". */
void describe_pod(struct describe *d, const struct json *o);
MUST_USE struct err *describe_deployment(struct describe *d, const struct json *o);
MUST_USE struct err *describe_replicaset(struct describe *d, const struct json *o);
MUST_USE struct err *describe_service(struct describe *d, const struct json *o);
MUST_USE struct err *describe_namespace(struct describe *d, const struct json *o);
void describe_configmap(struct describe *d, const struct json *o);
void describe_secret(struct describe *d, const struct json *o);
#endif
