/* Reading what people get in their hands: QR pictures, PDFs, mails. Tools that are not installed leave a test skipped. */
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { once } from 'node:events';
import { tempDir } from './server.mjs';

const has = (tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0;
export const TOOLS = { zbarimg: has('zbarimg'), pdftotext: has('pdftotext'), pdftoppm: has('pdftoppm') };

export function readQr(picture, extension) {
    const file = path.join(tempDir(), `qr.${extension}`);
    fs.writeFileSync(file, picture);
    return execFileSync('zbarimg', ['-q', '--raw', '-Sdisable', '-Sqrcode.enable', file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim().split('\n');
}

/* The modules of our SVG as a picture: it is made of horizontal runs only. */
export function svgToPgm(svg, scale = 8) {
    const side = Number(/viewBox="0 0 (\d+) \1"/.exec(svg)[1]);
    const pixels = Buffer.alloc(side * side * scale * scale, 255);
    for (const [, x, y, length] of svg.matchAll(/M(\d+) (\d+)h(\d+)v1h-\d+z/g)) {
        for (let row = 0; row < scale; row++) {
            const at = (Number(y) * scale + row) * side * scale + Number(x) * scale;
            pixels.fill(0, at, at + Number(length) * scale);
        }
    }
    return Buffer.concat([Buffer.from(`P5 ${side * scale} ${side * scale} 255\n`), pixels]);
}

export function pdfText(pdf) {
    return execFileSync('pdftotext', ['-layout', '-', '-'], { input: pdf, encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] });
}

/* The codes on all pages. */
export function pdfCodes(pdf) {
    const prefix = path.join(tempDir(), 'page');
    execFileSync('pdftoppm', ['-r', '150', '-png', '-', prefix], { input: pdf, stdio: ['pipe', 'ignore', 'ignore'] });
    const dir = path.dirname(prefix);
    return fs.readdirSync(dir).sort().flatMap((name) => readQr(fs.readFileSync(path.join(dir, name)), 'png'));
}

/* {headers, parts: [{headers, body}]}; leaves only, decoded. */
export function parseMail(raw) {
    const text = raw.toString('latin1');
    assertCrlf(text);
    const { headers, body } = splitHead(text);
    return { headers, parts: leaves(headers, body) };
}

function assertCrlf(text) {
    if (/[^\r]\n/.test(text)) throw new Error('a line of a mail ends in LF alone');
}

function splitHead(text) {
    const end = text.indexOf('\r\n\r\n');
    const headers = {};
    for (const line of text.slice(0, end).replace(/\r\n[ \t]+/g, ' ').split('\r\n')) {
        const colon = line.indexOf(':');
        headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    return { headers, body: text.slice(end + 4) };
}

function leaves(headers, body) {
    const boundary = /boundary="?([^";]+)"?/.exec(headers['content-type'])?.[1];
    if (!boundary) return [{ headers, body: decode(headers['content-transfer-encoding'], body) }];
    const pieces = `\r\n${body}`.split(`\r\n--${boundary}`).slice(1, -1);
    return pieces.flatMap((piece) => {
        const inner = splitHead(piece.replace(/^\r\n/, ''));
        return leaves(inner.headers, inner.body);
    });
}

function decode(encoding, body) {
    if (encoding?.toLowerCase() === 'base64') return Buffer.from(body, 'base64');
    if (encoding?.toLowerCase() !== 'quoted-printable') return Buffer.from(body, 'latin1');
    const plain = body.replace(/=\r\n/g, '').replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
    return Buffer.from(plain, 'latin1');
}

/* RFC 2047 words. */
export function headerText(value) {
    return value.replace(/=\?utf-8\?([bq])\?([^?]*)\?=\s*/gi, (_, how, text) =>
        how.toLowerCase() === 'b'
            ? Buffer.from(text, 'base64').toString()
            : Buffer.from(text.replace(/_/g, ' ').replace(/=([0-9A-F]{2})/g, (__, hex) => String.fromCharCode(parseInt(hex, 16))), 'latin1').toString());
}

/* Takes mail by SMTP; refuses the first `refuse` ones for now. */
export class MailServer {
    static async start({ refuse = 0 } = {}) {
        const server = new MailServer();
        server.messages = [];
        server.refused = 0;
        server.refuse = refuse;
        server.net = net.createServer((socket) => server.talk(socket)).listen(0, '127.0.0.1');
        await once(server.net, 'listening');
        server.net.unref();
        server.url = `smtp://127.0.0.1:${server.net.address().port}`;
        return server;
    }

    stop() {
        this.net.close();
    }

    talk(socket) {
        let pending = '';
        const session = { to: [], data: null };
        socket.setEncoding('latin1').on('error', () => {});
        socket.write('220 e2e ESMTP\r\n');
        socket.on('data', (chunk) => {
            pending += chunk;
            for (let end; (end = pending.indexOf('\r\n')) >= 0; ) {
                const line = pending.slice(0, end);
                pending = pending.slice(end + 2);
                this.line(socket, session, line);
            }
        });
    }

    line(socket, session, line) {
        if (session.data !== null) {
            if (line !== '.') {
                session.data.push(line.startsWith('.') ? line.slice(1) : line);
                return;
            }
            this.messages.push({ from: session.from, to: session.to, raw: Buffer.from(`${session.data.join('\r\n')}\r\n`, 'latin1') });
            Object.assign(session, { to: [], data: null });
            socket.write('250 kept\r\n');
            return;
        }
        const verb = line.slice(0, 4).toUpperCase();
        if (verb === 'MAIL' && this.refused < this.refuse) {
            this.refused++;
            socket.write('451 not now\r\n');
            return;
        }
        if (verb === 'MAIL') session.from = line;
        if (verb === 'RCPT') session.to.push(/<([^>]*)>/.exec(line)[1]);
        if (verb === 'DATA') session.data = [];
        if (verb === 'QUIT') socket.end('221 bye\r\n');
        else socket.write(verb === 'DATA' ? '354 go on\r\n' : verb === 'EHLO' ? '250 e2e\r\n' : '250 ok\r\n');
    }
}
