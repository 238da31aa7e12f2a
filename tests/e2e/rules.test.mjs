// Rules that a web server has of its own, about who may ask for what: they hold however a path is
// written. What a server takes for one path and the service for another would be a way around them.
// Each page shows such a rule, which forbids a channel. Runs over the host that GATEWAY names.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import zlib from 'node:zlib';
import { after, before, describe, it } from 'node:test';
import { gateways } from './gateways/host.mjs';
import { GATEWAY, repository, startService, waitFor } from './harness.mjs';

const { page, prefix = '', rule: { text, file, below, server } } = gateways[GATEWAY];

const CHANNEL = 'vip';
const SEGMENTS = ['rtc', CHANNEL, 'publisher', 'uid', '42'];

// Whether the answer holds a token of just that channel: its name stands in it behind its length.
const isToken = (answer) => (answer.match(/(?<="007)[A-Za-z0-9+/=]+/g) ?? []).some((token) => zlib
    .inflateSync(Buffer.from(token, 'base64')).includes(`${String.fromCharCode(CHANNEL.length, 0)}${CHANNEL}`));

// As it stands, without anything that could make it equal before. The answer ends with the connection.
function ask(service, target) {
    return new Promise((resolve, reject) => {
        const socket = net.connect({ host: '127.0.0.1', port: service.port });
        let answer = '';
        socket.setEncoding('latin1').on('data', (data) => {
            answer += data;
        });
        socket.setTimeout(20000, () => socket.destroy(new Error(`${target}: no answer in 20 seconds`)));
        socket.once('error', reject);
        socket.once('close', () => resolve(answer));
        socket.write(`GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`, 'latin1');
    });
}

const join = (segments) => `${prefix}/${segments.join('/')}`;
const between = (...inserted) => Array.from({ length: SEGMENTS.length + 1 },
    (_, index) => join([...SEGMENTS.slice(0, index), ...inserted, ...SEGMENTS.slice(index)]));
const changed = (change) => SEGMENTS.map((segment, index) => join(
    [...SEGMENTS.slice(0, index), change(segment), ...SEGMENTS.slice(index + 1)]));
const encoded = (segment) => segment.replaceAll(/./g,
    (letter) => `%${letter.charCodeAt(0).toString(16)}`);

const plain = join(SEGMENTS);
// Other ways to write the very path, with which every server is to have the same opinion.
const same = [
    plain, `${plain}/`, `${plain}?expiry=600`, ...changed(encoded), join(SEGMENTS.map(encoded)),
    `http://localhost${plain}`, `HTTP://localhost${plain}`, `http://localhost${plain}?expiry=600`,
];
// And with what a server may resolve, decode, merge, cut off or refuse.
const others = [
    ...['%2F', '%2f', '%5C', '\\', '%252F'].flatMap((slash) => [
        `${prefix}/${SEGMENTS.join(slash)}`,
        ...SEGMENTS.slice(1).map((_, index) => `${prefix}/${
            SEGMENTS.slice(0, index + 1).join('/')}${slash}${SEGMENTS.slice(index + 1).join('/')}`),
    ]),
    ...['.', '%2e', '', '%2F', '%2e%2F'].flatMap((segment) => between(segment)),
    ...['..', '%2e%2e', '.%2E', '..%2F', '..%00', '..;', '..%5C', '..#', '..%zz']
        .flatMap((parent) => [...between('x', parent), ...between('rtc', 'x', parent, parent)]),
    ...['%zz', '%00', '%', '%0A', '#', '?', '%23', '%3F', ';', '%20'].flatMap((odd) => [
        ...between(odd), ...changed((segment) => segment + odd), ...changed((segment) => odd + segment),
    ]),
    ...between('x#', '..'), ...between('x?', '..'), ...between('x%3F', '..'), ...between('x%23', '..'),
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
        `${prefix}/${name}/${SEGMENTS.join('/')}`,
    ]),
    `http:${plain}`, plain.slice(1), `*${plain}`, `:80${plain}`, `/http://localhost${plain}`,
];

describe(`the rules of ${GATEWAY}`, () => {
    let service;
    before(async () => {
        service = await startService();
    });
    after(() => service?.stop());

    it('a rule as the page has it denies a channel, and no way to write its path goes around', async () => {
        const readme = fs.readFileSync(path.join(repository, 'conf', page, 'README.md'), 'utf8');
        assert.ok(readme.includes(text.replaceAll(/^/gm, '    ')), `conf/${page}/README.md has the rule`);
        for (const target of same) {
            assert.ok(isToken(await ask(service, target)), `${target} without the rule`);
        }
        // Restarted and not reloaded: after a reload, processes without the rule still answer for a while.
        await service.machine.run(
            `cat >/run/rule && sed -Ei '\\%${below}%r /run/rule' ${file} && systemctl restart ${server}`,
            { input: `${text.replaceAll('/rtc/', `${prefix}/rtc/`)}\n` });
        // (lighttpd may not listen at once.)
        await waitFor('the rule to be applied',
            async () => / 403 /.test(await ask(service, plain).catch(() => '')));

        const around = [];
        for (const target of [...same, ...others]) {
            const answer = await ask(service, target);
            if (isToken(answer)) {
                around.push(`GET ${target}: ${answer.split('\r\n\r\n')[1]}`);
            }
        }
        assert.deepEqual(around, []);
        assert.match(await ask(service, plain.replace(CHANNEL, 'lecture')), /"rtcToken":"007/,
            'other channels are as before');
    });
});
