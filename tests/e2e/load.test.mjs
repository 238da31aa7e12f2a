// Many clients at once, in little memory: the responder on a Unix socket behind nginx. No gateway
// matters here, so running this file once is enough. What it measures is the release's; how the
// engine behaves is in engine.test.mjs.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
    PUBLISHER,
    assertTokens, drive, residentMemory, rtc, startService,
} from './harness.mjs';

const CLIENTS = 64;
const REQUESTS = 10000;

async function driveMany(service, count) {
    const faults = [];
    let begun = 0;
    const sample = [];
    await drive(service, CLIENTS,
        () => (begun < count ? `/rtc/lecture/publisher/uid/${++begun}/` : null),
        (answer, target) => {
            if (answer.status !== 200 || !answer.body.startsWith('{"rtcToken":"007')) {
                faults.push(`${target}: ${answer.status} ${answer.body}`);
            }
            const uid = /(\d+)\/$/.exec(target)[1];
            if (uid % 500 === 0) {
                assertTokens(answer, { rtcToken: [rtc('lecture', uid, PUBLISHER)] }, 3600);
                sample.push(uid);
            }
        });
    assert.deepEqual(faults.slice(0, 5), []);
    assert.equal(sample.length, count / 500);
}

describe('load', () => {
    it(`${REQUESTS} requests from ${CLIENTS} clients, twice, in the same small memory`, async (t) => {
        const service = await startService({ gateway: 'fastcgi-unix' });
        try {
            await driveMany(service, REQUESTS);
            const first = residentMemory(service.pids());
            await driveMany(service, REQUESTS);
            const second = residentMemory(service.pids());
            t.diagnostic(`resident: ${first} KiB, then ${second} KiB`);
            assert.ok(first > 0);
            assert.ok(second < 12 * 1024, `${second} KiB resident`);
            assert.ok(second - first <= 256, `grew from ${first} to ${second} KiB`);
            assert.equal(service.nginxErrorLog(), '');
        } finally {
            await service.stop();
        }
    });
});
