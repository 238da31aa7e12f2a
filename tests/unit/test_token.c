#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "agora_token.h"
#include "token/deflate.h"
#include "unit.h"
#include "vectors.h"

static const char app_id[] = "970CA35de60c44645bbae8a215061b33";
static const char certificate[] = "5CFd2fd1755d40ecb72977518be15d3b";

static struct agora_minter *minter;
static struct deflater deflater;

static int make_minter(void **state) {
    (void)state;
    minter = agora_minter_new();
    return minter ? 0 : -1;
}

static int free_minter(void **state) {
    (void)state;
    agora_minter_free(minter);
    deflate_free(&deflater);
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
        assert_token_of(json, token);
        assert_int_equal(length, strlen(token));
        assert_true(length <= text_of(json, "token").length * 101 / 100);
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

static void test_size(void **state) {
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

static uint32_t random_below(uint32_t bound) {
    static uint32_t random = 1;
    random = random * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)random * bound >> 32);
}

/* Compresses into the least memory that is enough, and lets stock zlib judge. Returns the length,
 * and in *first the byte in which the first block begins. */
static size_t deflate_and_judge(const uint8_t *in, size_t length, uint8_t *first) {
    size_t bound = DEFLATE_BOUND(length);
    uint8_t *out = malloc(bound);
    uint8_t *back = malloc(length + 1);
    size_t written = 0;
    uLongf inflated = length + 1;
    assert_int_equal(deflate_bytes(&deflater, in, length, out, bound, &written), AGORA_TOKEN_OK);
    assert_int_equal(uncompress(back, &inflated, out, written), Z_OK);
    assert_int_equal(inflated, length);
    assert_memory_equal(back, in, length);
    assert_memory_equal(out, "\x78\x9c", 2);
    *first = out[2];
    free(back);
    free(out);
    return written;
}

static size_t length_by_zlib(const uint8_t *in, size_t length) {
    static uint8_t out[40000];
    uLongf written = sizeof out;
    assert_int_equal(compress(out, &written, in, length), Z_OK);
    return written;
}

/* The last block, and with the fixed codes. */
static bool is_fixed(uint8_t first) {
    return (first & 7) == 3;
}

/* A block with fixed codes of so many bits, its head and its end among them, as a stream. */
static size_t stream_of_bits(size_t bits) {
    return 2 + (3 + bits + 7 + 7) / 8 + 4;
}

/* The bits that RFC 1951, 3.2.6 asks for: 8 or 9 for a byte, 7 or 8 and some more for a length, 5
 * and some more for a distance. */
static void test_deflate_codes(void **state) {
    (void)state;
    static const struct {
        const char *in;
        size_t bits;
    } cases[] = {
        {"", 0},
        {"a", 8},
        {"\x8f", 8},
        {"\x90", 9},
        {"\xff", 9},
        {"abcab", 5 * 8},
        {"abcabc", 3 * 8 + 7 + 6},
        {"abababab", 2 * 8 + 7 + 5},
        {"aaa", 3 * 8},
        {"aaaa", 8 + 7 + 5},
        {"abcdabc", 4 * 8 + 7 + 5},
        {"abcdeabc", 5 * 8 + 7 + 6},
        /* The next byte's match is the longer one. */
        {"abc.bcdef.abcdef", 10 * 8 + 8 + 7 + 6},
        /* It is looked for after a match of 15 bytes, but not after one of 16. */
        {"abcdefghijklmno.bcdefghijklmnopqr.abcdefghijklmnopqr", 199},
        {"abcdefghijklmnop.bcdefghijklmnopqrs.abcdefghijklmnopqrs", 215},
    };
    uint8_t first;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const uint8_t *in = (const uint8_t *)cases[i].in;
        size_t written = deflate_and_judge(in, strlen(cases[i].in), &first);
        if (written != stream_of_bits(cases[i].bits) || !is_fixed(first))
            fail_msg("%s: %zu", cases[i].in, written);
    }
}

/* Every length at the least distance, and every distance up to the largest. */
static void test_deflate_matches(void **state) {
    (void)state;
    enum { LONGEST = 4096, NEEDLE = 16 };
    static const char needle[NEEDLE + 1] = "0123456789abcdef";
    uint8_t in[LONGEST];
    uint8_t first;
    memset(in, 'a', sizeof in);
    for (size_t length = 3; length <= 258; length++) {
        size_t extra = length < 11 || length == 258 ? 0
                       : length < 19                ? 1
                       : length < 35                ? 2
                       : length < 67                ? 3
                       : length < 131               ? 4
                                                    : 5;
        size_t bits = 8 + (length < 115 ? 7u : 8u) + extra + 5;
        assert_int_equal(deflate_and_judge(in, length + 1, &first), stream_of_bits(bits));
        assert_true(is_fixed(first));
    }
    assert_int_equal(deflate_and_judge(in, 260, &first), stream_of_bits(8 + 8 + 5 + 8));
    assert_int_equal(deflate_and_judge(in, 262, &first), stream_of_bits(8 + 8 + 5 + 7 + 5));

    memcpy(in, needle, NEEDLE);
    for (size_t distance = NEEDLE; distance <= LONGEST - NEEDLE; distance++) {
        memset(in + NEEDLE, 'a', sizeof in - NEEDLE);
        size_t without = deflate_and_judge(in, distance, &first);
        memcpy(in + distance, needle, NEEDLE);
        assert_in_range(deflate_and_judge(in, distance + NEEDLE, &first), without + 1, without + 4);
        assert_true(is_fixed(first));
    }
}

/* What a stored block or zlib's trees make shorter is left to zlib. */
static void test_deflate_leaves_to_zlib(void **state) {
    (void)state;
    enum { FIXED_MAX = 254 }; /* bytes of 8 bits, in a block of 256 */
    uint8_t in[5000];
    uint8_t first;
    /* Bytes of 9 bits: 30 of them take 35 bytes, as many as a stored block; 31 take one more. */
    for (size_t length = 1; length < 40; length++) {
        in[length - 1] = (uint8_t)(0x100 - length);
        size_t written = deflate_and_judge(in, length, &first);
        assert_int_equal(is_fixed(first), length <= 30);
        assert_int_equal(written, length <= 30 ? stream_of_bits(length * 9) : 2 + 5 + length + 4);
    }

    /* No three bytes of which come twice. */
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (uint8_t)(i % 2 ? i / 2 % 128 : i / 256);
    assert_int_equal(deflate_and_judge(in, FIXED_MAX, &first), stream_of_bits(FIXED_MAX * 8));
    assert_true(is_fixed(first));
    assert_int_equal(deflate_and_judge(in, FIXED_MAX + 1, &first),
                     length_by_zlib(in, FIXED_MAX + 1));
    assert_false(is_fixed(first));

    memset(in, 'a', sizeof in);
    for (size_t length = 4095; length <= 4098; length++)
        assert_in_range(deflate_and_judge(in, length, &first), 10, 60);
}

static void test_deflate_bound(void **state) {
    (void)state;
    static uint8_t in[10000];
    static uint8_t out[DEFLATE_BOUND(sizeof in)];
    static const size_t lengths[] = {0, 1, 100, 4096, 4097, sizeof in};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        size_t bound = DEFLATE_BOUND(lengths[i]);
        size_t written;
        assert_int_equal(deflate_bytes(&deflater, in, lengths[i], out, bound - 1, &written),
                         AGORA_TOKEN_NO_ROOM);
        assert_true(compressBound(lengths[i]) <= bound);
    }
    assert_int_equal(out[0], 0);
}

/* Noise, text, repetition and structure of any length. */
static void test_deflate_any(void **state) {
    (void)state;
    enum { LONGEST = 20000 };
    static const char *const alphabets[] = {NULL, "0123456789abcdef", "aqAQ1xy", "ab", ""};
    static uint8_t in[LONGEST];
    uint8_t first;
    for (size_t length = 1; length <= LONGEST; length += length < 1100 ? 7 : 1111) {
        for (size_t kind = 0; kind < COUNT(alphabets); kind++) {
            const char *alphabet = alphabets[kind];
            for (size_t i = 0; i < length; i++)
                in[i] = !alphabet   ? (uint8_t)random_below(256)
                        : *alphabet ? (uint8_t)alphabet[random_below((uint32_t)strlen(alphabet))]
                                    : (uint8_t)(i / 9 % 5);
            size_t written = deflate_and_judge(in, length, &first);
            assert_true(written <= 262 || written == length_by_zlib(in, length));
        }
    }
}

static struct agora_text random_text(char *out, uint32_t shortest, uint32_t longest) {
    static const char *const alphabets[] = {"0123456789", "0123456789abcdef",
                                            "abcdefghijklmnopqrstuvwxyz-_ABCDEFGHIJKLM0123456789"};
    const char *alphabet = alphabets[random_below(COUNT(alphabets))];
    size_t length = shortest + random_below(longest - shortest + 1);
    for (size_t i = 0; i < length; i++)
        out[i] = alphabet[random_below((uint32_t)strlen(alphabet))];
    return (struct agora_text){out, length};
}

/* Tokens as services ask for them, of `count` services in one lifetime. */
static size_t random_payload(size_t count, uint8_t *out, size_t size) {
    char names[3][40];
    char id[AGORA_HEX_LENGTH];
    char made[2048];
    size_t length;
    uint32_t expire = random_below(2) ? 3600 : 60 + random_below(86400);
    struct agora_text channel = random_text(names[0], 4, 40);
    struct agora_text user = random_text(names[1], 1, 12);
    struct agora_text account = random_text(names[2], 5, 40);
    const struct agora_service all[] = {
        agora_service_rtc(channel, user, AGORA_ROLE_PUBLISHER, expire),
        agora_service_rtm(user, expire),
        agora_service_streaming(channel, user, expire),
        agora_service_fpa(),
        agora_service_chat_user(account, expire),
        agora_service_fcdn(channel, user, expire),
        agora_service_apaas_room_user(channel, account, 1, expire),
        agora_service_rtm2(account, NULL, 0, expire),
        agora_service_convoai(),
        agora_service_stt(),
    };
    for (size_t i = 0; i < sizeof id; i++)
        id[i] = "0123456789abcdef"[random_below(16)];
    struct agora_token token = token_of(count == 1 ? &all[random_below(COUNT(all))] : all, count);
    token.app_id.data = id;
    token.issue_ts = 1700000000 + random_below(100000000);
    token.salt = random_below(UINT32_MAX);
    assert_int_equal(mint(&token, made, sizeof made, &length), AGORA_TOKEN_OK);
    return payload_of(made, out, size);
}

/* Tokens of each number of services are at most 1 % longer than by stock zlib, and over all of them
 * there is next to no difference. */
static void test_deflate_realistic_length(void **state) {
    (void)state;
    size_t ours = 0;
    size_t stock = 0;
    for (size_t count = 1; count <= 10; count++) {
        size_t ours_before = ours;
        size_t stock_before = stock;
        for (int i = 0; i < 300; i++) {
            uint8_t payload[2048];
            uint8_t first;
            size_t length = random_payload(count, payload, sizeof payload);
            ours += deflate_and_judge(payload, length, &first);
            stock += length_by_zlib(payload, length);
        }
        assert_true((ours - ours_before) * 100 <= (stock - stock_before) * 101);
    }
    print_message("3,000 payloads: %zu bytes, %zu by stock zlib\n", ours, stock);
    assert_true(ours * 1000 <= stock * 1002);
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
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_keys_do_not_linger),
        cmocka_unit_test(test_salts),
        cmocka_unit_test(test_deflate_codes),
        cmocka_unit_test(test_deflate_matches),
        cmocka_unit_test(test_deflate_leaves_to_zlib),
        cmocka_unit_test(test_deflate_bound),
        cmocka_unit_test(test_deflate_any),
        cmocka_unit_test(test_deflate_realistic_length),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_error_texts),
        cmocka_unit_test(test_permission_order),
    };
    return cmocka_run_group_tests_name("token", tests, make_minter, free_minter);
}
