// The Debian packages in a bare system that systemd has booted: installed before there are settings, put to
// use as the installation says, upgraded under load, removed, and purged without a trace. Run by
// tests/check-package, which makes that system and puts the packages into its /mnt.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import judge from 'agora-token/src/AccessToken2.js';
import {
    APP_ID, CERTIFICATE, PUBLISHER, assertJson, assertTells, assertToken, repository, request, rtc, rtm,
    underLoad, waitFor,
} from './harness.mjs';
import { loginPolicy, startLogin } from './login.mjs';
import { bootMachine } from './machine.mjs';

const CLIENTS = 8;
const PORT = 8080;
const TARGET = '/rtc/lecture/publisher/uid/42';
const folder = '/etc/agora-token-fcgi';
const examples = '/usr/share/doc/agora-token-fcgi/examples';
const APT = 'DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends';
const NAMES = ['agora-token', 'agora-token-fcgi', 'agora-token-jwks', 'libagoratoken-dev', 'libagoratoken0'];

const site = `upstream agora_token {
    server unix:/run/agora-token-fcgi/responder.sock;
    keepalive 32;
}
server {
    listen 127.0.0.1:${PORT};
    include ${examples}/nginx/responder.conf;
}
`;

describe('the Debian packages', () => {
    const service = { port: PORT };
    let machine;
    let filesBefore;

    const run = async (command, options) => (await machine.run(command, options)).trim();
    const property = (name, kind = 'service') =>
        run(`systemctl show --property=${name} --value agora-token-fcgi.${kind}`);

    // Of everything that lasts, but for what apt, nginx and the log keep for themselves.
    const passing = ['/mnt', '/old', '/proc', '/run', '/srv', '/tmp', '/var/cache', '/var/lib/apt',
        '/var/lib/nginx', '/var/log'].map((folder_) => `-path ${folder_}`).join(' -o ');
    const files = async () => (await run(`find / -xdev \\( ${passing} \\) -prune -o -print`)).split('\n');

    async function assertServes() {
        const answer = assertJson(await request(service, TARGET), 200);
        assertToken(answer.rtcToken, [rtc('lecture', '42', PUBLISHER)], 3600);
    }

    async function assertHealthy() {
        assert.equal(await run('dpkg --audit'), '');
        assert.equal(await run('systemctl --failed --no-legend --plain'), '');
    }

    before(async () => {
        assert.ok(process.env.MACHINE_ROOT, 'MACHINE_ROOT names a bare system');
        machine = await bootMachine({ root: process.env.MACHINE_ROOT });
        await machine.run('rm -f /etc/nginx/sites-enabled/*');
        // What nginx, systemd and its users file leave at their first use is not the packages', nor is what
        // cannot start in such a machine.
        await machine.run(`systemctl start nginx systemd-logind && systemctl reset-failed
            touch /etc/.pwd.lock`);
        filesBefore = await files();
    });
    after(() => machine?.stop());

    it('are installed without settings, and say what is to be done', async () => {
        const output = await run(`${APT} install /mnt/*.deb 2>&1`);
        assertTells(output, 'does not serve yet', `${folder}/.env`, `${folder}/app-certificate`);
        const installed = await run("dpkg-query --show --showformat='${Package}\\n' '*agora*token*'");
        assert.deepEqual(installed.split('\n').sort(), NAMES);
        await assertHealthy();
        assert.equal(await property('UnitFileState', 'socket'), 'enabled');
        assert.equal(await property('ActiveState', 'socket'), 'inactive');
        assertTells(await run('journalctl --output=cat --unit=agora-token-fcgi.socket'),
            `ConditionPathExistsGlob=${folder}/app-certificate*`);
    });

    it('have a service that says which setting is missing', async () => {
        assert.equal(await run(`stat -c '%a %U %G' ${folder} ${folder}/.env`),
            '750 root agora-token\n640 root agora-token');
        const refusal = await machine.run(`cd ${folder} && agora-token-fcgi --check`).then(
            () => assert.fail('there is no App ID'), ({ message }) => message);
        assertTells(refusal, 'APP_ID is missing');
    });

    it('serve when that is done, behind nginx with the examples', async () => {
        await run(`sed -i 's/^APP_ID=.*/APP_ID=${APP_ID}/' ${folder}/.env`);
        await run(`umask 077 && cat >${folder}/app-certificate`, { input: `${CERTIFICATE}\n` });
        await run('systemctl start agora-token-fcgi.socket');
        await run('cat >/etc/nginx/conf.d/agora-token.conf', { input: site });
        await run('systemctl restart nginx');
        assert.equal(await property('ActiveState'), 'inactive');
        await assertServes();
        assert.equal(await property('ActiveState'), 'active');
        assert.equal(await run(`stat -c %U /proc/${await property('MainPID')}`), 'agora-token');
        await assertHealthy();
    });

    it('have units in which systemd finds no fault', async (context) => {
        const unit = await property('FragmentPath');
        const both = `${unit} ${unit.replace('.service', '.socket')}`;
        assert.equal(await run(`systemd-analyze verify --man=no ${both} 2>&1`), '');
        const report = await run(`systemd-analyze security --offline=true --no-pager ${unit}`);
        const [, exposure] = /Overall exposure level for \S+: ([\d.]+)/.exec(report);
        context.diagnostic(`${(await run('systemctl --version')).split('\n')[0]}: exposure ${exposure}`);
        assert.ok(Number(exposure) <= 1.5, report);
    });

    it('have a tool that mints what the service reads', async () => {
        const token = await run(`APP_ID=${APP_ID} APP_CERTIFICATE_FILE=${folder}/app-certificate \
            agora-token rtc --channel lecture --uid 42 --role publisher`);
        assertToken(token, [rtc('lecture', '42', PUBLISHER)], 3600);
        const answer = await request(service, '/inspect', { method: 'POST', body: JSON.stringify({ token }) });
        assert.equal(assertJson(answer, 200).signed_here, true);
    });

    it('have a library for programs in C', async () => {
        const source = path.join(repository, 'tests/e2e/programs/mint.c');
        await run('cat >/tmp/mint.c', { input: fs.readFileSync(source) });
        await run('cd /tmp && cc mint.c -o mint $(pkg-config --cflags --libs agoratoken)');
        assertTells(await run('ldd /tmp/mint'), 'libagoratoken.so.0');
        const token = new judge.AccessToken2('', '', 0, 0);
        assert.equal(token.from_string(await run('/tmp/mint')), true);
        assert.equal(token.verifySignature(CERTIFICATE), true);
    });

    it('take a policy whose keys are at a URL, with the drop-in of the examples', async () => {
        const login = await startLogin();
        const dropIn = '/etc/systemd/system/agora-token-fcgi.service.d/network.conf';
        const ask = (headers) => request(service, '/rtm/alice', { headers });
        try {
            await run(`cp -p ${folder}/.env ${folder}/.env.kept && echo ACCESS_FILE=access.json >>${folder}/.env
                cat >${folder}/access.json && chgrp agora-token ${folder}/access.json`,
            { input: loginPolicy({ jwks_url: login.url }) });
            assertTells(await run(`agora-token access check ${folder}/access.json`), 'app');
            await run(`install -D -m 644 ${examples}/systemd/network.conf ${dropIn}
                systemctl daemon-reload && systemctl restart agora-token-fcgi`);
            await waitFor('the keys', async () => (await ask(login.bearer('alice'))).status === 200);
            assertToken(assertJson(await ask(login.bearer('alice')), 200).rtmToken, [rtm('alice')], 3600);
            assertJson(await ask(login.bearer('bob')), 403);
            assertJson(await ask({}), 401);
            // Without its package the service runs, and those wait who need it.
            await run(`${APT} remove agora-token-jwks && systemctl restart agora-token-fcgi`);
            await waitFor('the log to tell', async () => (await run('journalctl --output=cat -u agora-token-fcgi'))
                .includes("agora-token-jwks can't be started: No such file"));
            assertJson(await ask(login.bearer('alice')), 503);
            JSON.parse(await run('cat /usr/share/agora-token/schema.json'));
        } finally {
            await login.stop();
        }
        await run(`mv ${folder}/.env.kept ${folder}/.env && rm ${folder}/access.json ${dropIn}
            rmdir /etc/systemd/system/agora-token-fcgi.service.d
            systemctl daemon-reload && systemctl restart agora-token-fcgi
            ${APT} install /mnt/agora-token-jwks_*.deb`);
        await assertServes();
    });

    it('read the settings again at a reload', async () => {
        await run(`echo LOG_LEVEL=debug >>${folder}/.env && systemctl reload agora-token-fcgi`);
        await waitFor('the log to tell', async () => (await run('journalctl --output=cat -u agora-token-fcgi'))
            .includes('the settings were read again'));
    });

    it('are upgraded under load, and no request fails', async (context) => {
        const pid = await property('MainPID');
        const settings = await run(`sha256sum ${folder}/.env ${folder}/app-certificate`);
        const requests = await underLoad(service, CLIENTS, TARGET,
            () => run(`${APT} install --reinstall /mnt/*.deb`));
        context.diagnostic(`${requests} requests`);
        assert.notEqual(await property('MainPID'), pid);
        assert.equal(await run(`sha256sum ${folder}/.env ${folder}/app-certificate`), settings);
        await assertServes();
        await assertHealthy();
    });

    it('are removed, but for the settings, and serve at once when they are installed again', async () => {
        const pid = await property('MainPID');
        await run(`${APT} remove agora-token-fcgi`);
        assert.equal(await run(`ls -d /proc/${pid} /run/agora-token-fcgi 2>/dev/null || :`), '');
        assert.equal(await run(`ls -A ${folder}`), '.env\napp-certificate');
        const output = await run(`${APT} install /mnt/agora-token-fcgi_*.deb 2>&1`);
        assert.ok(!output.includes('does not serve yet'), output);
        await run('systemctl restart nginx');       // which has the examples for its configuration
        await assertServes();
    });

    it('are purged, and leave nothing', async () => {
        await run('rm /etc/nginx/conf.d/agora-token.conf && systemctl restart nginx');
        await run(`${APT} purge --autoremove '*agora*token*'`);
        await assertHealthy();
        const left = (await files()).filter((file) => !filesBefore.includes(file));
        assert.deepEqual(left, []);
        assert.equal(await run('ls -d /run/agora* /run/credentials/agora* 2>/dev/null || :'), '');
        assert.equal(await property('LoadState', 'socket'), 'not-found');
        assert.equal(await run(`grep -rlF ${CERTIFICATE} /etc /usr /var /run 2>/dev/null || :`), '');
    });
});
