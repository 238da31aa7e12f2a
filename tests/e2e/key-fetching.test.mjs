// Key sets that are fetched: from servers that are slow, dead, huge or lying, while requests go on; the program
// that fetches them; and rotation of keys and of policies under load. When a fetch is due has a unit test.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as jose from 'jose';
import {
    RESPONDER, SANITIZED, assertError, assertJson, assertTells, assertToken, cleanEnvironment,
    fcgiConnect, makeDirectory, removeDirectory, rtm, waitFor,
} from './harness.mjs';
import { ask, replaceFile, sha256, withPolicy } from './policies.mjs';

const JWKS = path.join(path.dirname(RESPONDER), 'agora-token-jwks');
const RTM = '/rtm/ann';
const AT_ONCE = 1000;
const LOAD = Number(process.env.REQUESTS) || (SANITIZED ? 2500 : 6000);

const now = () => Math.floor(Date.now() / 1000);

// A key with a kid, and JWTs by it.
async function makeKey(kid) {
    const { publicKey, privateKey } = await jose.generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
    return {
        public: { ...await jose.exportJWK(publicKey), kid },
        async as(sub = 'ann', more = {}) {
            const token = await new jose.SignJWT({ iss: 'login', aud: 'app', sub, exp: now() + 600, ...more })
                .setProtectedHeader({ alg: 'EdDSA', kid }).sign(privateKey);
            return { Authorization: `Bearer ${token}` };
        },
    };
}
const first = await makeKey('first');
const second = await makeKey('second');
// Of 4,096 bits, whose factors nobody has to know.
const rsa = () => {
    const modulus = crypto.randomBytes(512);
    modulus[0] |= 0x80;
    modulus[511] |= 1;
    return { kty: 'RSA', n: modulus.toString('base64url'), e: 'AQAB' };
};
const setOf = (...keys) => JSON.stringify({ keys: keys.map((key) => key.public) });

// A key server: `answer` is a text, or a function of the request and the response.
async function startServer(answer, { tls } = {}) {
    const server = tls ? https.createServer(tls) : http.createServer();
    const requests = [];
    const self = {
        answer,
        requests,
        async stop() {
            server.closeAllConnections();
            await new Promise((resolve) => server.close(resolve));
        },
    };
    server.on('request', (incoming, outgoing) => {
        requests.push({ url: incoming.url, headers: incoming.headers, at: Date.now() });
        if (typeof self.answer === 'string') {
            outgoing.end(self.answer);
        } else {
            self.answer(incoming, outgoing);
        }
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    self.port = server.address().port;
    self.url = `${tls ? 'https' : 'http'}://127.0.0.1:${self.port}/keys.json`;
    return self;
}

const policyFor = (url, more = {}) => ({
    callers: {
        app: { jwt: { issuer: 'login', audience: 'app', jwks_url: url, ...more } },
        lms: { api_keys: [{ id: 'k', sha256: sha256('key') }] },
    },
    rules: [{ caller: ['app', 'lms'], services: ['rtm'], users: ['ann', '${sub}'] }],
});
const apiKey = { 'X-API-Key': 'key' };

async function withServer(answer, options, use) {
    const server = await startServer(answer, options);
    try {
        await withPolicy(policyFor(server.url, options.jwt), { settings: options.settings }, (service) => use(service, server));
    } finally {
        await server.stop();
    }
}

const statusOf = async (service, as) => (await ask(service, RTM, { as })).status;
const fetched = (service) => waitFor('the keys', () => /caller app: the key set was fetched/.test(service.log()));

async function assertMinted(service, as) {
    const answer = await ask(service, RTM, { as });
    assert.equal(answer.status, 200, answer.body);
    assertToken(JSON.parse(answer.body).rtmToken, [rtm('ann')], 3600);
}

// Until its keys are there, and after a failed fetch without any.
async function assertNotReady(service, as) {
    const answer = await ask(service, RTM, { as });
    assertError(answer, 503);
    assert.match(answer.headers['retry-after'], /^\d+$/);
    assert.match(answer.body, /not there yet/);
}

// The most memory that it ever had, in KiB. (A sanitizer takes several times as much.)
const assertSmall = (service) => {
    const status = fs.readFileSync(`/proc/${service.child.pid}/status`, 'latin1');
    const most = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)[1]);
    assert.ok(SANITIZED || most <= 10 * 1024, `${most} KiB`);
};

const childrenOf = (pid) => fs.readdirSync('/proc').filter((entry) => {
    try {
        const stat = fs.readFileSync(`/proc/${entry}/stat`, 'latin1');
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid;
    } catch {
        return false;
    }
}).map(Number);
const exists = (pid) => fs.existsSync(`/proc/${pid}`)
    && !/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, 'latin1'));

// ---------------------------------------------------------------- https

const folder = makeDirectory();
after(() => removeDirectory(folder));
const file = (name) => path.join(folder, name);
const openssl = (...args) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
for (const name of ['ca', 'other-ca']) {
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', `/CN=${name}`,
        '-keyout', `${name}.key`, '-out', `${name}.pem`);
}
// [the name in it, days]
const certificate = (name, subject, days = '2') => {
    fs.writeFileSync(file('extensions'), `subjectAltName=${subject}`);
    openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=keys',
        '-keyout', `${name}.key`, '-out', `${name}.csr`);
    openssl('x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-days', days, '-extfile', 'extensions',
        '-out', `${name}.pem`);
    return { cert: fs.readFileSync(file(`${name}.pem`)), key: fs.readFileSync(file(`${name}.key`)) };
};
const good = certificate('good', 'IP:127.0.0.1');
const elsewhere = certificate('elsewhere', 'DNS:elsewhere.example');

describe('https', () => {
    it('by an authority of its own', () => withServer(setOf(first), { tls: good, jwt: { ca_file: file('ca.pem') } },
        async (service, server) => {
            await fetched(service);
            await assertMinted(service, await first.as());
            assert.equal(server.requests.length, 1);
            assert.equal(server.requests[0].url, '/keys.json');
            assertSmall(service);
        }));
    const refused = {
        'an authority that nobody trusts': [good, {}],
        'another authority': [good, { ca_file: file('other-ca.pem') }],
        "another name's certificate": [elsewhere, { ca_file: file('ca.pem') }],
    };
    for (const [title, [tls, jwt]] of Object.entries(refused)) {
        it(`not by ${title}`, () => withServer(setOf(first), { tls, jwt }, async (service, server) => {
            await waitFor('the error', () => /caller app: the key set could not be fetched: .*(SSL|certificate)/i.test(service.log()));
            await assertNotReady(service, await first.as());
            assert.equal(server.requests.length, 0);
        }));
    }
});

// ---------------------------------------------------------------- the first fetch, and later ones

describe('fetching', () => {
    it('before the first success: 503 for those who need it, and the log says why', async () => {
        let release;
        const gate = new Promise((resolve) => {
            release = resolve;
        });
        await withServer(async (_, outgoing) => {
            await gate;
            outgoing.end(setOf(first));
        }, {}, async (service) => {
            await assertNotReady(service, await first.as());
            assert.match(assertError(await ask(service, '/readyz'), 503), /'app'/);
            assert.equal((await ask(service, '/livez')).status, 200);
            await assertMinted(service, apiKey);
            // Whose JWT is nobody's need not come again.
            assert.equal(await statusOf(service, await first.as('ann', { aud: 'other' })), 401);
            const [line] = (await service.logged(/ refused /, async () => assertNotReady(service, await first.as())))
                .filter((text) => / refused /.test(text));
            assert.match(line, /warning: refused caller="app" reason="the keys of this caller have not been fetched yet" address=/);
            const coded = await ask(service, '/token/generate', { as: await first.as(), body: { serviceRtm: { enable: true } } });
            assert.equal(assertJson(coded, 503).data, '');
            assert.match(coded.headers['retry-after'], /^\d+$/);
            release();
            await fetched(service);
            assert.deepEqual(assertJson(await ask(service, '/readyz'), 200),
                { status: 'ready', access: 'policy', sample_credentials: true });
            await assertMinted(service, await first.as());
            assert.equal(await statusOf(service, await second.as()), 401);
        });
    });

    // The one test here that waits: for the time from one fetch to the next.
    it('an unknown kid has the keys fetched, 30 s after the last fetch', () => withServer(setOf(first), {},
        async (service, server) => {
            await fetched(service);
            server.answer = setOf(second);
            const as = await second.as();
            const began = Date.now();
            while (await statusOf(service, as) === 401) {
                assert.ok(Date.now() - began < 40000, 'the new key is taken');
                await sleep(200);
            }
            assert.equal(server.requests.length, 2);
            const pause = server.requests[1].at - server.requests[0].at;
            assert.ok(pause >= 29900 && pause < 34000, `${pause} ms`);
            await assertMinted(service, as);
            assert.equal(await statusOf(service, await first.as()), 401, 'the old key is gone');
        }));

    it('SIGHUP has the keys fetched at once; those of a caller that did not change count meanwhile', () => withServer(
        setOf(first), {}, async (service, server) => {
            await fetched(service);
            let answered = false;
            server.answer = async (_, outgoing) => {
                await sleep(500);
                answered = true;
                outgoing.end(setOf(second));
            };
            await service.hangUp(/settings were read again/);
            await waitFor('the second fetch', () => server.requests.length === 2);
            assert.ok(!answered);
            await assertMinted(service, await first.as());
            await waitFor('the new key', async () => await statusOf(service, await second.as()) === 200);
            // Those of a caller with another address do not.
            const other = await startServer(() => {});
            try {
                replaceFile(service.file('access.json'), policyFor(other.url));
                await service.hangUp(/settings were read again/);
                await assertNotReady(service, await second.as());
            } finally {
                await other.stop();
            }
        }));

    it('plain http asks no proxy', async () => {
        const proxy = await startServer('{}');
        try {
            await withServer(setOf(first), { settings: { http_proxy: proxy.url, all_proxy: proxy.url } }, async (service) => {
                await fetched(service);
                assert.equal(proxy.requests.length, 0);
            });
        } finally {
            await proxy.stop();
        }
    });
});

// ---------------------------------------------------------------- servers that are not as they should be

const flood = (outgoing, chunk) => {
    const write = () => outgoing.write(chunk) && setImmediate(write);
    outgoing.on('drain', write);
    outgoing.on('error', () => {});
    write();
};
const long = (item) => `{"keys":[${JSON.stringify(first.public)}${`,${item}`.repeat((260000 - 200) / (item.length + 1))}]}`;
const servers = {
    'silent': [() => {}, /Operation timed out|timed out/i, 5000],
    'of an endless trickle': [(_, outgoing) => {
        outgoing.writeHead(200);
        const timer = setInterval(() => outgoing.write(' '), 100);
        outgoing.on('close', () => clearInterval(timer));
    }, /timed out/i, 5000],
    'of endless headers': [(_, outgoing) => {
        outgoing.socket.write('HTTP/1.1 200 OK\r\n');
        flood(outgoing.socket, `X-A: ${'a'.repeat(1000)}\r\n`);
    }, /header/i],
    'endless': [(_, outgoing) => flood(outgoing, ' '.repeat(65536)), /longer than 262144 bytes/],
    'of a body that is announced as huge': [(_, outgoing) => {
        outgoing.writeHead(200, { 'Content-Length': 1e12 });
        flood(outgoing, ' '.repeat(65536));
    }, /longer than 262144 bytes/],
    'that hangs up': [(incoming) => incoming.socket.destroy(), /empty reply|reset/i],
    'that redirects': [(_, outgoing) => {
        outgoing.writeHead(302, { Location: '/other' });
        outgoing.end(setOf(first));
    }, /status 302 where 200/],
    'that fails': [(_, outgoing) => {
        outgoing.writeHead(500);
        outgoing.end(setOf(first));
    }, /status 500 where 200/],
    'without content': [(_, outgoing) => {
        outgoing.writeHead(204);
        outgoing.end();
    }, /status 204 where 200/],
    'of an empty body': ['', /it is not JSON/],
    'of HTML': ['<html>', /it is not JSON: expected .* at byte 0/],
    'of half a key set': [setOf(first).slice(0, -5), /it is not JSON/],
    'of no key set': ['{"key":[]}', /it is no key set/],
    'of keys that are none': ['{"keys":[5,null,[],{}]}', /no key can be used; the first: its kty and crv/],
    'of a secret': ['{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}', /no key can be used/],
    'of keys for encryption': [JSON.stringify({ keys: [{ ...first.public, use: 'enc' }] }), /no key can be used; .*use is not sig/],
    'of a use that is no text': [JSON.stringify({ keys: [{ ...first.public, use: 5 }] }), /no key can be used; .*use is not sig/],
    'of keys to sign with': [JSON.stringify({ keys: [{ ...first.public, key_ops: ['sign', 5] }] }), /no key can be used; .*key_ops/],
    'of a member twice': [setOf(first).replace('"kid":', '"kid":"x","kid":'), /it is not JSON/],
    'of nesting': ['['.repeat(200000), /it is not JSON/],
    'of empty objects': [long('{}'), /expected fewer values/],
    'of numbers': [long('0'), /expected fewer values/],
    'of empty lists': [long('[]'), /expected fewer values/],
    'of operations': [setOf(first).replace('"kid":', `"key_ops":["verify"${',{}'.repeat(80000)}],"kid":`), /expected fewer values/],
    'of control characters': ['\u001b[2J\n\r', /it is not JSON/],
};

describe('a key server', { concurrency: 4 }, () => {
    for (const [title, [answer, pattern, takes = 0]] of Object.entries(servers)) {
        it(`${title}: no request waits, the last good keys stay, and the log says why`, () => withServer(setOf(first), {},
            async (service, server) => {
                await fetched(service);
                server.answer = answer;
                const [as, unknown] = [await first.as(), await second.as()];
                let done = false;
                let longest = 0;
                const asking = (async () => {
                    while (!done) {
                        const began = Date.now();
                        assert.equal(await statusOf(service, as), 200);
                        assert.equal(await statusOf(service, unknown), 401);
                        longest = Math.max(longest, Date.now() - began);
                    }
                })();
                const lines = await service.hangUp(/caller app: the key set could not be fetched: /).finally(() => {
                    done = true;
                });
                await asking;
                const [line] = lines.filter((text) => /could not be fetched/.test(text));
                assert.match(line, pattern);
                assert.match(line, /; the last good one stays in use$/);
                assert.doesNotMatch(line, /[\x00-\x1f\x7f]/);
                assert.ok(longest < AT_ONCE, `${longest} ms`);
                // libcurl asks again where a kept connection was closed on it.
                assert.ok([2, 3].includes(server.requests.length));
                assert.ok(takes === 0 || Date.now() - server.requests[1].at >= takes - 100);
                await assertMinted(service, as);
                assertSmall(service);
            }));
    }

    for (const [title, text] of Object.entries({
        'a member of 200 KB': JSON.stringify({ keys: [{ ...first.public, x5c: 'x'.repeat(200000) }] }),
        'keys past the hundredth': JSON.stringify({ keys: [first.public, ...Array(500).fill(second.public)] }),
        'long names of keys': JSON.stringify({ keys: [first.public, ...Array.from({ length: 99 },
            (_, i) => ({ ...rsa(), alg: 'RS256', kid: `${i}${'x'.repeat(1200)}` }))] }),
        'a key with a name of 200 KB': JSON.stringify({ keys: [first.public, { ...rsa(), kid: 'x'.repeat(200000) }] }),
        'RSA keys': JSON.stringify({ keys: [first.public, ...Array.from({ length: 99 }, rsa)] }),
    })) {
        it(`that sends a good key among ${title}: it counts, and takes little memory`, () => withServer(text, {}, async (service) => {
            assert.ok(text.length <= 256 * 1024);
            await fetched(service);
            for (let i = 0; i < 3; i++) {
                await service.hangUp(/settings were read again/);
                await assertMinted(service, await first.as());
            }
            await sleep(300);
            assertSmall(service);
        }));
    }

    it('that is not there', () => withPolicy(policyFor('http://127.0.0.1:1/'), {}, async (service) => {
        await waitFor('the error', () => /caller app: the key set could not be fetched: .*connect/i.test(service.log()));
        await assertNotReady(service, await first.as());
        await assertMinted(service, apiKey);
    }));
});

// ---------------------------------------------------------------- the program

describe('agora-token-jwks', () => {
    const oneChild = (service) => waitFor('the program', () => {
        const pids = childrenOf(service.child.pid);
        // Before its exec it is a copy of the service.
        return pids.length === 1 && fs.readFileSync(`/proc/${pids[0]}/cmdline`, 'latin1') === 'agora-token-jwks\0' && pids[0];
    });

    it('has no secret in its environment, no descriptor but its own, and ends with the service', () => withServer(setOf(first), {
        settings: { SECRET_OF_SOMEBODY: 'hidden', https_proxy: 'http://127.0.0.1:1' },
    }, async (service) => {
        await fetched(service);
        // Connections that are open when it is started again.
        const sockets = await Promise.all(Array.from({ length: 5 }, () => fcgiConnect(service)));
        const before = await oneChild(service);
        process.kill(before, 'SIGKILL');
        await waitFor('the line', () => /agora-token-jwks has ended/.test(service.log()));
        await service.hangUp(/settings were read again/);
        const child = await oneChild(service);
        assert.notEqual(child, before);
        const environment = fs.readFileSync(`/proc/${child}/environ`, 'latin1').split('\0').filter((text) => text !== '');
        assert.deepEqual(environment, ['https_proxy=http://127.0.0.1:1']);
        await waitFor('its descriptors to be its own', () => {
            const links = fs.readdirSync(`/proc/${child}/fd`).map((fd) => {
                try {
                    return fs.readlinkSync(`/proc/${child}/fd/${fd}`);
                } catch {
                    return 'gone';
                }
            });
            const ours = links.filter((link) => link === service.upstream.path || /responder\.sock|signalfd|eventpoll/.test(link));
            assert.deepEqual(ours, []);
            // libcurl opens some for a fetch: a socket, a pair to wake it.
            return links.slice(0, 2).every((link) => /^pipe:/.test(link)) && /responder\.log$/.test(links[2])
                && links.slice(3).every((link) => /^(anon_inode:\[eventfd\]|gone|socket:.*)$/.test(link));
        });
        sockets.forEach((socket) => socket.destroy());
        service.child.kill('SIGTERM');
        assert.equal((await service.child.exited).code, 0);
        assert.ok(!exists(child));
    }));

    it('ends also when the service is killed', () => withServer(setOf(first), {}, async (service) => {
        await fetched(service);
        const child = await oneChild(service);
        service.child.kill('SIGKILL');
        await waitFor('its end', () => !exists(child), 6000);
    }));

    it('is started again when it was killed', () => withServer(setOf(first), {}, async (service, server) => {
        await fetched(service);
        process.kill(await oneChild(service), 'SIGKILL');
        await waitFor('the line', () => /error: agora-token-jwks has ended/.test(service.log()));
        await assertMinted(service, await first.as());
        server.answer = setOf(second);
        await service.hangUp(/settings were read again/);
        await waitFor('the new key', async () => await statusOf(service, await second.as()) === 200);
    }));

    it('that is not installed: the log says so, and API keys count', async () => {
        const program = file('agora-token-fcgi');
        fs.copyFileSync(RESPONDER, program);
        await withPolicy(policyFor('http://127.0.0.1:1/'), { program }, async (service) => {
            await waitFor('the line', () => /error: key sets can't be fetched: /.test(service.log()));
            assertTells(service.log(), `${file('agora-token-jwks')} can't be started: No such file or directory`);
            await assertNotReady(service, await first.as());
            await assertMinted(service, apiKey);
        });
    });
});

describe('agora-token-jwks --once', () => {
    const run = (...args) => new Promise((resolve, reject) => {
        const child = spawn(JWKS, args, { cwd: folder, env: cleanEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] });
        let text = '';
        for (const stream of [child.stdout, child.stderr]) {
            stream.on('data', (chunk) => {
                text += chunk;
            });
        }
        child.once('error', reject);
        child.once('close', (code) => resolve({ code, text }));
    });
    const left = () => fs.readdirSync(folder).filter((name) => name.startsWith('keys.json'));

    it('writes the file whole, which jwks_file then names', async () => {
        const server = await startServer(setOf(first), { tls: good });
        try {
            const done = await run('--once', '--ca-file', 'ca.pem', server.url, 'keys.json');
            assert.deepEqual(done, { code: 0, text: '' });
            assert.equal(fs.readFileSync(file('keys.json'), 'utf8'), setOf(first));
            assert.equal(fs.statSync(file('keys.json')).mode & 0o777, 0o644);
            // One that is read all the while is never in part.
            const big = JSON.stringify({ keys: [second.public], more: 'x'.repeat(200000) });
            server.answer = big;
            const [, seen] = await Promise.all([run('--once', '--ca-file', 'ca.pem', server.url, 'keys.json'), (async () => {
                const texts = new Set();
                for (let i = 0; i < 400; i++) {
                    texts.add(fs.readFileSync(file('keys.json'), 'utf8'));
                    await sleep(1);
                }
                return texts;
            })()]);
            assert.deepEqual([...seen].filter((text) => text !== setOf(first) && text !== big), []);
            assert.equal(fs.readFileSync(file('keys.json'), 'utf8'), big);
            assert.deepEqual(left(), ['keys.json']);
            const policy = policyFor('');
            policy.callers.app.jwt = { issuer: 'login', audience: 'app', jwks_file: 'keys.json' };
            await withPolicy(policy, { files: { 'keys.json': fs.readFileSync(file('keys.json'), 'utf8') } },
                async (service) => assertMinted(service, await second.as()));
        } finally {
            await server.stop();
        }
    });

    it('leaves it as it is after a failure, with one line that says why', async () => {
        replaceFile(file('keys.json'), setOf(first), 0o644);
        const server = await startServer('');
        const rows = [
            [(_, outgoing) => { outgoing.writeHead(404); outgoing.end(setOf(second)); }, /status 404 where 200/],
            ['{"keys":[]}', /it has no keys/],
            ['x', /it is not JSON/],
            [(_, outgoing) => flood(outgoing, ' '.repeat(65536)), /longer than 262144/],
        ];
        try {
            for (const [answer, pattern] of rows) {
                server.answer = answer;
                const { code, text } = await run('--once', server.url, 'keys.json');
                assert.equal(code, 1);
                assert.match(text, pattern);
                assertTells(text, server.url);
                assert.equal(text.trim().split('\n').length, 1);
                assert.equal(fs.readFileSync(file('keys.json'), 'utf8'), setOf(first));
                assert.deepEqual(left(), ['keys.json']);
            }
            server.answer = setOf(second);
            for (const [url, target, pattern] of [
                ['http://example.com/', 'keys.json', /use https/], ['file:///etc/passwd', 'keys.json', /use https/],
                [server.url, 'none/keys.json', /none\/keys\.json: No such file/],
            ]) {
                const { code, text } = await run('--once', url, target);
                assert.equal(code, 1);
                assert.match(text, pattern);
            }
        } finally {
            await server.stop();
        }
        for (const args of [['--once'], ['--once', 'x'], ['--nope'], ['x']]) {
            assert.equal((await run(...args)).code, 2, args.join(' '));
        }
    });
});

// ---------------------------------------------------------------- rotation under load

describe('rotation under load', () => {
    // Each rotation publishes a new key beside the one before, has the keys fetched, then uses it. Policies
    // take turns: users whom the one allows, the other refuses.
    it(`five of published keys and five of policies under ${LOAD} requests: each decision is right`, async (t) => {
        const keys = [await makeKey('k0')];
        const server = await startServer(setOf(...keys));
        const policies = [0, 1].map((i) => {
            const policy = policyFor(server.url);
            policy.rules[0].users = ['ann', `user-${i}`];
            return policy;
        });
        try {
            await withPolicy(policies[0], { settings: { LOG_LEVEL: 'warning', WORKERS: '2' } }, async (service) => {
                await waitFor('the keys', async () => await statusOf(service, await keys[0].as()) === 200);
                const forged = await (await makeKey('k0')).as();
                const expired = await keys[0].as('ann', { exp: now() - 100 });
                let current = await keys[0].as();
                // What is certain of the users at a moment; undefined while a policy is being replaced.
                let active = 0;
                let asked = 0;
                const wrong = [];
                const counts = {};
                const client = async () => {
                    const socket = await fcgiConnect(service);
                    for (let i = 0; asked < LOAD; i++) {
                        asked++;
                        const [before, as] = [active, current];
                        const [target, credential, wanted] = [
                            ['/rtm/ann', as, 200], ['/rtm/eve', as, 403], ['/rtm/ann', forged, 401],
                            ['/rtm/ann', expired, 401], ['/rtm/ann', {}, 401], ['/rtm/user-0', as, before === 1 ? 403 : 200],
                            ['/rtm/user-1', as, before === 0 ? 403 : 200], ['/rtm/ann', apiKey, 200],
                        ][i % 8];
                        const { status, body } = await ask(service, target, { as: credential, socket });
                        counts[status] = (counts[status] ?? 0) + 1;
                        const uncertain = /user-/.test(target) && (before === undefined || before !== active);
                        if (uncertain ? ![200, 403].includes(status) : status !== wanted) {
                            wrong.push(`${target} ${status} where ${wanted}: ${body}`);
                        }
                    }
                    socket.destroy();
                };
                const rotate = async () => {
                    for (let round = 1; round <= 5; round++) {
                        await waitFor('its turn', () => asked >= round * LOAD / 7, 600000);
                        const key = await makeKey(`k${round}`);
                        server.answer = setOf(keys.at(-1), key);
                        const had = server.requests.length;
                        await service.logged(/^/, () => service.child.kill('SIGHUP'));
                        await waitFor('the fetch', () => server.requests.length > had, 20000);
                        const as = await key.as();
                        await waitFor('the new key', async () => await statusOf(service, as) === 200, 20000);
                        keys.push(key);
                        current = as;

                        active = undefined;
                        replaceFile(service.file('access.json'), policies[round % 2]);
                        service.child.kill('SIGHUP');
                        const [mine, others] = [`/rtm/user-${round % 2}`, `/rtm/user-${1 - round % 2}`];
                        await waitFor('the new policy', async () => {
                            // By each of the workers.
                            const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => (
                                ask(service, i % 2 ? mine : others, { as }))));
                            return answers.every(({ status }, i) => status === (i % 2 ? 200 : 403));
                        }, 20000);
                        await sleep(50);
                        active = round % 2;
                    }
                };
                const began = Date.now();
                await Promise.all([rotate(), ...Array.from({ length: 32 }, client)]);
                assert.deepEqual(wrong.slice(0, 10), []);
                assert.equal(keys.length, 6);
                assert.ok(asked >= LOAD);
                assertSmall(service);
                t.diagnostic(`${asked} requests in ${Date.now() - began} ms: ${JSON.stringify(counts)}`);
            });
        } finally {
            await server.stop();
        }
    });
});
