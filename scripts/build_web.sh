#!/bin/sh
# Builds the pages into web/dist, when a source changed since the last time.
set -eu
cd "$(dirname "$0")/../web" 2>/dev/null || exit 0
[ -f package.json ] || exit 0
mkdir -p .cache
if [ ! -f node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    echo "web: npm ci"
    npm ci --no-audit --no-fund --loglevel=error
    rm -f .cache/built
fi
changed=$(find . ../clients/js/src \( -name node_modules -o -name dist -o -name .cache \) -prune -o -type f -newer .cache/built -print 2>/dev/null | head -n 1)
if [ ! -f .cache/built ] || [ ! -d dist ] || [ -n "$changed" ]; then
    touch .cache/building
    echo "web: npm run build"
    npm run --silent build
    # The time before the build began: a file saved during it is built again.
    mv .cache/building .cache/built
fi
