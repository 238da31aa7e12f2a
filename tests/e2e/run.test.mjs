// `make run` and the script behind it, conf/local/serve: each test in a copy of the checkout of
// its own, so that no .env but the test's is read or written.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, afterEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
    APP_ID, assertJson, assertToken, CERTIFICATE, cleanEnvironment, freePort, launch, logObjects, makeDirectory,
    PUBLISHER, removeDirectory, request, RESPONDER, rtc, SERVE_ENDS, terminate, waitFor,
} from './harness.mjs';

const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const asRoot = process.getuid() === 0;
const ordinaryUser = asRoot ? 'nobody' : os.userInfo().username;
const ipv6 = Object.values(os.networkInterfaces()).flat().some(({ address }) => address === '::1');
const SETTINGS = { APP_ID, APP_CERTIFICATE: CERTIFICATE };
const directories = [];
const children = new Set();

// Only a test that failed leaves any.
afterEach(async () => {
    await Promise.all([...children].filter(({ gone }) => !gone)
        .map((child) => terminate(child, SERVE_ENDS)));
    children.clear();
});
after(() => directories.forEach(removeDirectory));

// What `make run` needs, with the times kept, so that make finds nothing to rebuild.
function copyCheckout() {
    const directory = makeDirectory();
    directories.push(directory);
    const copy = path.join(directory, 'agora token');   // whose name serve must not stumble on
    fs.mkdirSync(path.join(copy, 'build'), { recursive: true });
    for (const name of ['Makefile', 'src', 'include', 'conf', '.env.example', 'build/release']) {
        const source = path.join(repository, name);
        if (fs.existsSync(source)) {
            execFileSync('cp', ['-a', source, path.dirname(path.join(copy, name))]);
        }
    }
    // An ordinary user may not be allowed to enter the checkout, so the copy has all that it runs.
    fs.copyFileSync(RESPONDER, path.join(copy, 'build/release/agora-token-fcgi'));
    return copy;
}

function readProc(pid, name) {
    try {
        return fs.readFileSync(`/proc/${pid}/${name}`, 'latin1');
    } catch {
        return '';      // ended in the meantime
    }
}

// {pid, command, started} of all that a process has started, and of what these have.
function descendants(ancestor) {
    const all = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map((name) => {
        const stat = readProc(name, 'stat');
        const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return {
            pid: Number(name), parent: Number(fields[1]), started: fields[19],
            command: readProc(name, 'cmdline').replaceAll('\0', ' '),
        };
    });
    const below = (pid) => all.filter(({ parent }) => parent === pid)
        .flatMap((found) => [found, ...below(found.pid)]);
    return below(ancestor);
}

// Starts serving and returns at once. `make` puts make before the script.
async function run({ make = false, user, env = SETTINGS, dotenv, port, copy = copyCheckout() } = {}) {
    if (dotenv !== undefined) {
        fs.writeFileSync(path.join(copy, '.env'), dotenv, { mode: 0o600 });
    }
    if (user) {
        execFileSync('chown', ['-R', `${user}:`, path.dirname(copy)]);
    }
    const wanted = port === undefined ? await freePort() : port;
    const logFile = path.join(path.dirname(copy), 'log');
    const command = [
        ...(user ? ['setpriv', '--reuid', user, '--regid', 'nogroup', '--clear-groups'] : []),
        ...(make ? ['make', 'run'] : [path.join(copy, 'conf/local/serve')]),
    ];
    const child = launch(command[0], command.slice(1), {
        // Not the checkout itself, unless make has to find its Makefile.
        cwd: make ? copy : '/',
        env: cleanEnvironment({
            ...(wanted ? { PORT: String(wanted) } : {}), ...env,
        }),
        logFile,
    });
    children.add(child);
    return { child, copy, port: wanted, log: () => fs.readFileSync(logFile, 'utf8') };
}

const READY = /^agora-token-fcgi ready on http:\/\/localhost:(\d+) — (open it in a browser, or )?try: (curl http:\S+)$/gm;

async function started(options) {
    const service = await run(options);
    const [line] = await waitFor('the ready line', () => {
        const lines = [...service.log().matchAll(READY)];
        assert.ok(lines.length || !service.child.gone, service.log());
        return lines.length && lines;
    }, 20000);
    service.port = Number(line[1]);
    service.saysOfPage = line[2] !== undefined;
    service.tryIt = line[3];
    service.family = descendants(service.child.pid);
    service.runtime = /unix:(\/tmp\/agora-token\.\w+)\//.exec(
        service.family.map(({ command }) => command).join('\n'))[1];
    assert.ok(fs.existsSync(service.runtime));
    return service;
}

async function ended(service) {
    try {
        await waitFor('the end', () => service.child.gone, 15000);
    } catch (error) {
        await terminate(service.child);
        throw error;
    }
    return service.child.exited;
}

async function assertNothingLeft(service) {
    const left = () => service.family.filter(({ pid, started: when }) => {
        const stat = readProc(pid, 'stat');
        const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return fields[19] === when && fields[0] !== 'Z';
    });
    await waitFor('all processes to end', () => left().length === 0, 1000)
        .catch(() => assert.deepEqual(left(), []));
    assert.ok(!fs.existsSync(service.runtime), service.runtime);
}

async function stop(service) {
    service.child.kill('SIGTERM');
    assert.deepEqual(await ended(service), { code: 0, signal: null }, service.log());
    await assertNothingLeft(service);
}

// Runs to its own end, with one line.
async function assertRefused(service, pattern) {
    assert.deepEqual(await ended(service), { code: 1, signal: null }, service.log());
    assert.match(service.log(), pattern);
    assert.equal(service.log().trim().split('\n').length, 1, service.log());
}

function assertTryIt(service, credentials) {
    const answer = JSON.parse(execFileSync('sh', ['-c', `${service.tryIt} -s --noproxy '*'`]));
    assert.deepEqual(Object.keys(answer), ['rtcToken']);
    assertToken(answer.rtcToken, [rtc('lecture', '42', PUBLISHER)], 3600, credentials);
}

test('LOG_FORMAT=json is for all that runs', async () => {
    const service = await run({ env: { ...SETTINGS, LOG_FORMAT: 'json' } });
    await waitFor('the ready line', () => {
        assert.ok(!service.child.gone, service.log());
        return /"message":"agora-token-fcgi ready on http:/.test(service.log());
    }, 20000);
    assertJson(await request(service, '/rtm/alice?expiry=60'), 200);
    await waitFor('the access log', () => service.log().includes('"path":"/rtm/alice"'));
    service.child.kill('SIGTERM');
    assert.deepEqual(await ended(service), { code: 0, signal: null }, service.log());
    const [line] = logObjects(service.log()).filter((object) => object.path === '/rtm/alice');
    const { time, duration, bytes, request_id: id, ...rest } = line;
    assert.deepEqual(rest, { level: 'info', message: '200 GET /rtm/alice', method: 'GET', path: '/rtm/alice', status: 200,
        address: '127.0.0.1' });
    assert.match(id, /^[0-9a-f]{32}$/);
    const refused = await run({ env: { ...SETTINGS, LOG_FORMAT: 'json', AGORA_TOKEN_FCGI: '/no "such" program\\' } });
    await ended(refused);
    assert.match(logObjects(refused.log())[0].message, /there is no \/no "such" program\\;/);
});

describe('make run', () => {
    test('one ready line whose curl works; SIGTERM leaves nothing', async () => {
        const service = await started({ make: true });
        assertTryIt(service);
        await waitFor('the access log', () => service.log().includes('"GET /rtc/lecture/'));
        assert.equal([...service.log().matchAll(READY)].length, 1);
        assert.doesNotMatch(service.log(), /GET \/livez/, 'its own probe is not logged');
        service.child.kill('SIGTERM');
        // make passes the signal on, waits, and then ends by the same signal.
        assert.equal((await ended(service)).signal, 'SIGTERM');
        await assertNothingLeft(service);
    });

    test('Ctrl-C leaves nothing', async () => {
        const service = await started({ make: true });
        process.kill(-service.child.pid, 'SIGINT');
        await ended(service);
        await assertNothingLeft(service);
        assert.ok(!fs.existsSync(path.join(service.copy, '.env')), 'settings came from outside');
    });

    test('a failure is one line and a status', async () => {
        const service = await run({ make: true, env: { ...SETTINGS, APP_ID: 'short' } });
        assert.equal((await ended(service)).code, 2);
        assert.match(service.log(), /APP_ID/);
    });
});

describe('conf/local/serve', () => {
    test('Ctrl-C ends it with status 0', async () => {
        const service = await started();
        process.kill(-service.child.pid, 'SIGINT');
        assert.deepEqual(await ended(service), { code: 0, signal: null });
        await assertNothingLeft(service);
    });

    test('a closed terminal ends it too', async () => {
        const service = await started();
        process.kill(-service.child.pid, 'SIGHUP');
        assert.deepEqual(await ended(service), { code: 0, signal: null });
        await assertNothingLeft(service);
    });

    test('Ctrl-C while it starts', async () => {
        const service = await run();
        await waitFor('a child', () => descendants(service.child.pid).length
            && fs.readdirSync('/tmp').some((name) => name.startsWith('agora-token.')));
        service.family = descendants(service.child.pid);
        process.kill(-service.child.pid, 'SIGINT');
        await ended(service);
        service.runtime = '/nonexistent';
        await assertNothingLeft(service);
    });

    test('answers by IPv6', { skip: !ipv6 && 'no IPv6 here' }, async () => {
        const service = await started();
        const status = await new Promise((resolve, reject) => {
            http.get({ host: '::1', port: service.port, path: '/ping', agent: false }, (answer) => {
                answer.resume().on('end', () => resolve(answer.statusCode));
            }).once('error', reject);
        });
        assert.equal(status, 200);
        await stop(service);
    });

    test('no strangers in the runtime directory', async () => {
        const service = await started();
        assert.equal(fs.statSync(service.runtime).mode & 0o007, 0);
        await stop(service);
    });

    test('an ordinary user', async () => {
        const service = await started({ user: asRoot ? ordinaryUser : undefined, make: true });
        assertTryIt(service);
        assert.doesNotMatch(service.log(), /\[(?:warn|alert|emerg)\]/);
        service.child.kill('SIGTERM');
        await ended(service);
        await assertNothingLeft(service);
    });

    test('an access that is still being answered when it stops', async () => {
        const service = await started();
        const answers = Array.from({ length: 50 }, () => request(service, '/rtc/a/publisher/uid/1'));
        await Promise.all(answers.slice(0, 1));
        service.child.kill('SIGTERM');
        // Connections that nginx had not accepted yet may be refused; no answer may be an error.
        for (const { status, value } of await Promise.allSettled(answers)) {
            if (status === 'fulfilled') {
                assertJson(value, 200);
            }
        }
        assert.deepEqual(await ended(service), { code: 0, signal: null });
        await assertNothingLeft(service);
    });

    for (const [name, signal, pattern] of [
        ['nginx: master', 'SIGKILL', /nginx ended by itself/],
        ['--listen', 'SIGKILL', /responder ended by itself/],
        ['--listen', 'SIGTERM', /responder ended by itself/],
    ]) {
        test(`${name} dies of ${signal}: the other is stopped`, async () => {
            const service = await started();
            process.kill(service.family.find(({ command }) => command.includes(name)).pid, signal);
            assert.deepEqual(await ended(service), { code: 1, signal: null });
            assert.match(service.log(), pattern);
            await assertNothingLeft(service);
        });
    }
});

describe('settings', () => {
    test('none: .env is made from .env.example', async () => {
        const service = await started({ env: {} });
        assert.match(service.log(), /copied \.env\.example to \.env/);
        const file = path.join(service.copy, '.env');
        assert.equal(fs.readFileSync(file, 'utf8'),
            fs.readFileSync(path.join(repository, '.env.example'), 'utf8'));
        assert.equal(fs.statSync(file).mode & 0o077, 0, 'it is to hold a secret');
        assertTryIt(service);
        await stop(service);
    });

    test('a .env is used as it is, its port too', async () => {
        const credentials = { appId: '0'.repeat(32), certificate: 'f'.repeat(32) };
        const port = await freePort();
        const dotenv = `APP_ID=${credentials.appId}\nAPP_CERTIFICATE=${credentials.certificate}\nPORT=${port}\n`;
        const service = await started({ env: {}, port: null, dotenv });
        assert.equal(service.port, port);
        assertTryIt(service, credentials);
        assert.equal(fs.readFileSync(path.join(service.copy, '.env'), 'utf8'), dotenv);
        await stop(service);
    });

    test('SERVER_PORT names the port', async () => {
        const port = await freePort();
        const service = await started({ port: null, env: { ...SETTINGS, SERVER_PORT: String(port) } });
        assert.equal(service.port, port);
        assert.ok(service.saysOfPage);
        await stop(service);
    });

    test('the line when it is ready says nothing of a page that is off', async () => {
        const service = await started({ env: { ...SETTINGS, PAGE: 'off' } });
        assert.ok(!service.saysOfPage);
        await stop(service);
    });

    test('PORT wins over SERVER_PORT, the environment over .env', async () => {
        const port = await freePort();
        const service = await started({
            port, dotenv: 'PORT=1\nSERVER_PORT=2\n', env: { ...SETTINGS, SERVER_PORT: '3' },
        });
        assert.equal(service.port, port);
        await stop(service);
    });
});

describe('WORKERS', () => {
    const assertCount = (service, count) => waitFor(`${count} workers of nginx`, () => descendants(service.child.pid)
        .filter(({ command }) => command.startsWith('nginx: worker')).length === count);

    test('is how many processes nginx has', async () => {
        const service = await started({ env: { ...SETTINGS, WORKERS: '3' } });
        await assertCount(service, 3);
        await stop(service);
    });

    test('0: one for each processor', async () => {
        const service = await started({ env: { ...SETTINGS, WORKERS: '0' } });
        await assertCount(service, Number(execFileSync('getconf', ['_NPROCESSORS_ONLN'])));
        await stop(service);
    });
});

describe('refusals', () => {
    for (const host of ['127.0.0.1', '0.0.0.0', ...(ipv6 ? ['::1'] : [])]) {
        test(`the port is in use on ${host}`, async () => {
            const server = net.createServer();
            await new Promise((resolve) => server.listen(0, host, resolve));
            const { port } = server.address();
            await assertRefused(await run({ port }), new RegExp(`port ${port} is in use`));
            await new Promise((resolve) => server.close(resolve));
        });
    }

    for (const [name, value] of [
        ['APP_ID', 'short'], ['APP_CERTIFICATE', CERTIFICATE.slice(1)], ['PORT', '70000'],
    ]) {
        test(`a wrong ${name}`, async () => {
            const service = await run({ env: { ...SETTINGS, [name]: value } });
            await assertRefused(service, new RegExp(name));
            assert.ok(!service.log().includes(CERTIFICATE.slice(1)), 'no secret is printed');
        });
    }

    test('a certificate without an App ID is no reason to take the sample', async () => {
        const service = await run({ env: { APP_CERTIFICATE: CERTIFICATE } });
        await assertRefused(service, /APP_ID/);
        assert.ok(!fs.existsSync(path.join(service.copy, '.env')));
    });

    test('no settings and no sample, as in the container', async () => {
        const copy = copyCheckout();
        fs.rmSync(path.join(copy, '.env.example'));
        await assertRefused(await run({ copy, env: {} }), /APP_ID/);
    });

    test('no binary', async () => {
        const service = await run({ env: { ...SETTINGS, AGORA_TOKEN_FCGI: '/nonexistent' } });
        await assertRefused(service, /there is no \/nonexistent/);
    });

    const first = Number(fs.readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'));
    test('a port for root only', { skip: first <= 81 && 'no such ports here' }, async () => {
        const service = await run({ port: 81, user: asRoot ? ordinaryUser : undefined });
        await assertRefused(service, /port 81 is for root only/);
    });
});
