#!/bin/sh
# schemagen_test.sh - the tables in the build are what the generator makes of api/, each time the same bytes.
build=${BUILD:-build}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0
check() {
    if cmp -s "$2" "$3"; then
        passed=$((passed + 1))
    else
        echo "FAIL schemagen.$1: $2 and $3 differ"
        failed=$((failed + 1))
    fi
}
for n in 1 2; do
    "$build/src/schema/k1s-schemagen" api "$tmp/$n.d" "$tmp/tables$n.c" "$tmp/openapi$n.c" || failed=$((failed + 1))
done
check the_same_input_gives_the_same_tables "$tmp/tables1.c" "$tmp/tables2.c"
check the_same_input_gives_the_same_documents "$tmp/openapi1.c" "$tmp/openapi2.c"
check the_build_has_the_tables_of_api "$build/src/schema/schema_tables.c" "$tmp/tables1.c"
check the_build_has_the_documents_of_api "$build/src/schema/openapi_docs.c" "$tmp/openapi1.c"
# A mistake in api/ stops the build and names its line.
cp -r api "$tmp/api"
printf 'type Broken\n    x 1 nosuchtype\n' >>"$tmp/api/node/v1.k1s"
if "$build/src/schema/k1s-schemagen" "$tmp/api" "$tmp/3.d" "$tmp/3.c" "$tmp/4.c" 2>"$tmp/err"; then
    echo "FAIL schemagen.a_mistake_is_refused: accepted"
    failed=$((failed + 1))
elif grep -q 'node/v1.k1s:[0-9]*: no such type: nosuchtype' "$tmp/err"; then
    passed=$((passed + 1))
else
    echo "FAIL schemagen.a_mistake_is_refused: $(cat "$tmp/err")"
    failed=$((failed + 1))
fi
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
