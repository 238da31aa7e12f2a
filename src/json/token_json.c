#include "json/token_json.h"

#include <stdio.h>
#include <stdlib.h>

#include "json/names.h"
#include "json/utf8.h"

static struct json_object *hex_to_json(const unsigned char *bytes, size_t length) {
    static const char digits[] = "0123456789abcdef";
    char *hex = malloc(2 * length + 1);
    if (!hex)
        return NULL;
    for (size_t i = 0; i < length; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    struct json_object *json = json_object_new_string_len(hex, (int)(2 * length));
    free(hex);
    return json;
}

static struct json_object *text_to_json(struct agora_text text) {
    if (utf8_valid_length(text) == text.length)
        return json_object_new_string_len(text.length > 0 ? text.data : "", (int)text.length);
    struct json_object *json = json_object_new_object();
    json_object_object_add(json, "hex", hex_to_json((const unsigned char *)text.data, text.length));
    return json;
}

static const char *key_of(uint16_t number, char room[static 8]) {
    snprintf(room, 8, "%u", number);
    return room;
}

static struct json_object *privileges_to_json(const struct agora_privilege *privileges,
                                              size_t count) {
    char key[8];
    struct json_object *json = json_object_new_object();
    for (size_t i = 0; i < count; i++)
        json_object_object_add(json, key_of(privileges[i].privilege, key),
                               json_object_new_int64(privileges[i].expire));
    return json;
}

static struct json_object *permissions_to_json(const struct agora_service *service) {
    char key[8];
    struct json_object *json = json_object_new_object();
    for (size_t i = 0; i < service->permission_count; i++) {
        const struct agora_rtm2_permission *p = &service->permissions[i];
        struct json_object *resource;
        if (!json_object_object_get_ex(json, key_of(p->resource, key), &resource)) {
            resource = json_object_new_object();
            json_object_object_add(json, key, resource);
        }
        struct json_object *names = json_object_new_array();
        for (size_t name = 0; name < p->name_count; name++)
            json_object_array_add(names, text_to_json(p->names[name]));
        json_object_object_add(resource, key_of(p->permission, key), names);
    }
    return json;
}

static struct json_object *service_to_json(const struct agora_service *service) {
    const struct service_name *name = service_name_of_type(service->type);
    struct json_object *json = json_object_new_object();
    json_object_object_add(json, "type", json_object_new_string(name->key));
    if (name->channel)
        json_object_object_add(json, name->channel, text_to_json(service->channel));
    if (name->user)
        json_object_object_add(json, name->user, text_to_json(service->user));
    if (name->has_role)
        json_object_object_add(json, "role", json_object_new_int(service->role));
    if (name->has_permissions)
        json_object_object_add(json, "permissions", permissions_to_json(service));
    json_object_object_add(json, "privileges",
                           privileges_to_json(service->privileges, service->privilege_count));
    return json;
}

static void add_number(struct json_object *json, const char *key, uint64_t number) {
    json_object_object_add(json, key, json_object_new_uint64(number));
}

static void add_007(struct json_object *json, const struct agora_reading *reading) {
    const struct agora_token *token = &reading->token;
    json_object_object_add(json, "version", json_object_new_string("007"));
    json_object_object_add(json, "app_id", text_to_json(token->app_id));
    add_number(json, "issue_ts", token->issue_ts);
    add_number(json, "expire", token->expire);
    add_number(json, "salt", token->salt);
    struct json_object *services = json_object_new_array();
    for (size_t i = 0; i < token->service_count; i++)
        json_object_array_add(services, service_to_json(&token->services[i]));
    json_object_object_add(json, "services", services);
    if (reading->unread > 0) {
        add_number(json, "unread", reading->unread);
        add_number(json, "unread_type", reading->unread_type);
    }
}

static void add_006(struct json_object *json, const struct agora_token_006 *old) {
    json_object_object_add(json, "version", json_object_new_string("006"));
    json_object_object_add(json, "app_id", text_to_json(old->app_id));
    add_number(json, "ts", old->ts);
    add_number(json, "salt", old->salt);
    add_number(json, "channel_crc32", old->channel_crc);
    add_number(json, "user_crc32", old->user_crc);
    json_object_object_add(json, "privileges",
                           privileges_to_json(old->privileges, old->privilege_count));
}

struct json_object *token_to_json(const struct agora_reading *reading) {
    struct json_object *json = json_object_new_object();
    if (!json)
        return NULL;
    if (reading->version == 6)
        add_006(json, &reading->old);
    else
        add_007(json, reading);
    json_object_object_add(json, "signature",
                           hex_to_json(reading->signature, AGORA_SIGNATURE_LENGTH));
    return json;
}
