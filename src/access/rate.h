/* How often somebody may get a token: token buckets, in memory of a fixed size. */
#ifndef ACCESS_RATE_H
#define ACCESS_RATE_H

#include <stdint.h>

#include "agora_token.h"

/* `count` at once, and then one each seconds/count. */
struct rate_limit {
    uint32_t count; /* 1 to RATE_COUNT_MAX */
    uint32_t seconds;
};
enum { RATE_COUNT_MAX = 1000000 };

/* Whose bucket it is: the ids of rule and caller, and which of the caller's subjects. */
struct rate_key {
    uint64_t rule;
    uint64_t caller;
    struct agora_text subject;
};

/* The buckets that are not full; others need no memory. About 3 MiB once that many are in use. */
enum { RATE_SHARDS = 512, RATE_SHARD_SLOTS = 256 };
struct rate_table;

/* secret: random bytes, so that nobody can tell which shard a subject falls into. NULL when there
 * is no memory. */
struct rate_table *rate_table_new(const unsigned char secret[static 16]);

/* One holder more than the one that made it; returns its argument. */
struct rate_table *rate_table_hold(struct rate_table *table);

/* One holder less; the last one frees. NULL is allowed. */
void rate_table_release(struct rate_table *table);

/*
 * Takes one from the bucket: 0. Nothing is taken where it is empty: the result is the number of
 * seconds, 1 at least, after which it no longer is. A bucket that has no place, as every one of its
 * shard is in use, counts as empty, so that nobody gets a new bucket in place of an empty one.
 *
 * now_ns: of a clock that never goes back. Any thread may call it.
 */
uint32_t rate_take(struct rate_table *table, struct rate_limit limit, const struct rate_key *key,
                   uint64_t now_ns);

/* SipHash-2-4 with a result of 128 bits, of rule and caller, 8 bytes each, and the subject. All
 * numbers are little-endian. */
void rate_hash(const uint64_t secret[static 2], const struct rate_key *key,
               uint64_t hash[static 2]);

#endif
