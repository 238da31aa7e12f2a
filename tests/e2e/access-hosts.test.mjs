// What a policy needs of a web server: that it passes on who asks, and the answers of those who may not. The policy
// goes where the table of conf/access/README.md says. Runs over the host that GATEWAY names.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { commandsOf, gateways, protect } from './gateways/host.mjs';
import {
    GATEWAY, PUBLISHER, assertError, assertTells, assertTokens, repository, request, rtc, startService, waitFor,
} from './harness.mjs';

const { prefix = '', isLogged = true, rules } = gateways[GATEWAY];

const SECRET = crypto.randomBytes(32).toString('base64url');
const KEY = crypto.randomBytes(32).toString('base64url');
const POLICY = {
    callers: {
        app: { jwt: { issuer: 'shop', audience: 'agora', secret_file: 'jwt-secret', cookie: 'session' } },
        backend: { api_keys: [{ id: '2026a', sha256: crypto.createHash('sha256').update(KEY).digest('hex') }] },
        // Until the last test no web server checks logins, so that none may name a user.
        site: { server: { user: 'REMOTE_USER' } },
        gate: { server: { user: 'LOGIN_USER' } },
    },
    rules: [
        { caller: 'app', services: ['rtc'], channels: ['${room}'], users: ['${sub}'], roles: ['publisher'] },
        { caller: 'backend', services: ['rtc'], channels: ['course-*'], users: ['*'], roles: ['publisher'] },
        { caller: ['site', 'gate'], services: ['rtc'], channels: ['*'], users: ['${user}'], roles: ['publisher'] },
    ],
};

function signed(header, claims, sign) {
    const now = Math.floor(Date.now() / 1000);
    const text = [header, { iat: now, exp: now + 600, ...claims }].map(
        (part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
    return `${text}.${sign(text).toString('base64url')}`;
}

const jwt = (claims = {}, secret = SECRET) => signed({ alg: 'HS256', typ: 'JWT' },
    { iss: 'shop', aud: 'agora', sub: '42', room: 'lecture', ...claims },
    (text) => crypto.createHmac('sha256', secret).update(text).digest());

const basic = (password) => `Basic ${Buffer.from(`42:${password}`).toString('base64')}`;

// What a web server may ask who somebody is.
const login = http.createServer(({ headers: { authorization } }, answer) => {
    answer.writeHead(authorization === basic('right') ? 202 : 401,
        { 'X-Auth-Request-User': '42', 'WWW-Authenticate': 'Basic realm="Tokens"' }).end();
});

describe(`a policy behind ${GATEWAY}`, () => {
    let service;
    const ask = (target, headers) => request(service, target, { headers });
    const OWN = '/rtc/lecture/publisher/uid/42';

    before(async () => {
        service = await startService();
        assertTokens(await ask(OWN), { rtcToken: [rtc('lecture', '42', PUBLISHER)] }, 3600);
        await protect(GATEWAY, service.machine, { 'access.json': POLICY, 'jwt-secret': `${SECRET}\n` });
        await waitFor('the policy to be applied', async () => (await ask(OWN)).status === 401);
    });
    after(() => {
        login.close();
        return service?.stop();
    });

    for (const [title, headers, target, channel, uid] of [
        ['a JWT', { Authorization: `Bearer ${jwt()}` }, OWN, 'lecture', '42'],
        ['an API key', { 'X-API-Key': KEY }, '/rtc/course-1/publisher/uid/7', 'course-1', '7'],
        ['an API key as a bearer', { Authorization: `Bearer ${KEY}` }, '/rtc/course-1/publisher/uid/7', 'course-1', '7'],
        ['a JWT in a cookie', { Cookie: `a=b; session=${jwt()}` }, OWN, 'lecture', '42'],
    ]) {
        it(`${title} gets its token`, async () => {
            assertTokens(await ask(target, headers), { rtcToken: [rtc(channel, uid, PUBLISHER)] }, 3600);
        });
        it(`${title} gets no other, and is told what it may have`, async () => {
            const answer = await ask('/rtc/vip/publisher/uid/42', headers);
            assertTells(assertError(answer, 403), 'channel');
            assert.match(answer.headers['www-authenticate'], /^Bearer .*error="insufficient_scope"$/);
        });
    }

    for (const [title, headers] of [
        ['a forged JWT', { Authorization: `Bearer ${jwt({}, 'x'.repeat(32))}` }],
        ['a JWT that has expired', { Authorization: `Bearer ${jwt({ exp: 1700000000 })}` }],
        ['a forged API key', { 'X-API-Key': `${KEY}x` }],
        ['a forged cookie', { Cookie: `session=${jwt({}, 'x'.repeat(32))}` }],
        ['a bad JWT beside a good key', { Authorization: `Bearer ${jwt({}, 'x'.repeat(32))}`, 'X-API-Key': KEY }],
    ]) {
        it(`${title} is 401`, async () => {
            const answer = await ask(OWN, headers);
            assertError(answer, 401);
            assert.equal(answer.headers['www-authenticate'], 'Bearer realm="agora-token", error="invalid_token"');
        });
    }

    for (const [title, headers] of [
        ['no credential', {}],
        ['a password that nobody has checked', { Authorization: basic('x') }],
        ['a user that a client names', { 'Remote-User': '42', REMOTE_USER: '42', AUTH_TYPE: 'Basic', LOGIN_USER: '42' }],
        ['a cookie in a request of another site', { Cookie: `session=${jwt()}`, Origin: 'https://other.example' }],
    ]) {
        it(`${title} gets nothing`, async () => {
            const answer = await ask(OWN, headers);
            assert.ok([401, 403].includes(answer.status), `${answer.status}`);
            assertError(answer, answer.status);
        });
    }

    it('whoever has no credential is asked for one', async () => {
        const answer = await ask(OWN);
        assertError(answer, 401);
        assert.equal(answer.headers['www-authenticate'], 'Bearer realm="agora-token"');
        assert.equal((await ask('/ping')).status, 200);
    });

    it('the log tells who got what, from where, and no credential', async () => {
        const log = await service.machine.log();
        for (const secret of [SECRET, KEY, jwt().split('.')[2]]) {
            assert.ok(!log.includes(secret));
        }
        if (!isLogged) {
            return;
        }
        assert.match(log, /granted caller="app" subject="42" services=rtc channel="lecture" .*address="127\.0\.0\.1"/);
        assert.match(log, /granted caller="backend" subject="2026a" .*address="127\.0\.0\.1"/);
        assertTells(log, 'refused caller="app" subject="42"');
    });

    if (rules.login) {
        it('who has logged in at the web server, as the page shows, is a caller', async () => {
            const readme = fs.readFileSync(path.join(repository, 'conf/access/README.md'), 'utf8');
            assert.ok(readme.includes(rules.login), `conf/access/README.md shows ${rules.login}`);
            const { file, below, server, addUser } = rules;
            login.listen(4180, '127.0.0.1');
            await service.machine.run(`${addUser}
                cat >/run/rule && sed -Ei '\\%${below}%r /run/rule' ${file} && systemctl restart ${server}`,
            { input: `${rules.login.replaceAll('"/"', `"${prefix}/"`)}\n` });
            const logIn = (password) => ask(OWN, { Authorization: basic(password) });
            await waitFor('the login to be asked for',
                async () => (await ask(OWN).catch(() => ({}))).headers?.['www-authenticate']?.startsWith('Basic'));
            assertTells(assertError(await logIn('wrong'), 401), 'log in');
            assertTokens(await logIn('right'), { rtcToken: [rtc('lecture', '42', PUBLISHER)] }, 3600);
        });
    }
});

// The first section of the page, but for the address of the keys, which is the test's.
if (GATEWAY === 'nginx-unix') {
    it('five commands protect the service for a Firebase app', async () => {
        const { publicKey, privateKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
        const other = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
        const keys = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: '1', alg: 'RS256', use: 'sig' }] });
        const google = http.createServer((_, answer) => answer.end(keys)).listen(4181, '127.0.0.1');
        const service = await startService();
        const ask = (target, headers) => request(service, target, { headers });
        const idToken = (claims, key = privateKey) => ({ Authorization: `Bearer ${signed({ alg: 'RS256', kid: '1' }, {
            iss: 'https://securetoken.google.com/my-app', aud: 'my-app', sub: 'u1', rooms: ['vip'], ...claims,
        }, (text) => crypto.sign('sha256', Buffer.from(text), key))}` });
        try {
            const page = fs.readFileSync(path.join(repository, 'conf/access/README.md'), 'utf8');
            const [, policy] = /```json\n([^]*?)```/.exec(page);
            for (const command of commandsOf('access', 'In five commands')) {
                await service.machine.run(command.replace('editor ', 'cat >'), {
                    input: policy.replaceAll('PROJECT', 'my-app').replace(/https:.*\.com(?=")/, 'http://127.0.0.1:4181/'),
                });
            }
            const target = '/rtc/vip/publisher/userAccount/u1';
            await waitFor('the keys to be fetched', async () => (await ask(target, idToken())).status !== 503);
            assertTokens(await ask(target, idToken()), { rtcToken: [rtc('vip', 'u1', PUBLISHER)] }, 3600);
            assertError(await ask(target), 401);
            assertError(await ask(target, idToken({}, other.privateKey)), 401);
            assertError(await ask(target, idToken({ aud: 'other-app' })), 401);
            assertError(await ask(target, idToken({ sub: 'u2' })), 403);
            assertError(await ask(target, idToken({ rooms: [] })), 403);
        } finally {
            google.close();
            google.closeAllConnections();
            await service.stop();
        }
    });
}
