// The library as a program finds it after `make install`: in an empty prefix, through pkg-config.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import judge from 'agora-token/src/AccessToken2.js';
import {
    COUNT, OTHER, assertJudgeReads, assertSameToken, descriptions, expectedParts, judgeMints,
} from './random-tokens.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const repository = path.resolve(here, '../..');
const CERTIFICATE = '5CFd2fd1755d40ecb72977518be15d3b';

function run(command, args, options = {}) {
    const result = spawnSync(command, args, { encoding: 'utf8', cwd: repository, ...options });
    assert.equal(result.status, 0, `${command} ${args.join(' ')}: ${result.stderr}`);
    return result.stdout;
}

const words = (text) => text.trim().split(/\s+/).filter(Boolean);

// What the header declares for the linker: `agora_…(` outside of comments and inline functions.
function publicFunctions(header) {
    const code = header.replace(/\/\*[^]*?\*\//g, '').replace(/static inline[^{]*\{[^}]*\}/g, '');
    return [...code.matchAll(/\b(agora_\w+)\(/g)].map(([, name]) => name).sort();
}

function definedSymbols(file, ...options) {
    return run('nm', ['--defined-only', ...options, file]).split('\n')
        .map((line) => /^[0-9a-f]+ [A-Z] (\S+)$/.exec(line)?.[1]).filter(Boolean).sort();
}

const files = (directory) => fs.readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(directory, path.join(entry.parentPath ?? entry.path, entry.name)))
    .sort();

describe('the installed library', () => {
    let root;
    let prefix;
    let header;
    let environment;

    before(() => {
        root = fs.mkdtempSync(path.join(os.tmpdir(), 'agora-token-e2e-'));
        prefix = path.join(root, 'prefix');
        run('make', ['-s', 'install', `PREFIX=${prefix}`]);
        header = fs.readFileSync(path.join(prefix, 'include/agora_token.h'), 'utf8');
        environment = {
            PATH: process.env.PATH,
            PKG_CONFIG_PATH: path.join(prefix, 'lib/pkgconfig'),
            LD_LIBRARY_PATH: path.join(prefix, 'lib'),
        };
    });
    after(() => fs.rmSync(root, { recursive: true, force: true }));

    const flags = (...options) => words(run('pkg-config', [...options, 'agoratoken'],
        { env: environment }));
    const strict = ['-Wall', '-Wextra', '-Wpedantic', '-Werror'];

    // Builds in a directory that knows nothing of this repository, and runs the program.
    function build(compiler, source, { options = [], libraries = flags('--libs') } = {}) {
        const program = path.join(root, `program-${Math.random()}`);
        run(compiler, [...options, ...strict, ...flags('--cflags'), source, '-o', program,
            ...libraries], { cwd: root, env: environment });
        return program;
    }

    function assertMints(program) {
        const token = run(program, [], { cwd: root, env: environment }).trim();
        const parsed = new judge.AccessToken2('', '', 0, 0);
        assert.equal(parsed.from_string(token), true, token);
        assert.equal(parsed.verifySignature(CERTIFICATE), true);
        assert.equal(parsed.expire, 3600);
        assert.ok(Math.abs(parsed.issueTs - Date.now() / 1000) < 60);
        return parsed;
    }

    it('compiles and runs the C program of include/README.md, of 24 lines at most', () => {
        const source = path.join(here, 'programs/mint.c');
        assert.ok(fs.readFileSync(source, 'utf8').trimEnd().split('\n').length < 25);
        for (const standard of ['-std=c11', '-std=c17', '-std=gnu17']) {
            const [service] = assertMints(build('gcc', source, { options: [standard] })).services;
            assert.equal(service.service_type(), judge.kRtcServiceType);
            assert.equal(service.__channel_name.toString(), 'lecture');
            assert.equal(service.__uid.toString(), 'alice');
            assert.deepEqual(service.__privileges, { 1: 3600, 2: 3600, 3: 3600, 4: 3600 });
        }
    });

    it('compiles and runs the C++ program of include/README.md', () => {
        for (const standard of ['-std=c++11', '-std=c++20']) {
            const { services } = assertMints(build('g++', path.join(here, 'programs/mint.cpp'),
                { options: [standard] }));
            assert.deepEqual(services.map((service) => service.service_type()),
                [judge.kRtcServiceType, judge.kRtmServiceType]);
        }
    });

    it('is what include/README.md and the man page show, with lines that compile it', () => {
        const readme = fs.readFileSync(path.join(repository, 'include/README.md'), 'utf8');
        const folder = path.join(root, 'readme');
        fs.mkdirSync(folder);
        for (const [language, name] of [['c', 'mint.c'], ['cpp', 'mint.cpp']]) {
            const program = fs.readFileSync(path.join(here, 'programs', name), 'utf8');
            assert.ok(readme.includes(`\`\`\`${language}\n${program}\`\`\``), `it shows tests/e2e/programs/${name}`);
            fs.writeFileSync(path.join(folder, name), program);
        }
        // A line that ends in a backslash goes on.
        const lines = [...readme.matchAll(/^ {4}c(?:c|\+\+) mint(?:.*\\\n)*.*$/gm)].map(([line]) => line);
        assert.equal(lines.length, 3, 'C, C without the shared library, C++');
        for (const line of lines) {
            run('sh', ['-ec', line], { cwd: folder, env: environment });
            assertMints(path.join(folder, 'a.out'));
        }
        const example = fs.readFileSync(path.join(here, 'programs/mint.c'), 'utf8');
        const page = fs.readFileSync(path.join(prefix, 'share/man/man3/agora_token.3'), 'utf8');
        assert.ok(page.replaceAll('\\e', '\\').includes(example));
    });

    it('links statically, and adds less than 64 KB', () => {
        const libraries = [path.join(prefix, 'lib/libagoratoken.a'),
            ...words(run('pkg-config', ['--libs', 'libcrypto', 'zlib']))];
        const program = build('gcc', path.join(here, 'programs/mint.c'), { libraries });
        assertMints(program);
        const plain = path.join(root, 'plain.c');
        fs.writeFileSync(plain, '#include <stdio.h>\nint main(void) { return puts("") < 0; }\n');
        const size = (file) => words(run('size', [file]).split('\n')[1]).slice(0, 3)
            .reduce((sum, part) => sum + Number(part), 0);
        assert.ok(size(program) - size(build('gcc', plain, { libraries: [] })) < 64 * 1024);
    });

    describe('random tokens', () => {
        let program;
        before(() => {
            program = path.join(root, 'batch');
            const sources = ['tests/e2e/programs/batch.c',
                ...['json/token_json', 'json/names', 'json/reader', 'json/utf8', 'http/buffer', 'cli/description', 'cli/show',
                    'redact', 'text']
                    .map((name) => `src/${name}.c`)];
            run('gcc', ['-std=c17', '-D_GNU_SOURCE', '-Isrc', ...flags('--cflags'), ...sources, '-o', program,
                ...flags('--libs'), ...words(run('pkg-config', ['--cflags', '--libs', 'json-c', 'libcrypto']))]);
        });
        const batch = (lines) => {
            const output = run(program, [], {
                input: lines.map((line) => `${line}\n`).join(''), env: environment, maxBuffer: 1 << 28 });
            const answers = output.trimEnd().split('\n');
            assert.equal(answers.length, lines.length);
            return answers;
        };

        it(`${COUNT} of ${COUNT} minted here are read and verified by Agora's package`, () => {
            const tokens = batch(descriptions.map((description) => JSON.stringify(description)));
            descriptions.forEach((description, index) => {
                assertJudgeReads(tokens[index], description);
                assertSameToken(tokens[index], judgeMints(description));
            });
        });

        it(`${COUNT} of ${COUNT} minted by Agora's package are read and verified here`, () => {
            const tokens = descriptions.map(judgeMints);
            const answers = batch(descriptions.map(
                ({ app_certificate: certificate }, index) => `${certificate} ${tokens[index]}`));
            descriptions.forEach((description, index) => {
                const { verdict, ...parts } = JSON.parse(answers[index]);
                assert.deepEqual(parts, expectedParts(description, tokens[index]));
                assert.equal(verdict, 'valid');
            });
            for (const answer of batch(tokens.map((token) => `${OTHER} ${token}`))) {
                assert.equal(JSON.parse(answer).verdict, 'the signature is not by this App Certificate');
            }
        });
    });

    it('exports what the header declares, and nothing else', () => {
        const expected = publicFunctions(header);
        assert.ok(expected.length > 30);
        const lib = path.join(prefix, 'lib');
        assert.deepEqual(definedSymbols(path.join(lib, 'libagoratoken.so'), '-D'), expected);
        assert.deepEqual(definedSymbols(path.join(lib, 'libagoratoken.a'), '-g'), expected);
    });

    it('has a versioned soname and needs libcrypto and zlib alone', () => {
        const version = run('pkg-config', ['--modversion', 'agoratoken'], { env: environment }).trim();
        const lib = path.join(prefix, 'lib');
        const soname = `libagoratoken.so.${version.split('.')[0]}`;
        assert.equal(fs.readlinkSync(path.join(lib, 'libagoratoken.so')), soname);
        assert.equal(fs.readlinkSync(path.join(lib, soname)), `libagoratoken.so.${version}`);
        const dynamic = run('readelf', ['-d', path.join(lib, soname)], { env: { ...environment, LC_ALL: 'C' } });
        assert.equal(/SONAME.*\[(.*)\]/.exec(dynamic)[1], soname);
        const needed = [...dynamic.matchAll(/NEEDED.*\[(\w+)\.so/g)].map(([, name]) => name).sort();
        assert.deepEqual(needed, ['libc', 'libcrypto', 'libz']);
        assert.equal(run(path.join(prefix, 'bin/agora-token'), ['--version'], { env: environment }),
            `agora-token ${version}\n`);
    });

    it('has a man page for every function', () => {
        const manual = path.join(prefix, 'share/man/man3');
        const page = fs.readFileSync(path.join(manual, 'agora_token.3'), 'utf8');
        for (const name of [...publicFunctions(header), 'agora_text_of']) {
            assert.ok(page.includes(`\n.Fo ${name}\n`), `${name} stands in the synopsis`);
            assert.ok(page.includes(`.Nm ${name}`), `${name} stands among the names`);
            assert.match(page, new RegExp(`Fn ${name}( |$)`, 'm'), `${name} is described`);
            assert.equal(fs.readFileSync(path.join(manual, `${name}.3`), 'utf8'),
                '.so man3/agora_token.3\n');
        }
        for (const [error] of header.matchAll(/\bAGORA_TOKEN_[A-Z0-9_]+(?=,\n| = 0)/g)) {
            assert.match(page, new RegExp(`Dv ${error}( |$)`, 'm'), `${error} is described`);
        }
    });

    it('comes with the service, what fetches keys for it in the same folder, and the schema of policies', () => {
        const [, version] = /^#define VERSION "(.*)"$/m.exec(fs.readFileSync(path.join(repository, 'src/version.h'), 'utf8'));
        for (const name of ['agora-token-fcgi', 'agora-token-jwks']) {
            assert.equal(run(path.join(prefix, 'bin', name), ['--version'], { env: {} }), `${name} ${version}\n`);
            assert.match(fs.readFileSync(path.join(prefix, 'share/man/man8', `${name}.8`), 'utf8'),
                new RegExp(`^\\.Nm ${name}$`, 'm'));
        }
        assert.deepEqual(fs.readFileSync(path.join(prefix, 'share/agora-token/schema.json')),
            fs.readFileSync(path.join(repository, 'conf/access/schema.json')));
    });

    it('is taken away by make uninstall, DESTDIR or not', () => {
        const staged = path.join(root, 'staged');
        run('make', ['-s', 'install', 'PREFIX=/usr', `DESTDIR=${staged}`]);
        assert.deepEqual(files(path.join(staged, 'usr')), files(prefix));
        assert.match(fs.readFileSync(path.join(staged, 'usr/lib/pkgconfig/agoratoken.pc'), 'utf8'),
            /^prefix=\/usr$/m);
        run('make', ['-s', 'uninstall', 'PREFIX=/usr', `DESTDIR=${staged}`]);
        assert.deepEqual(files(staged), []);
    });
});
