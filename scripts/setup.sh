#!/bin/sh
# Installs the Debian packages that a build needs, and only when one is missing.
# Usage: setup.sh [--postgres | --test | --ci | --peer]    --postgres: a PostgreSQL server too; --test: what the tests need,
# which is that and more; --ci: clang's tools as well; --peer: what benchmarks are compared with: the broker for chat, Redis for holds
set -eu

packages="build-essential cmake ninja-build ccache pkg-config libh2o-evloop-dev libwslay-dev libsqlite3-dev sqlite3
libcurl4-openssl-dev libc-ares-dev libsodium-dev libssl-dev libjansson-dev libqrencode-dev libhpdf-dev libpng-dev libjpeg62-turbo-dev libwebp-dev libseccomp-dev
libinih-dev zlib1g-dev libpq-dev curl"
test_packages="libcmocka-dev faketime openssl chromium fonts-dejavu-core poppler-utils zbar-tools"
ci_packages="clang clang-tidy clang-format libclang-rt-14-dev libhiredis-dev"

# Debian 12 has 15. Any newer one will do, from wherever it came.
postgres_wanted=15
postgres_missing() {
    for program in /usr/lib/postgresql/*/bin/initdb $(command -v initdb || true); do
        [ -x "$program" ] || continue
        [ "$("$program" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')" -lt "$postgres_wanted" ] || return 1
    done
}
case "${1:-}" in
"" | --postgres) ;;
--peer) packages="$packages mosquitto redis-server libhiredis-dev" ;;
--test) packages="$packages $test_packages" ;;
--ci) packages="$packages $test_packages $ci_packages" ;;
*)
    echo "usage: setup.sh [--postgres | --test | --ci | --peer]" >&2
    exit 2
    ;;
esac

if [ -n "${1:-}" ] && [ "${1:-}" != --peer ] && postgres_missing; then
    packages="$packages postgresql"
fi

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
    case "${1:-}" in --test | --ci) scripts/promtool.sh >/dev/null ;; esac
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
trap 'restore_default; rm -f "$log"' EXIT
run() {
    # shellcheck disable=SC2086
    if ! $as_root env DEBIAN_FRONTEND=noninteractive "$@" >"$log" 2>&1 </dev/null; then
        tail -n 30 "$log" >&2
        echo "setup: '$*' failed" >&2
        exit 1
    fi
}
# Debian makes a cluster and starts it when a server is installed. Nobody asked for one: the tests make their own. The file that
# says so comes with postgresql-common, and is as it was afterwards.
default=/etc/postgresql-common/createcluster.conf
is_default_changed=
without_cluster() {
    dpkg-query -W postgresql-common 2>/dev/null | grep -q . || run apt-get install -q -y --no-install-recommends postgresql-common
    run cp -p "$default" "$default.foyer"
    is_default_changed=1
    run sh -c 'echo "create_main_cluster = false" >>"$1"' sh "$default"
}
# Debian starts these servers when they are installed, and at each boot. Nobody asked for one: the benchmarks start their own.
policy=/usr/sbin/policy-rc.d
is_policy_made=
without_service() {
    [ -e "$policy" ] || {
        run sh -c 'printf "#!/bin/sh\nexit 101\n" >"$1" && chmod 755 "$1"' sh "$policy"
        is_policy_made=1
    }
}
restore_policy() {
    [ -n "$is_policy_made" ] || return 0
    $as_root rm -f "$policy"
    is_policy_made=
    for service in mosquitto redis-server; do
        case "$missing " in *" $service "*) $as_root systemctl disable "$service" >/dev/null 2>&1 || true ;; esac
    done
}
restore_default() {
    restore_policy
    [ -z "$is_default_changed" ] || $as_root mv -f "$default.foyer" "$default"
    is_default_changed=
}
echo "setup: reading package lists"
# One list that cannot be read need not be the one that is wanted: the installation tells.
(run apt-get update -q) || echo "setup: going on with the lists there are"
if [ -n "$missing" ]; then
    echo "setup: installing$missing"
    case "$missing " in *" postgresql "*) without_cluster ;; esac
    case "$missing " in *" mosquitto "* | *" redis-server "*) without_service ;; esac
    # shellcheck disable=SC2086
    run apt-get install -q -y --no-install-recommends $missing
fi
# Debian has npm in a package of its own; other builds of node bring it along.
if ! command -v npm >/dev/null; then
    echo "setup: installing npm"
    run apt-get install -q -y --no-install-recommends npm
fi
restore_default
check_node
get_promtool "${1:-}"
echo "setup: done"
