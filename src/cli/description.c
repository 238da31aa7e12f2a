#include "cli/description.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redact.h"
#include "text.h"
#include "json/names.h"
#include "json/reader.h"

#define NOT_AN_OBJECT "the description of a token must be a JSON object"

/* Where one reading of a description complains, and about which place. */
struct reader {
    char *error;
    char place[64]; /* "services[2]" */
};

__attribute__((format(printf, 2, 3))) static bool refuse(struct reader *reader, const char *format,
                                                         ...) {
    va_list arguments;
    int length = 0;
    if (reader->place[0])
        length = snprintf(reader->error, DESCRIPTION_ERROR_MAX, "%s: ", reader->place);
    va_start(arguments, format);
    vsnprintf(reader->error + length, (size_t)(DESCRIPTION_ERROR_MAX - length), format, arguments);
    va_end(arguments);
    return false;
}

/* Zeroed memory that lives as long as the JSON value which it is read from, and which may ask for
 * it once; NULL, with a complaint, when there is none. */
static void *allocate(struct reader *reader, struct json_object *json, size_t count, size_t size) {
    void *memory = calloc(count + 1, size);
    if (memory)
        json_object_set_userdata(json, memory, json_object_free_userdata);
    else
        refuse(reader, "out of memory");
    return memory;
}

static bool read_hex(struct reader *reader, const char *key, struct json_object *json,
                     struct agora_text *out) {
    struct agora_text hex = json_text(json);
    char *bytes = allocate(reader, json, hex.length / 2, 1);
    if (!bytes)
        return false;
    for (size_t i = 0; i < hex.length; i += 2) {
        int high = hex_digit(hex.data[i]);
        int low = i + 1 < hex.length ? hex_digit(hex.data[i + 1]) : -1;
        if (high < 0 || low < 0)
            return refuse(reader, "%s: '%s' is not valid hexadecimal", key, show(hex).text);
        bytes[i / 2] = (char)(high << 4 | low);
    }
    *out = (struct agora_text){bytes, hex.length / 2};
    return true;
}

static bool read_text(struct reader *reader, const char *key, struct json_object *json,
                      struct agora_text *out) {
    struct json_object *hex;
    if (json_object_is_type(json, json_type_string)) {
        *out = json_text(json);
        return true;
    }
    if (json_object_is_type(json, json_type_object) && json_object_object_length(json) == 1 &&
        json_object_object_get_ex(json, "hex", &hex) && json_object_is_type(hex, json_type_string))
        return read_hex(reader, key, hex, out);
    return refuse(reader, "%s must be a string, or {\"hex\": \"...\"}", key);
}

static bool read_integer(struct reader *reader, const char *key, struct json_object *json,
                         int64_t least, int64_t most, int64_t *out) {
    *out = json_object_get_int64(json);
    if (!json_object_is_type(json, json_type_int) || *out < least || *out > most)
        return refuse(reader, "%s is %s: use a whole number from %lld to %lld", key,
                      show(agora_text_of(json_object_to_json_string(json))).text, (long long)least,
                      (long long)most);
    return true;
}

static bool read_u32(struct reader *reader, const char *key, struct json_object *json, void *out) {
    int64_t number;
    if (!read_integer(reader, key, json, 0, UINT32_MAX, &number))
        return false;
    *(uint32_t *)out = (uint32_t)number;
    return true;
}

/* A user may be a number, as JSON has it; 0 is the empty text. */
static bool read_user(struct reader *reader, const char *key, struct json_object *json,
                      struct agora_text *out) {
    uint32_t uid;
    if (!json_object_is_type(json, json_type_int))
        return read_text(reader, key, json, out);
    char *buffer = allocate(reader, json, AGORA_UID_SIZE, 1);
    if (!buffer || !read_u32(reader, key, json, &uid))
        return false;
    *out = agora_uid_text(uid, buffer);
    return true;
}

static bool read_privileges(struct reader *reader, struct json_object *json,
                            const struct service_name *name, struct agora_service *service) {
    if (!json_object_is_type(json, json_type_object))
        return refuse(reader, "privileges must be an object of numbers: {\"1\": 3600}");
    json_object_object_foreach(json, key, value) {
        uint16_t privilege;
        uint32_t expire;
        if (!number_of_key(name->privileges, key, &privilege))
            return refuse(reader,
                          "'%s' is no privilege of %s: use a number from 0 to 65535, or a name",
                          show(agora_text_of(key)).text, name->key);
        if (!read_u32(reader, key, value, &expire))
            return false;
        for (size_t i = 0; i < service->privilege_count; i++)
            if (service->privileges[i].privilege == privilege)
                return refuse(reader, "privilege %u stands twice", privilege);
        if (agora_service_allow(service, privilege, expire) != AGORA_TOKEN_OK)
            return refuse(reader, "more than %d privileges", AGORA_PRIVILEGES_MAX);
    }
    return true;
}

static bool read_names(struct reader *reader, struct json_object *json,
                       struct agora_rtm2_permission *p) {
    if (!json_object_is_type(json, json_type_array))
        return refuse(reader, "permissions must lead to lists of names: {\"users\": {\"read\": "
                              "[\"alice\"]}}");
    p->name_count = json_object_array_length(json);
    struct agora_text *names = allocate(reader, json, p->name_count, sizeof *names);
    if (!names)
        return false;
    for (size_t i = 0; i < p->name_count; i++)
        if (!read_text(reader, "a name", json_object_array_get_idx(json, i), &names[i]))
            return false;
    p->names = names;
    return true;
}

static size_t count_permissions(struct json_object *json) {
    size_t count = 0;
    json_object_object_foreach(json, key, value) {
        (void)key;
        if (json_object_is_type(value, json_type_object))
            count += (size_t)json_object_object_length(value);
    }
    return count;
}

static bool read_permissions(struct reader *reader, struct json_object *json,
                             struct agora_service *service) {
    if (!json_object_is_type(json, json_type_object))
        return refuse(reader, "permissions must be an object");
    struct agora_rtm2_permission *list =
        allocate(reader, json, count_permissions(json), sizeof *list);
    if (!list)
        return false;
    service->permissions = list;
    json_object_object_foreach(json, resource, by_permission) {
        uint16_t resource_number;
        if (!number_of_key(resource_names, resource, &resource_number))
            return refuse(reader,
                          "'%s' is no resource of RTM2: use a number from 0 to 65535, or "
                          "message-channels, stream-channels, group-channels, server-groups or "
                          "users",
                          show(agora_text_of(resource)).text);
        if (!json_object_is_type(by_permission, json_type_object))
            return refuse(reader, "resource '%s' must lead to an object of permissions",
                          show(agora_text_of(resource)).text);
        json_object_object_foreach(by_permission, permission, names) {
            struct agora_rtm2_permission *p = &list[service->permission_count++];
            p->resource = resource_number;
            if (!number_of_key(permission_names, permission, &p->permission))
                return refuse(reader,
                              "'%s' is no permission of RTM2: use a number from 0 to 65535, or "
                              "read or write",
                              show(agora_text_of(permission)).text);
            if (!read_names(reader, names, p))
                return false;
        }
    }
    return true;
}

static bool is_key(const char *key, const char *name) {
    return name && strcmp(key, name) == 0;
}

static bool read_field(struct reader *reader, const struct service_name *name, const char *key,
                       struct json_object *value, struct agora_service *service) {
    int64_t number;
    if (is_key(key, "type"))
        return true;
    if (is_key(key, "privileges"))
        return read_privileges(reader, value, name, service);
    if (is_key(key, name->channel))
        return read_text(reader, key, value, &service->channel);
    if (is_key(key, name->user))
        return read_user(reader, key, value, &service->user);
    if (name->has_permissions && is_key(key, "permissions"))
        return read_permissions(reader, value, service);
    if (name->has_role && is_key(key, "role")) {
        if (!read_integer(reader, key, value, INT16_MIN, INT16_MAX, &number))
            return false;
        service->role = (int16_t)number;
        return true;
    }
    return refuse(reader, "a service of type %s has no '%s'", name->key,
                  show(agora_text_of(key)).text);
}

static bool read_service(struct reader *reader, struct json_object *json,
                         struct agora_service *service) {
    struct json_object *type;
    if (!json_object_is_type(json, json_type_object) ||
        !json_object_object_get_ex(json, "type", &type))
        return refuse(reader, "a service must be an object with a type: %s", service_keys());
    const struct service_name *name = json_object_is_type(type, json_type_string)
                                          ? service_name_of_key(json_object_get_string(type))
                                          : NULL;
    if (!name)
        return refuse(reader, "type is %s: use %s",
                      show(agora_text_of(json_object_to_json_string(type))).text, service_keys());
    *service = (struct agora_service){.type = name->type};
    /* What stands for nobody's role in Agora's builders. */
    service->role = name->has_role ? -1 : 0;
    json_object_object_foreach(json, key, value) {
        if (!read_field(reader, name, key, value, service))
            return false;
    }
    return true;
}

static bool read_services(struct reader *reader, const char *key, struct json_object *json,
                          void *out) {
    struct agora_token *token = out;
    if (!json_object_is_type(json, json_type_array))
        return refuse(reader, "%s must be a list", key);
    token->service_count = json_object_array_length(json);
    struct agora_service *services = allocate(reader, json, token->service_count, sizeof *services);
    if (!services)
        return false;
    token->services = services;
    for (size_t i = 0; i < token->service_count; i++) {
        snprintf(reader->place, sizeof reader->place, "services[%zu]", i);
        if (!read_service(reader, json_object_array_get_idx(json, i), &services[i]))
            return false;
    }
    reader->place[0] = '\0';
    return true;
}

static bool read_hex_id(struct reader *reader, const char *key, struct json_object *json,
                        void *out) {
    struct agora_text id = json_text(json);
    *(struct agora_text *)out = id;
    return agora_token_is_hex_id(id) ||
           refuse(reader, "%s must be a string of 32 hexadecimal digits", key);
}

static bool read_version(struct reader *reader, const char *key, struct json_object *json,
                         void *out) {
    (void)out;
    return text_equals(json_text(json), "007") ||
           refuse(reader, "%s is %s: only 007 can be minted", key,
                  show(agora_text_of(json_object_to_json_string(json))).text);
}

static bool refuse_unread(struct reader *reader, const char *key, struct json_object *json,
                          void *out) {
    (void)key, (void)json, (void)out;
    return refuse(reader, "the token had parts that this program does not know");
}

/* clang-format off */
#define MEMBER(key, read, field, gives) {key, read, offsetof(struct description, field), gives}
/* clang-format on */

static const struct member {
    const char *key;
    bool (*read)(struct reader *reader, const char *key, struct json_object *json, void *out);
    size_t offset; /* into struct description */
    unsigned gives;
} members[] = {
    MEMBER("app_id", read_hex_id, token.app_id, 0),
    MEMBER("app_certificate", read_hex_id, certificate, 0),
    MEMBER("issue_ts", read_u32, token.issue_ts, GIVES_ISSUE_TS),
    MEMBER("expire", read_u32, token.expire, GIVES_EXPIRE),
    MEMBER("salt", read_u32, token.salt, GIVES_SALT),
    MEMBER("services", read_services, token, 0),
    {"version", read_version, 0, 0},
    {"unread", refuse_unread, 0, 0},
    /* What only a token that was read has. */
    {"name", NULL, 0, 0},
    {"payload_hex", NULL, 0, 0},
    {"token", NULL, 0, 0},
    {"signature", NULL, 0, 0},
};

static bool read_member(struct reader *reader, struct description *description, const char *key,
                        struct json_object *value) {
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        const struct member *member = &members[i];
        if (strcmp(key, member->key) != 0)
            continue;
        description->gives |= member->gives;
        return !member->read ||
               member->read(reader, key, value, (char *)description + member->offset);
    }
    return refuse(
        reader,
        "there is no '%s' in a token: use app_id, app_certificate, issue_ts, expire, salt "
        "and services",
        show(agora_text_of(key)).text);
}

bool token_from_json(struct json_object *json, struct description *description,
                     char error[static DESCRIPTION_ERROR_MAX]) {
    struct reader reader = {.error = error};
    *description = (struct description){0};
    if (!json_object_is_type(json, json_type_object))
        return refuse(&reader, NOT_AN_OBJECT);
    json_object_object_foreach(json, key, value) {
        if (!read_member(&reader, description, key, value))
            return false;
    }
    if (description->token.service_count == 0)
        return refuse(&reader, "services is missing or empty: a token needs one at least");
    return true;
}

/* The text before the place where reading has stopped, up to what may be a secret, which may begin
 * further back. *is_cut says whether there is one. */
static struct quoted excerpt(const char *text, size_t end, bool *is_cut) {
    size_t seen = end > 2 * (size_t)QUOTED_BYTES_MAX ? end - 2 * (size_t)QUOTED_BYTES_MAX : 0;
    size_t first = end > QUOTED_BYTES_MAX ? end - QUOTED_BYTES_MAX : 0;
    size_t last = seen + length_before_secret((struct agora_text){text + seen, end - seen});
    *is_cut = last < end;
    return show((struct agora_text){text + first, last > first ? last - first : 0});
}

struct json_object *parse_json(const char *text, size_t length,
                               char error[static DESCRIPTION_ERROR_MAX]) {
    struct json_object *json;
    struct json_error failure;
    bool is_cut;
    if (json_read((struct agora_text){text, length}, JSON_REFUSE_REPEATED | JSON_ALLOW_MANY, &json,
                  &failure)) {
        if (!json)
            snprintf(error, DESCRIPTION_ERROR_MAX, NOT_AN_OBJECT);
        return json;
    }
    struct quoted place = excerpt(text, failure.at, &is_cut);
    if (failure.no_memory)
        snprintf(error, DESCRIPTION_ERROR_MAX, "out of memory");
    else
        snprintf(error, DESCRIPTION_ERROR_MAX,
                 "this is no JSON: expected %s at byte %zu, behind '%s%s'", failure.expected,
                 failure.at, place.text, is_cut ? REDACTED : "");
    return NULL;
}
