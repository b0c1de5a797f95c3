#!/bin/sh
# demo-images.sh - makes the demo's images as OCI archives in $BUILD/images, from Debian's installed packages and our own program.
# Nothing is pulled; what is up to date is not made again.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}
mkdir -p "$build/images"

# image RECIPE ARCHIVE DEPENDENCY... [-- KEY=VALUE...]
image() {
    recipe=examples/demo/images/$1.image out=$build/images/$2.tar
    shift 2
    fresh=yes
    for d in "$recipe" "$build/examples/mkimage"; do
        [ "$d" -nt "$out" ] && fresh=no
    done
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        [ -e "$1" ] || { echo "demo-images: $1 is missing" >&2; exit 1; }
        [ "$1" -nt "$out" ] && fresh=no
        shift
    done
    [ $# -gt 0 ] && shift
    [ -e "$out" ] && [ $fresh = yes ] && return 0
    "$build/examples/mkimage" "$recipe" "$out.new" "$@"
    mv "$out.new" "$out"
}

image app app-1 "$build/examples/demo-app" /bin/busybox -- VERSION=1 BUILD="$build"
image app app-2 "$build/examples/demo-app" /bin/busybox -- VERSION=2 BUILD="$build"
image web web /usr/sbin/nginx /bin/busybox
image redis redis /usr/bin/redis-server /bin/busybox
image box box /usr/bin/curl /bin/busybox
