/* Codes of a second factor, by RFC 6238's few lines, from the secret that the server shows once. */
import { createHmac } from 'node:crypto';

export const STEP = 30000;
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

const bytesOf = (base32) => {
    const bits = [...base32].map((digit) => DIGITS.indexOf(digit).toString(2).padStart(5, '0')).join('');
    return Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
};

export function codeAt(secret, ms) {
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(Math.floor(ms / STEP)));
    const mac = createHmac('sha1', bytesOf(secret)).update(counter).digest();
    return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1000000).padStart(6, '0');
}

/* One that is not right for a while. */
export function wrongCode(secret, ms) {
    const near = [-2, -1, 0, 1, 2].map((off) => codeAt(secret, ms + off * STEP));
    return ['000000', '111111', '222222', '333333', '444444', '555555'].find((code) => !near.includes(code));
}
