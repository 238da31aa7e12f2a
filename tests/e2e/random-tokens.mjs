// 1,000 random tokens, the same in each run: of every service and of mixtures, as descriptions in the
// form of `agora-token encode`. And Agora's own package as their judge.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import zlib from 'node:zlib';
import judge from 'agora-token/src/AccessToken2.js';

export const OTHER = '00112233445566778899aabbccddeeff';

const payload = (token) => zlib.inflateSync(Buffer.from(token.trim().slice(3), 'base64'));

// Two tokens with the same signed content; the compressors may differ.
export const assertSameToken = (actual, expected) =>
    assert.equal(payload(actual).toString('hex'), payload(expected).toString('hex'));

let state = 20240501;
const random = (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296) * below);
};
const pick = (list) => list[random(list.length)];
const alphabets = ['0123456789abcdef', 'aab', 'ABCxyz 09-_!$%&', 'é你好😀ñ', '\u0001"\\/\n'];
const text = (most) => {
    const alphabet = [...pick(alphabets)];
    return Array.from({ length: random(most + 1) }, () => pick(alphabet)).join('');
};
const u32 = () => pick([0, 1, 600, 3600, 4294967295, random(4294967296)]);
const privileges = (most) => {
    const chosen = {};
    for (let n = random(most + 1); n > 0; n--) {
        chosen[pick([1, 2, 3, 4, random(65536)])] = u32();
    }
    return chosen;
};
const permissions = () => {
    const chosen = {};
    for (let n = random(6); n > 0; n--) {
        const resource = {};
        for (let m = 1 + random(2); m > 0; m--) {
            resource[random(2)] = Array.from({ length: random(8) }, () => text(20));
        }
        chosen[pick([0, 1, 2, 3, 4, random(65536)])] = resource;
    }
    return chosen;
};
const make = {
    rtc: () => ({ channel: text(64), uid: text(40) }),
    rtm: () => ({ user: text(40) }),
    streaming: () => ({ channel: text(64), uid: text(40) }),
    fpa: () => ({}),
    chat: () => ({ user: text(300) }),
    fcdn: () => ({ channel: text(64), uid: text(40) }),
    apaas: () => ({ room: text(40), user: text(40), role: random(65536) - 32768 }),
    rtm2: () => ({ user: text(40), permissions: permissions() }),
    convoai: () => ({}),
    stt: () => ({}),
};
const types = Object.keys(make);
export const COUNT = 1000;
export const descriptions = Array.from({ length: COUNT }, (_, index) => ({
    app_id: crypto.createHash('md5').update(`app ${index}`).digest('hex'),
    app_certificate: crypto.createHash('md5').update(`certificate ${index}`).digest('hex'),
    issue_ts: u32(),
    expire: u32(),
    salt: u32(),
    services: Array.from({ length: 1 + random(index % 10 === 0 ? 12 : 4) }, () => {
        const type = index < types.length ? types[index] : pick(types);
        return { type, ...make[type](), privileges: privileges(8) };
    }),
}));

const classes = {
    rtc: judge.ServiceRtc, rtm: judge.ServiceRtm, streaming: judge.ServiceStreaming, fpa: judge.ServiceFpa,
    chat: judge.ServiceChat, fcdn: judge.ServiceFCdn, apaas: judge.ServiceApaas, rtm2: judge.ServiceRtm2,
    convoai: judge.ServiceConvoAI, stt: judge.ServiceStt,
};
const fields = { channel: '__channel_name', user: '__user_id', role: '__role', room: '__room_uuid' };
const fieldOf = (type, key) => ({
    'rtc.uid': '__uid', 'streaming.uid': '__account', 'fcdn.uid': '__account', 'apaas.user': '__user_uuid',
})[`${type}.${key}`] || fields[key];

export function judgeMints(description) {
    const token = new judge.AccessToken2(description.app_id, description.app_certificate, 1, description.expire);
    token.issueTs = description.issue_ts;
    token.salt = description.salt;
    for (const { type, privileges: chosen, permissions: list, ...rest } of description.services) {
        const service = new classes[type]();
        for (const [key, value] of Object.entries(rest)) {
            service[fieldOf(type, key)] = value;
        }
        if (list) {
            service.__permissions.details = list;
        }
        service.__privileges = chosen;
        token.add_service(service);
    }
    return token.build();
}

// In the order in which a token has them.
const sorted = (services) => types.flatMap((type) => services.filter((service) => service.type === type));

export function assertJudgeReads(token, description) {
    const parsed = new judge.AccessToken2('', '', 0, 0);
    assert.equal(parsed.from_string(token), true);
    assert.equal(parsed.verifySignature(description.app_certificate), true);
    assert.equal(parsed.verifySignature(OTHER), false);
    assert.equal(parsed.appId.toString(), description.app_id);
    assert.deepEqual([parsed.issueTs, parsed.expire, parsed.salt],
        [description.issue_ts, description.expire, description.salt]);
    const expected = sorted(description.services);
    assert.equal(parsed.services.length, expected.length);
    parsed.services.forEach((service, index) => {
        const { type, privileges: chosen, permissions: list, ...rest } = expected[index];
        assert.ok(service instanceof classes[type]);
        assert.deepEqual(service.__privileges, chosen);
        for (const [key, value] of Object.entries(rest)) {
            const found = service[fieldOf(type, key)];
            // It reads the role without its sign.
            assert.equal(key === 'role' ? (found << 16) >> 16 : found.toString(), value);
        }
        if (list) {
            assert.deepEqual(service.__permissions.details, list);
        }
    });
}

// What is read here of a token that the judge minted.
export function expectedParts({ app_certificate: certificate, ...description }, token) {
    return {
        version: '007',
        ...description,
        services: sorted(description.services),
        signature: payload(token).subarray(2, 34).toString('hex'),
    };
}
