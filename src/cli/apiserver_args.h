/* apiserver_args.h - --kube-apiserver-arg: what kube-apiserver has a flag for and k1s has not. */
#ifndef K1S_CLI_APISERVER_ARGS_H
#define K1S_CLI_APISERVER_ARGS_H
#include "api/api.h"
#include "cli/options.h"

struct apiserver_args {
    struct api_options api;
    str token_auth_file;
    str audit_log_format, admission_plugins; /* only checked: there is no choice */
    str authentication_config_path; /* of api.authentication_config: changes are followed */
    bool any_oidc;
    int64_t compact_age_ns; /* 0: the store's default */
};
/* Reads the arguments, and the files that they name; `o` holds the defaults. Strings live in the
 * arena. */
MUST_USE struct err *apiserver_args_read(struct loop *loop, struct arena *a,
                                         const struct option_list *args, struct apiserver_args *o);
#endif
