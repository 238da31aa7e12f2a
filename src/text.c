#include "text.h"

struct agora_text text_cut(struct agora_text *rest, char separator) {
    const char *at = rest->length > 0 ? memchr(rest->data, separator, rest->length) : NULL;
    struct agora_text head = *rest;
    if (!at) {
        *rest = (struct agora_text){NULL, 0};
        return head;
    }
    head.length = (size_t)(at - rest->data);
    rest->data = at + 1;
    rest->length -= head.length + 1;
    return head;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int text_escape(struct agora_text text) {
    if (text.length < 3 || text.data[0] != '%')
        return -1;
    int high = hex_digit(text.data[1]);
    int low = hex_digit(text.data[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

struct quoted quote(struct agora_text value) {
    static const char hex[] = "0123456789ABCDEF";
    struct quoted quoted = {0};
    char *out = quoted.text;
    for (size_t i = 0; i < value.length; i++) {
        unsigned char byte = (unsigned char)value.data[i];
        if (i == QUOTED_BYTES_MAX) {
            memcpy(out, "...", 3);
            out += 3;
            break;
        }
        if (byte > 0x1f && byte < 0x7f) {
            *out++ = (char)byte;
        } else {
            *out++ = '%';
            *out++ = hex[byte >> 4];
            *out++ = hex[byte & 15];
        }
    }
    *out = '\0';
    return quoted;
}
