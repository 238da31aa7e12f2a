// The images of the Dockerfile, in containers of Podman: see tests/check-container, which builds them
// and runs all this in namespaces of their own.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import {
    cleanEnvironment, freePort, launch, makeDirectory, removeDirectory, SERVE_ENDS, terminate, waitFor,
} from '../processes.mjs';
import { startNginx } from './nginx.mjs';

export const WHOLE = 'localhost/agora-token-fcgi';
export const RESPONDER_ALONE = 'localhost/agora-token-responder';

// Where Podman keeps things and how it does them, as tests/check-container has settled it.
export const engineEnvironment = Object.fromEntries(Object.entries(process.env)
    .filter(([name]) => /^(?:BUILDAH|CONTAINERS|DISABLE_HC)_/.test(name)));

const run = promisify(execFile);
let count = 0;

// Runs to its end and returns what it printed.
export async function podman(...args) {
    const { stdout } = await run('podman', args,
        { env: cleanEnvironment(engineEnvironment), maxBuffer: 64 * 1024 * 1024, timeout: 60000 });
    return stdout;
}

// The user as the kernel knows it, or null if the process has ended in the meantime.
function userOf(pid) {
    try {
        return Number(/^Uid:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'latin1'))[1]);
    } catch {
        return null;
    }
}

// Starts a container in the foreground: its output goes to the log, signals to `child` reach it, and
// `child` ends with its status. Settings go by the environment, since arguments can be seen by all.
export function startContainer(image, { settings = {}, options = [] } = {}) {
    const directory = makeDirectory();
    const logFile = path.join(directory, 'container.log');
    const name = `agora-token-${process.pid}-${++count}`;
    const set = Object.entries(settings).filter(([, value]) => value !== undefined);
    const child = launch('podman', [
        'run', '--rm', '--name', name, '--pull=never',
        ...set.flatMap(([setting]) => ['--env', setting]), ...options, image,
    ], { cwd: directory, logFile, env: cleanEnvironment({ ...engineEnvironment, ...Object.fromEntries(set) }) });
    let log;
    return {
        name,
        child,
        log: () => log ?? fs.readFileSync(logFile, 'utf8'),
        // {pid, user, command} of each process in it, with the pid that it has out here.
        async processes() {
            const rows = (await podman('top', name, 'hpid,args')).trim().split('\n').slice(1);
            return rows.map((row) => {
                const [pid, ...words] = row.trim().split(/\s+/);
                return { pid: Number(pid), user: userOf(pid), command: words.join(' ') };
            }).filter(({ user }) => user !== null);
        },
        async stop() {
            const ended = await terminate(child, SERVE_ENDS);
            await podman('rm', '--force', '--ignore', '--time', '0', name);
            log = fs.readFileSync(logFile, 'utf8');
            removeDirectory(directory);
            return ended;
        },
    };
}

// A connection says little: Podman listens on a published port too, until its rules take over.
export async function answering(container, port) {
    await waitFor('an answer of the container', async () => {
        assert.ok(!container.child.gone, `the container ended: ${container.log()}`);
        const answer = await fetch(`http://127.0.0.1:${port}/ping`, { signal: AbortSignal.timeout(1000) })
            .catch(() => null);
        await answer?.arrayBuffer();
        return answer?.status === 200;
    });
}

// Starts a container, and stops it if what shall come true of it does not.
async function begin(image, parameters, ready) {
    const container = startContainer(image, parameters);
    try {
        await ready(container);
    } catch (error) {
        await container.stop();
        throw error;
    }
    return container;
}

// The whole image, with HTTP on a port of 127.0.0.1.
export async function startWhole({ inner = 8080, options = [], ...parameters } = {}) {
    const port = await freePort();
    const container = await begin(WHOLE,
        { options: ['--publish', `127.0.0.1:${port}:${inner}`, ...options], ...parameters },
        (started) => answering(started, port));
    return { ...container, port };
}

// The responder alone, with FastCGI on a port of 127.0.0.1.
export async function startAlone({ options = [], ...parameters } = {}) {
    const port = await freePort();
    const container = await begin(RESPONDER_ALONE,
        { options: ['--publish', `127.0.0.1:${port}:9000`, ...options], ...parameters },
        (started) => waitFor('the responder to be healthy', async () => {
            assert.ok(!started.child.gone, `the container ended: ${started.log()}`);
            return podman('healthcheck', 'run', started.name).then(() => true, () => false);
        }));
    return { ...container, port };
}

export const gateways = {
    container: {
        start({ settings, dotenv }) {
            assert.equal(dotenv, '', 'the container takes settings from its environment alone');
            return startWhole({ settings });
        },
    },
    // With this machine's nginx, which is not in a container, before it.
    'container-responder': {
        async start({ directory, settings, dotenv }) {
            assert.equal(dotenv, '', 'the container takes settings from its environment alone');
            const container = await startAlone({ settings });
            const upstream = { host: '127.0.0.1', port: container.port };
            const nginx = await startNginx(directory,
                { fragments: ['responder.conf'], keepalive: true }, upstream).catch(async (error) => {
                await container.stop();
                throw error;
            });
            return {
                port: nginx.port,
                upstream,
                child: container.child,
                log: () => container.log() + fs.readFileSync(nginx.errorLog, 'utf8'),
                async stop() {
                    await terminate(nginx.child);
                    return container.stop();
                },
            };
        },
    },
};
