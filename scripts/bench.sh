#!/bin/bash
# Runs the bench scenarios at a size for two cores and prints one table. Results are kept as build/bench/NAME.json.
# Usage: bench.sh [SCENARIO]...
set -u
cd "$(dirname "$0")/.." || exit 2
[ $# -gt 0 ] || set -- holds
mkdir -p build/bench
failed=0
for scenario in "$@"; do
    echo "bench: $scenario"
    build/foyer-bench "$scenario" --json "build/bench/$scenario.json" || failed=$((failed + 1))
done
node -e '
const fs = require("fs");
const number = (value) => typeof value === "number" ? value.toLocaleString("en", { maximumFractionDigits: 2 }) : String(value);
console.log("\n" + "scenario".padEnd(16) + "figure".padEnd(36) + "value".padStart(16));
for (const name of process.argv.slice(1)) {
    const path = `build/bench/${name}.json`;
    if (!fs.existsSync(path)) continue;
    const result = JSON.parse(fs.readFileSync(path, "utf8"));
    const rows = [["ok", result.ok], ...Object.entries(result.figures),
        ...Object.entries(result.floors).map(([key, value]) => [`floor: ${key}`, value])];
    for (const [key, value] of rows)
        console.log(name.padEnd(16) + key.padEnd(36) + number(value).padStart(16));
}' "$@"
[ "$failed" -eq 0 ]
