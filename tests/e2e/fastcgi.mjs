// FastCGI, spoken by hand: a peer of the responder without a web server between them.

import net from 'node:net';

export const FCGI = {
    BEGIN: 1, ABORT: 2, END: 3, PARAMS: 4, STDIN: 5, STDOUT: 6,
    GET_VALUES: 9, GET_VALUES_RESULT: 10, UNKNOWN_TYPE: 11,
};

export function fcgiRecord(type, content = Buffer.alloc(0), { id = 1, padding = 0 } = {}) {
    const header = Buffer.alloc(8);
    header[0] = 1;
    header[1] = type;
    header.writeUInt16BE(id, 2);
    header.writeUInt16BE(content.length, 4);
    header[6] = padding;
    return Buffer.concat([header, content, Buffer.alloc(padding)]);
}

export function fcgiPair(name, value) {
    const length = (text) => {
        const bytes = Buffer.byteLength(text);
        if (bytes < 128) {
            return Buffer.from([bytes]);
        }
        const long = Buffer.alloc(4);
        long.writeUInt32BE((bytes | 0x80000000) >>> 0);
        return long;
    };
    return Buffer.concat([length(name), length(value), Buffer.from(name), Buffer.from(value)]);
}

// One whole request, with the parameters that the shipped nginx configuration passes. The
// connection stays open unless `keep` says otherwise. Its body goes in records of `chunk` bytes. `more` is
// a list of parameters besides these.
export function fcgiRequest(target, {
    method = 'GET', headers = {}, body = '', keep = true, chunk = 32768, padding = 0, more = [],
} = {}) {
    const [pathname, query = ''] = target.split('?');
    const bytes = Buffer.from(body);
    const parts = [];
    for (let at = 0; at < bytes.length; at += chunk) {
        parts.push(fcgiRecord(FCGI.STDIN, bytes.subarray(at, at + chunk), { padding }));
    }
    const params = {
        REQUEST_METHOD: method,
        PATH_INFO: decodeURIComponent(pathname),
        QUERY_STRING: query,
        HTTP_HOST: 'localhost',
        ...Object.fromEntries(Object.entries(headers).map(
            ([name, value]) => [`HTTP_${name.toUpperCase().replaceAll('-', '_')}`, value])),
        ...(bytes.length > 0 && { CONTENT_LENGTH: String(bytes.length) }),
    };
    return Buffer.concat([
        fcgiRecord(FCGI.BEGIN, Buffer.from([0, 1, keep ? 1 : 0, 0, 0, 0, 0, 0])),
        fcgiRecord(FCGI.PARAMS, Buffer.concat(
            [...Object.entries(params), ...more].map(([name, value]) => fcgiPair(name, value)))),
        fcgiRecord(FCGI.PARAMS),
        ...parts,
        fcgiRecord(FCGI.STDIN),
    ]);
}

// A peer that speaks FastCGI to the responder directly, without nginx between them.
export async function fcgiConnect(service) {
    const socket = net.connect({ ...service.upstream, allowHalfOpen: true });
    // It reads only when asked to: some peers never do.
    socket.pause();
    await new Promise((resolve, reject) => {
        socket.once('connect', resolve);
        socket.once('error', reject);
    });
    socket.on('error', () => {});
    return socket;
}

// Reads records {type, id, content} until `enough` says so of them all, then stops reading.
export function fcgiRecords(socket, enough, milliseconds = 10000) {
    return new Promise((resolve, reject) => {
        const records = [];
        let pending = Buffer.alloc(0);
        const finish = (settle, value) => {
            clearTimeout(timer);
            socket.removeListener('data', take);
            socket.removeListener('end', closed);
            socket.removeListener('close', closed);
            socket.pause();
            settle(value);
        };
        const timer = setTimeout(() => finish(reject,
            new Error(`no answer in ${milliseconds / 1000} seconds`)), milliseconds);
        const closed = () => finish(reject, new Error('closed before the answer'));
        const take = (chunk) => {
            pending = Buffer.concat([pending, chunk]);
            let at = 0;
            while (pending.length - at >= 8) {
                const length = pending.readUInt16BE(at + 4);
                const end = at + 8 + length + pending[at + 6];
                if (pending.length < end) {
                    break;
                }
                records.push({
                    type: pending[at + 1],
                    id: pending.readUInt16BE(at + 2),
                    content: pending.subarray(at + 8, at + 8 + length),
                });
                at = end;
            }
            pending = pending.subarray(at);
            if (at > 0 && enough(records)) {
                if (pending.length > 0) {
                    finish(reject, new Error(`${pending.length} bytes follow the answer`));
                }
                finish(resolve, records);
            }
        };
        socket.on('data', take);
        socket.once('end', closed);
        socket.once('close', closed);
        socket.resume();
    });
}

// Reads until `count` requests have ended; resolves to what each wrote to its stdout.
export async function fcgiAnswers(socket, count, milliseconds) {
    let ended = 0;
    let seen = 0;
    const records = await fcgiRecords(socket, (all) => {
        for (; seen < all.length; seen++) {
            ended += all[seen].type === FCGI.END ? 1 : 0;
        }
        return ended >= count;
    }, milliseconds);
    const answers = [];
    let stdout = [];
    for (const { type, content } of records) {
        if (type === FCGI.STDOUT) {
            stdout.push(content);
        } else if (type === FCGI.END) {
            answers.push(Buffer.concat(stdout).toString());
            stdout = [];
        }
    }
    return answers;
}
