/* warn.h - what Warning headers are made with, and whose warnings there are. */
#ifndef K1S_API_WARNINGS_WARN_H
#define K1S_API_WARNINGS_WARN_H
#include "api/api_internal.h"
#include "api/validation/check.h"

void warn(struct write *w, const char *fmt, ...) PRINTF(2, 3);
/* "<place>: <text>" */
void warn_at(struct write *w, const struct at *at, const char *fmt, ...) PRINTF(3, 4);
const char *quoted(struct arena *a, str s); /* as Go's %q */

/* NULL, or why a label of nodes is out of use. */
const char *label_message(str label);
/* Bytes come whole. */
void warn_fraction(struct write *w, const struct at *at, const struct json *amounts,
                   const char *name);
/* values: those that no label can have, too. */
void warn_node_term(struct write *w, const struct at *at, const struct json *term, bool values);
void warn_claim_spec(struct write *w, const struct at *at, const struct json *spec);
/* Addresses that are not written in their usual form. */
void warn_ip(struct write *w, const struct at *at, str ip);
void warn_cidr(struct write *w, const struct at *at, str cidr);

/* Of a pod's volumes: files that cannot all be there. */
void warn_paths(struct write *w, const struct json *volumes);

/* at: NULL for a pod itself, else the place of the template. */
void warn_pod(struct write *w, const struct at *at, const struct json *pod);
/* custom.c */
void warn_finalizers(struct write *w); /* of a custom object */
void warn_definition(struct write *w); /* of a custom kind */
#endif
