// conf/prometheus/README.md to the letter, in a machine of its own: the service under systemd behind nginx, and
// Debian's Prometheus, as its service, which reads it. What it reads is the affair of metrics.test.mjs.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { commandsOf } from './gateways/host.mjs';
import { APP_ID, CERTIFICATE, assertJson, dotenvLine, request, waitFor } from './harness.mjs';
import { bootMachine } from './machine.mjs';

const REQUESTS = 100;
const PROCESS = ['cpu_seconds_total', 'open_fds', 'max_fds', 'resident_memory_bytes', 'start_time_seconds'];

it('the page leads to a Prometheus that knows what the service did', async () => {
    const machine = await bootMachine();
    try {
        await machine.run('umask 077 && rm -f .env && cat >.env', {
            input: Object.entries({ APP_ID, APP_CERTIFICATE: CERTIFICATE }).map(dotenvLine).join(''),
        });
        await machine.run('sed -i "s/_interval: 15s/_interval: 1s/" conf/prometheus/prometheus.yml');
        const commands = [...commandsOf('nginx', 'systemd and a Unix socket'), ...commandsOf('prometheus', 'In five commands')];
        for (const command of commands) {
            await machine.run(command);
        }
        for (let i = 0; i < REQUESTS; i++) {
            assertJson(await request({ port: 80 }, '/rtm/ann'), 200);
        }
        assert.equal((await request({ port: 9180 }, '/rtm/ann')).status, 404, 'the port is for the metrics alone');

        const query = async (expression) => {
            const answer = await fetch(`http://127.0.0.1:9090/api/v1/query?query=${encodeURIComponent(expression)}`)
                .catch(() => null);
            const { data } = answer?.ok ? await answer.json() : {};
            return Number(data?.result[0]?.value[1]);
        };
        const counted = 'sum(agora_token_requests_total{route="/rtm/:rtmuid"})';
        await waitFor(counted, async () => await query(counted) === REQUESTS, 30000);
        // From within the sandbox of the unit.
        for (const name of PROCESS) {
            assert.ok(await query(`process_${name}{job="agora-token"}`) > 0, name);
        }
    } catch (error) {
        error.message += `\n${await machine.log()}`;
        throw error;
    } finally {
        await machine.stop();
    }
});
