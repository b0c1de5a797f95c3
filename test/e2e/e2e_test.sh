#!/bin/bash
# e2e_test.sh - the whole thing on this machine: k1s server with containerd, the demo application in it, what a person does with it, a
# crash, and the end, after which the machine must be as it was.
#
# Needs root and what `make run` needs; skips visibly otherwise, or when a cluster runs here already (pods' directories, the packet
# filter's table and the NodePort are the machine's). Data and ports are its own. The other scripts
# of this folder are its parts.
#
# Settings: BUILD (build), K1S (build/k1s), K1S_E2E_ANYWAY=1 (other pods run on this machine, in namespaces that this one does not see), KUBECTL (kubectl of the machine, else k1s kubectl), K1S_E2E_KEEP=1 (leave it running when something failed).
set -u
cd "$(dirname "$0")/../.."
k1s=${K1S:-$PWD/${BUILD:-build}/k1s}
images=$PWD/${BUILD:-build}/images
port=26043 kubelet_port=26050
passed=0 failed=0 skipped=0
work= server= loop=

pass() { passed=$((passed + 1)); [ -z "${VERBOSE:-}" ] || echo "PASS e2e.$1"; }
fail() { failed=$((failed + 1)); echo "FAIL e2e.$1${2:+: $2}"; }
summary() {
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" = 0 ]
}
skip_all() {
    echo "SKIP e2e: $1"
    skipped=1
    summary
    exit
}

# check NAME COMMAND...: the command's success is the claim
check() {
    local name=$1 out
    shift
    if out=$("$@" 2>&1); then pass "$name"; else fail "$name" "$* -> $(echo "$out" | tail -3 | tr '\n' ' ')"; fi
}
# await SECONDS COMMAND...: until it succeeds
await() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || { "$@"; return; }
        sleep 0.2
    done
}
is() { [ "$1" = "$2" ] || { echo "\"$1\" instead of \"$2\""; return 1; }; }
has() { case $1 in *"$2"*) ;; *) echo "\"$1\" lacks \"$2\""; return 1 ;; esac; }

[ "$(id -u)" = 0 ] || skip_all "needs root"
for program in containerd runc nft nginx redis-server curl ip; do
    command -v $program >/dev/null || skip_all "$program is not installed"
done
[ -x "$k1s" ] || skip_all "$k1s is not built"
nft list table ip k1s >/dev/null 2>&1 && skip_all "a cluster runs on this machine"
[ -n "${K1S_E2E_ANYWAY:-}" ] || ! cat $(find /sys/fs/cgroup/ -path "*/kubepods*" -name cgroup.procs 2>/dev/null) /dev/null | grep -q . || skip_all "pods run on this machine"
[ -e /var/lib/kubelet/pods ] && skip_all "/var/lib/kubelet/pods is in use"

work=$(mktemp -d /tmp/k1s-e2e-XXXX)
data=$work/data
export KUBECONFIG=$work/kubeconfig
if [ -z "${KUBECTL:-}" ]; then
    if command -v kubectl >/dev/null; then KUBECTL=kubectl; else KUBECTL="$k1s kubectl"; fi
fi
k() { $KUBECTL --request-timeout=30s "$@"; }
kd() { k -n demo "$@"; }

# What the machine looks like from outside: must be the same at the end.
snapshot() {
    echo "links: $(ip -o link | sed -E 's/^[0-9]+: ([^:@]+).*/\1/' | sort | tr '\n' ' ')"
    echo "routes: $(ip route | sort)"
    echo "addresses: $(ip -4 -o addr | awk '{print $2, $4}' | sort)"
    echo "namespaces: $(ls /run/netns 2>/dev/null | sort | tr '\n' ' ')"
    echo "mounts: $(awk '{print $5}' /proc/self/mountinfo | grep -v "^$work\$" | sort | tr '\n' ' ')"
    echo "tables: $(nft list tables | sort)"
    echo "iptables: $(command -v iptables-save >/dev/null && iptables-save 2>/dev/null | grep -c '^-A')"
    [ -n "${K1S_E2E_ANYWAY:-}" ] || echo "cgroups: $(find /sys/fs/cgroup/ -type d -path '*/kubepods/*' 2>/dev/null | wc -l)"
    for s in net/ipv4/ip_forward net/ipv4/conf/all/route_localnet net/bridge/bridge-nf-call-iptables vm/overcommit_memory kernel/panic; do
        echo "$s: $(cat /proc/sys/$s 2>/dev/null)"
    done
    ls -d /var/lib/kubelet/pods /var/log/pods/* /var/log/containers/* /run/k1s/* 2>/dev/null | sed 's/^/file: /'
    echo "processes: $(grep -lz -e "$work" /proc/[0-9]*/cmdline 2>/dev/null | wc -l)"
}

cat >"$work/registries.yaml" <<'END'
mirrors:
  mirrored.test:
    endpoint: ["http://127.0.0.1:26071"]
  "127.0.0.1:26072":
    endpoint: ["http://127.0.0.1:26072"]
END
start_server() {
    setsid "$k1s" server --data-dir "$data" --https-listen-port $port --kubelet-port $kubelet_port --write-kubeconfig "$KUBECONFIG" \
        --node-name e2e-node --private-registry "$work/registries.yaml" </dev/null >>"$work/server.log" 2>&1 &
    server=$!
}
ready() { is "$(curl -s -k --max-time 5 https://127.0.0.1:$port/readyz)" ok; }
server_ready() {
    local end=$((SECONDS + $1))
    until ready >/dev/null; do
        kill -0 $server 2>/dev/null || { echo "the server ended: $(tail -3 "$work/server.log")"; return 1; }
        [ $SECONDS -lt $end ] || { echo "readyz: $(curl -s -k --max-time 5 "https://127.0.0.1:$port/readyz?verbose")"; return 1; }
        sleep 0.05
    done
}

finish() {
    trap - EXIT
    [ -z "$loop" ] || kill "$loop" 2>/dev/null
    if [ "$failed" != 0 ] && [ -n "${K1S_E2E_KEEP:-}" ]; then
        echo "left running: KUBECONFIG=$KUBECONFIG, data in $work"
    else
        [ ! -d "$data" ] || "$k1s" stop --data-dir "$data" >/dev/null 2>&1
        [ "$failed" = 0 ] || { mkdir -p "${BUILD:-build}/test-logs" && cp "$work/server.log" "${BUILD:-build}/test-logs/e2e-server.log" 2>/dev/null; }
        rm -rf --one-file-system "$work"
    fi
    summary
    exit
}
trap finish EXIT

BUILD=${BUILD:-build} sh scripts/demo-images.sh || skip_all "the demo's images cannot be made"
same_bytes() { "${BUILD:-build}/examples/mkimage" examples/demo/images/box.image "$work/box.tar" && cmp "$work/box.tar" "$images/box.tar"; }
check images_are_the_same_bytes_each_time same_bytes
before=$(snapshot)

# ---- the cluster comes up ----

t0=$(date +%s%N)
start_server
check server_becomes_ready server_ready 60
[ "$failed" = 0 ] || { tail -20 "$work/server.log"; exit 1; }
echo "ready after $((($(date +%s%N) - t0) / 1000000)) ms on a fresh data directory"
check node_becomes_ready await 30 k wait --for=condition=Ready node/e2e-node --timeout=1s
check images_can_be_imported "$k1s" images import --data-dir "$data" "$images"/app-1.tar "$images"/app-2.tar "$images"/web.tar "$images"/redis.tar "$images"/box.tar
check demo_is_accepted k apply -f examples/demo/
for d in redis app web; do
    check "demo_${d}_rolls_out" kd rollout status deployment/$d --timeout=120s
done

# ---- the demo works ----

url=http://127.0.0.1:30080/
hello() { curl -s --max-time 5 $url; }
count_of() { sed -nE 's/.* seen ([0-9]+) times\..*/\1/p'; }
pod_of() { sed -nE 's/^Hello World by ([0-9.]+) from .*/\1/p'; }
counts_up() {
    local last now text
    last=$(hello | count_of)
    [ -n "$last" ] || { echo "no count in: $(hello)"; return 1; }
    for _ in 1 2 3 4 5 6; do
        text=$(hello)
        now=$(echo "$text" | count_of)
        is "$now" $((last + 1)) || { echo "$text"; return 1; }
        last=$now
    done
}
pods_seen() { for _ in $(seq 60); do hello | pod_of; done | sort -u | grep -c .; }
check node_port_answers_on_loopback await 20 counts_up
node_ip=$(k get node e2e-node -o 'jsonpath={.status.addresses[?(@.type=="InternalIP")].address}')
check node_port_answers_on_the_nodes_address curl -sf --max-time 5 "http://$node_ip:30080/"
check cluster_ip_answers_from_the_node curl -sf --max-time 5 "http://$(kd get service web -o 'jsonpath={.spec.clusterIP}')/"
check answer_names_the_pods_own_address is "$(hello | pod_of)" "$(kd get pods -l app.kubernetes.io/name=app -o 'jsonpath={.items[0].status.podIP}')"

# ---- scaling, rolling update, undo ----

check scale_is_accepted kd scale deployment/app --replicas=3
check scale_rolls_out kd rollout status deployment/app --timeout=60s
three_pods() { is "$(pods_seen)" 3; }
check three_pods_answer await 10 three_pods

requests_start() {
    : >"$work/requests"
    (while :; do curl -s -o /dev/null --max-time 10 -w '%{http_code}\n' $url >>"$work/requests"; sleep 0.02; done) &
    loop=$!
}
requests_end() { # NAME
    sleep 4 # beyond the last pod's draining
    kill $loop
    wait $loop 2>/dev/null
    loop=
    local all bad
    all=$(grep -c . "$work/requests")
    bad=$(grep -cv '^200$' "$work/requests")
    if [ "$all" -gt 20 ] && [ "$bad" = 0 ]; then pass "$1"; else fail "$1" "$bad of $all requests failed: $(sort "$work/requests" | uniq -c | tr '\n' ' ')"; fi
}
version() { curl -s -D - -o /dev/null --max-time 5 $url | tr -d '\r' | sed -n 's/^X-Version: //pI'; }
requests_start
check set_image_is_accepted kd set image deployment/app app=k1s.io/demo/app:2
check update_rolls_out kd rollout status deployment/app --timeout=120s
requests_end no_request_fails_during_a_rolling_update
check the_new_version_answers is "$(version)" 2
requests_start
check undo_is_accepted kd rollout undo deployment/app
check undo_rolls_out kd rollout status deployment/app --timeout=120s
requests_end no_request_fails_during_undo
check the_old_version_answers_again is "$(version)" 1

app_pods() { is "$(kd get pods -l app.kubernetes.io/name=app -o name | grep -c .)" "$1"; }
check old_pods_are_gone await 30 app_pods 3
victim=$(kd get pods -l app.kubernetes.io/name=app -o 'jsonpath={.items[0].metadata.name}')
check a_pod_can_be_deleted kd delete pod "$victim" --timeout=60s
check its_successor_becomes_ready kd rollout status deployment/app --timeout=60s
check three_pods_answer_after_a_deletion await 20 three_pods

check the_deleted_pod_is_gone await 30 app_pods 3

# ---- looking inside ----

cat >"$work/box.yaml" <<'END'
apiVersion: v1
kind: ConfigMap
metadata: {name: box, namespace: demo}
data: {text: first}
---
apiVersion: v1
kind: Pod
metadata: {name: box, namespace: demo, labels: {app: box}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: box
    image: k1s.io/demo/box:1
    imagePullPolicy: IfNotPresent
    stdin: true
    ports: [{name: http, containerPort: 8081, hostPort: 26070}]
    command: [sh, -c, 'echo started; httpd -p 8081 -h /config; while read line; do echo "got $line"; done; sleep 100000']
    env:
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    volumeMounts:
    - {name: config, mountPath: /config}
  volumes:
  - {name: config, configMap: {name: box}}
---
# headless, affine, by hand, elsewhere, without endpoints
apiVersion: v1
kind: Service
metadata: {name: app-headless, namespace: demo}
spec:
  clusterIP: None
  selector: {app.kubernetes.io/name: app}
  ports: [{name: http, port: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: app-sticky, namespace: demo}
spec:
  sessionAffinity: ClientIP
  selector: {app.kubernetes.io/name: app}
  ports: [{name: http, port: 80, targetPort: http}]
---
apiVersion: v1
kind: Service
metadata: {name: by-hand, namespace: demo}
spec:
  externalIPs: [198.51.100.77]
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere, namespace: demo}
spec: {type: ExternalName, externalName: web.demo.svc.cluster.local}
---
apiVersion: v1
kind: Service
metadata: {name: box, namespace: demo}
spec:
  selector: {app: box}
  ports: [{port: 80, targetPort: http}]
---
apiVersion: v1
kind: Service
metadata: {name: nobody, namespace: demo}
spec:
  selector: {app: nobody}
  ports: [{name: http, port: 80}]
END
check more_objects_are_accepted k apply -f "$work/box.yaml"
check box_becomes_ready kd wait --for=condition=Ready pod/box --timeout=60s
in_box() { kd exec box -- "$@"; }
check exec_runs_a_command is "$(in_box sh -c 'echo $NODE')" e2e-node
check exec_passes_input is "$(echo through | kd exec -i box -- cat)" through
exec_code() { in_box sh -c 'exit 7'; is $? 7; }
check exec_tells_the_exit_code exec_code
check logs_show_output await 10 has "$(kd logs box)" started
attach_sees() {
    (sleep 1; echo hello; sleep 1) | timeout 20 $KUBECTL -n demo attach -i box >"$work/attach" 2>&1
    has "$(cat "$work/attach"; kd logs box)" "got hello"
}
check attach_reaches_the_process attach_sees
port_forward() {
    local forward rc=0
    $KUBECTL -n demo port-forward "$(kd get pods -l app.kubernetes.io/name=app -o name | head -1)" 26060:8080 >"$work/forward" 2>&1 &
    forward=$!
    await 10 curl -sf --max-time 2 http://127.0.0.1:26060/healthz || rc=1
    kill $forward
    wait $forward 2>/dev/null
    return $rc
}
check port_forward_reaches_a_pod port_forward
config_is() { is "$(in_box cat /config/text)" "$1"; }
check config_volume_has_its_text config_is first
kd patch configmap box --type=merge -p '{"data":{"text":"second"}}' >/dev/null
check config_volume_follows_its_source await 90 config_is second

# ---- names ----

web_ip=$(kd get service web -o 'jsonpath={.spec.clusterIP}')
resolves() { # NAME ADDRESS
    has "$(in_box nslookup "$1" 2>&1)" "$2"
}
check dns_finds_a_service await 10 resolves web.demo.svc.cluster.local "$web_ip"
check dns_follows_the_search_path has "$(in_box curl -s --max-time 5 http://app:8080/healthz)" ok
check dns_itself_has_a_service is "$(k -n kube-system get service kube-dns -o 'jsonpath={.spec.clusterIP}')" 10.43.0.10
check dns_finds_its_own_service resolves kube-dns.kube-system.svc.cluster.local 10.43.0.10
check dns_finds_the_api_server resolves kubernetes.default.svc.cluster.local 10.43.0.1
check dns_finds_names_of_addresses resolves "$web_ip" web.demo.svc.cluster.local
headless() { is "$(in_box nslookup app-headless.demo.svc.cluster.local 2>/dev/null | grep -A100 '^Name\|^Non' | grep -cE 'Address.*10\.42\.')" 3; }
check dns_lists_endpoints_of_a_headless_service await 10 headless
check dns_answers_for_ports has "$(in_box nslookup -type=srv _http._tcp.app-headless.demo.svc.cluster.local)" 8080
check dns_follows_an_external_name has "$(in_box curl -s --max-time 5 http://elsewhere/)" "Hello World"
unknown_name() { ! in_box nslookup nothing.demo.svc.cluster.local >/dev/null 2>&1; }
check dns_denies_what_is_not unknown_name

# ---- Services ----

sticky() {
    local ip
    ip=$(kd get service app-sticky -o 'jsonpath={.spec.clusterIP}')
    is "$(for _ in $(seq 20); do curl -s --max-time 5 "http://$ip/" | pod_of; done | sort -u | grep -c .)" 1
}
check session_affinity_stays_with_one_pod await 10 sticky
pod_ip=$(kd get pods -l app.kubernetes.io/name=app -o 'jsonpath={.items[0].status.podIP}')
k apply -f - >/dev/null <<END
apiVersion: v1
kind: Endpoints
metadata: {name: by-hand, namespace: demo}
subsets:
- addresses: [{ip: $pod_ip}]
  ports: [{name: http, port: 8080}]
END
by_hand() { is "$(curl -s --max-time 5 "http://$(kd get service by-hand -o 'jsonpath={.spec.clusterIP}')/" | pod_of)" "$pod_ip"; }
check endpoints_written_by_hand_are_served await 10 by_hand
check external_ips_are_served has "$(in_box curl -s --max-time 5 http://198.51.100.77/)" "Hello World by $pod_ip"
refused() { curl -s --max-time 5 "http://$1/"; is $? 7; }
check a_service_without_endpoints_refuses_at_once refused "$(kd get service nobody -o 'jsonpath={.spec.clusterIP}')"
check an_unused_service_address_refuses_at_once refused 10.43.250.250
check a_pod_reaches_itself_through_its_service is "$(in_box curl -s --max-time 5 http://box.demo.svc.cluster.local/text)" second
check a_host_port_is_served is "$(curl -s --max-time 5 http://127.0.0.1:26070/text)" second

check pods_reach_the_api_server has "$(in_box curl -sk --max-time 5 https://kubernetes.default.svc/version)" gitVersion
nft delete table ip k1s
check rules_come_back_when_somebody_deletes_them await 10 counts_up

. test/e2e/client.sh
. test/e2e/outside.sh
. test/e2e/images.sh
. test/e2e/pods.sh

# ---- k1s away and back: pods do not notice ----

containers() { kd get pods -o 'jsonpath={range .items[*]}{.metadata.name} {.status.podIP} {.status.containerStatuses[*].containerID} {.status.containerStatuses[*].restartCount}{"\n"}{end}' | sort; }
pods_before=$(containers)
count_before=$(hello | count_of)
{ kill -9 $server; wait $server; } 2>/dev/null
check the_application_answers_while_k1s_is_dead counts_up
start_server
check k1s_becomes_ready_after_a_crash server_ready 30
same_pods() { is "$(containers)" "$pods_before"; }
check no_container_was_restarted_by_the_crash same_pods
check the_count_goes_on test "$(hello | count_of)" -gt "$count_before"
t0=$(date +%s%N)
kill $server
wait $server 2>/dev/null
check the_server_ends_cleanly is $? 0
start_server
check k1s_becomes_ready_after_a_restart server_ready 30
echo "stopped and ready again after $((($(date +%s%N) - t0) / 1000000)) ms"
sleep 2
check no_container_was_restarted_by_the_restart same_pods
check exec_works_after_a_restart is "$(in_box echo again)" again
check a_deployment_scales_after_a_restart kd scale deployment/app --replicas=1
check scaling_down_rolls_out kd rollout status deployment/app --timeout=60s
check a_namespace_can_be_deleted k delete namespace demo --timeout=120s
pods_gone() { is "$(k get pods -A -o name)" ""; }
check its_pods_are_gone await 30 pods_gone

# ---- the end, with a pod running and one that has ended ----

k create namespace last >/dev/null
k -n last run ended --image=k1s.io/demo/box:1 --image-pull-policy=IfNotPresent --restart=Never --command -- true >/dev/null
check a_pod_ends k -n last wait --for=jsonpath='{.status.phase}'=Succeeded pod/ended --timeout=60s
ended=/var/lib/kubelet/pods/$(k -n last get pod ended -o 'jsonpath={.metadata.uid}')
node_forgot_ended() { [ ! -e "$ended/volumes" ]; }
check what_it_had_of_the_node_is_released await 10 node_forgot_ended
k -n last run last --image=k1s.io/demo/box:1 --image-pull-policy=IfNotPresent --restart=Never >/dev/null
check a_last_pod_runs k -n last wait --for=condition=Ready pod/last --timeout=60s
check stop_succeeds "$k1s" stop --data-dir "$data"
wait $server 2>/dev/null
after=$(snapshot)
# Files that others had left and that are gone now are no harm.
new=$(comm -13 <(sort <<<"$before") <(sort <<<"$after"))
if [ -z "$new" ]; then pass stop_leaves_nothing_behind; else fail stop_leaves_nothing_behind "
$new"; fi
check stop_may_be_repeated "$k1s" stop --data-dir "$data"
start_server
check the_cluster_comes_back_with_its_objects server_ready 30
last_runs() { is "$(k -n last get pod last -o 'jsonpath={.status.phase}')" Running || k -n last get namespace last; }
check objects_survived_the_stop last_runs
