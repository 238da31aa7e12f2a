#include <string.h>

#include "agora_token.h"
#include "token/arena.h"
#include "token/base64.h"
#include "token/inflate.h"
#include "token/service.h"
#include "token/signature.h"
#include "token/wire.h"

/* On the wire a service takes at least its type and a count of privileges. */
enum { SERVICE_SHORTEST = 4 };

/* Keeps the signature and returns true if it has the one length that there is. */
static bool read_signature(struct wire_reader *r, struct agora_reading *reading) {
    struct agora_text signature = wire_get_string(r);
    if (signature.length != SIGNATURE_LENGTH)
        return false;
    memcpy(reading->signature, signature.data, SIGNATURE_LENGTH);
    return true;
}

static enum agora_token_error read_services(struct wire_reader *r, size_t count,
                                            struct arena *arena, struct agora_reading *reading) {
    if (count > r->left / SERVICE_SHORTEST)
        return AGORA_TOKEN_MALFORMED;
    struct agora_service *services = arena_take(arena, count, sizeof *services);
    if (!services)
        return AGORA_TOKEN_NO_ROOM;

    struct agora_token *token = &reading->token;
    token->services = services;
    while (token->service_count < count) {
        struct agora_service *service = &services[token->service_count];
        enum agora_token_error error = service_read(r, arena, service);
        if (error == AGORA_TOKEN_BAD_SERVICE) {
            reading->unread_type = service->type;
            break;
        }
        if (error)
            return error;
        token->service_count++;
    }
    reading->unread = r->left;
    return AGORA_TOKEN_OK;
}

static enum agora_token_error read_message(struct wire_reader *r, struct arena *arena,
                                           struct agora_reading *reading) {
    struct agora_token *token = &reading->token;
    reading->message = (struct agora_text){(const char *)r->data, r->left};
    token->app_id = wire_get_string(r);
    token->issue_ts = wire_get_u32(r);
    token->expire = wire_get_u32(r);
    token->salt = wire_get_u32(r);
    size_t count = wire_get_u16(r);
    if (r->failed)
        return AGORA_TOKEN_MALFORMED;
    if (!agora_token_is_hex_id(token->app_id))
        return AGORA_TOKEN_BAD_APP_ID;
    return read_services(r, count, arena, reading);
}

/* The compressed form stands at the end of the arena while it is inflated to the beginning, and is
 * then overwritten by the lists. */
static enum agora_token_error read_007(struct agora_text encoded, struct arena arena,
                                       struct agora_reading *reading) {
    size_t bound = base64_bound(encoded.length);
    if (bound >= arena.left)
        return AGORA_TOKEN_NO_ROOM;
    size_t compressed_length;
    size_t length;
    uint8_t *compressed = arena.data + arena.left - bound;
    if (!base64_decode(encoded, compressed, &compressed_length))
        return AGORA_TOKEN_BAD_BASE64;
    enum agora_token_error error =
        inflate_bytes(compressed, compressed_length, arena.data, arena.left - bound, &length);
    if (error)
        return error;

    struct wire_reader r = {.data = arena.data, .left = length};
    arena.data += length;
    arena.left -= length;
    return read_signature(&r, reading) ? read_message(&r, &arena, reading) : AGORA_TOKEN_MALFORMED;
}

/* 006: the App ID, then the base64 of string(signature) u32(crc) u32(crc) string(message), with
 * message = u32(salt) u32(ts) u16(n) { u16(privilege) u32(expire) }... Nothing is compressed. */
static enum agora_token_error read_006(struct agora_text text, struct arena arena,
                                       struct agora_reading *reading) {
    struct agora_token_006 *old = &reading->old;
    if (text.length < AGORA_HEX_LENGTH)
        return AGORA_TOKEN_MALFORMED;
    old->app_id = (struct agora_text){text.data, AGORA_HEX_LENGTH};
    if (!agora_token_is_hex_id(old->app_id))
        return AGORA_TOKEN_BAD_APP_ID;

    struct agora_text encoded = {text.data + AGORA_HEX_LENGTH, text.length - AGORA_HEX_LENGTH};
    struct wire_reader r = {.data = arena.data};
    if (base64_bound(encoded.length) > arena.left)
        return AGORA_TOKEN_NO_ROOM;
    if (!base64_decode(encoded, arena.data, &r.left))
        return AGORA_TOKEN_BAD_BASE64;
    if (!read_signature(&r, reading))
        return AGORA_TOKEN_MALFORMED;
    old->channel_crc = wire_get_u32(&r);
    old->user_crc = wire_get_u32(&r);
    reading->message = wire_get_string(&r);
    if (r.failed || r.left > 0)
        return AGORA_TOKEN_MALFORMED;

    r = (struct wire_reader){.data = (const uint8_t *)reading->message.data,
                             .left = reading->message.length};
    old->salt = wire_get_u32(&r);
    old->ts = wire_get_u32(&r);
    old->privilege_count = wire_get_u16(&r);
    if (old->privilege_count > AGORA_PRIVILEGES_006_MAX)
        return AGORA_TOKEN_BAD_PRIVILEGE;
    for (size_t i = 0; i < old->privilege_count; i++) {
        old->privileges[i].privilege = wire_get_u16(&r);
        old->privileges[i].expire = wire_get_u32(&r);
    }
    return r.failed || r.left > 0 ? AGORA_TOKEN_MALFORMED : AGORA_TOKEN_OK;
}

static const struct {
    char text[VERSION_LENGTH + 1];
    int number;
    enum agora_token_error (*read)(struct agora_text text, struct arena arena,
                                   struct agora_reading *reading);
} versions[] = {
    {VERSION_007, 7, read_007},
    {VERSION_006, 6, read_006},
};

enum agora_token_error agora_token_read(struct agora_text text, void *buffer, size_t size,
                                        struct agora_reading *out) {
    enum agora_token_error error = AGORA_TOKEN_BAD_VERSION;
    *out = (struct agora_reading){0};
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        if (text.length < VERSION_LENGTH ||
            memcmp(text.data, versions[i].text, VERSION_LENGTH) != 0)
            continue;
        struct agora_text rest = {text.data + VERSION_LENGTH, text.length - VERSION_LENGTH};
        out->version = versions[i].number;
        error = versions[i].read(rest, (struct arena){buffer, size}, out);
    }
    if (error)
        *out = (struct agora_reading){0};
    return error;
}
