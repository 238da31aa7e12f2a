// Instructions that the service takes for a token, with METRICS=on and off: whole requests over one kept
// connection to a Unix socket, counted by callgrind. Prints both and their ratio:
//
//     node tests/bench/instructions.mjs
//
// RESPONDER is another build. What the start and the end take is the same with few requests and with many,
// so the difference is the requests' alone. valgrind knows no vDSO: to read the clock, which the
// vDSO does in some 60 instructions, is a system call to it, whose part in the kernel is not counted.

import fs from 'node:fs';
import path from 'node:path';
import {
    APP_ID, CERTIFICATE, RESPONDER, fcgiAnswers, fcgiConnect, fcgiRequest, makeDirectory, removeDirectory,
    startResponder, terminate,
} from '../e2e/harness.mjs';

const FEW = 200;
const MANY = 1200;
const TARGET = '/rtc/lecture/publisher/uid/42';

async function count(requests, settings) {
    const directory = makeDirectory();
    const upstream = { path: path.join(directory, 'responder.sock') };
    try {
        const { child } = await startResponder(
            { directory, settings: { APP_ID, APP_CERTIFICATE: CERTIFICATE, WORKERS: '1', ...settings } },
            'valgrind', ['--tool=callgrind', '--callgrind-out-file=/dev/null', RESPONDER,
                '--listen', `unix:${upstream.path}`], upstream);
        const socket = await fcgiConnect({ upstream });
        for (let i = 0; i < requests; i++) {
            const answers = fcgiAnswers(socket, 1);
            socket.write(fcgiRequest(TARGET));
            if (!(await answers)[0].startsWith('Status: 200 ')) {
                throw new Error('no token');
            }
        }
        socket.destroy();
        await terminate(child);
        return Number(/Collected : (\d+)/.exec(fs.readFileSync(path.join(directory, 'responder.log'), 'utf8'))[1]);
    } finally {
        removeDirectory(directory);
    }
}

async function perRequest(settings) {
    return (await count(MANY, settings) - await count(FEW, settings)) / (MANY - FEW);
}

const off = await perRequest({ METRICS: 'off' });
const on = await perRequest({ METRICS: 'on' });
console.log(`METRICS=off ${Math.round(off)}  METRICS=on ${Math.round(on)}  ratio ${(on / off).toFixed(4)}`);
