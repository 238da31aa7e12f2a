// Starts and stops the real parts: the responder (or fcgiwrap before it) and nginx, each in a
// temporary directory of its own, on free ports, with nothing left behind.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import zlib from 'node:zlib';
import judge from 'agora-token/src/AccessToken2.js';

const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

export const RESPONDER = path.resolve(
    process.env.RESPONDER || path.join(repository, 'build/release/agora-token-fcgi'));
export const GATEWAY = process.env.GATEWAY || 'fastcgi-unix';
// Under a sanitizer a program takes several times the memory, and gives little of it back.
export const SANITIZED = fs.existsSync(RESPONDER)
    && /__[at]san_init/.test(fs.readFileSync(RESPONDER, 'latin1'));
const CONF_DIR = path.resolve(process.env.CONF_DIR || path.join(repository, 'conf'));

export const APP_ID = '970CA35de60c44645bbae8a215061b33';
export const CERTIFICATE = '5CFd2fd1755d40ecb72977518be15d3b';
export const OTHER_CERTIFICATE = '00112233445566778899aabbccddeeff';

const SECRETS = { APP_ID, APP_CERTIFICATE: CERTIFICATE };

// Debian keeps nginx and fcgiwrap in /usr/sbin, which an ordinary user's PATH leaves out.
const PATH = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`;

// ---------------------------------------------------------------- processes and directories

const running = new Set();
const directories = new Set();

function cleanUp() {
    for (const child of running) {
        killGroup(child, 'SIGKILL');
    }
    for (const directory of directories) {
        fs.rmSync(directory, { recursive: true, force: true });
    }
}

// The last resort, for a run that ends before its after hooks do.
process.on('exit', cleanUp);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => process.exit(1));
}

function killGroup(child, signal) {
    try {
        process.kill(-child.pid, signal);
    } catch {
        // Already gone, which is what was wanted.
    }
}

export function makeDirectory() {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'agora-token-e2e-'));
    // Started by root, nginx's workers are another user, who must reach the sockets in here.
    fs.chmodSync(directory, 0o755);
    directories.add(directory);
    return directory;
}

export function removeDirectory(directory) {
    fs.rmSync(directory, { recursive: true, force: true });
    directories.delete(directory);
}

export async function waitFor(what, probe, milliseconds = 10000) {
    const deadline = Date.now() + milliseconds;
    for (;;) {
        const found = await probe();
        if (found) {
            return found;
        }
        if (Date.now() > deadline) {
            throw new Error(`gave up after ${milliseconds} ms waiting for ${what}`);
        }
        await sleep(20);
    }
}

// A process in a group of its own, so that its children can be stopped with it. A terminal's
// Ctrl-C does not reach such a group, hence the handlers above.
export function launch(command, args, { cwd, env, logFile, stdin = 'ignore', descriptors = [] }) {
    const log = fs.openSync(logFile, 'a');
    const stdio = [stdin, log, log, ...descriptors];
    const child = spawn(command, args, { cwd, env, detached: true, stdio });
    fs.closeSync(log);
    child.exited = new Promise((resolve) => {
        child.once('error', (error) => resolve({ code: null, signal: null, error }));
        child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    child.gone = false;
    child.exited.then(() => {
        child.gone = true;
    });
    if (child.pid) {
        running.add(child);
    }
    return child;
}

// Asks the process to end, and insists after five seconds. Says how it ended.
export async function terminate(child) {
    if (!child.gone) {
        child.kill('SIGTERM');
    }
    const ended = await Promise.race([child.exited, sleep(5000, null, { ref: false })]);
    killGroup(child, 'SIGKILL');
    running.delete(child);
    return ended || child.exited;
}

// What a sanitizer has to say comes in the middle of a run, and its exit status only at the end of
// one that ends by itself.
export function assertNoReport(log) {
    const at = log.search(/WARNING: ThreadSanitizer|ERROR: \w+Sanitizer|runtime error:/);
    assert.ok(at < 0, `a sanitizer reports:\n${log.slice(at, at + 4000)}`);
}

export async function freePort() {
    const server = net.createServer();
    await new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address();
    await new Promise((resolve) => server.close(resolve));
    return port;
}

function accepts(address) {
    return new Promise((resolve) => {
        const socket = net.connect(address);
        socket.once('connect', () => {
            socket.destroy();
            resolve(true);
        });
        socket.once('error', () => resolve(false));
    });
}

async function listening(child, address, readLog) {
    await waitFor(`${child.spawnfile} to listen`, async () => {
        if (child.gone) {
            const { code, signal, error } = await child.exited;
            throw error || new Error(
                `${child.spawnfile} ended (code ${code}, signal ${signal}): ${readLog()}`);
        }
        return accepts(address);
    });
}

// Another process may take a port between the moment it was found free and its use.
async function onFreePort(start, attempts = 5) {
    for (let attempt = 1; ; attempt++) {
        try {
            return await start(await freePort());
        } catch (error) {
            if (attempt === attempts || !/address already in use/i.test(error.message)) {
                throw error;
            }
        }
    }
}

// ---------------------------------------------------------------- the responder

// Only what a process manager would pass on: the settings of whoever runs the tests stay out.
export function cleanEnvironment(settings = {}) {
    return { PATH, LC_ALL: 'C', ...settings };
}

function dotenvLine([name, value]) {
    return `${name}='${value}'\n`;
}

const unixSocket = (directory) => ({ path: path.join(directory, 'responder.sock') });

// Each starts what listens for FastCGI and returns {child, upstream}, upstream being what
// net.connect() takes. `fragments` are the files of conf/nginx that belong to it.
const gateways = {
    'fastcgi-unix': {
        fragments: ['responder.conf'],
        keepalive: true,
        start(context) {
            const upstream = unixSocket(context.directory);
            return startResponder(context, RESPONDER, ['--listen', `unix:${upstream.path}`], upstream);
        },
    },
    'fastcgi-tcp': {
        fragments: ['responder.conf'],
        keepalive: true,
        start(context) {
            return onFreePort((port) => startResponder(context, RESPONDER,
                ['--listen', `127.0.0.1:${port}`], { host: '127.0.0.1', port }));
        },
    },
    'spawn-fcgi': {
        fragments: ['responder.conf'],
        keepalive: true,
        start(context) {
            const upstream = unixSocket(context.directory);
            // -n: no fork, so the responder is our own child, with the socket on descriptor 0.
            return startResponder(context, 'spawn-fcgi',
                ['-n', '-s', upstream.path, '-M', '0666', '--', RESPONDER], upstream);
        },
    },
    fcgiwrap: {
        fragments: ['responder.conf', 'cgi.conf'],
        // fcgiwrap serves one connection per process: kept connections would starve the others.
        keepalive: false,
        start(context) {
            const upstream = unixSocket(context.directory);
            // A copy, not a link: fcgiwrap enters the folder of the script, where .env lies.
            const folder = path.join(context.directory, 'cgi-bin');
            fs.mkdirSync(folder);
            fs.copyFileSync(RESPONDER, path.join(folder, 'agora-token.cgi'));
            fs.writeFileSync(path.join(folder, '.env'),
                Object.entries(context.settings).map(dotenvLine).join('') + context.dotenv);
            return startResponder({ ...context, settings: {} }, 'fcgiwrap',
                ['-f', '-c', '8', '-s', `unix:${upstream.path}`], upstream);
        },
    },
};

export async function startResponder({ directory, settings }, command, args, upstream, options = {}) {
    const logFile = path.join(directory, 'responder.log');
    const child = launch(command, args,
        { cwd: directory, env: cleanEnvironment(settings), logFile, ...options });
    try {
        await listening(child, upstream, () => fs.readFileSync(logFile, 'utf8'));
    } catch (error) {
        await terminate(child);
        throw error;
    }
    if (upstream.path) {
        fs.chmodSync(upstream.path, 0o777);
    }
    return { child, upstream };
}

// ---------------------------------------------------------------- nginx

function nginxConfiguration(directory, port, upstream, keepalive, fragments) {
    const server = upstream.path ? `unix:${upstream.path}` : `${upstream.host}:${upstream.port}`;
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
        .map((kind) => `    ${kind}_temp_path ${directory}/${kind};`).join('\n');
    return `daemon off;
error_log ${directory}/nginx-error.log;
pid ${directory}/nginx.pid;
events {
    worker_connections 4096;
}
http {
    access_log off;
${temporary}
    upstream agora_token {
        server ${server};
        ${keepalive ? 'keepalive 64;' : ''}
    }
    server {
        listen 127.0.0.1:${port} backlog=1024;
${fragments.map((file) => `        include ${file};`).join('\n')}
    }
}
`;
}

// The shipped files as they are, except that cgi.conf names a path that only root can install to.
function nginxFragment(directory, name) {
    const shipped = path.join(CONF_DIR, 'nginx', name);
    if (name !== 'cgi.conf') {
        return shipped;
    }
    const program = '/usr/lib/cgi-bin/agora-token.cgi';
    const text = fs.readFileSync(shipped, 'utf8');
    assert.ok(text.includes(program), `${shipped} names ${program}`);
    const adapted = path.join(directory, name);
    fs.writeFileSync(adapted, text.replaceAll(program, `${directory}/cgi-bin/agora-token.cgi`));
    return adapted;
}

function startNginx(directory, gateway, upstream) {
    const errorLog = path.join(directory, 'nginx-error.log');
    const configuration = path.join(directory, 'nginx.conf');
    const fragments = gateway.fragments.map((name) => nginxFragment(directory, name));
    return onFreePort(async (port) => {
        fs.writeFileSync(errorLog, '');
        fs.writeFileSync(configuration,
            nginxConfiguration(directory, port, upstream, gateway.keepalive, fragments));
        const child = launch('nginx', ['-p', directory, '-e', errorLog, '-c', configuration], {
            cwd: directory,
            env: { PATH },
            logFile: path.join(directory, 'nginx-output.log'),
        });
        try {
            await listening(child, { host: '127.0.0.1', port }, () => fs.readFileSync(errorLog, 'utf8'));
        } catch (error) {
            await terminate(child);
            throw error;
        }
        return { child, port, errorLog };
    });
}

// settings go to the responder's environment (one that is undefined does not), dotenv becomes the
// .env file that it finds. `start` is for what no gateway does, see there.
export async function startService({
    gateway = GATEWAY, settings = {}, dotenv = '', start = gateways[gateway]?.start,
} = {}) {
    assert.ok(gateways[gateway], `GATEWAY is one of ${Object.keys(gateways).join(', ')}`);
    const directory = makeDirectory();
    const context = { directory, settings: { ...SECRETS, ...settings }, dotenv };
    fs.writeFileSync(path.join(directory, '.env'), dotenv);

    const { child, upstream } = await start(context).catch((error) => {
        removeDirectory(directory);
        throw error;
    });
    let nginx;
    try {
        nginx = await startNginx(directory, gateways[gateway], upstream);
    } catch (error) {
        await terminate(child);
        removeDirectory(directory);
        throw error;
    }

    const nginxErrorLog = () => fs.readFileSync(nginx.errorLog, 'utf8');
    const ownLog = () => fs.readFileSync(path.join(directory, 'responder.log'), 'utf8');
    const origin = `http://127.0.0.1:${nginx.port}`;
    return {
        url: origin,
        origin,
        port: nginx.port,
        upstream,
        directory,
        responder: child,
        pids: () => processGroup(child.pid),
        // fcgiwrap -f hands what the program writes to stderr to nginx's error log.
        responderLog: gateway === 'fcgiwrap' ? nginxErrorLog : ownLog,
        nginxErrorLog,
        async stop() {
            await terminate(nginx.child);
            const ended = await terminate(child);
            const logs = ownLog() + nginxErrorLog();
            removeDirectory(directory);
            assertNoReport(logs);
            return ended;
        },
    };
}

function processGroup(leader) {
    return fs.readdirSync('/proc').filter((entry) => {
        if (!/^\d+$/.test(entry)) {
            return false;
        }
        try {
            // The command's name may hold anything, spaces and brackets too: read behind it.
            const stat = fs.readFileSync(`/proc/${entry}/stat`, 'latin1');
            return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]) === leader;
        } catch {
            return false;
        }
    }).map(Number);
}

// Resident memory in KiB, over all of the responder's processes.
export function residentMemory(pids) {
    return pids.reduce((sum, pid) => {
        const status = fs.readFileSync(`/proc/${pid}/status`, 'latin1');
        return sum + Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)[1]);
    }, 0);
}

// Runs the program by itself to its end.
export function runResponder(args, { env = {}, cwd, stdin = 'ignore', milliseconds = 10000 } = {}) {
    return new Promise((resolve, reject) => {
        const child = spawn(RESPONDER, args,
            { cwd, env: cleanEnvironment(env), stdio: [stdin, 'pipe', 'pipe'] });
        const output = { stdout: '', stderr: '' };
        for (const name of Object.keys(output)) {
            child[name].setEncoding('utf8').on('data', (text) => {
                output[name] += text;
            });
        }
        const timer = setTimeout(() => {
            child.kill('SIGKILL');
            reject(new Error(`${RESPONDER} ${args.join(' ')} still ran after ${milliseconds} ms`));
        }, milliseconds);
        child.once('error', reject);
        child.once('close', (code, signal) => {
            clearTimeout(timer);
            resolve({ code, signal, ...output });
        });
    });
}

// ---------------------------------------------------------------- HTTP

// Paths go out as they are given: fetch() would normalise them.
export function request(service, target, { method = 'GET', headers = {}, body, agent = false } = {}) {
    return new Promise((resolve, reject) => {
        const started = performance.now();
        const outgoing = http.request({
            host: '127.0.0.1', port: service.port, path: target, method, headers, agent,
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
            incoming.once('end', () => resolve({
                status: incoming.statusCode,
                headers: incoming.headers,
                body: Buffer.concat(chunks).toString(),
                received: Date.now(),
                milliseconds: performance.now() - started,
            }));
        });
        // An array is a body sent in chunks, anything else goes out with a Content-Length.
        if (Array.isArray(body)) {
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

// Writes bytes to nginx as they are and reads as many answers as methods are named. An answer
// without a length, or bytes beyond the last answer, is an error.
export function rawExchange(service, bytes, methods) {
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

// ---------------------------------------------------------------- FastCGI, spoken by hand

export const FCGI = {
    BEGIN: 1, ABORT: 2, END: 3, PARAMS: 4, STDIN: 5, STDOUT: 6,
    GET_VALUES: 9, GET_VALUES_RESULT: 10, UNKNOWN_TYPE: 11,
};

export function fcgiRecord(type, content = Buffer.alloc(0), { id = 1, padding = 0 } = {}) {
    const header = Buffer.alloc(8);
    header[0] = 1;
    header[1] = type;
    header.writeUInt16BE(id, 2);
    header.writeUInt16BE(content.length, 4);
    header[6] = padding;
    return Buffer.concat([header, content, Buffer.alloc(padding)]);
}

export function fcgiPair(name, value) {
    const length = (text) => {
        const bytes = Buffer.byteLength(text);
        if (bytes < 128) {
            return Buffer.from([bytes]);
        }
        const long = Buffer.alloc(4);
        long.writeUInt32BE((bytes | 0x80000000) >>> 0);
        return long;
    };
    return Buffer.concat([length(name), length(value), Buffer.from(name), Buffer.from(value)]);
}

// One whole request, with the parameters that the shipped nginx configuration passes. The
// connection stays open unless `keep` says otherwise. Its body goes in records of `chunk` bytes.
export function fcgiRequest(target, {
    method = 'GET', body = '', keep = true, chunk = 32768, padding = 0,
} = {}) {
    const [pathname, query = ''] = target.split('?');
    const bytes = Buffer.from(body);
    const parts = [];
    for (let at = 0; at < bytes.length; at += chunk) {
        parts.push(fcgiRecord(FCGI.STDIN, bytes.subarray(at, at + chunk), { padding }));
    }
    const params = {
        REQUEST_METHOD: method,
        PATH_INFO: decodeURIComponent(pathname),
        QUERY_STRING: query,
        HTTP_HOST: 'localhost',
        ...(bytes.length > 0 && { CONTENT_LENGTH: String(bytes.length) }),
    };
    return Buffer.concat([
        fcgiRecord(FCGI.BEGIN, Buffer.from([0, 1, keep ? 1 : 0, 0, 0, 0, 0, 0])),
        fcgiRecord(FCGI.PARAMS, Buffer.concat(Object.entries(params).map(([k, v]) => fcgiPair(k, v)))),
        fcgiRecord(FCGI.PARAMS),
        ...parts,
        fcgiRecord(FCGI.STDIN),
    ]);
}

// A peer that speaks FastCGI to the responder directly, without nginx between them.
export async function fcgiConnect(service) {
    const socket = net.connect({ ...service.upstream, allowHalfOpen: true });
    // It reads only when asked to: some peers never do.
    socket.pause();
    await new Promise((resolve, reject) => {
        socket.once('connect', resolve);
        socket.once('error', reject);
    });
    socket.on('error', () => {});
    return socket;
}

// Reads records {type, id, content} until `enough` says so of them all, then stops reading.
export function fcgiRecords(socket, enough, milliseconds = 10000) {
    return new Promise((resolve, reject) => {
        const records = [];
        let pending = Buffer.alloc(0);
        const finish = (settle, value) => {
            clearTimeout(timer);
            socket.removeListener('data', take);
            socket.removeListener('end', closed);
            socket.removeListener('close', closed);
            socket.pause();
            settle(value);
        };
        const timer = setTimeout(() => finish(reject,
            new Error(`no answer in ${milliseconds / 1000} seconds`)), milliseconds);
        const closed = () => finish(reject, new Error('closed before the answer'));
        const take = (chunk) => {
            pending = Buffer.concat([pending, chunk]);
            let at = 0;
            while (pending.length - at >= 8) {
                const length = pending.readUInt16BE(at + 4);
                const end = at + 8 + length + pending[at + 6];
                if (pending.length < end) {
                    break;
                }
                records.push({
                    type: pending[at + 1],
                    id: pending.readUInt16BE(at + 2),
                    content: pending.subarray(at + 8, at + 8 + length),
                });
                at = end;
            }
            pending = pending.subarray(at);
            if (at > 0 && enough(records)) {
                if (pending.length > 0) {
                    finish(reject, new Error(`${pending.length} bytes follow the answer`));
                }
                finish(resolve, records);
            }
        };
        socket.on('data', take);
        socket.once('end', closed);
        socket.once('close', closed);
        socket.resume();
    });
}

// Reads until `count` requests have ended; resolves to what each wrote to its stdout.
export async function fcgiAnswers(socket, count, milliseconds) {
    let ended = 0;
    let seen = 0;
    const records = await fcgiRecords(socket, (all) => {
        for (; seen < all.length; seen++) {
            ended += all[seen].type === FCGI.END ? 1 : 0;
        }
        return ended >= count;
    }, milliseconds);
    const answers = [];
    let stdout = [];
    for (const { type, content } of records) {
        if (type === FCGI.STDOUT) {
            stdout.push(content);
        } else if (type === FCGI.END) {
            answers.push(Buffer.concat(stdout).toString());
            stdout = [];
        }
    }
    return answers;
}
