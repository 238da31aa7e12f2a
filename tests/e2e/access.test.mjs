// A policy as the tool judges it and as the schema for editors does.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import Ajv from 'ajv/dist/2020.js';

const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const PROGRAM = path.resolve(
    process.env.AGORA_TOKEN || path.join(repository, 'build/release/agora-token'));
const schema = JSON.parse(fs.readFileSync(path.join(repository, 'conf/access/schema.json')));
const validate = new Ajv({ strict: true, strictTypes: false, strictRequired: false, allErrors: true }).compile(schema);

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'agora-token-access-'));
process.on('exit', () => fs.rmSync(directory, { recursive: true, force: true }));
// What policies name as k: public keys, which are long enough for a secret and will do for a certificate too.
fs.writeFileSync(path.join(directory, 'k'), JSON.stringify({
    keys: [crypto.generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' })],
}), { mode: 0o600 });

// What policies name.
const { privateKey, publicKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
fs.writeFileSync(path.join(directory, 'keys.json'), JSON.stringify({ keys: [publicKey.export({ format: 'jwk' })] }));
fs.writeFileSync(path.join(directory, 'jwt-secret'), 'secret of the shop, 32 bytes or more\n', { mode: 0o600 });

function check(policy) {
    const file = path.join(directory, 'access.json');
    fs.writeFileSync(file, JSON.stringify(policy));
    return spawnSync(PROGRAM, ['access', 'check', file], { encoding: 'utf8' });
}

const SHA = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08';
const base = () => ({
    callers: {
        app: { jwt: { issuer: 'https://example.com/', audience: 'my-app', jwks_url: 'https://example.com/jwks.json' } },
        lms: { api_keys: [{ id: '2026a', sha256: SHA, expires: '2027-01-01T00:00:00Z' }] },
        site: { server: { user: 'REMOTE_USER', groups: 'OIDC_CLAIM_groups' } },
    },
    rules: [{ caller: 'app', services: ['rtc'], channels: ['${rooms}'], users: ['${sub}'] }],
});

// Where, and values that stand there in turn; undefined takes the member away. The last of each row says
// which of them are right, by index.
const cases = [
    [[], [undefined, 5, [], {}, null], []],
    [['$schema'], ['./schema.json', '', 5], [0]],
    [['more'], [1], []],
    [['callers'], [undefined, [], null], []],
    [['callers', 'other'], [{}, null, { jwk: {} }, { server: { user: 'A' }, jwt: {} }, { server: { user: 'A' } }], [4]],
    [['callers', 'app', 'jwt', 'issuer'], [undefined, '', 5, 'a\nb', 'a\u0000', 'é'], [5]],
    [['callers', 'app', 'jwt', 'audience'], [undefined, '', [], ['a', 'b'], ['a', 5], ['']], [3]],
    [['callers', 'app', 'jwt', 'audience_claim'], ['client_id', '', 5], [0]],
    [['callers', 'app', 'jwt', 'ca_file'], ['k', ''], [0]],
    [['callers', 'app', 'jwt', 'jwks_file'], ['keys.json'], []],
    [['callers', 'app', 'jwt', 'secret'], ['x'], []],
    [['callers', 'app', 'jwt', 'cookie'], ['session', '__Host-id', 'a b', 'a;b', 'é', ''], [0, 1]],
    [['callers', 'app', 'jwt', 'jwks_url'], [
        'https://example.com', 'HTTPS://example.com:8443/a@b?c d', 'https://[::1]/k', 'http://localhost/', 'http://127.0.0.1:80',
        'http://[::1]:8080/k', 'http://example.com/', 'http://127.0.0.1@example.com/', 'http://localhost.example.com',
        'http://localhost\\@example.com', 'https://', 'https://:80/', 'https:///a', 'https://a@b/', 'https://a b/', 'file:///a',
        'https://[::1', 'http://[::1]x/', 'https://a:b/', '', undefined, 'http://127.0.0.11/'], [0, 1, 2, 3, 4, 5]],
    [['callers', 'app', 'jwt'], [
        { issuer: 'i', audience: 'a', jwks_file: 'keys.json' }, { issuer: 'i', audience: 'a', secret_file: 'jwt-secret' },
        { issuer: 'i', audience: 'a', secret_file: 'jwt-secret', ca_file: 'c' }, { issuer: 'i', audience: 'a' }, [], null], [0, 1]],
    [['callers', 'lms', 'api_keys'], [[], {}, [{}], [{ id: 'a', sha256: SHA }], [{ id: 'a', sha256: SHA, key: 'x' }]], [3]],
    [['callers', 'lms', 'api_keys', 0, 'id'], [undefined, '', 7], []],
    [['callers', 'lms', 'api_keys', 0, 'sha256'], [undefined, SHA.toUpperCase(), SHA.slice(1), `${SHA}0`, `g${SHA.slice(1)}`, 9], [1]],
    [['callers', 'lms', 'api_keys', 0, 'expires'], [
        undefined, '2027-12-31T23:59:59Z', '2027-13-01T00:00:00Z', '2027-01-32T00:00:00Z', '2027-01-01T24:00:00Z',
        '2027-01-01T00:00:60Z', '2027-01-01', '2027-01-01T00:00:00', '2027-01-01T00:00:00+01:00', ' 2027-01-01T00:00:00Z',
        '2027-1-1T00:00:00Z', 1798761600, null], [0, 1]],
    [['callers', 'site', 'server', 'user'], [
        undefined, '', 5, 'A-B', 'X_USER', 'HTTP_USER', 'http_user', 'REDIRECT_HTTP_USER', 'REDIRECT_REMOTE_USER', 'QUERY_STRING',
        'REQUEST_URI', 'PATH_INFO', 'SCRIPT_NAME', 'DOCUMENT_URI', 'CONTENT_TYPE', 'SERVER_NAME'], [4, 8]],
    [['callers', 'site', 'server', 'more'], ['MORE', 'HTTP_MORE', 'QUERY_MORE', 5, ['A']], [0]],
    [['callers', 'site', 'server'], [
        { user: 'HTTP_USER', trusted_headers: true }, { user: 'HTTP_USER', trusted_headers: false },
        { user: 'QUERY_STRING', trusted_headers: true }, { user: 'A', trusted_headers: 1 },
        { user: 'A', separator: ' ' }, { user: 'A', separator: '' }, { user: 'A', separator: ', ' }, { user: 'A', separator: 'é' },
        Object.fromEntries(['user', ...'abcdefghijklmno'].map((name) => [name, 'A']))], [0, 4, 8]],
    [['rules'], [undefined, {}, [], null], [2]],
    [['rules', 0], [{}, [], { caller: 'app' }, { services: ['rtc'] }, { caller: 'app', services: ['rtc'] }], [4]],
    [['rules', 0, 'caller'], ['app', ['app', 'lms'], [], '', [''], 5, [5]], [0, 1]],
    [['rules', 0, 'services'], [
        ['rtc', 'rtm', 'streaming', 'fpa', 'chat', 'fcdn', 'apaas', 'rtm2', 'convoai', 'stt'], ['RTC'], [], 'rtc', [1]], [0]],
    ...['channels', 'users'].map((name) => [['rules', 0, name], [
        ['a'], ['*'], ['**'], ['a*b'], ['${a}'], ['x${a}y*'], ['$'], ['$}{'], ['a}'], ['${/a/b}'], ['${/}'], ['${/a~0~1}'], ['${a/~}'],
        ['$${a}'], ['${a}$'], ['${${a}'], ['é'], undefined,
        [], [''], 'a', [5], ['${a'], ['${}'], ['${a}${b}'], ['${a}${'], ['${/a~}'], ['${/~2}'], ['a\n'], ['${a\n}']],
    Array.from({ length: 18 }, (_, i) => i)]),
    [['rules', 0, 'roles'], [['publisher'], ['subscriber', 'publisher'], [], ['host'], 'publisher', undefined], [0, 1, 5]],
    [['rules', 0, 'apaas_roles'], [[-32768, 32767], [1.5], [32768], ['1'], [], 1], [0]],
    ...['wildcard_channel', 'any_user', 'app_tokens'].map((name) => [['rules', 0, name], [true, false, 1, 'true', null], [0, 1]]),
    [['rules', 0, 'max_expire'], [1, 4294967295, 0, 4294967296, -1, 1.5, '60'], [0, 1]],
    [['rules', 0, 'rate'], [
        '1/second', '1000000/minute', '5/hour', '999999/day', '0/day', '01/day', '1000001/day', '1/week', '1 /day', '/day', '10', 10],
    [0, 1, 2, 3]],
    [['rules', 0, 'if'], [
        {}, { a: 'b' }, { a: ['b', 5, true] }, { '/a/b': 'c' }, { a: 2 ** 53 }, { a: '' }, { 'a/~': 'b' },
        { a: [] }, { a: null }, { a: {} }, { a: 1.5 }, { a: [['b']] }, { a: 2 ** 54 }, { '': 'b' }, { '/~': 'b' }, [], 'a'],
    [0, 1, 2, 3, 4, 5, 6]],
    [['rules', 0, 'channel'], ['a'], []],
];

describe('a policy', () => {
    it('is what the tool and the schema both take for one', () => {
        for (const [place, values, right] of cases) {
            for (const [i, value] of values.entries()) {
                let policy = base();
                const parent = place.slice(0, -1).reduce((at, name) => at[name], policy);
                if (place.length === 0) policy = value ?? 'text';
                else if (value === undefined) delete parent[place.at(-1)];
                else parent[place.at(-1)] = value;
                const label = `${place.join('.')}: ${JSON.stringify(value)}`;
                const { status, stderr } = check(policy);
                assert.equal(status, right.includes(i) ? 0 : 1, `the tool on ${label}: ${stderr}`);
                assert.equal(validate(policy), right.includes(i), `the schema on ${label}: ${JSON.stringify(validate.errors)}`);
            }
        }
    });

    it('is refused by the tool alone for what a schema cannot say', () => {
        const changes = [
            [(policy) => { policy.rules[0].caller = 'nobody'; }, "rules[0].caller: 'nobody' is none of the callers"],
            [(policy) => { policy.callers.other = structuredClone(policy.callers.app); }, 'callers.other.jwt: '],
            [(policy) => { policy.callers.other = structuredClone(policy.callers.lms); }, 'callers.other.api_keys[0]: '],
            [(policy) => { policy.callers.other = structuredClone(policy.callers.site); }, 'callers.other.server: '],
            [(policy) => { policy.callers.lms.api_keys[0].expires = '2027-02-30T00:00:00Z'; }, 'callers.lms.api_keys[0].expires: '],
        ];
        for (const [change, message] of changes) {
            const policy = base();
            change(policy);
            const { status, stderr } = check(policy);
            assert.equal(status, 1);
            assert.ok(stderr.includes(message), stderr);
            assert.ok(validate(policy), message);
        }
    });

    it('is told in plain words, with what is wide', () => {
        const policy = base();
        policy.rules.push({
            caller: ['lms', 'site'], if: { id: '2026a' }, services: ['rtc', 'chat'], channels: ['x', '*'], users: ['**'],
            roles: ['publisher'], apaas_roles: [1], wildcard_channel: true, any_user: true, app_tokens: true, max_expire: 604800,
            rate: '10/minute',
        });
        policy.callers.nobody = { server: { user: 'HTTP_X', trusted_headers: true } };
        policy.callers.old = { api_keys: [{ id: 'a', sha256: SHA.toUpperCase().replace('9F', '00'), expires: '2020-01-01T00:00:00Z' }] };
        const { status, stdout } = check(policy);
        assert.equal(status, 0);
        for (const text of [
            'app: who has a JWT of https://example.com/ for my-app, by the keys of https://example.com/jwks.json\n' +
                '  rules[0]: tokens for rtc; channels ${rooms}; users ${sub}; up to 3600 seconds\n',
            'lms: who has the API key 2026a\n  rules[1]: if {"id":"2026a"}, tokens for rtc, chat; channels x, *; users **; ' +
                'roles publisher; APaaS roles 1; up to 604800 seconds; 10/minute for each of them\n',
            'site: whom the web server names, user in REMOTE_USER, groups in OIDC_CLAIM_groups\n  rules[1]: ',
            '  callers.nobody: ', '  callers.old: an API key has expired\n', '  rules[1].channels: ', '  rules[1].users: ',
            '  rules[1].wildcard_channel: ', '  rules[1].any_user: ', '  rules[1].app_tokens: ', '  rules[1].max_expire: ',
        ]) assert.ok(stdout.includes(text), `${text}\nis not in\n${stdout}`);
        assert.match(check(base()).stdout, /\nTo be looked at twice:\n  callers\.lms: no rule is for this caller, which gets no token\n/);
    });
});

describe('a key', () => {
    const make = (...options) => {
        const { status, stdout } = spawnSync(PROGRAM, ['access', 'key', ...options], { encoding: 'utf8' });
        assert.equal(status, 0);
        const [key, line, end] = stdout.split('\n');
        assert.equal(end, '');
        return { key, entry: JSON.parse(line) };
    };

    it('is random, and comes with its line for the file', () => {
        const keys = new Set();
        for (let i = 0; i < 10; i++) {
            const { key, entry } = make();
            assert.match(key, /^[A-Za-z0-9_-]{43}$/);
            const sha256 = crypto.createHash('sha256').update(key).digest('hex');
            assert.deepEqual(entry, { id: sha256.slice(0, 8), sha256 });
            keys.add(key);
        }
        assert.equal(keys.size, 10);
        const policy = base();
        policy.callers.lms.api_keys.push(make('--id', 'new "key"').entry);
        assert.equal(policy.callers.lms.api_keys[1].id, 'new "key"');
        assert.equal(check(policy).status, 0);
        assert.ok(validate(policy));
    });
});

describe('a try', () => {
    const policy = base();
    const key = 'a'.repeat(43);
    policy.callers.lms.api_keys[0].sha256 = crypto.createHash('sha256').update(key).digest('hex');
    policy.rules.push(
        { caller: ['lms', 'site'], if: { id: '2026a' }, services: ['rtc', 'rtm'], channels: ['course-*'], users: ['*'] },
        { caller: 'site', if: { groups: 'staff' }, services: ['rtc'], channels: ['*'], users: ['${user}'], roles: ['publisher'], max_expire: 60 });
    const attempt = (...words) => {
        const file = path.join(directory, 'try.json');
        fs.writeFileSync(file, JSON.stringify(policy));
        return spawnSync(PROGRAM, ['access', 'try', file, ...words], { encoding: 'utf8' });
    };
    const staff = ['--server', 'REMOTE_USER=ann', '--server', 'OIDC_CLAIM_groups=staff'];

    const cases = [
        [['--api-key', key, 'rtc', '--channel', 'course-1', '--uid', '7', '--role', 'subscriber'], 0, [
            'caller lms, subject 2026a', "rules[0]: caller 'lms' has no rule", 'rules[1]: allowed, for 3600 seconds', 'allowed']],
        [['--bearer', key, 'rtm', '--user', 'u', '--channel', 'course-1', '--expire', '5m'], 0, [
            'caller lms, subject 2026a', "rules[0]: caller 'lms' has no rule", 'rules[1]: allowed, for 300 seconds', 'allowed']],
        [['--api-key', key, 'rtc', '--channel', 'x', '--uid', '7', '--role', 'subscriber'], 1, [
            'caller lms, subject 2026a', "rules[0]: caller 'lms' has no rule",
            "rules[1]: channel 'x' is not allowed: this caller may have 'course-*'", "rules[2]: caller 'lms' has no rule", 'refused']],
        [[...staff, 'rtc', '--channel', 'x', '--user', 'ann'], 0, [
            'caller site, subject ann', "rules[0]: caller 'site' has no rule",
            "rules[1]: what the credential says of 'id' is not what a rule for this caller asks",
            'rules[2]: allowed, for 60 seconds', 'allowed']],
        [[...staff, 'rtc', '--channel', 'x', '--user', 'ann', '--expire', '61'], 1, [
            'caller site, subject ann', "rules[0]: caller 'site' has no rule",
            "rules[1]: what the credential says of 'id' is not what a rule for this caller asks",
            "rules[2]: expire '61' is not allowed: this caller may have 1 to 60 seconds", 'refused']],
    ];
    for (const [words, status, lines] of cases) {
        it(`says ${lines.at(-1)}: ${words.filter((word) => word !== key).join(' ')}`, () => {
            const result = attempt(...words);
            assert.deepEqual(result.stdout.trimEnd().split('\n'), lines, result.stderr);
            assert.equal(result.status, status);
        });
    }

    it('of nobody, or of nothing, is no try', () => {
        for (const [words, status, text] of [
            [['--api-key', 'secret-key', 'rtm', '--user', 'u'], 1, 'there is no such API key'],
            [['rtm', '--user', 'u'], 1, 'the request has no credential'],
            [[], 2, 'a command that mints a token is missing'],
            [['decode', 'x'], 2, 'a command that mints a token is missing'],
            [['--server', 'REMOTE_USER', 'rtm', '--user', 'u'], 2, "--server 'REMOTE_USER' is not valid: use NAME=VALUE"],
            [['--server', '=ann', 'rtm', '--user', 'u'], 2, "--server '=ann' is not valid: use NAME=VALUE"],
            [['rtm', '--bogus'], 2, 'there is no option --bogus'],
        ]) {
            const result = attempt(...words);
            assert.equal(result.status, status, result.stderr);
            assert.ok(result.stderr.includes(text), result.stderr);
            assert.ok(!`${result.stdout}${result.stderr}`.includes('secret-key'));
        }
    });
});

describe('conf/access/README.md, and README.md', () => {
    const page = fs.readFileSync(path.join(repository, 'conf/access/README.md'), 'utf8');
    const policiesOf = (text) => [...text.matchAll(/```json\n([^]*?)```/g)].map(([, policy]) => JSON.parse(policy));
    const recipes = new Map([
        ...page.split(/^##+ /m).filter((text) => text.includes('```json')).map(
            (text) => [text.slice(0, text.indexOf('\n')), policiesOf(text)[0]]),
        ...policiesOf(fs.readFileSync(path.join(repository, 'README.md'), 'utf8')).map(
            (policy) => [`README.md, ${Object.keys(policy.callers)}`, policy]),
    ]);
    const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const key = 'k'.repeat(43);

    // A JWT with such claims, as the login of the recipe signs it; its keys are in a file here.
    function bearer(recipe, claims) {
        const signed = `${encode({ alg: 'ES256' })}.${encode({ exp: Math.floor(Date.now() / 1000) + 600, ...claims })}`;
        for (const { jwt } of Object.values(recipe.callers)) {
            if (jwt?.jwks_url) {
                delete jwt.jwks_url;
                jwt.jwks_file = 'keys.json';
            }
        }
        return ['--bearer', `${signed}.${crypto.sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`];
    }
    const firebase = { iss: 'https://securetoken.google.com/PROJECT', aud: 'PROJECT', sub: 'u1', rooms: ['vip'], email: 'a@b.c' };
    const auth0 = { iss: 'https://TENANT.eu.auth0.com/', aud: 'https://tokens.example.com', sub: 'auth0|1', 'https://example.com/rooms': ['vip'] };
    const keycloak = { iss: 'https://login.example.com/realms/school', azp: 'my-client', preferred_username: 'ann' };
    const names = (server) => Object.entries(server).flatMap(([name, value]) => ['--server', `${name}=${value}`]);
    const rtc = (channel, user, role = 'publisher') => ['rtc', '--channel', channel, '--user', user, '--role', role];

    // The recipe, who asks, for what, and the rule that allows it; null for none.
    const tries = [
        ['In five commands', firebase, rtc('vip', 'u1'), 0],
        ['In five commands', firebase, rtc('lobby', 'u1'), 0],
        ['In five commands', firebase, rtc('lobby', 'u2'), null],
        ['In five commands', firebase, rtc('other', 'u1'), null],
        ['In five commands', { ...firebase, email_verified: true }, rtc('mail-a@b.c', 'u1'), 1],
        ['In five commands', { ...firebase, email_verified: false }, rtc('mail-a@b.c', 'u1'), null],
        ['Auth0', { ...auth0, permissions: ['publish:calls'] }, rtc('vip', 'auth0|1'), 0],
        ['Auth0', auth0, rtc('vip', 'auth0|1'), null],
        ['Auth0', auth0, rtc('vip', 'auth0|1', 'subscriber'), 1],
        ['Keycloak', { ...keycloak, realm_access: { roles: ['class-7', 'teacher'] } }, rtc('class-7', 'ann'), 0],
        ['Keycloak', { ...keycloak, realm_access: { roles: ['class-7'] } }, rtc('class-7', 'ann'), null],
        ['Keycloak', { ...keycloak, realm_access: { roles: ['class-7'] } }, rtc('class-7', 'ann', 'subscriber'), 1],
        ['A backend with an API key, also on shared hosting', ['--api-key', key], rtc('course-1', 'ann'), 0],
        ['A backend with an API key, also on shared hosting', ['--api-key', key], rtc('vip', 'ann'), null],
        ['A password that the web server asks for', names({ REMOTE_USER: 'ann' }), rtc('staff-1', 'ann'), 0],
        ['A password that the web server asks for', names({ REMOTE_USER: 'ann' }), rtc('staff-1', 'bob'), null],
        ["OpenID Connect by Apache's mod_auth_openidc", names({ REMOTE_USER: 'ann', OIDC_CLAIM_groups: 'a,staff' }), rtc('x', 'ann'), 0],
        ["OpenID Connect by Apache's mod_auth_openidc", names({ REMOTE_USER: 'ann', OIDC_CLAIM_groups: 'a,b' }), rtc('b', 'ann'), null],
        ["OpenID Connect by Apache's mod_auth_openidc", names({ REMOTE_USER: 'ann', OIDC_CLAIM_groups: 'a,b' }), rtc('b', 'ann', 'subscriber'), 1],
        ['A login of yours that nginx asks by auth_request', names({ LOGIN_USER: 'ann' }), rtc('x', 'ann'), 0],
        ['A login of yours that nginx asks by auth_request', names({ LOGIN_USER: 'ann' }), rtc('x', 'bob'), null],
        ['README.md, app', firebase, rtc('vip', 'u1', 'subscriber'), 0],
        ['README.md, app', firebase, rtc('vip', 'u2', 'subscriber'), null],
        ['README.md, backend', ['--api-key', key], rtc('course-1', '42'), 0],
        ['README.md, backend', ['--api-key', key], rtc('vip', '42'), null],
        ['README.md, staff', names({ REMOTE_USER: 'ann' }), rtc('x', 'ann'), 0],
        ['README.md, staff', names({ REMOTE_USER: 'ann' }), rtc('x', 'bob'), null],
    ];

    it('have recipes that are policies, each of which is tried here', () => {
        assert.deepEqual([...recipes.keys()], [...new Set(tries.map(([name]) => name))]);
        for (const [name, policy] of recipes) {
            const { status, stderr } = check(policy);
            assert.equal(status, 0, `${name}: ${stderr}`);
            assert.ok(validate(policy), name);
        }
    });

    for (const [name, who, words, rule] of tries) {
        it(`${name}: ${rule === null ? 'no rule' : `rule ${rule}`} gives ${words.join(' ')} to ${JSON.stringify(who)}`, () => {
            const recipe = structuredClone(recipes.get(name));
            const shown = Array.isArray(who) ? who : bearer(recipe, who);
            if (recipe.callers.backend) {
                recipe.callers.backend.api_keys[0] = { id: 'k', sha256: crypto.createHash('sha256').update(key).digest('hex') };
            }
            const file = path.join(directory, 'recipe.json');
            fs.writeFileSync(file, JSON.stringify(recipe));
            const { stdout, stderr, status } = spawnSync(PROGRAM, ['access', 'try', file, ...shown, ...words], { encoding: 'utf8' });
            assert.match(stdout, rule === null ? /\nrefused\n$/ : new RegExp(`\nrules\\[${rule}\\]: allowed, for 3600 seconds\nallowed\n$`), stderr);
            assert.equal(status, rule === null ? 1 : 0);
        });
    }

    it('tells the members that the schema knows, the services and the pieces of the log', () => {
        const { rule, jwt } = schema.$defs;
        for (const name of [...Object.keys(rule.properties), ...Object.keys(jwt.properties), ...rule.properties.services.items.enum]) {
            assert.ok(page.includes(`\`${name}\``), name);
        }
    });
});
