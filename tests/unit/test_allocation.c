/*
 * Every allocation fails once, in each call of the library: an error, nothing lost. The linker
 * hands this program the library's malloc and calloc and zlib's init functions (see the Makefile),
 * and OpenSSL takes allocators at run time.
 */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <zlib.h>

#include "agora_token.h"
#include "unit.h"

static const char app_id[] = "970CA35de60c44645bbae8a215061b33";
static const char certificate[] = "5CFd2fd1755d40ecb72977518be15d3b";

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void __real_free(void *memory);
int __real_deflateInit_(z_stream *stream, int level, const char *version, int size);
int __real_inflateInit_(z_stream *stream, const char *version, int size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void __wrap_free(void *memory);
int __wrap_deflateInit_(z_stream *stream, int level, const char *version, int size);
int __wrap_inflateInit_(z_stream *stream, const char *version, int size);

static bool counting;
static size_t made;      /* allocations since counting began */
static size_t fail_at;   /* the one that fails; 0: none */
static long outstanding; /* of the library's own and zlib's: OpenSSL may keep what it likes */

static bool is_refused(void) {
    return counting && ++made == fail_at;
}

static void *kept(void *memory) {
    outstanding += memory != NULL;
    return memory;
}

void *__wrap_malloc(size_t size) {
    return is_refused() ? NULL : kept(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size) {
    return is_refused() ? NULL : kept(__real_calloc(count, size));
}

void __wrap_free(void *memory) {
    outstanding -= memory != NULL;
    __real_free(memory);
}

static void *zlib_alloc(void *opaque, unsigned count, unsigned size) {
    (void)opaque;
    return __wrap_calloc(count, size);
}

static void zlib_free(void *opaque, void *memory) {
    (void)opaque;
    __wrap_free(memory);
}

int __wrap_deflateInit_(z_stream *stream, int level, const char *version, int size) {
    stream->zalloc = zlib_alloc;
    stream->zfree = zlib_free;
    return __real_deflateInit_(stream, level, version, size);
}

int __wrap_inflateInit_(z_stream *stream, const char *version, int size) {
    stream->zalloc = zlib_alloc;
    stream->zfree = zlib_free;
    return __real_inflateInit_(stream, version, size);
}

static void *openssl_alloc(size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    return is_refused() ? NULL : __real_malloc(size);
}

static void *openssl_realloc(void *memory, size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    return is_refused() ? NULL : realloc(memory, size);
}

static void openssl_free(void *memory, const char *file, int line) {
    (void)file;
    (void)line;
    __real_free(memory);
}

/* What each attempt does; AGORA_TOKEN_OK when it went through. */

static char token[16384];
static struct agora_text token_text;
static unsigned char buffer[65536];

static struct agora_token token_of(const struct agora_service *service) {
    return (struct agora_token){.app_id = {app_id, AGORA_HEX_LENGTH},
                                .issue_ts = 1111111,
                                .expire = 600,
                                .salt = 1,
                                .service_count = 1,
                                .services = service};
}

static enum agora_token_error mint(struct agora_text user) {
    struct agora_service service = agora_service_rtm(user, 600);
    struct agora_token parts = token_of(&service);
    struct agora_minter *minter = agora_minter_new();
    enum agora_token_error error =
        minter ? agora_token_salt(minter, &parts.salt) : AGORA_TOKEN_NO_MEMORY;
    if (!error)
        error = agora_token_mint(minter, &parts, text(certificate), token, sizeof token,
                                 &token_text.length);
    agora_minter_free(minter);
    token_text.data = token;
    return error;
}

static enum agora_token_error mint_small(void) {
    return mint(text("alice"));
}

/* Longer than what the minter keeps memory for, and left to zlib. */
static enum agora_token_error mint_large(void) {
    static char user[9000];
    for (size_t i = 0; i < sizeof user; i++)
        user[i] = (char)('a' + i % 23);
    return mint((struct agora_text){user, sizeof user});
}

static enum agora_token_error read_and_verify(void) {
    struct agora_reading reading;
    enum agora_token_error error = agora_token_read(token_text, buffer, sizeof buffer, &reading);
    return error ? error : agora_token_verify(&reading, text(certificate));
}

static enum agora_token_error read_and_verify_006(void) {
    static const char old[] = "006970CA35de60c44645bbae8a215061b33IACV0fZUBw+"
                              "72cVoL9eyGGh3Q6Poi8bgjwVLnyKSJyOXR7dIfRBXoFHl"
                              "EAABAAAAR/QQAAEAAQCvKDdW";
    struct agora_reading reading;
    enum agora_token_error error = agora_token_read(text(old), buffer, sizeof buffer, &reading);
    return error ? error
                 : agora_token_verify_006(&reading, text("7d72365eb983485397e3e3f9d460bdda"),
                                          text("2882341273"), text(certificate));
}

static enum agora_token_error fill_room_user(void) {
    struct agora_service services[3];
    char chat_user[AGORA_MD5_SIZE];
    return agora_services_apaas_room_user(services, text("room"), text("alice"), 1, 600, chat_user);
}

/* Lets each allocation of the attempt fail in turn until it gets through. */
static size_t fail_each(enum agora_token_error (*attempt)(void)) {
    /* Whatever OpenSSL sets up once and for all shall not count. */
    assert_int_equal(attempt(), AGORA_TOKEN_OK);
    for (fail_at = 1;; fail_at++) {
        long before = outstanding;
        made = 0;
        counting = true;
        enum agora_token_error error = attempt();
        counting = false;
        assert_int_equal(outstanding, before);
        if (made < fail_at) {
            assert_int_equal(error, AGORA_TOKEN_OK);
            return made;
        }
        /* OpenSSL gets by without some of what it asks for, but then the token is a good one. */
        if (!error)
            assert_int_equal(read_and_verify(), AGORA_TOKEN_OK);
        if (error && error != AGORA_TOKEN_NO_MEMORY && error != AGORA_TOKEN_CRYPTO)
            fail_msg("allocation %zu: %s", fail_at, agora_token_strerror(error));
    }
}

static void test_minting(void **state) {
    (void)state;
    /* The minter and its EVP contexts, of which OpenSSL makes fewer from release to release; and
     * memory and a stream for the large one. */
    size_t small = fail_each(mint_small);
    size_t large = fail_each(mint_large);
    assert_true(small > 2);
    assert_true(large > small);
}

static void test_reading(void **state) {
    (void)state;
    assert_int_equal(mint_small(), AGORA_TOKEN_OK);
    assert_true(fail_each(read_and_verify) > 5);
    assert_int_equal(mint_large(), AGORA_TOKEN_OK);
    assert_true(fail_each(read_and_verify) > 5);
    assert_true(fail_each(read_and_verify_006) > 2);
}

static void test_room_user(void **state) {
    (void)state;
    assert_true(fail_each(fill_room_user) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_minting),
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_room_user),
    };
    if (!CRYPTO_set_mem_functions(openssl_alloc, openssl_realloc, openssl_free))
        return EXIT_FAILURE;
    return cmocka_run_group_tests_name("allocation", tests, NULL, NULL);
}
