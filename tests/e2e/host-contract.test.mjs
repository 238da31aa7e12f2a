// The part of the contract that a web server can change: how a path is decoded, empty segments, sizes, bodies,
// HEAD, CORS, kept connections, errors. contract.test.mjs has all of it, for the program itself; this is for the
// web servers of conf/. Runs over the gateway that GATEWAY names.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, it } from 'node:test';
import {
    GATEWAY, IDS, LARGEST_CHUNKED, MESSAGES, PUBLISHER, SUBSCRIBER,
    assertError, assertJson, assertNoCache, assertOwnPage, assertTells, assertTokens,
    chatUser, closesAfter, connectionsFor, deviation, post, rawExchange, request, rtc, rtm, startService,
} from './harness.mjs';

const ORIGIN = 'https://app.example';
const LIMIT = 64 * 1024;
const RTM_BODY = '{"tokenType":"rtm","uid":"alice"}';
const ALICE = { token: [rtm('alice')] };

// What is no token. The page's policy lets in nothing but what it holds.
const ROOT = (answer) => {
    assert.equal(answer.status, 200, answer.body);
    assert.match(answer.headers['content-type'], /^text\/html; charset=utf-8$/);
    assert.match(answer.headers['content-security-policy'], /^default-src 'none'; style-src 'sha256-/);
    assert.equal(answer.headers['x-content-type-options'], 'nosniff');
    assert.match(answer.body, /^<!doctype html>[^]*<\/html>\s*$/i);
};
const OPENAPI = (answer) => assert.equal(assertJson(answer, 200).openapi, '3.1.0');

describe(`the contract over ${GATEWAY}`, () => {
    let service;
    before(async () => {
        service = await startService({ settings: { CORS_ALLOW_ORIGIN: ORIGIN } });
    });
    after(() => service?.stop());

    const ask = (target, options) => request(service, target, options);
    const send = (target, body, headers = {}) => ask(target, { method: 'POST', body, headers });
    const raw = (text, methods) => rawExchange(service, text.replaceAll('\n', '\r\n'), methods);
    const label = (target) => (target.length > 90 ? `${target.slice(0, 90)}… (${target.length})` : target);

    // The answer to a GET goes to `check`, unless the page of the web server says that it answers by itself.
    const getting = (title, target, check) => it(`GET ${label(target)} ${title}`, async () => {
        const answer = await ask(target);
        const status = deviation(target);
        if (status) {
            assertOwnPage(answer, status);
        } else {
            check(answer);
        }
    });

    // ------------------------------------------------------------ paths

    const rtcToken = (...names) => ({ rtcToken: [rtc(...names)] });
    const rteTokens = (channel, uid, user) => ({
        rtcToken: [rtc(channel, uid, SUBSCRIBER)],
        rtmToken: [rtc(channel, user, MESSAGES), rtm(user)],
    });
    const USER_255 = 'ö'.repeat(127) + 'o';
    // All that a channel may be named with but letters and digits, and what of it needs no escape.
    const MARKS = '!#$%&()+-:;<=.>?@[]^_{}|~, ';
    const UNESCAPED = "!$&()+-:;=._@~,";

    // [path, tokens, expire if not 3600]
    for (const [target, tokens, expire = 3600] of [
        ['/rtc/lecture/publisher/uid/42', rtcToken('lecture', '42', PUBLISHER)],
        ['/rtc/lecture/publisher/uid/42/?expiry=600', rtcToken('lecture', '42', PUBLISHER), 600],
        // Escapes.
        ['/rtc/a%20b%3F/publisher/uid/%34%32/', rtcToken('a b?', '42', PUBLISHER)],
        ['/rtc/lecture/x/userAccount/J%C3%B6rg%20%26%20Zo%c3%ab/', rtcToken('lecture', 'Jörg & Zoë', SUBSCRIBER)],
        ['/rtc/lecture/x/userAccount/a+b%2Bc/', rtcToken('lecture', 'a+b+c', SUBSCRIBER)],
        ['/rtc/lecture/x/userAccount/100%25/', rtcToken('lecture', '100%', SUBSCRIBER)],
        ['/rtc/lecture/x/userAccount/%2541/', rtcToken('lecture', '%41', SUBSCRIBER)],
        ['/rtc/lecture/x/userAccount/a%3Fexpiry=5/', rtcToken('lecture', 'a?expiry=5', SUBSCRIBER)],
        ['/rtc/lecture/x/userAccount/a%23b/', rtcToken('lecture', 'a#b', SUBSCRIBER)],
        ['/rtc/lecture/x/userAccount/a%5Cb/', rtcToken('lecture', 'a\\b', SUBSCRIBER)],
        ['/rtc/*/publisher/uid/42/', rtcToken('*', '42', PUBLISHER)],
        ['/rtc/%2A/publisher/uid/42/', rtcToken('*', '42', PUBLISHER)],
        [`/rtc/${encodeURIComponent(MARKS)}/publisher/uid/42/`, rtcToken(MARKS, '42', PUBLISHER)],
        [`/rtc/${UNESCAPED}/publisher/uid/42/`, rtcToken(UNESCAPED, '42', PUBLISHER)],
        ['/rtc/lecture%2Fpublisher/uid%2f42/', rtcToken('lecture', '42', PUBLISHER)],
        ['/rtc%2Flecture%2Fpublisher%2Fuid%2F42', rtcToken('lecture', '42', PUBLISHER)],
        // Empty segments.
        ['/rtc/lecture/publisher/uid//', rtcToken('lecture', '', PUBLISHER)],
        ['/rtc/lecture/publisher/uid//?expiry=45', rtcToken('lecture', '', PUBLISHER), 45],
        ['/rtc/lecture/publisher/uid%2F%2F', rtcToken('lecture', '', PUBLISHER)],
        ['/rte/lecture/subscriber/uid//alice', rteTokens('lecture', '', 'alice')],
        ['/rte/lecture/subscriber/uid/5//', rteTokens('lecture', '5', '5')],
        // Queries.
        ['/rtm/alice/?_=1718000000000&expiry=%36%30%30', { rtmToken: [rtm('alice')] }, 600],
        ['/rtm/alice?expiry=600&expiry=700&other=%zz', { rtmToken: [rtm('alice')] }, 600],
        ['/rtm/alice?', { rtmToken: [rtm('alice')] }],
        // Sizes, with three bytes for each of a user's.
        [`/rtm/${encodeURIComponent(USER_255)}/`, { rtmToken: [rtm(USER_255)] }],
        [`/chat/account/alice/?padding=${'x'.repeat(6000)}`, { chatToken: [chatUser('alice')] }],
    ]) {
        getting('mints', target, (answer) => {
            assertTokens(answer, tokens, expire);
            assert.equal(answer.headers.vary, 'Origin');
        });
    }

    // [path, status, what the text must tell …]
    for (const [target, status, ...tells] of [
        ['/nope', 404], ['/PING', 404], ['/.env', 404], ['/favicon.ico', 404],
        ['/rtc/lecture/publisher/uid/', 404], ['/rtc/lecture/publisher/uid/42//', 404],
        ['/rtc//publisher/uid/42/', 400], ['/rtc/lecture/publisher//42/', 400], ['/rtm//', 400],
        ['/rte/lecture/publisher/uid///', 400],
        ['/rtm/0/', 400], ['/rtc/lecture/publisher/uid/4294967296/', 400, '4294967296', '4294967295'],
        ['/rtc/a%0Ab/publisher/uid/42/', 400, 'a%0Ab'], ['/rtm/a%01b/', 400, 'a%01b'], ['/rtm/a%7Fb', 400, 'a%7Fb'],
        ['/rtm/a%1B%5B2Jb/', 400], ['/rtc/a%FF%C3b/publisher/uid/42/', 400],
        ['/rtc/a%22b%5Cc/publisher/uid/42/', 400],
        [`/rtm/${'u'.repeat(4000)}/`, 400, '255'],
        ['/rtm/a%00b/', 400], ['/rtc/lecture%00/publisher/uid/42', 400], ['/%00rtm/alice', 400],
        ['/rtm/a%zzb/', 400], ['/rtm/alice%', 400], ['/rtc/%4lecture/publisher/uid/42', 400],
        ['/rtm/alice?expiry=', 400, 'expiry'], ['/rtm/alice?expiry=%zz', 400, 'expiry'],
        ['/rtm/alice?expiry=6%00', 400, 'expiry'], ['/rtm/alice?expiry=600%0A', 400, 'expiry'],
    ]) {
        getting(`is ${status}`, target, (answer) => {
            const text = assertError(answer, status);
            assertTells(text, ...tells);
            assert.match(text, /^[\x20-\x7e]{1,499}$/);
        });
    }

    it('a path with dots mints nothing', async () => {
        for (const dots of ['.', '..', '%2e', '%2E%2e', '.%2e', '..%2Fx', '.%2F..']) {
            for (const target of [`/rtc/${dots}/publisher/uid/42`, `/rtc/lecture/${dots}/uid/42`, `/rtm/${dots}`]) {
                const answer = await ask(target);
                // The page, where the web server has taken the path for the root.
                if (answer.status === 200) {
                    ROOT(answer);
                } else {
                    assert.ok([400, 404].includes(answer.status), `${target}: ${answer.status}`);
                }
                assert.doesNotMatch(answer.body, /Token":"007/);
            }
        }
    });

    it('every token has a salt of its own, with 200 requests in flight at once', async () => {
        const users = Array.from({ length: 200 }, (_, index) => `user-${index}`);
        const answers = await Promise.all(users.map((user) => ask(`/rtm/${user}/`)));
        const salts = answers.map((answer, index) => assertTokens(
            answer, { rtmToken: [rtm(users[index])] }, 3600)[0].salt);
        assert.equal(new Set(salts).size, users.length);
    });

    // ------------------------------------------------------------ what is no token

    for (const [target, check] of [
        ['/', ROOT], ['/?x', ROOT], ['/openapi.json', OPENAPI],
        ['/livez', (answer) => assert.deepEqual(assertJson(answer, 200), { status: 'live' })],
        ['/readyz', (answer) => assert.equal(assertJson(answer, 200).status, 'ready')],
    ]) {
        getting("is the service's own", target, check);
    }

    it('a request has an id, which its answer names', async () => {
        const idOf = async (headers) => (await ask('/ping', { headers })).headers['x-request-id'];
        const [first, second, chosen] = [await idOf(), await idOf(), await idOf({ 'X-Request-Id': 'chosen-by-client' })];
        if (IDS === 'client') {
            assert.deepEqual([first, second, chosen], [undefined, undefined, 'chosen-by-client']);
            return;
        }
        for (const id of [first, second, chosen]) {
            assert.match(id, /^[\w@-]{20,40}$/);
        }
        assert.equal(new Set([first, second, chosen]).size, 3);
        assert.notEqual(chosen, 'chosen-by-client');
        // Programs get both of these names as HTTP_X_REQUEST_ID.
        for (let i = 0; i < 10; i++) {
            assert.notEqual(await idOf({ 'X_Request_Id': 'chosen-by-client' }), 'chosen-by-client');
        }
    });

    // ------------------------------------------------------------ methods

    for (const [method, target, allow] of [
        ['POST', '/rtm/alice/', 'GET, HEAD, OPTIONS'], ['PUT', '/ping', 'GET, HEAD, OPTIONS'],
        ['DELETE', '/chat/app', 'GET, HEAD, OPTIONS'], ['PATCH', '/rtm/alice', 'GET, HEAD, OPTIONS'],
        ['GET', '/getToken', 'POST, OPTIONS'], ['PUT', '/getToken/', 'POST, OPTIONS'],
    ]) {
        it(`${method} ${target} is 405 with Allow`, async () => {
            const answer = await ask(target, { method });
            assertError(answer, 405);
            assert.equal(answer.headers.allow, allow);
        });
    }

    it('HEAD has the headers of GET and no body, and the connection goes on', async () => {
        // The last answer would be misread if one before it had had a body. A server that closes the connection
        // after some status gets the rest on another.
        const rows = [['/ping', 200], ['/rtc/lecture/publisher/uid//', 200], ['/rtm/0/', 400], ['/nope', 404],
            ['/getToken', 405]];
        const answers = [];
        let text = '';
        let methods = [];
        for (const [method, target, status] of [...rows.map((row) => ['HEAD', ...row]), ['GET', '/ping', 200]]) {
            text += `${method} ${target} HTTP/1.1\nHost: x\n\n`;
            methods.push(method);
            if (method === 'GET' || closesAfter(status)) {
                answers.push(...await raw(text, methods));
                [text, methods] = ['', []];
            }
        }
        assert.equal(answers.pop().body, '{"message":"pong"}');
        assert.equal(answers[0].headers['content-length'], '18');
        answers.forEach((answer, index) => {
            assert.equal(answer.status, rows[index][1], rows[index][0]);
            assert.equal(answer.headers.connection === 'close', closesAfter(answer.status));
            assert.match(answer.headers['content-length'], /^[1-9]\d*$/);
            assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8');
            assertNoCache(answer);
        });
    });

    // ------------------------------------------------------------ CORS

    it('an allowed origin is echoed, on errors too', async () => {
        for (const [target, status] of [['/ping', 200], ['/rtm/alice/', 200], ['/rtm/0/', 400], ['/nope', 404]]) {
            const answer = await ask(target, { headers: { Origin: ORIGIN } });
            assertJson(answer, status);
            assert.equal(answer.headers['access-control-allow-origin'], ORIGIN);
            assert.equal(answer.headers['access-control-allow-methods'], 'GET, POST, OPTIONS');
            assert.equal(answer.headers['access-control-allow-headers'], 'Origin, Content-Type');
            assert.equal(answer.headers.vary, 'Origin');
        }
    });

    it('an error that the web server may find by itself can be read by a page', async () => {
        for (const target of ['/rtm/a%00b', '/rtm/a%zzb'].filter((path) => !deviation(path))) {
            const answer = await ask(target, { headers: { Origin: ORIGIN } });
            assertError(answer, 400);
            assert.ok(['*', ORIGIN].includes(answer.headers['access-control-allow-origin']), target);
        }
    });

    it('another origin is refused, and cannot read that', async () => {
        for (const Origin of ['https://evil.example', 'null', `${ORIGIN}.evil.example`]) {
            for (const answer of [
                await ask('/rtm/alice', { headers: { Origin } }), await send('/getToken', RTM_BODY, { Origin }),
                await ask('/getToken', { method: 'OPTIONS', headers: { Origin } }),
            ]) {
                assert.equal(assertError(answer, 403), 'Origin not allowed');
                assert.equal(answer.headers['access-control-allow-origin'], undefined);
            }
        }
    });

    it('a preflight is 204, and the request that it asked for is answered', async () => {
        for (const target of ['/getToken', '/rtc/lecture/publisher/uid//', '/nope', '/']) {
            const answer = await ask(target, {
                method: 'OPTIONS',
                headers: {
                    Origin: ORIGIN,
                    'Access-Control-Request-Method': 'POST',
                    'Access-Control-Request-Headers': 'content-type',
                },
            });
            assert.equal(answer.status, 204);
            assert.equal(answer.body, '');
            assert.equal(answer.headers['access-control-allow-origin'], ORIGIN);
            assertNoCache(answer);
        }
        const answer = await post(service, RTM_BODY, { headers: { Origin: ORIGIN } });
        assert.equal(answer.headers['access-control-allow-origin'], ORIGIN);
        assertTokens(answer, ALICE, 3600);
    });

    it('a request of the same origin passes, as does one without', async () => {
        for (const headers of [
            {}, { Origin: service.origin, Host: `127.0.0.1:${service.port}` },
            { Origin: 'https://tokens.example', Host: 'tokens.example' },
            { Origin: 'http://tokens.example:8080', Host: 'tokens.example:8080' },
        ]) {
            assertTokens(await ask('/rtm/alice', { headers }), { rtmToken: [rtm('alice')] }, 3600);
        }
    });

    // ------------------------------------------------------------ bodies

    // JSON of exactly so many bytes.
    const fill = (size) => RTM_BODY.replace('}', `${' '.repeat(size - RTM_BODY.length)}}`);
    const inChunks = (body) => body.match(/[^]{1,7000}/g);
    for (const [title, largest, frame] of [
        ['with a length', LIMIT, (body) => body], ['in chunks', LARGEST_CHUNKED, inChunks],
    ]) {
        it(`a body of ${largest / 1024} KiB ${title}`, async () => {
            assertTokens(await send('/getToken', frame(fill(largest))), ALICE, 3600);
        });
        it(`one byte more ${title} is 413, which a page can read`, async () => {
            const answer = await send('/getToken', frame(fill(largest + 1)), { Origin: ORIGIN });
            assertError(answer, 413);
            assert.ok(['*', ORIGIN].includes(answer.headers['access-control-allow-origin']),
                answer.headers['access-control-allow-origin']);
        });
    }

    for (const [title, target, body, headers] of [
        ['in chunks of a few bytes', '/getToken', RTM_BODY.match(/.{1,5}/g)],
        ['of a form', '/getToken', RTM_BODY, { 'Content-Type': 'application/x-www-form-urlencoded' }],
        ['with parts', '/getToken', RTM_BODY, { 'Content-Type': 'multipart/form-data; boundary=x' }],
        ['without a type', '/getToken', RTM_BODY],
        ['to a path with a slash and a query', '/getToken/?expiry=5', RTM_BODY],
        ['after Expect: 100-continue, as curl sends larger ones', '/getToken', fill(2000),
            { Expect: '100-continue', 'Content-Length': 2000 }],
    ]) {
        it(`a body ${title}`, async () => assertTokens(await send(target, body, headers), ALICE, 3600));
    }

    it('bodies of the other endpoints', async () => {
        const generated = assertJson(await send('/token/generate', JSON.stringify({
            channelName: 'lecture', uid: '42', tokenExpireTs: 600, privilegeExpireTs: 600,
            serviceRtc: { enable: true, role: 1 },
        })), 200).data;
        const { valid, signed_here: here } = assertJson(await send('/inspect', JSON.stringify(generated)), 200);
        assert.deepEqual([valid, here], [true, true]);
    });

    it('an empty body and broken JSON are 400', async () => {
        for (const body of ['', '{', RTM_BODY.slice(0, -1)]) {
            assertError(await send('/getToken', body), 400);
        }
    });

    it('a body on a GET is ignored', async () => {
        const answer = await ask('/rtm/alice/', { body: '{"uid":"bob"}' });
        assertTokens(answer, { rtmToken: [rtm('alice')] }, 3600);
    });

    // ------------------------------------------------------------ connections

    it('HTTP/1.0 without a Host', async () => {
        const [answer] = await raw('GET /ping HTTP/1.0\n\n', ['GET']);
        assert.deepEqual([answer.status, answer.body], [200, '{"message":"pong"}']);
    });

    it('an address as proxies are asked for it', async () => {
        const [answer] = await raw(
            'GET http://tokens.example/rtm/alice/?expiry=60 HTTP/1.1\nHost: tokens.example\n\n', ['GET']);
        assertTokens(answer, { rtmToken: [rtm('alice')] }, 60);
    });

    it('120 requests over one connection', async () => {
        const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
        try {
            const sockets = new Set();
            agent.on('free', (socket) => sockets.add(socket));
            for (let count = 1; count <= 120; count++) {
                const [answer, key] = count % 3
                    ? [await ask(`/rtm/user-${count}/`, { agent }), 'rtmToken']
                    : [await post(service, { tokenType: 'rtm', uid: `user-${count}` }, { agent }), 'token'];
                assertTokens(answer, { [key]: [rtm(`user-${count}`)] }, 3600);
            }
            assert.equal(sockets.size, connectionsFor(120));
        } finally {
            agent.destroy();
        }
    });

    it('requests sent without waiting for answers are answered in order', async () => {
        const users = Array.from({ length: 40 }, (_, index) => `user-${index}`);
        const bodyOf = (user) => JSON.stringify({ tokenType: 'rtm', uid: user });
        const text = users.map((user, index) => (index % 2
            ? `POST /getToken HTTP/1.1\nHost: x\nContent-Length: ${bodyOf(user).length}\n\n${bodyOf(user)}`
            : `GET /rtm/${user} HTTP/1.1\nHost: x\n\n`)).join('');
        const answers = await raw(text, users.map((_, index) => (index % 2 ? 'POST' : 'GET')));
        answers.forEach((answer, index) => {
            assertTokens(answer, { [index % 2 ? 'token' : 'rtmToken']: [rtm(users[index])] }, 3600);
        });
    });

    it('clients that leave before the answer harm nobody', async () => {
        for (let count = 0; count < 50; count++) {
            const outgoing = http.get({ host: '127.0.0.1', port: service.port, path: '/rtm/alice/' });
            outgoing.on('error', () => {});
            outgoing.once('socket', (socket) => socket.once('connect',
                () => setImmediate(() => outgoing.destroy())));
        }
        assertTokens(await ask('/rtm/alice/'), { rtmToken: [rtm('alice')] }, 3600);
    });
});
