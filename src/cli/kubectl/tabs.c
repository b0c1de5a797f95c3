/* tabs.c - text with tab-terminated cells in aligned columns, as Go's text/tabwriter lays it out for kubectl: a column is a block of
 * consecutive lines that have a cell there, two spaces apart. */
#include "cli/kubectl/kubectl.h"

#define PADDING 2
#define COLUMNS_MAX 32

struct line {
    str cells[COLUMNS_MAX];
    size_t n; /* the last one has no tab behind it */
};
struct layout {
    struct line *lines;
    size_t widths[COLUMNS_MAX];
    size_t n_widths;
};

static size_t width_of(str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static void write_lines(const struct layout *l, size_t from, size_t to)
{
    for (; from < to; from++) {
        const struct line *line = &l->lines[from];

        for (size_t j = 0; j < line->n; j++) {
            printf(PRI_STR, STR_ARG(line->cells[j]));
            if (j < l->n_widths)
                printf("%*s", (int)(l->widths[j] - MIN(l->widths[j], width_of(line->cells[j]))),
                       "");
        }
        putchar('\n');
    }
}

static void format(struct layout *l, size_t from, size_t to)
{
    size_t column = l->n_widths;

    for (size_t at = from; at < to; at++) {
        size_t width = 0;

        if (column + 1 >= l->lines[at].n)
            continue;
        write_lines(l, from, at);
        from = at;
        for (; at < to && column + 1 < l->lines[at].n; at++)
            width = MAX(width, width_of(l->lines[at].cells[column]) + PADDING);
        l->widths[l->n_widths++] = width;
        format(l, from, at);
        l->n_widths--;
        from = at;
    }
    write_lines(l, from, to);
}

void kube_print_tabbed(struct kubectl *k, str text)
{
    struct layout l = {0};
    size_t n = 0, cap = 0;
    str line;

    while (str_cut(&text, '\n', &line)) {
        struct line *to;
        bool more = true;

        if (!line.n && !text.p) /* behind the last line */
            break;
        if (n == cap) {
            l.lines = arena_grow(k->a, l.lines, cap * sizeof *l.lines,
                                 MAX(cap * 2, (size_t)64) * sizeof *l.lines);
            cap = MAX(cap * 2, (size_t)64);
        }
        to = &l.lines[n++];
        to->n = 0;
        while (more && to->n < COLUMNS_MAX) {
            more = str_has_char(line, '\t');
            if (more && to->n + 1 < COLUMNS_MAX)
                str_cut(&line, '\t', &to->cells[to->n]);
            else
                to->cells[to->n] = line;
            to->n++;
        }
    }
    format(&l, 0, n);
}
