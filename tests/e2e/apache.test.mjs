// What conf/apache/README.md says about running its three ways, beyond the contract and hosts.test.mjs.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gateways as hosts, protect } from './gateways/host.mjs';
import {
    CERTIFICATE, SUBSCRIBER, assertError, assertTells, assertTokens, drive, repository, request, rtc, rtm, startService,
    waitFor,
} from './harness.mjs';

const ORIGIN = 'https://app.example';
const OTHER = 'https://other.example';

async function allowed(service, origin) {
    const answer = await request(service, '/ping', { headers: { Origin: origin } });
    return answer.headers['access-control-allow-origin'] === origin;
}

// The page's way to change a setting: in that file, then that command.
async function assertChanges(service, file, command) {
    assert.deepEqual([await allowed(service, ORIGIN), await allowed(service, OTHER)], [true, false]);
    await service.machine.run(`sed -i 's|${ORIGIN}|${OTHER}|' ${file} && ${command}`);
    // Apache reloads after the command has ended, and has processes with the old setting a while longer.
    await waitFor('only the other origin to be allowed',
        async () => await allowed(service, OTHER) && !await allowed(service, ORIGIN));
}

// Neither in what Apache or a program writes, nor in the arguments of a process.
async function assertSecret(service) {
    const seen = await service.machine.run('ps -eo args; journalctl --no-pager; cat /var/log/apache2/*.log');
    assert.ok(seen.includes('apache2'));
    assert.ok(!seen.toLowerCase().includes(CERTIFICATE.toLowerCase()));
}

const suite = (gateway, tests, dotenv = '') => describe(`Apache, ${gateway}`, () => {
    const host = {};
    before(async () => {
        host.service = await startService({ gateway, settings: { CORS_ALLOW_ORIGIN: ORIGIN }, dotenv });
    });
    after(() => host.service?.stop());
    tests(host);
});

suite('apache-proxy-fcgi', (host) => {
    it('a service that was away is found by the very next request', async () => {
        const { service } = host;
        await service.machine.run('systemctl stop agora-token-fcgi.socket agora-token-fcgi.service');
        assertError(await request(service, '/rtm/alice/'), 503);
        await service.machine.run('systemctl start agora-token-fcgi.socket');
        assertTokens(await request(service, '/rtm/alice/'), { rtmToken: [rtm('alice')] }, 3600);
    });

    it('connections to the service are kept', async () => {
        const { service } = host;
        let asked = 0;
        await drive(service, 4, () => (asked++ < 400 ? '/ping' : null), () => {});
        const open = await service.machine.run('ss -Hxt state established | grep -c responder.sock');
        assert.ok(Number(open) >= 1 && Number(open) <= 100, open);
    });

    it('a setting is changed as the page says', () => assertChanges(
        host.service, '/etc/agora-token-fcgi/.env', 'systemctl reload agora-token-fcgi'));
    it('the certificate stays secret', () => assertSecret(host.service));
});

suite('apache-proxy-fcgi', (host) => {
    const SECRET = 'the secret of my-client, 32 bytes or more';
    const PROVIDER = 'https://login.example.com';
    const cookies = (answer) => answer.headers['set-cookie'].map((cookie) => cookie.split(';')[0]).join('; ');

    // What the provider has the browser bring back: the module and it share a secret, and need not talk.
    function idToken(nonce, user) {
        const now = Math.floor(Date.now() / 1000);
        const signed = [{ alg: 'HS256' },
            { iss: PROVIDER, aud: 'my-client', sub: 'u1', iat: now, exp: now + 600, nonce, ...user }].map(
            (part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
        return `${signed}.${crypto.createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
    }

    it('who has logged in by OpenID Connect gets what the policy of conf/access/README.md says', async () => {
        const { service } = host;
        const page = fs.readFileSync(path.join(repository, 'conf/access/README.md'), 'utf8');
        const [, recipe] = page.split("### OpenID Connect by Apache's mod_auth_openidc\n");
        const [, policy] = /```json\n([^]*?)```/.exec(recipe);
        const [, site] = /\n```\n(OIDC[^]*?)```/.exec(recipe);
        await protect('apache-proxy-fcgi', service.machine, { 'access.json': policy });
        const { file, below } = hosts['apache-proxy-fcgi'].rules;
        await service.machine.run(`cat >/run/rule && sed -Ei '\\%${below}%r /run/rule' ${file}
            a2enmod -q auth_openidc && systemctl restart apache2`, {
            input: `OIDCProviderIssuer ${PROVIDER}
OIDCProviderAuthorizationEndpoint ${PROVIDER}/authorize
OIDCResponseType id_token
OIDCResponseMode form_post
OIDCIDTokenSignedResponseAlg HS256
OIDCClientID my-client
OIDCClientSecret "${SECRET}"
OIDCRedirectURI http://127.0.0.1/.login
OIDCCryptoPassphrase passphrase
${site}`,
        });
        const ask = (target, headers, options) => request(service, target,
            { headers: { Host: '127.0.0.1', OIDC_CLAIM_groups: 'staff', 'OIDC-CLAIM-groups': 'staff', ...headers }, ...options });
        const target = '/rtc/class-7/subscriber/userAccount/ann';
        assertError(await ask(target), 401);
        const asked = await ask(target, { Accept: 'text/html' });
        assert.equal(asked.status, 302, asked.body);

        const query = new URL(asked.headers.location).searchParams;
        const back = await ask('/.login',
            { Cookie: cookies(asked), 'Content-Type': 'application/x-www-form-urlencoded' }, {
                method: 'POST', body: `${new URLSearchParams({
                    state: query.get('state'),
                    id_token: idToken(query.get('nonce'), { preferred_username: 'ann', groups: ['class-7', 'class-8'] }),
                })}`,
            });
        assert.equal(back.status, 302, back.body);
        const Cookie = cookies(back);
        assertTokens(await ask(target, { Cookie }), { rtcToken: [rtc('class-7', 'ann', SUBSCRIBER)] }, 3600);
        for (const other of ['/rtc/class-9/subscriber/userAccount/ann', '/rtc/class-7/publisher/userAccount/ann',
            '/rtc/class-7/subscriber/userAccount/bob']) {
            assertTells(assertError(await ask(other, { Cookie }), 403), 'is not allowed');
        }
    });
});

suite('apache-fcgid', (host) => {
    it('takes up to eight processes, of the user that Apache has', async () => {
        const { service } = host;
        await Promise.all(Array.from({ length: 200 }, () => request(service, '/ping')));
        const users = (await service.machine.run('ps -o user= -C agora-token-fcgi')).trim().split('\n');
        assert.ok(users.length > 1 && users.length <= 8, `${users.length} processes`);
        assert.deepEqual(new Set(users), new Set(['www-data']));
    });
    it('a chunked body of more than 128 KiB is a 500', async () => {
        const body = Array.from({ length: 20 }, () => ' '.repeat(8000));
        assertError(await request(host.service, '/getToken', { method: 'POST', body }), 500);
        assertError(await request(host.service, '/getToken', { method: 'POST', body: body.join('') }), 413);
    });
    it('a setting is changed as the page says', () => assertChanges(
        host.service, '/usr/local/lib/agora-token/.env', 'service apache2 reload'));
    it('the certificate stays secret', () => assertSecret(host.service));
});

suite('apache-cgi', (host) => {
    it('only root can read the settings', async () => {
        const file = '/etc/apache2/agora-token-settings.conf';
        assert.equal(await host.service.machine.run(
            `stat -c '%U %a' ${file}; grep -c ${CERTIFICATE} ${file}`), 'root 600\n1\n');
    });
    it('settings with spaces and comments are those that .env has', async () => {
        assert.deepEqual(await Promise.all([ORIGIN, 'https://more.example', '*'].map(
            (origin) => allowed(host.service, origin))), [true, true, false]);
    });
    it('a setting is changed as the page says', () => assertChanges(
        host.service, '/etc/apache2/agora-token-settings.conf', 'service apache2 reload'));
    it('the certificate stays secret', () => assertSecret(host.service));
}, `export CORS_ALLOW_ORIGIN = ${ORIGIN}, https://more.example\t# two sites\nLOG_LEVEL="debug" # for now\n`);

describe('setenv.sed', () => {
    const script = path.join(repository, 'conf/apache/setenv.sed');

    // As the program reads them, see tests/unit/test_settings.c.
    for (const [line, setenv] of [
        ['A=b', 'A "b"'], [' export A = b ', 'A "b"'], ['A:b', 'A "b"'], ['A=b\r', 'A "b"'],
        ['\ufeffA=b', 'A "b"'], ['A=', 'A ""'], ['A=b c, d', 'A "b c, d"'], ['A=b # c', 'A "b"'],
        ['A=b\t# c # d', 'A "b"'], ['A=b#c', 'A "b#c"'], ['A=#b #c', 'A "#b"'],
        ['A="b c" # d "e"', 'A "b c"'], ['A="b # c"', 'A "b # c"'], ["A='b # c' # d", 'A "b # c"'],
        ['A="b\\"c"', 'A "b\\"c"'], ["A='b\"c'", 'A "b\\"c"'], ['A=b\\c"d', 'A "b\\\\c\\"d"'],
        ['A=b=c', 'A "b=c"'],
    ]) {
        it(JSON.stringify(line), () => {
            const input = `${line}\n\n# ${line}\nB=1\n`;
            assert.equal(`${execFileSync('sed', ['-nEf', script], { input })}`, `SetEnv ${setenv}\nSetEnv B "1"\n`);
        });
    }

    for (const line of ['A', '=b', 'A="b', "A='b' c", 'A b=c']) {
        it(`${JSON.stringify(line)} is no setting`, () => {
            const { status, stdout } = spawnSync('sed', ['-nEf', script], { input: `${line}\n` });
            assert.deepEqual([status, `${stdout}`], [1, '']);
        });
    }
});
