#include "token/service.h"

enum { FIELDS_MAX = 4 };

static const enum service_field fields_of[SERVICE_TYPE_LAST + 1][FIELDS_MAX] = {
    [AGORA_SERVICE_RTC] = {FIELD_CHANNEL, FIELD_USER},
    [AGORA_SERVICE_RTM] = {FIELD_USER},
    [AGORA_SERVICE_STREAMING] = {FIELD_CHANNEL, FIELD_USER},
    [AGORA_SERVICE_FPA] = {FIELD_END},
    [AGORA_SERVICE_CHAT] = {FIELD_USER},
    [AGORA_SERVICE_FCDN] = {FIELD_CHANNEL, FIELD_USER},
    [AGORA_SERVICE_APAAS] = {FIELD_CHANNEL, FIELD_USER, FIELD_ROLE},
    [AGORA_SERVICE_RTM2] = {FIELD_USER, FIELD_PERMISSIONS},
    [AGORA_SERVICE_CONVOAI] = {FIELD_END},
    [AGORA_SERVICE_STT] = {FIELD_END},
};

const enum service_field *service_fields(uint16_t type) {
    return type >= SERVICE_TYPE_FIRST && type <= SERVICE_TYPE_LAST ? fields_of[type] : NULL;
}

enum agora_token_error service_check(const struct agora_service *service) {
    if (!service_fields(service->type))
        return AGORA_TOKEN_BAD_SERVICE;
    if (service->privilege_count > AGORA_PRIVILEGES_MAX)
        return AGORA_TOKEN_BAD_PRIVILEGE;
    for (size_t i = 0; i < service->privilege_count; i++)
        for (size_t j = 0; j < i; j++)
            if (service->privileges[i].privilege == service->privileges[j].privilege)
                return AGORA_TOKEN_BAD_PRIVILEGE;
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

static void write_permissions(const struct agora_service *service, struct wire_writer *w) {
    const struct agora_rtm2_permission *p = service->permissions;
    size_t count = service->permission_count;

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

void service_write(const struct agora_service *service, struct wire_writer *w) {
    wire_put_u16(w, service->type);
    write_privileges(service, w);
    for (const enum service_field *field = service_fields(service->type); *field; field++) {
        switch (*field) {
        case FIELD_CHANNEL:
            wire_put_string(w, service->channel);
            break;
        case FIELD_USER:
            wire_put_string(w, service->user);
            break;
        case FIELD_ROLE:
            wire_put_u16(w, (uint16_t)service->role);
            break;
        case FIELD_PERMISSIONS:
            write_permissions(service, w);
            break;
        case FIELD_END:
            break;
        }
    }
}
