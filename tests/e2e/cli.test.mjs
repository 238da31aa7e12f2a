// The command line tool, run as a user runs it, in an empty directory with nothing but PATH in the
// environment. Agora's own package judges what it mints and mints what it reads.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import zlib from 'node:zlib';
import judge from 'agora-token/src/AccessToken2.js';
import old from 'agora-token/src/AccessToken.js';
import apaas from 'agora-token/src/ApaasTokenBuilder.js';
import chat from 'agora-token/src/ChatTokenBuilder.js';
import convoai from 'agora-token/src/ConvoAITokenBuilder.js';
import fpa from 'agora-token/src/FpaTokenBuilder.js';
import rtc from 'agora-token/src/RtcTokenBuilder2.js';
import rtm from 'agora-token/src/RtmTokenBuilder2.js';
import stt from 'agora-token/src/SttTokenBuilder.js';
import {
    OTHER, assertJudgeReads, assertSameToken, descriptions, expectedParts, judgeMints,
} from './random-tokens.mjs';

const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const PROGRAM = path.resolve(
    process.env.AGORA_TOKEN || path.join(repository, 'build/release/agora-token'));
const vectors = JSON.parse(
    fs.readFileSync(path.join(repository, 'tests/vectors/access_token2.json'), 'utf8'));

const APP_ID = '970CA35de60c44645bbae8a215061b33';
const CERTIFICATE = '5CFd2fd1755d40ecb72977518be15d3b';
const NOW = 1700000000;
const CREDENTIALS = { APP_ID, APP_CERTIFICATE: CERTIFICATE };
const FIXED = ['--issue-ts', String(NOW), '--salt', '1'];

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'agora-token-e2e-'));
process.on('exit', () => fs.rmSync(directory, { recursive: true, force: true }));

function run(args, { input = '', env = CREDENTIALS } = {}) {
    return new Promise((resolve, reject) => {
        const child = spawn(PROGRAM, args, { cwd: directory, env: { PATH: process.env.PATH, TZ: 'UTC', ...env } });
        const output = { stdout: '', stderr: '' };
        for (const stream of ['stdout', 'stderr']) {
            child[stream].setEncoding('utf8').on('data', (text) => { output[stream] += text; });
        }
        child.on('error', reject);
        child.on('close', (status, signal) => resolve({ status: signal || status, ...output }));
        child.stdin.on('error', () => {}); // it may end without reading
        child.stdin.end(input);
    });
}

async function good(args, options) {
    const result = await run(args, options);
    assert.equal(result.stderr, '', args.join(' '));
    assert.equal(result.status, 0);
    return result.stdout;
}

async function bad(status, args, tells, options) {
    const result = await run(args, options);
    assert.equal(result.status, status, `${args.join(' ')}: ${result.stdout}${result.stderr}`);
    for (const text of tells) {
        assert.ok(result.stderr.includes(text), `"${result.stderr}" tells "${text}"`);
    }
    return result;
}

// Several at a time, in order.
async function forEach(items, action) {
    let next = 0;
    await Promise.all(Array.from({ length: 4 }, async () => {
        while (next < items.length) {
            const index = next++;
            await action(items[index], index);
        }
    }));
}

// A token of one of Agora's builders, made again with a fixed time and salt.
function pinned(token, certificate = CERTIFICATE) {
    const again = new judge.AccessToken2('', '', 0, 0);
    assert.equal(again.from_string(token), true);
    again.appCertificate = certificate;
    again.appId = again.appId.toString();
    for (const service of again.services) {
        // It reads the role without its sign.
        service.__role = (service.__role << 16) >> 16;
    }
    again.issueTs = NOW;
    again.salt = 1;
    return again.build();
}

describe('encode and decode', () => {
    for (const vector of vectors) {
        it(`vector: ${vector.name}`, async () => {
            const minted = await good(['encode'], { input: JSON.stringify(vector), env: {} });
            assertSameToken(minted, vector.token);
            const decoded = await good(['decode', '--json', vector.token], { env: {} });
            const parts = JSON.parse(decoded);
            for (const key of ['app_id', 'issue_ts', 'expire', 'salt']) {
                assert.equal(parts[key], vector[key]);
            }
            assert.equal(parts.signature, vector.payload_hex.slice(4, 68));
            assert.equal(await good(['encode'], { input: decoded }), minted);
            assert.equal(await good(['encode', '--app-id', OTHER], { input: decoded }), minted);
            await good(['verify', '--at', String(vector.issue_ts), vector.token]);
        });
    }

    it('takes what is left out from settings, clock and random source', async () => {
        const input = JSON.stringify({ services: [{ type: 'rtm', user: 'alice' }] });
        const tokens = [await good(['encode'], { input }), await good(['encode'], { input })];
        const [first, second] = await Promise.all(tokens.map(async (token) =>
            JSON.parse(await good(['decode', '--json'], { input: token }))));
        assert.equal(first.app_id, APP_ID);
        assert.equal(first.expire, 3600);
        assert.ok(Math.abs(first.issue_ts - Date.now() / 1000) < 60);
        assert.notEqual(first.salt, second.salt);
        const pinnedOne = JSON.parse(await good(
            ['decode', '--json', (await good(['encode', '--expire', '2m', ...FIXED], { input })).trim()]));
        assert.deepEqual([pinnedOne.issue_ts, pinnedOne.salt, pinnedOne.expire], [NOW, 1, 120]);
    });

    it('takes names for numbers, and numbers for a uid', async () => {
        const named = { salt: 1, issue_ts: NOW, services: [
            { type: 'rtc', channel: 'a', uid: 42, privileges: { join: 1, audio: 2, video: 3, data: 4 } },
            { type: 'rtc', channel: 'a', uid: 0, privileges: {} },
            { type: 'rtm2', user: 'u', permissions: { users: { write: ['x'], read: [] } }, privileges: { login: 5 } }] };
        const numbered = { ...named, services: [
            { type: 'rtc', channel: 'a', uid: '42', privileges: { 1: 1, 2: 2, 3: 3, 4: 4 } },
            { type: 'rtc', channel: 'a', uid: '' },
            { type: 'rtm2', user: 'u', permissions: { 4: { 0: [], 1: ['x'] } }, privileges: { 1: 5 } }] };
        assert.equal(await good(['encode'], { input: JSON.stringify(named) }),
            await good(['encode'], { input: JSON.stringify(numbered) }));
    });

    it('keeps bytes that are no UTF-8, and NULs', async () => {
        const input = JSON.stringify({ services: [
            { type: 'rtm', user: { hex: 'ff00411b5b' } }, { type: 'chat', user: 'a\0b\u0085' }] });
        const token = await good(['encode'], { input });
        const decoded = await good(['decode', '--json'], { input: token });
        assert.deepEqual(JSON.parse(decoded).services.map(({ user }) => user),
            [{ hex: 'ff00411b5b' }, 'a\0b\u0085']);
        assert.equal(await good(['encode'], { input: decoded }), token);
        const text = await good(['decode'], { input: token });
        assert.ok(text.includes('%FF%00A%1B['));
        assert.ok(text.includes('a%00b%C2%85'));
    });

    // Each alone could turn around, hide or overwrite what stands beside it.
    it('decode prints no character that a terminal acts upon', async () => {
        const characters = ['\u0007', '\u009b', '\u061c', '\u200b', '\u200f', '\u2028', '\u202e', '\u2060', '\u2066',
            '\u2069', '\ufeff', '\ufff9', '\u{e0001}', '\u{e007f}'];
        const permissions = { users: { read: characters } };
        const token = await good(['encode'], { input: JSON.stringify({ services: [
            { type: 'rtc', channel: `c${characters.join('')}`, uid: 'J\u00f6rg \u{1f600}' },
            { type: 'rtm2', user: characters.join(''), permissions }] }) });
        const text = await good(['decode'], { input: token });
        assert.match(text, /^(?:\n|[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}])*$/u);
        assert.ok(text.includes('uid       J\u00f6rg \u{1f600}\n'));
        assert.ok(text.includes(`channel   c${characters.map((c) => encodeURIComponent(c)).join('')}\n`));
        assert.ok(text.includes(`may read users: ${characters.map((c) => encodeURIComponent(c)).join(', ')}\n`));
    });

    const refused = [
        ['no JSON', '{', 'no JSON'],
        ['something behind it', '{} {}', 'no JSON'],
        ['not UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'no JSON'],
        ['no object', '[]', 'object'],
        ['no services', '{}', 'services is missing or empty'],
        ['an empty list', '{"services":[]}', 'services is missing or empty'],
        ['services of another kind', '{"services":{}}', 'services must be a list'],
        ['an unknown key', '{"expires":1}', "'expires'"],
        ['an unknown type', '{"services":[{"type":"x"}]}', 'services[0]', '"x"', 'convoai'],
        ['no type', '{"services":[{"type":"fpa"},{}]}', 'services[1]', 'type'],
        ['a field of another type', '{"services":[{"type":"rtm","channel":"a"}]}', "rtm has no 'channel'"],
        ['a number too large', '{"expire":4294967296}', 'expire is 4294967296', '4294967295'],
        ['a huge number', '{"salt":99999999999999999999}', 'salt'],
        ['a huge number that is cut off', '{"salt":99999999999999999999', '"salt":(not shown'],
        ['a negative number', '{"issue_ts":-1}', 'issue_ts is -1'],
        ['a fraction', '{"issue_ts":1.5}', 'issue_ts is 1.5'],
        ['a string for a number', '{"issue_ts":"1"}', 'issue_ts is "1"'],
        ['an App ID that is none', '{"app_id":"abc"}', 'app_id', '32 hexadecimal digits'],
        ['a certificate that is none', `{"app_certificate":"${APP_ID}0"}`, 'app_certificate'],
        ['another version', '{"version":"006"}', '006', '007'],
        ['unread parts', '{"unread":4}', 'does not know'],
        ['an unknown privilege', '{"services":[{"type":"rtm","privileges":{"join":1}}]}', "'join' is no privilege of rtm"],
        ['a privilege over 16 bits', '{"services":[{"type":"rtm","privileges":{"65536":1}}]}', "'65536'"],
        ['a privilege twice', '{"services":[{"type":"rtm","privileges":{"1":1,"login":1}}]}', 'privilege 1 stands twice'],
        ['many privileges', `{"services":[{"type":"fpa","privileges":{${[1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => `"${n}":1`)}}}]}`, 'more than 8'],
        ['privileges of another kind', '{"services":[{"type":"fpa","privileges":[1]}]}', 'privileges must be'],
        ['an unknown resource', '{"services":[{"type":"rtm2","permissions":{"x":{}}}]}', "'x' is no resource"],
        ['an unknown permission', '{"services":[{"type":"rtm2","permissions":{"users":{"x":[]}}}]}', "'x' is no permission"],
        ['names of another kind', '{"services":[{"type":"rtm2","permissions":{"users":{"read":"x"}}}]}', 'lists of names'],
        ['a role over 16 bits', '{"services":[{"type":"apaas","role":32768}]}', 'role is 32768', '-32768'],
        ['a user of another kind', '{"services":[{"type":"rtm","user":true}]}', 'user must be a string'],
        ['bad hexadecimal', '{"services":[{"type":"rtm","user":{"hex":"abc"}}]}', 'hexadecimal'],
    ];
    for (const [name, input, ...tells] of refused) {
        it(`encode refuses ${name}`, () => bad(2, ['encode'], tells, { input }));
    }

    it('encode refuses a text longer than the format allows', () => bad(1, ['encode'], ['longer'],
        { input: JSON.stringify({ services: [{ type: 'rtm', user: 'a'.repeat(65536) }] }) }));

    it('decode prints everything for people', async () => {
        const token = (await good(['encode'], { input: JSON.stringify({
            issue_ts: NOW, expire: 90061, salt: 7, services: [
                { type: 'rtc', channel: '*', uid: 0, privileges: { join: 60, audio: 0, 9: 3600 } },
                { type: 'rtm2', user: 'alice', permissions: { users: { read: ['bob', 'carol'] } }, privileges: { login: 7200 } },
                { type: 'apaas', room: 'r', user: 'u', role: -1 }] }) })).trim();
        const text = await good(['decode', '--at', String(NOW + 3600), token], { env: {} });
        assert.equal(text, [
            'Token 007',
            `  App ID    ${APP_ID}`,
            '  issued    2023-11-14 22:13:20 UTC, 1h ago',
            '  ends      2023-11-15 23:14:21 UTC, in 1d',
            '  salt      7',
            '',
            'RTC',
            '  channel   * (every channel)',
            '  uid       (any user)',
            '  may join the channel         ended 2023-11-14 22:14:20 UTC, 59m ago',
            '  may publish audio            ends 2023-11-15 23:14:21 UTC, in 1d',
            '  may privilege 9              ended 2023-11-14 23:13:20 UTC, 0s ago',
            '',
            'APaaS (Education)',
            '  room      r',
            '  user      u',
            '  role      -1',
            '',
            'RTM2 (signaling)',
            '  user      alice',
            '  may read users: bob, carol',
            '  may log in                   ends 2023-11-15 00:13:20 UTC, in 1h',
            ''].join('\n'));
        const local = await good(['decode', token], { env: { TZ: 'CET-1' } });
        assert.ok(local.includes('issued    2023-11-14 23:13:20 CET, '));
    });

    it('reads the token from standard input, with white space around it', async () => {
        const { token } = vectors[0];
        const expected = await good(['decode', '--json', token]);
        for (const [args, input] of [[[], `${token}\n`], [['-'], `\r\n  ${token}\t\n`]]) {
            assert.equal(await good(['decode', '--json', ...args], { input }), expected);
        }
    });

    it('shows what came before an unknown service, and judges the signature', async () => {
        // The judge mints any service; type 11 is unknown to it when reading, too.
        class Future extends judge.Service {
            constructor() {
                super(11);
            }
        }
        const token = new judge.AccessToken2(APP_ID, CERTIFICATE, NOW, 600);
        token.add_service(new judge.ServiceRtm('alice'));
        token.add_service(new Future());
        const text = token.build();
        const parts = JSON.parse(await good(['decode', '--json', text]));
        assert.deepEqual(parts.services, [{ type: 'rtm', user: 'alice', privileges: {} }]);
        assert.deepEqual([parts.unread, parts.unread_type], [4, 11]);
        assert.match(await good(['decode', text]), /4 more bytes.*type 11/);
        await good(['verify', '--at', String(NOW), text]);
        await bad(1, ['verify', '--at', String(NOW), text], [],
            { env: { ...CREDENTIALS, APP_CERTIFICATE: OTHER } });
    });
});

describe('verify', () => {
    const [{ token, issue_ts, expire }] = vectors;
    const at = (time) => ['verify', '--at', String(time)];

    it('tells by its exit status: 0 valid, 1 bad signature, 3 ended, 2 no token or wrong usage', async () => {
        assert.match(await good([...at(issue_ts + expire - 1), token]), /^valid until .*, in 1s\n$/);
        await bad(3, [...at(issue_ts + expire), token], ['signature is right', '0s ago']);
        await bad(3, ['verify', token], ['signature is right']);
        const other = { env: { ...CREDENTIALS, APP_CERTIFICATE: OTHER } };
        await bad(1, [...at(issue_ts), token], ['signature is not by this'], other);
        await bad(1, ['verify', token], ['signature is not by this'], other);
        for (const text of ['', ' ', '007', 'hello', token.slice(0, -1), `${token}x`, `x${token}`]) {
            const { stdout } = await bad(2, ['verify', '-'], ['agora-token verify: '], { input: text });
            assert.equal(stdout, '');
        }
        await bad(2, ['verify', token], ['APP_CERTIFICATE is missing'], { env: {} });
        await bad(2, ['verify', token, token], ['one argument too many']);
    });

    it('prints JSON', async () => {
        const verdicts = [[[...at(issue_ts), '--json', token], 0, true], [['verify', '--json', token], 3, false]];
        for (const [args, status, valid] of verdicts) {
            const result = await run(args);
            assert.equal(result.status, status);
            const verdict = JSON.parse(result.stdout);
            assert.deepEqual([verdict.valid, verdict.ends], [valid, issue_ts + expire]);
        }
    });

    // Every bit of every vector is flipped in tests/unit/test_read.c; here one of each character.
    it('fails for a bit that is flipped, anywhere', async () => {
        const vector = vectors.find(({ name }) => name === 'rtm');
        const bytes = Buffer.from(vector.token);
        await good([...at(vector.issue_ts), '-'], { input: bytes });
        await forEach([...bytes.keys()], async (index) => {
            const flipped = Buffer.from(bytes);
            flipped[index] ^= 1 << (index % 8);
            const { status } = await run([...at(vector.issue_ts), '-'], { input: flipped });
            assert.ok(status === 1 || status === 2, `byte ${index}: ${status}`);
        });
    });

    it('refuses a token that unpacks without end', async () => {
        const bomb = zlib.deflateSync(Buffer.alloc(128 * 1024 * 1024), { level: 9 });
        await bad(2, ['verify', '-'], ['longer'], { input: `007${bomb.toString('base64')}` });
    });

    it('knows version 006', async () => {
        const token006 = new old.AccessToken(APP_ID, CERTIFICATE, 'lecture', 42);
        token006.ts = NOW + 86400;
        token006.salt = 5;
        token006.addPriviledge(old.priviledges.kJoinChannel, NOW + 600);
        token006.addPriviledge(old.priviledges.kRtmLogin, 0);
        const text = token006.build();
        const parts = JSON.parse(await good(['decode', '--json', text]));
        assert.equal(parts.version, '006');
        assert.deepEqual([parts.app_id, parts.ts, parts.salt], [APP_ID, NOW + 86400, 5]);
        assert.deepEqual(parts.privileges, { 1: NOW + 600, 1000: 0 });
        const shown = await good(['decode', '--at', String(NOW), text]);
        assert.match(shown, /^Token 006/);
        assert.match(shown, /join the channel +ends .*, in 10m/);
        assert.match(shown, /log in to RTM +ends .*, in 1d/);
        const who = ['--channel', 'lecture', '--uid', '42'];
        await good([...at(NOW), ...who, text]);
        await bad(3, [...at(NOW + 86400), ...who, text], ['ended']);
        await bad(1, [...at(NOW), '--channel', 'lecture', '--uid', '43', text], ['signature']);
        await bad(2, [...at(NOW), text], ['--channel']);
        await bad(2, ['encode'], ['006'], { input: JSON.stringify(parts) });
    });
});

describe('token commands, against the builders of Agora', () => {
    const { RtcTokenBuilder, Role } = rtc;
    const everybody = [APP_ID, CERTIFICATE, 'lecture'];
    const apaasRoom = () => {
        // Agora's builder for Node leaves out the privilege that those for C++ and Go give.
        const token = new judge.AccessToken2(APP_ID, CERTIFICATE, NOW, 600);
        const service = new judge.ServiceApaas('room', 'alice', 3);
        service.add_privilege(judge.ServiceApaas.PRIVILEGE_ROOM_USER, 600);
        token.add_service(service);
        const login = new judge.ServiceRtm('alice');
        login.add_privilege(judge.ServiceRtm.kPrivilegeLogin, 600);
        token.add_service(login);
        const user = new judge.ServiceChat(crypto.createHash('md5').update('alice').digest('hex'));
        user.add_privilege(judge.ServiceChat.kPrivilegeUser, 600);
        token.add_service(user);
        return token.build();
    };
    const streamChannel = () => {
        const token = new judge.AccessToken2(APP_ID, CERTIFICATE, NOW, 600);
        const service = new judge.ServiceRtc('lecture', 'alice');
        service.add_privilege(judge.ServiceRtc.kPrivilegeJoinChannel, 600);
        service.add_privilege(judge.ServiceRtc.kPrivilegePublishDataStream, 600);
        token.add_service(service);
        const login = new judge.ServiceRtm('alice');
        login.add_privilege(judge.ServiceRtm.kPrivilegeLogin, 600);
        token.add_service(login);
        return token.build();
    };
    const single = (Service, ...privileges) => {
        const token = new judge.AccessToken2(APP_ID, CERTIFICATE, NOW, 600);
        const service = new Service('lecture', 42);
        for (const [privilege, expire] of privileges) {
            service.add_privilege(privilege, expire);
        }
        token.add_service(service);
        return token.build();
    };
    const permissions = () => {
        const list = new judge.Rtm2Permissions();
        list.add(judge.Rtm2Permissions.kUsers, judge.Rtm2Permissions.kRead, ['bob', 'carol']);
        list.add(judge.Rtm2Permissions.kMessageChannels, judge.Rtm2Permissions.kWrite, ['lobby']);
        list.add(judge.Rtm2Permissions.kMessageChannels, judge.Rtm2Permissions.kRead, []);
        return list;
    };
    const call = ['--channel', 'lecture', '--uid', '42'];
    const separate = ['--role', 'publisher', '--join', '10m', '--audio', '60', '--video', '0', '--data', '2h',
        '--rtm-user', 'alice', '--rtm-expire', '5m'];
    const rows = [
        ['rtc', call, () => RtcTokenBuilder.buildTokenWithUid(...everybody, 42, Role.PUBLISHER, 600, 600)],
        ['rtc', [...call, '--role', 'publisher'], () => RtcTokenBuilder.buildTokenWithUid(...everybody, 42, Role.PUBLISHER, 600, 600)],
        ['rtc', [...call, '--role', 'subscriber'], () => RtcTokenBuilder.buildTokenWithUid(...everybody, 42, Role.SUBSCRIBER, 600, 600)],
        ['rtc', ['--channel', 'lecture', '--uid', '0'], () => RtcTokenBuilder.buildTokenWithUid(...everybody, 0, Role.PUBLISHER, 600, 600)],
        ['rtc', ['--channel', 'lecture', '--user', 'alice'], () => RtcTokenBuilder.buildTokenWithUserAccount(...everybody, 'alice', Role.PUBLISHER, 600, 600)],
        ['rtc', [...call, '--join', '1h', '--audio', '30m', '--video', '15m', '--data', '0'],
            () => RtcTokenBuilder.buildTokenWithUidAndPrivilege(...everybody, 42, 600, 3600, 1800, 900, 0)],
        ['rtc', [...call, '--audio', 'none', '--video', 'none', '--data', 'none'],
            () => RtcTokenBuilder.buildTokenWithUid(...everybody, 42, Role.SUBSCRIBER, 600, 600)],
        ['rtm', ['--user', 'alice'], () => rtm.RtmTokenBuilder.buildToken(APP_ID, CERTIFICATE, 'alice', 600)],
        ['rtm', ['--user', 'alice', '--channel', 'lecture'], streamChannel],
        ['rtm', ['--uid', 'alice'], () => rtm.RtmTokenBuilder.buildToken(APP_ID, CERTIFICATE, 'alice', 600)],
        ['rtc-rtm', ['--channel', 'lecture', '--user', 'alice'],
            () => RtcTokenBuilder.buildTokenWithRtm(...everybody, 'alice', Role.PUBLISHER, 600, 600)],
        ['rtc-rtm', [...call, ...separate],
            () => RtcTokenBuilder.buildTokenWithRtm2(...everybody, 42, Role.PUBLISHER, 600, 600, 60, 0, 7200, 'alice', 300)],
        ['chat', ['--user', 'alice'], () => chat.ChatTokenBuilder.buildUserToken(APP_ID, CERTIFICATE, 'alice', 600)],
        ['chat', ['--app'], () => chat.ChatTokenBuilder.buildAppToken(APP_ID, CERTIFICATE, 600)],
        ['apaas', ['--user', 'alice', '--room', 'room', '--role', '3'], apaasRoom],
        ['education', ['--user', 'alice', '--room', 'room', '--role', '3'], apaasRoom],
        ['apaas', ['--user', 'alice'], () => apaas.ApaasTokenBuilder.buildUserToken(APP_ID, CERTIFICATE, 'alice', 600)],
        ['apaas', ['--app'], () => apaas.ApaasTokenBuilder.buildAppToken(APP_ID, CERTIFICATE, 600)],
        ['streaming', call, () => single(judge.ServiceStreaming, [1, 600], [2, 600])],
        ['streaming', [...call, '--mixed', '5s', '--raw', 'none'], () => single(judge.ServiceStreaming, [1, 5])],
        ['fcdn', call, () => single(judge.ServiceFCdn, [1, 600], [2, 600])],
        ['fcdn', [...call, '--publish', 'none', '--play', '1d'], () => single(judge.ServiceFCdn, [2, 86400])],
        ['rtm2', ['--user', 'alice', '--read', 'users=bob,carol', '--write', 'message-channels=lobby', '--read', '0='],
            () => rtm.RtmTokenBuilder.buildTokenWithPermissions(APP_ID, CERTIFICATE, 'alice', permissions(), 600)],
        ['convoai', [...call, ...separate],
            () => convoai.ConvoAITokenBuilder.buildToken(...everybody, 42, Role.PUBLISHER, 600, 600, 60, 0, 7200, 'alice', 300)],
        ['stt', [...call, ...separate],
            () => stt.SttTokenBuilder.buildToken(...everybody, 42, Role.PUBLISHER, 600, 600, 60, 0, 7200, 'alice', 300)],
    ];
    for (const [command, args, build] of rows) {
        it(`agora-token ${command} ${args.join(' ')}`, async () => {
            const token = await good([command, ...args, '--expire', '600', ...FIXED]);
            assertSameToken(token, pinned(build()));
            assert.match(token, /^007[A-Za-z0-9+/]+=*\n$/);
        });
    }

    it('agora-token fpa', async () => {
        assertSameToken(await good(['fpa', ...FIXED]), pinned(fpa.FpaTokenBuilder.buildToken(APP_ID, CERTIFICATE)));
    });

    it('--json tells what the caller could not know', async () => {
        const printed = JSON.parse(await good(['rtm', '--user', 'alice', '--expire', '90s', '--json', ...FIXED]));
        assert.equal(`${printed.token}\n`, await good(['rtm', '--user', 'alice', '--expire', '90s', ...FIXED]));
        assert.deepEqual({ ...printed, token: '' }, { token: '', issue_ts: NOW, expire: 90, ends: NOW + 90 });
    });

    it('gives every token another salt, and the time of now', async () => {
        const [first, second] = await Promise.all([1, 2].map(async () => JSON.parse(await good(['decode', '--json'],
            { input: await good(['rtm', '--user', 'alice']) }))));
        assert.notEqual(first.salt, second.salt);
        assert.ok(Math.abs(first.issue_ts - Date.now() / 1000) < 60);
    });

    const durations = [['0', 0], ['90', 90], ['90s', 90], ['30m', 1800], ['24h', 86400], ['7d', 604800],
        ['4294967295', 4294967295], ['49710d', 4294944000]];
    it('understands durations', async () => {
        for (const [text, seconds] of durations) {
            assert.equal(JSON.parse(await good(['rtm', '--user', 'a', '--json', '--expire', text])).expire, seconds);
        }
        for (const text of ['', 's', '-1', '+1', '1.5h', '1 h', '1w', '1hh', '4294967296', '49711d', '0x10', '1e3']) {
            await bad(2, ['rtm', '--user', 'a', '--expire', text], [`--expire '${text}'`, '90s, 30m, 24h']);
        }
    });

    const wrong = [
        [[], 'usage'],
        [['bogus'], "there is no command 'bogus'; see", '--help'],
        [['decoed'], "there is no command 'decoed' (did you mean decode?); see"],
        [['enc', '--help'], "'enc' (did you mean encode?)"],
        [['access'], 'a subcommand is missing'],
        [['access', 'bogus'], "'bogus'", '--help'],
        [['access', 'education'], "'education'", '--help'],
        [['access', 'check'], 'FILE is missing'],
        [['access', 'try'], 'a command that mints a token is missing'],
        [['rtc'], '--channel NAME is missing'],
        [['rtc', '--channel', 'a'], '--uid NUMBER or --user ACCOUNT is missing'],
        [['rtc', ...call, '--user', 'a'], '--uid and --user are both given'],
        [['rtc', '--channel', 'a', '--uid', '4294967296'], "--uid '4294967296'", '0 to 4294967295'],
        [['rtc', '--channel', 'a', '--uid', '-1'], "--uid '-1'"],
        [['rtc', '--channel', '', '--uid', '1'], "--channel ''", '1 to 64'],
        [['rtc', '--channel', 'a'.repeat(65), '--uid', '1'], '1 to 64'],
        [['rtc', '--channel', 'é', '--uid', '1'], "--channel 'é'"],
        [['rtc', ...call, '--role', 'host'], "--role 'host'", 'publisher or subscriber'],
        [['rtc', ...call, '--video', 'never'], "--video 'never'", 'or none'],
        [['rtc', ...call, '--bogus'], 'there is no option --bogus\n'],
        [['rtc', '--chanel', 'a'], 'there is no option --chanel (did you mean --channel?)'],
        [['decode', '--jsn'], 'there is no option --jsn (did you mean --json?)'],
        [['verify', '--cert', 'a'], 'there is no option --cert (did you mean --certificate-file?)'],
        [['rtc', ...call, '--json=1'], '--json takes no value'],
        // What stands behind a name that is wrong may be a secret.
        [['rtc', ...call, `--certificat3=${CERTIFICATE}`], 'there is no option --certificat3 (did you mean --certificate?)'],
        [['rtc', ...call, '--role'], '--role needs a value'],
        [['rtc', ...call, 'more'], "'more' is one argument too many"],
        [['rtm'], '--user NAME is missing'],
        [['rtm', '--user', ''], "--user ''", '1 to 255'],
        [['rtm', '--user', 'a\nb'], "--user 'a%0Ab'", 'control'],
        [['rtm', '--user', 'a'.repeat(256)], '1 to 255'],
        [['rtc-rtm', '--channel', 'a', '--uid', '0'], '--rtm-user NAME is missing'],
        [['chat'], 'either --user NAME or --app'],
        [['chat', '--app', '--user', 'a'], 'either --user NAME or --app'],
        [['apaas', '--user', 'a', '--room', 'r'], '--role NUMBER is missing'],
        [['apaas', '--user', 'a', '--role', '1'], '--role stands with --room'],
        [['apaas', '--app', '--room', 'r'], '--room stands with --user'],
        [['apaas', '--user', 'a', '--room', 'r', '--role', '32768'], "--role '32768'", '-32768 to 32767'],
        [['apaas', '--user', 'a', '--room', 'r', '--role', '-32769'], "--role '-32769'"],
        [['rtm2', '--user', 'a', '--read', 'users'], "--read 'users'", 'RESOURCE=NAME'],
        [['rtm2', '--user', 'a', '--write', 'people=b'], "--write 'people'", 'stream-channels'],
        [['fpa', '--salt', 'x'], "--salt 'x'"],
        [['decode', '--at', '8589934591', 'x'], "--at '8589934591'", '0 to 8589934590'],
    ];
    for (const [args, ...tells] of wrong) {
        it(`refuses ${args.join(' ').slice(0, 60).replace('\n', '\\n')}`, () => bad(2, args, tells));
    }

    it('refuses the same permission on a resource twice', () => bad(1,
        ['rtm2', '--user', 'a', '--read', 'users=b', '--read', 'users=c'], ['twice']));
});

describe('credentials', () => {
    const args = ['rtm', '--user', 'alice', ...FIXED];
    let expected;
    let wrong;
    before(async () => {
        expected = await good(args);
        wrong = { APP_ID: OTHER, APP_CERTIFICATE: OTHER };
        const write = (name, text, mode = 0o640) => {
            fs.writeFileSync(path.join(directory, name), text);
            fs.chmodSync(path.join(directory, name), mode);
        };
        write('id', `${APP_ID}\n`);
        write('certificate', `${CERTIFICATE}\r\n`);
        write('good.env', `APP_ID=${APP_ID}\nAPP_CERTIFICATE='${CERTIFICATE}'\n`);
        write('files.env', 'APP_ID_FILE=id\nAPP_CERTIFICATE_FILE=certificate\n', 0o644);
        write('broken.env', `APP_ID=${APP_ID}\nwhat is this\n`);
        write('short.env', `APP_ID=${APP_ID}\nAPP_CERTIFICATE=5CFd2fd1755d40ecb72977518be15d3\n`);
        write('readable.env', `APP_CERTIFICATE=${CERTIFICATE}\n`, 0o604);
        write('a\u001b[2J.env', `APP_CERTIFICATE=${CERTIFICATE}\n`, 0o604);
        write('writable.env', `APP_CERTIFICATE=${CERTIFICATE}\n`, 0o620);
    });

    it('come from files that the environment names', async () => {
        assert.equal(await good(args, { env: { APP_ID_FILE: 'id', APP_CERTIFICATE_FILE: 'certificate' } }), expected);
    });

    it('come from an env file, which the environment overrides', async () => {
        assert.equal(await good([...args, '--env-file', 'good.env'], { env: {} }), expected);
        assert.equal(await good([...args, '--env-file', 'files.env'], { env: {} }), expected);
        assert.notEqual(await good([...args, '--env-file', 'good.env'], { env: wrong }), expected);
        fs.copyFileSync(path.join(directory, 'good.env'), path.join(directory, '.env'));
        try {
            assert.equal(await good(args, { env: {} }), expected);
        } finally {
            fs.rmSync(path.join(directory, '.env'));
        }
    });

    it('are taken without the white space around them, as by the service', async () => {
        assert.equal(await good(args, { env: { APP_ID: `${APP_ID} `, APP_CERTIFICATE: `\t${CERTIFICATE}\r` } }), expected);
    });

    it('need no other setting to be right', async () => {
        assert.equal(await good(args, { env: { ...CREDENTIALS, WORKERS: 'many', LOG_LEVEL: 'loud' } }), expected);
    });

    it('come from options, which override all else', async () => {
        assert.equal(await good([...args, '--app-id', APP_ID, '--certificate-file', 'certificate'], { env: wrong }), expected);
        assert.equal(await good([...args, '--app-id-file', 'id', '--certificate-file', 'certificate'], { env: {} }), expected);
    });

    it('warns of a certificate that the list of processes shows', async () => {
        const result = await run([...args, '--certificate', CERTIFICATE], { env: { APP_ID } });
        assert.equal(result.status, 0);
        assert.equal(result.stdout, expected);
        assert.match(result.stderr, /^agora-token: warning: --certificate can be seen in the list of processes.*\n$/);
    });

    // A program behind <(...) may have to ask for a passphrase first.
    it('waits for the certificate that comes through a pipe', async () => {
        const pipe = path.join(directory, 'pipe');
        execFileSync('mkfifo', [pipe]);
        const minted = good([...args, '--certificate-file', pipe], { env: { APP_ID } });
        await sleep(3000);
        await fs.promises.writeFile(pipe, CERTIFICATE);
        assert.equal(await minted, expected);
    });

    const complaints = [
        ['nothing', [], {}, 'APP_ID is missing'],
        ['no certificate', [], { APP_ID }, 'APP_CERTIFICATE is missing', 'APP_CERTIFICATE_FILE', '--certificate-file'],
        ['both variables', [], { ...CREDENTIALS, APP_ID_FILE: 'id' }, 'APP_ID and APP_ID_FILE are both set'],
        ['both options', ['--app-id', APP_ID, '--app-id-file', 'id'], CREDENTIALS, '--app-id and --app-id-file are both set'],
        ['a certificate that is none', [], { APP_ID, APP_CERTIFICATE: 'secretive' }, 'APP_CERTIFICATE does not hold 32 hexadecimal digits', '9 characters'],
        ['an option that is empty', ['--certificate', ''], CREDENTIALS, '--certificate does not hold', '0 characters'],
        ['a file that is missing', ['--certificate-file', 'nowhere'], CREDENTIALS, '--certificate-file: cannot read nowhere'],
        ['a certificate for its file', ['--certificate-file', CERTIFICATE], CREDENTIALS,
            '--certificate-file: cannot read (not shown'],
        ['a certificate for an env file', ['--env-file', CERTIFICATE], CREDENTIALS, 'cannot read (not shown'],
        ['a slip behind a certificate', ['--certificate', CERTIFICATE, '-channel', 'x'], { APP_ID }, 'no option -c (did you mean --channel?)'],
        ['a certificate too many', [CERTIFICATE], CREDENTIALS, '(not shown'],
        ['a certificate for a number', ['--expire', CERTIFICATE], CREDENTIALS, '--expire', '(not shown'],
        ['a certificate for an option', [`--${CERTIFICATE}`], CREDENTIALS, '(not shown'],
        ['a file that is malformed', ['--certificate-file', 'good.env'], CREDENTIALS, '--certificate-file does not hold'],
        ['an env file that is missing', ['--env-file', 'nowhere'], CREDENTIALS, 'cannot read nowhere'],
        ['an env file that is malformed', ['--env-file', 'broken.env'], {}, 'broken.env, line 2'],
        ['an env file with a short certificate', ['--env-file', 'short.env'], {}, 'APP_CERTIFICATE does not hold', '31 characters'],
        ['an env file that others can read', ['--env-file', 'readable.env'], CREDENTIALS, 'mode 0604', `chmod 600 '${directory}/readable.env'`],
        ['an env file that the group can change', ['--env-file', 'writable.env'], CREDENTIALS, 'mode 0620', `chmod 600 '${directory}/writable.env'`],
        ['such a file with an escape sequence in its name', ['--env-file', 'a\u001b[2J.env'], CREDENTIALS, "/a%1B[2J.env'"],
    ];
    for (const [name, more, env, ...tells] of complaints) {
        it(`complains of ${name}, and prints no secret`, async () => {
            const { stdout, stderr } = await bad(2, [...args, ...more], tells, { env });
            assert.equal(stdout, '');
            assert.ok(!/secretive|5CFd2fd1755d40ecb72977518be15d3/.test(stderr));
        });
    }
});

it('no certificate is printed as a command or of a description', async () => {
    const rows = [
        [[CERTIFICATE], '', 'there is no command \'(not shown'],
        [['encode'], `{"app_certificate":"${CERTIFICATE}" "expire":60}`, 'no JSON', "'{\"app_certificate\":\"(not shown"],
        // With no more than its end in what is shown otherwise.
        [['encode'], `{"app_certificate":"${CERTIFICATE}","app_id":"${'-'.repeat(36)}" 1}`, 'no JSON', '(not shown'],
        [['encode'], `{"expire":"${CERTIFICATE}"}`, 'expire is (not shown'],
        [['encode'], `{"${CERTIFICATE}":1}`, "'(not shown"],
    ];
    for (const [command, input, ...tells] of rows) {
        const { stderr } = await bad(2, command, tells, { input });
        for (let at = 0; at + 8 <= CERTIFICATE.length; at++) {
            assert.ok(!stderr.includes(CERTIFICATE.slice(at, at + 8)), stderr);
        }
    }
});

describe('help', () => {
    const commands = ['rtc', 'rtm', 'rtc-rtm', 'chat', 'fpa', 'apaas', 'rtm2', 'convoai', 'stt', 'streaming', 'fcdn',
        'decode', 'encode', 'verify'];
    const optionsOf = async (command) =>
        [...(await good([command, '--help'], { env: {} })).matchAll(/^ {2}--([a-z-]+)/gm)].map(([, name]) => name);

    it('is what -h asks for as well', async () => {
        assert.equal(await good(['-h'], { env: {} }), await good(['--help'], { env: {} }));
        for (const command of commands) {
            assert.equal(await good([command, '-h'], { env: {} }), await good([command, '--help'], { env: {} }));
        }
    });

    it('lists the commands, and tells the version', async () => {
        const help = await good(['--help'], { env: {} });
        assert.deepEqual([...help.matchAll(/^ {2}([a-z0-9-]+) /gm)].map(([, name]) => name), [...commands, 'access']);
        assert.match(await good(['--version'], { env: {} }), /^agora-token \d+\.\d+\.\d+\n$/);
    });

    it('has a page for each command, and the man page has every option', async () => {
        const page = fs.readFileSync(path.join(repository, 'conf/man/agora-token.1'), 'utf8');
        for (const command of commands) {
            const options = await optionsOf(command);
            assert.deepEqual(options.slice(-2), ['json', 'help']);
            for (const option of options) {
                assert.ok(page.includes(`.It Fl -${option}`), `--${option}`);
            }
            assert.ok(page.includes(`.It Cm ${command}\n`), command);
        }
    });

    const complete = (shell, script, ...words) => new Promise((resolve, reject) => {
        const child = spawn(shell, script, { env: { PATH: `${path.dirname(PROGRAM)}:${process.env.PATH}`, WORDS: words.join(' ') } });
        let output = '';
        child.stdout.on('data', (text) => { output += text; });
        child.stderr.on('data', (text) => { output += text; });
        child.on('error', reject);
        child.on('close', () => resolve(output.trim().split(/\s+/).filter(Boolean)));
    });
    const file = (name) => path.join(repository, 'conf/completion', name);

    it('completes in bash', async () => {
        const bash = (...words) => complete('bash', ['--norc', '-c', `
            compopt() { :; }
            . ${file('agora-token.bash')}
            IFS=_ read -ra COMP_WORDS <<<"$WORDS"
            COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 ))
            _agora_token
            printf '%s\\n' "\${COMPREPLY[@]}"`], words.map((word) => word || ' ').join('_'));
        assert.deepEqual(await bash('agora-token', 'rt'), ['rtc', 'rtm', 'rtc-rtm', 'rtm2']);
        assert.deepEqual(await bash('agora-token', 'verify', '--c'), ['--channel', '--certificate-file', '--certificate']);
        assert.deepEqual(await bash('agora-token', 'rtc', '--role', 'p'), ['publisher']);
        assert.deepEqual(await bash('agora-token', 'rtm2', '--read', 'u'), ['users=']);
        assert.deepEqual(await bash('agora-token', 'access', 'c'), ['check']);
        assert.deepEqual(await bash('agora-token', 'access', 'try', 'access.json', '--'),
            ['--bearer', '--api-key', '--server', '--help']);
        assert.deepEqual((await bash('agora-token', 'fpa', '--')).sort(),
            (await optionsOf('fpa')).map((option) => `--${option}`).sort());
    });

    it('completes in zsh', async () => {
        const zsh = (...words) => complete('zsh', ['-f', '-c', `
            _describe() { print -rl -- \${\${(P)2}%%:*} }
            _values() { shift; print -rl -- $@ }
            words=( \${(s: :)WORDS} )
            [[ $WORDS == *' ' ]] && words+=( '' )
            CURRENT=$#words
            complete() { . ${file('_agora-token')} }
            complete`], ...words);
        const offered = await zsh('agora-token', 'rt');
        assert.deepEqual(offered, [...commands, 'access', '--help', '--version']);
        assert.deepEqual(await zsh('agora-token', 'access', ''), ['key', 'check', 'try']);
        assert.deepEqual(await zsh('agora-token', 'access', 'try', 'access.json', '--'),
            ['--bearer', '--api-key', '--server', '--help']);
        assert.deepEqual(await zsh('agora-token', 'verify', '--c'),
            (await optionsOf('verify')).map((option) => `--${option}`));
        assert.deepEqual(await zsh('agora-token', 'rtc', '--role', 'p'), ['publisher', 'subscriber']);
    });
});

// A few of those that the library's own test puts through by the thousand.
describe('random tokens', () => {
    const some = descriptions.filter((_, index) => index % 20 === 0);

    it(`${some.length} minted here are read and verified there`, () => forEach(some, async (description) => {
        const token = (await good(['encode'], { input: JSON.stringify(description), env: {} })).trim();
        assertJudgeReads(token, description);
    }));

    it(`${some.length} minted there are read and verified here`, () => forEach(some, async (description) => {
        const token = judgeMints(description);
        assert.deepEqual(JSON.parse(await good(['decode', '--json', token], { env: {} })), expectedParts(description, token));
        const { status } = await run(['verify', '--at', String(description.issue_ts), token],
            { env: { APP_CERTIFICATE: description.app_certificate } });
        assert.equal(status, description.expire > 0 ? 0 : 3);
        await bad(1, ['verify', token], ['signature'], { env: { APP_CERTIFICATE: OTHER } });
    }));
});
