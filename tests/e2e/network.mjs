// Several hosts on this one: network namespaces, each with a cable to the same switch. A namespace is
// held by a process that ends with its standard input, so none of this outlives the test, however
// that ends. The machine's own network is not touched, nor can it be reached from there.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import {
    cleanEnvironment, launch, makeDirectory, removeDirectory, terminate, waitFor,
} from './processes.mjs';

const env = cleanEnvironment();
const netns = (pid) => fs.readlinkSync(`/proc/${pid}/ns/net`);

// hosts: {name: address with prefix length}, whose names fit the 15 bytes of an interface's.
export async function makeNetwork(hosts) {
    assert.equal(process.getuid(), 0, 'network namespaces are for root: run this test as root');
    const directory = makeDirectory();
    const processes = new Set();
    const start = (command, args, { cwd = directory, logFile, ...options }) => {
        const child = launch(command, args, { cwd, env, logFile, ...options });
        processes.add(child);
        child.exited.then(() => processes.delete(child));
        return child;
    };
    const holders = {};
    const into = (name) => [`--net=/proc/${holders[name].pid}/ns/net`, '--'];
    const run = (name, ...command) => execFileSync('nsenter', [...into(name), ...command],
        { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const stop = async () => {
        await Promise.all([...processes].map(terminate));
        removeDirectory(directory);
    };

    try {
        for (const name of ['switch', ...Object.keys(hosts)]) {
            const logFile = path.join(directory, 'namespaces.log');
            const holder = start('unshare', ['--net', 'cat'], { logFile, stdin: 'pipe' });
            holders[name] = holder;
            await waitFor(`the namespace of ${name}`, () => {
                assert.ok(!holder.gone, fs.readFileSync(logFile, 'utf8'));
                return netns(holder.pid) !== netns(process.pid);
            });
            run(name, 'ip', 'link', 'set', 'lo', 'up');
        }
        run('switch', 'ip', 'link', 'add', 'name', 'bridge', 'up', 'type', 'bridge');
        for (const [name, address] of Object.entries(hosts)) {
            run('switch', 'ip', 'link', 'add', 'name', name, 'type', 'veth',
                'peer', 'name', 'eth0', 'netns', String(holders[name].pid));
            run('switch', 'ip', 'link', 'set', name, 'up', 'master', 'bridge');
            run(name, 'ip', 'address', 'add', address, 'dev', 'eth0');
            run(name, 'ip', 'link', 'set', 'eth0', 'up');
        }
    } catch (error) {
        await stop();
        throw error;
    }
    return {
        directory,
        stop,
        run,
        // What a command has to begin with to be run on that host.
        through: (name) => ['nsenter', ...into(name)],
        launch: (name, command, args, options) =>
            start('nsenter', [...into(name), command, ...args], options),
        // What is sent to or by a host vanishes from now on, and neither side is told.
        cut: (name) => run('switch', 'bridge', 'link', 'set', 'dev', name, 'state', '0'),
        mend: (name) => run('switch', 'bridge', 'link', 'set', 'dev', name, 'state', '3'),
    };
}
