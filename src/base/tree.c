/* tree.c - ordered map from a byte string to a pointer: a skip list.
 *
 * A skip list keeps neighbours a pointer apart (lists and continue tokens walk forward), needs no rotations, and its
 * level generator is a private counter-seeded sequence, so that a run can be repeated. */
#include "base/base.h"

#define TREE_LEVELS 16

struct tree_node {
    void *value;
    uint32_t key_n;
    uint8_t n_levels;
    /* next[n_levels], then the key's bytes */
    struct tree_node *next[];
};

struct tree {
    struct tree_node *head[TREE_LEVELS];
    size_t n;
    uint64_t seed;
    int n_levels;
};

struct tree *tree_new(void)
{
    struct tree *t = NEW(struct tree);

    t->seed = UINT64_C(0x2545f4914f6cdd1d);
    t->n_levels = 1;
    return t;
}

void tree_free(struct tree *t)
{
    struct tree_node *n = t ? t->head[0] : NULL;

    while (n) {
        struct tree_node *next = n->next[0];

        free(n);
        n = next;
    }
    free(t);
}

size_t tree_count(const struct tree *t)
{
    return t->n;
}

str tree_key(const struct tree_node *n)
{
    return (str){(const char *)&n->next[n->n_levels], n->key_n};
}

void *tree_value(const struct tree_node *n)
{
    return n->value;
}

const struct tree_node *tree_next(const struct tree_node *n)
{
    return n->next[0];
}

/* The links that a node with `key` would hang from; returns the first node with a key not less. */
static struct tree_node *tree_seek(const struct tree *t, str key,
                                   struct tree_node **links[TREE_LEVELS])
{
    struct tree_node *const *level_links = t->head;
    struct tree_node *at = NULL;

    for (int level = t->n_levels - 1; level >= 0; level--) {
        while (level_links[level] && str_cmp(tree_key(level_links[level]), key) < 0) {
            at = level_links[level];
            level_links = at->next;
        }
        if (links)
            links[level] = (struct tree_node **)(uintptr_t)&level_links[level];
    }
    return level_links[0];
}

void *tree_find(const struct tree *t, str key)
{
    struct tree_node *n = tree_seek(t, key, NULL);

    return n && str_eq(tree_key(n), key) ? n->value : NULL;
}

const struct tree_node *tree_first_from(const struct tree *t, str key)
{
    return tree_seek(t, key, NULL);
}

static int tree_levels(struct tree *t)
{
    int levels = 1;

    t->seed ^= t->seed << 13;
    t->seed ^= t->seed >> 7;
    t->seed ^= t->seed << 17;
    for (uint64_t bits = t->seed; (bits & 3) == 3 && levels < TREE_LEVELS; bits >>= 2)
        levels++;
    return levels;
}

void *tree_put(struct tree *t, str key, void *value)
{
    struct tree_node **links[TREE_LEVELS], *n = tree_seek(t, key, links);
    int levels;

    if (n && str_eq(tree_key(n), key)) {
        void *old = n->value;

        n->value = value;
        return old;
    }
    levels = tree_levels(t);
    while (t->n_levels < levels) {
        links[t->n_levels] = &t->head[t->n_levels];
        t->n_levels++;
    }
    n = mem_alloc(sizeof *n + (size_t)levels * sizeof n->next[0] + key.n);
    n->value = value;
    n->key_n = (uint32_t)key.n;
    n->n_levels = (uint8_t)levels;
    if (key.n)
        memcpy(&n->next[levels], key.p, key.n);
    for (int i = 0; i < levels; i++) {
        n->next[i] = *links[i];
        *links[i] = n;
    }
    t->n++;
    return NULL;
}

void *tree_del(struct tree *t, str key)
{
    struct tree_node **links[TREE_LEVELS], *n = tree_seek(t, key, links);
    void *old;

    if (!n || !str_eq(tree_key(n), key))
        return NULL;
    for (int i = 0; i < n->n_levels; i++)
        *links[i] = n->next[i];
    old = n->value;
    free(n);
    t->n--;
    return old;
}
