#!/bin/sh
# test.sh - runs every test program of the build and adds up what they say. Programs print "N passed, N failed, N skipped" last.
set -u
build=${BUILD:-build}
passed=0 failed=0 skipped=0
log=$build/test-logs
mkdir -p "$log"
for t in "$build"/test/*/test-* test/*/*_test.sh; do
    [ -f "$t" ] && [ -x "$t" ] || continue
    case $t in *.p) continue ;; esac
    name=$(basename "$t")
    start=$(date +%s)
    BUILD=$build timeout -k 10 "${TEST_TIMEOUT:-600}" "$t" >"$log/$name.log" 2>&1
    status=$?
    sum=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log/$name.log" | tail -1)
    if [ -z "$sum" ]; then
        sum="0 passed, 1 failed, 0 skipped"
        echo "FAIL $name: ended with status $status and no summary"
        tail -40 "$log/$name.log"
    fi
    grep -E '^(FAIL|SKIP) ' "$log/$name.log"
    set -- $sum
    [ "$status" = 0 ] || [ "$3" != 0 ] || { echo "FAIL $name: status $status"; tail -40 "$log/$name.log"; set -- "$1" x 1 x "$5"; }
    echo "$name: $sum ($(($(date +%s) - start)) s)"
    passed=$((passed + $1)) failed=$((failed + $3)) skipped=$((skipped + $5))
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
