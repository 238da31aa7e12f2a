// A responder with a policy, asked over FastCGI with the parameters that a web server would pass: headers,
// and what it found out itself.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import {
    APP_ID, CERTIFICATE, RESPONDER, assertNoReport, fcgiAnswers, fcgiConnect, fcgiRequest,
    makeDirectory, removeDirectory, startResponder, terminate, waitFor,
} from './harness.mjs';

export const SECRETS = { APP_ID, APP_CERTIFICATE: CERTIFICATE };

// Whole at any moment.
export function replaceFile(file, content, mode = 0o600) {
    fs.writeFileSync(`${file}.new`, typeof content === 'string' ? content : JSON.stringify(content), { mode });
    fs.renameSync(`${file}.new`, file);
}

export const sha256 = (key) => crypto.createHash('sha256').update(key).digest('hex');

// What a CGI program writes: its head and body.
export function parseAnswer(text) {
    const end = text.indexOf('\r\n\r\n');
    const headers = {};
    for (const line of text.slice(0, end).split('\r\n')) {
        const [, name, value] = /^([^:]+): (.*)$/.exec(line);
        assert.ok(!(name.toLowerCase() in headers), `one ${name}`);
        headers[name.toLowerCase()] = value;
    }
    return { status: Number.parseInt(headers.status, 10), headers, body: text.slice(end + 4), received: Date.now() };
}

// The parameters for headers and for what the web server sets itself: {name: value} or {name: [values]}.
export function parameters(headers, server = {}) {
    const pairs = (object, nameOf) => Object.entries(object).flatMap(
        ([name, values]) => [values].flat().map((value) => [nameOf(name), value]));
    return [
        ...pairs(headers, (name) => `HTTP_${name.toUpperCase().replaceAll('-', '_')}`),
        ...pairs({ REMOTE_ADDR: '192.0.2.7', ...server }, (name) => name),
    ];
}

export async function ask(service, target, { as = {}, server = {}, method, body = '', socket } = {}) {
    const sent = typeof body === 'string' ? body : JSON.stringify(body);
    const asked = method ?? (body === '' ? 'GET' : 'POST');
    const bytes = fcgiRequest(target, {
        method: asked,
        body: sent,
        keep: Boolean(socket),
        more: parameters(as, server),
    });
    const connection = socket ?? await fcgiConnect(service);
    try {
        const answers = fcgiAnswers(connection, 1);
        connection.write(bytes);
        const answer = parseAnswer((await answers)[0]);
        service.onAnswer?.(asked, target, answer, sent);
        return answer;
    } finally {
        if (!socket) {
            connection.destroy();
        }
    }
}

// files: what stands in the folder of the policy besides it.
export async function startWithPolicy(policy, {
    files = {}, settings = {}, dotenv = 'ACCESS_FILE=access.json\n', program = RESPONDER,
} = {}) {
    const directory = makeDirectory();
    const file = (name) => path.join(directory, name);
    for (const [name, content] of Object.entries({ 'access.json': policy, ...files })) {
        replaceFile(file(name), content);
    }
    replaceFile(file('.env'), dotenv);
    const upstream = { path: file('responder.sock') };
    const started = await startResponder({ directory, settings: { ...SECRETS, ...settings } }, program,
        ['--listen', `unix:${upstream.path}`], upstream).catch((error) => {
        removeDirectory(directory);
        throw error;
    });
    const log = () => fs.readFileSync(file('responder.log'), 'utf8');
    const lines = () => log().split('\n').filter((line) => line !== '');
    return {
        ...started,
        file,
        log,
        lines,
        // Does something, and says which lines the log then got, as soon as one of them fits.
        async logged(pattern, action) {
            const known = log().length;
            await action();
            await waitFor(`${pattern} in the log`, () => pattern.test(log().slice(known)));
            return log().slice(known).split('\n').filter((line) => line !== '');
        },
        hangUp(pattern) {
            return this.logged(pattern, () => started.child.kill('SIGHUP'));
        },
        async stop() {
            const ended = await terminate(started.child);
            const text = log();
            removeDirectory(directory);
            assertNoReport(text);
            return ended;
        },
    };
}

export async function withPolicy(policy, options, use) {
    const service = await startWithPolicy(policy, options);
    try {
        await use(service);
    } finally {
        await service.stop();
    }
}
