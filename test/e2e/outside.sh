# outside.sh - part of e2e_test.sh: a client outside the node, in a network namespace of its own behind a link.

unshare --net sleep 600 &
outside=$!
await 5 test "$(readlink /proc/$outside/ns/net)" != "$(readlink /proc/self/ns/net)"
ip link add k1s-e2e type veth peer name inside netns $outside
ip address add 172.31.254.1/30 dev k1s-e2e
ip link set k1s-e2e up
beyond() { nsenter --net="/proc/$outside/ns/net" "$@"; }
beyond ip address add 172.31.254.2/30 dev inside
beyond ip link set inside up
beyond ip route add default via 172.31.254.1
k apply -f - >/dev/null <<'END'
apiVersion: v1
kind: Service
metadata: {name: app-cluster, namespace: demo}
spec: {type: NodePort, selector: {app.kubernetes.io/name: app}, ports: [{port: 80, targetPort: http, nodePort: 30083}]}
---
apiVersion: v1
kind: Service
metadata: {name: app-local, namespace: demo}
spec: {type: NodePort, externalTrafficPolicy: Local, selector: {app.kubernetes.io/name: app}, ports: [{port: 80, targetPort: http, nodePort: 30084}]}
END
seen_as() { curl -s --max-time 5 "$1" | sed -nE 's/^Hello World by [0-9.]+ from ([0-9.]+)!.*/\1/p'; }
export -f seen_as
from_outside() { # URL ADDRESS
    is "$(beyond bash -c "seen_as $1")" "$2"
}
check a_node_port_is_open_to_the_outside await 10 from_outside "http://$node_ip:30083/" 10.42.0.1
check traffic_policy_local_keeps_the_clients_address await 10 from_outside "http://$node_ip:30084/" 172.31.254.2
check traffic_policy_local_works_on_the_node_itself has "$(curl -s --max-time 5 http://127.0.0.1:30084/)" "Hello World"
check an_external_ip_is_open_to_the_outside has "$(beyond curl -s --max-time 5 http://198.51.100.77/)" "Hello World"
closed_beyond() { beyond curl -s --max-time 5 http://10.43.250.250/; is $? 7; }
check an_unused_service_address_is_refused_outside_too closed_beyond
ip link delete k1s-e2e
kill $outside
wait $outside 2>/dev/null
