// The files by which one-click hosts build and run the image: that each has the form which its host
// wants, names what is there, and makes a service that answers. Run by tests/check-container, which
// builds the image.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { startWhole } from './gateways/container.mjs';
import {
    APP_ID, assertToken, CERTIFICATE, makeDirectory, removeDirectory, repository, request, rtm,
} from './harness.mjs';
import { API_KEY, keyPolicy } from './login.mjs';

const read = (file) => fs.readFileSync(path.join(repository, file), 'utf8');

// podman-compose has its parser of YAML from python3-yaml.
const parseYaml = (text) => JSON.parse(execFileSync('python3',
    ['-c', 'import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)'], { input: text }));

const settings = Array.from(read('src/config.c').matchAll(/^ {4}\{"([A-Z_]+)", [A-Z_]+,/gm), ([, name]) => name);
const secrets = ['APP_ID', 'APP_CERTIFICATE'];
// The host's own business; and what may not be empty, so that no file asks for it.
const ports = ['PORT', 'SERVER_PORT'];
const unasked = [...ports, 'ACCESS_FILE'];

// ---------------------------------------------------------------- forms

const isText = (value) => typeof value === 'string' && value.trim() !== '';
const isWhole = (value) => Number.isInteger(value) && value >= 0;
const isFlag = (value) => typeof value === 'boolean';
const isPath = (value) => isText(value) && value.startsWith('/');
const isFile = (value) => isText(value) && fs.statSync(path.join(repository, value)).isFile();
const isOneOf = (...values) => (value) => values.includes(value);
const listOf = (form) => (value, where) => {
    assert.ok(Array.isArray(value) && value.length > 0, `${where} is a list`);
    return value.every((entry, index) => fits(entry, form, `${where}[${index}]`));
};
const mapOf = (key, form) => (value, where) => Object.entries(value).every(([name, entry]) => {
    assert.match(name, key, where);
    return fits(entry, form, `${where}.${name}`);
});

// A form is a function that judges, or an object with the form of each key that is allowed. A key
// with a ? at its end may be left out.
function fits(value, form, where) {
    if (typeof form === 'function') {
        assert.ok(form(value, where), `${where} may not be ${JSON.stringify(value)}`);
        return true;
    }
    assert.ok(value && typeof value === 'object' && !Array.isArray(value), `${where} is an object`);
    for (const key of Object.keys(value)) {
        assert.ok(key in form || `${key}?` in form, `${where} may have a ${key}`);
    }
    for (const [key, inner] of Object.entries(form)) {
        const name = key.replace(/\?$/, '');
        assert.ok(name in value || key !== name, `${where} has a ${name}`);
        if (name in value) {
            fits(value[name], inner, `${where}.${name}`);
        }
    }
    return true;
}

const environmentName = /^[A-Z][A-Z0-9_]*$/;
const processName = /^[a-z][a-z0-9-]*$/;

const appJson = {
    name: (value) => isText(value) && value.length <= 300 && /^[\w.-]+$/.test(value),
    description: isText,
    'keywords?': listOf(isText),
    'website?': isText,
    'repository?': isText,
    stack: isOneOf('container'),
    'formation?': mapOf(processName, { quantity: isWhole, 'size?': isText }),
    env: mapOf(environmentName, { description: isText, 'value?': isText, 'required?': isFlag }),
};

const herokuYml = {
    build: { docker: mapOf(processName, isFile) },
    'run?': mapOf(processName, isText),
};

const renderYaml = {
    services: listOf({
        type: isOneOf('web'),
        name: (value) => /^[a-z][a-z0-9-]*$/.test(value),
        runtime: isOneOf('docker'),
        plan: isOneOf('free', 'starter', 'standard', 'pro', 'pro plus', 'pro max', 'pro ultra'),
        dockerfilePath: isFile,
        healthCheckPath: isPath,
        envVars: listOf((value, where) => (
            'sync' in value
                ? fits(value, { key: isText, sync: isOneOf(false) }, where)
                : fits(value, { key: isText, value: isText }, where))),
    }),
};

const railwayJson = {
    $schema: isText,
    build: { builder: isOneOf('DOCKERFILE'), dockerfilePath: isFile },
    deploy: {
        healthcheckPath: isPath,
        healthcheckTimeout: isWhole,
        restartPolicyType: isOneOf('ON_FAILURE', 'ALWAYS', 'NEVER'),
        restartPolicyMaxRetries: isWhole,
        'drainingSeconds?': isWhole,
    },
};

// ---------------------------------------------------------------- hosts

// environment: the settings that the file gives a value, and those that it asks the user for.
const hosts = [
    {
        title: 'Heroku',
        files: [['app.json', JSON.parse, appJson], ['heroku.yml', parseYaml, herokuYml]],
        environment: ([{ env }]) => Object.entries(env).map(
            ([name, { value, required = true }]) => ({ name, value, asked: required })),
        // Its file names no path. It runs the image as a user of its own choice.
        health: () => '/readyz',
        port: 34567,
        options: ['--user', '54321:54321'],
    },
    {
        title: 'Render',
        files: [['render.yaml', parseYaml, renderYaml]],
        environment: ([{ services: [{ envVars }] }]) => envVars.map(
            ({ key, value, sync }) => ({ name: key, value, asked: sync === false })),
        health: ([{ services: [{ healthCheckPath }] }]) => healthCheckPath,
        port: 10000,
    },
    {
        title: 'Railway',
        files: [['railway.json', JSON.parse, railwayJson]],
        // It suggests what the sample holds.
        environment: () => read('.env.example').split('\n').map((line) => /^(?:# )?([A-Z_]+)=(.*)$/.exec(line))
            .filter((found) => found && !ports.includes(found[1]) && !found[1].endsWith('_FILE'))
            .map(([, name, value]) => (secrets.includes(name) ? { name, asked: true } : { name, value })),
        health: ([{ deploy: { healthcheckPath } }]) => healthcheckPath,
        port: 3000,
    },
];

test('a policy in the copy of the repository gets into the image, where the page has it', async () => {
    const [, policy] = /set `ACCESS_FILE` to `([^`]+)`/.exec(read('conf/container/README.md'));
    assert.equal(policy, 'conf/access/access.json');
    assert.match(read('Dockerfile'), /^WORKDIR \/opt\/agora-token-fcgi\n(?:.+\n)*COPY conf\/access\/\*\.json conf\/access\/$/m);
    const directory = makeDirectory();
    fs.writeFileSync(path.join(directory, 'access.json'), keyPolicy('alice'));
    const service = await startWhole({
        settings: { APP_ID, APP_CERTIFICATE: CERTIFICATE, ACCESS_FILE: policy },
        options: ['--volume', `${directory}/access.json:/opt/agora-token-fcgi/${policy}:ro`],
    });
    try {
        const headers = { 'X-API-Key': API_KEY };
        assert.equal((await request(service, '/rtm/alice', { headers })).status, 200);
        assert.equal((await request(service, '/rtm/bob', { headers })).status, 403);
    } finally {
        await service.stop();
        removeDirectory(directory);
    }
});

test('settings are read from the table of src/config.c', () => {
    assert.ok(settings.length > 5);
    [...secrets, ...ports].forEach((name) => assert.ok(settings.includes(name), name));
});

for (const { title, files, environment, health, port, options } of hosts) {
    describe(title, () => {
        const parsed = () => files.map(([file, parse]) => parse(read(file)));

        test('its files have the form that it wants', () => {
            parsed().forEach((value, index) => fits(value, files[index][2], files[index][0]));
        });

        test('each setting is there, and no other', () => {
            const names = environment(parsed()).map(({ name }) => name);
            assert.deepEqual([...names].sort(), settings.filter((name) => !unasked.includes(name)).sort());
        });

        test('the user is asked for the secrets, and none is in the file', () => {
            for (const { name, value, asked } of environment(parsed())) {
                if (secrets.includes(name)) {
                    assert.ok(asked && value === undefined, name);
                }
            }
            for (const [file] of files) {
                assert.doesNotMatch(read(file), /[0-9a-f]{32}/i, file);
            }
        });

        test('what it starts is healthy and mints', async () => {
            const given = environment(parsed()).filter(({ value }) => value !== undefined)
                .map(({ name, value }) => [name, value]);
            const service = await startWhole({
                inner: port,
                settings: {
                    ...Object.fromEntries(given), APP_ID, APP_CERTIFICATE: CERTIFICATE, PORT: String(port),
                },
                options,
            });
            let ended;
            try {
                assert.equal((await request(service, health(parsed()))).status, 200);
                const answer = await request(service, '/rtm/alice');
                assertToken(JSON.parse(answer.body).rtmToken, [rtm('alice')], 3600,
                    { appId: APP_ID, certificate: CERTIFICATE });
            } finally {
                ended = await service.stop();
            }
            assert.equal(ended.code, 0, service.log());
        });
    });
}
