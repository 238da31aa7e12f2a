// nginx.conf.example as an operator would install it: only ports, paths and the certificate are
// replaced. A real nginx, the real responder, a certificate made on the spot.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import path from 'node:path';
import tls from 'node:tls';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
    APP_ID, assertError, assertJson, assertToken, CERTIFICATE, cleanEnvironment, freePort, launch,
    logObjects, makeDirectory, PUBLISHER, removeDirectory, RESPONDER, rtc, terminate, waitFor,
} from './harness.mjs';

const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const NAME = 'tokens.example.com';
const ENVIRONMENT = { PATH: `${process.env.PATH}:/usr/sbin:/usr/local/sbin` };

let directory;
let plainPort;
let tlsPort;
let authority;
let responder;
let nginx;

function replaceAll(text, replacements) {
    for (const [from, to] of replacements) {
        assert.ok(text.includes(from), `nginx.conf.example has ${from}`);
        text = text.replaceAll(from, to);
    }
    return text;
}

function installExample() {
    const example = fs.readFileSync(path.join(repository, 'nginx.conf.example'), 'utf8');
    const text = replaceAll(example, [
        ['listen 80;', `listen 127.0.0.1:${plainPort};`],
        ['listen [::]:80;', ''],
        ['listen 443 ssl', `listen 127.0.0.1:${tlsPort} ssl`],
        ['listen [::]:443 ssl http2;', ''],
        ['/run/agora-token-fcgi/responder.sock', `${directory}/responder.sock`],
        [`/etc/letsencrypt/live/${NAME}/fullchain.pem`, `${directory}/certificate.pem`],
        [`/etc/letsencrypt/live/${NAME}/privkey.pem`, `${directory}/key.pem`],
        ['/var/log/nginx/', `${directory}/`],
        ['/etc/nginx/agora-token/', `${repository}/conf/nginx/`],
    ]);
    fs.writeFileSync(path.join(directory, 'agora-token.conf'), text);

    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
        .map((kind) => `    ${kind}_temp_path ${directory}/${kind};`).join('\n');
    // The settings of Debian's nginx.conf that the example has to live with.
    fs.writeFileSync(path.join(directory, 'nginx.conf'), `daemon off;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log;
events {
}
http {
    types_hash_max_size 2048;
    default_type application/octet-stream;
    ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
    ssl_prefer_server_ciphers on;
    gzip on;
${temporary}
    include ${directory}/agora-token.conf;
}
`);
}

const nginxArguments = (...more) =>
    ['-p', directory, '-e', 'stderr', '-c', path.join(directory, 'nginx.conf'), ...more];

async function startNginx() {
    nginx = launch('nginx', nginxArguments(), {
        cwd: directory, env: ENVIRONMENT, logFile: path.join(directory, 'nginx-output.log'),
    });
    await waitFor('nginx', () => {
        assert.ok(!nginx.gone, fs.readFileSync(path.join(directory, 'nginx-output.log'), 'utf8'));
        return fs.existsSync(path.join(directory, 'nginx.pid'));
    });
}

before(async () => {
    directory = makeDirectory();
    plainPort = await freePort();
    tlsPort = await freePort();
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
        '-nodes', '-days', '2', '-subj', `/CN=${NAME}`, '-addext', `subjectAltName=DNS:${NAME}`,
        '-keyout', path.join(directory, 'key.pem'), '-out', path.join(directory, 'certificate.pem'),
    ], { stdio: 'pipe' });
    authority = fs.readFileSync(path.join(directory, 'certificate.pem'));
    installExample();

    const socket = path.join(directory, 'responder.sock');
    responder = launch(RESPONDER, ['--listen', `unix:${socket}`], {
        cwd: directory,
        env: cleanEnvironment({ APP_ID, APP_CERTIFICATE: CERTIFICATE }),
        logFile: path.join(directory, 'responder.log'),
    });
    await waitFor('the responder', () => fs.existsSync(socket));
    fs.chmodSync(socket, 0o777);
    await startNginx();
});

after(async () => {
    await Promise.all([nginx, responder].filter(Boolean).map(terminate));
    removeDirectory(directory);
});

const secure = () => ({ host: '127.0.0.1', port: tlsPort, servername: NAME, ca: authority });

function get(client, options) {
    return new Promise((resolve, reject) => {
        const outgoing = client.get({ agent: false, timeout: 10000, ...options }, (incoming) => {
            const chunks = [];
            incoming.on('data', (chunk) => chunks.push(chunk));
            incoming.once('error', reject);
            incoming.once('end', () => resolve({
                status: incoming.statusCode,
                headers: incoming.headers,
                body: Buffer.concat(chunks).toString(),
            }));
        });
        outgoing.once('timeout', () => outgoing.destroy(new Error('no answer')));
        outgoing.once('error', reject);
    });
}

const getSecure = (target, headers = {}) =>
    get(https, { ...secure(), path: target, headers: { Host: NAME, ...headers } });

// Settles to the agreed protocol.
function handshake(options) {
    return new Promise((resolve, reject) => {
        const socket = tls.connect({ ...secure(), ...options }, () => {
            resolve(socket.getProtocol());
            socket.destroy();
        });
        socket.once('error', reject);
    });
}

test('nginx has nothing to complain about', () => {
    const { status, stderr } = spawnSync('nginx', nginxArguments('-t'),
        { env: ENVIRONMENT, encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    // The one warning that the example announces, from nginx 1.25.1 on.
    const complaints = stderr.split('\n').filter((line) => /\[\w+\]/.test(line))
        .filter((line) => !line.includes('"listen ... http2" directive is deprecated'));
    assert.deepEqual(complaints, []);
});

test('a token over TLS, with HSTS', async () => {
    const answer = await getSecure('/rtc/room/publisher/uid//');
    const { rtcToken } = assertJson(answer, 200);
    assertToken(rtcToken, [rtc('room', '', PUBLISHER)], 3600);
    assert.match(answer.headers['strict-transport-security'], /^max-age=\d{8}/);
    assert.equal(answer.headers.server, 'nginx', 'no version');
});

test('a token by HTTP/2', async () => {
    const session = http2.connect(`https://${NAME}:${tlsPort}`, { ...secure() });
    try {
        const body = await new Promise((resolve, reject) => {
            session.once('error', reject);
            const stream = session.request({ ':path': '/rtc/room/publisher/uid/7' });
            let text = '';
            stream.setEncoding('utf8').on('data', (chunk) => {
                text += chunk;
            });
            stream.once('error', reject);
            stream.once('end', () => resolve(text));
        });
        assertToken(JSON.parse(body).rtcToken, [rtc('room', '7', PUBLISHER)], 3600);
    } finally {
        session.destroy();
    }
});

test('a page of the same site may ask', async () => {
    const answer = await getSecure('/ping', { Origin: `https://${NAME}` });
    assertJson(answer, 200);
});

test('plain HTTP is sent to HTTPS', async () => {
    const answer = await get(http, {
        host: '127.0.0.1', port: plainPort, path: '/rtc/a%20b/publisher/uid//?expiry=60',
        headers: { Host: NAME },
    });
    assert.equal(answer.status, 301);
    assert.equal(answer.headers.location, `https://${NAME}/rtc/a%20b/publisher/uid//?expiry=60`);
});

test('plain HTTP on the HTTPS port is an error in JSON', async () => {
    assertError(await get(http, { host: '127.0.0.1', port: tlsPort, path: '/ping', headers: { Host: NAME } }), 400);
});

test('no answer to another name, as a rebound one would be', async () => {
    for (const host of ['rebound.example', '127.0.0.1', `x.${NAME}`, `${NAME}.x`]) {
        await assert.rejects(getSecure('/ping', { Host: host }), /socket hang up/, host);
        await assert.rejects(get(http, { host: '127.0.0.1', port: plainPort, path: '/ping', headers: { Host: host } }),
            /socket hang up/, host);
    }
    assertJson(await getSecure('/ping', { Host: `${NAME.toUpperCase()}:${tlsPort}` }), 200);
});

test('TLS 1.2 and 1.3 only', async () => {
    assert.equal(await handshake({ minVersion: 'TLSv1.3' }), 'TLSv1.3');
    assert.equal(await handshake({ maxVersion: 'TLSv1.2' }), 'TLSv1.2');
    // At security level 0 this side would agree to 1.1, so the refusal is nginx's.
    await assert.rejects(
        handshake({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }),
        /protocol version/);
});

test('the access log in JSON has one object a line whatever was asked, and the id that the service has', async () => {
    const configuration = path.join(directory, 'agora-token.conf');
    const [, edit] = /^# +sed -i ('.*') \/etc\/nginx\/conf\.d\/agora-token\.conf$/m.exec(fs.readFileSync(configuration, 'utf8'));
    execFileSync('sh', ['-ec', `sed -i ${edit} "$0"`, configuration]);
    const accessLog = path.join(directory, 'agora-token.access.log');
    await terminate(nginx);
    const asText = fs.readFileSync(accessLog).length;
    await startNginx();
    // As bytes, since no client would send some of them; and what is no request at all.
    const raw = (bytes) => new Promise((resolve) => {
        const socket = tls.connect(secure(), () => socket.write(Buffer.from(bytes, 'latin1')));
        socket.resume().once('close', resolve).once('error', () => {}).setTimeout(5000, () => socket.destroy());
    });
    const asked = (target) => `GET ${target} HTTP/1.1\r\nHost: ${NAME}\r\nConnection: close\r\n\r\n`;
    const hostile = ['/rtm/"},{"message":"forged', '/rtm/\\', '/rtm/\\"', '/rtm/%22%5C%0A%1B%FF', '/rtm/\xff\xfe', '/rtm/\xe2\x80', '/rtm/\x7f',
        '/rtm/$request_id', '//rtm//../x', `/${'"'.repeat(4000)}`];
    for (const target of hostile) {
        await raw(asked(target));
    }
    for (const bytes of ['x', '\x16\x03', 'GET /\x01" HTTP/1.1\r\n\r\n', 'GET "\\\xff HTTP/1.1\r\n\r\n', '"\\ / HTTP/1.1\r\n\r\n', `GET /${'x'.repeat(40000)}`,
        'GET /ping\r\n', `GET /ping HTTP/1.1\r\nHost: ${NAME}\r\n"\\: \xff\r\n\r\n`]) {
        await raw(bytes);
    }
    await raw(`POST /getToken HTTP/1.1\r\nHost: ${NAME}\r\nContent-Length: 65537\r\nConnection: close\r\n\r\n`);
    const answer = await getSecure('/no"thing?expiry=secret-of-a-query');
    assert.equal(answer.status, 404);
    const objects = () => logObjects(new TextDecoder('utf-8', { fatal: true })
        .decode(fs.readFileSync(accessLog).subarray(asText)), Infinity);
    const last = await waitFor('the last request', () => objects().find((object) => object.path === '/no"thing'));
    const { time, duration, bytes, request_id: id, ...rest } = last;
    assert.deepEqual(rest, { level: 'info', message: '404 GET /no"thing', method: 'GET', path: '/no"thing', status: 404,
        address: '127.0.0.1' });
    assert.ok(typeof duration === 'number' && bytes > 0);
    assert.ok(objects().length >= hostile.length + 5);
    assert.ok(objects().every(({ message }) => message !== 'forged'));
    assert.ok(objects().some(({ message, method }) => message === '413 POST /getToken' && method === 'POST'),
        'the method of a request that nginx refuses');
    assert.doesNotMatch(fs.readFileSync(accessLog, 'utf8'), /secret-of-a-query/);
    assert.equal(answer.headers['x-request-id'], id);
    assert.match(fs.readFileSync(path.join(directory, 'responder.log'), 'utf8'), new RegExp(` 404 GET /no"thing request_id="${id}"$`, 'm'));
});

// The last one: it uses up this address's allowance.
test('a flood is answered with 429 in JSON', async () => {
    const answers = await Promise.all(Array.from({ length: 90 }, () => getSecure('/ping')));
    const refused = answers.filter(({ status }) => status === 429);
    assert.ok(refused.length > 0, 'some are refused');
    for (const answer of refused) {
        assertError(answer, 429);
        assert.equal(answer.headers['access-control-allow-origin'], '*', 'a page can read it');
    }
    const served = answers.filter(({ status }) => status === 200);
    assert.equal(served.length + refused.length, answers.length);
    assert.ok(served.length >= 30, `${served.length} were served`);
});
