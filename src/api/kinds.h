/* kinds.h - what one kind does beyond what its schema says: the hooks of the generic verbs.
 *
 * The verbs (create.c, update.c, delete.c ...) are the same for every kind; where Kubernetes'
 * registry has a strategy per kind, there is a row in kind_hooks_table (kinds.c). A kind without a
 * row gets the defaults: unconditional updates allowed, a Status as the answer of DELETE, columns
 * Name and Age, no selectable fields beyond name and namespace.
 *
 * All hooks run on the loop, see the decoded and defaulted tree, may change `w->obj` (in w->a) and
 * must not keep pointers. */
#ifndef K1S_API_KINDS_H
#define K1S_API_KINDS_H
#include "api/api.h"

struct kind;
struct req;
struct answers;

/* One object on its way to the store. */
struct write {
    struct api *api;
    struct req *req; /* who asks; never NULL */
    struct arena *a; /* lives until the write is answered */
    const struct kind *kind;
    str ns, name, subresource; /* name is empty before generateName has been used */
    struct json *obj;          /* the new object */
    const struct json *old;    /* NULL: create */
    bool dry_run;
    bool bootstrap; /* the server's own first objects: status and generation as given */
    bool claimed;   /* the kind's `claim` has taken something */
    bool applied;   /* managedFields are already right (server-side apply) */
    wall_time now;
    struct quota_grant *grants; /* of quotas, until the write is settled (quota.c) */
    bool stored;                /* what the store was given is a new version */
    struct answers *answers;    /* of webhooks and policies; NULL: none are concerned (dynamic.h) */
};

typedef void kind_prepare_fn(struct write *w);
/* Appends causes to *errs (made when needed; message and details are filled by the caller). */
typedef void kind_validate_fn(struct write *w, struct err **errs);
/* May refuse: the error ends the request as it stands. */
typedef struct err *kind_admit_fn(struct write *w);
/* Warning header texts for an accepted object. */
typedef void kind_warn_fn(struct write *w);

/* A field that field selectors may name, beside those of metadata. The value is what is at `path`, else at `or_path` (string,
 * number or boolean; NULL: nowhere), else `otherwise`. Sources: AddFieldLabelConversionFunc() in pkg/apis/(group)/(version),
 * and the SelectableFields of pkg/registry. */
struct field_label {
    const char *label, *path, *otherwise, *or_path;
};

enum column_show {             /* what is shown of the value at a column's path */
                   SHOW_AS_IS, /* null where there is none */
                   SHOW_VALUE, /* `otherwise` where there is none */
                   SHOW_TEXT,  /* a scalar as text; `otherwise` where that is empty */
                   SHOW_INT,
                   SHOW_BOOL,
                   SHOW_COUNT,   /* how many items or members it has */
                   SHOW_LABELS,  /* a map: "a=b,c=d" */
                   SHOW_SELECTOR /* a label selector in the form of kubectl's -l */
};

/* A column of the Table form. cell() may be NULL when path is given. */
struct column {
    const char *name, *type, *format, *description; /* type NULL: a cell that no column announces */
    int priority;
    const char *path; /* dotted, with `show`; NULL: cell() */
    void (*cell)(struct arena *a, const struct json *obj, wall_time now, struct json *ret);
    enum column_show show;
    const char *otherwise;
    const char *json_path; /* custom resources: where the value is (crd_columns.c) */
};

enum { /* kind_hooks.flags */
       KIND_GENERATION =
           1 << 0, /* metadata.generation 1 at create, +1 when a `generation_of` field changes */
       KIND_CREATE_ON_UPDATE = 1 << 1,   /* PUT to an absent name creates */
       KIND_CONDITIONAL_UPDATE = 1 << 2, /* PUT must carry resourceVersion */
       KIND_RETURN_DELETED = 1 << 3,     /* DELETE answers with the object */
       KIND_ORPHAN_BY_DEFAULT = 1 << 4,  /* dependents survive unless asked otherwise */
       KIND_NO_GARBAGE_COLLECTION = 1 << 5,
       KIND_STATUS_ON_CREATE = 1 << 6,  /* a status sent with POST is kept (nodes) */
       KIND_NAME_PATH_SEGMENT = 1 << 7, /* names: any path segment (RBAC) */
       KIND_NAME_DNS_LABEL = 1 << 8,    /* names: RFC 1123 labels (namespaces) */
       KIND_NAME_DNS1035 = 1 << 9,      /* names: RFC 1035 labels */
       KIND_VIRTUAL = 1 << 10,          /* never stored: `create` answers by itself */
       KIND_NAME_IP = 1 << 11,          /* names: IP addresses in their canonical form */
};

struct kind_hooks {
    const char *group, *plural; /* of the kind, whichever version */
    uint32_t flags;
    const char *generation_of; /* dot paths, space-separated, whose change bumps the generation;
                                  NULL: "spec" */
    const char
        *update_passes; /* how often and in which order an update's metadata is looked at by the
                                  kind's own rules: 'n' as of a new object, 'c' as a change;
                                  NULL: "c". See validation/metadata.c */
    kind_prepare_fn *default_extra; /* after the schema's defaults, before managedFields: belongs to
                                       the writer */
    kind_prepare_fn *prepare_create, *prepare_update, *prepare_status;
    kind_admit_fn *admit;    /* after generic admission, before prepare */
    kind_admit_fn *allocate; /* after validation: gives out what only a valid object may take */
    kind_warn_fn *warn;
    const struct field_label *fields;      /* ends with label NULL */
    const struct field_label *more_fields; /* stored beside them for the other versions of the kind;
                                              not selectable here */
    const char *deprecated;                /* Warning of every request to the kind; NULL: none */
    const char *untracked;        /* top-level fields that no field manager owns; space-separated */
    const struct column *columns; /* ends with name NULL; NULL: the default ones */
    /* Conditions of a Table row, for objects that have run their course; JSON_NULL: none. May be
     * NULL. */
    struct json (*completed)(struct arena *a, const struct json *obj);
    /* Virtual kinds (reviews): answers the POST itself. */
    void (*create)(struct req *q, struct json *obj);
    /* Virtual kinds: answers GET (q->route.name set) and LIST itself. */
    void (*read)(struct req *q);
    /* An object has been written, deleted (not claimed) or its write has failed: keeps in-memory
     * allocations right. May be NULL. */
    void (*settled)(struct api *api, const struct json *obj, const struct json *old, bool ok,
                    bool claimed);
    /* The store accepts w->obj (never of a dry run): the last word, and what is written with it
     * (store_change.companions). Sets w->claimed when `settled` has to know of a failure. */
    struct err *(*claim)(struct write *w, int64_t revision, struct store_change *ret);
    /* The object ends: what is written with that. */
    struct err *(*release)(struct api *api, struct arena *a, const struct json *obj,
                           int64_t revision, struct store_change *ret);
};

const struct kind_hooks *kind_hooks_find(str group, str plural); /* never NULL */

/* Columns of kinds, one array per kind, found by the table in columns.c. NULL: none of its own. */
const struct column *columns_find(str group, str plural);
#endif
