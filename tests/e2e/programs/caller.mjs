// A client on a host of its own: asks for tokens over kept connections, at a steady pace, until its
// standard input ends and as many GETs as it was told have been answered. What became of them goes to
// standard output, a line of JSON for every half second.
//
//     node caller.mjs URL GETS GETS_A_SECOND CERTIFICATE...
//
// Each responder is given one of the certificates, so a token tells who minted it.

import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import judge from 'agora-token/src/AccessToken2.js';

const CLIENTS = 32;
const PATIENCE = 15000;
const POST_EVERY = 10;

const [url, wanted, pace, ...certificates] = process.argv.slice(2);
const pause = 1000 * CLIENTS / Number(pace) * (1 - 1 / POST_EVERY);

let sent = 0;
let got = 0;
let isOver = false;
let tally;
const fresh = () => {
    tally = { GET: 0, POST: 0, failed: [], slowest: 0, by: certificates.map(() => 0) };
};

// GET for the most part, since that is what clients do.
function ask(number, agent) {
    const isPost = number % POST_EVERY === 0;
    const path = isPost ? '/getToken' : `/rtc/lecture/publisher/uid/${number}`;
    const method = isPost ? 'POST' : 'GET';
    return { method, answer: new Promise((resolve, reject) => {
        const request = http.request(new URL(path, url), { method, agent, timeout: PATIENCE });
        request.once('timeout', () => request.destroy(new Error('no answer')));
        request.once('error', reject);
        request.once('response', (response) => {
            let text = '';
            response.setEncoding('utf8').on('data', (chunk) => {
                text += chunk;
            });
            response.once('error', reject);
            response.once('end', () => resolve({ status: response.statusCode, text }));
        });
        request.end(isPost ? JSON.stringify({
            tokenType: 'rtc', channel: 'lecture', role: 'publisher', uid: String(number),
        }) : undefined);
    }) };
}

// Which certificate signed it; it must be a token for the user that was asked for.
function signer({ status, text }, number) {
    if (status !== 200) {
        throw new Error(`${status} ${text}`);
    }
    const token = new judge.AccessToken2();
    const { rtcToken, token: posted } = JSON.parse(text);
    if (!token.from_string(rtcToken ?? posted) || String(token.services[0].__uid) !== String(number)) {
        throw new Error(`not a token for ${number}: ${text}`);
    }
    const by = certificates.findIndex((certificate) => token.verifySignature(certificate));
    if (by < 0) {
        throw new Error(`signed with an unknown certificate: ${text}`);
    }
    return by;
}

async function call() {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    let next = performance.now() + Math.random() * pause;
    while (!isOver || got < Number(wanted)) {
        const wait = next - performance.now();
        next = Math.max(next, performance.now() - pause) + pause;
        if (wait > 0) {
            await sleep(wait);
        }
        const number = ++sent;
        const started = performance.now();
        const { method, answer } = ask(number, agent);
        try {
            tally.by[signer(await answer, number)]++;
        } catch (error) {
            tally.failed.push(`${method} ${number}: ${error.message}`);
        }
        tally[method]++;
        got += method === 'GET' ? 1 : 0;
        tally.slowest = Math.max(tally.slowest, performance.now() - started);
    }
    agent.destroy();
}

const report = () => {
    console.log(JSON.stringify(tally));
    fresh();
};

fresh();
process.stdin.resume().once('end', () => {
    isOver = true;
});
const timer = setInterval(report, 500);
await Promise.all(Array.from({ length: CLIENTS }, call));
clearInterval(timer);
report();
