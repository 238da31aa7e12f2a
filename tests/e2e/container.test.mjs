// The images of the Dockerfile and compose.yaml: what is in them, and how containers of them start,
// serve, and end. Run by tests/check-container, which builds them.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { after, afterEach, describe, test } from 'node:test';
import {
    engineEnvironment, podman, RESPONDER_ALONE, startAlone, startContainer, startWhole, WHOLE,
} from './gateways/container.mjs';
import { commandsOf } from './gateways/host.mjs';
import {
    APP_ID, assertToken, CERTIFICATE, cleanEnvironment, drive, fcgiAnswers, fcgiConnect, fcgiRequest,
    makeDirectory, OTHER_CERTIFICATE, removeDirectory, repository, request, rtm, waitFor,
} from './harness.mjs';
import { API_KEY, keyPolicy, loginPolicy, startLogin } from './login.mjs';

const SETTINGS = { APP_ID, APP_CERTIFICATE: CERTIFICATE };
const SEALED = ['--read-only', '--read-only-tmpfs=false', '--cap-drop', 'ALL',
    '--security-opt', 'no-new-privileges'];
const BASE = `localhost/${/^ARG BASE=(\S+)$/m.exec(
    fs.readFileSync(path.join(repository, 'Dockerfile'), 'utf8'))[1]}`;
const MEGABYTE = 1e6;
// Debian's www-data, as the Dockerfile says.
const ORDINARY_USER = 33;
const RUNS_RESPONDER = /^\/usr\/local\/bin\/agora-token-fcgi/;

// What runs while a test does. A test that stops one itself does no harm.
const started = [];
const logs = [];
const directories = [];

async function keep(starting) {
    const container = await starting;
    started.push(container);
    return container;
}

afterEach(async () => {
    for (const container of started.splice(0)) {
        await container.stop();
        logs.push(container.log());
    }
});
after(() => directories.forEach(removeDirectory));

const whole = (parameters) => keep(startWhole({ settings: SETTINGS, ...parameters }));
const alone = (parameters) => keep(startAlone({ settings: SETTINGS, ...parameters }));

async function askHttp({ port }, headers = {}) {
    const answer = await request({ port }, '/rtm/alice', { headers });
    assert.equal(answer.status, 200, answer.body);
    return JSON.parse(answer.body).rtmToken;
}

async function askFastcgi({ port }, headers = {}) {
    const socket = await fcgiConnect({ upstream: { host: '127.0.0.1', port } });
    try {
        socket.write(fcgiRequest('/rtm/alice', { headers }));
        const [answer] = await fcgiAnswers(socket, 1);
        const { rtmToken, error } = JSON.parse(answer.split('\r\n\r\n')[1]);
        assert.ok(rtmToken, error);
        return rtmToken;
    } finally {
        socket.destroy();
    }
}

const IMAGES = [
    { title: 'the whole image', image: WHOLE, start: whole, ask: askHttp, most: 40, inner: 8080 },
    { title: 'the responder alone', image: RESPONDER_ALONE, start: alone, ask: askFastcgi, most: 15, inner: 9000 },
];

const assertMinted = (token, certificate = CERTIFICATE) => assertToken(token, [rtm('alice')], 3600, {
    appId: APP_ID,
    certificate,
    otherCertificate: certificate === CERTIFICATE ? OTHER_CERTIFICATE : CERTIFICATE,
});

async function inspect(image) {
    return JSON.parse(await podman('image', 'inspect', image))[0];
}

// The files of an image, as paths from its root.
async function filesOf(image) {
    const root = (await podman('image', 'mount', image)).trim();
    const files = execFileSync('find', [root, '-xdev', '!', '-type', 'd', '-printf', '/%P\n'],
        { encoding: 'utf8', maxBuffer: 64 * MEGABYTE });
    await podman('image', 'unmount', image);
    return files.trim().split('\n');
}

async function ended({ child, log }, milliseconds = 15000) {
    await waitFor('the container to end', () => child.gone, milliseconds);
    return { ...await child.exited, log: log() };
}

// The folder of a container's secrets, and what writes into it, in the mode that Docker gives them.
function secretFolder() {
    const directory = makeDirectory();
    directories.push(directory);
    return {
        write: (name, content) => fs.writeFileSync(path.join(directory, name), content, { mode: 0o444 }),
        options: ['--volume', `${directory}:/run/secrets:ro`],
    };
}

for (const { title, image, start, ask, most, inner } of IMAGES) {
    describe(title, () => {
        test(`adds less than ${most} MB to its base`, async (context) => {
            const added = ((await inspect(image)).Size - (await inspect(BASE)).Size) / MEGABYTE;
            context.diagnostic(`${title} adds ${added.toFixed(1)} MB`);
            assert.ok(added > 1 && added < most, `${added} MB`);
        });

        test('holds the programs and the authorities that they trust, but no compiler and no header', async () => {
            const files = await filesOf(image);
            for (const file of ['/usr/local/bin/agora-token-fcgi', '/usr/local/bin/agora-token-jwks',
                '/etc/ssl/certs/ca-certificates.crt']) {
                assert.ok(files.includes(file), file);
            }
            const tools = /\/(?:[\w-]*-)?(?:cc|c\+\+|gcc|g\+\+|cpp|clang|tcc|as|ld|make|cmake)(?:-?[\d.]+)?$/;
            assert.deepEqual(files.filter((file) => /^\/usr\/(?:local\/)?s?bin\/|^\/s?bin\//.test(file)
                && tools.test(file)), []);
            assert.deepEqual(files.filter((file) => /\.(?:h|hpp|a|o)$|^\/usr\/(?:local\/)?include\//.test(file)), []);
        });

        test('adds nothing that only its building or a reader wants', async () => {
            const before = new Set(await filesOf(BASE));
            const added = (await filesOf(image)).filter((file) => !before.has(file));
            const needless = new RegExp('^/(?:src|tmp|var/(?:cache|log|lib/apt/lists)'
                + '|usr/share/(?:man|doc|locale|lintian|info))/|/\\.env');
            assert.ok(added.length > 10);
            assert.deepEqual(added.filter((file) => needless.test(file)
                && !/^\/usr\/share\/doc\/[^/]+\/copyright$/.test(file)), []);
        });

        test('says who runs it, on which port, and how it is', async () => {
            const { Config, Healthcheck } = await inspect(image);
            assert.match(Config.User, /^[1-9]\d*:[1-9]\d*$/);
            assert.deepEqual(Object.keys(Config.ExposedPorts), [`${inner}/tcp`]);
            assert.match(Healthcheck.Test.join(' '), /probe .*\/readyz$/);
        });

        test('starts, and every process is an ordinary user', async (context) => {
            const before = performance.now();
            const container = await start();
            const milliseconds = performance.now() - before;
            context.diagnostic(`${title} answered ${milliseconds.toFixed(0)} ms after it was asked for`);
            const processes = await container.processes();
            assert.ok(processes.length > 0);
            assert.deepEqual(processes.filter(({ user }) => user !== ORDINARY_USER), []);
            assertMinted(await ask(container));
        });

        test('needs no place to write to and no privilege', async () => {
            assertMinted(await ask(await start({ options: SEALED })));
        });

        test('runs as any user', async () => {
            const container = await start({ options: [...SEALED, '--user', '12345:0'] });
            assert.ok((await container.processes()).every(({ user }) => user === 12345));
            assertMinted(await ask(container));
        });

        test('takes secrets from files, and again at SIGHUP', async () => {
            const { write, options } = secretFolder();
            write('id', `${APP_ID}\n`);
            write('certificate', `${CERTIFICATE}\n`);
            const container = await start({
                options: [...options, ...SEALED],
                settings: { APP_ID_FILE: '/run/secrets/id', APP_CERTIFICATE_FILE: '/run/secrets/certificate' },
            });
            assertMinted(await ask(container));
            write('certificate', OTHER_CERTIFICATE);
            await podman('kill', '--signal', 'HUP', container.name);
            await waitFor('the new certificate', async () => {
                try {
                    assertMinted(await ask(container), OTHER_CERTIFICATE);
                    return true;
                } catch {
                    return false;
                }
            });
            assert.match(container.log(), /the settings were read again/);
            assert.ok(!container.child.gone);
        });

        // As a ConfigMap of Kubernetes is mounted: what is there is changed by one link.
        test('takes a policy from a folder of links, and again at SIGHUP', async () => {
            const directory = makeDirectory();
            directories.push(directory);
            let version = 0;
            const put = (policy) => {
                const folder = `..${++version}`;
                fs.mkdirSync(path.join(directory, folder));
                fs.writeFileSync(path.join(directory, folder, 'access.json'), policy, { mode: 0o644 });
                fs.symlinkSync(folder, path.join(directory, '..new'));
                fs.renameSync(path.join(directory, '..new'), path.join(directory, '..data'));
            };
            put(keyPolicy('alice'));
            fs.symlinkSync('..data/access.json', path.join(directory, 'access.json'));
            const container = await start({
                options: ['--volume', `${directory}:/etc/agora-token:ro`, ...SEALED],
                settings: { ...SETTINGS, ACCESS_FILE: '/etc/agora-token/access.json' },
            });
            assertMinted(await ask(container, { 'X-API-Key': API_KEY }));
            await assert.rejects(ask(container), /a credential is missing/);
            put(keyPolicy('bob'));
            await podman('kill', '--signal', 'HUP', container.name);
            await waitFor('the new policy', () => ask(container, { 'X-API-Key': API_KEY })
                .then(() => false, ({ message }) => /bob/.test(message)));
        });

        test('fetches the keys of a jwks_url', async () => {
            const login = await startLogin();
            const directory = makeDirectory();
            directories.push(directory);
            try {
                fs.writeFileSync(path.join(directory, 'access.json'), loginPolicy({ jwks_url: login.url }));
                // Its loopback is that of the login, so that it needs no port published. The whole image has
                // nginx ask by the same.
                const container = await keep(startContainer(image, {
                    options: ['--network', 'host', '--volume', `${directory}:/etc/agora-token:ro`, ...SEALED],
                    settings: {
                        ...SETTINGS, ACCESS_FILE: '/etc/agora-token/access.json', PORT: String(inner),
                    },
                }));
                await waitFor('a token', () => ask({ ...container, port: inner }, login.bearer('alice'))
                    .then((token) => assertMinted(token) ?? true, () => false));
            } finally {
                await login.stop();
            }
        });

        test('its health check succeeds, and fails when the responder hangs', async () => {
            const container = await start();
            const check = () => podman('healthcheck', 'run', container.name).then(() => true, () => false);
            assert.equal(await check(), true);
            const { pid } = (await container.processes()).find(({ command }) => RUNS_RESPONDER.test(command));
            process.kill(pid, 'SIGSTOP');
            assert.equal(await check(), false);
            process.kill(pid, 'SIGCONT');
            await waitFor('its health', check);
        });

        test('SIGTERM ends it with status 0', async (context) => {
            const container = await start();
            const before = performance.now();
            await podman('kill', '--signal', 'TERM', container.name);
            const { code, log } = await ended(container);
            context.diagnostic(`${title} ended after ${(performance.now() - before).toFixed(0)} ms`);
            assert.equal(code, 0, log);
            assert.match(log, /stopped/);
        });

        for (const [what, settings, pattern] of [
            ['no settings', {}, /APP_ID/],
            ['no certificate', { APP_ID }, /APP_CERTIFICATE/],
            ['half a certificate', { APP_ID, APP_CERTIFICATE: CERTIFICATE.slice(16) }, /APP_CERTIFICATE/],
            ['a file that is not there', { APP_ID, APP_CERTIFICATE_FILE: '/run/secrets/none' }, /\/run\/secrets\/none/],
        ]) {
            test(`${what}: ends with status 1 and one line`, async () => {
                const { code, log } = await ended(await keep(startContainer(image, { settings })));
                assert.equal(code, 1);
                assert.match(log, pattern);
                assert.equal(log.trim().split('\n').length, 1, log);
                assert.ok(!log.includes(CERTIFICATE.slice(16)), 'no secret is printed');
            });
        }
    });
}

describe('nginx and the responder in one container', () => {
    test('has an ENTRYPOINT and a CMD, as Heroku wants', async () => {
        const { Config } = await inspect(WHOLE);
        assert.equal(Config.Entrypoint.length, 1);
        assert.deepEqual(Config.Cmd, ['--reload']);
    });

    for (const [what, ports] of [
        ['PORT', { PORT: '5000' }],
        ['SERVER_PORT', { SERVER_PORT: '5000' }],
        ['PORT, if both do,', { PORT: '5000', SERVER_PORT: '5001' }],
    ]) {
        test(`${what} names the port, to the health check too`, async () => {
            const container = await whole({ inner: 5000, settings: { ...SETTINGS, ...ports } });
            assertMinted(await askHttp(container));
            await podman('healthcheck', 'run', container.name);
        });
    }

    // The published port's address is not the container's loopback.
    test('its metrics are for its inside, and for a network that a file lets in', async () => {
        const settings = { ...SETTINGS, METRICS: 'on' };
        const ask = async ({ port }) => (await request({ port }, '/metrics')).status;
        const closed = await whole({ settings });
        assert.equal(await ask(closed), 403);
        const bash = `exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3`;
        assert.match(await podman('exec', closed.name, 'bash', '-c', bash), /^HTTP\/1\.1 200 [^]*agora_token_build_info/);

        const directory = makeDirectory();
        directories.push(directory);
        const file = path.join(directory, 'metrics.allow');
        fs.writeFileSync(file, 'allow all;\n', { mode: 0o644 });
        const open = await whole({
            settings, options: ['--volume', `${file}:/etc/nginx/agora-token/metrics.allow:ro`],
        });
        assert.equal(await ask(open), 200);
    });

    test('CORS_ALLOW_ORIGIN reaches the responder', async () => {
        const service = await whole({ settings: { ...SETTINGS, CORS_ALLOW_ORIGIN: 'https://a.example' } });
        const ask = (origin) => request(service, '/ping', { headers: { Origin: origin } });
        assert.equal((await ask('https://a.example')).headers['access-control-allow-origin'], 'https://a.example');
        assert.equal((await ask('https://b.example')).status, 403);
    });

    test('no answer is an error while it stops', async () => {
        const service = await whole();
        const statuses = new Set();
        let stopping;
        await drive(service, 4, () => !service.child.gone && '/rtm/alice', ({ status }) => {
            statuses.add(status);
            stopping ??= podman('kill', '--signal', 'TERM', service.name);
        });
        await stopping;
        assert.equal((await ended(service)).code, 0);
        // 0 is a connection that was refused or closed between two requests.
        statuses.delete(0);
        assert.deepEqual([...statuses], [200]);
    });

    for (const [what, pattern, message] of [
        ['nginx', /^nginx: master/, /nginx ended by itself/],
        ['the responder', RUNS_RESPONDER, /the responder ended by itself/],
    ]) {
        test(`${what} is killed: it ends with status 1`, async () => {
            const container = await whole();
            const { pid } = (await container.processes()).find(({ command }) => pattern.test(command));
            process.kill(pid, 'SIGKILL');
            const { code, log } = await ended(container);
            assert.equal(code, 1);
            assert.match(log, message);
        });
    }
});

describe('the responder in a container', () => {
    test('is killed: it ends with another status than 0', async () => {
        const container = await alone();
        const [{ pid }] = await container.processes();
        process.kill(pid, 'SIGKILL');
        assert.equal((await ended(container)).code, 137);
    });
});

// The page's commands to the letter, but for the engine's name.
describe('conf/container/README.md', () => {
    const ENGINE = [[/^docker compose /, 'podman-compose '], [/^docker /, 'podman ']];

    function checkout() {
        const directory = makeDirectory();
        directories.push(directory);
        const copy = path.join(directory, 'agora-token-fcgi');
        fs.mkdirSync(copy);
        for (const name of ['Dockerfile', '.dockerignore', 'compose.yaml', 'Makefile', 'src', 'include', 'conf']) {
            execFileSync('cp', ['-a', path.join(repository, name), copy]);
        }
        fs.writeFileSync(path.join(copy, '.env'), `APP_ID=${APP_ID}\nAPP_CERTIFICATE=${CERTIFICATE}\n`,
            { mode: 0o600 });
        const sh = (command) => execFileSync('sh', ['-ec', command], {
            cwd: copy, env: cleanEnvironment(engineEnvironment), encoding: 'utf8',
            stdio: ['ignore', 'pipe', 'pipe'], timeout: 120000,
        });
        return { copy, sh };
    }

    const follow = (section, sh) => commandsOf('container', section)
        .map((command) => sh(ENGINE.reduce((text, [from, to]) => text.replace(from, to), command))).at(-1);

    test('The whole image', async () => {
        const { sh } = checkout();
        try {
            assert.match(follow('The whole image', sh), /^\{"rtcToken":"007/);
            sh('podman stop agora-token');
            assert.equal(sh('podman inspect --format "{{.State.ExitCode}}" agora-token'), '0\n');
            logs.push(sh('podman logs agora-token 2>&1'));
        } finally {
            sh('podman rm --force --ignore agora-token');
        }
    });

    test('nginx in a container of its own', async () => {
        const { sh } = checkout();
        try {
            assert.match(follow('nginx in a container of its own', sh), /^\{"rtcToken":"007/);
            const names = sh('podman ps --format "{{.Names}}"').trim().split('\n').sort();
            assert.equal(names.length, 2, names.join(' '));
            for (const name of names) {
                const [found] = JSON.parse(sh(`podman inspect ${name}`));
                assert.equal(found.HostConfig.ReadonlyRootfs, true, name);
                assert.match(found.Config.User, /^33:33$/);
            }
            const log = sh(`for name in ${names.join(' ')}; do podman logs $name 2>&1; done`);
            assert.match(log, /"GET \/rtc\/lecture\//, 'nginx logs what is asked');
            logs.push(log);
        } finally {
            sh('podman-compose down');
        }
        assert.equal(sh('podman ps --all --quiet'), '');
    });
});

describe('all of these', () => {
    test('logged no secret and no token', () => {
        assert.ok(logs.length > 20);
        for (const log of logs) {
            assert.ok(![CERTIFICATE, OTHER_CERTIFICATE].some((secret) => log.includes(secret)), 'no certificate');
            assert.doesNotMatch(log, /"007|007eJ/);
        }
    });
});
