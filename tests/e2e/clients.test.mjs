// Requests as real clients send them. Runs over the gateway that GATEWAY names.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, it } from 'node:test';
import {
    GATEWAY, LARGEST_CHUNKED, MESSAGES, PUBLISHER, SUBSCRIBER,
    assertError, assertNoCache, assertTokens,
    chatUser, closesAfter, connectionsFor, post, rawExchange, request, rtc, rtm, startService,
} from './harness.mjs';

const LIMIT = 64 * 1024;
const GET_TOKEN = '{"tokenType":"rtm","uid":"alice"';

describe(`clients over ${GATEWAY}`, () => {
    let service;
    before(async () => {
        service = await startService({ settings: { CORS_ALLOW_ORIGIN: 'https://app.example' } });
    });
    after(() => service?.stop());

    const get = (target, options) => request(service, target, options);
    const raw = (text, methods) => rawExchange(service, text.replaceAll('\n', '\r\n'), methods);

    // [who asks so, path, tokens, expire]
    const habits = [
        ["Agora's UI kits", '/rtc/lecture/publisher/uid/42',
            { rtcToken: [rtc('lecture', '42', PUBLISHER)] }],
        ["Agora's UI kits for signaling", '/rtm/lecture-alice',
            { rtmToken: [rtm('lecture-alice')] }],
        ['a client that has no uid yet', '/rtc/lecture/publisher/uid/0/?expiry=45',
            { rtcToken: [rtc('lecture', '', PUBLISHER)] }, 45],
        ['a client whose uid is an empty string', '/rtc/lecture/publisher/uid//?expiry=45',
            { rtcToken: [rtc('lecture', '', PUBLISHER)] }, 45],
        ['a client with neither uid nor slash to spare', '/rte/lecture/subscriber/uid//alice',
            {
                rtcToken: [rtc('lecture', '', SUBSCRIBER)],
                rtmToken: [rtc('lecture', 'alice', MESSAGES), rtm('alice')],
            }],
        ['encodeURIComponent()', `/rtc/${encodeURIComponent('math: 1 + 1 = 2?')}/host/userAccount/`
            + `${encodeURIComponent('Zoë & 李')}/`,
        { rtcToken: [rtc('math: 1 + 1 = 2?', 'Zoë & 李', SUBSCRIBER)] }],
        ['lower-case escapes', '/rtc/a%3ab/publisher/userAccount/zo%c3%ab/',
            { rtcToken: [rtc('a:b', 'zoë', PUBLISHER)] }],
        ['a cache buster', '/chat/account/alice/?_=1718000000000',
            { chatToken: [chatUser('alice')] }],
    ];
    for (const [who, target, tokens, expire = 3600] of habits) {
        it(`${who}: GET ${target}`, async () => {
            assertTokens(await get(target), tokens, expire);
        });
    }

    it('HTTP/1.0 without a Host', async () => {
        const [answer] = await raw('GET /ping HTTP/1.0\n\n', ['GET']);
        assert.equal(answer.status, 200);
        assert.equal(answer.body, '{"message":"pong"}');
    });

    it('an address as proxies are asked for it', async () => {
        const [answer] = await raw(
            'GET http://tokens.example/rtm/alice/?expiry=60 HTTP/1.1\nHost: tokens.example\n\n', ['GET']);
        assertTokens(answer, { rtmToken: [rtm('alice')] }, 60);
    });

    describe('HEAD', () => {
        it('has the headers of GET and no body, and the connection goes on', async () => {
            const rows = [
                ['/ping', 200], ['/rtc/lecture/publisher/uid/42/', 200], ['/rtm/alice', 200],
                ['/rte/lecture/publisher/uid/42/', 200], ['/chat/app/', 200],
                ['/chat/account/alice/', 200], ['/rtm/0/', 400], ['/nope', 404], ['/getToken', 405],
            ];
            // The last answer would be misread if one before it had had a body. A server that closes
            // the connection after some status gets the rest on another.
            const answers = [];
            let text = '';
            let methods = [];
            for (const [method, target, status] of [
                ...rows.map((row) => ['HEAD', ...row]), ['GET', '/ping', 200],
            ]) {
                text += `${method} ${target} HTTP/1.1\nHost: x\n\n`;
                methods.push(method);
                if (method === 'GET' || closesAfter(status)) {
                    answers.push(...await raw(text, methods));
                    [text, methods] = ['', []];
                }
            }
            assert.equal(answers.pop().body, '{"message":"pong"}');
            answers.forEach((answer, index) => {
                assert.equal(answer.status, rows[index][1], rows[index][0]);
                assert.equal(answer.headers.connection === 'close', closesAfter(answer.status));
                assert.match(answer.headers['content-length'], /^[1-9]\d*$/);
                assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8');
                assertNoCache(answer);
            });
            assert.equal(answers[0].headers['content-length'], '18');
        });
    });

    it('a preflight, and the request that it asked for', async () => {
        const headers = { Origin: 'https://app.example' };
        const preflight = await get('/getToken', {
            method: 'OPTIONS',
            headers: {
                ...headers,
                'Access-Control-Request-Method': 'POST',
                'Access-Control-Request-Headers': 'content-type',
            },
        });
        assert.equal(preflight.status, 204);
        assert.equal(preflight.body, '');
        assert.equal(preflight.headers['access-control-allow-origin'], headers.Origin);
        assert.match(preflight.headers['access-control-allow-methods'], /\bPOST\b/);
        assert.match(preflight.headers['access-control-allow-headers'], /\bContent-Type\b/i);
        const answer = await post(service, { tokenType: 'rtm', uid: 'alice' }, { headers });
        assert.equal(answer.headers['access-control-allow-origin'], headers.Origin);
        assertTokens(answer, { token: [rtm('alice')] }, 3600);
    });

    describe('bodies', () => {
        // Valid JSON of exactly so many bytes, filled up in three ways.
        const fillings = {
            'an unknown key': (size) => {
                const start = `${GET_TOKEN},"padding":"`;
                return `${start}${'x'.repeat(size - start.length - 2)}"}`;
            },
            'spaces within': (size) => `${GET_TOKEN}${' '.repeat(size - GET_TOKEN.length - 1)}}`,
            'text after it': (size) => `${GET_TOKEN}}${'#'.repeat(size - GET_TOKEN.length - 1)}`,
        };
        // [how it is sent, the largest]
        const framings = {
            'with a length': [(body) => body, LIMIT],
            'in chunks': [(body) => body.match(/[^]{1,7000}/g), LARGEST_CHUNKED],
        };
        for (const [filling, fill] of Object.entries(fillings)) {
            for (const [framing, [frame, largest]] of Object.entries(framings)) {
                it(`${largest / 1024} KiB of ${filling}, ${framing}`, async () => {
                    const body = frame(fill(largest));
                    const answer = await request(service, '/getToken', { method: 'POST', body });
                    assertTokens(answer, { token: [rtm('alice')] }, 3600);
                });
                it(`one byte more of ${filling}, ${framing}, is 413`, async () => {
                    const body = frame(fill(largest + 1));
                    const answer = await request(service, '/getToken', { method: 'POST', body });
                    assertError(answer, 413);
                });
            }
        }

        it('in chunks of a few bytes', async () => {
            const body = `${GET_TOKEN},"expire":600}`.match(/.{1,5}/g);
            const answer = await request(service, '/getToken', { method: 'POST', body });
            assertTokens(answer, { token: [rtm('alice')] }, 600);
        });

        it('after Expect: 100-continue, as curl sends larger ones', async () => {
            const body = `${GET_TOKEN},"padding":"${'x'.repeat(2000)}"}`;
            const headers = { Expect: '100-continue', 'Content-Length': body.length };
            const answer = await request(service, '/getToken', { method: 'POST', headers, body });
            assertTokens(answer, { token: [rtm('alice')] }, 3600);
        });

        it('of JSON nested 20,000 deep harm nobody', async () => {
            const body = `${GET_TOKEN},"deep":${'['.repeat(20000)}${']'.repeat(20000)}}`;
            const answer = await request(service, '/getToken', { method: 'POST', body });
            assert.ok([200, 400].includes(answer.status), `${answer.status}`);
            assert.equal((await get('/ping')).status, 200);
        });

        it('on a GET are ignored', async () => {
            const answer = await get('/rtm/alice/', { body: '{"uid":"bob"}' });
            assertTokens(answer, { rtmToken: [rtm('alice')] }, 3600);
        });
    });

    it('many requests over one connection', async () => {
        const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
        try {
            const sockets = new Set();
            agent.on('free', (socket) => sockets.add(socket));
            for (let count = 1; count <= 300; count++) {
                const answer = count % 3
                    ? await get(`/rtm/user-${count}/`, { agent })
                    : await post(service, { tokenType: 'rtm', uid: `user-${count}` }, { agent });
                const key = count % 3 ? 'rtmToken' : 'token';
                assertTokens(answer, { [key]: [rtm(`user-${count}`)] }, 3600);
            }
            assert.equal(sockets.size, connectionsFor(300));
        } finally {
            agent.destroy();
        }
    });

    it('200 requests in flight at once', async () => {
        const users = Array.from({ length: 200 }, (_, index) => `user-${index}`);
        const answers = await Promise.all(users.map((user) => get(`/rtm/${user}/`)));
        const salts = answers.map((answer, index) => assertTokens(
            answer, { rtmToken: [rtm(users[index])] }, 3600)[0].salt);
        assert.equal(new Set(salts).size, 200);
    });

    it('requests sent without waiting for answers are answered in order', async () => {
        const users = Array.from({ length: 40 }, (_, index) => `user-${index}`);
        const bodyOf = (user) => JSON.stringify({ tokenType: 'rtm', uid: user });
        const text = users.map((user, index) => (index % 2
            ? `POST /getToken HTTP/1.1\nHost: x\nContent-Length: ${bodyOf(user).length}\n\n${bodyOf(user)}`
            : `GET /rtm/${user} HTTP/1.1\nHost: x\n\n`)).join('');
        const answers = await raw(text, users.map((_, index) => (index % 2 ? 'POST' : 'GET')));
        answers.forEach((answer, index) => {
            const key = index % 2 ? 'token' : 'rtmToken';
            assertTokens(answer, { [key]: [rtm(users[index])] }, 3600);
        });
    });

    it('clients that leave before the answer harm nobody', async () => {
        for (let count = 0; count < 50; count++) {
            const outgoing = http.get({ host: '127.0.0.1', port: service.port, path: '/rtm/alice/' });
            outgoing.on('error', () => {});
            outgoing.once('socket', (socket) => socket.once('connect',
                () => setImmediate(() => outgoing.destroy())));
        }
        for (let count = 0; count < 20; count++) {
            assertTokens(await get('/rtm/alice/'), { rtmToken: [rtm('alice')] }, 3600);
        }
    });
});
