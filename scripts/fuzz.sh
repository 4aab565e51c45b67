#!/bin/bash
# Runs every fuzz target for FUZZ_SECONDS (default 60) on its seed corpus tests/fuzz/corpus/NAME, with the words of
# tests/fuzz/NAME.dict. What a run finds new is kept in build-fuzz/corpus/NAME. The last line is "N passed, N failed", counting targets.
# FUZZ_SEED makes the choices those of another run; without it each run is new.
set -u
cd "$(dirname "$0")/.." || exit 2
scripts/setup.sh --ci || exit 1
seconds=${FUZZ_SECONDS:-60}
mapfile -t targets < <(find tests/fuzz -maxdepth 1 -name '*_fuzz.c' -printf '%f\n' 2>/dev/null | sed 's/\.c$//' | LC_ALL=C sort)
[ ${#targets[@]} -gt 0 ] || {
    echo "0 passed, 0 failed"
    exit 0
}
echo "fuzz: building ${#targets[@]} targets"
cmake --preset fuzz -DFOYER_WERROR=OFF >/dev/null && cmake --build build-fuzz --target "${targets[@]}" || exit 1

run_target() {
    local target=$1 name=${1%_fuzz}
    local found=build-fuzz/corpus/$name seeds=tests/fuzz/corpus/$name log=build-fuzz/$1.log
    mkdir -p "$found" build-fuzz/artifacts
    local dictionary=
    [ -d "$seeds" ] || seeds=
    [ ! -f "tests/fuzz/$name.dict" ] || dictionary="-dict=tests/fuzz/$name.dict"
    # shellcheck disable=SC2086 # no seeds and no dictionary are no arguments
    if "build-fuzz/$target" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=2048 -print_final_stats=1 ${FUZZ_SEED:+-seed=$FUZZ_SEED} $dictionary \
        -artifact_prefix="build-fuzz/artifacts/$target-" "$found" $seeds >"$log" 2>&1; then
        echo "fuzz: $target ok, $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs," \
            "$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1) edges"
    else
        tail -n 40 "$log"
        echo "fuzz: $target FAILED; input in build-fuzz/artifacts"
        echo "$target" >>build-fuzz/failed
    fi
}
export -f run_target
export seconds FUZZ_SEED

rm -f build-fuzz/failed
printf '%s\n' "${targets[@]}" | xargs -r -P "$(nproc)" -I{} bash -c 'run_target {}'
touch build-fuzz/failed
failed=$(wc -l <build-fuzz/failed)
echo "$((${#targets[@]} - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
