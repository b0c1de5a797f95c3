/* recent_test.c - the bounded memory of keys, beside a plain array that does the same. */
#include "client/recent.h"
#include "test/test.h"

struct entry {
    struct recent_item item;
    uint32_t value;
};

#define MAX_ITEMS 50
#define KEEP_S 100

struct model { /* oldest first */
    struct {
        uint64_t hash;
        int64_t used_s;
        uint32_t value;
    } e[MAX_ITEMS];
    int n;
};

static void model_drop(struct model *m, int i)
{
    memmove(&m->e[i], &m->e[i + 1], (size_t)(--m->n - i) * sizeof m->e[0]);
}

/* What recent_use() answers; the value is that of before. */
static int64_t model_use(struct model *m, uint64_t hash, int64_t now_s, uint32_t value,
                         uint32_t *ret_before)
{
    int64_t idle_s = -1;

    *ret_before = 0;
    for (int i = 0; i < m->n; i++)
        if (m->e[i].hash == hash) {
            if (now_s - m->e[i].used_s <= KEEP_S) {
                idle_s = now_s - m->e[i].used_s;
                *ret_before = m->e[i].value;
            }
            model_drop(m, i);
        }
    if (m->n == MAX_ITEMS)
        model_drop(m, 0);
    m->e[m->n].hash = hash;
    m->e[m->n].used_s = now_s;
    m->e[m->n++].value = value;
    return idle_s;
}

TEST(recent, agrees_with_a_plain_list_in_whatever_order_keys_come)
{
    struct recent r;
    struct model m = {0};
    uint64_t seed = 88172645463325252u;
    int64_t now_s = 1000;

    recent_init(&r, sizeof(struct entry), MAX_ITEMS, KEEP_S);
    for (uint32_t i = 1; i < 20000; i++) {
        uint64_t hash;
        int64_t idle_s = 0, want_s;
        uint32_t before;
        struct entry *e;

        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        hash = (seed % 80) * (seed & 1 ? 1 : UINT64_C(0x100000001)); /* halves that are alike */
        now_s += (int64_t)(seed >> 20) % 5;
        if (seed >> 40 & 1 && i % 1000 > 900) {
            now_s += 60;
            recent_expire(&r, now_s);
            while (m.n && now_s - m.e[0].used_s > KEEP_S)
                model_drop(&m, 0);
        }
        want_s = model_use(&m, hash, now_s, i, &before);
        e = recent_use(&r, hash, now_s, &idle_s);
        CHECK_INT(idle_s, want_s);
        CHECK_INT(e->value, before);
        e->value = i;
        CHECK_INT(r.n, m.n);
        for (int k = 0; k < m.n; k++) {
            e = recent_find(&r, m.e[k].hash);
            CHECK(e && e->value == m.e[k].value);
        }
    }
    recent_fini(&r);
}

TEST(recent, gives_its_memory_back_in_time)
{
    struct recent r;
    int64_t idle_s;

    recent_init(&r, sizeof(struct entry), 4096, KEEP_S);
    CHECK_INT(recent_expire(&r, 0), -1);
    for (uint64_t i = 0; i < 5000; i++)
        recent_use(&r, i << 7, (int64_t)i / 100, &idle_s);
    CHECK_INT(r.n, 4096);
    CHECK(!recent_find(&r, 903 << 7));
    CHECK(recent_find(&r, 904 << 7) != NULL);
    CHECK_INT(recent_expire(&r, 109), 110);
    CHECK_INT(r.n, 4096);
    CHECK_INT(recent_expire(&r, 149), 150);
    CHECK_INT(r.n, 100);
    CHECK(r.cap <= 200);
    CHECK(recent_find(&r, 4999 << 7) != NULL);
    CHECK_INT(recent_expire(&r, 150), -1);
    CHECK(!r.items && !r.chains);
    recent_fini(&r);
}
