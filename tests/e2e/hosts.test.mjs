// What concerns a web server and the systemd service behind it: a service that restarts or is down.
// Runs over the host that GATEWAY names, which has to be one with such a service.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
    CERTIFICATE, GATEWAY,
    assertError, assertTokens, repository, request, rtm, startService, underLoad, waitFor,
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
            assert.equal(answer.headers['access-control-allow-origin'], '*', 'a page can read it');
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

    if (GATEWAY === 'nginx-unix') {
        const read = (file) => fs.readFileSync(path.join(repository, file), 'utf8');

        it('comes with a library that the C program of include/README.md finds', async () => {
            const [, program] = /```c\n([^]*?)```/.exec(read('include/README.md'));
            const [, compile] = /^ {4}(cc mint\.c .+)$/m.exec(read('include/README.md'));
            const token = await service.machine.run(`cat >/tmp/mint.c && cd /tmp && ${compile} && ./a.out`,
                { input: program });
            assert.match(token, /^007/);
        });

        // The commands in its head, with what an operator would do in the editor.
        it('nginx.conf.example may take the place of the site', async () => {
            const commands = read('nginx.conf.example').split('\n#\n')
                .find((text) => text.startsWith('#     ')).replaceAll(/^# +/gm, '').split('\n');
            assert.equal(commands.length, 5);
            for (const command of commands) {
                const [, file] = /^editor (\S+)/.exec(command) ?? [];
                await service.machine.run(file ? `
                    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=tokens.example.com \
                        -keyout /etc/ssl/key.pem -out /etc/ssl/certificate.pem
                    sed -i 's|/etc/letsencrypt/.*/fullchain.pem|/etc/ssl/certificate.pem|
                        s|/etc/letsencrypt/.*/privkey.pem|/etc/ssl/key.pem|' ${file}` : command);
            }
            const curl = (url) => service.machine.run(`curl -sSk --retry 9 --retry-all-errors \
                --resolve '*:443:127.0.0.1' --resolve '*:80:127.0.0.1' ${url}`);
            assert.match(await curl('https://tokens.example.com/rtm/alice'), /^\{"rtmToken":"007/);
            // Until the processes with the old site have ended.
            for (const site of ['https://rebound.example', 'http://rebound.example', 'http://localhost']) {
                await waitFor(`${site} to be refused`, () => curl(`--retry 0 ${site}/rtm/alice`).then(
                    () => false, ({ message }) => /Empty reply|HTTP\/2/.test(message)));
            }
        });
    }

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
