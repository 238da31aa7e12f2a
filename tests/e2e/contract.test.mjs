// The HTTP contract, row by row. Runs over the gateway that GATEWAY names.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
    APP_ID, CERTIFICATE, GATEWAY, MESSAGES, PUBLISHER, SUBSCRIBER,
    assertError, assertJson, assertNoCache, assertOwnPage, assertTells, assertToken, assertTokens,
    chatApp, chatUser, deviation, post, request, rtc, rtm, startService,
} from './harness.mjs';
import { describeAnswers } from './openapi.mjs';

const encode = encodeURIComponent;
const characters = (first, last) => Array.from(
    { length: last - first + 1 }, (_, index) => String.fromCharCode(first + index));

// Names of tests show what would otherwise be invisible, and no pages of it.
const label = (text) => {
    const printable = JSON.stringify(text).slice(1, -1);
    return printable.length > 90 ? `${printable.slice(0, 90)}… (${text.length})` : printable;
};

describe(`contract over ${GATEWAY}`, () => {
    let service;
    let description;
    before(async () => {
        service = await startService();
        description = await describeAnswers(service);
    });
    after(() => service?.stop());

    const get = (target, options) => request(service, target, options);

    // The answer to a GET of a path goes to `check`, unless the web server answers for itself: then
    // it has to be just what its page says.
    async function getAndCheck(target, check) {
        const answer = await get(target);
        const status = deviation(target);
        if (status) {
            assertOwnPage(answer, status);
        } else {
            check(answer);
        }
    }

    // [path, {key of the answer: services of its token}, expire if not 3600]
    const mints = (title, rows) => describe(title, () => {
        for (const [target, tokens, expire = 3600] of rows) {
            it(`GET ${label(target)}`, () => getAndCheck(target, (answer) => {
                assertTokens(answer, tokens, expire);
                assert.equal(answer.headers.vary, 'Origin');
            }));
        }
    });

    // [path, status, what the text must tell …]
    const refuses = (title, rows) => describe(title, () => {
        for (const [target, status, ...tells] of rows) {
            it(`GET ${label(target)} is ${status}`, () => getAndCheck(target, (answer) => {
                assertTells(assertError(answer, status), ...tells);
            }));
        }
    });

    describe('GET /ping', () => {
        for (const target of ['/ping', '/ping/', '/ping?x=1']) {
            it(target, async () => {
                const answer = await get(target);
                assert.deepEqual(assertJson(answer, 200), { message: 'pong' });
                assert.equal(answer.body, '{"message":"pong"}');
                assert.equal(answer.headers.vary, 'Origin');
            });
        }
    });

    // ------------------------------------------------------------ /rtc

    const rtcToken = (...names) => ({ rtcToken: [rtc(...names)] });
    const USER_255 = 'ö'.repeat(127) + 'o';
    const CHANNEL_64 = 'c'.repeat(64);

    mints('GET /rtc mints', [
        ['/rtc/lecture/publisher/uid/42/?expiry=600', rtcToken('lecture', '42', PUBLISHER), 600],
        ['/rtc/lecture/publisher/uid/42?expiry=600', rtcToken('lecture', '42', PUBLISHER), 600],
        ['/rtc/lecture/publisher/uid/42/', rtcToken('lecture', '42', PUBLISHER)],
        ['/rtc/lecture/publisher/uid/42', rtcToken('lecture', '42', PUBLISHER)],
        ['/rtc/lecture/subscriber/uid/42/', rtcToken('lecture', '42', SUBSCRIBER)],
        ['/rtc/lecture/audience/uid/42/', rtcToken('lecture', '42', SUBSCRIBER)],
        ['/rtc/lecture/Publisher/uid/42/', rtcToken('lecture', '42', SUBSCRIBER)],
        ['/rtc/lecture/publishers/uid/42/', rtcToken('lecture', '42', SUBSCRIBER)],
        ['/rtc/lecture/1/uid/42/', rtcToken('lecture', '42', SUBSCRIBER)],
        ['/rtc/lecture/publisher/uid/0042/', rtcToken('lecture', '42', PUBLISHER)],
        ['/rtc/lecture/publisher/uid/0/', rtcToken('lecture', '', PUBLISHER)],
        ['/rtc/lecture/publisher/uid/000/', rtcToken('lecture', '', PUBLISHER)],
        ['/rtc/lecture/publisher/uid//', rtcToken('lecture', '', PUBLISHER)],
        // A client's base address that ends in a slash.
        ['//rtc/lecture/publisher/uid/42/', rtcToken('lecture', '42', PUBLISHER)],
        ['/rtc/lecture/publisher/uid//?expiry=60', rtcToken('lecture', '', PUBLISHER), 60],
        ['/rtc/lecture/publisher/uid/4294967295/', rtcToken('lecture', '4294967295', PUBLISHER)],
        ['/rtc/lecture/publisher/uid/00000000004294967295/',
            rtcToken('lecture', '4294967295', PUBLISHER)],
        ['/rtc/lecture/publisher/uid/%34%32/', rtcToken('lecture', '42', PUBLISHER)],
        ['/rtc/lecture/publisher/userAccount/alice/', rtcToken('lecture', 'alice', PUBLISHER)],
        ['/rtc/lecture/publisher/userAccount/42/', rtcToken('lecture', '42', PUBLISHER)],
        ['/rtc/lecture/publisher/userAccount/0042/', rtcToken('lecture', '0042', PUBLISHER)],
        ['/rtc/lecture/publisher/userAccount/0/', rtcToken('lecture', '0', PUBLISHER)],
        ['/rtc/c/publisher/userAccount//', rtcToken('c', '0', PUBLISHER)],
        ['/rtc/lecture/publisher/userAccount/4294967296/',
            rtcToken('lecture', '4294967296', PUBLISHER)],
        ['/rtc/lecture/publisher/userAccount/-1/', rtcToken('lecture', '-1', PUBLISHER)],
        ['/rtc/lecture/x/userAccount/J%C3%B6rg%20%26%20Co/',
            rtcToken('lecture', 'Jörg & Co', SUBSCRIBER)],
        ['/rtc/lecture/x/userAccount/a+b%2Bc/', rtcToken('lecture', 'a+b+c', SUBSCRIBER)],
        ['/rtc/lecture/x/userAccount/100%25/', rtcToken('lecture', '100%', SUBSCRIBER)],
        ['/rtc/lecture/x/userAccount/%2541/', rtcToken('lecture', '%41', SUBSCRIBER)],
        ['/rtc/lecture/x/userAccount/a%3Fexpiry=5/', rtcToken('lecture', 'a?expiry=5', SUBSCRIBER)],
        [`/rtc/lecture/x/userAccount/${encode(USER_255)}/`, rtcToken('lecture', USER_255, SUBSCRIBER)],
        [`/rtc/${CHANNEL_64}/publisher/uid/42/`, rtcToken(CHANNEL_64, '42', PUBLISHER)],
        ['/rtc/my%20channel/publisher/uid/42/', rtcToken('my channel', '42', PUBLISHER)],
        ['/rtc/*/publisher/uid/42/', rtcToken('*', '42', PUBLISHER)],
        ['/rtc/%2A/publisher/uid/42/', rtcToken('*', '42', PUBLISHER)],
        ['/rtc/lecture%2Fpublisher/uid%2f42/', rtcToken('lecture', '42', PUBLISHER)],
        ['/rtc%2Flecture%2Fpublisher%2Fuid%2F42', rtcToken('lecture', '42', PUBLISHER)],
        ['/rtc/lecture/publisher/uid%2F%2F', rtcToken('lecture', '', PUBLISHER)],
        ['/rtc/uid/uid/uid/7/', rtcToken('uid', '7', SUBSCRIBER)],
    ]);

    refuses('GET /rtc refuses', [
        ['/rtc/lecture/publisher/uid/4294967296/', 400, '4294967296', '4294967295'],
        ['/rtc/lecture/publisher/uid/18446744073709551616/', 400, '18446744073709551616'],
        [`/rtc/lecture/publisher/uid/${'9'.repeat(300)}/`, 400, '9999999999'],
        ['/rtc/lecture/publisher/uid/-1/', 400, '-1'],
        ['/rtc/lecture/publisher/uid/+1/', 400, '+1'],
        ['/rtc/lecture/publisher/uid/1.5/', 400, '1.5'],
        ['/rtc/lecture/publisher/uid/1e3/', 400, '1e3'],
        ['/rtc/lecture/publisher/uid/0x10/', 400, '0x10'],
        ['/rtc/lecture/publisher/uid/alice/', 400, 'alice'],
        ['/rtc/lecture/publisher/uid/%20/', 400],
        ['/rtc/lecture/publisher/uid/1%20/', 400],
        ['/rtc/lecture/publisher/uid/%EF%BC%91/', 400],
        ['/rtc/lecture/publisher/UID/42/', 400, 'UID', 'uid', 'userAccount'],
        ['/rtc/lecture/publisher/useraccount/42/', 400, 'useraccount', 'userAccount'],
        ['/rtc/lecture/publisher/number/42/', 400, 'number', 'uid', 'userAccount'],
        ['/rtc/lecture/publisher//42/', 400, 'uid', 'userAccount'],
        ['/rtc//publisher/uid/42/', 400],
        [`/rtc/${CHANNEL_64}c/publisher/uid/42/`, 400, 'ccccc', '64'],
        ['/rtc/**/publisher/uid/42/', 400, '**'],
        ['/rtc/lecture*/publisher/uid/42/', 400, 'lecture*'],
        ['/rtc/caf%C3%A9/publisher/uid/42/', 400],
        ['/rtc/a%0Ab/publisher/uid/42/', 400, 'a%0Ab'],
        [`/rtc/lecture/x/userAccount/${encode(USER_255)}x/`, 400, '255'],
        ['/rtc/lecture/x/userAccount/a%01b/', 400, 'a%01b'],
        ['/rtc/lecture/x/userAccount/a%7Fb/', 400, 'a%7Fb'],
        ['/rtc/lecture/x/userAccount/a%00b/', 400],
        ['/rtc/lecture/x/userAccount/a%zzb/', 400],
        ['/rtc/lecture/publisher/uid/42/?expiry=-5', 400, '-5'],
    ]);

    describe('channel names', () => {
        const allowed = new Set('!#$%&()+-:;<=.>?@[]^_{}|~, '
            + 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789');
        // All of ASCII but the slash, which separates.
        for (const character of [...characters(0x00, 0x2e), ...characters(0x30, 0x7f)]) {
            const channel = `a${character}b`;
            const verdict = allowed.has(character) ? 'allowed' : 'refused';
            it(`${label(character)} is ${verdict}`, async () => {
                await getAndCheck(`/rtc/${encode(channel)}/publisher/uid/42/`, (answer) => {
                    if (verdict === 'allowed') {
                        assertTokens(answer, rtcToken(channel, '42', PUBLISHER), 3600);
                    } else {
                        assertError(answer, 400);
                    }
                });
                const answer = await post(service, { tokenType: 'rtc', channel, uid: '42' });
                if (verdict === 'allowed') {
                    assertTokens(answer, { token: [rtc(channel, '42', SUBSCRIBER)] }, 3600);
                } else {
                    assertError(answer, 400);
                }
            });
        }
    });

    // ------------------------------------------------------------ expiry

    // [query, expire of the token, or null where the answer is 400]
    const EXPIRIES = [
        ['', 3600],
        ['?', 3600],
        ['?other=1', 3600],
        ['?expiry=0', 0],
        ['?expiry=1', 1],
        ['?expiry=600', 600],
        ['?expiry=0600', 600],
        ['?expiry=4294967295', 4294967295],
        ['?expiry=%36%30%30', 600],
        ['?other=1&expiry=600', 600],
        ['?expiry=600&other=%zz', 600],
        ['?expiry=600&expiry=700', 600],
        ['?expiry=600&expiry=', 600],
        ['?xexpiry=5&expiry=600', 600],
        ['?expiry=', null],
        ['?expiry', null],
        ['?expiry=&expiry=700', null],
        ['?expiry=-5', null],
        ['?expiry=-0', null],
        ['?expiry=+5', null],
        ['?expiry=%2B5', null],
        ['?expiry=%20600', null],
        ['?expiry=600%20', null],
        ['?expiry=600%0A', null],
        ['?expiry=600%00', null],
        ['?expiry=3.5', null],
        ['?expiry=1e3', null],
        ['?expiry=0x10', null],
        ['?expiry=1_000', null],
        ['?expiry=1,000', null],
        ['?expiry=abc', null],
        ['?expiry=60s', null],
        ['?expiry=%EF%BC%91', null],
        ['?expiry=%zz', null],
        ['?expiry=6%', null],
        ['?expiry=6%0', null],
        ['?expiry=4294967296', null],
        ['?expiry=18446744073709551616', null],
        [`?expiry=${'9'.repeat(500)}`, null],
    ];
    const EXPIRING = [
        ['/rtc/lecture/publisher/uid/42/', rtcToken('lecture', '42', PUBLISHER)],
        ['/rtm/alice/', { rtmToken: [rtm('alice')] }],
        ['/rte/lecture/publisher/uid/42/', {
            rtcToken: [rtc('lecture', '42', PUBLISHER)],
            rtmToken: [rtc('lecture', '42', MESSAGES), rtm('42')],
        }],
        ['/rte/lecture/publisher/uid/42/bob/', {
            rtcToken: [rtc('lecture', '42', PUBLISHER)],
            rtmToken: [rtc('lecture', 'bob', MESSAGES), rtm('bob')],
        }],
        ['/chat/app/', { chatToken: [chatApp()] }],
        ['/chat/account/alice/', { chatToken: [chatUser('alice')] }],
    ];

    describe('expiry', () => {
        for (const [target, tokens] of EXPIRING) {
            for (const [query, expire] of EXPIRIES) {
                it(`GET ${label(target + query)} ${expire === null ? 'is 400' : `lasts ${expire}`}`,
                    async () => {
                        const answer = await get(target + query);
                        if (expire === null) {
                            assert.match(assertError(answer, 400), /expiry/);
                        } else {
                            assertTokens(answer, tokens, expire);
                        }
                    });
            }
        }
    });

    refuses('a wrong expiry is told', [
        ['/rtm/alice/?expiry=-5', 400, 'expiry', '-5'],
        ['/rtm/alice/?expiry=abc', 400, 'expiry', 'abc'],
        ['/rtm/alice/?expiry=4294967296', 400, 'expiry', '4294967296', '4294967295'],
    ]);

    // ------------------------------------------------------------ /rtm, /rte, /chat

    mints('GET /rtm mints', [
        ['/rtm/alice/?expiry=600', { rtmToken: [rtm('alice')] }, 600],
        ['/rtm/alice/', { rtmToken: [rtm('alice')] }],
        ['/rtm/alice', { rtmToken: [rtm('alice')] }],
        ['/rtm/42/', { rtmToken: [rtm('42')] }],
        ['/rtm/4294967296/', { rtmToken: [rtm('4294967296')] }],
        ['/rtm/J%C3%B6rg/', { rtmToken: [rtm('Jörg')] }],
        ['/rtm/*/', { rtmToken: [rtm('*')] }],
        [`/rtm/${encode(USER_255)}/`, { rtmToken: [rtm(USER_255)] }],
    ]);

    refuses('GET /rtm refuses', [
        ['/rtm/0/', 400, '0'],
        ['/rtm/0', 400, '0'],
        ['/rtm//', 400],
        [`/rtm/${encode(USER_255)}x/`, 400, '255'],
        ['/rtm/a%1Fb/', 400, 'a%1Fb'],
        ['/rtm/a%00b/', 400],
    ]);

    // A path that a web server may take for another one is nobody's: not even in a segment that matters
    // little.
    const spoilt = (...spoils) => ['rtc', 'lecture', 'publisher', 'uid', '42'].flatMap(
        (segment, index, segments) => spoils.map((spoil) => `/${[
            ...segments.slice(0, index), spoil(segment), ...segments.slice(index + 1)].join('/')}`));

    refuses('GET /rtc refuses what no path may hold', spoilt(
        () => '%00', (segment) => `${segment}%00`, (segment) => `%00${segment}`,
        () => '%zz', (segment) => `${segment}%zz`, (segment) => `${segment}%`, (segment) => `%4${segment}`,
    ).map((target) => [target, 400]));

    // The web server may resolve these itself, and so ask for another path or for none.
    describe('GET /rtc mints nothing for a path with dots', () => {
        for (const target of spoilt(
            () => '.', () => '..', () => '%2e', () => '%2E%2e', () => '.%2e', () => '..%2Fx', () => '.%2F..',
        )) {
            it(`GET ${label(target)}`, async () => {
                const answer = await get(target);
                assert.ok([400, 404].includes(answer.status), `${answer.status}`);
                assert.doesNotMatch(answer.body, /"007/);
            });
        }
    });

    const rte = (channel, uid, granted, user) => ({
        rtcToken: [rtc(channel, uid, granted)],
        rtmToken: [rtc(channel, user, MESSAGES), rtm(user)],
    });

    mints('GET /rte mints', [
        ['/rte/lecture/publisher/uid/42/?expiry=600', rte('lecture', '42', PUBLISHER, '42'), 600],
        ['/rte/lecture/publisher/uid/42/', rte('lecture', '42', PUBLISHER, '42')],
        ['/rte/lecture/publisher/uid/42', rte('lecture', '42', PUBLISHER, '42')],
        ['/rte/lecture/subscriber/uid/42/', rte('lecture', '42', SUBSCRIBER, '42')],
        ['/rte/lecture/publisher/uid/42/bob/?expiry=600', rte('lecture', '42', PUBLISHER, 'bob'), 600],
        ['/rte/lecture/publisher/uid/42/bob', rte('lecture', '42', PUBLISHER, 'bob')],
        ['/rte/lecture/subscriber/uid/42/bob/', rte('lecture', '42', SUBSCRIBER, 'bob')],
        ['/rte/lecture/publisher/userAccount/alice/', rte('lecture', 'alice', PUBLISHER, 'alice')],
        ['/rte/lecture/x/userAccount/alice/bob/', rte('lecture', 'alice', SUBSCRIBER, 'bob')],
        ['/rte/lecture/x/userAccount/a%20b/b%20a/', rte('lecture', 'a b', SUBSCRIBER, 'b a')],
        ['/rte/c/r/uid//bob/', rte('c', '', SUBSCRIBER, 'bob')],
        ['/rte/c/r/uid/0/bob/', rte('c', '', SUBSCRIBER, 'bob')],
        ['/rte/c/r/uid/5//', rte('c', '5', SUBSCRIBER, '5')],
        ['/rte/c/publisher/uid/4294967295/', rte('c', '4294967295', PUBLISHER, '4294967295')],
    ]);

    refuses('GET /rte refuses', [
        ['/rte/c/publisher/uid/0/', 400, '0'],
        ['/rte/c/publisher/uid/00/', 400],
        ['/rte/c/publisher/uid//', 400],
        ['/rte/c/publisher/uid/0//', 400],
        ['/rte/c/publisher/uid///', 400],
        ['/rte/c/publisher/userAccount/0/', 400],
        ['/rte/c/publisher/userAccount//', 400],
        ['/rte/c/publisher/uid/4294967296/bob/', 400, '4294967296'],
        ['/rte/c/publisher/uid/alice/bob/', 400, 'alice'],
        ['/rte/c/publisher/name/alice/bob/', 400, 'name', 'uid', 'userAccount'],
        ['/rte//publisher/uid/42/', 400],
        [`/rte/${CHANNEL_64}c/publisher/uid/42/`, 400, '64'],
        [`/rte/c/publisher/uid/42/${'b'.repeat(256)}/`, 400, '255'],
        ['/rte/c/publisher/uid/42/b%01/', 400, 'b%01'],
    ]);

    mints('GET /chat mints', [
        ['/chat/app/?expiry=600', { chatToken: [chatApp()] }, 600],
        ['/chat/app/', { chatToken: [chatApp()] }],
        ['/chat/app', { chatToken: [chatApp()] }],
        ['/chat/account/alice/?expiry=600', { chatToken: [chatUser('alice')] }, 600],
        ['/chat/account/alice/', { chatToken: [chatUser('alice')] }],
        ['/chat/account/alice', { chatToken: [chatUser('alice')] }],
        ['/chat/account/42/', { chatToken: [chatUser('42')] }],
        ['/chat/account/app/', { chatToken: [chatUser('app')] }],
        ['/chat/account/J%C3%B6rg/', { chatToken: [chatUser('Jörg')] }],
        [`/chat/account/${encode(USER_255)}/`, { chatToken: [chatUser(USER_255)] }],
    ]);

    refuses('GET /chat refuses', [
        ['/chat/account//', 400],
        [`/chat/account/${encode(USER_255)}x/`, 400, '255'],
        ['/chat/account/a%02b/', 400, 'a%02b'],
    ]);

    // ------------------------------------------------------------ POST /getToken

    const RTC_BODY = { tokenType: 'rtc', channel: 'lecture', role: 'publisher', uid: '42' };
    const token = (...services) => ({ token: services });
    const JSON_RTC = '{"tokenType":"rtc","channel":"lecture","role":"publisher","uid":"42"';
    const SMILE = '\u{1f600}';

    // [body, services of the token, expire if not 3600]
    const posts = (title, rows) => describe(title, () => {
        for (const [body, services, expire = 3600] of rows) {
            it(label(typeof body === 'string' ? body : JSON.stringify(body)), async () => {
                assertTokens(await post(service, body), token(...services), expire);
            });
        }
    });

    const refusedPosts = (title, rows) => describe(title, () => {
        for (const [body, ...tells] of rows) {
            it(`${label(typeof body === 'string' ? body : JSON.stringify(body))} is 400`, async () => {
                assertTells(assertError(await post(service, body), 400), ...tells);
            });
        }
    });

    const asPublisher = (uid) => [rtc('lecture', uid, PUBLISHER)];

    posts('POST /getToken mints', [
        [{ ...RTC_BODY, expire: 600 }, asPublisher('42'), 600],
        [RTC_BODY, asPublisher('42')],
        [{ ...RTC_BODY, role: 'subscriber' }, [rtc('lecture', '42', SUBSCRIBER)]],
        [{ ...RTC_BODY, role: 'other' }, [rtc('lecture', '42', SUBSCRIBER)]],
        [{ ...RTC_BODY, role: undefined }, [rtc('lecture', '42', SUBSCRIBER)]],
        [{ ...RTC_BODY, role: null }, [rtc('lecture', '42', SUBSCRIBER)]],
        [{ ...RTC_BODY, channel: '*' }, [rtc('*', '42', PUBLISHER)]],
        [{ ...RTC_BODY, channel: CHANNEL_64 }, [rtc(CHANNEL_64, '42', PUBLISHER)]],
        [{ tokenType: 'rtm', uid: 'alice' }, [rtm('alice')]],
        [{ tokenType: 'rtm', uid: 'alice', expire: 600 }, [rtm('alice')], 600],
        [{ tokenType: 'rtm', uid: 42 }, [rtm('42')]],
        [{ tokenType: 'rtm', uid: 'alice', channel: null }, [rtm('alice')]],
        [{ tokenType: 'rtm', uid: 'alice', channel: 'lecture', expire: 600 },
            [rtc('lecture', 'alice', MESSAGES), rtm('alice')], 600],
        [{ tokenType: 'rtm', uid: '42', channel: 'lecture', role: 'publisher' },
            [rtc('lecture', '42', MESSAGES), rtm('42')]],
        [{ tokenType: 'chat', uid: 'alice' }, [chatUser('alice')]],
        [{ tokenType: 'chat', uid: 'alice', expire: 600 }, [chatUser('alice')], 600],
        [{ tokenType: 'chat', uid: 42 }, [chatUser('42')]],
        [{ tokenType: 'chat' }, [chatApp()]],
        [{ tokenType: 'chat', uid: null, expire: 600 }, [chatApp()], 600],
    ]);

    posts('POST uid', [
        [{ ...RTC_BODY, uid: 42 }, asPublisher('42')],
        [{ ...RTC_BODY, uid: 0 }, asPublisher('')],
        [{ ...RTC_BODY, uid: '0' }, asPublisher('')],
        [{ ...RTC_BODY, uid: '0042' }, asPublisher('42')],
        [{ ...RTC_BODY, uid: 4294967295 }, asPublisher('4294967295')],
        [{ ...RTC_BODY, uid: '4294967295' }, asPublisher('4294967295')],
        [{ ...RTC_BODY, uid: 4294967296 }, asPublisher('4294967296')],
        [{ ...RTC_BODY, uid: '4294967296' }, asPublisher('4294967296')],
        [{ ...RTC_BODY, uid: 9007199254740991 }, asPublisher('9007199254740991')],
        [{ ...RTC_BODY, uid: '99999999999999999999' }, asPublisher('99999999999999999999')],
        [{ ...RTC_BODY, uid: 'alice' }, asPublisher('alice')],
        [{ ...RTC_BODY, uid: '-1' }, asPublisher('-1')],
        [{ ...RTC_BODY, uid: '4 2' }, asPublisher('4 2')],
        [{ ...RTC_BODY, uid: `Jörg ${SMILE}` }, asPublisher(`Jörg ${SMILE}`)],
        [{ ...RTC_BODY, uid: 'a/b' }, asPublisher('a/b')],
        [{ ...RTC_BODY, uid: USER_255 }, asPublisher(USER_255)],
        [String.raw`{"tokenType":"rtm","uid":"J\u00f6rg \ud83d\ude00 \"\/\\"}`, [rtm(`Jörg ${SMILE} "/\\`)]],
    ]);

    posts('POST expire', [
        [{ ...RTC_BODY, expire: 0 }, asPublisher('42')],
        [{ ...RTC_BODY, expire: null }, asPublisher('42')],
        [{ ...RTC_BODY, expire: 1 }, asPublisher('42'), 1],
        [{ ...RTC_BODY, expire: 4294967295 }, asPublisher('42'), 4294967295],
        [{ ...RTC_BODY, expire: '600' }, asPublisher('42'), 600],
        [{ ...RTC_BODY, expire: '0' }, asPublisher('42')],
    ]);

    posts('POST reads JSON as the reference does', [
        ['{"TOKENTYPE":"rtc","Channel":"lecture","rOlE":"publisher","UID":"7","EXPIRE":60}',
            asPublisher('7'), 60],
        ['{"tokenType":"chat","uid":"first","uid":"last"}', [chatUser('last')]],
        ['{"tokenType":"chat","uid":"first","UID":"last"}', [chatUser('last')]],
        ['{"tokenType":"chat","UID":"first","uid":"last"}', [chatUser('last')]],
        ['{"tokenType":"rtm","tokenType":"chat","uid":"alice"}', [chatUser('alice')]],
        [`${JSON_RTC},"other":1,"nested":{"uid":"9","list":[1,[2,{"a":null}]]}}`, asPublisher('42')],
        [`${JSON_RTC},"deep":${'['.repeat(20)}${']'.repeat(20)}}`, asPublisher('42')],
        [`${JSON_RTC}} and more`, asPublisher('42')],
        [`${JSON_RTC}}}`, asPublisher('42')],
        [`${JSON_RTC}}{"uid":"9"}`, asPublisher('42')],
        [` \t\r\n${JSON_RTC} } \n`, asPublisher('42')],
        ['{"tokenType":"rtc","channel":"lecture","role":"publisher","uid":"4\\u0032"}',
            asPublisher('42')],
        ['{"token\\u0054ype":"rtm","uid":"alice"}', [rtm('alice')]],
    ]);

    refusedPosts('POST /getToken refuses', [
        [''],
        ['   '],
        ['{'],
        [`${JSON_RTC}`],
        [`${JSON_RTC},}`],
        ['{"tokenType":"rtm","uid":"alice}'],
        ["{'tokenType':'rtm','uid':'alice'}"],
        ['null'],
        ['[]'],
        ['"rtc"'],
        ['42'],
        ['tokenType=rtm&uid=alice'],
        [{}, 'tokenType'],
        [{ uid: 'alice' }, 'tokenType'],
        [{ tokenType: null, uid: 'alice' }, 'tokenType'],
        [{ tokenType: 'video', uid: 'alice' }, 'tokenType', 'video', 'rtc', 'rtm', 'chat'],
        [{ tokenType: 1, uid: 'alice' }, 'tokenType'],
        [{ tokenType: ['rtm'], uid: 'alice' }, 'tokenType'],
        [{ tokenType: 'rtc', uid: '42' }, 'channel'],
        [{ tokenType: 'rtc', channel: null, uid: '42' }, 'channel'],
        [{ tokenType: 'rtc', channel: '', uid: '42' }, 'channel'],
        [{ tokenType: 'rtc', channel: 7, uid: '42' }, 'channel'],
        [{ tokenType: 'rtc', channel: {}, uid: '42' }, 'channel'],
        [{ tokenType: 'rtc', channel: 'lecture' }, 'uid'],
        [{ tokenType: 'rtc', channel: 'lecture', uid: null }, 'uid'],
        [{ tokenType: 'rtc', channel: 'lecture', uid: '' }, 'uid'],
        [{ tokenType: 'rtm' }, 'uid'],
        [{ tokenType: 'rtm', uid: null, channel: 'lecture' }, 'uid'],
        [{ tokenType: 'rtm', uid: '' }, 'uid'],
        [{ tokenType: 'rtm', uid: 'alice', channel: 'a/b' }, 'channel', 'a/b'],
        [{ ...RTC_BODY, role: 1 }, 'role'],
        [{ ...RTC_BODY, channel: `${CHANNEL_64}c` }, 'channel', '64'],
        [{ ...RTC_BODY, channel: 'a*' }, 'channel', 'a*'],
        [{ ...RTC_BODY, channel: 'a\nb' }, 'channel', 'a%0Ab'],
        [{ ...RTC_BODY, channel: 'é' }, 'channel'],
        [{ ...RTC_BODY, uid: `${USER_255}x` }, 'uid', '255'],
        [{ ...RTC_BODY, uid: 'a\u0000b' }, 'uid', 'a%00b'],
        [{ ...RTC_BODY, uid: 'a\u001bb' }, 'uid', 'a%1Bb'],
        [{ tokenType: 'chat', uid: 'a\u0000' }, 'uid'],
        [{ tokenType: 'rtm', uid: 'a\u007f' }, 'uid'],
    ]);

    refusedPosts('POST wrong numbers', [
        ...['-1', '-0.5', '1.5', '42.0', '1e3', '1E3', '9007199254740992', '9223372036854775808',
            '18446744073709551616', '99999999999999999999999999', 'true', 'false', '[]', '[1]', '{}',
        ].map((uid) => [`{"tokenType":"rtc","channel":"lecture","uid":${uid}}`, 'uid']),
        ...['-5', '1.5', '600.0', '4294967296', '18446744073709551617', '"4294967296"', '"-5"',
            '"+5"', '"1.5"', '" 600"', '"abc"', 'true', '[]', '{}',
        ].map((expire) => [`${JSON_RTC},"expire":${expire}}`, 'expire']),
    ]);

    describe('POST heeds no Content-Type', () => {
        for (const type of ['text/plain', 'application/x-www-form-urlencoded',
            'application/json; charset=utf-8', 'multipart/form-data; boundary=x', '']) {
            it(type || 'an empty one', async () => {
                const answer = await post(service, RTC_BODY, { headers: { 'Content-Type': type } });
                assertTokens(answer, token(rtc('lecture', '42', PUBLISHER)), 3600);
            });
        }
        it('none at all', async () => {
            const answer = await request(service, '/getToken',
                { method: 'POST', body: JSON.stringify(RTC_BODY) });
            assertTokens(answer, token(rtc('lecture', '42', PUBLISHER)), 3600);
        });
        it('nor a trailing slash or a query', async () => {
            for (const target of ['/getToken/', '/getToken?expiry=5']) {
                const answer = await request(service, target,
                    { method: 'POST', body: JSON.stringify(RTC_BODY) });
                assertTokens(answer, token(rtc('lecture', '42', PUBLISHER)), 3600);
            }
        });
    });

    // ------------------------------------------------------------ errors

    refuses('unknown paths', [
        '/nope', '/ping/x', '/PING', '/pin', '/pingg',
        '/rtc', '/rtc/', '/rtc/c', '/rtc/c/publisher/', '/rtc/c/publisher/uid', '/rtc/c/publisher/uid/',
        '/rtc/c/publisher/uid/42/bob', '/rtc/c/publisher/uid/42//', '/RTC/c/publisher/uid/42/',
        '/rtm', '/rtm/', '/rtm/alice/bob', '/rtm/a%2Fb/',
        '/rte', '/rte/c/publisher/uid', '/rte/c/publisher/uid/', '/rte/c/publisher/uid/42/bob/more',
        '/chat', '/chat/', '/chat/account', '/chat/account/', '/chat/account/a/b', '/chat/app/x',
        '/chat/other/', '/gettoken', '/getToken/x', '/favicon.ico', '/.env',
    ].map((target) => [target, 404]));

    it('GET / is a page', async () => {
        const answer = await request(service, '/');
        assert.equal(answer.status, 200, answer.body);
        assert.equal(answer.headers['content-type'], 'text/html; charset=utf-8');
        assert.equal(answer.headers['cache-control'], 'no-cache');
        assert.match(answer.body, /^<!doctype html>[^]*<\/html>\n$/);
    });

    it('POST to an unknown path is 404', async () => {
        assertError(await request(service, '/nope', { method: 'POST', body: '{}' }), 404);
    });

    describe('a wrong method is 405 with Allow', () => {
        const GETS = ['/ping', '/rtc/c/publisher/uid/42/', '/rtm/alice/', '/rte/c/publisher/uid/42/',
            '/rte/c/publisher/uid/42/bob/', '/chat/app/', '/chat/account/alice/'];
        const rows = [
            ...GETS.flatMap((target) => ['POST', 'PUT', 'DELETE', 'PATCH'].map(
                (method) => [method, target, 'GET, HEAD, OPTIONS'])),
            ...['GET', 'HEAD', 'PUT', 'DELETE', 'PATCH'].map(
                (method) => [method, '/getToken', 'POST, OPTIONS']),
        ];
        for (const [method, target, allow] of rows) {
            it(`${method} ${target}`, async () => {
                const answer = await request(service, target, { method });
                assert.equal(answer.status, 405);
                assert.equal(answer.headers.allow, allow);
                assertNoCache(answer);
                if (method !== 'HEAD') {
                    assertError(answer, 405);
                }
            });
        }
    });

    describe('an error shows what was sent, escaped and cut', () => {
        const rows = [
            ['a long one', `/rtm/${'u'.repeat(4000)}/`],
            ['a long expiry', `/rtm/alice/?expiry=${'x'.repeat(4000)}`],
            ['quotes and a backslash', '/rtc/a%22b%5Cc/publisher/uid/42/'],
            ['an escape sequence', '/rtm/a%1B%5B2Jb/'],
            ['broken UTF-8', '/rtc/a%FF%C3b/publisher/uid/42/'],
            ['markup', '/rtc/%3Cscript%3Ealert(1)%3C%2Fscript%3E/publisher/uid/42/'],
        ];
        for (const [title, target] of rows) {
            it(title, () => getAndCheck(target, (answer) => {
                const text = assertError(answer, answer.status);
                assert.ok([400, 404].includes(answer.status));
                assert.match(text, /^[\x20-\x7e]+$/);
                assert.ok(text.length < 500, `${text.length} characters`);
            }));
        }
    });

    // ------------------------------------------------------------ tokens

    it('every token has a salt of its own', async () => {
        const salts = new Set();
        for (let count = 0; count < 25; count++) {
            const answer = await get('/rte/lecture/publisher/uid/42/bob/');
            for (const decoded of assertTokens(answer, rte('lecture', '42', PUBLISHER, 'bob'), 3600)) {
                salts.add(decoded.salt);
            }
        }
        assert.equal(salts.size, 50);
        assert.ok(!salts.has(0));
    });

    it('all of these requests and answers were as the service describes them', () => {
        assert.ok(description.total() > 900, `${description.total()} answers`);
        assert.ok(description.compared > 700, `${description.compared} requests`);
    });
});

describe(`CORS over ${GATEWAY}`, () => {
    const A = 'https://a.example';
    const B = 'https://b.example:8443';
    const EVIL = 'https://evil.example';
    const TARGETS = ['/ping', '/rtm/alice/', '/rtm/0/', '/nope'];

    function assertAllowed(answer, origin) {
        assert.notEqual(answer.status, 403);
        assert.equal(answer.headers['access-control-allow-origin'], origin);
        assert.equal(answer.headers['access-control-allow-methods'], 'GET, POST, OPTIONS');
        assert.equal(answer.headers['access-control-allow-headers'], 'Origin, Content-Type');
        assert.equal(answer.headers.vary, 'Origin');
        assertNoCache(answer);
    }

    function assertRefused(answer) {
        assert.equal(assertError(answer, 403), 'Origin not allowed');
        assert.equal(answer.body,
            '{"status":403,"error":"Origin not allowed","message":"Origin not allowed"}');
        assert.equal(answer.headers['access-control-allow-origin'], undefined);
        assert.equal(answer.headers.vary, 'Origin');
    }

    function assertNoCors(answer) {
        assert.notEqual(answer.status, 403);
        assert.equal(answer.headers['access-control-allow-origin'], undefined);
        assert.equal(answer.headers.vary, 'Origin');
    }

    // CORS_ALLOW_ORIGIN, what it admits, what it does not
    const lists = [
        ['unset', {}, [], [A, B, EVIL, 'null']],
        ['empty', { CORS_ALLOW_ORIGIN: '' }, [], [A, EVIL, 'null']],
        ['*', { CORS_ALLOW_ORIGIN: '*' }, [A, B, 'http://localhost:3000', 'null'], []],
        ['one origin', { CORS_ALLOW_ORIGIN: A }, [A], [B, EVIL]],
        ['a list', { CORS_ALLOW_ORIGIN: `${A},${B}` }, [A, B], [
            EVIL, 'null', 'http://a.example', 'https://b.example', 'https://a.example:8443',
            'https://a.example.evil.example', 'https://evil.example/https://a.example',
            'https://aXexample', `${A},${B}`, 'a.example', `${A}/`,
        ]],
    ];

    for (const [title, settings, admitted, refused] of lists) {
        describe(`CORS_ALLOW_ORIGIN ${title}`, () => {
            let service;
            before(async () => {
                service = await startService({ settings });
                await describeAnswers(service);
            });
            after(() => service?.stop());

            const ask = (target, headers, method = 'GET') => request(service, target, { method, headers });

            for (const origin of admitted) {
                it(`admits ${origin}`, async () => {
                    for (const target of TARGETS) {
                        assertAllowed(await ask(target, { Origin: origin }), origin);
                    }
                    const answer = await post(service, { tokenType: 'rtm', uid: 'alice' },
                        { headers: { Origin: origin } });
                    assertAllowed(answer, origin);
                    assertToken(JSON.parse(answer.body).token, [rtm('alice')], 3600,
                        { appId: APP_ID, certificate: CERTIFICATE });
                });
            }

            for (const origin of refused) {
                it(`refuses ${origin}`, async () => {
                    for (const target of TARGETS) {
                        assertRefused(await ask(target, { Origin: origin }));
                    }
                    assertRefused(await post(service, { tokenType: 'rtm', uid: 'alice' },
                        { headers: { Origin: origin } }));
                    const head = await ask('/ping', { Origin: origin }, 'HEAD');
                    assert.equal(head.status, 403);
                });
            }

            it('answers OPTIONS on any path with 204 and no body', async () => {
                for (const target of [...TARGETS, '/', '/getToken', '/rtc/c/publisher/uid//']) {
                    for (const origin of [undefined, ...admitted]) {
                        const headers = origin === undefined ? {} : {
                            Origin: origin,
                            'Access-Control-Request-Method': 'POST',
                            'Access-Control-Request-Headers': 'content-type',
                        };
                        const answer = await ask(target, headers, 'OPTIONS');
                        assert.equal(answer.status, 204);
                        assert.equal(answer.body, '');
                        assert.equal(answer.headers.vary, 'Origin');
                        assertNoCache(answer);
                        if (origin !== undefined) {
                            assertAllowed(answer, origin);
                        }
                    }
                }
            });

            if (refused.length > 0) {
                it('refuses a preflight from elsewhere', async () => {
                    assertRefused(await ask('/getToken', {
                        Origin: EVIL, 'Access-Control-Request-Method': 'POST',
                    }, 'OPTIONS'));
                });
            }

            it('lets a request without Origin pass', async () => {
                for (const target of TARGETS) {
                    assertNoCors(await ask(target, {}));
                }
                assert.equal((await ask('/ping', {})).status, 200);
            });

            it('lets a same-origin request pass', async () => {
                const hosts = [
                    [service.origin, `127.0.0.1:${service.port}`],
                    ['https://tokens.example', 'tokens.example'],
                    ['http://tokens.example:8080', 'tokens.example:8080'],
                ];
                for (const [origin, host] of hosts) {
                    const answer = await ask('/rtm/alice/', { Origin: origin, Host: host });
                    assertTokens(answer, { rtmToken: [rtm('alice')] }, 3600);
                }
            });

            if (refused.length > 0) {
                it('takes nothing else for the same origin', async () => {
                    const host = `127.0.0.1:${service.port}`;
                    for (const origin of [`http://${host}.evil.example`, 'http://127.0.0.1',
                        `http://evil.example/${host}`, `http://evil.example@${host}`, host]) {
                        assertRefused(await ask('/rtm/alice/', { Origin: origin, Host: host }));
                    }
                });
            }
        });
    }
});
