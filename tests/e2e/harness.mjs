// What the tests share: a service to ask, requests, and what answers must be.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import zlib from 'node:zlib';
import judge from 'agora-token/src/AccessToken2.js';
import { gateways as containers } from './gateways/container.mjs';
import { gateways as hosts } from './gateways/host.mjs';
import { gateways as processes } from './gateways/nginx.mjs';
import { assertNoReport, makeDirectory, removeDirectory } from './processes.mjs';

export * from './fastcgi.mjs';
export * from './processes.mjs';

export const GATEWAY = process.env.GATEWAY || 'fastcgi-unix';

export const APP_ID = '970CA35de60c44645bbae8a215061b33';
export const CERTIFICATE = '5CFd2fd1755d40ecb72977518be15d3b';
export const OTHER_CERTIFICATE = '00112233445566778899aabbccddeeff';

const SECRETS = { APP_ID, APP_CERTIFICATE: CERTIFICATE };

// What stands between a client and the service, by the name that GATEWAY has:
// - start({directory, settings, dotenv}, start) brings it up and returns at least {port, log, stop};
// - prefix, if there is one, stands before every path;
// - deviations are [regular expression, status]: paths that this web server refuses by itself;
// - chunked is the largest body in chunks that it passes on;
// - ids is 'client' where a request has the id that the client gave it, and not one of the web server's;
// - closing lists the statuses after which it closes the connection, keptFor is the number of requests.
const gateways = { ...processes, ...hosts, ...containers };
assert.ok(gateways[GATEWAY], `GATEWAY is one of ${Object.keys(gateways).join(', ')}`);
const {
    prefix = '', deviations = [], chunked = 64 * 1024, closing = [], keptFor = Infinity, ids = 'own',
} = gateways[GATEWAY];

// The status with which the web server refuses this path by itself, with a page of its own, before it
// knows whose the path is. Undefined if it passes the path on.
export const deviation = (target) => deviations.find(([paths]) => paths.test(target))?.[1];

export const LARGEST_CHUNKED = chunked;

export const IDS = ids;

// Whether the web server closes the connection after an answer of this status.
export const closesAfter = (status) => closing.includes(status);

// The number of connections that so many requests take, one after the other.
export const connectionsFor = (requests) => Math.max(1, Math.ceil(requests / keptFor));

// settings are those of the service (one that is undefined is not set), dotenv is more for its .env
// file. `start` is for what no gateway does, see there.
export async function startService({
    gateway = GATEWAY, settings = {}, dotenv = '', start,
} = {}) {
    const directory = makeDirectory();
    fs.writeFileSync(path.join(directory, '.env'), dotenv, { mode: 0o600 });
    const context = { directory, settings: { ...SECRETS, ...settings }, dotenv };
    const service = await gateways[gateway].start(context, start).catch((error) => {
        removeDirectory(directory);
        throw error;
    });
    const origin = `http://127.0.0.1:${service.port}`;
    return {
        ...service,
        directory,
        origin,
        async stop() {
            const ended = await service.stop();
            const log = service.log();
            removeDirectory(directory);
            assertNoReport(log);
            return ended;
        },
    };
}

// ---------------------------------------------------------------- HTTP

// Paths go out as they are given: fetch() would normalise them. What a service has as `onAnswer` is asked about
// every answer, and may throw (see openapi.mjs).
export function request(service, target, { method = 'GET', headers = {}, body, agent = false } = {}) {
    return new Promise((resolve, reject) => {
        const started = performance.now();
        const outgoing = http.request({
            host: '127.0.0.1', port: service.port, path: `${prefix}${target}`, method, headers, agent,
            timeout: 20000,
        });
        outgoing.once('timeout', () => {
            outgoing.destroy(new Error(`${method} ${target}: no answer in 20 seconds`));
        });
        outgoing.once('error', reject);
        outgoing.once('response', (incoming) => {
            const chunks = [];
            incoming.on('data', (chunk) => chunks.push(chunk));
            incoming.once('error', reject);
            incoming.once('end', () => {
                const answer = {
                    status: incoming.statusCode,
                    headers: incoming.headers,
                    body: Buffer.concat(chunks).toString(),
                    received: Date.now(),
                    milliseconds: performance.now() - started,
                };
                try {
                    service.onAnswer?.(method, target, answer, body);
                    resolve(answer);
                } catch (error) {
                    reject(error);
                }
            });
        });
        // An array is a body sent in chunks, anything else goes out with a Content-Length. Whoever
        // expects a 100 waits for it, as curl does.
        if (headers.Expect) {
            outgoing.once('continue', () => outgoing.end(body));
        } else if (Array.isArray(body)) {
            body.forEach((chunk) => outgoing.write(chunk));
            outgoing.end();
        } else {
            outgoing.end(body);
        }
    });
}

export function post(service, value, options = {}) {
    return request(service, '/getToken', {
        method: 'POST',
        body: typeof value === 'string' || Buffer.isBuffer(value) ? value : JSON.stringify(value),
        ...options,
        headers: { 'Content-Type': 'application/json', ...options.headers },
    });
}

// Each client has one kept connection and asks again as soon as it is answered, until `next`
// has no more paths for it. Errors of the connection count as answers too.
export async function drive(service, clients, next, heed) {
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

// Asks for one path all the while that `action` takes, and says how often. No request may fail; what
// else has to be true of an answer, `heed` asserts.
export async function underLoad(service, clients, target, action, heed = () => {}) {
    const answers = [];
    let isOver = false;
    const load = drive(service, clients, () => !isOver && target, (answer) => {
        answers.push(answer);
        heed(answer);
    });
    try {
        await action();
    } finally {
        isOver = true;
        await load;
    }
    const failed = answers.filter(({ status }) => status !== 200);
    assert.deepEqual(failed.map(({ status, body }) => `${status} ${body}`), []);
    assert.ok(answers.length > 100, `${answers.length} requests`);
    return answers.length;
}

// Writes text to the web server as it is, but for the prefix of paths, and reads as many answers as
// methods are named. An answer without a length, or bytes beyond the last answer, is an error.
export function rawExchange(service, text, methods) {
    const bytes = text.replaceAll(/[A-Z]+ (?:http:\/\/[^/ ]+)?(?=\/\S* HTTP\/1)/g, `$&${prefix}`);
    return new Promise((resolve, reject) => {
        const socket = net.connect({ host: '127.0.0.1', port: service.port });
        const answers = [];
        let pending = Buffer.alloc(0);
        const finish = (error) => {
            socket.destroy();
            if (error) {
                reject(error);
            } else {
                resolve(answers);
            }
        };
        socket.setTimeout(10000, () => {
            finish(new Error(`${answers.length} of ${methods.length} answers, then silence: ${pending}`));
        });
        socket.once('error', finish);
        socket.once('close', () => finish(
            new Error(`closed after ${answers.length} of ${methods.length} answers`)));
        socket.on('data', (chunk) => {
            pending = Buffer.concat([pending, chunk]);
            try {
                for (;;) {
                    const taken = takeAnswer(pending, methods[answers.length]);
                    if (!taken) {
                        break;
                    }
                    answers.push(taken.answer);
                    pending = taken.rest;
                }
                if (answers.length === methods.length) {
                    assert.equal(pending.length, 0, `bytes after the last answer: ${pending}`);
                    finish();
                }
            } catch (error) {
                finish(error);
            }
        });
        socket.write(bytes);
    });
}

function takeAnswer(bytes, method) {
    const end = bytes.indexOf('\r\n\r\n');
    if (method === undefined || end < 0) {
        return null;
    }
    const [statusLine, ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
    const status = Number(/^HTTP\/1\.[01] (\d{3}) /.exec(statusLine)[1]);
    const headers = Object.fromEntries(lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }));
    let length = 0;
    if (method !== 'HEAD' && status !== 204 && status >= 200) {
        assert.match(headers['content-length'] || '', /^\d+$/, `${statusLine} has a length`);
        length = Number(headers['content-length']);
    }
    const start = end + 4;
    if (bytes.length < start + length) {
        return null;
    }
    return {
        answer: { status, headers, body: bytes.subarray(start, start + length).toString() },
        rest: bytes.subarray(start + length),
    };
}

// ---------------------------------------------------------------- what answers must be

export function assertTells(text, ...parts) {
    for (const part of parts) {
        assert.ok(text.includes(part), `"${text}" tells "${part}"`);
    }
}

// What a log in LOG_FORMAT=json has: one object a line, and nothing else.
export function logObjects(text, longest = 4096) {
    return text.split('\n').filter((line) => line !== '').map((line) => {
        assert.match(line, /^[^\x00-\x1f\x7f]*$/, 'no control character');
        assert.ok(Buffer.byteLength(line) < longest, 'a pipe takes it at once');
        const object = JSON.parse(line);
        assert.match(object.time, /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{3})?(?:Z|[+-]\d{2}:\d{2})$/, line);
        assert.match(object.level, /^(?:error|warning|info|debug)$/, line);
        assert.equal(typeof object.message, 'string', line);
        return object;
    });
}

const NO_CACHE = {
    'cache-control': 'private, no-cache, no-store, must-revalidate',
    expires: '-1',
    pragma: 'no-cache',
};

export function assertNoCache(answer) {
    for (const [name, value] of Object.entries(NO_CACHE)) {
        assert.equal(answer.headers[name], value, `${name} of a ${answer.status}`);
    }
}

export function assertJson(answer, status) {
    assert.equal(answer.status, status, answer.body);
    assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8');
    assertNoCache(answer);
    return JSON.parse(answer.body);
}

// Every error has the one shape. Returns its text.
export function assertError(answer, status) {
    const body = assertJson(answer, status);
    assert.deepEqual(Object.keys(body).sort(), ['error', 'message', 'status']);
    assert.equal(body.status, status);
    assert.equal(typeof body.error, 'string');
    assert.notEqual(body.error, '');
    assert.equal(body.message, body.error);
    return body.error;
}

// The page that a web server has for its own errors: nothing of the service is in it.
export function assertOwnPage(answer, status) {
    assert.equal(answer.status, status);
    assert.doesNotMatch(answer.headers['content-type'], /json/);
    assert.doesNotMatch(answer.body, /"error"|007/);
}

const privileges = (granted, expire) => Object.fromEntries(granted.map((name) => [name, expire]));

const serviceOf = (ServiceClass, names, granted) => (expire) => {
    const service = new ServiceClass(...names);
    service.__privileges = privileges(granted, expire);
    return service;
};

// The services that a token must carry, as functions of the expire that the request asked for.
export const rtc = (channel, uid, granted) => serviceOf(judge.ServiceRtc, [channel, uid], granted);
export const rtm = (user) => serviceOf(judge.ServiceRtm, [user], [1]);
export const chatUser = (user) => serviceOf(judge.ServiceChat, [user], [1]);
export const chatApp = () => serviceOf(judge.ServiceChat, [''], [2]);
export const PUBLISHER = [1, 2, 3, 4];
export const SUBSCRIBER = [1];
export const MESSAGES = [1, 4];

function plain(service) {
    const { __type: type, __privileges: granted, ...names } = service;
    return {
        type,
        privileges: granted,
        names: Object.fromEntries(Object.entries(names).map(([key, value]) => [key, String(value)])),
    };
}

const inflate = (token) => zlib.inflateSync(Buffer.from(token.slice(3), 'base64'));

// Judged by Agora's own package: decoded, verified, and compared, byte for byte before
// compression, with what Agora's builder makes of the same values.
export function assertToken(token, services, expire, {
    appId = APP_ID, certificate = CERTIFICATE, otherCertificate = OTHER_CERTIFICATE,
    received = Date.now(),
} = {}) {
    assert.equal(typeof token, 'string');
    assert.match(token, /^007(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/);
    const now = Math.floor(received / 1000);
    const decoded = new judge.AccessToken2();
    assert.ok(decoded.from_string(token), 'the token decodes');
    assert.ok(decoded.verifySignature(certificate), 'the signature verifies');
    assert.ok(!decoded.verifySignature(otherCertificate), 'only with its own certificate');

    const expected = services.map((service) => service(expire));
    assert.equal(String(decoded.appId), appId);
    assert.equal(decoded.expire, expire);
    assert.deepEqual(decoded.services.map(plain), expected.map(plain));
    assert.ok(Math.abs(now - decoded.issueTs) <= 2, `issued at ${decoded.issueTs}, received at ${now}`);

    const rebuilt = new judge.AccessToken2(appId, certificate, decoded.issueTs, expire);
    rebuilt.salt = decoded.salt;
    rebuilt.services = expected;
    assert.deepEqual(inflate(token), inflate(rebuilt.build()));
    return decoded;
}

// {rtcToken: [services], …}: exactly these keys, each with exactly these services.
export function assertTokens(answer, wanted, expire) {
    const body = assertJson(answer, 200);
    assert.deepEqual(Object.keys(body), Object.keys(wanted));
    return Object.entries(wanted).map(
        ([key, services]) => assertToken(body[key], services, expire, { received: answer.received }));
}
