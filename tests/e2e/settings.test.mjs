// How the program is started, refuses to start, and what it logs. No gateway matters here, so
// running this file once is enough.

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
    APP_ID, CERTIFICATE, OTHER_CERTIFICATE,
    assertTells, assertToken, cleanEnvironment, fcgiAnswers, fcgiConnect, fcgiRequest, freePort, launch,
    logObjects, makeDirectory, post, RESPONDER, removeDirectory, repository, request, rtm, runResponder, startService,
    terminate, waitFor,
} from './harness.mjs';

const OTHER_ID = 'ffeeddccbbaa99887766554433221100';
const SECRETS = { APP_ID, APP_CERTIFICATE: CERTIFICATE };

const lines = (text) => text.split('\n').filter((line) => line !== '');

describe('settings', () => {
    let directory;
    before(() => {
        directory = makeDirectory();
    });
    after(() => removeDirectory(directory));

    const fileNamed = (name, content) => {
        const file = path.join(directory, name);
        fs.writeFileSync(file, content, { mode: 0o600 });
        return file;
    };

    // Every case has a folder of its own, for a .env of its own.
    let folders = 0;
    const folderWith = (dotenv, mode = 0o600) => {
        const folder = path.join(directory, `folder-${++folders}`);
        fs.mkdirSync(folder);
        if (dotenv !== undefined) {
            const file = path.join(folder, '.env');
            fs.writeFileSync(file, dotenv);
            fs.chmodSync(file, mode);
        }
        return folder;
    };

    // One plain CGI request shows which settings are in force: the token is signed with them.
    async function mint({ env = {}, dotenv, folder = folderWith(dotenv) }) {
        const run = await runResponder([], {
            cwd: folder,
            env: {
                GATEWAY_INTERFACE: 'CGI/1.1', REQUEST_METHOD: 'GET', PATH_INFO: '/rtm/alice/',
                QUERY_STRING: '', SERVER_PROTOCOL: 'HTTP/1.1', SERVER_PORT: '80', ...env,
            },
        });
        assert.equal(run.code, 0, run.stderr);
        const [head, body] = run.stdout.split('\r\n\r\n');
        assert.match(head, /^Status: 200\b/im);
        return JSON.parse(body).rtmToken;
    }

    const assertMinted = async (sources, appId = APP_ID, certificate = CERTIFICATE) => assertToken(
        await mint(sources), [rtm('alice')], 3600, {
            appId,
            certificate,
            otherCertificate: certificate === CERTIFICATE ? OTHER_CERTIFICATE : CERTIFICATE,
        });

    it('from the environment', () => assertMinted({ env: SECRETS }));

    it('without the white space around credentials, as by the tool', () => assertMinted({
        env: { APP_ID: `${APP_ID} ` }, dotenv: `APP_CERTIFICATE="\t${CERTIFICATE} "\n`,
    }));

    it('the environment wins over .env, name by name', async () => {
        const dotenv = `APP_ID=${OTHER_ID}\nAPP_CERTIFICATE=${OTHER_CERTIFICATE}\n`;
        await assertMinted({ env: SECRETS, dotenv });
        await assertMinted({ env: { APP_ID }, dotenv }, APP_ID, OTHER_CERTIFICATE);
        await assertMinted({ env: { APP_CERTIFICATE: CERTIFICATE }, dotenv }, OTHER_ID, CERTIFICATE);
    });

    describe('from .env', () => {
        // A secret's file may have any name, so its setting can hold any character. The names
        // are relative to the working directory.
        const odd = (name) => `APP_ID=${APP_ID}\nAPP_CERTIFICATE_FILE=${name}\n`;
        const rows = [
            ['plain', `APP_ID=${APP_ID}\nAPP_CERTIFICATE=${CERTIFICATE}\n`],
            ['no newline at its end', `APP_ID=${APP_ID}\nAPP_CERTIFICATE=${CERTIFICATE}`],
            ['CRLF', `# a\r\n\r\nAPP_ID=${APP_ID}\r\nAPP_CERTIFICATE="${CERTIFICATE}"\r\n`],
            ['comments and empty lines',
                `# APP_ID=x\n\n  # more\nAPP_ID=${APP_ID} # here\n\nAPP_CERTIFICATE=${CERTIFICATE}\t# too\n#`],
            ['export', `export APP_ID=${APP_ID}\nexport APP_CERTIFICATE='${CERTIFICATE}'\n`],
            ['single quotes', `APP_ID='${APP_ID}'\nAPP_CERTIFICATE='${CERTIFICATE}' # one\n`],
            ['double quotes', `APP_ID="${APP_ID}"\nAPP_CERTIFICATE="${CERTIFICATE}" # one\n`],
            ['spaces around', `  APP_ID = ${APP_ID}  \n\tAPP_CERTIFICATE\t=\t"${CERTIFICATE}"\t\n`],
            ['other names', `PATH_X=1\nAPP_IDS=x\nAPP_ID=${APP_ID}\nAPP_CERTIFICATE=${CERTIFICATE}\nX=\n`],
            ['a repeated name, whose last value counts',
                `APP_ID=${OTHER_ID}\nAPP_ID=${APP_ID}\nAPP_CERTIFICATE=${CERTIFICATE}\n`],
            ['= in a value', odd('a=b=c'), 'a=b=c'],
            ['= in a quoted value', odd('"=a="'), '=a='],
            ['# within a word', odd('a#b'), 'a#b'],
            ['# in double quotes', odd('"a #b" # not this'), 'a #b'],
            ['# in single quotes', odd("'#a #b'"), '#a #b'],
            ['the other quote in quotes', odd('"it\'s"'), "it's"],
            ['spaces in quotes', odd('" a  b "'), ' a  b '],
        ];
        for (const [title, dotenv, file] of rows) {
            it(title, async () => {
                if (file === undefined) {
                    return assertMinted({ dotenv });
                }
                const folder = folderWith(dotenv);
                fs.writeFileSync(path.join(folder, file), CERTIFICATE);
                const run = await runResponder(['--check'], { cwd: folder });
                assert.equal(run.code, 0, run.stderr);
                // And the file was needed: without it the same .env is refused.
                fs.rmSync(path.join(folder, file));
                const refused = await runResponder(['--check'], { cwd: folder });
                assert.notEqual(refused.code, 0);
                assert.match(refused.stderr, /APP_CERTIFICATE_FILE/);
            });
        }
    });

    describe('secrets from files', () => {
        for (const [title, ending] of [['no newline', ''], ['\\n', '\n'], ['\\r\\n', '\r\n']]) {
            it(`that end with ${title}`, () => assertMinted({
                env: {
                    APP_ID_FILE: fileNamed('id', APP_ID + ending),
                    APP_CERTIFICATE_FILE: fileNamed('certificate', CERTIFICATE + ending),
                },
            }));
        }
        it('named in .env', () => assertMinted({
            env: { APP_ID },
            dotenv: `APP_CERTIFICATE_FILE="${fileNamed('named', `${OTHER_CERTIFICATE}\n`)}"\n`,
        }, APP_ID, OTHER_CERTIFICATE));
    });

    describe('a CGI program, which may lie where files are served from', () => {
        // Each folder is below the one before it.
        const tree = (...files) => files.reduce((above, content) => {
            const folder = fs.mkdtempSync(path.join(above, 'f-'));
            for (const [name, [appId, certificate]] of Object.entries(content)) {
                fs.writeFileSync(path.join(folder, name),
                    `APP_ID=${appId}\nAPP_CERTIFICATE=${certificate}\n`, { mode: 0o600 });
            }
            return folder;
        }, directory);
        const ours = [APP_ID, CERTIFICATE];
        const others = [OTHER_ID, OTHER_CERTIFICATE];

        it('finds agora-token.env in the folder above', () => assertMinted(
            { folder: tree({ 'agora-token.env': ours }, {}) }));
        it('or further up, where the nearest one counts', () => assertMinted(
            { folder: tree({ 'agora-token.env': others }, { 'agora-token.env': ours }, {}, {}) }));
        it('but takes .env in its own folder first', () => assertMinted(
            { folder: tree({ 'agora-token.env': others }, { '.env': ours }) }));
        it('and no agora-token.env in its own folder', () => assertMinted(
            { folder: tree({ 'agora-token.env': ours }, { 'agora-token.env': others }) }));
        it('nor the .env of another program above', () => assertMinted(
            { folder: tree({ 'agora-token.env': ours }, { '.env': others }, {}) }));
        it('which only CGI programs do', async () => {
            const run = await runResponder(['--check'],
                { cwd: tree({ 'agora-token.env': ours }, {}), env: {} });
            assert.match(run.stderr, /APP_ID is missing/);
        });
    });

    describe('--check', () => {
        const ports = [
            ['8080', {}], ['9001', { PORT: '9001' }], ['9002', { SERVER_PORT: '9002' }],
            ['9001', { PORT: '9001', SERVER_PORT: '9002' }],
            ['9003', {}, 'PORT=9003\n'], ['9001', { PORT: '9001' }, 'PORT=9003\n'],
        ];
        for (const [port, env, dotenv] of ports) {
            it(`port ${port} of ${JSON.stringify(env)} and .env ${JSON.stringify(dotenv)}`, async () => {
                const run = await runResponder(['--check'],
                    { cwd: folderWith(dotenv), env: { ...SECRETS, ...env } });
                assert.equal(run.code, 0, run.stderr);
                assert.ok(lines(run.stdout).includes(`PORT=${port}`), run.stdout);
                assert.ok(!run.stdout.includes(CERTIFICATE));
                assert.equal(run.stderr, '');
            });
        }

        it('every setting but the credentials', async () => {
            const policy = fileNamed('access.json', '{"callers":{},"rules":[]}');
            const settings = {
                CORS_ALLOW_ORIGIN: 'https://a.example, https://b.example', ACCESS_FILE: policy, LOG_LEVEL: 'warning',
                LOG_FORMAT: 'json', PAGE: 'off', METRICS: 'on', SERVER_PORT: '8080',
                PORT: '8080', WORKERS: '3', MAX_CONNECTIONS: '99', REQUEST_TIMEOUT: '7',
            };
            const run = await runResponder(['--check'],
                { cwd: folderWith(), env: { ...SECRETS, APP_ID: OTHER_ID, ...settings } });
            assert.deepEqual(lines(run.stdout), Object.entries(settings).map((pair) => pair.join('=')));
        });
    });

    // Its App ID is that of the tests.
    describe("that the sample project's credentials are in use", () => {
        const folder = () => folderWith(fs.readFileSync(path.join(repository, '.env.example'), 'utf8'));
        const env = (id) => (id ? { APP_ID: id } : {});
        const rows = [['is said', undefined, true], ['is not said of others', OTHER_ID, false]];
        for (const [title, id, isSaid] of rows) {
            it(`${title} by --check`, async () => {
                const run = await runResponder(['--check'], { cwd: folder(), env: env(id) });
                assert.equal(run.code, 0, run.stderr);
                assert.equal(/^# .*sample project's credentials/m.test(run.stdout), isSaid, run.stdout);
            });

            it(`${title} at start`, async () => {
                const logFile = path.join(directory, `sample-${isSaid}.log`);
                const child = launch(RESPONDER, ['--listen', `unix:${path.join(directory, 'sample.sock')}`],
                    { cwd: folder(), env: cleanEnvironment(env(id)), logFile });
                try {
                    const log = await waitFor('the start', () => {
                        const text = fs.readFileSync(logFile, 'utf8');
                        return text.includes('worker') && text;
                    });
                    assert.equal(/ warning: .*sample project's credentials/.test(log), isSaid, log);
                } finally {
                    await terminate(child);
                }
            });
        }
    });

    describe('refused', () => {
        const missing = path.join('no', 'such', 'file');
        // [what is wrong, settings, what the one line must tell]
        const rows = [
            ['no APP_ID', { APP_CERTIFICATE: CERTIFICATE }, /APP_ID\b.*32.*hex/i],
            ['no APP_CERTIFICATE', { APP_ID }, /APP_CERTIFICATE\b.*32.*hex/i],
            ['an empty APP_ID', { ...SECRETS, APP_ID: '' }, /APP_ID\b.*32.*hex/i],
            ['an empty APP_CERTIFICATE', { ...SECRETS, APP_CERTIFICATE: '' },
                /APP_CERTIFICATE\b.*32.*hex/i],
            ['a short APP_ID', { ...SECRETS, APP_ID: APP_ID.slice(1) }, /APP_ID\b.*32.*hex/i],
            ['a long APP_ID', { ...SECRETS, APP_ID: `${APP_ID}0` }, /APP_ID\b.*32.*hex/i],
            ['a letter in APP_ID', { ...SECRETS, APP_ID: APP_ID.replace('0', 'g') },
                /APP_ID\b.*32.*hex/i],
            ['a short APP_CERTIFICATE', { ...SECRETS, APP_CERTIFICATE: CERTIFICATE.slice(1) },
                /APP_CERTIFICATE\b.*32.*hex/i],
            ['a long APP_CERTIFICATE', { ...SECRETS, APP_CERTIFICATE: `${CERTIFICATE}0` },
                /APP_CERTIFICATE\b.*32.*hex/i],
            ['a letter in APP_CERTIFICATE',
                { ...SECRETS, APP_CERTIFICATE: CERTIFICATE.replace('5', 'x') },
                /APP_CERTIFICATE\b.*32.*hex/i],
            ['a space in APP_CERTIFICATE',
                { ...SECRETS, APP_CERTIFICATE: CERTIFICATE.replace('5', ' ') },
                /APP_CERTIFICATE\b.*32.*hex/i],
            ['APP_ID_FILE missing', { APP_ID_FILE: missing, APP_CERTIFICATE: CERTIFICATE },
                /APP_ID_FILE.*no\/such\/file/],
            ['APP_CERTIFICATE_FILE missing', { APP_ID, APP_CERTIFICATE_FILE: missing },
                /APP_CERTIFICATE_FILE.*no\/such\/file/],
            ['APP_CERTIFICATE_FILE a folder', { APP_ID, APP_CERTIFICATE_FILE: '/' },
                /APP_CERTIFICATE_FILE/],
            ['PORT not a number', { ...SECRETS, PORT: 'http' }, /PORT.*http/],
            ['PORT 0', { ...SECRETS, PORT: '0' }, /PORT/],
            ['PORT 65536', { ...SECRETS, PORT: '65536' }, /PORT.*65536/],
            ['LOG_LEVEL unknown', { ...SECRETS, LOG_LEVEL: 'loud' }, /LOG_LEVEL.*loud.*debug/],
            ['LOG_LEVEL of two lines', { ...SECRETS, LOG_LEVEL: 'loud\n2' }, /LOG_LEVEL.*loud%0A2.*debug/],
            ['WORKERS not a number', { ...SECRETS, WORKERS: 'many' }, /WORKERS.*many/],
            ['WORKERS negative', { ...SECRETS, WORKERS: '-1' }, /WORKERS.*-1/],
            ['REQUEST_TIMEOUT not a number', { ...SECRETS, REQUEST_TIMEOUT: '1s' },
                /REQUEST_TIMEOUT.*1s/],
            // A secret that got into the wrong place is not told from there either.
            ...[CERTIFICATE, CERTIFICATE.slice(1), `${CERTIFICATE}\n`, ` ${CERTIFICATE}`].flatMap((secret) => [
                ['a certificate for its file', { APP_ID, APP_CERTIFICATE_FILE: secret },
                    /APP_CERTIFICATE_FILE.*not shown/],
                ['a certificate for a number', { ...SECRETS, WORKERS: secret },
                    /WORKERS.*not shown.*0 to 256/],
                ['a certificate for a level', { ...SECRETS, LOG_LEVEL: secret },
                    /LOG_LEVEL.*not shown.*debug/],
            ]),
        ];

        async function assertRefused(args, env, dotenv, tells) {
            const run = await runResponder(args, { cwd: folderWith(dotenv), env });
            assert.equal(typeof run.code, 'number', `ended by ${run.signal}`);
            assert.notEqual(run.code, 0);
            assert.equal(run.stdout, '');
            assert.equal(lines(run.stderr).length, 1, run.stderr);
            assert.match(run.stderr, tells);
            const certificate = env.APP_CERTIFICATE?.trim();
            if (certificate) {
                assert.ok(!run.stderr.includes(certificate), 'the certificate stays secret');
            }
            assert.ok(!/[0-9a-f]{8}/i.test(run.stderr.replaceAll(APP_ID, '')), run.stderr);
        }

        for (const [title, env, tells] of rows) {
            it(`${title}, by --check and at start`, async () => {
                await assertRefused(['--check'], env, undefined, tells);
                await assertRefused(['--listen', `unix:${path.join(directory, 'refused.sock')}`], env,
                    undefined, tells);
            });
        }

        // A query without = comes as arguments, and strangers write queries.
        it('options in a CGI query are none', async () => {
            for (const args of [['--listen', '127.0.0.1:1'], ['--check'], ['--no-such'], ['--help'], ['-h']]) {
                const run = await runResponder(args, {
                    cwd: folderWith(undefined),
                    env: {
                        ...SECRETS, GATEWAY_INTERFACE: 'CGI/1.1', REQUEST_METHOD: 'GET',
                        PATH_INFO: '/ping', QUERY_STRING: args.join('+'),
                    },
                });
                assert.equal(run.code, 0);
                assert.match(run.stdout, /^Status: 200 OK\r\n[^]*\r\n\r\n{"message":"pong"}$/);
            }
        });

        it('the same in .env', async () => {
            await assertRefused(['--check'], {},
                `APP_ID=${APP_ID}\nAPP_CERTIFICATE=${CERTIFICATE.slice(1)}\n`,
                /APP_CERTIFICATE\b.*32.*hex/i);
        });

        // A web server that runs the programs of many lets each of them read such files.
        describe('a file with the certificate that other users could read or change', () => {
            const dotenv = `APP_ID=${APP_ID}\nAPP_CERTIFICATE=${CERTIFICATE}\n`;
            for (const mode of [0o644, 0o604, 0o660, 0o602]) {
                const octal = mode.toString(8);
                it(`.env with mode ${octal}, until it is mended as it says`, async () => {
                    const folder = folderWith(dotenv, mode);
                    const file = path.join(folder, '.env');
                    const run = await runResponder(['--check'], { cwd: folder, env: {} });
                    assert.equal(run.code, 1);
                    assert.equal(lines(run.stderr).length, 1, run.stderr);
                    assertTells(run.stderr, `mode 0${octal} of ${file} `);
                    const [, command] = /type: (.*)/.exec(run.stderr);
                    execFileSync('sh', ['-ec', command]);
                    assert.equal((await runResponder(['--check'], { cwd: folder, env: {} })).code, 0);
                });
            }

            it('APP_CERTIFICATE_FILE in a CGI program, but not elsewhere', async () => {
                const file = fileNamed('for-all', CERTIFICATE);
                fs.chmodSync(file, 0o444);
                const env = { APP_ID, APP_CERTIFICATE_FILE: file };
                assert.equal((await runResponder(['--check'], { cwd: folderWith(), env })).code, 0);
                const run = await runResponder([], {
                    cwd: folderWith(),
                    env: { ...env, GATEWAY_INTERFACE: 'CGI/1.1', REQUEST_METHOD: 'GET', PATH_INFO: '/ping' },
                });
                assertTells(run.stderr, `mode 0444 of ${file} `, `chmod 600 '${file}'`);
                assert.match(run.stdout, /^Status: 503 /);
                assert.ok(!run.stdout.includes('for-all'));
            });
        });

        it("a malformed secret's file, whose content stays secret", async () => {
            const file = fileNamed('malformed', `${CERTIFICATE}${CERTIFICATE}\n`);
            await assertRefused(['--check'], { APP_ID, APP_CERTIFICATE_FILE: file }, undefined,
                /APP_CERTIFICATE.*32.*hex/i);
        });

        it('over CGI too, with an answer that tells the client nothing', async () => {
            const run = await runResponder([], {
                cwd: folderWith(),
                env: {
                    APP_ID, APP_CERTIFICATE: `${CERTIFICATE}0`, GATEWAY_INTERFACE: 'CGI/1.1',
                    REQUEST_METHOD: 'GET', PATH_INFO: '/rtm/alice/', QUERY_STRING: '',
                },
            });
            assert.match(run.stderr, /APP_CERTIFICATE\b.*32.*hex/i);
            assert.doesNotMatch(run.stdout, /Token/);
            for (const text of [run.stdout, run.stderr]) {
                assert.ok(!text.includes(CERTIFICATE), text);
            }
        });
    });
});

describe('command line', () => {
    let directory;
    before(() => {
        directory = makeDirectory();
    });
    after(() => removeDirectory(directory));

    it('--version', async () => {
        const run = await runResponder(['--version'], { cwd: directory });
        assert.equal(run.code, 0);
        assert.match(run.stdout, /^agora-token-fcgi \d+\.\d+\.\d+\S*\n/);
        assert.equal(run.stderr, '');
    });

    it('--help', async () => {
        const run = await runResponder(['--help'], { cwd: directory });
        assert.equal(run.code, 0);
        assert.match(run.stdout, /usage/i);
        assertTells(run.stdout, '--listen', '--check', '--version', 'APP_ID', 'APP_CERTIFICATE');
        assert.equal(run.stderr, '');
        assert.deepEqual(await runResponder(['-h'], { cwd: directory }), run);
    });

    // A shell, a service manager, a parent with a pipe: none of these is a listening socket.
    for (const stdin of ['ignore', 'pipe']) {
        it(`nothing at all, standard input ${stdin}`, async () => {
            const run = await runResponder([], { cwd: directory, env: SECRETS, stdin });
            assert.equal(run.code, 2);
            assert.match(run.stderr, /usage/i);
            assert.match(run.stderr, /--listen/);
            assert.equal(run.stdout, '');
        });
    }

    describe('refused', () => {
        const tooLong = `unix:${path.join('/tmp', 's'.repeat(120))}`;
        // [arguments, what the message must name]
        const rows = [
            [['--nope'], 'there is no option --nope;'],
            [['--listne', 'x'], '--listne (did you mean --listen?)'],
            [['--check=1'], '--check takes no value'],
            [['-x'], 'x'],
            [['extra'], 'extra'],
            [['--check', 'extra'], 'extra'],
            [['--listen'], '--listen'],
            [['--listen', ''], '--listen'],
            [['--listen', 'nowhere'], 'nowhere'],
            [['--listen', 'unix:'], 'unix:'],
            [['--listen', tooLong], 'sss'],
            [['--listen', 'unix:no/such/folder/x.sock'], 'no/such/folder/x.sock'],
            [['--listen', '127.0.0.1:'], '127.0.0.1:'],
            [['--listen', '127.0.0.1:http'], '127.0.0.1:http'],
            [['--listen', '127.0.0.1:65536'], '65536'],
            [['--listen', '127.0.0.1:-1'], '127.0.0.1:-1'],
            [['--listen', '999.0.0.1:9000'], '999.0.0.1'],
            // A secret in the wrong place is not told, nor is what stands behind a name that is wrong.
            [[CERTIFICATE], 'not shown'],
            [['--check', CERTIFICATE], 'not shown'],
            [[`--${CERTIFICATE}`], 'not shown'],
            [[`--certificate=${CERTIFICATE}`], 'no option --certificate;'],
            [['--workers', CERTIFICATE, '-listen'], 'no option -l (did you mean --listen?)'],
            [['--listen', CERTIFICATE], 'not shown'],
            [['--listen', `${CERTIFICATE}:80`], 'not shown'],
        ];
        for (const [args, tells] of rows) {
            it(args.join(' ').slice(0, 60), async () => {
                const run = await runResponder(args, { cwd: directory, env: SECRETS });
                assert.equal(typeof run.code, 'number', `ended by ${run.signal}`);
                assert.notEqual(run.code, 0);
                assertTells(run.stderr, tells);
                assert.ok(!run.stderr.includes(CERTIFICATE));
                assert.equal(run.stdout, '');
            });
        }

        it('a port in use', async () => {
            const server = net.createServer();
            await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
            try {
                const { port } = server.address();
                const run = await runResponder(['--listen', `127.0.0.1:${port}`],
                    { cwd: directory, env: SECRETS });
                assert.notEqual(run.code, 0);
                assert.equal(lines(run.stderr).length, 1, run.stderr);
                assert.match(run.stderr, new RegExp(`127\\.0\\.0\\.1:${port}.*in use`, 'i'));
            } finally {
                await new Promise((resolve) => server.close(resolve));
            }
        });
    });

    describe('--listen', () => {
        const start = (listener, settings = {}) => launch(RESPONDER, ['--listen', listener], {
            cwd: directory,
            env: cleanEnvironment({ ...SECRETS, ...settings }),
            logFile: path.join(directory, 'listen.log'),
        });

        async function assertServes(upstream) {
            const socket = await waitFor('the listener',
                () => fcgiConnect({ upstream }).catch(() => null));
            try {
                const answers = fcgiAnswers(socket, 1);
                socket.write(fcgiRequest('/ping'));
                assert.match((await answers)[0], /\{"message":"pong"\}$/);
            } finally {
                socket.destroy();
            }
        }

        for (const signal of ['SIGTERM', 'SIGINT']) {
            it(`ends with status 0 on ${signal} and takes its socket with it`, async () => {
                const file = path.join(directory, `${signal}.sock`);
                const child = start(`unix:${file}`);
                try {
                    await assertServes({ path: file });
                    child.kill(signal);
                    await waitFor('its end', () => child.gone, 2000);
                    assert.deepEqual(await child.exited, { code: 0, signal: null });
                    assert.ok(!fs.existsSync(file));
                } finally {
                    await terminate(child);
                }
            });
        }

        it('takes over the socket that a killed one left behind', async () => {
            const file = path.join(directory, 'stale.sock');
            const first = start(`unix:${file}`);
            await assertServes({ path: file }).finally(() => {
                first.kill('SIGKILL');
                return terminate(first);
            });
            assert.ok(fs.existsSync(file), 'a stale socket is there');
            const second = start(`unix:${file}`);
            try {
                await assertServes({ path: file });
            } finally {
                await terminate(second);
            }
        });

        it('does not overwrite a file that is no socket', async () => {
            const file = path.join(directory, 'precious');
            fs.writeFileSync(file, 'precious');
            const run = await runResponder(['--listen', `unix:${file}`],
                { cwd: directory, env: SECRETS });
            assert.notEqual(run.code, 0);
            assertTells(run.stderr, file);
            assert.equal(fs.readFileSync(file, 'utf8'), 'precious');
        });

        it('listens on the address alone that was asked for', async () => {
            const port = await freePort();
            const child = start(`127.0.0.1:${port}`);
            try {
                await assertServes({ host: '127.0.0.1', port });
                await assert.rejects(fcgiConnect({ upstream: { host: '127.0.0.2', port } }),
                    { code: 'ECONNREFUSED' });
            } finally {
                await terminate(child);
            }
        });
    });
});

describe('log', () => {
    const withLog = async (settings, use) => {
        const service = await startService({ gateway: 'fastcgi-unix', settings });
        try {
            await use(service);
        } finally {
            await service.stop();
        }
    };

    it('tells at start the version, the listener and the workers', () => withLog({}, async (service) => {
        const { stdout } = await runResponder(['--version']);
        const [version] = /\d+\.\d+\.\d+\S*/.exec(stdout);
        const log = await waitFor('the log', () => service.responderLog());
        assertTells(log, version, service.upstream.path);
        assert.match(log, /worker/i);
    }));

    it('tells only errors at LOG_LEVEL=error', () => withLog({ LOG_LEVEL: 'error' }, async (service) => {
        assert.equal((await request(service, '/ping')).status, 200);
        assert.equal(service.responderLog(), '');
    }));

    it('never tells the certificate or a token, whatever the level', () => withLog({
        LOG_LEVEL: 'debug', CORS_ALLOW_ORIGIN: 'https://a.example',
    }, async (service) => {
        const gets = ['/rtc/lecture/publisher/uid/42/', '/rtm/alice/', '/rte/lecture/x/uid/42/bob/',
            '/chat/app/', '/chat/account/alice/'];
        const tokens = [];
        for (const target of gets) {
            const answer = await request(service, target);
            assert.equal(answer.status, 200);
            tokens.push(...Object.values(JSON.parse(answer.body)));
        }
        const answer = await post(service, { tokenType: 'rtm', uid: 'alice' });
        tokens.push(JSON.parse(answer.body).token);
        assert.equal(tokens.length, 7);
        await request(service, '/rtm/0/');
        await post(service, '{"tokenType":"video","uid":"post-body-marker"}');
        const log = await waitFor('the log of the last request',
            () => /POST/.test(service.responderLog()) && service.responderLog());
        assert.ok(!log.toLowerCase().includes(CERTIFICATE.toLowerCase()));
        for (const token of tokens) {
            assert.ok(!log.includes(token.slice(0, 40)), 'no token');
        }
        assert.ok(!log.includes('post-body-marker'), 'no body');
    }));

    it('tells errors with method and path', () => withLog({ LOG_LEVEL: 'debug' }, async (service) => {
        const rows = [
            ['GET', '/rtm/0/'],
            ['GET', '/rtc/lecture/publisher/uid/alice/'],
            ['DELETE', '/chat/app/'],
            ['POST', '/getToken'],
            ['GET', '/nope'],
        ];
        for (const [method, target] of rows) {
            assert.ok((await request(service, target, { method })).status >= 400);
        }
        for (const [method, target] of rows) {
            await waitFor(`${method} ${target} in the log`, () => lines(service.responderLog())
                .some((line) => line.includes(method) && line.includes(target)), 2000);
        }
    }));

    it('tells every request at LOG_LEVEL=debug', () => withLog({ LOG_LEVEL: 'debug' }, async (service) => {
        await request(service, '/rtm/alice');
        await waitFor('the request in the log', () => /Z debug: 200 GET \/rtm\/alice request_id="[!-~]+"$/m.test(service.responderLog()));
    }));

    it('LOG_FORMAT=json: one object a line, from the first to the last', async () => {
        const service = await startService({ gateway: 'fastcgi-unix', settings: { LOG_FORMAT: 'json', LOG_LEVEL: 'debug' } });
        const attacks = ['/rtm/%FF%C3%28%F0%9F%98%80', '/%22%7D%0A%7B%22message%22:%22forged%22%7D', '/rtm/%5C%22%1B%5B2J',
            `/${'%FF'.repeat(500)}`, `/${'%22'.repeat(2000)}`];
        try {
            for (const target of ['/rtm/alice', ...attacks]) {
                await request(service, target);
            }
            const log = await waitFor('the last request in the log',
                () => logObjects(service.responderLog()).length >= 2 + 1 + attacks.length && service.responderLog());
            const objects = logObjects(log);
            assert.ok(objects.some(({ level, message }) => level === 'info' && /listens on/.test(message)));
            const { time, duration, request_id: id, ...rest } = objects.find(({ path: at }) => at === '/rtm/alice');
            assert.deepEqual(rest, { level: 'debug', message: '200 GET /rtm/alice', method: 'GET', route: '/rtm/:rtmuid',
                path: '/rtm/alice', status: 200 });
            assert.equal(typeof duration, 'number');
            assert.match(id, /^[!-~]+$/);
            assert.ok(!objects.some(({ message }) => message === 'forged'));
            assert.ok(!log.toLowerCase().includes(CERTIFICATE.toLowerCase()));
        } finally {
            await service.stop();
        }
    });

    it('SIGHUP changes LOG_FORMAT, and what was wrong with the new settings is told in the old one', async () => {
        const directory = makeDirectory();
        const logFile = path.join(directory, 'log');
        const log = () => fs.readFileSync(logFile, 'utf8');
        const write = (text) => fs.writeFileSync(path.join(directory, '.env'), text, { mode: 0o600 });
        write('LOG_FORMAT=json\n');
        const child = launch(RESPONDER, ['--listen', `unix:${path.join(directory, 'socket')}`],
            { cwd: directory, env: cleanEnvironment(SECRETS), logFile });
        try {
            await waitFor('the start', () => /anybody/.test(log()));
            write('LOG_FORMAT=xml\n');
            child.kill('SIGHUP');
            await waitFor('the refusal', () => /expected text or json/.test(log()));
            logObjects(log());
            write('');
            child.kill('SIGHUP');
            await waitFor('text', () => /Z info: the settings were read again/.test(log()));
        } finally {
            assert.equal((await terminate(child)).code, 0);
            removeDirectory(directory);
        }
    });

    it('tells of wrong settings in the format that the environment asks for', async () => {
        const directory = makeDirectory();
        try {
            const env = { ...SECRETS, PORT: '0' };
            const text = await runResponder(['--check'], { cwd: directory, env });
            assert.match(text.stderr, /Z error: PORT is '0'/);
            const json = await runResponder(['--check'], { cwd: directory, env: { ...env, LOG_FORMAT: 'json' } });
            const [{ message }, ...more] = logObjects(json.stderr);
            assertTells(message, "PORT is '0'");
            assert.equal(more.length, 0);
        } finally {
            removeDirectory(directory);
        }
    });

    it('no path can forge a line or reach the terminal', () => withLog({ LOG_LEVEL: 'debug' },
        async (service) => {
            const attacks = ['/rtm/x%0Aforged%20line/', '/rtm/x%0D%0Aforged%20line/',
                '/rtm/x%0Bforged%20line/', '/rtm/x%1B%5B2Jforged%20line/', '/rtm/x%7Fforged%20line/',
                '/x%0Aforged%20line', '/rtm/x%C2%9Bforged%20line/?expiry=a'];
            for (const target of attacks) {
                assert.ok((await request(service, target)).status >= 400, target);
            }
            const marked = await waitFor('all of them in the log', () => {
                const found = lines(service.responderLog()).filter((line) => /forged/.test(line));
                return found.length >= attacks.length && found;
            }, 2000);
            for (const line of marked) {
                assert.match(line, /GET/);
            }
            assert.match(service.responderLog(), /^[\n\x20-\x7e]*$/);
        }));
});

// The program that fetches key sets reads what strangers send, so what it says is not believed.
describe('what agora-token-jwks answers', () => {
    const policy = { callers: { app: { jwt: { issuer: 'i', audience: 'a', jwks_url: 'https://127.0.0.1/' } } }, rules: [] };
    const isWrong = / error: agora-token-jwks has ended, or answered wrongly; it is started again$/m;

    for (const [answer, expected] of [
        ['1 - 5\\nno\\033!!', / error: caller app: the key set could not be fetched: no\?!!$/m],
        ['1 2\\n{}', / error: caller app: the key set could not be fetched: it is no key set/],
        ['1 -5\\n', isWrong],
        ['1 -\\n5', isWrong],
        ['1 \\n5', isWrong],
        ['1 +5\\nabcde', isWrong],
        ['2 2\\n{}', isWrong],
        ['1 262145\\n', isWrong],
        ['1 18446744073709551618\\n{}', isWrong],
    ]) {
        it(`${answer}`, async () => {
            const directory = makeDirectory();
            const program = path.join(directory, 'agora-token-fcgi');
            const logFile = path.join(directory, 'log');
            fs.copyFileSync(RESPONDER, program);
            fs.writeFileSync(path.join(directory, 'access.json'), JSON.stringify(policy), { mode: 0o600 });
            fs.writeFileSync(path.join(directory, 'agora-token-jwks'),
                `#!/bin/sh\nread -r line && printf '${answer}' && exec sleep 20\n`, { mode: 0o700 });
            const child = launch(program, ['--listen', `unix:${path.join(directory, 'socket')}`], {
                cwd: directory, env: cleanEnvironment({ ...SECRETS, ACCESS_FILE: 'access.json' }), logFile,
            });
            try {
                await waitFor(`${expected} in the log`, () => expected.test(fs.readFileSync(logFile, 'utf8')));
            } finally {
                assert.equal((await terminate(child)).code, 0);
                removeDirectory(directory);
            }
        });
    }
});

it('agora-token-jwks asks no proxy for keys of this machine', async () => {
    const program = path.join(path.dirname(RESPONDER), 'agora-token-jwks');
    let asked = 0;
    const proxy = net.createServer((socket) => {
        asked += 1;
        socket.destroy();
    });
    await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const env = { http_proxy: `http://127.0.0.1:${proxy.address().port}` };
    const nobody = await freePort();
    const { code } = await new Promise((resolve) => {
        execFile(program, ['--once', `http://127.0.0.1:${nobody}/keys`, '/nonexistent/keys'], { env },
            (error) => resolve(error));
    });
    proxy.close();
    assert.equal(code, 1);
    assert.equal(asked, 0);
});
