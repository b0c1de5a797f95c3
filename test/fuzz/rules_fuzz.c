/* rules_fuzz.c - validation of every kind but CustomResourceDefinitions: whatever an object holds, its rules
 * come to an end.
 *
 * Bytes are choices on the way through the kind's schema, so that most objects get past decoding; their sum chooses the kind. */
#include "api/api_internal.h"
#include "api/validation/validation.h"
#include "test/fuzz/fuzz.h"

#define DEPTH_MAX 14
#define NODES_MAX 3000

/* Nothing but many different bytes. */
const str fuzz_seeds[] = {
    STR("ksnQG8u/c =Ts>d=LlG/TvSB<>-PB:yDYCz/+SddI7Gy,R4RTkBnC7zQ 8;:a8RkpWz8w2"
        "PlX6Ykuvqdt}6s:.7Rt((qcbn=r2yAdFAK-D}OG>0qhS5{/0-q<t=*c3x,atws7;p)hO/="
        ")8n)hEyIfm-4)di3O:-,*zI4*<8-E/G)z4r0pX3NjD1jALptTsFr6BmX9uBu2*YQ0zSNlT"
        "cQ(53cWP/;K*ioCnkGHfxHq1GYt<*]+OlIhx1jHclGk,BiGp5bQ(0H;qf=DouGgxzM!M= "
        "K4-wHRcFebc-(y*7E4n2+>X-MACQzrYRgqbj!F2uhkV-J.EKf5xuH4aGTP(OEeMASxaPVk"
        "7I-zE-alGlsY}fXcLL!Ck{=t.WO+tJ;sf*!1-r=-[c{CkdfrTnV4)g!c!<E9Ga5i-<l=i7"),
    STR("FjGD C5+Vj8Jf:!zj.sPFL;[rb8h9HmA9K/J666p(zMk7cK5j-4HW  j{ls=GTq,!*IoTC"
        "+9Xdua94YLs0RVNpPaOQXpzbKFUiXW}jT1IgIngJtEH2*NyU1d!Y(( kgZ4:rJ9g(qv70Q"
        "JLFGYDL8)Xpvuj -+(B4P41r(yElwQ)lNDUG[zcZWZ= VHQh+I]Tq-=!AlHEWY42Mcqe17"
        "}9ajX=64EnBtt/n5k(faqC[eLq!F=2omjL={yWGB.ab<L5INE7=D(EdZMhcy+0kFC1UC+e"
        "Q0TXzaK-i +zMyC6BGKn;+:xB90h.sXgAd.s0ghxX4NokvPyx=6eMVUP3vnakIkR0p) VS"
        "M2lg7zU>4yOT7d!ZE!YfVe6ihFyi,QTHP:fGNILa.idCn76WF2+q+xbLt,DON5T.k*zXuE"),
    STR("Zie8(>Ou1njG;k m0+4wCr05;D<pKKI[HUFGz3ExEDtJ{yOiXFE-=Cm6ena7C4UfKCpgy."
        "{yjU*w4,Gan.;RAeUQsf Fe. bOZUx;Mj e+(8iZmX(t<luXHZJM0gM[S00cTzXY a2u1o"
        "lY]T5uqbg(sXl];U-vsRJu/vinW9zLqf8Ng,Wl;uB;Y:z7x[AfY/uWSptEyf)eOpW.5(!M"
        "0M{E1WU4-3wca;96D4;5w7YniqS2Tl3-*ffqkN*kg-Vrdi:oyq9JvBiR:FuO:I5sF-8 }G"
        ":-DNUezxYuIOVvGo=gT4)/{nF<!XUGVU]sTPk3Cw:gK/FM{NaeBtK:!20*Tgq9C:fcga[S"
        "Ln/S<BZ{L}r T;7urbEt4misHYGbh)R.{3,/+Evafh<dYxDuhnb:(zsZz/,-0:w*MiL!g8"),
    STR("<aV26k4wBnGCepPGgH(2/GKAk-bvGDzuOyWP.DV!<77=ad2C]MAX;{j[vsedon;uRsddfr"
        "fifi}Tz<iWnE  oeel!!J8mqm KNQ1GcRFJgUO,-7J;dZd2/mR7g<[Al]Jv2a=zJgaR9m9"
        "x+}R*G]uJAC+vok9)n!OSmYXl1dU LG1>-vV!C5q<.,eR{O/t4(Ov63F{CqP6D-yHL;ttE"
        "O,/RuDOyGnvnzWtsLL2IznnI W6ebY2B-!K6csF,YaE2]}0C{Cxp52NG!m0EY!uF185c;Z"
        "/xObW9neF>Auz/Rm]5> 7*cU/QZ5 xX*p:ShFIVYhbj00!S{GnBLY=BX6Avqiy7)BsSZ6K"
        "(q7SCHVF1x8aISELO891;kTtLWhk[Or=R{bb jKF,m{sCx4Rt Y<v:,l(Lz+A=k3o)pG0C"),
    {NULL, 0},
};

struct source {
    const uint8_t *p;
    size_t n, nodes;
    struct arena *a;
};

static unsigned choose(struct source *s, unsigned n)
{
    unsigned b = 0;

    if (s->n) {
        b = *s->p++;
        s->n--;
    }
    return b % n;
}

#define PICK(s, list) (list)[choose((s), ARRAY_LEN(list))]

static struct json make(struct source *s, const struct schema_type *t, int depth);

static struct json make_string(struct source *s)
{
    static const char *const words[] = {
        "", "a", "b", "Bad_", "a b", "a.example.com", "example.com/a", "a/b", "..", "*", "*/x",
        "*.a.b", "/", "/a//b", "10.0.0.0/8", "10.1.0.0/33", "2001:db8::/64", "10.0.0.1", "::1",
        "v1", "apps/v1", "1", "0-3,5", "3-1", "*/5 * * * *", "1-2-3 a * * *", "@every 1h",
        "TZ=UTC * * * * *", "Europe/Berlin", "https://a.b:1/c?d#e", "http://", "1.2.3-rc.1+b",
        "object.a == 1", "variables.a", "1 +", "50%", "x%",
        /* what unions are told apart by */
        "RollingUpdate", "Recreate", "OnDelete", "Parallel", "Indexed", "Count", "FailIndex",
        "Always", "Never", "OnFailure", "In", "NotIn", "Exists", "Equal", "Resource", "Pods",
        "Object", "External", "ContainerResource", "Utilization", "Value", "Limited", "Exempt",
        "exempt", "Queue", "Reject", "User", "Group", "ServiceAccount", "IPv4", "IPv6", "FQDN",
        "Exact", "Prefix", "ImplementationSpecific", "JSONPatch", "ApplyConfiguration", "Cluster",
        "Namespace", "ExactCount", "All", "Deny", "Warn", "True", "False", "Complete", "Failed",
        "SuccessCriteriaMet", "FailureTarget", "rbac.authorization.k8s.io", "ClusterRole"};

    return json_z(PICK(s, words));
}

static struct json make_map(struct source *s, const struct schema_type *t, int depth)
{
    static const char *const keys[] = {"a", "", "a b", "example.com/a", "cpu", "controller-uid"};
    struct json v = json_object();

    for (unsigned n = choose(s, 3); n > 0; n--) {
        const char *key = PICK(s, keys);
        struct json item = make(s, t->item, depth);

        json_setz(s->a, &v, key, item);
    }
    return v;
}

static void make_fields(struct source *s, const struct schema_type *t, struct json *v, int depth)
{
    for (uint32_t i = 0; i < t->n_fields; i++) {
        const struct schema_field *f = &t->fields[i];

        if (f->flags & FIELD_INLINE)
            make_fields(s, f->type, v, depth);
        else if (str_is(f->name, "managedFields") || str_is(f->name, "adminAccess"))
            continue; /* the latter asks the store */
        else if (choose(s, 5) < (depth < 3 ? 4u : 2u)) {
            struct json m = make(s, f->type, depth);

            json_set(s->a, v, f->name, m);
        }
    }
}

static struct json make(struct source *s, const struct schema_type *t, int depth)
{
    static const int64_t numbers[] = {0, 1, -1, 2, 5, 65536, 200000, 2147483647};
    static const char *const quantities[] = {"0", "1", "-1", "1500m", "3Gi"};
    struct json v;

    if (++s->nodes > NODES_MAX || depth > DEPTH_MAX)
        return json_null();
    switch (t->kind) {
    case SCHEMA_STRUCT:
        v = json_object();
        make_fields(s, t, &v, depth + 1);
        return v;
    case SCHEMA_MAP:
        return make_map(s, t, depth + 1);
    case SCHEMA_LIST:
        v = json_array();
        for (unsigned n = choose(s, 4); n > 0; n--) {
            struct json item = make(s, t->item, depth + 1);

            json_append(s->a, &v, item);
        }
        return v;
    case SCHEMA_BOOL:
        return json_bool(choose(s, 2));
    case SCHEMA_INT32:
    case SCHEMA_INT64:
        return json_int(PICK(s, numbers));
    case SCHEMA_QUANTITY:
        return json_z(PICK(s, quantities));
    case SCHEMA_INT_OR_STRING:
        return choose(s, 2) ? json_int(PICK(s, numbers)) : make_string(s);
    case SCHEMA_TIME:
    case SCHEMA_MICROTIME:
        return json_z(choose(s, 2) ? "2024-01-01T00:00:00Z" : "2024-01-02T00:00:00.000000Z");
    case SCHEMA_BYTES:
        return json_z("Zm9v");
    case SCHEMA_RAW:
    case SCHEMA_ANY:
    case SCHEMA_FIELDS_V1:
        return json_object();
    case SCHEMA_STRING:
        return make_string(s);
    case SCHEMA_UINT32:
    case SCHEMA_UINT64:
    case SCHEMA_DOUBLE:
    case SCHEMA_FLOAT:
    case SCHEMA_DURATION:
    case SCHEMA_SCHEMA_OR_BOOL:
    case SCHEMA_SCHEMA_OR_ARRAY:
    case SCHEMA_SCHEMA_OR_STRINGS:
    case SCHEMA_ENUM:
    case SCHEMA_VERB_LIST:
        break;
    }
    return json_null();
}

/* An object as validation sees it; NULL: it does not decode. */
static struct json *object_of(struct source *s, const struct resource *r)
{
    struct json *v = json_new(s->a, make(s, r->type, 0));
    struct err *e = schema_decode(s->a, r->type, v, NULL);

    if (e) {
        err_free(e);
        return NULL;
    }
    schema_default(s->a, r, v);
    schema_settle(r->type, v);
    return v;
}

static void run(struct arena *a, const struct kind *k, struct json *obj, const struct json *old,
                const char *subresource)
{
    struct err *errs = NULL;
    struct write w = {
        .a = a, .kind = k, .obj = obj, .old = old, .subresource = str_of(subresource)};

    schema_validate(a, k->r->type, obj, S(""), &errs);
    k->rules(&w, &errs);
    err_free(errs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct source s = {.p = data, .n = size, .a = a};
    const struct resource *r;
    struct json *obj, *other;
    struct kind k;
    size_t sum = 0;

    for (size_t i = 0; i < size; i++)
        sum += data[i];
    r = &schema_resources[sum % schema_n_resources];
    k = (struct kind){.r = r, .rules = validation_find(r->group, r->plural)};
    k.storage = &k;
    if (!k.rules || schema_find_storage(r) != r || str_is(r->plural, "customresourcedefinitions"))
        return 0;
    obj = object_of(&s, r);
    other = object_of(&s, r);
    if (!obj || !other)
        return 0;
    run(a, &k, obj, NULL, "");
    run(a, &k, obj, other, "");
    run(a, &k, obj, obj, "");
    run(a, &k, obj, other, "status");
    if (!r->group.n && str_is(r->plural, "pods")) {
        run(a, &k, obj, other, "ephemeralcontainers");
        run(a, &k, obj, other, "resize");
    }
    return 0;
}
