// The service's own description of itself, and whether answers and bodies are as it says.

import assert from 'node:assert/strict';
import Ajv2020 from 'ajv/dist/2020.js';
import { assertJson, deviation, request } from './harness.mjs';
import { fits } from './openapi-requests.mjs';

const escape = (name) => name.replaceAll('~', '~0').replaceAll('/', '~1');

// The segments of a path as the service sees them, without one slash at each end that does not count. Empty
// where an escape is broken. What is no UTF-8 is shown as something else.
function segmentsOf(target) {
    const bytes = target.replace(/[?#].*/s, '').replaceAll(/%[0-9a-f]{2}/gi, (escaped) => (
        String.fromCharCode(Number.parseInt(escaped.slice(1), 16))));
    if (bytes.includes('%') && !/%25/.test(target)) {
        return [];
    }
    const decoded = Buffer.from(bytes, 'latin1').toString();
    return decoded.replace(/^\/\//, '/').replace(/(?<=.)\/$/, '').slice(1).split('/');
}

// Whether names in a body are written as they are described: which otherwise is of no account.
const isPlain = (body, text) => body !== null && typeof body === 'object'
    && Object.keys(body).every((name) => /^[a-z][A-Za-z]*$/.test(name)) && JSON.stringify(body).length === text.length;

class Description {
    constructor(document) {
        this.document = document;
        this.operations = Object.entries(document.paths).flatMap(([path, item]) => Object.entries(item).map(
            ([method, operation]) => ({ path, method, segments: path.slice(1).split('/'), ...operation })));
        this.compared = 0; // how many requests were compared with what became of them
        this.checked = {}; // how many answers, by route, method and status
        this.ajv = new Ajv2020({ strict: false, validateFormats: false });
        this.ajv.addSchema(document, 'openapi.json', undefined, false);
        this.validators = new Map();
    }

    static async of(service, ask) {
        return new Description(assertJson(await ask(service, '/openapi.json'), 200));
    }

    // What stands at a place of the description, or where that leads.
    at(...names) {
        const node = names.reduce((parent, name) => parent?.[name], this.document);
        return node?.$ref ? this.at(...node.$ref.slice(2).split('/')) : node;
    }

    // Whether a value fits the schema at a place.
    errors(value, ...names) {
        const pointer = `openapi.json#/${names.map(escape).map(encodeURIComponent).join('/')}`;
        let validate = this.validators.get(pointer);
        if (!validate) {
            validate = this.ajv.compile({ $ref: pointer });
            this.validators.set(pointer, validate);
        }
        return validate(value) ? null : validate.errors;
    }

    fits(value, ...names) {
        return this.errors(value, ...names) === null;
    }

    fitsSchema(name, value) {
        return this.fits(value, 'components', 'schemas', name);
    }

    // The operations on a path, by method: empty where there is no such path.
    operationsAt(target) {
        const segments = segmentsOf(target);
        return this.operations.filter((operation) => segments.length === operation.segments.length
            && operation.segments.every((segment, i) => segment.startsWith('{') || segment === segments[i]));
    }

    // What was asked for fits if it was answered, and does not if it was refused.
    checkRequest(operation, target, body, status) {
        const one = { operation };
        if (operation.method === 'post') {
            try {
                one.body = JSON.parse(body);
            } catch {
                return;
            }
            if (!isPlain(one.body, body) || operation.operationId === 'inspect') {
                return;
            }
        } else {
            const segments = segmentsOf(target);
            one.values = Object.fromEntries(operation.segments.flatMap(
                (segment, i) => (segment.startsWith('{') ? [[segment.slice(1, -1), segments[i]]] : [])));
            one.values.expiry = new URLSearchParams(target.replace(/^[^?]*/, '')).get('expiry') ?? undefined;
        }
        const isFit = fits(this, one);
        assert.ok(isFit === undefined || isFit === (status === 200), `${target} ${body}: ${status}, which is not described`);
        this.compared++;
    }

    // An answer is as described. What the description has no path for may be refused by these alone.
    check(method, target, answer, body) {
        if (deviation(target)) {
            return;
        }
        const operations = this.operationsAt(target);
        const wanted = method === 'HEAD' ? 'get' : method.toLowerCase();
        const operation = operations.find((one) => one.method === wanted);
        const path = operation?.path || operations[0]?.path || '(none)';
        const told = `${method} ${path} answered by ${answer.status}`;
        const key = `${path} ${method} ${answer.status}`;
        this.checked[key] = (this.checked[key] || 0) + 1;
        if (method === 'OPTIONS' && answer.status === 204) {
            assert.equal(answer.body, '');
            return;
        }
        let place;
        if (operation) {
            place = ['paths', operation.path, wanted, 'responses', String(answer.status)];
        } else {
            const name = { 400: 'BadRequest', 403: 'Forbidden', 404: 'NotFound', 405: 'MethodNotAllowed',
                413: 'ContentTooLarge' }[answer.status];
            assert.ok(answer.status === 405 || operations.length === 0 || answer.status !== 404, told);
            place = ['components', 'responses', name];
        }
        const response = place.reduce((parent, name) => parent?.[name], this.document);
        assert.ok(response, `${told}, which is not described`);
        if (response.$ref) {
            place = response.$ref.slice(2).split('/');
        }
        const [type] = Object.keys(this.at(...place).content);
        assert.equal(answer.headers['content-type'].split(';')[0], type.split(';')[0], told);
        for (const name of ['Allow', 'WWW-Authenticate', 'Retry-After']) {
            assert.ok(!(name.toLowerCase() in answer.headers) || name in this.at(...place).headers,
                `${told} with ${name}, which is not described`);
        }
        if (operation && [200, 400].includes(answer.status)) {
            this.checkRequest(operation, target, body, answer.status);
        }
        if (method === 'HEAD') {
            assert.equal(answer.body, '');
        } else if (type === 'application/json') {
            const errors = this.errors(JSON.parse(answer.body), ...place, 'content', type, 'schema');
            assert.equal(errors, null, `${told}: ${answer.body}: ${JSON.stringify(errors)}`);
        }
    }

    total() {
        return Object.values(this.checked).reduce((sum, count) => sum + count, 0);
    }
}

// From now on each answer of the service to `request`, or the `ask` of policies.mjs, must be as described, or
// the request fails. Returns the description, which counts.
export async function describeAnswers(service, ask = request) {
    const description = await Description.of(service, ask);
    service.onAnswer = (...exchange) => description.check(...exchange);
    return description;
}
