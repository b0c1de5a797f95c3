# images.sh - part of e2e_test.sh: images from registries of our own on loopback, with a mirror and with credentials.

python3 test/e2e/registry.py 26071 "$images/box.tar" >/dev/null 2>&1 &
mirror=$!
python3 test/e2e/registry.py 26072 "$images/box.tar" bob:builder >/dev/null 2>&1 &
locked=$!
k create namespace images >/dev/null
ki() { k -n images "$@"; }
ki create secret docker-registry good --docker-server=127.0.0.1:26072 --docker-username=bob --docker-password=builder >/dev/null
ki create secret docker-registry bad --docker-server=127.0.0.1:26072 --docker-username=bob --docker-password=wrong >/dev/null
pull() { # NAME IMAGE [SECRET]
    ki apply -f - >/dev/null <<END
apiVersion: v1
kind: Pod
metadata: {name: $1}
spec:
  terminationGracePeriodSeconds: 0
  imagePullSecrets: [${3:+{name: $3\}}]
  containers: [{name: c, image: "$2", imagePullPolicy: Always}]
END
}
pulled() { is "$(ki get pod "$1" -o 'jsonpath={.status.phase}')" Running; }
pull_fails() { has "$(ki get pod "$1" -o 'jsonpath={.status.containerStatuses[0].state.waiting.message}')" "$2"; }
pull mirrored mirrored.test/some/image:1
pull secret 127.0.0.1:26072/private/image:1 good
pull wrong 127.0.0.1:26072/private/other:1 bad
pull nobody 127.0.0.1:26072/private/third:1
pull absent 127.0.0.1:26072/private/image:absent good
check a_mirror_serves_a_registry await 20 pulled mirrored
check a_pull_secret_opens_a_registry await 20 pulled secret
check a_pull_is_told has "$(ki get events --field-selector involvedObject.name=secret,reason=Pulled -o 'jsonpath={.items[0].message}')" 'Successfully pulled image "127.0.0.1:26072/private/image:1" in '
check a_wrong_secret_is_refused await 20 pull_fails wrong "401 Unauthorized"
check without_a_secret_the_registry_is_closed await 20 pull_fails nobody "401 Unauthorized"
check what_a_registry_lacks_is_told await 20 pull_fails absent "failed to resolve reference"
k delete namespace images --wait=false >/dev/null
kill $mirror $locked
wait $mirror $locked 2>/dev/null
