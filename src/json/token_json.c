#include "json/token_json.h"

#include "json/names.h"
#include "json/utf8.h"

static void put_hex(struct agora_text bytes, struct buffer *out) {
    static const char digits[] = "0123456789abcdef";
    buffer_puts(out, "\"");
    for (size_t i = 0; i < bytes.length; i++) {
        unsigned char byte = (unsigned char)bytes.data[i];
        const char pair[] = {digits[byte >> 4], digits[byte & 15]};
        buffer_put(out, (struct agora_text){pair, sizeof pair});
    }
    buffer_puts(out, "\"");
}

static void put_text(struct agora_text text, struct buffer *out) {
    if (utf8_valid_length(text) == text.length) {
        buffer_put_json_string(out, text);
        return;
    }
    buffer_puts(out, "{\"hex\":");
    put_hex(text, out);
    buffer_puts(out, "}");
}

static void put_privileges(const struct agora_privilege *privileges, size_t count,
                           struct buffer *out) {
    buffer_puts(out, ",\"privileges\":{");
    for (size_t i = 0; i < count; i++)
        buffer_printf(out, "%s\"%u\":%u", i == 0 ? "" : ",", privileges[i].privilege,
                      privileges[i].expire);
    buffer_puts(out, "}");
}

static void put_names(const struct agora_rtm2_permission *permission, struct buffer *out) {
    buffer_puts(out, "[");
    for (size_t i = 0; i < permission->name_count; i++) {
        buffer_puts(out, i == 0 ? "" : ",");
        put_text(permission->names[i], out);
    }
    buffer_puts(out, "]");
}

/* By resource. Only a short list need not be in order, so that only that is searched. */
static void put_permissions(const struct agora_service *service, struct buffer *out) {
    const struct agora_rtm2_permission *p = service->permissions;
    size_t count = service->permission_count;
    bool is_sorted = count > AGORA_PERMISSIONS_UNORDERED_MAX;
    const char *before = "{";
    buffer_puts(out, ",\"permissions\":");
    for (size_t i = 0; i < count; i++) {
        size_t earlier = i;
        while (earlier > 0 && p[earlier - 1].resource != p[i].resource)
            earlier = is_sorted ? 0 : earlier - 1;
        if (earlier > 0)
            continue;
        buffer_printf(out, "%s\"%u\":", before, p[i].resource);
        before = "{";
        for (size_t k = i; k < count; k++) {
            if (p[k].resource == p[i].resource) {
                buffer_printf(out, "%s\"%u\":", before, p[k].permission);
                put_names(&p[k], out);
                before = ",";
            } else if (is_sorted) {
                break;
            }
        }
        buffer_puts(out, "}");
        before = ",";
    }
    buffer_puts(out, count == 0 ? "{}" : "}");
}

static void put_service(const struct agora_service *service, struct buffer *out) {
    const struct service_name *name = service_name_of_type(service->type);
    buffer_printf(out, "{\"type\":\"%s\"", name->key);
    if (name->channel) {
        buffer_printf(out, ",\"%s\":", name->channel);
        put_text(service->channel, out);
    }
    if (name->user) {
        buffer_printf(out, ",\"%s\":", name->user);
        put_text(service->user, out);
    }
    if (name->has_role)
        buffer_printf(out, ",\"role\":%d", service->role);
    if (name->has_permissions)
        put_permissions(service, out);
    put_privileges(service->privileges, service->privilege_count, out);
    buffer_puts(out, "}");
}

/* An App ID is hexadecimal digits, or the token could not be read. */

static void put_007(const struct agora_reading *reading, struct buffer *out) {
    const struct agora_token *token = &reading->token;
    buffer_printf(out,
                  "{\"version\":\"007\",\"app_id\":\"%.*s\",\"issue_ts\":%u,\"expire\":%u,"
                  "\"salt\":%u,\"services\":[",
                  AGORA_HEX_LENGTH, token->app_id.data, token->issue_ts, token->expire,
                  token->salt);
    for (size_t i = 0; i < token->service_count; i++) {
        buffer_puts(out, i == 0 ? "" : ",");
        put_service(&token->services[i], out);
    }
    buffer_puts(out, "]");
    if (reading->unread > 0)
        buffer_printf(out, ",\"unread\":%zu,\"unread_type\":%u", reading->unread,
                      reading->unread_type);
}

static void put_006(const struct agora_token_006 *old, struct buffer *out) {
    buffer_printf(out,
                  "{\"version\":\"006\",\"app_id\":\"%.*s\",\"ts\":%u,\"salt\":%u,"
                  "\"channel_crc32\":%u,\"user_crc32\":%u",
                  AGORA_HEX_LENGTH, old->app_id.data, old->ts, old->salt, old->channel_crc,
                  old->user_crc);
    put_privileges(old->privileges, old->privilege_count, out);
}

void token_write_json(const struct agora_reading *reading, struct buffer *out) {
    if (reading->version == 6)
        put_006(&reading->old, out);
    else
        put_007(reading, out);
    buffer_puts(out, ",\"signature\":");
    put_hex((struct agora_text){(const char *)reading->signature, AGORA_SIGNATURE_LENGTH}, out);
    buffer_puts(out, "}");
}
