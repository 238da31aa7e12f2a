// README.md, and the pages that it leads to: every request that they show is made, every table is what the
// program says, and every link leads somewhere.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import judge from 'agora-token/src/AccessToken2.js';
import {
    APP_ID, CERTIFICATE, MESSAGES, OTHER_CERTIFICATE, PUBLISHER,
    assertToken, assertTokens, cleanEnvironment, makeDirectory, removeDirectory, repository, request, rtc, rtm,
    runResponder, startService,
} from './harness.mjs';

const SECRETS = { APP_ID, APP_CERTIFICATE: CERTIFICATE };
const SITE = 'http://localhost:8080';

const read = (file) => fs.readFileSync(path.join(repository, file), 'utf8');
const readme = read('README.md');

// ---------------------------------------------------------------- the parts of a page

// {level, title, anchor} of each heading, anchors as GitHub makes them.
function headings(text) {
    const prose = text.replaceAll(/^```[^]*?^```$/gm, '');
    return [...prose.matchAll(/^(#+) (.+)$/gm)].map(([, level, title]) => ({
        level: level.length,
        title,
        anchor: title.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-'),
    }));
}

const section = (text, title) => text.slice(text.indexOf(`\n## ${title}\n`)).split(/\n## /, 2)[1];

// The rows of a section's table, as lists of cells.
const table = (text, title) => [...section(text, title).matchAll(/^\| (.*) \|$/gm)].slice(2)
    .map(([, row]) => row.split(' | '));

const quoted = (cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, word]) => word);

// What a reader would paste: the indented commands that begin with this word. One goes on behind a backslash
// at the end of a line, or within quotes.
function commands(text, word) {
    const lines = text.split('\n');
    const found = [];
    for (let at = 0; at < lines.length; at++) {
        if (!lines[at].startsWith(`    ${word} `)) {
            continue;
        }
        let command = lines[at].trim();
        while (command.endsWith('\\') || command.split("'").length % 2 === 0) {
            command += `\n${lines[++at]}`;
        }
        found.push(command);
    }
    return found;
}

const fenced = (text, language) => [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'gm'))]
    .map(([, code]) => code);

async function shell(command, { env = {}, cwd } = {}) {
    const { stdout } = await promisify(execFile)('sh', ['-ec', command], {
        cwd,
        env: cleanEnvironment({
            ...env, PATH: `${path.join(repository, 'build/release')}:${cleanEnvironment().PATH}`,
        }),
        timeout: 30000,
    });
    return stdout;
}

// ---------------------------------------------------------------- what the requests must give

const rtm2 = (user, grants) => (expire) => {
    const permissions = new judge.Rtm2Permissions();
    grants.forEach((grant) => permissions.add(...grant));
    const service = new judge.ServiceRtm2(user, permissions);
    service.__privileges = { 1: expire };
    return service;
};
const { kMessageChannels, kRead, kWrite } = judge.Rtm2Permissions;

// A page, a part of a command by which it is known, and what the answer holds.
const asked = [
    ['README.md', '/rtc/lecture/', ({ rtcToken }) => assertToken(rtcToken, [rtc('lecture', '42', PUBLISHER)], 3600)],
    ['README.md', '/getToken', ({ token }) => assertToken(token, [rtc('lecture', '42', PUBLISHER)], 600)],
    ['src/api/README.md', '/rte/', ({ rtcToken, rtmToken }) => {
        assertToken(rtcToken, [rtc('lecture', 'alice', PUBLISHER)], 600);
        assertToken(rtmToken, [rtc('lecture', 'alice-signals', MESSAGES), rtm('alice-signals')], 600);
    }],
    ['src/api/README.md', 'rtc-rtm', ({ token }) => assertToken(token, [rtc('lecture', '42', PUBLISHER), rtm('42')], 600)],
    ['src/api/README.md', 'rtm2', ({ token }) => {
        const decoded = new judge.AccessToken2();
        assert.ok(decoded.from_string(token) && decoded.verifySignature(CERTIFICATE));
        assert.deepEqual(decoded.services.map((service) => service.pack()), [
            rtm2('alice', [[kMessageChannels, kRead, ['news']], [kMessageChannels, kWrite, ['chat']]])(3600).pack(),
        ]);
    }],
    ['src/api/README.md', '/token/generate', ({ data, ...rest }) => {
        assert.deepEqual(rest, { code: 0, message: 'Success' });
        assertToken(data.token, [rtc('lecture', '42', PUBLISHER), rtm('42')], 3600);
    }],
    ['src/api/README.md', '/inspect', (answer) => {
        const names = [...section(read('src/api/README.md'), 'POST /inspect').matchAll(/`([a-z_]+)`/g)];
        names.forEach(([, name]) => assert.ok(name in answer, name));
        assert.ok(answer.valid && answer.signed_here && !answer.ended);
    }],
    ['src/api/README.md', '/readyz', (answer) => assertShown('src/api/README.md', answer)],
    ['src/api/README.md', '/phone/', (answer) => assertShown('src/api/README.md', answer)],
];

function assertShown(page, answer) {
    assert.ok(read(page).includes(JSON.stringify(answer)), `${page} shows ${JSON.stringify(answer)}`);
}

// What each of Agora's UI kits asks for, by its own source; and the user of the second request.
const kits = {
    React: { paths: ['/rtc/CHANNEL/publisher/uid/UID/', '/rtm/UID'] },
    'React Native': { paths: ['/rtc/CHANNEL/publisher/uid/UID', '/rtm/UID'] },
    Flutter: { paths: ['/rtc/CHANNEL/publisher/uid/UID', '/rtm/USER'] },
    iOS: { paths: ['/rtc/CHANNEL/publisher/uid/UID/', '/rtm/USER'] },
    Android: { paths: ['/rtc/CHANNEL/publisher/uid/UID/', '/rtm/USER'] },
};
const kitValues = {
    CHANNEL: /(?:channel(?:Name)?: |join\()['"](\w+)['"]/,
    UID: /\buid(?::| =) (\d+)/,
    USER: /rtm(?:Uid|Id)(?::| =) ['"](\w+)['"]/,
};
const kitAddress = /token(?:Url|URL)(?::| =) ['"]([^'"]+)['"]/;

describe('the requests', () => {
    let service;
    before(async () => {
        service = await startService({ settings: { METRICS: 'on' } });
    });
    after(() => service?.stop());

    const here = (text) => text.replaceAll(SITE, service.origin);

    for (const page of ['README.md', 'src/api/README.md']) {
        const shown = commands(read(page), 'curl').filter((command) => !command.includes('$KEY'));

        it(`of ${page} are all known`, () => {
            const known = asked.filter(([of]) => of === page);
            assert.deepEqual(
                shown.map((command) => known.filter(([, part]) => command.includes(part)).length), known.map(() => 1));
        });
        for (const command of shown) {
            it(`${page}: ${command}`, async () => {
                assert.ok(command.includes(SITE));
                const TOKEN = JSON.parse((await request(service, '/rtm/alice')).body).rtmToken;
                const answer = await shell(here(command), { env: { TOKEN } });
                const [, , judged] = asked.find(([of, part]) => of === page && command.includes(part));
                judged(JSON.parse(answer));
            });
        }
    }

    it('by fetch', async () => {
        const [code] = fenced(readme, 'js');
        const AsyncFunction = (async () => {}).constructor;
        const token = await new AsyncFunction(`${here(code)}\nreturn token;`)();
        assertToken(token, [rtc('lecture', '42', PUBLISHER)], 600);
        await assert.rejects(new AsyncFunction(here(code).replace("uid: '42'", "uid: ''"))(), /uid/);
    });

    const snippets = [...readme.matchAll(/^\/\/ ([\w ]+): GET (\S+) and GET (\S+)\n([^]*?)(?=^```|^\/\/ )/gm)];
    it("by each of Agora's UI kits", () => {
        assert.deepEqual(snippets.map(([, kit]) => kit), Object.keys(kits));
    });
    for (const [, kit, ...rest] of snippets) {
        it(`by Agora's UI kit for ${kit}`, async () => {
            const [rtcPath, rtmPath, code] = rest;
            const values = Object.fromEntries(Object.entries(kitValues).map(
                ([name, pattern]) => [name, pattern.exec(code)?.[1]]));
            const paths = kits[kit].paths.map((pattern) => pattern.replaceAll(/[A-Z]+/g, (name) => values[name]));
            assert.deepEqual([rtcPath, rtmPath], paths);
            assert.match(kitAddress.exec(code)[1], /^https:\/\/[a-z.]+[a-z]$/, 'to which the kit appends the path');
            const user = rtmPath.slice('/rtm/'.length);
            assertTokens(await request(service, rtcPath),
                { rtcToken: [rtc(values.CHANNEL, values.UID, PUBLISHER)] }, 3600);
            assertTokens(await request(service, rtmPath), { rtmToken: [rtm(user)] }, 3600);
        });
    }

    it('with an API key, made and put to use as the page says', async () => {
        const protect = section(readme, 'Protect it');
        const policy = fenced(protect, 'json').find((text) => text.includes('api_keys'));
        const [shownLine] = /\{"id": .*?\}/.exec(policy);
        const [, make] = /`(build\/release\/agora-token access key [^`]+)`/.exec(protect);
        const [key, line] = (await shell(make, { cwd: repository })).trim().split('\n');
        assert.deepEqual(Object.keys(JSON.parse(line)), Object.keys(JSON.parse(shownLine)));
        assert.equal(JSON.parse(line).id, JSON.parse(shownLine).id);

        const directory = makeDirectory();
        const file = path.join(directory, 'access.json');
        fs.writeFileSync(file, policy.replace(shownLine, line), { mode: 0o600 });
        const [check] = commands(protect, 'build/release/agora-token');
        assert.match(await shell(check.replace('access.json', file), { cwd: repository }), /^backend: /);
        assert.ok(protect.includes('\n    ACCESS_FILE=access.json make run\n'));
        const guarded = await startService({ settings: { ACCESS_FILE: file } });
        try {
            const [curl] = commands(protect, 'curl');
            const ask = async (target) => JSON.parse(
                await shell(target.replaceAll(SITE, guarded.origin), { env: { KEY: key } }));
            assertToken((await ask(curl)).rtcToken, [rtc('course-1', '42', PUBLISHER)], 3600);
            assert.equal((await ask(curl.replace('course-1', 'vip'))).status, 403);
            assert.equal((await ask(curl.replace('$KEY', 'x$KEY'))).status, 401);
        } finally {
            await guarded.stop();
            removeDirectory(directory);
        }
    });

    // CHANNEL and :channel are the same; what stands in brackets may be left out.
    const plainPath = (pattern) => pattern.replaceAll(/:\w+|\b[A-Z]{3,}\b(?=\/|$)/g, '*');
    const rows = table(readme, 'Endpoints').flatMap(([requests]) => quoted(requests)).flatMap((shown) => {
        const [method, pattern] = shown.split(' ');
        const paths = [pattern.replace(/\[.*\]/, ''), pattern.replaceAll(/[[\]]/g, '')];
        return [...new Set(paths)].map((one) => [method, one]);
    });

    it('are for the endpoints that there are', async () => {
        const { message } = JSON.parse((await request(service, '/nowhere')).body);
        const routes = [...message.matchAll(/\b(GET|POST) (\/\S*?)(?=,? |,?$)/g)].map(([, ...route]) => route);
        assert.ok(routes.length > 10, message);
        const sorted = (list) => list.map(([method, pattern]) => `${method} ${plainPath(pattern)}`).sort();
        assert.deepEqual(sorted(rows), sorted(routes));
    });

    const values = { CHANNEL: 'lecture', ROLE: 'publisher', TOKENTYPE: 'uid', UID: '42', RTMUID: '43' };
    for (const [, pattern] of rows.filter(([method]) => method === 'GET')) {
        it(`GET ${pattern} is answered`, async () => {
            const answer = await request(service, pattern.replaceAll(/[A-Z]{3,}/g, (name) => values[name]));
            assert.equal(answer.status, 200, answer.body);
        });
    }
});

describe('the tables and commands', () => {
    it('the settings are those of the program, with their defaults', async () => {
        const { stdout } = await runResponder(['--check'], { env: SECRETS });
        const defaults = Object.fromEntries([...stdout.matchAll(/^([A-Z_]+)=(.*)$/gm)].map(([, ...pair]) => pair));
        const help = (await runResponder(['--help'])).stdout;
        const credentials = [...help.matchAll(/\bAPP_[A-Z_]+\b/g)].map(([name]) => name);
        const rows = table(readme, 'Settings');
        assert.deepEqual(rows.flatMap(([names]) => quoted(names)).sort(),
            [...new Set([...credentials, ...Object.keys(defaults)])].sort());
        for (const [names, , byDefault] of rows) {
            for (const name of quoted(names).filter((known) => defaults[known])) {
                assert.equal(byDefault, `\`${defaults[name]}\``, name);
            }
        }
    });

    it('the container is run as its own page says', () => {
        const own = commands(read('conf/container/README.md'), 'docker');
        const shown = commands(readme, 'docker');
        assert.equal(shown.length, 2);
        shown.forEach((command) => assert.ok(own.includes(command), command));
    });

    it('the tool does what its examples say', async () => {
        const options = { env: SECRETS };
        const [mint, decode, verify] = commands(section(readme, 'Tool'), 'agora-token')
            .map((command) => command.replace(/ +#.*/, ''));
        const token = (await shell(mint, options)).trim();
        assertToken(token, [rtc('lecture', '42', PUBLISHER)], 3600);
        const with_ = (command) => command.replace(/007\S+/, token);
        assert.match(await shell(with_(decode), options), /lecture/);
        await shell(with_(verify), options);
        await assert.rejects(shell(with_(verify), { env: { ...SECRETS, APP_CERTIFICATE: OTHER_CERTIFICATE } }));
    });

    it('the checklist for moving over tells equal answers from others', async () => {
        const [, script] = /^( {7}holds\(\) \{\n[^]*?^ {7}done)$/m.exec(read('conf/migration/README.md'));
        const started = [];
        const start = async (settings) => {
            started.push(await startService({ settings }));
            return started.at(-1).origin;
        };
        try {
            const OLD = await start({});
            const NEW = await start({});
            const other = await start({ APP_ID: 'f'.repeat(32) });
            const compare = async (env) => (await shell(script, { env })).trim().split('\n').map((line) => line.split(':')[0]);
            assert.deepEqual(await compare({ OLD, NEW }), Array(4).fill('same'));
            assert.deepEqual(await compare({ OLD, NEW: other }), Array(4).fill('DIFFERENT'));
        } finally {
            await Promise.all(started.map((service) => service.stop()));
        }
    });
});

describe('the text', () => {
    const skipped = new Set(['node_modules', 'build', '.git']);
    const pages = (folder) => fs.readdirSync(path.join(repository, folder), { withFileTypes: true }).flatMap((entry) => {
        const name = path.join(folder, entry.name);
        if (entry.isDirectory()) {
            return skipped.has(entry.name) ? [] : pages(name);
        }
        return entry.name.endsWith('.md') ? [name] : [];
    });

    for (const page of pages('.')) {
        it(`${page} has links that lead somewhere`, () => {
            const prose = read(page).replaceAll(/^```[^]*?^```$/gm, '').replaceAll(/^ {4}.*$/gm, '').replaceAll(/`[^`\n]*`/g, '');
            for (const [, target] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
                if (/^[a-z]+:/.test(target)) {
                    continue;
                }
                const [file, anchor] = target.split('#');
                const to = file === '' ? page : path.join(path.dirname(page), file);
                assert.ok(fs.existsSync(path.join(repository, to)), `there is ${to}`);
                if (anchor !== undefined) {
                    assert.ok(headings(read(to)).some((heading) => heading.anchor === anchor), `${to} has #${anchor}`);
                }
            }
        });
    }

    it('README.md lists its contents', () => {
        const list = readme.split('\n\n').find((part) => part.startsWith('[Run it]'));
        assert.deepEqual([...list.matchAll(/\[(.+?)\]\(#(.+?)\)/g)].map(([, title, anchor]) => [title, anchor]),
            headings(readme).filter(({ level }) => level === 2).map(({ title, anchor }) => [title, anchor]));
    });

    it('README.md is short, and its lines are', () => {
        const lines = readme.trimEnd().split('\n');
        assert.ok(lines.length < 220, `${lines.length} lines`);
        // A button is one line of addresses.
        assert.deepEqual(lines.filter((line) => line.length > 120 && !line.startsWith('[![')), []);
    });
});
