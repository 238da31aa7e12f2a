#include "access/rate.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t ns_per_second = 1000000000;

/* A bucket is one number: when it is full again. One that is full is as good as none, so its slot
 * is free. */
struct slot {
    uint64_t hash[2];
    uint64_t full_at;
};

struct shard {
    pthread_mutex_t lock;
    struct slot slots[RATE_SHARD_SLOTS];
};

struct rate_table {
    atomic_uint holders; /* besides the first */
    uint64_t secret[2];
    struct shard shards[RATE_SHARDS];
};

static uint64_t rotate(uint64_t word, unsigned bits) {
    return word << bits | word >> (64 - bits);
}

static void sip_rounds(uint64_t v[static 4], int rounds) {
    while (rounds-- > 0) {
        v[0] += v[1];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[0] = rotate(v[0], 32);
        v[2] += v[3];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[2] = rotate(v[2], 32);
    }
}

static void sip_word(uint64_t v[static 4], uint64_t word) {
    v[3] ^= word;
    sip_rounds(v, 2);
    v[0] ^= word;
}

/* Little-endian, of up to 8 bytes. */
static uint64_t word_of(const char *bytes, size_t count) {
    uint64_t word = 0;
    for (size_t i = 0; i < count; i++)
        word |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
    return word;
}

void rate_hash(const uint64_t secret[static 2], const struct rate_key *key,
               uint64_t hash[static 2]) {
    struct agora_text text = key->subject;
    uint64_t v[4] = {secret[0] ^ 0x736f6d6570736575, secret[1] ^ 0x646f72616e646f6d ^ 0xee,
                     secret[0] ^ 0x6c7967656e657261, secret[1] ^ 0x7465646279746573};
    sip_word(v, key->rule);
    sip_word(v, key->caller);
    uint64_t total = 16 + text.length;
    for (; text.length >= 8; text.data += 8, text.length -= 8)
        sip_word(v, word_of(text.data, 8));
    sip_word(v, word_of(text.data, text.length) | total << 56);
    v[2] ^= 0xee;
    sip_rounds(v, 4);
    hash[0] = v[0] ^ v[1] ^ v[2] ^ v[3];
    v[1] ^= 0xdd;
    sip_rounds(v, 4);
    hash[1] = v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct rate_table *rate_table_new(const unsigned char secret[static 16]) {
    struct rate_table *table = calloc(1, sizeof *table);
    if (!table)
        return NULL;
    memcpy(table->secret, secret, sizeof table->secret);
    for (size_t i = 0; i < RATE_SHARDS; i++)
        pthread_mutex_init(&table->shards[i].lock, NULL);
    return table;
}

struct rate_table *rate_table_hold(struct rate_table *table) {
    atomic_fetch_add(&table->holders, 1);
    return table;
}

void rate_table_release(struct rate_table *table) {
    if (!table || atomic_fetch_sub(&table->holders, 1) > 0)
        return;
    for (size_t i = 0; i < RATE_SHARDS; i++)
        pthread_mutex_destroy(&table->shards[i].lock);
    free(table);
}

/* The slot of the hash, else a free one, else that which is free first. The search begins where the
 * hash says, so that it is short as long as the shard is not full. */
static struct slot *find_slot(struct shard *shard, const uint64_t hash[static 2], uint64_t now_ns) {
    struct slot *best = NULL;
    for (size_t i = 0; i < RATE_SHARD_SLOTS; i++) {
        struct slot *slot = &shard->slots[(hash[1] + i) % RATE_SHARD_SLOTS];
        if (slot->hash[0] == hash[0] && slot->hash[1] == hash[1])
            return slot;
        if (!best || (best->full_at > now_ns && slot->full_at < best->full_at))
            best = slot;
    }
    return best;
}

static uint32_t take(struct shard *shard, struct rate_limit limit, const uint64_t hash[static 2],
                     uint64_t now_ns) {
    struct slot *slot = find_slot(shard, hash, now_ns);
    /* Rounded up, so that nobody gets more than the limit. */
    uint64_t interval = (limit.seconds * ns_per_second + limit.count - 1) / limit.count;
    bool is_other = slot->hash[0] != hash[0] || slot->hash[1] != hash[1];
    uint64_t burst = is_other ? 0 : interval * (limit.count - 1);
    if (slot->full_at > now_ns + burst)
        return (uint32_t)((slot->full_at - burst - now_ns + ns_per_second - 1) / ns_per_second);
    memcpy(slot->hash, hash, sizeof slot->hash);
    slot->full_at = (slot->full_at > now_ns ? slot->full_at : now_ns) + interval;
    return 0;
}

uint32_t rate_take(struct rate_table *table, struct rate_limit limit, const struct rate_key *key,
                   uint64_t now_ns) {
    uint64_t hash[2];
    rate_hash(table->secret, key, hash);
    struct shard *shard = &table->shards[hash[0] % RATE_SHARDS];
    pthread_mutex_lock(&shard->lock);
    uint32_t seconds = take(shard, limit, hash, now_ns);
    pthread_mutex_unlock(&shard->lock);
    return seconds;
}
