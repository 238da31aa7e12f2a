// Requests made from the schemas of the description, what the description says to each, and what the token
// must then hold.

import crypto from 'node:crypto';
import fc from 'fast-check';

// ---------------------------------------------------------------- values from schemas

// 255 and 256 bytes, in fewer characters.
const AT_LIMIT = `${'ö'.repeat(127)}o`;
const TEXTS = ['lecture', '*', 'alice', '0', '00', '42', '0042', '4294967295', '4294967296', '-1', 'a b',
    'c'.repeat(64), 'c'.repeat(65), AT_LIMIT, `${AT_LIMIT}x`, '\u{1f600}'];
// What stands nowhere in a schema.
const STRANGE = [null, true, false, '', 0, -1, 1.5, 42, 2 ** 32, 2 ** 53, 1e300, 'a\u0000b', 'a\u007f', '+5', ' 600',
    'x'.repeat(300), '\ud800', [], ['a'], [1], {}, { enable: true }, { read: ['a'] }, { users: { read: [''] } }];

const cut = (text, length) => [...text].slice(0, length).join('');

function text({ pattern = '', maxLength = 300 }) {
    const expression = new RegExp(pattern, 'u');
    const known = TEXTS.filter((one) => expression.test(one) && [...one].length <= maxLength);
    const made = pattern ? fc.stringMatching(expression) : fc.string({ unit: 'grapheme' });
    return fc.oneof(made.map((one) => cut(one, Math.min(maxLength, 300))), fc.constantFrom(...known));
}

function whole({ minimum = -(2 ** 53), maximum = 2 ** 53 }) {
    return fc.oneof(fc.constantFrom(minimum, maximum),
        fc.integer({ min: Math.max(minimum, -10), max: Math.min(maximum, 100000) }));
}

class Values {
    constructor(description) {
        this.description = description;
    }

    // Mostly what fits the schema: not all that JSON Schema can say is heeded here.
    of(schema) {
        if (schema.$ref) {
            return this.of(this.description.at(...schema.$ref.slice(2).split('/')));
        }
        if ('const' in schema) {
            return fc.constant(schema.const);
        }
        if (schema.enum) {
            return fc.constantFrom(...schema.enum);
        }
        if (schema.properties || schema.oneOf) {
            return this.object(schema);
        }
        if (schema.anyOf) {
            return fc.oneof(...schema.anyOf.map((one) => this.of(one)));
        }
        const makers = {
            string: () => text(schema),
            integer: () => whole(schema),
            boolean: () => fc.boolean(),
            null: () => fc.constant(null),
            array: () => fc.array(this.of(schema.items), { maxLength: 4 }),
        };
        return fc.oneof(...[schema.type ?? Object.keys(makers).slice(0, 4)].flat().map((type) => makers[type]()));
    }

    // An object may have members of one variant (oneOf), and members that matter when others are there (then).
    object(schema) {
        if (schema.oneOf) {
            return fc.oneof(...schema.oneOf.map((variant) => this.object({
                properties: { ...schema.properties, ...variant.properties }, required: variant.required })));
        }
        const sources = [schema, ...(schema.allOf || []).map((one) => one.then)];
        const members = {};
        for (const [name, value] of sources.flatMap(({ properties = {} }) => Object.entries(properties))) {
            const wanted = { arbitrary: this.of(value), weight: 8 };
            members[name] = members[name] ? fc.oneof({ arbitrary: members[name], weight: 1 }, wanted) : wanted.arbitrary;
        }
        const requiredKeys = [...new Set(sources.flatMap(({ required = [] }) => required))];
        return fc.record(members, { requiredKeys });
    }
}

// What is only just another value.
function nearby(value, step) {
    if (typeof value === 'number') {
        return value + [1, -1, 0.5, -value][step % 4];
    }
    return typeof value === 'string' ? [`${value}\u0001`, `${value}${'x'.repeat(300)}`, value.slice(1), `${value} `][step % 4] : null;
}

// One value somewhere in it is another, or is not there.
function spoil(value, [where, how, what]) {
    const keys = value !== null && typeof value === 'object' ? Object.keys(value) : [];
    if (keys.length === 0 || where.length === 0) {
        return how === 'nearby' ? nearby(value, where[0] ?? keys.length) : what;
    }
    const [at, ...rest] = where;
    const key = keys[at % keys.length];
    const isGone = how === 'gone' && (rest.length === 0 || value[key] === null || typeof value[key] !== 'object');
    const entries = Object.entries(value).filter(([name]) => !isGone || name !== key).map(
        ([name, one]) => [name, name === key ? spoil(one, [rest, how, what]) : one]);
    return Array.isArray(value) ? entries.map(([, one]) => one) : Object.fromEntries(entries);
}

const spoiling = fc.tuple(
    fc.array(fc.nat(20), { minLength: 1, maxLength: 4 }), fc.constantFrom('gone', 'nearby', 'other'),
    fc.oneof(fc.constantFrom(...STRANGE, ...TEXTS), fc.jsonValue({ maxDepth: 2 })));
const spoilt = (arbitrary) => fc.oneof(arbitrary,
    fc.tuple(arbitrary, spoiling).map(([value, how]) => spoil(value, how)));

// ---------------------------------------------------------------- requests

const EXPIRIES = ['', '-1', '+5', '1.5', '1e3', '0x10', ' 600', 'abc', '4294967296', '0600'];

// {operation, values} for GET, {operation, body} for POST.
export function requests(description, tokens) {
    const values = new Values(description);
    const get = (operation) => fc.record(Object.fromEntries(operation.parameters.map((parameter) => {
        const fitting = parameter.in === 'query'
            ? fc.option(values.of(parameter.schema).map(String), { nil: undefined })
            : values.of(parameter.schema).filter((value) => !/[/\p{Surrogate}]/u.test(value));
        // A slash parts a path, and dots are resolved by the web server: what is then asked for is another path.
        const strange = parameter.in === 'query' ? EXPIRIES
            : [...TEXTS, ...STRANGE].filter((value) => typeof value === 'string' && !/[/\p{Surrogate}]/u.test(value));
        return [parameter.name, fc.oneof(
            { arbitrary: fitting.filter((value) => value !== '.' && value !== '..'), weight: 8 },
            { arbitrary: fc.constantFrom(...strange), weight: 1 })];
    }))).map((chosen) => ({ operation, values: chosen }));
    const post = (operation) => spoilt(operation.operationId === 'inspect'
        ? fc.oneof(fc.nat().map((n) => ({ token: tokens[n % tokens.length] })), values.of(bodySchema(operation)))
        : values.of(bodySchema(operation))).map((body) => ({ operation, body }));
    return fc.oneof(...description.operations.map((operation) => ({
        arbitrary: operation.method === 'post' ? post(operation) : get(operation),
        weight: operation.method === 'post' ? 12 : operation.parameters.length > 0 ? 3 : 1,
    })));
}

const EDGES = [1, 2, 3, 32767, 32768, -32768, -32769, 2 ** 32 - 1, 2 ** 53 - 1];

// Every body that differs from this one in a single value, is without it, or has a member more.
export function* variations(value) {
    yield* [...STRANGE, ...TEXTS, ...EDGES];
    if (Array.isArray(value)) {
        for (const one of value.length > 0 ? variations(value[0]) : []) {
            yield [one, ...value.slice(1)];
        }
    } else if (value !== null && typeof value === 'object') {
        yield { ...value, other: true };
        for (const [name, member] of Object.entries(value)) {
            const { [name]: _, ...rest } = value;
            yield rest;
            for (const one of variations(member)) {
                yield { ...value, [name]: one };
            }
        }
    }
}

const bodySchema = (operation) => operation.requestBody.content['application/json'].schema;

export function target({ operation, values = {} }) {
    const { expiry, ...parts } = values;
    const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name) => encodeURIComponent(parts[name]));
    // An empty part at the end needs a slash behind it.
    return `${path}${path.endsWith('/') ? '/' : ''}${expiry === undefined ? '' : `?expiry=${encodeURIComponent(expiry)}`}`;
}

// ---------------------------------------------------------------- what the description says

const USER_MAX = 255;
const isNumber = (digits) => /^\d+$/.test(digits) && Number(digits) <= 0xffffffff;

const some = (value, check) => check(value)
    || (value !== null && typeof value === 'object' && Object.entries(value).flat().some((one) => some(one, check)));

// Half of a surrogate pair, and a zero byte in a name, make the whole body no JSON.
const isRead = (body) => !some(body, (one) => typeof one === 'string' && /\p{Surrogate}/u.test(one))
    && !some(body, (one) => one !== null && typeof one === 'object' && /\0/.test(Object.keys(one).join('')));

// A text that has as many characters as a user may have, but more bytes.
const isLong = (text) => typeof text === 'string' && Buffer.byteLength(text) > USER_MAX && [...text].length <= USER_MAX;

function partsFit({ operation, values: { rtcuid, rtmuid, chatid, tokenType } }) {
    if ([rtmuid, chatid, tokenType === 'uid' ? '' : rtcuid].some(isLong)) {
        return false;
    }
    if (tokenType === 'uid' && rtcuid !== '' && !isNumber(rtcuid)) {
        return false;
    }
    // Who stands for the user of signaling.
    return !operation.path.startsWith('/rte') || Boolean(rtmuid)
        || (rtcuid !== '' && rtcuid !== '0' && rtcuid.length <= USER_MAX
            && (tokenType !== 'uid' || Number(rtcuid) > 0));
}

// Whether the request is as the schemas say, and as the words beside them do. Undefined where it depends on
// whether a long text stands in a member that counts.
export function fits(description, request) {
    const { operation, values, body } = request;
    const { path, method, parameters } = operation;
    if (method === 'post') {
        const isGood = isRead(body)
            && description.fits(body, 'paths', path, method, 'requestBody', 'content', 'application/json', 'schema');
        return isGood && some(body, isLong) ? undefined : isGood;
    }
    return parameters.every(({ name, in: place }, i) => {
        const value = values[name];
        const typed = place === 'query' && /^\d+$/.test(value) ? Number(value) : value;
        return value === undefined
            || description.fits(typed, 'paths', path, method, 'parameters', String(i), 'schema');
    }) && partsFit(request);
}

// ---------------------------------------------------------------- what the token holds

const RESOURCES = ['messageChannels', 'streamChannels', 'groupChannels', 'serverGroups', 'users'];
const ORDER = ['rtc', 'rtm', 'streaming', 'fpa', 'chat', 'fcdn', 'apaas', 'rtm2', 'convoai', 'stt'];

const granted = (expire, ...privileges) => Object.fromEntries(privileges.map((one) => [one, expire]));
const rtc = (channel, uid, publishes, expire) => ({ type: 'rtc', channel, uid,
    privileges: granted(expire, ...(publishes ? [1, 2, 3, 4] : [1])) });
const rtm = (user, expire) => ({ type: 'rtm', user, privileges: granted(expire, 1) });
const stream = (channel, uid, expire) => ({ type: 'rtc', channel, uid, privileges: granted(expire, 1, 4) });
const channel = (type, name, uid, expire) => ({ type, channel: name, uid, privileges: granted(expire, 1, 2) });
const chat = (user, privilege, expire) => ({ type: 'chat', user, privileges: granted(expire, privilege) });
const apaas = (room, user, role, privilege, expire) => ({ type: 'apaas', room, user, role,
    privileges: granted(expire, privilege) });
const room = (name, user, role, expire) => [rtm(user, expire),
    chat(crypto.createHash('md5').update(user).digest('hex'), 1, expire), apaas(name, user, role, 1, expire)];
const bare = (type) => ({ type, privileges: {} });
const fpa = () => ({ type: 'fpa', privileges: { 1: 0 } });

function rtm2(user, permissions = {}, expire) {
    const numbered = {};
    RESOURCES.forEach((resource, number) => ['read', 'write'].forEach((kind, i) => {
        const names = permissions[resource]?.[kind];
        if (names) {
            numbered[number] = { ...numbered[number], [i]: names };
        }
    }));
    return { type: 'rtm2', user, permissions: numbered, privileges: granted(expire, 1) };
}

const withoutZeros = (uid) => (isNumber(uid) ? uid.replace(/^0+/, '') : uid);

// null is as good as absent.
function withoutNulls(value) {
    if (Array.isArray(value) || value === null || typeof value !== 'object') {
        return value;
    }
    return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== null)
        .map(([name, member]) => [name, withoutNulls(member)]));
}

const byPath = {
    rtc: ({ channel: name, role, tokenType, rtcuid }, expire) => ({
        rtcToken: [rtc(name, tokenType === 'uid' ? withoutZeros(rtcuid) : rtcuid || '0', role === 'publisher', expire)] }),
    rtm: ({ rtmuid }, expire) => ({ rtmToken: [rtm(rtmuid, expire)] }),
    rte: (values, expire) => {
        const user = values.rtmuid || values.rtcuid;
        return { ...byPath.rtc(values, expire), rtmToken: [stream(values.channel, user, expire), rtm(user, expire)] };
    },
    rteWithUser: (values, expire) => byPath.rte(values, expire),
    chatApp: (_, expire) => ({ chatToken: [chat('', 2, expire)] }),
    chatAccount: ({ chatid }, expire) => ({ chatToken: [chat(chatid, 1, expire)] }),
};

function servicesOfToken({ tokenType, channel: name, uid: asSent, room: place, role, permissions }, expire) {
    const user = asSent === undefined ? '' : String(asSent);
    const uid = withoutZeros(user);
    const call = () => rtc(name, uid, role === 'publisher', expire);
    return {
        rtc: () => [call()],
        rtm: () => (name ? [stream(name, user, expire), rtm(user, expire)] : [rtm(user, expire)]),
        chat: () => [user ? chat(user, 1, expire) : chat('', 2, expire)],
        fpa: () => [fpa()],
        streaming: () => [channel('streaming', name, uid, expire)],
        fcdn: () => [channel('fcdn', name, uid, expire)],
        apaas: () => (place ? room(place, user, role ?? 0, expire)
            : [user ? apaas('', user, -1, 2, expire) : apaas('', '', -1, 3, expire)]),
        rtm2: () => [rtm2(user, permissions, expire)],
        'rtc-rtm': () => [call(), rtm(user, expire)],
        convoai: () => [call(), rtm(user, expire), bare('convoai')],
        stt: () => [call(), rtm(user, expire), bare('stt')],
    }[tokenType]();
}

function servicesOfGenerated(body, expire) {
    const { channelName: name, uid: asSent } = body;
    const uid = String(asSent);
    const its = (member) => body[`service${member}`] || {};
    const privilegeExpire = Number(body.privilegeExpireTs || 0);
    const { Rtc, Chat, Apaas, Rtm2 } = { Rtc: its('Rtc'), Chat: its('Chat'), Apaas: its('Apaas'), Rtm2: its('Rtm2') };
    return [
        Rtc.enable && rtc(name, uid, Rtc.role === 1, privilegeExpire),
        its('Rtm').enable && rtm(uid, expire),
        Chat.enableUser && chat(Chat.userUuid, 1, expire),
        Chat.enableApp && chat('', 2, expire),
        its('Fpa').enable && fpa(),
        its('Streaming').enable && channel('streaming', name, uid, privilegeExpire),
        its('Fcdn').enable && channel('fcdn', name, uid, privilegeExpire),
        Apaas.enableUser && apaas('', Apaas.userUuid, -1, 2, expire),
        Apaas.enableApp && apaas('', '', -1, 3, expire),
        ...(Apaas.enableRoomUser ? room(Apaas.roomUuid, Apaas.userUuid, Apaas.role ?? 0, expire) : []),
        Rtm2.enable && rtm2(uid, Rtm2.permissions, expire),
        its('ConvoAi').enable && bare('convoai'),
        its('Stt').enable && bare('stt'),
    ].filter(Boolean).sort((a, b) => ORDER.indexOf(a.type) - ORDER.indexOf(b.type));
}

// {name in the answer: {expire, services}} as /inspect shows them, for a request that fits. Null where no
// token is asked for.
export function wantedTokens({ operation, values, body }) {
    const id = operation.operationId;
    const tokens = (found, expire) => Object.fromEntries(Object.entries(found).map(
        ([name, services]) => [name, { expire, services }]));
    if (byPath[id]) {
        const expire = Number(values.expiry ?? 3600);
        return tokens(byPath[id](values, expire), expire);
    }
    const asked = withoutNulls(body);
    if (id === 'getToken') {
        const expire = Number(asked.expire || 0) || (asked.tokenType === 'fpa' ? 86400 : 3600);
        return tokens({ token: servicesOfToken(asked, expire) }, expire);
    }
    if (id === 'generateToken') {
        const expire = Number(asked.tokenExpireTs || 0) || 3600;
        return tokens({ token: servicesOfGenerated(asked, expire) }, expire);
    }
    return {};
}
