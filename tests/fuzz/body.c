/*
 * The JSON bodies of the service: the first byte says which endpoint, the rest is the body. What
 * the checker below, written apart from the reader, does not call JSON is refused, and nothing else
 * for that reason; what is accepted means to json-c the same. Whatever comes, the answer is JSON
 * with a status that the endpoints have, and a token in it can be read and is ours.
 */
#include <json-c/json.h>

#include "fuzz.h"
#include "json/reader.h"

/* The bytes of a UTF-8 character, by the table of well-formed sequences in the Unicode standard. */
static size_t character(const uint8_t *at, size_t left) {
    static const uint8_t ranges[][3] = {
        /* of the first byte, and the least of the second one */
        {0xc2, 0xdf, 0x80}, {0xe0, 0xe0, 0xa0}, {0xe1, 0xef, 0x80},
        {0xf0, 0xf0, 0x90}, {0xf1, 0xf4, 0x80},
    };
    if (left > 0 && at[0] < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (left < 2 || at[0] < ranges[i][0] || at[0] > ranges[i][1])
            continue;
        size_t length = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
        uint8_t most = at[0] == 0xed ? 0x9f : at[0] == 0xf4 ? 0x8f : 0xbf;
        if (left < length || at[1] < ranges[i][2] || at[1] > most)
            return 0;
        for (size_t k = 2; k < length; k++)
            if (at[k] >> 6 != 2)
                return 0;
        return length;
    }
    return 0;
}

/* The unit that \uXXXX stands for, -1 when it is none. */
static long unit_of(const uint8_t *at, size_t left) {
    char digits[5] = {0};
    if (left < 6 || at[0] != '\\' || at[1] != 'u')
        return -1;
    memcpy(digits, at + 2, 4);
    return strspn(digits, "0123456789abcdefABCDEF") == 4 ? strtol(digits, NULL, 16) : -1;
}

/* The length of the string literal, 0 when it is none. */
static size_t string(const uint8_t *at, size_t left, bool *has_zero) {
    size_t i = 1;
    *has_zero = false;
    while (i < left && at[i] != '"') {
        size_t length = at[i] < 0x20 ? 0 : character(at + i, left - i);
        long unit = unit_of(at + i, left - i);
        if (unit >= 0xd800 && unit < 0xdc00) {
            long low = unit_of(at + i + 6, left - i - 6);
            length = low >= 0xdc00 && low < 0xe000 ? 12 : 0;
        } else if (unit >= 0) {
            length = unit >= 0xdc00 && unit < 0xe000 ? 0 : 6;
            *has_zero |= unit == 0;
        } else if (at[i] == '\\') {
            length = i + 1 < left && at[i + 1] && strchr("\"\\/bfnrt", at[i + 1]) ? 2 : 0;
        }
        if (length == 0)
            return 0;
        i += length;
    }
    return i < left ? i + 1 : 0;
}

static size_t digits(const uint8_t *at, size_t left) {
    size_t i = 0;
    while (i < left && at[i] >= '0' && at[i] <= '9')
        i++;
    return i;
}

/* The length of the number, 0 when it is none. */
static size_t number(const uint8_t *at, size_t left) {
    size_t i = left > 0 && at[0] == '-';
    size_t whole = digits(at + i, left - i);
    if (whole == 0)
        return 0;
    i += at[i] == '0' ? 1 : whole;
    if (i < left && at[i] == '.') {
        size_t fraction = digits(at + i + 1, left - i - 1);
        if (fraction == 0)
            return 0;
        i += 1 + fraction;
    }
    if (i < left && (at[i] == 'e' || at[i] == 'E')) {
        i++;
        i += i < left && (at[i] == '+' || at[i] == '-');
        size_t exponent = digits(at + i, left - i);
        if (exponent == 0)
            return 0;
        i += exponent;
    }
    return i;
}

static size_t scalar(const uint8_t *at, size_t left) {
    static const char *const words[] = {"true", "false", "null"};
    bool has_zero;
    for (size_t i = 0; i < 3; i++)
        if (left >= strlen(words[i]) && memcmp(at, words[i], strlen(words[i])) == 0)
            return strlen(words[i]);
    return at[0] == '"' ? string(at, left, &has_zero) : number(at, left);
}

/* Whether the bytes begin with a JSON value; how long that is. By a stack of what is open. */
static bool begins_with_json(const uint8_t *data, size_t size, size_t *length) {
    enum { VALUE, FIRST_VALUE, NAME, FIRST_NAME, COLON, NEXT } want = VALUE;
    char open[33];
    size_t depth = 0;
    for (size_t i = 0; i < size;) {
        bool has_zero;
        size_t token = 1;
        bool ends = false;
        char c = (char)data[i];
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        } else if ((want == VALUE || want == FIRST_VALUE) && (c == '{' || c == '[')) {
            if (depth == 32)
                return false;
            open[depth++] = c;
            want = c == '{' ? FIRST_NAME : FIRST_VALUE;
        } else if ((c == ']' && depth > 0 && open[depth - 1] == '[' &&
                    (want == FIRST_VALUE || want == NEXT)) ||
                   (c == '}' && depth > 0 && open[depth - 1] == '{' &&
                    (want == FIRST_NAME || want == NEXT))) {
            depth--;
            ends = true;
        } else if (want == VALUE || want == FIRST_VALUE) {
            token = scalar(data + i, size - i);
            ends = true;
        } else if (want == NAME || want == FIRST_NAME) {
            token = c == '"' ? string(data + i, size - i, &has_zero) : 0;
            if (token == 0 || has_zero)
                return false;
            want = COLON;
        } else if (want == COLON && c == ':') {
            want = VALUE;
        } else if (want == NEXT && c == ',') {
            want = open[depth - 1] == '{' ? NAME : VALUE;
        } else {
            return false;
        }
        if (token == 0)
            return false;
        i += token;
        if (ends)
            want = NEXT;
        if (ends && depth == 0) {
            *length = i;
            return true;
        }
    }
    return false;
}

/* json-c makes the largest integer of one that is larger. */
static bool has_large_integer(const uint8_t *data, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (digits(data + i, size - i) > 18)
            return true;
    return false;
}

static void compare_with_json_c(struct json_object *json, const uint8_t *data, size_t size) {
    struct json_tokener *tokener = json_tokener_new_ex(64);
    struct json_object *other = json_tokener_parse_ex(tokener, (const char *)data, (int)size);
    /* A number that ends the text might go on. */
    if (json_tokener_get_error(tokener) == json_tokener_continue)
        other = json_tokener_parse_ex(tokener, "", 1);
    expect(json_tokener_get_error(tokener) == json_tokener_success);
    expect(json_object_equal(json, other));
    json_object_put(other);
    json_tokener_free(tokener);
}

/* Returns whether the body is read. */
static bool check_reader(const uint8_t *data, size_t size) {
    const struct agora_text text = {(const char *)data, size};
    struct json_object *json;
    struct json_error error;
    size_t length;
    bool is_json = begins_with_json(data, size, &length);
    expect(json_read(text, JSON_ALLOW_TRAILING, &json, &error) == is_json);
    bool is_object = json_object_is_type(json, json_type_object);
    json_object_put(json);
    if (!is_json) {
        expect(error.expected && error.at <= size && !error.no_memory);
    } else if (json_read((struct agora_text){text.data, length}, JSON_REFUSE_REPEATED, &json,
                         &error)) {
        if (!has_large_integer(data, length))
            compare_with_json_c(json, data, length);
        json_object_put(json);
    }
    return is_object;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const paths[] = {"/getToken", "/token/generate", "/inspect"};
    if (size == 0 || size > REQUEST_BODY_MAX)
        return 0;

    const struct request request = {
        .method = agora_text_of("POST"),
        .path = agora_text_of(paths[data[0] % 3]),
        .body = {(const char *)data + 1, size - 1},
    };
    const struct response *response = ask(&request);
    const char *answer = response->body.data;
    bool is_read = check_reader(data + 1, size - 1);
    expect(response->status == (is_read ? response->status : HTTP_BAD_REQUEST));
    expect(response->status == HTTP_OK || response->status == HTTP_BAD_REQUEST);
    expect(is_read == !strstr(answer, ":\"the body is not "));

    struct json_object *json;
    struct json_error error;
    expect(json_read(agora_text_of(answer), JSON_REFUSE_REPEATED | JSON_ALLOW_MANY, &json, &error));
    struct json_object *inner = json_object_object_get(json, "data");
    bool is_coded = json_object_is_type(inner, json_type_object);
    struct json_object *token = json_object_object_get(is_coded ? inner : json, "token");
    if (json_object_is_type(token, json_type_string))
        read_ours(agora_text_of(json_object_get_string(token)));
    json_object_put(json);
    return 0;
}
