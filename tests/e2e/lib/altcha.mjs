/* Solves challenges in the ALTCHA format, as the widget does: the header that goes with a hold. */
import { createHash } from 'node:crypto';

const sha256 = (text) => createHash('sha256').update(text).digest('hex');

export function solve({ algorithm, challenge, maxnumber, salt, signature }, change = {}) {
    for (let number = 0; number <= maxnumber; number++) {
        if (sha256(salt + number) === challenge)
            return Buffer.from(JSON.stringify({ algorithm, challenge, number, salt, signature, took: 1, ...change })).toString('base64');
    }
    throw new Error('this challenge has no solution');
}
