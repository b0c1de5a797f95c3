#!/bin/sh
# fuzz.sh [TARGET...] - runs each fuzz target of test/fuzz (or those named) for FUZZ_SECONDS (60) under libFuzzer, AddressSanitizer and
# UndefinedBehaviorSanitizer. What was found interesting is kept in build-fuzz/corpus; what ends a target is left in build-fuzz/found.
set -u
build=build-fuzz
seconds=${FUZZ_SECONDS:-60}
if [ ! -f $build/build.ninja ]; then
    CC=clang meson setup -Dfuzz=true -Dwerror=false -Db_sanitize=address,undefined -Db_lundef=false -Dbuildtype=debug -Doptimization=1 $build >$build.log 2>&1 || {
        cat $build.log
        exit 1
    }
    mv $build.log $build/setup.log
fi
names=${*:-$(sed -n "s/^foreach name : \\[\\(.*\\)\\]$/\\1/p" test/fuzz/meson.build | tr -d "',")}
mkdir -p $build/found
passed=0 failed=0
for name in $names; do
    ninja -C $build --quiet "test/fuzz/fuzz-$name" "test/fuzz/test-fuzz-$name" || exit 1
    mkdir -p "$build/corpus/$name"
    "$build/test/fuzz/test-fuzz-$name" --seeds "$build/corpus/$name"
    if "$build/test/fuzz/fuzz-$name" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=4096 -print_final_stats=1 \
        -artifact_prefix="$build/found/$name-" "$build/corpus/$name" >"$build/found/$name.log" 2>&1; then
        passed=$((passed + 1))
        echo "$name: $(sed -n 's/^stat::number_of_executed_units: */inputs /p' "$build/found/$name.log")"
    else
        failed=$((failed + 1))
        echo "FAIL $name: see $build/found/$name.log"
        tail -30 "$build/found/$name.log"
    fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
