// From the listener to the last answer: sockets that are found, inherited and handed on, settings
// that change while requests come, what a service manager is told, and the end. No gateway matters
// here, so running this file once for each build is enough.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import judge from 'agora-token/src/AccessToken2.js';
import {
    APP_ID, CERTIFICATE, OTHER_CERTIFICATE, RESPONDER, SANITIZED,
    assertNoReport, assertTells, assertToken, cleanEnvironment, drive, fcgiAnswers, fcgiConnect,
    fcgiRequest, freePort, launch, makeDirectory, removeDirectory, request, rtm, startResponder,
    startService, terminate, waitFor,
} from './harness.mjs';

const AT_ONCE = 5000;
const SECRETS = { APP_ID, APP_CERTIFICATE: CERTIFICATE };
const CLEAN_END = { code: 0, signal: null };
// How many requests make a load: what takes seconds on two cores, and no minute under a sanitizer.
const LOAD = Number(process.env.REQUESTS) || (SANITIZED ? 2500 : 6000);
const CLIENTS = 32;

const whole = fcgiRequest('/rtm/alice/');
const lines = (text) => text.split('\n').filter((line) => line !== '');

const within = (promise, milliseconds) => Promise.race(
    [promise, sleep(milliseconds, null, { ref: false })]);

const written = (socket, bytes) => new Promise((resolve) => {
    socket.write(bytes, () => resolve());
});

const closed = (socket) => new Promise((resolve) => {
    for (const event of ['end', 'close']) {
        socket.once(event, () => resolve(true));
    }
    socket.resume();
});

async function assertEnds(child, how = CLEAN_END) {
    assert.deepEqual(await within(child.exited, AT_ONCE), how);
}

function assertMinted(answer, certificate = CERTIFICATE, user = 'alice') {
    const [head, body] = answer.split('\r\n\r\n');
    assert.match(head, /^Status: 200\b/m);
    assertToken(JSON.parse(body).rtmToken, [rtm(user)], 3600, {
        certificate,
        otherCertificate: certificate === CERTIFICATE ? OTHER_CERTIFICATE : CERTIFICATE,
    });
}

async function assertAnswered(socket, certificate) {
    const answers = fcgiAnswers(socket, 1);
    socket.write(whole);
    assertMinted((await answers)[0], certificate);
}

async function assertServes(upstream, certificate) {
    const socket = await waitFor('the listener', () => fcgiConnect({ upstream }).catch(() => null));
    try {
        await assertAnswered(socket, certificate);
    } finally {
        socket.destroy();
    }
}

// A responder by itself, in a directory of its own, whose log must be free of reports at the end.
async function withDirectory(use) {
    const directory = makeDirectory();
    const logFile = path.join(directory, 'responder.log');
    const children = [];
    const log = () => fs.readFileSync(logFile, 'utf8');
    const context = {
        directory,
        log,
        socketFile: path.join(directory, 'responder.sock'),
        run(command, args, { env = {}, ...options } = {}) {
            const child = launch(command, args, {
                cwd: directory, env: cleanEnvironment({ ...SECRETS, ...env }), logFile, ...options,
            });
            children.push(child);
            return child;
        },
        responder: (args, options) => context.run(RESPONDER, args, options),
    };
    try {
        await use(context);
        assertNoReport(fs.existsSync(logFile) ? log() : '');
    } finally {
        await Promise.all(children.map(terminate));
        removeDirectory(directory);
    }
}

// ---------------------------------------------------------------- the end

describe('the end', () => {
    for (const gateway of ['fastcgi-unix', 'fastcgi-tcp']) {
        for (const signal of ['SIGTERM', 'SIGINT', 'SIGUSR1']) {
            it(`${signal} over ${gateway}: what has begun is answered, then status 0`, async () => {
                const service = await startService({ gateway });
                const sockets = await Promise.all(
                    Array.from({ length: 7 }, () => fcgiConnect(service)));
                const [idle, fresh, early, sliced, repeated, pipelined, both] = sockets;
                try {
                    const half = whole.length >> 1;
                    await assertAnswered(idle);
                    await assertAnswered(repeated);
                    await written(sliced, whole.subarray(0, half));
                    await written(repeated, whole.subarray(0, 10));
                    await written(early, whole.subarray(0, 1));
                    await written(pipelined, Buffer.concat([whole, whole.subarray(0, half)]));
                    await sleep(200);
                    service.responder.kill(signal);
                    const idleClosed = within(closed(idle), AT_ONCE);
                    await waitFor('it to stop', () => /stopping/.test(service.responderLog()));

                    const answers = Promise.all([
                        fcgiAnswers(sliced, 1), fcgiAnswers(repeated, 1), fcgiAnswers(early, 1),
                        fcgiAnswers(fresh, 1), fcgiAnswers(pipelined, 2), fcgiAnswers(both, 2),
                    ]);
                    sliced.write(whole.subarray(half));
                    repeated.write(whole.subarray(10));
                    early.write(whole.subarray(1));
                    fresh.write(whole);
                    pipelined.write(whole.subarray(half));
                    await written(both, Buffer.concat([whole, whole.subarray(0, half)]));
                    await sleep(50);
                    both.write(whole.subarray(half));
                    (await answers).flat().forEach((answer) => assertMinted(answer));
                    assert.equal(await idleClosed, true, 'idle ones are closed');
                    await assertEnds(service.responder);
                    await assert.rejects(fcgiConnect(service), /ECONNREFUSED|ENOENT/);
                    if (service.upstream.path) {
                        assert.ok(!fs.existsSync(service.upstream.path), 'the file is removed');
                    }
                    assert.match(lines(service.responderLog()).at(-1), /info: stopped$/);
                } finally {
                    sockets.forEach((socket) => socket.destroy());
                    await service.stop();
                }
            });
        }
    }

    it('does not wait for ever for one that has begun and goes no further', async () => {
        await withDirectory(async ({ socketFile, responder }) => {
            // In the settings there is more patience than a service manager has.
            const child = responder(['--listen', `unix:${socketFile}`],
                { env: { REQUEST_TIMEOUT: '300' } });
            await assertServes({ path: socketFile });
            const sockets = await Promise.all(
                Array.from({ length: 10 }, () => fcgiConnect({ upstream: { path: socketFile } })));
            try {
                await Promise.all(sockets.map((socket) => written(socket, whole.subarray(0, 20))));
                // And one that has asked for more than it reads.
                sockets[0].write(Buffer.concat(Array.from({ length: 5000 }, () => whole)));
                child.kill('SIGTERM');
                await assertEnds(child);
            } finally {
                sockets.forEach((socket) => socket.destroy());
            }
        });
    });

    // While it starts, which here takes until the secret comes through a named pipe.
    const startUntilSecret = async ({ directory, socketFile, responder }) => {
        const pipe = path.join(directory, 'secret');
        execFileSync('mkfifo', [pipe]);
        const child = responder(['--listen', `unix:${socketFile}`],
            { env: { APP_CERTIFICATE: undefined, APP_CERTIFICATE_FILE: pipe } });
        // A writer that does not wait is refused for as long as there is no reader.
        const writer = await waitFor('it to read', () => {
            try {
                return fs.openSync(pipe, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
            } catch (error) {
                return assert.equal(error.code, 'ENXIO');
            }
        });
        return { child, tell: () => {
            fs.writeSync(writer, CERTIFICATE);
            fs.closeSync(writer);
        } };
    };
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGUSR1']) {
        it(`${signal} before it is ready: status 0, and no file is left`, () => withDirectory(
            async (context) => {
                const { child, tell } = await startUntilSecret(context);
                child.kill(signal);
                tell();
                await assertEnds(child);
                assert.ok(!fs.existsSync(context.socketFile));
                assert.match(lines(context.log()).at(-1), /info: stopped$/);
            }));
    }

    it('is not what SIGHUP brings before it is ready', () => withDirectory(async (context) => {
        const { child, tell } = await startUntilSecret(context);
        child.kill('SIGHUP');
        tell();
        await assertServes({ path: context.socketFile });
        // There is nothing left to read in the pipe, which is a reason to stay with what is known.
        await waitFor('the reload', () => /error: the settings stay/.test(context.log()));
        assertTells(context.log(), 'APP_CERTIFICATE_FILE: cannot read ', 'secret: Timer expired');
        await assertServes({ path: context.socketFile });
        child.kill('SIGTERM');
        await assertEnds(child);
    }));

    // More than can be accepted before the next ones come.
    it('is not put off by a flood of connections to a socket that others keep open', () => withDirectory(
        async ({ directory, run, log }) => {
            const { handed: child, upstream } = await handOn(directory, 'unix', (socket) => {
                // Whoever else may accept does so later.
                run('sleep', ['60'], { stdin: socket });
                return heir(run, inheritances.LISTEN_FDS, socket);
            });
            child.begin();
            await assertServes(upstream);
            for (let count = 0; count < 8; count++) {
                run(helper(), ['flood', upstream.path]);
            }
            await sleep(500);
            child.kill('SIGTERM');
            await assertEnds(child);
            assert.match(lines(log()).at(-1), /info: stopped$/);
        }));

    // [what has been sent, but not read, on each kept connection when the signal comes]
    const sized = (bytes, query = '') => (fcgiRequest(`/rtm/alice/?${query}`).length >= bytes
        ? fcgiRequest(`/rtm/alice/?${query}`) : sized(bytes, `${query}x`));
    for (const [title, now, later, answersExpected] of [
        ['a part of a request', whole.subarray(0, 20), whole.subarray(20), 1],
        ['a request and a part of one', Buffer.concat([whole, whole.subarray(0, 20)]), whole.subarray(20), 2],
        // Where a read that takes 16 KiB ends, so does a request.
        ['more than is read at once', Buffer.concat(Array.from({ length: 100 }, () => sized(512))),
            Buffer.alloc(0), 100],
    ]) {
        it(`${title} that is there, unread, is answered`, () => withDirectory(
            async ({ socketFile, responder }) => {
                const child = responder(['--listen', `unix:${socketFile}`], { env: { WORKERS: '1' } });
                await assertServes({ path: socketFile });
                // More than the responder looks at before it looks for the signal.
                const sockets = await Promise.all(
                    Array.from({ length: 200 }, () => fcgiConnect({ upstream: { path: socketFile } })));
                try {
                    assert.equal(sized(512).length, 512);
                    await Promise.all(sockets.map((socket) => assertAnswered(socket)));
                    child.kill('SIGSTOP');
                    const answers = Promise.all(
                        sockets.map((socket) => fcgiAnswers(socket, answersExpected)));
                    await Promise.all(sockets.map((socket) => written(socket, now)));
                    child.kill('SIGTERM');
                    child.kill('SIGCONT');
                    await sleep(100);
                    // Even a write of nothing fails once the responder, which has all, reads no more.
                    if (later.length > 0) {
                        sockets.forEach((socket) => socket.write(later));
                    }
                    for (const all of await answers) {
                        assert.equal(all.length, answersExpected);
                        assertMinted(all.at(-1));
                    }
                    await assertEnds(child);
                } finally {
                    sockets.forEach((socket) => socket.destroy());
                }
            }));
    }

    it('comes before a SIGHUP that is there too', () => withDirectory(
        async ({ socketFile, responder, log }) => {
            const child = responder(['--listen', `unix:${socketFile}`]);
            await assertServes({ path: socketFile });
            child.kill('SIGSTOP');
            child.kill('SIGHUP');
            child.kill('SIGTERM');
            child.kill('SIGCONT');
            await assertEnds(child);
            assert.doesNotMatch(log(), /settings/);
        }));

    it('a second signal, and SIGHUP, change nothing about it', async () => {
        await withDirectory(async ({ socketFile, responder, log }) => {
            const child = responder(['--listen', `unix:${socketFile}`]);
            await assertServes({ path: socketFile });
            const socket = await fcgiConnect({ upstream: { path: socketFile } });
            try {
                await written(socket, whole.subarray(0, 20));
                child.kill('SIGTERM');
                await waitFor('it to stop', () => /stopping/.test(log()));
                child.kill('SIGHUP');
                child.kill('SIGTERM');
                child.kill('SIGINT');
                await sleep(100);
                const answers = fcgiAnswers(socket, 1);
                socket.write(whole.subarray(20));
                assertMinted((await answers)[0]);
                await assertEnds(child);
            } finally {
                socket.destroy();
            }
        });
    });
});

// ---------------------------------------------------------------- settings that change

const RELOADED = /info: the settings were read again/g;
const count = (text, pattern) => [...text.matchAll(pattern)].length;

// As careful deployments do it: the file is whole at any moment.
function replaceFile(file, content) {
    fs.writeFileSync(`${file}.new`, content, { mode: 0o600 });
    fs.renameSync(`${file}.new`, file);
}

// A service whose secrets stand in .env alone, since the environment can't change.
async function withReloadable({ dotenv, settings = {}, files = {} }, use) {
    const service = await startService({
        gateway: 'fastcgi-unix',
        settings: { APP_ID: undefined, APP_CERTIFICATE: undefined, ...settings },
        start: (context) => {
            for (const [name, content] of Object.entries(files)) {
                fs.writeFileSync(path.join(context.directory, name), content);
            }
            const upstream = { path: path.join(context.directory, 'responder.sock') };
            return startResponder(context, RESPONDER, ['--listen', `unix:${upstream.path}`], upstream);
        },
        dotenv,
    });
    const file = (name) => path.join(service.directory, name);
    // Says what the log got, and waits until it did. (That it is ready it says after it has begun to listen.)
    const hangUp = async (pattern) => {
        const known = service.responderLog();
        const had = count(known, pattern);
        service.responder.kill('SIGHUP');
        await waitFor('the line in the log', () => count(service.responderLog(), pattern) > had);
        return lines(service.responderLog().slice(known.length)).filter((line) => !/info: ready/.test(line));
    };
    try {
        await use({
            service,
            hangUp,
            reload: (content) => {
                replaceFile(file('.env'), content);
                return hangUp(RELOADED);
            },
            replace: (name, content) => replaceFile(file(name), content),
            mint: async (certificate) => {
                const answer = await request(service, '/rtm/alice/');
                assert.equal(answer.status, 200, answer.body);
                assertToken(JSON.parse(answer.body).rtmToken, [rtm('alice')], 3600, {
                    certificate,
                    otherCertificate: certificate === CERTIFICATE ? OTHER_CERTIFICATE : CERTIFICATE,
                });
            },
        });
    } finally {
        await service.stop();
    }
}

const dotenvWith = (certificate, more = '') => (
    `APP_ID=${APP_ID}\nAPP_CERTIFICATE=${certificate}\n${more}`);

describe('SIGHUP', () => {
    it('a new certificate is used for new requests, on kept connections too', async () => {
        await withReloadable({ dotenv: dotenvWith(CERTIFICATE) }, async ({ service, reload, mint }) => {
            // More than there are threads, so that each has some.
            const sockets = await Promise.all(
                Array.from({ length: 16 }, () => fcgiConnect(service)));
            try {
                await Promise.all(sockets.map((socket) => assertAnswered(socket)));
                const [unfinished] = sockets.splice(0, 1);
                await written(unfinished, whole.subarray(0, 20));
                assert.equal((await reload(dotenvWith(OTHER_CERTIFICATE))).length, 1);
                await Promise.all(sockets.map((socket) => assertAnswered(socket, OTHER_CERTIFICATE)));
                await mint(OTHER_CERTIFICATE);
                // One that had begun is answered all the same.
                const answers = fcgiAnswers(unfinished, 1);
                unfinished.write(whole.subarray(20));
                assertMinted((await answers)[0], OTHER_CERTIFICATE);
                unfinished.destroy();
            } finally {
                sockets.forEach((socket) => socket.destroy());
            }
        });
    });

    // Not with a sanitizer, which has books of its own, and functions that are bound when they are first
    // called: that leaves registers on the stack.
    const copies = ({ pid }, secret) => {
        const memory = fs.openSync(`/proc/${pid}/mem`);
        try {
            return fs.readFileSync(`/proc/${pid}/maps`, 'latin1').split('\n')
                .filter((line) => / rw-p /.test(line))
                .map((line) => line.split(/[- ]/).slice(0, 2).map((hex) => parseInt(hex, 16)))
                .reduce((sum, [from, to]) => {
                    const room = Buffer.alloc(to - from);
                    fs.readSync(memory, room, 0, room.length, from);
                    return sum + room.toString('latin1').split(secret).length - 1;
                }, 0);
        } finally {
            fs.closeSync(memory);
        }
    };
    SANITIZED || it('leaves no copy of the old certificate in memory', () => withReloadable({
        dotenv: dotenvWith(CERTIFICATE),
    }, async ({ service, reload, mint }) => {
        const mintOnEachThread = async (certificate) => {
            for (let count = 0; count < 16; count++) {
                await mint(certificate);
            }
            assert.ok(copies(service.responder, certificate) > 0);
        };
        await mintOnEachThread(CERTIFICATE);
        await reload(dotenvWith(OTHER_CERTIFICATE));
        // Each thread takes the new one as soon as it has a moment.
        await waitFor('the old one to go', () => copies(service.responder, CERTIFICATE) === 0);
        await mintOnEachThread(OTHER_CERTIFICATE);
    }));

    it('certificates rotate under load, and no request fails', async (t) => {
        const certificates = Array.from({ length: 6 },
            (_, index) => CERTIFICATE.slice(0, -1) + index.toString(16));
        const signer = (token) => {
            const decoded = new judge.AccessToken2();
            assert.ok(decoded.from_string(token), 'the token decodes');
            return certificates.findIndex((certificate) => decoded.verifySignature(certificate));
        };
        await withReloadable({ dotenv: dotenvWith(certificates[0]) }, async ({ service, reload }) => {
            let begun = 0;
            let latest = 0;      // the certificate that was written to .env
            let confirmed = 0;   // the one that the log says is in use
            const least = new Map();
            const faults = [];
            const signed = certificates.map(() => 0);
            const driven = drive(service, CLIENTS, () => {
                if (begun >= LOAD) {
                    return null;
                }
                const target = `/rtm/user-${++begun}/`;
                least.set(target, confirmed);
                return target;
            }, (answer, target) => {
                if (answer.status !== 200) {
                    faults.push(`${target}: ${answer.status} ${answer.body}`);
                    return;
                }
                const by = signer(JSON.parse(answer.body).rtmToken);
                if (by < least.get(target) || by > latest) {
                    faults.push(`${target}: signed with ${by}, not ${least.get(target)} to ${latest}`);
                } else {
                    signed[by]++;
                }
                least.delete(target);
            });
            for (let next = 1; next < certificates.length; next++) {
                const from = LOAD / certificates.length * next;
                await waitFor('the load', () => begun >= from, 60000);
                latest = next;
                await reload(dotenvWith(certificates[next]));
                confirmed = next;
            }
            await driven;
            t.diagnostic(`tokens by certificate: ${signed.join(', ')}`);
            assert.deepEqual(faults.slice(0, 5), []);
            assert.ok(signed.every((tokens) => tokens > 0), `${signed}`);
            assert.equal(service.nginxErrorLog(), '');
        });
    });

    it('a hundred in a row under load', async () => {
        await withReloadable({ dotenv: dotenvWith(CERTIFICATE) }, async ({ service, hangUp, mint }) => {
            let signals = 0;
            const faults = [];
            const driven = drive(service, 8, () => (signals < 100 ? '/rtm/alice/' : null),
                ({ status, body }) => status === 200 || faults.push(`${status} ${body}`));
            for (; signals < 100; signals++) {
                service.responder.kill('SIGHUP');
                await sleep(5);
            }
            await driven;
            assert.deepEqual(faults.slice(0, 5), []);
            await hangUp(RELOADED);
            await mint(CERTIFICATE);
        });
    });

    describe('with wrong settings keeps the old ones and tells in one line', () => {
        const cut = OTHER_CERTIFICATE.slice(1);
        // [what is wrong, .env, what the line names, what it may not tell]
        const rows = [
            ['a short certificate', dotenvWith(cut), /APP_CERTIFICATE\b.*32.*hex/, cut],
            ['no certificate', `APP_ID=${APP_ID}\n`, /APP_CERTIFICATE\b.*missing/],
            ['a malformed App ID', dotenvWith(OTHER_CERTIFICATE, 'APP_ID=nope\n'), /APP_ID\b.*32.*hex/,
                'nope'],
            ['a certificate twice', dotenvWith(OTHER_CERTIFICATE, 'APP_CERTIFICATE_FILE=x\n'),
                /APP_CERTIFICATE and APP_CERTIFICATE_FILE/, OTHER_CERTIFICATE],
            ['a file that is missing', `APP_ID=${APP_ID}\nAPP_CERTIFICATE_FILE=no/such/file\n`,
                /APP_CERTIFICATE_FILE.*no\/such\/file/],
            ['a level that is none', dotenvWith(OTHER_CERTIFICATE, 'LOG_LEVEL=loud\n'), /LOG_LEVEL/,
                OTHER_CERTIFICATE],
            ['a time limit of 0', dotenvWith(OTHER_CERTIFICATE, 'REQUEST_TIMEOUT=0\n'),
                /REQUEST_TIMEOUT/, OTHER_CERTIFICATE],
            ['a line that is no setting', dotenvWith(OTHER_CERTIFICATE, `${cut}\n`), /\.env, line 3/,
                cut],
            ['an empty file', '', /APP_ID\b.*missing/],
        ];
        for (const [title, dotenv, names, secret] of rows) {
            it(title, () => withReloadable({ dotenv: dotenvWith(CERTIFICATE) },
                async ({ service, hangUp, reload, replace, mint }) => {
                    replace('.env', dotenv);
                    const told = await hangUp(/error: /g);
                    assert.equal(told.length, 1, told.join('\n'));
                    assert.match(told[0], names);
                    assert.ok(!secret || !told[0].includes(secret), told[0]);
                    await mint(CERTIFICATE);
                    // And it recovers.
                    await reload(dotenvWith(OTHER_CERTIFICATE));
                    await mint(OTHER_CERTIFICATE);
                    assert.equal(service.responder.gone, false);
                }));
        }

        for (const [title, write] of [
            ['a named pipe that nobody writes to', () => {}],
            ['a named pipe whose writer takes its time', async (pipe, isOver) => {
                const writer = fs.openSync(pipe, fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
                for (let at = 0; at < 20 && !isOver(); at++) {
                    fs.writeSync(writer, CERTIFICATE[at]);
                    await sleep(500);
                }
                fs.closeSync(writer);
            }],
        ]) {
            it(title, () => withReloadable({ dotenv: dotenvWith(CERTIFICATE) }, async ({
                service, hangUp, reload, replace, mint,
            }) => {
                const pipe = path.join(service.directory, 'pipe');
                execFileSync('mkfifo', [pipe]);
                replace('.env', `APP_ID=${APP_ID}\nAPP_CERTIFICATE_FILE=pipe\n`);
                let isOver = false;
                const writing = write(pipe, () => isOver);
                const told = await hangUp(/error: /g);
                isOver = true;
                await writing;
                assert.equal(told.length, 1, told.join('\n'));
                assert.match(told[0], /APP_CERTIFICATE_FILE: cannot read pipe: Timer expired/);
                await mint(CERTIFICATE);
                await reload(dotenvWith(OTHER_CERTIFICATE));
                await mint(OTHER_CERTIFICATE);
            }));
        }

        it('no file', () => withReloadable({ dotenv: dotenvWith(CERTIFICATE) },
            async ({ service, hangUp, mint }) => {
                fs.rmSync(path.join(service.directory, '.env'));
                assert.equal((await hangUp(/error: .*APP_ID/g)).length, 1);
                await mint(CERTIFICATE);
            }));
    });

    it('the file that APP_CERTIFICATE_FILE names is read again', () => withReloadable({
        dotenv: `APP_ID=${APP_ID}\nAPP_CERTIFICATE_FILE=first\n`,
        files: { first: `${CERTIFICATE}\n`, second: `${CERTIFICATE}\n` },
    }, async ({ hangUp, reload, replace, mint }) => {
        await mint(CERTIFICATE);
        replace('first', `${OTHER_CERTIFICATE}\n`);
        // Not before it is told to.
        await mint(CERTIFICATE);
        await hangUp(RELOADED);
        await mint(OTHER_CERTIFICATE);
        // Another file, then one that is wrong.
        await reload(`APP_ID=${APP_ID}\nAPP_CERTIFICATE_FILE=second\n`);
        await mint(CERTIFICATE);
        replace('second', `${OTHER_CERTIFICATE}0\n`);
        const [told] = await hangUp(/error: /g);
        assert.match(told, /APP_CERTIFICATE_FILE.*32.*hex/);
        assert.ok(!told.includes(OTHER_CERTIFICATE));
        await mint(CERTIFICATE);
    }));

    it('a secret in the file that the environment names is read again', () => withReloadable({
        dotenv: `APP_ID=${APP_ID}\n`,
        settings: { APP_CERTIFICATE_FILE: 'secret' },
        files: { secret: CERTIFICATE },
    }, async ({ hangUp, replace, mint }) => {
        await mint(CERTIFICATE);
        replace('secret', OTHER_CERTIFICATE);
        await hangUp(RELOADED);
        await mint(OTHER_CERTIFICATE);
    }));

    it('CORS_ALLOW_ORIGIN changes', () => withReloadable({
        dotenv: dotenvWith(CERTIFICATE, 'CORS_ALLOW_ORIGIN=https://a.example\n'),
    }, async ({ service, reload }) => {
        const allowed = async (origin) => {
            const { headers } = await request(service, '/ping', { headers: { Origin: origin } });
            return headers['access-control-allow-origin'];
        };
        assert.equal(await allowed('https://a.example'), 'https://a.example');
        assert.equal(await allowed('https://b.example'), undefined);
        await reload(dotenvWith(CERTIFICATE, 'CORS_ALLOW_ORIGIN=https://b.example\n'));
        assert.equal(await allowed('https://a.example'), undefined);
        assert.equal(await allowed('https://b.example'), 'https://b.example');
        await reload(dotenvWith(CERTIFICATE));
        assert.equal(await allowed('https://b.example'), undefined);
    }));

    it('LOG_LEVEL changes', () => withReloadable({
        dotenv: dotenvWith(CERTIFICATE, 'LOG_LEVEL=warning\n'),
    }, async ({ service, reload, replace }) => {
        assert.equal((await request(service, '/first')).status, 404);
        await reload(dotenvWith(CERTIFICATE, 'LOG_LEVEL=info\n'));
        assert.equal((await request(service, '/second')).status, 404);
        await waitFor('the second in the log', () => service.responderLog().includes('/second'));
        assert.ok(!service.responderLog().includes('/first'));
        // Down again: at this level nothing tells when, so ask until it is so.
        replace('.env', dotenvWith(CERTIFICATE, 'LOG_LEVEL=error\n'));
        service.responder.kill('SIGHUP');
        let asked = 0;
        await waitFor('silence', async () => {
            const target = `/third-${++asked}`;
            assert.equal((await request(service, target)).status, 404);
            await sleep(100);
            return !service.responderLog().includes(target);
        });
    }));

    it('REQUEST_TIMEOUT changes', () => withReloadable({
        dotenv: dotenvWith(CERTIFICATE, 'REQUEST_TIMEOUT=300\n'),
    }, async ({ service, reload }) => {
        await reload(dotenvWith(CERTIFICATE, 'REQUEST_TIMEOUT=1\n'));
        const socket = await fcgiConnect(service);
        try {
            socket.write(whole.subarray(0, 20));
            assert.equal(await within(closed(socket), 8000), true);
        } finally {
            socket.destroy();
        }
    }));
});

// ---------------------------------------------------------------- what other processes may see

// The kernel shows that it writes no core file of a process, and lets no debugger of the same user in, by
// giving the process's files to root. A sanitizer needs to trace its process.
if (!SANITIZED) {
    describe('the memory of a process of an ordinary user is closed to its other processes', () => {
        const ordinary = process.getuid() === 0
            ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : [];
        for (const [title, args, env] of [
            ['the service', ['--listen', 'unix:responder.sock'], {}],
            ['a CGI program', [], {
                GATEWAY_INTERFACE: 'CGI/1.1', REQUEST_METHOD: 'POST', PATH_INFO: '/getToken',
                CONTENT_LENGTH: '10',
            }],
        ]) {
            it(title, () => withDirectory(async ({ directory, run }) => {
                // Where the responder lies, only root may get to it.
                const program = path.join(directory, 'program');
                fs.copyFileSync(RESPONDER, program);
                fs.chmodSync(directory, 0o777);
                const [command, ...rest] = [...ordinary, program, ...args];
                const child = run(command, rest, { env, stdin: 'pipe' });
                const file = (name) => `/proc/${child.pid}/${name}`;
                await waitFor('it to run', () => fs.readFileSync(file('comm'), 'latin1') === 'program\n');
                await waitFor('its files to be root\'s', () => fs.statSync(file('environ')).uid === 0);
                assert.equal(child.gone, false);
            }));
        }
    });
}

// ---------------------------------------------------------------- socket files

describe('the socket file', () => {
    it('of one that was killed is replaced', () => withDirectory(async ({ socketFile, responder }) => {
        const first = responder(['--listen', `unix:${socketFile}`]);
        await assertServes({ path: socketFile });
        const { ino } = fs.statSync(socketFile);
        first.kill('SIGKILL');
        await first.exited;
        assert.equal(fs.statSync(socketFile).ino, ino, 'it was left behind');
        const second = responder(['--listen', `unix:${socketFile}`]);
        await assertServes({ path: socketFile });
        second.kill('SIGTERM');
        await assertEnds(second);
        assert.ok(!fs.existsSync(socketFile));
    }));

    async function assertRefused({ responder, log, socketFile }) {
        const known = log().length;
        const child = responder(['--listen', `unix:${socketFile}`]);
        const ended = await within(child.exited, AT_ONCE);
        assert.ok(ended, 'it ended');
        assert.notEqual(ended.code, 0);
        assert.equal(ended.signal, null);
        const told = lines(log().slice(known));
        assert.equal(told.length, 1, told.join('\n'));
        assertTells(told[0], 'error: ', '--listen', socketFile, 'in use');
    }

    it('that is in use is left to its owner', () => withDirectory(async (context) => {
        const { socketFile, responder } = context;
        const first = responder(['--listen', `unix:${socketFile}`]);
        await assertServes({ path: socketFile });
        const { ino } = fs.statSync(socketFile);
        for (let attempt = 1; attempt <= 3; attempt++) {
            await assertRefused(context);
        }
        assert.equal(fs.statSync(socketFile).ino, ino);
        await assertServes({ path: socketFile });
        assert.equal(first.gone, false);
    }));

    // One that is stopped, or has as many connections as it wants, accepts none for a while.
    it('that is in use, with more in its queue than fit, is left to its owner', () => withDirectory(
        async (context) => {
            const { socketFile, run } = context;
            const owner = run(helper(), ['listen', socketFile]);
            await waitFor('the listener', () => fs.existsSync(`${socketFile}.ready`));
            const { ino } = fs.statSync(socketFile);
            await assertRefused(context);
            assert.equal(fs.statSync(socketFile).ino, ino);
            assert.equal(owner.gone, false);
        }));

    // It is made before it is listened at, and looks left behind until then.
    it('of one that is just starting is left to its owner', () => withDirectory(async (context) => {
        const { directory, socketFile, run } = context;
        const owner = run('flock', [directory, helper(), 'late', socketFile]);
        await waitFor('the file', () => fs.existsSync(socketFile));
        const { ino } = fs.statSync(socketFile);
        fs.writeFileSync(path.join(directory, 'responder.log'), '');
        await assertRefused(context);
        assert.equal(fs.statSync(socketFile).ino, ino);
        assert.equal(owner.gone, false);
    }));

    it('is made all the same where somebody keeps the folder locked', () => withDirectory(
        async ({ directory, socketFile, run, responder }) => {
            run('flock', [directory, 'sleep', '60']);
            await sleep(200);
            const child = responder(['--listen', `unix:${socketFile}`]);
            await assertServes({ path: socketFile });
            child.kill('SIGTERM');
            await assertEnds(child);
        }));

    // [what stands at the path, how it is made]
    const others = {
        'a regular file': (file) => fs.writeFileSync(file, 'precious'),
        'a directory': (file) => fs.mkdirSync(file),
        'a link to nothing': (file) => fs.symlinkSync('nothing', file),
        'a link to a socket file': (file) => {
            fs.symlinkSync('elsewhere', file);
            execFileSync(helper(), ['bind', path.join(path.dirname(file), 'elsewhere')]);
        },
        'a named pipe': (file) => execFileSync('mkfifo', [file]),
    };
    for (const [title, make] of Object.entries(others)) {
        it(`is not made where ${title} stands`, () => withDirectory(async (context) => {
            const { directory, socketFile } = context;
            fs.writeFileSync(path.join(directory, 'responder.log'), '');
            make(socketFile);
            const atFirst = fs.lstatSync(socketFile);
            await assertRefused(context);
            const { ino, mode, size } = fs.lstatSync(socketFile);
            assert.deepEqual({ ino, mode, size },
                { ino: atFirst.ino, mode: atFirst.mode, size: atFirst.size });
        }));
    }

    it('of a successor stays when the predecessor ends', () => withDirectory(
        async ({ socketFile, responder }) => {
            const first = responder(['--listen', `unix:${socketFile}`]);
            await assertServes({ path: socketFile });
            const kept = await fcgiConnect({ upstream: { path: socketFile } });
            await assertAnswered(kept);
            // Still served, but no longer found by name.
            fs.rmSync(socketFile);
            const second = responder(['--listen', `unix:${socketFile}`]);
            await assertServes({ path: socketFile });
            const { ino } = fs.statSync(socketFile);
            await assertAnswered(kept);
            kept.destroy();
            first.kill('SIGTERM');
            await assertEnds(first);
            assert.equal(fs.statSync(socketFile).ino, ino);
            await assertServes({ path: socketFile });
            second.kill('SIGTERM');
            await assertEnds(second);
            assert.ok(!fs.existsSync(socketFile));
        }));
});

// ---------------------------------------------------------------- what node can't do by itself

// Unix datagrams, and listeners that accept nothing.
const HELPER = `
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    size_t length = argc == 3 ? strlen(argv[2]) : sizeof name.sun_path;
    if (length >= sizeof name.sun_path)
        return 2;
    memcpy(name.sun_path, argv[2], length);
    if (argv[2][0] == '@')
        name.sun_path[0] = 0;
    socklen_t size = offsetof(struct sockaddr_un, sun_path) + length;
    while (strcmp(argv[1], "flood") == 0) {
        int peer = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(peer, (struct sockaddr *)&name, size) != 0)
            return 1;
        close(peer);
    }

    int notified = strcmp(argv[1], "notified") == 0;
    int full = strcmp(argv[1], "full") == 0;
    int fd = socket(AF_UNIX, notified || full ? SOCK_DGRAM : SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&name, size) != 0)
        return 1;
    if (full) {
        int peer = socket(AF_UNIX, SOCK_DGRAM, 0);
        while (sendto(peer, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&name, size) == 1)
            ;
        return puts("full") < 0 || fflush(stdout) != 0 || pause();
    }
    if (strcmp(argv[1], "late") == 0) {
        usleep(500000);
        return listen(fd, 8) != 0 || pause();
    }

    if (strcmp(argv[1], "listen") == 0) {
        /* A queue for one, and one in it. */
        int peer = socket(AF_UNIX, SOCK_STREAM, 0);
        char ready[200];
        if (listen(fd, 0) != 0 || connect(peer, (struct sockaddr *)&name, size) != 0)
            return 1;
        snprintf(ready, sizeof ready, "%s.ready", argv[2]);
        fclose(fopen(ready, "w"));
        pause();
    }
    while (notified) {
        /* A line for each message, whose own lines are parted by spaces. */
        char message[512];
        ssize_t got = recv(fd, message, sizeof message - 1, 0);
        if (got < 0)
            return 1;
        message[got] = 0;
        for (char *at = message; (at = strchr(at, '\\n')); )
            *at = ' ';
        printf("%s\\n", message);
        fflush(stdout);
    }
    return 0;
}
`;
let helperDirectory;

function helper() {
    if (!helperDirectory) {
        helperDirectory = makeDirectory();
        execFileSync('gcc', ['-std=gnu17', '-Wall', '-Wextra', '-Werror', '-x', 'c', '-o',
            path.join(helperDirectory, 'helper'), '-'],
        { input: HELPER, stdio: ['pipe', 'inherit', 'inherit'] });
    }
    return path.join(helperDirectory, 'helper');
}

after(() => helperDirectory && removeDirectory(helperDirectory));

// ---------------------------------------------------------------- what a service manager is told

describe('NOTIFY_SOCKET', () => {
    let unique = 0;
    const addresses = {
        'a path': (directory) => path.join(directory, 'notify'),
        'an abstract name': () => `@agora-token-e2e-${process.pid}-${++unique}`,
    };
    for (const [title, make] of Object.entries(addresses)) {
        it(`${title} is told of start, reload and end`, () => withDirectory(
            async ({ directory, socketFile, responder, run, log }) => {
                const address = make(directory);
                const toldFile = path.join(directory, 'told');
                run(helper(), ['notified', address], { logFile: toldFile });
                const messages = () => lines(fs.readFileSync(toldFile, 'utf8'));
                const state = (message) => message.trim().split(' ')[0];
                const told = (...states) => waitFor(states.join(), () => {
                    const sofar = messages().map(state);
                    assert.deepEqual(sofar, states.slice(0, sofar.length));
                    return sofar.length === states.length;
                });
                const inUse = address.startsWith('@')
                    ? () => fs.readFileSync('/proc/net/unix', 'latin1').includes(address)
                    : () => fs.existsSync(address);
                await waitFor('the receiver', inUse);

                const child = responder(['--listen', `unix:${socketFile}`],
                    { env: { NOTIFY_SOCKET: address } });
                await told('READY=1');
                // Told is true: it accepts at once.
                const socket = await fcgiConnect({ upstream: { path: socketFile } });
                await assertAnswered(socket);
                child.kill('SIGHUP');
                await told('READY=1', 'RELOADING=1', 'READY=1');
                // A reload that fails has ended too.
                fs.writeFileSync(path.join(directory, '.env'), 'LOG_LEVEL=loud\n');
                child.kill('SIGHUP');
                await told('READY=1', 'RELOADING=1', 'READY=1', 'RELOADING=1', 'READY=1');
                assert.match(log(), /error: .*LOG_LEVEL/);
                // What it does is told when it begins, so while somebody may still wait.
                await written(socket, whole.subarray(0, 20));
                await sleep(200);
                child.kill('SIGTERM');
                await told('READY=1', 'RELOADING=1', 'READY=1', 'RELOADING=1', 'READY=1', 'STOPPING=1');
                assert.equal(child.gone, false);
                const answers = fcgiAnswers(socket, 1);
                socket.write(whole.subarray(20));
                assertMinted((await answers)[0]);
                socket.destroy();
                await assertEnds(child);
                assert.equal(messages().length, 6);

                // Of the same clock as the kernel's uptime, and so growing.
                const uptime = Number(fs.readFileSync('/proc/uptime', 'latin1').split(' ')[0]);
                const times = messages().filter((message) => state(message) === 'RELOADING=1')
                    .map((message) => Number(/ MONOTONIC_USEC=(\d+)(?: |$)/.exec(message)[1]) / 1e6);
                assert.equal(times.length, 2);
                assert.ok(times[0] < times[1], `${times}`);
                times.forEach((time) => assert.ok(Math.abs(uptime - time) < 60, `${time}, ${uptime}`));
            }));
    }

    const assertNoHarm = async ({ socketFile, responder }, address) => {
        const child = responder(['--listen', `unix:${socketFile}`],
            { env: { NOTIFY_SOCKET: address } });
        await assertServes({ path: socketFile });
        child.kill('SIGHUP');
        await assertServes({ path: socketFile });
        child.kill('SIGTERM');
        await assertEnds(child);
    };

    it('does no harm when nobody reads what it is told', () => withDirectory(
        async ({ directory, socketFile, run, responder }) => {
            const address = path.join(directory, 'notify');
            const toldFile = path.join(directory, 'told');
            run(helper(), ['full', address], { logFile: toldFile });
            await waitFor('it to be full', () => fs.existsSync(toldFile)
                && fs.readFileSync(toldFile, 'utf8') === 'full\n');
            await assertNoHarm({ socketFile, responder }, address);
        }));

    // [a manager that can't be told, why]
    for (const [address, why] of [
        ['/no/such/socket', 'nobody is there'], ['', 'it is empty'], ['@', 'it is no name'],
        ['relative', 'it is no path'], [`/${'x'.repeat(300)}`, 'it is too long'],
    ]) {
        it(`does no harm when ${why}`, () => withDirectory(
            (context) => assertNoHarm(context, address)));
    }
});

// ---------------------------------------------------------------- sockets that are handed on

// A listening socket from which nobody accepts in this process. `hand` starts what inherits it
// and returns that; it has to do so at once, since node would accept later.
async function handOn(directory, kind, hand) {
    const server = net.createServer();
    const upstream = kind === 'unix'
        ? { path: path.join(directory, 'inherited.sock') }
        : { host: '127.0.0.1', port: await freePort() };
    // Under another name first: closing, node removes the file that it has made.
    const made = upstream.path ? { path: `${upstream.path}.made` } : upstream;
    await new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen({ ...made, backlog: 1024 }, resolve);
    });
    if (upstream.path) {
        fs.renameSync(made.path, upstream.path);
        fs.chmodSync(upstream.path, 0o777);
    }
    try {
        return { handed: hand(server._handle.fd), upstream };
    } finally {
        server.close();
    }
}

// How a process gets the socket: as systemd gives it, and as spawn-fcgi does.
const inheritances = {
    LISTEN_FDS: {
        descriptors: (socket) => ({ stdin: 'ignore', descriptors: [socket, 'pipe'] }),
        exports: 'LISTEN_PID=$$ LISTEN_FDS=1; export LISTEN_PID LISTEN_FDS;',
    },
    'standard input': {
        descriptors: (socket) => ({ stdin: socket, descriptors: ['ignore', 'pipe'] }),
        exports: '',
    },
};

// A shell that holds the socket until it is told to become the responder, and ends with this process.
function heir(run, { descriptors, exports }, socket) {
    const child = run('sh', ['-c', `read go <&4 || exit; exec 4<&-; ${exports} exec "$0"`, RESPONDER],
        descriptors(socket));
    child.begin = () => child.stdio[4].end('go\n');
    return child;
}

describe('inherited sockets', () => {
    for (const kind of ['unix', 'tcp']) {
        for (const [title, inheritance] of Object.entries(inheritances)) {
            it(`${kind} by ${title}`, () => withDirectory(async ({ directory, run, log }) => {
                const { handed: child, upstream } = await handOn(directory, kind,
                    (socket) => heir(run, inheritance, socket));
                // Whoever connects before it has started is served when it has.
                const early = await fcgiConnect({ upstream });
                const answers = fcgiAnswers(early, 1);
                early.write(whole);
                child.begin();
                assertMinted((await answers)[0]);
                early.destroy();
                await assertServes(upstream);
                child.kill('SIGTERM');
                await assertEnds(child);
                assert.ok(!upstream.path || fs.existsSync(upstream.path), 'the file is not its own');
                assert.match(log(), /listens on the socket that it was started with/);
            }));
        }
    }

    // [title, environment of the shell's making]
    for (const [title, exports] of [
        ['LISTEN_PID names another', 'LISTEN_PID=1 LISTEN_FDS=1'],
        ['LISTEN_PID is missing', 'LISTEN_FDS=1'],
        ['LISTEN_PID is no number', 'LISTEN_PID=x LISTEN_FDS=1'],
        ['LISTEN_FDS is missing', 'LISTEN_PID=$$'],
        ['LISTEN_FDS is 0', 'LISTEN_PID=$$ LISTEN_FDS=0'],
        ['LISTEN_FDS is no number', 'LISTEN_PID=$$ LISTEN_FDS=x'],
    ]) {
        it(`none, since ${title}`, () => withDirectory(async ({ directory, run, log }) => {
            const names = exports.match(/LISTEN_\w+/g).join(' ');
            const { handed: child } = await handOn(directory, 'unix', (socket) => heir(run, {
                ...inheritances.LISTEN_FDS, exports: `${exports}; export ${names};`,
            }, socket));
            child.begin();
            await assertEnds(child, { code: 2, signal: null });
            assert.match(log(), /usage/);
        }));
    }

    it('none, since descriptor 3 is no socket', () => withDirectory(async ({ run, log }) => {
        const child = run('sh', ['-c',
            `${inheritances.LISTEN_FDS.exports} exec "$0" 3</dev/null`, RESPONDER]);
        await assertEnds(child, { code: 2, signal: null });
        assert.match(log(), /usage/);
    }));

    it('--listen wins', () => withDirectory(async ({ directory, socketFile, run }) => {
        const { exports, descriptors } = inheritances.LISTEN_FDS;
        const { handed: child } = await handOn(directory, 'unix', (socket) => run('sh', ['-c',
            `${exports} exec "$0" --listen "unix:$1"`, RESPONDER, socketFile], descriptors(socket)));
        await assertServes({ path: socketFile });
        child.kill('SIGTERM');
        await assertEnds(child);
    }));

    for (const kind of ['unix', 'tcp']) {
        for (const [title, inheritance] of Object.entries(inheritances)) {
            it(`${kind} by ${title}, handed to successors under load: no request fails`, async (t) => {
                const GENERATIONS = 4;
                const heirs = [];
                const service = await startService({
                    gateway: 'fastcgi-unix',
                    start: async (context) => {
                        const run = (command, args, options) => launch(command, args, {
                            cwd: context.directory,
                            env: cleanEnvironment(context.settings),
                            logFile: path.join(context.directory, 'responder.log'),
                            ...options,
                        });
                        const { upstream } = await handOn(context.directory, kind, (socket) => {
                            for (let index = 0; index < GENERATIONS; index++) {
                                heirs.push(heir(run, inheritance, socket));
                            }
                        });
                        heirs[0].begin();
                        return { child: heirs[0], upstream };
                    },
                });
                const share = Math.ceil(LOAD / GENERATIONS);
                let begun = 0;
                let enough = Infinity;
                try {
                    const faults = [];
                    const driven = drive(service, CLIENTS,
                        () => (begun < enough ? `/rtm/user-${++begun}/` : null),
                        (answer, target) => {
                            if (answer.status !== 200
                                || !answer.body.startsWith('{"rtmToken":"007')) {
                                faults.push(`${target}: ${answer.status} ${answer.body}`);
                            }
                        });
                    const ready = () => count(service.responderLog(), /info: ready/g);
                    const ends = [];
                    for (let next = 1; next < GENERATIONS; next++) {
                        const from = begun + share;
                        await waitFor('the load', () => begun >= from, 60000);
                        heirs[next].begin();
                        await waitFor('the successor', () => ready() === next + 1);
                        heirs[next - 1].kill('SIGTERM');
                        ends.push(await within(heirs[next - 1].exited, AT_ONCE));
                    }
                    enough = begun + share;
                    await driven;
                    t.diagnostic(`${begun} requests`);
                    assert.deepEqual(faults.slice(0, 5), []);
                    assert.deepEqual(ends, ends.map(() => CLEAN_END));
                    assert.equal(ends.length, GENERATIONS - 1);
                    assert.equal((await request(service, '/ping')).status, 200);
                } finally {
                    enough = 0;
                    await Promise.all(heirs.slice(1).map(terminate));
                    await service.stop();
                }
            });
        }
    }
});
