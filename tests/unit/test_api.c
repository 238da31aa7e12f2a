/* Endpoints as functions from a request to a response. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "api/api.h"
#include "api/parameters.h"
#include "unit.h"

enum { NOW = 1700000000 };

static struct settings settings = {
    .app_id = "970CA35de60c44645bbae8a215061b33",
    .app_certificate = "5CFd2fd1755d40ecb72977518be15d3b",
    .cors_allow_origin = "*",
};
static struct api api = {.settings = &settings, .now = NOW};
static struct response response;

static int make_api(void **state) {
    (void)state;
    api.minter = agora_minter_new();
    return api.minter ? 0 : -1;
}

static int free_api(void **state) {
    (void)state;
    agora_minter_free(api.minter);
    buffer_free(&response.body);
    return 0;
}

/* Asks, and returns the body as a string that the next call overwrites. */
static const char *ask(const char *method, const char *path, const char *query, const char *body) {
    struct request request = {
        .method = text(method), .path = text(path), .query = text(query), .body = text(body)};
    api_answer(&api, &request, &response);
    buffer_put(&response.body, (struct agora_text){"", 1});
    assert_false(response.body.failed);
    response.body.length--;
    return response.body.data;
}

static const char *get(const char *path, const char *query) {
    return ask("GET", path, query, "");
}

static const char *post(const char *body) {
    return ask("POST", "/getToken", "", body);
}

/* What a token says in short, such as "600 rtc:lecture/42:1,2,3,4 rtm:42:1", once its signature is
 * found to be ours: the token is minted again from what was read, with its salt, and compared. */

static uint32_t take(const uint8_t **at, size_t bytes) {
    uint32_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value |= (uint32_t)(*at)[i] << 8 * i;
    *at += bytes;
    return value;
}

static struct agora_text take_string(const uint8_t **at) {
    struct agora_text string = {.length = take(at, 2)};
    string.data = (const char *)*at;
    *at += string.length;
    return string;
}

static const char *summary(const char *body, const char *key) {
    static char out[2048];
    static uint8_t packed[2048];
    static uint8_t payload[4096];
    char quoted[32];
    snprintf(quoted, sizeof quoted, "\"%s\":\"007", key);
    const char *start = strstr(body, quoted);
    if (!start)
        fail_msg("no %s in %s", key, body);
    start += strlen(quoted);
    size_t encoded = strcspn(start, "\"");
    assert_true(EVP_DecodeBlock(packed, (const unsigned char *)start, (int)encoded) > 0);
    uLongf length = sizeof payload;
    assert_int_equal(uncompress(payload, &length, packed, encoded / 4 * 3), Z_OK);

    const uint8_t *at = payload;
    struct agora_service services[2] = {0};
    struct agora_token token = {.services = services};
    take_string(&at);
    token.app_id = take_string(&at);
    token.issue_ts = take(&at, 4);
    token.expire = take(&at, 4);
    token.salt = take(&at, 4);
    token.service_count = take(&at, 2);
    assert_int_equal(token.issue_ts, NOW);
    assert_true(token.service_count <= 2);
    int written = snprintf(out, sizeof out, "%u", token.expire);
    for (size_t i = 0; i < token.service_count; i++) {
        struct agora_service *service = &services[i];
        char privileges[64] = "";
        service->type = (uint16_t)take(&at, 2);
        service->privilege_count = (uint16_t)take(&at, 2);
        for (size_t p = 0; p < service->privilege_count; p++) {
            service->privileges[p].privilege = (uint16_t)take(&at, 2);
            service->privileges[p].expire = take(&at, 4);
            assert_int_equal(service->privileges[p].expire, token.expire);
            snprintf(privileges + strlen(privileges), sizeof privileges - strlen(privileges),
                     "%s%u", p ? "," : "", service->privileges[p].privilege);
        }
        if (service->type == AGORA_SERVICE_RTC)
            service->channel = take_string(&at);
        service->user = take_string(&at);
        written += snprintf(out + written, sizeof out - (size_t)written, " %s:%.*s%s%.*s:%s",
                            service->type == AGORA_SERVICE_RTC   ? "rtc"
                            : service->type == AGORA_SERVICE_RTM ? "rtm"
                                                                 : "chat",
                            (int)service->channel.length, service->channel.data,
                            service->type == AGORA_SERVICE_RTC ? "/" : "",
                            (int)service->user.length, service->user.data, privileges);
    }

    char again[2048];
    size_t again_length;
    assert_int_equal(agora_token_mint(api.minter, &token, text(settings.app_certificate), again,
                                      sizeof again, &again_length),
                     AGORA_TOKEN_OK);
    assert_int_equal(again_length, encoded + 3);
    assert_memory_equal(again, start - 3, again_length);
    return out;
}

static void expect_token(const char *body, const char *key, const char *expected) {
    if (response.status != HTTP_OK)
        fail_msg("%d %s, expected %s", response.status, body, expected);
    assert_string_equal(summary(body, key), expected);
}

static void expect_error(const char *body, enum http_status status, const char *part) {
    char start[64];
    snprintf(start, sizeof start, "{\"status\":%d,\"error\":\"", status);
    if (response.status != status || strncmp(body, start, strlen(start)) != 0 ||
        !strstr(body, "\"message\":\"") || !strstr(body, part))
        fail_msg("%d %s, expected %d with '%s'", response.status, body, status, part);
    assert_null(strstr(body, "Token\":"));
}

static void test_rtc(void **state) {
    (void)state;
    static const struct {
        const char *path;
        const char *query;
        const char *expected;
    } cases[] = {
        {"/rtc/lecture/publisher/uid/42/", "", "3600 rtc:lecture/42:1,2,3,4"},
        {"/rtc/lecture/publisher/uid/42", "", "3600 rtc:lecture/42:1,2,3,4"},
        {"/rtc/lecture/subscriber/uid/42/", "", "3600 rtc:lecture/42:1"},
        {"/rtc/lecture/Publisher/uid/42/", "", "3600 rtc:lecture/42:1"},
        {"/rtc/lecture//uid/42/", "", "3600 rtc:lecture/42:1"},
        {"/rtc/lecture/publisher/uid/0042/", "", "3600 rtc:lecture/42:1,2,3,4"},
        {"/rtc/lecture/publisher/uid/0/", "", "3600 rtc:lecture/:1,2,3,4"},
        {"/rtc/lecture/publisher/uid/000", "", "3600 rtc:lecture/:1,2,3,4"},
        {"/rtc/lecture/publisher/uid//", "", "3600 rtc:lecture/:1,2,3,4"},
        {"/rtc/lecture/publisher/uid/4294967295", "", "3600 rtc:lecture/4294967295:1,2,3,4"},
        {"/rtc/lecture/publisher/userAccount/0042", "", "3600 rtc:lecture/0042:1,2,3,4"},
        {"/rtc/lecture/publisher/userAccount/zo\xc3\xab", "",
         "3600 rtc:lecture/zo\xc3\xab:1,2,3,4"},
        {"/rtc/lecture/publisher/userAccount//", "", "3600 rtc:lecture/0:1,2,3,4"},
        {"/rtc/*/publisher/uid/42", "", "3600 rtc:*/42:1,2,3,4"},
        {"/rtc/a b!#$%&()+-:;<=.>?@[]^_{}|~,/x/uid/1", "",
         "3600 rtc:a b!#$%&()+-:;<=.>?@[]^_{}|~,/1:1"},
        {"/rtc/c/x/uid/1", "expiry=600", "600 rtc:c/1:1"},
        {"/rtc/c/x/uid/1", "expiry=0", "0 rtc:c/1:1"},
        {"/rtc/c/x/uid/1", "expiry=0060", "60 rtc:c/1:1"},
        {"/rtc/c/x/uid/1", "expiry=4294967295", "4294967295 rtc:c/1:1"},
        {"/rtc/c/x/uid/1", "a=b&expiry=1&expiry=2", "1 rtc:c/1:1"},
        {"/rtc/c/x/uid/1", "expiry=1&expiry=x", "1 rtc:c/1:1"},
        {"/rtc/c/x/uid/1", "expir%79=%36%30%30", "600 rtc:c/1:1"},
        {"/rtc/c/x/uid/1", "Expiry=1&expiryy=2&%zz=3&&=&x", "3600 rtc:c/1:1"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_token(get(cases[i].path, cases[i].query), "rtcToken", cases[i].expected);
}

static void test_rtc_errors(void **state) {
    (void)state;
    static const struct {
        const char *path;
        const char *query;
        const char *part;
    } cases[] = {
        {"/rtc//publisher/uid/1", "", "channel is missing"},
        {"/rtc/a'b/publisher/uid/1", "", "channel 'a'b'"},
        {"/rtc/a*b/publisher/uid/1", "", "channel 'a*b'"},
        {"/rtc/caf\xc3\xa9/publisher/uid/1", "", "channel 'caf%C3%A9'"},
        {"/rtc/a\nb/publisher/uid/1", "", "channel 'a%0Ab'"},
        {"/rtc/c/publisher/uid/-1", "", "rtcuid '-1'"},
        {"/rtc/c/publisher/uid/1x", "", "rtcuid '1x'"},
        {"/rtc/c/publisher/uid/ 1", "", "rtcuid ' 1'"},
        {"/rtc/c/publisher/uid/1.0", "", "from 0 to 4294967295"},
        {"/rtc/c/publisher/uid/4294967296", "", "rtcuid '4294967296'"},
        {"/rtc/c/publisher/uid/18446744073709551616", "", "rtcuid '18446744073709551616'"},
        {"/rtc/c/publisher/nonsense/1", "", "tokenType 'nonsense'"},
        {"/rtc/c/publisher//1", "", "use uid or userAccount"},
        {"/rtc/c/publisher/userAccount/a\tb", "", "rtcuid 'a%09b'"},
        {"/rtc/c/publisher/userAccount/a\x7f", "", "control character"},
        {"/rtc/c/publisher/uid/1", "expiry=", "expiry ''"},
        {"/rtc/c/publisher/uid/1", "expiry", "expiry ''"},
        {"/rtc/c/publisher/uid/1", "expiry=-5", "expiry '-5'"},
        {"/rtc/c/publisher/uid/1", "expiry=+5", "expiry ' 5'"},
        {"/rtc/c/publisher/uid/1", "expiry=5%20", "expiry '5 '"},
        {"/rtc/c/publisher/uid/1", "expiry=%zz", "expiry '%zz'"},
        {"/rtc/c/publisher/uid/1", "expiry=1%2", "expiry '1%2'"},
        {"/rtc/c/publisher/uid/1", "expiry=1.5", "expiry '1.5'"},
        {"/rtc/c/publisher/uid/1", "expiry=0x10", "expiry '0x10'"},
        {"/rtc/c/publisher/uid/1", "expiry=4294967296", "from 0 to 4294967295"},
        {"/rtc/c/publisher/uid/1", "expiry=99999999999999999999", "expiry '9999"},
        {"/rtc/c/publisher/uid/1", "expiry=x&expiry=1", "expiry 'x'"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_error(get(cases[i].path, cases[i].query), HTTP_BAD_REQUEST, cases[i].part);
}

static void test_lengths(void **state) {
    (void)state;
    char path[512];
    char name[300];
    memset(name, 'n', sizeof name);
    snprintf(path, sizeof path, "/rtc/%.*s/x/uid/1", AGORA_CHANNEL_MAX, name);
    get(path, "");
    assert_int_equal(response.status, HTTP_OK);
    snprintf(path, sizeof path, "/rtc/%.*s/x/uid/1", AGORA_CHANNEL_MAX + 1, name);
    expect_error(get(path, ""), HTTP_BAD_REQUEST, "65 bytes long: use 1 to 64 bytes");
    snprintf(path, sizeof path, "/rtm/%.*s", AGORA_USER_MAX, name);
    get(path, "");
    assert_int_equal(response.status, HTTP_OK);
    snprintf(path, sizeof path, "/rtm/%.*s", AGORA_USER_MAX + 1, name);
    expect_error(get(path, ""), HTTP_BAD_REQUEST, "256 bytes long: use 1 to 255 bytes");
    struct request request = {.method = text("GET"), .path = {"/rtm/a\0b", 8}};
    api_answer(&api, &request, &response);
    assert_int_equal(response.status, HTTP_BAD_REQUEST);
}

/* The largest token that the endpoints let through, of text that does not compress. */
static void test_largest_token(void **state) {
    (void)state;
    char path[512];
    char name[AGORA_USER_MAX];
    uint32_t random = 7;
    for (size_t i = 0; i < sizeof name; i++) {
        random = random * 1664525 + 1013904223;
        name[i] = (char)(0x80 | random >> 25);
    }
    snprintf(path, sizeof path,
             "/rte/0123456789012345678901234567890123456789012345678901234567890123/"
             "publisher/userAccount/%.*s",
             AGORA_USER_MAX, name);
    get(path, "");
    assert_int_equal(response.status, HTTP_OK);
    assert_true(response.body.length > 900);
}

static void test_rtm_and_chat(void **state) {
    (void)state;
    expect_token(get("/rtm/alice/", "expiry=5"), "rtmToken", "5 rtm:alice:1");
    expect_token(get("/rtm/00", ""), "rtmToken", "3600 rtm:00:1");
    expect_error(get("/rtm/0", ""), HTTP_BAD_REQUEST, "rtmuid '0'");
    expect_error(get("/rtm//", ""), HTTP_BAD_REQUEST, "rtmuid is missing");
    expect_error(get("/rtm/alice", "expiry=x"), HTTP_BAD_REQUEST, "expiry 'x'");
    expect_token(get("/chat/app/", ""), "chatToken", "3600 chat::2");
    expect_token(get("/chat/app", "expiry=9"), "chatToken", "9 chat::2");
    expect_error(get("/chat/app", "expiry=-9"), HTTP_BAD_REQUEST, "expiry '-9'");
    expect_token(get("/chat/account/bob", ""), "chatToken", "3600 chat:bob:1");
    expect_error(get("/chat/account//", ""), HTTP_BAD_REQUEST, "chatid is missing");
    expect_error(get("/chat/account/bob", "expiry=x"), HTTP_BAD_REQUEST, "expiry 'x'");
}

static void test_rte(void **state) {
    (void)state;
    static const struct {
        const char *path;
        const char *rtc;
        const char *rtm;
    } cases[] = {
        {"/rte/c/publisher/uid/7/bob/", "60 rtc:c/7:1,2,3,4", "60 rtc:c/bob:1,4 rtm:bob:1"},
        {"/rte/c/subscriber/uid/7", "60 rtc:c/7:1", "60 rtc:c/7:1,4 rtm:7:1"},
        {"/rte/c/subscriber/uid/7//", "60 rtc:c/7:1", "60 rtc:c/7:1,4 rtm:7:1"},
        {"/rte/c/publisher/uid//bob", "60 rtc:c/:1,2,3,4", "60 rtc:c/bob:1,4 rtm:bob:1"},
        {"/rte/c/publisher/uid/0/bob", "60 rtc:c/:1,2,3,4", "60 rtc:c/bob:1,4 rtm:bob:1"},
        {"/rte/c/publisher/userAccount/amy", "60 rtc:c/amy:1,2,3,4", "60 rtc:c/amy:1,4 rtm:amy:1"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        expect_token(get(cases[i].path, "expiry=60"), "rtcToken", cases[i].rtc);
        expect_token(get(cases[i].path, "expiry=60"), "rtmToken", cases[i].rtm);
    }
    static const char *const without_user[] = {
        "/rte/c/publisher/uid/0/",         "/rte/c/publisher/uid//",
        "/rte/c/publisher/uid///",         "/rte/c/publisher/uid/00/",
        "/rte/c/publisher/userAccount/0/", "/rte/c/publisher/userAccount//",
    };
    for (size_t i = 0; i < COUNT(without_user); i++)
        expect_error(get(without_user[i], ""), HTTP_BAD_REQUEST, "rtmuid is missing");
    expect_error(get("/rte/c/publisher/uid/x", ""), HTTP_BAD_REQUEST, "rtcuid 'x'");
    expect_error(get("/rte/c/publisher/uid/1/a\nb", ""), HTTP_BAD_REQUEST, "rtmuid 'a%0Ab'");
    expect_error(get("/rte/a'b/publisher/uid/1", ""), HTTP_BAD_REQUEST, "channel 'a'b'");
}

static void test_get_token(void **state) {
    (void)state;
    static const struct {
        const char *body;
        const char *expected;
    } cases[] = {
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"role\":\"publisher\",\"uid\":\"7\",\"expire\":"
         "60}",
         "60 rtc:c/7:1,2,3,4"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":\"7\"}", "3600 rtc:c/7:1"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":\"007\"}", "3600 rtc:c/7:1"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":\"0\"}", "3600 rtc:c/:1"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":0}", "3600 rtc:c/:1"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":7}", "3600 rtc:c/7:1"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":\"amy\"}", "3600 rtc:c/amy:1"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":\"4294967296\"}",
         "3600 rtc:c/4294967296:1"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":9007199254740991}",
         "3600 rtc:c/9007199254740991:1"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":\"7\",\"expire\":\"60\"}",
         "60 rtc:c/7:1"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":\"7\",\"expire\":0}", "3600 rtc:c/7:1"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":\"7\",\"expire\":null}",
         "3600 rtc:c/7:1"},
        {"{\"TOKENTYPE\":\"rtc\",\"Channel\":\"c\",\"UID\":\"7\"}", "3600 rtc:c/7:1"},
        {"{\"tokenType\":\"rtm\",\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":\"7\"}",
         "3600 rtc:c/7:1"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":\"6\",\"UID\":\"7\"}", "3600 rtc:c/7:1"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":\"7\",\"more\":{\"a\":[1]}} text {",
         "3600 rtc:c/7:1"},
        {" \n{\"tokenType\":\"rtm\",\"uid\":\"bob\"}", "3600 rtm:bob:1"},
        {"{\"tokenType\":\"rtm\",\"uid\":\"0\"}", "3600 rtm:0:1"},
        {"{\"tokenType\":\"rtm\",\"uid\":\"007\"}", "3600 rtm:007:1"},
        {"{\"tokenType\":\"rtm\",\"uid\":7}", "3600 rtm:7:1"},
        {"{\"tokenType\":\"rtm\",\"uid\":\"bob\",\"channel\":\"\"}", "3600 rtm:bob:1"},
        {"{\"tokenType\":\"rtm\",\"uid\":\"bob\",\"channel\":\"c\"}",
         "3600 rtc:c/bob:1,4 rtm:bob:1"},
        {"{\"tokenType\":\"chat\"}", "3600 chat::2"},
        {"{\"tokenType\":\"chat\",\"uid\":null}", "3600 chat::2"},
        {"{\"tokenType\":\"chat\",\"uid\":\"\"}", "3600 chat::2"},
        {"{\"tokenType\":\"chat\",\"uid\":\"bob\",\"expire\":900}", "900 chat:bob:1"},
        {"{\"tokenType\":\"chat\",\"uid\":\"jos\\u00e9\"}", "3600 chat:jos\xc3\xa9:1"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_token(post(cases[i].body), "token", cases[i].expected);
}

static void test_get_token_errors(void **state) {
    (void)state;
    static const struct {
        const char *body;
        const char *part;
    } cases[] = {
        {"", "not whole JSON"},
        {"{", "not whole JSON"},
        {"{\"tokenType\":\"rtc\"", "not whole JSON"},
        {"nonsense", "not JSON"},
        {"{'tokenType':'rtc'}", "not JSON"},
        {"{\"tokenType\":\"chat\",}", "not JSON"},
        {"{\"tokenType\":\"chat\" /* no */}", "not JSON"},
        {"{\"tokenType\":\"\xff\"}", "not JSON"},
        {"[]", "not a JSON object"},
        {"null\n", "not a JSON object"},
        {"{}", "use rtc, rtm, chat"},
        {"{\"tokenType\":\"RTC\"}", "tokenType 'RTC'"},
        {"{\"tokenType\":5}", "tokenType 5 is not valid: use a string"},
        {"{\"tokenType\":\"rtc\",\"uid\":\"7\"}", "channel is missing"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\"}", "uid is missing"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":\"\"}", "uid is missing"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"a'b\",\"uid\":\"7\"}", "channel 'a'b'"},
        {"{\"tokenType\":\"rtc\",\"channel\":7,\"uid\":\"7\"}", "channel 7"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":-1}", "uid -1"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":1.5}", "uid 1.5"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":1e3}", "uid 1e3"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":9007199254740992}", "9007199254740991"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":99999999999999999999}", "uid "},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":true}", "uid true"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":{}}", "uid {"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":\"a\\u0000b\"}", "uid 'a%00b'"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":\"7\",\"expire\":-5}", "expire -5"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":\"7\",\"expire\":\"\"}", "expire ''"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":\"7\",\"expire\":\"1h\"}",
         "expire '1h'"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":\"7\",\"expire\":4294967296}",
         "expire '4294967296'"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":\"7\",\"expire\":60.5}", "expire 60.5"},
        {"{\"tokenType\":\"rtm\"}", "uid is missing"},
        {"{\"tokenType\":\"rtm\",\"uid\":\"bob\",\"channel\":\"a'b\"}", "channel 'a'b'"},
        {"{\"tokenType\":\"chat\",\"uid\":\"a\\nb\"}", "uid 'a%0Ab'"},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "not JSON"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_error(post(cases[i].body), HTTP_BAD_REQUEST, cases[i].part);
}

static void test_routing(void **state) {
    (void)state;
    assert_string_equal(get("/ping", ""), "{\"message\":\"pong\"}");
    assert_string_equal(get("/ping/", "a=b"), "{\"message\":\"pong\"}");

    static const char *const unknown[] = {
        "",
        "/",
        "//ping",
        "/ping//",
        "/Ping",
        "/rtc",
        "/rtm/",
        "/rtm",
        "/chat/",
        "/chat/account",
        "/chat/account/",
        "/chat/invalid/",
        "/rtc/c/publisher/uid/",
        "/rtc/c/publisher/uid/1/2",
        "/rte/c/r/uid/1/2/3",
        "/getToken/x",
    };
    for (size_t i = 0; i < COUNT(unknown); i++)
        expect_error(get(unknown[i], ""), HTTP_NOT_FOUND, "no endpoint at '");

    expect_error(ask("POST", "/ping", "", ""), HTTP_METHOD_NOT_ALLOWED, "'POST'");
    assert_string_equal(response.allow, "GET, HEAD, OPTIONS");
    expect_error(ask("DELETE", "/rtm/bob", "", ""), HTTP_METHOD_NOT_ALLOWED, "'DELETE'");
    expect_error(get("/getToken", ""), HTTP_METHOD_NOT_ALLOWED, "use POST");
    assert_string_equal(response.allow, "POST, OPTIONS");

    ask("HEAD", "/ping", "", "");
    assert_int_equal(response.status, HTTP_OK);
    assert_true(response.head_only);
    assert_int_equal(response.body.length, strlen("{\"message\":\"pong\"}"));
    ask("OPTIONS", "/anything", "", "");
    assert_int_equal(response.status, HTTP_NO_CONTENT);

    struct request large = {
        .method = text("POST"), .path = text("/getToken"), .body_too_large = true};
    api_answer(&api, &large, &response);
    assert_int_equal(response.status, HTTP_CONTENT_TOO_LARGE);

    struct request foreign = {
        .method = text("GET"), .path = text("/ping"), .origin = text("x://y")};
    settings.cors_allow_origin[0] = '\0';
    api_answer(&api, &foreign, &response);
    assert_int_equal(response.status, HTTP_FORBIDDEN);
    settings.cors_allow_origin[0] = '*';
    api_answer(&api, &foreign, &response);
    assert_int_equal(response.status, HTTP_OK);
    assert_true(text_equals(response.cors_origin, "x://y"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rtc),          cmocka_unit_test(test_rtc_errors),
        cmocka_unit_test(test_lengths),      cmocka_unit_test(test_largest_token),
        cmocka_unit_test(test_rtm_and_chat), cmocka_unit_test(test_rte),
        cmocka_unit_test(test_get_token),    cmocka_unit_test(test_get_token_errors),
        cmocka_unit_test(test_routing),
    };
    return cmocka_run_group_tests_name("api", tests, make_api, free_api);
}
