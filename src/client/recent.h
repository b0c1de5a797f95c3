/* recent.h - which keys were there lately: a bounded memory that forgets what was not used longest.
 *
 * Of a key only a hash is kept; two keys of one hash are one. What the owner remembers of each lies
 * beside it, a few bytes, in one block that grows and shrinks: thousands of entries that live for
 * an hour would otherwise hold as many pages of the heap among what lives for a moment. */
#ifndef K1S_CLIENT_RECENT_H
#define K1S_CLIENT_RECENT_H
#include "base/base.h"

#define RECENT_MAX_MAX 0xfffeu

struct recent_item { /* first in the owner's */
    uint32_t hash[2];
    uint32_t used_s;
    uint16_t older, newer, chain; /* positions */
};

struct recent {
    size_t item_size;
    uint16_t max, n, cap;    /* items */
    uint16_t oldest, newest; /* positions */
    uint32_t keep_s;
    char *items;      /* dense: [0, n) */
    uint16_t *chains; /* cap of them: the first position of each hash */
};

/* max: items, at most RECENT_MAX_MAX; keep_s: seconds without use after which one is forgotten. */
void recent_init(struct recent *m, size_t item_size, uint16_t max, uint32_t keep_s);
void recent_fini(struct recent *m);

/* The item, or NULL. It is borrowed until the next recent_use() or recent_expire(). */
void *recent_find(const struct recent *m, uint64_t hash);

/* The item, which becomes the newest; a new one is zeroed and may take the oldest one's place.
 * now_s: seconds of any clock that does not go back. *ret_idle_s: since its last use, or -1: it is
 * new. */
void *recent_use(struct recent *m, uint64_t hash, int64_t now_s, int64_t *ret_idle_s);

/* Forgets what was not used for keep_s. Returns the second at which the next is due; -1: none. */
int64_t recent_expire(struct recent *m, int64_t now_s);
#endif
