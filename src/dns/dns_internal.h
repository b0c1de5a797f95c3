/* dns_internal.h - the parts of the cluster DNS: messages, zone, cache, forwarder.
 *
 * The way of a query: dns.c receives -> dns_query_parse() -> the zone answers names of the cluster; everything else goes to the
 * cache, then to the forwarder. Names are kept in wire form (length-prefixed labels, ending in the root) and lower case: a label
 * may hold any byte, and the parent of a name is a suffix of it. */
#ifndef K1S_DNS_INTERNAL_H
#define K1S_DNS_INTERNAL_H
#include "dns/dns.h"

#define DNS_NAME_MAX 255
#define DNS_LABEL_MAX 63
#define DNS_HEADER 12
#define DNS_MESSAGE_MAX 65535
#define DNS_UDP_PLAIN 512 /* bytes a client takes that does not speak EDNS (RFC 1035) */
/* and at most: what passes everywhere without fragments (DNS flag day 2020) */
#define DNS_UDP_MAX 1232
#define DNS_OPT_SIZE 11   /* an OPT record without options */
#define DNS_CLUSTER_TTL 5 /* seconds; CoreDNS' default: endpoints change */
#define DNS_CNAME_MAX 8   /* links of a chain that are followed */

enum dns_type {
    DNS_A = 1,
    DNS_NS = 2,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_PTR = 12,
    DNS_HINFO = 13,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_SRV = 33,
    DNS_OPT = 41,
    DNS_IXFR = 251,
    DNS_AXFR = 252,
    DNS_ANY = 255,
};
enum { DNS_CLASS_IN = 1 };
enum dns_rcode {
    DNS_NOERROR = 0,
    DNS_FORMERR = 1,
    DNS_SERVFAIL = 2,
    DNS_NXDOMAIN = 3,
    DNS_NOTIMP = 4,
    DNS_REFUSED = 5,
    DNS_BADVERS = 16
};

/* ---- messages (message.c) ---- */
struct dns_name {
    uint8_t n; /* bytes with the root's zero; 1..255 */
    uint8_t wire[DNS_NAME_MAX];
};
struct dns_query {
    uint16_t id, type, class;
    bool rd, cd, edns, dnssec_ok;
    uint16_t udp_size;           /* what the client takes, clamped */
    struct dns_name name;        /* lower case */
    uint8_t asked[DNS_NAME_MAX]; /* the name as it came: answers repeat its spelling */
};
/* Whether to answer, and how. DROP: not a query, or too short to say anything to. For other failures `ret` has what could be read. */
enum dns_verdict {
    DNS_OK,
    DNS_DROP,
    DNS_BAD_FORMAT,
    DNS_NOT_IMPLEMENTED,
    DNS_REFUSE,
    DNS_BAD_VERSION
};
enum dns_verdict dns_query_parse(str message, struct dns_query *ret);
/* "Web.demo.svc" -> wire form, lower case; a trailing dot is fine. False: a label or the whole is too long or empty. */
bool dns_name_parse(str text, struct dns_name *ret);
bool dns_name_append(struct dns_name *name, str text); /* more labels before the root */
static inline str dns_name_str(const struct dns_name *n)
{
    return (str){(const char *)n->wire, n->n};
}

struct dns_writer {
    uint8_t *p; /* DNS_MESSAGE_MAX bytes of the caller's */
    size_t n, limit;
    uint16_t counts[4];
    bool truncated, edns;
};
enum dns_section { DNS_ANSWER = 1, DNS_AUTHORITY, DNS_ADDITIONAL };
void dns_write_start(struct dns_writer *w, uint8_t *memory, const struct dns_query *q,
                     size_t limit);
/* owner NULL: the question's name. A record that does not fit is left out and, unless it is additional, marks the answer as truncated. */
void dns_write_record(struct dns_writer *w, enum dns_section s, const str *owner,
                      enum dns_type type, uint32_t ttl, str rdata);
void dns_write_end(struct dns_writer *w, const struct dns_query *q, bool authoritative, int rcode);

/* A reply from upstream, checked from end to end. */
#define DNS_RECORDS_MAX 512
struct dns_reply {
    const uint8_t *p;
    size_t n; /* without the OPT record */
    uint16_t counts[4];
    uint8_t rcode;
    bool truncated;
    uint32_t
        ttl; /* how long it may be kept: the least of its records, or of the SOA's for negative answers */
    uint16_t n_ttls;
    uint16_t ttl_at[DNS_RECORDS_MAX]; /* offsets of TTL fields */
};
/* False: malformed, or not the answer to (id, name, type). */
bool dns_reply_parse(str message, uint16_t id, const struct dns_name *name, uint16_t type,
                     struct dns_reply *ret);
/* Each answer record: owner and rdata decompressed (rdata only of CNAMEs). */
typedef void dns_record_fn(void *ctx, str owner, uint16_t type, uint32_t ttl, str rdata);
void dns_reply_each_answer(const struct dns_reply *r, dns_record_fn *fn, void *ctx);
/* The question we ask upstream. */
size_t dns_question_write(uint8_t *out, uint16_t id, const struct dns_name *name, uint16_t type,
                          bool dnssec_ok, bool cd);
/* Upstream's reply as an answer to q: its id, its spelling of the name, TTLs less age_s, our OPT. Bytes written to out. */
size_t dns_reply_write(uint8_t *out, const struct dns_query *q, const uint8_t *message, size_t n,
                       const uint16_t *ttl_at, size_t n_ttls, uint32_t age_s, size_t limit);

/* ---- zone (zone.c): the names of the cluster, indexed ---- */
struct zone;
struct zone *zone_new(str cluster_domain); /* NULL: no valid domain */
void zone_free(struct zone *z);
/* Replaces all records of the Service "ns/name". service NULL: it is gone. */
void zone_put_service(struct zone *z, str id, const struct json *service,
                      const struct json *const *slices, size_t n_slices);
void zone_put_namespace(struct zone *z, str name, bool exists);
enum zone_result {
    ZONE_FOREIGN,  /* not of the cluster: ask upstream */
    ZONE_ANSWERED, /* records, NODATA or NXDOMAIN have been written */
    ZONE_CNAME,    /* a CNAME has been written, and its target is not of the cluster */
};
/* Writes the answer into w (started by the caller), without dns_write_end. ret_target: set for ZONE_CNAME. */
enum zone_result zone_answer(struct zone *z, const struct dns_query *q, struct dns_writer *w,
                             int *ret_rcode, struct dns_name *ret_target);
size_t zone_names(const struct zone *z);

/* ---- cache and forwarder (forward.c) ---- */
struct forwarder;
struct dns_cached { /* an answer of upstream's; immutable, lives until the next turn */
    mono_time stored, expires;
    size_t n;
    const uint8_t *message;
    uint16_t n_ttls;
    const uint16_t *ttl_at;
};
#define FORWARD_UPSTREAMS_MAX 8
/* own_address: of our own server; an upstream equal to it is left out. */
struct forwarder *forwarder_new(struct loop *loop, const str *upstreams, size_t n, str own_address);
void forwarder_free(struct forwarder *f); /* what runs is answered with NULL */
const struct dns_cached *forwarder_find(struct forwarder *f, const struct dns_name *name,
                                        uint16_t type, bool dnssec_ok);
/* Exactly once, never before the call has returned. NULL: nobody answered. */
typedef void forward_done_fn(void *ctx, const struct dns_cached *answer);
void forwarder_ask(struct forwarder *f, const struct dns_name *name, uint16_t type, bool dnssec_ok,
                   bool cd, forward_done_fn *done, void *ctx);
/* A query that arrived is one of our own probes: upstream forwards to us. From then on nothing is forwarded. */
bool forwarder_is_probe(struct forwarder *f, const struct dns_name *name, uint16_t type);
/* "nameserver" lines of a resolv.conf as addresses with port. */
size_t resolv_conf_parse(struct arena *a, str text, str *ret, size_t max);
#endif
