#!/bin/sh
# Installs the Debian packages that a build needs, and only when one is missing.
# Usage: setup.sh [--test | --ci]      --test: what the tests need too; --ci: clang's tools as well
set -eu

packages="build-essential cmake ninja-build ccache pkg-config libh2o-evloop-dev libsqlite3-dev sqlite3
libcurl4-openssl-dev libsodium-dev libssl-dev libjansson-dev libqrencode-dev libhpdf-dev libpng-dev
libinih-dev zlib1g-dev curl"
test_packages="libcmocka-dev openssl chromium fonts-dejavu-core poppler-utils zbar-tools"
ci_packages="clang clang-tidy clang-format libclang-rt-14-dev"

case "${1:-}" in
"") ;;
--test) packages="$packages $test_packages" ;;
--ci) packages="$packages $test_packages $ci_packages" ;;
*)
    echo "usage: setup.sh [--test | --ci]" >&2
    exit 2
    ;;
esac

# Debian 12 has 18; playwright-core is held at the last version that runs on it.
node_wanted=18
node_major() {
    node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/' || true
}
node_found=$(node_major)
if [ "${node_found:-0}" -lt "$node_wanted" ]; then
    packages="$packages nodejs"
fi

if ! command -v dpkg-query >/dev/null; then
    echo "setup: not a Debian system; these packages' equivalents must be there:" $packages
    exit 0
fi

# shellcheck disable=SC2086 # the list is split on purpose
installed=$(dpkg-query -W -f='${db:Status-Abbrev} ${Package}\n' $packages 2>/dev/null | sed -n 's/^ii  *//p')
missing=
for package in $packages; do
    echo "$installed" | grep -qx "$package" || missing="$missing $package"
done
check_node() {
    node_found=$(node_major)
    [ "${node_found:-0}" -ge "$node_wanted" ] || {
        echo "setup: node $node_wanted or newer is needed, this system's packages have ${node_found:-none}" >&2
        exit 1
    }
}
# Not a package of its own: see there.
get_promtool() {
    [ -z "${1:-}" ] || scripts/promtool.sh >/dev/null
}
cd "$(dirname "$0")/.."
if [ -z "$missing" ] && command -v npm >/dev/null; then
    check_node
    get_promtool "${1:-}"
    exit 0
fi

as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "setup: missing packages and neither root nor sudo; install:$missing" >&2
        exit 1
    }
    as_root="sudo"
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
run() {
    # shellcheck disable=SC2086
    if ! $as_root env DEBIAN_FRONTEND=noninteractive "$@" >"$log" 2>&1 </dev/null; then
        tail -n 30 "$log" >&2
        echo "setup: '$*' failed" >&2
        exit 1
    fi
}
echo "setup: reading package lists"
# One list that cannot be read need not be the one that is wanted: the installation tells.
(run apt-get update -q) || echo "setup: going on with the lists there are"
if [ -n "$missing" ]; then
    echo "setup: installing$missing"
    # shellcheck disable=SC2086
    run apt-get install -q -y --no-install-recommends $missing
fi
# Debian has npm in a package of its own; other builds of node bring it along.
if ! command -v npm >/dev/null; then
    echo "setup: installing npm"
    run apt-get install -q -y --no-install-recommends npm
fi
check_node
get_promtool "${1:-}"
echo "setup: done"
