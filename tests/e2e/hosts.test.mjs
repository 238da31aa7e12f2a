// What concerns a web server and the systemd service behind it: a service that restarts or is down.
// Runs over the host that GATEWAY names, which has to be one with such a service.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
    CERTIFICATE, GATEWAY,
    assertError, assertTokens, request, rtm, startService, underLoad, waitFor,
} from './harness.mjs';

const UNITS = 'agora-token-fcgi.socket agora-token-fcgi.service';
// So many that one in which a connection is lost is among them.
const RESTARTS = 25;

describe(`the service behind ${GATEWAY}`, () => {
    let service;
    before(async () => {
        service = await startService();
    });
    after(() => service?.stop());

    const ask = () => request(service, '/rtm/alice/');

    it('restarts without a failed request', async () => {
        assertTokens(await ask(), { rtmToken: [rtm('alice')] }, 3600);
        const processes = new Set();
        await underLoad(service, 32, '/rtm/alice/', async () => {
            for (let count = 0; count < RESTARTS; count++) {
                await service.machine.run('systemctl restart agora-token-fcgi');
                processes.add(await service.machine.run(
                    'systemctl show --property=MainPID --value agora-token-fcgi'));
            }
        }, (answer) => assertTokens(answer, { rtmToken: [rtm('alice')] }, 3600));
        assert.equal(processes.size, RESTARTS, 'each restart is another process');
    });

    it('is told to be down while it is, in the form of all errors, and is found again', async () => {
        await service.machine.run(`systemctl stop ${UNITS}`);
        for (let count = 0; count < 3; count++) {
            const answer = await ask();
            assert.ok([502, 503].includes(answer.status), `${answer.status}`);
            assertError(answer, answer.status);
        }
        await service.machine.run('systemctl start agora-token-fcgi.socket');
        await waitFor('the service to be found again', async () => (await ask()).status === 200);
        assertTokens(await ask(), { rtmToken: [rtm('alice')] }, 3600);
    });

    it('leaves no secret in a log', async () => {
        const log = await service.machine.log();
        assert.match(log, /agora-token-fcgi/);
        assert.ok(!log.includes(CERTIFICATE));
    });

    if (GATEWAY === 'nginx-prefix') {
        it('leaves the rest of the site alone', async () => {
            await service.machine.run('echo "a page" >/var/www/html/page.html');
            const site = `http://127.0.0.1:${service.port}`;
            for (const [path, status, text] of [
                ['/page.html', 200, 'a page'], ['/ping', 404, '404 Not Found'],
                ['/.agora-token-error', 404, '404 Not Found'],
            ]) {
                const answer = await fetch(site + path);
                assert.equal(answer.status, status, path);
                assert.match(answer.headers.get('content-type'), /^text\/html/);
                assert.ok((await answer.text()).includes(text), path);
            }
        });
    }
});
