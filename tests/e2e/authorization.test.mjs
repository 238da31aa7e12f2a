// Access control in the service: who asks, what they get, what they are told, and what the log tells. What a
// rule grants in every detail is for the unit tests; here each kind of rule stands before each endpoint.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as jose from 'jose';
import {
    MESSAGES, PUBLISHER, RESPONDER, SUBSCRIBER,
    assertError, assertJson, assertTells, assertToken, assertTokens, chatApp, chatUser,
    cleanEnvironment, logObjects, makeDirectory, removeDirectory, repository, rtc, rtm, runResponder, waitFor,
} from './harness.mjs';
import { describeAnswers } from './openapi.mjs';
import {
    SECRETS, ask, parameters, parseAnswer, replaceFile, sha256, startWithPolicy, withPolicy,
} from './policies.mjs';

const ISSUER = 'https://login.example/';
const SECRET = 'a secret of the shop, long enough for HS512 too, and then some more of it';
const OWN = 'http://localhost';
const LISTED = 'https://listed.example';
const FOREIGN = 'https://foreign.example';

// ---------------------------------------------------------------- keys and policies

const kinds = [
    ['RS256', {}], ['RS384', {}], ['RS512', {}], ['PS256', {}], ['PS384', {}], ['PS512', {}],
    ['ES256', {}], ['ES384', {}], ['ES512', {}], ['EdDSA', { crv: 'Ed25519' }],
];
const pairs = Object.fromEntries(await Promise.all(kinds.map(
    async ([alg, options]) => [alg, await jose.generateKeyPair(alg, { extractable: true, ...options })])));
const strange = await jose.generateKeyPair('RS256');
const publicKeys = { keys: await Promise.all(kinds.map(async ([alg]) => (
    { ...await jose.exportJWK(pairs[alg].publicKey), alg, use: 'sig', kid: `key-${alg}` }))) };

const now = () => Math.floor(Date.now() / 1000);
const claimsOf = (more) => ({ iss: ISSUER, aud: 'app', exp: now() + 600, sub: 'ann', rooms: ['room-1', 'room-2'], ...more });

// header: more of it; key: what it is signed with.
async function jwt(more = {}, { alg = 'ES256', header = {}, key = pairs[alg]?.privateKey } = {}) {
    return new jose.SignJWT(claimsOf(more)).setProtectedHeader({ alg, kid: `key-${alg}`, ...header }).sign(key);
}
const shopJwt = (more = {}, alg = 'HS256', secret = SECRET) => jwt({ iss: 'shop', aud: 'agora', ...more },
    { alg, key: new TextEncoder().encode(secret), header: { kid: undefined } });

const bearer = (token) => ({ Authorization: `Bearer ${token}` });
const apiKey = (name) => ({ 'X-API-Key': `key-of-${name}` });
const keyCaller = (name, more = {}) => ({ api_keys: [{ id: `${name}-1`, sha256: sha256(`key-of-${name}`), ...more }] });

const SERVICES = ['rtc', 'rtm', 'streaming', 'fpa', 'chat', 'fcdn', 'apaas', 'rtm2', 'convoai', 'stt'];
const narrowRule = {
    services: SERVICES, channels: ['room-*'], users: ['ann', '42'], roles: ['subscriber'], apaas_roles: [2], max_expire: 600,
};
const policy = () => ({
    callers: {
        app: { jwt: { issuer: ISSUER, audience: ['app', 'app-2'], jwks_file: 'keys.json' } },
        twin: { jwt: { issuer: ISSUER, audience: 'twin', jwks_file: 'keys.json' } },
        pool: { jwt: { issuer: ISSUER, audience: 'client', audience_claim: 'client_id', jwks_file: 'keys.json' } },
        legacy: { jwt: { issuer: 'shop', audience: 'agora', secret_file: 'secret', cookie: 'session' } },
        lms: { api_keys: [
            { id: 'new', sha256: sha256('key-of-lms'), expires: '2999-01-01T00:00:00Z' },
            { id: 'old', sha256: sha256('old-key-of-lms') },
            { id: 'past', sha256: sha256('past-key-of-lms'), expires: '2020-01-01T00:00:00Z' }] },
        site: { server: { user: 'REMOTE_USER', groups: 'OIDC_CLAIM_groups', separator: ',' } },
        narrow: keyCaller('narrow'),
        wide: keyCaller('wide'),
        chatty: keyCaller('chatty'),
        ruleless: keyCaller('ruleless'),
        slow: keyCaller('slow'),
        quick: keyCaller('quick'),
    },
    rules: [
        { caller: 'app', services: ['rtc', 'rtm'], channels: ['${rooms}', 'lobby-*'], users: ['${sub}'], max_expire: 1800 },
        { caller: 'app', if: { role: 'teacher' }, services: ['rtc'], channels: ['${rooms}'], users: ['${sub}'],
            roles: ['publisher', 'subscriber'], max_expire: 7200 },
        { caller: ['twin', 'pool', 'legacy'], services: ['rtm'], users: ['${sub}'] },
        { caller: 'lms', services: ['rtc', 'rtm', 'chat'], channels: ['course-*'], users: ['*', '${id}-bot'],
            roles: ['publisher', 'subscriber'], max_expire: 14400 },
        { caller: 'site', if: { groups: 'staff' }, services: ['rtm'], users: ['${user}'] },
        { caller: 'narrow', ...narrowRule },
        { caller: 'wide', ...narrowRule, channels: ['*'], users: ['*'], roles: ['publisher', 'subscriber'],
            max_expire: 86400, wildcard_channel: true, any_user: true, app_tokens: true },
        { caller: 'chatty', ...narrowRule, services: ['fcdn'] },
        { caller: 'slow', ...narrowRule, rate: '1/day' },
        { caller: 'slow', ...narrowRule, services: ['rtm'] },
        { caller: 'quick', ...narrowRule, users: ['*'], rate: '2/second' },
    ],
});
const files = { 'keys.json': publicKeys, secret: `${SECRET}\n` };

// ---------------------------------------------------------------- answers

const CHALLENGE = 'Bearer realm="agora-token"';
const challenges = {
    absent: CHALLENGE,
    invalid: `${CHALLENGE}, error="invalid_token"`,
    scope: `${CHALLENGE}, error="insufficient_scope"`,
};

function assertUnauthorized(answer, kind, what) {
    assert.equal(answer.status, 401, `${what}: ${answer.body}`);
    assert.equal(answer.headers['www-authenticate'], challenges[kind], what);
    assertError(answer, 401);
}

function assertForbidden(answer, pattern, what) {
    assert.equal(answer.status, 403, `${what}: ${answer.body}`);
    assert.equal(answer.headers['www-authenticate'], challenges.scope, what);
    assert.ok(answer.body.length <= 1024, `${what}: ${answer.body.length} bytes`);
    assert.match(answer.body, pattern, what);
    assert.doesNotMatch(answer.body, /007/);
}

let service;
let description;
before(async () => {
    service = await startWithPolicy(policy(), { files });
    description = await describeAnswers(service, ask);
});
after(async () => {
    await service?.stop();
    // 401, 403 and 429 among them.
    assert.ok(description.total() > 400, `${description.total()} answers were as the service describes them`);
});

const RTM = '/rtm/ann';
// Who asks gets a signaling token for ann, with the lifetime that their rule has.
async function assertIs(as, expire, what, server) {
    const answer = await ask(service, RTM, { as, server });
    assert.equal(answer.status, 200, `${what}: ${answer.body}`);
    assertTokens(answer, { rtmToken: [rtm('ann')] }, expire);
}

// ---------------------------------------------------------------- who

describe('who', () => {
    describe('a JWT', () => {
        for (const [alg] of kinds) {
            it(`of ${alg}`, async () => assertIs(bearer(await jwt({}, { alg })), 1800, alg));
        }
        for (const alg of ['HS256', 'HS384', 'HS512']) {
            it(`of ${alg}, whose secret ends before the newline`,
                async () => assertIs(bearer(await shopJwt({}, alg)), 3600, alg));
        }
        const accepted = {
            'without kid': async () => jwt({}, { header: { kid: undefined } }),
            'for one of the audiences of the caller': async () => jwt({ aud: 'app-2' }),
            'with a list of audiences, one of them known': async () => jwt({ aud: ['else', 'app'] }),
            'that expired less than 60 s ago': async () => jwt({ exp: now() - 30 }),
            'valid in less than 60 s': async () => jwt({ nbf: now() + 30, iat: now() + 30 }),
            'that names keys of its own, which are ignored': async () => jwt({}, { header: {
                jku: 'http://127.0.0.1/', jwk: await jose.exportJWK(strange.publicKey), x5u: 'x', x5c: ['x'], x5t: 'x',
            } }),
        };
        for (const [title, make] of Object.entries(accepted)) {
            it(title, async () => assertIs(bearer(await make()), 1800, title));
        }
        it('whose audience is in another claim',
            async () => assertIs(bearer(await jwt({ aud: undefined, client_id: 'client' })), 3600));
        it('of another caller of the same issuer', async () => assertIs(bearer(await jwt({ aud: 'twin' })), 3600));
        it('after a scheme in any case, and spaces', async () => {
            for (const scheme of ['bearer ', 'BEARER ', 'bEaReR   ', ' Bearer ']) {
                await assertIs({ Authorization: `${scheme}${await jwt()} ` }, 1800, scheme);
            }
        });

        const encode = (object) => Buffer.from(JSON.stringify(object)).toString('base64url');
        const unsigned = (header, claims = claimsOf({})) => `${encode(header)}.${encode(claims)}.`;
        const confused = async () => {
            const head = `${encode({ alg: 'HS256', kid: 'key-RS256' })}.${encode(claimsOf({}))}`;
            const pem = await jose.exportSPKI(pairs.RS256.publicKey);
            return `${head}.${crypto.createHmac('sha256', pem).update(head).digest('base64url')}`;
        };
        const altered = async () => {
            const [header, , signature] = (await jwt()).split('.');
            return `${header}.${encode(claimsOf({ sub: 'eve' }))}.${signature}`;
        };
        const refused = {
            'alg none': async () => unsigned({ alg: 'none' }),
            'alg None with a kid': async () => unsigned({ alg: 'None', kid: 'key-ES256' }),
            'no signature': async () => (await jwt()).replace(/[^.]*$/, ''),
            'an HMAC with the public key': confused,
            'claims other than those that were signed': altered,
            'a key that is not published': async () => jwt({}, { alg: 'RS256', key: strange.privateKey }),
            "another key's kid": async () => jwt({}, { header: { kid: 'key-RS256' } }),
            'an unknown kid': async () => jwt({}, { header: { kid: 'nobody' } }),
            crit: async () => {
                const sign = new jose.SignJWT(claimsOf({})).setProtectedHeader({ alg: 'ES256', crit: ['exp'], exp: 1 });
                return sign.sign(pairs.ES256.privateKey, { crit: { exp: true } });
            },
            'no exp': async () => jwt({ exp: undefined }),
            'exp that is text': async () => jwt({ exp: String(now() + 600) }),
            'expired more than 60 s ago': async () => jwt({ exp: now() - 61 }),
            'not valid before 60 s and more': async () => jwt({ nbf: now() + 90 }),
            'issued in the future': async () => jwt({ iat: now() + 90 }),
            'no iss': async () => jwt({ iss: undefined }),
            'another iss': async () => jwt({ iss: `${ISSUER}x` }),
            'no aud': async () => jwt({ aud: undefined }),
            'another aud': async () => jwt({ aud: 'other' }),
            'an empty list of audiences': async () => jwt({ aud: [] }),
            'an aud that fits two callers': async () => jwt({ aud: ['app', 'twin'] }),
            'an aud and a client_id that fit two callers': async () => jwt({ client_id: 'client' }),
            "a caller's audience by another's key": async () => shopJwt({ iss: ISSUER, aud: 'app' }),
            'another secret': async () => shopJwt({}, 'HS256', `${SECRET}\n`),
            'a secret of which a byte is missing': async () => shopJwt({}, 'HS256', SECRET.slice(1)),
            'padding': async () => (await jwt({}, { alg: 'EdDSA' })).replace(/$/, '=='),
            'the other alphabet of base64': async () => {
                for (;;) {
                    const token = await jwt({ jti: crypto.randomUUID() });
                    const [header, payload, signature] = token.split('.');
                    if (/[-_]/.test(signature)) {
                        return [header, payload, signature.replaceAll('-', '+').replaceAll('_', '/')].join('.');
                    }
                }
            },
            'four parts': async () => `${await jwt()}.x`,
            'two parts': async () => (await jwt()).replace(/\.[^.]*$/, ''),
            'a space within': async () => (await jwt()).replace('.', '. '),
            'two of them': async () => `${await jwt()}, Bearer ${await jwt()}`,
            'more than 8 KiB': async () => jwt({ more: 'x'.repeat(8192) }),
            '60 KiB': async () => jwt({ more: 'x'.repeat(45000) }),
            'claims that are no object': async () => new jose.CompactSign(Buffer.from('[1]'))
                .setProtectedHeader({ alg: 'ES256', kid: 'key-ES256' }).sign(pairs.ES256.privateKey),
            'a claim twice': async () => new jose.CompactSign(Buffer.from(
                JSON.stringify(claimsOf({})).replace(/}$/, ',"sub":"eve"}')))
                .setProtectedHeader({ alg: 'ES256', kid: 'key-ES256' }).sign(pairs.ES256.privateKey),
            'words of no form': async () => 'x',
        };
        for (const [title, make] of Object.entries(refused)) {
            it(`not with ${title}`, async () => {
                const token = await make();
                const answer = await ask(service, RTM, { as: bearer(token) });
                assertUnauthorized(answer, 'invalid', title);
                // Whether it was expired or forged is for the log.
                assert.match(assertError(answer, 401), /^the credential is not valid: it is expired, or not one/);
            });
        }
    });

    describe('an API key', () => {
        it('in its own header, or as a bearer; the new one and the old one', async () => {
            await assertIs(apiKey('lms'), 3600);
            await assertIs({ 'X-API-Key': ' old-key-of-lms ' }, 3600);
            await assertIs(bearer('key-of-lms'), 3600);
        });
        const refused = {
            'one that nobody has': { 'X-API-Key': 'nobody' },
            'one that has expired': { 'X-API-Key': 'past-key-of-lms' },
            'one that has expired, as a bearer': bearer('past-key-of-lms'),
            'the hash itself': { 'X-API-Key': sha256('key-of-lms') },
            'one with a byte more': { 'X-API-Key': 'key-of-lmsx' },
            'one of 60 KiB': { 'X-API-Key': 'k'.repeat(60000) },
            'two in two headers': { 'X-API-Key': ['key-of-lms', 'key-of-lms'] },
        };
        for (const [title, as] of Object.entries(refused)) {
            it(`not ${title}`, async () => assertUnauthorized(await ask(service, RTM, { as }), 'invalid', title));
        }
        it('not a JWT in its header', async () => {
            assertUnauthorized(await ask(service, RTM, { as: { 'X-API-Key': await jwt() } }), 'invalid');
        });
    });

    it('a cookie counts for the caller that names it', async () => {
        const token = await shopJwt();
        await assertIs({ Cookie: `session=${token}` }, 3600);
        await assertIs({ Cookie: `a=b; session="${token}"; other=session=x` }, 3600);
        const rows = {
            'two of the name': [`session=${token}; session=${token}`, 'invalid'],
            "a bearer of the caller's in another cookie": [`sessio=${token}`, 'absent'],
            'an API key': ['session=key-of-lms', 'invalid'],
            'the JWT of another caller': [`session=${await jwt()}`, 'invalid'],
            'an expired one': [`session=${await shopJwt({ exp: now() - 100 })}`, 'invalid'],
            'an empty one': ['session=', 'absent'],
            'the name in other letters': [`Session=${token}`, 'absent'],
        };
        for (const [title, [Cookie, kind]] of Object.entries(rows)) {
            assertUnauthorized(await ask(service, RTM, { as: { Cookie } }), kind, title);
        }
    });

    describe('what the web server found out', () => {
        const staff = { REMOTE_USER: 'ann', OIDC_CLAIM_groups: 'guest,staff' };
        const basic = { Authorization: `Basic ${Buffer.from('ann:x').toString('base64')}` };
        it('counts, with lists in parameters', async () => {
            await assertIs({}, 3600, 'staff', staff);
            assertForbidden(await ask(service, RTM, { server: { ...staff, OIDC_CLAIM_groups: 'guest,staf' } }), /groups/);
        });
        it('is no header that a client sends', async () => {
            assertUnauthorized(await ask(service, RTM, {
                as: { 'Remote-User': 'ann', 'OIDC-Claim-groups': 'staff' },
            }), 'absent');
        });
        it('beside Basic counts where AUTH_TYPE says that it was checked', async () => {
            const checked = { ...staff, AUTH_TYPE: 'Basic' };
            await assertIs(basic, 3600, 'checked', checked);
            for (const AUTH_TYPE of [[], '']) {
                for (const scheme of ['Basic', 'basic', ' BASIC']) {
                    const as = { Authorization: basic.Authorization.replace('Basic', scheme) };
                    assertUnauthorized(await ask(service, RTM, { as, server: { ...staff, AUTH_TYPE } }), 'invalid', scheme);
                }
            }
        });
        it('twice is refused, whatever the values', async () => {
            for (const REMOTE_USER of [['ann', 'ann'], ['eve', 'ann'], ['ann', ''], ['', 'ann']]) {
                assertUnauthorized(await ask(service, RTM, { server: { ...staff, REMOTE_USER } }), 'invalid', REMOTE_USER);
            }
            assertUnauthorized(await ask(service, RTM, {
                server: { ...staff, OIDC_CLAIM_groups: ['guest', 'staff'] },
            }), 'invalid');
        });
        it('is absent where it is empty', async () => {
            assertUnauthorized(await ask(service, RTM, { server: { ...staff, REMOTE_USER: '' } }), 'absent');
        });
    });

    it('the first credential decides, and there is no fall-back', async () => {
        const good = { bearer: await jwt({ sub: 'bea' }), cookie: await shopJwt({ sub: 'coo' }) };
        const server = { REMOTE_USER: 'sue', OIDC_CLAIM_groups: 'staff' };
        const steps = [
            ['Authorization', `Bearer ${good.bearer}`, 'Bearer x', 'bea'],
            ['X-API-Key', 'key-of-narrow', 'x', 'kay'],
            ['Cookie', `session=${good.cookie}`, 'session=x', 'coo'],
        ];
        for (const [i, [name, value, bad, user]] of steps.entries()) {
            const later = Object.fromEntries(steps.slice(i + 1).map(([other, its]) => [other, its]));
            const answer = await ask(service, `/rtm/${user}`, { as: { [name]: value, ...later }, server });
            assert.equal(answer.status, user === 'kay' ? 403 : 200, answer.body);
            assertUnauthorized(await ask(service, RTM, { as: { [name]: bad, ...later }, server }), 'invalid', name);
            // What is empty, or of another scheme, is absent.
            for (const absent of name === 'Authorization' ? ['', 'Bearer', 'Bearer  ', 'Token x', 'Digest a=b'] : ['', ' ']) {
                const next = await ask(service, '/rtm/nobody', { as: { [name]: absent, ...later }, server });
                assert.equal(next.status, 403, `${name}: ${absent}: ${next.body}`);
            }
        }
        assert.equal((await ask(service, '/rtm/sue', { server })).status, 200);
    });

    it('a credential that is sent twice is refused', async () => {
        const token = await jwt();
        const rows = [
            { Authorization: [`Bearer ${token}`, `Bearer ${token}`] },
            { Authorization: ['Basic x', `Bearer ${token}`] },
            { Authorization: [`Bearer ${token}`, ''] },
            { Cookie: [`session=${await shopJwt()}`, 'a=b'] },
        ];
        for (const as of rows) {
            assertUnauthorized(await ask(service, RTM, { as }), 'invalid', JSON.stringify(as));
        }
    });
});

// ---------------------------------------------------------------- pages of other sites

describe('what a browser sends along', () => {
    // [CORS_ALLOW_ORIGIN, Origin, status for cookies and the web server's login, for a bearer]
    const rows = [
        ['', undefined, 200, 200],
        ['', '', 200, 200],
        ['', OWN, 200, 200],
        ['', 'https://localhost', 200, 200],
        ['', FOREIGN, 403, 403],
        ['', `${FOREIGN}/localhost`, 403, 403],
        ['', 'null', 403, 403],
        [LISTED, undefined, 200, 200],
        [LISTED, OWN, 200, 200],
        [LISTED, LISTED, 200, 200],
        [LISTED, FOREIGN, 403, 403],
        [LISTED, `${LISTED}.example`, 403, 403],
        ['*', undefined, 200, 200],
        ['*', OWN, 200, 200],
        ['*', FOREIGN, 401, 200],
        ['*', '*', 401, 200],
        ['*', 'null', 401, 200],
        [`${LISTED},*`, LISTED, 200, 200],
        [`${LISTED},*`, FOREIGN, 401, 200],
    ];
    for (const allow of new Set(rows.map(([first]) => first))) {
        it(`CORS_ALLOW_ORIGIN=${allow}`, () => withPolicy(policy(), {
            files, settings: { CORS_ALLOW_ORIGIN: allow },
        }, async (its) => {
            const token = await shopJwt();
            for (const [, Origin, ambient, withBearer] of rows.filter(([first]) => first === allow)) {
                const origin = Origin === undefined ? {} : { Origin };
                const asked = [
                    ['cookie', ambient, { as: { Cookie: `session=${token}`, ...origin } }],
                    ['login', ambient, { as: origin, server: { REMOTE_USER: 'ann', OIDC_CLAIM_groups: 'staff' } }],
                    ['bearer', withBearer, { as: { ...bearer(token), ...origin } }],
                    ['key', withBearer, { as: { ...apiKey('lms'), ...origin } }],
                ];
                for (const [what, status, options] of asked) {
                    const answer = await ask(its, RTM, options);
                    assert.equal(answer.status, status, `${what} from ${Origin}: ${answer.body}`);
                    if (status === 401) {
                        assertUnauthorized(answer, 'absent');
                    }
                }
            }
        }));
    }

    const withoutAmbient = () => {
        const its = policy();
        delete its.callers.site;
        delete its.callers.legacy.jwt.cookie;
        its.rules = its.rules.filter(({ caller }) => caller !== 'site');
        return its;
    };
    const HEADERS = 'Origin, Content-Type, Authorization, X-API-Key';
    for (const [title, its, allow, origin, credentials] of [
        ['a listed origin and a cookie', policy(), LISTED, LISTED, 'true'],
        ['a list with *', policy(), `${LISTED},*`, LISTED, undefined],
        ['* alone', policy(), '*', FOREIGN, undefined],
        ['no cookie or login', withoutAmbient(), LISTED, LISTED, undefined],
    ]) {
        it(`the headers for ${title}, on preflights and all answers`, () => withPolicy(its, {
            files, settings: { CORS_ALLOW_ORIGIN: allow },
        }, async (running) => {
            const as = { Origin: origin };
            const preflight = { ...as, 'Access-Control-Request-Method': 'POST',
                'Access-Control-Request-Headers': 'authorization' };
            for (const [answer, status] of [
                [await ask(running, '/getToken', { method: 'OPTIONS', as: preflight }), 204],
                [await ask(running, '/inspect', { method: 'OPTIONS', as: preflight }), 204],
                [await ask(running, RTM, { as }), 401],
                [await ask(running, '/rtm/eve', { as: { ...as, ...bearer(await jwt()) } }), 403],
                [await ask(running, RTM, { as: { ...as, ...bearer(await jwt()) } }), 200],
                [await ask(running, '/ping', { as }), 200],
            ]) {
                assert.equal(answer.status, status, answer.body);
                assert.equal(answer.headers['access-control-allow-origin'], origin);
                assert.equal(answer.headers['access-control-allow-headers'], HEADERS);
                assert.equal(answer.headers['access-control-allow-credentials'], credentials);
                assert.match(answer.headers.vary, /Origin/);
            }
        }));
    }
});

// ---------------------------------------------------------------- what: each rule over each endpoint

const segment = encodeURIComponent;
// What each endpoint is asked for, and what its token must hold; `lacks` are the parts of a question that it
// does not have.
const endpoints = {
    '/rtc': {
        ask: (q) => [`/rtc/${segment(q.channel)}/${q.role}/userAccount/${segment(q.user)}?${q.query}`],
        holds: (q) => ({ rtcToken: [rtc(q.channel, q.user, q.role === 'publisher' ? PUBLISHER : SUBSCRIBER)] }),
    },
    '/rtc with a number': {
        ask: (q) => [`/rtc/${segment(q.channel)}/${q.role}/uid/${q.user === 'ann' ? 42 : 43}?${q.query}`],
        holds: (q) => ({ rtcToken: [rtc(q.channel, q.user === 'ann' ? 42 : 43,
            q.role === 'publisher' ? PUBLISHER : SUBSCRIBER)] }),
    },
    '/rtm': {
        lacks: ['channel', 'role'],
        ask: (q) => [`/rtm/${segment(q.user)}?${q.query}`],
        holds: (q) => ({ rtmToken: [rtm(q.user)] }),
    },
    '/rte': {
        ask: (q) => [`/rte/${segment(q.channel)}/${q.role}/userAccount/${segment(q.user)}?${q.query}`],
        holds: (q) => ({
            rtcToken: [rtc(q.channel, q.user, q.role === 'publisher' ? PUBLISHER : SUBSCRIBER)],
            rtmToken: [rtc(q.channel, q.user, MESSAGES), rtm(q.user)],
        }),
    },
    '/rte with a signaling user': {
        ask: (q) => [`/rte/${segment(q.channel)}/${q.role}/uid/42/${segment(q.user)}?${q.query}`],
        holds: (q) => ({
            rtcToken: [rtc(q.channel, 42, q.role === 'publisher' ? PUBLISHER : SUBSCRIBER)],
            rtmToken: [rtc(q.channel, q.user, MESSAGES), rtm(q.user)],
        }),
    },
    '/chat/account': {
        lacks: ['channel', 'role'],
        ask: (q) => [`/chat/account/${segment(q.user)}?${q.query}`],
        holds: (q) => ({ chatToken: [chatUser(q.user)] }),
    },
    '/getToken rtc': {
        ask: (q) => ['/getToken', { tokenType: 'rtc', channel: q.channel, role: q.role, uid: q.user, ...q.body }],
    },
    '/getToken rtm with a channel': {
        lacks: ['role'],
        ask: (q) => ['/getToken', { tokenType: 'rtm', channel: q.channel, uid: q.user, ...q.body }],
    },
    '/getToken chat': {
        lacks: ['channel', 'role'],
        ask: (q) => ['/getToken', { tokenType: 'chat', uid: q.user, ...q.body }],
    },
    '/getToken rtc-rtm': {
        ask: (q) => ['/getToken', { tokenType: 'rtc-rtm', channel: q.channel, role: q.role, uid: q.user, ...q.body }],
    },
    '/getToken convoai': {
        ask: (q) => ['/getToken', { tokenType: 'convoai', channel: q.channel, role: q.role, uid: q.user, ...q.body }],
    },
    '/getToken apaas': {
        lacks: ['role'],
        ask: (q) => ['/getToken', { tokenType: 'apaas', room: q.channel, role: 2, uid: q.user, ...q.body }],
    },
    '/getToken rtm2': {
        lacks: ['role'],
        ask: (q) => ['/getToken', { tokenType: 'rtm2', uid: q.user,
            permissions: { messageChannels: { read: [q.channel] } }, ...q.body }],
    },
    '/token/generate rtc and rtm': {
        ask: (q) => ['/token/generate', { channelName: q.channel, uid: q.user, tokenExpireTs: q.body.expire,
            serviceRtc: { enable: true, role: q.role === 'publisher' ? 1 : 2 }, serviceRtm: { enable: true } }],
    },
    '/token/generate chat': {
        lacks: ['channel', 'role'],
        ask: (q) => ['/token/generate', { tokenExpireTs: q.body.expire,
            serviceChat: { enableUser: true, userUuid: q.user } }],
    },
    '/token/generate apaas': {
        lacks: ['role'],
        ask: (q) => ['/token/generate', { tokenExpireTs: q.body.expire,
            serviceApaas: { enableRoomUser: true, roomUuid: q.channel, userUuid: q.user, role: 2 } }],
    },
};

function question({ expire, ...more } = {}) {
    return {
        channel: 'room-1', user: 'ann', role: 'subscriber',
        query: expire === undefined ? '' : `expiry=${expire}`, body: { expire }, ...more,
    };
}
const askFor = (endpoint, q, options) => {
    const [target, body] = endpoint.ask(q);
    return ask(service, target, { body, ...options });
};
const tokensOf = (answer) => {
    const body = JSON.parse(answer.body);
    return Object.values(body.data ?? body).filter((value) => /^007/.test(value));
};

// What is asked for beyond the rule, and how the answer tells the field and what is allowed.
const beyond = [
    ['services', 'chatty', {}, /service '\w+' is not allowed.*'fcdn'/],
    ['channels', 'narrow', { channel: 'hall' }, /channel 'hall' is not allowed.*'room-\*'/, 'channel'],
    ['wildcard_channel', 'narrow', { channel: '*' }, /\* in it/, 'channel'],
    ['users', 'narrow', { user: 'eve' }, /user '(eve|43)' is not allowed.*'ann'/],
    ['roles', 'narrow', { role: 'publisher' }, /role 'publisher' is not allowed.*'subscriber'/, 'role'],
    ['max_expire', 'narrow', { expire: 601 }, /expire '601' is not allowed.*1 to 600 seconds/],
    ['caller', 'ruleless', {}, /caller 'ruleless' has no rule/],
];

for (const [name, endpoint] of Object.entries(endpoints)) {
    describe(`what: ${name}`, () => {
        it('gets what a rule grants, no expiry asked: the most that the rule has', async () => {
            for (const [expire, granted] of [[undefined, 600], [600, 600], [7, 7]]) {
                const q = question({ expire });
                const answer = await askFor(endpoint, q, { as: apiKey('narrow') });
                assert.equal(answer.status, 200, answer.body);
                if (endpoint.holds) {
                    assertTokens(answer, endpoint.holds(q), granted);
                }
                for (const token of tokensOf(answer)) {
                    const inspected = await ask(service, '/inspect', { as: apiKey('ruleless'), body: { token } });
                    const { valid, token: read } = assertJson(inspected, 200);
                    assert.ok(valid);
                    assert.equal(read.expire, granted);
                    assert.ok(read.services.length > 0);
                    for (const { privileges } of read.services) {
                        assert.ok(Object.values(privileges ?? {}).every((expires) => expires <= granted), inspected.body);
                    }
                }
            }
        });
        it('no expiry asked: the default, where the rule has more', async () => {
            const answer = await askFor(endpoint, question(), { as: apiKey('wide') });
            assert.equal(answer.status, 200, answer.body);
            if (endpoint.holds) {
                assertTokens(answer, endpoint.holds(question()), 3600);
            }
        });
        for (const [field, caller, more, pattern, part] of beyond) {
            if (endpoint.lacks?.includes(part)) {
                continue;
            }
            it(`${field}: 403, and with a rule that has it 200`, async () => {
                const q = question(more);
                assertForbidden(await askFor(endpoint, q, { as: apiKey(caller) }), pattern);
                const answer = await askFor(endpoint, q, { as: apiKey('wide') });
                assert.equal(answer.status, 200, answer.body);
                if (endpoint.holds) {
                    assertTokens(answer, endpoint.holds(q), more.expire ?? 3600);
                }
            });
        }
        it('an expiry of 0: 403, or the default where that is how it is left out', async () => {
            const answer = await askFor(endpoint, question({ expire: 0 }), { as: apiKey('wide') });
            if (name.startsWith('/token') || name.startsWith('/getToken')) {
                assert.ok([200, 403].includes(answer.status), answer.body);
                for (const token of answer.status === 200 ? tokensOf(answer) : []) {
                    const read = assertJson(await ask(service, '/inspect', { as: apiKey('wide'), body: { token } }), 200);
                    assert.equal(read.token.expire, 3600);
                }
            } else {
                assertForbidden(answer, /expire '0' is not allowed/);
            }
        });
        it('if: 403 where it does not hold', async () => {
            const server = { REMOTE_USER: 'ann', OIDC_CLAIM_groups: 'guest' };
            assertForbidden(await askFor(endpoint, question(), { server }), /'groups'/);
        });
        it('rate: 429 once it is used up, by whatever endpoint', () => withPolicy(policy(), { files }, async (its) => {
            const [target, body] = endpoint.ask(question());
            assert.equal((await ask(its, target, { body, as: apiKey('slow') })).status, 200);
            const answer = await ask(its, target, { body, as: apiKey('slow') });
            assert.equal(answer.status, 429, answer.body);
            assert.ok(answer.headers['retry-after'] > 86000 && answer.headers['retry-after'] <= 86400);
            assert.doesNotMatch(answer.body, /007/);
            assert.equal((await ask(its, RTM, { as: apiKey('slow') })).status, 429, 'no later rule is tried');
        }));
    });
}

describe('what is for no single channel or user', () => {
    // [target, body, the field, the pattern of the refusal, what the token holds]
    const rows = [
        ['/chat/app', undefined, 'app_tokens', /no single user/, { chatToken: [chatApp()] }],
        ['/getToken', { tokenType: 'chat' }, 'app_tokens', /no single user/, { token: [chatApp()] }],
        ['/token/generate', { serviceChat: { enableApp: true } }, 'app_tokens', /no single user/],
        ['/token/generate', { serviceApaas: { enableApp: true } }, 'app_tokens', /no single user/],
        ['/getToken', { tokenType: 'fpa' }, 'app_tokens', /no single user/],
        ['/rtc/room-1/subscriber/uid/0', undefined, 'any_user', /any user/, { rtcToken: [rtc('room-1', '', SUBSCRIBER)] }],
        ['/rtc/room-1/subscriber/uid//', undefined, 'any_user', /any user/],
        ['/rtc/room-1/subscriber/userAccount/000', undefined, 'any_user', /any user/],
        ['/token/generate', { channelName: 'room-1', uid: '000', serviceRtc: { enable: true } }, 'any_user', /any user/],
        ['/rtc/*/subscriber/uid/42', undefined, 'wildcard_channel', /without \*/, { rtcToken: [rtc('*', 42, SUBSCRIBER)] }],
        ['/getToken', { tokenType: 'rtm2', uid: 'ann', permissions: { messageChannels: { read: ['room-*'] } } },
            'wildcard_channel', /without \*/],
        ['/getToken', { tokenType: 'rtm2', uid: 'ann', permissions: { users: { read: ['eve'] } } }, 'users', /user 'eve'/],
        ['/getToken', { tokenType: 'apaas', uid: 'ann', room: 'room-1', role: 3 }, 'apaas_roles', /role '3'.*'2'/],
    ];
    for (const [target, body, field, pattern, holds] of rows) {
        it(`${target} ${body ? JSON.stringify(body) : ''}: ${field}`, async () => {
            assertForbidden(await ask(service, target, { body, as: apiKey('narrow') }), pattern);
            const answer = await ask(service, target, { body, as: apiKey('wide') });
            if (field === 'apaas_roles') {
                assertForbidden(answer, pattern);
                return;
            }
            assert.equal(answer.status, 200, answer.body);
            if (holds) {
                assertTokens(answer, holds, 3600);
            }
        });
    }
});

describe('what: claims in a rule', () => {
    const rows = [
        ['/rtc/room-2/subscriber/userAccount/ann', {}, 200],
        ['/rtc/lobby-9/subscriber/userAccount/ann', {}, 200],
        ['/rtc/room-3/subscriber/userAccount/ann', {}, /channel 'room-3'.*'room-1', 'room-2', 'lobby-\*'/],
        ['/rtc/room-1/subscriber/userAccount/bob', {}, /user 'bob'.*'ann'/],
        ['/rtc/room-1/subscriber/uid/42', { sub: 42 }, 200],
        ['/rtc/room-1/publisher/userAccount/ann', {}, /role 'publisher'/],
        ['/rtc/room-1/publisher/userAccount/ann', { role: 'teacher' }, 200],
        ['/rtc/room-1/publisher/userAccount/ann', { role: ['pupil', 'teacher'] }, 200],
        ['/rtc/room-1/publisher/userAccount/ann', { role: 'Teacher' }, /role 'publisher'/],
        ['/rtc/room-1/publisher/userAccount/ann', { role: { teacher: true } }, /role 'publisher'/],
        ['/rtc/room-1/subscriber/userAccount/ann?expiry=7200', { role: 'teacher' }, 200],
        ['/rtc/room-1/subscriber/userAccount/ann?expiry=7201', { role: 'teacher' }, /expire '7201'.*1 to 7200 seconds/],
        ['/rtc/any/subscriber/userAccount/ann', { rooms: '*' }, /channel 'any'/],
        ['/rtc/any/subscriber/userAccount/ann', { rooms: ['a*', 'an?'] }, /channel 'any'/],
        ['/rtc/room-1/subscriber/userAccount/ann', { sub: '*' }, /user 'ann'/],
        ['/rtc/room-1/subscriber/userAccount/ann', { sub: undefined }, /user 'ann'.*none/],
        ['/rtc/true/subscriber/userAccount/ann', { rooms: [true, null, {}, 1.5] }, /channel 'true'/],
        ['/rtm/new-bot', undefined, 200],
        ['/rtm/ANN', {}, /user 'ANN'/],
    ];
    for (const [target, claims, wanted] of rows) {
        it(`${target} ${JSON.stringify(claims)}`, async () => {
            const as = claims ? bearer(await jwt(claims)) : apiKey('lms');
            const answer = await ask(service, target, { as });
            if (wanted === 200) {
                assert.equal(answer.status, 200, answer.body);
                assert.equal(tokensOf(answer).length, 1);
            } else {
                assertForbidden(answer, wanted);
            }
        });
    }
});

// ---------------------------------------------------------------- answers

describe('answers', () => {
    // The refusal of an unknown path lists every route.
    const routes = async () => assertError(await ask(service, '/nope', { as: apiKey('wide') }), 404)
        .replace(/^.*: use /, '').split(/, | or /).map((route) => route.split(' '));

    const OPEN = ['/', '/ping', '/livez', '/readyz', '/openapi.json', '/metrics'];

    it('every route but those about the service itself asks who comes, before it looks at what is asked', async () => {
        const list = await routes();
        assert.ok(list.length >= 10, JSON.stringify(list));
        for (const [method, pattern] of list) {
            const target = pattern.replaceAll(/:\w+/g, '%7F');
            const options = { method, body: method === 'POST' ? '{"tokenType":"phone"' : '' };
            const answer = await ask(service, target, options);
            if (OPEN.includes(pattern)) {
                assert.equal(answer.status, 200);
                continue;
            }
            assert.equal(answer.status, 401, target);
            assert.equal(answer.headers['www-authenticate'], challenges.absent);
            const forged = await ask(service, target, { ...options, as: bearer('x.y.z') });
            assert.equal(forged.status, 401, target);
            assert.equal(forged.headers['www-authenticate'], challenges.invalid);
            assert.equal((await ask(service, `${target}?expiry=x`, { ...options, as: apiKey('wide') })).status, 400, target);
            if (method === 'GET') {
                const head = await ask(service, target, { method: 'HEAD' });
                assert.equal(head.status, 401, target);
                assert.equal(head.body, '');
            }
            for (const slashed of [`${target}/`, `/${target}`]) {
                assert.equal((await ask(service, slashed, options)).status, 401, slashed);
            }
            assert.equal((await ask(service, target, { method: 'OPTIONS' })).status, 204);
        }
    });

    it('/token/generate has its own form, with the true status', async () => {
        const body = { channelName: 'hall', uid: 'ann', serviceRtc: { enable: true } };
        const rows = [[{}, 401, challenges.absent], [bearer('x'), 401, challenges.invalid],
            [apiKey('narrow'), 403, challenges.scope]];
        for (const [as, status, challenge] of rows) {
            const answer = await ask(service, '/token/generate', { as, body });
            const { message, ...rest } = assertJson(answer, status);
            assert.deepEqual(rest, { code: -1, data: '' });
            assert.match(message, /credential|channel 'hall'/);
            assert.equal(answer.headers['www-authenticate'], challenge);
        }
        const slow = () => ask(service, '/token/generate', {
            as: apiKey('slow'), body: { ...body, channelName: 'room-1' },
        });
        await slow();
        const answer = await slow();
        assert.match(assertJson(answer, 429).message, /^too many tokens: try again in \d+ seconds$/);
        assert.match(answer.headers['retry-after'], /^\d+$/);
    });

    it('/inspect is for any caller, and for callers alone', async () => {
        const { rtmToken: token } = JSON.parse((await ask(service, RTM, { as: apiKey('narrow') })).body);
        const body = { token };
        assert.ok(assertJson(await ask(service, '/inspect', { body, as: apiKey('ruleless') }), 200).valid);
        assertUnauthorized(await ask(service, '/inspect', { body }), 'absent');
        assertUnauthorized(await ask(service, '/inspect', { body, as: apiKey('nobody') }), 'invalid');
        // An Agora token is no credential.
        assertUnauthorized(await ask(service, '/inspect', { body, as: bearer(token) }), 'invalid');
    });

    it('a 403 stays within 1 KiB however much the caller may have, or asks for', async () => {
        const rooms = Array.from({ length: 150 }, (_, i) => `room-"\\\n${i}`);
        const as = bearer(await jwt({ rooms }));
        for (const channel of ['hall', '"'.repeat(64)]) {
            const body = { tokenType: 'rtc', channel, uid: 'ann' };
            if (channel !== 'hall') {
                body.channel = '!'.repeat(64);
            }
            assertForbidden(await ask(service, '/getToken', { as, body }), /channel '/);
        }
        assertForbidden(await ask(service, `/rtm/${'%22'.repeat(64)}`, { as }), /user '/);
    });
});

// ---------------------------------------------------------------- rates

describe('rates', () => {
    it('hold over all workers, for each identity, and over a reload', () => withPolicy(policy(), {
        files, settings: { WORKERS: '4' },
    }, async (its) => {
        const statuses = async (count, as) => (await Promise.all(Array.from({ length: count },
            () => ask(its, RTM, { as })))).map(({ status }) => status).filter((status) => status === 200).length;
        assert.equal(await statuses(12, apiKey('slow')), 1);
        await its.hangUp(/settings were read again/);
        assert.equal(await statuses(8, apiKey('slow')), 0);
        // Another rule, another bucket; and it fills again.
        const began = Date.now();
        const granted = await statuses(16, apiKey('quick'));
        const most = 2 + Math.ceil((Date.now() - began) / 500);
        assert.ok(granted >= 2 && granted <= most, `${granted} of ${most}`);
        const refused = await waitFor('a 429', async () => {
            const answer = await ask(its, RTM, { as: apiKey('quick') });
            return answer.status === 429 && answer;
        });
        assert.equal(refused.headers['retry-after'], '1');
        await sleep(1000);
        assert.equal((await ask(its, RTM, { as: apiKey('quick') })).status, 200);
    }));

    it('are of each subject, also where that is a number', async () => {
        const its = policy();
        its.rules.unshift({ caller: 'app', services: ['rtm'], users: ['${sub}'], rate: '1/day' });
        await withPolicy(its, { files }, async (running) => {
            const get = async (sub) => (await ask(running, `/rtm/${sub}`, { as: bearer(await jwt({ sub })) })).status;
            for (const sub of ['ann', 'bob', 41, 42]) {
                assert.equal(await get(sub), 200, sub);
                assert.equal(await get(sub), 429, sub);
            }
        });
    });
});

// ---------------------------------------------------------------- log

describe('the log', () => {
    const audit = (lines) => lines.filter((line) => / (granted|refused)\b/.test(line));
    const auditOf = async (action, its = service) => audit(await its.logged(/ (granted|refused)\b/, action));

    it('has one line for each decision, with all that it was about', async () => {
        const token = await jwt({ role: 'teacher' });
        const rows = [
            [() => ask(service, '/rtc/room-1/publisher/userAccount/ann', { as: bearer(token) }),
                /info: granted caller="app" subject="ann" services=rtc channel="room-1" user="ann" role=publisher expire=3600 rule=1 address="192\.0\.2\.7"$/],
            [() => ask(service, '/rte/room-1/subscriber/uid/42/ann?expiry=60', { as: apiKey('narrow') }),
                /info: granted caller="narrow" subject="narrow-1" services=rtc,rtc,rtm channel="room-1" user="42","ann" role=subscriber expire=60 rule=5 /],
            [() => ask(service, '/rtc/hall/subscriber/userAccount/ann', { as: bearer(token) }),
                /warning: refused caller="app" subject="ann" services=rtc channel="hall" user="ann" role=subscriber reason="channel 'hall' is not allowed: [^"]*" address="192\.0\.2\.7"$/],
            [() => ask(service, RTM), /warning: refused reason="the request has no credential" address="192\.0\.2\.7"$/],
            [async () => ask(service, RTM, { as: bearer(await jwt({ exp: now() - 100 })) }),
                /warning: refused caller="app" reason="expired" address=/],
            [async () => ask(service, RTM, { as: bearer(await jwt({}, { key: pairs.ES384.privateKey, alg: 'ES384', header: { kid: 'key-ES256' } })) }),
                /warning: refused caller="app" reason="the caller has no key for the JWT's alg and kid" address=/],
            [async () => ask(service, RTM, { as: bearer(await jwt({ aud: ['app', 'twin'] })) }),
                /warning: refused reason="the JWT's issuer and audience are those of several callers" address=/],
            [() => ask(service, RTM, { as: { 'X-API-Key': 'past-key-of-lms' } }),
                /warning: refused caller="lms" subject="past" reason="the API key has expired" address=/],
            [() => ask(service, RTM, { as: apiKey('nobody') }), /warning: refused reason="there is no such API key" address=/],
        ];
        for (const [action, pattern] of rows) {
            const lines = await auditOf(action);
            assert.equal(lines.length, 1, lines.join('\n'));
            assert.match(lines[0], pattern);
        }
    });

    it('tells a rate that is used up', () => withPolicy(policy(), { files }, async (its) => {
        await ask(its, RTM, { as: apiKey('slow') });
        const [line] = await auditOf(() => ask(its, RTM, { as: apiKey('slow') }), its);
        assert.match(line, /warning: refused caller="slow" .* rule=8 reason="the rate of the rule is used up" address=/);
    }));

    it('no channel, user, subject or address can forge a part of a line', async () => {
        const evil = 'x" rule=9\nforged \u001b[2J\u009b caller="lms';
        const user = 'x" rule=9 caller="lms"';
        const rows = [
            async () => ask(service, `/rtm/${segment(user)}`, { as: bearer(await jwt({ sub: user })) }),
            async () => ask(service, '/getToken', {
                as: bearer(await jwt({ rooms: [user] })), body: { tokenType: 'apaas', uid: user, room: user },
            }),
            async () => ask(service, '/rtm/eve', { as: bearer(await jwt({ sub: evil })) }),
            async () => ask(service, '/rtm/eve', { server: { REMOTE_ADDR: evil } }),
            async () => ask(service, '/rtm/eve', { server: { REMOTE_USER: evil } }),
        ];
        for (const [i, action] of rows.entries()) {
            const lines = await auditOf(action);
            assert.equal(lines.length, 1, `${i}: ${lines.join('\n')}`);
            assert.match(lines[0], /^[\x20-\x7e]*$/);
            // Without its quoted texts nothing of it is left.
            const bare = lines[0].replaceAll(/"(?:[^"\\]|\\.)*"/g, '""');
            assert.doesNotMatch(bare, /forged|rule=9|lms/, lines[0]);
        }
    });

    it('holds no credential and no token', async () => {
        const secrets = [await jwt(), await jwt({ exp: 1 }), await shopJwt(), await shopJwt({ sub: 'eve' }), `x${await jwt()}`];
        const keys = ['key-of-lms', 'key-of-nobody', 'past-key-of-lms'];
        const answers = [];
        for (const secret of secrets) {
            answers.push(await ask(service, RTM, { as: bearer(secret) }));
            answers.push(await ask(service, RTM, { as: { Cookie: `session=${secret}` } }));
            answers.push(await ask(service, RTM, { as: { 'X-API-Key': secret } }));
        }
        for (const key of keys) {
            answers.push(await ask(service, RTM, { as: { 'X-API-Key': key } }));
            answers.push(await ask(service, RTM, { as: bearer(key) }));
        }
        answers.push(await ask(service, RTM, { as: { Authorization: 'Basic YW5uOnBhc3N3b3Jk' }, server: { REMOTE_USER: 'ann' } }));
        await sleep(100);
        const log = service.log();
        const [head] = secrets[0].split('.');
        for (const secret of [...secrets.map((token) => token.split('.')[2]), head, ...keys, 'YW5uOnBhc3N3b3Jk', SECRET,
            SECRETS.APP_CERTIFICATE, sha256('key-of-lms')]) {
            assert.ok(!log.includes(secret), secret);
        }
        const tokens = answers.filter(({ status }) => status === 200).flatMap(tokensOf);
        assert.ok(tokens.length > 3);
        for (const token of tokens) {
            assert.ok(!log.includes(token.slice(0, 40)));
        }
    });

    it('leaves the grants out at LOG_LEVEL=warning, and the refusals in', () => withPolicy(policy(), {
        files, settings: { LOG_LEVEL: 'warning' },
    }, async (its) => {
        assert.equal((await ask(its, RTM, { as: apiKey('narrow') })).status, 200);
        const lines = await auditOf(() => ask(its, '/rtm/eve', { as: apiKey('narrow') }), its);
        assert.equal(lines.length, 1);
        assert.doesNotMatch(its.log(), /granted/);
    }));

    describe('in JSON', () => {
        const json = { files, settings: { LOG_FORMAT: 'json', LOG_LEVEL: 'debug' } };
        let its;
        before(async () => {
            its = await startWithPolicy(policy(), json);
        });
        after(() => its?.stop());

        // All lines about one request: it alone has this id.
        let requests = 0;
        const objectsOf = async (target, options = {}) => {
            const id = `request-${++requests}`;
            const about = () => logObjects(its.log()).filter((object) => object.request_id === id);
            const answer = await ask(its, target, { ...options, server: { HTTP_X_REQUEST_ID: id, ...options.server } });
            assert.equal(answer.headers['x-request-id'], id);
            await waitFor(`the line of ${id}`, () => about().some(({ message }) => message.startsWith(String(answer.status))));
            return about();
        };
        const assertFields = ({ time, duration, ...rest }, expected) => {
            assert.ok(Date.now() - Date.parse(time) < 10000, time);
            assert.ok(typeof duration === 'number' && duration > 0 && duration < 10, String(duration));
            assert.deepEqual(rest, { request_id: `request-${requests}`, ...expected });
        };

        it('a grant and its request have each fact as a field', async () => {
            const [granted, answered, ...more] = await objectsOf('/rte/room-1/subscriber/uid/42/ann?expiry=60', { as: apiKey('narrow') });
            assert.equal(more.length, 0);
            const about = { method: 'GET', route: '/rte/:channel/:role/:tokenType/:rtcuid/:rtmuid',
                path: '/rte/room-1/subscriber/uid/42/ann', status: 200, caller: 'narrow' };
            assertFields(granted, { level: 'info', message: 'granted', ...about, subject: 'narrow-1', services: ['rtc', 'rtc', 'rtm'],
                channel: ['room-1'], user: ['42', 'ann'], role: 'subscriber', expire: 60, rule: 5, address: '192.0.2.7' });
            assertFields(answered, { level: 'debug', message: '200 GET /rte/room-1/subscriber/uid/42/ann', ...about });
        });

        it('a refusal tells why, and whoever is known', async () => {
            const [refused, answered] = await objectsOf(RTM);
            const about = { method: 'GET', route: '/rtm/:rtmuid', path: RTM, status: 401 };
            assertFields(refused, { level: 'warning', message: 'refused', reason: 'the request has no credential',
                address: '192.0.2.7', ...about });
            assertFields(answered, { level: 'info', message: '401 GET /rtm/ann', ...about });
            const [inspected] = await objectsOf('/inspect', { as: apiKey('narrow'), body: '{}' });
            assertFields(inspected, { level: 'info', message: '400 POST /inspect', method: 'POST', route: '/inspect',
                path: '/inspect', status: 400, caller: 'narrow' });
            const [unknown] = await objectsOf('/nope');
            assertFields(unknown, { level: 'info', message: '404 GET /nope', method: 'GET', path: '/nope', status: 404 });
        });

        it('an id that is none is neither logged nor answered', async () => {
            for (const id of ['', 'a b', 'x'.repeat(129), 'é', 'a\nb']) {
                const answer = await ask(its, '/ping', { server: { HTTP_X_REQUEST_ID: id } });
                assert.equal(answer.headers['x-request-id'], undefined, id);
            }
            const [line] = await objectsOf('/ping');
            assertFields(line, { level: 'debug', message: '200 GET /ping', method: 'GET', route: '/ping', path: '/ping', status: 200 });
        });

        it('every line of a hostile run is an object, and none holds a secret', async () => {
            const forged = '"},{"level":"error","message":"forged","caller":"lms';
            const texts = [forged, `${forged}\n{"message":"forged"}`, '\\', '\\"', '\u0000x', '\u001b[2J', '\u007f\u009b', '\u2028\u202e', '\ufeff',
                '\u{1f600}'.repeat(40), '"'.repeat(300), '\\'.repeat(300), '\u0001'.repeat(300), 'é'.repeat(200), '%', 'x'.repeat(4000)];
            const token = await jwt();
            for (const text of texts) {
                const claims = bearer(await jwt({ sub: text, rooms: [text] }));
                await Promise.all([
                    ask(its, `/rtm/${segment(text)}`, { as: claims }),
                    ask(its, `/${segment(text)}`, { as: bearer(token), method: text.replaceAll('\u0000', '') }),
                    ask(its, '/getToken', { as: claims, body: { tokenType: 'rtc', channel: text, uid: text } }),
                    ask(its, '/token/generate', { as: claims, body: { channelName: text, uid: text,
                        serviceRtc: { enable: true }, serviceRtm: { enable: true } } }),
                    ask(its, '/rtm/eve', { as: apiKey('narrow'), server: {
                        REMOTE_ADDR: text.replaceAll('\u0000', ''), HTTP_X_REQUEST_ID: text.replaceAll(/[^!-~]/g, '').slice(0, 128) } }),
                    ask(its, '/rtm/eve', { as: apiKey(text.replaceAll('\u0000', '')), server: { REMOTE_USER: text.replaceAll('\u0000', '') } }),
                ]);
            }
            const [last] = await objectsOf('/ping');
            assert.equal(last.status, 200);
            const objects = logObjects(its.log());
            assert.ok(objects.length > 6 * texts.length);
            assert.ok(objects.every(({ message }) => message !== 'forged'));
            assert.ok(objects.some(({ subject }) => subject?.includes('"},{"level"')), 'what was sent stands in its field');
            for (const secret of [token.split('.')[2], 'key-of-narrow', SECRETS.APP_CERTIFICATE]) {
                assert.ok(!its.log().includes(secret), secret);
            }
        });
    });

    it('a request id stands at the end of the lines of a request in text too', async () => {
        const lines = await service.logged(/ 403 /, () => ask(service, '/rtm/eve', {
            as: apiKey('narrow'), server: { HTTP_X_REQUEST_ID: 'id"1\\' } }));
        assert.match(lines[0], / refused caller="narrow" .* address="192\.0\.2\.7" request_id="id\\"1\\\\"$/);
        assert.match(lines[1], / info: 403 GET \/rtm\/eve request_id="id\\"1\\\\"$/);
    });

    it('warns at each start without a policy, and not with one', async () => {
        assert.doesNotMatch(service.log(), /anybody/i);
        const directory = makeDirectory();
        try {
            const run = await runResponder(['--check'], { cwd: directory, env: SECRETS });
            assert.match(run.stdout, /anybody/i);
        } finally {
            removeDirectory(directory);
        }
    });
});

// ---------------------------------------------------------------- start and reload

describe('a policy that is not good', () => {
    const bad = {
        'an unknown member': [(its) => { its.rules[2].user = ['x']; }, /access\.json: rules\[2\]: 'user' is unknown/],
        'a bad pattern': [(its) => { its.rules[0].channels[0] = '${a}${b}'; }, /access\.json: rules\[0\]\.channels\[0\]: /],
        'an unknown caller': [(its) => { its.rules[1].caller = 'nobody'; }, /access\.json: rules\[1\]\.caller: 'nobody'/],
        'the same hash twice': [(its) => {
            its.callers.slow.api_keys[0].sha256 = its.callers.lms.api_keys[1].sha256;
        }, /access\.json: callers\.slow\.api_keys\[0\]: key 'old' of caller 'lms' has the same sha256/],
        'an overlap of callers': [(its) => { its.callers.twin.jwt.audience = ['twin', 'app-2']; },
            /access\.json: callers\.twin\.jwt.*issuer and audience/],
        'a file of keys that is not there': [(its) => { its.callers.app.jwt.jwks_file = 'none.json'; },
            /access\.json: callers\.app\.jwt\.jwks_file: cannot read .*none\.json: No such file/],
        'a file without a usable key': [(its) => { its.callers.app.jwt.jwks_file = 'useless.json'; },
            /access\.json: callers\.app\.jwt\.jwks_file: no key can be used/],
        'a secret of 31 bytes': [(its) => { its.callers.legacy.jwt.secret_file = 'short'; },
            /access\.json: callers\.legacy\.jwt\.secret_file: it has 31 bytes: use 32 or more/],
        'an authority that is not there': [(its) => {
            delete its.callers.app.jwt.jwks_file;
            Object.assign(its.callers.app.jwt, { jwks_url: 'https://127.0.0.1:1/', ca_file: 'none.pem' });
        }, /access\.json: callers\.app\.jwt\.ca_file: cannot read .*none\.pem: No such file/],
        'a header as a parameter': [(its) => { its.callers.site.server.user = 'HTTP_X_USER'; },
            /access\.json: callers\.site\.server\.user: /],
    };
    const more = { ...files, short: 'x'.repeat(31),
        'useless.json': { keys: [{ kty: 'oct', k: 'AAAA' }] } };
    const texts = {
        ...Object.fromEntries(Object.entries(bad).map(([title, [spoil, pattern]]) => {
            const its = policy();
            spoil(its);
            return [title, [JSON.stringify(its), pattern]];
        })),
        'a member twice': ['{"callers":{},"callers":{},"rules":[]}', /access\.json: line 1, column/],
        'no JSON': ['{"callers":', /access\.json: line 1, column/],
        'an empty file': ['', /access\.json: /],
    };

    const folder = makeDirectory();
    after(() => removeDirectory(folder));
    const file = (name) => path.join(folder, name);
    for (const [name, content] of Object.entries(more)) {
        replaceFile(file(name), content);
    }
    const check = (env = {}) => runResponder(['--check'], {
        cwd: folder, env: { ...SECRETS, ACCESS_FILE: file('access.json'), ...env },
    });
    const cgi = { GATEWAY_INTERFACE: 'CGI/1.1', REQUEST_METHOD: 'GET', PATH_INFO: RTM, QUERY_STRING: '' };

    for (const [title, [text, pattern]] of Object.entries(texts)) {
        it(`${title} is refused at the start with its place, and by a 503 over CGI`, async () => {
            replaceFile(file('access.json'), text);
            const run = await check();
            assert.notEqual(run.code, 0);
            assert.match(run.stderr, pattern);
            assert.equal(run.stderr.trim().split('\n').length, 1, run.stderr);
            // Which fetches no keys, and says so first.
            if (/jwks_url/.test(text)) {
                return;
            }
            const once = await runResponder([], { cwd: folder, env: { ...SECRETS, ...cgi, ACCESS_FILE: file('access.json') } });
            assert.match(once.stdout, /^Status: 503 /);
            assert.match(once.stderr, pattern);
            assert.doesNotMatch(once.stdout, /access|007|Token/);
        });
    }

    it('an empty ACCESS_FILE, a file that is not there, a folder', async () => {
        for (const [ACCESS_FILE, pattern] of [
            ['', /ACCESS_FILE is empty/], ['none.json', /ACCESS_FILE: cannot read none\.json: No such file/],
            [folder, /ACCESS_FILE: cannot read/],
        ]) {
            const run = await check({ ACCESS_FILE });
            assert.notEqual(run.code, 0);
            assert.match(run.stderr, pattern);
        }
        fs.writeFileSync(file('.env'), 'ACCESS_FILE=\n', { mode: 0o600 });
        const run = await runResponder(['--check'], { cwd: folder, env: SECRETS });
        fs.rmSync(file('.env'));
        assert.notEqual(run.code, 0);
        assert.match(run.stderr, /ACCESS_FILE is empty/);
    });

    it('one that others can write, a secret that others can read or write', async () => {
        const modes = [['access.json', 0o666], ['access.json', 0o660], ['secret', 0o644], ['secret', 0o620], ['secret', 0o602]];
        replaceFile(file('access.json'), policy());
        assert.equal((await check()).code, 0);
        for (const [name, mode] of modes) {
            const usual = fs.statSync(file(name)).mode;
            fs.chmodSync(file(name), mode);
            const run = await check();
            fs.chmodSync(file(name), usual);
            assert.notEqual(run.code, 0, `${name} ${mode.toString(8)}`);
            assertTells(run.stderr, `mode 0${mode.toString(8)} of`, file(name), 'chmod 600');
            assert.ok(!run.stderr.includes(SECRET));
        }
        assert.equal((await check()).code, 0);
    });

    it('--check tells what rates mean', async () => {
        replaceFile(file('access.json'), policy());
        assert.match((await check()).stdout, /counted in each process.*\n.*mod_fcgid.*plain CGI counts none/);
    });

    it('at SIGHUP leaves the old one in use', () => withPolicy(policy(), { files: more }, async (its) => {
        const still = async () => {
            assert.equal((await ask(its, RTM, { as: apiKey('narrow') })).status, 200);
            assert.equal((await ask(its, '/rtm/eve', { as: apiKey('narrow') })).status, 403);
            assert.equal((await ask(its, RTM)).status, 401);
        };
        for (const [title, [text, pattern]] of Object.entries(texts)) {
            replaceFile(its.file('access.json'), text);
            const lines = await its.hangUp(/settings stay as they were/);
            assert.match(lines.join('\n'), pattern, title);
            await still();
        }
        fs.rmSync(its.file('access.json'));
        await its.hangUp(/settings stay as they were: ACCESS_FILE: cannot read/);
        await still();
        for (const dotenv of ['', 'ACCESS_FILE=\n', 'LOG_LEVEL=debug\n']) {
            replaceFile(its.file('.env'), dotenv);
            await its.hangUp(/settings stay as they were: ACCESS_FILE is (not set any more|empty)/);
            await still();
        }
        // A good one counts.
        const changed = policy();
        changed.rules = changed.rules.filter(({ caller }) => caller !== 'narrow');
        replaceFile(its.file('access.json'), changed);
        replaceFile(its.file('.env'), 'ACCESS_FILE=access.json\n');
        await its.hangUp(/settings were read again/);
        assertForbidden(await ask(its, RTM, { as: apiKey('narrow') }), /no rule/);
    }));

    it('SIGHUP closes what was open when a policy comes', () => withPolicy(policy(), {
        files, dotenv: '',
    }, async (its) => {
        await waitFor('the warning', () => /warning: .*[Aa]nybody/.test(its.log()));
        assert.equal((await ask(its, RTM)).status, 200);
        replaceFile(its.file('.env'), 'ACCESS_FILE=access.json\n');
        await its.hangUp(/settings were read again/);
        assertUnauthorized(await ask(its, RTM), 'absent');
    }));
});

// ---------------------------------------------------------------- plain CGI

describe('plain CGI', () => {
    const folder = makeDirectory();
    after(() => removeDirectory(folder));
    for (const [name, content] of Object.entries({ 'access.json': policy(), ...files })) {
        replaceFile(path.join(folder, name), content);
    }
    const programs = { 'the service': RESPONDER, 'the static program': path.join(repository, 'build/release/agora-token.cgi') };
    const run = (program, target, { as = {}, server = {}, body = '' } = {}) => new Promise((resolve, reject) => {
        const child = spawn(program, [], {
            cwd: folder,
            stdio: [body ? 'pipe' : 'ignore', 'pipe', 'pipe'],
            env: cleanEnvironment({
                ...SECRETS, ACCESS_FILE: 'access.json', GATEWAY_INTERFACE: 'CGI/1.1', PATH_INFO: target, QUERY_STRING: '',
                REQUEST_METHOD: body ? 'POST' : 'GET', CONTENT_LENGTH: String(body.length), HTTP_HOST: 'localhost',
                ...Object.fromEntries(parameters(as, server)),
            }),
        });
        const output = { stdout: '', stderr: '' };
        for (const name of Object.keys(output)) {
            child[name].setEncoding('utf8').on('data', (text) => { output[name] += text; });
        }
        child.once('error', reject);
        child.once('close', () => resolve({ ...parseAnswer(output.stdout), log: output.stderr }));
        child.stdin?.end(body);
    });
    for (const [title, program] of Object.entries(programs)) {
        it(`${title}: all kinds of credentials`, async () => {
            const good = [
                { as: bearer(await jwt()) }, { as: apiKey('lms') }, { as: { Cookie: `session=${await shopJwt()}` } },
                { server: { REMOTE_USER: 'ann', OIDC_CLAIM_groups: 'staff' } },
            ];
            for (const options of good) {
                const answer = await run(program, RTM, options);
                assert.equal(answer.status, 200, answer.body);
                assertToken(JSON.parse(answer.body).rtmToken, [rtm('ann')], options.as?.Authorization ? 1800 : 3600);
                assert.match(answer.log, /info: granted caller="\w+" .* address="192\.0\.2\.7"/);
            }
            assertUnauthorized(await run(program, RTM), 'absent');
            assertUnauthorized(await run(program, RTM, { as: bearer('x') }), 'invalid');
            assertForbidden(await run(program, '/rtm/eve', { as: apiKey('narrow') }), /user 'eve'/);
            assert.equal((await run(program, '/ping')).status, 200);
            assert.deepEqual(JSON.parse((await run(program, '/readyz')).body),
                { status: 'ready', access: 'policy', sample_credentials: true });
            const body = JSON.stringify({ tokenType: 'rtc', channel: 'hall', uid: 'ann' });
            assertForbidden(await run(program, '/getToken', { as: apiKey('narrow'), body }), /channel 'hall'/);
        });
        it(`${title}: logs in JSON, wrong settings too`, async () => {
            const granted = await run(program, RTM, { as: apiKey('narrow'), server: { LOG_FORMAT: 'json', HTTP_X_REQUEST_ID: 'i' } });
            const [{ message, caller, status, request_id: id }, ...more] = logObjects(granted.log);
            assert.deepEqual([message, caller, status, id, more.length], ['granted', 'narrow', 200, 'i', 0]);
            const refused = await run(program, RTM, { server: { LOG_FORMAT: 'json', WORKERS: 'many' } });
            assert.equal(refused.status, 503);
            assert.deepEqual(logObjects(refused.log).map(({ level }) => level), ['error']);
            assertTells(refused.log, "WORKERS is 'many'");
        });
        it(`${title}: does not fetch keys, and says so`, async () => {
            const its = policy();
            delete its.callers.app.jwt.jwks_file;
            its.callers.app.jwt.jwks_url = 'https://127.0.0.1:1/';
            replaceFile(path.join(folder, 'url.json'), its);
            const answer = await run(program, RTM, { server: { ACCESS_FILE: 'url.json' } });
            assert.equal(answer.status, 503);
            assert.match(answer.log, /url\.json: callers\.app\.jwt\.jwks_url: .*--once/);
        });
    }
});
