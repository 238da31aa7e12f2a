// What one writes in Node in ten lines: its http module and Agora's builder. For comparison only.

import http from 'node:http';
import { createRequire } from 'node:module';

const { RtcTokenBuilder, RtcRole } = createRequire(new URL('../e2e/', import.meta.url))('agora-token');
const { APP_ID, APP_CERTIFICATE } = process.env;

http.createServer((request, response) => {
    const [, , channel, role, , uid] = request.url.split('/');
    const rtcToken = RtcTokenBuilder.buildTokenWithUid(APP_ID, APP_CERTIFICATE, channel, Number(uid),
        role === 'publisher' ? RtcRole.PUBLISHER : RtcRole.SUBSCRIBER, 3600, 3600);
    response.setHeader('Content-Type', 'application/json; charset=utf-8');
    response.end(JSON.stringify({ rtcToken }));
}).listen(Number(process.argv[2]), '127.0.0.1');
