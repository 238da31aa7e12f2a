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
