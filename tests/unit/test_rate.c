/* Token buckets: what a limit grants, what a full table does, and many threads at once. */
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "access/rate.h"
#include "unit.h"

static const uint64_t second = 1000000000;
static const unsigned char secret[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static struct rate_key key_of(const char *subject) {
    return (struct rate_key){1, 2, text(subject)};
}

/* OpenSSL has the same function. */
static void test_hash_is_siphash(void **state) {
    (void)state;
    unsigned char message[16 + 64];
    struct rate_key key;
    uint64_t words[2];
    size_t size = 16;
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (unsigned char)(3 * i + 1);
    memcpy(words, secret, sizeof words);
    memcpy(&key.rule, message, 8);
    memcpy(&key.caller, message + 8, 8);
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    for (size_t length = 0; length <= 64; length++) {
        uint64_t hash[2];
        unsigned char expected[16];
        EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
        OSSL_PARAM parameters[] = {OSSL_PARAM_construct_size_t("size", &size),
                                   OSSL_PARAM_construct_end()};
        assert_true(EVP_MAC_init(context, secret, sizeof secret, parameters));
        assert_true(EVP_MAC_update(context, message, 16 + length));
        assert_true(EVP_MAC_final(context, expected, &size, sizeof expected));
        EVP_MAC_CTX_free(context);
        key.subject = (struct agora_text){(const char *)message + 16, length};
        rate_hash(words, &key, hash);
        assert_memory_equal(hash, expected, sizeof hash);
    }
    EVP_MAC_free(mac);
}

static void test_limits(void **state) {
    (void)state;
    static const struct rate_limit limits[] = {
        {1, 1}, {3, 1}, {10, 60}, {7, 3600}, {1, 86400}, {1000, 86400}, {RATE_COUNT_MAX, 1}};
    for (size_t i = 0; i < COUNT(limits); i++) {
        struct rate_table *table = rate_table_new(secret);
        struct rate_key key = key_of("ann");
        uint64_t interval = limits[i].seconds * second / limits[i].count + 1;
        uint64_t now = 5 * second;
        for (uint32_t n = 0; n < limits[i].count; n++)
            assert_int_equal(rate_take(table, limits[i], &key, now), 0);
        uint32_t wait = rate_take(table, limits[i], &key, now);
        assert_int_equal(wait, (interval - 1 + second - 1) / second);
        /* One comes back at a time, no sooner than its time. */
        bool is_exact = limits[i].seconds * second % limits[i].count == 0;
        assert_int_not_equal(rate_take(table, limits[i], &key, now + interval - 1 - is_exact), 0);
        assert_int_equal(rate_take(table, limits[i], &key, now + interval), 0);
        assert_int_not_equal(rate_take(table, limits[i], &key, now + interval), 0);
        /* What was refused was not charged, and when Retry-After has passed one is there. */
        assert_int_equal(rate_take(table, limits[i], &key, now + interval + wait * second), 0);
        /* Others' buckets are their own: by subject, by caller and by rule. */
        for (uint32_t n = 0; n < limits[i].count; n++)
            rate_take(table, limits[i], &key, now + interval);
        assert_int_not_equal(rate_take(table, limits[i], &key, now + interval), 0);
        struct rate_key others[] = {{1, 2, text("ann ")}, {1, 3, text("ann")}, {3, 2, text("ann")}};
        for (size_t j = 0; j < COUNT(others); j++)
            assert_int_equal(rate_take(table, limits[i], &others[j], now + interval), 0);
        /* A bucket holds no more than the limit however long nobody asks. */
        now += 10 * (limits[i].seconds + second) * second;
        for (uint32_t n = 0; n < limits[i].count; n++)
            assert_int_equal(rate_take(table, limits[i], &key, now), 0);
        assert_int_not_equal(rate_take(table, limits[i], &key, now), 0);
        rate_table_release(table);
    }
    rate_table_release(NULL);
}

/* More subjects than there are slots: those that came first keep their empty buckets, the others
 * are refused, and get theirs when those are full again. */
static void test_full_table(void **state) {
    (void)state;
    enum { SUBJECTS = 2 * RATE_SHARDS * RATE_SHARD_SLOTS };
    static const struct rate_limit limit = {2, 200};
    struct rate_table *table = rate_table_new(secret);
    size_t total = 0;
    char subject[16];
    for (size_t i = 0; i < SUBJECTS; i++) {
        snprintf(subject, sizeof subject, "s%zu", i);
        struct rate_key key = key_of(subject);
        uint32_t first = rate_take(table, limit, &key, second);
        uint32_t next = rate_take(table, limit, &key, second);
        assert_true(first == 0 ? next == 0 : first == 200 && next == 200);
        total += first == 0;
    }
    assert_int_equal(total, RATE_SHARDS * RATE_SHARD_SLOTS);
    for (size_t i = 0; i < SUBJECTS; i += 7) {
        snprintf(subject, sizeof subject, "s%zu", i);
        struct rate_key key = key_of(subject);
        assert_int_not_equal(rate_take(table, limit, &key, 50 * second), 0);
    }
    for (size_t i = 0; i < SUBJECTS; i += 7) {
        snprintf(subject, sizeof subject, "s%zu", i);
        struct rate_key key = key_of(subject);
        assert_int_equal(rate_take(table, limit, &key, 201 * second), 0);
    }
    rate_table_release(table);
}

enum { THREADS = 4, SHARED_SUBJECTS = 50, ROUNDS = 200 };

struct work {
    struct rate_table *table;
    atomic_uint *granted;
};

static void *ask(void *argument) {
    const struct work *work = argument;
    static const struct rate_limit limit = {100, 3600};
    for (size_t i = 0; i < SHARED_SUBJECTS * ROUNDS; i++) {
        char subject[16];
        snprintf(subject, sizeof subject, "s%zu", i % SHARED_SUBJECTS);
        struct rate_key key = key_of(subject);
        if (rate_take(work->table, limit, &key, second) == 0)
            atomic_fetch_add(work->granted, 1);
    }
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    atomic_uint granted = 0;
    struct work work = {rate_table_new(secret), &granted};
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &work), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(granted, SHARED_SUBJECTS * 100);
    rate_table_release(work.table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_is_siphash),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_full_table),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
