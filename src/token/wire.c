#include "token/wire.h"

#include <string.h>

void wire_put_bytes(struct wire_writer *w, const void *bytes, size_t count) {
    if (count > 0 && w->length <= w->size && count <= w->size - w->length)
        memcpy(w->data + w->length, bytes, count);
    w->length += count;
}

void wire_put_u16(struct wire_writer *w, uint16_t value) {
    uint8_t bytes[2] = {(uint8_t)value, (uint8_t)(value >> 8)};
    wire_put_bytes(w, bytes, sizeof bytes);
}

void wire_put_u32(struct wire_writer *w, uint32_t value) {
    uint8_t bytes[4];
    wire_store_u32(bytes, value);
    wire_put_bytes(w, bytes, sizeof bytes);
}

void wire_put_count(struct wire_writer *w, size_t count) {
    if (count > UINT16_MAX)
        w->malformed = true;
    wire_put_u16(w, (uint16_t)count);
}

void wire_put_string(struct wire_writer *w, struct agora_text text) {
    wire_put_count(w, text.length);
    wire_put_bytes(w, text.data, text.length);
}

/* NULL when fewer are left. */
static const uint8_t *take(struct wire_reader *r, size_t count) {
    if (count > r->left) {
        r->failed = true;
        r->left = 0;
    }
    if (r->failed)
        return NULL;
    const uint8_t *bytes = r->data;
    r->data += count;
    r->left -= count;
    return bytes;
}

uint16_t wire_get_u16(struct wire_reader *r) {
    const uint8_t *bytes = take(r, 2);
    return bytes ? (uint16_t)((unsigned)bytes[0] | (unsigned)bytes[1] << 8) : 0;
}

uint32_t wire_get_u32(struct wire_reader *r) {
    uint32_t low = wire_get_u16(r);
    return low | (uint32_t)wire_get_u16(r) << 16;
}

struct agora_text wire_get_string(struct wire_reader *r) {
    size_t length = wire_get_u16(r);
    const uint8_t *bytes = take(r, length);
    return bytes ? (struct agora_text){(const char *)bytes, length} : (struct agora_text){NULL, 0};
}
