#!/bin/sh
# packages.sh GROUP... - installs the Debian packages that GROUP (build, run, test) needs and that are missing.
set -eu
build="gcc meson ninja-build pkg-config libuv1-dev libssl-dev libnghttp2-dev libsqlite3-dev libyaml-dev libpcre2-dev
libnftables-dev libnl-route-3-dev libldns-dev zlib1g-dev"
run="containerd runc containernetworking-plugins nftables busybox-static redis-server nginx-light iproute2 curl"
bench="python3 nghttp2-client"
test="$run clang clang-format libclang-rt-14-dev python3 openssl"
# Any kubectl will do: the machine's own, or Debian's.
command -v kubectl >/dev/null || test="$test kubernetes-client"
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
apt-get update -qq
# A package's service must neither start now nor at the next boot: k1s runs its own containerd, and nginx and redis are for images.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
    trap 'rm -f $policy' EXIT
fi
apt-get install -y -qq --no-install-recommends $missing >/dev/null
for service in containerd nginx redis-server; do
    case " $missing " in
    *" $service"*)
        if [ -d /run/systemd/system ]; then
            systemctl disable --quiet --now $service 2>/dev/null || true
        else
            update-rc.d $service disable >/dev/null 2>&1 || true
        fi
        ;;
    esac
done
