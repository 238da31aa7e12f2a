#include "json/utf8.h"

#include <stdbool.h>
#include <stdint.h>

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
