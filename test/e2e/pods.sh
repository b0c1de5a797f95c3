# pods.sh - part of e2e_test.sh: what the node agent does with pods, in namespace "pods".

k create namespace pods >/dev/null
kp() { k -n pods "$@"; }
kp create configmap cm --from-literal=a=1 --from-literal=b=two >/dev/null
kp create secret generic sec --from-literal=user=admin >/dev/null
cat >"$work/pods.yaml" <<'END'
apiVersion: v1
kind: Pod
metadata: {name: deadline}
spec:
  activeDeadlineSeconds: 4
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: "k1s.io/demo/box:1"}]
---
apiVersion: v1
kind: Pod
metadata: {name: env, labels: {l: v}}
spec:
  restartPolicy: Never
  containers:
  - name: c
    image: k1s.io/demo/box:1
    resources: {limits: {cpu: 500m, memory: 64Mi}}
    command: [sh, -c, 'echo "$A/$B/$POD/$CPU/$MEM/$CM/$a/$S_user/$NOTHING"; cat /v/sub; cat /v/all/labels; cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max; df -k /v/mem | tail -1']
    env:
    - {name: A, value: x}
    - {name: B, value: "$(A)y"}
    - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1m}}}
    - {name: MEM, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
    - {name: CM, valueFrom: {configMapKeyRef: {name: cm, key: b}}}
    - {name: NOTHING, valueFrom: {configMapKeyRef: {name: absent, key: b, optional: true}}}
    envFrom: [{configMapRef: {name: cm}}, {prefix: S_, secretRef: {name: sec}}]
    volumeMounts:
    - {name: cm, mountPath: /v/sub, subPath: b}
    - {name: all, mountPath: /v/all}
    - {name: mem, mountPath: /v/mem}
  volumes:
  - {name: cm, configMap: {name: cm}}
  - {name: mem, emptyDir: {medium: Memory, sizeLimit: 16Mi}}
  - name: all
    projected: {sources: [{secret: {name: sec}}, {downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: init}
spec:
  restartPolicy: Never
  initContainers:
  - {name: first, image: "k1s.io/demo/box:1", command: [sh, -c, 'echo first >>/s/log'], volumeMounts: [{name: s, mountPath: /s}]}
  - name: side
    image: k1s.io/demo/box:1
    restartPolicy: Always
    command: [sh, -c, 'echo side >>/s/log; touch /s/ok; trap "echo side ended; exit 0" TERM; while :; do sleep 0.1; done']
    startupProbe: {exec: {command: [cat, /s/ok]}, periodSeconds: 1}
    volumeMounts: [{name: s, mountPath: /s}]
  containers: [{name: main, image: "k1s.io/demo/box:1", command: [cat, /s/log], volumeMounts: [{name: s, mountPath: /s}]}]
  volumes: [{name: s, emptyDir: {}}]
---
apiVersion: v1
kind: Pod
metadata: {name: crash}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: "k1s.io/demo/box:1", command: [sh, -c, 'echo last words >/dev/termination-log; echo run; exit 3']}]
---
apiVersion: v1
kind: Pod
metadata: {name: sick}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: "k1s.io/demo/box:1", livenessProbe: {exec: {command: [sh, -c, 'echo not well; exit 1']}, periodSeconds: 1, failureThreshold: 1}}]
---
apiVersion: v1
kind: Pod
metadata: {name: hooked}
spec:
  terminationGracePeriodSeconds: 10
  containers:
  - name: c
    image: k1s.io/demo/box:1
    command: [sh, -c, 'mkdir -p /www; touch /www/index.html; httpd -p 8080 -h /www; trap "exit 0" TERM; while :; do sleep 0.1; done']
    ports: [{name: http, containerPort: 8080}]
    lifecycle:
      postStart: {exec: {command: [sh, -c, 'sleep 1; echo started >/proc/1/fd/1']}}
      preStop: {exec: {command: [sh, -c, 'echo stopping >/proc/1/fd/1']}}
    startupProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
    readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: badhook}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: "k1s.io/demo/box:1", lifecycle: {postStart: {httpGet: {port: 9, path: /}}}}]
---
apiVersion: v1
kind: Pod
metadata: {name: noimage}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: "127.0.0.1:26099/nope:1"}]
---
apiVersion: v1
kind: Pod
metadata: {name: badname}
spec: {containers: [{name: c, image: "UPPER:1"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: nocommand}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: "k1s.io/demo/box:1", command: [nonexistent]}]
---
apiVersion: v1
kind: Pod
metadata: {name: nomap}
spec: {containers: [{name: c, image: "k1s.io/demo/box:1", env: [{name: A, valueFrom: {configMapKeyRef: {name: absent, key: a}}}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: sized}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: "k1s.io/demo/box:1", resources: {limits: {cpu: 100m, memory: 64Mi}}}]
---
apiVersion: v1
kind: Pod
metadata: {name: user}
spec:
  restartPolicy: Never
  securityContext: {runAsUser: 1000, runAsGroup: 2000, fsGroup: 3000}
  containers:
  - name: c
    image: k1s.io/demo/box:1
    securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    command: [sh, -c, 'id; touch /x 2>&1; grep CapEff /proc/self/status']
END
check pods_are_accepted kp apply -f "$work/pods.yaml"
state() { kp get pod "$1" -o "jsonpath={.status.containerStatuses[0].$2}"; }
event() { kp get events --field-selector "involvedObject.name=$1,reason=$2" -o 'jsonpath={.items[*].message}'; }
state_is() { is "$(state "$1" "$2")" "$3"; }
state_has() { has "$(state "$1" "$2")" "$3"; }
event_has() { has "$(event "$1" "$2")" "$3"; }
phase_is() { is "$(kp get pod "$1" -o 'jsonpath={.status.phase}')" "$2"; }
check a_pod_runs_to_its_end await 20 phase_is env Succeeded
env_log=$(kp logs env)
check variables_come_from_everywhere is "$(head -1 <<<"$env_log")" "x/xy/env/500/64/two/1/admin/"
for c in client-certificate-data client-key-data; do sed -n "s/.*$c: //p" "$KUBECONFIG" | base64 -d >"$work/$c"; done
socket_log() {
    curl -sk --http1.1 --max-time 10 --cert "$work/client-certificate-data" --key "$work/client-key-data" \
        -H "Connection: Upgrade" -H "Upgrade: websocket" -H "Sec-WebSocket-Version: 13" -H "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==" \
        -H "Sec-WebSocket-Protocol: binary.k8s.io" "https://127.0.0.1:$port/api/v1/namespaces/pods/pods/env/log" | tr -d '\0'
}
check a_log_comes_over_a_websocket_too has "$(socket_log)" "x/xy/env/500/64/two/1/admin/"
check a_file_is_mounted_by_subpath has "$env_log" two
check a_projected_volume_has_the_labels has "$env_log" 'l="v"'
check the_memory_limit_is_in_the_cgroup has "$env_log" 67108864
check a_volume_of_memory_has_its_size has "$env_log" 16384
check init_containers_and_sidecars_let_a_pod_succeed await 20 phase_is init Succeeded
check they_run_in_order is "$(kp logs init -c main | tr '\n' ' ')" "first side "
check a_sidecar_is_ended_after_the_others has "$(kp logs init -c side)" "side ended"
check users_groups_and_capabilities_are_set await 20 phase_is user Succeeded
check a_user_is_who_the_pod_says has "$(kp logs user)" "uid=1000 gid=2000 groups=2000,3000"
check a_root_file_system_may_be_read_only has "$(kp logs user)" "Read-only file system"
check no_capability_is_left has "$(kp logs user)" "0000000000000000"
check a_crash_is_backed_off await 30 state_is crash state.waiting.reason CrashLoopBackOff
check the_crash_has_its_code state_is crash lastState.terminated.exitCode 3
check the_crash_has_its_last_words state_is crash lastState.terminated.message "last words"
check back_off_is_told event_has crash BackOff "Back-off restarting failed container c in pod crash_pods("
check an_earlier_log_can_be_read is "$(kp logs crash --previous)" run
check liveness_is_told await 20 event_has sick Unhealthy "Liveness probe failed: not well"
check liveness_kills await 20 event_has sick Killing "Container c failed liveness probe, will be restarted"
check hooks_and_probes_make_a_pod_ready kp wait --for=condition=Ready pod/hooked --timeout=20s
check post_start_ran has "$(kp logs hooked)" started
check a_failed_hook_is_told await 10 event_has badhook FailedPostStartHook "PostStartHook failed"
check a_failed_hook_ends_the_container await 10 event_has badhook Killing FailedPostStartHook
check a_missing_image_is_told await 20 state_has noimage state.waiting.reason ImagePull
check why_it_is_missing_is_told event_has noimage Failed 'Failed to pull image "127.0.0.1:26099/nope:1": rpc error: code = Unknown desc = failed to pull and unpack image'
check a_bad_name_is_told state_is badname state.waiting.message "Failed to apply default image tag \"UPPER:1\": couldn't parse image name \"UPPER:1\": invalid reference format: repository name (library/UPPER) must be lowercase"
check a_missing_command_is_told await 20 event_has nocommand Failed "Error: failed to create containerd task"
check a_missing_config_map_is_told state_is nomap state.waiting.message 'configmap "absent" not found'
resize() {
    curl -sk -o /dev/null -w '%{http_code}' --cert "$work/client-certificate-data" --key "$work/client-key-data" -X PATCH -H "Content-Type: application/strategic-merge-patch+json" \
        -d '{"spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":"200m","memory":"80Mi"},"limits":{"cpu":"200m","memory":"80Mi"}}}]}}' \
        "https://127.0.0.1:$port/api/v1/namespaces/pods/pods/sized/resize"
}
check a_pod_may_be_resized is "$(resize)" 200
memory_limit() { kp exec sized -- sh -c 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max'; }
resized() { is "$(memory_limit) $(state sized resources.limits.memory) $(state sized restartCount)" "83886080 80Mi 0"; }
check its_container_gets_it_without_a_restart await 20 resized
check a_deadline_ends_a_pod await 20 phase_is deadline Failed
check the_deadline_is_the_reason is "$(kp get pod deadline -o 'jsonpath={.status.reason}')" DeadlineExceeded
(kp logs -f hooked >"$work/hooked") &
sleep 0.3
check a_pod_ends_within_its_grace kp delete pod hooked --timeout=8s
check pre_stop_ran has "$(cat "$work/hooked")" stopping
k delete namespace pods --wait=false >/dev/null
# Before the crash that comes next: who did not get to it before would leave these to nobody (logs are the machine's).
logs_gone() { ! compgen -G "/var/log/pods/pods_*" && ! compgen -G "/var/log/pods/images_*"; }
check logs_go_with_their_pods await 60 logs_gone
