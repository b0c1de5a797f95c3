/* crd_internal.h - what the files of custom kinds at work share: crd.c, crd_kind.c, crd_status.c. */
#ifndef K1S_API_CRD_INTERNAL_H
#define K1S_API_CRD_INTERNAL_H
#include "api/api_internal.h"
#include "api/crd.h"

/* What is served of one stored version of a definition. */
struct crd_set {
    uint32_t refs;
    bool terminating;
    struct arena *arena;
    struct custom_kind *kinds;
    size_t n;     /* served versions, in the order of the definition */
    str resource; /* "widgets.example.com" */
};
struct custom_kind {
    struct kind kind; /* first */
    struct crd_set *set;
    struct resource resource;
    struct kind_hooks hooks;
};

/* Names that a definition holds in its group: status.acceptedNames. */
struct crd_names {
    struct arena *arena;
    str group, plural, singular, kind, list_kind;
    const struct json *short_names;
    bool conflict; /* others that it would like are taken */
};

struct crd_entry {
    struct crds *crds;
    const struct obj *obj; /* newest version */
    struct crd_set *set;   /* NULL: not served */
    struct crd_names names;
    char hash[65];             /* of what the set was made from; empty: not served */
    struct store_watch *watch; /* on instances, while the definition is being deleted */
    bool due;                  /* its status has to be looked at */
    bool busy;                 /* its status is being written */
};
struct crds {
    struct api *api;
    const struct kind *kind; /* of definitions */
    struct map entries;      /* name -> struct crd_entry */
    struct store_watch *watch;
    struct loop_timer *timer;
    struct list writes; /* under way */
    const struct kind **served;
    size_t n;
};

/* ---- crd_kind.c ---- */
struct crd_set *crd_set_new(const struct obj *definition);
void crd_set_unref(void *set);
int crd_kind_cmp(const void *x, const void *y, void *ctx); /* of const struct kind *: for sorting */
/* "v2" before "v1" before "v1beta1" before "v1alpha1" before anything else, which goes by name. */
int crd_version_cmp(str x, str y);
str crd_storage_version(const struct json *crd);

/* ---- crd_status.c ---- */
bool crd_condition_is(const struct json *crd, const char *type);
/* Brings the entry's stored status in line, later; with no instances left, lets a definition go. */
void crd_status_write(struct crd_entry *x);
/* Deletes the instances of a definition that is being deleted, and tells when the last one is gone. */
void crd_instances_remove(struct crd_entry *x);
void crd_writes_forget(struct crds *c);
void crd_names_fill(struct crd_names *n, const struct json *crd); /* n zeroed or filled before */
void crd_names_fini(struct crd_names *n);
void crd_due(struct crd_entry *x);
#endif
