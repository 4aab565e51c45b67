#!/bin/bash
# Everything that must hold: unit tests under ASan and UBSan, then end-to-end tests, on both engines: the release program on SQLite,
# the sanitizers' program on PostgreSQL. The last line is "N passed, N failed"; the exit status says the same.
set -u
cd "$(dirname "$0")/.." || exit 2
root=$PWD
jobs=$(nproc)
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

die() {
    echo "test: $1 failed" >&2
    echo "0 passed, 1 failed"
    exit 1
}

scripts/setup.sh --test || die setup
scripts/build_web.sh || die "building the pages"
echo "test: building with sanitizers"
cmake --preset asan >/dev/null && cmake --build build-asan || die "the build with sanitizers"
[ -f build/build.ninja ] || cmake --preset release >/dev/null || die "configuring the release"
cmake --build build || die "the release build"

echo "test: unit tests"
ctest --test-dir build-asan -j "$jobs" --timeout 300 --output-on-failure
ctest_status=$?
unit_log=build-asan/Testing/Temporary/LastTest.log
programs_failed=$(grep -c '^Test Failed' "$unit_log")
[ "$ctest_status" -eq 0 ] || [ "$programs_failed" -gt 0 ] || programs_failed=1
unit_passed=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test(s).*/\1/p' "$unit_log" | awk '{n += $1} END {print n + 0}')
unit_failed=$(sed -n 's/^\[  FAILED  \] \([0-9]*\) test(s), listed below.*/\1/p' "$unit_log" | awk '{n += $1} END {print n + 0}')
# A program that crashed says nothing about its tests.
[ "$unit_failed" -ge "$programs_failed" ] || unit_failed=$programs_failed
[ "$unit_passed" -gt 0 ] || unit_failed=$((unit_failed + 1))

# Sums what node's test runner counts as $1 in the log $2, whichever reporter wrote it.
node_count() {
    sed -n "s/^\(#\|ℹ\) \($1\) \([0-9]*\)\$/\3/p" "$2" | awk '{n += $1} END {print n + 0}'
}

# Runs the node tests of the package $1, and adds to the sums.
package_tests() {
    local log=build-asan/package.log status failed
    npm --prefix "$1" --silent test 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    failed=$(node_count 'fail\|cancelled' "$log")
    [ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
    unit_passed=$((unit_passed + $(node_count pass "$log")))
    unit_failed=$((unit_failed + failed))
}

echo "test: pages"
package_tests web
echo "test: the client of chat"
package_tests clients/js

# Runs the end-to-end tests once more with the program $2, on the files of the other arguments or else on all; adds to the sums.
e2e_round() {
    local name=$1 program=$2 status passed failed
    shift 2
    echo "test: end to end, $name"
    # shellcheck disable=SC2086 # empty or one word
    FOYER_BIN=$(realpath "../../$program") node --test $concurrency --test-reporter=spec --test-reporter-destination=stdout \
        --test-reporter=tap --test-reporter-destination="output/e2e-$name.tap" "$@"
    status=$?
    passed=$(node_count pass "output/e2e-$name.tap")
    failed=$(node_count 'fail\|cancelled' "output/e2e-$name.tap")
    [ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
    [ "$passed" -gt 0 ] || [ "$failed" -gt 0 ] || failed=1
    e2e_passed=$((e2e_passed + passed))
    e2e_failed=$((e2e_failed + failed))
}

# A PostgreSQL cluster for one round, whose programs are killed but not its machine: nothing need be synced. Stopped by its own
# process id at the end, and when this script ends, however that is.
cluster=
cluster_start() {
    cluster=$(mktemp -d "${TMPDIR:-/tmp}/foyer-e2e-pg-XXXXXX")
    chmod 755 "$cluster"
    ../../scripts/postgres.sh start "$cluster" --no-fsync --while $$ max_connections=500 full_page_writes=off >/dev/null || die "starting PostgreSQL"
    FOYER_TEST_POSTGRES=$(../../scripts/postgres.sh url "$cluster" postgres)
    export FOYER_TEST_POSTGRES
}
cluster_stop() {
    [ -n "$cluster" ] || return 0
    [ ! -d "$cluster/data" ] || "$root/scripts/postgres.sh" kill "$cluster"
    rm -rf "$cluster"
    cluster=
    unset FOYER_TEST_POSTGRES
}
trap cluster_stop EXIT
trap 'exit 130' INT TERM

e2e_passed=0
e2e_failed=0
if [ -f tests/e2e/package.json ]; then
    echo "test: end to end"
    cd tests/e2e || exit 2
    if [ ! -f node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
        npm ci --no-audit --no-fund --loglevel=error || die "npm ci in tests/e2e"
    fi
    mkdir -p output
    concurrency=
    node --help | grep -q -- --test-concurrency && concurrency=--test-concurrency=$((jobs > 2 ? 2 : jobs))
    # What strangers do to connections has little to do with the engine, and much with memory: once, under the sanitizers.
    strangers=(hostile_framing hostile_limits hostile_load http chat_hostile hooks_adversaries)
    printf -v but '%s|' "${strangers[@]}"
    mapfile -t files < <(find . -name node_modules -prune -o -name '*.test.mjs' -print | grep -Ev "/(${but%|})\.test" | LC_ALL=C sort)
    e2e_round release build/foyer "${files[@]}"
    cluster_start
    # Browsers see no difference, and nodes and sql have had servers of their own.
    mapfile -t files < <(printf '%s\n' "${files[@]}" | grep -Ev '/browser/|/(nodes|sql)\.test')
    CHAT_ROUNDS=3 TORTURE_ROUNDS=10 e2e_round asan-postgres build-asan/foyer "${files[@]}"
    cluster_stop
    # What matters most, under the sanitizers on SQLite, too.
    e2e_round asan-sqlite build-asan/foyer holds.test.mjs payments.test.mjs backup.test.mjs audit.test.mjs "${strangers[@]/%/.test.mjs}"
fi

echo "unit: $unit_passed passed, $unit_failed failed; end to end: $e2e_passed passed, $e2e_failed failed"
echo "$((unit_passed + e2e_passed)) passed, $((unit_failed + e2e_failed)) failed"
[ $((unit_failed + e2e_failed)) -eq 0 ]
