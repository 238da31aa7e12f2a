/* Reading tokens, good and hostile, judging their signatures, and when they end. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <zlib.h>

#include "agora_token.h"
#include "token/base64.h"
#include "token/signature.h"
#include "token/wire.h"
#include "unit.h"
#include "vectors.h"

static const char app_id[] = "970CA35de60c44645bbae8a215061b33";
static const char certificate[] = "5CFd2fd1755d40ecb72977518be15d3b";

/* By Agora's builder of version 006: this channel, this user, one privilege. */
static const char token_006[] =
    "006970CA35de60c44645bbae8a215061b33IACV0fZUBw+72cVoL9eyGGh3Q6Poi8bgjwVLnyKSJyOXR7dIfRBXoFHlEAA"
    "BAAAAR/QQAAEAAQCvKDdW";
static const char channel_006[] = "7d72365eb983485397e3e3f9d460bdda";
static const char user_006[] = "2882341273";

static unsigned char buffer[1 << 20];
static char made[1 << 20];

/* Hostile tokens are made by hand: a message, a signature, zlib's compress and base64. */

static size_t encode(const void *bytes, size_t length, const char *version) {
    size_t at = strlen(version);
    memcpy(made, version, at);
    return at + (size_t)EVP_EncodeBlock((unsigned char *)made + at, bytes, (int)length);
}

static struct agora_text pack(const void *payload, size_t length) {
    static unsigned char packed[1 << 19];
    uLongf packed_length = sizeof packed;
    assert_int_equal(compress(packed, &packed_length, payload, length), Z_OK);
    return (struct agora_text){made, encode(packed, packed_length, VERSION_007)};
}

static struct wire_writer message_of(uint8_t *data, size_t size, size_t services) {
    struct wire_writer w = {.data = data, .size = size, .length = 2 + SIGNATURE_LENGTH};
    wire_put_string(&w, text(app_id));
    wire_put_u32(&w, 1111111);
    wire_put_u32(&w, 600);
    wire_put_u32(&w, 1);
    wire_put_count(&w, services);
    return w;
}

static void put_rtm(struct wire_writer *w, const char *user) {
    wire_put_u16(w, AGORA_SERVICE_RTM);
    wire_put_count(w, 1);
    wire_put_u16(w, AGORA_RTM_LOGIN);
    wire_put_u32(w, 600);
    wire_put_string(w, text(user));
}

static struct agora_text sign_and_pack(struct wire_writer *w) {
    struct signer signer = {0};
    struct wire_writer head = {.data = w->data, .size = w->size};
    wire_put_count(&head, SIGNATURE_LENGTH);
    assert_true(w->length <= w->size);
    assert_true(signer_init(&signer));
    assert_true(signer_sign(&signer, certificate, 1111111, 1, w->data + 2 + SIGNATURE_LENGTH,
                            w->length - 2 - SIGNATURE_LENGTH, w->data + 2));
    signer_wipe(&signer);
    return pack(w->data, w->length);
}

static enum agora_token_error read_into(struct agora_text token, struct agora_reading *reading) {
    return agora_token_read(token, buffer, sizeof buffer, reading);
}

static enum agora_token_error judge(struct agora_text token) {
    struct agora_reading reading;
    enum agora_token_error error = read_into(token, &reading);
    return error ? error : agora_token_verify(&reading, text(certificate));
}

static void assert_text(struct agora_text actual, struct agora_text expected) {
    assert_int_equal(actual.length, expected.length);
    if (expected.length > 0)
        assert_memory_equal(actual.data, expected.data, expected.length);
}

static void assert_service(const struct agora_service *actual,
                           const struct agora_service *expected) {
    assert_int_equal(actual->type, expected->type);
    assert_int_equal(actual->privilege_count, expected->privilege_count);
    for (size_t i = 0; i < expected->privilege_count; i++) {
        assert_int_equal(actual->privileges[i].privilege, expected->privileges[i].privilege);
        assert_int_equal(actual->privileges[i].expire, expected->privileges[i].expire);
    }
    assert_text(actual->channel, expected->channel);
    assert_text(actual->user, expected->user);
    assert_int_equal(actual->role, expected->role);
    assert_int_equal(actual->permission_count, expected->permission_count);
    for (size_t i = 0; i < expected->permission_count; i++) {
        assert_int_equal(actual->permissions[i].resource, expected->permissions[i].resource);
        assert_int_equal(actual->permissions[i].permission, expected->permissions[i].permission);
        assert_int_equal(actual->permissions[i].name_count, expected->permissions[i].name_count);
        for (size_t name = 0; name < expected->permissions[i].name_count; name++)
            assert_text(actual->permissions[i].names[name], expected->permissions[i].names[name]);
    }
}

/* In the order in which a token has them: by type, and as added. */
static void assert_services(const struct agora_token *actual, const struct agora_token *expected) {
    size_t at = 0;
    assert_int_equal(actual->service_count, expected->service_count);
    for (uint16_t type = 1; type < COUNT(type_names); type++)
        for (size_t i = 0; i < expected->service_count; i++)
            if (expected->services[i].type == type)
                assert_service(&actual->services[at++], &expected->services[i]);
    assert_int_equal(at, expected->service_count);
}

static void test_vectors(void **state) {
    (void)state;
    struct json_object *vectors = load_vectors();
    struct agora_minter *minter = agora_minter_new();
    for (size_t i = 0; i < VECTORS; i++) {
        struct json_object *json = json_object_array_get_idx(vectors, i);
        struct agora_text token = text_of(json, "token");
        struct agora_reading reading;
        struct vector vector;
        char again[1024];
        size_t length;
        read_vector(json, &vector);
        assert_int_equal(read_into(token, &reading), AGORA_TOKEN_OK);
        assert_int_equal(reading.version, 7);
        assert_int_equal(reading.unread, 0);
        assert_text(reading.token.app_id, vector.token.app_id);
        assert_int_equal(reading.token.issue_ts, vector.token.issue_ts);
        assert_int_equal(reading.token.expire, vector.token.expire);
        assert_int_equal(reading.token.salt, vector.token.salt);
        assert_services(&reading.token, &vector.token);
        assert_int_equal(agora_token_verify(&reading, text_of(json, "app_certificate")),
                         AGORA_TOKEN_OK);
        assert_int_equal(agora_token_verify(&reading, text(app_id)), AGORA_TOKEN_BAD_SIGNATURE);
        assert_int_equal(agora_token_verify(&reading, text("short")), AGORA_TOKEN_BAD_CERTIFICATE);
        assert_int_equal(agora_token_verify_006(&reading, text(""), text(""), text(certificate)),
                         AGORA_TOKEN_BAD_VERSION);
        assert_int_equal(agora_token_mint(minter, &reading.token, text_of(json, "app_certificate"),
                                          again, sizeof again, &length),
                         AGORA_TOKEN_OK);
        assert_string_equal(again, token.data);
    }
    agora_minter_free(minter);
    json_object_put(vectors);
}

/* Where a string stands twice before a third copy of it, a flipped bit can make the third copy that
 * of the other one: another text of the same content, which another compressor may well have made.
 * So what must not happen is that a flip leaves a valid token with other content. Returns whether
 * it left a valid one. */
static bool survives(struct agora_text damaged, const char *name, struct agora_text message) {
    struct agora_reading reading;
    if (read_into(damaged, &reading) != AGORA_TOKEN_OK ||
        agora_token_verify(&reading, text(certificate)) != AGORA_TOKEN_OK)
        return false;
    if (reading.message.length != message.length ||
        memcmp(reading.message.data, message.data, message.length) != 0)
        fail_msg("%s: %.*s", name, (int)damaged.length, damaged.data);
    return true;
}

/* Of each vector, what is signed, in memory of its own. */
static struct agora_text message_of_vector(struct agora_text token, char *kept) {
    struct agora_reading reading;
    assert_int_equal(read_into(token, &reading), AGORA_TOKEN_OK);
    memcpy(kept, reading.message.data, reading.message.length);
    return (struct agora_text){kept, reading.message.length};
}

static void test_every_bit_counts(void **state) {
    (void)state;
    struct json_object *vectors = load_vectors();
    size_t survivors = 0;
    for (size_t i = 0; i < VECTORS; i++) {
        struct json_object *json = json_object_array_get_idx(vectors, i);
        struct agora_text token = text_of(json, "token");
        char kept[1024];
        struct agora_text message = message_of_vector(token, kept);
        memcpy(made, token.data, token.length);
        for (size_t bit = 0; bit < 8 * token.length; bit++) {
            made[bit / 8] = (char)(made[bit / 8] ^ 1 << bit % 8);
            survivors += survives((struct agora_text){made, token.length},
                                  text_of(json, "name").data, message);
            made[bit / 8] = token.data[bit / 8];
        }
    }
    assert_true(survivors <= 4); /* of 31,000 */
    json_object_put(vectors);
}

/* The same for the bits inside the base64, where a flip gives a well-formed text again. */
static void test_every_packed_bit_counts(void **state) {
    (void)state;
    struct json_object *vectors = load_vectors();
    size_t survivors = 0;
    for (size_t i = 0; i < VECTORS; i++) {
        struct json_object *json = json_object_array_get_idx(vectors, i);
        struct agora_text token = text_of(json, "token");
        uint8_t packed[1024];
        size_t length;
        char kept[1024];
        struct agora_text message = message_of_vector(token, kept);
        token.data += VERSION_LENGTH;
        token.length -= VERSION_LENGTH;
        assert_true(base64_decode(token, packed, &length));
        for (size_t bit = 0; bit < 8 * length; bit++) {
            packed[bit / 8] = (uint8_t)(packed[bit / 8] ^ 1 << bit % 8);
            survivors += survives((struct agora_text){made, encode(packed, length, VERSION_007)},
                                  text_of(json, "name").data, message);
            packed[bit / 8] = (uint8_t)(packed[bit / 8] ^ 1 << bit % 8);
        }
    }
    assert_true(survivors <= 3); /* of 23,000 */
    json_object_put(vectors);
}

/* Agora's builder for Node brings a zlib of its own, which packed the same content into a text that
 * differs from that of stock zlib in one bit. Both are the token. */
static void test_one_content_two_texts(void **state) {
    (void)state;
    static const char *const texts[] = {
        "007eJxTYGA/qHl62okzaaZ1Rrlch16bzfzzpmrFoz1up9/"
        "9yWP6INmhwJBkaJCYZGqRZGCUaGpmmWpskJKaYmaampSWb"
        "JhqYZZiygAFjPvn+DAysACZABH6HP8=",
        "007eJxTYGA/qHl62okzaaZ1Rrlch16bzfzzpmrFoz1up9/"
        "9yWP6INmhwJBkaJCYZGqRZGCUaGpmmWpskJKaYmaampSWb"
        "JhqYZZiygAFjPvn+DAysABZABH6HP8=",
    };
    char kept[1024];
    struct agora_text message = message_of_vector(text(texts[0]), kept);
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct agora_reading reading;
        assert_int_equal(read_into(text(texts[i]), &reading), AGORA_TOKEN_OK);
        assert_text(reading.message, message);
        assert_int_equal(reading.token.service_count, 1);
        assert_int_equal(reading.token.services[0].type, AGORA_SERVICE_FPA);
        assert_int_equal(agora_token_verify(&reading, text("9d018bafbd6d71c0207aaa65d5c6e99d")),
                         AGORA_TOKEN_OK);
    }
}

static void test_every_truncation(void **state) {
    (void)state;
    struct json_object *vectors = load_vectors();
    for (size_t i = 0; i < VECTORS; i++) {
        struct agora_text token = text_of(json_object_array_get_idx(vectors, i), "token");
        struct agora_reading reading;
        while (token.length-- > 0) {
            assert_int_not_equal(read_into(token, &reading), AGORA_TOKEN_OK);
            assert_int_equal(reading.version, 0);
        }
    }
    json_object_put(vectors);
}

static void test_every_room(void **state) {
    (void)state;
    struct json_object *vectors = load_vectors();
    for (size_t i = 0; i < VECTORS; i++) {
        struct json_object *json = json_object_array_get_idx(vectors, i);
        struct agora_text token = text_of(json, "token");
        struct agora_reading reading;
        size_t size = 0;
        enum agora_token_error error;
        /* Of exactly that size, at an odd address, so that a sanitizer sees a byte too far. */
        do {
            unsigned char *exact = malloc(size + 1);
            assert_non_null(exact);
            error = agora_token_read(token, exact + 1, size, &reading);
            if (error)
                assert_int_equal(error, AGORA_TOKEN_NO_ROOM);
            else
                assert_int_equal(agora_token_verify(&reading, text_of(json, "app_certificate")),
                                 AGORA_TOKEN_OK);
            free(exact);
            size++;
        } while (error);
        assert_true(size < AGORA_READ_ROOM);
    }
    json_object_put(vectors);
}

static void test_not_a_token(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum agora_token_error error;
    } cases[] = {
        {"", AGORA_TOKEN_BAD_VERSION},
        {"00", AGORA_TOKEN_BAD_VERSION},
        {"005abc", AGORA_TOKEN_BAD_VERSION},
        {"008eJxTYA==", AGORA_TOKEN_BAD_VERSION},
        {" 007eJxTYA==", AGORA_TOKEN_BAD_VERSION},
        {"hello", AGORA_TOKEN_BAD_VERSION},
        {"007", AGORA_TOKEN_BAD_ZLIB},
        {"007e", AGORA_TOKEN_BAD_BASE64},
        {"007=", AGORA_TOKEN_BAD_BASE64},
        {"007====", AGORA_TOKEN_BAD_BASE64},
        {"007e===", AGORA_TOKEN_BAD_BASE64},
        {"007eJ=x", AGORA_TOKEN_BAD_BASE64},
        {"007eJ==eJxT", AGORA_TOKEN_BAD_BASE64},
        {"007eJx-", AGORA_TOKEN_BAD_BASE64},
        {"007eJx\n", AGORA_TOKEN_BAD_BASE64},
        {"007eJy=", AGORA_TOKEN_BAD_BASE64},
        {"007eJxT\xc3\xa9zz", AGORA_TOKEN_BAD_BASE64},
        {"007AAAA", AGORA_TOKEN_BAD_ZLIB},
        {"007eJxTYA==", AGORA_TOKEN_BAD_ZLIB},
        {"007eJxTYB==", AGORA_TOKEN_BAD_BASE64},
        {"007eJxTYGB=", AGORA_TOKEN_BAD_BASE64},
        {"007eLv+", AGORA_TOKEN_BAD_ZLIB},
        {"006", AGORA_TOKEN_MALFORMED},
        {"006970CA35de60c44645bbae8a215061b3", AGORA_TOKEN_MALFORMED},
        {"006970CA35de60c44645bbae8a215061b3gIACV", AGORA_TOKEN_BAD_APP_ID},
        {"006970CA35de60c44645bbae8a215061b33", AGORA_TOKEN_MALFORMED},
        {"006970CA35de60c44645bbae8a215061b33IAC", AGORA_TOKEN_BAD_BASE64},
        {"006970CA35de60c44645bbae8a215061b33IACV", AGORA_TOKEN_MALFORMED},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct agora_reading reading;
        enum agora_token_error error = read_into(text(cases[i].text), &reading);
        if (error != cases[i].error)
            fail_msg("%s: %s", cases[i].text, agora_token_strerror(error));
    }
}

/* Bits between the last block and its checksum, which zlib itself does not look at. */
static void test_stray_bits(void **state) {
    (void)state;
    uint8_t payload[512];
    uint8_t packed[512];
    struct wire_writer w = message_of(payload, sizeof payload, 1);
    put_rtm(&w, "alice");
    struct agora_text token = sign_and_pack(&w);
    assert_int_equal(judge(token), AGORA_TOKEN_OK);

    size_t length;
    struct agora_text encoded = {token.data + VERSION_LENGTH, token.length - VERSION_LENGTH};
    assert_true(base64_decode(encoded, packed, &length));
    packed[length - 5] ^= 0x80;
    uint8_t unpacked[512];
    uLongf unpacked_length = sizeof unpacked;
    assert_int_equal(uncompress(unpacked, &unpacked_length, packed, length), Z_OK);
    assert_memory_equal(unpacked, payload, w.length);
    token.length = encode(packed, length, VERSION_007);
    assert_int_equal(judge(token), AGORA_TOKEN_BAD_ZLIB);
}

static void test_behind_the_end(void **state) {
    (void)state;
    uint8_t payload[512];
    uint8_t packed[600];
    uLongf length = sizeof packed;
    struct wire_writer w = message_of(payload, sizeof payload, 1);
    put_rtm(&w, "alice");
    sign_and_pack(&w);
    assert_int_equal(compress(packed, &length, payload, w.length), Z_OK);
    packed[length] = 0;
    assert_int_equal(judge((struct agora_text){made, encode(packed, length + 1, VERSION_007)}),
                     AGORA_TOKEN_BAD_ZLIB);
}

static void test_unpacks_without_end(void **state) {
    (void)state;
    static uint8_t zeros[1 << 20];
    struct agora_text token = pack(zeros, sizeof zeros);
    struct agora_reading reading;
    assert_true(token.length < 2000);
    assert_int_equal(agora_token_read(token, buffer, AGORA_READ_ROOM, &reading),
                     AGORA_TOKEN_NO_ROOM);
    assert_int_equal(agora_token_read(token, buffer, sizeof buffer, &reading), AGORA_TOKEN_NO_ROOM);
    assert_int_equal(agora_token_read(token, NULL, 0, &reading), AGORA_TOKEN_NO_ROOM);
}

/* Every length and count of a message, replaced by others: an error or a shorter reading, and no
 * byte outside. */
static void test_lying_lengths(void **state) {
    (void)state;
    static const uint16_t lies[] = {0, 1, 2, 7, 9, 255, 256, 32767, 65535};
    struct json_object *vectors = load_vectors();
    unsigned refused = 0;
    for (size_t i = 0; i < VECTORS; i++) {
        struct agora_text token = text_of(json_object_array_get_idx(vectors, i), "token");
        struct agora_text encoded = {token.data + VERSION_LENGTH, token.length - VERSION_LENGTH};
        uint8_t packed[1024];
        uint8_t payload[1024];
        size_t packed_length;
        uLongf length = sizeof payload;
        assert_true(base64_decode(encoded, packed, &packed_length));
        assert_int_equal(uncompress(payload, &length, packed, packed_length), Z_OK);
        for (size_t at = 0; at + 2 <= length; at++) {
            for (size_t lie = 0; lie < COUNT(lies); lie++) {
                uint8_t kept[2] = {payload[at], payload[at + 1]};
                payload[at] = (uint8_t)lies[lie];
                payload[at + 1] = (uint8_t)(lies[lie] >> 8);
                enum agora_token_error error = judge(pack(payload, length));
                if (error == AGORA_TOKEN_OK && memcmp(kept, &payload[at], 2) != 0)
                    fail_msg("vector %zu, byte %zu, %u", i, at, lies[lie]);
                refused += error == AGORA_TOKEN_MALFORMED;
                memcpy(&payload[at], kept, 2);
            }
        }
    }
    assert_true(refused > 1000);
    json_object_put(vectors);
}

static void test_malformed_messages(void **state) {
    (void)state;
    uint8_t payload[512];
    struct wire_writer w;

    w = message_of(payload, sizeof payload, 1); /* a privilege twice */
    wire_put_u16(&w, AGORA_SERVICE_FPA);
    wire_put_count(&w, 2);
    for (int i = 0; i < 2; i++) {
        wire_put_u16(&w, AGORA_FPA_LOGIN);
        wire_put_u32(&w, 0);
    }
    assert_int_equal(judge(sign_and_pack(&w)), AGORA_TOKEN_MALFORMED);

    w = message_of(payload, sizeof payload, 1); /* a permission on a resource twice */
    wire_put_u16(&w, AGORA_SERVICE_RTM2);
    wire_put_count(&w, 0);
    wire_put_string(&w, text("alice"));
    wire_put_count(&w, 2);
    for (int i = 0; i < 2; i++) {
        wire_put_u16(&w, AGORA_RTM2_USERS);
        wire_put_count(&w, 1);
        wire_put_u16(&w, AGORA_RTM2_READ);
        wire_put_count(&w, 0);
    }
    assert_int_equal(judge(sign_and_pack(&w)), AGORA_TOKEN_MALFORMED);

    w = message_of(payload, sizeof payload, 1); /* an App ID that is none */
    payload[2 + SIGNATURE_LENGTH + 2] = 'g';
    put_rtm(&w, "alice");
    assert_int_equal(judge(sign_and_pack(&w)), AGORA_TOKEN_BAD_APP_ID);

    w = message_of(payload, sizeof payload, 1); /* a signature of another length */
    put_rtm(&w, "alice");
    sign_and_pack(&w);
    payload[0]--;
    assert_int_equal(judge(pack(payload, w.length)), AGORA_TOKEN_MALFORMED);

    w = message_of(payload, sizeof payload, 2); /* more services than follow */
    put_rtm(&w, "alice");
    assert_int_equal(judge(sign_and_pack(&w)), AGORA_TOKEN_MALFORMED);
}

/* Resources without permissions grant nothing and are left out; lists that look large are walked
 * before memory is taken for them. */
static void test_permission_lists(void **state) {
    (void)state;
    enum { NAMES = 1000 };
    static uint8_t payload[16384];
    struct agora_reading reading;
    struct wire_writer w = message_of(payload, sizeof payload, 1);
    wire_put_u16(&w, AGORA_SERVICE_RTM2);
    wire_put_count(&w, 0);
    wire_put_string(&w, text("alice"));
    wire_put_count(&w, 2);
    wire_put_u16(&w, AGORA_RTM2_MESSAGE_CHANNELS);
    wire_put_count(&w, 0);
    wire_put_u16(&w, AGORA_RTM2_USERS);
    wire_put_count(&w, 1);
    wire_put_u16(&w, AGORA_RTM2_WRITE);
    wire_put_count(&w, NAMES);
    for (int i = 0; i < NAMES; i++)
        wire_put_string(&w, text(i == NAMES - 1 ? "last" : "name"));
    struct agora_text token = sign_and_pack(&w);
    assert_int_equal(read_into(token, &reading), AGORA_TOKEN_OK);
    assert_int_equal(agora_token_verify(&reading, text(certificate)), AGORA_TOKEN_OK);
    const struct agora_service *service = reading.token.services;
    assert_int_equal(service->permission_count, 1);
    assert_int_equal(service->permissions->resource, AGORA_RTM2_USERS);
    assert_int_equal(service->permissions->permission, AGORA_RTM2_WRITE);
    assert_int_equal(service->permissions->name_count, NAMES);
    assert_text(service->permissions->names[NAMES - 1], text("last"));
    assert_int_equal(agora_token_read(token, buffer, 8192, &reading), AGORA_TOKEN_NO_ROOM);

    payload[w.length - 4 - 2]++; /* the last name's length */
    assert_int_equal(judge(pack(payload, w.length)), AGORA_TOKEN_MALFORMED);
}

/* What came before an unknown service is kept, and the signature judged over all of it. */
static void test_unknown_parts(void **state) {
    (void)state;
    uint8_t payload[512];
    struct agora_reading reading;
    struct wire_writer w = message_of(payload, sizeof payload, 3);
    put_rtm(&w, "alice");
    size_t before = w.length;
    wire_put_u16(&w, AGORA_SERVICE_STT + 1);
    wire_put_string(&w, text("nobody knows what this is"));
    put_rtm(&w, "bob");
    assert_int_equal(read_into(sign_and_pack(&w), &reading), AGORA_TOKEN_OK);
    assert_int_equal(reading.token.service_count, 1);
    assert_text(reading.token.services[0].user, text("alice"));
    assert_int_equal(reading.unread, w.length - before);
    assert_int_equal(reading.unread_type, AGORA_SERVICE_STT + 1);
    assert_int_equal(agora_token_verify(&reading, text(certificate)), AGORA_TOKEN_OK);
    payload[w.length - 1]++;
    assert_int_equal(judge(pack(payload, w.length)), AGORA_TOKEN_BAD_SIGNATURE);

    w = message_of(payload, sizeof payload, 2); /* more privileges than the structure holds */
    put_rtm(&w, "alice");
    before = w.length;
    wire_put_u16(&w, AGORA_SERVICE_FPA);
    wire_put_count(&w, AGORA_PRIVILEGES_MAX + 1);
    for (uint16_t i = 0; i <= AGORA_PRIVILEGES_MAX; i++) {
        wire_put_u16(&w, i);
        wire_put_u32(&w, 0);
    }
    assert_int_equal(read_into(sign_and_pack(&w), &reading), AGORA_TOKEN_OK);
    assert_int_equal(reading.token.service_count, 1);
    assert_int_equal(reading.unread, w.length - before);
    assert_int_equal(reading.unread_type, AGORA_SERVICE_FPA);
    assert_int_equal(agora_token_verify(&reading, text(certificate)), AGORA_TOKEN_OK);

    w = message_of(payload, sizeof payload, 1); /* something behind the last service */
    put_rtm(&w, "alice");
    wire_put_bytes(&w, "more", 4);
    assert_int_equal(read_into(sign_and_pack(&w), &reading), AGORA_TOKEN_OK);
    assert_int_equal(reading.token.service_count, 1);
    assert_int_equal(reading.unread, 4);
    assert_int_equal(reading.unread_type, 0);
    assert_int_equal(agora_token_verify(&reading, text(certificate)), AGORA_TOKEN_OK);

    w = message_of(payload, sizeof payload, 0); /* no service at all */
    assert_int_equal(read_into(sign_and_pack(&w), &reading), AGORA_TOKEN_OK);
    assert_int_equal(reading.token.service_count, 0);
    assert_int_equal(reading.unread, 0);
}

static void test_006(void **state) {
    (void)state;
    struct agora_reading reading;
    assert_int_equal(read_into(text(token_006), &reading), AGORA_TOKEN_OK);
    assert_int_equal(reading.version, 6);
    assert_text(reading.old.app_id, text(app_id));
    assert_int_equal(reading.old.salt, 1);
    assert_int_equal(reading.old.ts, 1111111);
    assert_int_equal(reading.old.channel_crc,
                     crc32(0, (const Bytef *)channel_006, (uInt)strlen(channel_006)));
    assert_int_equal(reading.old.user_crc,
                     crc32(0, (const Bytef *)user_006, (uInt)strlen(user_006)));
    assert_int_equal(reading.old.privilege_count, 1);
    assert_int_equal(reading.old.privileges[0].privilege, AGORA_RTC_JOIN_CHANNEL);
    assert_int_equal(reading.old.privileges[0].expire, 1446455471);

    assert_int_equal(agora_token_verify(&reading, text(certificate)), AGORA_TOKEN_NEEDS_CHANNEL);
    assert_int_equal(
        agora_token_verify_006(&reading, text(channel_006), text(user_006), text(certificate)),
        AGORA_TOKEN_OK);
    assert_int_equal(
        agora_token_verify_006(&reading, text(channel_006), text(""), text(certificate)),
        AGORA_TOKEN_BAD_SIGNATURE);
    assert_int_equal(
        agora_token_verify_006(&reading, text("other"), text(user_006), text(certificate)),
        AGORA_TOKEN_BAD_SIGNATURE);
    assert_int_equal(
        agora_token_verify_006(&reading, text(channel_006), text(user_006), text(app_id)),
        AGORA_TOKEN_BAD_SIGNATURE);
    assert_int_equal(
        agora_token_verify_006(&reading, text(channel_006), text(user_006), text("short")),
        AGORA_TOKEN_BAD_CERTIFICATE);

    struct agora_text token = text(token_006);
    assert_int_equal(agora_token_read(token, buffer, 16, &reading), AGORA_TOKEN_NO_ROOM);
    while (token.length-- > 0)
        assert_int_not_equal(read_into(token, &reading), AGORA_TOKEN_OK);
}

static void test_006_too_many_privileges(void **state) {
    (void)state;
    for (size_t count = AGORA_PRIVILEGES_006_MAX; count <= AGORA_PRIVILEGES_006_MAX + 1; count++) {
        uint8_t message[256];
        uint8_t content[512];
        char version[64];
        struct agora_reading reading;
        struct wire_writer m = {.data = message, .size = sizeof message};
        struct wire_writer w = {.data = content, .size = sizeof content};
        wire_put_u32(&m, 1);
        wire_put_u32(&m, 2000);
        wire_put_count(&m, count);
        for (size_t i = 0; i < count; i++) {
            wire_put_u16(&m, (uint16_t)i);
            wire_put_u32(&m, (uint32_t)(1000 * i));
        }
        wire_put_string(&w, text("01234567890123456789012345678901"));
        wire_put_u32(&w, 0);
        wire_put_u32(&w, 0);
        wire_put_string(&w, (struct agora_text){(const char *)message, m.length});
        snprintf(version, sizeof version, "006%s", app_id);
        struct agora_text token = {made, encode(content, w.length, version)};
        if (count > AGORA_PRIVILEGES_006_MAX) {
            assert_int_equal(read_into(token, &reading), AGORA_TOKEN_BAD_PRIVILEGE);
            continue;
        }
        assert_int_equal(read_into(token, &reading), AGORA_TOKEN_OK);
        assert_int_equal(agora_token_006_end(&reading.old), 2000);
        assert_int_equal(agora_privilege_006_end(&reading.old, &reading.old.privileges[0]), 2000);
        assert_int_equal(agora_privilege_006_end(&reading.old, &reading.old.privileges[1]), 1000);
        assert_int_equal(agora_privilege_006_end(&reading.old, &reading.old.privileges[3]), 2000);
        assert_false(agora_reading_has_ended(&reading, 1999));
        assert_true(agora_reading_has_ended(&reading, 2000));
        w.length -= 4; /* the message is shorter than it says */
        token.length = encode(content, w.length, version);
        assert_int_equal(read_into(token, &reading), AGORA_TOKEN_MALFORMED);
    }
}

static void test_ends(void **state) {
    (void)state;
    struct agora_reading reading = {.version = 7, .token = {.issue_ts = 1000, .expire = 600}};
    const struct agora_token *token = &reading.token;
    static const struct {
        uint32_t expire;
        uint64_t end;
    } cases[] = {{0, 1600}, {1, 1001}, {599, 1599}, {600, 1600}, {601, 1600}, {UINT32_MAX, 1600}};
    assert_int_equal(agora_token_end(token), 1600);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct agora_privilege privilege = {1, cases[i].expire};
        assert_int_equal(agora_privilege_end(token, &privilege), cases[i].end);
        assert_false(agora_privilege_has_ended(token, &privilege, cases[i].end - 1));
        assert_true(agora_privilege_has_ended(token, &privilege, cases[i].end));
    }
    assert_false(agora_reading_has_ended(&reading, 0));
    assert_false(agora_reading_has_ended(&reading, 1599));
    assert_true(agora_reading_has_ended(&reading, 1600));

    reading.token.issue_ts = UINT32_MAX;
    reading.token.expire = UINT32_MAX;
    assert_int_equal(agora_token_end(token), 2 * (uint64_t)UINT32_MAX);
    assert_false(agora_reading_has_ended(&reading, (uint64_t)UINT32_MAX + 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_every_bit_counts),
        cmocka_unit_test(test_every_packed_bit_counts),
        cmocka_unit_test(test_one_content_two_texts),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_every_room),
        cmocka_unit_test(test_not_a_token),
        cmocka_unit_test(test_stray_bits),
        cmocka_unit_test(test_behind_the_end),
        cmocka_unit_test(test_unpacks_without_end),
        cmocka_unit_test(test_lying_lengths),
        cmocka_unit_test(test_malformed_messages),
        cmocka_unit_test(test_permission_lists),
        cmocka_unit_test(test_unknown_parts),
        cmocka_unit_test(test_006),
        cmocka_unit_test(test_006_too_many_privileges),
        cmocka_unit_test(test_ends),
    };
    return cmocka_run_group_tests_name("read", tests, NULL, NULL);
}
