#include "token/base64.h"

enum { INVALID = 64 };

static uint32_t digit(char c) {
    if (c >= 'A' && c <= 'Z')
        return (uint32_t)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint32_t)(c - 'a' + 26);
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0' + 52);
    return c == '+' ? 62 : c == '/' ? 63 : INVALID;
}

static size_t padding_of(struct agora_text text) {
    if (text.length == 0 || text.data[text.length - 1] != '=')
        return 0;
    return text.data[text.length - 2] == '=' ? 2 : 1;
}

bool base64_decode(struct agora_text text, uint8_t *out, size_t *length) {
    if (text.length % 4 != 0)
        return false;

    size_t padding = padding_of(text);
    uint8_t *at = out;
    for (size_t i = 0; i < text.length; i += 4) {
        size_t missing = i + 4 == text.length ? padding : 0;
        uint32_t bits = 0;
        for (size_t j = 0; j < 4 - missing; j++) {
            uint32_t six = digit(text.data[i + j]);
            if (six == INVALID)
                return false;
            bits |= six << (18 - 6 * j);
        }
        if (bits & ((1u << 8 * missing) - 1))
            return false;
        *at++ = (uint8_t)(bits >> 16);
        if (missing < 2)
            *at++ = (uint8_t)(bits >> 8);
        if (missing < 1)
            *at++ = (uint8_t)bits;
    }
    *length = (size_t)(at - out);
    return true;
}
