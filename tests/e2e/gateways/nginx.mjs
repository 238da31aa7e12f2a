// The responder, or fcgiwrap before it, and nginx, each a process of the test on a free port.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {
    PATH, RESPONDER,
    dotenvLine, launch, listening, onFreePort, processGroup, repository, startResponder, terminate,
} from '../processes.mjs';

const CONF_DIR = path.resolve(process.env.CONF_DIR || path.join(repository, 'conf'));

const unixSocket = (directory) => ({ path: path.join(directory, 'responder.sock') });

// Each starts what listens for FastCGI and returns {child, upstream}, upstream being what
// net.connect() takes. `fragments` are the files of conf/nginx that belong to it.
const kinds = {
    'fastcgi-unix': {
        fragments: ['responder.conf'],
        keepalive: true,
        start(context) {
            const upstream = unixSocket(context.directory);
            return startResponder(context, RESPONDER, ['--listen', `unix:${upstream.path}`], upstream);
        },
    },
    // Below a path of a site that serves other things besides.
    'fastcgi-prefix': {
        fragments: ['prefix.conf'],
        keepalive: true,
        prefix: '/agora',
        start: (context) => kinds['fastcgi-unix'].start(context),
    },
    'fastcgi-tcp': {
        fragments: ['responder.conf'],
        keepalive: true,
        start(context) {
            return onFreePort((port) => startResponder(context, RESPONDER,
                ['--listen', `127.0.0.1:${port}`], { host: '127.0.0.1', port }));
        },
    },
    fcgiwrap: {
        fragments: ['responder.conf', 'cgi.conf'],
        // fcgiwrap serves one connection per process: kept connections would starve the others.
        keepalive: false,
        start(context) {
            const upstream = unixSocket(context.directory);
            // A copy, not a link: fcgiwrap enters the folder of the script, where .env lies.
            const folder = path.join(context.directory, 'cgi-bin');
            fs.mkdirSync(folder);
            fs.copyFileSync(RESPONDER, path.join(folder, 'agora-token.cgi'));
            fs.writeFileSync(path.join(folder, '.env'),
                Object.entries(context.settings).map(dotenvLine).join('') + context.dotenv, { mode: 0o600 });
            return startResponder({ ...context, settings: {} }, 'fcgiwrap',
                ['-f', '-c', '8', '-s', `unix:${upstream.path}`], upstream);
        },
    },
};

function nginxConfiguration(directory, port, upstream, keepalive, fragments) {
    const server = upstream.path ? `unix:${upstream.path}` : `${upstream.host}:${upstream.port}`;
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
        .map((kind) => `    ${kind}_temp_path ${directory}/${kind};`).join('\n');
    return `daemon off;
error_log ${directory}/nginx-error.log;
pid ${directory}/nginx.pid;
events {
    worker_connections 4096;
}
http {
    access_log off;
${temporary}
    upstream agora_token {
        server ${server};
        ${keepalive ? 'keepalive 64;' : ''}
    }
    server {
        listen 127.0.0.1:${port} backlog=1024;
${fragments.map((file) => `        include ${file};`).join('\n')}
    }
}
`;
}

// The shipped files as they are, except that cgi.conf names a path that only root can install to.
function nginxFragment(directory, name) {
    const shipped = path.join(CONF_DIR, 'nginx', name);
    if (name !== 'cgi.conf') {
        return shipped;
    }
    const program = '/usr/lib/cgi-bin/agora-token.cgi';
    const text = fs.readFileSync(shipped, 'utf8');
    assert.ok(text.includes(program), `${shipped} names ${program}`);
    const adapted = path.join(directory, name);
    fs.writeFileSync(adapted, text.replaceAll(program, `${directory}/cgi-bin/agora-token.cgi`));
    return adapted;
}

export function startNginx(directory, kind, upstream) {
    const errorLog = path.join(directory, 'nginx-error.log');
    const configuration = path.join(directory, 'nginx.conf');
    const fragments = kind.fragments.map((name) => nginxFragment(directory, name));
    return onFreePort(async (port) => {
        fs.writeFileSync(errorLog, '');
        fs.writeFileSync(configuration,
            nginxConfiguration(directory, port, upstream, kind.keepalive, fragments));
        const child = launch('nginx', ['-p', directory, '-e', errorLog, '-c', configuration], {
            cwd: directory,
            env: { PATH },
            logFile: path.join(directory, 'nginx-output.log'),
        });
        try {
            await listening(child, { host: '127.0.0.1', port }, () => fs.readFileSync(errorLog, 'utf8'));
        } catch (error) {
            await terminate(child);
            throw error;
        }
        return { child, port, errorLog };
    });
}

// `start` is for a responder that is started in another way.
async function startBoth(name, context, start = kinds[name].start) {
    const { directory } = context;
    const { child, upstream } = await start(context);
    const nginx = await startNginx(directory, kinds[name], upstream).catch(async (error) => {
        await terminate(child);
        throw error;
    });
    const nginxErrorLog = () => fs.readFileSync(nginx.errorLog, 'utf8');
    const ownLog = () => fs.readFileSync(path.join(directory, 'responder.log'), 'utf8');
    return {
        port: nginx.port,
        upstream,
        responder: child,
        pids: () => processGroup(child.pid),
        // fcgiwrap -f hands what the program writes to stderr to nginx's error log.
        responderLog: name === 'fcgiwrap' ? nginxErrorLog : ownLog,
        nginxErrorLog,
        log: () => ownLog() + nginxErrorLog(),
        async stop() {
            await terminate(nginx.child);
            return terminate(child);
        },
    };
}

export const gateways = Object.fromEntries(Object.keys(kinds).map(
    (name) => [name, { prefix: kinds[name].prefix, start: (context, start) => startBoth(name, context, start) }]));
