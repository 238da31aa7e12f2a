// The checkout on a bare system with nothing but make, as README.md and CONTRIBUTING.md promise that it
// will do, and with sudo for an ordinary user. Run by tests/check-package, which makes that system and has
// the packages that it will ask for downloaded, since it has no network.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { APP_ID, CERTIFICATE, assertTells, assertToken, rtm } from './harness.mjs';
import { bootMachine } from './machine.mjs';

const APT = 'DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends';

describe('a plain Debian', () => {
    let machine;

    const run = async (command, options) => (await machine.run(command, options)).trim();
    const fails = (command) => machine.run(command).then(
        (output) => assert.fail(`${command} succeeded: ${output}`), ({ message }) => message);
    const as = (user, command) => `setpriv --reuid=${user} --regid=${user} --init-groups --reset-env ${command}`;

    before(async () => {
        assert.ok(process.env.MACHINE_ROOT, 'MACHINE_ROOT names a bare system');
        machine = await bootMachine({ root: process.env.MACHINE_ROOT });
        await machine.run(`${APT} purge gcc && rm -rf build/release && ${APT} install make sudo iproute2
            useradd bob && useradd carol && echo 'bob ALL=NOPASSWD: ALL' >/etc/sudoers.d/bob`);
    });
    after(() => machine?.stop());

    it('gets a compiler and the libraries by make cgi', async () => {
        await fails('command -v cc || command -v gcc');
        assertTells(await run('make cgi 2>&1', { milliseconds: 300000 }), 'gcc', 'libjson-c-dev');
        const answer = await run('GATEWAY_INTERFACE=CGI/1.1 REQUEST_METHOD=GET PATH_INFO=/rtm/alice '
            + `APP_ID=${APP_ID} APP_CERTIFICATE=${CERTIFICATE} build/release/agora-token.cgi`);
        const { rtmToken } = JSON.parse(answer.slice(answer.indexOf('{')));
        assertToken(rtmToken, [rtm('alice')], 3600);
    });

    it('lets a user with sudo run the tests, which find what is in the PATH of that user', async () => {
        const path = '/opt/node/bin:/usr/bin:/bin';
        const inside = 'echo "$PATH $(id -u) $ISOLATED"; ls /sys/class/net';
        const command = as('bob', `env PATH=${path} tests/e2e/isolated sh -c '${inside}'`);
        assert.equal(await run(command), `${path} 0 yes\nlo`);
    });

    it('tells a user without sudo at once', async () => {
        for (const script of ['tests/check', 'tests/check-package', 'tests/e2e/isolated true']) {
            assertTells(await fails(as('carol', `timeout 10 ${script}`)), 'root, or sudo that asks for no password');
        }
    });

    it('names what make test lacks to a user who may not install it', async () => {
        assertTells(await fails(as('carol', 'timeout 60 make test </dev/null')),
            'libcmocka-dev', 'nodejs', 'npm', 'zsh', 'as root, run: sh conf/local/packages test');
    });

    it('has no control group left after tests, however they end', async () => {
        await run('cat >/tmp/leave', {
            input: 'trap "exit 3" INT\nmount -t cgroup2 groups /mnt\n'
                + 'group="/mnt$(sed -n "s/^0:://p" /proc/self/cgroup)/left"\nmkdir "$group"\n'
                + 'sh -c "echo 0 >\'$group/cgroup.procs\'; touch /tmp/left; exec sleep 1000" &\n'
                + 'while [ ! -e /tmp/left ]; do sleep 0.1; done\n[ $1 = goes ] || wait\nexit 7\n',
        });
        const left = () => run(`find /sys/fs/cgroup -name 'agora-token.*' -o -name left
            grep -lx sleep /proc/[0-9]*/comm || :`);
        const status = (command) => run(`rm -f /tmp/left; status=0; ${command} || status=$?; echo $status`);
        assert.equal(await status('tests/e2e/isolated sh /tmp/leave goes'), '7');
        assert.equal(await left(), '');
        // 124 is timeout's own, which sends the signal to all of them, as a terminal does.
        assert.equal(await status('timeout --signal=INT 2 tests/e2e/isolated sh /tmp/leave stays'), '124');
        await run('test -e /tmp/left');
        assert.equal(await left(), '');
    });
});
