#!/bin/bash
# Kill -9 in a loop against the release program: TORTURE_ROUNDS rounds (1,000), TORTURE_SEED to have a run's choices again.
# With FOYER_TEST_POSTGRES (see tests/e2e/lib/store.mjs) on that cluster.
# The last line is "N passed, N failed"; the exit status says the same.
set -u
cd "$(dirname "$0")/.." || exit 2
export TORTURE_ROUNDS=${TORTURE_ROUNDS:-1000}

die() {
    echo "torture: $1 failed" >&2
    echo "0 passed, 1 failed"
    exit 1
}

scripts/setup.sh --test || die setup
scripts/build_web.sh || die "building the pages"
[ -f build/build.ninja ] || cmake --preset release >/dev/null || die "configuring the release"
cmake --build build || die "the release build"
cd tests/e2e || exit 2
if [ ! -f node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    npm ci --no-audit --no-fund --loglevel=error || die "npm ci in tests/e2e"
fi
mkdir -p output
log=output/torture.tap
FOYER_BIN=$(realpath "${FOYER_BIN:-../../build/foyer}") node --test --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=tap --test-reporter-destination="$log" torture.test.mjs torture-control.test.mjs
status=$?
count() {
    sed -n "s/^# \($1\) \([0-9]*\)\$/\2/p" "$log" | awk '{n += $1} END {print n + 0}'
}
passed=$(count pass)
failed=$(count 'fail\|cancelled')
[ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
[ "$passed" -gt 0 ] || [ "$failed" -gt 0 ] || failed=1
grep -E '^# (TORTURE_SEED|figures)' "$log"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
