/* tests/vectors/access_token2.json, as the library's structures in arrays of fixed sizes. */
#ifndef VECTORS_H
#define VECTORS_H

#include <json-c/json.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <zlib.h>

#include "unit.h"

enum { VECTORS = 22 };

enum { SERVICES_MAX = 4, PERMISSIONS_MAX = 8, NAMES_MAX = 8 };

struct vector {
    struct agora_token token;
    struct agora_service services[SERVICES_MAX];
    struct agora_rtm2_permission permissions[PERMISSIONS_MAX];
    struct agora_text names[NAMES_MAX];
    size_t name_count;
};

static const char *const type_names[] = {
    [AGORA_SERVICE_RTC] = "rtc",
    [AGORA_SERVICE_RTM] = "rtm",
    [AGORA_SERVICE_STREAMING] = "streaming",
    [AGORA_SERVICE_FPA] = "fpa",
    [AGORA_SERVICE_CHAT] = "chat",
    [AGORA_SERVICE_FCDN] = "fcdn",
    [AGORA_SERVICE_APAAS] = "apaas",
    [AGORA_SERVICE_RTM2] = "rtm2",
    [AGORA_SERVICE_CONVOAI] = "convoai",
    [AGORA_SERVICE_STT] = "stt",
};

static inline struct agora_text text_of(struct json_object *json, const char *name) {
    struct json_object *value = json_object_object_get(json, name);
    return (struct agora_text){json_object_get_string(value),
                               (size_t)json_object_get_string_len(value)};
}

static inline uint32_t number_of(struct json_object *json, const char *name) {
    return (uint32_t)json_object_get_int64(json_object_object_get(json, name));
}

static inline void read_permissions(struct json_object *json, struct vector *v,
                                    struct agora_service *s) {
    s->permissions = v->permissions;
    json_object_object_foreach(json, resource, by_permission) {
        json_object_object_foreach(by_permission, permission, names) {
            struct agora_rtm2_permission *p = &v->permissions[s->permission_count++];
            *p = (struct agora_rtm2_permission){
                .resource = (uint16_t)atoi(resource),
                .permission = (uint16_t)atoi(permission),
                .name_count = json_object_array_length(names),
                .names = &v->names[v->name_count],
            };
            for (size_t i = 0; i < p->name_count; i++)
                v->names[v->name_count++] =
                    text(json_object_get_string(json_object_array_get_idx(names, i)));
        }
    }
}

static inline void read_service(struct json_object *json, struct vector *v,
                                struct agora_service *s) {
    for (uint16_t type = 1; type < COUNT(type_names); type++)
        if (text_equals(text_of(json, "type"), type_names[type]))
            s->type = type;
    s->channel = text_of(json, "channel");
    if (!s->channel.data)
        s->channel = text_of(json, "room");
    s->user = text_of(json, "user");
    if (!s->user.data)
        s->user = text_of(json, "uid");
    s->role = (int16_t)json_object_get_int(json_object_object_get(json, "role"));
    json_object_object_foreach(json_object_object_get(json, "privileges"), privilege, expire) {
        s->privileges[s->privilege_count++] = (struct agora_privilege){
            (uint16_t)atoi(privilege), (uint32_t)json_object_get_int64(expire)};
    }
    struct json_object *permissions = json_object_object_get(json, "permissions");
    if (permissions)
        read_permissions(permissions, v, s);
}

static inline void read_vector(struct json_object *json, struct vector *v) {
    struct json_object *services = json_object_object_get(json, "services");
    *v = (struct vector){.token = {
                             .app_id = text_of(json, "app_id"),
                             .issue_ts = number_of(json, "issue_ts"),
                             .expire = number_of(json, "expire"),
                             .salt = number_of(json, "salt"),
                             .service_count = json_object_array_length(services),
                         }};
    v->token.services = v->services;
    for (size_t i = 0; i < v->token.service_count; i++)
        read_service(json_object_array_get_idx(services, i), v, &v->services[i]);
}

/* What a token of version 007 holds, as stock zlib inflates it. Returns its length. */
static inline size_t payload_of(const char *token, uint8_t *out, size_t size) {
    size_t length = strlen(token) - 3;
    uint8_t *compressed = malloc(length);
    assert_memory_equal(token, "007", 3);
    int decoded = EVP_DecodeBlock(compressed, (const unsigned char *)token + 3, (int)length);
    assert_true(decoded > 0);
    size_t padding = strcspn(token + 3, "=") < length ? strlen(strchr(token, '=')) : 0;
    uLongf written = size;
    assert_int_equal(uncompress(out, &written, compressed, (uLong)decoded - padding), Z_OK);
    free(compressed);
    return written;
}

/* The payload, which the signature is a part of; each compressor has bytes of its own for it. */
static inline void assert_token_of(struct json_object *vector, const char *token) {
    uint8_t payload[1024];
    char hex[2 * sizeof payload + 1];
    size_t length = payload_of(token, payload, sizeof payload);
    for (size_t i = 0; i < length; i++)
        snprintf(hex + 2 * i, 3, "%02x", payload[i]);
    if (!text_equals(text_of(vector, "payload_hex"), hex))
        fail_msg("%s: %s", text_of(vector, "name").data, hex);
}

/* To be given to json_object_put. */
static inline struct json_object *load_vectors(void) {
    struct json_object *vectors = json_object_from_file("tests/vectors/access_token2.json");
    assert_non_null(vectors);
    assert_int_equal(json_object_array_length(vectors), VECTORS);
    return vectors;
}

#endif
