/* encryption.c - reads and writes the EncryptionConfiguration with the keys of Secrets.
 *
 * The provider that comes first writes: aesgcm when encryption is enabled, identity when it is not;
 * of the keys, the first one writes and all read. Keys have their time in their name, so that an
 * old one that nothing needs any more is told from a new one that is not in use yet.
 *
 * API: https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/ */
#include "cli/encryption.h"
#include "wire/json.h"

#define CONFIG_MAX ((size_t)64 << 10)
#define KEY_PREFIX "aesgcmkey-"

static const char *const resources[] = {"secrets", NULL};

static const char *path_of(struct arena *a, str data_dir, const char *below)
{
    return arena_dupz(a, arena_fmt(a, PRI_STR "/server/cred%s", STR_ARG(data_dir), below));
}

static void cipher_set(struct encryption *x)
{
    x->cipher = (struct store_cipher){
        .resources = resources, .keys = x->keys, .n_keys = x->n, .encrypts = x->enabled && x->n};
}

static struct err *keys_parse(struct arena *a, const struct json *keys, struct encryption *x)
{
    JSON_EACH(k, keys) {
        str secret;

        if (x->n == ENCRYPTION_KEYS_MAX)
            return err_new(REASON_BAD_REQUEST, "more than %d keys", ENCRYPTION_KEYS_MAX);
        if (!base64_decode(a, json_get_str(k, "secret"), &secret) || secret.n != AEAD_KEY_BYTES)
            return err_new(REASON_BAD_REQUEST, "key \"" PRI_STR "\" has not 32 bytes",
                           STR_ARG(json_get_str(k, "name")));
        x->names[x->n] = json_get_str(k, "name");
        memcpy(x->keys[x->n++].secret, secret.p, AEAD_KEY_BYTES);
    }
    return NULL;
}

static struct err *config_parse(struct arena *a, str text, struct encryption *x)
{
    struct json *v = NULL;
    const struct json *rule;
    bool first = true;
    struct err *err = json_parse(a, text, NULL, NULL, &v);

    if (err)
        return err;
    rule = json_item(json_findz(v, "resources"), 0);
    if (!str_is(json_get_str(v, "kind"), "EncryptionConfiguration") ||
        json_count(json_findz(v, "resources")) != 1 ||
        !str_is(json_str(json_item(json_findz(rule, "resources"), 0)), "secrets"))
        return err_new(REASON_BAD_REQUEST, "it is no EncryptionConfiguration of secrets alone");
    JSON_EACH(p, json_findz(rule, "providers")) {
        const struct json *aesgcm = json_findz(p, "aesgcm");

        if (!aesgcm && !json_findz(p, "identity"))
            return err_new(REASON_BAD_REQUEST, "only aesgcm and identity are supported");
        if (first)
            x->enabled = aesgcm != NULL;
        first = false;
        err = keys_parse(a, json_findz(aesgcm, "keys"), x);
        if (err)
            return err;
    }
    if (x->enabled && !x->n)
        return err_new(REASON_BAD_REQUEST, "there is no key");
    return NULL;
}

struct err *encryption_load(struct loop *loop, struct arena *a, str data_dir,
                            struct encryption *ret)
{
    const char *path = path_of(a, data_dir, "/encryption-config.json");
    CLEANUP(buf) struct buf text = BUF_INIT;
    int rc = file_read(loop, path, CONFIG_MAX, &text);
    struct err *err;

    *ret = (struct encryption){0};
    if (rc == -ENOENT)
        return NULL;
    if (rc)
        return err_errno(rc, "reading %s", path);
    ret->exists = true;
    err = config_parse(a, arena_dup(a, buf_view(&text)), ret);
    cipher_set(ret);
    return err ? err_note(err, "reading %s", path) : NULL;
}

struct err *encryption_save(struct loop *loop, str data_dir, const struct encryption *x)
{
    static const char identity[] = "{\"identity\":{}}";
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf b = BUF_INIT;
    CLEANUP(buf) struct buf keys = BUF_INIT;
    const char *path = path_of(a, data_dir, "/encryption-config.json");
    int rc = file_mkdir_all(loop, path_of(a, data_dir, ""), 0700);

    for (size_t i = 0; i < x->n; i++) {
        buf_z(&keys, i ? ",{\"name\":" : "{\"name\":");
        json_encode_string(&keys, x->names[i]);
        buf_z(&keys, ",\"secret\":\"");
        buf_base64(&keys, (str){(const char *)x->keys[i].secret, AEAD_KEY_BYTES});
        buf_z(&keys, "\"}");
    }
    buf_z(&b, "{\"kind\":\"EncryptionConfiguration\",\"apiVersion\":\"apiserver.config.k8s.io/v1\","
              "\"resources\":[{\"resources\":[\"secrets\"],\"providers\":[");
    if (!x->enabled)
        buf_fmt(&b, "%s,", identity);
    buf_fmt(&b, "{\"aesgcm\":{\"keys\":[" PRI_STR "]}}", STR_ARG(buf_view(&keys)));
    if (x->enabled)
        buf_fmt(&b, ",%s", identity);
    buf_z(&b, "]}]}\n");
    if (!rc)
        rc = file_write_atomic(loop, path, buf_view(&b), 0600);
    return rc ? err_errno(rc, "writing %s", path) : NULL;
}

struct err *encryption_key_add(struct arena *a, wall_time now, bool first, struct encryption *x)
{
    CLEANUP(buf) struct buf name = BUF_INIT;
    size_t at = first ? 0 : x->n;

    if (x->n == ENCRYPTION_KEYS_MAX)
        return err_new(REASON_BAD_REQUEST, "there are %zu keys already: reencrypt first", x->n);
    buf_z(&name, KEY_PREFIX);
    buf_rfc3339_micro(&name, now);
    memmove(&x->names[at + 1], &x->names[at], (x->n - at) * sizeof *x->names);
    memmove(&x->keys[at + 1], &x->keys[at], (x->n - at) * sizeof *x->keys);
    x->names[at] = arena_dup(a, buf_view(&name));
    aead_key_new(x->keys[at].secret);
    x->n++;
    x->exists = true;
    cipher_set(x);
    return NULL;
}

bool encryption_retire(struct encryption *x)
{
    size_t kept = 1;

    for (size_t i = 1; i < x->n; i++)
        if (str_cmp(x->names[i], x->names[0]) > 0) { /* prepared, not in use yet */
            x->names[kept] = x->names[i];
            x->keys[kept++] = x->keys[i];
        }
    if (kept >= x->n)
        return false;
    x->n = kept;
    cipher_set(x);
    return true;
}
