/* Every statement of the program is one that PostgreSQL understands, with the types of parameters that the code binds: asked of a server, without the program. */
import test from 'node:test';
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { REPO } from './lib/server.mjs';
import { isPostgres } from './lib/store.mjs';

const check = (...args) => new Promise((resolve) => {
    execFile(process.execPath, [path.join(REPO, 'scripts/check_sql.mjs'), ...args], { maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
        resolve({ code: error ? error.code : 0, said: stdout + stderr });
    });
});

test('PostgreSQL understands every statement of the program', { skip: isPostgres && 'once is enough' }, async () => {
    const { code, said } = await check();
    assert.equal(code, 0, said);
    assert.ok(Number(/(\d+) statements, 0 refused/.exec(said)?.[1]) > 150, said);
});

test('a statement that only SQLite understands is refused', { skip: isPostgres && 'once is enough' }, async () => {
    const { code, said } = await check('--text', 'SELECT id FROM ticket INDEXED BY ticket_by_booking WHERE event_id = $1');
    assert.equal(code, 1, said);
    assert.match(said, /syntax error/);
});
