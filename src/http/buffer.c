#include "http/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "text.h"

enum {
    BUFFER_FIRST = 1024,
    BUFFER_KEPT = 64 * 1024, /* a larger one is freed, not used again */
};

void buffer_free(struct buffer *buffer) {
    free(buffer->data);
    *buffer = (struct buffer){0};
}

void buffer_clear(struct buffer *buffer) {
    if (buffer->capacity > BUFFER_KEPT)
        buffer_free(buffer);
    buffer->length = 0;
    buffer->failed = false;
}

char *buffer_reserve(struct buffer *buffer, size_t count) {
    if (buffer->failed)
        return NULL;
    if (count > buffer->capacity - buffer->length) {
        size_t capacity = buffer->capacity > 0 ? buffer->capacity : BUFFER_FIRST;
        while (capacity - buffer->length < count)
            capacity *= 2;
        char *data = realloc(buffer->data, capacity);
        if (!data) {
            buffer->failed = true;
            return NULL;
        }
        buffer->data = data;
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->length;
}

void buffer_put(struct buffer *buffer, struct agora_text text) {
    char *out = text.length > 0 ? buffer_reserve(buffer, text.length) : NULL;
    if (out) {
        memcpy(out, text.data, text.length);
        buffer->length += text.length;
    }
}

void buffer_puts(struct buffer *buffer, const char *string) {
    buffer_put(buffer, agora_text_of(string));
}

void buffer_put_number(struct buffer *buffer, size_t number) {
    char digits[24];
    char *first = digits + sizeof digits;
    do
        *--first = (char)('0' + number % 10);
    while (number /= 10);
    buffer_put(buffer, (struct agora_text){first, (size_t)(digits + sizeof digits - first)});
}

void buffer_printf(struct buffer *buffer, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *out = buffer_reserve(buffer, (size_t)length + 1);
    if (!out)
        return;
    va_start(arguments, format);
    vsnprintf(out, (size_t)length + 1, format, arguments);
    va_end(arguments);
    buffer->length += (size_t)length;
}

void buffer_put_json_string(struct buffer *buffer, struct agora_text text) {
    static const char values[] = "\"\\\b\f\n\r\t";
    static const char names[] = "\"\\bfnrt";
    static const char hex[] = "0123456789abcdef";
    size_t plain = 0; /* where what needs no escape begins */
    buffer_puts(buffer, "\"");
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\')
            continue;
        const char *value = memchr(values, byte, sizeof values - 1);
        char escape[] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
        if (value)
            escape[1] = names[value - values];
        buffer_put(buffer, (struct agora_text){text.data + plain, i - plain});
        buffer_put(buffer, (struct agora_text){escape, value ? 2 : sizeof escape});
        plain = i + 1;
    }
    if (text.length > 0)
        buffer_put(buffer, (struct agora_text){text.data + plain, text.length - plain});
    buffer_puts(buffer, "\"");
}
