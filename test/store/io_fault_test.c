/* io_fault_test.c - each I/O step of the engine is made to fail once, and everything acknowledged is there afterwards.
 *
 * A layer over SQLite's file functions counts writes, syncs and truncations and fails the one it is told to, once or from
 * then on. The same short life of a store is lived for each step: writes, deletions, a compaction, reopening. */
#include "test/store/store_test_frame.h"

#include <sqlite3.h>
#include <unistd.h>

#define STEPS_MAX 400
#define KEYS 6

/* ---- the layer ---- */
static struct {
    sqlite3_vfs vfs, *real;
    long n_steps;  /* so far */
    long fail_at;  /* this step fails; 0: none */
    bool for_good; /* and all after it */
} layer;

struct layer_file {
    sqlite3_file base;  /* first */
    sqlite3_file *real; /* behind this struct */
};

static sqlite3_file *real_of(sqlite3_file *f)
{
    return ((struct layer_file *)f)->real;
}

static bool fails(void)
{
    layer.n_steps++;
    return layer.fail_at &&
           (layer.n_steps == layer.fail_at || (layer.for_good && layer.n_steps > layer.fail_at));
}

static int layer_close(sqlite3_file *f)
{
    return real_of(f)->pMethods ? real_of(f)->pMethods->xClose(real_of(f)) : SQLITE_OK;
}

static int layer_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    return real_of(f)->pMethods->xRead(real_of(f), p, n, at);
}

static int layer_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    if (fails()) {
        real_of(f)->pMethods->xWrite(real_of(f), p, n / 2, at); /* torn, as a full disk does it */
        return SQLITE_FULL;
    }
    return real_of(f)->pMethods->xWrite(real_of(f), p, n, at);
}

static int layer_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return fails() ? SQLITE_IOERR_TRUNCATE : real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int layer_sync(sqlite3_file *f, int flags)
{
    return fails() ? SQLITE_IOERR_FSYNC : real_of(f)->pMethods->xSync(real_of(f), flags);
}

static int layer_size(sqlite3_file *f, sqlite3_int64 *ret)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), ret);
}

static int layer_lock(sqlite3_file *f, int kind)
{
    return real_of(f)->pMethods->xLock(real_of(f), kind);
}

static int layer_unlock(sqlite3_file *f, int kind)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), kind);
}

static int layer_check_lock(sqlite3_file *f, int *ret)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), ret);
}

static int layer_control(sqlite3_file *f, int op, void *arg)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int layer_sector(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int layer_device(sqlite3_file *f)
{
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static const sqlite3_io_methods layer_methods = {
    .iVersion = 1,
    .xClose = layer_close,
    .xRead = layer_read,
    .xWrite = layer_write,
    .xTruncate = layer_truncate,
    .xSync = layer_sync,
    .xFileSize = layer_size,
    .xLock = layer_lock,
    .xUnlock = layer_unlock,
    .xCheckReservedLock = layer_check_lock,
    .xFileControl = layer_control,
    .xSectorSize = layer_sector,
    .xDeviceCharacteristics = layer_device,
};

static int layer_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags,
                      int *ret_flags)
{
    struct layer_file *lf = (struct layer_file *)f;
    int rc;

    lf->real = (sqlite3_file *)(lf + 1);
    rc = layer.real->xOpen(layer.real, name, lf->real, flags, ret_flags);
    lf->base.pMethods = rc == SQLITE_OK ? &layer_methods : NULL;
    return rc;
}

static void layer_install(void)
{
    if (layer.real)
        return;
    layer.real = sqlite3_vfs_find(NULL);
    layer.vfs = *layer.real;
    layer.vfs.zName = "faulty";
    layer.vfs.szOsFile = (int)sizeof(struct layer_file) + layer.real->szOsFile;
    layer.vfs.xOpen = layer_open;
    BUG_ON(sqlite3_vfs_register(&layer.vfs, 1) != SQLITE_OK);
}

/* ---- what is known to be durable ---- */
struct known {
    int64_t acked[KEYS]; /* revision of the last acknowledged write */
    bool deleted[KEYS];
    int n_failed;
};

static struct key key_of(int i)
{
    static const char *const names[KEYS] = {"k0", "k1", "k2", "k3", "k4", "k5"};

    return pod("a", names[i]);
}

static void write_round(struct rig *r, struct known *known, bool deletes)
{
    static char big[3000];
    struct op ops[KEYS] = {0};

    memset(big, 'x', sizeof big - 1);
    for (int i = 0; i < KEYS; i++) {
        bool there = store_find(r->s, key_of(i)) != NULL;

        ops[i] = (struct op){.op = deletes && i % 2 && there ? STORE_DELETE : STORE_PUT,
                             .data = i % 3 ? big : "#",
                             .expect = -1};
        op_start(r, key_of(i), &ops[i]);
    }
    for (int i = 0; i < KEYS; i++) {
        op_wait(r, &ops[i]);
        if (ops[i].err) {
            CHECK(ops[i].err->reason == REASON_INTERNAL);
            known->n_failed++;
        } else {
            known->acked[i] = ops[i].result->revision;
            known->deleted[i] = ops[i].op == STORE_DELETE;
        }
        op_fini(&ops[i]);
    }
}

/* Nothing acknowledged is missing. A write that was reported as failed may have reached the disk if the process ended right
 * then; here it goes on, so what memory shows and what the file holds are the same after every reopening. */
static void check_known(struct rig *r, const struct known *known, const char *when, long step)
{
    for (int i = 0; i < KEYS; i++) {
        const struct obj *o = store_find(r->s, key_of(i));
        int64_t got = o ? o->revision : 0, want = known->deleted[i] ? 0 : known->acked[i];

        if (got != want)
            test_fail(__FILE__, __LINE__,
                      "step %ld, %s: key %d has revision %lld, acknowledged was %lld", step, when,
                      i, (long long)got, (long long)want);
    }
}

static bool is_not_compacting(void *ctx)
{
    struct rig *r = ctx;
    struct store_stats stats;

    store_stats(r->s, &stats);
    return !stats.compacting;
}

/* Returns how many steps a life takes. */
static long live(long fail_at, bool for_good, int *n_failed)
{
    struct rig r = {.base = access("/dev/shm", W_OK) == 0
                                ? "/dev/shm"
                                : NULL}; /* real syncs would only take time here */
    struct known known = {0};
    long n;

    layer.fail_at = 0;
    rig_open_disk(&r);
    layer.n_steps = 0;
    layer.fail_at = fail_at;
    layer.for_good = for_good;
    write_round(&r, &known, false);
    write_round(&r, &known, true);
    store_compact(r.s, store_revision(r.s) - 2);
    write_round(&r, &known, false);
    run_until(&r, is_not_compacting, &r);
    n = layer.n_steps;
    layer.fail_at = 0;
    check_known(&r, &known, "before reopening", fail_at);
    *n_failed += known.n_failed;
    known.n_failed = 0;
    write_round(&r, &known, true); /* space has returned */
    CHECK_INT(known.n_failed, 0);
    rig_reopen(&r);
    check_known(&r, &known, "after reopening", fail_at);
    rig_close(&r);
    return n;
}

TEST(io_fault, every_step_may_fail_once_without_losing_what_was_acknowledged)
{
    int n_failed = 0;
    long n_steps;

    layer_install();
    n_steps = live(0, false, &n_failed);
    CHECK_INT(n_failed, 0);
    CHECK(n_steps > 10 && n_steps < STEPS_MAX);
    for (long i = 1; i <= n_steps; i++)
        live(i, false, &n_failed);
    CHECK(n_failed > 0);
}

TEST(io_fault, a_disk_that_stays_full_from_any_step_on_loses_nothing_either)
{
    int n_failed = 0;
    long n_steps;

    layer_install();
    n_steps = live(0, false, &n_failed);
    for (long i = 1; i <= n_steps; i++)
        live(i, true, &n_failed);
    CHECK(n_failed > 0);
}

TEST_MAIN
