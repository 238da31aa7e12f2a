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

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct agora_text text_trim(struct agora_text text) {
    for (; text.length > 0 && is_blank(text.data[0]); text.length--)
        text.data++;
    while (text.length > 0 && is_blank(text.data[text.length - 1]))
        text.length--;
    return text;
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t percent_decode(struct agora_text text, char raw, char replacement, char *out) {
    size_t length = 0;
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];
        if (c == '%') {
            int high = i + 2 < text.length ? hex_digit(text.data[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text.data[i + 2]) : -1;
            c = (char)(low < 0 ? 0 : high * 16 + low);
            i += low < 0 ? 0 : 2;
        } else if (c == raw) {
            c = replacement;
        }
        out[length++] = c;
    }
    return length;
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
