// Measures the library, the service behind nginx, its growth and plain CGI in one run, and prints one
// table with the ratios that count: of access control, what it adds to the same request without. `make bench` calls it. Writes build/bench/{bench.json,latency.svg}.
//
// Requests a second swing on a shared machine; CPU time a request, from the kernel's own accounting,
// much less so. Each comparison is made of runs that take turns.

import { execFileSync, spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { inTurn } from './progress.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, '../..');
const release = path.join(root, 'build/release');
const out = path.join(root, 'build/bench');
const SETTINGS = {
    APP_ID: '970CA35de60c44645bbae8a215061b33',
    APP_CERTIFICATE: '5CFd2fd1755d40ecb72977518be15d3b',
};
const TOKEN = '/rtc/lecture/publisher/uid/42';
const CLIENTS = [1, 32, 512, 2000];
const SECONDS = 2;
const children = [];

const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const sum = (values) => values.reduce((a, b) => a + b, 0);

function freePort() {
    return new Promise((resolve) => {
        const server = net.createServer().listen(0, '127.0.0.1', () => {
            const { port } = server.address();
            server.close(() => resolve(port));
        });
    });
}

function start(command, args, options = {}) {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'], ...options });
    child.ended = new Promise((resolve) => { child.on('exit', resolve); });
    children.push(child);
    return child;
}

async function waitForPort(port) {
    for (let tries = 0; tries < 100; tries++) {
        const connected = await new Promise((resolve) => {
            const socket = net.connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true); });
            socket.on('error', () => resolve(false));
        });
        if (connected) {
            return;
        }
        await sleep(50);
    }
    throw new Error(`nothing listens on port ${port}`);
}

async function stop(processes, directory) {
    processes.forEach((child) => child.kill());
    await Promise.all(processes.map((child) => child.ended));
    if (directory) {
        fs.rmSync(directory, { recursive: true, force: true });
    }
}

// --- The kernel's accounting -------------------------------------------------

const childrenOf = (pid) => fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .split(' ').filter(Boolean).map(Number);

// Microseconds of CPU that a process has used, over all of its threads.
function cpu(pid) {
    return sum(fs.readdirSync(`/proc/${pid}/task`).map((task) =>
        Number(fs.readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]) / 1000));
}

const residentMb = (pid) => Number(/VmRSS:\s+(\d+)/.exec(
    fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

// --- Library and plain CGI ---------------------------------------------------

function library() {
    const cases = {};
    const lines = execFileSync(path.join(release, 'tests/bench/token'), { encoding: 'utf8' });
    for (const line of lines.trim().split('\n')) {
        const [name, us, characters] = line.split(' ');
        cases[name] = { us: Number(us), characters: Number(characters) };
    }
    // Instructions of 1,000 tokens: those of 1,200 less those of 200, which leaves out the start.
    const count = (name, tokens) => Number(/Collected : (\d+)/.exec(execFileSync('sh', ['-c',
        'exec valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" 2>&1', 'sh',
        path.join(release, 'tests/bench/token'), name, String(tokens)], { encoding: 'utf8' }))[1]);
    for (const name of ['rtc', 'rtm', 'chat', 'largest']) {
        cases[name].instructions = Math.round((count(name, 1200) - count(name, 200)) / 1000);
    }
    return cases;
}

// Agora's builder for Node, microseconds a token of each kind.
function builder() {
    const { RtcTokenBuilder, RtcRole, RtmTokenBuilder, ChatTokenBuilder } =
        createRequire(path.join(root, 'tests/e2e/'))('agora-token');
    const { APP_ID, APP_CERTIFICATE } = SETTINGS;
    const kinds = {
        rtc: () => RtcTokenBuilder.buildTokenWithUid(APP_ID, APP_CERTIFICATE, 'lecture', 42,
            RtcRole.PUBLISHER, 3600, 3600),
        rtm: () => RtmTokenBuilder.buildToken(APP_ID, APP_CERTIFICATE, 'alice', 3600),
        chat: () => ChatTokenBuilder.buildUserToken(APP_ID, APP_CERTIFICATE, 'alice', 3600),
    };
    const us = {};
    for (const [name, mint] of Object.entries(kinds)) {
        const rounds = [];
        for (let round = 0; round < 5; round++) {
            const begin = process.hrtime.bigint();
            for (let i = 0; i < 2000; i++) {
                mint();
            }
            rounds.push(Number(process.hrtime.bigint() - begin) / 1000 / 2000);
        }
        us[name] = median(rounds);
    }
    return us;
}

// --- Access control ----------------------------------------------------------

const base64url = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

function jwt(alg, sign) {
    const message = `${base64url({ alg, kid: 'k', typ: 'JWT' })}.${base64url({
        iss: alg, aud: 'bench', sub: 'alice', exp: Math.floor(Date.now() / 1000) + 3600, rooms: ['lecture'] })}`;
    return `${message}.${sign(message).toString('base64url')}`;
}

// Writes a policy that knows each kind of credential. Returns its path, and by kind the header that
// wrk sends for a token that the policy's rule for it allows.
function makePolicy(directory) {
    const rsa = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
    const ec = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const secret = crypto.randomBytes(32).toString('hex');
    const key = crypto.randomBytes(32).toString('base64url');
    const file = (name, content) => {
        fs.writeFileSync(path.join(directory, name), content, { mode: 0o600 });
        return name;
    };
    const keySet = (name, publicKey) => file(`${name}.json`,
        JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k', alg: name }] }));
    const caller = (name, keys) => ({ jwt: { issuer: name, audience: 'bench', ...keys } });
    const rule = (name, users) => ({ caller: name, services: ['rtc'], channels: ['${rooms}'], users,
        roles: ['publisher'], max_expire: 3600 });
    const policy = {
        callers: {
            HS256: caller('HS256', { secret_file: file('secret', secret) }),
            RS256: caller('RS256', { jwks_file: keySet('RS256', rsa.publicKey) }),
            ES256: caller('ES256', { jwks_file: keySet('ES256', ec.publicKey) }),
            key: { api_keys: [{ id: 'bench', sha256: crypto.createHash('sha256').update(key).digest('hex') }] },
        },
        rules: [...['HS256', 'RS256', 'ES256'].map((name) => rule(name, ['*'])),
            { ...rule('key', ['*']), channels: ['*'] }],
    };
    return {
        path: path.join(directory, file('access.json', JSON.stringify(policy))),
        headers: {
            'API key': `X-API-Key: ${key}`,
            HS256: `Authorization: Bearer ${jwt('HS256', (text) => crypto.createHmac('sha256', secret).update(text).digest())}`,
            RS256: `Authorization: Bearer ${jwt('RS256', (text) => crypto.sign('sha256', text, rsa.privateKey))}`,
            ES256: `Authorization: Bearer ${jwt('ES256', (text) => crypto.sign('sha256', text,
                { key: ec.privateKey, dsaEncoding: 'ieee-p1363' }))}`,
        },
    };
}

// Microseconds of OpenSSL's own verification of a signature.
function opensslSpeed(name) {
    const text = execFileSync('openssl', ['speed', '-seconds', '1', '-mr', name],
        { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    const fields = text.trim().split('\n').at(-1).split(':');
    return 1e6 / Number(fields.at(-1));
}

// CPU of the responder for the same request, a token and each kind of credential, without a policy and
// with one, in turn.
async function access() {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'agora-token-bench-'));
    const policy = makePolicy(directory);
    const open = await startService('1');
    const closed = await startService('1', { ACCESS_FILE: policy.path });
    const us = {};
    let errors = 0;
    for (const [name, header] of Object.entries(policy.headers)) {
        const runs = [[], []];
        for (let round = 0; round < 5; round++) {
            for (const [i, service] of [open, closed].entries()) {
                const run = await load(service, targets(service).token, 32, SECONDS, header);
                errors += run.errors;
                runs[i].push(run.responderUs);
            }
        }
        us[name] = runs.map(median);
    }
    await open.stop();
    await closed.stop();
    const programs = [path.join(release, 'agora-token.cgi')];
    const rules = Array.from({ length: 100 }, (_, i) => ({ caller: 'key', services: ['rtc'], channels: [`room-${i}-*`], users: ['*'] }));
    fs.writeFileSync(path.join(directory, 'hundred.json'), JSON.stringify({
        callers: { key: { api_keys: [{ id: 'bench', sha256: crypto.createHash('sha256').update('key').digest('hex') }] } }, rules }), { mode: 0o600 });
    const request = { ...SETTINGS, GATEWAY_INTERFACE: 'CGI/1.1', REQUEST_METHOD: 'GET', LOG_LEVEL: 'warning',
        PATH_INFO: '/rtc/room-99-a/subscriber/uid/42', HTTP_X_API_KEY: 'key' };
    const processMs = (env) => Number(execFileSync(path.join(release, 'tests/bench/process'), ['300', ...programs],
        { encoding: 'utf8', env }).trim().split(' ')[1]);
    const cgiRounds = Array.from({ length: 3 }, () => [processMs(request),
        processMs({ ...request, ACCESS_FILE: path.join(directory, 'hundred.json') })]);
    fs.rmSync(directory, { recursive: true, force: true });
    return {
        us,
        errors,
        openssl: { RS256: opensslSpeed('rsa2048'), ES256: opensslSpeed('ecdsap256') },
        cgiMs: [0, 1].map((i) => median(cgiRounds.map((pair) => pair[i]))),
    };
}

function cgi() {
    const programs = [path.join(release, 'tests/bench/line'), path.join(release, 'agora-token.cgi')];
    const lines = execFileSync(path.join(release, 'tests/bench/process'), ['300', ...programs], {
        encoding: 'utf8',
        env: { ...SETTINGS, GATEWAY_INTERFACE: 'CGI/1.1', REQUEST_METHOD: 'GET', PATH_INFO: TOKEN },
    });
    const [line, program] = lines.trim().split('\n').map((text) => Number(text.split(' ')[1]));
    return { lineMs: line, programMs: program };
}

// --- The service -------------------------------------------------------------

// workers: of nginx and of the responder, 'auto' being one a core.
async function startService(workers = 'auto', settings = {}) {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'agora-token-bench-'));
    fs.chmodSync(directory, 0o755);
    const socket = path.join(directory, 'responder.sock');
    const port = await freePort();
    fs.writeFileSync(path.join(directory, 'nginx.conf'), `
        daemon off;
        worker_processes ${workers};
        worker_rlimit_nofile 16384;
        error_log ${directory}/error.log;
        pid ${directory}/pid;
        events { worker_connections 8192; }
        http {
            access_log off;
            keepalive_requests 100000000;
            ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) =>
        `${name}_temp_path ${directory}/${name};`).join(' ')}
            upstream agora_token { server unix:${socket}; keepalive 1024; }
            server {
                listen 127.0.0.1:${port} backlog=4096;
                include ${root}/conf/nginx/responder.conf;
                location = /constant { return 200 '{"message":"pong"}'; }
            }
        }`);
    // The mask is for the socket, which nginx's workers must reach when this runs as root.
    const responder = start('sh', ['-c', 'umask 0; exec "$@"', 'sh',
        path.join(release, 'agora-token-fcgi'), '--listen', `unix:${socket}`],
    { env: { ...process.env, ...SETTINGS, LOG_LEVEL: 'warning', WORKERS: workers === 'auto' ? '0' : workers, ...settings } });
    const nginx = start('nginx', ['-e', 'stderr', '-c', path.join(directory, 'nginx.conf')]);
    await waitForPort(port);
    const nodePort = await freePort();
    const node = start(process.execPath, [path.join(here, 'node-server.mjs'), String(nodePort)],
        { env: { ...process.env, ...SETTINGS } });
    await waitForPort(nodePort);
    return {
        directory,
        socket,
        origin: `http://127.0.0.1:${port}`,
        node: `http://127.0.0.1:${nodePort}`,
        responder: responder.pid,
        nginxWorkers: childrenOf(nginx.pid),
        stop: () => stop([nginx, responder, node], directory),
    };
}

// One run of wrk: its own figures, and the CPU time of the responder and of nginx for each request.
async function load(service, url, clients, seconds = SECONDS, header = '') {
    const used = () => [cpu(service.responder), sum(service.nginxWorkers.map(cpu))];
    const before = used();
    const text = await new Promise((resolve, reject) => {
        const child = spawn('wrk', ['-t1', `-c${clients}`, `-d${seconds}`, '--timeout', '10',
            '-s', path.join(here, 'report.lua'), ...(header ? ['-H', header] : []), url], { stdio: ['ignore', 'pipe', 'inherit'] });
        let printed = '';
        child.stdout.on('data', (data) => { printed += data; });
        child.on('error', reject);
        child.on('close', () => resolve(printed));
    });
    const after = used();
    const report = JSON.parse(text.trim().split('\n').at(-1));
    return {
        ...report,
        rate: report.requests / report.seconds,
        responderUs: (after[0] - before[0]) / report.requests,
        nginxUs: (after[1] - before[1]) / report.requests,
    };
}

const targets = (service) => ({
    token: service.origin + TOKEN,
    ping: `${service.origin}/ping`,
    constant: `${service.origin}/constant`,
    node: service.node + TOKEN,
});

async function byClients(service) {
    const rows = [];
    for (const clients of CLIENTS) {
        for (const [target, url] of Object.entries(targets(service))) {
            rows.push({ clients, target, ...await load(service, url, clients) });
        }
    }
    return rows;
}

// Five rounds in turn. Rates: the best of each, as noise only takes away. CPU: the medians.
async function interleaved(service) {
    const { token, ping, constant } = targets(service);
    const rounds = { token: [], ping: [], constant: [] };
    for (let round = 0; round < 5; round++) {
        for (const [name, url] of Object.entries({ token, ping, constant })) {
            rounds[name].push(await load(service, url, 32));
        }
    }
    return Object.fromEntries(Object.entries(rounds).map(([name, runs]) => [name, {
        rate: Math.max(...runs.map((run) => run.rate)),
        responderUs: median(runs.map((run) => run.responderUs)),
        nginxUs: median(runs.map((run) => run.nginxUs)),
    }]));
}

// Half a FastCGI record on each of many connections, beside busy clients.
async function stalled(service) {
    const { token } = targets(service);
    const rates = { alone: [], beside: [] };
    for (let round = 0; round < 3; round++) {
        rates.alone.push((await load(service, token, 32)).rate);
        const sockets = Array.from({ length: 200 }, () => net.connect(service.socket));
        sockets.forEach((socket) => {
            socket.on('error', () => {});
            socket.write(Buffer.from([1, 1, 0, 1]));
        });
        await sleep(100);
        rates.beside.push((await load(service, token, 32)).rate);
        sockets.forEach((socket) => socket.destroy());
    }
    return { loss: 1 - Math.max(...rates.beside) / Math.max(...rates.alone) };
}

async function byChannelLength(service) {
    const rows = [];
    for (const length of [1, 16, 64]) {
        const url = `${service.origin}/rtc/${'abcdefgh'.repeat(8).slice(0, length)}/publisher/uid/42`;
        rows.push({ length, ...await load(service, url, 32) });
    }
    return rows;
}

// Resident memory after 100,000, a million and two million requests from 512 clients.
async function memory(service) {
    const marks = { 100000: 0, 1000000: 0, 2000000: 0 };
    let requests = 0;
    let errors = 0;
    for (const mark of Object.keys(marks).map(Number)) {
        while (requests < mark) {
            const run = await load(service, targets(service).token, 512, mark - requests > 400000 ? 10 : 2);
            requests += run.requests;
            errors += run.errors;
        }
        marks[mark] = residentMb(service.responder);
    }
    return { marks, errors };
}

// --- Report ------------------------------------------------------------------

function plot(rows) {
    const series = ['token', 'constant', 'node'];
    const data = series.map((target) => rows.filter((row) => row.target === target)
        .map((row) => `${row.clients} ${row.median / 1000} ${row.p99 / 1000}`).join('\n'));
    fs.writeFileSync(path.join(out, 'latency.dat'), data.join('\n\n\n'));
    const titles = ['token, nginx and agora-token-fcgi', 'constant, nginx alone', 'token, Node and Agora’s builder'];
    const lines = titles.map((title, i) => [
        `"latency.dat" index ${i} using 1:2 with linespoints lw 2 lt ${i + 1} title "${title}, median"`,
        `"latency.dat" index ${i} using 1:3 with linespoints dt 2 lt ${i + 1} title "99th percentile"`,
    ]).flat();
    execFileSync('gnuplot', ['-e', `
        set terminal svg size 720,440 font "sans,12"; set output "latency.svg";
        set logscale xy; set grid; set key left top;
        set xlabel "kept connections"; set ylabel "milliseconds";
        plot ${lines.join(', ')}`], { cwd: out });
}

function report(result) {
    const lines = [];
    const say = (...cells) => lines.push(`| ${cells.join(' | ')} |`);
    const us = (value) => `${value.toFixed(2)} µs`;
    const ms = (value) => `${(value / 1000).toFixed(2)} ms`;
    const ratio = (a, b) => (a / b).toFixed(2);
    const { library: lib, builder: node, interleaved: turn, memory: mem, cgi: process_ } = result;

    lines.push(`${result.machine}`, '');
    say('library', 'a token', 'instructions', 'Agora’s npm builder', 'ratio');
    say('---', '---', '---', '---', '---');
    for (const name of ['rtc', 'rtm', 'chat', 'largest']) {
        say(name, us(lib[name].us), lib[name].instructions, node[name] ? us(node[name]) : '',
            node[name] ? ratio(node[name], lib[name].us) : '');
    }
    say('rtc, to stock zlib’s deflate of its payload alone', `${us(lib.rtc.us)} / ${us(lib['zlib-alone'].us)}`, '', '',
        lib['mint-to-zlib'].us.toFixed(2));
    say('its parts: three HMACs', us(lib['part-hmac'].us), '', '', '');
    say('its parts: one deflate', us(lib['part-deflate'].us), '', '', '');
    say('its parts: base64', us(lib['part-base64'].us), '', '', '');
    for (const name of Object.keys(lib).filter((key) => /^(channel|services)-/.test(key))) {
        say(`rtc with ${name.replace('-', ' of ')}`, us(lib[name].us), '', '', '');
    }

    lines.push('');
    say('clients', 'target', 'requests/s', 'median', '99th', 'slowest', 'slowest / median', 'errors',
        'CPU responder', 'CPU nginx');
    say(...Array(10).fill('---'));
    for (const row of result.clients) {
        say(row.clients, row.target, Math.round(row.rate), ms(row.median), ms(row.p99), ms(row.slowest),
            ratio(row.slowest, row.median), row.errors,
            row.target === 'node' ? '' : us(row.responderUs), row.target === 'node' ? '' : us(row.nginxUs));
    }
    for (const row of result.channels) {
        say(32, `token, channel of ${row.length}`, Math.round(row.rate), ms(row.median), ms(row.p99),
            ms(row.slowest), ratio(row.slowest, row.median), row.errors, us(row.responderUs), us(row.nginxUs));
    }

    lines.push('');
    say('in turn, 32 clients', 'nginx and responder: a worker a core', 'one worker each');
    say('---', '---', '---');
    const both = (figure) => [turn, result.single].map(figure);
    say('responder’s CPU a token / nginx’s for the same', ...both(({ token }) =>
        `${us(token.responderUs)} / ${us(token.nginxUs)} = ${ratio(token.responderUs, token.nginxUs)}`));
    say('responder’s CPU a ping / nginx’s a constant', ...both(({ ping, constant }) =>
        `${us(ping.responderUs)} / ${us(constant.nginxUs)} = ${ratio(ping.responderUs, constant.nginxUs)}`));
    say('tokens/s / pings/s, best of five', ...both(({ token, ping }) =>
        `${Math.round(token.rate)} / ${Math.round(ping.rate)} = ${ratio(token.rate, ping.rate)}`));
    say('tokens/s / constants/s, best of five', ...both(({ token, constant }) =>
        `${Math.round(token.rate)} / ${Math.round(constant.rate)} = ${ratio(token.rate, constant.rate)}`));

    lines.push('');
    say('access control, in turn, 32 clients, one worker', 'CPU of the same request without a policy', 'with one',
        'more', 'OpenSSL’s verification alone');
    say(...Array(5).fill('---'));
    for (const [name, [without, withPolicy]] of Object.entries(result.access.us)) {
        const alone = result.access.openssl[name];
        say(name, us(without), us(withPolicy), us(withPolicy - without), alone ? us(alone) : '');
    }

    lines.push('');
    say('', 'figure');
    say('---', '---');
    say('throughput lost beside 200 stalled connections', `${(result.stalled.loss * 100).toFixed(1)} %`);
    for (const [mark, mb] of Object.entries(mem.marks)) {
        say(`resident memory after ${Number(mark).toLocaleString('en')} requests of 512 clients`, `${mb.toFixed(2)} MB`);
    }
    say('errors among those', mem.errors);
    say('plain CGI, whole process: static program / a C program that prints a line',
        `${process_.programMs.toFixed(2)} ms / ${process_.lineMs.toFixed(2)} ms = ${ratio(process_.programMs, process_.lineMs)}`);
    const [openMs, closedMs] = result.access.cgiMs;
    say('plain CGI, static program: with a policy of 100 rules / without', `${closedMs.toFixed(2)} ms / ${openMs.toFixed(2)} ms = ${ratio(closedMs, openMs)}`);
    return lines.join('\n');
}

const result = {
    machine: `${os.cpus().length} × ${os.cpus()[0].model.trim()}, Linux ${os.release()}, ${new Date().toISOString().slice(0, 10)}`,
};
let service;
// What is measured, in this order, and the seconds that it took when it was measured last.
const measurements = [
    ['the library', 12, () => { result.library = library(); }],
    ["Agora's builder", 2, () => { result.builder = builder(); }],
    ['plain CGI', 2, () => { result.cgi = cgi(); }],
    ['access control', 90, async () => { result.access = await access(); }],
    ['one worker', 31, async () => {
        const single = await startService('1');
        result.single = await interleaved(single);
        await single.stop();
    }],
    ['from 1 to 2000 clients', 33, async () => {
        service = await startService();
        result.clients = await byClients(service);
    }],
    ['channels of 1 to 64 bytes', 6, async () => { result.channels = await byChannelLength(service); }],
    ['a worker a core', 30, async () => { result.interleaved = await interleaved(service); }],
    ['beside stalled connections', 13, async () => { result.stalled = await stalled(service); }],
    ['memory after two million requests', 45, async () => {
        result.memory = await memory(service);
        await service.stop();
    }],
];
const began = Date.now();
fs.mkdirSync(out, { recursive: true });
try {
    await inTurn(measurements);
} finally {
    await stop(children);
}
result.seconds = Math.round((Date.now() - began) / 1000);
plot(result.clients);
fs.writeFileSync(path.join(out, 'bench.json'), `${JSON.stringify(result, null, 4)}\n`);
const table = report(result);
fs.writeFileSync(path.join(out, 'bench.md'), `${table}\n`);
console.log(table);
console.log(`\n${result.seconds} s; build/bench/bench.json, build/bench/latency.svg`);
