/* The reader of JSON: what it accepts, what that means, and what it says of the rest; and a token
 * as JSON. */
#include <stdio.h>
#include <stdlib.h>

#include "api/api.h"
#include "unit.h"
#include "json/reader.h"
#include "json/token_json.h"

/* Reads from memory of this very size, for the sanitizer to see a read past it. */
static bool read_copy(struct agora_text text, unsigned flags, struct json_object **json,
                      struct json_error *error) {
    char *copy = malloc(text.length > 0 ? text.length : 1);
    assert_non_null(copy);
    if (text.length > 0)
        memcpy(copy, text.data, text.length);
    bool is_read = json_read((struct agora_text){copy, text.length}, flags, json, error);
    free(copy);
    return is_read;
}

/* As one member of a body, which is refused with 400 if the member is no JSON. */
static enum http_status status_of_body_with(struct agora_text member) {
    static struct settings settings = {.app_id = "970CA35de60c44645bbae8a215061b33",
                                       .app_certificate = "5CFd2fd1755d40ecb72977518be15d3b"};
    struct api api = {.settings = &settings, .now = 1700000000, .minter = agora_minter_new()};
    struct response response = {0};
    struct buffer body = {0};
    buffer_puts(&body, "{\"tokenType\":\"rtm\",\"uid\":\"alice\",\"member\":");
    buffer_put(&body, member);
    buffer_puts(&body, "}");
    const struct request request = {text("POST"), text("/getToken"),
                                    .body = {body.data, body.length}};
    api_answer(&api, &request, &response);
    agora_minter_free(api.minter);
    buffer_free(&response.body);
    buffer_free(&body);
    return response.status;
}

static void put_case(struct json_object *json, struct buffer *out) {
    struct json_object *hex = json_object_object_get(json, "hex");
    struct json_object *unit = json_object_object_get(json, "text");
    const char *digits = hex ? json_object_get_string(hex) : "";
    for (; *digits; digits += 2) {
        char byte = (char)(hex_digit(digits[0]) << 4 | hex_digit(digits[1]));
        buffer_put(out, (struct agora_text){&byte, 1});
    }
    struct agora_text text = {json_object_get_string(unit), 0};
    text.length = (size_t)json_object_get_string_len(unit);
    struct json_object *times = json_object_object_get(json, "times");
    for (int i = times ? json_object_get_int(times) : 1; unit && i > 0; i--)
        buffer_put(out, text);
}

static void test_suite_of_cases(void **state) {
    (void)state;
    enum { CASES = 283 };
    /* RFC 8259 allows it, but a name here is compared as a string that ends with a zero byte. */
    static const char zero_byte[] = "y_object_escaped_null_in_key";
    /* Behind the member it ends the body, and what follows that is ignored. */
    static const char ends_body[] = "n_structure_object_followed_by_closing_object";
    struct json_object *file = json_object_from_file("tests/vectors/json_test_suite.json");
    struct json_object *cases = json_object_object_get(file, "cases");
    assert_int_equal(json_object_array_length(cases), CASES);
    for (size_t i = 0; i < CASES; i++) {
        struct json_object *json, *one = json_object_array_get_idx(cases, i);
        struct json_error error;
        struct buffer buffer = {0};
        put_case(one, &buffer);
        const struct agora_text text = {buffer.data, buffer.length};
        const char *name = json_object_get_string(json_object_object_get(one, "name"));
        bool is_good = name[0] == 'y' && strcmp(name, zero_byte) != 0;
        if (read_copy(text, 0, &json, &error) != is_good)
            fail_msg("%s as a text", name);
        if (!is_good && (error.at > text.length || !error.expected || error.no_memory))
            fail_msg("%s: %zu %s", name, error.at, error.expected);
        json_object_put(json);
        if (strcmp(name, ends_body) != 0 &&
            status_of_body_with(text) != (is_good ? HTTP_OK : HTTP_BAD_REQUEST))
            fail_msg("%s in a body", name);
        buffer_free(&buffer);
    }
    json_object_put(file);
}

static void test_values(void **state) {
    (void)state;
    static const struct {
        const char *text;
        unsigned flags;
        enum json_type type;
        const char *written;
    } cases[] = {
        {" null ", 0, json_type_null, NULL},
        {"true", 0, json_type_boolean, "true"},
        {"0", 0, json_type_int, "0"},
        {"-0", 0, json_type_int, "0"},
        {"18446744073709551615", 0, json_type_int, "18446744073709551615"},
        {"-9223372036854775808", 0, json_type_int, "-9223372036854775808"},
        /* Too large for an integer: as they stand there, but no integer. */
        {"18446744073709551616", 0, json_type_double, "18446744073709551616"},
        {"-9223372036854775809", 0, json_type_double, "-9223372036854775809"},
        {"1.50", 0, json_type_double, "1.50"},
        {"1E3", 0, json_type_double, "1E3"},
        {"1e-400", 0, json_type_double, "1e-400"},
        {"-1e400", 0, json_type_double, "-1e400"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", 0, json_type_string, "\"\\\"\\\\/\\b\\f\\n\\r\\t\""},
        {"\"\\u0041\\u00e9\\u20AC\\ud834\\uDd1E\"", 0, json_type_string,
         "\"A\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e\""},
        {"\"\\u007f\\u0080\\u07ff\\u0800\\ud7ff\\ue000\\uffff\"", 0, json_type_string,
         "\"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\""},
        {"\"\\ud800\\udc00\\udbff\\udfff\"", 0, json_type_string,
         "\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""},
        {"\"a\\u0000b\"", 0, json_type_string, "\"a\\u0000b\""},
        {"[1,[],{}, null ]", 0, json_type_array, "[1,[],{},null]"},
        /* Repeated members, as Go reads them into a struct. */
        {"{\"u\":\"a\",\"U\":\"b\",\"u\":\"c\"}", 0, json_type_object, "{\"U\":\"b\",\"u\":\"c\"}"},
        {"{\"u\":\"a\",\"u\":null}", 0, json_type_object, "{\"u\":\"a\"}"},
        {"{\"u\":null,\"v\":[null]}", 0, json_type_object, "{\"v\":[null]}"},
        {"{\"u\":null}", JSON_REFUSE_REPEATED, json_type_object, "{\"u\":null}"},
        {"{\"o\":{\"a\":1,\"b\":{\"c\":2}},\"o\":{\"b\":{\"d\":3},\"a\":4}}", 0, json_type_object,
         "{\"o\":{\"b\":{\"c\":2,\"d\":3},\"a\":4}}"},
        {"{\"o\":{\"a\":1},\"o\":2,\"o\":{\"b\":3}}", 0, json_type_object, "{\"o\":{\"b\":3}}"},
        {"{\"o\":{\"a\":1},\"o\":[{\"b\":3}]}", 0, json_type_object, "{\"o\":[{\"b\":3}]}"},
        {"{\"u\":1,\"U\":2}", JSON_REFUSE_REPEATED, json_type_object, "{\"u\":1,\"U\":2}"},
        {"\t1\r\n2", JSON_ALLOW_TRAILING, json_type_int, "1"},
        {"{}\xff", JSON_ALLOW_TRAILING, json_type_object, "{}"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct json_object *json;
        struct json_error error;
        if (!read_copy(text(cases[i].text), cases[i].flags, &json, &error))
            fail_msg("%s: expected %s at %zu", cases[i].text, error.expected, error.at);
        assert_int_equal(json_object_get_type(json), cases[i].type);
        if (cases[i].written)
            assert_string_equal(json_object_to_json_string_ext(
                                    json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
                                cases[i].written);
        json_object_put(json);
    }
}

static void test_errors(void **state) {
    (void)state;
    static const struct {
        const char *text;
        unsigned flags;
        size_t at;
        const char *expected;
    } cases[] = {
        {"", 0, 0, "a value"},
        {"nulL", 0, 0, "a value"},
        {"-", 0, 1, "a digit"},
        {"[1.]", 0, 3, "a digit"},
        {"[-01]", 0, 3, "',' or ']'"},
        {"[1 ", 0, 3, "',' or ']'"},
        {"{\"a\":1]", 0, 6, "',' or '}'"},
        {"{\"a\":1,}", 0, 7, "a name in double quotes"},
        {"{'a':1}", 0, 1, "a name in double quotes"},
        {"{\"a\" 1}", 0, 5, "':'"},
        {"{\"a\\u0000b\":1}", 0, 11, "a name without a zero byte"},
        {"{\"a\":1,\"a\":1}", JSON_REFUSE_REPEATED, 10, "each name once"},
        {"{\"a\":null,\"a\":1}", JSON_REFUSE_REPEATED, 13, "each name once"},
        {"\"abc", 0, 4, "the end of the string"},
        {"\"a\nb\"", 0, 2, "no raw control character"},
        {"\"a\x80\"", 0, 2, "UTF-8"},
        {"\"\xf0\x9d\x84", 0, 1, "UTF-8"},
        {"\"\\\xc3\xa9\"", 0, 2, "one of \"\\/bfnrtu"},
        {"\"\\", 0, 2, "one of \"\\/bfnrtu"},
        {"\"\\u00g0\"", 0, 5, "four hexadecimal digits"},
        {"\"\\u00", 0, 5, "four hexadecimal digits"},
        {"\"\\ud834\"", 0, 7, "both halves of a surrogate pair"},
        {"\"\\ud834\\n\"", 0, 8, "both halves of a surrogate pair"},
        {"\"\\ud834\\u0041\"", 0, 13, "both halves of a surrogate pair"},
        {"\"\\ud800\\ue000\"", 0, 13, "both halves of a surrogate pair"},
        {"\"\\udfff\"", 0, 7, "both halves of a surrogate pair"},
        {"\"\\udd1e\\ud834\"", 0, 7, "both halves of a surrogate pair"},
        {"1 2", 0, 2, "nothing behind the value"},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", 0, 32,
         "at most 32 arrays and objects in one another"},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", 0, 32, "a value"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct json_object *json;
        struct json_error error;
        if (read_copy(text(cases[i].text), cases[i].flags, &json, &error) || json)
            fail_msg("%s is accepted", cases[i].text);
        if (error.at != cases[i].at || strcmp(error.expected, cases[i].expected) != 0)
            fail_msg("%s: expected %s at %zu", cases[i].text, error.expected, error.at);
    }
}

/* The permissions of a token that holds these, as JSON to be given to json_object_put. */
static struct json_object *written_permissions(const struct agora_rtm2_permission *permissions,
                                               size_t count) {
    struct agora_service service = agora_service_rtm2(text("amy"), permissions, count, 60);
    struct agora_reading reading = {.version = 7,
                                    .token.app_id = text("970CA35de60c44645bbae8a215061b33")};
    struct buffer buffer = {0};
    struct json_object *json, *list;
    struct json_error error;
    reading.token.services = &service;
    reading.token.service_count = 1;
    token_write_json(&reading, &buffer);
    assert_true(read_copy((struct agora_text){buffer.data, buffer.length}, JSON_REFUSE_REPEATED,
                          &json, &error));
    list = json_object_get(json_object_object_get(
        json_object_array_get_idx(json_object_object_get(json, "services"), 0), "permissions"));
    json_object_put(json);
    buffer_free(&buffer);
    return list;
}

/* A text of a stranger's that json-c would need many times its length for. */
static void test_many_values(void **state) {
    (void)state;
    enum { REST = JSON_VALUES_MAX - JSON_CONTAINER_VALUES };
    static const struct {
        const char *value;
        size_t most; /* in an array, which counts too */
    } cases[] = {{"1", REST},
                 {"null", REST},
                 {"\"\"", REST},
                 {"{}", REST / JSON_CONTAINER_VALUES},
                 {"[]", REST / JSON_CONTAINER_VALUES}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (size_t more = 0; more < 2; more++) {
            struct buffer many = {0};
            struct json_object *json;
            struct json_error error;
            for (size_t j = 0; j < cases[i].most + more; j++) {
                buffer_puts(&many, j == 0 ? "[" : ",");
                buffer_puts(&many, cases[i].value);
            }
            buffer_puts(&many, "]");
            struct agora_text all = {many.data, many.length};
            assert_int_equal(read_copy(all, JSON_REFUSE_REPEATED, &json, &error), more == 0);
            json_object_put(json);
            if (more > 0)
                assert_string_equal(error.expected, "fewer values");
            assert_true(read_copy(all, JSON_ALLOW_MANY, &json, &error));
            json_object_put(json);
            buffer_free(&many);
        }
    }
}

/* Each resource stands once, in whatever order its permissions come; a long list comes in order. */
static void test_permissions(void **state) {
    (void)state;
    enum { MANY = 800 };
    static const struct agora_text names[] = {{"a\"", 2}, {"\xff", 1}};
    static const struct agora_rtm2_permission mixed[] = {
        {4, 1, 2, names}, {0, 0, 0, NULL}, {4, 0, 1, names}, {1, 0, 1, names}, {0, 1, 0, NULL}};
    static struct agora_rtm2_permission many[MANY];
    struct json_object *json = written_permissions(mixed, COUNT(mixed));
    assert_string_equal(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN),
                        "{\"4\":{\"1\":[\"a\\\"\",{\"hex\":\"ff\"}],\"0\":[\"a\\\"\"]},"
                        "\"0\":{\"0\":[],\"1\":[]},\"1\":{\"0\":[\"a\\\"\"]}}");
    json_object_put(json);
    json = written_permissions(mixed, 0);
    assert_int_equal(json_object_object_length(json), 0);
    json_object_put(json);

    for (uint16_t i = 0; i < MANY; i++)
        many[i] = (struct agora_rtm2_permission){i / 2, i % 2, 0, NULL};
    json = written_permissions(many, MANY);
    assert_int_equal(json_object_object_length(json), MANY / 2);
    json_object_object_foreach(json, resource, permissions) {
        (void)resource;
        assert_int_equal(json_object_object_length(permissions), 2);
    }
    json_object_put(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suite_of_cases), cmocka_unit_test(test_values),
        cmocka_unit_test(test_errors),         cmocka_unit_test(test_many_values),
        cmocka_unit_test(test_permissions),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
