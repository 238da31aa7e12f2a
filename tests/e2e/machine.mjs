// A throw-away copy of this machine, booted by systemd: see the script `machine`.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { launch, makeDirectory, removeDirectory, repository, terminate, waitFor } from './processes.mjs';

const SCRIPT = path.join(repository, 'tests/e2e/machine');

// `root` is another root to copy. The machine has the network of this process, so that it is to be
// run by the script `isolated`; or that into which the command `through` leads.
export async function bootMachine({ root, through = [] } = {}) {
    assert.equal(process.env.ISOLATED, 'yes', 'machines are booted below tests/e2e/isolated only');
    const directory = makeDirectory();
    const logFile = path.join(directory, 'machine.log');
    const env = { PATH: process.env.PATH, ...(root && { MACHINE_ROOT: root }) };
    const begin = (action) => [...through, SCRIPT, action, directory];
    const [command, ...args] = begin('boot');
    const child = launch(command, args, { cwd: repository, env, logFile });

    // Runs a shell command as root, in the checkout. Returns what it printed; fails if it fails.
    const run = (command, { input = '', milliseconds = 120000 } = {}) => new Promise((resolve, reject) => {
        const [program, ...words] = begin('run');
        const process_ = spawn(program, [...words, 'sh', '-ec', command], {
            env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' },
            timeout: milliseconds,
        });
        const output = { stdout: '', stderr: '' };
        for (const name of Object.keys(output)) {
            process_[name].setEncoding('utf8').on('data', (text) => {
                output[name] += text;
            });
        }
        process_.once('error', reject);
        process_.once('close', (code, signal) => {
            if (code === 0) {
                resolve(output.stdout);
            } else {
                reject(new Error(`${command}: ${signal || `status ${code}`}\n${output.stdout}${output.stderr}`));
            }
        });
        process_.stdin.on('error', () => {});
        process_.stdin.end(input);
    });

    // Down at once, as if its power had been cut: there is nothing in it to be saved.
    const stop = async () => {
        const ended = await terminate(child);
        removeDirectory(directory);
        return ended;
    };

    try {
        await waitFor('the machine to boot', () => {
            assert.ok(!child.gone, `the machine did not boot: ${fs.readFileSync(logFile, 'utf8')}`);
            return fs.existsSync(path.join(directory, 'shared/booted'));
        });
    } catch (error) {
        await stop();
        throw error;
    }
    return {
        run,
        log: () => run('journalctl --no-pager --boot --output=cat; cat /var/log/*/*error*log 2>/dev/null || :'),
        stop,
    };
}
