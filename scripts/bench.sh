#!/bin/bash
# Runs the bench scenarios at a size for two cores and prints one table: each figure with its floor from the same
# run, their ratio, the aim, and whether it is met. All results are kept as build/bench/NAME.json.
# Usage: bench.sh [SCENARIO]...     BENCH_FLAGS: more flags for each, as "--seconds 2"
# NAME@postgres is NAME on a PostgreSQL server that is made for it, with the floor there; PostgreSQL is installed when there is none.
# failover makes its own servers, and needs the packages of tests/e2e.
# slow-endpoint is shortened: without flags an endpoint is ill for ten minutes, twice, and the run takes half an hour.
# onsale is P6 with fewer people: without flags 150,000 come. soak, which is not run by itself, takes an hour (--minutes).
# peer compares holds with the textbook design on Redis and PostgreSQL; Redis is installed when it is not there, without it ours run alone.
# chat is compared with Mosquitto, which is installed when it is not there; without it, it runs alone.
# chat-crash@postgres takes 95,000 connections and four minutes; BENCH_FLAGS="--connections 20000" makes it smaller.
# search takes SEARCH_EVENTS (200,000) and SEARCH_DATA, a directory that keeps the seeded events for the next run.
set -u
cd "$(dirname "$0")/.." || exit 2
# A line for each: the name, then flags for it alone.
scenarios="holds
peer@postgres
onsale --buyers 25000 --events 20000 --seconds 10
steady
refused
availability
browse
purchases
expiry
scalper
idle
live
ingest
deliveries
replay-all
ws-echo
chat
chat-crash@postgres
holds@postgres
purchases@postgres
refused@postgres
expiry@postgres
ingest@postgres
search --events ${SEARCH_EVENTS:-200000}${SEARCH_DATA:+ --data $SEARCH_DATA}
slow-endpoint --minutes 1 --seconds 8
failover"
if [ $# -eq 0 ]; then
    set -- $(echo "$scenarios" | cut -d' ' -f1)
fi
mkdir -p build/bench
# A scenario is part of foyer-bench, or a script of this name.
run() {
    local name=$1
    shift
    if [ ! -f "bench/$name.mjs" ]; then
        build/foyer-bench "$name" "$@"
        return
    fi
    [ tests/e2e/package-lock.json -ot tests/e2e/node_modules/.package-lock.json ] ||
        npm --prefix tests/e2e ci --no-audit --no-fund --loglevel=error || return
    node "bench/$name.mjs" "$@"
}
failed=0
case " $* " in *postgres* | *failover*) scripts/setup.sh --postgres || exit 1 ;; esac
case " $* " in
*" chat "* | *" peer@postgres "*)
    scripts/setup.sh --peer || echo "bench: going on without Mosquitto and Redis"
    # What stands on Redis's library is built where that is there.
    [ -x build/foyer-textbook ] || { cmake --preset release >/dev/null && cmake --build build; } || exit 1
    ;;
esac
case " $* " in
*@postgres*)
    server=$(mktemp -d)
    # Its user must be able to enter; what is in it belongs to that user.
    chmod 755 "$server"
    trap 'scripts/postgres.sh stop "$server/db"; rm -rf "$server"' EXIT
    store=$(scripts/postgres.sh start "$server/db") || exit 1
    ;;
esac
for name in "$@"; do
    flags=$(echo "$scenarios" | sed -n "s/^$name //p")
    echo "bench: $name"
    rm -f "build/bench/$name.json"
    BENCH_STORE= && [ "$name" = "${name%@postgres}" ] || BENCH_STORE=${store%/*}
    export BENCH_STORE
    # shellcheck disable=SC2086 # the flags are words
    run "${name%@postgres}" $flags ${BENCH_FLAGS:-} --json "build/bench/$name.json" || failed=$((failed + 1))
done
node scripts/bench_table.mjs "$@"
[ "$failed" -eq 0 ]
