/* engine.h - what makes revisions durable: an append-only log of object versions with compaction.
 *
 * An engine knows nothing of indexes or watches. Its functions block and run on the disk thread (engine_open,
 * engine_load and engine_close also on the loop before and after that thread's life). Rows are in revision order;
 * each row names the revision it replaces, so that neither compaction nor reading the past needs an index by key:
 *   state at R   = versions in memory with revision <= R, and `prev` of each row in (R, now] whose prev is in [1, R]
 *   compact to C = delete `prev` of each row in (last C, C], and those rows themselves that are deletions */
#ifndef K1S_STORE_ENGINE_H
#define K1S_STORE_ENGINE_H

#include "store/store.h"

struct engine;
struct engine_row {         /* borrowed during the call that hands it out */
    int64_t revision, prev; /* prev 0: the key was absent */
    bool deleted;
    struct key key;
    str uid, labels, fields, data;
};
struct engine_write {
    const struct obj *obj; /* the new version; of a deletion the final one */
    int64_t prev;
    bool deleted;
};
typedef void engine_row_fn(void *ctx, const struct engine_row *row);

/* Errors name the file and the reason: damaged, newer schema, in use by another process, no space, not writable. */
MUST_USE struct err *engine_open(const char *path, const struct store_cipher *cipher,
                                 struct engine **ret);
void engine_close(struct engine *e); /* NULL: nothing */
/* All rows in order, verified; and what is remembered beyond rows: the newest revision ever and the compacted one. */
MUST_USE struct err *engine_load(struct engine *e, engine_row_fn *fn, void *ctx,
                                 int64_t *ret_revision, int64_t *ret_compacted);
/* All or nothing, on disk when it returns NULL. After an error the engine is usable: the next call tries anew. */
MUST_USE struct err *engine_append(struct engine *e, const struct engine_write *writes, size_t n);
/* Rows with from < revision <= to, at most `limit`. */
MUST_USE struct err *engine_range(struct engine *e, int64_t from, int64_t to, size_t limit,
                                  engine_row_fn *fn, void *ctx);
/* One row; *ret_found false when there is none. */
MUST_USE struct err *engine_get(struct engine *e, int64_t revision, engine_row_fn *fn, void *ctx,
                                bool *ret_found);
/* Versions that were current at `revision` and are not any more at `now`, of one resource (ns empty: all). */
MUST_USE struct err *engine_replaced(struct engine *e, int64_t revision, int64_t now, str resource,
                                     str ns, engine_row_fn *fn, void *ctx);
/* Deletes what nobody can ask for any more after a compaction to `upto`; at most `budget` log rows per call, *ret_more tells to call
 * again. `revision` is the newest given out: it survives although its row may be deleted. Gives file space back at the end. */
MUST_USE struct err *engine_compact(struct engine *e, int64_t upto, int64_t revision, size_t budget,
                                    bool *ret_more);

/* Encrypts, decrypts or changes the key of all rows that the cipher wants otherwise, as engine_load() has found out; afterwards the
 * files hold nothing of what was there before. *ret_n: rows changed. */
MUST_USE struct err *engine_converge(struct engine *e, size_t *ret_n);

/* ---- cipher.c; packed_key: resource\0ns\0name ---- */
bool cipher_covers(const struct store_cipher *c, str packed_key);
void cipher_seal(const struct store_cipher *c, str packed_key, int64_t revision, str plain,
                 struct buf *out);
/* NULL, or what is wrong. */
const char *cipher_open(const struct store_cipher *c, str packed_key, int64_t revision, str sealed,
                        struct buf *out);
bool cipher_is_current(const struct store_cipher *c, str packed_key, bool is_sealed, str data);

#endif
