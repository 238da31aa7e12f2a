/* Requests and responses as plain data. */
#include <stdio.h>
#include <stdlib.h>

#include "http/buffer.h"
#include "http/cors.h"
#include "http/request.h"
#include "http/response.h"
#include "unit.h"

static void test_text_cut(void **state) {
    (void)state;
    struct agora_text rest = text("a//b");
    assert_true(text_equals(text_cut(&rest, '/'), "a"));
    assert_int_equal(text_cut(&rest, '/').length, 0);
    assert_true(text_equals(text_cut(&rest, '/'), "b"));
    assert_null(rest.data);
    rest = text("");
    assert_int_equal(text_cut(&rest, '/').length, 0);
    assert_null(rest.data);
}

/* Decodes a copy of this very size, for the sanitizer to see a read past it. */
static void expect_decoded(const char *encoded, size_t length, const char *expected) {
    char *copy = malloc(length);
    memcpy(copy, encoded, length);
    size_t decoded = percent_decode((struct agora_text){copy, length}, '+', ' ', copy);
    assert_int_equal(decoded, strlen(expected));
    for (size_t i = 0; i < decoded; i++)
        assert_int_equal(copy[i], expected[i] == '\1' ? '\0' : expected[i]);
    free(copy);
}

/* \1 stands for a zero byte. */
static void test_percent_decode(void **state) {
    (void)state;
    expect_decoded("%0A%fF%2b+%00", 13, "\n\xff+ \1");
    expect_decoded("%", 1, "\1");
    expect_decoded("%4", 2,
                   "\1"
                   "4");
    expect_decoded("%4g%g4%41", 9,
                   "\1"
                   "4g\1g4A");
}

static void test_trim(void **state) {
    (void)state;
    assert_true(text_equals(text_trim(text(" \t\r\na b\n ")), "a b"));
    assert_true(text_equals(text_trim(text("a")), "a"));
    assert_int_equal(text_trim(text(" \t")).length, 0);
    assert_int_equal(text_trim((struct agora_text){NULL, 0}).length, 0);
}

static void test_quote(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *quoted;
    } cases[] = {
        {"", ""},
        {"plain ~ 100%", "plain ~ 100%"},
        {"\u00e9\u20ac\U0001f600", "\u00e9\u20ac\U0001f600"},
        {"a\nb\x1b[\x7f", "a%0Ab%1B[%7F"},
        {"\xff\xc3", "%FF%C3"},                             /* no UTF-8 */
        {"\xc2\x85\xc2\x9b\xc2\xad", "%C2%85%C2%9B%C2%AD"}, /* C1, a soft hyphen */
        {"\u061c", "%D8%9C"},                               /* an Arabic letter mark */
        {"\u200a\u200b\u200f\u2010", "\u200a%E2%80%8B%E2%80%8F\u2010"},
        {"\u2027\u2028\u202e\u202f", "\u2027%E2%80%A8%E2%80%AE\u202f"},
        {"\u205f\u2060\u2066\u206f\u2070", "\u205f%E2%81%A0%E2%81%A6%E2%81%AF\u2070"},
        {"\ufeff\ufff9\ufffb\ufffc", "%EF%BB%BF%EF%BF%B9%EF%BF%BB\ufffc"},
        {"\U000e0001\U000e007f\U000e0100", "%F3%A0%80%81%F3%A0%81%BF\U000e0100"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(quote(text(cases[i].text)).text, cases[i].quoted);
    assert_string_equal(quote((struct agora_text){"a\0b", 3}).text, "a%00b");

    char bytes[QUOTED_BYTES_MAX + 3];
    memset(bytes, '\n', sizeof bytes);
    struct quoted quoted = quote((struct agora_text){bytes, QUOTED_BYTES_MAX});
    assert_int_equal(strlen(quoted.text), 3 * QUOTED_BYTES_MAX);
    quoted = quote((struct agora_text){bytes, QUOTED_BYTES_MAX + 1});
    assert_int_equal(strlen(quoted.text), 3 * QUOTED_BYTES_MAX + 3);
    assert_string_equal(quoted.text + 3 * QUOTED_BYTES_MAX, "...");
    /* The longest: a character of four bytes where the cut would be. */
    memcpy(bytes + QUOTED_BYTES_MAX - 1, "\U0001f600", 4);
    quoted = quote((struct agora_text){bytes, QUOTED_BYTES_MAX + 3});
    assert_string_equal(quoted.text + 3 * (QUOTED_BYTES_MAX - 1), "\U0001f600");
    bytes[QUOTED_BYTES_MAX + 2] = 'x'; /* no character, and more behind */
    quoted = quote((struct agora_text){bytes, QUOTED_BYTES_MAX + 3});
    assert_string_equal(quoted.text + 3 * (QUOTED_BYTES_MAX - 1), "%F0...");
}

static void test_text_print(void **state) {
    (void)state;
    char printed[1024] = "";
    char long_text[200] = "a\u202e";
    memset(long_text + 4, 'b', sizeof long_text - 5);
    FILE *out = fmemopen(printed, sizeof printed, "w");
    text_print(text(long_text), out);
    fclose(out);
    assert_memory_equal(printed, "a%E2%80%AEb", 11);
    assert_int_equal(strlen(printed), strlen(long_text) - 3 + 9);
}

static void test_nearest(void **state) {
    (void)state;
    static const char *const names[] = {"channel", "uid", "user", "certificate",
                                        "certificate-file"};
    static const struct {
        const char *name;
        const char *nearest;
    } cases[] = {
        {"chanel", "channel"},
        {"chanenl", "channel"},
        {"hannels", "channel"},
        {"c", "channel"},
        {"uidd", "uid"},
        {"usr", "user"},
        {"uesr", NULL},
        {"cert", "certificate"},
        {"certificte-fle", "certificate-file"},
        {"role", NULL},
        {"", NULL},
        {"channelchannelchannelchannelchannel", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct nearest nearest = {.name = text(cases[i].name)};
        for (size_t j = 0; j < COUNT(names); j++)
            nearest_try(&nearest, names[j]);
        if (cases[i].nearest)
            assert_string_equal(nearest.best, cases[i].nearest);
        else
            assert_null(nearest.best);
    }
}

static void test_buffer(void **state) {
    (void)state;
    struct buffer buffer = {0};
    for (size_t i = 0; i < 3000; i++) {
        buffer_put_number(&buffer, i);
        buffer_puts(&buffer, ",");
    }
    assert_int_equal(buffer.length, 10 * 2 + 90 * 3 + 900 * 4 + 2000 * 5);
    assert_memory_equal(buffer.data + buffer.length - 5, "2999,", 5);
    buffer_clear(&buffer);
    assert_int_equal(buffer.length, 0);
    static const char every[] = "a\"b\\c/\b\f\n\r\t\0\x1f\x7f\xc3\xa9";
    static const char written[] =
        "\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f\xc3\xa9\"\"\\n\"\"\"";
    buffer_put_json_string(&buffer, (struct agora_text){every, sizeof every - 1});
    buffer_put_json_string(&buffer, text("\n"));
    buffer_put_json_string(&buffer, (struct agora_text){NULL, 0});
    assert_int_equal(buffer.length, sizeof written - 1);
    assert_memory_equal(buffer.data, written, buffer.length);
    buffer_free(&buffer);
}

static void test_environment(void **state) {
    (void)state;
    char *environment[] = {"FCGI_ROLE=RESPONDER",   "PATH_INFO=/rtc/a=b", "REQUEST_METHOD=GET",
                           "QUERY_STRING=expiry=1", "HTTP_ORIGIN=null",   "HTTP_HOST=h:1",
                           "PATH_INFO_X=no",        "CONTENT_LENGTH=7",   NULL};
    struct request request;
    request_read_environment(&request, environment);
    assert_true(text_equals(request.method, "GET"));
    assert_true(text_equals(request.path, "/rtc/a=b"));
    assert_true(text_equals(request.query, "expiry=1"));
    assert_true(text_equals(request.origin, "null"));
    assert_true(text_equals(request.host, "h:1"));
    assert_int_equal(request_content_length(&request), 7);
    assert_null(request.body.data);

    static const struct {
        const char *text;
        size_t length;
    } lengths[] = {
        {"", 0},          {"0", 0},         {"x", 0},         {"-1", 0},
        {"65536", 65536}, {"65537", 65537}, {"70000", 65537}, {"99999999999999999999", 65537}};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        request.content_length = text(lengths[i].text);
        assert_int_equal(request_content_length(&request), lengths[i].length);
    }
    request.transfer_encoding = text("chunked");
    request.content_length = text("7");
    assert_int_equal(request_content_length(&request), 7);
    request.content_length = text("");
    assert_int_equal(request_content_length(&request), REQUEST_BODY_MAX + 1);
}

/* \1 stands for a NUL byte. */
static void test_path_from_uri(void **state) {
    (void)state;
    static const struct {
        const char *path_info;
        const char *script;
        const char *uri;
        const char *path;
    } cases[] = {
        {"/rtm/a", "/cgi-bin/x.cgi", "/cgi-bin/x.cgi//rtm/a", "/rtm/a"},
        {"", "/x.cgi", "/rtc/c/publisher/uid//?expiry=5", "/rtc/c/publisher/uid//"},
        {"", "/agora/x.cgi", "/agora/rtm/a%20b%3Fc%2fd%", "/rtm/a b?c/d\1"},
        {"", "/agora/x.cgi", "/agora/rtm/%zz%0",
         "/rtm/\1zz\1"
         "0"},
        {"", "/agora/x.cgi", "/agora//ping", "//ping"},
        {"", "/x.cgi", "/./rtm/.%2e", "/./rtm/.."},
        {"", "/agora/x.cgi", "/agora", "/agora"},
        {"", "/agora/x.cgi", "/agorax/ping", "/agorax/ping"},
        {"", "/cgi-bin/x.cgi", "/ping", "/ping"},
        {"", "/rtm/alice", "/rtm/alice?x=1", "/rtm/alice"},
        {"", "/rtc/a/publisher/uid/", "/rtc/a/publisher/uid//", "/rtc/a/publisher/uid//"},
        {"", "/rtm/a", "//rtm///a", "//rtm///a"},
        {"", "/rtm/", "/rtm/a/", "/a/"},
        {"", "/rtm/a", "/rtm/a/", "/a/"},
        {"", "/agora/x.cgi", "/agora/", "/"},
        {"", "", "/rtm/alice?x=http://a/b", "/rtm/alice"},
        {"", "/x.cgi", "http://a.example/rtm/alice", "/rtm/alice"},
        {"", "/x.cgi", "HTTPS://a.example/rtm/alice", "/rtm/alice"},
        {"", "/x.cgi", "*://a.example/rtm/alice", "\1"},
        {"", "/x.cgi", "*http://a.example/rtm/alice", "\1"},
        {"", "/x.cgi", "x://a.example/rtm/alice", "\1"},
        {"", "/x.cgi", "http://a.example?/rtm/alice", ""},
        {"", "/x.cgi", "http://a.example#/rtm/alice", ""},
        {"", "/x.cgi", "a?http://b/rtm/alice", "\1"},
        {"", "/x.cgi", "/rtm/a#b", "/rtm/a\1b"},
        {"", "/x.cgi", "/rtm/a%23b", "/rtm/a#b"},
        {"", "/x.cgi", "http://a.example", ""},
        {"", "/x.cgi", "http:/rtm/alice", "\1"},
        {"", "/x.cgi", "*", "\1"},
        {"", "/x.cgi", "", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char path_info[64], script[64], uri[64], expected[64];
        snprintf(path_info, sizeof path_info, "PATH_INFO=%s", cases[i].path_info);
        snprintf(script, sizeof script, "SCRIPT_NAME=%s", cases[i].script);
        snprintf(uri, sizeof uri, "REQUEST_URI=%s", cases[i].uri);
        char *environment[] = {uri, path_info, script, NULL};
        struct request request;
        request_read_environment(&request, environment);
        size_t length = strlen(cases[i].path);
        for (size_t at = 0; at < length; at++)
            expected[at] = cases[i].path[at] == '\1' ? '\0' : cases[i].path[at];
        if (request.path.length != length ||
            (length > 0 && memcmp(request.path.data, expected, length) != 0))
            fail_msg("%s is '%s'", cases[i].uri, quote(request.path).text);
    }
}

static char *written(const struct response *response) {
    struct buffer out = {0};
    response_write_head(response, &out);
    buffer_put(&out, response_content(response));
    buffer_put(&out, (struct agora_text){"", 1});
    assert_false(out.failed);
    return out.data;
}

static void test_response(void **state) {
    (void)state;
    struct response response = {0};
    response_clear(&response);
    buffer_puts(&response.body, "{}");
    char *out = written(&response);
    assert_string_equal(out, "Status: 200 OK\r\n"
                             "Content-Type: application/json; charset=utf-8\r\n"
                             "Cache-Control: private, no-cache, no-store, must-revalidate\r\n"
                             "Expires: -1\r\n"
                             "Pragma: no-cache\r\n"
                             "Vary: Origin\r\n"
                             "Content-Length: 2\r\n"
                             "\r\n"
                             "{}");
    free(out);

    response.head_only = true;
    out = written(&response);
    assert_non_null(strstr(out, "Content-Length: 2\r\n\r\n"));
    assert_null(strstr(out, "{}"));
    free(out);

    response_clear(&response);
    assert_false(response_error(&response, HTTP_BAD_REQUEST, "a \"b\" %s", "c/d"));
    response_header(&response, "Allow", text("POST"));
    out = written(&response);
    assert_non_null(strstr(out, "Status: 400 Bad Request\r\n"));
    assert_non_null(strstr(out, "\r\nAllow: POST\r\n"));
    assert_non_null(strstr(out, "\r\n\r\n{\"status\":400,\"error\":\"a \\\"b\\\" c/d\","
                                "\"message\":\"a \\\"b\\\" c/d\"}"));
    free(out);

    response_clear(&response);
    response.status = HTTP_NO_CONTENT;
    out = written(&response);
    assert_null(strstr(out, "Content-Length"));
    free(out);

    response_clear(&response);
    response.status = HTTP_UNAUTHORIZED;
    response.content_type = "text/html";
    response.caching = "Cache-Control: max-age=60\r\n";
    response_header(&response, "WWW-Authenticate", text("Bearer"));
    response_header(&response, "Retry-After", text("5"));
    buffer_puts(&response.body, "<p>");
    out = written(&response);
    assert_string_equal(out, "Status: 401 Unauthorized\r\n"
                             "Content-Type: text/html\r\n"
                             "Cache-Control: max-age=60\r\n"
                             "Vary: Origin\r\n"
                             "WWW-Authenticate: Bearer\r\n"
                             "Retry-After: 5\r\n"
                             "Content-Length: 3\r\n"
                             "\r\n"
                             "<p>");
    free(out);

    /* An error is JSON that nothing stores, whatever was to be answered. */
    response_error(&response, HTTP_SERVICE_UNAVAILABLE, "later");
    out = written(&response);
    assert_string_equal(out, "Status: 503 Service Unavailable\r\n"
                             "Content-Type: application/json; charset=utf-8\r\n"
                             "Cache-Control: private, no-cache, no-store, must-revalidate\r\n"
                             "Expires: -1\r\n"
                             "Pragma: no-cache\r\n"
                             "Vary: Origin\r\n"
                             "WWW-Authenticate: Bearer\r\n"
                             "Retry-After: 5\r\n"
                             "Content-Length: 48\r\n"
                             "\r\n"
                             "{\"status\":503,\"error\":\"later\",\"message\":\"later\"}");
    free(out);
    response_clear(&response);
    assert_int_equal(response.header_count, 0);
    buffer_free(&response.body);
}

static void test_cors(void **state) {
    (void)state;
    static const struct {
        const char *allow;
        const char *origin;
        const char *host;
        bool passes;
        bool echoed;
    } cases[] = {
        {"", "", "a.example", true, false},
        {"https://a.example", "", "a.example", true, false},
        {"*", "https://a.example", "b.example", true, true},
        {"*", "null", "b.example", true, true},
        {"https://a.example", "https://a.example", "b.example", true, true},
        {"https://a.example", "https://a.example.evil.example", "b.example", false, false},
        {"https://a.example", "https://a.exampl", "b.example", false, false},
        {"https://a.example, https://c.example", "https://c.example", "b.example", true, true},
        {"https://a.example,,", "null", "b.example", false, false},
        {"", "https://a.example", "b.example", false, false},
        {"", "null", "null", false, false},
        {"", "https://b.example:8443", "b.example:8443", true, false},
        {"", "https://b.example:8443", "b.example", false, false},
        {"", "https://B.example", "b.example", true, false},
        {"", "https://", "", false, false},
        {"*", "https://a.example\r\nX: y", "b.example", false, false},
        {"*", "\nhttps://a.example", "b.example", false, false},
        {"*", "https://a.example x", "b.example", false, false},
        {"*", "https://a.example\x7f", "b.example", false, false},
    };
    struct response response = {0};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct request request = {.origin = text(cases[i].origin), .host = text(cases[i].host)};
        response_clear(&response);
        bool passes = cors_check(cases[i].allow, CORS_NONE, &request, &response);
        if (passes != cases[i].passes || (response.header_count > 0) != cases[i].echoed)
            fail_msg("case %zu: %s", i, cases[i].origin);
        if (cases[i].echoed) {
            char *out = written(&response);
            char expected[256];
            snprintf(expected, sizeof expected,
                     "\r\nAccess-Control-Allow-Origin: %s\r\n"
                     "Access-Control-Allow-Methods: GET, POST, OPTIONS\r\n"
                     "Access-Control-Allow-Headers: Origin, Content-Type\r\n",
                     cases[i].origin);
            assert_non_null(strstr(out, expected));
            free(out);
        }
        assert_int_equal(response.status, passes ? HTTP_OK : HTTP_FORBIDDEN);
    }
    buffer_free(&response.body);
}

static void test_foreign(void **state) {
    (void)state;
    static const struct {
        const char *allow;
        const char *origin;
        bool is_foreign;
    } cases[] = {
        {"", "", false},
        {"", "https://b.example", false},
        {"", "https://a.example", true},
        {"*", "https://a.example", true},
        {"https://a.example", "https://a.example", false},
        {"https://a.example", "https://a.example:8443", true},
        {"null", "null", true},
        {"NULL,*", "null", true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct request request = {.origin = text(cases[i].origin), .host = text("b.example")};
        if (cors_is_foreign(cases[i].allow, &request) != cases[i].is_foreign)
            fail_msg("case %zu: %s", i, cases[i].origin);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_cut),      cmocka_unit_test(test_percent_decode),
        cmocka_unit_test(test_trim),          cmocka_unit_test(test_quote),
        cmocka_unit_test(test_text_cut),      cmocka_unit_test(test_quote),
        cmocka_unit_test(test_text_print),    cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_buffer),        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_path_from_uri), cmocka_unit_test(test_response),
        cmocka_unit_test(test_cors),          cmocka_unit_test(test_foreign),
    };
    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
