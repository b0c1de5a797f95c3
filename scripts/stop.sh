#!/bin/sh
# stop.sh - make stop: ends the cluster of make run: server, containers, mounts, links, rules, cgroups. The data directory stays, so that
# the next make run brings the same cluster back; "stop.sh --clean-data" (make clean-data) removes it and the kubeconfig, too.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}
data=${K1S_DATA_DIR:-/var/lib/k1s}
[ "$(id -u)" = 0 ] || { echo "make stop: must be root" >&2; exit 1; }
if [ -x $build/k1s ]; then
    $build/k1s stop --data-dir "$data"
elif [ -s /run/k1s/server.pid ] || [ -d "$data" ]; then
    echo "make stop: $build/k1s is missing, type make first" >&2
    exit 1
fi
if [ "${1:-}" = --clean-data ]; then
    case $data in
    / | /var | /var/lib | /home | /root | "") echo "make clean-data: will not remove $data" >&2; exit 1 ;;
    esac
    rm -rf --one-file-system "$data"
    rm -f /etc/k1s/k1s.yaml /var/log/k1s.log
    rmdir /etc/k1s 2>/dev/null || true
    echo "The cluster is stopped and its data removed."
else
    echo "The cluster is stopped; its data stays in $data."
fi
