// A login for policies of access control: it signs JWTs, publishes its key at a URL of this machine, and
// writes the policies by which its users, and an API key, get tokens.

import crypto from 'node:crypto';
import http from 'node:http';
import https from 'node:https';

export const API_KEY = 'a key that is made for the tests alone, and nowhere in force';
const ISSUER = 'https://login.example.com/';
const AUDIENCE = 'my-app';

const segment = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

// What names where a policy has the keys from: {jwks_url} or {jwks_file}.
export const loginPolicy = (keys, { user = '${sub}' } = {}) => JSON.stringify({
    callers: { app: { jwt: { issuer: ISSUER, audience: AUDIENCE, ...keys } } },
    rules: [{ caller: 'app', services: ['rtm'], users: [user] }],
});

export const keyPolicy = (user) => JSON.stringify({
    callers: {
        server: { api_keys: [{ id: '1', sha256: crypto.createHash('sha256').update(API_KEY).digest('hex') }] },
    },
    rules: [{ caller: 'server', services: ['rtm'], users: [user] }],
});

// tls: the key and certificate of `host`, if it is to speak HTTPS.
export async function startLogin({ host = '127.0.0.1', tls } = {}) {
    const { privateKey, publicKey } = crypto.generateKeyPairSync('ed25519');
    const keySet = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: '1' }] });
    const login = { asked: 0, isDown: false };
    const serve = (question, answer) => {
        login.asked++;
        answer.writeHead(login.isDown ? 500 : 200).end(keySet);
    };
    const server = tls ? https.createServer(tls, serve) : http.createServer(serve);
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    return Object.assign(login, {
        url: `http${tls ? 's' : ''}://${host}:${server.address().port}/jwks.json`,
        bearer(sub, { key = privateKey } = {}) {
            const signed = `${segment({ alg: 'EdDSA', kid: '1' })}.${segment({
                iss: ISSUER, aud: AUDIENCE, sub, exp: Math.floor(Date.now() / 1000) + 600,
            })}`;
            const signature = crypto.sign(null, Buffer.from(signed), key).toString('base64url');
            return { Authorization: `Bearer ${signed}.${signature}` };
        },
        stop() {
            server.closeAllConnections();
            return new Promise((resolve) => server.close(resolve));
        },
    });
}
