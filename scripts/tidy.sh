#!/bin/bash
# Format and lint: clang-format on every C file, clang-tidy (.clang-tidy) on every compiled one, the types of the pages and of
# the client of chat, the links of the documents. The last line is "N passed, N failed", counting files, and types and links
# as one each.
set -u
cd "$(dirname "$0")/.." || exit 2
scripts/setup.sh --ci || exit 1
jobs=$(nproc)
mapfile -t sources < <(find src tests bench -name node_modules -prune -o -name '*.[ch]' -print 2>/dev/null | LC_ALL=C sort)
mapfile -t units < <(printf '%s\n' "${sources[@]}" | grep '\.c$' | grep -v '^tests/')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "tidy: clang-format on ${#sources[@]} files"
printf '%s\n' "${sources[@]}" | xargs -P "$jobs" -I{} sh -c \
    'clang-format --dry-run -Werror "$1" || echo "$1" >>"$2/format"' _ {} "$work"

echo "tidy: clang-tidy on ${#units[@]} files"
cmake -S . -B build-tidy -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER=clang >/dev/null || exit 1
# Only what stands in our own files counts: the analyzer also walks into inline functions of libraries.
lint() {
    local out
    out=$(clang-tidy --quiet -p build-tidy "$1" 2>/dev/null)
    if echo "$out" | grep -E "^($PWD/)?(src|bench)/[^ ]*: (warning|error):|^error:"; then
        echo "$1" >>"$2/lint"
    fi
}
export -f lint
printf '%s\n' "${units[@]}" | xargs -P "$jobs" -I{} bash -c 'lint {} "$0"' "$work"

echo "tidy: types of the pages"
scripts/build_web.sh && npm --prefix web --silent run check || echo "types of the pages" >>"$work/types"

echo "tidy: links of the documents"
node scripts/check_links.mjs || echo "links of the documents" >>"$work/links"

touch "$work/format" "$work/lint" "$work/types" "$work/links"
failed=$(cat "$work/format" "$work/lint" "$work/types" "$work/links" | wc -l)
[ "$failed" -eq 0 ] || sed 's/^/tidy: not clean: /' "$work/format" "$work/lint" "$work/types" "$work/links"
echo "$((${#sources[@]} + ${#units[@]} + 2 - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
