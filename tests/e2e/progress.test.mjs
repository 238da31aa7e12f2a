// What long work tells of itself while it lasts. A terminal is made by `script`.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { inTurn } from '../bench/progress.mjs';
import { makeDirectory, PATH, removeDirectory, repository } from './processes.mjs';

let directory;
before(() => {
    directory = makeDirectory();
});
after(() => removeDirectory(directory));

const script = (name, text) => {
    const file = path.join(directory, name);
    fs.writeFileSync(file, `#!/bin/sh\n${text}`, { mode: 0o755 });
    return file;
};
const run = (command, args = [], env = {}) => {
    const { stdout, stderr, status } = spawnSync(command, args,
        { cwd: repository, encoding: 'utf8', env: { PATH, LC_ALL: 'C', ...env } });
    return { status, output: stdout + stderr };
};
const onTerminal = (command) => execFileSync('script', ['-qec', command, '/dev/null'],
    { cwd: repository, encoding: 'utf8', env: { PATH, LC_ALL: 'C', TERM: 'dumb' }, stdio: ['ignore', 'pipe', 'pipe'] });

describe('suites', () => {
    let file;
    before(() => {
        file = script('suites', `set -eu
. tests/suites.sh
begin '${directory}/logs'
need 'the first' true
beside step 'the second' sleep 0.2
beside step 'the third' true
step 'the last' true
finish
`);
    });
    const told = (output) => [...output.matchAll(/^the \w+ .* 1 passed, 0 failed, \d+ s {3}\[(.*) done, \d+:\d{2}\]$/gm)].map(([, ended]) => ended);

    it('count themselves, and from the second run on tell of how many', () => {
        const first = run(file);
        assert.deepEqual(told(first.output), ['1', '2', '3', '4'], first.output);
        assert.match(first.output, /\n4 passed, 0 failed\n$/);
        assert.doesNotMatch(first.output, /[\r\x1b]/);
        assert.deepEqual(told(run(file).output), ['1 of 4', '2 of 4', '3 of 4', '4 of 4']);
    });

    it('on a terminal one line tells what runs', () => {
        const shown = onTerminal(file).replaceAll('\r\n', '\n');
        assert.match(shown, /\r\x1b\[K0 of 4 done, \d+:\d{2}: the first/);
        assert.match(shown, /: (?:the third;)?the second/);
        assert.match(shown, /\r\x1b\[K4 passed, 0 failed\n$/);
    });

    it('a failure is told as ever, and what an unfinished run had is no total', () => {
        const failing = script('failing', `. tests/suites.sh
begin '${directory}/other'
need 'the first' sh -c 'echo it is broken; exit 1'
step 'never' true
finish
`);
        for (let times = 0; times < 2; times++) {
            const { status, output } = run(failing);
            assert.equal(status, 1);
            assert.match(output, /^the first +0 passed, 1 failed, \d s {3}\[1 done, 0:0\d\]$/m);
            assert.match(output, /it is broken/);
            assert.match(output, /\n0 passed, 1 failed\n$/);
        }
    });
});

describe('the installation of packages', () => {
    // Another machine than this: what is missing there is a program that no Debian has, and apt-get is not Debian's.
    const installer = (status) => {
        const bin = path.join(directory, `bin-${status}`);
        fs.mkdirSync(bin, { recursive: true });
        fs.writeFileSync(path.join(bin, 'apt-get'), `#!/bin/sh
case "$*" in *update*) exit ;; esac
echo 'what apt-get prints'
for percent in 0.0 12.5 40.2 99.9; do echo "dlstatus:1:$percent:Retrieving" >&3; done
echo 'pmstatus:dpkg:i386:1.0:Unpacking' >&3
for percent in 0.0 30.0 60.1 80.2 100.0; do echo "pmstatus:no-such:$percent:Unpacking no-such" >&3; done
exit ${status}
`, { mode: 0o755 });
        const text = fs.readFileSync(path.join(repository, 'conf/local/packages'), 'utf8')
            .replace(/\ntable='\n/, "\ntable='\nbuild command:no-such-program no-such does nothing\n")
            .replace('policy=/usr/sbin/policy-rc.d', `policy=${directory}/policy-rc.d`)
            .replace('"$(id -u)" -eq 0', 'yes')
            .replace("PATH=$PATH:", `PATH=${bin}:$PATH:`);
        return script(`packages-${status}`, text.replace(/^#!.*\n/, ''));
    };

    it('is told in a line for each quarter', () => {
        const { status, output } = run(installer(0), ['build']);
        assert.equal(status, 0, output);
        assert.match(output, /no-such +does nothing/);
        const steps = output.split('\n').filter((line) => / %$/.test(line)).map((line) => line.trim());
        assert.deepEqual(steps, ['fetching 0 %', 'fetching 40 %', 'fetching 99 %', 'installing 0 %', 'installing 30 %',
            'installing 60 %', 'installing 80 %', 'installing 100 %']);
        assert.doesNotMatch(output, /what apt-get prints/);
        assert.ok(!fs.existsSync(path.join(directory, 'policy-rc.d')));
    });

    it('is told on a terminal in one line', () => {
        const shown = onTerminal(`${installer(0)} build`);
        assert.match(shown, /\r\x1b\[K {2}fetching 40 % \r\x1b\[K/);
        assert.match(shown, /\r\x1b\[K {2}installing 60 % no-such\r\x1b\[K/);
        assert.match(shown, /\r\x1b\[K$/);
    });

    it('that fails shows what apt-get printed', () => {
        const { status, output } = run(installer(1), ['build']);
        assert.equal(status, 1);
        assert.match(output, /what apt-get prints\npackages: apt-get could not install: no-such/);
    });
});

it('measurements: which of how many, and how long they may take yet', async () => {
    const lines = [];
    await inTurn([['a', 61, () => lines.push('A')], ['b', 59, async () => lines.push('B')]], (line) => lines.push(line));
    assert.deepEqual(lines, ['1 of 2: a (about 2 min 0 s left)', 'A', '2 of 2: b (about 59 s left)', 'B']);
});
