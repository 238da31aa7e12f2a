// Many clients at once, a restart under load, and peers that misbehave: the responder on a Unix
// socket behind nginx. No gateway matters here, so running this file once is enough.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
    PUBLISHER,
    assertTokens, fcgiAnswers, fcgiConnect, fcgiRequest, request, residentMemory, rtc, rtm,
    startService,
} from './harness.mjs';

const CLIENTS = 64;
const REQUESTS = 10000;
const start = (settings, gateway = 'fastcgi-unix') => startService({ gateway, settings });

// Each client has one kept connection and asks again as soon as it is answered, until `next`
// has no more paths for it. Errors of the connection count as answers too.
async function drive(service, clients, next, heed) {
    await Promise.all(Array.from({ length: clients }, async () => {
        const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
        try {
            for (let target = next(); target; target = next()) {
                const started = Date.now();
                const answer = await request(service, target, { agent })
                    .catch((error) => ({ status: 0, body: error.message }));
                await heed(answer, target, started);
            }
        } finally {
            agent.destroy();
        }
    }));
}

async function driveMany(service, count) {
    const faults = [];
    let slowest = 0;
    let begun = 0;
    const sample = [];
    await drive(service, CLIENTS,
        () => (begun < count ? `/rtc/lecture/publisher/uid/${++begun}/` : null),
        (answer, target) => {
            slowest = Math.max(slowest, answer.milliseconds ?? Infinity);
            if (answer.status !== 200 || !answer.body.startsWith('{"rtcToken":"007')) {
                faults.push(`${target}: ${answer.status} ${answer.body}`);
            }
            const uid = /(\d+)\/$/.exec(target)[1];
            if (uid % 500 === 0) {
                assertTokens(answer, { rtcToken: [rtc('lecture', uid, PUBLISHER)] }, 3600);
                sample.push(uid);
            }
        });
    assert.deepEqual(faults.slice(0, 5), []);
    assert.equal(sample.length, count / 500);
    assert.ok(slowest < 1000, `the slowest took ${slowest} ms`);
}

describe('load', () => {
    it(`${REQUESTS} requests from ${CLIENTS} clients, twice, in the same small memory`, async (t) => {
        const service = await start();
        try {
            await driveMany(service, REQUESTS);
            const first = residentMemory(service.pids());
            await driveMany(service, REQUESTS);
            const second = residentMemory(service.pids());
            t.diagnostic(`resident: ${first} KiB, then ${second} KiB`);
            assert.ok(first > 0);
            assert.ok(second < 12 * 1024, `${second} KiB resident`);
            assert.ok(second - first <= 256, `grew from ${first} to ${second} KiB`);
            assert.equal(service.nginxErrorLog(), '');
        } finally {
            await service.stop();
        }
    });

    it('SIGTERM under load: what was accepted is answered, then status 0', async (t) => {
        const service = await start();
        try {
            let signalled = Infinity;
            let ended = null;
            let minted = 0;
            let refused = 0;
            const faults = [];
            const driven = drive(service, CLIENTS,
                // Past its end one failed request for each client is enough.
                () => (ended ? null : '/rtm/alice/'),
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
            await sleep(1000);
            assert.ok(minted > 500, `${minted} tokens in a second: this is no load`);
            const before = minted;
            signalled = Date.now();
            service.responder.kill('SIGTERM');
            ended = await Promise.race([service.responder.exited, sleep(5000, null, { ref: false })]);
            const took = Date.now() - signalled;
            await driven;
            t.diagnostic(`${before} answers before the signal, ${minted - before} and ${refused} `
                + `refusals after it, ended in ${took} ms`);
            assert.deepEqual(ended, { code: 0, signal: null });
            assert.ok(took < 2000, `took ${took} ms to end`);
            assert.deepEqual(faults.slice(0, 5), []);
            // What was accepted and not answered would show as one of these. (Where the connection
            // itself was refused, or closed before the request was sent, nothing was accepted.)
            const lost = service.nginxErrorLog().split('\n')
                .filter((line) => /prematurely closed|while reading response/i.test(line));
            assert.deepEqual(lost.slice(0, 5), []);
        } finally {
            await service.stop();
        }
    });

    for (const gateway of ['fastcgi-unix', 'fastcgi-tcp']) {
        it(`SIGTERM with a request on each of 200 connections, over ${gateway}`, async () => {
            const service = await start({}, gateway);
            const sockets = await Promise.all(
                Array.from({ length: 200 }, () => fcgiConnect(service)));
            try {
                const bytes = fcgiRequest('/rtm/alice/');
                const answered = Promise.all(sockets.map((socket) => fcgiAnswers(socket, 1)));
                await Promise.all(sockets.map(
                    (socket) => new Promise((resolve) => socket.write(bytes, resolve))));
                service.responder.kill('SIGTERM');
                for (const [answer] of await answered) {
                    assert.match(answer, /\{"rtmToken":"007/);
                }
                const ended = await Promise.race(
                    [service.responder.exited, sleep(2000, null, { ref: false })]);
                assert.deepEqual(ended, { code: 0, signal: null });
            } finally {
                sockets.forEach((socket) => socket.destroy());
                await service.stop();
            }
        });
    }
});

describe('peers that misbehave', () => {
    let service;
    before(async () => {
        service = await start({ REQUEST_TIMEOUT: '2' });
    });
    after(() => service?.stop());

    async function assertOthersServed(count = 200) {
        let begun = 0;
        const slow = [];
        await drive(service, 8, () => (begun < count ? `/rtm/user-${++begun}/` : null),
            (answer, target) => {
                const [, user] = /(user-\d+)/.exec(target);
                assertTokens(answer, { rtmToken: [rtm(user)] }, 3600);
                if (answer.milliseconds > 1000) {
                    slow.push(`${target}: ${answer.milliseconds} ms`);
                }
            });
        assert.deepEqual(slow, []);
    }

    const connect = (count) => Promise.all(Array.from({ length: count }, () => fcgiConnect(service)));
    const closed = (socket) => new Promise((resolve) => {
        socket.once('end', () => resolve(Date.now()));
        socket.once('close', () => resolve(Date.now()));
        socket.resume();
    });

    it('the FastCGI peer that the cases below use is understood', async () => {
        const [socket] = await connect(1);
        try {
            for (let round = 1; round <= 3; round++) {
                const answers = fcgiAnswers(socket, 1);
                socket.write(fcgiRequest('/rtm/alice/?expiry=60'));
                const [, body] = (await answers)[0].split('\r\n\r\n');
                assert.match(body, /^\{"rtmToken":"007/);
            }
        } finally {
            socket.destroy();
        }
    });

    const whole = fcgiRequest('/rtm/alice/');
    // How far each goes before it stops.
    const stops = {
        'a byte': whole.subarray(0, 1),
        'half a header': whole.subarray(0, 4),
        'the begin record': whole.subarray(0, 16),
        'half of its parameters': whole.subarray(0, 40),
        'all but the last byte': whole.subarray(0, whole.length - 1),
    };

    for (const [title, bytes] of Object.entries(stops)) {
        it(`peers that send ${title} and stop hold up nobody and are dropped`, async () => {
            const sockets = await connect(20);
            try {
                const began = Date.now();
                const ends = Promise.all(sockets.map(closed));
                sockets.forEach((socket) => socket.write(bytes));
                await assertOthersServed();
                const last = await Promise.race([ends, sleep(8000, null, { ref: false })]);
                assert.ok(last, 'dropped within 8 seconds, the limit being 2');
                const shortest = Math.min(...last) - began;
                assert.ok(shortest >= 900, `dropped after ${shortest} ms, the limit being 2 s`);
            } finally {
                sockets.forEach((socket) => socket.destroy());
            }
        });
    }

    // nginx keeps longer bodies away. Another web server may not.
    for (const [size, status] of [[65536, 200], [65537, 413], [1 << 20, 413]]) {
        it(`a body of ${size} bytes is ${status} without nginx too`, async () => {
            const [socket] = await connect(1);
            try {
                const body = '{"tokenType":"rtm","uid":"alice"}'.padEnd(size);
                const answers = fcgiAnswers(socket, 1);
                socket.write(fcgiRequest('/getToken', { method: 'POST', body }));
                const [head, content] = (await answers)[0].split('\r\n\r\n');
                assert.match(head, new RegExp(`^Status: ${status}\\b`, 'm'));
                assert.equal('token' in JSON.parse(content), status === 200);
            } finally {
                socket.destroy();
            }
            await assertOthersServed(50);
        });
    }

    it('a request that trickles in is answered', async () => {
        const [socket] = await connect(1);
        try {
            const answers = fcgiAnswers(socket, 1);
            for (let at = 0; at < whole.length; at += 16) {
                socket.write(whole.subarray(at, at + 16));
                await sleep(10);
            }
            assert.match((await answers)[0], /\{"rtmToken":"007/);
        } finally {
            socket.destroy();
        }
    });

    it('peers that ask and ask and never read hold up nobody', async () => {
        const sockets = await connect(8);
        try {
            const [impatient, ...patient] = sockets;
            impatient.write(Buffer.concat(Array.from({ length: 5000 }, () => whole)));
            // One request after the other, far more than a socket's buffer has room to answer.
            const ask = async () => {
                for (let count = 0; count < 1500; count++) {
                    patient.forEach((socket) => socket.writable && socket.write(whole));
                    await sleep(1);
                }
            };
            await Promise.all([ask(), assertOthersServed(2000)]);
            await assertOthersServed();
        } finally {
            sockets.forEach((socket) => socket.destroy());
        }
        await assertOthersServed();
    });

    it('peers that send no FastCGI at all harm nobody', async () => {
        const nonsense = [
            Buffer.from('GET /ping HTTP/1.1\r\nHost: x\r\n\r\n'),
            Buffer.alloc(70000, 0xff),
            Buffer.alloc(70000),
            // A record of version 1 and an unknown type, with the largest length.
            Buffer.concat([Buffer.from([1, 99, 0, 1, 0xff, 0xff, 0xff, 0]), Buffer.alloc(65790)]),
            // Parameters that promise more than they hold.
            Buffer.concat([whole.subarray(0, 16),
                Buffer.from([1, 4, 0, 1, 0, 8, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
                Buffer.from([1, 4, 0, 1, 0, 0, 0, 0])]),
            Buffer.alloc(0),
        ];
        for (const bytes of nonsense) {
            const sockets = await connect(4);
            sockets.forEach((socket) => socket.end(bytes));
            await assertOthersServed(50);
            sockets.forEach((socket) => socket.destroy());
        }
        assert.equal(service.responder.gone, false);
    });

    it('many idle connections hold up nobody', async () => {
        const sockets = await connect(300);
        try {
            await assertOthersServed();
        } finally {
            sockets.forEach((socket) => socket.destroy());
        }
    });
});
