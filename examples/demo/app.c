/* app.c - the demo's middle tier: says hello and counts in redis. One small static program.
 *
 *     GET /          Hello World by <this pod's address> from <client>! This page has been seen <N> times.
 *     GET /healthz   200 while it serves, 503 once it has been told to end
 *
 * It finds redis by the name of its Service at every connection, with a resolver of its own (a static glibc has none): the search
 * list and ndots of /etc/resolv.conf, as any program in a pod would do it.
 *
 * SIGTERM: from then on /healthz fails, requests are still served for DRAIN_MS, then what is under way is finished. So no request is
 * lost while the cluster takes this pod out of its Service.
 *
 * Environment: PORT (8080), POD_IP, REDIS_HOST (redis), REDIS_PORT_NUMBER (6379; REDIS_PORT is what Kubernetes itself sets for a
 * Service called redis), VERSION. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 200
#define REQUEST_MAX 8192
#define IO_S 5
#define DRAIN_MS 3000
#define NAME_MAX_BYTES 253
#define DNS_TRY_MS 1000
#define DNS_TRIES 3
#define REDIS_TRIES 3

static atomic_int connections;
static atomic_bool draining;
static int wake[2]; /* written by the signal handler */

static const char *setting(const char *name, const char *otherwise)
{
    const char *v = getenv(name);
    return v && *v ? v : otherwise;
}

/* ---- resolver ---- */

struct resolver {
    struct in_addr servers[3];
    int n_servers, n_search, ndots;
    char search[6][NAME_MAX_BYTES + 1];
};

static void resolver_read(struct resolver *r)
{
    char line[1024];
    FILE *f = fopen("/etc/resolv.conf", "r");

    *r = (struct resolver){.ndots = 1};
    while (f && fgets(line, sizeof line, f)) {
        char *save = NULL, *word = strtok_r(line, " \t\r\n", &save), *arg;
        if (!word)
            continue;
        while ((arg = strtok_r(NULL, " \t\r\n", &save))) {
            if (!strcmp(word, "nameserver") && r->n_servers < 3)
                r->n_servers += inet_pton(AF_INET, arg, &r->servers[r->n_servers]) == 1;
            else if (!strcmp(word, "search") && r->n_search < 6)
                snprintf(r->search[r->n_search++], sizeof r->search[0], "%s", arg);
            else if (!strcmp(word, "options") && !strncmp(arg, "ndots:", 6))
                r->ndots = (int)strtol(arg + 6, NULL, 10);
        }
    }
    if (f)
        fclose(f);
}

static size_t skip_name(const uint8_t *p, size_t n, size_t at)
{
    while (at < n && p[at] && (p[at] & 0xc0) != 0xc0)
        at += p[at] + 1u;
    return at + (at < n && p[at] ? 2 : 1);
}

/* One question to one server; 1: found, 0: no such name or address, -1: no answer. */
static int ask(struct in_addr server, const char *name, struct in_addr *ret)
{
    uint8_t q[512] = {0}, a[512];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53), .sin_addr = server};
    struct pollfd p;
    struct timespec now;
    size_t n = 12;
    ssize_t got;

    clock_gettime(CLOCK_REALTIME, &now);
    q[0] = (uint8_t)(now.tv_nsec >> 3);
    q[1] = (uint8_t)(now.tv_nsec >> 11);
    q[2] = 1; /* recursion desired */
    q[5] = 1;
    for (const char *label = name; *label;) {
        size_t len = strcspn(label, ".");
        if (len == 0 || len > 63 || n + len + 6 > sizeof q)
            return 0;
        q[n++] = (uint8_t)len;
        memcpy(q + n, label, len);
        n += len;
        label += len + (label[len] == '.');
    }
    n += 1;
    q[n + 1] = 1; /* A */
    q[n + 3] = 1; /* IN */
    n += 4;

    p = (struct pollfd){.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), .events = POLLIN};
    /* Connected: only this server's datagrams arrive. */
    if (p.fd < 0 || connect(p.fd, (struct sockaddr *)&to, sizeof to) < 0 ||
        send(p.fd, q, n, 0) != (ssize_t)n || poll(&p, 1, DNS_TRY_MS) != 1 ||
        (got = recv(p.fd, a, sizeof a, 0)) < (ssize_t)n || memcmp(a, q, 2) || !(a[2] & 0x80)) {
        if (p.fd >= 0)
            close(p.fd);
        return -1;
    }
    close(p.fd);
    if ((a[3] & 15) != 0)
        return (a[3] & 15) == 3 ? 0 : -1;
    size_t at = n;
    for (int i = a[6] << 8 | a[7]; i > 0; i--) {
        at = skip_name(a, (size_t)got, at);
        if (at + 10 > (size_t)got)
            return -1;
        size_t size = (size_t)a[at + 8] << 8 | a[at + 9];
        if (at + 10 + size > (size_t)got)
            return -1;
        if (a[at + 1] == 1 && size == 4) {
            memcpy(ret, a + at + 10, 4);
            return 1;
        }
        at += 10 + size;
    }
    return 0;
}

/* 1: found, 0: there is no such name, -1: no name server answers (asked once only, when the caller knows what else to do). */
static int resolve_now(const char *name, bool may_give_up, struct in_addr *ret)
{
    struct resolver r;
    int dots = 0;

    if (inet_pton(AF_INET, name, ret) == 1)
        return 1;
    for (const char *c = name; *c; c++)
        dots += *c == '.';
    resolver_read(&r);
    for (int try = 0; try < DNS_TRIES; try++) {
        bool silent = false;
        for (int i = 0; i <= r.n_search; i++) {
            /* With few dots the search list comes first, with many the name as it is. */
            int which = dots >= r.ndots ? i - 1 : i < r.n_search ? i : -1;
            char full[2 * NAME_MAX_BYTES + 2];
            snprintf(full, sizeof full, "%s%s%s", name, which >= 0 ? "." : "",
                     which >= 0 ? r.search[which] : "");
            for (int s = 0; s < r.n_servers; s++) {
                int found = ask(r.servers[s], full, ret);
                silent = found < 0;
                if (found == 1)
                    return 1;
                if (found == 0)
                    break;
            }
            if (silent) /* the next name would be met with the same silence */
                break;
        }
        if (!silent)
            return 0;
        if (may_give_up)
            break;
    }
    return -1;
}

/* With no name server to be heard, the address of last time is the best there is. */
static bool resolve(const char *name, struct in_addr *ret)
{
    static _Atomic uint32_t last;
    int found = resolve_now(name, last != 0, ret);

    if (found == 1)
        last = ret->s_addr;
    else if (found < 0)
        ret->s_addr = last;
    return found == 1 || (found < 0 && ret->s_addr);
}

/* ---- redis ---- */

static void limit_time(int fd)
{
    struct timeval t = {.tv_sec = IO_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
}

/* INCR of the counter; -1: redis did not answer. */
static long long count_visit(void)
{
    static const char command[] = "*2\r\n$4\r\nINCR\r\n$6\r\nvisits\r\n";

    for (int try = 0; try < REDIS_TRIES; try++) {
        struct sockaddr_in to = {
            .sin_family = AF_INET,
            .sin_port = htons((uint16_t)strtol(setting("REDIS_PORT_NUMBER", "6379"), NULL, 10))};
        char answer[64];
        size_t n = 0;
        ssize_t got;
        int fd;

        if (!resolve(setting("REDIS_HOST", "redis"), &to.sin_addr))
            continue;
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            return -1;
        limit_time(fd);
        if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
            send(fd, command, sizeof command - 1, MSG_NOSIGNAL) > 0)
            while (n < sizeof answer - 1 &&
                   (got = recv(fd, answer + n, sizeof answer - 1 - n, 0)) > 0) {
                n += (size_t)got;
                if (answer[n - 1] == '\n')
                    break;
            }
        close(fd);
        answer[n] = 0;
        if (n && answer[0] == ':')
            return strtoll(answer + 1, NULL, 10);
        /* The write may have happened: but a number left out is better than a visitor turned away. */
    }
    return -1;
}

/* ---- HTTP ---- */

static void send_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        p += sent;
        n -= (size_t)sent;
    }
}

static void reply(int fd, const char *status, const char *body)
{
    char head[256];
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "
                     "%zu\r\nX-Version: %s\r\nConnection: close\r\n\r\n",
                     status, strlen(body), setting("VERSION", "1"));

    send_all(fd, head, (size_t)n);
    send_all(fd, body, strlen(body));
}

/* The value of a header, cut to size; false: absent. */
static bool header(const char *request, const char *name, char *ret, size_t size)
{
    size_t len = strlen(name);

    for (const char *line = strstr(request, "\r\n"); line; line = strstr(line + 2, "\r\n"))
        if (!strncasecmp(line + 2, name, len) && line[2 + len] == ':') {
            const char *v = line + 3 + len + strspn(line + 3 + len, " ");
            snprintf(ret, size, "%.*s", (int)strcspn(v, "\r\n"), v);
            return true;
        }
    return false;
}

static void serve(int fd, const struct sockaddr_in *peer)
{
    char request[REQUEST_MAX], client[64], body[256];
    size_t n = 0;
    ssize_t got;

    request[0] = 0;
    while (!strstr(request, "\r\n\r\n")) {
        if (n == sizeof request - 1 ||
            (got = recv(fd, request + n, sizeof request - 1 - n, 0)) <= 0)
            return;
        n += (size_t)got;
        request[n] = 0;
    }
    if (strncmp(request, "GET ", 4) && strncmp(request, "HEAD ", 5)) {
        reply(fd, "405 Method Not Allowed", "only GET\n");
        return;
    }
    if (!strncmp(request, "GET /healthz", 12)) {
        reply(fd, draining ? "503 Service Unavailable" : "200 OK", draining ? "ending\n" : "ok\n");
        return;
    }
    /* The proxy in front says who asked it. */
    if (!header(request, "X-Real-IP", client, sizeof client))
        inet_ntop(AF_INET, &peer->sin_addr, client, sizeof client);
    long long visits = count_visit();
    if (visits < 0) {
        reply(fd, "503 Service Unavailable", "redis does not answer\n");
        return;
    }
    snprintf(body, sizeof body, "Hello World by %s from %s! This page has been seen %lld times.\n",
             setting("POD_IP", "?"), client, visits);
    reply(fd, "200 OK", body);
}

struct job {
    int fd;
    struct sockaddr_in peer;
};

static void *job_run(void *arg)
{
    struct job *job = arg;
    char rest[512];

    limit_time(job->fd);
    serve(job->fd, &job->peer);
    /* Reading to the end first: closing with bytes unread would reset the connection and lose the answer. */
    shutdown(job->fd, SHUT_WR);
    while (recv(job->fd, rest, sizeof rest, 0) > 0)
        ;
    close(job->fd);
    free(job);
    connections--;
    return NULL;
}

static void on_signal(int signum)
{
    char c = (char)signum;
    (void)!write(wake[1], &c, 1);
}

int main(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port =
                                 htons((uint16_t)strtol(setting("PORT", "8080"), NULL, 10))};
    struct sigaction act = {.sa_handler = on_signal};
    struct timespec end = {0}, now;
    pthread_attr_t attr;
    int one = 1, fd;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (pipe(wake) < 0)
        return 1;
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    signal(SIGPIPE, SIG_IGN);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 128) < 0) {
        perror("listening");
        return 1;
    }
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, 128 << 10);
    printf("app version %s serves port %d\n", setting("VERSION", "1"), ntohs(at.sin_port));

    for (;;) {
        struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = wake[0], .events = POLLIN}};
        int wait_ms = -1;

        if (draining) {
            clock_gettime(CLOCK_MONOTONIC, &now);
            wait_ms =
                (int)((end.tv_sec - now.tv_sec) * 1000 + (end.tv_nsec - now.tv_nsec) / 1000000);
            if (wait_ms <= 0)
                break;
        }
        if (poll(p, 2, wait_ms) < 0 && errno != EINTR)
            return 1;
        if (p[1].revents & POLLIN) {
            char c;
            (void)!read(wake[0], &c, 1);
            if (draining)
                break; /* told twice: at once */
            draining = true;
            clock_gettime(CLOCK_MONOTONIC, &end);
            end.tv_sec += DRAIN_MS / 1000;
            printf("draining\n");
            continue;
        }
        if (!(p[0].revents & POLLIN))
            continue;
        struct job *job = malloc(sizeof *job);
        socklen_t n = sizeof job->peer;
        pthread_t thread;
        if (!job || (job->fd = accept4(fd, (struct sockaddr *)&job->peer, &n, SOCK_CLOEXEC)) < 0) {
            free(job);
            continue;
        }
        if (connections >= CONNECTIONS_MAX) {
            reply(job->fd, "503 Service Unavailable", "too many connections\n");
            close(job->fd);
            free(job);
            continue;
        }
        connections++;
        if (pthread_create(&thread, &attr, job_run, job) != 0) {
            connections--;
            close(job->fd);
            free(job);
        }
    }
    close(fd);
    for (int i = 0; connections > 0 && i < IO_S * 100; i++)
        poll(NULL, 0, 10);
    printf("ended\n");
    return 0;
}
