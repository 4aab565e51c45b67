#!/bin/bash
# The PostgreSQL cluster of the unit tests, which ctest starts before those that need it and stops after them.
# Usage: pgsql.sh start BUILD_DIR | pgsql.sh stop BUILD_DIR | pgsql.sh run BUILD_DIR PROGRAM...
# run: the program finds a database of its own at FOYER_TEST_STORE, which is gone afterwards.
set -eu
here=$(realpath "$(dirname "$0")")
postgres=$here/../../scripts/postgres.sh
note=$2/pgsql.dir

# Also what an interrupted run has left behind.
stop() {
    [ -f "$note" ] || return 0
    local dir
    dir=$(cat "$note")
    [ ! -d "$dir/data" ] || "$postgres" kill "$dir"
    rm -rf "$dir" "$note"
}

case $1 in
start)
    stop "$2"
    # Not in the build directory, which PostgreSQL's user need not be able to reach.
    dir=$(mktemp -d "${TMPDIR:-/tmp}/foyer-unit-pg-XXXXXX")
    chmod 755 "$dir"
    echo "$dir" >"$note"
    # Programs are killed here, machines are not. It ends with ctest, however that ends.
    "$postgres" start "$dir" --no-fsync --while "$PPID" max_connections=300 full_page_writes=off >/dev/null
    ;;
stop) stop "$2" ;;
run)
    dir=$(cat "$note")
    shift 2
    name=unit_$$
    admin=$("$postgres" url "$dir" postgres)
    "$("$postgres" bin)/psql" -X -q -d "$admin" -c "CREATE DATABASE $name"
    status=0
    FOYER_TEST_STORE=$("$postgres" url "$dir" "$name") "$@" || status=$?
    "$("$postgres" bin)/psql" -X -q -d "$admin" -c "DROP DATABASE $name WITH (FORCE)"
    exit $status
    ;;
esac
