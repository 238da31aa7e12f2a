// The metrics: sums that are exact whatever is asked, over all workers and reloads; a number of series that clients
// cannot raise; and Prometheus itself, which reads them through nginx as conf/prometheus says.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
    APP_ID, CERTIFICATE, PATH, RESPONDER, SANITIZED,
    assertError, cleanEnvironment, fcgiAnswers, fcgiConnect, fcgiRequest, freePort, launch, listening,
    makeDirectory, removeDirectory, repository, residentMemory, startResponder, terminate, waitFor,
} from './harness.mjs';
import { loginPolicy, startLogin } from './login.mjs';
import { SECRETS, ask, parseAnswer, replaceFile, sha256, startWithPolicy, withPolicy } from './policies.mjs';

const CONF = path.join(repository, 'conf/prometheus');
const ON = { METRICS: 'on', WORKERS: '4' };
const RTC = '/rtc/:channel/:role/:tokenType/:rtcuid';
const RTE = '/rte/:channel/:role/:tokenType/:rtcuid/:rtmuid';
const LOAD = Number(process.env.REQUESTS) || (SANITIZED ? 3000 : 10000);
const CONNECTIONS = 24;

const promtool = (args, input = '') => execFileSync('promtool', args, { cwd: CONF, input, encoding: 'utf8' });

// {'name{label="value"}': number}, of which no series stands there twice.
function parse(text) {
    const series = {};
    for (const line of text.split('\n').filter((one) => one !== '' && !one.startsWith('#'))) {
        const at = line.lastIndexOf(' ');
        const name = line.slice(0, at);
        assert.ok(!(name in series), `${name} stands there once`);
        series[name] = Number(line.slice(at + 1));
        assert.ok(Number.isFinite(series[name]), line);
    }
    return series;
}

async function scrape(service) {
    const answer = await ask(service, '/metrics');
    assert.equal(answer.status, 200, answer.body);
    assert.equal(answer.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
    return parse(answer.body);
}

const quoted = (text) => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
const seriesOf = (name, labels) => `agora_token_${name}{${Object.entries(labels)
    .map(([label, value]) => `${label}=${quoted(String(value))}`).join(',')}}`;

// What a load must have made of the counters. A kind of request says what it adds to which of them.
class Tally {
    sums = {};
    add(name, labels, more = 1) {
        const series = seriesOf(name, labels);
        this.sums[series] = (this.sums[series] ?? 0) + more;
    }
    count({ route = 'none', method = 'GET', code = 200, services = [], refused, failure }) {
        this.add('requests_total', { route, method, code });
        this.add('request_duration_seconds_count', { route });
        services.forEach((service) => this.add('minted_total', { service }));
        if (refused) {
            this.add('refused_total', { reason: refused });
        }
        if (failure) {
            this.add('access_failures_total', { caller: failure[0], reason: failure[1] });
        }
    }
    assertIs(series) {
        const counted = Object.fromEntries(Object.entries(series).filter(([name, value]) => value !== 0
            && /^agora_token_((requests|minted|refused|access_failures)_total|request_duration_seconds_count)\{/.test(name)));
        assert.deepEqual(counted, this.sums);
    }
}

// Sends `count` requests of these kinds in turn, each connection one after the other.
async function send(service, tally, kinds, count) {
    let begun = 0;
    await Promise.all(Array.from({ length: CONNECTIONS }, async () => {
        const socket = await fcgiConnect(service);
        try {
            while (begun < count) {
                const kind = kinds[begun++ % kinds.length];
                const answers = fcgiAnswers(socket, 1);
                socket.write(fcgiRequest(kind.target, {
                    method: kind.method, headers: kind.as, body: kind.body ? JSON.stringify(kind.body) : '',
                }));
                const { status, body } = parseAnswer((await answers)[0]);
                assert.equal(status, kind.code ?? 200, `${kind.method ?? 'GET'} ${kind.target}: ${body}`);
                tally.count(kind);
            }
        } finally {
            socket.destroy();
        }
    }));
}

// The scrapes themselves.
const scraped = (tally) => tally.count({ route: '/metrics' });

describe('exact sums', () => {
    const open = [
        { target: '/ping', route: '/ping' },
        { target: '/ping', route: '/ping', method: 'HEAD' },
        { target: '/ping', route: '/ping', method: 'POST', code: 405, refused: 'method' },
        { target: '/ping', route: '/ping', method: 'BREW', code: 405, refused: 'method', label: 'other' },
        { target: '/anything', method: 'OPTIONS', code: 204 },
        { target: '/rtc/lecture/publisher/uid/42', route: RTC, services: ['rtc'] },
        { target: '/rtc/lecture/publisher/uid/x', route: RTC, code: 400, refused: 'value' },
        { target: '/rte/lecture/publisher/uid/42/ann', route: RTE, services: ['rtc', 'rtc', 'rtm'] },
        { target: '/chat/app', route: '/chat/app', services: ['chat'] },
        { target: '/getToken', route: '/getToken', method: 'POST', services: ['rtm'],
            body: { tokenType: 'rtm', uid: 'ann' } },
        { target: '/getToken', route: '/getToken', method: 'POST', code: 400, refused: 'value', body: { tokenType: 'x' } },
        { target: '/nowhere/at/all', code: 404, refused: 'no_endpoint' },
        { target: '/a/../b', code: 400, refused: 'path' },
        { target: '/ping', as: { Origin: 'https://elsewhere.example' }, code: 403, refused: 'origin' },
    ];

    it('of every kind of request, over four workers and a reload', async () => {
        const service = await startWithPolicy({}, { dotenv: '', settings: ON });
        const tally = new Tally();
        const kinds = open.map((kind) => ({ ...kind, counted: { ...kind, method: kind.label ?? kind.method } }));
        try {
            const loaded = send(service, { count: ({ counted }) => tally.count(counted) }, kinds, LOAD);
            await service.hangUp(/settings were read again/);
            await loaded;
            tally.assertIs(await scrape(service));
            scraped(tally);
            tally.assertIs(await scrape(service));
        } finally {
            await service.stop();
        }
    });

    it('of bodies that are too large, whole or cut off, and of HEAD', async () => {
        const service = await startWithPolicy({}, { dotenv: '', settings: ON });
        const tally = new Tally();
        try {
            for (const length of [64 * 1024 + 1, 200 * 1024]) {
                const answer = await ask(service, '/getToken', { method: 'POST', body: 'x'.repeat(length) });
                assertError(answer, 413);
                tally.count({ method: 'POST', code: 413, refused: 'body_too_large' });
            }
            tally.assertIs(await scrape(service));
        } finally {
            await service.stop();
        }
    });

    it('across a reload that changes who may ask', async () => {
        const odd = 'the "odd" \\ one';
        const caller = (key) => ({ api_keys: [{ id: '1', sha256: sha256(key) }] });
        const policy = (callers) => ({
            callers,
            rules: [
                { caller: Object.keys(callers), services: ['rtm'], users: ['ann'] },
                { caller: Object.keys(callers), services: ['rtm'], users: ['bob'], rate: '1/day' },
            ],
        });
        const before = policy({ first: caller('k1'), [odd]: caller('k2') });
        const after = policy({ [odd]: caller('k2'), second: caller('k3') });
        const as = (key) => ({ 'X-API-Key': key });
        const allowed = (key) => ({ target: '/rtm/ann', route: '/rtm/:rtmuid', as: as(key), services: ['rtm'] });
        const denied = (key, name) => ({
            target: '/rtm/eve', route: '/rtm/:rtmuid', as: as(key), code: 403, refused: 'not_allowed', failure: [name, 'not_allowed'],
        });
        const unknown = (key) => ({
            target: '/rtm/ann', route: '/rtm/:rtmuid', as: as(key), code: 401, refused: 'credential_invalid',
            failure: ['', 'unknown_api_key'],
        });
        const always = [
            allowed('k2'), denied('k2', odd), unknown('none'),
            { target: '/rtm/ann', route: '/rtm/:rtmuid', code: 401, refused: 'credential_missing', failure: ['', 'missing'] },
            { target: '/rtm/ann', route: '/rtm/:rtmuid', as: { Authorization: 'Bearer x' }, code: 401,
                refused: 'credential_invalid', failure: ['', 'malformed'] },
        ];
        const service = await startWithPolicy(before, { settings: ON });
        const tally = new Tally();
        try {
            await send(service, tally, [...always, allowed('k1'), denied('k1', 'first'), unknown('k3')], 400);
            assert.equal((await ask(service, '/rtm/bob', { as: as('k1') })).status, 200);
            tally.count({ ...allowed('k1') });
            assertError(await ask(service, '/rtm/bob', { as: as('k1') }), 429);
            tally.count({ route: '/rtm/:rtmuid', code: 429, refused: 'rate', failure: ['first', 'rate'] });

            const loaded = send(service, tally, always, LOAD / 4);
            replaceFile(service.file('access.json'), after);
            await service.hangUp(/settings were read again/);
            await loaded;
            await send(service, tally, [...always, allowed('k3'), denied('k3', 'second'), unknown('k1')], 400);
            const answer = await ask(service, '/metrics');
            tally.assertIs(parse(answer.body));
            promtool(['check', 'metrics'], answer.body);
        } finally {
            await service.stop();
        }
    });

    it('go on where metrics are switched off and on', async () => {
        const service = await startWithPolicy({}, { dotenv: 'METRICS=on\n', settings: { WORKERS: '4' } });
        const tally = new Tally();
        try {
            await send(service, tally, open.slice(0, 2), 100);
            replaceFile(service.file('.env'), 'METRICS=off\n');
            await service.hangUp(/settings were read again/);
            const answer = await ask(service, '/metrics');
            assert.doesNotMatch(assertError(answer, 404), /or GET \/metrics|, GET \/metrics/);
            await send(service, new Tally(), open.slice(0, 2), 100);
            replaceFile(service.file('.env'), 'METRICS=on\n');
            await service.hangUp(/settings were read again/);
            tally.assertIs(await scrape(service));
        } finally {
            await service.stop();
        }
    });
});

describe('what clients choose', () => {
    it('10,000 paths, methods and credentials add no series', async () => {
        const key = sha256('key');
        const policy = {
            callers: { app: { api_keys: [{ id: '1', sha256: key }] } },
            rules: [{ caller: 'app', services: ['rtm'], users: ['ann'] }],
        };
        await withPolicy(policy, { settings: { ...ON, LOG_LEVEL: 'error' } }, async (service) => {
            const kinds = (i) => [
                [`/${i}/x`, {}], [`/rtm/${i}`, { as: { 'X-API-Key': `${i}` } }], ['/ping', { method: `M${i}` }],
                [`/rtc/${i}/publisher/uid/1`, { as: { Authorization: `Bearer ${i}` } }], [`/rtm/u${i}`, { as: { 'X-API-Key': 'key' } }],
            ][i % 5];
            const socket = await fcgiConnect(service);
            const all = async (first, end) => {
                for (let i = first; i < end; i++) {
                    const [target, options] = kinds(i);
                    await ask(service, target, { ...options, socket });
                }
                return Object.keys(await scrape(service)).sort();
            };
            try {
                await all(0, 10);
                const few = await all(10, 20);
                assert.deepEqual(await all(20, SANITIZED ? 2000 : 10000), few);
            } finally {
                socket.destroy();
            }
        });
    });
});

describe('access control', () => {
    it('says since when keys are there, and whose requests want them', async () => {
        const login = await startLogin();
        login.isDown = true;
        const service = await startWithPolicy(loginPolicy({ jwks_url: login.url }), { settings: ON });
        const keys = seriesOf('jwks_last_success_timestamp_seconds', { caller: 'app' });
        try {
            await waitFor('a failed fetch', () => /could not be fetched/.test(service.log()));
            assertError(await ask(service, '/rtm/ann', { as: login.bearer('ann') }), 503);
            const without = await scrape(service);
            assert.equal(without[keys], 0);
            assert.equal(without[seriesOf('access_failures_total', { caller: 'app', reason: 'keys_not_fetched' })], 1);
            assert.equal(without[seriesOf('refused_total', { reason: 'keys_not_fetched' })], 1);

            login.isDown = false;
            const earliest = Math.floor(Date.now() / 1000);
            await service.hangUp(/the key set was fetched/);
            assert.equal((await ask(service, '/rtm/ann', { as: login.bearer('ann') })).status, 200);
            const stranger = await startLogin();
            assertError(await ask(service, '/rtm/ann', { as: stranger.bearer('ann') }), 401);
            await stranger.stop();
            const series = await scrape(service);
            assert.ok(series[keys] >= earliest && series[keys] <= Date.now() / 1000, `${series[keys]}`);
            assert.equal(series[seriesOf('access_failures_total', { caller: 'app', reason: 'wrong_signature' })], 1);
            assert.equal(series.agora_token_access_open, 0);
        } finally {
            await service.stop();
            await login.stop();
        }
    });
});

describe('the process', () => {
    it('its connections, settings, descriptors and memory', async () => {
        const started = Math.floor(Date.now() / 1000);
        const service = await startWithPolicy({}, { dotenv: 'APP_ID=00112233445566778899aabbccddeeff\n',
            settings: { ...ON, MAX_CONNECTIONS: '50', APP_ID: undefined } });
        const sockets = await Promise.all(Array.from({ length: 9 }, () => fcgiConnect(service)));
        try {
            await Promise.all(sockets.map((socket) => ask(service, '/ping', { socket })));
            const series = await waitFor('ten connections', async () => {
                const one = await scrape(service);
                return one.agora_token_connections === 10 && one;
            });
            assert.equal(series.agora_token_connection_limit, 50);
            assert.equal(series.agora_token_sample_credentials, 0);
            assert.equal(series.agora_token_access_open, 1);
            assert.equal(series.agora_token_log_lines_dropped_total, 0);
            assert.equal(series[`agora_token_build_info{version="${/agora-token-fcgi (.*)/.exec(
                execFileSync(RESPONDER, ['--version'], { encoding: 'utf8' }))[1]}"}`], 1);
            const proc = `/proc/${service.child.pid}`;
            assert.equal(series.process_open_fds, fs.readdirSync(`${proc}/fd`).length + 1); // its own connection
            assert.ok(series.process_max_fds >= 50);
            assert.ok(series.process_cpu_seconds_total > 0);
            assert.ok(Math.abs(series.process_start_time_seconds - started) <= 2);
            assert.ok(series.process_resident_memory_bytes > 1e6);
            assert.ok(series.process_virtual_memory_bytes > series.process_resident_memory_bytes);

            assert.equal(series.agora_token_settings_last_reload_successful, 1);
            assert.ok(Math.abs(series.agora_token_settings_last_reload_timestamp_seconds - started) <= 2);
            replaceFile(service.file('.env'), 'WORKERS=many\n');
            await service.hangUp(/the settings stay as they were/);
            const failed = await scrape(service);
            assert.equal(failed.agora_token_settings_last_reload_successful, 0);
            assert.ok(failed.agora_token_settings_last_reload_timestamp_seconds >= started);
        } finally {
            sockets.forEach((socket) => socket.destroy());
            await service.stop();
        }
    });

    // A worker that has ended by then is still asked how many connections it has.
    it('can be asked while it stops, as long as a worker serves', async () => {
        const service = await startWithPolicy({}, { dotenv: '', settings: { ...ON, WORKERS: '2' } });
        const sockets = [await fcgiConnect(service)];
        try {
            await ask(service, '/ping', { socket: sockets[0] });
            sockets.push(await fcgiConnect(service));
            const request = fcgiRequest('/metrics', { keep: false });
            sockets[1].write(request.subarray(0, -4));
            sockets[0].destroy(); // that of the first worker
            await waitFor('one connection', async () => (await scrape(service)).agora_token_connections === 2);
            service.child.kill('SIGTERM');
            await sleep(600); // within which the first worker ends
            const answers = fcgiAnswers(sockets[1], 1);
            sockets[1].write(request.subarray(-4));
            assert.match((await answers)[0], /^agora_token_connections 1$/m);
            assert.deepEqual(await service.child.exited, { code: 0, signal: null });
        } finally {
            sockets.forEach((socket) => socket.destroy());
            await service.stop();
        }
    });

    // The file that the log is in may not grow any more.
    it('lines of the log that were lost', async () => {
        const directory = makeDirectory();
        const upstream = { path: path.join(directory, 'responder.sock') };
        const { child } = await startResponder({ directory, settings: { ...SECRETS, ...ON } },
            'sh', ['-c', 'ulimit -f 1; exec "$@"', 'sh', RESPONDER, '--listen', `unix:${upstream.path}`], upstream);
        const lost = async () => {
            await Promise.all(Array.from({ length: 50 }, () => ask({ upstream }, '/nowhere')));
            return (await scrape({ upstream })).agora_token_log_lines_dropped_total;
        };
        try {
            const before = await lost();
            assert.ok(before > 0);
            assert.equal(await lost(), before + 50);
        } finally {
            await terminate(child);
            removeDirectory(directory);
        }
    });

    it('a plain CGI program has none, and says so', () => {
        const { stdout } = spawnSync(RESPONDER, [], {
            env: cleanEnvironment({
                ...SECRETS, METRICS: 'on', GATEWAY_INTERFACE: 'CGI/1.1', REQUEST_METHOD: 'GET', PATH_INFO: '/metrics',
            }),
            encoding: 'utf8',
        });
        assert.match(assertError(parseAnswer(stdout), 404), /process of one request \(CGI\) counts nothing/);
    });

    // REQUESTS=1000000 is what the README promises this for.
    it(`stays small after ${LOAD} requests with everything on`, { skip: SANITIZED }, async (t) => {
        const policy = {
            callers: { app: { api_keys: [{ id: '1', sha256: sha256('key') }] } },
            rules: [{ caller: 'app', services: ['rtm'], users: ['*'] }],
        };
        const settings = { ...ON, WORKERS: '2', LOG_FORMAT: 'json', PAGE: 'on', LOG_LEVEL: 'info' };
        await withPolicy(policy, { settings }, async (service) => {
            const tally = new Tally();
            const socketKinds = [
                { target: '/rtm/ann', route: '/rtm/:rtmuid', as: { 'X-API-Key': 'key' }, services: ['rtm'] },
                { target: '/rtm/ann', route: '/rtm/:rtmuid', code: 401, refused: 'credential_missing', failure: ['', 'missing'] },
                { target: '/readyz', route: '/readyz' },
            ];
            await send(service, tally, socketKinds, LOAD);
            tally.assertIs(await scrape(service));
            const memory = residentMemory([service.child.pid]);
            t.diagnostic(`resident: ${memory} KiB`);
            assert.ok(memory <= 10 * 1024, `${memory} KiB`);
        });
    });
});

describe('conf/prometheus', () => {
    it('promtool finds nothing wrong with the configuration and the rules, and the alerts fire when they should', () => {
        promtool(['check', 'config', 'prometheus.yml']);
        promtool(['check', 'rules', 'agora-token.rules.yml']);
        promtool(['test', 'rules', 'agora-token.test.yml']);
    });

    // The shipped files, but for ports and for where the responder is.
    it('Prometheus reads a service under load through nginx', async () => {
        const directory = makeDirectory();
        const file = (name) => path.join(directory, name);
        const children = [];
        const run = (command, args) => {
            children.push(launch(command, args, { cwd: directory, env: { PATH }, logFile: file(`${command}.log`) }));
            return children.at(-1);
        };
        const upstream = { path: file('responder.sock') };
        const [nginxPort, port] = [await freePort(), await freePort()];
        const adapted = (name, ...changes) => {
            let text = fs.readFileSync(path.join(CONF, name), 'utf8');
            for (const [from, to] of changes) {
                assert.ok(text.includes(from), `${name} has ${from}`);
                text = text.replaceAll(from, to);
            }
            fs.writeFileSync(file(name), text);
        };
        adapted('nginx.conf', [':9180', `:${nginxPort}`], ['/etc/nginx/agora-token', path.join(repository, 'conf/nginx')]);
        adapted('prometheus.yml', [':9180', `:${nginxPort}`], ['_interval: 15s', '_interval: 1s']);
        adapted('agora-token.rules.yml');
        fs.writeFileSync(file('main.conf'), `daemon off; pid ${directory}/nginx.pid; events {}
            http {
                ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${directory}/${kind};`).join('\n')}
                access_log off;
                upstream agora_token { server unix:${upstream.path}; keepalive 8; }
                include ${directory}/nginx.conf;
            }`);
        try {
            const { child } = await startResponder(
                { directory, settings: { APP_ID, APP_CERTIFICATE: CERTIFICATE, ...ON } },
                RESPONDER, ['--listen', `unix:${upstream.path}`], upstream);
            children.push(child);
            const nginx = run('nginx', ['-p', directory, '-e', file('nginx.log'), '-c', file('main.conf')]);
            await listening(nginx, { host: '127.0.0.1', port: nginxPort }, () => fs.readFileSync(file('nginx.log'), 'utf8'));
            assert.equal((await fetch(`http://127.0.0.1:${nginxPort}/ping`)).status, 404);

            const prometheus = run('prometheus', ['--config.file=prometheus.yml', `--storage.tsdb.path=${file('data')}`,
                `--web.listen-address=127.0.0.1:${port}`]);
            await listening(prometheus, { host: '127.0.0.1', port }, () => fs.readFileSync(file('prometheus.log'), 'utf8'));
            const get = async (target) => {
                const answer = await (await fetch(`http://127.0.0.1:${port}/api/v1/${target}`)).json();
                assert.equal(answer.status, 'success', JSON.stringify(answer));
                return answer.data;
            };
            const query = async (expression) => Number(
                (await get(`query?query=${encodeURIComponent(expression)}`)).result[0]?.value[1] ?? 0);

            const tally = new Tally();
            await send({ upstream }, tally, [
                { target: '/rtc/lecture/publisher/uid/42', route: RTC, services: ['rtc'] },
                { target: '/rtm/ann', route: '/rtm/:rtmuid', services: ['rtm'] },
                { target: '/nowhere', code: 404, refused: 'no_endpoint' },
            ], 3000);
            for (const [expression, sum] of [
                ['sum(agora_token_requests_total{route!="/metrics"})', 3000],
                [`agora_token_requests_total{route="${RTC}",method="GET",code="200"}`, 1000],
                ['sum(agora_token_minted_total)', 2000],
                ['sum(agora_token_refused_total)', 1000],
                ['agora_token_request_duration_seconds_bucket{route="/rtm/:rtmuid",le="+Inf"}', 1000],
                ['up{job="agora-token"}', 1],
            ]) {
                await waitFor(`${expression} to be ${sum}`, async () => await query(expression) === sum);
            }
            const { groups } = await get('rules');
            assert.ok(groups[0].rules.length > 0);
            await waitFor('the rules to be evaluated', async () =>
                (await get('rules')).groups[0].rules.every(({ health }) => health === 'ok'));
            await waitFor('the alert about the sample credentials', async () =>
                (await get('alerts')).alerts.some(({ labels }) => labels.alertname === 'AgoraTokenSampleCredentials'));
            const { activeTargets } = await get('targets');
            assert.deepEqual(activeTargets.map(({ lastError }) => lastError), ['']);
        } finally {
            await Promise.all(children.reverse().map((child) => terminate(child)));
            removeDirectory(directory);
        }
    });
});
