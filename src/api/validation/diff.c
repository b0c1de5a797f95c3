/* diff.c - which lines of two texts differ, with the choices that Python's difflib makes.
 *
 * Kubernetes shows forbidden changes with a port of difflib, so that the same lines have to be taken for
 * common ones: the longest block that matches first (the earliest of several), then what is left and
 * right of it; lines that make up more than a hundredth of a long text start no block, but extend one.
 *
 * Bounds: texts come from objects of at most API_BODY_MAX; a text of more than DIFF_LINES_MAX lines
 * is not compared, and the message has no diff then. */
#include "api/validation/go_form.h"

#define DIFF_LINES_MAX 4000
#define CONTEXT 3
#define POPULAR_FROM 200 /* lines; a shorter text has no popular lines */

struct side {
    str *lines; /* with their newline */
    uint32_t *ids;
    uint32_t n;
};

struct block {
    uint32_t a, b, n;
};

struct row { /* lengths of the runs that end before a position of b; which of them are not 0 */
    uint32_t *run, *set;
    uint32_t n;
};

struct work {
    struct side a, b;
    uint32_t *first, *next; /* positions of a line in b: first[id], next[position]; NONE ends */
    struct row rows[2];
    struct block *blocks;
    uint32_t n_blocks, n_ids;
};

#define NONE UINT32_MAX

static void split(struct arena *a, str text, struct side *ret)
{
    uint32_t n = 1;
    str rest = text;

    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == '\n';
    ret->lines = ARENA_NEW_N(a, str, n);
    ret->ids = ARENA_NEW_N(a, uint32_t, n);
    ret->n = n;
    for (uint32_t i = 0; i < n; i++) {
        str line;

        str_cut(&rest, '\n', &line);
        ret->lines[i] = line;
    }
}

static void number_lines(struct work *w, struct side *s, struct map *ids)
{
    for (uint32_t i = 0; i < s->n; i++) {
        uintptr_t id = (uintptr_t)map_find(ids, s->lines[i]);

        if (!id) {
            id = ++w->n_ids;
            map_put(ids, s->lines[i], (void *)id);
        }
        s->ids[i] = (uint32_t)id - 1;
    }
}

/* Where each line stands in b; popular ones nowhere. */
static void index_lines(struct arena *arena, struct work *w)
{
    uint32_t *count = ARENA_NEW_N(arena, uint32_t, w->n_ids);

    w->first = ARENA_NEW_N(arena, uint32_t, w->n_ids);
    w->next = ARENA_NEW_N(arena, uint32_t, w->b.n);
    for (uint32_t i = 0; i < w->n_ids; i++) {
        w->first[i] = NONE;
        count[i] = 0;
    }
    for (uint32_t i = w->b.n; i-- > 0;) {
        uint32_t id = w->b.ids[i];

        w->next[i] = w->first[id];
        w->first[id] = i;
        count[id]++;
    }
    for (uint32_t i = 0; w->b.n >= POPULAR_FROM && i < w->n_ids; i++)
        if (count[i] > w->b.n / 100 + 1)
            w->first[i] = NONE;
}

/* The longest block within a[alo, ahi) and b[blo, bhi). Costs as much as there are equal pairs of lines. */
static struct block longest(struct work *w, uint32_t alo, uint32_t ahi, uint32_t blo, uint32_t bhi)
{
    struct block best = {alo, blo, 0};
    const uint32_t *x = w->a.ids, *y = w->b.ids;
    struct row now = w->rows[0], next = w->rows[1];

    for (uint32_t i = alo; i < ahi; i++) {
        struct row swap = now;

        for (uint32_t j = w->first[x[i]]; j != NONE && j < bhi; j = w->next[j]) {
            uint32_t n;

            if (j < blo)
                continue;
            n = now.run[j] + 1;
            next.run[j + 1] = n;
            next.set[next.n++] = j + 1;
            if (n > best.n)
                best = (struct block){i + 1 - n, j + 1 - n, n};
        }
        while (now.n)
            now.run[now.set[--now.n]] = 0;
        swap.n = 0;
        now = next;
        next = swap;
    }
    while (now.n)
        now.run[now.set[--now.n]] = 0;
    while (best.a > alo && best.b > blo && x[best.a - 1] == y[best.b - 1]) {
        best.a--;
        best.b--;
        best.n++;
    }
    while (best.a + best.n < ahi && best.b + best.n < bhi &&
           x[best.a + best.n] == y[best.b + best.n])
        best.n++;
    return best;
}

/* All blocks in order; adjacent ones are one. Recursion is as deep as blocks are nested, at most their number:
 * the longer side is done in place. */
static void match(struct work *w, uint32_t alo, uint32_t ahi, uint32_t blo, uint32_t bhi)
{
    struct block m = longest(w, alo, ahi, blo, bhi), *last;

    if (!m.n)
        return;
    if (alo < m.a && blo < m.b)
        match(w, alo, m.a, blo, m.b);
    last = w->n_blocks ? &w->blocks[w->n_blocks - 1] : NULL;
    if (last && last->a + last->n == m.a && last->b + last->n == m.b)
        last->n += m.n;
    else
        w->blocks[w->n_blocks++] = m;
    if (m.a + m.n < ahi && m.b + m.n < bhi)
        match(w, m.a + m.n, ahi, m.b + m.n, bhi);
}

static void put_range(struct buf *b, uint32_t start, uint32_t n)
{
    if (n == 1)
        buf_fmt(b, "%u", start + 1);
    else
        buf_fmt(b, "%u,%u", n ? start + 1 : start, n);
}

static void put_lines(struct buf *b, char mark, const struct side *s, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        buf_char(b, mark);
        buf_str(b, s->lines[i]);
        buf_char(b, '\n');
    }
}

/* One hunk: the gaps before blocks [from, to] and what of these blocks is near. */
static void put_hunk(struct buf *out, const struct work *w, uint32_t from, uint32_t to)
{
    const struct block *k = w->blocks;
    struct block before = from ? k[from - 1] : (struct block){0, 0, 0}, end = k[to];
    uint32_t head = MIN(before.n, CONTEXT), tail = MIN(end.n, CONTEXT);
    uint32_t a = before.a + before.n - head, b = before.b + before.n - head;

    buf_z(out, "@@ -");
    put_range(out, a, end.a + tail - a);
    buf_z(out, " +");
    put_range(out, b, end.b + tail - b);
    buf_z(out, " @@\n");
    put_lines(out, ' ', &w->a, a, a + head);
    a += head;
    b += head;
    for (uint32_t i = from; i <= to; i++) {
        uint32_t common = i == to ? tail : k[i].n;

        put_lines(out, '-', &w->a, a, k[i].a);
        put_lines(out, '+', &w->b, b, k[i].b);
        put_lines(out, ' ', &w->a, k[i].a, k[i].a + common);
        a = k[i].a + common;
        b = k[i].b + common;
    }
}

str unified_diff(struct arena *arena, str old, str now)
{
    struct work w = {.n_ids = 0};
    CLEANUP(buf) struct buf out = BUF_INIT;
    struct block end;
    struct map ids;
    uint32_t from = 0;

    if (str_eq(old, now))
        return S("");
    split(arena, old, &w.a);
    split(arena, now, &w.b);
    if (w.a.n > DIFF_LINES_MAX || w.b.n > DIFF_LINES_MAX)
        return S("");
    map_init(&ids);
    number_lines(&w, &w.a, &ids);
    number_lines(&w, &w.b, &ids);
    map_fini(&ids);
    index_lines(arena, &w);
    for (size_t i = 0; i < ARRAY_LEN(w.rows); i++)
        w.rows[i] = (struct row){ARENA_NEW_N(arena, uint32_t, w.b.n + 1),
                                 ARENA_NEW_N(arena, uint32_t, w.b.n + 1), 0};
    w.blocks = ARENA_NEW_N(arena, struct block, MIN(w.a.n, w.b.n) + 1);
    match(&w, 0, w.a.n, 0, w.b.n);
    end = w.n_blocks ? w.blocks[w.n_blocks - 1] : (struct block){0, 0, 0};
    if (end.a + end.n != w.a.n || end.b + end.n != w.b.n)
        w.blocks[w.n_blocks++] = (struct block){w.a.n, w.b.n, 0};
    /* What the texts begin with is no hunk; a long block stands between two. */
    for (uint32_t i = 0; i < w.n_blocks; i++) {
        if (i == 0 && !w.blocks[0].a && !w.blocks[0].b && w.blocks[0].n)
            from = 1;
        else if (i + 1 == w.n_blocks || w.blocks[i].n > 2 * CONTEXT) {
            put_hunk(&out, &w, from, i);
            from = i + 1;
        }
    }
    return arena_dup(arena, buf_view(&out));
}
