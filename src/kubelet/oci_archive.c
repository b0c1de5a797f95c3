/* oci_archive.c - writes container images as OCI archives; see oci_archive.h. Pure.
 *
 * API: https://github.com/opencontainers/image-spec (image-layout.md, config.md) and POSIX pax/ustar. */
#include "kubelet/oci_archive.h"

#include "wire/json.h"
#include "wire/tls.h"

#define TAR_BLOCK 512
#define TAR_NAME_MAX 100
#define TAR_PREFIX_MAX 155

extern const unsigned char pause_binary[];
extern const unsigned long pause_binary_size;

struct tar_header { /* POSIX ustar */
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100],
        magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct tar_header) == TAR_BLOCK, "a tar header is one block");

static void octal(char *field, size_t size, uint64_t v)
{
    for (size_t i = size - 1; i-- > 0; v >>= 3)
        field[i] = (char)('0' + (v & 7));
    field[size - 1] = 0;
}

bool tar_add(struct buf *out, const struct oci_file *f)
{
    static const char zeros[TAR_BLOCK];
    struct tar_header h = {0};
    str name = f->path, prefix = STR_NONE;
    bool is_dir = str_has_suffix(f->path, S("/"));
    uint64_t size = f->is_link || is_dir ? 0 : f->data.n;
    unsigned sum = 0;

    if (name.n > TAR_NAME_MAX) { /* split where both parts fit */
        size_t at = name.n - TAR_NAME_MAX - 1;

        while (at < name.n && name.p[at] != '/')
            at++;
        if (at + 1 >= name.n || at > TAR_PREFIX_MAX)
            return false;
        prefix = str_slice(name, 0, at);
        name = str_skip(name, at + 1);
    }
    if (f->is_link && f->data.n > sizeof h.link)
        return false;
    memcpy(h.name, name.p, name.n);
    if (prefix.n)
        memcpy(h.prefix, prefix.p, prefix.n);
    if (f->is_link)
        memcpy(h.link, f->data.p, f->data.n);
    octal(h.mode, sizeof h.mode, f->mode & 07777);
    octal(h.uid, sizeof h.uid, 0);
    octal(h.gid, sizeof h.gid, 0);
    octal(h.size, sizeof h.size, size);
    octal(h.mtime, sizeof h.mtime, 0);
    h.type = f->is_link ? '2' : is_dir ? '5' : '0';
    memcpy(h.magic, "ustar", 6);
    memcpy(h.version, "00", 2);
    memset(h.checksum, ' ', sizeof h.checksum);
    for (size_t i = 0; i < sizeof h; i++)
        sum += ((unsigned char *)&h)[i];
    octal(h.checksum, 7, sum);
    buf_add(out, &h, sizeof h);
    if (size) {
        buf_str(out, f->data);
        if (size % TAR_BLOCK)
            buf_add(out, zeros, TAR_BLOCK - size % TAR_BLOCK);
    }
    return true;
}

void tar_end(struct buf *out)
{
    static const char zeros[2 * TAR_BLOCK];

    buf_add(out, zeros, sizeof zeros);
}

str oci_architecture(void)
{
#if defined(__x86_64__)
    return S("amd64");
#elif defined(__aarch64__)
    return S("arm64");
#else
#error "oci_archive.c: name this architecture as Go does"
#endif
}

static struct json strings(struct arena *a, const str *s, size_t n)
{
    struct json v = json_array();

    for (size_t i = 0; i < n; i++)
        json_append(a, &v, json_string(s[i]));
    return v;
}

static struct json descriptor(struct arena *a, const char *media_type, str blob)
{
    struct json d = json_object();
    char hex[65];

    sha256_hex(blob, hex);
    json_setz(a, &d, "mediaType", json_z(media_type));
    json_setz(a, &d, "digest", json_string(arena_fmt(a, "sha256:%s", hex)));
    json_setz(a, &d, "size", json_int((int64_t)blob.n));
    return d;
}

static void add_blob(struct arena *a, struct buf *out, str blob)
{
    struct oci_file f = {.data = blob, .mode = 0644};
    char hex[65];

    sha256_hex(blob, hex);
    f.path = arena_fmt(a, "blobs/sha256/%s", hex);
    BUG_ON(!tar_add(out, &f));
}

static str encode(struct arena *a, const struct json *v)
{
    CLEANUP(buf) struct buf b = BUF_INIT;

    json_encode(&b, v);
    return arena_dup(a, buf_view(&b));
}

static str make_config(struct arena *a, const struct oci_image *image, str layer)
{
    struct json config = json_object(), run = json_object(), fs = json_object(), ids = json_array();
    char hex[65];

    sha256_hex(layer, hex);
    if (image->n_env)
        json_setz(a, &run, "Env", strings(a, image->env, image->n_env));
    if (image->n_entrypoint)
        json_setz(a, &run, "Entrypoint", strings(a, image->entrypoint, image->n_entrypoint));
    if (image->n_cmd)
        json_setz(a, &run, "Cmd", strings(a, image->cmd, image->n_cmd));
    if (image->user.n)
        json_setz(a, &run, "User", json_string(image->user));
    if (image->working_dir.n)
        json_setz(a, &run, "WorkingDir", json_string(image->working_dir));
    json_append(a, &ids, json_string(arena_fmt(a, "sha256:%s", hex)));
    json_setz(a, &fs, "type", json_z("layers"));
    json_setz(a, &fs, "diff_ids", ids);
    json_setz(a, &config, "architecture",
              json_string(image->architecture.n ? image->architecture : oci_architecture()));
    json_setz(a, &config, "os", json_z("linux"));
    json_setz(a, &config, "config", run);
    json_setz(a, &config, "rootfs", fs);
    return encode(a, &config);
}

void oci_archive_write(struct buf *out, const struct oci_image *image)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf layer = BUF_INIT;
    struct json manifest = json_object(), layers = json_array(), index = json_object(),
                manifests = json_array(), d, notes = json_object();
    const struct oci_file layout = {S("oci-layout"), S("{\"imageLayoutVersion\":\"1.0.0\"}"), 0644,
                                    false};
    struct oci_file f = {.path = S("index.json"), .mode = 0644};
    str config, manifest_text;

    for (size_t i = 0; i < image->n_files; i++)
        BUG_ON(!tar_add(&layer, &image->files[i]));
    tar_end(&layer);
    config = make_config(a, image, buf_view(&layer));

    json_append(a, &layers,
                descriptor(a, "application/vnd.oci.image.layer.v1.tar", buf_view(&layer)));
    json_setz(a, &manifest, "schemaVersion", json_int(2));
    json_setz(a, &manifest, "mediaType", json_z("application/vnd.oci.image.manifest.v1+json"));
    json_setz(a, &manifest, "config",
              descriptor(a, "application/vnd.oci.image.config.v1+json", config));
    json_setz(a, &manifest, "layers", layers);
    manifest_text = encode(a, &manifest);

    d = descriptor(a, "application/vnd.oci.image.manifest.v1+json", manifest_text);
    json_setz(a, &notes, "io.containerd.image.name", json_string(image->name));
    json_setz(a, &notes, "org.opencontainers.image.ref.name",
              json_string(str_skip(image->name, (size_t)(str_rindex(image->name, ':') + 1))));
    json_setz(a, &d, "annotations", notes);
    json_append(a, &manifests, d);
    json_setz(a, &index, "schemaVersion", json_int(2));
    json_setz(a, &index, "mediaType", json_z("application/vnd.oci.image.index.v1+json"));
    json_setz(a, &index, "manifests", manifests);

    BUG_ON(!tar_add(out, &layout));
    add_blob(a, out, buf_view(&layer));
    add_blob(a, out, config);
    add_blob(a, out, manifest_text);
    f.data = encode(a, &index);
    BUG_ON(!tar_add(out, &f));
    tar_end(out);
}

void oci_pause_archive(struct buf *out, str name)
{
    const struct oci_file file = {
        S("pause"), {(const char *)pause_binary, pause_binary_size}, 0755, false};
    const str entrypoint = S("/pause");
    const struct oci_image image = {.name = name,
                                    .files = &file,
                                    .n_files = 1,
                                    .entrypoint = &entrypoint,
                                    .n_entrypoint = 1,
                                    .user = S("65535:65535")};

    oci_archive_write(out, &image);
}
