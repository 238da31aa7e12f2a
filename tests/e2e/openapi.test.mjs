// The description of the service: valid, whole, and true. REQUESTS is how many requests are made from its
// schemas, SEED another choice of them.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { validate } from '@hyperjump/json-schema/openapi-3-1';
import { Validator } from '@seriousme/openapi-schema-validator';
import judge from 'agora-token/src/AccessToken2.js';
import fc from 'fast-check';
import {
    CERTIFICATE, assertError, assertJson, makeDirectory, removeDirectory, repository, request, startService,
} from './harness.mjs';
import { fits, requests, target, variations, wantedTokens } from './openapi-requests.mjs';
import { describeAnswers } from './openapi.mjs';
import { ask, sha256, withPolicy } from './policies.mjs';

const REQUESTS = Number(process.env.REQUESTS || 2000);
const SEED = Number(process.env.SEED || 1);
const VERSION = /"(.*)"/.exec(fs.readFileSync(path.join(repository, 'src/version.h'), 'utf8'))[1];

const agent = new http.Agent({ keepAlive: true });
after(() => agent.destroy());

const send = (service, one, headers = {}) => request(service, target(one), {
    agent, headers, method: one.operation.method.toUpperCase(), body: 'body' in one ? JSON.stringify(one.body) : undefined });

const validators = {
    async seriousme(document) {
        return (await new Validator().validate(structuredClone(document))).valid;
    },
    async hyperjump(document) {
        return (await validate('https://spec.openapis.org/oas/3.1/schema-base', structuredClone(document))).valid;
    },
};

const routesOf = (answer) => [...assertError(answer, 404).replace(/^.*: use /, '').matchAll(/(GET|POST) (\S+?)(?=,| |$)/g)]
    .map(([, method, pattern]) => `${method} ${pattern.replaceAll(/:(\w+)/g, '{$1}')}`);

// The example of each parameter, or the first of the body.
function exampleOf({ parameters, requestBody }) {
    if (requestBody) {
        return { body: Object.values(requestBody.content['application/json'].examples)[0].value };
    }
    return { values: Object.fromEntries(parameters.map(({ name, example }) => [name, example])) };
}

const API_KEY = 'sesame';
const POLICY = {
    callers: { all: { api_keys: [{ id: 'all', sha256: sha256(API_KEY) }] } },
    rules: [{ caller: 'all', channels: ['*'], users: ['*'], roles: ['publisher', 'subscriber'], max_expire: 4294967295,
        services: ['rtc', 'rtm', 'streaming', 'fpa', 'chat', 'fcdn', 'apaas', 'rtm2', 'convoai', 'stt'],
        apaas_roles: [2], wildcard_channel: true, any_user: true, app_tokens: true }],
};

// With a policy no privilege outlasts its token.
const shortened = (services, expire) => services.map((one) => ({ ...one, privileges: Object.fromEntries(
    Object.entries(one.privileges).map(([name, seconds]) => [name, Math.min(seconds, expire)])) }));

// Whether a token was signed by the service, by Agora's own package, and holds what it must, by /inspect.
async function assertHolds(service, token, { expire, services }, headers, told) {
    const isShortened = 'X-API-Key' in headers;
    const answer = await request(service, '/inspect', { agent, headers, method: 'POST', body: JSON.stringify({ token }) });
    const inspected = assertJson(answer, 200);
    assert.equal(inspected.signed_here, true, told);
    assert.equal(inspected.token.expire, expire, told);
    assert.deepEqual(inspected.token.services, isShortened ? shortened(services, expire) : services, told);
    const decoded = new judge.AccessToken2();
    assert.ok(decoded.from_string(token) && decoded.verifySignature(CERTIFICATE), told);
}

// What a request may be made of and POLICY does not allow.
const NOT_ALLOWED = /(?:role '-?\d+'|expire '0') is not allowed/;

for (const [title, policy, more] of [['without a policy', null, {}], ['with a policy', POLICY, { PAGE: 'off', METRICS: 'on' }]]) {
    describe(`/openapi.json ${title}`, () => {
        const headers = policy ? { 'X-API-Key': API_KEY } : {};
        const directory = makeDirectory();
        let service;
        let description;
        let document;
        before(async () => {
            const file = path.join(directory, 'access.json');
            fs.writeFileSync(file, JSON.stringify(policy), { mode: 0o600 });
            service = await startService({ settings: { ...more, ...(policy && { ACCESS_FILE: file }) } });
            description = await describeAnswers(service);
            document = description.document;
        });
        after(() => {
            removeDirectory(directory);
            return service?.stop();
        });

        async function assertTokens(one, answer, told) {
            for (const [key, wanted] of Object.entries(wantedTokens(one))) {
                const body = JSON.parse(answer.body);
                await assertHolds(service, (body.data ?? body)[key], wanted, headers, told);
            }
        }

        for (const [name, isValid] of Object.entries(validators)) {
            it(`is valid OpenAPI 3.1, says ${name}`, async () => {
                assert.ok(await isValid(document));
                // One of them leaves schemas alone.
                const spoils = [
                    (copy) => delete copy.info.version,
                    (copy) => delete copy.paths['/ping'].get.responses['200'].description,
                    (copy) => name === 'hyperjump' && Object.assign(copy.components.schemas.User, { type: 'text' }),
                    (copy) => Object.assign(copy.paths['/rtm/{rtmuid}'].get.parameters[0], { in: 'segment' }),
                ];
                for (const spoil of spoils) {
                    const copy = structuredClone(document);
                    assert.ok(!spoil(copy) || !await isValid(copy), `${spoil}`);
                }
            });
        }

        it('names the version, and servers by its own address', () => {
            assert.equal(document.info.version, VERSION);
            assert.deepEqual(document.servers.map(({ url }) => new URL(url, 'http://x/below/openapi.json').href), ['http://x/below/']);
        });

        it('has every route as a path, and no other', async () => {
            const described = description.operations.map(({ method, path: name }) => `${method.toUpperCase()} ${name}`);
            assert.deepEqual(described, routesOf(await request(service, '/nope')));
            const ids = description.operations.map(({ operationId }) => operationId);
            assert.equal(new Set(ids).size, ids.length);
        });

        it('has every open part of a path as a parameter, and each schema in use', () => {
            for (const { path: name, parameters } of description.operations) {
                assert.deepEqual(parameters.filter((one) => one.in === 'path').map((one) => one.name),
                    [...name.matchAll(/\{(\w+)\}/g)].map(([, part]) => part));
            }
            const text = JSON.stringify(document);
            for (const [, pointer] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
                assert.ok(description.at(...pointer.split('/')), pointer);
            }
            for (const name of Object.keys(document.components.schemas)) {
                assert.ok(text.includes(`"#/components/schemas/${name}"`), `${name} is in use`);
            }
        });

        it('asks for a credential just where the service does', async () => {
            for (const operation of description.operations) {
                const one = { operation, ...exampleOf(operation) };
                const isOpen = operation.security.length === 0 || Object.keys(operation.security[0]).length === 0;
                assert.equal(operation.security.length === 0, !/tokens|inspection/.test(operation.tags));
                assert.equal((await send(service, one)).status, isOpen ? 200 : 401, operation.path);
                assert.equal((await send(service, one, { Authorization: 'Bearer x.y.z' })).status, isOpen ? 200 : 401);
                assert.equal((await send(service, one, headers)).status, 200);
            }
        });

        it('has examples that work', async () => {
            let count = 0;
            for (const operation of description.operations) {
                const { examples } = operation.requestBody?.content['application/json'] ?? { examples: { all: exampleOf(operation) } };
                for (const [name, example] of Object.entries(examples)) {
                    const one = { operation, ...(example.values ? example : { body: example.value }) };
                    assert.equal(fits(description, one), true, name);
                    const answer = await send(service, one, headers);
                    assert.equal(answer.status, 200, `${operation.path} ${name}: ${answer.body}`);
                    await assertTokens(one, answer, name);
                    count++;
                }
                const [[type, content]] = Object.entries(operation.responses[200].content);
                if ('example' in content) {
                    assert.equal(description.errors(content.example, 'paths', operation.path, operation.method,
                        'responses', '200', 'content', type, 'schema'), null, operation.path);
                }
            }
            assert.ok(count >= 20, `${count} examples`);
        });

        // Each answer is compared with the description where it arrives; see openapi.mjs.
        it('is true of each example with one value changed', async () => {
            const compared = description.compared;
            for (const operation of description.operations.filter(({ requestBody }) => requestBody)) {
                for (const { value } of Object.values(operation.requestBody.content['application/json'].examples)) {
                    for (const body of variations(value)) {
                        assert.ok((await send(service, { operation, body }, headers)).status < 500);
                    }
                }
            }
            assert.ok(description.compared - compared > 2000, `${description.compared - compared} requests`);
        });

        it(`is true of ${REQUESTS} requests made from it`, async () => {
            const tokens = [];
            for (const operation of description.operations.filter(({ parameters }) => parameters.length > 0)) {
                const body = JSON.parse((await send(service, { operation, ...exampleOf(operation) }, headers)).body);
                tokens.push(...Object.values(body));
            }
            const counts = {};
            const credentials = fc.oneof({ arbitrary: fc.constant(headers), weight: 9 },
                fc.constantFrom({}, { 'X-API-Key': 'wrong' }, { Authorization: 'Bearer x.y.z' }));
            await fc.assert(fc.asyncProperty(requests(description, tokens), credentials, async (one, shown) => {
                const { operation } = one;
                const fitting = fits(description, one);
                const answer = await send(service, one, shown);
                const told = `${operation.method} ${target(one)} ${JSON.stringify(one.body)}: ${answer.status} ${answer.body}`;
                const count = counts[operation.operationId] ??= { fit: 0, refused: 0 };
                assert.ok(answer.status < 500, told);
                if (policy && shown !== headers && operation.security.length > 0) {
                    // nginx itself refuses a zero byte.
                    assert.ok([401, 404].includes(answer.status) || target(one).includes('%00'), told);
                    return;
                }
                // What no schema can say is whether a text is a token.
                if (fitting && (operation.operationId !== 'inspect' || tokens.includes(one.body.token))) {
                    assert.ok(answer.status === 200 || (policy && NOT_ALLOWED.test(answer.body)), told);
                } else if (fitting === false) {
                    assert.ok(answer.status >= 400, told);
                }
                count[answer.status === 200 ? 'fit' : 'refused']++;
                if (answer.status === 200 && fitting) {
                    await assertTokens(one, answer, told);
                }
            }), { numRuns: REQUESTS, seed: SEED, includeErrorInReport: true });
            for (const operation of description.operations) {
                const count = counts[operation.operationId];
                assert.ok(count?.fit > 0, `${operation.path} was asked`);
                assert.ok(count.refused > 0 || !(operation.requestBody || operation.parameters.length > 0), operation.path);
            }
        });
    });
}

describe('/openapi.json where keys were not fetched yet', () => {
    it('tells of the 503', () => withPolicy({
        callers: { login: { jwt: { issuer: 'https://login.example/', audience: 'app', jwks_url: 'https://127.0.0.1:1/keys' } } },
        rules: [{ caller: 'login', services: ['rtm'], users: ['*'] }],
    }, {}, async (service) => {
        const description = await describeAnswers(service, ask);
        const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
        const claims = { iss: 'https://login.example/', aud: 'app', exp: Math.floor(Date.now() / 1000) + 60 };
        const as = { Authorization: `Bearer ${encode({ alg: 'ES256', kid: 'a' })}.${encode(claims)}.${'A'.repeat(86)}` };
        for (const where of ['/rtm/ann', '/readyz']) {
            assertError(await ask(service, where, { as }), 503);
        }
        assert.equal((await ask(service, '/token/generate', { as, body: '{}' })).status, 503);
        assert.equal(description.total(), 3);
    }));
});
