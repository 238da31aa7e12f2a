// The page at /, in Debian's Chromium: both halves, what is refused, by keyboard, on a narrow screen, in the
// dark, for whom a screen reader reads, and that it asks nobody but its service.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import judge from 'agora-token/src/AccessToken2.js';
import old from 'agora-token/src/AccessToken.js';
import axe from 'axe-core';
import * as jose from 'jose';
import { chromium } from 'playwright-core';
import {
    APP_ID, CERTIFICATE, OTHER_CERTIFICATE, PATH,
    assertError, assertTells, cleanEnvironment, makeDirectory, post, removeDirectory, repository, request, startService,
} from './harness.mjs';
import { sha256 } from './policies.mjs';
import { descriptions, expectedParts, judgeMints } from './random-tokens.mjs';

const AGORA_TOKEN = path.resolve(process.env.AGORA_TOKEN || path.join(repository, 'build/release/agora-token'));
const run = promisify(execFile);
const now = () => Math.floor(Date.now() / 1000);

const LARGEST_PAGE = 40000;

// Where the page differs: how its address and those of its requests come to the service.
const WAYS = [
    { gateway: 'fastcgi-unix', at: '/', base: '/' },
    { gateway: 'fastcgi-unix', at: '///', base: '/' },
    { gateway: 'fastcgi-prefix', at: '/agora/', base: '/agora/' },
    { gateway: 'fcgiwrap', at: '/', base: '/' },
];

let browser;
let service;
before(async () => {
    browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'], timeout: 30000 });
    service = await startService();
});
after(async () => {
    await browser?.close();
    await service?.stop();
});

async function openTab(options) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    context.setDefaultTimeout(10000);
    const page = await context.newPage();
    const tab = { page, asked: [], complaints: [] };
    page.on('console', (message) => {
        if (message.type() === 'error' || message.type() === 'warning') {
            tab.complaints.push(message.text());
        }
    });
    page.on('pageerror', (error) => tab.complaints.push(error.message));
    page.on('request', (one) => tab.asked.push(one));
    return tab;
}

// A tab costs a process. Visits without options, after which nothing is left in it, share one.
let sharedTab;

// Opens the page, uses it, and asserts that there was no error and no request but to its own service. Where
// errors are expected, use takes them out of complaints.
async function visit(use, { from = service, at = '/', prepare, ...options } = {}) {
    const isShared = !prepare && Object.keys(options).length === 0;
    const tab = (isShared && sharedTab) || await openTab(options);
    const { page, asked, complaints } = tab;
    sharedTab = isShared ? null : sharedTab;
    try {
        asked.length = complaints.length = 0;
        await prepare?.(page);
        await page.goto(`${from.origin}${at}`);
        await page.waitForFunction(() => !document.getElementById('access').hidden
            || document.getElementById('notices').children.length > 0);
        await use(page, { asked, complaints });
        const foreign = asked.map((one) => one.url()).filter((url) => !url.startsWith(`${from.origin}/`) && !url.startsWith('data:'));
        assert.deepEqual(foreign, []);
        assert.deepEqual(complaints, []);
        if (isShared) {
            await page.unrouteAll();
            await page.goto('about:blank');
            sharedTab = tab;
        }
    } finally {
        if (sharedTab !== tab) {
            await page.context().close();
        }
    }
}

const field = (page, label) => page.getByLabel(label, { exact: true });
const press = (page, name) => page.getByRole('button', { name, exact: true }).click();

async function fill(page, values) {
    for (const [label, value] of Object.entries(values)) {
        await (label === 'Service' ? field(page, label).selectOption(value) : field(page, label).fill(value));
    }
}

async function create(page, values) {
    await fill(page, values);
    await press(page, 'Create token');
    await page.locator('#created').waitFor();
    return page.locator('#new-token').textContent();
}

// What the page makes of a text: its verdict, once it is that of this text.
async function read(page, text) {
    await field(page, 'Token').fill('');
    await page.waitForFunction(() => document.getElementById('verdict').innerText === '');
    await field(page, 'Token').fill(text);
    await page.waitForFunction(() => document.getElementById('verdict').innerText !== '');
    return page.locator('#verdict').innerText();
}

const json = async (page) => JSON.parse(await page.locator('#json-text').textContent());

// The text that a screen reader has for a field besides its label.
const describedBy = (page, label) => field(page, label).evaluate((input) => input.getAttribute('aria-describedby')
    .split(' ').map((id) => document.getElementById(id).textContent).join(' '));

async function assertRefused(page, label, message) {
    await page.waitForFunction((text) => document.activeElement.getAttribute('aria-invalid') === 'true'
        && document.body.innerText.includes(text), message);
    assertTells(await describedBy(page, label), message);
    assert.equal(await field(page, label).evaluate((input) => document.activeElement === input), true, `${label} has the focus`);
    assert.equal(await page.locator('#created').isVisible(), false);
    assert.equal(await page.locator('[aria-invalid="true"]').count(), 1);
}

const decode = async (token) => JSON.parse((await run(AGORA_TOKEN, ['decode', '--json', token])).stdout);

// A token of the project, or of another one, which ends `seconds` from now.
function mint({ seconds = 600, expire = 3600, services = [[new judge.ServiceRtc('lecture', '42'), [1]]], certificate = CERTIFICATE, appId = APP_ID } = {}) {
    const token = new judge.AccessToken2(appId, certificate, now() + seconds - expire, expire);
    for (const [one, privileges] of services) {
        privileges.forEach((privilege) => one.add_privilege(privilege, expire));
        token.add_service(one);
    }
    return token.build();
}

describe('the page', { timeout: 240000 }, () => {
    // ------------------------------------------------------------ wherever it is

    for (const { gateway, at, base } of WAYS) {
        it(`creates, reads and checks at ${at} by ${gateway}`, async (t) => {
            const from = await startService({ gateway });
            try {
                await visit(async (page, { asked }) => {
                    assert.deepEqual(asked.map((one) => new URL(one.url()).pathname), [at, `${base}readyz`]);
                    const [paint] = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint').map((entry) => entry.startTime));
                    t.diagnostic(`first contentful paint after ${Math.round(paint)} ms`);
                    const token = await create(page, { Channel: 'lecture', User: '42' });
                    assert.equal(await field(page, 'Token').inputValue(), token);
                    await press(page, 'Check signature');
                    await page.getByText('Signed with this service’s certificate').waitFor();
                    assert.match(await page.locator('#verdict').innerText(), /^Good for 1 hour: publisher in lecture as 42\n/);
                    assert.deepEqual(asked.slice(2).map((one) => `${one.method()} ${new URL(one.url()).pathname}`),
                        [`POST ${base}getToken`, `POST ${base}inspect`]);
                    assert.equal(await page.getByRole('link', { name: 'API description' }).evaluate((link) => link.href),
                        `${from.origin}${base}openapi.json`);
                    const { stdout } = await run('sh', ['-c', await page.locator('#curl').textContent()]);
                    assert.match(JSON.parse(stdout).token, /^007/);
                }, { from, at });
            } finally {
                await from.stop();
            }
        });
    }

    it('needs no slash at the end of its address', async () => {
        const bases = [];
        await visit(async (page) => {
            await create(page, { Channel: 'lecture', User: '42' });
            assert.deepEqual(bases, ['', '/readyz', '/getToken']);
        }, {
            at: '/cgi-bin/agora-token.cgi',
            prepare: (page) => page.route(/agora-token\.cgi/, async (route) => {
                const rest = new URL(route.request().url()).pathname.slice('/cgi-bin/agora-token.cgi'.length);
                bases.push(rest);
                await route.fulfill({ response: await route.fetch({ url: `${service.origin}${rest || '/'}` }) });
            }),
        });
    });

    it('is one small document, with headers that let nothing else in', async () => {
        const answer = await request(service, '/');
        assert.equal(answer.status, 200);
        assert.equal(answer.headers['content-type'], 'text/html; charset=utf-8');
        assert.ok(Buffer.byteLength(answer.body) < LARGEST_PAGE, `${Buffer.byteLength(answer.body)} bytes`);
        assert.equal(answer.headers['x-content-type-options'], 'nosniff');
        assert.equal(answer.headers['referrer-policy'], 'no-referrer');
        const policy = answer.headers['content-security-policy'];
        assertTells(policy, "default-src 'none'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'");
        assert.doesNotMatch(policy, /unsafe|\*|https?:/);
        for (const tag of ['style', 'script']) {
            const [, text] = new RegExp(`<${tag}>([^]*)</${tag}>`).exec(answer.body);
            assertTells(policy, `${tag}-src 'sha256-${crypto.createHash('sha256').update(text).digest('base64')}'`);
        }
        assert.doesNotMatch(answer.body, /innerHTML|localStorage|sessionStorage|document\.cookie/);
        const head = await request(service, '/', { method: 'HEAD' });
        assert.deepEqual([head.status, head.body, head.headers['content-length']], [200, '', answer.headers['content-length']]);
    });

    it('can be taken away', async () => {
        const from = await startService({ settings: { PAGE: 'off' } });
        try {
            const message = assertError(await request(from, '/'), 404);
            assert.doesNotMatch(message, /GET \/,/);
        } finally {
            await from.stop();
        }
    });

    it('runs nothing that was put into it', async () => {
        await visit(async (page, { complaints }) => {
            await page.evaluate(() => {
                window.violations = [];
                document.addEventListener('securitypolicyviolation', (event) => window.violations.push(event.effectiveDirective));
                const tries = [
                    () => document.body.append(Object.assign(document.createElement('script'), { textContent: 'window.injected = 1' })),
                    () => document.body.append(Object.assign(document.createElement('script'), { src: 'https://evil.example/x.js' })),
                    () => { document.body.innerHTML += '<img src="data:," onerror="window.injected = 2">'; },
                    () => {
                        document.querySelector('h1').setAttribute('onclick', 'window.injected = 3');
                        document.querySelector('h1').click();
                    },
                    () => setTimeout('window.injected = 4'),
                    () => document.head.append(Object.assign(document.createElement('style'), { textContent: 'h1 { color: red }' })),
                    () => fetch('https://evil.example/').catch(() => {}),
                ];
                for (const attempt of tries) {
                    try {
                        attempt();
                    } catch {
                        // Refused at once.
                    }
                }
            });
            // The policy tells of each of the seven, once it has refused it.
            await page.waitForFunction(() => window.violations.length === 7);
            assert.equal(await page.evaluate(() => window.injected), undefined);
            assertTells(await page.evaluate(() => window.violations.join(' ')), 'style-src', 'connect-src');
            assert.ok(complaints.length > 0);
            complaints.length = 0;
        });
    });

    // ------------------------------------------------------------ create

    const call = (channel, uid, expire, granted = [1, 2, 3, 4]) => ({
        type: 'rtc', channel, uid, privileges: Object.fromEntries(granted.map((privilege) => [privilege, expire])),
    });
    const signaling = (user, expire = 3600) => ({ type: 'rtm', user, privileges: { 1: expire } });
    const both = [call('a', 'u', 3600), signaling('u')];
    const cases = [
        ['rtc', { Channel: '*', User: '0', Role: 'subscriber', Lifetime: '60' }, [call('*', '', 60, [1])],
            'subscriber in every channel as any user'],
        ['rtm', { User: 'ann' }, [signaling('ann')], 'signaling as ann'],
        ['rtm', { User: 'ann', Channel: 'stage' }, [call('stage', 'ann', 3600, [1, 4]), signaling('ann')],
            'may join the channel, publish data streams in stage as ann, signaling as ann'],
        ['chat', { User: 'ann' }, [{ type: 'chat', user: 'ann', privileges: { 1: 3600 } }], 'Chat as ann'],
        ['chat', {}, [{ type: 'chat', user: '', privileges: { 2: 3600 } }], 'Chat for the app'],
        ['fpa', {}, [{ type: 'fpa', privileges: { 1: 0 } }], 'FPA'],
        ['streaming', { Channel: 'a', User: '7' }, [{ type: 'streaming', channel: 'a', uid: '7', privileges: { 1: 3600, 2: 3600 } }],
            'Streaming in a as 7'],
        ['fcdn', { Channel: 'a', User: '7' }, [{ type: 'fcdn', channel: 'a', uid: '7', privileges: { 1: 3600, 2: 3600 } }],
            'FCDN in a as 7'],
        ['apaas', { User: 'ann', Room: 'maths', Role: '2' }, [
            signaling('ann'), { type: 'chat', user: crypto.createHash('md5').update('ann').digest('hex'), privileges: { 1: 3600 } },
            { type: 'apaas', room: 'maths', user: 'ann', role: 2, privileges: { 1: 3600 } },
        ], 'APaaS in maths as ann'],
        ['apaas', {}, [{ type: 'apaas', room: '', user: '', role: -1, privileges: { 3: 3600 } }], 'APaaS for the app'],
        ['rtm2', { User: 'ann', Permissions: '{"messageChannels": {"read": ["news", "x"]}, "users": {"write": ["bob"]}}' },
            [{ type: 'rtm2', user: 'ann', permissions: { 0: { 0: ['news', 'x'] }, 4: { 1: ['bob'] } }, privileges: { 1: 3600 } }],
            'signaling as ann'],
        ['convoai', { Channel: 'a', User: 'u' }, [...both, { type: 'convoai', privileges: {} }], 'publisher in a as u, signaling as u, ConvoAI'],
        ['stt', { Channel: 'a', User: 'u' }, [...both, { type: 'stt', privileges: {} }], 'publisher in a as u, signaling as u, STT'],
        ['rtc-rtm', { Channel: 'a', User: 'u' }, both, 'publisher in a as u, signaling as u'],
    ];
    it('has every service, RTC first', async () => {
        await visit(async (page) => {
            const offered = await field(page, 'Service').locator('option').evaluateAll((options) => options.map(({ value }) => value));
            assert.deepEqual(offered, [...new Set(cases.map(([type]) => type))]);
            const message = assertError(await post(service, { tokenType: 'none' }), 400);
            assertTells(message, offered.slice(0, -1).join(', '), offered.at(-1));
            assert.equal(await field(page, 'Service').inputValue(), 'rtc');
        });
    });
    it('creates and reads', async (t) => {
        await visit(async (page) => {
            for (const [type, values, services, short] of cases) {
                await t.test(`${type} with ${JSON.stringify(values)}`, async () => {
                    await page.reload();
                    const token = await create(page, { Service: type, ...values });
                    const parsed = new judge.AccessToken2('', '', 0, 0);
                    assert.ok(parsed.from_string(token));
                    assert.ok(parsed.verifySignature(CERTIFICATE));
                    assert.equal(parsed.expire, Number(values.Lifetime ?? (type === 'fpa' ? 86400 : 3600)));
                    assert.deepEqual((await json(page)).services, services);
                    assert.deepEqual(await json(page), await decode(token));
                    assertTells(await page.locator('#verdict').innerText(), short);
                });
            }
        });
    });

    it('counts down, copies, and tells when a token has ended', async () => {
        await visit(async (page) => {
            await page.evaluate(() => navigator.clipboard.writeText('nothing'));
            const token = await create(page, { Channel: 'lecture', User: '42' });
            assert.match(await page.locator('#countdown').innerText(), /^Ends in (01:00:00|00:59:5\d)$/);
            await page.clock.runFor(60000);
            assert.match(await page.locator('#countdown').innerText(), /^Ends in 00:5[89]:\d\d$/);
            for (const [id, pattern] of [['token', /^007/], ['curl', /^curl '/], ['fetch', /^const answer = await fetch/]]) {
                await page.locator(`#copy-${id}`).click();
                await page.getByRole('status').filter({ hasText: 'in the clipboard' }).waitFor({ state: 'attached' });
                assert.match(await page.evaluate(() => navigator.clipboard.readText()), pattern);
            }
            await page.clock.fastForward(3600000);
            await page.clock.runFor(1000);
            assert.match(await page.locator('#countdown').innerText(), /^Ended \d+ (seconds|minutes?).* ago$/);
            assert.match(await page.locator('#verdict').innerText(), /^Ended .* ago\nIt was good for 1 hour: publisher in lecture as 42\./);
            assert.equal(await page.locator('li.over').count(), 4);
            assert.match(token, /^007/);
        }, {
            permissions: ['clipboard-read', 'clipboard-write'],
            prepare: (page) => page.clock.install(),
        });
    });

    it('copies where there is no clipboard interface', async () => {
        await visit(async (page) => {
            const token = await create(page, { Channel: 'lecture', User: '42' });
            await page.locator('#copy-token').click();
            await field(page, 'Token').fill('');
            await page.keyboard.press('Control+V');
            assert.equal(await field(page, 'Token').inputValue(), token);
        }, {
            prepare: (page) => page.addInitScript(() => Object.defineProperty(navigator, 'clipboard', { value: undefined })),
        });
    });

    it('shows requests that work as they are', async () => {
        const user = 'it\'s "q" $HOME `x` \\ é😀';
        await visit(async (page) => {
            await create(page, { Channel: 'a !$&()~', User: user, Lifetime: '77' });
            const curl = await run('sh', ['-c', await page.locator('#curl').textContent()]);
            const script = await page.locator('#fetch').textContent();
            const node = await run(process.execPath, ['--input-type=module', '--eval', script], { env: { PATH } });
            for (const token of [JSON.parse(curl.stdout).token, node.stdout.trim()]) {
                const { expire, services: [rtc] } = await decode(token);
                assert.deepEqual([expire, rtc.channel, rtc.uid], [77, 'a !$&()~', user]);
            }
        });
    });

    const refusals = [
        ['Channel', {}],
        ['Channel', { Channel: 'é', User: '1' }],
        ['Channel', { Channel: 'c'.repeat(65), User: '1' }],
        ['User', { Channel: 'a' }],
        ['User', { Service: 'rtc-rtm', Channel: 'a', User: '0' }],
        ['User', { Service: 'rtm', User: 'u'.repeat(256) }],
        ['Lifetime', { Channel: 'a', User: '1', Lifetime: '1h' }],
        ['Lifetime', { Channel: 'a', User: '1', Lifetime: '4294967296' }],
        ['Role', { Service: 'apaas', User: '1', Room: 'r', Role: 'teacher' }],
        ['User', { Service: 'apaas', Room: 'r' }],
        ['Permissions', { Service: 'rtm2', User: '1', Permissions: '{"nothing": {}}' }],
        ['Permissions', { Service: 'rtm2', User: '1', Permissions: '[' }, /^permissions is not JSON: /, 0],
    ];
    it('shows what the service refuses beside the field', async () => {
        await visit(async (page, { complaints }) => {
            for (const [label, values, own] of refusals) {
                complaints.length = 0;
                await page.reload();
                await fill(page, values);
                const answered = own ? null : page.waitForResponse(/getToken$/);
                await press(page, 'Create token');
                const message = own ? 'permissions is not JSON: ' : (await (await answered).json()).message;
                await assertRefused(page, label, message);
                // It goes as soon as the field is changed.
                await field(page, label).press('End');
                await field(page, label).pressSequentially('1');
                assert.equal(await page.locator('[aria-invalid="true"]').count(), 0);
            }
            complaints.length = 0;
        });
    });

    it('tells when nobody or the web server answers', async () => {
        await visit(async (page, { complaints }) => {
            await page.route(/getToken$/, (route) => route.abort());
            await press(page, 'Create token');
            await page.getByRole('alert').filter({ hasText: 'There is no answer' }).waitFor();
            await page.route(/getToken$/, (route) => route.fulfill({ status: 502, body: '<html>Bad Gateway</html>' }));
            await press(page, 'Create token');
            await page.getByRole('alert').filter({ hasText: 'The web server answers 502' }).waitFor();
            complaints.length = 0;
        });
    });

    // ------------------------------------------------------------ read

    it('reads random tokens as the tool does', async () => {
        const tokens = descriptions.map(judgeMints);
        await visit(async (page) => {
            // By a function of the page, and as one text, since Playwright takes long over large objects.
            const readings = JSON.parse(await page.evaluate(
                async (texts) => JSON.stringify(await Promise.all(texts.map((text) => readToken(text)))), tokens));
            descriptions.forEach((description, i) => assert.deepEqual(readings[i], expectedParts(description, tokens[i])));
            for (let i = 0; i < tokens.length; i += 100) {
                await read(page, tokens[i]);
                assert.deepEqual(await json(page), await decode(tokens[i]));
                assert.equal(await page.locator('.part h3').count(), descriptions[i].services.length);
            }
        });
    });

    it('reads what no text and no known service is', async () => {
        const wire = (...parts) => Buffer.concat(parts.map((part) => {
            if (typeof part === 'number') {
                return Buffer.from([part & 255, part >> 8]);
            }
            const bytes = Buffer.from(part);
            return Buffer.concat([Buffer.from([bytes.length & 255, bytes.length >> 8]), bytes]);
        }));
        const head = (count) => Buffer.concat([wire(Buffer.alloc(32, 7), APP_ID), Buffer.from('80f0fa02100e000001000000', 'hex'), wire(count)]);
        const pack = (...parts) => `007${zlib.deflateSync(Buffer.concat(parts)).toString('base64')}`;
        const tokens = [
            pack(head(1), wire(2, 0, Buffer.from([0xff, 0xfe]))),
            pack(head(1), wire(2, 0, '\u202eevil\u0000')),
            pack(head(2), wire(2, 0, 'ann', 11, 0, 'x')),
            pack(head(1), wire(2, 9, 0)),
            pack(head(0)),
            pack(head(0), wire('rest')),
            pack(head(1), wire(7, 0, 'r', 'u', 65535)),
            pack(head(1), wire(8, 0, 'u', 1, 9, 1, 5, 1, 'n')),
        ];
        await visit(async (page) => {
            for (const token of tokens) {
                await read(page, token);
                assert.deepEqual(await json(page), await decode(token));
            }
            await read(page, tokens[1]);
            assertTells(await page.locator('#reading').innerText(), '\\u{202e}evil\\u{0}');
            await read(page, tokens[2]);
            assertTells(await page.locator('#reading').innerText(), 'a service of type 11');
            for (const parts of [[wire('short', APP_ID)], [head(1)], [head(1), wire(2, 2, 1, 5, 0, 1, 5, 0, 'u')], [head(65535)],
                [wire(Buffer.alloc(32), 'x'.repeat(32)), Buffer.alloc(14)]]) {
                assert.match(await read(page, pack(...parts)), /^The token is damaged: /);
                await assert.rejects(decode(pack(...parts)));
            }
            // A short token that would fill the page, and a text that has much to be left out.
            const rows = Buffer.concat(Array.from({ length: 1000 }, (_, i) => wire(i, 0)));
            await read(page, pack(head(45), ...Array.from({ length: 45 }, () => Buffer.concat([wire(8, 0, 'u', 1, 0, 1000), rows]))));
            assertTells(await page.locator('#reading').innerText(), 'There are 950 more: see them as JSON.');
            assert.ok(await page.locator('#reading *').count() < 15000);
            const began = Date.now();
            await read(page, `007${';'.repeat(99000)}x`);
            assert.ok(Date.now() - began < 2000, 'does not freeze');
            assert.match(await read(page, `007${zlib.deflateSync(Buffer.alloc(3000000)).toString('base64')}`), /unpacks to more/);
        });
    });

    it('knows the format 006', async () => {
        const token = new old.AccessToken(APP_ID, CERTIFICATE, 'lecture', 42);
        token.ts = now() + 7200;
        token.addPriviledge(old.priviledges.kJoinChannel, now() + 600);
        token.addPriviledge(old.priviledges.kRtmLogin, 0);
        const text = token.build();
        await visit(async (page) => {
            assert.match(await read(page, text), /^Old format 006, ends in 2 hours\nAgora has replaced 006 by 007/);
            assert.deepEqual(await json(page), await decode(text));
            assertTells(await page.locator('#reading').innerText(), APP_ID, 'only its CRC-32', 'May join the channel', 'May log in to RTM');
            await press(page, 'Check signature');
            await page.getByText('checked with its channel and user alone').waitFor();
        });
    });

    it('says what no token is, and why', async () => {
        const good = mint();
        const encoded = mint({ services: [[new judge.ServiceRtc('+', 'plus>>>???'), [1]]] });
        const swapped = good[60] === 'A' ? 'B' : 'A';
        const broken = [
            ['hello', /^This is no token: it begins with “hel”/],
            ['008abc', /begins with “008”/],
            [`eyJhbGciOiJub25lIn0.${'x'.repeat(30)}.sig`, /^This is a JWT/],
            [APP_ID, /^This is an App ID or a certificate/],
            ['007', /^The token is damaged/],
            [good.slice(0, -1), /^The token is cut off/],
            [good.slice(0, -40), /^The token is (damaged|cut off)/],
            [`${good.slice(0, 60)}${swapped}${good.slice(61)}`, /^The token is damaged/],
            [`${good}AAAA`, /^The token is damaged/],
            [`${good.slice(0, 60)}-${good.slice(61)}`, /has “-”, which no token has\nSomething has turned/],
            [`007${Buffer.from('not packed at all').toString('base64')}`, /^The token is damaged/],
            ['x'.repeat(200000), /far too long/],
            [`006${APP_ID}AAAA`, /^The token is damaged/],
            ['006short', /its App ID is not 32/],
        ];
        const found = [
            [`  ${good}\n`, /^Good for 10 minutes: subscriber in lecture as 42$/],
            [`"${good}",`, /^Good for/],
            [`{"rtcToken":"${good}","rtmToken":"${good}"}`, /first of 2 tokens/],
            [`{"token":"${encoded.replaceAll('/', '\\/')}"}`, /It was found in what was pasted/],
            [`https://example.com/?token=${encodeURIComponent(encoded)}&x=1`, /percent-encoded.* found in/],
            [`${good.slice(0, 70)}\n  ${good.slice(70)}`, /White space in it was left out/],
        ];
        await visit(async (page) => {
            for (const [text, pattern] of broken) {
                assert.match(await read(page, text), pattern, text.slice(0, 80));
                assert.equal(await field(page, 'Token').getAttribute('aria-invalid'), 'true');
                assert.equal(await page.getByRole('button', { name: 'Check signature' }).isVisible(), false);
            }
            for (const [text, pattern] of found) {
                assert.match(await read(page, text), pattern, text);
                assert.equal(await field(page, 'Token').getAttribute('aria-invalid'), 'false');
            }
        });
    });

    it('tells in one line why a token fails', async () => {
        const rtc = (granted) => [[new judge.ServiceRtc('lecture', 'ann'), granted]];
        const short = new judge.AccessToken2(APP_ID, CERTIFICATE, now() - 600, 3600);
        const partly = new judge.ServiceRtc('lecture', 'ann');
        partly.add_privilege(1, 3600);
        partly.add_privilege(2, 300);
        short.add_service(partly);
        const verdicts = [
            [mint({ seconds: -3 * 3600 }), /^Ended 3 hours ago\nIt was good for 1 hour: subscriber in lecture as 42/],
            [short.build(), /^May no longer publish audio/],
            [mint({ seconds: 7200 }), /^Issued 1 hour in the future/],
            [mint({ services: rtc([1, 2, 3, 4]) }), /^Good for 10 minutes: publisher in lecture as ann$/],
        ];
        const checks = [
            [mint(), /^Good for .*\nSigned with this service’s certificate/],
            [mint({ certificate: OTHER_CERTIFICATE }), /^Not signed with this service’s certificate\n.*Good for/],
            [mint({ appId: '0'.repeat(32) }), /^Belongs to another App ID\n.*000000/],
            [mint({ seconds: -60 }), /^Ended .*\n.*Signed with this service’s certificate/],
        ];
        await visit(async (page) => {
            for (const [token, pattern] of verdicts) {
                assert.match(await read(page, token), pattern);
                // Nowhere else, not even hidden, does the page speak of a token that ends.
                assert.equal(await page.locator('#created').textContent().then((text) => /End/.test(text)), false);
            }
            for (const [token, pattern] of checks) {
                await read(page, token);
                const answered = page.waitForResponse(/inspect$/);
                await press(page, 'Check signature');
                await (await answered).finished();
                await page.waitForFunction((source) => new RegExp(source).test(document.getElementById('verdict').innerText), pattern.source);
            }
        });
    });

    it('goes by the clock of the service', async () => {
        await visit(async (page) => {
            await page.getByText('The clock of this device is 1 hour behind that of the service').waitFor();
            await create(page, { Channel: 'lecture', User: '42' });
            assert.match(await page.locator('#verdict').innerText(), /^Good for 1 hour/);
        }, { prepare: (page) => page.clock.install({ time: Date.now() - 3600000 }) });
    });

    // ------------------------------------------------------------ for everybody

    it('is used by keyboard alone', async () => {
        await visit(async (page) => {
            const type = (text) => page.keyboard.type(text);
            const tab = () => page.keyboard.press('Tab');
            const focused = () => page.evaluate(() => document.activeElement.id);
            const order = ['description', 'service', 'channel', 'user', 'role', 'lifetime', 'submit', 'token'];
            for (const id of order) {
                await tab();
                assert.equal(await focused(), id);
                assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), 'none');
            }
            await page.locator('#description').focus();
            await tab();
            await tab();
            await type('lecture');
            await tab();
            await type('42');
            await page.keyboard.press('Enter');
            await page.locator('#created').waitFor();
            await page.getByRole('status').filter({ hasText: 'The token is created. It ends in 1 hour.' }).waitFor({ state: 'attached' });
            for (let i = 0; i < 10 && await focused() !== 'check'; i++) {
                await tab();
            }
            await page.keyboard.press('Enter');
            await page.locator('[aria-live="polite"]').filter({ hasText: 'Signed with' }).waitFor();
            assert.equal(await focused(), 'check');
            await tab();
            await page.keyboard.press('Enter');
            assert.equal(await page.locator('#json').getAttribute('open'), '');
        });
    });

    const NARROW_AND_DARK = { colorScheme: 'dark', viewport: { width: 360, height: 740 } };
    // Each width once and each colour scheme once, as colours do not depend on the width.
    const looks = [['wide and light', {}], ['narrow and dark', NARROW_AND_DARK]];
    const long = mint({ services: [[new judge.ServiceRtc('c'.repeat(64), 'u'.repeat(255)), [1, 2, 3, 4]], [new judge.ServiceRtm('W'.repeat(255)), [1]]] });
    for (const [name, options] of looks) {
        it(`has no barrier and fits, ${name}`, async () => {
            await visit(async (page, { complaints }) => {
                await page.evaluate(axe.source);
                const judgeState = async (state) => {
                    const { violations } = await page.evaluate(() => globalThis.axe.run());
                    assert.deepEqual(violations.map(({ id, nodes }) => `${state}: ${id} ${nodes.map((node) => node.html)}`), []);
                    const [wide, inner] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
                    assert.ok(wide <= inner, `${state}: ${wide} pixels`);
                };
                await judgeState('empty');
                await page.evaluate(() => { document.getElementById('access').hidden = false; });
                await read(page, long);
                await page.locator('summary').click();
                await press(page, 'Check signature');
                await page.getByText('Signed with').waitFor();
                await press(page, 'Create token');
                await page.locator('#channel-error').filter({ hasText: 'channel' }).waitFor();
                await judgeState('refused on the left, checked on the right');
                await create(page, { Channel: 'c'.repeat(64), User: 'u'.repeat(255) });
                await read(page, mint({ seconds: -60 }));
                await judgeState('created, ended');
                await fill(page, { Service: 'rtm2' });
                await read(page, mint({ seconds: 7200 }));
                await judgeState('rtm2, in the future');
                await read(page, 'x'.repeat(300));
                await judgeState('rtm2, broken');
                complaints.length = 0;
            }, options);
        });
    }

    it('shows both halves side by side, and the dark to who wants it', async () => {
        const left = (page, heading) => page.getByRole('heading', { name: heading }).boundingBox();
        const light = (page) => page.evaluate(() => Number(/\d+/.exec(getComputedStyle(document.body).backgroundColor)[0]) > 128);
        await visit(async (page) => {
            const [one, two] = [await left(page, 'Create a token'), await left(page, 'Read a token')];
            assert.equal(one.y, two.y);
            assert.ok(two.x > one.x + 300);
            assert.equal(await light(page), true);
        });
        await visit(async (page) => {
            const [one, two] = [await left(page, 'Create a token'), await left(page, 'Read a token')];
            assert.equal(one.x, two.x);
            assert.equal(await light(page), false);
        }, NARROW_AND_DARK);
    });

    // ------------------------------------------------------------ who may

    it('says what the service lacks', async () => {
        await visit(async (page) => {
            assertTells(await page.locator('#notices').innerText(), 'anybody who reaches it gets any token', 'sample project');
            assert.equal(await field(page, 'Credential').isVisible(), false);
        });
        const from = await startService({ settings: { APP_ID: '0'.repeat(32) } });
        try {
            await visit(async (page) => {
                assert.doesNotMatch(await page.locator('#notices').innerText(), /sample/);
            }, { from });
        } finally {
            await from.stop();
        }
        await visit(async (page, { complaints }) => {
            assertTells(await page.locator('#notices').innerText(), 'The service is not ready: the keys of the caller');
            assert.equal(await field(page, 'Credential').isVisible(), true);
            complaints.length = 0;
        }, {
            prepare: (page) => page.route(/readyz$/, (route) => route.fulfill({
                status: 503, contentType: 'application/json', body: '{"status":503,"message":"the keys of the caller \'app\' were not fetched yet"}',
            })),
        });
    });

    it('asks with a credential, and shows whom it refuses what', async () => {
        const key = 'an API key that is made for this test';
        const { privateKey, publicKey } = await jose.generateKeyPair('ES256', { extractable: true });
        const jwt = await new jose.SignJWT({ iss: 'https://login.example/', aud: 'app', sub: 'ann', exp: now() + 600 })
            .setProtectedHeader({ alg: 'ES256', kid: '1' }).sign(privateKey);
        const directory = makeDirectory();
        const write = (name, value) => {
            fs.writeFileSync(path.join(directory, name), JSON.stringify(value), { mode: 0o600 });
            return path.join(directory, name);
        };
        const keys = write('keys.json', { keys: [{ ...await jose.exportJWK(publicKey), kid: '1', alg: 'ES256' }] });
        const policy = write('access.json', {
            callers: {
                app: { jwt: { issuer: 'https://login.example/', audience: 'app', jwks_file: keys } },
                backend: { api_keys: [{ id: '1', sha256: sha256(key) }] },
            },
            rules: [
                { caller: 'backend', services: ['rtc'], channels: ['course-*'], users: ['42'], roles: ['publisher'], max_expire: 600 },
                { caller: 'backend', services: ['rtm'], users: ['42'], rate: '1/day' },
                { caller: 'app', services: ['rtm'], users: ['${sub}'] },
            ],
        });
        const from = await startService({ settings: { ACCESS_FILE: policy } });
        try {
            await visit(async (page, { asked, complaints }) => {
                const sent = async () => asked.at(-1).allHeaders();
                assert.doesNotMatch(await page.locator('#notices').innerText(), /anybody/);
                await fill(page, { Channel: 'course-1', User: '42', Lifetime: '' });
                await press(page, 'Create token');
                await assertRefused(page, 'Credential', 'a credential is missing: send Authorization: Bearer TOKEN or X-API-Key: KEY');
                await fill(page, { Credential: 'wrong' });
                await press(page, 'Create token');
                await assertRefused(page, 'Credential', 'the credential is not valid: it is expired, or not one that this service accepts');
                await fill(page, { Credential: 'wröng' });
                await press(page, 'Create token');
                await assertRefused(page, 'Credential', 'A credential holds no characters but those of ASCII.');

                await fill(page, { Credential: ` ${key}\n`, Channel: 'lecture' });
                await press(page, 'Create token');
                await assertRefused(page, 'Channel', "channel 'lecture' is not allowed: this caller may have 'course-*'");
                await fill(page, { Channel: 'course-1', User: '43' });
                await press(page, 'Create token');
                await assertRefused(page, 'User', "user '43' is not allowed: this caller may have '42'");
                await fill(page, { User: '42', Lifetime: '86400' });
                await press(page, 'Create token');
                await assertRefused(page, 'Lifetime', 'this caller may have 1 to 600');
                await fill(page, { Service: 'stt', Lifetime: '60' });
                await press(page, 'Create token');
                await page.waitForFunction(() => /not allowed/.test(document.getElementById('service-error').textContent));

                await create(page, { Service: 'rtc', Lifetime: '600' });
                assert.equal((await sent())['x-api-key'], key);
                // On the screen it is masked, and what is copied works.
                const shown = await page.locator('#curl').textContent();
                assert.ok(!shown.includes(key) && shown.includes('X-API-Key: •••'));
                assert.ok(!(await page.locator('body').innerText()).includes(key));
                await page.locator('#copy-curl').click();
                await page.getByRole('status').filter({ hasText: 'in the clipboard' }).waitFor({ state: 'attached' });
                const { stdout } = await run('sh', ['-c', await page.evaluate(() => navigator.clipboard.readText())]);
                assert.match(JSON.parse(stdout).token, /^007/);
                await press(page, 'Check signature');
                await page.getByText('Signed with').waitFor();

                await create(page, { Service: 'rtm', Channel: '' });
                await press(page, 'Create token');
                await page.locator('#submit-error').filter({ hasText: 'too many tokens: try again in' }).waitFor();

                await create(page, { User: 'ann', Credential: `Bearer ${jwt}` });
                assert.equal((await sent()).authorization, `Bearer ${jwt}`);

                await fill(page, { Credential: '' });
                await press(page, 'Check signature');
                await page.locator('#credential-error').filter({ hasText: 'a credential is missing' }).waitFor();

                assert.equal(await field(page, 'Credential').getAttribute('type'), 'password');
                await page.locator('#reveal').click();
                assert.equal(await field(page, 'Credential').getAttribute('type'), 'text');
                const kept = await page.evaluate(() => localStorage.length + sessionStorage.length + document.cookie.length);
                assert.equal(kept, 0);
                await page.reload();
                assert.equal(await field(page, 'Credential').inputValue(), '');
                complaints.length = 0;
            }, { from, permissions: ['clipboard-read', 'clipboard-write'] });
        } finally {
            await from.stop();
            removeDirectory(directory);
        }
    });

    // ------------------------------------------------------------ for the README

    // The same at any time, on any machine with the same fonts.
    it('is pictured', { skip: !process.env.SCREENSHOTS }, async () => {
        const time = Date.UTC(2026, 0, 15, 9, 30);
        const token = new judge.AccessToken2(APP_ID, CERTIFICATE, time / 1000, 3600);
        const rtc = new judge.ServiceRtc('lecture', '42');
        [1, 2, 3, 4].forEach((privilege) => rtc.add_privilege(privilege, 3600));
        token.add_service(rtc);
        token.salt = 12345678;
        token.issueTs = time / 1000;
        const answers = {
            readyz: { status: 'ready', access: 'open', sample_credentials: true },
            getToken: { token: token.build() },
            inspect: { valid: true, reason: null, signed_here: true, ended: false },
        };
        const folder = path.join(repository, 'tests/e2e/screenshots');
        fs.mkdirSync(folder, { recursive: true });
        for (const colorScheme of ['light', 'dark']) {
            await visit(async (page) => {
                await create(page, { Channel: 'lecture', User: '42' });
                await press(page, 'Check signature');
                await page.getByText('Signed with').waitFor();
                await page.evaluate(() => document.activeElement.blur());
                await page.mouse.move(0, 0);
                await page.screenshot({ path: path.join(folder, `page-${colorScheme}.png`) });
            }, {
                from: { origin: 'http://localhost:8080' }, colorScheme, viewport: { width: 1080, height: 800 },
                locale: 'en-GB', timezoneId: 'UTC',
                prepare: async (page) => {
                    await page.clock.setFixedTime(time + 5000);
                    await page.route(/localhost:8080/, async (route) => {
                        const json = answers[new URL(route.request().url()).pathname.slice(1)];
                        await route.fulfill(json ? { json, headers: { Date: new Date(time + 5000).toUTCString() } }
                            : { response: await route.fetch({ url: `${service.origin}/` }) });
                    });
                },
            });
        }
    });
});
