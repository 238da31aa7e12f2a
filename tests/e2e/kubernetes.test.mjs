// conf/kubernetes without a cluster: rendered by kubectl, judged by Kubernetes' own schema, held
// against what the program and the image say, and what a pod runs is run with the settings and probes
// of the manifest, and measured.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap';
import { Secret } from 'kubernetes-models/v1/Secret';
import { Service } from 'kubernetes-models/v1/Service';
import { parse, parseAllDocuments } from 'yaml';
import {
    APP_ID, CERTIFICATE, PUBLISHER, RESPONDER, SERVE_ENDS, assertToken, cleanEnvironment, drive, freePort,
    launch, makeDirectory, removeDirectory, repository, request, rtc, terminate, waitFor,
} from './harness.mjs';

const folder = path.join(repository, 'conf/kubernetes');
const read = (file) => fs.readFileSync(path.join(repository, file), 'utf8');
const kubectl = (...args) => execFileSync('kubectl', args,
    { encoding: 'utf8', cwd: repository, env: { ...cleanEnvironment(), KUBECONFIG: '/dev/null' } });

const models = {
    ConfigMap, Deployment, HorizontalPodAutoscaler, NetworkPolicy, PodDisruptionBudget, Secret, Service,
};
const rendered = parseAllDocuments(kubectl('kustomize', folder)).map((document) => document.toJS());
const of = (kind) => rendered.find((object) => object.kind === kind);
const pod = of('Deployment').spec.template;
const [container] = pod.spec.containers;
const NAME = 'agora-token-fcgi';

// Remembers which fields nobody has read yet.
function watched(value, where, unread) {
    if (value === null || typeof value !== 'object') {
        return value;
    }
    const copy = Array.isArray(value) ? [] : {};
    for (const [key, inner] of Object.entries(value)) {
        unread.add(`${where}/${key}`);
        copy[key] = watched(inner, `${where}/${key}`, unread);
    }
    return new Proxy(copy, {
        get(target, key, receiver) {
            unread.delete(`${where}/${String(key)}`);
            return Reflect.get(target, key, receiver);
        },
    });
}

// The schema allows fields that it does not know, but its validator never looks at one. So a field
// that was not read is misspelt, or in the wrong place.
function assertValid(object) {
    const Model = models[object.kind];
    const { apiVersion, kind } = new Model();
    assert.deepEqual([object.apiVersion, object.kind], [apiVersion, kind]);
    const unread = new Set();
    // On what is watched itself: a model made of it would have read and copied everything.
    Model.prototype.validate.call(watched(object, '', unread));
    assert.deepEqual([...unread], []);
}

describe('the manifests', () => {
    it('are these', () => assert.deepEqual(rendered.map(({ kind }) => kind).sort(), [
        'Deployment', 'HorizontalPodAutoscaler', 'NetworkPolicy', 'PodDisruptionBudget', 'Service']));

    for (const object of rendered) {
        it(`${object.kind}: Kubernetes' schema accepts it`, () => assertValid(object));
        it(`${object.kind}: a misspelt field would be noticed`, () => assert.throws(
            () => assertValid({ ...object, spec: { ...object.spec, selektor: {} } }), /selektor/));
        it(`${object.kind}: is called ${NAME}`, () => assert.equal(object.metadata.name, NAME));
    }

    it('all mean the same pods', () => {
        const { labels } = pod.metadata;
        for (const selector of [
            of('Deployment').spec.selector.matchLabels,
            of('Service').spec.selector,
            of('PodDisruptionBudget').spec.selector.matchLabels,
            of('NetworkPolicy').spec.podSelector.matchLabels,
            ...pod.spec.topologySpreadConstraints.map((spread) => spread.labelSelector.matchLabels),
        ]) {
            assert.deepEqual(selector, labels);
        }
        const { apiVersion, kind, metadata } = of('Deployment');
        assert.deepEqual(of('HorizontalPodAutoscaler').spec.scaleTargetRef,
            { apiVersion, kind, name: metadata.name });
    });

    it('all mean the same port', () => {
        const [{ name, containerPort }] = container.ports;
        assert.equal(of('Service').spec.ports[0].targetPort, name);
        assert.equal(of('NetworkPolicy').spec.ingress[0].ports[0].port, name);
        for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
            assert.equal(container[probe].httpGet.port, name);
        }
        assert.equal(container.env.find((variable) => variable.name === 'PORT').value,
            String(containerPort));
        assert.match(read('Dockerfile'), new RegExp(`^EXPOSE ${containerPort}$`, 'm'));
    });

    it('send requests to pods that are ready, and start those again that do not live', () => {
        const paths = ['startupProbe', 'readinessProbe', 'livenessProbe'].map((probe) => container[probe].httpGet.path);
        assert.deepEqual(paths, ['/livez', '/readyz', '/livez']);
    });

    it('leave the number of pods to the autoscaler', () => {
        assert.equal(of('Deployment').spec.replicas, undefined);
        const { minReplicas, maxReplicas } = of('HorizontalPodAutoscaler').spec;
        assert.ok(minReplicas === 3 && maxReplicas > minReplicas);
        assert.ok(of('PodDisruptionBudget').spec.maxUnavailable < minReplicas);
    });

    it('replace a pod only when the next one is ready', () => {
        assert.equal(of('Deployment').spec.strategy.rollingUpdate.maxUnavailable, 0);
        const [command, seconds] = container.lifecycle.preStop.exec.command;
        assert.equal(command, 'sleep');
        // What serve allows nginx and the responder, each, to end.
        assert.ok(Number(seconds) + 2 * 5 < pod.spec.terminationGracePeriodSeconds);
    });

    it('set what the program knows', () => {
        const table = [...read('src/config.c').matchAll(/^ {4}\{"(\w+)", (\w+), FIELD/gm)];
        const known = table.flatMap(([, name, kind]) => (
            kind === 'CREDENTIAL' ? [name, `${name}_FILE`] : [name]));
        assert.ok(known.includes('APP_CERTIFICATE_FILE') && known.includes('PORT'));
        container.env.forEach(({ name }) => assert.ok(known.includes(name), name));
        // No secret in the environment, which `kubectl describe` shows.
        assert.deepEqual(container.env.filter(({ name }) => (
            table.some(([, own, kind]) => own === name && kind === 'CREDENTIAL'))), []);
    });

    it('run as the image does, within the restricted profile', () => {
        const users = [...read('Dockerfile').matchAll(/^USER (\d+):(\d+)$/gm)].at(-1);
        const { securityContext } = pod.spec;
        assert.deepEqual([securityContext.runAsUser, securityContext.runAsGroup],
            [Number(users[1]), Number(users[2])]);
        assert.equal(securityContext.fsGroup, securityContext.runAsGroup, 'may read the secret');
        assert.equal(securityContext.runAsNonRoot, true);
        assert.equal(securityContext.seccompProfile.type, 'RuntimeDefault');
        assert.deepEqual(container.securityContext, {
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'] },
            readOnlyRootFilesystem: true,
        });
        assert.ok(container.volumeMounts.some(({ mountPath }) => mountPath === '/tmp'));
        for (const field of ['hostNetwork', 'hostPID', 'hostIPC']) {
            assert.equal(pod.spec[field], undefined);
        }
    });

    it('the Secret of README.md has what the pod reads', () => {
        const [, command] = /^ {4}kubectl (create secret .*)$/m.exec(read('conf/kubernetes/README.md'));
        const made = parse(kubectl(...command.replace('.env', '.env.example').split(' '),
            '--dry-run=client', '--output=yaml'));
        const template = parse(read('conf/kubernetes/secret.yaml'));
        assertValid({ ...made, metadata: { name: made.metadata.name } });
        assertValid(template);
        const { secret } = pod.spec.volumes.find((volume) => volume.secret);
        assert.deepEqual([made.metadata.name, template.metadata.name],
            [secret.secretName, secret.secretName]);
        const mount = container.volumeMounts.find(({ name }) => name === 'secret').mountPath;
        for (const { key, path: file } of secret.items) {
            assert.ok(made.data[key], `${key} in the Secret of README.md`);
            assert.equal(template.stringData[key], '', `${key} in secret.yaml, without a value`);
            assert.equal(container.env.find(({ name }) => name === `${key}_FILE`).value,
                `${mount}/${file}`);
        }
    });
});

describe('with a policy, as the page says', () => {
    const page = [...read('conf/kubernetes/README.md').matchAll(/^ {4}(.*)$/gm)].map(([, command]) => command);
    const edits = page.filter((command) => command.startsWith('sed '));
    let directory;
    let objects;

    before(() => {
        directory = makeDirectory();
        execFileSync('cp', ['-a', '--parents', 'conf/kubernetes', directory], { cwd: repository });
        edits.forEach((command) => execFileSync('sh', ['-ec', command], { cwd: directory }));
        objects = parseAllDocuments(kubectl('kustomize', path.join(directory, 'conf/kubernetes')))
            .map((document) => document.toJS());
    });
    after(() => removeDirectory(directory));

    const edited = (kind) => objects.find((object) => object.kind === kind);

    it('the manifests stay valid, and only what mounts the policy and lets keys be fetched is added', () => {
        assert.equal(edits.length, 2);
        objects.forEach(assertValid);
        assert.equal(objects.length, rendered.length);
        const { spec } = edited('Deployment').spec.template;
        const [guarded] = spec.containers;
        const added = (after_, before_) => after_.filter(({ name }) => !before_.some((entry) => entry.name === name));
        assert.deepEqual(added(guarded.env, container.env).map(({ name }) => name), ['ACCESS_FILE']);
        for (const list of [added(guarded.volumeMounts, container.volumeMounts), added(spec.volumes, pod.spec.volumes)]) {
            assert.deepEqual(list.map(({ name }) => name), ['access']);
        }
        assert.deepEqual(edited('NetworkPolicy').spec.egress,
            [{ ports: [{ port: 443 }, { port: 53 }, { port: 53, protocol: 'UDP' }] }]);
        assert.equal(of('NetworkPolicy').spec.egress, undefined);
    });

    it('the ConfigMap holds what the pod mounts and reads', () => {
        fs.writeFileSync(path.join(directory, 'access.json'), '{}');
        const command = page.find((line) => line.startsWith('kubectl create configmap '));
        const made = parse(execFileSync('sh', ['-ec', `${command} --dry-run=client --output=yaml`],
            { cwd: directory, encoding: 'utf8', env: { ...cleanEnvironment(), KUBECONFIG: '/dev/null' } }));
        assertValid({ ...made, metadata: { name: made.metadata.name } });
        const { spec } = edited('Deployment').spec.template;
        const [guarded] = spec.containers;
        assert.equal(spec.volumes.find(({ name }) => name === 'access').configMap.name, made.metadata.name);
        const { mountPath, readOnly } = guarded.volumeMounts.find(({ name }) => name === 'access');
        assert.equal(readOnly, true);
        assert.equal(guarded.env.find(({ name }) => name === 'ACCESS_FILE').value,
            `${mountPath}/${Object.keys(made.data)[0]}`);
    });
});

const UNITS = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };
const bytes = (quantity) => parseInt(quantity, 10) * UNITS[quantity.slice(-2)];
const mebibytes = (number) => `${(number / 2 ** 20).toFixed(1)} MiB`;

// What the kernel says of a process: nothing when it has just ended, as the watcher's short ones do.
function ofProcess(pid, file) {
    try {
        return fs.readFileSync(`/proc/${pid}/${file}`, 'latin1');
    } catch (error) {
        assert.match(error.code, /^(?:ENOENT|ESRCH)$/);
        return '';
    }
}

// A process and all below it.
function tree(pid) {
    const children = ofProcess(pid, `task/${pid}/children`).split(' ').filter(Boolean).map(Number);
    return [pid, ...children.flatMap(tree)];
}

// Pages that several processes share count once.
const memory = (pid) => {
    const total = tree(pid).reduce((sum, each) => (
        sum + 1024 * Number(/^Pss:\s+(\d+) kB$/m.exec(ofProcess(each, 'smaps_rollup'))?.[1] ?? 0)), 0);
    assert.ok(total > 0, 'it runs');
    return total;
};

// Hundredths of a second, which is what the kernel counts in.
const cpuTicks = (pid) => tree(pid).reduce((sum, each) => {
    const stat = ofProcess(each, 'stat') || ') ';
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return sum + Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
}, 0);

describe('what a pod runs', () => {
    let directory;
    let child;
    let port;
    const log = () => fs.readFileSync(path.join(directory, 'pod.log'), 'utf8');

    const probe = ({ httpGet }) => new Promise((resolve) => {
        const headers = Object.fromEntries(httpGet.httpHeaders.map(({ name, value }) => [name, value]));
        http.get({ host: '127.0.0.1', port, path: httpGet.path, headers, agent: false }, (response) => {
            response.resume().once('end', () => resolve(response.statusCode));
        }).once('error', () => resolve(0));
    });

    // The environment of the manifest, its files elsewhere, a port that is free here.
    before(async () => {
        directory = makeDirectory();
        port = await freePort();
        const mount = container.volumeMounts.find(({ name }) => name === 'secret').mountPath;
        fs.writeFileSync(path.join(directory, 'APP_ID'), APP_ID);
        fs.writeFileSync(path.join(directory, 'APP_CERTIFICATE'), CERTIFICATE);
        const env = Object.fromEntries(container.env.map(
            ({ name, value }) => [name, value.replace(mount, directory)]));
        child = launch(path.join(repository, 'conf/local/serve'), ['--reload'], {
            cwd: directory,
            env: cleanEnvironment({ ...env, PORT: String(port), AGORA_TOKEN_FCGI: RESPONDER }),
            logFile: path.join(directory, 'pod.log'),
        });
    });

    after(async () => {
        if (child) {
            await terminate(child, SERVE_ENDS);
        }
        removeDirectory(directory);
    });

    it('is up before the startup probe gives up', async () => {
        const { periodSeconds, failureThreshold } = container.startupProbe;
        await waitFor('the startup probe', async () => {
            assert.ok(!child.gone, log());
            return await probe(container.startupProbe) === 200;
        }, 1000 * periodSeconds * failureThreshold);
        assert.equal(await probe(container.readinessProbe), 200);
        assert.equal(await probe(container.livenessProbe), 200);
        assert.doesNotMatch(log(), /GET \/(?:livez|readyz)/, 'probes are not logged');
    });

    it('needs no more memory under load than it asks for', async (t) => {
        const { requests } = container.resources;
        const idle = memory(child.pid);
        const ticks = cpuTicks(child.pid);
        const REQUESTS = 20000;
        let begun = 0;
        const faults = [];
        await drive({ port }, 64, () => (begun < REQUESTS ? `/rtc/lecture/publisher/uid/${++begun}` : null),
            (answer, target) => {
                if (answer.status !== 200) {
                    faults.push(`${target}: ${answer.status} ${answer.body}`);
                }
            });
        assert.deepEqual(faults.slice(0, 5), []);
        const answer = await request({ port }, '/rtc/lecture/publisher/uid/42');
        assertToken(JSON.parse(answer.body).rtcToken, [rtc('lecture', '42', PUBLISHER)], 3600);
        const busy = memory(child.pid);
        const cpu = (cpuTicks(child.pid) - ticks) / 100 / REQUESTS;
        const share = parseInt(requests.cpu, 10) / 1000;
        t.diagnostic(`memory: idle ${mebibytes(idle)}, after ${REQUESTS} tokens ${mebibytes(busy)}`);
        t.diagnostic(`CPU: ${(1e6 * cpu).toFixed()} microseconds a token, so ${requests.cpu} are `
            + `${Math.floor(share / cpu)} tokens a second`);
        assert.ok(busy <= bytes(requests.memory), `${mebibytes(busy)} of ${requests.memory}`);
    });

    it('keeps below the limit when a thousand clients stall in the middle of a body', async (t) => {
        const half = Buffer.from(`POST /getToken HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n${
            'x'.repeat(60000)}`);
        const sockets = await Promise.all(Array.from({ length: 1000 }, () => new Promise((resolve, reject) => {
            const socket = net.connect(port, '127.0.0.1', () => socket.write(half, () => resolve(socket)));
            socket.once('error', reject);
        })));
        try {
            await waitFor('nginx to have read them', () => memory(child.pid) > 1000 * 60000, 8000);
            const stalled = memory(child.pid);
            t.diagnostic(`memory: ${mebibytes(stalled)}`);
            assert.ok(stalled <= bytes(container.resources.limits.memory), mebibytes(stalled));
            assert.equal(await probe(container.readinessProbe), 200);
        } finally {
            sockets.forEach((socket) => socket.destroy());
        }
    });

    it('ends in time, and answers until then', async () => {
        const started = Date.now();
        child.kill('SIGTERM');
        assert.deepEqual(await child.exited, { code: 0, signal: null }, log());
        const [, preStop] = container.lifecycle.preStop.exec.command;
        assert.ok(Date.now() - started
            < 1000 * (pod.spec.terminationGracePeriodSeconds - Number(preStop)));
        assert.equal(await probe(container.readinessProbe), 0);
    });
});
