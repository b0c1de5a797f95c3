/* world.h - an API server under the virtual clock, and exchanges made in this process.
 *
 * A request is answered by driving the loop; watches stay open and collect what they are sent. */
#ifndef K1S_TEST_API_WORLD_H
#define K1S_TEST_API_WORLD_H
#include "api/api.h"
#include "test/test.h"

struct world {
    struct loop *loop;
    struct store *store;
    struct api *api;
    struct arena *arena; /* answers live here */
    struct http_server *server;
    struct list open;      /* exchanges not ended */
    int http_version;      /* of the calls; 0: inside the process */
    struct http_peer peer; /* who makes the calls, as the connection knows */
};

struct call { /* one request and what came back */
    struct list link;
    struct world *w;
    struct http_exchange ex;
    struct http_header in[12];
    int status;
    struct buf head, body; /* head: "Name: value\n" lines */
    bool ended;
    unsigned opcode;     /* of the messages that it became; 0: a body */
    unsigned n_messages; /* pieces of the body, then */
    size_t queue;        /* what http_queued() answers: for back-pressure tests */
};

void world_init(struct world *w);
/* The same with options that `adjust` has changed; what they borrow must live until this returns. */
void world_init_with(struct world *w, void (*adjust)(struct world *w, struct api_options *o));
void world_fini(struct world *w);
/* As admin unless headers say otherwise ("Authorization: Bearer x\nAccept: y"). Runs until the
 * answer is complete or ns of virtual time have passed. */
struct call *world_call(struct world *w, const char *method, const char *path, const char *body,
                        const char *headers);
struct call *world_open(struct world *w, const char *method, const char *path, const char *body,
                        const char *headers); /* without waiting for the end */
void world_run(struct world *w, int64_t ns);
void call_free(struct call *c);
/* JSON that is written with ' in place of "; in the world's arena. NULL stays NULL. */
const char *world_quoted(struct world *w, const char *text);
/* Shorthands: status, and the body as a tree in the world's arena. */
int world_status(struct world *w, const char *method, const char *path, const char *body);
struct json *world_json(struct world *w, const char *method, const char *path, const char *body,
                        int want_status);
struct json *call_json(struct call *c);
str call_header(struct call *c, const char *name);
#endif
