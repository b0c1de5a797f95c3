/* zone_test.c - what is answered about the cluster, read with ldns: an independent reader of the same wire format. */
#include "dns/dns_internal.h"
#include "test/test.h"
#include <ldns/ldns.h>

static struct json *parse(struct arena *a, const char *text)
{
    struct json *v = NULL;
    struct err *err = json_parse(a, str_of(text), NULL, NULL, &v);

    if (err)
        test_fail(__FILE__, __LINE__, "test data: %s", err_text(err));
    err_free(err);
    return v;
}

static void put(struct zone *z, const char *service, const char *slice)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct json *s = parse(a, service);
    const struct json *slices[1];

    if (slice)
        slices[0] = parse(a, slice);
    zone_put_service(z,
                     arena_fmt(a, PRI_STR "/" PRI_STR,
                               STR_ARG(json_get_str(s, "metadata.namespace")),
                               STR_ARG(json_get_str(s, "metadata.name"))),
                     s, slices, slice ? 1 : 0);
}

static size_t question(uint8_t *out, const char *name, uint16_t type, int edns_size)
{
    struct dns_name n;
    size_t size;

    CHECK(dns_name_parse(str_of(name), &n));
    size = dns_question_write(out, 77, &n, type, false, false);
    if (edns_size == 0) {
        out[11] = 0;
        return size - DNS_OPT_SIZE;
    }
    out[size - 8] = (uint8_t)(edns_size >> 8);
    out[size - 7] = (uint8_t)edns_size;
    return size;
}

static uint8_t answer[DNS_MESSAGE_MAX];

/* The answer's bytes; 0: foreign. */
static size_t ask_bytes(struct zone *z, const char *name, uint16_t type, int edns_size,
                        size_t limit)
{
    uint8_t message[600];
    struct dns_name target;
    struct dns_writer w;
    struct dns_query q;
    int rcode;

    CHECK_INT(dns_query_parse((str){(char *)message, question(message, name, type, edns_size)}, &q),
              DNS_OK);
    dns_write_start(&w, answer, &q, limit ? limit : q.udp_size);
    if (zone_answer(z, &q, &w, &rcode, &target) != ZONE_ANSWERED)
        return 0;
    dns_write_end(&w, &q, true, rcode);
    return w.n;
}

/* "RCODE" and the records as text, a line each. */
static void ask(struct zone *z, const char *name, uint16_t type, struct buf *out)
{
    size_t n = ask_bytes(z, name, type, 0, DNS_MESSAGE_MAX);
    ldns_pkt *pkt = NULL;

    buf_clear(out);
    if (n == 0) {
        buf_z(out, "foreign");
        return;
    }
    if (ldns_wire2pkt(&pkt, answer, n) != LDNS_STATUS_OK) {
        buf_z(out, "malformed");
        return;
    }
    char *code = ldns_pkt_rcode2str(ldns_pkt_get_rcode(pkt));
    buf_fmt(out, "%s%s", code, ldns_pkt_aa(pkt) ? "" : " not authoritative");
    free(code);
    const struct {
        const char *title;
        ldns_rr_list *list;
    } sections[] = {{"", ldns_pkt_answer(pkt)},
                    {"authority ", ldns_pkt_authority(pkt)},
                    {"additional ", ldns_pkt_additional(pkt)}};
    for (size_t s = 0; s < ARRAY_LEN(sections); s++)
        for (size_t i = 0; i < ldns_rr_list_rr_count(sections[s].list); i++) {
            char *text = ldns_rr2str(ldns_rr_list_rr(sections[s].list, i));
            for (char *p = text; *p; p++)
                if (*p == '\t')
                    *p = ' ';
            buf_fmt(out, "\n%s" PRI_STR, sections[s].title, STR_ARG(str_trim(str_of(text))));
            free(text);
        }
    ldns_pkt_free(pkt);
}

static void check(const char *file, int line, struct zone *z, const char *name, uint16_t type,
                  const char *want)
{
    CLEANUP(buf) struct buf got = BUF_INIT;

    ask(z, name, type, &got);
    test_check_str(file, line, buf_view(&got), str_of(want));
}
#define CHECK_ASK(z, name, type, want) check(__FILE__, __LINE__, z, name, type, want)
#define NEGATIVE                                                                                   \
    "\nauthority cluster.local. 5 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. "

static void check_negative(const char *file, int line, struct zone *z, const char *name,
                           uint16_t type, const char *code)
{
    CLEANUP(buf) struct buf got = BUF_INIT, want = BUF_INIT;

    ask(z, name, type, &got);
    buf_fmt(&want, "%s" NEGATIVE, code);
    if (!str_has_prefix(buf_view(&got), buf_view(&want)))
        test_fail(file, line, "%s: %s", name, buf_cstr(&got));
}
#define CHECK_NXDOMAIN(z, name, type) check_negative(__FILE__, __LINE__, z, name, type, "NXDOMAIN")
#define CHECK_NODATA(z, name, type) check_negative(__FILE__, __LINE__, z, name, type, "NOERROR")

#define WEB                                                                                        \
    "{\"metadata\":{\"namespace\":\"demo\",\"name\":\"web\"},\"spec\":{\"clusterIP\":\"10.43.1."   \
    "1\",\"clusterIPs\":[\"10.43.1.1\",\"fd00:43::1\"],\"ports\":[{\"name\":\"http\",\"port\":80," \
    "\"protocol\":\"TCP\"},{\"port\":81,\"protocol\":\"TCP\"}]}}"
#define DB                                                                                         \
    "{\"metadata\":{\"namespace\":\"demo\",\"name\":\"db\"},\"spec\":{\"clusterIP\":\"None\","     \
    "\"clusterIPs\":[\"None\"],\"ports\":[{\"name\":\"sql\",\"port\":5432,\"protocol\":\"TCP\"}]}" \
    "}"
#define DB_SLICE                                                                                   \
    "{\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"sql\",\"port\":15432,\"protocol\":\"TCP\"}]" \
    ",\"endpoints\":["                                                                             \
    "{\"addresses\":[\"10.42.0.7\"],\"hostname\":\"db-0\",\"conditions\":{\"ready\":true}},"       \
    "{\"addresses\":[\"10.42.0.8\"],\"conditions\":{\"ready\":true}},"                             \
    "{\"addresses\":[\"10.42.0.9\"],\"hostname\":\"db-2\",\"conditions\":{\"ready\":false}}]}"
#define EXTERNAL(name, target)                                                                     \
    "{\"metadata\":{\"namespace\":\"demo\",\"name\":\"" name                                       \
    "\"},\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"" target "\"}}"

static struct zone *cluster(void)
{
    struct zone *z = zone_new(S("cluster.local"));

    zone_put_namespace(z, S("demo"), true);
    zone_put_namespace(z, S("empty"), true);
    put(z, WEB, NULL);
    put(z, DB, DB_SLICE);
    return z;
}

TEST(dns_zone, a_service_has_its_cluster_ips)
{
    struct zone *z = cluster();

    CHECK_ASK(z, "web.demo.svc.cluster.local", DNS_A,
              "NOERROR\nweb.demo.svc.cluster.local. 5 IN A 10.43.1.1");
    CHECK_ASK(z, "web.demo.svc.cluster.local", DNS_AAAA,
              "NOERROR\nweb.demo.svc.cluster.local. 5 IN AAAA fd00:43::1");
    CHECK_ASK(z, "WEB.Demo.svc.Cluster.LOCAL", DNS_A,
              "NOERROR\nweb.demo.svc.cluster.local. 5 IN A 10.43.1.1");
    CHECK_ASK(z, "1.1.43.10.in-addr.arpa", DNS_PTR,
              "NOERROR\n1.1.43.10.in-addr.arpa. 5 IN PTR web.demo.svc.cluster.local.");
    CHECK_ASK(z, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.3.4.0.0.0.0.d.f.ip6.arpa", DNS_PTR,
              "foreign");
    CHECK_ASK(z, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.3.4.0.0.0.0.d.f.ip6.arpa",
              DNS_PTR,
              "NOERROR\n1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.3.4.0.0.0.0.d.f.ip6.arpa. "
              "5 IN PTR web.demo.svc.cluster.local.");
    CHECK_ASK(z, "_http._tcp.web.demo.svc.cluster.local", DNS_SRV,
              "NOERROR\n_http._tcp.web.demo.svc.cluster.local. 5 IN SRV 0 100 80 "
              "web.demo.svc.cluster.local."
              "\nadditional web.demo.svc.cluster.local. 5 IN A 10.43.1.1\nadditional "
              "web.demo.svc.cluster.local. 5 IN AAAA fd00:43::1");
    zone_free(z);
}

TEST(dns_zone, a_headless_service_has_its_ready_endpoints)
{
    struct zone *z = cluster();

    CHECK_ASK(z, "db.demo.svc.cluster.local", DNS_A,
              "NOERROR\ndb.demo.svc.cluster.local. 5 IN A 10.42.0.7\ndb.demo.svc.cluster.local. 5 "
              "IN A 10.42.0.8");
    /* the next answer starts with the next one */
    CHECK_ASK(z, "db.demo.svc.cluster.local", DNS_A,
              "NOERROR\ndb.demo.svc.cluster.local. 5 IN A 10.42.0.8\ndb.demo.svc.cluster.local. 5 "
              "IN A 10.42.0.7");
    CHECK_ASK(z, "db-0.db.demo.svc.cluster.local", DNS_A,
              "NOERROR\ndb-0.db.demo.svc.cluster.local. 5 IN A 10.42.0.7");
    CHECK_ASK(z, "10-42-0-8.db.demo.svc.cluster.local", DNS_A,
              "NOERROR\n10-42-0-8.db.demo.svc.cluster.local. 5 IN A 10.42.0.8");
    CHECK_NXDOMAIN(z, "db-2.db.demo.svc.cluster.local", DNS_A);
    CHECK_ASK(z, "7.0.42.10.in-addr.arpa", DNS_PTR,
              "NOERROR\n7.0.42.10.in-addr.arpa. 5 IN PTR db-0.db.demo.svc.cluster.local.");
    CHECK_ASK(z, "9.0.42.10.in-addr.arpa", DNS_PTR, "foreign");
    CHECK_ASK(z, "_sql._tcp.db.demo.svc.cluster.local", DNS_SRV,
              "NOERROR\n_sql._tcp.db.demo.svc.cluster.local. 5 IN SRV 0 100 15432 "
              "db-0.db.demo.svc.cluster.local."
              "\n_sql._tcp.db.demo.svc.cluster.local. 5 IN SRV 0 100 15432 "
              "10-42-0-8.db.demo.svc.cluster.local."
              "\nadditional db-0.db.demo.svc.cluster.local. 5 IN A 10.42.0.7\nadditional "
              "10-42-0-8.db.demo.svc.cluster.local. 5 IN A 10.42.0.8");
    put(z, DB, NULL); /* no endpoint left */
    CHECK_NXDOMAIN(z, "db.demo.svc.cluster.local", DNS_A);
    zone_free(z);
}

TEST(dns_zone, names_without_such_records_differ_from_names_that_are_not)
{
    struct zone *z = cluster();

    CHECK_NODATA(z, "db.demo.svc.cluster.local", DNS_AAAA);
    CHECK_NODATA(z, "_tcp.web.demo.svc.cluster.local", DNS_A); /* between two names that exist */
    CHECK_NODATA(z, "demo.svc.cluster.local", DNS_A);
    CHECK_NODATA(z, "empty.svc.cluster.local", DNS_A);
    CHECK_NODATA(z, "svc.cluster.local", DNS_A);
    CHECK_NODATA(z, "pod.cluster.local", DNS_A);
    CHECK_NODATA(z, "cluster.local", DNS_A);
    CHECK_NXDOMAIN(z, "nothing.svc.cluster.local", DNS_A);
    CHECK_NXDOMAIN(z, "nothing.demo.svc.cluster.local", DNS_A);
    CHECK_NXDOMAIN(z, "web.demo.svc.cluster.local.demo.svc.cluster.local",
                   DNS_A); /* what search paths make */
    CHECK_NXDOMAIN(z, "web.demo.cluster.local", DNS_A);
    CHECK_ASK(z, "local", DNS_A, "foreign");
    CHECK_ASK(z, "xcluster.local", DNS_A, "foreign");
    CHECK_ASK(z, "example.org", DNS_A, "foreign");
    CHECK_ASK(z, "10.in-addr.arpa", DNS_PTR, "foreign");
    zone_free(z);
}

TEST(dns_zone, pods_answer_to_their_address_in_namespaces_that_exist)
{
    struct zone *z = cluster();

    CHECK_ASK(z, "10-42-0-7.empty.pod.cluster.local", DNS_A,
              "NOERROR\n10-42-0-7.empty.pod.cluster.local. 5 IN A 10.42.0.7");
    CHECK_ASK(z, "fd00--7.empty.pod.cluster.local", DNS_AAAA,
              "NOERROR\nfd00--7.empty.pod.cluster.local. 5 IN AAAA fd00::7");
    CHECK_NODATA(z, "10-42-0-7.empty.pod.cluster.local", DNS_AAAA);
    CHECK_NXDOMAIN(z, "10-42-0-7.absent.pod.cluster.local", DNS_A);
    CHECK_NXDOMAIN(z, "10-42-0-999.empty.pod.cluster.local", DNS_A);
    CHECK_NXDOMAIN(z, "x.10-42-0-7.empty.pod.cluster.local", DNS_A);
    zone_put_namespace(z, S("empty"), false);
    CHECK_NXDOMAIN(z, "10-42-0-7.empty.pod.cluster.local", DNS_A);
    CHECK_NXDOMAIN(z, "empty.svc.cluster.local", DNS_A);
    zone_free(z);
}

TEST(dns_zone, external_names_are_aliases_followed_within_the_cluster)
{
    struct zone *z = cluster();
    uint8_t message[600];
    struct dns_name target, want;
    struct dns_writer w;
    struct dns_query q;
    int rcode;

    put(z, EXTERNAL("alias", "web.demo.svc.cluster.local"), NULL);
    put(z, EXTERNAL("out", "www.example.org."), NULL);
    put(z, EXTERNAL("ring", "ring.demo.svc.cluster.local"), NULL);
    CHECK_ASK(z, "alias.demo.svc.cluster.local", DNS_A,
              "NOERROR\nalias.demo.svc.cluster.local. 5 IN CNAME "
              "web.demo.svc.cluster.local.\nweb.demo.svc.cluster.local. 5 IN A 10.43.1.1");
    CHECK_ASK(z, "out.demo.svc.cluster.local", DNS_CNAME,
              "NOERROR\nout.demo.svc.cluster.local. 5 IN CNAME www.example.org.");
    CHECK(ask_bytes(z, "ring.demo.svc.cluster.local", DNS_A, 0, 0) > 0); /* it ends */
    CHECK_INT(
        dns_query_parse(
            (str){(char *)message, question(message, "out.demo.svc.cluster.local", DNS_A, 0)}, &q),
        DNS_OK);
    dns_write_start(&w, answer, &q, 512);
    CHECK_INT(zone_answer(z, &q, &w, &rcode, &target), ZONE_CNAME);
    CHECK(dns_name_parse(S("www.example.org"), &want));
    CHECK_STR(dns_name_str(&target), dns_name_str(&want));
    zone_free(z);
}

TEST(dns_zone, the_schema_version_and_the_start_of_authority_are_told)
{
    CLEANUP(buf) struct buf got = BUF_INIT;
    struct zone *z = cluster();

    CHECK_ASK(z, "dns-version.cluster.local", DNS_TXT,
              "NOERROR\ndns-version.cluster.local. 5 IN TXT \"1.1.0\"");
    ask(z, "cluster.local", DNS_SOA, &got);
    CHECK(str_has_prefix(
        buf_view(&got),
        S("NOERROR\ncluster.local. 5 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. ")));
    zone_free(z);
}

TEST(dns_zone, what_services_leave_behind_is_nothing)
{
    struct zone *z = zone_new(S("cluster.local"));
    size_t before = zone_names(z);

    for (int round = 0; round < 3; round++) {
        put(z, WEB, NULL);
        put(z, DB, DB_SLICE);
        put(z, EXTERNAL("out", "www.example.org"), NULL);
        CHECK(zone_names(z) > before);
        zone_put_service(z, S("demo/web"), NULL, NULL, 0);
        zone_put_service(z, S("demo/db"), NULL, NULL, 0);
        zone_put_service(z, S("demo/out"), NULL, NULL, 0);
        CHECK_INT(zone_names(z), before);
    }
    zone_free(z);
}

TEST(dns_zone, answers_that_do_not_fit_are_cut_and_say_so)
{
    CLEANUP(buf) struct buf slice = BUF_INIT;
    struct zone *z = cluster();
    ldns_pkt *pkt = NULL;
    size_t n;

    buf_z(&slice, "{\"addressType\":\"IPv4\",\"ports\":[],\"endpoints\":[");
    for (int i = 0; i < 200; i++)
        buf_fmt(&slice, "%s{\"addresses\":[\"10.42.0.%d\"],\"conditions\":{\"ready\":true}}",
                i ? "," : "", i + 1);
    buf_z(&slice, "]}");
    put(z, DB, buf_cstr(&slice));
    n = ask_bytes(z, "db.demo.svc.cluster.local", DNS_A, 0, 0);
    CHECK(n <= 512 && n > 480);
    CHECK(ldns_wire2pkt(&pkt, answer, n) == LDNS_STATUS_OK && ldns_pkt_tc(pkt) &&
          ldns_pkt_ancount(pkt) > 20);
    ldns_pkt_free(pkt);
    n = ask_bytes(z, "db.demo.svc.cluster.local", DNS_A, 4096, 0);
    CHECK(n <= DNS_UDP_MAX && n > 1200);
    CHECK(ldns_wire2pkt(&pkt, answer, n) == LDNS_STATUS_OK && ldns_pkt_tc(pkt) &&
          ldns_pkt_edns(pkt));
    ldns_pkt_free(pkt);
    n = ask_bytes(z, "db.demo.svc.cluster.local", DNS_A, 0, DNS_MESSAGE_MAX);
    CHECK(ldns_wire2pkt(&pkt, answer, n) == LDNS_STATUS_OK && !ldns_pkt_tc(pkt));
    CHECK_INT(ldns_pkt_ancount(pkt), 200);
    ldns_pkt_free(pkt);
    zone_free(z);
}

TEST(dns_message, queries_that_are_wrong_are_told_apart)
{
    uint8_t m[600];
    struct dns_query q;
    size_t n = question(m, "a.b", DNS_A, 1232);

    CHECK_INT(dns_query_parse((str){(char *)m, n}, &q), DNS_OK);
    CHECK(q.edns && q.rd && q.id == 77 && q.udp_size == 1232);
    for (size_t i = 0; i < DNS_HEADER; i++)
        CHECK_INT(dns_query_parse((str){(char *)m, i}, &q), DNS_DROP);
    for (size_t i = DNS_HEADER; i < n; i++)
        CHECK_INT(dns_query_parse((str){(char *)m, i}, &q), DNS_BAD_FORMAT);
    m[n - 5] = 1; /* the version of EDNS */
    CHECK_INT(dns_query_parse((str){(char *)m, n}, &q), DNS_BAD_VERSION);
    m[n - 5] = 0;
    m[5] = 2;
    CHECK_INT(dns_query_parse((str){(char *)m, n}, &q), DNS_BAD_FORMAT);
    m[5] = 1;
    m[2] |= 0x80;
    CHECK_INT(dns_query_parse((str){(char *)m, n}, &q), DNS_DROP);
    m[2] = 0x28;
    CHECK_INT(dns_query_parse((str){(char *)m, n}, &q), DNS_NOT_IMPLEMENTED);
    m[2] = 1;
    m[12] = 0xc0; /* a pointer as the question */
    CHECK_INT(dns_query_parse((str){(char *)m, n}, &q), DNS_BAD_FORMAT);
    m[12] = 1;
    m[DNS_HEADER + 5 + 3] = 3; /* class CHAOS */
    CHECK_INT(dns_query_parse((str){(char *)m, n}, &q), DNS_REFUSE);
}

TEST(dns_message, any_bytes_are_survived)
{
    struct zone *z = cluster();
    uint8_t m[300], base[600];
    uint64_t seed = 42;
    size_t n = question(base, "db.demo.svc.cluster.local", DNS_A, 1232);
    struct dns_name name;
    static struct dns_reply r;

    CHECK(dns_name_parse(S("db.demo.svc.cluster.local"), &name));
    for (int round = 0; round < 200000; round++) {
        struct dns_query q;
        struct dns_writer w;
        struct dns_name target;
        int rcode;
        size_t size = n;

        memcpy(m, base, n);
        m[2] = round & 1 ? 0x80 : m[2];
        m[7] = round & 1 ? 2 : 0;
        for (int i = 0; i < 4; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            m[(seed >> 33) % n] = (uint8_t)(seed >> 56);
        }
        size -= (seed >> 20) % 12;
        uint8_t *exact = mem_dup(m, size); /* so that a sanitizer sees the edge */
        if (dns_query_parse((str){(char *)exact, size}, &q) == DNS_OK) {
            dns_write_start(&w, answer, &q, q.udp_size);
            if (zone_answer(z, &q, &w, &rcode, &target) == ZONE_ANSWERED) {
                dns_write_end(&w, &q, true, rcode);
                CHECK(w.n <= q.udp_size);
            }
        }
        if (dns_reply_parse((str){(char *)exact, size}, 77, &name, DNS_A, &r))
            CHECK(r.n <= size);
        mem_free(exact);
    }
    zone_free(z);
}

TEST(dns_message, names_are_bounded)
{
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct dns_name n;

    CHECK(!dns_name_parse(S(""), &n));
    CHECK(!dns_name_parse(S("a..b"), &n));
    CHECK(!dns_name_parse(S(".a"), &n));
    CHECK(dns_name_parse(S("a.b."), &n) && n.n == 5);
    for (int i = 0; i < 64; i++)
        buf_char(&b, 'x');
    CHECK(!dns_name_parse(buf_view(&b), &n));
    CHECK(dns_name_parse(str_slice(buf_view(&b), 0, 63), &n));
    buf_clear(&b);
    for (int i = 0; i < 127; i++)
        buf_z(&b, "x.");
    CHECK(dns_name_parse(buf_view(&b), &n) && n.n == 255);
    buf_z(&b, "x.");
    CHECK(!dns_name_parse(buf_view(&b), &n));
}

TEST_MAIN
