/* expand.c - $(NAME) in commands, arguments and environment values; see expand.h. */
#include "kubelet/expand.h"

str expand_vars(struct arena *a, str text, expand_fn *find, void *ctx, str *ret_missed)
{
    CLEANUP(buf) struct buf out = BUF_INIT;

    if (!str_has_char(text, '$'))
        return text;
    for (size_t i = 0; i < text.n; i++) {
        char next = i + 1 < text.n ? text.p[i + 1] : 0;
        str rest, name, value;
        ptrdiff_t end;

        if (text.p[i] != '$' || (next != '$' && next != '(')) {
            buf_char(&out, text.p[i]);
            continue;
        }
        if (next == '$') { /* an escaped dollar: what follows is plain text */
            buf_char(&out, '$');
            i++;
            continue;
        }
        rest = str_skip(text, i + 2);
        end = str_index(rest, ')');
        if (end < 0) {
            buf_z(&out, "$(");
            i++;
            continue;
        }
        name = str_slice(rest, 0, (size_t)end);
        if (find(ctx, name, &value)) {
            buf_str(&out, value);
        } else {
            buf_fmt(&out, "$(" PRI_STR ")", STR_ARG(name));
            if (ret_missed && !ret_missed->p)
                *ret_missed = name;
        }
        i += 2 + (size_t)end;
    }
    return arena_dup(a, buf_view(&out));
}
