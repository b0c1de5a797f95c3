#!/bin/sh
# run.sh - make run: a single-node cluster in the background with the demo application in it. Run again, it updates what is there.
#
# Settings (environment): BUILD (build), K1S_DATA_DIR (/var/lib/k1s), K1S_PORT (6443), K1S_ARGS (more flags for k1s server),
# K1S_DEMO=no (no demo application).
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}
data=${K1S_DATA_DIR:-/var/lib/k1s}
port=${K1S_PORT:-6443}
kubeconfig=/etc/k1s/k1s.yaml
run=/run/k1s
log=/var/log/k1s.log
k1s=$PWD/$build/k1s

say() { echo "==> $*"; }
die() { echo "make run: $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || die "must be root: containers need namespaces, cgroups and packet filter rules"
# The kernel's own limits speak better at the start than in the middle.
grep -qw overlay /proc/filesystems || modprobe overlay 2>/dev/null || die "this kernel has no overlay file system"

# The second condition: after a reboot the number in the file may be somebody else's.
alive() { kill -0 "$(cat $run/server.pid)" 2>/dev/null; }
# One that was killed and that nobody has waited for yet does not run any more.
running() { [ -s $run/server.pid ] && grep -q '^Name:[[:space:]]*k1s' "/proc/$(cat $run/server.pid)/status" 2>/dev/null && ! grep -q '^State:[[:space:]]*Z' "/proc/$(cat $run/server.pid)/status"; }

# ready: until /readyz says ok, the server ends, or a minute has passed.
ready() {
    i=0
    while [ "$(curl -s --max-time 5 --insecure "https://127.0.0.1:$port/readyz" 2>/dev/null)" != ok ]; do
        alive || return 1
        i=$((i + 1))
        [ $i -lt 600 ] || return 1
        sleep 0.1
    done
}

mkdir -p $run /etc/k1s
if running; then
    say "k1s runs already (pid $(cat $run/server.pid))"
else
    say "starting k1s (log: $log)"
    # Its own session and no terminal: it outlives this shell.
    # shellcheck disable=SC2086
    setsid "$k1s" server --data-dir "$data" --https-listen-port "$port" --write-kubeconfig $kubeconfig ${K1S_ARGS:-} </dev/null >>$log 2>&1 &
    echo $! >$run/server.pid
fi
{ ready && alive; } || { tail -20 $log >&2; die "k1s did not become ready, see $log"; }
say "k1s is ready"

# Our own client when it is there, otherwise the machine's.
if "$k1s" kubectl --kubeconfig $kubeconfig version >/dev/null 2>&1; then
    kubectl="$k1s kubectl --kubeconfig $kubeconfig"
elif command -v kubectl >/dev/null; then
    kubectl="kubectl --kubeconfig $kubeconfig"
else
    die "no client: neither k1s kubectl works nor is kubectl installed"
fi

if [ "${K1S_DEMO:-yes}" = yes ]; then
    say "making and importing the demo's images"
    BUILD=$build sh scripts/demo-images.sh
    "$k1s" images import --data-dir "$data" $build/images/*.tar >>$log || die "importing images failed, see $log"
    say "deploying the demo application"
    $kubectl apply -f examples/demo/ || die "deploying the demo failed"
    for d in redis app web; do
        $kubectl rollout status -n demo "deployment/$d" --timeout=180s || {
            $kubectl get pods -n demo -o wide || true
            die "the demo's $d did not become ready"
        }
    done
    curl -sf --retry 20 --retry-all-errors --retry-delay 1 http://127.0.0.1:30080/ || die "the demo does not answer"
fi

cat <<END

The cluster is running.

  the demo       curl http://127.0.0.1:30080/
  the cluster    export KUBECONFIG=$kubeconfig
                 $build/k1s kubectl get pods -A        (or any kubectl)
  its log        $log
  stop it        make stop                             (data stays in $data; make clean-data removes it)
END
