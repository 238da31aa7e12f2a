#include "json/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "json/utf8.h"

enum {
    ARRAY_FIRST = 4, /* elements that memory is taken for first; json-c would take 32 */
};

struct reader {
    struct agora_text text;
    size_t at;
    unsigned flags;
    unsigned depth;
    size_t cost;
    char *strings; /* as long as the text; a string is decoded to the place of its opening quote */
    struct json_error *error;
};

static bool read_value(struct reader *reader, struct json_object **json);

static bool refuse(struct reader *reader, const char *expected) {
    reader->error->at = reader->at;
    reader->error->expected = expected;
    return false;
}

static bool fail_without_memory(struct reader *reader) {
    reader->error->no_memory = true;
    return refuse(reader, "more memory");
}

/* The next byte, -1 at the end. */
static int peek(const struct reader *reader) {
    return reader->at < reader->text.length ? (unsigned char)reader->text.data[reader->at] : -1;
}

static bool take(struct reader *reader, char c) {
    bool is_next = peek(reader) == c;
    reader->at += is_next;
    return is_next;
}

static int peek_behind_space(struct reader *reader) {
    while (take(reader, ' ') || take(reader, '\t') || take(reader, '\n') || take(reader, '\r'))
        ;
    return peek(reader);
}

static bool take_behind_space(struct reader *reader, char c) {
    return peek_behind_space(reader) == (unsigned char)c && take(reader, c);
}

/* Reads four hexadecimal digits into the unit. */
static bool read_unit(struct reader *reader, uint32_t *unit) {
    *unit = 0;
    for (int i = 0; i < 4; i++, reader->at++) {
        int digit = peek(reader) < 0 ? -1 : hex_digit(reader->text.data[reader->at]);
        if (digit < 0)
            return refuse(reader, "four hexadecimal digits");
        *unit = *unit << 4 | (uint32_t)digit;
    }
    return true;
}

/* Reads what follows \u, and the \u of a surrogate pair's other half, and writes UTF-8. */
static bool read_code_point(struct reader *reader, char **out) {
    static const unsigned char leads[] = {0, 0xc0, 0xe0, 0xf0};
    uint32_t point, low;
    if (!read_unit(reader, &point))
        return false;
    if (point >= 0xd800 && point <= 0xdfff) {
        if (point > 0xdbff || !take(reader, '\\') || !take(reader, 'u'))
            return refuse(reader, "both halves of a surrogate pair");
        if (!read_unit(reader, &low))
            return false;
        if (low < 0xdc00 || low > 0xdfff)
            return refuse(reader, "both halves of a surrogate pair");
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
    }
    int more = (point > 0x7f) + (point > 0x7ff) + (point > 0xffff);
    *(*out)++ = (char)(leads[more] | point >> 6 * more);
    while (more-- > 0)
        *(*out)++ = (char)(0x80 | (point >> 6 * more & 0x3f));
    return true;
}

static bool read_escape(struct reader *reader, char **out) {
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    if (take(reader, 'u'))
        return read_code_point(reader, out);
    const char *name = peek(reader) > 0 ? strchr(names, peek(reader)) : NULL;
    if (!name)
        return refuse(reader, "one of \"\\/bfnrtu");
    *(*out)++ = values[name - names];
    reader->at++;
    return true;
}

/* Reads a string from its opening quote. What it stands for is never longer than what stands
 * there, so that its place has room for it and the zero byte that ends it. */
static bool read_string(struct reader *reader, struct agora_text *string) {
    char *out = reader->strings + reader->at++;
    string->data = out;
    while (!take(reader, '"')) {
        int byte = peek(reader);
        if (byte < 0x20)
            return refuse(reader, byte < 0 ? "the end of the string" : "no raw control character");
        if (take(reader, '\\')) {
            if (!read_escape(reader, &out))
                return false;
            continue;
        }
        const char *source = reader->text.data + reader->at;
        size_t rest = reader->text.length - reader->at;
        size_t length = byte < 0x80 ? 1 : utf8_length((struct agora_text){source, rest});
        if (length == 0)
            return refuse(reader, "UTF-8");
        memcpy(out, source, length);
        out += length;
        reader->at += length;
    }
    *out = '\0';
    string->length = (size_t)(out - string->data);
    return true;
}

static bool skip_digits(struct reader *reader) {
    size_t first = reader->at;
    while (peek(reader) >= '0' && peek(reader) <= '9')
        reader->at++;
    return reader->at > first || refuse(reader, "a digit");
}

/* An integer that no 64 bits hold is a double, never another integer. */
static struct json_object *new_number(const char *digits, bool is_integer) {
    errno = 0;
    if (is_integer && *digits == '-') {
        long long number = strtoll(digits, NULL, 10);
        if (errno == 0)
            return json_object_new_int64(number);
    } else if (is_integer) {
        unsigned long long number = strtoull(digits, NULL, 10);
        if (errno == 0)
            return json_object_new_uint64(number);
    }
    return json_object_new_double_s(strtod(digits, NULL), digits);
}

static bool read_number(struct reader *reader, struct json_object **json) {
    size_t first = reader->at;
    take(reader, '-');
    if (!take(reader, '0') && !skip_digits(reader))
        return false;
    bool has_fraction = take(reader, '.');
    if (has_fraction && !skip_digits(reader))
        return false;
    bool has_exponent = take(reader, 'e') || take(reader, 'E');
    if (has_exponent) {
        if (!take(reader, '+'))
            take(reader, '-');
        if (!skip_digits(reader))
            return false;
    }
    char *digits = reader->strings + first;
    memcpy(digits, reader->text.data + first, reader->at - first);
    reader->strings[reader->at] = '\0';
    *json = new_number(digits, !has_fraction && !has_exponent);
    return *json || fail_without_memory(reader);
}

static bool read_word(struct reader *reader, struct json_object **json) {
    static const char *const words[] = {"null", "false", "true"};
    size_t rest = reader->text.length - reader->at;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t length = strlen(words[i]);
        if (rest < length || memcmp(reader->text.data + reader->at, words[i], length) != 0)
            continue;
        reader->at += length;
        return i == 0 || (*json = json_object_new_boolean(i == 2)) || fail_without_memory(reader);
    }
    return refuse(reader, "a value");
}

/* After a value that could not be read, or not be added for want of memory. */
static bool give_up(struct reader *reader, struct json_object *value) {
    json_object_put(value);
    return reader->error->expected ? false : fail_without_memory(reader);
}

static bool read_array(struct reader *reader, struct json_object **json) {
    *json = json_object_new_array_ext(ARRAY_FIRST);
    if (!*json)
        return fail_without_memory(reader);
    if (take_behind_space(reader, ']'))
        return true;
    do {
        struct json_object *value = NULL;
        if (!read_value(reader, &value) || json_object_array_add(*json, value) != 0)
            return give_up(reader, value);
    } while (take_behind_space(reader, ','));
    return take(reader, ']') || refuse(reader, "',' or ']'");
}

/* A member whose name has been read. */
static bool read_member(struct reader *reader, struct json_object *object, const char *name) {
    struct json_object *earlier, *value = NULL;
    reader->cost++;
    bool is_repeated = json_object_object_get_ex(object, name, &earlier);
    bool may_repeat = !(reader->flags & JSON_REFUSE_REPEATED);
    if (is_repeated && !may_repeat)
        return refuse(reader, "each name once");
    if (!take_behind_space(reader, ':'))
        return refuse(reader, "':'");
    if (peek_behind_space(reader) == '{' && json_object_is_type(earlier, json_type_object))
        value = json_object_get(earlier);
    if (!read_value(reader, &value))
        return give_up(reader, value);
    if (may_repeat && !value)
        return true;
    /* The last in the order of appearance counts, so a repeated one moves to the end. */
    if (is_repeated)
        json_object_object_del(object, name);
    return json_object_object_add(object, name, value) == 0 || give_up(reader, value);
}

static bool read_object(struct reader *reader, struct json_object **json) {
    if (!*json && !(*json = json_object_new_object()))
        return fail_without_memory(reader);
    if (take_behind_space(reader, '}'))
        return true;
    do {
        struct agora_text name;
        if (peek_behind_space(reader) != '"')
            return refuse(reader, "a name in double quotes");
        if (!read_string(reader, &name))
            return false;
        if (strlen(name.data) < name.length)
            return refuse(reader, "a name without a zero byte");
        if (!read_member(reader, *json, name.data))
            return false;
    } while (take_behind_space(reader, ','));
    return take(reader, '}') || refuse(reader, "',' or '}'");
}

/* *json is NULL, or an object which the members of the one to be read are added to. */
static bool read_value(struct reader *reader, struct json_object **json) {
    struct agora_text string;
    int byte = peek_behind_space(reader);
    bool is_container = byte == '{' || byte == '[';
    reader->cost += is_container ? JSON_CONTAINER_VALUES : 1;
    if (reader->cost > JSON_VALUES_MAX && !(reader->flags & JSON_ALLOW_MANY))
        return refuse(reader, "fewer values");
    if (is_container) {
        if (reader->depth == JSON_DEPTH_MAX)
            return refuse(reader, "at most 32 arrays and objects in one another");
        reader->depth++;
        reader->at++;
        bool is_read = byte == '{' ? read_object(reader, json) : read_array(reader, json);
        reader->depth--;
        return is_read;
    }
    if (byte == '-' || (byte >= '0' && byte <= '9'))
        return read_number(reader, json);
    if (byte != '"')
        return read_word(reader, json);
    if (!read_string(reader, &string))
        return false;
    *json = json_object_new_string_len(string.data, (int)string.length);
    return *json || fail_without_memory(reader);
}

bool json_read(struct agora_text text, unsigned flags, struct json_object **json,
               struct json_error *error) {
    struct reader reader = {.text = text, .flags = flags, .error = error};
    *json = NULL;
    *error = (struct json_error){0};
    reader.strings = malloc(text.length + 1);
    bool is_read = reader.strings ? read_value(&reader, json) : fail_without_memory(&reader);
    if (is_read && !(flags & JSON_ALLOW_TRAILING) && peek_behind_space(&reader) >= 0)
        is_read = refuse(&reader, "nothing behind the value");
    if (!is_read) {
        json_object_put(*json);
        *json = NULL;
    }
    free(reader.strings);
    return is_read;
}
