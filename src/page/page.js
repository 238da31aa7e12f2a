// Served without the indentation of its lines.
'use strict';

const $ = (id) => document.getElementById(id);

// Text only ever becomes text: nothing here writes HTML.
function make(tag, properties, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
}

function announce(text) {
    $('announcement').textContent = text;
}

// ---- Time

// What the clock of this device lacks, in seconds, once the service has told its own time.
let lag = 0;
const now = () => Date.now() / 1000 + lag;

// The two largest units: "1 hour 5 minutes".
function span(seconds) {
    let left = Math.max(0, Math.floor(seconds));
    const parts = [['year', 31557600], ['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]].map(([unit, size]) => {
        const count = Math.floor(left / size);
        left %= size;
        return count && `${count} ${unit}${count > 1 ? 's' : ''}`;
    });
    const first = parts.findIndex(Boolean);
    return parts.slice(first, first + 2).filter(Boolean).join(' ') || '0 seconds';
}

// Without seconds where they do not matter.
const roughly = (seconds) => span(seconds < 120 ? seconds : Math.round(seconds / 60) * 60);

const relative = (time) => (time > now() ? `in ${roughly(time - now())}` : `${roughly(now() - time)} ago`);

const dayOf = (time) => new Date(time * 1000).toDateString();

// With the day, but for `short` where it is today.
const absolute = (time, short) => new Date(time * 1000).toLocaleString(undefined, {
    ...(short && dayOf(time) === dayOf(now()) ? {} : { year: 'numeric', month: 'short', day: 'numeric' }),
    hour: '2-digit', minute: '2-digit', second: '2-digit', ...(short ? {} : { timeZoneName: 'short' }),
});

// What is done anew each second.
let ticks = [];

function ticking(tick) {
    tick();
    ticks.push(tick);
}

setInterval(() => ticks.forEach((tick) => tick()), 1000);

// ---- The service

// A relative address would not do, as that of this page may lack its last slash.
const address = (path) => `${location.origin}${location.pathname.replace(/\/*$/, '/')}${path}`;

const refusal = (message, status) => Object.assign(new Error(message), { status });

// [name, value] of the header that carries the credential, [] without one.
function credentialHeader() {
    const credential = $('credential').value.trim().replace(/^Bearer\s+/i, '');
    if (!/^[ -~]*$/.test(credential)) {
        throw refusal('A credential holds no characters but those of ASCII.', 401);
    }
    const isJwt = /^[\w-]+\.[\w-]+\.[\w-]+$/.test(credential);
    return credential ? isJwt ? ['Authorization', `Bearer ${credential}`] : ['X-API-Key', credential] : [];
}

async function ask(path, options) {
    const answer = await fetch(address(path), { signal: AbortSignal.timeout(30000), ...options }).catch(() => {
        throw refusal('There is no answer: is the service running, and this device online?');
    });
    const body = await answer.json().catch(() => null);
    if (!answer.ok || !body) {
        throw refusal(body?.message ?? `The web server answers ${answer.status} ${answer.statusText}`, answer.status);
    }
    return { body, date: Date.parse(answer.headers.get('Date')) / 1000 };
}

const headersWith = ([name, value]) => ({ 'Content-Type': 'application/json', ...(name && { [name]: value }) });

const post = async (path, value) => (await ask(path, {
    method: 'POST', headers: headersWith(credentialHeader()), body: JSON.stringify(value),
})).body;

function notice(tone, text) {
    $('notices').append(make('p', { className: `notice ${tone}` }, text));
}

async function start() {
    try {
        const { body, date } = await ask('readyz');
        const difference = date - Date.now() / 1000;
        if (Math.abs(difference) > 30) {
            lag = difference;
            notice('warn', `The clock of this device is ${roughly(Math.abs(lag))} ${lag > 0 ? 'behind' : 'ahead of'}`
                + ' that of the service, by which all times here are told.');
        }
        $('access').hidden = body.access === 'open';
        if (body.access === 'open') {
            notice('warn', 'This service is open: anybody who reaches it gets any token. A policy changes that: see ACCESS_FILE.');
        }
        if (body.sample_credentials) {
            notice('warn', 'It runs with the sample project’s credentials: its tokens are well formed, but let nobody in.'
                + ' Set APP_ID and APP_CERTIFICATE.');
        }
    } catch (error) {
        $('access').hidden = false;
        notice('bad', `The service is not ready: ${error.message}`);
    }
}

// ---- Fields, and what is wrong with them

const FIELDS = ['channel', 'user', 'room', 'role', 'lifetime', 'permissions'];
const INPUTS = [...FIELDS, 'service', 'credential', 'token'];

function addNotes(id) {
    const input = $(id);
    const below = input.parentElement.className === 'row' ? input.parentElement : input;
    below.after(make('p', { className: 'hint', id: `${id}-hint` }), make('p', { className: 'error', id: `${id}-error` }));
    Object.assign(input, { spellcheck: false, autocomplete: 'off', autocapitalize: 'none' });
    input.setAttribute('aria-describedby', `${id}-hint ${id}-error`);
    input.addEventListener('input', () => complain(id, ''));
}

// Beside a field or a button; '' takes it back.
function complain(id, text) {
    $(`${id}-error`).textContent = text;
    if (INPUTS.includes(id)) {
        $(id).setAttribute('aria-invalid', text !== '');
    }
}

// What messages begin with, where that is not the name of a field.
const ABOUT = { uid: 'user', expire: 'lifetime', tokenType: 'service', caller: 'credential' };

// Stands beside the field that it is about, else beside the button that was pressed.
function showRefusal(error, button) {
    const [word] = /^\w*/.exec(error.message);
    const about = error.status === 401 ? 'credential' : ABOUT[word] ?? word;
    if (about === 'credential') {
        $('access').hidden = false;
    }
    const id = INPUTS.includes(about) && !$(about).closest('[hidden]') ? about : button;
    complain(id, error.message);
    $(id).focus();
}

// Does it once at a time. A button that is really disabled would lose the focus.
async function busily(button, action) {
    if ($(button).ariaDisabled === 'true') {
        return;
    }
    $(button).ariaDisabled = 'true';
    [...INPUTS, 'submit', 'check'].forEach((id) => complain(id, ''));
    await action().catch((error) => showRefusal(error, button));
    $(button).ariaDisabled = 'false';
}

// Where there is no TLS, browsers have no navigator.clipboard.
function copyAsSelected(text) {
    const field = make('textarea', { value: text, className: 'unseen' });
    document.body.append(field);
    field.select();
    document.execCommand('copy');
    field.remove();
}

function copies(id, text) {
    const button = $(id);
    button.addEventListener('click', async () => {
        await (navigator.clipboard?.writeText(text()) ?? Promise.reject()).catch(() => copyAsSelected(text()));
        button.focus();
        button.firstChild.data = 'Copied';
        announce('It is in the clipboard.');
        setTimeout(() => { button.firstChild.data = 'Copy'; }, 2000);
    });
}

// ---- Create a token

const STREAM = { channel: '* is every channel', user: '0 is any user' };
const CALL = { ...STREAM, role: 'Or subscriber: may only join' };
const WITH_RTM = { ...CALL, user: 'Any but 0' };
const OR_APP = 'Nothing is your app itself';

// What POST /getToken takes for each service, with the hint at the field; and what is there at first.
const KINDS = {
    rtc: ['RTC: video and voice calls', CALL],
    rtm: ['RTM: signaling', { user: '', channel: 'Nothing, or a stream channel' }],
    chat: ['Chat', { user: OR_APP }],
    fpa: ['FPA: Full-Path Accelerator', {}, { lifetime: '86400' }],
    streaming: ['Streaming: publishing streams', STREAM],
    fcdn: ['FCDN: content delivery network', STREAM],
    apaas: ['APaaS: flexible classroom', {
        user: OR_APP, room: 'May be left out', role: 'A number, with a room',
    }, { role: '' }],
    rtm2: ['RTM2: signaling 2', {
        user: '',
        permissions: 'Nothing, or JSON: what to read and write of messageChannels, streamChannels, groupChannels, serverGroups, users',
    }],
    convoai: ['ConvoAI: conversational AI, with RTC and RTM', WITH_RTM],
    stt: ['STT: speech to text, with RTC and RTM', WITH_RTM],
    'rtc-rtm': ['RTC and RTM in one token', WITH_RTM],
};

function tellLifetime() {
    const seconds = $('lifetime').value;
    $('lifetime-hint').textContent = `In seconds${/^\d{3,10}$/.test(seconds) ? `: ${span(seconds)}` : ''}`;
}

function chooseService() {
    const [, takes, first] = KINDS[$('service').value];
    for (const field of FIELDS) {
        $(field).parentElement.hidden = !(field in takes || field === 'lifetime');
        $(`${field}-hint`).textContent = takes[field] ?? '';
        complain(field, '');
    }
    // What somebody has typed stays.
    for (const [field, value] of Object.entries({ role: 'publisher', lifetime: '3600', ...first })) {
        if ($(field).value === $(field).defaultValue) {
            $(field).value = value;
        }
        $(field).defaultValue = value;
    }
    tellLifetime();
}

// Anything else stays a text, for the service to refuse.
const asNumber = (text) => (/^-?\d{1,15}$/.test(text) ? Number(text) : text);

function asJson(text) {
    try {
        return JSON.parse(text);
    } catch (error) {
        throw refusal(`permissions is not JSON: ${error.message}`);
    }
}

function requestBody() {
    const tokenType = $('service').value;
    const convert = { lifetime: asNumber, permissions: asJson, ...(tokenType === 'apaas' && { role: asNumber }) };
    const body = { tokenType };
    for (const field of FIELDS) {
        const { value, parentElement } = $(field);
        if (!parentElement.hidden && value !== '') {
            body[{ user: 'uid', lifetime: 'expire' }[field] ?? field] = convert[field]?.(value.trim()) ?? value;
        }
    }
    return body;
}

const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;

const asCurl = (body, header) => [
    `curl ${shell(address('getToken'))}`, ...(header.length ? [`-H ${shell(header.join(': '))}`] : []),
    `-d ${shell(JSON.stringify(body))}`,
].join(' \\\n    ');

const asFetch = (body, header) => [
    `const answer = await fetch(${JSON.stringify(address('getToken'))}, {`,
    '    method: "POST",',
    `    headers: ${JSON.stringify(headersWith(header))},`,
    `    body: JSON.stringify(${JSON.stringify(body)}),`,
    '});',
    'const { token, message } = await answer.json();',
    'if (!answer.ok) throw new Error(message);',
    'console.log(token);',
].join('\n');

let request = []; // the last one that was answered: its body, and the header with the credential

function showRequest() {
    const [body, [name]] = request;
    const masked = name ? [name, name === 'X-API-Key' ? '•••' : 'Bearer •••'] : [];
    $('curl').textContent = asCurl(body, masked);
    $('fetch').textContent = asFetch(body, masked);
    $('masked').hidden = !name;
}

const clock = (seconds) => [seconds / 3600, seconds / 60 % 60, seconds % 60]
    .map((part) => String(Math.floor(part)).padStart(2, '0')).join(':');

let createdEnd = 0;

function tellCountdown() {
    const left = createdEnd - now();
    if (createdEnd) {
        $('countdown').textContent = left > 0 ? `Ends in ${clock(Math.ceil(left))}` : `Ended ${relative(createdEnd)}`;
    }
}

async function create() {
    $('created').hidden = true;
    request = [requestBody(), credentialHeader()];
    const { token } = await post('getToken', request[0]);
    createdEnd = endOf(await readToken(token));
    showRequest();
    $('new-token').textContent = $('token').value = token;
    await showPasted();
    $('until').textContent = absolute(createdEnd);
    tellCountdown();
    $('created').hidden = false;
    announce(`The token is created. It ends ${relative(createdEnd)}.`);
}

// ---- Read a token: from text to what it holds

const RTC_MAY = { 1: 'join the channel', 2: 'publish audio', 3: 'publish video', 4: 'publish data streams' };
const CHANNEL_AND_UID = { channel: 'channel', user: 'uid' };
const LOGIN = { 1: 'log in' };
const SERVICES = {
    1: { type: 'rtc', name: 'RTC', ...CHANNEL_AND_UID, may: RTC_MAY },
    2: { type: 'rtm', name: 'RTM (signaling)', user: 'user', may: LOGIN },
    3: {
        type: 'streaming', name: 'Streaming', ...CHANNEL_AND_UID, may: { 1: 'publish a mixed stream', 2: 'publish a raw stream' },
    },
    4: { type: 'fpa', name: 'FPA', may: LOGIN },
    5: { type: 'chat', name: 'Chat', user: 'user', may: { 1: 'act as the user', 2: 'act as the app' } },
    6: { type: 'fcdn', name: 'FCDN', ...CHANNEL_AND_UID, may: { 1: 'publish', 2: 'play' } },
    7: {
        type: 'apaas', name: 'APaaS (Education)', channel: 'room', user: 'user', hasRole: true,
        may: { 1: 'act as a user of the room', 2: 'act as the user', 3: 'act as the app' },
    },
    8: { type: 'rtm2', name: 'RTM2 (signaling)', user: 'user', hasPermissions: true, may: LOGIN },
    9: { type: 'convoai', name: 'ConvoAI', may: {} },
    10: { type: 'stt', name: 'STT (speech to text)', may: {} },
};
const MAY_006 = { ...RTC_MAY, 101: 'administrate the channel', 1000: 'log in to RTM' };
const RESOURCES = ['message channels', 'stream channels', 'group channels', 'server groups', 'users'];
const PERMISSIONS = ['read', 'write'];
const LIMITS = { pasted: 100000, unpacked: 262144, privileges: 8, privileges006: 16, shown: 50 };

// Why a text is no token, and what to do about it.
class Broken extends Error {
    constructor(message, advice = 'Copy it again, all of it, from where it was made.') {
        super(message);
        this.advice = advice;
    }
}

function expect(condition) {
    if (!condition) {
        throw new Broken('The token is damaged: its parts don’t fit together');
    }
}

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

// Little-endian integers and counted strings.
class Wire {
    constructor(bytes) {
        this.bytes = bytes;
    }

    take(count) {
        expect(count <= this.bytes.length);
        const taken = this.bytes.subarray(0, count);
        this.bytes = this.bytes.subarray(count);
        return taken;
    }

    u16() {
        const [low, high] = this.take(2);
        return low + high * 256;
    }

    u32() {
        return this.u16() + this.u16() * 65536;
    }

    string() {
        return this.take(this.u16());
    }

    text() {
        const bytes = this.string();
        try {
            return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
        } catch {
            return { hex: hex(bytes) };
        }
    }

    signature() {
        const bytes = this.string();
        expect(bytes.length === 32);
        return hex(bytes);
    }

    privileges(count) {
        const privileges = {};
        for (let i = 0; i < count; i++) {
            const privilege = this.u16();
            expect(!(privilege in privileges));
            privileges[privilege] = this.u32();
        }
        return privileges;
    }

    permissions() {
        const permissions = {};
        for (let resources = this.u16(); resources > 0; resources--) {
            const resource = this.u16();
            for (let left = this.u16(); left > 0; left--) {
                const permission = this.u16();
                const names = permissions[resource] ??= {};
                expect(!(permission in names));
                names[permission] = Array.from({ length: this.u16() }, () => this.text());
            }
        }
        return permissions;
    }

    // A number, the type, when nobody can tell where the service ends; then nothing is taken.
    service() {
        const start = this.bytes;
        const type = this.u16();
        const known = SERVICES[type];
        const count = known && this.u16();
        if (!known || count > LIMITS.privileges) {
            this.bytes = start;
            return type;
        }
        const service = { type: known.type, privileges: this.privileges(count) };
        for (const name of [known.channel, known.user].filter(Boolean)) {
            service[name] = this.text();
        }
        if (known.hasRole) {
            service.role = this.u16() << 16 >> 16;
        }
        if (known.hasPermissions) {
            service.permissions = this.permissions();
        }
        return service;
    }
}

function checkAppId(text) {
    if (!/^[0-9a-f]{32}$/i.test(text)) {
        throw new Broken('The token is damaged: its App ID is not 32 hexadecimal digits');
    }
}

// In its one form: no white space, padded, unused bits zero.
function base64Bytes(text) {
    const stranger = /[^A-Za-z0-9+/=]/u.exec(text)?.[0];
    if (stranger) {
        throw new Broken(`The token is damaged: it has “${visible(stranger)}”, which no token has`, /[-_]/.test(stranger)
            ? 'Something has turned its + and / into - and _.' : undefined);
    }
    if (text.length % 4 !== 0) {
        throw new Broken('The token is cut off, or a part of it is missing');
    }
    if (!/^[^=]+={0,2}$/.test(text) || btoa(atob(text)) !== text) {
        throw new Broken('The token is damaged: what follows the version is not base64');
    }
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

async function unpack(bytes) {
    const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate')).getReader();
    const all = [];
    for (;;) {
        const { done, value } = await reader.read().catch(() => {
            throw new Broken('The token is damaged: characters were changed, added or lost');
        });
        if (done) {
            return Uint8Array.from(all);
        }
        if (all.length + value.length > LIMITS.unpacked) {
            reader.cancel();
            throw new Broken('It unpacks to more than any token of Agora holds', '');
        }
        value.forEach((byte) => all.push(byte));
    }
}

async function read007(encoded) {
    const wire = new Wire(await unpack(base64Bytes(encoded)));
    const signature = wire.signature();
    const token = {
        version: '007', app_id: wire.text(), issue_ts: wire.u32(), expire: wire.u32(), salt: wire.u32(), services: [], signature,
    };
    checkAppId(token.app_id);
    const count = wire.u16();
    expect(count <= wire.bytes.length / 4);
    let unreadType = 0;
    while (token.services.length < count && !unreadType) {
        const service = wire.service();
        if (service.type) {
            token.services.push(service);
        } else {
            unreadType = service;
        }
    }
    const unread = wire.bytes.length;
    return unread ? { ...token, unread, unread_type: unreadType } : token;
}

function read006(text) {
    checkAppId(text.slice(0, 32));
    const wire = new Wire(base64Bytes(text.slice(32)));
    const token = {
        version: '006', app_id: text.slice(0, 32), signature: wire.signature(), channel_crc32: wire.u32(), user_crc32: wire.u32(),
    };
    const message = new Wire(wire.string());
    Object.assign(token, { salt: message.u32(), ts: message.u32() });
    const count = message.u16();
    expect(count <= LIMITS.privileges006);
    token.privileges = message.privileges(count);
    expect(wire.bytes.length + message.bytes.length === 0);
    return token;
}

// What `agora-token decode --json` prints.
const readToken = async (text) => (text.startsWith('007') ? read007(text.slice(3)) : read006(text.slice(3)));

function whyNoToken(text) {
    if (/^(Bearer\s+)?eyJ[\w-]*\.[\w-]+\./.test(text)) {
        return new Broken('This is a JWT, not a token of Agora', 'It may be the credential with which one asks for a token.');
    }
    if (/^[0-9a-f]{32}$/i.test(text)) {
        return new Broken('This is an App ID or a certificate, not a token', 'A certificate is a secret: show it to nobody.');
    }
    return new Broken(`This is no token: it begins with “${visible(text.slice(0, 3))}”, and those of Agora with 007`);
}

// The token in what was pasted, and notes on what was not as it should be.
function findToken(pasted) {
    const notes = [];
    if (pasted.length > LIMITS.pasted) {
        throw new Broken('This is far too long for a token', '');
    }
    // Looked for from the first of them alone: from each of many in turn would take seconds.
    let text = pasted.replace(/^["'`]+|(?<!["'`,;])["'`,;]+$/g, '');
    if (/%2[bf]|%3d/i.test(text)) {
        text = text.replace(/%(2b|2f|3d)/gi, decodeURIComponent);
        notes.push('It was percent-encoded, as in a URL: decode it before you use it.');
    }
    if (!/^00[67]/.test(text)) {
        const found = text.replaceAll('\\/', '/').match(/(?<![A-Za-z0-9+/])00[67][A-Za-z0-9+/]{40,}={0,2}/g);
        if (!found) {
            throw whyNoToken(text);
        }
        [text] = found;
        notes.push(`It was found in what was pasted${found.length > 1 ? `, as the first of ${found.length} tokens` : ''}.`);
    } else if (/\s/.test(text)) {
        text = text.replace(/\s+/g, '');
        notes.push('White space in it was left out.');
    }
    return { text, notes };
}

// ---- Read a token: what it means

// Names may hold what no screen shows, or what turns a line around.
const visible = (text) => (text.hex ? `bytes ${text.hex}`
    : text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`));

const endOf = (token) => token.ts ?? token.issue_ts + token.expire;

// A privilege without a lifetime of its own ends with the token, and none ends later.
const privilegeEnd = (token, expire) => (
    expire === 0 ? endOf(token) : Math.min(endOf(token), expire + (token.issue_ts ?? 0)));

const OF_TYPE = Object.fromEntries(Object.values(SERVICES).map((service) => [service.type, service]));

const mayOf = (names, privilege) => names[privilege] ?? `use privilege ${privilege}`;

// What the four of RTC come to.
function rtcRole(privileges) {
    const rights = Object.keys(privileges);
    return { 1: 'subscriber', '1,2,3,4': 'publisher' }[rights]
        ?? `may ${rights.map((right) => mayOf(RTC_MAY, right)).join(', ') || 'nothing'}`;
}

// "publisher in lecture as 42"
function inShort(service) {
    const { name, channel, user, type } = OF_TYPE[service.type];
    const what = { rtc: rtcRole(service.privileges), rtm: 'signaling', rtm2: 'signaling' }[type] ?? name.replace(/ \(.*/, '');
    const where = !service[channel] ? '' : ` in ${service[channel] === '*' ? 'every channel' : visible(service[channel])}`;
    const anybody = channel === 'channel' ? ' as any user' : ' for the app';
    return what + where + (user ? (service[user] === '' ? anybody : ` as ${visible(service[user])}`) : '');
}

function allInShort({ services }) {
    const more = services.length - 3;
    return services.slice(0, 3).map(inShort).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

// Each judgement is [tone, title, detail].

function judge006(token) {
    const isOver = endOf(token) <= now();
    return [isOver ? 'bad' : 'warn', `Old format 006, ${isOver ? 'ended' : 'ends'} ${relative(endOf(token))}`,
        'Agora has replaced 006 by 007. Create a 007 token here, and let your server make such ones.'];
}

function judge007(token) {
    const end = endOf(token);
    const what = allInShort(token);
    const privileges = token.services.flatMap(({ type, privileges: all }) => Object.entries(all).map(
        ([privilege, expire]) => [mayOf(OF_TYPE[type].may, privilege), privilegeEnd(token, expire)]));
    const over = privileges.filter(([, its]) => its <= now()).map(([may]) => may);
    const kinds = [...new Set(over)];
    if (end <= now()) {
        return ['bad', `Ended ${relative(end)}`, `It was good for ${span(token.expire)}: ${what}. Ask for a new one.`];
    }
    if (token.services.length === 0) {
        return ['bad', token.unread ? 'It holds no service that is known here' : 'It opens nothing: no service is in it', ''];
    }
    if (over.length > 0) {
        return over.length === privileges.length ? ['bad', 'All that it allowed has ended', `It was: ${what}.`]
            : ['warn', `May no longer ${kinds.slice(0, 8).join(', ')}${kinds.length > 8 ? ', …' : ''}`, `The rest ends ${relative(end)}: ${what}.`];
    }
    if (token.issue_ts > now() + 60) {
        return ['warn', `Issued ${roughly(token.issue_ts - now())} in the future`,
            'A clock is wrong: that of the machine that made it, or of this one. It may not work until then.'];
    }
    return ['good', `Good for ${roughly(end - now())}: ${what}`, ''];
}

// answer: what /inspect said, if it was asked.
function judge(token, answer) {
    const isOld = token.version === '006';
    const [tone, title, detail] = isOld ? judge006(token) : judge007(token);
    if (!answer) {
        return [tone, title, detail];
    }
    if (/App ID/.test(answer.reason)) {
        return ['bad', 'Belongs to another App ID', `This service signs for another project than ${token.app_id}. ${title}.`];
    }
    if (isOld || answer.signed_here) {
        return [tone, title, `${detail} ${isOld ? 'Its signature can be checked with its channel and user alone: see agora-token verify.'
            : 'Signed with this service’s certificate.'}`];
    }
    return ['bad', 'Not signed with this service’s certificate',
        `It was changed, or made with another certificate of the project, such as one that was replaced. ${title}.`];
}

// ---- Read a token: shown

let shown = {}; // {text, notes, reading}, and the answer to Check signature

// Told by a screen reader when it is new or turns, and not whenever a minute has passed. No tone: nothing.
function showVerdict([tone, title, ...details], isNew) {
    const verdict = $('verdict');
    const [strong, span] = verdict.children;
    const className = tone && `verdict ${tone}`;
    verdict.ariaLive = isNew || className !== verdict.className ? 'polite' : 'off';
    verdict.className = className;
    strong.textContent = title;
    span.textContent = details.join(' ').trim();
}

// A list of terms; those without a description are left out.
const terms = (rows) => make('dl', {}, ...rows.filter(([, description]) => description).flatMap(
    ([term, description]) => [make('dt', {}, term), make('dd', {}, description)]));

const code = (text) => make('span', { className: 'code' }, text);

function timeShown(time) {
    const how = make('span');
    ticking(() => { how.textContent = relative(time); });
    return make('time', { dateTime: new Date(time * 1000).toISOString() }, `${absolute(time)}, `, how);
}

const endTerm = (end) => [end > now() ? 'Ends' : 'Ended', timeShown(end)];

// undefined where there is no such name.
const nameShown = (name, nobody) => (name === undefined ? name : name === '' ? nobody : make('span', {},
    code(visible(name)), name.hex || name.trim() === name ? '' : ' (with white space at an end)'));

// The rows of a list: [what one may, element beside it, time at which it ends].
const listShown = (rows) => make('ul', {}, ...rows.slice(0, LIMITS.shown).map(([what, beside, end = Infinity]) => {
    const row = make('li', {}, make('span', {}, `May ${what}`), beside);
    ticking(() => { row.className = end > now() ? '' : 'over'; });
    return row;
}), ...(rows.length > LIMITS.shown ? [make('li', {}, `There are ${rows.length - LIMITS.shown} more: see them as JSON.`)] : []));

function privilegesShown(token, names, privileges) {
    return listShown(Object.entries(privileges).map(([privilege, expire]) => {
        const end = privilegeEnd(token, expire);
        const until = make('span', { className: 'hint' });
        ticking(() => {
            until.textContent = `${end > now() ? 'until' : 'ended'} ${absolute(end, true)}, ${relative(end)}`;
        });
        return [mayOf(names, privilege), until, end];
    }));
}

const permissionsShown = (permissions) => listShown(Object.entries(permissions).flatMap(
    ([resource, byKind]) => Object.entries(byKind).map(([permission, names]) => [
        `${PERMISSIONS[permission] ?? `permission ${permission}`} ${RESOURCES[resource] ?? `resource ${resource}`}:`,
        code(names.map(visible).join(', ') || '(none)')])));

function serviceShown(token, service) {
    const { name, may, channel, user } = OF_TYPE[service.type];
    return make('div', { className: 'part' }, make('h3', {}, name), terms([
        [channel === 'room' ? 'Room' : 'Channel',
            service[channel] === '*' ? '* (every channel)' : nameShown(service[channel], '(none)')],
        ['User', nameShown(service[user], channel === 'channel' ? '(any user)' : '(none)')],
        ['Role', service.role?.toString()],
    ]), privilegesShown(token, may, service.privileges), permissionsShown(service.permissions ?? {}));
}

function shown006(token) {
    const crc = (number) => `only its CRC-32, ${number.toString(16).padStart(8, '0')}`;
    return [
        terms([['App ID', code(token.app_id)], endTerm(token.ts), ['Channel', crc(token.channel_crc32)],
            ['User', crc(token.user_crc32)]]),
        make('div', { className: 'part' }, privilegesShown(token, MAY_006, token.privileges)),
    ];
}

function shown007(token) {
    const { services, unread, unread_type: type } = token;
    const more = services.length - LIMITS.shown;
    const part = (condition, text) => (condition ? [make('p', { className: 'part' }, text)] : []);
    return [
        terms([['App ID', code(token.app_id)], ['Issued', timeShown(token.issue_ts)], endTerm(endOf(token))]),
        ...services.slice(0, LIMITS.shown).map((service) => serviceShown(token, service)),
        ...part(more > 0, `There are ${more} more services: see them as JSON.`),
        ...part(unread, `There are ${unread} more bytes, ${type
            ? `beginning with a service of type ${type}, which this page does not know.` : 'behind the last service.'}`),
    ];
}

let pastes = 0;

// Shows what stands in the field, unless it has changed by then.
async function showPasted() {
    const paste = ++pastes;
    const pasted = $('token').value.trim();
    let broken = null;
    let found = {};
    try {
        found = pasted ? findToken(pasted) : {};
        found.reading = pasted && await readToken(found.text);
    } catch (error) {
        broken = error;
    }
    if (paste !== pastes) {
        return;
    }
    const { reading } = shown = found;
    ticks = [tellCountdown];
    complain('check', '');
    $('token').setAttribute('aria-invalid', broken !== null);
    $('reading').replaceChildren();
    $('json').hidden = $('check').hidden = !reading;
    if (!reading) {
        showVerdict(broken ? ['bad', broken.message, broken.advice] : ['', ''], true);
        return;
    }
    $('reading').append(...(reading.version === '006' ? shown006(reading) : shown007(reading)));
    $('json-text').textContent = JSON.stringify(reading, null, 2);
    let isNew = true;
    ticking(() => {
        showVerdict([...judge(reading, found.answer), ...found.notes], isNew);
        isNew = false;
    });
}

async function checkSignature() {
    const asked = shown;
    asked.answer = await post('inspect', { token: asked.text });
    if (asked === shown) {
        showVerdict([...judge(asked.reading, asked.answer), ...asked.notes], true);
    }
}

// ---- The page comes up

INPUTS.forEach(addNotes);
for (const [type, [name]] of Object.entries(KINDS)) {
    $('service').append(make('option', { value: type }, name));
}
$('credential-hint').textContent = 'A bearer token (JWT) or an API key. It stays in the memory of this page, and goes to this'
    + ' service alone.';
$('token-hint').textContent = 'Decoded in this page, and sent nowhere until you check it.';
$('verdict').append(make('strong'), make('span'));
$('description').href = address('openapi.json');
$('reveal').addEventListener('click', () => {
    const isHidden = $('credential').type === 'password';
    $('credential').type = isHidden ? 'text' : 'password';
    $('reveal').ariaPressed = isHidden;
});
$('service').addEventListener('change', chooseService);
$('lifetime').addEventListener('input', tellLifetime);
$('token').addEventListener('input', showPasted);
$('check').addEventListener('click', () => busily('check', checkSignature));
$('create').addEventListener('submit', (event) => {
    event.preventDefault();
    busily('submit', create);
});
copies('copy-token', () => $('new-token').textContent);
copies('copy-curl', () => asCurl(...request));
copies('copy-fetch', () => asFetch(...request));
chooseService();
start();
