#include "token/service.h"

/* What a type carries after its privileges, written in this order. */
enum service_field {
    FIELD_CHANNEL = 1,
    FIELD_USER = 2,
    FIELD_ROLE = 4,
    FIELD_PERMISSIONS = 8,
};

static const uint8_t fields_of[SERVICE_TYPE_LAST + 1] = {
    [AGORA_SERVICE_RTC] = FIELD_CHANNEL | FIELD_USER,
    [AGORA_SERVICE_RTM] = FIELD_USER,
    [AGORA_SERVICE_STREAMING] = FIELD_CHANNEL | FIELD_USER,
    [AGORA_SERVICE_FPA] = 0,
    [AGORA_SERVICE_CHAT] = FIELD_USER,
    [AGORA_SERVICE_FCDN] = FIELD_CHANNEL | FIELD_USER,
    [AGORA_SERVICE_APAAS] = FIELD_CHANNEL | FIELD_USER | FIELD_ROLE,
    [AGORA_SERVICE_RTM2] = FIELD_USER | FIELD_PERMISSIONS,
    [AGORA_SERVICE_CONVOAI] = 0,
    [AGORA_SERVICE_STT] = 0,
};

static bool is_known(uint16_t type) {
    return type >= SERVICE_TYPE_FIRST && type <= SERVICE_TYPE_LAST;
}

static bool has_privilege_twice(const struct agora_service *service) {
    const struct agora_privilege *p = service->privileges;
    for (size_t i = 1; i < service->privilege_count; i++)
        for (size_t j = 0; j < i; j++)
            if (p[i].privilege == p[j].privilege)
                return true;
    return false;
}

/* Resource and permission as one number, in the order in which they are written. */
static uint32_t rank(const struct agora_rtm2_permission *p) {
    return (uint32_t)p->resource << 16 | p->permission;
}

static bool are_ascending(const struct agora_rtm2_permission *p, size_t count) {
    for (size_t i = 1; i < count; i++)
        if (rank(&p[i - 1]) >= rank(&p[i]))
            return false;
    return true;
}

static bool are_permissions_valid(const struct agora_rtm2_permission *p, size_t count) {
    if (are_ascending(p, count))
        return true;
    if (count > AGORA_PERMISSIONS_UNORDERED_MAX)
        return false;
    for (size_t i = 1; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (rank(&p[i]) == rank(&p[j]))
                return false;
    return true;
}

enum agora_token_error service_check(const struct agora_service *service) {
    if (!is_known(service->type))
        return AGORA_TOKEN_BAD_SERVICE;
    if (service->privilege_count > AGORA_PRIVILEGES_MAX || has_privilege_twice(service))
        return AGORA_TOKEN_BAD_PRIVILEGE;
    if (!are_permissions_valid(service->permissions, service->permission_count))
        return AGORA_TOKEN_BAD_PERMISSION;
    return AGORA_TOKEN_OK;
}

static void write_privileges(const struct agora_service *service, struct wire_writer *w) {
    struct agora_privilege sorted[AGORA_PRIVILEGES_MAX];
    size_t count = service->privilege_count;
    for (size_t i = 0; i < count; i++) {
        size_t at = i;
        for (; at > 0 && sorted[at - 1].privilege > service->privileges[i].privilege; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = service->privileges[i];
    }

    wire_put_count(w, count);
    for (size_t i = 0; i < count; i++) {
        wire_put_u16(w, sorted[i].privilege);
        wire_put_u32(w, sorted[i].expire);
    }
}

/* p ascends, so entries of one resource stand together. */
static void write_resources(const struct agora_rtm2_permission *p, size_t count,
                            struct wire_writer *w) {
    size_t resources = 0;
    for (size_t i = 0; i < count; i++)
        resources += i == 0 || p[i].resource != p[i - 1].resource;

    wire_put_count(w, resources);
    for (size_t i = 0; i < count;) {
        size_t end = i;
        while (end < count && p[end].resource == p[i].resource)
            end++;
        wire_put_u16(w, p[i].resource);
        wire_put_count(w, end - i);
        for (; i < end; i++) {
            wire_put_u16(w, p[i].permission);
            wire_put_count(w, p[i].name_count);
            for (size_t name = 0; name < p[i].name_count; name++)
                wire_put_string(w, p[i].names[name]);
        }
    }
}

static void write_permissions(const struct agora_service *service, struct wire_writer *w) {
    const struct agora_rtm2_permission *p = service->permissions;
    size_t count = service->permission_count;
    if (are_ascending(p, count)) {
        write_resources(p, count, w);
        return;
    }

    struct agora_rtm2_permission sorted[AGORA_PERMISSIONS_UNORDERED_MAX];
    for (size_t i = 0; i < count; i++) {
        size_t at = i;
        for (; at > 0 && rank(&sorted[at - 1]) > rank(&p[i]); at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = p[i];
    }
    write_resources(sorted, count, w);
}

void service_write(const struct agora_service *service, struct wire_writer *w) {
    wire_put_u16(w, service->type);
    write_privileges(service, w);
    unsigned fields = fields_of[service->type];
    if (fields & FIELD_CHANNEL)
        wire_put_string(w, service->channel);
    if (fields & FIELD_USER)
        wire_put_string(w, service->user);
    if (fields & FIELD_ROLE)
        wire_put_u16(w, (uint16_t)service->role);
    if (fields & FIELD_PERMISSIONS)
        write_permissions(service, w);
}

static bool read_privileges(struct wire_reader *r, struct agora_service *service) {
    service->privilege_count = wire_get_u16(r);
    if (service->privilege_count > AGORA_PRIVILEGES_MAX)
        return false;
    for (size_t i = 0; i < service->privilege_count; i++) {
        service->privileges[i].privilege = wire_get_u16(r);
        service->privileges[i].expire = wire_get_u32(r);
    }
    return true;
}

struct extent {
    size_t permissions;
    size_t names;
};

/* Stores into permissions and names, or only counts while they are NULL. */
static struct extent walk_permissions(struct wire_reader *r,
                                      struct agora_rtm2_permission *permissions,
                                      struct agora_text *names) {
    struct extent at = {0};
    for (size_t resources = wire_get_u16(r); resources > 0 && !r->failed; resources--) {
        uint16_t resource = wire_get_u16(r);
        for (size_t left = wire_get_u16(r); left > 0 && !r->failed; left--) {
            uint16_t permission = wire_get_u16(r);
            uint16_t name_count = wire_get_u16(r);
            if (permissions)
                permissions[at.permissions] = (struct agora_rtm2_permission){
                    resource, permission, name_count, names + at.names};
            at.permissions++;
            for (size_t name = 0; name < name_count && !r->failed; name++) {
                struct agora_text text = wire_get_string(r);
                if (names)
                    names[at.names] = text;
                at.names++;
            }
        }
    }
    return at;
}

static enum agora_token_error read_permissions(struct wire_reader *r, struct arena *arena,
                                               struct agora_service *service) {
    struct wire_reader ahead = *r;
    struct extent extent = walk_permissions(&ahead, NULL, NULL);
    if (ahead.failed)
        return AGORA_TOKEN_MALFORMED;

    struct agora_rtm2_permission *permissions =
        arena_take(arena, extent.permissions, sizeof *permissions);
    struct agora_text *names = arena_take(arena, extent.names, sizeof *names);
    if (!permissions || !names)
        return AGORA_TOKEN_NO_ROOM;
    walk_permissions(r, permissions, names);
    service->permission_count = extent.permissions;
    service->permissions = permissions;
    return AGORA_TOKEN_OK;
}

static enum agora_token_error read_fields(struct wire_reader *r, struct arena *arena,
                                          struct agora_service *service) {
    unsigned fields = fields_of[service->type];
    if (fields & FIELD_CHANNEL)
        service->channel = wire_get_string(r);
    if (fields & FIELD_USER)
        service->user = wire_get_string(r);
    if (fields & FIELD_ROLE)
        service->role = (int16_t)wire_get_u16(r);
    return fields & FIELD_PERMISSIONS ? read_permissions(r, arena, service) : AGORA_TOKEN_OK;
}

enum agora_token_error service_read(struct wire_reader *r, struct arena *arena,
                                    struct agora_service *service) {
    struct wire_reader start = *r;
    *service = (struct agora_service){.type = wire_get_u16(r)};
    bool known = is_known(service->type) && read_privileges(r, service);
    if (!known && !r->failed) {
        *r = start;
        return AGORA_TOKEN_BAD_SERVICE;
    }

    enum agora_token_error error = known ? read_fields(r, arena, service) : AGORA_TOKEN_MALFORMED;
    if (!error && (r->failed || service_check(service) != AGORA_TOKEN_OK))
        error = AGORA_TOKEN_MALFORMED;
    return error;
}
