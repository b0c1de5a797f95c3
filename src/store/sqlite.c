/* sqlite.c - the embedded engine: one append-only table in SQLite, write-ahead log, every commit synced.
 *
 *   revisions(revision PRIMARY KEY, prev, flags, crc, key, uid, labels, fields, data)    key = resource\0ns\0name
 *   meta(name PRIMARY KEY, value)                                  revision and compacted, written by compactions
 *
 * The primary key is the row id and only grows, so that a write touches the last page alone: an index by key would cost
 * a second, random page per write, and nothing asks the disk by key (engine.h).
 *
 * Invariants
 *   (1) A commit is synced before it returns (WAL with synchronous=FULL); after an error it is rolled back.
 *   (2) Every row carries a CRC-32 of its content: damage is found at open, not by a client.
 *   (3) One process at a time: the file is locked while it is open. */
#include "store/engine.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define APPLICATION_ID 0x6b317330 /* "k1s0" */
#define SCHEMA_VERSION 1
#define CACHE_KIB 1024 /* pages kept in memory: appending needs few */
#define WAL_PAGES 2000 /* checkpoint at 8 MiB of log */
#define WAL_KEPT_BYTES (16 << 20)
#define VACUUM_MIN_PAGES 256 /* free pages that are not worth giving back */
#define VACUUM_STEP_PAGES 250
#define ROW_DELETED 1
#define ROW_SEALED 2        /* data is encrypted (cipher.c) */
#define CONVERGE_BUDGET 500 /* rows per transaction */

enum statement {
    ST_BEGIN,
    ST_COMMIT,
    ST_ROLLBACK,
    ST_INSERT,
    ST_RANGE,
    ST_GET,
    ST_REPLACED,
    ST_LOG,
    ST_DELETE,
    ST_STALE,
    ST_REPLACE,
    ST_META_GET,
    ST_META_PUT,
    ST_COUNT
};
static const char *const statement_sql[ST_COUNT] = {
    [ST_BEGIN] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",
    [ST_ROLLBACK] = "ROLLBACK",
    [ST_INSERT] = "INSERT INTO revisions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [ST_RANGE] =
        "SELECT * FROM revisions WHERE revision > ?1 AND revision <= ?2 ORDER BY revision LIMIT ?3",
    [ST_GET] = "SELECT * FROM revisions WHERE revision = ?1",
    [ST_REPLACED] =
        "SELECT old.* FROM revisions AS new JOIN revisions AS old ON old.revision = new.prev "
        "WHERE new.revision > ?1 AND new.revision <= ?2 AND new.prev BETWEEN 1 AND ?1 "
        "AND substr(new.key, 1, length(?3)) = ?3",
    [ST_LOG] = "SELECT revision, prev, flags FROM revisions WHERE revision > ?1 AND revision <= ?2 "
               "ORDER BY revision LIMIT ?3",
    [ST_DELETE] = "DELETE FROM revisions WHERE revision = ?1",
    [ST_STALE] = "SELECT revision, flags, key, data, prev, uid, labels, fields FROM revisions "
                 "WHERE revision > ?1 ORDER BY revision LIMIT ?2",
    [ST_REPLACE] = "UPDATE revisions SET flags = ?2, crc = ?3, data = ?4 WHERE revision = ?1",
    [ST_META_GET] = "SELECT value FROM meta WHERE name = ?1",
    [ST_META_PUT] =
        "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
};

struct engine {
    sqlite3 *db;
    char *path;
    sqlite3_stmt *st[ST_COUNT];
    const struct store_cipher *cipher; /* NULL: none */
    struct buf plain, sealed;          /* of the row in hand */
    size_t n_stale;                    /* rows that the cipher wants otherwise */
};

static const char schema_sql[] =
    "CREATE TABLE revisions (revision INTEGER PRIMARY KEY, prev INTEGER NOT NULL, flags INTEGER "
    "NOT NULL, crc INTEGER NOT NULL,"
    " key BLOB NOT NULL, uid BLOB NOT NULL, labels BLOB NOT NULL, fields BLOB NOT NULL, data BLOB "
    "NOT NULL);"
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;";

/* ---- errors ---- */
static struct err *db_error(const struct engine *e, const char *doing)
{
    int code = sqlite3_errcode(e->db), os = sqlite3_system_errno(e->db);

    switch (code) {
    case SQLITE_FULL:
        return err_new(REASON_INTERNAL, "%s: no space left for the store", doing);
    case SQLITE_BUSY:
        return err_new(REASON_INTERNAL, "%s: another process uses %s", doing, e->path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return err_new(REASON_INTERNAL, "%s: %s is damaged or not a database", doing, e->path);
    case SQLITE_READONLY:
        return err_new(REASON_INTERNAL, "%s: %s is not writable", doing, e->path);
    case SQLITE_IOERR:
        if (os == ENOSPC || os == EDQUOT || os == EFBIG)
            return err_new(REASON_INTERNAL, "%s: no space left for the store (%s)", doing,
                           strerror(os));
        return err_new(REASON_INTERNAL, "%s: input/output error on the store's disk (%s)", doing,
                       os ? strerror(os) : sqlite3_errmsg(e->db));
    default:
        return err_new(REASON_INTERNAL, "%s: %s", doing, sqlite3_errmsg(e->db));
    }
}

/* ---- statements ---- */
/* Runs a statement that returns no rows; it may be bound already. */
static bool run(struct engine *e, enum statement which)
{
    int rc = sqlite3_step(e->st[which]);

    sqlite3_reset(e->st[which]);
    return rc == SQLITE_DONE;
}

static void bind_blob(sqlite3_stmt *st, int i, str s)
{
    /* An empty slice may have no address, which would bind NULL. */
    sqlite3_bind_blob64(st, i, s.n ? s.p : "", s.n, SQLITE_STATIC);
}

static str column_blob(sqlite3_stmt *st, int i)
{
    const char *p = sqlite3_column_blob(st, i); /* before the size, as SQLite wants it */

    return (str){p, (size_t)sqlite3_column_bytes(st, i)};
}

static uint32_t row_crc(int64_t revision, int64_t prev, int64_t flags, const str *parts, size_t n)
{
    int64_t head[3] = {revision, prev, flags};
    uLong crc = crc32(0, (const Bytef *)head, sizeof head);

    for (size_t i = 0; i < n; i++) {
        uint64_t size = parts[i].n;

        crc = crc32(crc, (const Bytef *)&size, sizeof size);
        if (parts[i].n)
            crc = crc32(crc, (const Bytef *)parts[i].p, (uInt)parts[i].n);
    }
    return (uint32_t)crc;
}

static bool key_parse(str packed, struct key *ret)
{
    ptrdiff_t a = str_index(packed, '\0'), b;
    str rest;

    if (a <= 0)
        return false;
    rest = str_skip(packed, (size_t)a + 1);
    b = str_index(rest, '\0');
    if (b < 0 || (size_t)b + 1 >= rest.n)
        return false;
    *ret = (struct key){str_slice(packed, 0, (size_t)a), str_slice(rest, 0, (size_t)b),
                        str_skip(rest, (size_t)b + 1)};
    return true;
}

/* The current row of a "SELECT *"; NULL, or what is wrong with it. */
static const char *row_read(struct engine *e, sqlite3_stmt *st, struct engine_row *ret)
{
    const char *wrong;
    str parts[5];
    int64_t flags = sqlite3_column_int64(st, 2);

    for (int i = 0; i < 5; i++)
        parts[i] = column_blob(st, 4 + i);
    *ret = (struct engine_row){.revision = sqlite3_column_int64(st, 0),
                               .prev = sqlite3_column_int64(st, 1),
                               .deleted = flags & ROW_DELETED,
                               .uid = parts[1],
                               .labels = parts[2],
                               .fields = parts[3],
                               .data = parts[4]};
    if ((uint32_t)sqlite3_column_int64(st, 3) !=
            row_crc(ret->revision, ret->prev, flags, parts, ARRAY_LEN(parts)) ||
        !key_parse(parts[0], &ret->key))
        return "does not match its checksum";
    if (!cipher_is_current(e->cipher, parts[0], flags & ROW_SEALED, ret->data))
        e->n_stale++;
    if (!(flags & ROW_SEALED))
        return NULL;
    wrong = cipher_open(e->cipher, parts[0], ret->revision, ret->data, &e->plain);
    ret->data = buf_view(&e->plain);
    return wrong;
}

/* Steps through a bound "SELECT *" statement. */
static struct err *each_row(struct engine *e, enum statement which, engine_row_fn *fn, void *ctx)
{
    sqlite3_stmt *st = e->st[which];
    struct engine_row row;
    struct err *err = NULL;
    int rc;

    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        const char *wrong = row_read(e, st, &row);

        if (wrong) {
            err = err_new(REASON_INTERNAL, "%s is damaged: the content of revision %lld %s",
                          e->path, (long long)row.revision, wrong);
            break;
        }
        fn(ctx, &row);
    }
    if (!err && rc != SQLITE_DONE)
        err = db_error(e, "reading the store");
    sqlite3_reset(st);
    return err;
}

static struct err *meta_get(struct engine *e, const char *name, int64_t *ret)
{
    sqlite3_stmt *st = e->st[ST_META_GET];
    struct err *err = NULL;
    int rc;

    sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
    rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *ret = sqlite3_column_int64(st, 0);
    else if (rc == SQLITE_DONE)
        *ret = 0;
    else
        err = db_error(e, "reading the store");
    sqlite3_reset(st);
    return err;
}

static bool meta_put(struct engine *e, const char *name, int64_t value)
{
    sqlite3_bind_text(e->st[ST_META_PUT], 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(e->st[ST_META_PUT], 2, value);
    return run(e, ST_META_PUT);
}

static bool pragma_int(struct engine *e, const char *sql, int64_t *ret)
{
    sqlite3_stmt *st;
    bool ok = sqlite3_prepare_v2(e->db, sql, -1, &st, NULL) == SQLITE_OK &&
              sqlite3_step(st) == SQLITE_ROW;

    if (ok)
        *ret = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return ok;
}

/* ---- opening ---- */
static bool exec(struct engine *e, const char *sql)
{
    return sqlite3_exec(e->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static struct err *schema_check(struct engine *e)
{
    int64_t id, version, tables;
    struct buf sql = BUF_INIT;
    bool ok;

    if (!pragma_int(e, "PRAGMA application_id", &id) ||
        !pragma_int(e, "PRAGMA user_version", &version) ||
        !pragma_int(e, "SELECT count(*) FROM sqlite_master", &tables))
        return db_error(e, "opening the store");
    if (tables == 0 && id == 0) {
        buf_fmt(&sql,
                "BEGIN IMMEDIATE; %s PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT;",
                schema_sql, APPLICATION_ID, SCHEMA_VERSION);
        ok = exec(e, buf_cstr(&sql));
        buf_fini(&sql);
        return ok ? NULL : db_error(e, "creating the store");
    }
    if (id != APPLICATION_ID)
        return err_new(REASON_INTERNAL, "%s is a database of something else", e->path);
    if (version != SCHEMA_VERSION)
        return err_new(REASON_INTERNAL, "%s has schema version %lld, this program knows %d",
                       e->path, (long long)version, SCHEMA_VERSION);
    return NULL;
}

static struct err *set_up(struct engine *e)
{
    struct buf sql = BUF_INIT;
    struct err *err;
    bool ok;

    /* locking_mode first, before anything reads the file: then the log needs no shared memory. auto_vacuum counts only before
     * the first table. */
    buf_fmt(&sql,
            "PRAGMA locking_mode=EXCLUSIVE; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA "
            "journal_mode=WAL; PRAGMA synchronous=FULL;"
            "PRAGMA cache_size=-%d; PRAGMA wal_autocheckpoint=%d; PRAGMA journal_size_limit=%d; "
            "PRAGMA temp_store=MEMORY;",
            CACHE_KIB, WAL_PAGES, WAL_KEPT_BYTES);
    ok = exec(e, buf_cstr(&sql));
    buf_fini(&sql);
    if (!ok)
        return db_error(e, "opening the store");
    err = schema_check(e);
    if (err)
        return err;
    /* Takes the lock for good, and finds out now whether the file can be written. */
    if (!exec(e, "BEGIN IMMEDIATE; COMMIT;"))
        return db_error(e, "opening the store");
    for (int i = 0; i < ST_COUNT; i++)
        if (sqlite3_prepare_v3(e->db, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT, &e->st[i],
                               NULL) != SQLITE_OK)
            return db_error(e, "opening the store");
    return NULL;
}

/* Secrets are in it: nobody else reads it, whatever the folder's mode and the umask are. SQLite gives its other files the
 * mode of this one. What fails here fails again when it is opened. */
static void make_private(const char *path)
{
    int fd = strcmp(path, ":memory:") ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;

    if (fd < 0)
        return;
    if (fchmod(fd, 0600))
        log_warning("store", "%s stays readable for others: %s", path, strerror(errno));
    close(fd);
}

struct err *engine_open(const char *path, const struct store_cipher *cipher, struct engine **ret)
{
    struct engine *e = NEW(struct engine);
    struct err *err;

    e->path = mem_strdup(path);
    e->cipher = cipher;
    make_private(path);
    /* One thread at a time uses it, so SQLite's own locks are not needed. */
    if (sqlite3_open_v2(path, &e->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) == SQLITE_OK)
        err = set_up(e);
    else
        err = db_error(e, "opening the store");
    if (err) {
        engine_close(e);
        return err;
    }
    *ret = e;
    return NULL;
}

void engine_close(struct engine *e)
{
    if (!e)
        return;
    for (int i = 0; i < ST_COUNT; i++)
        sqlite3_finalize(e->st[i]);
    sqlite3_close(e->db);
    buf_fini(&e->plain);
    buf_fini(&e->sealed);
    mem_free(e->path);
    mem_free(e);
}

struct load {
    engine_row_fn *fn;
    void *ctx;
    int64_t newest;
};

static void load_row(void *ctx, const struct engine_row *row)
{
    struct load *l = ctx;

    l->newest = row->revision;
    l->fn(l->ctx, row);
}

struct err *engine_load(struct engine *e, engine_row_fn *fn, void *ctx, int64_t *ret_revision,
                        int64_t *ret_compacted)
{
    struct load l = {fn, ctx, 0};
    int64_t revision;
    struct err *err = meta_get(e, "compacted", ret_compacted);

    if (!err)
        err = meta_get(e, "revision", &revision);
    if (err)
        return err;
    sqlite3_bind_int64(e->st[ST_RANGE], 1, 0);
    sqlite3_bind_int64(e->st[ST_RANGE], 2, INT64_MAX);
    sqlite3_bind_int64(e->st[ST_RANGE], 3, -1);
    err = each_row(e, ST_RANGE, load_row, &l);
    if (!err)
        *ret_revision = MAX(revision, l.newest);
    return err;
}

/* ---- writing ---- */
static bool insert(struct engine *e, const struct engine_write *w, struct buf *key)
{
    sqlite3_stmt *st = e->st[ST_INSERT];
    const struct obj *o = w->obj;
    int64_t flags = w->deleted ? ROW_DELETED : 0;
    str parts[5];

    buf_clear(key);
    buf_str(key, o->key.resource);
    buf_char(key, '\0');
    buf_str(key, o->key.ns);
    buf_char(key, '\0');
    buf_str(key, o->key.name);
    parts[0] = buf_view(key);
    parts[1] = o->uid;
    parts[2] = o->labels;
    parts[3] = o->fields;
    parts[4] = o->data;
    if (e->cipher && e->cipher->encrypts && cipher_covers(e->cipher, parts[0])) {
        cipher_seal(e->cipher, parts[0], o->revision, o->data, &e->sealed);
        parts[4] = buf_view(&e->sealed);
        flags |= ROW_SEALED;
    }
    sqlite3_bind_int64(st, 1, o->revision);
    sqlite3_bind_int64(st, 2, w->prev);
    sqlite3_bind_int64(st, 3, flags);
    sqlite3_bind_int64(st, 4, row_crc(o->revision, w->prev, flags, parts, ARRAY_LEN(parts)));
    for (int i = 0; i < 5; i++)
        bind_blob(st, 5 + i, parts[i]);
    return run(e, ST_INSERT);
}

/* Ends a transaction that went wrong; some errors have rolled it back already. */
static struct err *give_up(struct engine *e, const char *doing)
{
    struct err *err = db_error(e, doing);

    if (!sqlite3_get_autocommit(e->db))
        run(e, ST_ROLLBACK);
    return err;
}

struct err *engine_append(struct engine *e, const struct engine_write *writes, size_t n)
{
    struct buf key = BUF_INIT;
    bool ok = run(e, ST_BEGIN);

    for (size_t i = 0; ok && i < n; i++)
        ok = insert(e, &writes[i], &key);
    buf_fini(&key);
    if (!ok || !run(e, ST_COMMIT))
        return give_up(e, "writing to the store");
    return NULL;
}

/* ---- reading the past ---- */
struct err *engine_range(struct engine *e, int64_t from, int64_t to, size_t limit,
                         engine_row_fn *fn, void *ctx)
{
    sqlite3_bind_int64(e->st[ST_RANGE], 1, from);
    sqlite3_bind_int64(e->st[ST_RANGE], 2, to);
    sqlite3_bind_int64(e->st[ST_RANGE], 3, (int64_t)limit);
    return each_row(e, ST_RANGE, fn, ctx);
}

struct get {
    engine_row_fn *fn;
    void *ctx;
    bool found;
};

static void get_row(void *ctx, const struct engine_row *row)
{
    struct get *g = ctx;

    g->found = true;
    g->fn(g->ctx, row);
}

struct err *engine_get(struct engine *e, int64_t revision, engine_row_fn *fn, void *ctx,
                       bool *ret_found)
{
    struct get g = {fn, ctx, false};
    struct err *err;

    sqlite3_bind_int64(e->st[ST_GET], 1, revision);
    err = each_row(e, ST_GET, get_row, &g);
    if (!err)
        *ret_found = g.found;
    return err;
}

struct err *engine_replaced(struct engine *e, int64_t revision, int64_t now, str resource, str ns,
                            engine_row_fn *fn, void *ctx)
{
    sqlite3_stmt *st = e->st[ST_REPLACED];
    struct buf prefix = BUF_INIT;
    struct err *err;

    buf_str(&prefix, resource);
    buf_char(&prefix, '\0');
    if (ns.n) {
        buf_str(&prefix, ns);
        buf_char(&prefix, '\0');
    }
    sqlite3_bind_int64(st, 1, revision);
    sqlite3_bind_int64(st, 2, now);
    bind_blob(st, 3, buf_view(&prefix));
    err = each_row(e, ST_REPLACED, fn, ctx);
    buf_fini(&prefix);
    return err;
}

/* ---- encryption at rest ---- */
/* The row in hand of ST_STALE as the cipher wants it. NULL, or what is wrong. */
static const char *convert(struct engine *e, sqlite3_stmt *st, bool *ret_ok)
{
    static const int columns[] = {2, 5, 6, 7, 3}; /* key, uid, labels, fields, data */
    int64_t revision = sqlite3_column_int64(st, 0), flags = sqlite3_column_int64(st, 1),
            prev = sqlite3_column_int64(st, 4);
    sqlite3_stmt *put = e->st[ST_REPLACE];
    const char *wrong = NULL;
    str parts[5];

    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        parts[i] = column_blob(st, columns[i]);
    if (flags & ROW_SEALED) {
        wrong = cipher_open(e->cipher, parts[0], revision, parts[4], &e->plain);
        if (wrong)
            return wrong;
        parts[4] = buf_view(&e->plain);
    }
    flags &= ~(int64_t)ROW_SEALED;
    if (e->cipher && e->cipher->encrypts && cipher_covers(e->cipher, parts[0])) {
        cipher_seal(e->cipher, parts[0], revision, parts[4], &e->sealed);
        parts[4] = buf_view(&e->sealed);
        flags |= ROW_SEALED;
    }
    sqlite3_bind_int64(put, 1, revision);
    sqlite3_bind_int64(put, 2, flags);
    sqlite3_bind_int64(put, 3, row_crc(revision, prev, flags, parts, ARRAY_LEN(parts)));
    bind_blob(put, 4, parts[4]);
    *ret_ok = run(e, ST_REPLACE);
    return NULL;
}

/* A run of rows behind *from, in a transaction of its own; *ret_more false: it was the last. */
static struct err *converge_some(struct engine *e, int64_t *from, size_t *n, bool *ret_more)
{
    sqlite3_stmt *st = e->st[ST_STALE];
    const char *wrong = NULL;
    bool ok = run(e, ST_BEGIN);
    size_t seen = 0;
    int rc = SQLITE_DONE;

    sqlite3_bind_int64(st, 1, *from);
    sqlite3_bind_int64(st, 2, CONVERGE_BUDGET);
    while (ok && !wrong && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        *from = sqlite3_column_int64(st, 0);
        seen++;
        if (cipher_is_current(e->cipher, column_blob(st, 2),
                              sqlite3_column_int64(st, 1) & ROW_SEALED, column_blob(st, 3)))
            continue;
        wrong = convert(e, st, &ok);
        (*n)++;
    }
    sqlite3_reset(st);
    if (wrong) {
        run(e, ST_ROLLBACK);
        return err_new(REASON_INTERNAL, "%s: the content of revision %lld %s", e->path,
                       (long long)*from, wrong);
    }
    if (!ok || rc != SQLITE_DONE || !run(e, ST_COMMIT))
        return give_up(e, "encrypting the store");
    *ret_more = seen == CONVERGE_BUDGET;
    return NULL;
}

struct err *engine_converge(struct engine *e, size_t *ret_n)
{
    bool more = e->n_stale > 0;
    int64_t from = 0;
    struct err *err = NULL;

    *ret_n = 0;
    e->n_stale = 0;
    if (!more)
        return NULL;
    /* What is overwritten and what was deleted long ago must not be found in free pages or in the log. */
    if (!exec(e, "PRAGMA secure_delete=ON"))
        return db_error(e, "encrypting the store");
    while (!err && more)
        err = converge_some(e, &from, ret_n, &more);
    if (err)
        return err;
    if (!exec(e, "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA temp_store=FILE; VACUUM; "
                 "PRAGMA temp_store=MEMORY; PRAGMA wal_checkpoint(TRUNCATE); "
                 "PRAGMA secure_delete=OFF"))
        return db_error(e, "encrypting the store");
    return NULL;
}

/* ---- compaction ---- */
struct log_row {
    int64_t revision, prev;
    bool deleted;
};

static bool log_read(struct engine *e, int64_t from, int64_t to, struct log_row *rows,
                     size_t budget, size_t *ret_n)
{
    sqlite3_stmt *st = e->st[ST_LOG];
    size_t n = 0;
    int rc;

    sqlite3_bind_int64(st, 1, from);
    sqlite3_bind_int64(st, 2, to);
    sqlite3_bind_int64(st, 3, (int64_t)budget);
    while ((rc = sqlite3_step(st)) == SQLITE_ROW)
        rows[n++] = (struct log_row){sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1),
                                     sqlite3_column_int64(st, 2) & ROW_DELETED};
    sqlite3_reset(st);
    *ret_n = n;
    return rc == SQLITE_DONE;
}

static bool delete_row(struct engine *e, int64_t revision)
{
    sqlite3_bind_int64(e->st[ST_DELETE], 1, revision);
    return run(e, ST_DELETE);
}

/* Gives free pages at the end of the file back, a step per call. */
static struct err *vacuum(struct engine *e, bool *ret_more)
{
    int64_t n_free, n_all;
    struct buf sql = BUF_INIT;
    bool ok;

    *ret_more = false;
    if (!pragma_int(e, "PRAGMA freelist_count", &n_free) ||
        !pragma_int(e, "PRAGMA page_count", &n_all))
        return db_error(e, "compacting the store");
    if (n_free < VACUUM_MIN_PAGES || n_free < n_all / 4)
        return NULL;
    buf_fmt(&sql, "PRAGMA incremental_vacuum(%d)", VACUUM_STEP_PAGES);
    ok = exec(e, buf_cstr(&sql));
    buf_fini(&sql);
    if (!ok)
        return db_error(e, "compacting the store");
    *ret_more = n_free > VACUUM_STEP_PAGES;
    return NULL;
}

static struct err *compact_rows(struct engine *e, int64_t from, int64_t upto, int64_t revision,
                                size_t budget, struct log_row *rows, size_t *ret_n)
{
    size_t n;
    bool ok = run(e, ST_BEGIN) && log_read(e, from, upto, rows, budget, &n);

    for (size_t i = 0; ok && i < n; i++) {
        if (rows[i].prev)
            ok = delete_row(e, rows[i].prev);
        if (ok && rows[i].deleted)
            ok = delete_row(e, rows[i].revision);
    }
    ok = ok && meta_put(e, "compacted", n == budget ? rows[n - 1].revision : upto) &&
         meta_put(e, "revision", revision);
    if (!ok || !run(e, ST_COMMIT))
        return give_up(e, "compacting the store");
    *ret_n = n;
    return NULL;
}

struct err *engine_compact(struct engine *e, int64_t upto, int64_t revision, size_t budget,
                           bool *ret_more)
{
    struct log_row *rows;
    int64_t from;
    size_t n;
    struct err *err = meta_get(e, "compacted", &from);

    if (err)
        return err;
    if (from >= upto)
        return vacuum(e, ret_more);
    rows = mem_alloc(budget * sizeof *rows);
    err = compact_rows(e, from, upto, revision, budget, rows, &n);
    mem_free(rows);
    if (err)
        return err;
    *ret_more = true; /* more rows, or a look at free pages */
    return NULL;
}
