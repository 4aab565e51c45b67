/*
 * The OpenAPI document as a judge of answers: the status must be one that the document gives the route, the media type its own,
 * and a JSON body must fit its schema. Remembers which operations were answered with success.
 */
import assert from 'node:assert/strict';
import Ajv from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { send } from './api.mjs';

const METHODS = ['get', 'put', 'post', 'patch', 'delete'];

/* Not in the document on purpose. */
const HIDDEN = [/^\/v1\/test\//];

export class Contract {
    constructor(document) {
        this.document = document;
        this.operations = [];
        this.ajv = new Ajv({ strict: false, allErrors: true });
        addFormats(this.ajv);
        this.ajv.addSchema(document, 'openapi');
        for (const [pattern, item] of Object.entries(document.paths)) {
            for (const method of METHODS.filter((name) => item[name])) this.operations.push(operationOf(pattern, method, item[method]));
        }
    }

    static async load(url, ca) {
        const { status, json } = await send(`${url}/openapi.json`, { ca });
        assert.equal(status, 200, '/openapi.json');
        return new Contract(json);
    }

    /* The most literal pattern that fits. */
    find(method, path) {
        const plain = path.split('?')[0];
        return this.operations
            .filter((operation) => operation.method === method.toLowerCase() && operation.regexp.test(plain))
            .sort((a, b) => a.parameterCount - b.parameterCount)[0];
    }

    check(method, path, answer) {
        const operation = this.find(method, path);
        if (!operation || answer.status === 304 || HIDDEN.some((hidden) => hidden.test(path))) return;
        const where = `${method} ${path} ${answer.status}`;
        const response = operation.responses[answer.status];
        assert.ok(response, `${where}: the status is not in the OpenAPI document: ${answer.text.slice(0, 400)}`);
        operation.statuses.add(answer.status);
        if (!response.content) return;
        const type = answer.headers['content-type']?.split(';')[0];
        const media = response.content[type];
        assert.ok(media, `${where}: ${type} is not in the OpenAPI document`);
        if (media.schema && type.endsWith('json')) this.checkSchema(media.schema, answer.json, where);
    }

    checkSchema(schema, value, where) {
        const reference = schema.$ref ? { $ref: `openapi${schema.$ref}` } : schema;
        const key = JSON.stringify(reference);
        this.compiled ??= new Map();
        if (!this.compiled.has(key)) this.compiled.set(key, this.ajv.compile(reference));
        const validate = this.compiled.get(key);
        assert.ok(validate(value), `${where}: ${this.ajv.errorsText(validate.errors)}\n${JSON.stringify(value)?.slice(0, 800)}`);
    }
}

function operationOf(pattern, method, operation) {
    const escaped = pattern.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{[^}]+\}/g, '[^/]+');
    return {
        ...operation,
        method,
        pattern,
        parameterCount: (pattern.match(/\{/g) ?? []).length,
        regexp: new RegExp(`^${escaped}$`),
        statuses: new Set(),
    };
}
