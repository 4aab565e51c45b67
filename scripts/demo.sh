#!/usr/bin/env bash
# The demo: sells a stadium out with simulated buyers, lets people wait for another event, kills a server under people who chat, checks everything, then serves the pages until Ctrl-C.
# DEMO_EXIT=1: ends after the checks. DEMO_PORT: where the pages are served (8080). DEMO_DATA: a directory that is kept.
# DEMO_STORE=postgres: on a PostgreSQL server of its own in that directory, which is installed when there is none.
set -euo pipefail
cd "$(dirname "$0")/.."

data=${DEMO_DATA:-$(mktemp -d "${TMPDIR:-/tmp}/foyer-demo-XXXXXX")}
port=${DEMO_PORT:-8080}
plan=../shared/data/stadium.seating-plan.json
arguments=(demo --data "$data" --json "$data.json")
[ -f "$plan" ] && arguments+=(--plan "$plan")

cleanup() {
    [ -n "${server:-}" ] && kill "$server" 2>/dev/null && wait "$server" 2>/dev/null
    [ -d "$data/postgres/data" ] && scripts/postgres.sh stop "$data/postgres"
    if [ -z "${DEMO_DATA:-}" ]; then rm -rf "$data" "$data.json"; fi
    return 0
}
trap cleanup EXIT

case ${DEMO_STORE:-sqlite} in
sqlite) ;;
postgres)
    scripts/setup.sh --postgres
    # PostgreSQL does not run as root: its user must get through to its own directory.
    mkdir -p "$data"
    [ "$(id -u)" -ne 0 ] || chmod o+x "$data"
    # In the environment, as every user of the machine can read flags, and there is a password in it.
    FOYER_STORE=$(scripts/postgres.sh start "$data/postgres" --while $$)
    export FOYER_STORE
    echo "demo: on $("$(scripts/postgres.sh bin)/postgres" --version | sed 's/postgres (PostgreSQL)/PostgreSQL/')"
    ;;
*)
    echo "demo: DEMO_STORE is sqlite or postgres" >&2
    exit 2
    ;;
esac

if ! build/foyer-bench "${arguments[@]}"; then
    echo
    echo "demo: FAILED, see above"
    exit 1
fi
echo
echo "demo: sixty people wait for an event that lets eight in at a time"
if ! node bench/demo_onsale.mjs "$data"; then
    echo
    echo "demo: FAILED, see above"
    exit 1
fi
echo
echo "demo: six people with two devices each write to a group while the server is killed"
if ! node bench/demo_chat.mjs "$data" || ! build/foyer audit --data "$data"; then
    echo
    echo "demo: FAILED, see above"
    exit 1
fi
echo
echo "demo: passed. The stadium is sold out, no seat twice, nobody was let in before their turn, the bank's ledger reconciles, each message is on each device once, the audit is clean."
if [ "${DEMO_EXIT:-0}" = 1 ]; then
    echo "      The pages: make demo serves them at http://127.0.0.1:$port/ (DEMO_PORT), or build/foyer serve on data of your own."
    exit 0
fi

# Two people to try the pages with.
build/foyer serve --data "$data" --listen "127.0.0.1:$port" --services tickets,hooks,chat --log-level=warn >"$data/ready" &
server=$!
for _ in $(seq 100); do grep -q '^ready' "$data/ready" && break || sleep 0.1; done
grep -q '^ready' "$data/ready" || { echo "demo: the server did not start"; exit 1; }
base="http://127.0.0.1:$port"
key="Authorization: Bearer sk_bench_0123456789abcdefghijklmnop"
json="Content-Type: application/json"
for who in fan organizer; do
    curl -sf -X POST "$base/v1/users" -H "$json" -o "$data/user.json" \
        -d "{\"email\":\"$who@example.com\",\"password\":\"foyer-demo-2026\",\"name\":\"Demo $who\"}" || true
done
id=$(sed -n 's/.*"id":"\(usr_[^"]*\)".*/\1/p' "$data/user.json" 2>/dev/null || true)
[ -n "$id" ] && curl -sf -X PUT "$base/v1/users/$id/roles" -H "$key" -H "$json" -d '{"roles":["organizer","admin"]}' >/dev/null || true

# The two have a conversation. With the same data again, it is there already: a client_id is sent once.
login() { curl -sf -X POST "$base/v1/sessions" -H "$json" -d "{\"email\":\"$1@example.com\",\"password\":\"foyer-demo-2026\"}" | sed -n 's/.*"token":"\([^"]*\)".*/\1/p'; }
say() { # token, client_id, text
    curl -sf -X POST "$base/v1/chats/$chat/messages" -H "Authorization: Bearer $1" -H "$json" -d "{\"client_id\":\"$2\",\"body\":\"$3\"}" >/dev/null || true
}
fan=$(login fan) organizer=$(login organizer)
id=$(curl -sf "$base/v1/users/lookup?email=organizer@example.com" -H "Authorization: Bearer $fan" | sed -n 's/.*"id":"\(usr_[^"]*\)".*/\1/p' || true)
chat=$(curl -sf -X POST "$base/v1/chats" -H "Authorization: Bearer $fan" -H "$json" -d "{\"type\":\"direct\",\"user_id\":\"$id\"}" | grep -o 'cht_[0-9a-z]*' | head -n 1 || true)
say "$fan" demo-1 "Hello! Is there a cloakroom at the stadium?"
say "$organizer" demo-2 "There is, at gate 4. It opens with the doors."
echo
echo "The pages:      $base/"
echo "  as a fan:       fan@example.com / foyer-demo-2026"
echo "  as organizer:   organizer@example.com / foyer-demo-2026   ($base/organizer)"
echo "  Both have a conversation at $base/chat: open it in two browsers."
echo "Ctrl-C ends it."
wait "$server"
