#!/bin/bash
# A PostgreSQL cluster of one's own in a directory: for tests, the demo and benchmarks. Never a cluster of the system.
# Usage: postgres.sh start DIR [--no-fsync] [--while PID] [--icu LOCALE] [NAME=VALUE]...
#                                       makes the cluster where there is none, starts it, prints its URL
#        postgres.sh stop DIR | kill DIR | restart DIR    stop: in peace; kill: SIGKILL; restart: in immediate mode
#        postgres.sh standby DIR NEWDIR [--sync] [--while PID]     a streaming copy; prints its URL
#        postgres.sh promote DIR                                   makes a standby the primary
#        postgres.sh restore DIR NEWDIR BASE [--while PID] NAME=VALUE...   a copy of DIR from its base backup: recovers to what the
#                                       settings say, starts, prints its URL
#        postgres.sh run DIR PROGRAM [ARGUMENT]...                 one of PostgreSQL's programs, as the superuser of that cluster
#        postgres.sh url DIR [DATABASE] | admin DIR [DATABASE]     as role foyer; as the superuser
#        postgres.sh bin                                           where PostgreSQL's programs are
# It listens on 127.0.0.1 alone, on a free port that it keeps, with passwords. Role foyer is no superuser; it owns the database
# foyer and may make others. DIR holds data/, log, socket/ and the passwords. PostgreSQL refuses root: then user postgres runs it.
# --while stops it when that process is gone. NAME=VALUE are settings for a new cluster.
set -euo pipefail

die() {
    echo "postgres: $*" >&2
    exit 1
}

find_bin() {
    local initdb
    initdb=$(ls -d "${FOYER_PGBIN:-/usr/lib/postgresql/*/bin}"/initdb /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1) || true
    [ -n "$initdb" ] || initdb=$(command -v initdb) || die "PostgreSQL is not installed; scripts/setup.sh --postgres does it"
    dirname "$initdb"
}
bin=$(find_bin)
[ "${1:-}" != bin ] || { echo "$bin"; exit 0; }
[ $# -ge 2 ] || { sed -n '3,13s/^# //p' "$0" >&2; exit 2; }
command=$1
dir=$(realpath -m "$2")
shift 2

# Runs PostgreSQL's program $1 as a user that it accepts, in a directory that this user can read.
pg() {
    local program=$bin/$1
    shift
    if [ "$(id -u)" -eq 0 ]; then
        (cd / && exec env HOME="$dir" setpriv --reuid=postgres --regid=postgres --clear-groups "$program" "$@")
    else
        (cd / && exec "$program" "$@")
    fi
}
own() {
    [ "$(id -u)" -ne 0 ] || chown postgres:postgres "$@"
}

url_of() { # DIR ROLE DATABASE
    echo "postgres://$2:$(cat "$1/$2.password")@127.0.0.1:$(cat "$1/port")/$3"
}
sql() { # DIR DATABASE SQL: as the superuser
    PGCONNECT_TIMEOUT=10 "$bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 -d "$(url_of "$1" postgres "$2")" -c "$3"
}

# The postmaster's process id, if it runs. A stale file may name a stranger's process: that one's directory is another.
pid_of() {
    local pid
    pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) || return 1
    [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$1/data" ] && echo "$pid"
}

make_dir() {
    mkdir -p "$1"
    own "$1"
    [ "$(id -u)" -ne 0 ] || setpriv --reuid=postgres --regid=postgres --clear-groups test -w "$1" ||
        die "user postgres cannot reach $1: the directories above it must be open to others (chmod o+x)"
}
new_password() {
    (umask 077; od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$1")
}

# What all clusters here have in common. A socket's path may have 107 bytes: without one TCP is enough.
write_settings() { # DIR
    local socket=$1/socket
    mkdir -p "$socket"
    own "$socket"
    [ ${#socket} -le 85 ] || socket=
    {
        echo "listen_addresses = '127.0.0.1'"
        echo "unix_socket_directories = '$socket'"
        echo "max_connections = 400"
        echo "wal_level = replica"
        echo "fsync = $fsync"
        echo "log_line_prefix = '%m [%p] %q%u@%d '"
        [ ${#settings[@]} -eq 0 ] || printf "%s\n" "${settings[@]}" | sed "s/^\([a-z_.]*\)=\(.*\)$/\1 = '\2'/"
    } >"$1/settings.conf"
    own "$1/settings.conf"
}

init() {
    local locale=(--locale=C.UTF-8)
    [ -z "$icu" ] || locale+=(--locale-provider=icu "--icu-locale=$icu")
    new_password "$dir/postgres.password"
    new_password "$dir/foyer.password"
    own "$dir/postgres.password"
    local log
    log=$(pg initdb -D "$dir/data" -U postgres --pwfile="$dir/postgres.password" --auth=scram-sha-256 --encoding=UTF8 \
        "${locale[@]}" --no-sync 2>&1) || die "initdb failed: $log"
    write_settings "$dir"
    echo "include '../settings.conf'" >>"$dir/data/postgresql.conf"
}

# Starts the postmaster and waits until it answers. Its port lies below those that the system gives out itself.
run() { # DIR
    local tries=0 port
    [ -f "$1/log" ] || { : >"$1/log"; own "$1/log"; }
    while :; do
        port=$(cat "$1/port" 2>/dev/null) || port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        local before
        before=$(wc -c <"$1/log")
        if pg pg_ctl start -s -w -t 120 -D "$1/data" -l "$1/log" -o "-p $port" </dev/null >/dev/null 2>&1; then
            echo "$port" >"$1/port"
            return 0
        fi
        tries=$((tries + 1))
        if [ -f "$1/port" ] || [ "$tries" -ge 10 ] || ! tail -c "+$((before + 1))" "$1/log" | grep -q 'could not bind'; then
            tail -c "+$((before + 1))" "$1/log" | tail -n 20 >&2
            die "the cluster in $1 did not start"
        fi
    done
}

# Stops the cluster when process $2, its keeper, is gone. Holds none of the caller's files open.
watch() { # DIR PID
    rm -f "$1/keeper"
    [ -n "$2" ] || return 0
    echo "$2" >"$1/keeper"
    setsid bash -c 'tail --pid="$1" -f /dev/null; [ "$(cat "$3/keeper")" != "$1" ] || "$2" kill "$3"' \
        watch "$2" "$self" "$1" </dev/null >/dev/null 2>&1 &
}

stop() { # DIR MODE
    [ -f "$1/data/PG_VERSION" ] || die "there is no cluster in $1"
    pid_of "$1" >/dev/null || return 0
    pg pg_ctl stop -s -w -t 120 -m "$2" -D "$1/data" >/dev/null || die "the cluster in $1 did not stop"
}

# As if the machine had lost its power: the postmaster and all its processes at once.
kill9() {
    local pid pids
    pid=$(pid_of "$1") || return 0
    kill -STOP "$pid"
    pids=$(cat /proc/"$pid"/task/*/children)
    # shellcheck disable=SC2086 # a list
    kill -KILL "$pid" $pids 2>/dev/null || true
    for pid in $pid $pids; do
        while [ -n "$(readlink "/proc/$pid/cwd")" ]; do sleep 0.02; done
    done
    # Where nobody collects the dead, as in a container without an init, PostgreSQL would take the dead postmaster for a living one.
    rm -f "$1/data/postmaster.pid" "$1"/socket/.s.PGSQL.*
}

start() {
    make_dir "$dir"
    [ -f "$dir/data/PG_VERSION" ] && is_new= || { is_new=1; init; }
    pid_of "$dir" >/dev/null || { run "$dir"; watch "$dir" "$while_pid"; }
    if [ -n "$is_new" ]; then
        sql "$dir" postgres "CREATE ROLE foyer LOGIN CREATEDB PASSWORD '$(cat "$dir/foyer.password")'"
        sql "$dir" postgres "CREATE DATABASE foyer OWNER foyer"
    fi
    url_of "$dir" foyer foyer
}

standby() { # NEWDIR
    local new log name
    new=$(realpath -m "$1")
    name=standby_$(basename "$new" | tr -c 'a-z0-9\n' _)
    [ ! -e "$new/data" ] || die "there is a cluster in $new"
    make_dir "$new"
    cp "$dir"/*.password "$new/"
    log=$(pg pg_basebackup -D "$new/data" -R -X stream -c fast --no-sync -d "$(url_of "$dir" postgres postgres)?application_name=$name" 2>&1) ||
        die "pg_basebackup failed: $log"
    fsync=$(sed -n 's/^fsync = //p' "$dir/settings.conf")
    write_settings "$new"
    # What the primary waits for must not bind the copy when it is promoted.
    sed -i '/^synchronous_standby_names/d' "$new/data/postgresql.auto.conf"
    run "$new"
    watch "$new" "$while_pid"
    if [ -n "$is_sync" ]; then
        sql "$dir" postgres "ALTER SYSTEM SET synchronous_standby_names = '$name'"
        sql "$dir" postgres "SELECT pg_reload_conf()" >/dev/null
        local tries=0
        until [ "$(sql "$dir" postgres "SELECT sync_state FROM pg_stat_replication WHERE application_name = '$name'")" = sync ]; do
            tries=$((tries + 1))
            [ "$tries" -le 600 ] || die "the standby does not follow"
            sleep 0.1
        done
    fi
    url_of "$new" foyer foyer
}

# BASE is from pg_basebackup, as a directory.
restore() { # NEWDIR BASE
    local new
    new=$(realpath -m "$1")
    [ ! -e "$new/data" ] || die "there is a cluster in $new"
    make_dir "$new"
    cp "$dir"/*.password "$new/"
    cp -a "$2" "$new/data"
    own -R "$new/data"
    chmod 700 "$new/data"
    sed -i '/^synchronous_standby_names/d' "$new/data/postgresql.auto.conf"
    touch "$new/data/recovery.signal"
    own "$new/data/recovery.signal"
    fsync=$(sed -n 's/^fsync = //p' "$dir/settings.conf")
    settings+=("hot_standby=on")
    write_settings "$new"
    run "$new"
    watch "$new" "$while_pid"
    until [ "$(sql "$new" postgres "SELECT pg_is_in_recovery()")" = f ]; do
        pid_of "$new" >/dev/null || { tail -n 20 "$new/log" >&2; die "recovery has failed"; }
        sleep 0.1
    done
    url_of "$new" foyer foyer
}

self=$(realpath "$0")
if [ "$command" = run ]; then
    export PGHOST=127.0.0.1 PGUSER=postgres PGPORT PGPASSWORD
    PGPORT=$(cat "$dir/port")
    PGPASSWORD=$(cat "$dir/postgres.password")
    pg "$@"
    exit
fi
fsync=on
icu=
is_sync=
while_pid=
settings=()
words=()
while [ $# -gt 0 ]; do
    case $1 in
    --no-fsync) fsync=off ;;
    --sync) is_sync=1 ;;
    --while) while_pid=$2; shift ;;
    --icu) icu=$2; shift ;;
    *=*) settings+=("$1") ;;
    *) words+=("$1") ;;
    esac
    shift
done

case $command in
start) start ;;
stop) stop "$dir" fast ;;
kill) kill9 "$dir" ;;
restart)
    stop "$dir" immediate
    run "$dir"
    ;;
standby) standby "${words[0]:?the new directory}" ;;
restore) restore "${words[0]:?the new directory}" "${words[1]:?the base backup}" ;;
promote) pg pg_ctl promote -s -w -t 120 -D "$dir/data" >/dev/null || die "$dir was not promoted" ;;
url) url_of "$dir" foyer "${words[0]:-foyer}" ;;
admin) url_of "$dir" postgres "${words[0]:-postgres}" ;;
*) die "unknown command $command" ;;
esac
