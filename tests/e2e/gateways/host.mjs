// The web servers of conf/, each set up by doing what its page tells: the commands of one section of
// conf/<folder>/README.md, run one after the other as root, in a throw-away copy of this machine.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { bootMachine } from '../machine.mjs';
import { dotenvLine, repository } from '../processes.mjs';

const MOST_COMMANDS = 5;

// page: the folder in conf. section: the heading of the section.
const hosts = {
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
    assert.match(commands.at(-1), /^curl /, `"${section}" in ${file} ends with a token`);
    return commands;
}

async function start({ page, section }, { settings, dotenv }) {
    const machine = await bootMachine();
    try {
        // What stands in .env is what a reader has put there. Nobody else may read it.
        await machine.run('umask 077 && rm -f .env && cat >.env', {
            input: Object.entries(settings).map(dotenvLine).join('') + dotenv,
        });
        let output;
        for (const command of commandsOf(page, section)) {
            output = await machine.run(command);
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

export const gateways = Object.fromEntries(Object.entries(hosts).map(
    ([name, host]) => [name, { ...host, start: (context) => start(host, context) }]));
