#!/usr/bin/env python3
"""Soak: mixed writes, lists and watches for a while, with clients that stall and clients that vanish; then looks for what leaked.

    bench/soak.py [--binary build/k1s] [--minutes 30] [--rate 200]

A server of its own (controllers and scheduler on, no agent) is left alone for a minute and measured, to be told only: what the first load
makes it keep for good counts as no leak. Then it works for a tenth of the time, is emptied, left alone and measured; works for the rest, is
emptied, left alone and measured again. The same must come out:
  memory     resident set within 10 % of the first measurement
  files      not one descriptor more
  threads    not one more
  database   no larger than twice the live data and a fixed allowance, after compaction

Exit status 1 and a line FAIL for what does not hold.
"""
import argparse, http.client, json, os, random, re, shutil, signal, socket, ssl, struct, subprocess, sys, tempfile
import threading, time

TOKEN = "soak-token"
COMPACT_S = 10
SETTLE_S = 60  # without requests, before each measurement
DATABASE_ALLOWANCE = 4 << 20  # bytes: pages of the schema, free pages that are not worth giving back, the log of writes
NAMESPACES = ["soak-%d" % i for i in range(4)]
PROTOBUF = "application/vnd.kubernetes.protobuf"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


class Server:
    def __init__(self, args):
        self.port = args.port
        self.dir = tempfile.mkdtemp(prefix="k1s-soak-")
        self.database = os.path.join(self.dir, "data")
        tokens = os.path.join(self.dir, "tokens.csv")
        with open(tokens, "w") as f:
            f.write('%s,soak,soak,"system:masters"\n' % TOKEN)
        self.log = open(os.path.join(self.dir, "log"), "wb")
        self.process = subprocess.Popen(
            [args.binary, "server", "--disable-agent", "--data-dir", self.database, "--bind-address", "127.0.0.1",
             "--https-listen-port", str(self.port), "--write-kubeconfig", os.path.join(self.dir, "kubeconfig"),
             "--token-auth-file", tokens, "--kube-apiserver-arg", "etcd-compaction-interval=%ds" % COMPACT_S],
            stdout=self.log, stderr=self.log)
        for _ in range(600):
            try:
                if call(self.port, "GET", "/readyz")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        sys.exit("the server did not become ready: see " + self.log.name)

    def measure(self):
        pid = self.process.pid
        with open("/proc/%d/status" % pid) as f:
            status = f.read()
        number = lambda name: int(re.search(name + r":\s+(\d+)", status).group(1))
        with open("/proc/%d/stat" % pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return {"rss_kb": number("VmRSS"), "threads": number("Threads"), "files": len(os.listdir("/proc/%d/fd" % pid)),
                "cpu_s": (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")}

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


def context():
    c = ssl.create_default_context()
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    return c


CONTEXT = context()


def connect(port, timeout=60):
    return http.client.HTTPSConnection("127.0.0.1", port, context=CONTEXT, timeout=timeout)


def headers(accept="application/json", content_type=None):
    h = {"Authorization": "Bearer " + TOKEN, "Accept": accept}
    if content_type:
        h["Content-Type"] = content_type
    return h


def call(port, method, path, body=None, content_type="application/json", accept="application/json", connection=None):
    c = connection or connect(port)
    c.request(method, path, None if body is None else json.dumps(body), headers(accept, content_type if body is not None else None))
    answer = c.getresponse()
    data = answer.read()
    if not connection:
        c.close()
    return answer.status, data


def raw(port, bytes_, linger=True):
    """A TLS connection with these bytes sent; closing it resets the connection."""
    s = socket.create_connection(("127.0.0.1", port), timeout=30)
    if linger:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    t = CONTEXT.wrap_socket(s)
    t.sendall(bytes_)
    return t


def get(path, extra=""):
    return ("GET %s HTTP/1.1\r\nHost: k1s\r\nAuthorization: Bearer %s\r\nAccept: application/json\r\n%s\r\n" % (path, TOKEN, extra)).encode()


def pod(name):
    return {"metadata": {"name": name, "labels": {"app": "soak", "n": name[-1]}},
            "spec": {"schedulerName": "nobody", "containers": [{"name": "c", "image": "example.test/app:1",
                                                                "env": [{"name": "E%d" % i, "value": "v" * 20} for i in range(10)]}]}}


def configmap(name, size):
    return {"metadata": {"name": name, "labels": {"app": "soak"}}, "data": {"k": "x" * size}}


def deployment(name):
    labels = {"app": "soak", "deployment": name}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": labels},
            "spec": {"replicas": random.randrange(4), "selector": {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels}, "spec": pod("x")["spec"]}}}


class Load:
    """Threads that work until stop(); each failure that the API's contract does not allow for is counted."""

    def __init__(self, port, rate):
        self.port, self.rate = port, rate
        self.stopping = threading.Event()
        self.counts, self.unexpected, self.lock = {}, [], threading.Lock()
        work = [self.writer] * 4 + [self.lister] * 2 + [self.watcher] * 6 + [self.stalled, self.vanishing, self.vanishing_lists]
        self.threads = [threading.Thread(target=self.run, args=(w, i), daemon=True) for i, w in enumerate(work)]
        for t in self.threads:
            t.start()

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join(30)
        return [t for t in self.threads if t.is_alive()]

    def count(self, what, n=1):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + n

    def run(self, work, seed):
        r = random.Random(seed)
        while not self.stopping.is_set():
            try:
                work(r)
            except (OSError, http.client.HTTPException, ssl.SSLError) as e:
                self.count("connections lost")
                if not self.stopping.is_set():
                    time.sleep(0.05)

    def expect(self, what, status, allowed, data):
        self.count(what)
        if status not in allowed:
            with self.lock:
                self.unexpected.append("%s: %d %s" % (what, status, data[:200]))

    def writer(self, r):
        c = connect(self.port)
        for _ in range(500):
            if self.stopping.is_set():
                break
            ns, n = r.choice(NAMESPACES), r.randrange(200)
            core = "/api/v1/namespaces/%s/" % ns
            apps = "/apis/apps/v1/namespaces/%s/deployments" % ns
            what = r.randrange(12)
            do = lambda method, path, body=None, type_="application/json": call(self.port, method, path, body, type_, connection=c)
            if what < 3:
                s, d = do("POST", core + "configmaps", configmap("cm-%d" % n, r.choice((10, 1000, 1000, 30000))))
                self.expect("create", s, (201, 409), d)
            elif what < 5:
                s, d = do("PATCH", core + "configmaps/cm-%d" % n, {"data": {"k": "y" * r.randrange(2000)}}, "application/merge-patch+json")
                self.expect("patch", s, (200, 404), d)
            elif what < 6:
                s, d = do("DELETE", core + "configmaps/cm-%d" % n)
                self.expect("delete", s, (200, 404), d)
            elif what < 8:
                s, d = do("POST", core + "pods", pod("pod-%d" % n))
                self.expect("create", s, (201, 409), d)
            elif what < 9:
                s, d = do("DELETE", core + "pods/pod-%d?gracePeriodSeconds=0" % n)
                self.expect("delete", s, (200, 404), d)
            elif what < 11:
                name = "d-%d" % (n % 20)
                s, d = do("PATCH", "%s/%s?fieldManager=soak&force=true" % (apps, name), deployment(name), "application/apply-patch+yaml")
                self.expect("apply", s, (200, 201, 409), d)
            else:
                s, d = do("DELETE", "%s/d-%d?propagationPolicy=%s" % (apps, n % 20, r.choice(("Background", "Foreground"))))
                self.expect("delete", s, (200, 404), d)
            self.stopping.wait(4 / self.rate)
        c.close()

    def lister(self, r):
        c = connect(self.port)
        for _ in range(50):
            if self.stopping.is_set():
                break
            path = r.choice(("/api/v1/pods", "/api/v1/configmaps", "/apis/apps/v1/deployments", "/apis/apps/v1/replicasets",
                             "/api/v1/namespaces/%s/pods" % r.choice(NAMESPACES)))
            query = r.choice(("", "?limit=50", "?resourceVersion=0", "?labelSelector=app%3Dsoak"))
            accept = r.choice(("application/json", "application/json", PROTOBUF, TABLE, PARTIAL))
            s, d = call(self.port, "GET", path + query, accept=accept, connection=c)
            self.expect("list", s, (200,), d)
            token = re.search(rb'"continue": ?"([^"]+)"', d) if query == "?limit=50" else None
            if token:
                s, d = call(self.port, "GET", path + query + "&continue=" + token.group(1).decode(), accept=accept, connection=c)
                self.expect("list", s, (200, 410), d)
            self.stopping.wait(0.1)
        c.close()

    def watcher(self, r):
        path = r.choice(("/api/v1/pods", "/api/v1/configmaps", "/apis/apps/v1/replicasets", "/api/v1/namespaces/%s/pods" % r.choice(NAMESPACES)))
        query = r.choice(("?watch=1", "?watch=1&allowWatchBookmarks=true", "?watch=1&labelSelector=app%3Dsoak",
                          "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"))
        c = connect(self.port, timeout=5)
        c.request("GET", path + query, headers=headers(r.choice(("application/json", "application/json", PROTOBUF))))
        answer = c.getresponse()
        self.expect("watch", answer.status, (200,), b"")
        end = time.monotonic() + r.choice((1, 10, 60))
        try:
            while time.monotonic() < end and not self.stopping.is_set():
                data = answer.read1(65536)
                if not data:
                    break
                self.count("watched bytes", len(data))
        except TimeoutError:
            pass
        c.close()

    def stalled(self, r):
        """Asks for everything and reads nothing: the server must end it, not keep what it has not read."""
        streams = [raw(self.port, get(path + "?watch=1")) for path in ("/api/v1/configmaps", "/api/v1/pods", "/api/v1/configmaps")]
        streams += [raw(self.port, get("/api/v1/pods")), raw(self.port, get("/api/v1/configmaps"))]
        self.count("stalled", len(streams))
        self.stopping.wait(r.choice((5, 30)))
        for s in streams:
            s.close()

    def vanishing(self, r):
        """Goes away at every moment: within the handshake, the head, the body, the answer, a watch."""
        body = json.dumps(configmap("gone-%d" % r.randrange(50), 1000)).encode()
        post = ("POST /api/v1/namespaces/%s/configmaps HTTP/1.1\r\nHost: k1s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
                "Content-Length: %d\r\n\r\n" % (NAMESPACES[0], TOKEN, len(body))).encode()
        how = r.randrange(5)
        if how == 0:
            s = socket.create_connection(("127.0.0.1", self.port), timeout=30)
            s.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(r.randrange(200)))
        elif how == 1:
            s = raw(self.port, post[: r.randrange(1, len(post))])
        elif how == 2:
            s = raw(self.port, post + body[: r.randrange(len(body))])
        elif how == 3:
            s = raw(self.port, post + body)
        else:
            s = raw(self.port, get("/api/v1/configmaps?watch=1"))
            s.recv(100)
        s.close()
        self.count("vanished")
        self.stopping.wait(0.02)

    def vanishing_lists(self, r):
        s = raw(self.port, get(r.choice(("/api/v1/configmaps", "/api/v1/pods")), r.choice(("", "Accept-Encoding: gzip\r\n"))))
        s.recv(r.choice((1, 10000)))
        s.close()
        self.count("vanished")
        self.stopping.wait(0.1)


def prepare(port):
    for ns in NAMESPACES:
        call(port, "POST", "/api/v1/namespaces", {"metadata": {"name": ns}})
    for ns in NAMESPACES:  # pods need the default service account, which a controller makes
        for _ in range(200):
            if call(port, "GET", "/api/v1/namespaces/%s/serviceaccounts/default" % ns)[0] == 200:
                break
            time.sleep(0.05)


def empty(server):
    """Removes all that the load has made (the namespaces stay), and waits until compaction has nothing more to do."""
    port = server.port
    for _ in range(30):
        left = 0
        for ns in NAMESPACES:
            for path in ("/apis/apps/v1/namespaces/%s/deployments?propagationPolicy=Background", "/apis/apps/v1/namespaces/%s/replicasets?x=1",
                         "/api/v1/namespaces/%s/pods?gracePeriodSeconds=0", "/api/v1/namespaces/%s/events?x=1",
                         "/api/v1/namespaces/%s/configmaps?labelSelector=app%%3Dsoak"):
                path = path % ns
                call(port, "DELETE", path)
                left += len(json.loads(call(port, "GET", path)[1])["items"])
        if not left:
            break
        time.sleep(1)
    size, since = -1, time.monotonic()
    end = since + 600
    while time.monotonic() < end and time.monotonic() - since < 4 * COMPACT_S:
        time.sleep(1)
        now = database_bytes(server.database)
        if now != size:
            size, since = now, time.monotonic()


def live_bytes(port):
    total = 0
    for group in ("/api/v1", "/apis/apps/v1", "/apis/rbac.authorization.k8s.io/v1"):
        for r in json.loads(call(port, "GET", group)[1])["resources"]:
            if "/" not in r["name"] and "list" in r["verbs"]:
                total += len(call(port, "GET", "%s/%s" % (group, r["name"]))[1])
    return total


def database_bytes(directory):
    return sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(directory) for f in files if ".db" in f or "sqlite" in f)


def work(server, seconds, rate, told):
    load = Load(server.port, rate)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(max(0, min(60, end - time.monotonic())))
        m = server.measure()
        print("%s  %6.1f MB, %d files, %d threads, %.0f s CPU, %s" % (
            told, m["rss_kb"] / 1024, m["files"], m["threads"], m["cpu_s"], json.dumps(load.counts, sort_keys=True)), flush=True)
        if server.process.poll() is not None:
            sys.exit("FAIL the server ended: see " + server.log.name)
    stuck = load.stop()
    empty(server)
    return load, stuck


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--binary", default="build/k1s")
    arguments.add_argument("--port", type=int, default=27444)
    arguments.add_argument("--minutes", type=float, default=30)
    arguments.add_argument("--rate", type=float, default=200, help="writes a second that are tried")
    args = arguments.parse_args()
    server, failed = Server(args), []

    def check(what, ok, detail):
        print("%-9s %-4s %s" % (what, "ok" if ok else "FAIL", detail), flush=True)
        if not ok:
            failed.append(what)

    try:
        time.sleep(SETTLE_S)
        print("idle       %.1f MB" % (server.measure()["rss_kb"] / 1024), flush=True)
        prepare(server.port)
        work(server, args.minutes * 6, args.rate, "warm-up")
        time.sleep(SETTLE_S)
        before = server.measure()
        load, stuck = work(server, args.minutes * 54, args.rate, "soak   ")
        time.sleep(SETTLE_S)
        after = server.measure()
        live = live_bytes(server.port)
        check("memory", after["rss_kb"] <= before["rss_kb"] * 1.1, "%.1f MB before, %.1f MB after" % (before["rss_kb"] / 1024, after["rss_kb"] / 1024))
        check("files", after["files"] <= before["files"], "%d before, %d after" % (before["files"], after["files"]))
        check("threads", after["threads"] <= before["threads"], "%d before, %d after" % (before["threads"], after["threads"]))
        check("clients", not stuck and not load.unexpected, "%d stuck, %d unexpected answers %s" % (len(stuck), len(load.unexpected), load.unexpected[:3]))
        status = server.stop()
        check("end", status == 0, "exit status %d" % status)
        size = database_bytes(server.database)
        check("database", size <= 2 * live + DATABASE_ALLOWANCE, "%.1f MB, live data %.1f MB" % (size / 1e6, live / 1e6))
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()
        if not failed:
            shutil.rmtree(server.dir, ignore_errors=True)
    print("soak of %g minutes: %s" % (args.minutes, "FAIL " + " ".join(failed) if failed else "ok"))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
