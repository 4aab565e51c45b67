// Prints build/bench/NAME.json of the given scenarios as one table. Usage: bench_table.mjs NAME...
import fs from 'node:fs';

const number = (value) => value.toLocaleString('en', { maximumFractionDigits: value < 100 ? 2 : 0 });
const heads = ['scenario', 'figure', 'value', 'floor', 'ratio', 'aim', ''];

function aim(entry) {
    const unit = entry.is_ratio ? ' of floor' : '';
    if (entry.at_least > 0) return `>= ${number(entry.at_least)}${unit}`;
    return entry.at_most > 0 ? `<= ${number(entry.at_most)}${unit}` : '';
}

function rowsOf(name) {
    const path = `build/bench/${name}.json`;
    if (!fs.existsSync(path)) return [[name, 'could not run', '', '', '', '', 'FAILED']];
    const result = JSON.parse(fs.readFileSync(path, 'utf8'));
    const rows = (result.aims ?? []).map((entry) => [
        name, entry.what, number(entry.value), entry.floor > 0 ? number(entry.floor) : '',
        entry.floor > 0 ? (entry.value / entry.floor).toFixed(2) : '', aim(entry),
        entry.met === null ? '' : entry.met ? 'met' : 'MISSED',
    ]);
    rows.push([name, result.ok ? 'invariants hold' : 'an invariant BROKE', '', '', '', '', result.ok ? '' : 'FAILED']);
    return rows;
}

const rows = [heads, ...process.argv.slice(2).flatMap(rowsOf)];
const widths = heads.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
const isNumber = (column) => column >= 2 && column <= 4;
console.log();
for (const row of rows)
    console.log(row.map((cell, column) => (isNumber(column) ? cell.padStart(widths[column]) : cell.padEnd(widths[column])))
        .join('  ').trimEnd());
