// The description of the service: valid, whole, and true. REQUESTS is how many requests are made from its
// schemas, half of them with a policy.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { registerSchema, unregisterSchema, validate } from '@hyperjump/json-schema/openapi-3-1';
import { assertError, assertJson, request, startService } from './harness.mjs';
import { describeAnswers } from './openapi.mjs';

const DIALECT = 'https://spec.openapis.org/oas/3.1/schema-base';

describe('x', () => {
    let service;
    let description;
    before(async () => {
        service = await startService();
        description = await describeAnswers(service);
    });
    after(() => service?.stop());
    it('is valid by seriousme', async () => {
        const v = new Validator();
        const r = await v.validate(structuredClone(description.document));
        assert.deepEqual(r.errors, undefined);
        assert.ok(r.valid);
    });
    it('is valid by hyperjump', async () => {
        const out = await validate(DIALECT, description.document, 'BASIC');
        assert.ok(out.valid, JSON.stringify(out, null, 1).slice(0, 4000));
    });
});
