/* node tests/e2e/reconcile.mjs [--live] [--bank DIR] [--store URL] DATA_DIR: the reconciliation by hand. Exit status 0: agrees, 1: contradictions, 2: usage. */
import path from 'node:path';
import { reconcile } from './lib/reconcile.mjs';

const words = process.argv.slice(2);
const take = (name) => (words.includes(name) ? words.splice(words.indexOf(name), 1).length > 0 : false);
const isLive = take('--live');
/* The word after a name; undefined when the name is not there. */
function valueOf(name) {
    const at = words.indexOf(name);
    return at < 0 ? undefined : (words.splice(at, 2)[1] ?? '');
}
const [bank, store] = ['--bank', '--store'].map(valueOf);
if (words.length !== 1 || words[0].startsWith('-') || bank === '' || store === '') {
    console.error('usage: node tests/e2e/reconcile.mjs [--live] [--bank DIR] [--store URL] DATA_DIR\n' +
        '  --live: money may be on its way, so the bank may know more\n  --store: postgres://..., where the rows are if not in the directory');
    process.exit(2);
}
const findings = await reconcile(path.resolve(words[0]), { isAtRest: !isLive, ...(bank && { bank: path.resolve(bank) }), ...(store && { store }) });
for (const { check, finding } of findings) console.log(`  ${check}: ${finding}`);
console.log(findings.length ? `reconcile: ${findings.length} contradictions found` : 'reconcile: everything agrees');
process.exit(findings.length ? 1 : 0);
