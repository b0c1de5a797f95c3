/* openapi_docs.c - the OpenAPI documents, compressed, as C: one for v2, one for each group-version
 * for v3.
 *
 * They are made here so that the server neither builds nor keeps them: a client that accepts gzip
 * gets the bytes as they lie in the binary. The etag is a digest of the uncompressed text. */
#include "openapi.h"
#include "schema/openapi_proto.h"

#include <openssl/sha.h>
#include <zlib.h>

struct docs {
    struct model *m;
    struct buf rows, arrays;
    unsigned n;
};

static void deflate_all(str text, struct buf *out)
{
    z_stream z;
    unsigned char chunk[65536];
    int rc;

    memset(&z, 0, sizeof z);
    BUG_ON(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK);
    z.next_in = (unsigned char *)text.p;
    z.avail_in = (uInt)text.n;
    do {
        z.next_out = chunk;
        z.avail_out = sizeof chunk;
        rc = deflate(&z, Z_FINISH);
        buf_add(out, chunk, sizeof chunk - z.avail_out);
    } while (rc == Z_OK);
    BUG_ON(rc != Z_STREAM_END);
    deflateEnd(&z);
}

static void add_doc(struct docs *d, str path, str text, bool legacy)
{
    struct buf gz = BUF_INIT;
    unsigned char digest[SHA512_DIGEST_LENGTH];
    size_t col = 0;

    deflate_all(text, &gz);
    SHA512((const unsigned char *)text.p, text.n, digest);
    buf_fmt(&d->arrays, "static const unsigned char doc_%u[%zu] =\n\"", d->n, gz.n + 1);
    for (size_t i = 0; i < gz.n; i++) {
        unsigned char c = (unsigned char)gz.p[i];

        if (c >= 32 && c < 127 && c != '"' && c != '\\' && c != '?')
            buf_char(&d->arrays, (char)c);
        else
            buf_fmt(&d->arrays, "\\%03o", c);
        if (++col == 64) {
            buf_z(&d->arrays, "\"\n\"");
            col = 0;
        }
    }
    buf_z(&d->arrays, "\";\n");
    buf_fmt(&d->rows, "{STR(\"" PRI_STR "\"),{(const char *)doc_%u,%zu},%zu,STR(\"", STR_ARG(path),
            d->n, gz.n, text.n);
    for (size_t i = 0; i < sizeof digest; i++)
        buf_fmt(&d->rows, "%02X", digest[i]);
    buf_fmt(&d->rows, "\"),%d},\n", legacy);
    d->n++;
    buf_fini(&gz);
}

static void begin(struct openapi *o, struct docs *d, struct buf *b, struct model_package *p,
                  bool v3)
{
    *o = (struct openapi){.m = d->m, .w = {.out = b}, .v3 = v3, .package = p};
    o->is_wanted = arena_zalloc(d->m->arena, d->m->n_types);
    writer_open(&o->w, '{');
    writer_memberz(&o->w, v3 ? "openapi" : "swagger", v3 ? "3.0.0" : "2.0");
    writer_key(&o->w, "info");
    writer_raw(&o->w, v3 ? S("{\"title\":\"Kubernetes\",\"version\":\"1.36\"}")
                         : S("{\"title\":\"Kubernetes\",\"version\":\"v1.36.2\"}"));
    writer_key(&o->w, "paths");
    writer_open(&o->w, '{');
}

#define BEARER                                                                                     \
    "{\"BearerToken\":{\"type\":\"apiKey\",\"description\":\"Bearer Token "                        \
    "authentication\",\"name\":\"authorization\",\"in\":\"header\"}}"

static void finish(struct openapi *o, struct docs *d, struct buf *b, str path, bool legacy)
{
    writer_close(&o->w, '}');
    if (o->v3) {
        writer_key(&o->w, "components");
        writer_open(&o->w, '{');
        if (o->n_wanted || o->special) {
            writer_key(&o->w, "schemas");
            writer_open(&o->w, '{');
            openapi_write_schemas(o);
            writer_close(&o->w, '}');
        }
        writer_key(&o->w, "securitySchemes");
        writer_raw(&o->w, S(BEARER));
        writer_close(&o->w, '}');
    } else {
        writer_key(&o->w, "definitions");
        writer_open(&o->w, '{');
        openapi_write_schemas(o);
        writer_close(&o->w, '}');
        writer_key(&o->w, "securityDefinitions");
        writer_raw(&o->w, S(BEARER));
        writer_key(&o->w, "security");
        writer_raw(&o->w, S("[{\"BearerToken\":[]}]"));
    }
    writer_close(&o->w, '}');
    add_doc(d, path, buf_view(b), legacy);
    if (!o->v3) {
        struct buf proto = BUF_INIT;

        openapi_proto_document(d->m->arena, buf_view(b), &proto);
        add_doc(d, S("v2.pb"), buf_view(&proto), legacy);
        buf_fini(&proto);
    }
    buf_clear(b);
}

static struct model_type *meta_type(struct docs *d, const char *name)
{
    struct model_type *t = map_find(
        &d->m->by_name, arena_fmt(d->m->arena, "io.k8s.apimachinery.pkg.apis.meta.v1.%s", name));

    BUG_ON(!t);
    return t;
}

static const char *const discovery_media[] = {"application/json", "application/yaml",
                                              "application/vnd.kubernetes.protobuf", NULL};

static void write_group(struct openapi *o, struct docs *d, str group)
{
    struct arena *a = d->m->arena;

    openapi_write_get(
        o, arena_fmt(a, "/apis/" PRI_STR "/", STR_ARG(group)),
        arena_fmt(a, "get" PRI_STR "APIGroup", STR_ARG(openapi_group_name(o, group, true))),
        openapi_group_name(o, group, false), "get information of a group", meta_type(d, "APIGroup"),
        discovery_media);
}

/* The documents that belong to no group-version. */
static void write_root(struct openapi *o, struct docs *d, unsigned which)
{
    static const char *const json[] = {"application/json", NULL}, *const jwks[] = {
                                                                      "application/jwk-set+json",
                                                                      NULL};

    switch (which) {
    case 0:
        openapi_write_get(o, S("/api/"), S("getCoreAPIVersions"), S("core"),
                          "get available API versions", meta_type(d, "APIVersions"),
                          discovery_media);
        return;
    case 1:
        openapi_write_get(o, S("/apis/"), S("getAPIVersions"), S("apis"),
                          "get available API versions", meta_type(d, "APIGroupList"),
                          discovery_media);
        return;
    case 2:
        openapi_write_get(o, S("/version/"), S("getCodeVersion"), S("version"),
                          "get the version information for this server",
                          map_find(&d->m->by_name, S("io.k8s.apimachinery.pkg.version.Info")),
                          json);
        return;
    case 3:
        openapi_write_get(o, S("/.well-known/openid-configuration/"),
                          S("getServiceAccountIssuerOpenIDConfiguration"), S("WellKnown"),
                          "get service account issuer OpenID configuration, also known as the "
                          "'OIDC discovery doc'",
                          NULL, json);
        return;
    default:
        openapi_write_get(o, S("/openid/v1/jwks/"), S("getServiceAccountIssuerOpenIDKeyset"),
                          S("openid"),
                          "get service account issuer OpenID JSON Web Key Set (contains public "
                          "token verification keys)",
                          NULL, jwks);
    }
}
static const char *const roots[] = {"api", "apis", "version", ".well-known/openid-configuration",
                                    "openid/v1/jwks"};

static bool has_resources(struct model *m, struct model_package *p)
{
    for (uint32_t i = 0; i < m->n_resources; i++)
        if (m->resources[i]->package == p)
            return true;
    return false;
}

/* Is this the first package of its group? (Packages of a group are neighbours in the index.) */
static bool first_of_group(struct model *m, uint32_t at)
{
    for (uint32_t i = 0; i < at; i++)
        if (m->packages[i]->served != SERVED_OFF && has_resources(m, m->packages[i]) &&
            str_eq(m->packages[i]->group, m->packages[at]->group))
            return false;
    return true;
}

void openapi_write(struct model *m, struct buf *out)
{
    struct docs d = {.m = m};
    struct buf b = BUF_INIT;
    struct openapi o;

    for (unsigned i = 0; i < ARRAY_LEN(roots); i++) {
        begin(&o, &d, &b, NULL, true);
        write_root(&o, &d, i);
        finish(&o, &d, &b, arena_fmt(m->arena, "v3/%s", roots[i]), false);
    }
    for (uint32_t i = 0; i < m->n_packages; i++) {
        struct model_package *p = m->packages[i];
        bool legacy = p->served == SERVED_LEGACY;

        if (p->served == SERVED_OFF || !has_resources(m, p))
            continue;
        if (p->group.n && first_of_group(m, i)) {
            begin(&o, &d, &b, p, true);
            write_group(&o, &d, p->group);
            finish(&o, &d, &b, arena_fmt(m->arena, "v3/apis/" PRI_STR, STR_ARG(p->group)), legacy);
        }
        begin(&o, &d, &b, p, true);
        openapi_write_paths(&o, p);
        finish(&o, &d, &b,
               p->group.n ? arena_fmt(m->arena, "v3/apis/" PRI_STR "/" PRI_STR, STR_ARG(p->group),
                                      STR_ARG(p->version))
                          : arena_fmt(m->arena, "v3/api/" PRI_STR, STR_ARG(p->version)),
               legacy);
    }
    begin(&o, &d, &b, NULL, false);
    for (unsigned i = 0; i < ARRAY_LEN(roots); i++)
        write_root(&o, &d, i);
    for (uint32_t i = 0; i < m->n_packages; i++) {
        struct model_package *p = m->packages[i];

        if (p->served != SERVED_DEFAULT || !has_resources(m, p))
            continue;
        if (p->group.n && first_of_group(m, i))
            write_group(&o, &d, p->group);
        openapi_write_paths(&o, p);
    }
    finish(&o, &d, &b, S("v2"), false);
    buf_z(out, "/* openapi_docs.c - generated by tools/schemagen from api/: do not edit. "
               "*/\n#include \"schema/openapi.h\"\n");
    buf_str(out, buf_view(&d.arrays));
    buf_fmt(out,
            "const struct openapi_doc openapi_docs[] = {\n" PRI_STR
            "};\nconst size_t openapi_n_docs = %u;\n",
            STR_ARG(buf_view(&d.rows)), d.n);
    buf_fini(&b);
    buf_fini(&d.rows);
    buf_fini(&d.arrays);
}
