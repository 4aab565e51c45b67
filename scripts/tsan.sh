#!/bin/bash
# ThreadSanitizer over everything that has threads: the unit tests that start any (label "threads"), then the real program
# under load (tests/e2e/tsan). First the control: the same build and the same options must report a race that is there.
# A report of the sanitizer fails its test. The last line is "N passed, N failed".
set -u
cd "$(dirname "$0")/.." || exit 2
jobs=$(nproc)
export TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1 suppressions=$PWD/tests/tsan/suppressions.txt ${TSAN_OPTIONS:-}"

die() {
    echo "tsan: $1 failed" >&2
    echo "0 passed, 1 failed"
    exit 1
}

scripts/setup.sh --test || die setup
scripts/build_web.sh || die "building the pages"
echo "tsan: building"
cmake --preset tsan >/dev/null && cmake --build build-tsan --target foyer thread-tests tsan-control || die "the build"

echo "tsan: control"
build-tsan/tsan-control 2>build-tsan/control.log
grep -q 'WARNING: ThreadSanitizer: data race' build-tsan/control.log || die "the control: the race on purpose was not reported"
build-tsan/tsan-control ordered || die "the control: a race was reported where none is"

echo "tsan: unit tests"
ctest --test-dir build-tsan -L threads -j "$jobs" --timeout 600 --output-on-failure | tee build-tsan/unit.log
status=${PIPESTATUS[0]}
read -r failed total <<<"$(sed -n 's/^[0-9]*% tests passed, \([0-9]*\) tests failed out of \([0-9]*\)$/\1 \2/p' build-tsan/unit.log)"
[ "${total:-0}" -gt 0 ] || die "running the unit tests"
[ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
passed=$((total - failed))

echo "tsan: load"
cd tests/e2e || exit 2
if [ ! -f node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    npm ci --no-audit --no-fund --loglevel=error || die "npm ci in tests/e2e"
fi
FOYER_BIN=$(realpath ../../build-tsan/foyer) node --test --test-concurrency=1 --test-reporter=spec tsan/load.mjs tsan/chat.mjs | tee ../../build-tsan/load.log
status=${PIPESTATUS[0]}
load_passed=$(sed -n 's/^ℹ pass \([0-9]*\)$/\1/p' ../../build-tsan/load.log)
load_failed=$(sed -n 's/^ℹ \(fail\|cancelled\) \([0-9]*\)$/\2/p' ../../build-tsan/load.log | awk '{n += $1} END {print n + 0}')
[ "$status" -eq 0 ] || [ "$load_failed" -gt 0 ] || load_failed=1
[ "${load_passed:-0}" -gt 0 ] || [ "$load_failed" -gt 0 ] || load_failed=1

echo "$((passed + ${load_passed:-0})) passed, $((failed + load_failed)) failed"
[ $((failed + load_failed)) -eq 0 ]
