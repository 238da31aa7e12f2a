// Three responders and a balancer before them, each on a host of its own, with the files of
// conf/balancer as they are shipped. While a client asks for tokens, one host dies, another cannot be
// reached, both come back, the third hangs, and then all are restarted in turn. No request may fail.
// And what the page tells is done to the letter. Needs root, and machines: run it by `isolated`.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import judge from 'agora-token/src/AccessToken2.js';
import { commandsOf } from './gateways/host.mjs';
import {
    APP_ID, CERTIFICATE, PUBLISHER, RESPONDER, assertError, assertNoReport, assertToken,
    cleanEnvironment, dotenvLine, repository, rtc, waitFor,
} from './harness.mjs';
import { bootMachine } from './machine.mjs';
import { makeNetwork } from './network.mjs';

const here = path.join(repository, 'tests/e2e');
// GETs, and a POST for every nine of them. What happens meanwhile takes 22 seconds.
const REQUESTS = Number(process.env.BALANCER_REQUESTS || 10000);
const PACE = REQUESTS / 24;

// What the shipped files say, and so where the hosts must be.
const BALANCER = '192.0.2.10';
const CLIENT = '192.0.2.20';
const RESPONDERS = ['192.0.2.11', '192.0.2.12', '192.0.2.13'];
const LISTEN_PORT = 9000;

// In earnest all have the same; here each has its own, so that a token tells who minted it.
const CERTIFICATES = RESPONDERS.map((_, index) => CERTIFICATE.slice(0, -1) + index);

const connectHosts = () => makeNetwork(Object.fromEntries([
    ['balancer', BALANCER], ['client', CLIENT],
    ...RESPONDERS.map((address, index) => [`responder${index}`, address]),
].map(([name, address]) => [name, `${address}/24`])));

const shipped = (name) => path.join(repository, 'conf/balancer', name);

const balancers = {
    nginx(directory) {
        const installed = '/etc/nginx/agora-token/responder.conf';
        const text = fs.readFileSync(shipped('nginx.conf'), 'utf8');
        assert.ok(text.includes(installed), `conf/balancer/nginx.conf includes ${installed}`);
        const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
            .map((kind) => `${kind}_temp_path ${directory}/${kind};`).join('\n');
        const site = path.join(directory, 'site.conf');
        const main = path.join(directory, 'nginx.conf');
        fs.writeFileSync(site,
            text.replace(installed, path.join(repository, 'conf/nginx/responder.conf')));
        fs.writeFileSync(main, `daemon off;
worker_processes 2;
pid ${directory}/nginx.pid;
events {
}
http {
access_log off;
${temporary}
include ${site};
}
`);
        return ['nginx', ['-p', directory, '-e', 'stderr', '-c', main]];
    },
    haproxy: () => ['haproxy', ['-db', '-f', shipped('haproxy.cfg')]],
};

for (const [name, configure] of Object.entries(balancers)) {
    describe(`several hosts behind ${name}`, () => {
        let network;
        const children = [];
        const log = (file) => path.join(network.directory, `${file}.log`);

        async function startResponder(index) {
            const file = log(`responder${index}`);
            // From its earlier lives there may be lines already.
            const readLog = (from = 0) => (
                fs.existsSync(file) ? fs.readFileSync(file, 'utf8').slice(from) : '');
            const known = readLog().length;
            const child = network.launch(`responder${index}`, RESPONDER,
                ['--listen', `${RESPONDERS[index]}:${LISTEN_PORT}`], {
                    env: cleanEnvironment({ APP_ID, APP_CERTIFICATE: CERTIFICATES[index], METRICS: 'on' }),
                    logFile: file,
                });
            children[index] = child;
            await waitFor(`responder ${index}`, () => {
                assert.ok(!child.gone, readLog(known));
                return /info: ready/.test(readLog(known));
            });
        }

        // One request of the client's, by curl, which takes the path as it is.
        function ask(target, ...options) {
            const answer = network.run('client', 'curl', '-sS', '-i', '--path-as-is', '--max-time', '15',
                '-H', 'Expect:', ...options, `http://${BALANCER}${target}`).toString();
            const [head, ...body] = answer.split('\r\n\r\n');
            const [statusLine, ...lines] = head.split('\r\n');
            return {
                status: Number(statusLine.split(' ')[1]),
                headers: Object.fromEntries(lines.map((line) => {
                    const colon = line.indexOf(':');
                    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
                })),
                body: body.join('\r\n\r\n'),
            };
        }

        before(async () => {
            network = await connectHosts();
            await Promise.all(RESPONDERS.map((_, index) => startResponder(index)));
            const [command, args] = configure(network.directory);
            const balancer = network.launch('balancer', command, args, { logFile: log('balancer') });
            await waitFor(name, () => {
                assert.ok(!balancer.gone, fs.readFileSync(log('balancer'), 'utf8'));
                return /:80\s/.test(network.run('balancer', 'ss', '-Hltn').toString());
            });
        });

        after(() => network?.stop());

        it('no request fails while hosts die, vanish, return and are restarted', async (t) => {
            const reports = [];
            const client = network.launch('client', process.execPath,
                [path.join(here, 'programs/caller.mjs'), `http://${BALANCER}`, REQUESTS, PACE,
                    ...CERTIFICATES].map(String),
                { cwd: here, logFile: log('caller'), stdin: 'pipe' });
            const read = () => {
                const lines = fs.readFileSync(log('caller'), 'utf8').split('\n').slice(0, -1);
                lines.slice(reports.length).forEach((line) => reports.push(JSON.parse(line)));
                return reports;
            };
            const stage = async (title, act) => {
                const from = read().length;
                await act();
                const during = read().slice(from);
                const slowest = Math.max(0, ...during.map((report) => report.slowest));
                const by = CERTIFICATES.map((_, index) => during.reduce(
                    (sum, report) => sum + report.by[index], 0));
                t.diagnostic(`${title}: minted by ${by.join(', ')}, slowest ${slowest.toFixed()} ms`);
                return by;
            };
            // The report that is being made may count tokens from before.
            const minting = (...indexes) => {
                const from = read().length + 1;
                return waitFor(`${indexes} to mint`, () => indexes.every(
                    (index) => read().slice(from).some((report) => report.by[index] > 0)), 15000);
            };

            await stage('all well', () => minting(0, 1, 2));
            await stage('the first is killed', async () => {
                children[0].kill('SIGKILL');
                await children[0].exited;
                await sleep(3000);
            });
            const alone = await stage('and the second is cut off', async () => {
                network.cut('responder1');
                await sleep(5000);
            });
            assert.ok(alone[2] > 0, 'the third goes on');
            await stage('both come back', async () => {
                network.mend('responder1');
                await startResponder(0);
                await minting(0, 1, 2);
            });
            await stage('the third hangs', async () => {
                children[2].kill('SIGSTOP');
                await sleep(3000);
                children[2].kill('SIGCONT');
            });
            // One at a time, but in haste: the next goes down as soon as the last listens.
            for (const index of RESPONDERS.keys()) {
                await stage(`number ${index} is restarted`, async () => {
                    children[index].kill('SIGTERM');
                    assert.deepEqual(await children[index].exited, { code: 0, signal: null });
                    await sleep(500);
                    await startResponder(index);
                });
            }
            await stage('all well', () => minting(0, 1, 2));
            client.stdin.end();
            const last = await stage('the end', () => client.exited);
            assert.ok(last.every((count) => count > 0), `all mint again: ${last}`);

            const sum = (key) => reports.reduce((total, report) => total + report[key], 0);
            const failed = reports.flatMap((report) => report.failed);
            t.diagnostic(`${sum('GET')} GET, ${sum('POST')} POST, ${failed.length} failed`);
            assert.deepEqual(failed.slice(0, 10), []);
            assert.ok(sum('GET') >= REQUESTS);
            RESPONDERS.forEach((_, index) => assertNoReport(
                fs.readFileSync(log(`responder${index}`), 'utf8')));
        });

        const minted = (text, services) => {
            const { rtcToken } = JSON.parse(text);
            const certificate = CERTIFICATES.find((candidate) => {
                const token = new judge.AccessToken2();
                return token.from_string(rtcToken) && token.verifySignature(candidate);
            });
            assertToken(rtcToken, services, 3600, { certificate });
        };

        for (const [target, channel, uid] of [
            ['/rtc/a%20b%3F/publisher/uid//', 'a b?', ''],
            ['/rtc/c%2Fpublisher/uid%2f42', 'c', '42'],
            ['/rtc/c/publisher/userAccount/%2541/', 'c', '%41'],
        ]) {
            it(`decodes a path once: ${target}`, () => {
                const { status, body } = ask(target);
                assert.equal(status, 200, body);
                minted(body, [rtc(channel, uid, PUBLISHER)]);
            });
        }

        it('has the metrics of each machine for whoever asks from the balancer itself', () => {
            const local = (target) => network.run('balancer', 'curl', '-sS', '--path-as-is',
                `http://127.0.0.1${target}`).toString();
            const targets = RESPONDERS.map(
                (address, index) => `/metrics/${name === 'nginx' ? address : `responder${index + 1}`}`);
            // Each counts how often it has been asked: nobody has asked before.
            targets.forEach((target, index) => {
                for (let times = 0; times < index + 2; times++) {
                    assert.match(local(target), /^agora_token_access_open 1$/m, target);
                }
            });
            targets.forEach((target, index) => {
                assert.match(local(target), RegExp(
                    `^agora_token_requests_total\\{route="/metrics",method="GET",code="200"\\} ${index + 2}$`, 'm'), target);
                assertError(ask(target), 403);
                for (const other of [target.replace('m', '%6d'), `/${target}`, `${target}/`, `${target}%2F`]) {
                    assert.ok([403, 404].includes(ask(other).status), other);
                }
            });
            for (const target of ['/metrics', '/metrics/', '//metrics', '/%6Detrics?x', '/%2Fmetrics%2F']) {
                assertError(ask(target), 403);
                assert.match(local(target), /^\{"status":403,/, 'of which machine it would be, is not known');
            }
        });

        it('has an id of its own for a request', () => {
            const ids = [[], ['-H', 'X-Request-Id: chosen-by-client']].map(
                (options) => ask('/ping', ...options).headers['x-request-id']);
            ids.forEach((id) => assert.match(id, /^[\da-f-]{32,36}$/));
            assert.notEqual(ids[0], ids[1]);
        });

        // The most that is allowed, with a length and without.
        for (const [title, size, ...options] of [
            ['64 KiB', 65536],
            ['60 KiB in chunks', 61440, '-H', 'Transfer-Encoding: chunked'],
        ]) {
            it(`takes a body of ${title}`, () => {
                const asked = '{"tokenType":"chat"}';
                const { status, body } = ask('/getToken', '-d', asked.padEnd(size), ...options);
                assert.equal(status, 200, body);
                assert.match(body, /^\{"token":"007/);
            });
        }

        for (const [title, status, target, ...options] of [
            ['an unknown path', 404, '/nope'],
            ['a wrong method', 405, '/getToken'],
            ['a broken escape', 400, '/rtm/a%zz'],
            ['a zero byte', 400, '/rtm/a%00'],
            ['a body over 64 KiB', 413, '/getToken', '-d', 'x'.repeat(65537)],
            ['one in chunks', 413, '/getToken', '-H', 'Transfer-Encoding: chunked',
                '-d', 'x'.repeat(65537)],
        ]) {
            it(`answers ${title} in JSON`, () => {
                assertError(ask(target, ...options), status);
            });
        }

        // The last ones, since nothing comes back after them.
        for (const [title, act] of [
            ['can be reached', (index) => network.cut(`responder${index}`)],
            ['runs', (index) => children[index].kill('SIGKILL')],
        ]) {
            it(`answers in JSON when no machine ${title}`, () => {
                RESPONDERS.forEach((_, index) => act(index));
                const answer = ask('/ping');
                assert.ok([502, 503, 504].includes(answer.status), `${answer.status}`);
                assertError(answer, answer.status);
                assert.equal(answer.headers['access-control-allow-origin'], '*', 'a page can read it');
            });
        }
    });
}

describe('the page', () => {
    let network;
    const machines = [];

    // A machine on one of the hosts. Returns what does the commands of a section there.
    async function boot(name) {
        const machine = await bootMachine({ through: network.through(name) });
        machines.push(machine);
        await machine.run('umask 077 && cat >.env', {
            input: Object.entries({ APP_ID, APP_CERTIFICATE: CERTIFICATE }).map(dotenvLine).join(''),
        });
        return async (section) => {
            let output;
            for (const command of commandsOf('balancer', section)) {
                output = await machine.run(command);
            }
            return output;
        };
    }

    before(async () => {
        network = await connectHosts();
    });

    after(async () => {
        await Promise.all(machines.map((machine) => machine.stop()));
        await network?.stop();
    });

    it('makes a machine that answers its balancer and nobody else', async () => {
        const follow = await boot('responder0');
        await follow('Each machine');
        const connect = (name) => network.run(name, 'timeout', '2', 'bash', '-c',
            `exec 3<>/dev/tcp/${RESPONDERS[0]}/${LISTEN_PORT}`);
        connect('balancer');
        // What timeout ends with: nothing came back.
        assert.throws(() => connect('client'), ({ status }) => status === 124);
    });

    // One of the three machines is there, which has to be enough.
    it('makes a balancer of nginx, and one of HAProxy', async () => {
        const follow = await boot('balancer');
        const { run } = machines.at(-1);
        const page = fs.readFileSync(shipped('README.md'), 'utf8');
        for (const [section, server, rule, file, below] of [
            ['nginx', 'nginx', 'location ~ ^/(?!rtc/lecture/) { deny all; }',
                '/etc/nginx/agora-token/nginx.conf', 'include .*responder.conf'],
            ['HAProxy', 'haproxy', 'http-request deny unless { path,url_dec -m beg /rtc/lecture/ }',
                '/etc/haproxy/haproxy.cfg', '^frontend '],
        ]) {
            const { rtcToken } = JSON.parse(await follow(section));
            assertToken(rtcToken, [rtc('lecture', '42', PUBLISHER)], 3600);
            // And with the rule that the page has.
            assert.ok(page.includes(`\`${rule}\``), rule);
            await run(`sed -i '\\%${below}%a ${rule}' ${file} && systemctl restart ${server}`);
            const curl = (target) => run(`curl -sS --retry 9 --retry-all-errors http://localhost${target}`);
            assert.match(await curl('/rtc/%6cecture/publisher/uid/42'), /^\{"rtcToken":"007/);
            for (const target of ['/rtc/*/publisher/uid/42', '/rte/lecture/publisher/uid/42', '/getToken/ -d {}']) {
                assert.match(await curl(target), /^\{"status":403,/, target);
            }
            await run(`systemctl stop ${server}`);
        }
    });
});
