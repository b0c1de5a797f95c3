/* message.c - DNS messages: reading queries, writing answers, checking what upstream says.
 *
 * A codec of our own rather than ldns' because a query costs no allocation here and every length is checked against the message
 * in one place (struct cursor). The tests read what is written with ldns.
 *
 * Invariants
 *   (1) No byte outside the message is read, whatever its lengths and pointers say; a compression pointer only leads backwards.
 *   (2) No more than the writer's limit is written.
 *
 * Wire format: RFC 1035; EDNS: RFC 6891; negative answers: RFC 2308. */
#include "dns/dns_internal.h"

enum {
    FLAG_QR = 0x8000,
    FLAG_AA = 0x0400,
    FLAG_TC = 0x0200,
    FLAG_RD = 0x0100,
    FLAG_RA = 0x0080,
    FLAG_CD = 0x0010,
    OPCODE_MASK = 0x7800,
    RCODE_MASK = 0x000f,
    EDNS_DO = 0x8000
};
#define NEGATIVE_TTL 5 /* seconds that a negative answer without an SOA is kept */

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v & 0xffff);
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

/* ---- names ---- */

bool dns_name_append(struct dns_name *name, str text)
{
    struct dns_name out = *name;
    str label;

    if (text.n && text.p[text.n - 1] == '.')
        text.n--;
    while (str_cut(&text, '.', &label)) {
        if (label.n == 0 || label.n > DNS_LABEL_MAX || out.n + 1 + label.n > DNS_NAME_MAX)
            return false;
        out.wire[out.n - 1] = (uint8_t)label.n;
        for (size_t i = 0; i < label.n; i++)
            out.wire[out.n + i] = lower((uint8_t)label.p[i]);
        out.n = (uint8_t)(out.n + label.n + 1);
        out.wire[out.n - 1] = 0;
    }
    *name = out;
    return true;
}

bool dns_name_parse(str text, struct dns_name *ret)
{
    struct dns_name out = {.n = 1};

    if (text.n == 0 || !dns_name_append(&out, text))
        return false;
    *ret = out;
    return true;
}

struct cursor {
    const uint8_t *p;
    size_t n, at;
};

/* Reads a name, following pointers, into wire form as spelled. The cursor ends behind the name where it stands. */
static bool name_read(struct cursor *c, bool allow_pointers, uint8_t *wire, size_t *ret_n)
{
    size_t at = c->at, n = 0, lowest = c->at;
    bool jumped = false;

    for (;;) {
        if (at >= c->n)
            return false;
        uint8_t len = c->p[at];
        if ((len & 0xc0) == 0xc0) {
            if (!allow_pointers || at + 1 >= c->n)
                return false;
            size_t to = (size_t)(len & 0x3f) << 8 | c->p[at + 1];
            if (!jumped)
                c->at = at + 2;
            jumped = true;
            if (to >= lowest) /* only backwards: so every chain of pointers ends */
                return false;
            at = lowest = to;
            continue;
        }
        if (len > DNS_LABEL_MAX || n + 1 + len > DNS_NAME_MAX || at + 1 + len > c->n)
            return false;
        memcpy(wire + n, c->p + at, (size_t)len + 1);
        n += (size_t)len + 1;
        at += (size_t)len + 1;
        if (len == 0)
            break;
    }
    if (!jumped)
        c->at = at;
    *ret_n = n;
    return true;
}

static void name_lower(struct dns_name *ret, const uint8_t *wire, size_t n)
{
    ret->n = (uint8_t)n;
    for (size_t i = 0; i < n; i++)
        ret->wire[i] = lower(wire[i]); /* length bytes are at most 63: below 'A' */
}

/* ---- records ---- */

struct record {
    size_t name_at, ttl_at, rdata_at, end;
    uint16_t type, class, rdata_n;
    uint32_t ttl;
};

static bool record_read(struct cursor *c, struct record *ret)
{
    uint8_t wire[DNS_NAME_MAX];
    size_t n;

    ret->name_at = c->at;
    if (!name_read(c, true, wire, &n) || c->n - c->at < 10)
        return false;
    ret->type = get16(c->p + c->at);
    ret->class = get16(c->p + c->at + 2);
    ret->ttl_at = c->at + 4;
    ret->ttl = get32(c->p + ret->ttl_at);
    ret->rdata_n = get16(c->p + c->at + 8);
    ret->rdata_at = c->at + 10;
    if (c->n - ret->rdata_at < ret->rdata_n)
        return false;
    ret->end = c->at = ret->rdata_at + ret->rdata_n;
    return true;
}

/* ---- queries ---- */

enum dns_verdict dns_query_parse(str message, struct dns_query *ret)
{
    struct cursor c = {(const uint8_t *)message.p, message.n, DNS_HEADER};
    struct record r;
    unsigned flags, n_records;
    size_t n;

    memset(ret, 0, offsetof(struct dns_query, name));
    ret->udp_size = DNS_UDP_PLAIN;
    ret->name.n = 0;
    if (message.n < DNS_HEADER || message.n > DNS_MESSAGE_MAX)
        return DNS_DROP;
    flags = get16(c.p + 2);
    if (flags & FLAG_QR)
        return DNS_DROP; /* answering answers is how two servers keep each other busy for ever */
    ret->id = get16(c.p);
    ret->rd = flags & FLAG_RD;
    ret->cd = flags & FLAG_CD;
    if (flags & OPCODE_MASK)
        return DNS_NOT_IMPLEMENTED;
    if (get16(c.p + 4) != 1 || get16(c.p + 6) != 0 || !name_read(&c, false, ret->asked, &n) ||
        c.n - c.at < 4)
        return DNS_BAD_FORMAT;
    name_lower(&ret->name, ret->asked, n);
    ret->type = get16(c.p + c.at);
    ret->class = get16(c.p + c.at + 2);
    c.at += 4;
    n_records = get16(c.p + 8) + get16(c.p + 10);
    for (unsigned i = 0; i < n_records; i++) {
        if (!record_read(&c, &r))
            return DNS_BAD_FORMAT;
        if (r.type != DNS_OPT)
            continue;
        if (ret->edns || c.p[r.name_at] != 0)
            return DNS_BAD_FORMAT;
        ret->edns = true;
        ret->udp_size = (uint16_t)MIN(MAX((int)r.class, DNS_UDP_PLAIN), DNS_UDP_MAX);
        ret->dnssec_ok = r.ttl & EDNS_DO;
        if (r.ttl >> 16 & 0xff)
            return DNS_BAD_VERSION;
    }
    if (ret->class != DNS_CLASS_IN)
        return DNS_REFUSE;
    return DNS_OK;
}

/* ---- answers ---- */

void dns_write_start(struct dns_writer *w, uint8_t *memory, const struct dns_query *q, size_t limit)
{
    *w = (struct dns_writer){.p = memory, .n = DNS_HEADER, .edns = q->edns};
    w->limit = MIN(limit, (size_t)DNS_MESSAGE_MAX) - (q->edns ? DNS_OPT_SIZE : 0);
    if (q->name.n) {
        memcpy(w->p + w->n, q->asked, q->name.n);
        w->n += q->name.n;
        put16(w->p + w->n, q->type);
        put16(w->p + w->n + 2, q->class);
        w->n += 4;
        w->counts[0] = 1;
    }
}

void dns_write_record(struct dns_writer *w, enum dns_section s, const str *owner,
                      enum dns_type type, uint32_t ttl, str rdata)
{
    size_t owner_n = owner ? owner->n : 2;
    uint8_t *p = w->p + w->n;

    if (w->truncated || w->n + owner_n + 10 + rdata.n > w->limit) {
        if (s != DNS_ADDITIONAL)
            w->truncated = true;
        return;
    }
    if (owner)
        memcpy(p, owner->p, owner->n);
    else
        put16(p, 0xc000 | DNS_HEADER);
    p += owner_n;
    put16(p, type);
    put16(p + 2, DNS_CLASS_IN);
    put32(p + 4, ttl);
    put16(p + 8, (unsigned)rdata.n);
    memcpy(p + 10, rdata.p, rdata.n);
    w->n += owner_n + 10 + rdata.n;
    w->counts[s]++;
}

static size_t opt_write(uint8_t *p, bool dnssec_ok, unsigned rcode_high)
{
    p[0] = 0;
    put16(p + 1, DNS_OPT);
    put16(p + 3, DNS_UDP_MAX);
    put32(p + 5, rcode_high << 24 | (dnssec_ok ? EDNS_DO : 0));
    put16(p + 9, 0);
    return DNS_OPT_SIZE;
}

void dns_write_end(struct dns_writer *w, const struct dns_query *q, bool authoritative, int rcode)
{
    if (w->edns) {
        w->n += opt_write(w->p + w->n, q->dnssec_ok, (unsigned)rcode >> 4); /* room was kept */
        w->counts[DNS_ADDITIONAL]++;
    }
    put16(w->p, q->id);
    put16(w->p + 2, FLAG_QR | FLAG_RA | (authoritative ? FLAG_AA : 0) |
                        (w->truncated ? FLAG_TC : 0) | (q->rd ? FLAG_RD : 0) |
                        (q->cd ? FLAG_CD : 0) | ((unsigned)rcode & RCODE_MASK));
    for (int i = 0; i < 4; i++)
        put16(w->p + 4 + 2 * i, w->counts[i]);
}

/* ---- upstream ---- */

size_t dns_question_write(uint8_t *out, uint16_t id, const struct dns_name *name, uint16_t type,
                          bool dnssec_ok, bool cd)
{
    size_t n = DNS_HEADER;

    memset(out, 0, DNS_HEADER);
    put16(out, id);
    put16(out + 2, FLAG_RD | (cd ? FLAG_CD : 0));
    put16(out + 4, 1);
    put16(out + 10, 1);
    memcpy(out + n, name->wire, name->n);
    n += name->n;
    put16(out + n, type);
    put16(out + n + 2, DNS_CLASS_IN);
    n += 4;
    return n + opt_write(out + n, dnssec_ok, 0);
}

bool dns_reply_parse(str message, uint16_t id, const struct dns_name *name, uint16_t type,
                     struct dns_reply *ret)
{
    struct cursor c = {(const uint8_t *)message.p, message.n, DNS_HEADER};
    struct dns_name asked;
    uint8_t wire[DNS_NAME_MAX];
    struct record r;
    uint32_t least = UINT32_MAX, negative = NEGATIVE_TTL;
    unsigned flags;
    size_t n;

    if (message.n < DNS_HEADER || message.n > DNS_MESSAGE_MAX || get16(c.p) != id)
        return false;
    flags = get16(c.p + 2);
    if (!(flags & FLAG_QR) || (flags & OPCODE_MASK) || get16(c.p + 4) != 1 ||
        !name_read(&c, false, wire, &n) || c.n - c.at < 4)
        return false;
    name_lower(&asked, wire, n);
    if (!str_eq(dns_name_str(&asked), dns_name_str(name)) || get16(c.p + c.at) != type ||
        get16(c.p + c.at + 2) != DNS_CLASS_IN)
        return false;
    c.at += 4;

    ret->p = c.p;
    ret->rcode = flags & RCODE_MASK;
    ret->truncated = flags & FLAG_TC;
    ret->n_ttls = 0;
    ret->n = c.at;
    for (int s = 0; s < 4; s++)
        ret->counts[s] = get16(c.p + 4 + 2 * s);
    for (int s = 1; s < 4; s++) {
        unsigned count = ret->counts[s];
        for (unsigned i = 0; i < count; i++) {
            if (!record_read(&c, &r)) {
                if (!ret->truncated)
                    return false;
                ret->counts[s] = (uint16_t)i; /* cut in the middle: keep what is whole */
                for (s++; s < 4; s++)
                    ret->counts[s] = 0;
                break;
            }
            if (r.type == DNS_OPT && s == DNS_ADDITIONAL) {
                /* Hop by hop: ours replaces it. What stands behind it (nothing, usually) goes with it, since removing bytes in
                 * the middle would shift what pointers point to. */
                ret->counts[s] = (uint16_t)i;
                break;
            }
            if (ret->n_ttls == DNS_RECORDS_MAX)
                return false;
            ret->ttl_at[ret->n_ttls++] = (uint16_t)r.ttl_at;
            ret->n = r.end;
            least = MIN(least, r.ttl);
            if (r.type == DNS_SOA && s == DNS_AUTHORITY && r.rdata_n >= 20)
                negative = MIN(r.ttl, get32(c.p + r.end - 4));
        }
    }
    ret->ttl = ret->rcode == DNS_NXDOMAIN || ret->counts[DNS_ANSWER] == 0 ? negative : least;
    return true;
}

void dns_reply_each_answer(const struct dns_reply *reply, dns_record_fn *fn, void *ctx)
{
    struct cursor c = {reply->p, reply->n, DNS_HEADER};
    uint8_t owner[DNS_NAME_MAX], target[DNS_NAME_MAX];
    size_t owner_n, target_n;
    struct record r;

    if (!name_read(&c, false, owner, &owner_n))
        return;
    c.at += 4;
    for (unsigned i = 0; i < reply->counts[DNS_ANSWER]; i++) {
        if (!record_read(&c, &r))
            return;
        struct cursor at = {reply->p, reply->n, r.name_at};
        str rdata = {(const char *)reply->p + r.rdata_at, r.rdata_n};
        if (!name_read(&at, true, owner, &owner_n))
            return;
        if (r.type == DNS_CNAME) {
            at.at = r.rdata_at;
            if (!name_read(&at, true, target, &target_n))
                return;
            rdata = (str){(const char *)target, target_n};
        }
        fn(ctx, (str){(const char *)owner, owner_n}, r.type, r.ttl, rdata);
    }
}

size_t dns_reply_write(uint8_t *out, const struct dns_query *q, const uint8_t *message, size_t n,
                       const uint16_t *ttl_at, size_t n_ttls, uint32_t age_s, size_t limit)
{
    size_t question_end = DNS_HEADER + (size_t)q->name.n + 4;
    size_t opt = q->edns ? DNS_OPT_SIZE : 0;
    unsigned flags = get16(message + 2);

    flags = (flags & ~(unsigned)(FLAG_AA | FLAG_RD | FLAG_CD)) | FLAG_QR | FLAG_RA |
            (q->rd ? FLAG_RD : 0) | (q->cd ? FLAG_CD : 0);
    if (n + opt > limit) {
        memcpy(out, message, question_end);
        memset(out + 6, 0, 6);
        flags |= FLAG_TC;
        n = question_end;
    } else {
        memcpy(out, message, n);
        for (size_t i = 0; age_s && i < n_ttls; i++) {
            uint32_t ttl = get32(out + ttl_at[i]);
            put32(out + ttl_at[i], ttl > age_s ? ttl - age_s : 0);
        }
    }
    put16(out, q->id);
    put16(out + 2, flags);
    memcpy(out + DNS_HEADER, q->asked, q->name.n);
    if (opt) {
        n += opt_write(out + n, q->dnssec_ok, 0);
        put16(out + 10, get16(out + 10) + 1u);
    }
    return n;
}
