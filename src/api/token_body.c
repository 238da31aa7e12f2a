#include "api/token_body.h"

#include <assert.h>
#include <stdlib.h>

#include "api/answer.h"
#include "api/parameters.h"
#include "text.h"
#include "json/names.h"

static bool refuse(struct agora_text value, const char *allowed, struct response *response) {
    return response_error(response, HTTP_BAD_REQUEST, "permissions: '%s' is not valid: use %s",
                          quote(value).text, allowed);
}

/* Appends the names of the array to those of earlier permissions. */
static bool read_names(struct agora_text *names, struct json_object *array,
                       struct agora_rtm2_permission *permission, struct response *response) {
    permission->names = names;
    permission->name_count = json_object_array_length(array);
    for (size_t i = 0; i < permission->name_count; i++) {
        struct json_object *name = json_object_array_get_idx(array, i);
        if (!json_object_is_type(name, json_type_string))
            return refuse(body_shown(name), "a list of strings", response);
        names[i] = body_string(name);
        if (!parameter_user("permissions: name", names[i], response))
            return false;
    }
    return true;
}

static bool has_permission(const struct token_request *request, uint16_t resource, uint16_t kind) {
    for (size_t i = 0; i < request->permission_count; i++)
        if (request->permissions[i].resource == resource &&
            request->permissions[i].permission == kind)
            return true;
    return false;
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

static bool read_resource(struct token_body *body, size_t *used, uint16_t resource,
                          struct json_object *by_kind, struct response *response) {
    struct token_request *request = &body->request;
    json_object_object_foreach(by_kind, key, names) {
        const struct name *kind = name_of_json_key(permission_names, key);
        if (!kind || !json_object_is_type(names, json_type_array))
            return refuse(agora_text_of(key), "read or write with a list of names", response);
        if (has_permission(request, resource, kind->number))
            return response_error(response, HTTP_BAD_REQUEST,
                                  "permissions: '%s' stands there repeatedly: use it once for each "
                                  "kind of resource",
                                  quote(agora_text_of(key)).text);
        assert(request->permission_count < PERMISSIONS_MAX);
        struct agora_rtm2_permission *permission = &body->permissions[request->permission_count++];
        permission->resource = resource;
        permission->permission = kind->number;
        if (!read_names(body->permission_names + *used, names, permission, response))
            return false;
        *used += permission->name_count;
    }
    return true;
}

bool read_permissions(struct token_body *body, struct json_object *object,
                      struct response *response) {
    size_t used = 0;
    struct json_object *json;
    if (!body_object(object, "permissions", &json, response))
        return false;
    if (!json)
        return true;
    body->request.permissions = body->permissions;
    body->permission_names = calloc(count_names(json) + 1, sizeof *body->permission_names);
    if (!body->permission_names)
        return response_error(response, HTTP_INTERNAL_SERVER_ERROR, "out of memory");
    json_object_object_foreach(json, key, by_kind) {
        const struct name *resource = name_of_json_key(resource_names, key);
        if (!resource || !json_object_is_type(by_kind, json_type_object))
            return refuse(agora_text_of(key),
                          "messageChannels, streamChannels, groupChannels, serverGroups or users, "
                          "each with {\"read\":[…],\"write\":[…]}",
                          response);
        if (!read_resource(body, &used, resource->number, by_kind, response))
            return false;
    }
    return true;
}

bool services_are_made(enum agora_token_error error, struct response *response) {
    return !error || response_error(response, HTTP_INTERNAL_SERVER_ERROR,
                                    "cannot mint the token: %s", agora_token_strerror(error));
}

void answer_token_body(const struct call *call, token_body_reader *read, const char *before,
                       const char *behind, struct response *response) {
    struct token_body body = {0};
    if (body_parse(call->request->body, &body.json, response) && read(&body, response)) {
        struct named_token token = {"token", body.services.count, body.services.list};
        buffer_puts(&response->body, before);
        answer_tokens(call, &token, 1, body.expiry, response);
        if (response->status == HTTP_OK)
            buffer_puts(&response->body, behind);
    }
    free(body.permission_names);
    json_object_put(body.json);
}
