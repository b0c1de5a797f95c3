# client.sh - part of e2e_test.sh: `k1s kubectl` on the demo, whatever the other checks use.

own() { timeout 30 "$k1s" kubectl -n demo "$@"; }
check own_exec_ends_with_its_input is "$(echo through | own exec -i box -- cat)" through
check own_exec_takes_megabytes is "$(head -c 3000000 /dev/zero | own exec -i box -- wc -c)" 3000000
own_code() { own exec box -- sh -c 'exit 9'; is $? 9; }
check own_exec_tells_the_exit_code own_code
own_forward() {
    local rc=0
    timeout 10 "$k1s" kubectl -n demo port-forward service/app 26061:8080 >"$work/own-forward" 2>&1 &
    await 5 curl -sf --max-time 2 http://127.0.0.1:26061/healthz || rc=1
    kill $!
    wait $! 2>/dev/null
    return $rc
}
check own_port_forward_reaches_a_service own_forward
check own_run_attaches_and_cleans_up is "$(echo 'echo said' | own run own --image=k1s.io/demo/box:1 -i --rm --restart=Never -q -- sh | head -1)" said
own_copy() {
    own cp "$work/box.yaml" box:/tmp/copy 2>&1 | grep -q 'tar.*not found'
}
check own_cp_needs_tar_in_the_container own_copy
cat >"$work/own.yaml" <<'END'
apiVersion: v1
kind: ConfigMap
metadata: {name: own, labels: {part: own}}
data: {a: "1", b: "2"}
END
check own_apply_creates is "$(own apply -f "$work/own.yaml")" "configmap/own created"
check own_apply_knows_when_nothing_changes is "$(own apply -f "$work/own.yaml")" "configmap/own unchanged"
own patch configmap own --type=merge -p '{"data":{"others":"x"}}' >/dev/null
sed -i 's/, b: "2"/, c: "3"/' "$work/own.yaml"
own_diff() { own diff -f "$work/own.yaml" | grep -q '^-  b: "2"'; }
check own_diff_shows_what_apply_would_do own_diff
check own_apply_changes is "$(own apply -f "$work/own.yaml")" "configmap/own configured"
check own_apply_leaves_what_others_added is "$(own get configmap own -o 'jsonpath={.data}')" '{"a":"1","c":"3","others":"x"}'
check kubectl_finds_nothing_to_change is "$(kd apply -f "$work/own.yaml")" "configmap/own unchanged"
own_edit() { KUBE_EDITOR="sed -i s/others:.*/others:\ edited/" own edit configmap own && is "$(own get configmap own -o 'jsonpath={.data.others}')" edited; }
check own_edit_saves own_edit
sed 's/name: own/name: own2/' "$work/own.yaml" >"$work/own2.yaml"
check own_prune_removes_what_is_applied_no_more has "$(own apply -f "$work/own2.yaml" --prune -l part=own)" "configmap/own pruned"
check own_explain_explains has "$(own explain deployment.spec.replicas)" "FIELD: replicas <integer>"
own_describe() { # our layout and kubectl's are one; ages and the like apart
    # Ages move on, and what is said of optional sources depends on kubectl's version.
    local plain='s/ +[0-9ms]+( \(x[0-9]+ over [0-9ms]+\))? +/ AGE /g; /Optional:/d'
    diff <(kd describe "$@" 2>&1 | sed -E "$plain") <(own describe "$@" 2>&1 | sed -E "$plain")
}
if [ "$KUBECTL" = kubectl ]; then
    check own_describe_looks_like_kubectls_for_a_pod own_describe pod box
    check own_describe_looks_like_kubectls_for_a_deployment own_describe deployment app
    check own_describe_looks_like_kubectls_for_a_service own_describe service web
fi
