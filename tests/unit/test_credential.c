/* What a request shows: src/access/credential.c and api_key.c. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/access.h"
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

/* A policy and a file that it names, in a folder that is not the working directory. */

static char directory[] = "/tmp/agora-token-access-XXXXXX";
static char policy_path[64], named_path[64];

static int make_directory(void **state) {
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(policy_path, sizeof policy_path, "%s/access.json", directory);
    snprintf(named_path, sizeof named_path, "%s/named", directory);
    return 0;
}

static int remove_directory(void **state) {
    (void)state;
    unlink(policy_path);
    unlink(named_path);
    return rmdir(directory);
}

static void write_file(const char *path, struct agora_text content, mode_t mode) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(content.data, 1, content.length, file), content.length);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

#define JWT_CALLER(member)                                                                         \
    "{\"callers\":{\"app\":{\"jwt\":{\"issuer\":\"i\",\"audience\":\"a\"," member                  \
    "}}},\"rules\":[]}"
#define JWKS                                                                                       \
    "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"                                       \
    "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"
#define SECRET "0123456789abcdef0123456789abcdef"
#define BYTES(literal)                                                                             \
    { literal, sizeof(literal) - 1 }

static void test_named_files(void **state) {
    (void)state;
    static const struct {
        const char *policy;
        struct agora_text named;
        mode_t mode;
        const char *refused;
    } cases[] = {
        {JWT_CALLER("\"secret_file\":\"named\""), BYTES(SECRET), 0640, NULL},
        {JWT_CALLER("\"secret_file\":\"named\""), BYTES(SECRET), 0644,
         ".jwt.secret_file: mode 0644 "},
        {JWT_CALLER("\"secret_file\":\"named\""), BYTES(SECRET "\0x"), 0600, "cannot read "},
        {JWT_CALLER("\"jwks_file\":\"named\""), BYTES(JWKS), 0644, NULL},
        {JWT_CALLER("\"jwks_file\":\"named\""), BYTES(JWKS), 0666, ".jwt.jwks_file: mode 0666 "},
        {JWT_CALLER("\"jwks_file\":\"named\""), BYTES(JWKS), 0664, ".jwt.jwks_file: mode 0664 "},
        {JWT_CALLER("\"jwks_url\":\"https://h/\",\"ca_file\":\"named\""), BYTES("x"), 0644, NULL},
        {JWT_CALLER("\"jwks_url\":\"https://h/\",\"ca_file\":\"named\""), BYTES("x"), 0646,
         ".jwt.ca_file: mode 0646 "},
        {JWT_CALLER("\"jwks_url\":\"https://h/\",\"ca_file\":\"other\""), BYTES("x"), 0644,
         ".jwt.ca_file: cannot read "},
    };
    char error[ACCESS_ERROR_MAX] = "";
    for (size_t i = 0; i < COUNT(cases); i++) {
        write_file(policy_path, text(cases[i].policy), 0644);
        write_file(named_path, cases[i].named, cases[i].mode);
        struct access *access = access_load(policy_path, ACCESS_SERVICE, NULL, error);
        if ((access == NULL) != (cases[i].refused != NULL) ||
            (!access && !strstr(error, cases[i].refused)))
            fail_msg("case %zu: %s", i, access ? "is taken" : error);
        if (access && access_source(access, 0))
            assert_string_equal(access_source(access, 0)->ca_file, named_path);
        access_release(access);
    }
}

/* What of a user's name nobody has checked. */
static void test_remote_user(void **state) {
    (void)state;
    static const struct {
        const char *environment[4];
        enum access_result result;
    } cases[] = {
        {{"REMOTE_USER=eve"}, ACCESS_IDENTIFIED},
        {{"REMOTE_USER="}, ACCESS_ABSENT},
        {{"REMOTE_USER=eve", "REMOTE_USER=eve"}, ACCESS_REFUSED},
        {{"REMOTE_USER=eve", "HTTP_AUTHORIZATION=Basic ZXZlOng="}, ACCESS_REFUSED},
        {{"REMOTE_USER=eve", "HTTP_AUTHORIZATION=\t bASIC ZXZlOng="}, ACCESS_REFUSED},
        {{"REMOTE_USER=eve", "HTTP_AUTHORIZATION=Basic ZXZlOng=", "HTTP_AUTH_TYPE=Basic"},
         ACCESS_REFUSED},
        {{"REMOTE_USER=eve", "HTTP_AUTHORIZATION=Basic ZXZlOng=", "AUTH_TYPE=Basic"},
         ACCESS_IDENTIFIED},
        {{"REMOTE_USER=eve", "HTTP_AUTHORIZATION=Basic ZXZlOng=", "HTTP_AUTHORIZATION=x"},
         ACCESS_REFUSED},
        {{"HTTP_X_API_KEY=k", "HTTP_X_API_KEY=k"}, ACCESS_REFUSED},
    };
    static struct identification who;
    char error[ACCESS_ERROR_MAX] = "";
    write_file(
        policy_path,
        text("{\"callers\":{\"site\":{\"server\":{\"user\":\"REMOTE_USER\"}}},\"rules\":[]}"),
        0644);
    struct access *access = access_load(policy_path, ACCESS_SERVICE, NULL, error);
    assert_non_null(access);
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *environment[COUNT(cases[i].environment) + 1] = {NULL};
        struct request request;
        for (size_t j = 0; j < COUNT(cases[i].environment) && cases[i].environment[j]; j++)
            environment[j] = strdup(cases[i].environment[j]);
        request_read_environment(&request, environment);
        enum access_result result = access_identify(access, &request, false, 1700000000, &who);
        if (result != cases[i].result)
            fail_msg("case %zu: %d", i, (int)result);
        if (result == ACCESS_IDENTIFIED)
            identification_free(&who);
        for (size_t j = 0; environment[j]; j++)
            free(environment[j]);
    }
    access_release(access);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bearer),      cmocka_unit_test(test_value),
        cmocka_unit_test(test_cookie),      cmocka_unit_test(test_verdicts_have_texts),
        cmocka_unit_test(test_api_keys),    cmocka_unit_test(test_made_keys),
        cmocka_unit_test(test_named_files), cmocka_unit_test(test_remote_user),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
