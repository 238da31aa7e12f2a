// What conf/shared-hosting promises beyond the contract: the credentials stay secret, and what is
// wrong is told where the customer finds it.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { asUser, commandsOf, gateways as hosts } from './gateways/host.mjs';
import { CERTIFICATE, assertTells } from './harness.mjs';
import { bootMachine } from './machine.mjs';

const HOME = '/var/www/alice';
const ERROR_LOG = '/var/log/apache2/error.log';
const TOKEN = /^\{"rtmToken":"007/;
const PAGE = /^<!doctype html>[^]*<\/html>\s*200$/;

// A customer who has done what the page tells, at a hoster with suEXEC or without.
async function customer(suexec) {
    const machine = await bootMachine();
    const { run } = machine;
    const as = asUser(machine, 'alice');
    await run('umask 077 && cp .env.example .env');
    await run(`tests/e2e/shared-host ${suexec}`);
    for (const command of commandsOf('shared-hosting', 'Five steps').slice(0, -1)) {
        await as(command);
    }
    return {
        ...machine,
        as,
        // The body, a line feed, and the status.
        get: (target) => run(`curl -s --path-as-is -w '\\n%{http_code}' 'http://localhost${target}'`),
    };
}

// By the program (503), or by Apache where that was not even run (500).
const assertNotSetUp = (answer, status = 503) => {
    assert.match(answer, new RegExp(`^\\{"status":${status},"error":"[^"]* service is not set up: [^"]*log[^"]*",.*\n${status}$`));
};

describe('shared hosting', () => {
    let alice;
    before(async () => {
        alice = await customer('suexec');
    });
    after(() => alice?.stop());

    it('runs as the customer, whose file nobody else can read', async () => {
        assert.match(await alice.get('/rtm/alice'), TOKEN);
        assert.equal(await alice.run(`stat -c '%U %a' ${HOME}/agora-token.env`), 'alice 600\n');
    });

    it('the page is at the root, even where another index lies', async () => {
        await alice.as("echo 'the index' >~/public_html/index.html");
        assert.match(await alice.get('/'), PAGE);
        await alice.as('rm ~/public_html/index.html');
    });

    it('nothing that lies in the folder is served, not even misplaced credentials', async () => {
        const names = ['.env', 'agora-token.env', 'notes.txt'];
        for (const name of names) {
            await alice.as(`cd ~/public_html && mkdir -p sub
                for copy in ${name} sub/${name} sub-${name}; do install -m 644 ~/agora-token.env $copy; done`);
        }
        // The program would take its settings from the file .env beside it.
        await alice.as('chmod 600 ~/public_html/.env');
        const targets = ['/.htaccess', '/agora-token.cgi/.env', '/agora-token.cgi/../.env',
            '/../agora-token.env', '/sub/..%2F.env', '/%2e%2e/agora-token.env',
            ...names.flatMap((name) => [`/${name}`, `/sub/${name}`, `/sub-${name}`, `//${name}`,
                `/./${name}`, `/${name}/`, `/${name}%20`])];
        for (const target of targets) {
            const answer = await alice.get(target);
            assert.match(answer, /\n40[034]$/, target);
            assert.ok(!answer.includes(CERTIFICATE), target);
        }
        assert.match(await alice.get('/agora-token.cgi'), /^\{"status":404,/);
        // Should .htaccess be lost, there still is the mode that the program demands.
        await alice.as('mv ~/public_html/.htaccess ~');
        const answer = await alice.get('/.env');
        assert.match(answer, /\n403$/);
        assert.ok(!answer.includes(CERTIFICATE));
        await alice.as('mv ~/.htaccess ~/public_html');
        await alice.as('rm -rf ~/public_html/*env ~/public_html/.env ~/public_html/sub* ~/public_html/notes.txt');
    });

    it('credentials that others can read are refused, and the error log tells what to type', async () => {
        await alice.as('chmod 644 ~/agora-token.env');
        assertNotSetUp(await alice.get('/rtm/alice'));
        const log = await alice.run(`cat ${ERROR_LOG}`);
        assertTells(log, `mode 0644 of ${HOME}/agora-token.env `, `chmod 600 '${HOME}/agora-token.env'`);
        assert.ok(!log.includes(CERTIFICATE));
        await alice.as(`chmod 600 '${HOME}/agora-token.env'`);
        assert.match(await alice.get('/rtm/alice'), TOKEN);
    });

    it('a program that others could change is not run, and the error log tells why', async () => {
        await alice.as('chmod 775 ~/public_html/agora-token.cgi');
        assertNotSetUp(await alice.get('/rtm/alice'), 500);
        assertTells(await alice.run(`cat ${ERROR_LOG}`), 'suexec policy violation');
        await alice.as('chmod 755 ~/public_html/agora-token.cgi');
        assert.match(await alice.get('/rtm/alice'), TOKEN);
    });

    it('a wrong setting is told in the error log', async () => {
        await alice.as('echo LOG_LEVEL=loud >>~/agora-token.env');
        assertNotSetUp(await alice.get('/rtm/alice'));
        assertTells(await alice.run(`cat ${ERROR_LOG}`), "LOG_LEVEL is 'loud'");
        await alice.as("sed -i '/loud/d' ~/agora-token.env");
        assert.match(await alice.get('/rtm/alice'), TOKEN);
    });

    it('a folder cgi-bin does without .htaccess', async () => {
        await alice.as('cp ~/public_html/agora-token.cgi ~/cgi-bin');
        const get = (target) => alice.get(`/cgi-bin/agora-token.cgi${target}`);
        assert.match(await get('/rtm/alice'), TOKEN);
        assert.match(await get('/rtc/lecture/publisher/uid/0'), /^\{"rtcToken":"007/);
        assert.match(await get('/rtc/lecture/publisher/uid//'), /\n404$/);
        assert.match(await get('/'), PAGE);
        assert.match(await get(''), /\n404$/, 'the page says to add a slash');
    });

    it('a folder of a site may have it too, and the site stays as it is', async () => {
        await alice.as(`mkdir ~/public_html/agora; cd ~/public_html; mv .htaccess agora-token.cgi agora
            echo 'the site' >index.html`);
        assert.match(await alice.get('/agora/rtm/alice'), TOKEN);
        assert.match(await alice.get('/agora/'), PAGE);
        assert.match(await alice.get('/agora/rtc/lecture/publisher/uid//'), /^\{"rtcToken":"007/);
        assert.equal(await alice.get('/'), 'the site\n\n200');
        assert.match(await alice.get('/rtm/alice'), /\n404$/);
        // A rule of hers, as the page has it. (A backslash is sed's, which takes it away.)
        await alice.as(`sed -i '/^RewriteEngine On/a ${
            hosts['shared-hosting'].rules.channel.replaceAll('\\', '\\\\')}' ~/public_html/agora/.htaccess`);
        for (const target of ['/agora/rtc/vip', '/agora//rtc/vip', '//agora/rtc/%76ip', '/agora/./rtc/vip',
            '/agora/x/../rtc/vip', '/agora/agora-token.cgi/rtc/vip', '/agora//agora-token.cgi/rtc/vip',
            '/agora/agora-token.cgi//rtc/vip', '/agora/agora-token.cgi/rtc/lecture', '/agora/rte/lecture']) {
            assert.match(await alice.get(`${target}/publisher/uid/42`), /\n40[034]$/, target);
        }
        assert.match(await alice.get('/agora/rtc/lecture/publisher/uid/42'), /^\{"rtcToken":"007/);
        // And one for the whole folder.
        await alice.as('echo Deny from all >>~/public_html/agora/.htaccess');
        for (const target of ['/rtm/alice', '/agora-token.cgi', '/agora-token.cgi/rtm/alice', '//rtm/%61lice']) {
            assert.match(await alice.get(`/agora${target}`), /\n403$/, target);
        }
    });
});

it('a hoster who runs all programs as one user keeps no secret, so there is no token', async () => {
    const alice = await customer('');
    try {
        assertNotSetUp(await alice.get('/rtm/alice'));
        assertTells(await alice.run(`cat ${ERROR_LOG}`), 'agora-token.env: Permission denied');
        await alice.as('chmod 644 ~/agora-token.env');
        assertNotSetUp(await alice.get('/rtm/alice'));
        assertTells(await alice.run(`cat ${ERROR_LOG}`), `mode 0644 of ${HOME}/agora-token.env `);
    } finally {
        await alice.stop();
    }
});
