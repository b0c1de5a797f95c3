#!/usr/bin/env python3
"""Measures a k1s server of this build: start, memory, GET, create, patch, apply, LIST; prints a table beside the budgets.

    bench/bench.py [--binary build/k1s] [--quick]

The server gets a data directory and port of its own and is stopped afterwards. "CPU" is the processor time of the server
divided by the requests: the figure to trust on a noisy machine. Load comes from h2load (Debian's nghttp2-client) over TLS,
HTTP/1.1 with kept connections. Durable means: acknowledged after fsync.
"""
import argparse, http.client, json, os, re, shutil, signal, ssl, subprocess, sys, tempfile, time

TOKEN = "bench-token"
TICK = os.sysconf("SC_CLK_TCK")
FORMS = (("JSON", "application/json", "60 ms, 50 ms"),
         ("protobuf", "application/vnd.kubernetes.protobuf", "60 ms"),
         ("Table", "application/json;as=Table;v=v1;g=meta.k8s.io", "60 ms"))


class Server:
    def __init__(self, binary, port):
        self.binary, self.port = binary, port
        self.dir = tempfile.mkdtemp(prefix="k1s-bench-")
        self.tokens = os.path.join(self.dir, "tokens.csv")
        with open(self.tokens, "w") as f:
            f.write('%s,bench,bench,"system:masters"\n' % TOKEN)
        self.process = None

    def start(self):
        """Seconds from exec to /readyz 200."""
        log = open(os.path.join(self.dir, "log"), "ab")
        begin = time.monotonic()
        self.process = subprocess.Popen(
            [self.binary, "server", "--disable-agent", "--data-dir", os.path.join(self.dir, "data"), "--bind-address",
             "127.0.0.1", "--https-listen-port", str(self.port), "--write-kubeconfig", os.path.join(self.dir, "kubeconfig"),
             "--token-auth-file", self.tokens], stdout=log, stderr=log)
        while True:
            try:
                if self.call("GET", "/readyz")[0] == 200:
                    return time.monotonic() - begin
            except OSError:
                pass
            if self.process.poll() is not None:
                sys.exit("the server ended: see " + log.name)
            if time.monotonic() - begin > 30:
                sys.exit("the server did not become ready")
            time.sleep(0.002)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=20)

    def close(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def call(self, method, path, body=None, content_type="application/json", accept="application/json"):
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=60)
        headers = {"Authorization": "Bearer " + TOKEN, "Accept": accept}
        if body is not None:
            headers["Content-Type"] = content_type
        connection.request(method, path, body if body is None or isinstance(body, (str, bytes)) else json.dumps(body), headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, data

    def rss_mb(self):
        with open("/proc/%d/status" % self.process.pid) as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) / 1024

    def cpu_s(self):
        with open("/proc/%d/stat" % self.process.pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def load(self, n, clients, path, method=None, body=None, content_type="application/json"):
        """(requests/s, CPU µs a request, ms p50-ish mean) of n requests; all must succeed."""
        command = ["h2load", "--h1", "-n", str(n), "-c", str(clients), "-t", "1", "-H", "Authorization: Bearer " + TOKEN]
        name = None
        if body is not None:
            name = os.path.join(self.dir, "body")
            with open(name, "w") as f:
                f.write(body)
            command += ["-d", name, "-H", "Content-Type: " + content_type]
        if method:
            command += ["-H", ":method: " + method]
        before = self.cpu_s()
        out = subprocess.run(command + ["https://127.0.0.1:%d%s" % (self.port, path)], capture_output=True, text=True).stdout
        cpu = self.cpu_s() - before
        rate = float(re.search(r", ([\d.]+) req/s", out).group(1))
        good = int(re.search(r"status codes: (\d+) 2xx", out).group(1))
        if good != n:
            sys.exit("only %d of %d requests to %s succeeded:\n%s" % (good, n, path, out))
        mean = re.search(r"time for request:\s+\S+\s+\S+\s+(\S+)", out)
        return rate, cpu / n * 1e6, mean.group(1) if mean else "?"


def pod(size):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "bench-", "labels": {"app": "bench"}, "annotations": {"filler": "x" * size}},
            "spec": {"schedulerName": "none", "containers": [{"name": "c", "image": "example.test/app:1", "env": [{"name": "E%d" % i, "value": "v%d" % i} for i in range(10)]}]}}


def machine():
    """How much of what follows is the machine's: how late a sleeper is woken, and what 1 ms of work takes at worst."""
    def work(n):
        begin = time.monotonic()
        for _ in range(n):
            pass
        return time.monotonic() - begin

    steps = max(1, int(10000 * 0.001 / min(work(10000) for _ in range(50))))
    late, took = [], []
    for _ in range(200):
        due = time.monotonic() + 0.01
        time.sleep(0.01)
        late.append(time.monotonic() - due)
        took.append(work(steps))
    return sorted(late)[197] * 1e3, sorted(took)[197] * 1e3


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--binary", default="build/k1s")
    arguments.add_argument("--port", type=int, default=27443)
    arguments.add_argument("--quick", action="store_true", help="a tenth of the requests")
    args = arguments.parse_args()
    scale = 10 if args.quick else 1
    server = Server(args.binary, args.port)
    rows = []

    def row(what, value, budget):
        rows.append((what, value, budget))
        print("%-58s %-34s budget %s" % rows[-1], flush=True)

    try:
        row("this machine: a sleeper woken late, p99; 1 ms of work, p99", "%.1f ms; %.1f ms" % machine(), "-")
        first = server.start()
        time.sleep(8)  # what only the start needed has been given back then
        idle = server.rss_mb()
        server.stop()
        again = server.start()
        row("exec to /readyz, first start", "%.0f ms" % (first * 1e3), "300 ms")
        row("exec to /readyz, existing data", "%.0f ms" % (again * 1e3), "100 ms")
        row("memory (RSS) idle", "%.1f MB" % idle, "16 MB")
        before = server.cpu_s()
        time.sleep(5)
        row("CPU when idle", "%.2f %%" % ((server.cpu_s() - before) / 5 * 100), "0.2 %")
        server.call("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bench"}})
        for _ in range(100):  # pods need the default service account, which a controller makes
            if server.call("GET", "/api/v1/namespaces/bench/serviceaccounts/default")[0] == 200:
                break
            time.sleep(0.02)
        pods, maps = "/api/v1/namespaces/bench/pods", "/api/v1/namespaces/bench/configmaps"
        big = json.loads(server.call("POST", pods, pod(1500))[1])["metadata"]["name"]
        rate, cpu, mean = server.load(100000 // scale, 64, pods + "/" + big)
        row("GET a 4.5 KB pod, 64 clients", "%.0f/s, %.1f µs CPU, mean %s" % (rate, cpu, mean), "40,000/s, 20 µs")
        body = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "m-"}, "data": {"k": "x" * 900}})
        rate, cpu, mean = server.load(20000 // scale, 16, maps, body=body)
        row("create a 1 KB ConfigMap, 16 clients, durable", "%.0f/s, %.1f µs CPU, mean %s" % (rate, cpu, mean), "12,000/s, 60 µs")
        rate, cpu, mean = server.load(10000 // scale, 64, pods, body=json.dumps(pod(200)))
        row("create a 1.7 KB pod, 64 clients, durable", "%.0f/s, %.1f µs CPU, mean %s" % (rate, cpu, mean), "8,000/s, 100 µs")
        row("memory (RSS), %d pods and %d ConfigMaps stored" % (10000 // scale, 20000 // scale), "%.1f MB" % server.rss_mb(), "80 MB (10,000 pods alone)")
        for form, accept, budget in FORMS:
            times, before = [], server.cpu_s()
            for _ in range(5):
                begin = time.monotonic()
                size = len(server.call("GET", pods, accept=accept)[1])
                times.append(time.monotonic() - begin)
            row("LIST %d pods, %s (%.0f MB)" % (10000 // scale, form, size / 1e6), "%.0f ms, %.0f ms CPU" % (min(times) * 1e3, (server.cpu_s() - before) / 5 * 1e3), budget)
        server.stop()
        row("exec to /readyz, with those objects", "%.0f ms" % (server.start() * 1e3), "-")
    finally:
        server.close()


if __name__ == "__main__":
    main()
