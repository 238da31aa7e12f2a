// The units of conf/systemd under systemd itself, in a machine of their own, behind its nginx: as
// `make install-service` leaves them, and what conf/systemd/README.md says about them.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { commandsOf } from './gateways/host.mjs';
import {
    APP_ID, CERTIFICATE, PUBLISHER, assertJson, assertTells, assertToken, dotenvLine,
    fcgiAnswers, fcgiConnect, fcgiRequest, request, rtc, rtm, underLoad, waitFor,
} from './harness.mjs';
import { loginPolicy, startLogin } from './login.mjs';
import { bootMachine } from './machine.mjs';

const NEXT_CERTIFICATE = CERTIFICATE.slice(0, -1) + '0';
const CLIENTS = 8;
const MOST_EXPOSED = 1.5;
const PORT = 8080;
const TARGET = '/rtc/lecture/publisher/uid/42';
const ORIGIN = 'https://app.example.com';
const folder = '/etc/agora-token-fcgi';
const socket = '/run/agora-token-fcgi/responder.sock';
const dropIns = '/etc/systemd/system/agora-token-fcgi.socket.d';
const unit = '/usr/local/lib/systemd/system/agora-token-fcgi';

const site = `upstream agora_token {
    server unix:/run/agora-token-fcgi/responder.sock;
    keepalive 32;
}
server {
    listen 127.0.0.1:${PORT};
    include /srv/agora-token-fcgi/conf/nginx/responder.conf;
}
`;

describe('the service under systemd', () => {
    const service = { port: PORT };
    let machine;

    const run = async (command, options) => (await machine.run(command, options)).trim();
    const property = (name, kind = 'service') =>
        run(`systemctl show --property=${name} --value agora-token-fcgi.${kind}`);
    const mainPid = async () => Number(await property('MainPID'));
    const journal = () => run('journalctl --output=cat --unit=agora-token-fcgi.service');
    const settings = (values) => run(`cat >${folder}/.env`,
        { input: Object.entries(values).map(dotenvLine).join('') });
    const fails = (command) => machine.run(command).then(
        (output) => assert.fail(`${command} succeeded: ${output}`), ({ message }) => message);
    const tells = (...parts) => waitFor(`the log to tell ${parts}`, async () => {
        const text = await journal();
        return parts.every((part) => text.includes(part));
    });

    async function assertServes(certificate = CERTIFICATE) {
        const answer = assertJson(await request(service, TARGET), 200);
        assertToken(answer.rtcToken, [rtc('lecture', '42', PUBLISHER)], 3600, { certificate });
    }

    async function allowedOrigin() {
        const answer = await request(service, '/ping', { headers: { Origin: ORIGIN } });
        return answer.status === 200 && answer.headers['access-control-allow-origin'] === ORIGIN;
    }

    async function assertServesOnPort() {
        const peer = await fcgiConnect({ upstream: { host: '127.0.0.1', port: 9000 } });
        peer.write(fcgiRequest(TARGET));
        const [answer] = await fcgiAnswers(peer, 1);
        peer.destroy();
        const { rtcToken } = JSON.parse(answer.slice(answer.indexOf('{')));
        assertToken(rtcToken, [rtc('lecture', '42', PUBLISHER)], 3600);
        await fails(`test -e ${socket}`);
    }

    async function follow(section, type = (command) => command) {
        for (const command of commandsOf('systemd', section)) {
            await run(type(command));
        }
    }

    before(async () => {
        machine = await bootMachine({ root: process.env.MACHINE_ROOT });
        await machine.run('cat >/etc/nginx/conf.d/agora-token.conf', { input: site });
        await machine.run('rm -f .env /etc/nginx/sites-enabled/* && systemctl start nginx');
    });
    after(() => machine?.stop());

    it('is not installed without settings', async () => {
        assertTells(await fails('make install-service'), 'install -m 600 .env.example .env');
        assert.equal(await property('ActiveState', 'socket'), 'inactive');
    });

    it('is not started with settings that are wrong', async () => {
        await run('umask 077 && cat >.env', { input: `APP_ID=12\nAPP_CERTIFICATE=${CERTIFICATE}\n` });
        assertTells(await fails('make install-service'), 'APP_ID does not hold 32', folder);
        assert.equal(await property('ActiveState', 'socket'), 'inactive');
        await run(`rm -r ${folder}`);
    });

    it('needs a certificate to be installed', async () => {
        await run('umask 077 && cat >.env', { input: `APP_ID=${APP_ID}\n` });
        assertTells(await fails('make install-service'), '.env has no APP_CERTIFICATE');
        assert.equal(await property('ActiveState', 'socket'), 'inactive');
        await run(`rm -r ${folder}`);
    });

    it('is installed by one command, which says what it does', async () => {
        await run('umask 077 && cat >.env', {
            input: `# mine\r\nAPP_ID=${APP_ID}\r\nexport APP_CERTIFICATE = "${CERTIFICATE}" # secret\r\n`
                + 'LOG_LEVEL=debug\r\n',
        });
        const output = await run('make install-service 2>&1');
        assertTells(output, `${folder}/.env`, `${folder}/app-certificate`, socket,
            "note      the sample project's credentials are in use", 'answers   /readyz with {"status":"ready",');
        assert.ok(!output.includes(CERTIFICATE), 'the certificate is not shown');
        assert.equal(await property('UnitFileState', 'socket'), 'enabled');
    });

    it('keeps the certificate apart from the other settings, and from everybody else', async () => {
        const state = await run(`stat -c '%a %U %G %n' ${folder} ${folder}/.env ${folder}/app-certificate`);
        assert.deepEqual(state.split('\n'), [`750 root agora-token ${folder}`,
            `640 root agora-token ${folder}/.env`, `600 root root ${folder}/app-certificate`]);
        const rest = await run(`cat ${folder}/.env`);
        assertTells(rest, `APP_ID=${APP_ID}`, 'LOG_LEVEL=debug');
        assert.ok(!rest.includes(CERTIFICATE) && !/^[^#]*APP_CERTIFICATE/m.test(rest), rest);
        assert.equal(await run(`cat ${folder}/app-certificate`), CERTIFICATE);
    });

    it('can be installed again, and keeps the settings', async () => {
        const before = await run(`stat -c '%i %Y' ${folder}/.env ${folder}/app-certificate`);
        assertTells(await run('make install-service 2>&1'), `kept      ${folder}/.env`,
            `kept      ${folder}/app-certificate`);
        assert.equal(await run(`stat -c '%i %Y' ${folder}/.env ${folder}/app-certificate`), before);
    });

    it('has units in which systemd finds no fault', async () => {
        // (A minimal system has no man to find the pages with.)
        assert.equal(await run(`systemd-analyze verify --man=no ${unit}.service ${unit}.socket 2>&1`), '');
    });

    it(`is exposed by ${MOST_EXPOSED} at most, as systemd has it`, async (context) => {
        const report = await run(`systemd-analyze security --offline=true --no-pager ${unit}.service`);
        const [, exposure] = /Overall exposure level for \S+: ([\d.]+)/.exec(report);
        context.diagnostic(`exposure ${exposure}`);
        assert.ok(Number(exposure) <= MOST_EXPOSED, report);
    });

    it('is not said to be installed when it does not answer', async () => {
        const program = '/usr/local/lib/systemd/system/agora-token-fcgi.service.d';
        await run(`install -d ${program}`);
        await run(`cat >${program}/fails.conf`, { input: '[Service]\nExecStart=\nExecStart=/bin/false\n' });
        await run('systemctl stop agora-token-fcgi.service');
        assertTells(await fails('make install-service'), 'does not answer', 'journalctl -u agora-token-fcgi');
        await run(`rm -r ${program} && make install-service`);
    });

    it('has a socket for web servers alone, and no process before the first request', async () => {
        await run('systemctl stop agora-token-fcgi.service && systemctl restart agora-token-fcgi.socket');
        assert.equal(await run(`stat -c '%a %U %G' ${socket}`), '660 root www-data');
        await run(`setpriv --reuid www-data --regid www-data --clear-groups test -w ${socket}`);
        await fails(`setpriv --reuid nobody --regid nogroup --clear-groups test -w ${socket}`);
        assert.equal(await property('ActiveState'), 'inactive');
        assert.equal(await mainPid(), 0);
    });

    it('is started by the first request, and is active when it says that it is ready', async () => {
        await assertServes();
        assert.equal(await property('Type'), 'notify');
        assert.equal(await property('ActiveState'), 'active');
        assert.notEqual(await mainPid(), 0);
    });

    it('runs as a user of its own, without rights, network or core files', async () => {
        const pid = await mainPid();
        const status = await run(`cat /proc/${pid}/status`);
        const user = await run('id -u agora-token');
        for (const [name, value] of Object.entries({
            Uid: `${user}\t${user}\t${user}\t${user}`, CapBnd: '0000000000000000', NoNewPrivs: '1',
            Seccomp: '2',
        })) {
            assert.match(status, new RegExp(`^${name}:\\t${value}$`, 'm'));
        }
        assert.match(await run(`cat /proc/${pid}/limits`), /^Max core file size +0 +0 /m);
        assert.notEqual(await run(`readlink /proc/${pid}/ns/net`), await run('readlink /proc/1/ns/net'));
        const inside = `nsenter --target ${pid} --mount --root --`;
        await fails(`${inside} touch ${folder}/here`);
        await fails(`${inside} touch /var/here`);
    });

    it('has the certificate as a credential that others cannot read', async () => {
        const file = '/run/credentials/agora-token-fcgi.service/app-certificate';
        const pid = await mainPid();
        assertTells(await run(`tr '\\0' '\\n' </proc/${pid}/environ`), `APP_CERTIFICATE_FILE=${file}`);
        assert.equal(await run(`cat ${file}`), CERTIFICATE);
        for (const user of ['www-data', 'nobody']) {
            assertTells(await fails(`setpriv --reuid ${user} --regid nogroup --clear-groups cat ${file}`),
                'Permission denied');
        }
        const shown = await run(`cat /proc/${pid}/environ /proc/${pid}/cmdline; journalctl --no-pager;
            systemctl show agora-token-fcgi.service`);
        assert.ok(!shown.includes(CERTIFICATE), 'the certificate is not shown');
    });

    it('reads other settings again at a reload, in the same process', async () => {
        const pid = await mainPid();
        assert.equal(await allowedOrigin(), false);
        await settings({ APP_ID, CORS_ALLOW_ORIGIN: ORIGIN });
        await run('systemctl reload agora-token-fcgi');
        await waitFor('the origin to be allowed', allowedOrigin);
        await assertServes();
        assert.equal(await mainPid(), pid);
    });

    it('keeps the settings that it has when a reload finds wrong ones', async () => {
        const pid = await mainPid();
        await settings({ APP_ID, LOG_LEVEL: 'loud' });
        await run('systemctl reload agora-token-fcgi');
        await tells('the settings stay as they were', 'LOG_LEVEL');
        assert.ok(await allowedOrigin());
        assert.equal(await mainPid(), pid);
        await settings({ APP_ID });
    });

    it('is restarted with another certificate under load, and no request fails', async (context) => {
        const signers = [CERTIFICATE, NEXT_CERTIFICATE];
        const requests = await underLoad(service, CLIENTS, TARGET, async () => {
            for (let round = 1; round <= 4; round++) {
                const pid = await mainPid();
                await run(`cat >${folder}/app-certificate`, { input: signers[round % 2] });
                await run('systemctl restart agora-token-fcgi');
                assert.notEqual(await mainPid(), pid);
                await assertServes(signers[round % 2]);
                await sleep(200);
            }
        });
        context.diagnostic(`${requests} requests`);
    });

    it('is started again when it was killed', async () => {
        const pid = await mainPid();
        await run(`kill -s KILL ${pid}`);
        await waitFor('another process', async () => {
            const now = await mainPid();
            return now !== 0 && now !== pid && await property('ActiveState') === 'active';
        });
        await assertServes();
    });

    it('keeps a request waiting while a setting is wrong, and answers it when it is right', async () => {
        await settings({ APP_ID: 'wrong' });
        await run('systemctl stop agora-token-fcgi.service');
        const waiting = request(service, TARGET);
        await tells('APP_ID does not hold 32');
        await settings({ APP_ID });
        assertJson(await waiting, 200);
        assert.equal(await property('ActiveState', 'socket'), 'active');
    });

    it('does not open the socket without a certificate', async () => {
        await run(`systemctl stop agora-token-fcgi.socket && mv ${folder}/app-certificate ${folder}/kept`);
        await run('systemctl start agora-token-fcgi.socket');
        assert.equal(await property('ActiveState', 'socket'), 'inactive');
        assertTells(await run('journalctl --output=cat --unit=agora-token-fcgi.socket'),
            'unmet condition check', `ConditionPathExistsGlob=${folder}/app-certificate*`);
        assertJson(await request(service, TARGET), 502);
        await run(`mv ${folder}/kept ${folder}/app-certificate && systemctl start agora-token-fcgi.socket`);
        await assertServes();
    });

    describe('with a policy of access control', () => {
        const access = `${folder}/access.json`;
        const dropIn = '/etc/systemd/system/agora-token-fcgi.service.d/network.conf';
        const keys = '/var/lib/agora-token-jwks/keys.json';
        let login;

        const ask = (headers) => request(service, '/rtm/alice', { headers });
        const put = (policy) => run('umask 022 && cat >access.json', { input: policy });
        // The timer has it begin, and systemctl waits for nothing.
        const fetched = () => waitFor('the timer', async () => (
            await run('systemctl show --property=ActiveState --value agora-token-jwks.service')) === 'inactive');
        async function assertGuards() {
            assertToken(assertJson(await ask(login.bearer('alice')), 200).rtmToken, [rtm('alice')], 3600);
            assertJson(await ask({}), 401);
            assertJson(await ask(login.bearer('bob')), 403);
        }

        before(async () => {
            login = await startLogin();
        });
        after(() => login?.stop());

        it('turns everybody away until it has the keys, for which it has no network', async () => {
            await put(loginPolicy({ jwks_url: login.url }));
            const pid = await mainPid();
            await follow('Access control');
            assert.equal(await run(`stat -c '%a %U %G' ${access}`), '640 root agora-token');
            await tells('caller app: the key set could not be fetched');
            const answer = await ask(login.bearer('alice'));
            assertJson(answer, 503);
            assert.ok(Number(answer.headers['retry-after']) > 0);
            assertJson(await ask({}), 401);
            assert.equal(login.asked, 0);
            assert.equal(await mainPid(), pid);
        });

        it('fetches them with the network that the page gives it, by a process that is as confined', async () => {
            await follow('Keys from a URL');
            await waitFor('the keys', async () => (await ask(login.bearer('alice'))).status === 200);
            await assertGuards();
            const pid = await mainPid();
            const child = await run(`pgrep --parent ${pid}`);
            assert.equal(await run(`cat /proc/${child}/comm`), 'agora-token-jwk');
            const environment = await run(`tr '\\0' '\\n' </proc/${child}/environ`);
            assert.doesNotMatch(environment, /APP_|CREDENTIALS/);
            for (const process of [pid, child]) {
                const status = await run(`cat /proc/${process}/status`);
                for (const line of ['CapBnd:\t0000000000000000', 'NoNewPrivs:\t1', 'Seccomp:\t2']) {
                    assert.match(status, new RegExp(`^${line}$`, 'm'));
                }
            }
        });

        it('fetches by HTTPS too, by a name that it looks up, from whom a private authority vouches for', async () => {
            const host = 'login.test';
            const certificate = `${folder}/authority.pem`;
            await run(`openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=${host} \
                -addext subjectAltName=DNS:${host} -keyout /root/login.key -out ${certificate} 2>/dev/null
                chmod 644 ${certificate} && echo 127.0.0.1 ${host} >>/etc/hosts`);
            const [key, cert] = await Promise.all([run('cat /root/login.key'), run(`cat ${certificate}`)]);
            const other = await startLogin({ host, tls: { key, cert } });
            try {
                const fetchedBy = (keys) => run(`cat >${access} && systemctl reload agora-token-fcgi`,
                    { input: loginPolicy(keys) });
                await fetchedBy({ jwks_url: other.url });
                await tells('the key set could not be fetched: SSL certificate problem');
                assertJson(await ask(other.bearer('alice')), 503);
                await fetchedBy({ jwks_url: other.url, ca_file: certificate });
                await waitFor('the keys', async () => (await ask(other.bearer('alice'))).status === 200);
                assertJson(await ask(login.bearer('alice')), 401);
                await fetchedBy({ jwks_url: login.url });
                await waitFor('the keys', async () => (await ask(login.bearer('alice'))).status === 200);
            } finally {
                await other.stop();
            }
            await run(`rm ${certificate}`);
        });

        it('starts the process that fetches again when it was killed', async () => {
            const pid = await mainPid();
            const child = await run(`pgrep --parent ${pid}`);
            await run(`kill -s KILL ${child}`);
            await tells('agora-token-jwks has ended, or answered wrongly');
            await assertGuards();
            await run(`rm ${dropIn} && systemctl daemon-reload`);
        });

        it('has its keys by a timer instead, without network, as the page says', async () => {
            const asked = login.asked;
            await follow('Keys by a timer', (command) => (!command.startsWith('editor ') ? command
                : `sed -i 's|^Environment=JWKS_URL=.*|Environment=JWKS_URL=${login.url}|' ${command.split(' ')[1]}`));
            await waitFor('the keys', () => login.asked > asked);
            await fetched();
            assert.equal(await run(`stat -c '%a %U %G' ${keys}`), '644 agora-token agora-token');
            await put(loginPolicy({ jwks_file: keys }));
            await run(`${commandsOf('systemd', 'Access control')[0]} && systemctl restart agora-token-fcgi`);
            await assertGuards();
            assert.notEqual(await run(`readlink /proc/${await mainPid()}/ns/net`), await run('readlink /proc/1/ns/net'));
            assertTells(await run('systemctl show --property=TimersCalendar agora-token-jwks.timer'), '*:00/10:00');
        });

        it('reloads the service when the timer has fetched, and keeps the file when it could not', async () => {
            const pid = await mainPid();
            const reloads = async () => (await journal()).split('the settings were read again').length;
            const before = await reloads();
            await run('systemctl start agora-token-jwks.service');
            await waitFor('the reload', async () => await reloads() > before);
            login.isDown = true;
            await fails('systemctl start agora-token-jwks.service');
            login.isDown = false;
            assertTells(await run('journalctl --output=cat --unit=agora-token-jwks.service'), 'status 500');
            await run('systemctl reload agora-token-fcgi');
            await assertGuards();
            assert.equal(await mainPid(), pid);
        });

        it('keeps the policy when a reload finds a fault in it or has none, and does not start with one', async () => {
            await run(`cp -p ${access} ${access}.kept && echo '{"rules":[]}' >${access}`);
            await run('systemctl reload agora-token-fcgi');
            await tells('the settings stay as they were', 'access.json', 'callers');
            await assertGuards();
            await run(`cp -p ${folder}/.env ${folder}/.env.kept && sed -i /ACCESS_FILE/d ${folder}/.env`);
            await run('systemctl reload agora-token-fcgi');
            await tells('ACCESS_FILE is not set any more');
            await assertGuards();
            await run(`mv ${folder}/.env.kept ${folder}/.env`);
            assertTells(await fails('make install-service'), 'access.json', 'please correct');
            await run(`mv ${access}.kept ${access}`);
        });

        it('is installed with the policy that .env names', async () => {
            await run(`cp -p .env .env.kept && cp -p ${folder}/.env ${folder}/.env.kept && rm ${access} ${folder}/.env`);
            await run('echo ACCESS_FILE=access.json >>.env');
            assertTells(await run('make install-service 2>&1'), `made      ${access} from ./access.json`);
            assert.equal(await run(`stat -c '%a %U %G' ${access}`), '640 root agora-token');
            await assertGuards();
            assertTells(await run('make install-service 2>&1'), `kept      ${access}`);
            await run(`mv .env.kept .env && mv ${folder}/.env.kept ${folder}/.env
                sed -i /ACCESS_FILE/d ${folder}/.env && rm ${access} access.json
                systemctl disable --now agora-token-jwks.timer && rm -r /etc/systemd/system/agora-token-jwks.*
                systemctl daemon-reload && systemctl restart agora-token-fcgi`);
            await assertServes();
        });

        it('has units in which systemd finds no fault', async () => {
            const [unit_, timer] = ['service', 'timer'].map((kind) => `conf/systemd/agora-token-jwks.${kind}`);
            assert.equal(await run(`systemd-analyze verify --man=no $PWD/${unit_} $PWD/${timer} 2>&1`), '');
        });
    });

    it('takes an encrypted certificate, as the page says', async () => {
        await follow('The certificate, encrypted');
        const files = await run(`ls ${folder}`);
        assert.equal(files, 'app-certificate.encrypted');
        await assertServes();
        assert.ok(!(await run(`cat ${folder}/*`)).includes(CERTIFICATE));
        await run('systemctl stop agora-token-fcgi.socket && systemctl start agora-token-fcgi.socket');
        await assertServes();
        await run('make install-service');
        assert.equal(await run(`ls ${folder}`), 'app-certificate.encrypted');
        await assertServes();
    });

    it('listens on a TCP port instead, as the page says', async () => {
        await follow('A TCP port');
        await assertServesOnPort();
        await run(`systemctl stop agora-token-fcgi.socket && rm -r ${dropIns}
            systemctl daemon-reload && systemctl start agora-token-fcgi.socket`);
        await assertServes();
    });

    it('moves to another socket when it is installed again with one, as conf/nginx says', async () => {
        const [dropIn, install] = commandsOf('nginx', 'systemd and a TCP port');
        assertTells(dropIn, 'tcp.conf');
        assert.equal(install, 'make install-service');
        await run(dropIn);
        assertTells(await run(install), '127.0.0.1:9000', 'answers   /readyz with {"status":"ready",');
        await assertServesOnPort();
        await run(`rm -r ${dropIns} && make install-service`);
        await assertServes();
    });

    it('keeps the socket open when it is installed again with the same', async () => {
        const since = () => property('ActiveEnterTimestampMonotonic', 'socket');
        const before = await since();
        await run('make install-service');
        assert.equal(await since(), before);
        await assertServes();
    });

    it('comes up with the machine', async () => {
        await run('systemctl stop agora-token-fcgi.socket');
        await run('systemctl restart sockets.target');
        await assertServes();
    });

    it('is taken away by make uninstall, but for the settings', async () => {
        const pid = await mainPid();
        const output = await run('make uninstall');
        assertTells(output, `kept      ${folder}`);
        await fails(`test -e /proc/${pid}`);
        assert.equal(await run(`ls -d /run/agora-token-fcgi ${unit}* /usr/local/bin/agora-token* \
            /usr/local/lib/sysusers.d/agora* /etc/systemd/system/*.wants/agora* 2>/dev/null || :`), '');
        assert.equal(await property('LoadState', 'socket'), 'not-found');
        assertJson(await request(service, TARGET), 502);
    });
});
