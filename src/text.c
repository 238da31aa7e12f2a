#include "text.h"

#include <stdint.h>

#include "json/utf8.h"

enum { NAME_LENGTH_MAX = 32 };

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

/* Characters that a terminal acts upon or does not show: controls, formats, marks of direction. */
static bool is_printable(uint32_t point) {
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0x0, 0x1f},        {0x7f, 0x9f},     {0xad, 0xad},       {0x61c, 0x61c},
        {0x180e, 0x180e},   {0x200b, 0x200f}, {0x2028, 0x202e},   {0x2060, 0x206f},
        {0xfeff, 0xfeff},   {0xfff9, 0xfffb}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
        {0xe0000, 0xe007f},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (point >= ranges[i].first && point <= ranges[i].last)
            return false;
    return true;
}

/* Takes a character from *text, or the first byte of what is none or is not printable. out gets at
 * most 4 bytes; returns how many. */
static size_t escape_next(struct agora_text *text, char *out) {
    static const char hex[] = "0123456789ABCDEF";
    size_t length = utf8_length(*text);
    unsigned char first = (unsigned char)text->data[0];
    uint32_t point = length > 1 ? first & (0xffu >> (length + 1)) : first;
    for (size_t i = 1; i < length; i++)
        point = point << 6 | ((unsigned char)text->data[i] & 0x3f);
    bool is_shown = length > 0 && is_printable(point);
    size_t taken = is_shown ? length : 1;
    if (is_shown)
        memcpy(out, text->data, length);
    else
        memcpy(out, (char[]){'%', hex[first >> 4], hex[first & 15]}, 3);
    *text = (struct agora_text){text->data + taken, text->length - taken};
    return is_shown ? length : 3;
}

struct quoted quote(struct agora_text value) {
    struct quoted quoted = {0};
    char *out = quoted.text;
    const char *end = value.length > QUOTED_BYTES_MAX ? value.data + QUOTED_BYTES_MAX : NULL;
    while (value.length > 0 && (!end || value.data < end))
        out += escape_next(&value, out);
    if (value.length > 0)
        memcpy(out, "...", sizeof "...");
    return quoted;
}

void text_print(struct agora_text text, FILE *out) {
    char escaped[4] = "";
    while (text.length > 0)
        fwrite(escaped, escape_next(&text, escaped), 1, out);
}

/* Levenshtein's distance, a row of his table at a time. */
static size_t distance(struct agora_text a, struct agora_text b) {
    size_t row[NAME_LENGTH_MAX + 1];
    for (size_t j = 0; j <= b.length; j++)
        row[j] = j;
    for (size_t i = 0; i < a.length; i++) {
        size_t diagonal = row[0]++;
        for (size_t j = 0; j < b.length; j++) {
            size_t best = diagonal + (a.data[i] != b.data[j]);
            diagonal = row[j + 1];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            row[j + 1] = diagonal + 1 < best ? diagonal + 1 : best;
        }
    }
    return row[b.length];
}

void nearest_try(struct nearest *nearest, const char *candidate) {
    struct agora_text name = nearest->name;
    struct agora_text other = agora_text_of(candidate);
    if (name.length == 0 || name.length > NAME_LENGTH_MAX || other.length > NAME_LENGTH_MAX)
        return;
    bool is_beginning =
        name.length <= other.length && memcmp(name.data, other.data, name.length) == 0;
    size_t found = is_beginning ? 0 : distance(name, other);
    if (found > (name.length + 1) / 3 || (nearest->best && found >= nearest->distance))
        return;
    nearest->best = candidate;
    nearest->distance = found;
}
