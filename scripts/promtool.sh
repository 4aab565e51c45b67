#!/bin/sh
# Prints the path of promtool, which checks the alert rules. The one that is installed; else the one of Debian's package "prometheus", taken out
# of it, because installing that package would also start a server.
set -eu
cd "$(dirname "$0")/.."
if command -v promtool; then
    exit 0
fi
kept=${XDG_CACHE_HOME:-$HOME/.cache}/foyer
if [ ! -x "$kept/promtool" ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    fetch() { (cd "$work" && apt-get download -q prometheus >log 2>&1); }
    as_root=
    [ "$(id -u)" -eq 0 ] || as_root=sudo
    fetch || { $as_root apt-get update -q >"$work/log" 2>&1 && fetch; } || {
        cat "$work/log" >&2
        echo "promtool: cannot fetch Debian's package prometheus; install promtool by other means" >&2
        exit 1
    }
    mkdir -p "$kept"
    dpkg-deb --fsys-tarfile "$work"/prometheus_*.deb | tar -xf - -C "$work" ./usr/bin/promtool
    mv "$work/usr/bin/promtool" "$kept/promtool.$$"
    mv "$kept/promtool.$$" "$kept/promtool" # at once, should two do this at a time
fi
echo "$kept/promtool"
