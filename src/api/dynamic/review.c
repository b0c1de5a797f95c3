/* review.c - the AdmissionReview that a webhook gets, and what can be wrong with the one that it sends back.
 *
 * API: admission.k8s.io/v1 and v1beta1; k8s.io/apiserver/pkg/admission/plugin/webhook/request */
#include "api/dynamic/dynamic_internal.h"
#include "wire/yaml.h"

str review_question(struct attributes *t, const struct shown *shown)
{
    struct json request = form_request(t, shown->kind);
    struct buf b = BUF_INIT;
    str text;

    JSON_EACH_MEMBER(m, &request) {
        buf_char(&b, ',');
        json_encode_string(&b, m->key);
        buf_char(&b, ':');
        json_encode(&b, &m->value);
    }
    buf_z(&b, ",\"object\":");
    if (shown->obj)
        json_encode(&b, shown->obj);
    else
        buf_z(&b, "null");
    buf_z(&b, ",\"oldObject\":");
    if (shown->old)
        json_encode(&b, shown->old);
    else
        buf_z(&b, "null");
    text = arena_dup(t->a, buf_view(&b));
    buf_fini(&b);
    return text;
}

void review_text(struct buf *b, const struct webhook *h, str uid, str question)
{
    buf_fmt(b,
            "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/%s\",\"request\":{"
            "\"uid\":\"" PRI_STR "\"",
            h->review == REVIEW_V1BETA1 ? "v1beta1" : "v1", STR_ARG(uid));
    buf_str(b, question);
    buf_z(b, "}}");
}

/* ---- the answer ---- */

static void failed(struct arena *a, struct answer *ret, const char *fmt, ...) PRINTF(3, 4);
static void failed(struct arena *a, struct answer *ret, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    ret->outcome = OUTCOME_FAILED;
    ret->failure = arena_vfmt(a, fmt, ap);
    va_end(ap);
}

/* The body as an AdmissionReview; NULL: ret tells why not. */
static struct json *decode(struct arena *a, const struct webhook *h, str body, struct answer *ret)
{
    const struct schema_type *type =
        schema_find_gvk(S("admission.k8s.io"), h->review == REVIEW_V1BETA1 ? S("v1beta1") : S("v1"),
                        S("AdmissionReview"));
    struct json *v = NULL;
    /* As Kubernetes' codecs: what does not begin like a JSON object is taken for YAML. */
    struct err *e = str_has_prefix(str_trim(body), S("{")) ? json_parse(a, body, NULL, NULL, &v)
                                                           : yaml_parse(a, body, NULL, &v);

    if (e) {
        failed(a, ret, "failed to call webhook: couldn't get version/kind; json parse error: %s",
               err_text(e));
        err_free(e);
        return NULL;
    }
    if (v->type == JSON_NULL)
        *v = json_object();
    if (v->type != JSON_OBJECT) {
        failed(a, ret,
               "failed to call webhook: couldn't get version/kind; json parse error: json: cannot "
               "unmarshal %s into Go value of type struct { APIVersion string "
               "\"json:\\\"apiVersion,omitempty\\\"\"; Kind string "
               "\"json:\\\"kind,omitempty\\\"\" }",
               json_word(v));
        return NULL;
    }
    e = schema_decode(a, type, v, NULL);
    if (e) {
        failed(a, ret, "failed to call webhook: %s", err_text(e));
        err_free(e);
        return NULL;
    }
    return v;
}

static const char *quoted(struct arena *a, str s)
{
    struct buf b = BUF_INIT;
    str text;

    buf_quoted(&b, s);
    text = arena_dup(a, buf_view(&b));
    buf_fini(&b);
    return text.p;
}

/* v1 answers have to name the question and their own kind; v1beta1 let that pass. */
static bool is_an_answer(struct arena *a, const struct webhook *h, str uid, const struct json *v,
                         struct answer *ret)
{
    str got = json_get_str(v, "response.uid"), api_version = json_get_str(v, "apiVersion"),
        kind = json_get_str(v, "kind");

    if (!json_findz(v, "response")) {
        failed(a, ret, "received invalid webhook response: webhook response was absent");
        return false;
    }
    if (h->review == REVIEW_V1BETA1)
        return true;
    if (!str_eq(got, uid)) {
        failed(a, ret,
               "received invalid webhook response: expected response.uid=\"" PRI_STR "\", got %s",
               STR_ARG(uid), quoted(a, got));
        return false;
    }
    if (str_is(api_version, "admission.k8s.io/v1") && str_is(kind, "AdmissionReview"))
        return true;
    failed(a, ret,
           "received invalid webhook response: expected webhook response of admission.k8s.io/v1, "
           "Kind=AdmissionReview, got %s" PRI_STR ", Kind=" PRI_STR,
           str_has_char(api_version, '/') ? "" : "/", STR_ARG(api_version), STR_ARG(kind));
    return false;
}

/* Patch and patchType come together, and from mutating webhooks only. */
static bool patch_is_in_order(struct arena *a, const struct webhook *h, const struct json *response,
                              struct answer *ret)
{
    bool patch = json_get_str(response, "patch").n > 0;
    const struct json *type = json_findz(response, "patchType");
    const char *why = NULL;

    if (h->review == REVIEW_V1BETA1)
        return true;
    if (!h->mutating)
        why = patch  ? "validating webhook may not return response.patch"
              : type ? "validating webhook may not return response.patchType"
                     : NULL;
    else if (patch != (type != NULL))
        why = patch ? "webhook returned response.patch but not response.patchType"
                    : "webhook returned response.patchType but not response.patch";
    else if (type && !json_str(type).n)
        why = "webhook returned invalid response.patchType of \"\"";
    if (why)
        failed(a, ret, "received invalid webhook response: %s", why);
    return !why;
}

static void take_patch(struct arena *a, const struct webhook *h, const struct json *response,
                       struct answer *ret)
{
    str type = json_get_str(response, "patchType"), text;
    struct json *ops = NULL;
    struct err *e = NULL;

    if (!json_get_str(response, "patch").n)
        return;
    if (!base64_decode(a, json_get_str(response, "patch"), &text)) {
        failed(a, ret, "failed to call webhook: illegal base64 data in response.patch");
        return;
    }
    e = json_parse(a, text, NULL, NULL, &ops);
    if (!e && ops->type != JSON_ARRAY && ops->type != JSON_NULL)
        e = err_new(REASON_INTERNAL,
                    "json: cannot unmarshal %s into Go value of type jsonpatch.Patch",
                    json_word(ops));
    if (e) {
        failed(a, ret, "received undecodable patch in webhook response: %s", err_text(e));
        err_free(e);
    } else if (!json_count(ops)) {
        return;
    } else if (h->review == REVIEW_V1 && !str_is(type, "JSONPatch")) {
        failed(a, ret, "unsupported patch type %s", quoted(a, type));
    } else {
        ret->patch = ops;
    }
}

void review_read(struct arena *a, const struct webhook *h, str uid, str body, struct answer *ret)
{
    struct json *v = decode(a, h, body, ret);

    if (!v || !is_an_answer(a, h, uid, v, ret))
        return;
    ret->response = json_findz(v, "response");
    if (!patch_is_in_order(a, h, ret->response, ret))
        return;
    ret->outcome =
        json_get_bool(ret->response, "allowed", false) ? OUTCOME_ALLOWED : OUTCOME_DENIED;
    if (h->mutating && ret->outcome == OUTCOME_ALLOWED)
        take_patch(a, h, ret->response, ret);
}
