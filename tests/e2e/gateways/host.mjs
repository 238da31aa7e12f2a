// The web servers of conf/, each set up by doing what its page tells: the commands of one section of
// conf/<folder>/README.md, run one after the other as root, in a throw-away copy of this machine.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { bootMachine } from '../machine.mjs';
import { dotenvLine, repository } from '../processes.mjs';

const MOST_COMMANDS = 5;

// Apache closes the connection after some errors, whoever answered them.
const apache = { closing: [400, 413, 500, 503] };

// What the pages say about rules of one's own, and conf/access about logins. `channel` opens the paths of one channel and refuses all others,
// `name` refuses all names of the host but one, `login` lets users with a password in, such as the one of `addUser`, whose name is 42 and whose password `right`. They go into `file`, behind the line `below`, of the web server
// that systemd knows by the name `server`. `network` is the command that lets another network ask for metrics.
const htpasswd = (file) => `echo "42:$(openssl passwd -apr1 right)" >${file}`;
const nginxRules = {
    network: "echo 'allow 192.0.2.0/24;' >>/etc/nginx/agora-token/metrics.allow",
    server: 'nginx', below: 'include .*agora-token/responder.conf',
    channel: 'location ~ ^/(?!rtc/lecture/) {\n    deny all;\n}',
    name: 'if ($host != tokens.example.com) {\n    return 444;\n}',
    login: `auth_basic           "Tokens";
auth_basic_user_file /etc/nginx/tokens.htpasswd;
fastcgi_param        REMOTE_USER $remote_user;
fastcgi_param        AUTH_TYPE   Basic;`,
    addUser: htpasswd('/etc/nginx/tokens.htpasswd'),
};
// access-hosts.test.mjs is the login that this asks.
const authRequest = `location ~ ^/ {
    auth_request     /.login;
    auth_request_set $login_user $upstream_http_x_auth_request_user;
    fastcgi_pass     agora_token;
}
location = /.login {
    internal;
    proxy_pass              http://127.0.0.1:4180/oauth2/auth;
    proxy_pass_request_body off;
    proxy_set_header        Content-Length "";
}
fastcgi_param LOGIN_USER $login_user;`;
const apacheRules = {
    network: "sed -i 's|Require ip 127.0.0.1 ::1|& 192.0.2.0/24|' /etc/apache2/agora-token/*.conf",
    server: 'apache2', below: 'Include .*agora-token/(common|prefix).conf',
    channel: '<LocationMatch "^/(?!rtc/lecture/)">\n    Require all denied\n</LocationMatch>',
    name: '<If "%{HTTP_HOST} != \'tokens.example.com\'">\n    Require all denied\n</If>',
    login: `<Location "/">
    AuthType     Basic
    AuthName     "Tokens"
    AuthUserFile /etc/apache2/tokens.htpasswd
    Require      valid-user
</Location>`,
    addUser: htpasswd('/etc/apache2/tokens.htpasswd'),
};
const lighttpd = { ids: 'client' };
const lighttpdRules = {
    network: `sed -i '/"::1" { }/a else $HTTP["remoteip"] == "192.0.2.0/24" { }' /etc/lighttpd/agora-token/agora-token.conf`,
    server: 'lighttpd', below: '^include ',
    channel: '$HTTP["url"] !~ "^/rtc/lecture/" {\n    url.access-deny = ("")\n}',
    name: '$HTTP["host"] != "tokens.example.com" {\n    url.access-deny = ("")\n}',
    login: `server.modules += ( "mod_auth", "mod_authn_file" )
auth.backend = "htpasswd"
auth.backend.htpasswd.userfile = "/etc/lighttpd/tokens.htpasswd"
auth.require = ( "/" => ( "method" => "basic", "realm" => "Tokens", "require" => "valid-user" ) )`,
    addUser: htpasswd('/etc/lighttpd/tokens.htpasswd'),
};

// page: the folder in conf. section: the heading of the section. prepare: what somebody else has done
// before. user: who types the commands, if it is not root. service: the systemd service is behind it, whose
// end and restart hosts.test.mjs tries. policy: the row of the table in conf/access/README.md; that of the service
// if left out. counts: false where there are no metrics to protect. ids: 'client' where a request has the id that the client
// gave it. login: how the web server is made to check passwords, if its page shows that.
const hosts = {
    'nginx-unix': {
        service: true, rules: { ...nginxRules, file: '/etc/nginx/agora-token/site-unix.conf' },
        page: 'nginx', section: 'systemd and a Unix socket',
    },
    'nginx-tcp': {
        service: true, rules: { ...nginxRules, login: authRequest, addUser: ':', file: '/etc/nginx/agora-token/site-tcp.conf' },
        page: 'nginx', section: 'systemd and a TCP port',
    },
    'nginx-spawn-fcgi': {
        rules: { ...nginxRules, file: '/etc/nginx/agora-token/site-unix.conf' },
        page: 'nginx', section: 'spawn-fcgi', isLogged: false, policy: 'spawn-fcgi',
    },
    'nginx-fcgiwrap': {
        rules: { ...nginxRules, file: '/etc/nginx/agora-token/site-cgi.conf' },
        page: 'nginx', section: 'fcgiwrap', policy: 'fcgiwrap, lighttpd by plain CGI',
    },
    'nginx-prefix': {
        service: true, page: 'nginx', section: 'Below a path of another site', prefix: '/agora',
        rules: {
            ...nginxRules, name: undefined, // which is for the other site to decide
            file: '/etc/nginx/agora-token/prefix.conf', below: '^location .~ /agora/ ',
        },
        deviations: [[/^[^?]*%(00|(?![\da-f]{2}))/i, 400]],
    },
    'lighttpd-fastcgi': {
        service: true, ...lighttpd, rules: { ...lighttpdRules, file: '/etc/lighttpd/agora-token/fastcgi.conf' },
        page: 'lighttpd', section: 'FastCGI',
    },
    'lighttpd-cgi': {
        ...lighttpd, rules: { ...lighttpdRules, file: '/etc/lighttpd/agora-token/cgi.conf' },
        page: 'lighttpd', section: 'Plain CGI', policy: 'fcgiwrap, lighttpd by plain CGI',
    },
    caddy: {
        service: true, page: 'caddy', section: 'Caddy', deviations: [[/^[^?]*%(?![\da-f]{2})/i, 400]],
        rules: {
            network: "sed -i 's|remote_ip 127.0.0.1 ::1|& 192.0.2.0/24|' /etc/caddy/Caddyfile",
            channel: '@other not path_regexp ^/rtc/lecture/\nerror @other 403',
            login: 'basicauth {\n    import /etc/caddy/tokens.users\n}',
            addUser: 'echo "42 $(caddy hash-password --plaintext right)" >/etc/caddy/tokens.users',
            file: '/etc/caddy/Caddyfile', below: '^http:// \\{', server: 'caddy',
        },
    },
    haproxy: {
        service: true, page: 'haproxy', section: 'HAProxy', chunked: 60 * 1024,
        rules: {
            network: "sed -i 's|src 127.0.0.1 ::1|& 192.0.2.0/24|' /etc/haproxy/haproxy.cfg",
            channel: 'http-request deny unless { path,url_dec -m beg /rtc/lecture/ }',
            name: 'http-request deny unless { hdr(host),host_only -i tokens.example.com }',
            login: `http-request auth realm Tokens unless { http_auth(users) }
http-request set-var(txn.user) http_auth_user`,
            addUser: 'printf "userlist users\\n    user 42 password %s\\n" "$(openssl passwd -5 right)" >>/etc/haproxy/haproxy.cfg',
            file: '/etc/haproxy/haproxy.cfg', below: '^frontend ', server: 'haproxy',
        },
    },
    'apache-proxy-fcgi': {
        service: true, ...apache, rules: { ...apacheRules, file: '/etc/apache2/agora-token/proxy-fcgi.conf' },
        page: 'apache', section: 'mod_proxy_fcgi',
    },
    'apache-fcgid': {
        ...apache, rules: { ...apacheRules, file: '/etc/apache2/agora-token/fcgid.conf' },
        page: 'apache', section: 'mod_fcgid', policy: 'mod_fcgid',
    },
    'apache-cgi': {
        ...apache, rules: { ...apacheRules, file: '/etc/apache2/agora-token/cgi.conf' },
        page: 'apache', section: 'Plain CGI', policy: 'Apache by plain CGI',
    },
    'apache-prefix': {
        service: true, ...apache,
        rules: { ...apacheRules, name: undefined, file: '/etc/apache2/sites-available/000-default.conf' },
        page: 'apache', section: 'Below a path of another site', prefix: '/agora', keptFor: 100,
        deviations: [[/^[^?]*%00/, 404], [/^[^?]*%(?![\da-f]{2})/i, 400]],
    },
    'shared-hosting': {
        ...apache, page: 'shared-hosting', section: 'Five steps', user: 'alice', policy: 'shared hosting, for the user alice',
        prepare: 'tests/e2e/shared-host suexec', keptFor: 100, counts: false, ids: 'client',
        // By itself Apache takes no encoded slash and no %00 for a path, and says so in HTML.
        deviations: [[/^[^?]*%(2f|00)/i, 404], [/^[^?]*%(?![\da-f]{2})/i, 400]],
        rules: {
            channel: 'RewriteRule !^(rtc/lecture/|agora-token\\.cgi$) - [F]',
            file: '/var/www/alice/public_html/.htaccess', below: '^RewriteEngine On', server: 'apache2',
        },
    },
};

// The commands are the first indented block below the heading, one a line unless a backslash ends it.
export function commandsOf(page, section) {
    const file = path.join('conf', page, 'README.md');
    const lines = fs.readFileSync(path.join(repository, file), 'utf8').split('\n');
    const heading = lines.findIndex((line) => line.replace(/^#+ /, '') === section && line !== section);
    assert.ok(heading >= 0, `${file} has a section "${section}"`);
    const start = lines.findIndex((line, index) => index > heading && line.startsWith('    '));
    let end = start;
    while (lines[end]?.startsWith('    ')) {
        end++;
    }
    const commands = lines.slice(start, end).map((line) => line.slice(4)).join('\n')
        .split(/(?<!\\)\n/);
    assert.ok(start > heading && commands.length <= MOST_COMMANDS,
        `"${section}" in ${file} takes at most ${MOST_COMMANDS} commands`);
    return commands;
}

// A way to run commands as a user has it who has logged in.
export const asUser = (machine, user) => (command) => machine.run(
    `setpriv --reuid=${user} --regid=${user} --init-groups --reset-env sh -ec "$(cat)"`, { input: command });

async function start({ page, section, prepare = ':', user }, { settings, dotenv }) {
    const machine = await bootMachine();
    try {
        // What stands in .env is what a reader has put there. Nobody else may read it.
        await machine.run('umask 077 && rm -f .env && cat >.env', {
            input: Object.entries(settings).map(dotenvLine).join('') + dotenv,
        });
        let output;
        const commands = commandsOf(page, section);
        assert.match(commands.at(-1), /^curl /, `"${section}" in conf/${page}/README.md ends with a token`);
        assert.match(fs.readFileSync(path.join(repository, 'conf', page, 'README.md'), 'utf8'),
            user ? /browser/ : /apt-get install [\w -]*\bcurl\b/, `conf/${page}/README.md tells how to have curl`);
        await machine.run(prepare);
        const type = user ? asUser(machine, user) : machine.run;
        for (const command of commands) {
            output = await type(command);
        }
        assert.match(output, /Token":"007/, 'the last command prints a token');
    } catch (error) {
        error.message += `\n${await machine.log()}`;
        await machine.stop();
        throw error;
    }
    let log = '';
    return {
        port: 80,
        machine,
        log: () => log,
        async stop() {
            log = await machine.log();
            return machine.stop();
        },
    };
}

// Puts a policy, and files that it names, where the table of conf/access/README.md says for the gateway.
export async function protect(gateway, machine, files) {
    const readme = fs.readFileSync(path.join(repository, 'conf/access/README.md'), 'utf8');
    const row = readme.split('\n').find((line) => line.startsWith(`| ${gateways[gateway].policy} | `));
    const [folder, owner, settings, line, applied] = row.split(' | ').slice(1).map((cell) => cell.replaceAll(/`|\s*\|$/g, ''));
    for (const [name, content] of Object.entries(files)) {
        await machine.run(`cat | install -m 640 -o ${owner} /dev/stdin ${folder}/${name}`,
            { input: typeof content === 'string' ? content : JSON.stringify(content) });
    }
    await machine.run(`cat >>${settings} && ${applied === 'at once' ? ':' : applied}`, { input: `${line}\n` });
}

export const gateways = Object.fromEntries(Object.entries(hosts).map(
    ([name, host]) => [name, { policy: 'systemd', ...host, start: (context) => start(host, context) }]));
