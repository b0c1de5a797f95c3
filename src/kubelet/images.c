/* images.c - that a container's image is on the node; see images.h.
 *
 * look -> (policy) -> wait or pull with each fitting credential until one works -> look again for id and user.
 * Pulls of several pods run side by side; the runtime itself joins what two of them have in common. */
#include "kubelet/images.h"

#include "kubelet/image_name.h"
#include "kubelet/podspec.h"

#define AUTHS_MAX 64
#define BACKOFF_SHOWN_NS                                                                           \
    (2 * NS_PER_S) /* so long a pod shows the failure itself, then that it waits */

struct images {
    struct runtime *rt;
    struct backoff backoff;
};

struct image_wait {
    struct images *im;
    struct image_request r;
    struct arena *arena;
    str image;          /* with a tag */
    struct json *auths; /* array; tried in order */
    uint32_t next_auth;
    mono_time started;
    bool pulled, cancelled;
};

struct images *images_new(struct runtime *rt)
{
    struct images *im = NEW(struct images);

    im->rt = rt;
    im->backoff = BACKOFF_CONTAINER;
    return im;
}

void images_free(struct images *im)
{
    mem_free(im);
}

void image_wait_cancel(struct image_wait *w)
{
    if (w)
        w->cancelled = true;
}

static void event(struct image_wait *w, const char *type, const char *reason, const char *fmt, ...)
    PRINTF(4, 5);
static void event(struct image_wait *w, const char *type, const char *reason, const char *fmt, ...)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    va_list ap;

    if (w->cancelled)
        return;
    va_start(ap, fmt);
    buf_vfmt(&b, fmt, ap);
    va_end(ap);
    w->r.event(w->r.ctx, type, reason, buf_view(&b));
}

static void end(struct image_wait *w, struct image_result result)
{
    if (!w->cancelled)
        w->r.done(w->r.ctx, &result);
    arena_free(w->arena);
    mem_free(w);
}

static void fail(struct image_wait *w, const char *reason, str message, int64_t retry_ns)
{
    end(w, (struct image_result){
               .reason = reason, .message = message, .retry_ns = retry_ns, .uid = -1});
}

static struct json image_spec(struct image_wait *w)
{
    struct json spec = json_object();

    json_setz(w->arena, &spec, "image", json_string(w->image));
    return spec;
}

static void look(struct image_wait *w);
static void pull_next(struct image_wait *w);

/* ---- pulling ---- */

static void collect_auth(void *ctx, const struct json *auth)
{
    struct image_wait *w = ctx;

    if (w->auths->n < AUTHS_MAX)
        json_append(w->arena, w->auths, json_copy(w->arena, auth));
}

static void on_pulled(void *ctx, struct err *err, const struct json *response)
{
    struct image_wait *w = ctx;
    wall_time now = loop_wall(w->im->rt->loop);

    if (err && w->next_auth < w->auths->n && err->reason != REASON_UNAVAILABLE) {
        err_free(err);
        pull_next(w);
        return;
    }
    if (err) {
        str message = arena_dup(w->arena, str_of(err_text(err)));

        err_free(err);
        event(w, "Warning", "Failed", "Failed to pull image \"" PRI_STR "\": " PRI_STR,
              STR_ARG(w->r.image), STR_ARG(message));
        if (!w->cancelled) {
            backoff_raise(&w->im->backoff, w->r.backoff, now);
            mem_free(*w->r.last_error);
            *w->r.last_error = str_dupz(message);
        }
        fail(w, "ErrImagePull", message, BACKOFF_SHOWN_NS);
        return;
    }
    w->pulled = true;
    look(w);
}

static void pull_next(struct image_wait *w)
{
    struct json request = json_object();

    json_setz(w->arena, &request, "image", image_spec(w));
    if (w->next_auth < w->auths->n)
        json_setz(w->arena, &request, "auth", w->auths->items[w->next_auth++]);
    if (w->r.sandbox_config)
        json_setz(w->arena, &request, "sandbox_config", *w->r.sandbox_config);
    runtime_call(w->im->rt, RUNTIME_PULL_IMAGE, &request, RUNTIME_PULL_TIMEOUT_NS, on_pulled, w);
}

static void pull(struct image_wait *w)
{
    wall_time now = loop_wall(w->im->rt->loop);
    int64_t wait =
        w->cancelled ? 0 : backoff_wait_ns(&w->im->backoff, w->r.backoff, w->r.backoff->last, now);

    if (wait > 0) {
        str message =
            arena_fmt(w->arena, "Back-off pulling image \"" PRI_STR "\"", STR_ARG(w->r.image));

        event(w, "Normal", "BackOff", PRI_STR, STR_ARG(message));
        if (*w->r.last_error)
            message = arena_fmt(w->arena, PRI_STR ": ErrImagePull: %s", STR_ARG(message),
                                *w->r.last_error);
        fail(w, "ImagePullBackOff", message, wait);
        return;
    }
    event(w, "Normal", "Pulling", "Pulling image \"" PRI_STR "\"", STR_ARG(w->r.image));
    w->started = loop_now(w->im->rt->loop);
    pull_next(w);
}

/* ---- looking ---- */

static void on_status(void *ctx, struct err *err, const struct json *response)
{
    struct image_wait *w = ctx;
    const struct json *image = json_findz(response, "image"), *uid;
    struct image_result found = {.uid = -1};
    bool present;

    if (err) {
        str message = arena_fmt(w->arena, "Failed to inspect image \"" PRI_STR "\": %s",
                                STR_ARG(w->r.image), err_text(err));

        err_free(err);
        event(w, "Warning", "InspectFailed", PRI_STR, STR_ARG(message));
        fail(w, "ImageInspectError", message, w->im->backoff.first_ns);
        return;
    }
    present = json_get_str(image, "id").n > 0;
    if (present && !w->pulled && str_is(w->r.policy, "Always")) {
        pull(w);
        return;
    }
    if (!present && w->pulled) {
        fail(w, "ErrImagePull", S("the image is gone right after it was pulled"),
             w->im->backoff.first_ns);
        return;
    }
    if (!present && str_is(w->r.policy, "Never")) {
        str message = arena_fmt(
            w->arena, "Container image \"" PRI_STR "\" is not present with pull policy of Never",
            STR_ARG(w->r.image));

        event(w, "Warning", "ErrImageNeverPull", PRI_STR, STR_ARG(message));
        fail(w, "ErrImageNeverPull", message, w->im->backoff.first_ns);
        return;
    }
    if (!present) {
        pull(w);
        return;
    }
    if (w->pulled) {
        CLEANUP(buf) struct buf took = BUF_INIT;

        buf_duration(&took, (loop_now(w->im->rt->loop).ns - w->started.ns) / NS_PER_MS * NS_PER_MS);
        event(w, "Normal", "Pulled",
              "Successfully pulled image \"" PRI_STR
              "\" in %s (%s including waiting). Image size: %lld bytes.",
              STR_ARG(w->r.image), buf_cstr(&took), buf_cstr(&took),
              (long long)json_get_int(image, "size", 0));
        if (!w->cancelled)
            *w->r.backoff = (struct backoff_entry){0};
    } else {
        event(w, "Normal", "Pulled",
              "Container image \"" PRI_STR
              "\" already present on machine and can be accessed by the pod",
              STR_ARG(w->r.image));
    }
    uid = json_at(image, "uid", "value", NULL);
    if (json_findz(image, "uid"))
        found.uid = uid ? uid->i : 0;
    found.username = json_get_str(image, "username");
    found.ref = json_get_str(image, "id");
    if (!found.username.n && !json_findz(image, "uid"))
        found.uid = -1;
    end(w, found);
}

static void look(struct image_wait *w)
{
    struct json request = json_object();

    json_setz(w->arena, &request, "image", image_spec(w));
    runtime_call(w->im->rt, RUNTIME_IMAGE_STATUS, &request, 0, on_status, w);
}

static void on_bad_name(void *ctx)
{
    struct image_wait *w = ctx;
    str message = arena_fmt(w->arena,
                            "Failed to apply default image tag \"" PRI_STR
                            "\": couldn't parse image name \"" PRI_STR "\": " PRI_STR,
                            STR_ARG(w->r.image), STR_ARG(w->r.image),
                            STR_ARG(image_name_problem(w->arena, w->r.image)));

    event(w, "Warning", "InspectFailed", PRI_STR, STR_ARG(message));
    fail(w, "InvalidImageName", message, w->im->backoff.first_ns);
}

struct image_wait *image_ensure(struct images *im, const struct image_request *r)
{
    struct image_wait *w = NEW(struct image_wait);
    struct image_name name;

    w->im = im;
    w->r = *r;
    w->arena = arena_new();
    w->r.image = arena_dup(w->arena, r->image);
    w->r.policy = arena_dup(w->arena, r->policy);
    w->r.secrets = NULL;
    w->auths = json_new(w->arena, json_array());
    if (r->sandbox_config)
        w->r.sandbox_config = json_new(w->arena, json_copy(w->arena, r->sandbox_config));
    if (!image_name_parse(w->arena, w->r.image, &name)) {
        loop_defer(im->rt->loop, on_bad_name, w);
        return w;
    }
    w->image = image_name_with_tag(w->arena, w->r.image, &name);
    for (size_t i = 0; i < r->n_secrets; i++)
        image_auth_each(w->arena, r->secrets[i], &name, collect_auth, w);
    look(w);
    return w;
}
