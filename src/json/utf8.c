#include "json/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

size_t utf8_length(struct agora_text text) {
    static const struct {
        unsigned char mask, lead;
        uint32_t least;
    } kinds[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    const unsigned char *bytes = (const unsigned char *)text.data;
    if (text.length == 0)
        return 0;
    size_t length = 1;
    while (length <= 4 && (bytes[0] & kinds[length - 1].mask) != kinds[length - 1].lead)
        length++;
    if (length > 4 || length > text.length)
        return 0;

    uint32_t point = (unsigned char)(bytes[0] & ~kinds[length - 1].mask);
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (bytes[i] & 0x3f);
    }
    bool surrogate = point >= 0xd800 && point <= 0xdfff;
    return point < kinds[length - 1].least || point > 0x10ffff || surrogate ? 0 : length;
}

size_t utf8_valid_length(struct agora_text text) {
    size_t at = 0;
    while (at < text.length) {
        size_t length = utf8_length((struct agora_text){text.data + at, text.length - at});
        if (length == 0)
            break;
        at += length;
    }
    return at;
}

static uint32_t code_point(const unsigned char *bytes, size_t length) {
    uint32_t point = bytes[0] & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; i++)
        point = point << 6 | (bytes[i] & 0x3f);
    return point;
}

size_t utf8_to_json_ascii(struct agora_text text, char *out) {
    char *at = out;
    while (text.length > 0) {
        size_t length = utf8_length(text);
        uint32_t point = length > 1 ? code_point((const unsigned char *)text.data, length) : 0;
        if (length <= 1)
            *at++ = text.data[0];
        else if (point <= 0xffff)
            at += sprintf(at, "\\u%04x", point);
        else
            at += sprintf(at, "\\u%04x\\u%04x", 0xd800 + ((point - 0x10000) >> 10),
                          0xdc00 + (point & 0x3ff));
        text.data += length > 0 ? length : 1;
        text.length -= length > 0 ? length : 1;
    }
    return (size_t)(at - out);
}
