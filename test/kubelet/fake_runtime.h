/* fake_runtime.h - a container runtime in memory, behind the same interface as the real one. */
#ifndef K1S_TEST_FAKE_RUNTIME_H
#define K1S_TEST_FAKE_RUNTIME_H
#include "kubelet/runtime.h"

struct fake_runtime;
struct runtime *fake_runtime_new(struct loop *loop, struct fake_runtime **ret);
/* The images that are there; everything else fails to be pulled. */
void fake_runtime_add_image(struct fake_runtime *f, const char *name);
size_t fake_runtime_count(const struct fake_runtime *f, const char *call); /* "CreateContainer" */
size_t fake_runtime_running(const struct fake_runtime *f,
                            const char *container); /* how many of that name run; NULL: all */
size_t fake_runtime_sandboxes(const struct fake_runtime *f); /* that exist */
/* The newest container of that name ends, with an event. */
void fake_runtime_exit(struct fake_runtime *f, const char *container, int code);
/* Exits are told at once, but the status says that they run for so much longer: as a busy runtime. */
void fake_runtime_set_lag(struct fake_runtime *f, int64_t ns);
/* The newest container's configuration as it was asked for. */
const struct json *fake_runtime_config(const struct fake_runtime *f, const char *container);
/* Every event so far in one line each: "start a", "stop a", "sandbox p". */
str fake_runtime_log(const struct fake_runtime *f);
void fake_runtime_set_exec(struct fake_runtime *f,
                           int exit_code); /* of every ExecSync from now on */
/* The runtime outlives the agent: freeing the agent's handle leaves it as it is, and this gives a new handle. */
struct runtime *fake_runtime_again(struct fake_runtime *f);
void fake_runtime_free(struct fake_runtime *f);
#endif
