#include "api/services.h"

#include <stdlib.h>
#include <strings.h>

#include "api/parameters.h"
#include "text.h"

static const char *const resources[] = {
    [AGORA_RTM2_MESSAGE_CHANNELS] = "messageChannels",
    [AGORA_RTM2_STREAM_CHANNELS] = "streamChannels",
    [AGORA_RTM2_GROUP_CHANNELS] = "groupChannels",
    [AGORA_RTM2_SERVER_GROUPS] = "serverGroups",
    [AGORA_RTM2_USERS] = "users",
};

static const char *const permissions_of[] = {
    [AGORA_RTM2_READ] = "read",
    [AGORA_RTM2_WRITE] = "write",
};

enum {
    RESOURCES = sizeof resources / sizeof resources[0],
    KINDS = sizeof permissions_of / sizeof permissions_of[0],
};

void services_free(struct services *services) {
    free(services->names);
}

void services_add(struct services *services, struct agora_service service) {
    services->list[services->count++] = service;
}

bool services_add_apaas(struct services *services, struct agora_text room, struct agora_text user,
                        int16_t role, uint32_t expire, struct response *response) {
    if (room.length == 0 && user.length == 0) {
        services_add(services, agora_service_apaas_app(expire));
        return true;
    }
    if (!parameter_user("uid", user, response))
        return false;
    if (room.length == 0) {
        services_add(services, agora_service_apaas_user(user, expire));
        return true;
    }
    if (!parameter_user("room", room, response))
        return false;
    enum agora_token_error error = agora_services_apaas_room_user(
        &services->list[services->count], room, user, role, expire, services->chat_user);
    if (error)
        return response_error(response, HTTP_INTERNAL_SERVER_ERROR, "cannot mint the token: %s",
                              agora_token_strerror(error));
    services->count += 3;
    return true;
}

/* The index of the name in the list, -1 when it is not there. */
static int index_of(const char *name, const char *const *list, int count) {
    for (int i = 0; i < count; i++)
        if (strcasecmp(name, list[i]) == 0)
            return i;
    return -1;
}

/* Reads a list of names behind those that are there already. */
static bool read_names(struct services *services, size_t *used, struct json_object *array,
                       struct agora_rtm2_permission *permission, struct response *response) {
    size_t count = json_object_array_length(array);
    permission->names = services->names + *used;
    permission->name_count = count;
    for (size_t i = 0; i < count; i++) {
        struct json_object *name = json_object_array_get_idx(array, i);
        struct agora_text *text = &services->names[(*used)++];
        if (!json_object_is_type(name, json_type_string))
            return response_error(response, HTTP_BAD_REQUEST,
                                  "permissions: %s is not valid: use a list of strings",
                                  quote(agora_text_of(json_object_to_json_string(name))).text);
        *text = (struct agora_text){json_object_get_string(name),
                                    (size_t)json_object_get_string_len(name)};
        if (!parameter_user("permissions: name", *text, response))
            return false;
    }
    return true;
}

static bool has_permission(const struct services *services, int resource, int kind) {
    for (size_t i = 0; i < services->permission_count; i++)
        if (services->permissions[i].resource == resource &&
            services->permissions[i].permission == kind)
            return true;
    return false;
}

static bool read_resource(struct services *services, size_t *used, int resource,
                          struct json_object *by_kind, struct response *response) {
    json_object_object_foreach(by_kind, key, names) {
        int kind = index_of(key, permissions_of, KINDS);
        if (kind < 0 || !json_object_is_type(names, json_type_array))
            return response_error(response, HTTP_BAD_REQUEST,
                                  "permissions: '%s' is not valid: use read or write with a list "
                                  "of names",
                                  quote(agora_text_of(key)).text);
        if (has_permission(services, resource, kind))
            return response_error(response, HTTP_BAD_REQUEST,
                                  "permissions: '%s' stands there repeatedly: use it once for each "
                                  "kind of resource",
                                  quote(agora_text_of(key)).text);
        struct agora_rtm2_permission *permission =
            &services->permissions[services->permission_count++];
        permission->resource = (uint16_t)resource;
        permission->permission = (uint16_t)kind;
        if (!read_names(services, used, names, permission, response))
            return false;
    }
    return true;
}

/* How many names there are in all, so that one allocation holds them. */
static size_t count_names(struct json_object *permissions) {
    size_t total = 0;
    json_object_object_foreach(permissions, resource, by_kind) {
        (void)resource;
        if (!json_object_is_type(by_kind, json_type_object))
            continue;
        json_object_object_foreach(by_kind, kind, names) {
            (void)kind;
            if (json_object_is_type(names, json_type_array))
                total += json_object_array_length(names);
        }
    }
    return total;
}

static bool read_permissions(struct services *services, struct json_object *permissions,
                             struct response *response) {
    size_t used = 0;
    services->names = calloc(count_names(permissions) + 1, sizeof *services->names);
    if (!services->names)
        return response_error(response, HTTP_INTERNAL_SERVER_ERROR, "out of memory");
    json_object_object_foreach(permissions, key, by_kind) {
        int resource = index_of(key, resources, RESOURCES);
        if (resource < 0 || !json_object_is_type(by_kind, json_type_object))
            return response_error(response, HTTP_BAD_REQUEST,
                                  "permissions: '%s' is not valid: use messageChannels, "
                                  "streamChannels, groupChannels, serverGroups or users, each with "
                                  "{\"read\":[…],\"write\":[…]}",
                                  quote(agora_text_of(key)).text);
        if (!read_resource(services, &used, resource, by_kind, response))
            return false;
    }
    return true;
}

bool services_add_rtm2(struct services *services, struct agora_text user,
                       struct json_object *permissions, uint32_t expire,
                       struct response *response) {
    if (!parameter_user("uid", user, response) ||
        (permissions && !read_permissions(services, permissions, response)))
        return false;
    services_add(services, agora_service_rtm2(user, services->permissions,
                                              services->permission_count, expire));
    return true;
}
