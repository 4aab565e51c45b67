/*
 * Checks the links of the documents: each relative one leads to a file of the repository, each #anchor to a heading there, as GitHub names
 * them. Prints what is dead, and exits with 1 if anything is. Links to elsewhere are not followed.
 * Usage: check_links.mjs [FILE.md]...     without: all of the repository, seen from its root
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const isForeign = (name) => name.startsWith('.') || name.startsWith('build') || name === 'node_modules' || name === 'corpus';

function findDocuments(folder) {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
        if (isForeign(entry.name)) return [];
        const path = join(folder, entry.name);
        if (entry.isDirectory()) return findDocuments(path);
        return path.endsWith('.md') ? [path] : [];
    });
}

const files = process.argv.length > 2 ? process.argv.slice(2) : findDocuments('.');
const withoutCode = (file) => readFileSync(file, 'utf8').replace(/^```[^]*?^```/gm, '');

/* The second heading of a name ends in -1, the third in -2. */
function readAnchors(file) {
    const anchors = new Set();
    for (const [, heading] of withoutCode(file).matchAll(/^#+ (.*)$/gm)) {
        const name = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').trim().toLowerCase().replace(/[^\p{L}\p{N}\p{M}_\- ]/gu, '').replaceAll(' ', '-');
        let anchor = name;
        for (let i = 1; anchors.has(anchor); i++) anchor = `${name}-${i}`;
        anchors.add(anchor);
    }
    return anchors;
}

function findFault(file, link) {
    const [path, anchor] = link.split('#');
    const target = path === '' ? file : join(dirname(file), decodeURIComponent(path));
    if (!existsSync(target)) return 'no such file';
    return anchor && target.endsWith('.md') && !readAnchors(target).has(anchor) ? 'no such heading' : null;
}

let dead = 0;
for (const file of files) {
    for (const [, link] of withoutCode(file).matchAll(/\]\(([^)\s]+)\)/g)) {
        const fault = /^[a-z]+:/.test(link) ? null : findFault(file, link);
        if (!fault) continue;
        console.log(`${file}: ${link}: ${fault}`);
        dead++;
    }
}
process.exit(dead > 0 ? 1 : 0);
