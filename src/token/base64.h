/* Base64 (RFC 4648) in its one canonical form: no white space, unused bits zero. */
#ifndef TOKEN_BASE64_H
#define TOKEN_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agora_token.h"

/* Room that the decoded form of `length` characters never exceeds. */
static inline size_t base64_bound(size_t length) {
    return length / 4 * 3;
}

/* Decodes the standard alphabet with padding (section 4) into out, which holds
 * base64_bound(text.length). False for any other form. */
bool base64_decode(struct agora_text text, uint8_t *out, size_t *length);

/* Sections 4 and 5 of the RFC. A bit of base64_digits for those that are digits of the alphabet. */
enum base64_alphabet { BASE64_STANDARD = 0x40, BASE64_URL = 0x80 };
static const uint8_t base64_digits[256] = {
    ['A'] = 0xc0, ['B'] = 0xc1, ['C'] = 0xc2, ['D'] = 0xc3, ['E'] = 0xc4, ['F'] = 0xc5,
    ['G'] = 0xc6, ['H'] = 0xc7, ['I'] = 0xc8, ['J'] = 0xc9, ['K'] = 0xca, ['L'] = 0xcb,
    ['M'] = 0xcc, ['N'] = 0xcd, ['O'] = 0xce, ['P'] = 0xcf, ['Q'] = 0xd0, ['R'] = 0xd1,
    ['S'] = 0xd2, ['T'] = 0xd3, ['U'] = 0xd4, ['V'] = 0xd5, ['W'] = 0xd6, ['X'] = 0xd7,
    ['Y'] = 0xd8, ['Z'] = 0xd9, ['a'] = 0xda, ['b'] = 0xdb, ['c'] = 0xdc, ['d'] = 0xdd,
    ['e'] = 0xde, ['f'] = 0xdf, ['g'] = 0xe0, ['h'] = 0xe1, ['i'] = 0xe2, ['j'] = 0xe3,
    ['k'] = 0xe4, ['l'] = 0xe5, ['m'] = 0xe6, ['n'] = 0xe7, ['o'] = 0xe8, ['p'] = 0xe9,
    ['q'] = 0xea, ['r'] = 0xeb, ['s'] = 0xec, ['t'] = 0xed, ['u'] = 0xee, ['v'] = 0xef,
    ['w'] = 0xf0, ['x'] = 0xf1, ['y'] = 0xf2, ['z'] = 0xf3, ['0'] = 0xf4, ['1'] = 0xf5,
    ['2'] = 0xf6, ['3'] = 0xf7, ['4'] = 0xf8, ['5'] = 0xf9, ['6'] = 0xfa, ['7'] = 0xfb,
    ['8'] = 0xfc, ['9'] = 0xfd, ['+'] = 0x7e, ['/'] = 0x7f, ['-'] = 0xbe, ['_'] = 0xbf,
};

/*
 * Decodes digits without padding into out, which holds three bytes for every four of them. False
 * for anything else; out is then undefined. Inline, as the library shares no name with the service.
 */
static inline bool base64_decode_digits(struct agora_text text, enum base64_alphabet alphabet,
                                        uint8_t *out, size_t *length) {
    const unsigned char *in = (const unsigned char *)text.data;
    uint8_t *at = out;
    unsigned common = alphabet;
    size_t left = text.length;
    for (; left >= 4; left -= 4, in += 4) {
        unsigned a = base64_digits[in[0]], b = base64_digits[in[1]];
        unsigned c = base64_digits[in[2]], d = base64_digits[in[3]];
        common &= a & b & c & d;
        *at++ = (uint8_t)(a << 2 | (b & 0x3f) >> 4);
        *at++ = (uint8_t)(b << 4 | (c & 0x3f) >> 2);
        *at++ = (uint8_t)(c << 6 | (d & 0x3f));
    }

    uint32_t bits = 0;
    for (size_t i = 0; i < left; i++) {
        common &= base64_digits[in[i]];
        bits |= (base64_digits[in[i]] & 0x3fu) << (18 - 6 * i);
    }
    for (size_t i = 1; i < left; i++) {
        *at++ = (uint8_t)(bits >> 16);
        bits = bits << 8 & 0xffffff;
    }
    *length = (size_t)(at - out);
    return common != 0 && bits == 0 && left != 1;
}

#endif
