/* Endpoints as functions from a request to a response. */
#include <stdio.h>
#include <stdlib.h>

#include <json-c/json.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <zlib.h>

#include "api/api.h"
#include "api/parameters.h"
#include "api/routes.h"
#include "text.h"
#include "unit.h"

enum { NOW = 1700000000 };

/* The linker hands this program the service's calls for memory, zlib's and json-c's included (see
 * the Makefile), and OpenSSL takes allocators at run time. */
static bool counting;
static size_t made;    /* allocations since counting began */
static size_t fail_at; /* the one that fails; 0: none */

static bool is_refused(void) {
    return counting && ++made == fail_at;
}

#define FAILING(type, name, failure, parameters, arguments)                                        \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters {                                                                \
        return is_refused() ? failure : __real_##name arguments;                                   \
    }

FAILING(void *, malloc, NULL, (size_t size), (size))
FAILING(void *, calloc, NULL, (size_t count, size_t size), (count, size))
FAILING(void *, realloc, NULL, (void *memory, size_t size), (memory, size))
FAILING(int, inflateInit_, Z_MEM_ERROR, (z_stream * stream, const char *version, int size),
        (stream, version, size))
FAILING(int, json_object_object_add, -1,
        (struct json_object * object, const char *key, struct json_object *value),
        (object, key, value))
FAILING(int, json_object_array_add, -1, (struct json_object * array, struct json_object *value),
        (array, value))
FAILING(const char *, json_object_to_json_string, NULL, (struct json_object * json), (json))
FAILING(struct json_object *, json_object_new_object, NULL, (void), ())
FAILING(struct json_object *, json_object_new_array_ext, NULL, (int size), (size))
FAILING(struct json_object *, json_object_new_string_len, NULL, (const char *text, int length),
        (text, length))
FAILING(struct json_object *, json_object_new_int64, NULL, (int64_t number), (number))
FAILING(struct json_object *, json_object_new_uint64, NULL, (uint64_t number), (number))
FAILING(struct json_object *, json_object_new_double_s, NULL, (double number, const char *text),
        (number, text))
FAILING(struct json_object *, json_object_new_boolean, NULL, (json_bool flag), (flag))

static void *openssl_alloc(size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    return __wrap_malloc(size);
}

static void *openssl_realloc(void *memory, size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    return __wrap_realloc(memory, size);
}

static void openssl_free(void *memory, const char *file, int line) {
    (void)file;
    (void)line;
    free(memory);
}

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
 * found to be ours. Types are numbers but for the usual three; a lifetime stands with a privilege
 * where it is not the token's. */

static void print_service(const struct agora_token *token, const struct agora_service *service,
                          FILE *out) {
    static const char *const names[] = {[AGORA_SERVICE_RTC] = "rtc",
                                        [AGORA_SERVICE_RTM] = "rtm",
                                        [AGORA_SERVICE_CHAT] = "chat",
                                        [AGORA_SERVICE_STT] = NULL};
    if (names[service->type])
        fprintf(out, " %s:", names[service->type]);
    else
        fprintf(out, " %u:", service->type);
    if (service->channel.length > 0)
        fprintf(out, "%.*s/", (int)service->channel.length, service->channel.data);
    fprintf(out, "%.*s:", (int)service->user.length, service->user.data);
    for (size_t i = 0; i < service->privilege_count; i++) {
        const struct agora_privilege *p = &service->privileges[i];
        fprintf(out, "%s%u", i ? "," : "", p->privilege);
        if (p->expire != token->expire)
            fprintf(out, "=%u", p->expire);
    }
    if (service->type == AGORA_SERVICE_APAAS)
        fprintf(out, ":%d", service->role);
    for (size_t i = 0; i < service->permission_count; i++) {
        const struct agora_rtm2_permission *p = &service->permissions[i];
        fprintf(out, " %u.%u", p->resource, p->permission);
        for (size_t name = 0; name < p->name_count; name++)
            fprintf(out, "+%.*s", (int)p->names[name].length, p->names[name].data);
    }
}

static const char *summary(const char *body, const char *key) {
    static char text_[4096];
    static char room[AGORA_READ_ROOM];
    char quoted[32];
    struct agora_reading reading;
    snprintf(quoted, sizeof quoted, "\"%s\":\"007", key);
    const char *start = strstr(body, quoted);
    if (!start)
        fail_msg("no %s in %s", key, body);
    start += strlen(quoted) - 3;
    struct agora_text encoded = {start, strcspn(start, "\"")};
    assert_int_equal(agora_token_read(encoded, room, sizeof room, &reading), AGORA_TOKEN_OK);
    assert_int_equal(agora_token_verify(&reading, text(settings.app_certificate)), AGORA_TOKEN_OK);
    assert_int_equal(reading.token.issue_ts, NOW);
    assert_true(text_equals(reading.token.app_id, settings.app_id));

    FILE *out = fmemopen(text_, sizeof text_, "w");
    assert_non_null(out);
    fprintf(out, "%u", reading.token.expire);
    for (size_t i = 0; i < reading.token.service_count; i++)
        print_service(&reading.token, &reading.token.services[i], out);
    fclose(out);
    return text_;
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
        {"/rtc/caf\xc3\xa9/publisher/uid/1", "", "channel 'caf\xc3\xa9'"},
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
        {"{\"tokenType\":\"rtm\",\"uid\":\"a\",\"UID\":\"b\",\"uid\":\"c\"}", "3600 rtm:c:1"},
        {"{\"tokenType\":\"rtm\",\"uid\":\"a\",\"uid\":null}", "3600 rtm:a:1"},
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
        {"{\"tokenType\":\"rtm\",\"uid\":\"\xc3\"}", "not JSON"},
        {"{\"tokenType\":\"rtm\",\"uid\":\"\\\xc3\xa9\"}", "not JSON"},
        {"{\"tokenType\":\"chat\",\"uid\\u0000\":\"\"}", "a name without a zero byte"},
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
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":99999999999999999999}", "uid"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":true}", "uid true"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":{}}", "uid {"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":\"a\\u0000b\"}", "uid 'a%00b'"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":\"7\",\"expire\":-5}", "expire -5"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":\"7\",\"expire\":\"\"}", "expire ''"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":\"7\",\"expire\":\"1h\"}",
         "expire '1h'"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":\"7\",\"expire\":4294967296}",
         "expire 4294967296 is not valid: use a whole number of seconds"},
        {"{\"tokenType\":\"rtc\",\"channel\":\"c\",\"uid\":\"7\",\"expire\":60.5}", "expire 60.5"},
        {"{\"tokenType\":\"rtm\"}", "uid is missing"},
        {"{\"tokenType\":\"rtm\",\"uid\":\"bob\",\"channel\":\"a'b\"}", "channel 'a'b'"},
        {"{\"tokenType\":\"chat\",\"uid\":\"a\\nb\"}", "uid 'a%0Ab'"},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "not JSON"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_error(post(cases[i].body), HTTP_BAD_REQUEST, cases[i].part);
}

static void test_get_token_of_other_services(void **state) {
    (void)state;
    static const struct {
        const char *body;
        const char *expected;
    } cases[] = {
        {"{\"tokenType\":\"fpa\"}", "86400 4::1=0"},
        {"{\"tokenType\":\"fpa\",\"expire\":60}", "60 4::1=0"},
        {"{\"tokenType\":\"streaming\",\"channel\":\"c\",\"uid\":7}", "3600 3:c/7:1,2"},
        {"{\"tokenType\":\"fcdn\",\"channel\":\"c\",\"uid\":\"amy\"}", "3600 6:c/amy:1,2"},
        {"{\"tokenType\":\"apaas\"}", "3600 7::3:-1"},
        {"{\"tokenType\":\"apaas\",\"uid\":\"amy\"}", "3600 7:amy:2:-1"},
        {"{\"tokenType\":\"apaas\",\"uid\":\"1\",\"room\":\"r\",\"role\":2}",
         "3600 rtm:1:1 chat:c4ca4238a0b923820dcc509a6f75849b:1 7:r/1:1:2"},
        {"{\"tokenType\":\"rtm2\",\"uid\":\"amy\"}", "3600 8:amy:1"},
        {"{\"tokenType\":\"rtm2\",\"uid\":\"amy\",\"permissions\":{\"users\":{\"WRITE\":[]},"
         "\"messageChannels\":{\"write\":[\"c\"],\"read\":[\"a\",\"b\"]}}}",
         "3600 8:amy:1 0.0+a+b 0.1+c 4.1"},
        {"{\"tokenType\":\"rtm2\",\"uid\":\"amy\",\"permissions\":{\"users\":null}}",
         "3600 8:amy:1"},
        {"{\"tokenType\":\"convoai\",\"channel\":\"c\",\"uid\":\"7\",\"role\":\"publisher\"}",
         "3600 rtc:c/7:1,2,3,4 rtm:7:1 9::"},
        {"{\"tokenType\":\"stt\",\"channel\":\"c\",\"uid\":\"7\",\"expire\":60}",
         "60 rtc:c/7:1 rtm:7:1 10::"},
        {"{\"tokenType\":\"rtc-rtm\",\"channel\":\"c\",\"uid\":\"7\"}", "3600 rtc:c/7:1 rtm:7:1"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_token(post(cases[i].body), "token", cases[i].expected);

    static const struct {
        const char *body;
        const char *part;
    } errors[] = {
        {"{\"tokenType\":\"streaming\",\"uid\":\"1\"}", "channel is missing"},
        {"{\"tokenType\":\"fcdn\",\"channel\":\"c\"}", "uid is missing"},
        {"{\"tokenType\":\"apaas\",\"room\":\"r\"}", "uid is missing"},
        {"{\"tokenType\":\"apaas\",\"room\":\"r\",\"uid\":\"1\",\"role\":\"x\"}",
         "role \\\"x\\\" is not valid"},
        {"{\"tokenType\":\"apaas\",\"room\":\"r\",\"uid\":\"1\",\"role\":32768}",
         "-32768 to 32767"},
        {"{\"tokenType\":\"rtm2\"}", "uid is missing"},
        {"{\"tokenType\":\"rtm2\",\"uid\":\"a\",\"permissions\":[]}", "use an object"},
        {"{\"tokenType\":\"rtm2\",\"uid\":\"a\",\"permissions\":{\"rooms\":{}}}", "'rooms'"},
        {"{\"tokenType\":\"rtm2\",\"uid\":\"a\",\"permissions\":{\"users\":[]}}", "'users'"},
        {"{\"tokenType\":\"rtm2\",\"uid\":\"a\",\"permissions\":{\"users\":{\"own\":[]}}}",
         "'own'"},
        {"{\"tokenType\":\"rtm2\",\"uid\":\"a\",\"permissions\":{\"users\":{\"read\":\"b\"}}}",
         "'read'"},
        {"{\"tokenType\":\"rtm2\",\"uid\":\"a\",\"permissions\":{\"users\":{\"read\":[5]}}}", "5"},
        {"{\"tokenType\":\"rtm2\",\"uid\":\"a\",\"permissions\":{\"users\":{\"read\":[\"\"]}}}",
         "permissions: name is missing"},
        {"{\"tokenType\":\"rtm2\",\"uid\":\"a\",\"permissions\":{\"users\":{\"read\":[],\"READ\":[]"
         "}}}",
         "repeatedly"},
        {"{\"tokenType\":\"convoai\",\"channel\":\"c\",\"uid\":\"0\"}", "uid '0'"},
        {"{\"tokenType\":\"video\"}",
         "use rtc, rtm, chat, fpa, streaming, fcdn, apaas, rtm2, convoai, stt or rtc-rtm"},
        {"{\"tokenType\":\"stt\",\"channel\":\"c\",\"uid\":\"00\"}", "uid '00'"},
    };
    for (size_t i = 0; i < COUNT(errors); i++)
        expect_error(post(errors[i].body), HTTP_BAD_REQUEST, errors[i].part);
}

static void test_token_generate(void **state) {
    (void)state;
    static const struct {
        const char *body;
        const char *expected; /* a token's summary, or a part of the message */
        bool is_error;
    } cases[] = {
        {"{\"channelName\":\"c\",\"uid\":\"7\",\"tokenExpireTs\":600,\"privilegeExpireTs\":300,"
         "\"serviceRtc\":{\"enable\":true,\"role\":1},\"serviceRtm\":{\"enable\":true}}",
         "600 rtc:c/7:1=300,2=300,3=300,4=300 rtm:7:1", false},
        {"{\"channelName\":\"c\",\"uid\":7,\"serviceRtc\":{\"enable\":true}}", "3600 rtc:c/7:1=0",
         false},
        {"{\"channelName\":\"c\",\"uid\":\"7\",\"serviceRtc\":{\"enable\":true,\"role\":2},"
         "\"serviceRtm\":{\"enable\":false},\"serviceFpa\":null}",
         "3600 rtc:c/7:1=0", false},
        {"{\"tokenExpireTs\":60,\"serviceFpa\":{\"enable\":true}}", "60 4::1=0", false},
        {"{\"tokenExpireTs\":60,\"serviceChat\":{\"enableUser\":true,\"enableApp\":true,"
         "\"userUuid\":\"amy\"}}",
         "60 chat:amy:1 chat::2", false},
        {"{\"tokenExpireTs\":60,\"serviceApaas\":{\"enableUser\":true,\"enableApp\":true,"
         "\"userUuid\":\"amy\"}}",
         "60 7:amy:2:-1 7::3:-1", false},
        {"{\"tokenExpireTs\":60,\"serviceApaas\":{\"enableRoomUser\":true,\"roomUuid\":\"r\","
         "\"userUuid\":\"1\",\"role\":-1}}",
         "60 rtm:1:1 chat:c4ca4238a0b923820dcc509a6f75849b:1 7:r/1:1:-1", false},
        {"{\"channelName\":\"c\",\"uid\":\"7\",\"tokenExpireTs\":60,\"privilegeExpireTs\":60,"
         "\"serviceStreaming\":{\"enable\":true},\"serviceFcdn\":{\"enable\":true},"
         "\"serviceRtm2\":{\"enable\":true,\"permissions\":{\"users\":{\"read\":[\"b\"]}}},"
         "\"serviceConvoAi\":{\"enable\":true},\"serviceStt\":{\"enable\":true}}",
         "60 3:c/7:1,2 6:c/7:1,2 8:7:1 4.0+b 9:: 10::", false},
        {"", "not whole JSON", true},
        {"{}", "no service is enabled", true},
        {"{\"serviceRtc\":true}", "serviceRtc true", true},
        {"{\"serviceRtc\":{\"enable\":1}}", "enable 1", true},
        {"{\"uid\":\"7\",\"serviceRtc\":{\"enable\":true}}", "channel is missing", true},
        {"{\"channelName\":\"c\",\"serviceRtc\":{\"enable\":true}}", "uid is missing", true},
        {"{\"channelName\":\"c\",\"uid\":\"7\",\"serviceRtc\":{\"enable\":true,\"role\":3}}",
         "from 1 to 2", true},
        {"{\"serviceRtm\":{\"enable\":true}}", "uid is missing", true},
        {"{\"serviceChat\":{\"enableUser\":true}}", "serviceChat.userUuid is missing", true},
        {"{\"serviceApaas\":{\"enableUser\":true}}", "serviceApaas.userUuid is missing", true},
        {"{\"tokenExpireTs\":-1,\"serviceFpa\":{\"enable\":true}}", "tokenExpireTs -1", true},
        {"{\"tokenExpireTs\":4294967296,\"serviceFpa\":{\"enable\":true}}", "4294967295", true},
    };
    static const char coded[] = "{\"code\":-1,\"message\":\"";
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *body = ask("POST", "/token/generate", "", cases[i].body);
        if (cases[i].is_error) {
            assert_int_equal(response.status, HTTP_BAD_REQUEST);
            if (strncmp(body, coded, strlen(coded)) != 0 || !strstr(body, cases[i].expected) ||
                !strstr(body, "\",\"data\":\"\"}"))
                fail_msg("%s, expected '%s'", body, cases[i].expected);
        } else {
            static const char start[] =
                "{\"code\":0,\"message\":\"Success\",\"data\":{\"token\":\"007";
            assert_memory_equal(body, start, sizeof start - 1);
            expect_token(body, "token", cases[i].expected);
        }
    }
}

static const char *inspect(const char *token) {
    char body[8192];
    snprintf(body, sizeof body, "{\"token\":\"%s\"}", token);
    return ask("POST", "/inspect", "", body);
}

static void expect_inspected(const char *body, const char *start, const char *part) {
    if (response.status != HTTP_OK || strncmp(body, start, strlen(start)) != 0 ||
        !strstr(body, part))
        fail_msg("%d %s, expected '%s' and '%s'", response.status, body, start, part);
    assert_null(strstr(body, settings.app_certificate));
}

static void test_inspect(void **state) {
    (void)state;
    static char token[1024];
    const char *answer = get("/rtc/lecture/publisher/uid/42", "expiry=60");
    const char *start = strstr(answer, "007");
    snprintf(token, sizeof token, "%.*s", (int)strcspn(start, "\""), start);

    expect_inspected(inspect(token),
                     "{\"valid\":true,\"reason\":null,\"signed_here\":true,\"ended\":false,",
                     "\"services\":[{\"type\":\"rtc\",\"channel\":\"lecture\",\"uid\":\"42\","
                     "\"privileges\":{\"1\":60,\"2\":60,\"3\":60,\"4\":60}}]");
    api.now += 60;
    expect_inspected(inspect(token), "{\"valid\":false,\"reason\":\"it has ended\"",
                     "\"signed_here\":true,\"ended\":true");
    api.now -= 60;

    settings.app_certificate[0] ^= 1;
    expect_inspected(inspect(token), "{\"valid\":false,", "\"signed_here\":false,\"ended\":false");
    settings.app_certificate[0] ^= 1;
    settings.app_id[0] ^= 1;
    expect_inspected(inspect(token), "{\"valid\":false,\"reason\":\"it is of another App ID",
                     "\"version\":\"007\"");
    settings.app_id[0] ^= 1;

    /* Of version 006: recognised, but its signature covers what it does not hold. */
    expect_inspected(
        inspect(
            "006970CA35de60c44645bbae8a215061b33IACV0fZUBw+72cVoL9eyGGh3Q6Poi8bgjwVLnyKSJyOXR7dIf"
            "RBXoFHlEAABAAAAR/QQAAEAAQCvKDdW"),
        "{\"valid\":false,", "\"version\":\"006\"");

    static const char *const bad[] = {"", "008abc", "007", "007!!!!", "007eJxT", "nonsense"};
    for (size_t i = 0; i < COUNT(bad); i++)
        expect_error(inspect(bad[i]), HTTP_BAD_REQUEST, "token is ");
    expect_error(ask("POST", "/inspect", "", "{\"token\":5}"), HTTP_BAD_REQUEST, "use a string");
    expect_error(ask("POST", "/inspect", "", "{}"), HTTP_BAD_REQUEST, "token is missing");
}

/* Short tokens that unpack to much are refused, whatever they hold. */
static void test_inspect_is_bounded(void **state) {
    (void)state;
    static char user[65000];
    static char token[4096];
    size_t length;
    static const struct {
        char filler;
        size_t length;
        const char *part; /* of the message, NULL for an answer */
    } cases[] = {
        {'\1', 10000, NULL},
        {'\1', 11000, "shown up to 65536 bytes"},
        {'\xff', 40000, "shown up to 65536 bytes"},
        {'a', 60000, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        memset(user, cases[i].filler, cases[i].length);
        struct agora_service service =
            agora_service_rtm((struct agora_text){user, cases[i].length}, 60);
        struct agora_token parts = {{settings.app_id, 32}, NOW, 60, 1, 1, &service};
        assert_int_equal(agora_token_mint(api.minter, &parts, text(settings.app_certificate), token,
                                          sizeof token, &length),
                         AGORA_TOKEN_OK);
        const char *answer = inspect(token);
        assert_true(response.body.length <= 65536);
        if (cases[i].part)
            expect_error(answer, HTTP_BAD_REQUEST, cases[i].part);
        else
            expect_inspected(answer, "{\"valid\":true,", "\"type\":\"rtm\"");
    }
}

/* Each allocation of a request fails once: a 500, or what the request gets otherwise. */
static void test_memory(void **state) {
    (void)state;
    static char inspected[512];
    static const struct {
        const char *path;
        const char *body;
        enum http_status status;
        const char *start;
    } cases[] = {
        {"/getToken",
         "{\"tokenType\":\"rtm2\",\"uid\":7,\"permissions\":{\"users\":{\"read\":[\"b\",\"c\"]}},"
         "\"x\":[{},[null,true,1.5,-1]],\"x\":{}}",
         HTTP_OK, "{\"token\":\"007"},
        {"/getToken", "{\"tokenType\":\"rtc\",\"uid\":{}}", HTTP_BAD_REQUEST, "{\"status\":400"},
        {"/getToken", "{\"tokenType\":\"rtc\",", HTTP_BAD_REQUEST, "{\"status\":400"},
        {"/token/generate", "{\"uid\":\"7\",\"serviceRtm\":{\"enable\":true}}", HTTP_OK,
         "{\"code\":0,\"message\":\"Success\",\"data\":{\"token\":\"007"},
        {"/inspect", inspected, HTTP_OK, "{\"valid\":true,"},
        {"/openapi.json", "", HTTP_OK, "{\"openapi\":\"3.1.0\","},
    };
    static const char coded[] = "{\"code\":-2,\"message\":\"";
    static const char plain[] = "{\"status\":500,\"error\":\"";
    const char *token = strstr(get("/rtc/lecture/publisher/uid/42", ""), "007");
    snprintf(inspected, sizeof inspected, "{\"token\":\"%.*s\"}", (int)strcspn(token, "\""), token);

    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct request request = {text(cases[i].body[0] ? "POST" : "GET"),
                                        text(cases[i].path), .body = text(cases[i].body)};
        fail_at = 0;
        do {
            buffer_free(&response.body);
            made = 0;
            fail_at++;
            counting = true;
            api_answer(&api, &request, &response);
            counting = false;
            assert_false(response.body.failed);
            bool is_right =
                response.status == cases[i].status &&
                strncmp(response.body.data, cases[i].start, strlen(cases[i].start)) == 0;
            const char *failure = strcmp(cases[i].path, "/token/generate") == 0 ? coded : plain;
            if (!is_right && (made < fail_at || response.status != HTTP_INTERNAL_SERVER_ERROR ||
                              strncmp(response.body.data, failure, strlen(failure)) != 0))
                fail_msg("%s, allocation %zu: %d %.*s", cases[i].path, fail_at, response.status,
                         (int)response.body.length, response.body.data);
        } while (made >= fail_at);
        assert_true(fail_at > 5);
    }
}

/* {channel} for :channel, as the description has a pattern. */
static void print_path(const char *pattern, FILE *out) {
    for (struct agora_text rest = text(pattern + 1); rest.data;) {
        struct agora_text segment = text_cut(&rest, '/');
        if (segment.length > 0 && segment.data[0] == ':')
            fprintf(out, "/{%.*s}", (int)segment.length - 1, segment.data + 1);
        else
            fprintf(out, "/%.*s", (int)segment.length, segment.data);
    }
}

/* What is described is what is routed, whichever settings turn routes off, and is kept in the
 * memory that answers use again and again. */
static void test_openapi(void **state) {
    (void)state;
    for (unsigned on = 0; on < 4; on++) {
        settings.page = on & 1 ? ON : OFF;
        settings.metrics = on & 2 ? ON : OFF;
        struct json_object *json = json_tokener_parse(get("/openapi.json", ""));
        assert_int_equal(response.status, HTTP_OK);
        assert_true(response.body.length < 64 * 1024);
        struct json_object *paths = json_object_object_get(json, "paths");
        int available = 0;
        for (const struct route *route = routes; route->pattern; route++) {
            char path[128];
            FILE *out = fmemopen(path, sizeof path, "w");
            print_path(route->pattern, out);
            fclose(out);
            struct json_object *item = json_object_object_get(paths, path);
            if ((item != NULL) != route_is_available(route, &settings))
                fail_msg("%s is %s", path, item ? "described, but off" : "not described");
            available += item != NULL;
            assert_true(!item ||
                        json_object_object_get(item, route->method == GET ? "get" : "post"));
        }
        assert_int_equal(json_object_object_length(paths), available);
        json_object_put(json);
    }
    settings.page = settings.metrics = OFF;
}

/* To the rules of a web server they are other paths than to us, wherever they stand. */
static void test_ambiguous_paths(void **state) {
    (void)state;
    static const struct agora_text segments[] = {{".", 1}, {"..", 2}, {"\0", 1}, {"a\0b", 3}};
    static const char *const paths[] = {"/rtc/vip/publisher/uid/42", "/rtm/alice",
                                        "/rte/vip/publisher/userAccount/a/b", "/chat/account/a"};
    for (size_t i = 0; i < COUNT(paths); i++) {
        for (size_t k = 0; k < COUNT(segments); k++) {
            for (const char *at = strchr(paths[i], '/'); at; at = strchr(at + 1, '/')) {
                char path[64];
                size_t length = (size_t)(at + 1 - paths[i]);
                const char *rest = at + 1 + strcspn(at + 1, "/");
                memcpy(path, paths[i], length);
                memcpy(path + length, segments[k].data, segments[k].length);
                length += segments[k].length;
                memcpy(path + length, rest, strlen(rest));
                struct request request = {.method = text("GET"),
                                          .path = {path, length + strlen(rest)}};
                api_answer(&api, &request, &response);
                buffer_put(&response.body, (struct agora_text){"", 1});
                expect_error(response.body.data, HTTP_BAD_REQUEST, "segment . or ..");
            }
        }
    }
    expect_token(get("/rtm/...", ""), "rtmToken", "3600 rtm:...:1");
}

/* The value of a header of the answer. */
static const char *header(const char *name) {
    for (size_t i = 0; i < response.header_count; i++)
        if (strcmp(response.headers[i].name, name) == 0)
            return response.headers[i].value.data;
    fail_msg("no header %s", name);
    return NULL;
}

static void test_routing(void **state) {
    (void)state;
    assert_string_equal(get("/ping", ""), "{\"message\":\"pong\"}");
    assert_string_equal(get("/ping/", "a=b"), "{\"message\":\"pong\"}");

    assert_string_equal(get("//ping", ""), "{\"message\":\"pong\"}");
    assert_string_equal(get("//ping/", ""), "{\"message\":\"pong\"}");
    assert_string_equal(get("/livez", ""), "{\"status\":\"live\"}");
    assert_string_equal(get("/readyz", ""), "{\"status\":\"ready\",\"access\":\"open\","
                                            "\"sample_credentials\":true}");

    static const char *const unknown[] = {
        "",
        "//",
        "/",
        "///ping",
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
    for (size_t i = 0; i < COUNT(unknown); i++) {
        expect_error(get(unknown[i], ""), HTTP_NOT_FOUND, "no endpoint at '");
        assert_int_equal(response.route, 0);
    }
    assert_non_null(strstr(get("/x", ""), "'/x': use GET /ping, GET /rtc/:channel/:role/"));
    assert_non_null(strstr(get("/x", ""), ", GET /livez, GET /readyz or GET /openapi.json\","));
    get("/rtm/alice", "expiry=x");
    assert_string_equal(route_pattern(response.route), "/rtm/:rtmuid");

    expect_error(ask("POST", "/ping", "", ""), HTTP_METHOD_NOT_ALLOWED, "'POST'");
    assert_string_equal(header("Allow"), "GET, HEAD, OPTIONS");
    expect_error(ask("DELETE", "/rtm/bob", "", ""), HTTP_METHOD_NOT_ALLOWED, "'DELETE'");
    expect_error(get("/getToken", ""), HTTP_METHOD_NOT_ALLOWED, "use POST");
    assert_string_equal(header("Allow"), "POST, OPTIONS");

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
    assert_string_equal(header("Access-Control-Allow-Origin"), "x://y");
}

/* That the header lets the text run which stands between the tags, and that there is one. */
static void expect_allowed(const char *body, const char *directive, const char *tag) {
    char open[16], close[16];
    unsigned char digest[SHA256_DIGEST_LENGTH], base64[64];
    char allowed[128];
    snprintf(open, sizeof open, "<%s>", tag);
    snprintf(close, sizeof close, "</%s>", tag);
    const char *begin = strstr(body, open);
    assert_non_null(begin);
    begin += strlen(open);
    assert_null(strstr(begin, open));
    const char *end = strstr(begin, close);
    assert_non_null(end);
    assert_null(strstr(end + 1, close));

    SHA256((const unsigned char *)begin, (size_t)(end - begin), digest);
    EVP_EncodeBlock(base64, digest, sizeof digest);
    snprintf(allowed, sizeof allowed, "; %s 'sha256-%s'; ", directive, base64);
    assert_non_null(strstr(header("Content-Security-Policy"), allowed));
}

static void test_page(void **state) {
    (void)state;
    static const char *const paths[] = {"/", "", "//"};
    settings.page = ON;
    for (size_t i = 0; i < COUNT(paths); i++) {
        const char *body = get(paths[i], "a=b");
        assert_int_equal(response.status, HTTP_OK);
        assert_string_equal(route_pattern(response.route), "/");
        assert_string_equal(response.content_type, "text/html; charset=utf-8");
        assert_string_equal(response.caching, "Cache-Control: no-cache\r\n");
        assert_string_equal(header("X-Content-Type-Options"), "nosniff");
        assert_string_equal(header("Referrer-Policy"), "no-referrer");
        assert_memory_equal(body, "<!doctype html>", 15);
        assert_memory_equal(body + response.body.length - 8, "</html>\n", 8);
        assert_null(strstr(body, "page.css"));
        assert_null(strstr(body, "page.js"));
        assert_true(response.body.length < 40 * 1000);
        expect_allowed(body, "style-src", "style");
        expect_allowed(body, "script-src", "script");
        const char *policy = header("Content-Security-Policy");
        assert_memory_equal(policy, "default-src 'none'; ", 20);
        assert_null(strstr(policy, "unsafe"));
    }
    ask("HEAD", "/", "", "");
    assert_int_equal(response.status, HTTP_OK);
    assert_true(response.head_only);
    expect_error(ask("POST", "/", "", "{}"), HTTP_METHOD_NOT_ALLOWED, "use GET");
    expect_error(get("/x", ""), HTTP_NOT_FOUND, ", GET /, GET /livez");
    settings.page = OFF;
    expect_error(get("/", ""), HTTP_NOT_FOUND, "POST /inspect, GET /livez");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page),
        cmocka_unit_test(test_rtc),
        cmocka_unit_test(test_rtc_errors),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_largest_token),
        cmocka_unit_test(test_rtm_and_chat),
        cmocka_unit_test(test_rte),
        cmocka_unit_test(test_get_token),
        cmocka_unit_test(test_get_token_errors),
        cmocka_unit_test(test_get_token_of_other_services),
        cmocka_unit_test(test_token_generate),
        cmocka_unit_test(test_inspect),
        cmocka_unit_test(test_inspect_is_bounded),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_openapi),
        cmocka_unit_test(test_ambiguous_paths),
        cmocka_unit_test(test_routing),
    };
    if (!CRYPTO_set_mem_functions(openssl_alloc, openssl_realloc, openssl_free))
        return EXIT_FAILURE;
    return cmocka_run_group_tests_name("api", tests, make_api, free_api);
}
