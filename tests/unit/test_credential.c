/* What a request shows: src/access/credential.c and api_key.c. */
#include <stdio.h>
#include <stdlib.h>

#include "access/api_key.h"
#include "access/credential.h"
#include "unit.h"

static void expect_text(struct agora_text given, const char *wanted, const char *about) {
    if ((given.data == NULL) != (wanted == NULL) || (wanted && !text_equals(given, wanted)))
        fail_msg("%s: '%.*s'", about, (int)given.length, given.data ? given.data : "");
}

static void test_bearer(void **state) {
    (void)state;
    static const struct {
        const char *header;
        const char *credential;
    } cases[] = {
        {"Bearer abc", "abc"},
        {"bearer abc", "abc"},
        {"BEARER   abc\t", "abc"},
        {" Bearer abc ", "abc"},
        {"Bearer a b", "a b"}, /* which is no JWT, but is there */
        {"Bearer a, Bearer b", "a, Bearer b"},
        {"", NULL},
        {"Bearer", NULL},
        {"Bearer ", NULL},
        {"Bearer \t ", NULL},
        {"Bearerabc", NULL},
        {"Bearer=abc", NULL},
        {"Beare abc", NULL},
        {"Basic YWxpY2U6cHc=", NULL},
        {"Basic Bearer abc", NULL},
        {"abc", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_text(credential_bearer(text(cases[i].header)), cases[i].credential, cases[i].header);
    expect_text(credential_bearer((struct agora_text){NULL, 0}), NULL, "none");
}

static void test_value(void **state) {
    (void)state;
    expect_text(credential_value(text("abc")), "abc", "as it is");
    expect_text(credential_value(text(" \tabc def \t")), "abc def", "white space");
    expect_text(credential_value(text(" \t ")), NULL, "nothing but white space");
    expect_text(credential_value(text("")), NULL, "empty");
    expect_text(credential_value((struct agora_text){NULL, 0}), NULL, "none");
}

static void test_cookie(void **state) {
    (void)state;
    static const struct {
        const char *header;
        const char *value;
    } cases[] = {
        {"session=abc", "abc"},
        {"a=1; session=abc; b=2", "abc"},
        {"a=1;session=abc;b=2", "abc"},
        {" a=1 ;\tsession = abc ; b=2", "abc"},
        {"session=a=b==", "a=b=="},
        {"session=\"abc\"", "abc"},
        {"session=\"abc", "\"abc"},
        {"session=\"", "\""},
        {"session=a b,c", "a b,c"},
        {"session; session=abc", "abc"},      /* the first has no name: it is no pair */
        {"a=\"1; session=abc; b=2\"", "abc"}, /* quotes do not hold a semicolon */
        {"session=", NULL},
        {"session=\"\"", NULL},
        {"session= ", NULL},
        {"session", NULL},
        {"=session", NULL},
        {"=abc", NULL},
        {"Session=abc", NULL},
        {"xsession=abc; sessions=abc; a session=abc", NULL},
        {"a=session=abc", NULL},
        {"", NULL},
        {";;; ;", NULL},
    };
    struct agora_text value;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_true(credential_cookie(text(cases[i].header), "session", &value));
        expect_text(value, cases[i].value, cases[i].header);
    }
    assert_true(credential_cookie((struct agora_text){NULL, 0}, "session", &value));
    assert_null(value.data);

    static const char *const twice[] = {
        "session=abc; session=def",
        "session=abc; a=1; session=abc",
        "session=; session=abc",
        "session=abc; session=",
        "session=abc; session=def; session=ghi",
    };
    for (size_t i = 0; i < COUNT(twice); i++)
        if (credential_cookie(text(twice[i]), "session", &value))
            fail_msg("%s", twice[i]);
}

static void test_verdicts_have_texts(void **state) {
    (void)state;
    for (int i = CREDENTIAL_VALID; i <= CREDENTIAL_NOT_YET_VALID; i++)
        assert_non_null(credential_verdict_text((enum credential_verdict)i));
}

/* API keys. */

static struct api_key key_of(const char *id, const char *key, int64_t expires) {
    struct api_key made = {.id = text(id), .expires = expires};
    assert_true(api_key_hash(EVP_sha256(), text(key), made.sha256));
    return made;
}

static void test_api_keys(void **state) {
    (void)state;
    const struct api_key keys[] = {key_of("first", "abc", 0), key_of("second", "def", 1700000000),
                                   key_of("third", "", 0)};
    unsigned char hash[API_KEY_HASH_LENGTH];
    /* FIPS 180-2, appendix B.1 */
    assert_memory_equal(keys[0].sha256,
                        "\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23"
                        "\xb0\x03\x61\xa3\x96\x17\x7a\x9c\xb4\x10\xff\x61\xf2\x00\x15\xad",
                        32);
    for (size_t i = 0; i < COUNT(keys); i++) {
        memcpy(hash, keys[i].sha256, sizeof hash);
        assert_ptr_equal(api_key_find(keys, COUNT(keys), hash), &keys[i]);
        for (size_t byte = 0; byte < sizeof hash; byte++) {
            hash[byte] ^= 0x10;
            assert_null(api_key_find(keys, COUNT(keys), hash));
            hash[byte] ^= 0x10;
        }
    }
    assert_null(api_key_find(keys, 0, keys[0].sha256));

    assert_false(api_key_is_expired(&keys[0], INT64_MAX));
    assert_false(api_key_is_expired(&keys[1], 1699999999));
    assert_true(api_key_is_expired(&keys[1], 1700000000));
}

/* Of 43 digits the last has four bits; each of the others takes every value in so many keys. */
static void test_made_keys(void **state) {
    (void)state;
    enum { KEYS = 2000 };
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    static bool seen[API_KEY_LENGTH][64];
    for (int i = 0; i < KEYS; i++) {
        char key[API_KEY_LENGTH + 1];
        assert_true(api_key_make(key));
        assert_int_equal(strlen(key), API_KEY_LENGTH);
        for (size_t at = 0; at < API_KEY_LENGTH; at++) {
            assert_non_null(strchr(digits, key[at]));
            seen[at][strchr(digits, key[at]) - digits] = true;
        }
    }
    for (size_t at = 0; at < API_KEY_LENGTH; at++)
        for (size_t digit = 0; digit < 64; digit++)
            assert_int_equal(seen[at][digit], at + 1 < API_KEY_LENGTH || digit % 4 == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bearer),   cmocka_unit_test(test_value),
        cmocka_unit_test(test_cookie),   cmocka_unit_test(test_verdicts_have_texts),
        cmocka_unit_test(test_api_keys), cmocka_unit_test(test_made_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
