/*
 * Files for tests, and their way into the server: the official tus client, and requests by hand where a test wants to say what
 * no client would.
 */
import { createHash, randomBytes } from 'node:crypto';
import { crc32, deflateSync } from './png.mjs';
import * as tus from 'tus-js-client';

export const TUS = { 'tus-resumable': '1.0.0' };
export const PIECE = { ...TUS, 'content-type': 'application/offset+octet-stream' };
export const CHUNK = 256 << 10;

/* A PNG of that size, with an IHDR that says another one if wanted. */
export function png(width, height, { said = [width, height], salt = 0 } = {}) {
    const chunk = (type, data) => {
        const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
        const whole = Buffer.alloc(body.length + 8);
        whole.writeUInt32BE(data.length, 0);
        body.copy(whole, 4);
        whole.writeUInt32BE(crc32(body), body.length + 4);
        return whole;
    };
    const head = Buffer.alloc(13);
    head.writeUInt32BE(said[0], 0);
    head.writeUInt32BE(said[1], 4);
    head.set([8, 2], 8); /* 8 bits, RGB */
    const rows = Buffer.alloc((width * 3 + 1) * height, salt);
    for (let y = 0; y < height; y++) rows[y * (width * 3 + 1)] = 0; /* no filter */
    return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', head), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))]);
}

export const bytes = (size) => randomBytes(size);
export const sha256 = (data) => createHash('sha256').update(data).digest();
export const metadata = (name, type) =>
    [name && `filename ${Buffer.from(name).toString('base64')}`, type && `filetype ${Buffer.from(type).toString('base64')}`].filter(Boolean).join(',');

const pathOf = (url) => new URL(url).pathname;
export const idOf = (path) => path.split('/').at(-1);

/* The official client, to its end: the path of the upload. more: its options; onStart(upload): before it begins. */
export function upload(api, data, { name = 'a.bin', type = '', onStart, path, ...more } = {}) {
    return new Promise((resolve, reject) => {
        const one = new tus.Upload(data, {
            endpoint: `${api.server.url}/v1/media`,
            uploadUrl: path ? api.server.url + path : undefined,
            headers: { authorization: `Bearer ${api.token}` },
            chunkSize: CHUNK,
            metadata: { filename: name, filetype: type },
            retryDelays: [20, 100, 500, 1000, 3000], /* what was interrupted may still be written: 409, 423 */
            onSuccess: () => resolve(pathOf(one.url)),
            onError: reject,
            ...more,
        });
        onStart?.(one);
        one.start();
    });
}

/* Stops it by its own abort when so many bytes are acknowledged: the path of what there is. */
export function uploadUntil(api, data, size, options = {}) {
    return new Promise((resolve, reject) => {
        let one;
        upload(api, data, {
            ...options,
            onStart: (started) => (one = started),
            onChunkComplete: (_, sent) => {
                if (sent >= size) one.abort().then(() => resolve(pathOf(one.url)), reject);
            },
        }).then(() => reject(new Error('it was finished')), reject);
    });
}

/* By hand. */
export const create = (api, size, { name, type, headers } = {}) =>
    api.call('POST', '/v1/media', undefined, { headers: { ...TUS, 'upload-length': String(size), ...(name || type ? { 'upload-metadata': metadata(name, type) } : {}), ...headers } });
export const patch = (api, path, offset, data, headers = {}) =>
    api.call('PATCH', path, data, { headers: { ...PIECE, 'upload-offset': String(offset), ...headers } });
export const offsetOf = async (api, path) => {
    const answer = await api.call('HEAD', path, undefined, { headers: TUS });
    return answer.status === 200 ? Number(answer.headers['upload-offset']) : answer.status;
};
