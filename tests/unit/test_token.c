#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "agora_token.h"
#include "token/packer.h"
#include "unit.h"
#include "vectors.h"

static const char app_id[] = "970CA35de60c44645bbae8a215061b33";
static const char certificate[] = "5CFd2fd1755d40ecb72977518be15d3b";

static struct agora_minter *minter;

static int make_minter(void **state) {
    (void)state;
    minter = agora_minter_new();
    return minter ? 0 : -1;
}

static int free_minter(void **state) {
    (void)state;
    agora_minter_free(minter);
    return 0;
}

static void test_vectors(void **state) {
    (void)state;
    struct json_object *vectors = load_vectors();
    for (size_t i = 0; i < VECTORS; i++) {
        struct json_object *json = json_object_array_get_idx(vectors, i);
        struct vector vector;
        char token[1024];
        size_t length;
        read_vector(json, &vector);
        assert_int_equal(agora_token_mint(minter, &vector.token, text_of(json, "app_certificate"),
                                          token, sizeof token, &length),
                         AGORA_TOKEN_OK);
        if (strcmp(token, text_of(json, "token").data) != 0)
            fail_msg("%s: %s", text_of(json, "name").data, token);
        assert_int_equal(length, strlen(token));
    }
    json_object_put(vectors);
}

/* Edges that the vectors do not reach. */

static struct agora_token token_of(const struct agora_service *services, size_t count) {
    return (struct agora_token){.app_id = {app_id, AGORA_HEX_LENGTH},
                                .issue_ts = 1111111,
                                .expire = 600,
                                .salt = 1,
                                .service_count = count,
                                .services = services};
}

static enum agora_token_error mint(const struct agora_token *token, char *out, size_t size,
                                   size_t *length) {
    return agora_token_mint(minter, token, text(certificate), out, size, length);
}

static void test_room(void **state) {
    (void)state;
    struct agora_service service = {.type = AGORA_SERVICE_RTM, .user = text("alice")};
    struct agora_token token = token_of(&service, 1);
    char out[512];
    char exact[512];
    size_t length;
    size_t needed;
    assert_int_equal(mint(&token, out, sizeof out, &length), AGORA_TOKEN_OK);

    memset(exact, 'x', sizeof exact);
    assert_int_equal(mint(&token, exact, length, &needed), AGORA_TOKEN_NO_ROOM);
    assert_int_equal(needed, length);
    assert_string_equal(exact, "");
    assert_int_equal(exact[length], 'x');

    assert_int_equal(mint(&token, exact, length + 1, &needed), AGORA_TOKEN_OK);
    assert_string_equal(exact, out);
    assert_int_equal(exact[length + 1], 'x');

    assert_int_equal(mint(&token, NULL, 0, &needed), AGORA_TOKEN_NO_ROOM);
    assert_int_equal(needed, length);
}

static void test_refused(void **state) {
    (void)state;
    static char longest[AGORA_STRING_MAX + 2];
    memset(longest, 'a', sizeof longest - 1);
    assert_int_equal(agora_token_mint(NULL, NULL, text(certificate), NULL, 0, &(size_t){0}),
                     AGORA_TOKEN_NO_MEMORY);
    assert_int_equal(agora_token_salt(NULL, &(uint32_t){0}), AGORA_TOKEN_NO_MEMORY);
    const struct agora_service good = {.type = AGORA_SERVICE_RTM, .user = text("alice")};
    struct agora_service service;
    struct agora_token token = token_of(&service, 1);
    char *out = malloc(200000);
    size_t length;

    service = good;
    service.type = 0;
    assert_int_equal(mint(&token, out, 200000, &length), AGORA_TOKEN_BAD_SERVICE);
    service.type = AGORA_SERVICE_STT + 1;
    assert_int_equal(mint(&token, out, 200000, &length), AGORA_TOKEN_BAD_SERVICE);

    service = good;
    service.privilege_count = AGORA_PRIVILEGES_MAX + 1;
    assert_int_equal(mint(&token, out, 200000, &length), AGORA_TOKEN_BAD_PRIVILEGE);
    service.privilege_count = 2;
    service.privileges[0].privilege = service.privileges[1].privilege = 1;
    assert_int_equal(mint(&token, out, 200000, &length), AGORA_TOKEN_BAD_PRIVILEGE);

    service = good;
    service.user = (struct agora_text){longest, AGORA_STRING_MAX};
    assert_int_equal(mint(&token, out, 200000, &length), AGORA_TOKEN_OK);
    service.user.length++;
    assert_int_equal(mint(&token, out, 200000, &length), AGORA_TOKEN_TOO_LONG);

    static struct agora_rtm2_permission permissions[AGORA_PERMISSIONS_UNORDERED_MAX + 1];
    service = good;
    service.type = AGORA_SERVICE_RTM2;
    service.permissions = permissions;
    service.permission_count = 2;
    assert_int_equal(mint(&token, out, 200000, &length), AGORA_TOKEN_BAD_PERMISSION);
    for (size_t i = 0; i < COUNT(permissions); i++)
        permissions[COUNT(permissions) - 1 - i].resource = (uint16_t)i;
    service.permission_count = COUNT(permissions) - 1;
    assert_int_equal(mint(&token, out, 200000, &length), AGORA_TOKEN_OK);
    service.permission_count++;
    assert_int_equal(mint(&token, out, 200000, &length), AGORA_TOKEN_BAD_PERMISSION);
    for (size_t i = 0; i < COUNT(permissions); i++)
        permissions[i].resource = (uint16_t)i;
    assert_int_equal(mint(&token, out, 200000, &length), AGORA_TOKEN_OK);

    service = good;
    token.service_count = 0;
    assert_int_equal(mint(&token, out, 200000, &length), AGORA_TOKEN_NO_SERVICE);
    token.service_count = 1;

    service = good;
    token.app_id.length--;
    assert_int_equal(mint(&token, out, 200000, &length), AGORA_TOKEN_BAD_APP_ID);
    token.app_id = text("970CA35de60c44645bbae8a215061b3g");
    assert_int_equal(mint(&token, out, 200000, &length), AGORA_TOKEN_BAD_APP_ID);
    token.app_id = text(app_id);
    assert_int_equal(agora_token_mint(minter, &token, text("short"), out, 200000, &length),
                     AGORA_TOKEN_BAD_CERTIFICATE);
    assert_string_equal(out, "");
    free(out);
}

static void test_error_texts(void **state) {
    (void)state;
    for (int error = AGORA_TOKEN_OK; error <= AGORA_TOKEN_NEEDS_CHANNEL; error++) {
        assert_string_not_equal(agora_token_strerror((enum agora_token_error)error),
                                "unknown error");
        for (int other = AGORA_TOKEN_OK; other < error; other++)
            assert_string_not_equal(agora_token_strerror((enum agora_token_error)error),
                                    agora_token_strerror((enum agora_token_error)other));
    }
    assert_string_equal(
        agora_token_strerror((enum agora_token_error)(AGORA_TOKEN_NEEDS_CHANNEL + 1)),
        "unknown error");
}

/* Permissions go out in ascending order, however they stand. */
static void test_permission_order(void **state) {
    (void)state;
    const struct agora_text names[] = {text("a"), text("b"), text("c")};
    const struct agora_rtm2_permission ascending[] = {
        {AGORA_RTM2_MESSAGE_CHANNELS, AGORA_RTM2_READ, 2, names},
        {AGORA_RTM2_MESSAGE_CHANNELS, AGORA_RTM2_WRITE, 1, names},
        {AGORA_RTM2_USERS, AGORA_RTM2_READ, 3, names},
    };
    const struct agora_rtm2_permission mixed[] = {ascending[1], ascending[2], ascending[0]};
    struct agora_service service = agora_service_rtm2(text("alice"), ascending, 3, 600);
    struct agora_token token = token_of(&service, 1);
    char expected[512];
    char out[512];
    size_t length;
    assert_int_equal(mint(&token, expected, sizeof expected, &length), AGORA_TOKEN_OK);
    service.permissions = mixed;
    assert_int_equal(mint(&token, out, sizeof out, &length), AGORA_TOKEN_OK);
    assert_string_equal(out, expected);
}

/* One minter, tokens of other seconds and certificates in between: no first key must linger. */
static void test_keys_do_not_linger(void **state) {
    (void)state;
    struct agora_service service = {.type = AGORA_SERVICE_RTM, .user = text("alice")};
    struct agora_token token = token_of(&service, 1);
    char first[512];
    char other[512];
    char again[512];
    size_t length;
    assert_int_equal(mint(&token, first, sizeof first, &length), AGORA_TOKEN_OK);

    assert_int_equal(agora_token_mint(minter, &token, text(app_id), other, sizeof other, &length),
                     AGORA_TOKEN_OK);
    assert_string_not_equal(other, first);
    token.issue_ts++;
    assert_int_equal(mint(&token, other, sizeof other, &length), AGORA_TOKEN_OK);
    assert_string_not_equal(other, first);
    token.issue_ts--;
    assert_int_equal(mint(&token, again, sizeof again, &length), AGORA_TOKEN_OK);
    assert_string_equal(again, first);
}

static void test_salts(void **state) {
    (void)state;
    enum { SALTS = 1000 };
    uint32_t salts[SALTS];
    for (size_t i = 0; i < SALTS; i++)
        assert_int_equal(agora_token_salt(minter, &salts[i]), AGORA_TOKEN_OK);
    /* Of 1,000 random numbers of 32 bits one pair in 10,000 runs is equal by chance; ten never. */
    unsigned equal = 0;
    for (size_t i = 0; i < SALTS; i++)
        for (size_t j = 0; j < i; j++)
            equal += salts[i] == salts[j];
    assert_true(equal < 10);
}

/* The bytes must be those of zlib's compress(), whatever the payload: noise, repetition and text,
 * at and around the limits of the stream classes. Text of two letters has the long chains. */
static void test_packer_equals_compress(void **state) {
    (void)state;
    enum { LONGEST = 20000 };
    static const char *const alphabets[] = {NULL, "0123456789abcdef", "aqAQ1xy", "ab", "iy", ""};
    static uint8_t in[LONGEST];
    static uint8_t expected[2 * LONGEST];
    static uint8_t out[2 * LONGEST];
    struct packer packer = {0};
    uint32_t random = 1;
    for (size_t length = 1; length <= LONGEST; length += length < 2100 ? 7 : 1111) {
        for (int kind = 0; kind < (int)COUNT(alphabets); kind++) {
            for (size_t i = 0; i < length; i++) {
                random = random * 1664525 + 1013904223;
                uint8_t noise = (uint8_t)(random >> 24);
                const char *alphabet = alphabets[kind];
                in[i] = !alphabet   ? noise
                        : *alphabet ? (uint8_t)alphabet[noise % strlen(alphabet)]
                                    : (uint8_t)(i / 9 % 5);
            }
            uLongf expected_length = sizeof expected;
            assert_int_equal(compress(expected, &expected_length, in, length), Z_OK);
            assert_true(expected_length <= packer_bound(length));
            size_t packed;
            assert_int_equal(packer_pack(&packer, in, length, out, expected_length, &packed),
                             AGORA_TOKEN_OK);
            assert_int_equal(packed, expected_length);
            assert_memory_equal(out, expected, expected_length);
            assert_int_equal(packer_pack(&packer, in, length, out, expected_length - 1, &packed),
                             AGORA_TOKEN_NO_ROOM);
        }
    }
    packer_free(&packer);
}

static void *mint_many(void *argument) {
    const char *expected = argument;
    struct agora_minter *own = agora_minter_new();
    struct agora_service service = {.type = AGORA_SERVICE_RTM, .user = text("alice")};
    struct agora_token token = token_of(&service, 1);
    bool same = own != NULL;
    for (int i = 0; same && i < 500; i++) {
        char out[512];
        size_t length;
        same = agora_token_mint(own, &token, text(certificate), out, sizeof out, &length) ==
                   AGORA_TOKEN_OK &&
               strcmp(out, expected) == 0;
    }
    agora_minter_free(own);
    return same ? argument : NULL;
}

static void test_threads(void **state) {
    (void)state;
    struct agora_service service = {.type = AGORA_SERVICE_RTM, .user = text("alice")};
    struct agora_token token = token_of(&service, 1);
    char expected[512];
    size_t length;
    pthread_t threads[4];
    assert_int_equal(mint(&token, expected, sizeof expected, &length), AGORA_TOKEN_OK);
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, mint_many, expected), 0);
    for (size_t i = 0; i < COUNT(threads); i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_ptr_equal(result, expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_keys_do_not_linger),
        cmocka_unit_test(test_salts),
        cmocka_unit_test(test_packer_equals_compress),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_error_texts),
        cmocka_unit_test(test_permission_order),
    };
    return cmocka_run_group_tests_name("token", tests, make_minter, free_minter);
}
