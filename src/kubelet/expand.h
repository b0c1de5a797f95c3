/* expand.h - $(NAME) in commands, arguments and environment values. */
#ifndef K1S_KUBELET_EXPAND_H
#define K1S_KUBELET_EXPAND_H
#include "base/base.h"
/* Returns whether the name is known; its value goes to *ret. */
typedef bool expand_fn(void *ctx, str name, str *ret);
/* `$(NAME)` becomes the value; `$$` a single `$`; a reference to what is not known stays as it is (and sets *ret_missed to the first
 * such name, where ret_missed is given).
 * API: https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/ */
str expand_vars(struct arena *a, str text, expand_fn *find, void *ctx, str *ret_missed);
#endif
