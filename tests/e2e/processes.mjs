// Processes that a test starts, and the folders that they work in: with nothing left behind.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

export const RESPONDER = path.resolve(
    process.env.RESPONDER || path.join(repository, 'build/release/agora-token-fcgi'));
// Under a sanitizer a program takes several times the memory, and gives little of it back.
export const SANITIZED = fs.existsSync(RESPONDER)
    && /__[at]san_init/.test(fs.readFileSync(RESPONDER, 'latin1'));

// Debian keeps nginx and fcgiwrap in /usr/sbin, which an ordinary user's PATH leaves out.
export const PATH = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`;

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

// For conf/local/serve, which allows nginx and the responder, one after the other, five seconds each.
export const SERVE_ENDS = { milliseconds: 12000 };

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

// Asks the process to end, and insists after some seconds. Says how it ended.
export async function terminate(child, { milliseconds = 5000 } = {}) {
    if (!child.gone) {
        child.kill('SIGTERM');
    }
    const ended = await Promise.race([child.exited, sleep(milliseconds, null, { ref: false })]);
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

export async function listening(child, address, readLog) {
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
export async function onFreePort(start, attempts = 5) {
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

// A line of .env.
export function dotenvLine([name, value]) {
    return `${name}='${value}'\n`;
}

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

export function processGroup(leader) {
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
