/*
 * C4: files. Uploads by the official tus client, interrupted, resumed, and killed in the middle; what is refused; downloads and who
 * gets them; thumbnails; and how long a file is kept, by the virtual clock.
 */
import test, { after, before, describe } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Nodes } from './lib/nodes.mjs';
import { Postgres } from './lib/postgres.mjs';
import { Foyer, tempDir } from './lib/server.mjs';
import { DAY, HOUR, makeUser, unique } from './lib/seed.mjs';
import { CHUNK, PIECE, TUS, bytes, create, idOf, metadata, offsetOf, patch, png, sha256, upload, uploadUntil } from './lib/media.mjs';
import { ChatStream } from './lib/chat_stream.mjs';
import { until } from './lib/wait.mjs';

const ARGS = ['--services=chat', '--abuse=off'];
const AUDITED = ['--services=tickets,chat', '--abuse=off']; /* the audit asks for tickets */
const MB = 1 << 20;

const ok = (answer, status) => {
    assert.equal(answer.status, status, answer.text);
    return answer.json;
};
const problem = (answer, status, type) => {
    assert.equal(answer.status, status, answer.text);
    assert.equal(answer.json.type, type);
};
const invalid = (answer, field) => {
    assert.equal(answer.status, 422, answer.text);
    assert.deepEqual(answer.json.errors.map((error) => error.field), [field]);
};
const user = (api) => api.user.id;
const group = async (owner, ...others) => ok(await owner.post('/v1/chats', { type: 'group', title: 'Row 1', member_ids: others.map(user) }), 201).id;
const sendMedia = (api, chatId, id, more = {}) => api.post(`/v1/chats/${chatId}/messages`, { client_id: unique(), media_id: id, ...more });
const download = (api, id, headers = {}, query = '') => api.get(`/v1/media/${id}${query}`, { headers });
const finished = async (api, data, options) => idOf(await upload(api, data, options));
/* Names of files below the media directory, without their folders. */
const filesOf = (dir) =>
    fs.readdirSync(dir, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? filesOf(path.join(dir, entry.name)) : [entry.name]));
const mediaDir = (server) => path.join(server.dir, 'media');

let server;
let ada, bob, eve;
before(async () => {
    server = await Foyer.start({ args: ARGS });
    [ada, bob, eve] = [await makeUser(server), await makeUser(server), await makeUser(server)];
});
after(() => server.stop());

describe('uploads', () => {
    test('by the official client, in pieces, byte for byte', async () => {
        const data = bytes(3 * MB + 12345);
        const id = await finished(ada, data, { name: 'Größe & "x".bin' });
        const answer = await download(ada, id);
        assert.equal(answer.status, 200);
        assert.ok(answer.buffer.equals(data));
        assert.equal(answer.headers['content-type'], 'application/octet-stream');
        assert.equal(answer.headers['content-disposition'], "attachment; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20&%20%22x%22.bin");
        assert.equal(answer.headers['x-content-type-options'], 'nosniff');
        assert.match(answer.headers['content-security-policy'], /sandbox/);
    });

    test('one that was interrupted goes on where it was', async () => {
        const data = bytes(2 * MB);
        const at = await uploadUntil(ada, data, 3 * CHUNK);
        const offset = await offsetOf(ada, at);
        assert.ok(offset >= 3 * CHUNK && offset < data.length, `${offset}`);
        assert.equal((await download(ada, idOf(at))).status, 404, 'it is not finished');
        const sent = [];
        assert.equal(await upload(ada, data, { path: at, onChunkComplete: (size) => sent.push(size) }), at);
        const again = sent.reduce((a, b) => a + b);
        assert.ok(again > 0 && again <= data.length - offset, 'only what was missing came');
        assert.ok((await download(ada, idOf(at))).buffer.equals(data));
    });

    test('what was acknowledged survives kill -9 in the middle', async () => {
        const own = await Foyer.start({ args: AUDITED });
        try {
            const person = await makeUser(own);
            for (let turn = 1; turn <= 3; turn++) {
                const data = bytes(2 * MB);
                let acknowledged = 0, at = null, isKilled = false;
                const ended = upload(person, data, {
                    chunkSize: 200000,
                    retryDelays: null,
                    onStart: (one) => (one.options.onUploadUrlAvailable = () => (at = new URL(one.url).pathname)),
                    onChunkComplete: (_, sent) => {
                        acknowledged = sent;
                        if (sent >= turn * 400000 && !isKilled) {
                            isKilled = true;
                            own.child.kill('SIGKILL'); /* while the next piece is on its way */
                        }
                    },
                }).then(() => true, () => false);
                assert.equal(await ended, false);
                await own.end();
                await own.start();
                const offset = await offsetOf(person, at);
                assert.ok(offset >= acknowledged, `${offset} of ${acknowledged}`);
                assert.equal(await upload(person, data, { path: at }), at);
                assert.ok((await download(person, idOf(at))).buffer.equals(data));
            }
            assert.equal((await own.audit()).code, 0);
        } finally {
            await own.stop();
        }
    });

    test('by hand: offsets, limits, version', async () => {
        const made = await create(ada, 10, { name: 'a.txt', type: 'text/plain' });
        const { id, size, offset } = ok(made, 201);
        const at = `/v1/media/${id}`;
        assert.deepEqual([made.headers.location, size, offset, made.headers['tus-resumable']], [at, 10, 0, '1.0.0']);
        assert.ok(Date.parse(made.headers['upload-expires']) > (await server.now()) + 23 * HOUR);
        const head = await ada.call('HEAD', at, undefined, { headers: TUS });
        assert.deepEqual([head.status, head.headers['upload-offset'], head.headers['upload-length'], head.headers['upload-metadata'], head.headers['cache-control']],
            [200, '0', '10', metadata('a.txt', 'text/plain'), 'no-store']);

        problem(await patch(ada, at, 5, 'xxxxx'), 409, 'conflict');
        problem(await patch(ada, at, 0, 'x'.repeat(11)), 413, 'too-large');
        const first = await patch(ada, at, 0, 'abcd');
        assert.deepEqual([first.status, first.headers['upload-offset']], [204, '4']);
        problem(await patch(ada, at, 0, 'abcd'), 409, 'conflict');
        problem(await patch(ada, at, 4, 'e', { 'content-type': 'text/plain' }), 415, 'unsupported-media-type');
        invalid(await patch(ada, at, '4x', 'e'), 'Upload-Offset');
        problem(await patch(ada, at, 4, 'e', { 'tus-resumable': '0.2.0' }), 412, 'precondition-failed');
        problem(await patch(bob, at, 4, 'efghij'), 404, 'not-found');
        assert.equal(await offsetOf(bob, at), 404);
        assert.equal((await patch(ada, at, 4, 'efghij')).status, 204);
        problem(await patch(ada, at, 10, ''), 409, 'conflict');
        assert.equal((await download(ada, id)).text, 'abcdefghij');
    });

    test('bad input is named', async () => {
        const make = (headers) => ada.call('POST', '/v1/media', undefined, { headers: { ...TUS, ...headers } });
        invalid(await make({}), 'Upload-Length');
        invalid(await make({ 'upload-length': '0' }), 'Upload-Length');
        invalid(await make({ 'upload-length': '-5' }), 'Upload-Length');
        invalid(await make({ 'upload-defer-length': '1' }), 'Upload-Length');
        const large = await make({ 'upload-length': String(100 * MB + 1) });
        problem(large, 413, 'too-large');
        assert.equal(large.headers['tus-max-size'], String(100 * MB));
        for (const text of ['filename', 'filename !', `filename ${Buffer.from('../x').toString('base64')}`, 'filename YQ==,filename YQ=='])
            invalid(await make({ 'upload-length': '1', 'upload-metadata': text }), 'Upload-Metadata');
        invalid(await ada.call('POST', '/v1/media', 'x', { headers: { ...PIECE, 'upload-length': '1' } }), 'body');
        problem(await ada.call('POST', '/v1/media', undefined, { headers: { 'upload-length': '1' } }), 412, 'precondition-failed');
        const { id } = ok(await create(ada, 8 * MB), 201);
        problem(await patch(ada, `/v1/media/${id}`, 0, bytes(4 * MB + 1)), 413, 'too-large');
        assert.equal((await patch(ada, `/v1/media/${id}`, 0, bytes(4 * MB))).status, 204);
        const options = await server.anonymous.call('OPTIONS', '/v1/media');
        assert.deepEqual([options.status, options.headers['tus-version'], options.headers['tus-extension'], options.headers['tus-checksum-algorithm'], options.headers['tus-max-size']],
            [204, '1.0.0', 'creation,termination,expiration,checksum', 'sha1,sha256', String(100 * MB)]);
    });

    test('checksums', async () => {
        const data = bytes(1000);
        const at = `/v1/media/${ok(await create(ada, data.length), 201).id}`;
        const sum = { 'upload-checksum': `sha256 ${sha256(data).toString('base64')}` };
        problem(await patch(ada, at, 0, bytes(1000), sum), 460, 'checksum-mismatch');
        assert.equal(await offsetOf(ada, at), 0, 'the piece was thrown away');
        problem(await patch(ada, at, 0, data, { 'upload-checksum': 'md5 AAAA' }), 400, 'bad-request');
        assert.equal((await patch(ada, at, 0, data, sum)).status, 204);
        assert.ok((await download(ada, idOf(at))).buffer.equals(data));
    });

    test('of two at once one wins, whatever they bring', async () => {
        for (let turn = 0; turn < 5; turn++) {
            const pieces = [bytes(MB), bytes(MB), bytes(MB)];
            const at = `/v1/media/${ok(await create(ada, 2 * MB), 201).id}`;
            const answers = await Promise.all(pieces.map((piece) => patch(ada, at, 0, piece)));
            const winners = pieces.filter((_, i) => answers[i].status === 204);
            assert.equal(winners.length, 1, answers.map(({ status }) => status).join());
            assert.ok(answers.every(({ status }) => [204, 409, 423].includes(status)));
            const rest = bytes(MB);
            assert.equal((await patch(ada, at, MB, rest)).status, 204);
            assert.ok((await download(ada, idOf(at))).buffer.equals(Buffer.concat([winners[0], rest])), 'nobody wrote over the winner');
        }
    });

    test('may be given up, and end by themselves after a day', async () => {
        const own = await Foyer.start({ args: ARGS });
        try {
            const person = await makeUser(own);
            const [gone, late] = [ok(await create(person, 10), 201).id, ok(await create(person, 10), 201).id];
            for (const id of [gone, late]) assert.equal((await patch(person, `/v1/media/${id}`, 0, 'abc')).status, 204);
            assert.equal((await person.call('DELETE', `/v1/media/${gone}`, undefined, { headers: TUS })).status, 204);
            assert.equal(await offsetOf(person, `/v1/media/${gone}`), 404);
            assert.equal((await person.call('DELETE', `/v1/media/${gone}`, undefined, { headers: TUS })).status, 404);
            await own.advance(23 * HOUR);
            assert.equal(await offsetOf(person, `/v1/media/${late}`), 3);
            await own.advance(HOUR + 1000);
            assert.equal(await offsetOf(person, `/v1/media/${late}`), 404);
            problem(await patch(person, `/v1/media/${late}`, 3, 'defghij'), 404, 'not-found');
            await until(async () => {
                await own.advance(3 * 60 * 1000);
                return filesOf(mediaDir(own)).length === 0;
            }, { what: 'the files to be gone' });
            assert.equal((await own.sql('SELECT COUNT(*) FROM media', 'chat')).toString(), '0');
        } finally {
            await own.stop();
        }
    });

    test('programs are not taken', async () => {
        const data = Buffer.concat([Buffer.from('\x7fELF'), bytes(100)]);
        const at = `/v1/media/${ok(await create(ada, data.length), 201).id}`;
        invalid(await patch(ada, at, 0, data), 'body');
        assert.equal(await offsetOf(ada, at), 0);
    });

    test('a quota of bytes, of uploads that are not finished; rates', async () => {
        const own = await Foyer.start({ args: ['--services=chat'] });
        try {
            const person = await makeUser(own);
            for (let i = 0; i < 10; i++) ok(await create(person, 100 * MB), 201);
            const over = await create(person, 100 * MB);
            problem(over, 422, 'limit-exceeded');
            assert.deepEqual(over.json.errors.map(({ field }) => field), ['Upload-Length']);
            for (let i = 0; i < 10; i++) ok(await create(person, 1), 201);
            problem(await create(person, 1), 422, 'limit-exceeded');
            const other = await makeUser(own);
            ok(await create(other, 100 * MB), 201);
            const answers = [];
            while (answers.length < 200 && answers.at(-1)?.status !== 429) answers.push(await create(other, 0));
            problem(answers.at(-1), 429, 'rate-limited');
            assert.match(answers.at(-1).headers['ratelimit-policy'], /^"media-create"/);
        } finally {
            await own.stop();
        }
    });
});

describe('downloads', () => {
    const data = bytes(100000);
    let id;
    before(async () => {
        id = await finished(ada, data);
    });

    test('ranges', async () => {
        const part = async (range, headers = {}) => download(ada, id, { range, ...headers });
        const some = await part('bytes=10-19');
        assert.deepEqual([some.status, some.headers['content-range'], some.headers['content-length']], [206, 'bytes 10-19/100000', '10']);
        assert.ok(some.buffer.equals(data.subarray(10, 20)));
        assert.ok((await part('bytes=99990-')).buffer.equals(data.subarray(99990)));
        assert.ok((await part('bytes=-5')).buffer.equals(data.subarray(-5)));
        assert.equal((await part('bytes=99999-200000')).buffer.length, 1);
        const behind = await part('bytes=100000-');
        problem(behind, 416, 'range-not-satisfiable');
        assert.equal(behind.headers['content-range'], 'bytes */100000');
        for (const range of ['bytes=5-1', 'bytes=0-1,4-5', 'lines=1-2', 'bytes=x-'])
            assert.equal((await part(range)).buffer.length, data.length, range);
        const { etag } = some.headers;
        assert.equal((await part('bytes=0-9', { 'if-range': etag })).status, 206);
        assert.equal((await part('bytes=0-9', { 'if-range': '"other"' })).status, 200);
        assert.equal((await download(ada, id, { 'if-none-match': etag })).status, 304);
        const head = await ada.call('HEAD', `/v1/media/${id}`);
        assert.deepEqual([head.status, head.headers['content-length'], head.headers.etag, head.buffer.length], [200, '100000', etag, 0]);
        invalid(await download(ada, id, {}, '?size=large'), 'size');
    });

    test('for members of a chat with it, as long as the message is there', async () => {
        const chat = await group(ada, bob);
        problem(await download(bob, id), 404, 'not-found');
        const message = ok(await sendMedia(ada, chat, id), 201);
        assert.deepEqual([message.type, message.body, message.media.id, message.media.size, message.media.has_thumb], ['media', null, id, data.length, false]);
        assert.ok((await download(bob, id)).buffer.equals(data));
        problem(await download(eve, id), 404, 'not-found');
        assert.equal((await server.anonymous.get(`/v1/media/${id}`)).status, 401);
        const listed = ok(await bob.get(`/v1/chats/${chat}/messages?after=0`), 200).data.at(-1);
        assert.deepEqual(listed.media, message.media);
        /* who comes later does not see what was before */
        ok(await ada.post(`/v1/chats/${chat}/members`, { user_id: user(eve) }), 201);
        problem(await download(eve, id), 404, 'not-found');
        assert.equal((await ada.delete(`/v1/messages/${message.id}`)).status, 204);
        problem(await download(bob, id), 404, 'not-found');
        assert.equal((await download(ada, id)).status, 200, 'its owner still has it');
        const deleted = ok(await bob.get(`/v1/chats/${chat}/messages?after=0`), 200).data.find(({ id: each }) => each === message.id);
        assert.deepEqual([deleted.media, deleted.body], [null, null]);
    });

    test('who leaves sees it no more', async () => {
        const chat = await group(ada, bob);
        ok(await sendMedia(ada, chat, id), 201);
        assert.equal((await download(bob, id)).status, 200);
        assert.equal((await bob.delete(`/v1/chats/${chat}/members/${user(bob)}`)).status, 204);
        problem(await download(bob, id), 404, 'not-found');
    });
});

describe('messages', () => {
    test('a file of somebody else, one that is not finished, one that is none', async () => {
        const chat = await group(bob, ada);
        const id = await finished(ada, bytes(10));
        invalid(await sendMedia(bob, chat, id), 'media_id');
        invalid(await sendMedia(ada, chat, ok(await create(ada, 5), 201).id), 'media_id');
        invalid(await sendMedia(ada, chat, 'med_0000000000001'), 'media_id');
        invalid(await sendMedia(ada, chat, 'nonsense'), 'media_id');
        invalid(await sendMedia(ada, chat, id, { body: 'and a text' }), 'media_id');
        invalid(await ada.post(`/v1/chats/${chat}/messages`, { client_id: unique() }), 'body');
    });

    test('are known by their client id, are not edited, may be sent on by who sees them', async () => {
        const [chat, other] = [await group(ada, bob), await group(bob, eve)];
        const id = await finished(ada, bytes(10), { name: 'one.bin' });
        const client_id = unique();
        const first = ok(await sendMedia(ada, chat, id, { client_id }), 201);
        assert.deepEqual(ok(await sendMedia(ada, chat, id, { client_id }), 200), first);
        problem(await ada.post(`/v1/chats/${chat}/messages`, { client_id, body: id }), 422, 'idempotency-conflict');
        problem(await ada.patch(`/v1/messages/${first.id}`, { body: 'x' }), 409, 'conflict');
        const on = ok(await sendMedia(bob, other, id), 201);
        assert.deepEqual(on.media, first.media);
        assert.equal((await download(eve, id)).status, 200);
        problem(await ada.call('DELETE', `/v1/media/${id}`, undefined, { headers: TUS }), 409, 'conflict');
        const chats = ok(await bob.get('/v1/chats'), 200).data;
        assert.equal(chats.find((each) => each.id === other).last_message.media.name, 'one.bin');
    });
});

describe('the stream', () => {
    test('sends files, and shows them to those who listen', async () => {
        const [me, them] = [await makeUser(server), await makeUser(server)];
        const chat = await group(me, them);
        const id = await finished(me, bytes(10), { name: 'one.bin' });
        const streams = [await ChatStream.hello(server, me), await ChatStream.hello(server, them)];
        try {
            for (const stream of streams) await stream.next('live');
            const say = (number, what) => streams[0].say({ t: 'send', id: number, chat_id: chat, client_id: unique(), ...what });
            say(1, { media_id: id });
            assert.equal((await streams[0].next('ack')).id, 1);
            const message = await until(() => streams[1].of('message', chat).find(({ type }) => type === 'media'));
            assert.deepEqual([message.body, message.media.id, message.media.name], [null, id, 'one.bin']);
            for (const [number, what, field] of [[2, {}, 'body'], [3, { media_id: 'med_0000000000001' }, 'media_id'], [4, { media_id: id, body: 'x' }, 'media_id']]) {
                say(number, what);
                const { id: answered, problem: why } = await streams[0].next('error');
                assert.deepEqual([answered, why.status, why.errors.map((error) => error.field)], [number, 422, [field]]);
            }
        } finally {
            for (const stream of streams) stream.end();
        }
    });
});

describe('images', () => {
    test('have a thumbnail, made by another process', async () => {
        const data = png(1200, 600);
        const id = await finished(ada, data, { name: 'a.txt', type: 'text/html' });
        const chat = await group(ada, bob);
        const { media } = ok(await sendMedia(ada, chat, id), 201);
        assert.deepEqual([media.type, media.width, media.height, media.has_thumb], ['image/png', 1200, 600, true]);
        const whole = await download(bob, id);
        assert.equal(whole.headers['content-type'], 'image/png', 'as it begins, not as it is called');
        assert.match(whole.headers['content-disposition'], /^inline/);
        const thumb = await download(bob, id, {}, '?size=thumb');
        assert.deepEqual([thumb.status, thumb.headers['content-type'], thumb.buffer.toString('latin1', 8, 12)], [200, 'image/webp', 'WEBP']);
        assert.notEqual(thumb.headers.etag, whole.headers.etag);
        problem(await download(eve, id, {}, '?size=thumb'), 404, 'not-found');
        assert.ok((await server.metric('foyer_chat_thumbnails_total', 'result="made"')) >= 1);
    });

    test('that are bombs, cut short or nonsense have none, and nobody is hurt', async () => {
        const refused = await server.metric('foyer_chat_thumbnails_total', 'result="refused"');
        const bombs = [png(8, 8, { said: [60000, 60000] }), png(100, 100).subarray(0, 60), Buffer.concat([png(10, 10).subarray(0, 8), bytes(5000)]),
            Buffer.concat([Buffer.from('RIFF\0\0\0\0WEBPVP8 ', 'latin1'), bytes(500)]), Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), bytes(3000)])];
        for (const data of bombs) {
            const id = await finished(ada, data);
            assert.ok((await download(ada, id)).buffer.equals(data), 'the original is there');
            problem(await download(ada, id, {}, '?size=thumb'), 404, 'not-found');
        }
        assert.equal(await server.metric('foyer_chat_thumbnails_total', 'result="refused"'), refused + bombs.length);
        assert.equal((await server.anonymous.get('/healthz')).status, 200);
    });

    test('what a browser would run is only ever saved', async () => {
        for (const text of ['<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', '<!doctype html><script>alert(1)</script>']) {
            const answer = await download(ada, await finished(ada, Buffer.from(text), { name: 'a.svg', type: 'image/svg+xml' }));
            assert.equal(answer.headers['content-type'], 'application/octet-stream');
            assert.match(answer.headers['content-disposition'], /^attachment/);
        }
    });
});

describe('authorization', () => {
    test('what every route answers nobody, a stranger, a member of a chat with it, and its owner', async () => {
        const routes = server.contract.operations.filter(({ tags }) => tags?.includes('media'));
        assert.deepEqual(routes.map(({ method, pattern }) => `${method} ${pattern}`).sort(),
            ['delete /v1/media/{id}', 'get /v1/media/{id}', 'patch /v1/media/{id}', 'post /v1/media']);
        const id = await finished(ada, bytes(10));
        ok(await sendMedia(ada, await group(ada, bob), id), 201);
        const stranger = await makeUser(server);
        const everybody = async (ask) => (await Promise.all([server.anonymous, stranger, bob, ada].map(ask))).map(({ status }) => status);
        const call = (method, headers) => (api) => api.call(method, `/v1/media/${id}`, undefined, { headers });
        assert.deepEqual(await everybody((api) => create(api, 1)), [401, 201, 201, 201]);
        assert.deepEqual(await everybody(call('GET')), [401, 404, 200, 200]);
        assert.deepEqual(await everybody(call('HEAD')), [401, 404, 200, 200]);
        assert.deepEqual(await everybody(call('HEAD', TUS)), [401, 404, 404, 200]);
        assert.deepEqual(await everybody((api) => patch(api, `/v1/media/${id}`, 10, '')), [401, 404, 404, 409]);
        assert.deepEqual(await everybody(call('DELETE', TUS)), [401, 404, 404, 409]);
        const unsent = `/v1/media/${await finished(ada, bytes(10))}`;
        assert.equal((await ada.call('DELETE', unsent, undefined, { headers: TUS })).status, 204);
        for (const { method, pattern, statuses } of routes) assert.ok([...statuses].some((status) => status < 300), `${method} ${pattern} has succeeded`);
    });
});

describe('what is kept', () => {
    let own, person, other, chat;
    before(async () => {
        own = await Foyer.start({ args: AUDITED });
        [person, other] = [await makeUser(own), await makeUser(own)];
        chat = await group(person, other);
    });
    after(() => own.stop());

    const later = (ms) => own.advance(ms);
    /* The collector runs when the clock jumps; how soon is its own business. All jumps together stay below a day. */
    const settle = (wanted, what) =>
        until(async () => {
            await own.advance(3 * 60 * 1000);
            const names = filesOf(mediaDir(own));
            return names.length === wanted.length && wanted.every((part) => names.some((name) => name.includes(part)));
        }, { what: `${what}: ${wanted}`, every: 200 });
    const hashOf = (data) => sha256(data).toString('hex');
    const login = async () => {
        /* Sessions end, too. */
        for (const api of [person, other]) {
            const { token } = (await own.anonymous.post('/v1/sessions', { email: api.user.email, password: 'correct horse battery' })).json;
            api.token = token;
        }
    };

    test('the same bytes are there once, and go with the last who has them', async () => {
        const data = bytes(50000);
        const [mine, theirs] = [await finished(person, data), await finished(other, data)];
        assert.notEqual(mine, theirs);
        await settle([hashOf(data)], 'one file');
        assert.equal((await own.sql('SELECT refs FROM media_blob', 'chat')).toString(), '2');
        assert.equal((await person.call('DELETE', `/v1/media/${mine}`, undefined, { headers: TUS })).status, 204);
        await settle([hashOf(data)], 'still there');
        assert.ok((await download(other, theirs)).buffer.equals(data));
        assert.equal((await other.call('DELETE', `/v1/media/${theirs}`, undefined, { headers: TUS })).status, 204);
        await settle([], 'gone');
    });

    test('bytes that come again while they are collected are there', async () => {
        for (let turn = 0; turn < 5; turn++) {
            const data = bytes(3000 + turn);
            const first = await finished(person, data);
            const [, second] = await Promise.all([
                person.call('DELETE', `/v1/media/${first}`, undefined, { headers: TUS }).then(() => own.advance(3 * 60 * 1000)),
                finished(other, data),
            ]);
            await own.advance(3 * 60 * 1000);
            assert.ok((await download(other, second)).buffer.equals(data));
            await settle([hashOf(data)], 'once');
            assert.ok((await download(other, second)).buffer.equals(data));
            assert.equal((await other.call('DELETE', `/v1/media/${second}`, undefined, { headers: TUS })).status, 204);
        }
        await settle([], 'gone');
    });

    test('a file that was sent nowhere goes after a day; one that was sent, with its last message', async () => {
        const [lonely, twice, deleted] = [bytes(1000), bytes(2000), png(50, 50, { salt: 7 })];
        const ids = [await finished(person, lonely), await finished(person, twice), await finished(person, deleted)];
        ok(await sendMedia(person, chat, ids[1]), 201);
        const message = ok(await sendMedia(person, chat, ids[2]), 201);
        await settle([hashOf(lonely), hashOf(twice), `${hashOf(deleted)}`, '.thumb'], 'all');
        await later(DAY);
        await settle([hashOf(twice), hashOf(deleted), '.thumb'], 'the lonely one is gone');
        await login();
        problem(await download(person, ids[0]), 404, 'not-found');
        assert.equal((await download(other, ids[1])).status, 200);
        assert.equal((await person.delete(`/v1/messages/${message.id}`)).status, 204);
        await settle([hashOf(twice)], 'the deleted one is gone');
        problem(await download(person, ids[2]), 404, 'not-found');
        /* sent once more on a later day: the later one counts */
        await later(5 * DAY);
        await login();
        ok(await sendMedia(other, chat, ids[1]), 201);
        await later(27 * DAY); /* the first is 32 days old */
        await login();
        await settle([hashOf(twice)], 'kept by the second message');
        assert.ok((await download(other, ids[1])).buffer.equals(twice));
        assert.equal((await own.audit()).code, 0);
        await later(5 * DAY);
        await settle([], 'nothing is left');
        await login();
        problem(await download(person, ids[1]), 404, 'not-found');
        for (const table of ['media', 'media_blob', 'media_task'])
            assert.equal((await own.sql(`SELECT COUNT(*) FROM ${table}`, 'chat')).toString(), '0', table);
        assert.equal((await own.audit()).code, 0);
    });

    test('the audit names what is damaged', async () => {
        await login();
        ok(await sendMedia(person, chat, await finished(person, bytes(100))), 201);
        await create(person, 100);
        const day = Math.floor((await own.now()) / DAY);
        const refs = `media_ref_${String(day % 33).padStart(2, '0')}`;
        const tables = ['media', 'media_blob', refs];
        const DAMAGE = [
            ['UPDATE media SET received = 101 WHERE state = 0', 'chat-media'],
            ['UPDATE media SET received = 99 WHERE state = 1', 'chat-media'],
            ['UPDATE media SET blob_id = 0', 'chat-media'],
            ['UPDATE media_blob SET refs = refs + 1', 'chat-media'],
            [`DELETE FROM ${refs}`, 'chat-media-refs'],
            [`UPDATE ${refs} SET seq = seq + 1`, 'chat-media-refs'],
            ['DELETE FROM media WHERE state = 1', 'chat-media-refs'],
        ];
        assert.deepEqual((await own.audit()).findings, []);
        for (const table of tables) await own.sql(`CREATE TABLE kept_${table} AS SELECT * FROM ${table}`, 'chat');
        for (const [damage, wanted] of DAMAGE) {
            await own.sql(damage, 'chat');
            const { findings } = await own.audit({ isAlone: true });
            assert.ok(findings.some(({ check }) => check === wanted), `${damage}: ${JSON.stringify(findings)}`);
            for (const table of tables) await own.sql(`DELETE FROM ${table}; INSERT INTO ${table} SELECT * FROM kept_${table}`, 'chat');
        }
        for (const table of tables) await own.sql(`DROP TABLE kept_${table}`, 'chat');
        assert.deepEqual((await own.audit()).findings, []);
    });

    test('the directory may be another one', async () => {
        const dir = path.join(tempDir(), 'a', 'b');
        const elsewhere = await Foyer.start({ args: [...ARGS, `--media=${dir}`] });
        try {
            const someone = await makeUser(elsewhere);
            const data = bytes(1000);
            const id = await finished(someone, data);
            assert.ok((await download(someone, id)).buffer.equals(data));
            assert.equal(filesOf(dir).length, 1);
            assert.equal(fs.existsSync(mediaDir(elsewhere)), false);
        } finally {
            await elsewhere.stop();
        }
    });
});

describe('crashes and nodes', () => {
    test('a collector that is killed leaves nothing that is wanted without its file, and finishes later', async () => {
        const own = await Foyer.start({ args: AUDITED });
        try {
            const person = await makeUser(own);
            const chat = await group(person);
            const wanted = [];
            for (let turn = 0; turn < 4; turn++) {
                const data = bytes(2000);
                const [keep, ...others] = [await finished(person, data), await finished(person, data), await finished(person, bytes(1000)), await finished(person, bytes(1000))];
                ok(await sendMedia(person, chat, keep), 201);
                wanted.push([keep, data]);
                await Promise.all(others.map((id) => person.call('DELETE', `/v1/media/${id}`, undefined, { headers: TUS })));
                /* The jump of the clock wakes the collector, which may be anywhere when the process ends. */
                own.advance(3 * 60 * 1000).catch(() => {});
                if (turn % 2) await own.anonymous.get('/healthz');
                await own.kill9();
                await own.start();
                for (const [id, bytesOf] of wanted) assert.ok((await download(person, id)).buffer.equals(bytesOf));
            }
            await until(async () => {
                await own.advance(3 * 60 * 1000);
                return filesOf(mediaDir(own)).length === wanted.length && (await own.sql('SELECT COUNT(*) FROM media_task', 'chat')).toString() === '0';
            }, { what: 'only what is wanted' });
            for (const [id, data] of wanted) assert.ok((await download(person, id)).buffer.equals(data));
            assert.deepEqual((await own.audit()).findings, []);
        } finally {
            await own.stop();
        }
    });

    test('two nodes share a directory: an upload goes on at the other, and of two at once one wins', async () => {
        const cluster = await Postgres.start();
        const nodes = await Nodes.start(cluster, { args: ['--services=tickets,chat', `--media=${tempDir()}`] });
        try {
            const [x, y] = [await makeUser(nodes.a), await makeUser(nodes.a)];
            const [onA, onB] = [nodes.a.as(x.token), nodes.b.as(x.token)];
            const data = bytes(MB);
            const at = await uploadUntil(onA, data, CHUNK);
            assert.equal(await upload(onB, data, { path: at }), at);
            assert.ok((await download(onA, idOf(at))).buffer.equals(data));
            const chat = await group(onA, y);
            ok(await sendMedia(onB, chat, idOf(at)), 201);
            for (const node of nodes.all) assert.ok((await download(node.as(y.token), idOf(at))).buffer.equals(data));
            for (let turn = 0; turn < 5; turn++) {
                const pieces = [bytes(100000), bytes(100000)];
                const next = `/v1/media/${ok(await create(onA, 200000), 201).id}`;
                const answers = await Promise.all([patch(onA, next, 0, pieces[0]), patch(onB, next, 0, pieces[1])]);
                const won = answers.map(({ status }) => status === 204);
                assert.equal(won.filter(Boolean).length, 1, answers.map(({ status }) => status).join());
                assert.equal((await patch(turn % 2 ? onA : onB, next, 100000, pieces[0])).status, 204);
                assert.ok((await download(onB, idOf(next))).buffer.equals(Buffer.concat([pieces[won.indexOf(true)], pieces[0]])));
            }
            await nodes.stop();
        } finally {
            await nodes.end();
            await cluster.kill();
        }
    });
});
