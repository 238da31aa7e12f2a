// The rules that each page shows: which paths a web server lets through, as it refuses all others, and under
// which name. What the server takes for one path and the service for another would be a way around it, so that every way to a
// token is tried in many notations; so is /metrics, which the configurations keep for this machine. Runs over the
// host that GATEWAY names.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import judge from 'agora-token/src/AccessToken2.js';
import { gateways } from './gateways/host.mjs';
import { GATEWAY, assertError, repository, request, startService, waitFor } from './harness.mjs';

const { page, prefix = '', counts = true, rules } = gateways[GATEWAY];

// What the pages' rules let through, and what they have to refuse.
const ALLOWED = 'lecture';
const REFUSED = 'vip';

// What is HTML is the page, which holds none.
const readTokens = (answer) => {
    const texts = /^content-type: text\/html/im.test(answer) ? [] : answer.match(/(?<=")007[A-Za-z0-9+/=]+/g) ?? [];
    return texts.map((text) => {
        const token = new judge.AccessToken2();
        assert.ok(token.from_string(text), text);
        return token;
    });
};

// RTC for the one channel, and nothing else.
const isAllowed = ({ services }) => services.length > 0 && services.every(
    (service) => service instanceof judge.ServiceRtc && String(service.__channel_name) === ALLOWED);

// Sent as it stands, without anything that could normalise it before. The answer ends with the connection.
function ask(service, target, { body, host = 'localhost', from } = {}) {
    return new Promise((resolve, reject) => {
        const socket = net.connect({ host: '127.0.0.1', port: service.port, localAddress: from });
        let answer = '';
        socket.setEncoding('latin1').on('data', (data) => {
            answer += data;
        });
        socket.setTimeout(20000, () => socket.destroy(new Error(`${target}: no answer in 20 seconds`)));
        socket.once('error', reject);
        socket.once('close', () => resolve(answer));
        const [method, length] = body === undefined ? ['GET', ''] : ['POST', `Content-Length: ${body.length}\r\n`];
        socket.write(`${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n${length}Connection: close\r\n\r\n${body ?? ''}`,
            'latin1');
    });
}

const join = (segments) => `${prefix}/${segments.join('/')}`;
const encoded = (segment) => segment.replaceAll(/./g, (letter) => `%${letter.charCodeAt(0).toString(16)}`);
const SLASHES = ['%2F', '%2f', '%5C', '\\', '%252F'];
const PARENTS = ['..', '%2e%2e', '.%2E', '..%2F', '..%00', '..;', '..%5C', '..#', '..?', '..%zz'];
const ODD = ['%zz', '%00', '%', '%0A', '#', '?', '%23', '%3F', ';', '%3B', '%20', '+', '*', '%2A', '2'];

// Other notations of the very same path.
function same(segments) {
    const plain = join(segments);
    return [
        plain, `${plain}/`, `${plain}?expiry=600`, join(segments.map(encoded)),
        ...segments.map((segment, index) => join(segments.with(index, encoded(segment)))),
        `http://localhost${plain}`, `HTTP://localhost${plain}`, `http://localhost${plain}?expiry=600`,
    ];
}

// Notations with something that a server may resolve, decode, merge, cut off or refuse.
function disguised(segments) {
    const plain = join(segments);
    const between = (...inserted) => Array.from({ length: segments.length + 1 },
        (_, index) => join(segments.toSpliced(index, 0, ...inserted)));
    const changed = (change) => segments.map((segment, index) => join(segments.with(index, change(segment))));
    return [
        ...SLASHES.flatMap((slash) => [
            `${prefix}/${segments.join(slash)}`,
            ...segments.slice(1).map((_, index) => `${join(segments.slice(0, index + 1))}${slash}${
                segments.slice(index + 1).join('/')}`),
        ]),
        ...['.', '%2e', '', '%2F', '%2e%2F'].flatMap((segment) => between(segment)),
        ...PARENTS.flatMap((parent) => [...between('x', parent), ...between('rtc', 'x', parent, parent)]),
        ...ODD.flatMap((odd) => [
            ...between(odd), ...changed((segment) => segment + odd), ...changed((segment) => odd + segment),
        ]),
        ...changed((segment) => segment.toUpperCase()),
        ...['x#', 'x?', 'x%3F', 'x%23'].flatMap((start) => between(start, '..')),
        ...['', '/', '/x', '/x/..', `${prefix}/rtc/x/publisher/uid`].flatMap((start) => [
            ...['?', '#', '%3F', '%23', '%00', '/../..', '//'].map((end) => `${start}${end}${plain}`),
        ]),
        ...['http://localhost', 'http://localhost:80', 'http://', 'http:', 'http:/', 'x://localhost',
            'https://localhost', '//localhost', 'localhost', ''].flatMap((host) => [
            '?', '#', '/', '//', '/x?', '/./', '/x/../', '?x=/', '', '@', '\\'].map((end) => `${host}${end}${plain}`)),
        // Below what the configurations name themselves.
        ...['agora', 'agora-token.cgi', 'agora-token-fcgi', 'cgi-bin/agora-token.cgi', 'program', '.nginx-error',
            '.agora-token-error', '.agora-malformed'].flatMap((name) => [
            `/${name}${plain}`, `/${name}//${plain}`, `/${name}/..${plain}`, `/${name}?${plain}`,
            `${prefix}/${name}/${segments.join('/')}`,
        ]),
        `http:${plain}`, plain.slice(1), `*${plain}`, `:80${plain}`,
        // In which not every server sees a path.
        ...['*', 'x', '_', '*http', 'x:y', 'x:http', 'http:http'].map((scheme) => `${scheme}://localhost${plain}`),
        `/http://localhost${plain}`,
    ];
}

// Paths that begin as an allowed one and go on to this one, or the other way round.
function mixed(segments) {
    const allowed = ['rtc', ALLOWED, 'publisher', 'uid', '42'];
    const joins = ['', '/', '//', '?', '#', '%3F', '%23', '%00', ';', '\\', '%0A', '/.', '/..', '%20HTTP/1.1%0D%0A'];
    const climbs = PARENTS.flatMap((parent) => [1, 2, 3, 5].map((depth) => `/${Array(depth).fill(parent).join('/')}`));
    return [[allowed, segments], [segments, allowed]].flatMap(([first, second]) => [
        ...[...joins, ...climbs].flatMap((between) => [2, 5].flatMap((length) => [
            `${join(first.slice(0, length))}${between}${join(second)}`,
            `${join(first.slice(0, length))}${between}/${second.join('/')}`,
        ])),
        ...PARENTS.flatMap((parent) => [
            join([...first.slice(0, 2), parent, ...second.slice(1)]),
            join([first[0], `${first[1]}%2F${parent}`, ...second.slice(1)]),
            join([first[0], `${first[1]}%2F${parent}%2F${second[1]}`, ...second.slice(2)]),
        ]),
    ]);
}

const GET_TOKEN = JSON.stringify({ tokenType: 'rtc', channel: REFUSED, role: 'publisher', uid: '42' });
const GET_TOKEN_RTM = JSON.stringify({ tokenType: 'rtm', channel: REFUSED, uid: '42' });
const GENERATE = JSON.stringify({
    channelName: REFUSED, uid: '42', tokenExpireTs: 600, privilegeExpireTs: 600, serviceRtc: { enable: true, role: 1 },
});
// Every way to a token that the rule does not allow: the segments of its path, and the body of a POST.
const WAYS = [
    ...[REFUSED, '*'].flatMap((channel) => [
        [['rtc', channel, 'publisher', 'uid', '42']],
        [['rte', channel, 'publisher', 'uid', '42']],
        // Holds what is allowed, in the wrong place.
        [['rte', channel, 'publisher', 'userAccount', 'rtc', ALLOWED]],
    ]),
    [['rtm', 'alice']],
    [['chat', 'app']],
    [['chat', 'account', 'alice']],
    [['getToken'], GET_TOKEN],
    [['getToken'], GET_TOKEN_RTM],
    [['token', 'generate'], GENERATE],
];
const OPEN = ['rtc', ALLOWED, 'publisher', 'uid', '42'];

// What only the endpoint of /metrics answers. Plain CGI has nothing to count, and says so.
const METRICS = /^# TYPE agora_token_|"error":"there are no metrics: /m;
// And what it answers to POST.
const WRONG_METHOD = /^HTTP\/1\.1 405 [^]*"error":"method 'POST' is not allowed here: use GET/;
// Where the machine is asked from when it is not by loopback: the network that the pages let in, and another.
const STRANGER = '192.0.2.20';
const OUTSIDER = '198.51.100.20';

// The answer, of which `check` judges, to each notation that is not as it should be.
async function wrong(service, targets, options, check) {
    const found = [];
    const left = [...new Set(targets)];
    await Promise.all(Array.from({ length: 4 }, async () => {
        for (let target = left.pop(); target !== undefined; target = left.pop()) {
            const answer = await ask(service, target, options);
            if (!check(answer)) {
                found.push(`${target}: ${answer.slice(0, 400)}`);
            }
        }
    }));
    return found;
}

// Changes the web server's configuration by `command` as the page says, which shows `text`, and starts it anew: after a
// reload, processes without the rule would still answer for a while. (lighttpd may not listen at once.)
async function change(service, text, command, isApplied) {
    const readme = fs.readFileSync(path.join(repository, 'conf', page, 'README.md'), 'utf8');
    assert.ok(readme.includes(text.replaceAll(/^/gm, '    ')), `conf/${page}/README.md shows ${text}`);
    await service.machine.run(`${command} && systemctl restart ${rules.server}`,
        { input: `${text.replaceAll('^/', `^${prefix}/`)}\n` });
    await waitFor('the rule to be applied', () => isApplied().catch(() => false));
}

const apply = (service, text, isApplied) => change(
    service, text, `cat >/run/rule && sed -Ei '\\%${rules.below}%r /run/rule' ${rules.file}`, isApplied);

describe(`the rules of ${GATEWAY}`, () => {
    let service;
    before(async () => {
        service = await startService({ settings: { METRICS: 'on' } });
        for (const address of [STRANGER, OUTSIDER]) {
            execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
        }
    });
    after(() => service?.stop());

    it('without a rule there is a token in every way', async () => {
        for (const [segments, body] of WAYS) {
            for (const target of same(segments)) {
                assert.ok(readTokens(await ask(service, target, { body })).length, target);
            }
        }
    });

    if (counts) {
        const metrics = [...same(['metrics']), ...same(['', 'metrics']), `${prefix}/%2Fmetrics`, `${prefix}/metrics%2F`];

        it('metrics are for who asks from this machine', async () => {
            assert.deepEqual(await wrong(service, metrics, {}, (answer) => METRICS.test(answer)), []);
            assert.deepEqual(await wrong(service, metrics, { body: '{}' }, (answer) => WRONG_METHOD.test(answer)), []);
        });

        it('there are none for who asks from elsewhere, however the path is written', async () => {
            const forged = ['X-Forwarded-For: 127.0.0.1', 'Forwarded: for=127.0.0.1', 'X-Real-IP: 127.0.0.1'];
            for (const options of [{}, { body: '{}' }, { host: ['localhost', ...forged].join('\r\n') }]) {
                assert.deepEqual(await wrong(service, metrics, { from: STRANGER, ...options }, (answer) => (
                    / 403 /.test(answer) && answer.includes('"The web server does not allow this request."'))), []);
            }
            const around = [['metrics'], ['', 'metrics']].flatMap(
                (segments) => [...same(segments), ...disguised(segments), ...mixed(segments)]);
            assert.deepEqual(await wrong(service, around, { from: STRANGER }, (answer) => !METRICS.test(answer)), []);
            assert.ok(readTokens(await ask(service, join(OPEN), { from: STRANGER })).length, 'tokens are for all');
        });

        it('with the command that the page shows they are for a network as well, and for no other', async () => {
            await change(service, rules.network, rules.network,
                async () => METRICS.test(await ask(service, metrics[0], { from: STRANGER })));
            assert.match(await ask(service, metrics[0], { from: OUTSIDER }), / 403 /);
            assert.match(await ask(service, metrics[0]), METRICS);
        });
    }

    it('with the rule that the page shows there is none but for the channel that it names', async () => {
        const plain = join(WAYS[0][0]);
        await apply(service, rules.channel, async () => / 403 /.test(await ask(service, plain)));
        const refusal = await request(service, '/rtm/alice');
        assertError(refusal, 403);
        assert.equal(refusal.headers['access-control-allow-origin'], '*', 'a page can read it');

        for (const target of same(OPEN)) {
            const tokens = readTokens(await ask(service, target));
            assert.equal(tokens.length, 1, target);
        }
        const around = [];
        const attempts = [...WAYS, [OPEN]].flatMap(([segments, body]) => [...new Set(
            [...same(segments), ...disguised(segments), ...mixed(segments)])].map((target) => [target, body]));
        await Promise.all(Array.from({ length: 4 }, async () => {
            for (let attempt = attempts.pop(); attempt; attempt = attempts.pop()) {
                const [target, body] = attempt;
                const tokens = readTokens(await ask(service, target, { body }));
                if (!tokens.every(isAllowed)) {
                    around.push(`${body ? 'POST' : 'GET'} ${target}`);
                }
            }
        }));
        assert.deepEqual(around, []);
    });

    if (rules.name) {
        it('with the rule for a name there is no token under another, as a rebound name would be', async () => {
            const plain = join(OPEN);
            const tokens = (host) => ask(service, plain, { host }).then(readTokens);
            await apply(service, rules.name, async () => (await tokens('localhost')).length === 0
                && (await tokens('tokens.example.com')).length === 1);
            for (const host of ['rebound.example', '127.0.0.1', 'x.tokens.example.com', 'tokens.example.com.x', '']) {
                assert.equal((await tokens(host)).length, 0, host);
            }
        });
    }
});
