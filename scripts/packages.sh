#!/bin/sh
# packages.sh GROUP... - installs the Debian packages that GROUP (build, run, test) needs and that are missing.
set -eu
build="gcc meson ninja-build pkg-config libuv1-dev libssl-dev libnghttp2-dev libsqlite3-dev libyaml-dev libpcre2-dev
libnftables-dev libnl-route-3-dev libldns-dev zlib1g-dev"
run="containerd runc containernetworking-plugins nftables busybox-static redis-server nginx-light iproute2 curl"
test="$run clang libclang-rt-14-dev python3 openssl"
missing=
for group in "$@"; do
    eval "wanted=\$$group"
    for p in $wanted; do
        dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
    done
done
[ -n "$missing" ] || exit 0
[ "$(id -u)" = 0 ] || { echo "packages missing, install as root:$missing" >&2; exit 1; }
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
# A package's service must not start by itself: the machine is somebody's.
apt-get update -qq
apt-get install -y -qq --no-install-recommends $missing >/dev/null
