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

static void test_quote(void **state) {
    (void)state;
    assert_string_equal(quote(text("plain ~")).text, "plain ~");
    assert_string_equal(quote(text("")).text, "");
    assert_string_equal(quote((struct agora_text){"a\0b\n\x7f\xc3\xa9", 7}).text,
                        "a%00b%0A%7F%C3%A9");
    char bytes[QUOTED_BYTES_MAX + 1];
    memset(bytes, '\n', sizeof bytes);
    struct quoted quoted = quote((struct agora_text){bytes, QUOTED_BYTES_MAX});
    assert_int_equal(strlen(quoted.text), 3 * QUOTED_BYTES_MAX);
    quoted = quote((struct agora_text){bytes, QUOTED_BYTES_MAX + 1});
    assert_int_equal(strlen(quoted.text), 3 * QUOTED_BYTES_MAX + 3);
    assert_string_equal(quoted.text + 3 * QUOTED_BYTES_MAX, "...");
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
        {"", "", "/rtm/alice?x=http://a/b", "/rtm/alice"},
        {"", "/x.cgi", "http://a.example/rtm/alice", "/rtm/alice"},
        {"", "/x.cgi", "http://a.example?/rtm/alice", ""},
        {"", "/x.cgi", "http://a.example#/rtm/alice", ""},
        {"", "/x.cgi", "a?http://b/rtm/alice", ""},
        {"", "/x.cgi", "/rtm/a#b", "/rtm/a\1b"},
        {"", "/x.cgi", "/rtm/a%23b", "/rtm/a#b"},
        {"", "/x.cgi", "http://a.example", ""},
        {"", "/x.cgi", "*", ""},
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
    response.allow = "POST";
    response.cors_origin = text("https://a.example");
    out = written(&response);
    assert_non_null(strstr(out, "Status: 400 Bad Request\r\n"));
    assert_non_null(strstr(out, "\r\nAllow: POST\r\n"));
    assert_non_null(strstr(out, "\r\nAccess-Control-Allow-Origin: https://a.example\r\n"
                                "Access-Control-Allow-Methods: GET, POST, OPTIONS\r\n"
                                "Access-Control-Allow-Headers: Origin, Content-Type\r\n"));
    assert_non_null(strstr(out, "\r\n\r\n{\"status\":400,\"error\":\"a \\\"b\\\" c/d\","
                                "\"message\":\"a \\\"b\\\" c/d\"}"));
    free(out);

    response_clear(&response);
    response.status = HTTP_NO_CONTENT;
    out = written(&response);
    assert_null(strstr(out, "Content-Length"));
    free(out);
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
    };
    struct response response = {0};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct request request = {.origin = text(cases[i].origin), .host = text(cases[i].host)};
        response_clear(&response);
        bool passes = cors_check(cases[i].allow, &request, &response);
        if (passes != cases[i].passes || (response.cors_origin.length > 0) != cases[i].echoed)
            fail_msg("case %zu: %s", i, cases[i].origin);
        assert_int_equal(response.status, passes ? HTTP_OK : HTTP_FORBIDDEN);
    }
    buffer_free(&response.body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_cut),      cmocka_unit_test(test_quote),
        cmocka_unit_test(test_buffer),        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_path_from_uri), cmocka_unit_test(test_response),
        cmocka_unit_test(test_cors),
    };
    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
