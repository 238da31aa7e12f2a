// Many connections at once, peers that misbehave, and the limits: the responder by FastCGI itself,
// with nginx beside it for the clients that nothing may disturb. No gateway matters here, so running
// this file once for each build is enough.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
    APP_ID, CERTIFICATE, FCGI, RESPONDER, SANITIZED,
    assertNoReport, assertToken, assertTokens, cleanEnvironment, drive, fcgiAnswers, fcgiConnect,
    fcgiPair, fcgiRecord, fcgiRecords, fcgiRequest, launch, makeDirectory, removeDirectory,
    residentMemory, rtm, startService, terminate, waitFor,
} from './harness.mjs';

// What is to happen at once may take this long on a busy machine, and what no limit governs runs
// with one that is longer.
const AT_ONCE = 5000;
const FAR_OFF = '30';
const MIB = 1024;   // in the KiB that the kernel counts in

const start = (settings, gateway = 'fastcgi-unix') => startService({ gateway, settings });
const requestOf = (user, options) => fcgiRequest(`/rtm/${user}/`, options);
const whole = requestOf('alice');

const connect = (service, count) => Promise.all(
    Array.from({ length: count }, () => fcgiConnect(service)));

function destroyAll(sockets) {
    sockets.forEach((socket) => socket.destroy());
}

const written = (socket, bytes) => new Promise((resolve) => {
    socket.write(bytes, () => resolve());
});

// Resolves to when the responder has closed the connection. What it wrote before is thrown away.
const closed = (socket) => new Promise((resolve) => {
    for (const event of ['end', 'close']) {
        socket.once(event, () => resolve(Date.now()));
    }
    socket.resume();
});

const within = (promise, milliseconds) => Promise.race(
    [promise, sleep(milliseconds, null, { ref: false })]);

async function assertClosed(socket, milliseconds = AT_ONCE) {
    assert.ok(await within(closed(socket), milliseconds),
        `closed within ${milliseconds / 1000} seconds`);
}

// All that comes until the responder closes the connection.
async function readToEnd(socket, milliseconds = AT_ONCE) {
    const chunks = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    await assertClosed(socket, milliseconds);
    return Buffer.concat(chunks);
}

// What the records in these bytes say on standard output, and how many requests they end.
function contentOf(bytes) {
    let text = '';
    let ended = 0;
    for (let at = 0; at + 8 <= bytes.length;) {
        const length = bytes.readUInt16BE(at + 4);
        if (bytes[at + 1] === FCGI.STDOUT) {
            text += bytes.subarray(at + 8, at + 8 + length);
        }
        ended += bytes[at + 1] === FCGI.END ? 1 : 0;
        at += 8 + length + bytes[at + 6];
    }
    return { text, ended };
}

function assertMinted(answer, user) {
    const [head, body] = answer.split('\r\n\r\n');
    assert.match(head, /^Status: 200\b/m);
    assertToken(JSON.parse(body).rtmToken, [rtm(user)], 3600);
}

async function assertUsable(socket, user = 'bob') {
    const answers = fcgiAnswers(socket, 1);
    socket.write(requestOf(user));
    assertMinted((await answers)[0], user);
}

// A number of the kernel's about the process, such as VmRSS in KiB.
function statusOf(service, name) {
    const status = fs.readFileSync(`/proc/${service.responder.pid}/status`, 'latin1');
    return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)[1]);
}

// Seconds of CPU time, its own and the kernel's for it. The clock ticks a hundred times a second
// on every Linux that Debian has.
function cpuSeconds(pid) {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function assertIdle(pid, seconds = 2) {
    const began = cpuSeconds(pid);
    await sleep(seconds * 1000);
    const spent = cpuSeconds(pid) - began;
    assert.ok(spent < seconds / 4, `${spent} seconds of CPU time in ${seconds} seconds of waiting`);
}

// How nginx's log tells of a request that was accepted and not answered. (Where the connection itself
// was refused, or closed before the request was sent, nothing was accepted.)
const LOST = /prematurely closed|while reading response/i;

// Ordinary clients of nginx, all of whose requests have to succeed, and soon.
async function assertOthersServed(service, { count = 200, clients = 8, soon = 3000 } = {}) {
    let begun = 0;
    const slow = [];
    await drive(service, clients, () => (begun < count ? `/rtm/user-${++begun}/` : null),
        (answer, target) => {
            const [, user] = /(user-\d+)/.exec(target);
            assertTokens(answer, { rtmToken: [rtm(user)] }, 3600);
            if (answer.milliseconds > soon) {
                slow.push(`${target}: ${answer.milliseconds} ms`);
            }
        });
    assert.deepEqual(slow, []);
}

// What differs between the two kinds of socket is mostly the kernel's: a sanitizer sees all there is by one.
for (const gateway of SANITIZED ? ['fastcgi-unix'] : ['fastcgi-unix', 'fastcgi-tcp']) {
    describe(`requests over ${gateway}`, () => {
        let service;
        before(async () => {
            service = await start({ REQUEST_TIMEOUT: FAR_OFF }, gateway);
        });
        after(() => service?.stop());

        const withPeer = async (use) => {
            const [socket] = await connect(service, 1);
            try {
                await use(socket);
            } finally {
                socket.destroy();
            }
        };

        // How requests come: [title, the users that they are for, how their bytes are cut, the
        // milliseconds between the pieces].
        const everyByte = (bytes) => Array.from(bytes, (byte) => Buffer.from([byte]));
        const inHalves = (bytes) => [
            bytes.subarray(0, bytes.length >> 1), bytes.subarray(bytes.length >> 1)];
        const atOnce = (bytes) => [bytes];
        const oneAndHalf = (bytes) => {
            const half = Math.round(bytes.length * 0.75);
            return [bytes.subarray(0, half), bytes.subarray(half)];
        };
        const withoutLastByte = (bytes) => [
            bytes.subarray(0, bytes.length - 1), bytes.subarray(bytes.length - 1)];
        const deliveries = [
            ['one byte by byte', ['alice'], everyByte, 1],
            ['one in two halves', ['alice'], inHalves, 300],
            ['one whose last byte comes late', ['alice'], withoutLastByte, 300],
            ['two in one write', ['alice', 'bob'], atOnce, 0],
            ['two byte by byte', ['alice', 'bob'], everyByte, 1],
            ['one and a half, then the rest', ['alice', 'bob'], oneAndHalf, 300],
            // More than is read at once, so that one of them is cut anywhere.
            ['a thousand in one write', Array.from({ length: 1000 }, (_, i) => `user-${i}`), atOnce, 0],
        ];
        for (const [title, users, cut, pause] of deliveries) {
            it(title, () => withPeer(async (socket) => {
                socket.setNoDelay(true);
                const answers = fcgiAnswers(socket, users.length);
                for (const piece of cut(Buffer.concat(users.map((user) => requestOf(user))))) {
                    await written(socket, piece);
                    await sleep(pause);
                }
                (await answers).forEach((answer, index) => assertMinted(answer, users[index]));
                await assertUsable(socket);
            }));
        }

        // nginx keeps longer bodies away. Another web server may not.
        const bodies = [
            [65536, 200, {}],
            [65536, 200, { chunk: 100 }],
            [65536, 200, { chunk: 250, padding: 6 }],
            [65536, 200, { chunk: 65535 }],
            [65537, 413, {}],
            [65537, 413, { chunk: 100 }],
            [1 << 20, 413, {}],
            [1 << 20, 413, { chunk: 1000 }],
        ];
        for (const [size, status, options] of bodies) {
            const how = Object.entries(options).map(([name, value]) => `, ${name} ${value}`).join('');
            it(`a body of ${size} bytes${how} is ${status}`, () => withPeer(async (socket) => {
                const body = '{"tokenType":"rtm","uid":"alice"}'.padEnd(size);
                const answers = fcgiAnswers(socket, 1);
                socket.write(fcgiRequest('/getToken', { method: 'POST', body, ...options }));
                const [head, content] = (await answers)[0].split('\r\n\r\n');
                assert.match(head, new RegExp(`^Status: ${status}\\b`, 'm'));
                assert.equal('token' in JSON.parse(content), status === 200);
                if (status === 200) {
                    await assertUsable(socket);
                }
            }));
        }

        // Requests of 200 KiB whose end never comes: refused by an answer, and what is no request by
        // the end of the connection.
        const many = (type, size, count = 200) => Buffer.concat(
            Array.from({ length: count }, () => fcgiRecord(type, Buffer.alloc(size, 1))));
        const begin = whole.subarray(0, 16);
        const pair = fcgiPair('A'.repeat(200), 'B'.repeat(200));
        const endless = [
            ['parameters', Buffer.concat([begin, many(FCGI.PARAMS, 1024)]), 413],
            // Where the request is cut off, one has begun.
            ['parameters of a record each', Buffer.concat([begin,
                ...Array.from({ length: 500 }, () => fcgiRecord(FCGI.PARAMS, pair))]), 413],
            ['a body', Buffer.concat([fcgiRequest('/getToken', { method: 'POST', body: 'x' })
                .subarray(0, -8), many(FCGI.STDIN, 1024)]), 413],
            ['a body of single bytes',
                Buffer.concat([whole.subarray(0, -8), many(FCGI.STDIN, 1, 22222)]), 413],
            ['empty data records', Buffer.concat([begin, many(8, 0, 25000)])],
            ['records of no known type', Buffer.concat([begin, many(99, 1024)])],
            ['beginnings', Buffer.concat(Array.from({ length: 12500 }, () => begin))],
        ];
        for (const [title, bytes, status] of endless) {
            it(`${title} without end: ${status ?? 'closed'}`, () => withPeer(async (socket) => {
                socket.write(bytes);
                const { text, ended } = contentOf(await readToEnd(socket));
                assert.equal(ended, status ? 1 : 0);
                assert.equal(/^Status: (\d+)/.exec(text)?.[1], status && String(status));
                await assertOthersServed(service, { count: 20 });
            }));
        }

        it('FCGI_GET_VALUES is answered, before, between and after requests', () => withPeer(
            async (socket) => {
                const names = ['FCGI_MAX_CONNS', 'FCGI_MAX_REQS', 'FCGI_MPXS_CONNS'];
                const query = fcgiRecord(FCGI.GET_VALUES,
                    Buffer.concat(names.map((name) => fcgiPair(name, ''))), { id: 0 });
                for (let round = 1; round <= 3; round++) {
                    const records = fcgiRecords(socket, (all) => all.length > 0);
                    socket.write(query);
                    const [{ type, id, content }] = await records;
                    assert.equal(type, FCGI.GET_VALUES_RESULT);
                    assert.equal(id, 0);
                    // One request at a time on each connection, which is what this one means.
                    assert.ok(content.includes(fcgiPair('FCGI_MPXS_CONNS', '0')), content.toString());
                    await assertUsable(socket);
                }
                // And in one write with a request, which it may not swallow.
                const records = fcgiRecords(socket, (all) => all.at(-1).type === FCGI.END);
                socket.write(Buffer.concat([query, whole]));
                const types = (await records).map(({ type }) => type);
                assert.equal(types[0], FCGI.GET_VALUES_RESULT);
                assert.equal(types[1], FCGI.STDOUT);
            }));

        it('an unknown management record is answered as such', () => withPeer(async (socket) => {
            const records = fcgiRecords(socket, (all) => all.length > 0);
            socket.write(fcgiRecord(77, Buffer.alloc(8), { id: 0 }));
            const [{ type, content }] = await records;
            assert.equal(type, FCGI.UNKNOWN_TYPE);
            assert.equal(content[0], 77);
            await assertUsable(socket);
        }));

        // libfcgi would answer it into a buffer of 64 bytes on its stack.
        it('a management record amid a request ends the connection, not the process', () => withPeer(
            async (socket) => {
                const names = Buffer.concat(Array.from({ length: 40 },
                    () => fcgiPair('FCGI_MAX_CONNS', '')));
                socket.write(Buffer.concat([
                    whole.subarray(0, 16),
                    fcgiRecord(FCGI.GET_VALUES, names, { id: 0 }),
                    whole.subarray(16),
                ]));
                assert.equal((await readToEnd(socket)).length, 0);
                await assertOthersServed(service, { count: 20 });
            }));

        // libfcgi would skip the second request's and read a length of gigabytes in the first's.
        it('parameters of two requests in turn end the connection, not the process', () => withPeer(
            async (socket) => {
                const huge = Buffer.from([5, 43, 102, 102, 102, 191, 255, 255, 255, 191, 255, 255, 255]);
                socket.write(Buffer.concat([
                    whole.subarray(0, 16),
                    fcgiRecord(FCGI.PARAMS, Buffer.from([5, 0])),
                    fcgiRecord(FCGI.PARAMS, Buffer.from('aaaaa'), { id: 2 }),
                    fcgiRecord(FCGI.PARAMS, Buffer.concat([huge, Buffer.alloc(40, 'x')])),
                    whole.subarray(16),
                ]));
                assert.equal((await readToEnd(socket)).length, 0);
                await assertOthersServed(service, { count: 20 });
            }));

        const parts = fcgiRequest('/getToken', { method: 'POST', body: '{"tokenType":"rtm"' });
        const parametersEnd = 24 + parts.readUInt16BE(20);
        const aborts = {
            'after its beginning': parts.subarray(0, 16),
            'within its parameters': parts.subarray(0, parametersEnd),
            'before its body': parts.subarray(0, parametersEnd + 8),
            'within its body': parts.subarray(0, -8),
        };
        for (const [title, bytes] of Object.entries(aborts)) {
            it(`FCGI_ABORT_REQUEST ${title} ends it, not the connection`, () => withPeer(async (socket) => {
                const records = fcgiRecords(socket, (all) => all.length > 0);
                socket.write(Buffer.concat([bytes, fcgiRecord(FCGI.ABORT)]));
                assert.deepEqual(await records,
                    [{ type: FCGI.END, id: 1, content: Buffer.alloc(8) }]);
                await assertUsable(socket);
            }));
        }

        // [title, the content of the abort, its padding]: libfcgi would take either for records, whose
        // parameters are longer than memory, or of which it loses some.
        const hostile = Buffer.from('0109000000080000bfffffffbfffffff', 'hex');
        for (const [title, content, padding] of [
            ['a record as its content', hostile, 0],
            ['a record as its padding', Buffer.alloc(0), hostile],
            ['many records as its content',
                Buffer.concat(Array.from({ length: 8191 }, () => Buffer.from('0163000000000000', 'hex')))],
        ]) {
            it(`FCGI_ABORT_REQUEST with ${title}, sixty times`, async () => {
                const abort = Buffer.concat([
                    fcgiRecord(FCGI.ABORT, content, { padding: padding?.length }).subarray(0, 8 + content.length),
                    padding || Buffer.alloc(0),
                ]);
                const send = (keep) => withPeer(async (socket) => {
                    socket.write(Buffer.concat([fcgiRequest('/', { keep }).subarray(0, 16), abort]));
                    if (keep) {
                        await fcgiAnswers(socket, 1);
                        await assertUsable(socket);
                    } else {
                        assert.deepEqual(contentOf(await readToEnd(socket)), { text: '', ended: 1 });
                    }
                });
                const rounds = async () => {
                    for (let round = 0; round < 30; round++) {
                        await send(true);
                        await send(false);
                    }
                };
                await send(true);
                const atFirst = residentMemory([service.responder.pid]);
                await rounds();
                assert.equal(service.responder.gone, false);
                const grown = residentMemory([service.responder.pid]) - atFirst;
                assert.ok(SANITIZED || grown < 0.5 * MIB, `grew by ${grown} KiB`);
            });
        }

        for (const [title, role, rest] of [
            ['an authorizer', 2, whole.subarray(16, -8)],
            ['a filter', 3, Buffer.concat([whole.subarray(16), fcgiRecord(8, Buffer.alloc(9)), fcgiRecord(8)])],
            ['no known role', 77, whole.subarray(16)],
        ]) {
            it(`a request for ${title} is FCGI_UNKNOWN_ROLE`, async () => {
                const request = (keep) => Buffer.concat([fcgiRecord(FCGI.BEGIN,
                    Buffer.from([0, role, keep ? 1 : 0, 0, 0, 0, 0, 0])), rest]);
                const unknown = Buffer.from([0, 0, 0, 0, 3, 0, 0, 0]);
                await withPeer(async (socket) => {
                    const records = fcgiRecords(socket, (all) => all.length > 0);
                    socket.write(request(true));
                    assert.deepEqual(await records, [{ type: FCGI.END, id: 1, content: unknown }]);
                    await assertUsable(socket);
                });
                await withPeer(async (socket) => {
                    socket.write(request(false));
                    assert.deepEqual(await readToEnd(socket),
                        fcgiRecord(FCGI.END, unknown));
                });
            });
        }

        // A web server whose client has left may send one when the answer is already on its way.
        it('FCGI_ABORT_REQUEST after the answer leaves the connection usable', () => withPeer(
            async (socket) => {
                const abort = fcgiRecord(FCGI.ABORT);
                await assertUsable(socket);
                await written(socket, abort);
                await sleep(100);
                await assertUsable(socket);
                await written(socket, abort.subarray(0, 5));
                await sleep(100);
                await written(socket, abort.subarray(5));
                await assertUsable(socket);
                // And in one write with the next request.
                const answers = fcgiAnswers(socket, 2);
                socket.write(Buffer.concat([whole, abort, requestOf('bob')]));
                (await answers).forEach((answer, index) => assertMinted(answer, ['alice', 'bob'][index]));
            }));

        const garbage = {
            'an HTTP request': Buffer.from('GET /ping HTTP/1.1\r\nHost: x\r\n\r\n'),
            'a TLS greeting': Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
            'a byte of zero': Buffer.alloc(1),
            'zeros': Buffer.alloc(70000),
            'ones': Buffer.alloc(70000, 0xff),
            'version 2': Buffer.concat([Buffer.from([2]), whole.subarray(1)]),
            'a response': fcgiRecord(FCGI.STDOUT, Buffer.from('x')).fill(0, 0, 1),
        };
        for (const [title, bytes] of Object.entries(garbage)) {
            it(`${title} instead of FastCGI is closed at once`, () => withPeer(async (socket) => {
                socket.write(bytes);
                assert.equal((await readToEnd(socket)).length, 0);
                assert.equal(service.responder.gone, false);
            }));
        }

        it('what came before garbage is answered', () => withPeer(async (socket) => {
            socket.write(Buffer.concat([whole, garbage['an HTTP request']]));
            const { text, ended } = contentOf(await readToEnd(socket));
            assert.equal(ended, 1);
            assertMinted(text, 'alice');
        }));

        it('without FCGI_KEEP_CONN the connection is closed behind the answer', async () => {
            for (const [target, status] of [['/rtm/alice/', 200], ['/nope', 404]]) {
                await withPeer(async (socket) => {
                    socket.write(fcgiRequest(target, { keep: false }));
                    const { text, ended } = contentOf(await readToEnd(socket));
                    assert.equal(ended, 1);
                    assert.match(text, new RegExp(`^Status: ${status}\\b`));
                });
            }
        });

        // [title, how many requests, milliseconds between them and the end]
        for (const [title, count, pause] of [
            ['a request', 1, 0], ['a request, a moment later', 1, 200], ['ten requests', 10, 0],
            // More answers than a socket's buffer holds, and more requests than are read at once.
            ['two thousand requests', 2000, 0],
        ]) {
            it(`a peer that closes its half behind ${title} gets all answers`, () => withPeer(
                async (socket) => {
                    socket.write(Buffer.concat(Array.from({ length: count }, () => whole)));
                    await sleep(pause);
                    socket.end();
                    const { ended } = contentOf(await readToEnd(socket, 10000));
                    assert.equal(ended, count);
                }));
        }

        it('hundreds of idle connections cost no thread and stay usable', async () => {
            const threads = () => fs.readdirSync(`/proc/${service.responder.pid}/task`).length;
            const begun = threads();
            const sockets = await connect(service, 300);
            try {
                for (let round = 1; round <= 2; round++) {
                    await Promise.all(sockets.map((socket, index) => assertUsable(socket, `u${index}`)));
                    assert.equal(threads(), begun);
                }
                await assertIdle(service.responder.pid, 1);
                await assertOthersServed(service);
            } finally {
                destroyAll(sockets);
            }
        });
    });

    describe(`peers that misbehave over ${gateway}`, () => {
        // All on one thread, so that whoever holds it up holds up everybody.
        const LIMIT = 2;
        let service;
        let descriptors;
        let atFirst;
        before(async () => {
            service = await start({ REQUEST_TIMEOUT: String(LIMIT), WORKERS: '1' }, gateway);
            descriptors = () => fs.readdirSync(`/proc/${service.responder.pid}/fd`).length;
            atFirst = descriptors();
        });
        after(() => service?.stop());

        it('200 that send a part of a request and stop hold up nobody and are dropped', async () => {
            const stops = [1, 4, 16, 40, whole.length - 1];
            const sockets = await connect(service, 200);
            try {
                const began = Date.now();
                const ends = Promise.all(sockets.map(closed));
                sockets.forEach((socket, index) => {
                    socket.write(whole.subarray(0, stops[index % stops.length]));
                });
                await assertOthersServed(service, { clients: 32, count: 1500 });
                const last = await within(ends, (LIMIT + 8) * 1000);
                assert.ok(last, `dropped soon after ${LIMIT} seconds`);
                const shortest = Math.min(...last) - began;
                assert.ok(shortest > (LIMIT - 1) * 1000, `dropped after ${shortest} ms`);
                assert.match(service.responderLog(), /warning: .*request.*in time/);
            } finally {
                destroyAll(sockets);
            }
        });

        it('one that never stops sending, a byte at a time, is dropped', async () => {
            const [socket] = await connect(service, 1);
            try {
                let at = 0;
                const timer = setInterval(() => {
                    socket.write(whole.subarray(at, at + 1));
                    at++;
                }, 100);
                await assertClosed(socket, (LIMIT + 8) * 1000).finally(() => clearInterval(timer));
                assert.ok(at < whole.length, 'before it had sent all');
            } finally {
                socket.destroy();
            }
        });

        it('ones that connect and say nothing, or have had an answer, are kept', async () => {
            const sockets = await connect(service, 20);
            try {
                await Promise.all(sockets.slice(0, 10).map((socket) => assertUsable(socket)));
                // Nor does what ends a request that has been answered begin one.
                const [first, second] = sockets;
                const abort = fcgiRecord(FCGI.ABORT);
                await written(first, abort);
                await written(second, abort.subarray(0, 5));
                await sleep(100);
                await written(second, abort.subarray(5));
                await sleep((LIMIT + 2) * 1000);
                await Promise.all(sockets.map((socket) => assertUsable(socket)));
            } finally {
                destroyAll(sockets);
            }
        });

        // Answers are several times as long as requests. Whoever reads none must not be able to
        // have them heaped up: the responder stops to read from such a peer.
        it('ones that ask and never read are left unread, and are dropped', async (t) => {
            // A thread answers all that it has read of one peer before it looks at the next, and
            // with a sanitizer that takes a second for a few of them.
            const sockets = await connect(service, SANITIZED ? 3 : 8);
            try {
                const atFirst = residentMemory(service.pids());
                // More than the kernel takes for both ends of a connection: 10 MiB with TCP.
                const requests = Buffer.concat(Array.from({ length: 200000 }, () => whole));
                sockets.forEach((socket) => socket.write(requests));
                const unwritten = () => sockets.map((socket) => socket.writableLength).join();
                await assertOthersServed(service);
                const left = unwritten();
                assert.ok(sockets.every((socket) => socket.writableLength > 0), left);
                const grown = residentMemory(service.pids()) - atFirst;
                const sent = requests.length * sockets.length >> 10;
                t.diagnostic(`${grown} KiB for ${sent} KiB of requests`);
                assert.ok(SANITIZED || grown < 40 * MIB, `grew by ${grown} KiB`);
                // A peer that reads nothing learns of its end by an error on writing.
                await waitFor('the last to be dropped', () => sockets.every(
                    (socket) => socket.errored || socket.destroyed), (LIMIT + 8) * 1000);
                assert.match(service.responderLog(), /warning: .*answer.*in time/);
                await assertOthersServed(service);
            } finally {
                destroyAll(sockets);
            }
        });

        it('ones that ask little by little and never read hold up nobody', async () => {
            const sockets = await connect(service, 7);
            try {
                // One request after the other, far more than a socket's buffer has room to answer.
                const ask = async () => {
                    for (let count = 0; count < 1000; count++) {
                        sockets.forEach((socket) => socket.writable && socket.write(whole));
                        await sleep(1);
                    }
                };
                await Promise.all([ask(), assertOthersServed(service, { count: 1000 })]);
            } finally {
                destroyAll(sockets);
            }
            await assertOthersServed(service);
        });

        it('one that leaves in the middle of its answers harms nobody', async () => {
            for (let round = 0; round < (SANITIZED ? 4 : 20); round++) {
                const sockets = await connect(service, 4);
                await Promise.all(sockets.map((socket, index) => within(
                    written(socket, Buffer.concat(Array.from({ length: 500 * index + 1 }, () => whole))),
                    100)));
                destroyAll(sockets);
            }
            await assertOthersServed(service, { count: 50 });
            assert.equal(service.responder.gone, false);
        });

        it('none of them leaves a descriptor behind', async () => {
            // What is left are the connections that nginx keeps, no more than it ever had clients.
            await waitFor('all to be closed', () => descriptors() <= atFirst + 32);
            await sleep(1000);
            const left = descriptors();
            assert.ok(left <= atFirst + 32, `${left} descriptors, ${atFirst} at first`);
        });
    });
}

describe('lengths that lie', () => {
    // Name and value lengths that promise more than there is, or overflow when they are added, and
    // questions whose answer is longer than anybody expects.
    const long = (length) => {
        const bytes = Buffer.alloc(4);
        bytes.writeUInt32BE((0x80000000 | length) >>> 0);
        return bytes;
    };
    const filling = Buffer.alloc(32768, 'A');
    const lies = {
        'both 2^31 - 1': [long(0x7fffffff), long(0x7fffffff), filling],
        'both 2^31 - 2': [long(0x7ffffffe), long(0x7ffffffe), filling],
        'which add up to 2^31 - 2': [long(0x7ffffff0), long(0xe), filling],
        'which add up to 2^31 + 8': [long(0x7ffffff0), long(0x18), filling],
        'a name of 2^31 - 1': [long(0x7fffffff), [0], filling],
        'a value of 2^31 - 1': [[0], long(0x7fffffff), filling],
        'a name of 2^30': [long(0x40000000), [0], filling],
        'a name of one byte more than there is': [[4], [0], 'abc'],
        'a value of one byte more than there is': [[1], [3], 'abc'],
        'a length that is cut off': [[0x80, 0, 0]],
        'nothing but a length': [[5]],
        'none, but a hundred times the same question':
            Array.from({ length: 100 }, () => fcgiPair('FCGI_MPXS_CONNS', '')),
    };
    const rows = Object.entries(lies).flatMap(([title, pieces]) => [
        [`parameters: ${title}`, FCGI.PARAMS, pieces],
        [`FCGI_GET_VALUES: ${title}`, FCGI.GET_VALUES, pieces],
    ]);
    for (const [title, type, pieces] of rows) {
        it(title, async () => {
            const service = await start({ REQUEST_TIMEOUT: FAR_OFF });
            const [socket] = await connect(service, 1);
            try {
                await assertOthersServed(service, { count: 20 });
                const peak = statusOf(service, 'VmPeak');
                const content = Buffer.concat(pieces.map((piece) => Buffer.from(piece)));
                socket.write(type === FCGI.GET_VALUES
                    ? fcgiRecord(type, content, { id: 0 })
                    : Buffer.concat([whole.subarray(0, 16), fcgiRecord(type, content),
                        fcgiRecord(type), fcgiRecord(FCGI.STDIN)]));
                // What it makes of them is its own affair: refuse, close, or leave them out.
                await within(closed(socket), 500);
                await assertOthersServed(service, { count: 20 });
                assert.equal(service.responder.gone, false);
                const grown = statusOf(service, 'VmPeak') - peak;
                assert.ok(SANITIZED || grown < 256 * MIB, `${grown} KiB were allocated`);
            } finally {
                socket.destroy();
                assert.deepEqual(await service.stop(), { code: 0, signal: null });
            }
        });
    }
});

describe('limits', () => {
    it('a TCP peer that is gone for good is found out', async () => {
        const service = await start({}, 'fastcgi-tcp');
        const [socket] = await connect(service, 1);
        try {
            await assertUsable(socket);
            // The responder's end in the kernel's table: established (01), keep-alive timer (02).
            const hex = (port) => `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
            const ends = fs.readFileSync('/proc/net/tcp', 'latin1').split('\n')
                .map((line) => line.trim().split(/\s+/))
                .filter(([, local, remote, state]) => state === '01'
                    && local.endsWith(hex(service.upstream.port))
                    && remote.endsWith(hex(socket.localPort)));
            assert.deepEqual(ends.map(([, , , , , timer]) => timer.split(':')[0]), ['02']);
        } finally {
            socket.destroy();
            await service.stop();
        }
    });

    it('a peer that takes its answers slowly, but in time, gets all', async () => {
        const service = await start({ REQUEST_TIMEOUT: '5', WORKERS: '1' });
        const [socket] = await connect(service, 1);
        try {
            const count = 3000;
            socket.write(Buffer.concat(Array.from({ length: count }, () => whole)));
            const answers = fcgiAnswers(socket, count, 30000);
            // A piece of 64 KiB at most, then a rest: about two seconds for all of it.
            const rest = () => {
                socket.pause();
                setTimeout(() => socket.resume(), 100);
            };
            socket.on('data', rest);
            assert.equal((await answers).length, count);
            socket.removeListener('data', rest);
            await sleep(100);
            await assertUsable(socket);
        } finally {
            socket.destroy();
            await service.stop();
        }
    });

    const LIMIT_REACHED = /warning: all \d+ connections are in use \(MAX_CONNECTIONS\)/g;

    for (const gateway of ['fastcgi-unix', 'fastcgi-tcp']) {
        it(`MAX_CONNECTIONS=4 over ${gateway}: while requests have begun on all, others wait`, async () => {
            const service = await start(
                { MAX_CONNECTIONS: '4', REQUEST_TIMEOUT: FAR_OFF }, gateway);
            const inside = await connect(service, 4);
            const waiting = [];
            try {
                for (const socket of inside) {
                    await assertUsable(socket);
                    await written(socket, whole.subarray(0, 20));
                }
                await sleep(200);
                waiting.push(...await connect(service, 3));
                const answered = [];
                const ended = [];
                const answers = waiting.map((socket, index) => fcgiAnswers(socket, 1, 30000)
                    .then(([answer]) => assertMinted(answer, `w${index}`))
                    .then(() => answered.push(index), (error) => ended.push(error)));
                waiting.forEach((socket, index) => socket.write(requestOf(`w${index}`)));
                await assertIdle(service.responder.pid);
                assert.deepEqual(answered, []);
                assert.deepEqual(ended, []);

                // Whoever leaves makes room, and so does whoever idles: here those who came in.
                inside[0].destroy();
                await within(Promise.all(answers), AT_ONCE);
                assert.deepEqual(ended, []);
                assert.deepEqual(answered, [0, 1, 2]);
                for (const socket of inside.slice(1)) {
                    const rest = fcgiAnswers(socket, 1);
                    socket.write(whole.subarray(20));
                    assertMinted((await rest)[0], 'alice');
                }
                assert.equal(service.responderLog().match(LIMIT_REACHED).length, 1);
            } finally {
                destroyAll([...inside, ...waiting]);
                await service.stop();
            }
        });

        for (const workers of [1, 3]) {
            it(`MAX_CONNECTIONS=16 over ${gateway}: silent ones make room, ${workers} workers`, async () => {
                const service = await start(
                    { MAX_CONNECTIONS: '16', WORKERS: String(workers), REQUEST_TIMEOUT: FAR_OFF }, gateway);
                const silent = [];
                const honest = [];
                try {
                    for (let index = 0; index < 16; index++) {
                        silent.push(...await connect(service, 1));
                        await sleep(10);
                    }
                    const ends = silent.map((socket) => closed(socket));
                    // In the order in which they came, whichever thread has them; whoever has had an
                    // answer goes to the end.
                    for (let index = 0; index < 16; index++) {
                        const began = Date.now();
                        const [socket] = await connect(service, 1);
                        honest.push(socket);
                        await assertUsable(socket);
                        assert.ok(Date.now() - began < 3000, `answered in ${Date.now() - began} ms`);
                        assert.ok(await within(ends[index], AT_ONCE), `${index} is closed`);
                        assert.deepEqual(silent.map(({ readableEnded }) => readableEnded),
                            silent.map((_, at) => at <= index));
                    }
                    await Promise.all(honest.map((socket) => assertUsable(socket)));
                    assert.equal(service.responderLog().match(LIMIT_REACHED).length, 1);
                } finally {
                    destroyAll([...silent, ...honest]);
                    await service.stop();
                }
            });
        }
    }

    // More than the web server may have, all in use: nothing fails, and nobody waits for long.
    it('MAX_CONNECTIONS=4: 32 clients of nginx, and 4 that say nothing', async () => {
        const service = await start({ MAX_CONNECTIONS: '4', REQUEST_TIMEOUT: FAR_OFF });
        const silent = await connect(service, 4);
        try {
            await assertOthersServed(service, { count: 3000, clients: 32 });
            assert.doesNotMatch(service.nginxErrorLog(), LOST);
        } finally {
            destroyAll(silent);
            await service.stop();
        }
    });

    it('MAX_CONNECTIONS=4: who waits comes in when one that stalls is dropped', async () => {
        const service = await start({ MAX_CONNECTIONS: '4', REQUEST_TIMEOUT: '1' });
        const stalled = await connect(service, 4);
        try {
            await Promise.all(stalled.map((socket) => written(socket, whole.subarray(0, 20))));
            const waiting = await connect(service, 4);
            stalled.push(...waiting);
            await Promise.all(waiting.map((socket) => assertUsable(socket)));
        } finally {
            destroyAll(stalled);
            await service.stop();
        }
    });

    it('MAX_CONNECTIONS=1: one after the other, thousands of times', async () => {
        const service = await start({ MAX_CONNECTIONS: '1', REQUEST_TIMEOUT: FAR_OFF });
        try {
            // Each comes when the one before is just leaving: a wake-up that is missed shows here.
            const total = SANITIZED ? 500 : 3000;
            let begun = 0;
            await Promise.all(Array.from({ length: 8 }, async () => {
                while (begun++ < total) {
                    const [socket] = await connect(service, 1);
                    try {
                        const answers = fcgiAnswers(socket, 1);
                        socket.write(fcgiRequest('/ping'));
                        assert.match((await answers)[0], /pong/);
                    } finally {
                        socket.destroy();
                    }
                }
            }));
        } finally {
            await service.stop();
        }
    });

    // The responder by itself, started by a shell that does something first.
    async function withShell(preparation, settings, use, options) {
        const directory = makeDirectory();
        const logFile = path.join(directory, 'responder.log');
        const service = { upstream: { path: path.join(directory, 'responder.sock') } };
        const log = () => fs.readFileSync(logFile, 'utf8');
        const child = launch('sh', ['-c', `${preparation}; exec "$0" "$@"`, RESPONDER,
            '--listen', `unix:${service.upstream.path}`], {
            cwd: directory,
            env: cleanEnvironment({ APP_ID, APP_CERTIFICATE: CERTIFICATE, ...settings }),
            logFile,
            ...options,
        });
        const sockets = [];
        try {
            await use({ child, service, log, directory, sockets });
        } finally {
            destroyAll(sockets);
            const ended = await terminate(child);
            const said = log();
            removeDirectory(directory);
            assertNoReport(said);
            assert.deepEqual(ended, { code: 0, signal: null });
        }
    }

    // What the log says it allows.
    const allowed = (log) => Number(/up to (\d+) connections/.exec(log())[1]);

    for (const [limit, wanted] of [[80, 100], [30, 60]]) {
        it(`ulimit -n ${limit}: tells so, waits in peace and serves`, () => withShell(
            `ulimit -n ${limit}`, { WORKERS: '2' }, async ({ child, service, log, sockets }) => {
                await waitFor('it to be ready', () => /ready/.test(log()));
                assert.match(log(), /warning: MAX_CONNECTIONS is 4096.*open files/);
                sockets.push(...await connect(service, wanted));
                let answered = 0;
                const answers = sockets.map((socket) => fcgiAnswers(socket, 1, 30000)
                    .then(([answer]) => {
                        answered++;
                        assertMinted(answer, 'alice');
                    }));
                await Promise.all(sockets.map((socket) => written(socket, whole.subarray(0, -1))));
                await sleep(500);
                const lines = () => log().split('\n').length;
                const atFirst = lines();
                await assertIdle(child.pid);
                assert.ok(lines() - atFirst < 50, 'the log is not flooded');
                assert.equal(answered, 0);

                // Whoever has an answer makes room for who waits.
                sockets.forEach((socket) => socket.write(whole.subarray(-1)));
                await Promise.all(answers);

                // And it tells web servers that ask.
                const [asking] = await connect(service, 1);
                sockets.push(asking);
                const records = fcgiRecords(asking, (all) => all.length > 0);
                asking.write(fcgiRecord(FCGI.GET_VALUES, fcgiPair('FCGI_MAX_CONNS', ''), { id: 0 }));
                const [{ content }] = await records;
                assert.deepEqual(content, fcgiPair('FCGI_MAX_CONNS', String(allowed(log))));
            }));
    }

    it('many workers, few descriptors: enough are left to read the settings again', () => withShell(
        'ulimit -n 256', { WORKERS: '48' }, async ({ child, service, log, sockets }) => {
            await waitFor('it to be ready', () => /ready/.test(log()));
            const most = allowed(log);
            assert.ok(most > 40, `${most} connections`);
            sockets.push(...await connect(service, most));
            await Promise.all(sockets.map((socket) => assertUsable(socket)));
            child.kill('SIGHUP');
            await waitFor('the settings', () => /settings/.test(log()));
            assert.match(log(), /info: the settings were read again/);
            assert.doesNotMatch(log(), /error/);
        }));

    it('descriptors that are short at SIGTERM: who has connected is answered all the same', () => withShell(
        'ulimit -n 30', { WORKERS: '2' }, async ({ child, service, log, sockets }) => {
            await waitFor('it to be ready', () => /ready/.test(log()));
            assert.ok(allowed(log) < 20);
            sockets.push(...await connect(service, 100));
            const answers = sockets.map((socket) => fcgiAnswers(socket, 1));
            sockets.forEach((socket) => socket.write(whole));
            await answers[0];
            child.kill('SIGTERM');
            (await Promise.all(answers)).forEach(([answer]) => assertMinted(answer, 'alice'));
        }));

    // [what standard error is, how the shell makes it so, the end from which it can be read]
    for (const [title, preparation, readableEnd] of [
        ['a pipe', 'mkfifo log; exec 3<>log 2>log', (child, directory) => new net.Socket({
            fd: fs.openSync(path.join(directory, 'log'),
                fs.constants.O_RDONLY | fs.constants.O_NONBLOCK),
        })],
        // As systemd has it. What node calls a pipe is one.
        ['a socket', 'exec 2>&3', (child) => child.stdio[3]],
    ]) {
        it(`a log that is ${title}, which nobody reads any more, holds up nobody`, () => withShell(
            preparation, { WORKERS: '2' }, async ({ child, service, directory, sockets }) => {
                await waitFor('it to listen', () => fs.existsSync(service.upstream.path));
                sockets.push(...await connect(service, 8));
                const LINES = 4000;
                const AT_A_TIME = 25;
                await Promise.all(sockets.map(async (socket) => {
                    for (let count = 0; count < LINES / sockets.length; count += AT_A_TIME) {
                        const answers = fcgiAnswers(socket, AT_A_TIME);
                        socket.write(Buffer.concat(
                            Array.from({ length: AT_A_TIME }, () => fcgiRequest('/no/such/path'))));
                        (await answers).forEach((answer) => assert.match(answer, /^Status: 404/));
                    }
                }));

                // Whoever reads again gets what there was room for, and is told of the rest.
                let log = '';
                const reader = readableEnd(child, directory);
                sockets.push(reader);
                reader.on('data', (chunk) => {
                    log += chunk;
                });
                const known = () => [...log.matchAll(/404 GET \/no\/such\/path$/gm)].length;
                for (let had = -1; had < known(); await sleep(200)) {
                    had = known();
                }
                assert.ok(known() > 0 && known() < LINES, `${known()} lines`);
                const answers = fcgiAnswers(sockets[0], 1);
                sockets[0].write(fcgiRequest('/the/last'));
                await answers;
                await waitFor('the last line', () => /404 GET \/the\/last$/m.test(log));
                const lost = [...log.matchAll(/^\S+Z warning: (\d+) lines were lost/gm)]
                    .reduce((sum, [, count]) => sum + Number(count), 0);
                assert.equal(known() + lost, LINES);
                assert.match(log, /^(?:\S+Z \w+: [^\n]*\n)+$/);
            }, { descriptors: ['pipe'] }));
    }

    // What is stopped here is what reads the terminal.
    it('a log that is a terminal, which nobody reads any more, holds up nobody', () => withShell(
        `script -qfc 'tty >name; exec sleep 60' /dev/null >/dev/null </dev/null &
        for i in $(seq 100); do test -s name && break; sleep 0.1; done
        kill -STOP $!; exec 2>"$(cat name)"`,
        { WORKERS: '2' }, async ({ child, service, sockets }) => {
            await waitFor('it to listen', () => fs.existsSync(service.upstream.path));
            assert.match(fs.readlinkSync(`/proc/${child.pid}/fd/2`), /^\/dev\/pts\//);
            sockets.push(...await connect(service, 1));
            for (let count = 0; count < 40; count++) {
                const answers = fcgiAnswers(sockets[0], 25);
                sockets[0].write(Buffer.concat(
                    Array.from({ length: 25 }, () => fcgiRequest('/no/such/path'))));
                assert.equal((await answers).length, 25);
            }
        }));

    it('standard output and error that are closed are no connection', () => withShell(
        'exec >&- 2>&-', {}, async ({ child, service, sockets }) => {
            await waitFor('it to listen', () => fs.existsSync(service.upstream.path));
            for (const descriptor of [1, 2]) {
                assert.equal(fs.readlinkSync(`/proc/${child.pid}/fd/${descriptor}`), '/dev/null');
            }
            sockets.push(...await connect(service, 3));
            await Promise.all(sockets.map((socket) => assertUsable(socket)));
        }));
});

describe('SIGTERM', () => {
    it('under load: what was accepted is answered, then status 0', async (t) => {
        const service = await start();
        try {
            let signalled = Infinity;
            let over = false;
            let minted = 0;
            let refused = 0;
            const faults = [];
            const driven = drive(service, 64,
                // Past its end one failed request for each client is enough.
                () => (over ? null : '/rtm/alice/'),
                async (answer, target, started) => {
                    if (answer.status === 200) {
                        assert.match(answer.body, /^\{"rtmToken":"007/);
                        minted++;
                    } else if (answer.status === 502 && Date.now() >= signalled) {
                        refused++;
                        // No use in filling nginx's error log as fast as it can write.
                        await sleep(5);
                    } else {
                        faults.push(`${answer.status} ${answer.body}, begun ${started - signalled} ms `
                            + 'from the signal');
                    }
                });
            await waitFor('some load', () => minted > 500).catch((error) => {
                over = true;
                throw error;
            });
            const atFirst = minted;
            signalled = Date.now();
            service.responder.kill('SIGTERM');
            const ended = await within(service.responder.exited, AT_ONCE);
            over = true;
            const took = Date.now() - signalled;
            await driven;
            t.diagnostic(`${atFirst} answers before the signal, ${minted - atFirst} and ${refused} `
                + `refusals after it, ended in ${took} ms`);
            assert.deepEqual(ended, { code: 0, signal: null });
            assert.deepEqual(faults.slice(0, 5), []);
            assert.doesNotMatch(service.nginxErrorLog(), LOST);
        } finally {
            await service.stop();
        }
    });

    for (const gateway of ['fastcgi-unix', 'fastcgi-tcp']) {
        it(`with a request on each of 200 connections, over ${gateway}`, async () => {
            const service = await start({}, gateway);
            const sockets = await connect(service, 200);
            try {
                const answered = Promise.all(sockets.map((socket) => fcgiAnswers(socket, 1)));
                await Promise.all(sockets.map((socket) => written(socket, whole)));
                service.responder.kill('SIGTERM');
                for (const [answer] of await answered) {
                    assert.match(answer, /\{"rtmToken":"007/);
                }
                assert.deepEqual(await within(service.responder.exited, AT_ONCE),
                    { code: 0, signal: null });
            } finally {
                destroyAll(sockets);
                await service.stop();
            }
        });
    }
});
