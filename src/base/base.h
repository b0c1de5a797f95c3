/* base.h - the vocabulary that every other folder is written in.
 *
 * Slices, growing buffers, shared byte strings, arenas, hash maps, vectors, intrusive lists,
 * errors and the log. Nothing here knows Kubernetes, and nothing here does I/O (but the log).
 *
 * Conventions (see docs/architecture.md): out of memory aborts; `x_find` borrows, `x_get` takes a
 * reference; outputs are the last parameters and stay untouched on failure. */
#ifndef K1S_BASE_H
#define K1S_BASE_H

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define MUST_USE __attribute__((warn_unused_result))
#define UNUSED __attribute__((unused))
#define NORETURN __attribute__((noreturn))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)                                                                                  \
    ({                                                                                             \
        __typeof__(a) min_a_ = (a);                                                                \
        __typeof__(b) min_b_ = (b);                                                                \
        min_a_ < min_b_ ? min_a_ : min_b_;                                                         \
    })
#define MAX(a, b)                                                                                  \
    ({                                                                                             \
        __typeof__(a) max_a_ = (a);                                                                \
        __typeof__(b) max_b_ = (b);                                                                \
        max_a_ > max_b_ ? max_a_ : max_b_;                                                         \
    })
#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define CLEANUP(type) __attribute__((cleanup(type##_cleanup)))
#define DEFINE_CLEANUP(type, ptr, fn)                                                              \
    static inline UNUSED void type##_cleanup(ptr *p)                                               \
    {                                                                                              \
        fn(*p);                                                                                    \
    }
#define TAKE(p)                                                                                    \
    ({                                                                                             \
        __typeof__(p) took_ = (p);                                                                 \
        (p) = NULL;                                                                                \
        took_;                                                                                     \
    })

/* BUG_ON - aborts with place and expression on our own mistakes, in release builds too. Input from
 * outside, however odd, never reaches it. */
#define BUG_ON(x)                                                                                  \
    do {                                                                                           \
        if (__builtin_expect(!!(x), 0))                                                            \
            bug_abort(__FILE__, __LINE__, #x);                                                     \
    } while (0)
NORETURN void bug_abort(const char *file, int line, const char *what);

/* ---- memory: never NULL; aborts when there is none ---- */
void *mem_alloc(size_t size);  /* uninitialised */
void *mem_zalloc(size_t size); /* zeroed */
void *mem_realloc(void *p, size_t size);
void *mem_dup(const void *p, size_t size);
char *mem_strdup(const char *s);
/* What is free within the heap, and code and constants that were needed once, go back to the system: takes milliseconds; any
 * thread. */
void mem_trim(void);
/* For what lives long (slab.c): the size is given back with the block. Any thread. */
void *slab_alloc(size_t size);
void slab_free(void *p, size_t size);
void slab_trim(void);
void mem_free(void *p);
#define NEW(type) ((type *)mem_zalloc(sizeof(type)))
DEFINE_CLEANUP(mem, void *, mem_free)

/* ---- str: a borrowed slice, perhaps without NUL ---- */
typedef struct {
    const char *p;
    size_t n;
} str;
#define STR(literal)                                                                               \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }                                  /* an initialiser, for tables */
#define S(literal) ((str)STR(literal)) /* the same as an expression */
#define STR_NONE ((str){NULL, 0})
#define PRI_STR "%.*s"
#define STR_ARG(s) (int)(s).n, (s).p

static inline str str_of(const char *z)
{
    return (str){z, z ? strlen(z) : 0};
} /* of a NUL-terminated string; NULL gives empty */
bool str_eq(str a, str b);
bool str_eq_nocase(str a, str b); /* ASCII */
int str_cmp(str a, str b);        /* byte order, as Go compares strings */
bool str_has_prefix(str s, str prefix);
bool str_has_suffix(str s, str suffix);
bool str_has_char(str s, char c);
ptrdiff_t str_index(str s, char c); /* -1: absent */
ptrdiff_t str_rindex(str s, char c);
ptrdiff_t str_find(str s, str needle);        /* -1: absent */
str str_slice(str s, size_t from, size_t to); /* clamped to the string */
str str_skip(str s, size_t n);                /* without the first n bytes */
str str_trim(str s);                          /* ASCII white space at both ends */
bool str_cut(
    str *rest, char sep,
    str *
        ret_head); /* rest "a/b/c" -> head "a", rest "b/c"; false when rest is exhausted (rest.p NULL) */
bool str_to_int64(str s, int64_t *ret); /* whole string, decimal, range-checked */
/* Go's text of a duration ("1h30m", "-1.5s", "300ms", "0") in nanoseconds; false when it is none or out of range.
 * API: https://pkg.go.dev/time#ParseDuration */
bool str_to_duration(str s, int64_t *ret_ns);
uint64_t str_hash(str s);
char *str_dupz(str s); /* heap, NUL-terminated; caller frees */
static inline bool str_is_empty(str s)
{
    return s.n == 0;
}
static inline bool str_is(str s, const char *z)
{
    return s.n == strlen(z) && (s.n == 0 || memcmp(s.p, z, s.n) == 0);
}

/* ---- buf: owns growing text or bytes, always NUL-terminated behind `n` once written to ---- */
struct buf {
    char *p;
    size_t n, cap;
    size_t limit;  /* bytes; 0: BUF_LIMIT_DEFAULT */
    bool overflow; /* sticks once a write would have passed the limit; the write is dropped */
};
#define BUF_LIMIT_DEFAULT ((size_t)1 << 30)
#define BUF_INIT ((struct buf){NULL, 0, 0, 0, false})
void buf_fini(struct buf *b);
void buf_clear(struct buf *b); /* keeps memory */
void buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_str(struct buf *b, str s);
void buf_z(struct buf *b, const char *z);
void buf_char_grow(struct buf *b, char c); /* the rest of buf_char() */
static inline void buf_char(struct buf *b, char c)
{
    if (b->n + 1 < b->cap && !b->overflow) { /* cap never allows more than the limit */
        b->p[b->n++] = c;
        b->p[b->n] = '\0';
    } else {
        buf_char_grow(b, c);
    }
}
void buf_int(struct buf *b, int64_t v);
void buf_fmt(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_vfmt(struct buf *b, const char *fmt, va_list ap);
/* Go's %q for text: printable UTF-8 stays, the rest is escaped. */
void buf_quoted(struct buf *b, str s);
void buf_drop(struct buf *b, size_t n); /* removes the first n bytes */
str buf_view(const struct buf *b);      /* borrowed until the next write */
const char *buf_cstr(struct buf *b);    /* NUL-terminated, borrowed until the next write */
static inline void buf_cleanup(struct buf *b)
{
    buf_fini(b);
}

/* ---- bytes: immutable, reference-counted (atomically: may cross threads) ---- */
struct bytes {
    uint32_t refs;
    uint32_t pad;
    size_t n;
    char data[]; /* followed by a NUL that is not counted */
};
const struct bytes *bytes_new(str s); /* copies; one reference */
const struct bytes *bytes_ref(const struct bytes *b);
void bytes_unref(const struct bytes *b); /* NULL: nothing */
static inline str bytes_str(const struct bytes *b)
{
    return (str){b->data, b->n};
}
DEFINE_CLEANUP(bytes, const struct bytes *, bytes_unref)

/* ---- arena: many small allocations, freed as a whole; not thread-safe ---- */
struct arena;
struct arena *arena_new(void);
void arena_free(struct arena *a);                /* NULL: nothing */
void arena_reset(struct arena *a);               /* frees all but one block, for reuse */
void *arena_alloc(struct arena *a, size_t size); /* 16-aligned, uninitialised */
void *arena_zalloc(struct arena *a, size_t size);
void *arena_grow(struct arena *a, void *p, size_t old_size, size_t new_size); /* in place if last */
str arena_dup(struct arena *a, str s); /* NUL-terminated copy */
char *arena_dupz(struct arena *a, str s);
str arena_fmt(struct arena *a, const char *fmt, ...) PRINTF(2, 3);
/* A span of time as kubectl shows ages: two units at most, coarser as it grows. Source: k8s.io/apimachinery/pkg/util/duration. */
str duration_text(struct arena *a, int64_t seconds);
str arena_vfmt(struct arena *a, const char *fmt, va_list ap);
/* fn(ctx) runs when the arena is freed or reset, the newest first, while what is in it is still there. It must not use the arena. */
void arena_at_end(struct arena *a, void (*fn)(void *ctx), void *ctx);
size_t arena_used(const struct arena *a); /* bytes handed out since new/reset */
DEFINE_CLEANUP(arena, struct arena *, arena_free)
#define ARENA_NEW(a, type) ((type *)arena_zalloc((a), sizeof(type)))
#define ARENA_NEW_N(a, type, n) ((type *)arena_zalloc((a), sizeof(type) * (size_t)(n)))

/* ---- map: hash map from a byte string (copied) to a pointer (borrowed); keeps insertion order
 * for iteration until something is deleted ---- */
struct map {
    struct map_entry *entries;
    uint32_t *index;
    uint32_t n, n_used, cap, mask;
};
struct map_entry {
    char *key; /* NULL: deleted */
    uint32_t key_n, hash;
    void *value;
};
void map_init(struct map *m);
void map_fini(struct map *m);                       /* not the values */
void *map_find(const struct map *m, str key);       /* NULL: absent */
void *map_put(struct map *m, str key, void *value); /* returns the value replaced, or NULL */
void *map_del(struct map *m, str key);              /* returns the value removed, or NULL */
/* Gives back what many removed entries have left, as map_put() does, too; not while iterating. */
void map_shrink(struct map *m);
static inline str map_key(const struct map_entry *e)
{
    return (str){e->key, e->key_n};
}
/* Deleting the current entry while iterating is allowed; inserting is not. */
#define MAP_EACH(e, m)                                                                             \
    for (struct map_entry *e = (m)->entries; e && e < (m)->entries + (m)->n_used; e++)             \
        if (e->key)

/* ---- list: intrusive, circular, doubly linked ---- */
struct list {
    struct list *prev, *next;
};
static inline void list_init(struct list *l)
{
    l->prev = l->next = l;
}
static inline bool list_is_empty(const struct list *l)
{
    return l->next == l;
}
static inline void list_add_tail(struct list *head, struct list *item)
{
    item->prev = head->prev;
    item->next = head;
    head->prev->next = item;
    head->prev = item;
}
static inline void list_add_head(struct list *head, struct list *item)
{
    list_add_tail(head->next, item);
}
static inline void list_del(struct list *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    item->prev = item->next = item;
}
#define LIST_ITEM(l, type, member) CONTAINER_OF(l, type, member)
#define LIST_EACH(it, head, member)                                                                \
    for (it = LIST_ITEM((head)->next, __typeof__(*it), member); &it->member != (head);             \
         it = LIST_ITEM(it->member.next, __typeof__(*it), member))
#define LIST_EACH_SAFE(it, tmp, head, member)                                                      \
    for (it = LIST_ITEM((head)->next, __typeof__(*it), member),                                    \
        tmp = LIST_ITEM(it->member.next, __typeof__(*it), member);                                 \
         &it->member != (head);                                                                    \
         it = tmp, tmp = LIST_ITEM(tmp->member.next, __typeof__(*it), member))

/* ---- tree: ordered map from a byte string to a pointer, by byte order (skip list inside) ---- */
struct tree;
struct tree_node;
struct tree *tree_new(void);
void tree_free(struct tree *t); /* not the values */
size_t tree_count(const struct tree *t);
void *tree_find(const struct tree *t, str key);
void *tree_put(struct tree *t, str key,
               void *value);             /* copies the key; returns the value replaced */
void *tree_del(struct tree *t, str key); /* returns the value removed */
const struct tree_node *tree_first_from(const struct tree *t, str key); /* first with key >= key */
const struct tree_node *tree_next(const struct tree_node *n);
str tree_key(const struct tree_node *n);
void *tree_value(const struct tree_node *n);

/* ---- errors: NULL is success; one owner ---- */
/* enumerator, Status.reason, HTTP code: the vocabulary of the API, in one place.
 * API: https://github.com/kubernetes/apimachinery/blob/master/pkg/apis/meta/v1/types.go (StatusReason) */
#define REASONS(X)                                                                                 \
    X(UNKNOWN, "", 500)                                                                            \
    X(UNAUTHORIZED, "Unauthorized", 401)                                                           \
    X(FORBIDDEN, "Forbidden", 403)                                                                 \
    X(NOT_FOUND, "NotFound", 404)                                                                  \
    X(ALREADY_EXISTS, "AlreadyExists", 409)                                                        \
    X(CONFLICT, "Conflict", 409)                                                                   \
    X(GONE, "Gone", 410)                                                                           \
    X(EXPIRED, "Expired", 410)                                                                     \
    X(INVALID, "Invalid", 422)                                                                     \
    X(SERVER_TIMEOUT, "ServerTimeout", 500)                                                        \
    X(TIMEOUT, "Timeout", 504)                                                                     \
    X(TOO_MANY_REQUESTS, "TooManyRequests", 429)                                                   \
    X(BAD_REQUEST, "BadRequest", 400)                                                              \
    X(METHOD_NOT_ALLOWED, "MethodNotAllowed", 405)                                                 \
    X(NOT_ACCEPTABLE, "NotAcceptable", 406)                                                        \
    X(REQUEST_TOO_LARGE, "RequestEntityTooLarge", 413)                                             \
    X(UNSUPPORTED_MEDIA, "UnsupportedMediaType", 415)                                              \
    X(INTERNAL, "InternalError", 500)                                                              \
    X(UNAVAILABLE, "ServiceUnavailable", 503)
#define X(id, name, code) REASON_##id,
enum reason { REASONS(X) };
#undef X
str reason_name(enum reason r);
int reason_code(enum reason r); /* HTTP status */

struct err_cause { /* one StatusCause: a field path and what is wrong with it */
    char *type, *message, *field;
};
/* What an error keeps of its causes: objects of the wire's size can break a rule a hundred thousand times, and a message
 * may repeat a megabyte; nobody reads on. The others are counted. */
#define ERR_CAUSES_MAX 1024
#define ERR_CAUSE_BYTES_MAX ((size_t)1 << 20) /* the one that passes it is kept */
struct err {
    enum reason reason;
    int code;          /* HTTP status; reason_code() unless set otherwise */
    char *reason_text; /* a reason that others have chosen (webhooks); NULL: that of `reason` */
    char *message;     /* for the client; its wording is part of the wire contract */
    char *trail;       /* for the log: what was being done, outermost first; may be NULL */
    struct err_cause *causes; /* Invalid: one per field path */
    unsigned n_causes, n_causes_left_out, retry_after_s;
    size_t cause_bytes;
    char *details_name, *details_group, *details_kind, *details_uid; /* NULL: absent */
    char *continue_token; /* of an expired list: how to get the rest all the same; NULL: none */
};
MUST_USE struct err *err_new(enum reason reason, const char *fmt, ...) PRINTF(2, 3);
MUST_USE struct err *err_note(struct err *err, const char *doing, ...)
    PRINTF(2, 3); /* adds to trail */
MUST_USE struct err *err_errno(int negative_errno, const char *doing, ...)
    PRINTF(2, 3); /* INTERNAL: "doing: strerror" */
void err_cause_add(struct err *err, const char *type, str field, str message);
static inline bool err_is_full(const struct err *err) /* further causes are only counted */
{
    return err->n_causes == ERR_CAUSES_MAX || err->cause_bytes >= ERR_CAUSE_BYTES_MAX;
}
struct err *err_copy(const struct err *err);
void err_free(struct err *err);              /* NULL: nothing */
const char *err_text(const struct err *err); /* message, borrowed */
DEFINE_CLEANUP(err, struct err *, err_free)

/* ---- log: one line each to stderr; klog's shape, so that the field's tools can read it ---- */
enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
extern enum log_level log_level_max; /* set once by main before threads start */
void log_line(enum log_level level, const char *area, const char *fmt, ...) PRINTF(3, 4);
#define log_error(area, ...) log_line(LOG_ERROR, area, __VA_ARGS__)
#define log_warning(area, ...) log_line(LOG_WARNING, area, __VA_ARGS__)
#define log_info(area, ...) log_line(LOG_INFO, area, __VA_ARGS__)
#define log_debug(area, ...)                                                                       \
    do {                                                                                           \
        if (log_level_max >= LOG_DEBUG)                                                            \
            log_line(LOG_DEBUG, area, __VA_ARGS__);                                                \
    } while (0)

/* ---- sorting with a context, base64, hex ---- */
void sort_with(void *base, size_t n, size_t size, int (*cmp)(const void *, const void *, void *),
               void *ctx);
void buf_base64(struct buf *b, str in);                   /* standard alphabet, padded */
void buf_base64url(struct buf *b, str in);                /* URL alphabet, not padded */
bool base64_decode(struct arena *a, str in, str *ret);    /* standard, padded; false: malformed */
bool base64url_decode(struct arena *a, str in, str *ret); /* padding optional */
void buf_hex(struct buf *b, str in);

/* Functions whose use is a mistake: unbounded, unchecked or stateful. */
#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol gets strncpy strncat

#endif
