/*
 * A key set that is fetched from a URL, and replaced as a whole. The thread that has it fetched
 * (see gateway/key_fetcher.h) writes, all others read; none waits for a fetch. A policy that is
 * read anew takes over the sources of callers that did not change, with the keys that are there.
 */
#ifndef ACCESS_KEY_SOURCE_H
#define ACCESS_KEY_SOURCE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "access/key_set.h"

/* The most bytes of a key set, and the URLs from which one may be fetched. */
enum { JWKS_MAX = 256 * 1024 };
#define JWKS_URL_ALLOWED "https://HOST/…, or http:// with localhost, 127.0.0.1 or [::1]"
bool jwks_url_is_allowed(const char *url);

struct key_source {
    atomic_uint holders;
    atomic_bool is_wanted; /* a token named a key that is not there; the fetcher clears it */
    pthread_mutex_t lock;  /* of keys */
    struct key_set *keys;  /* NULL before the first success, and when they have become too old */
    _Atomic int64_t succeeded_at; /* when keys were fetched last, in Unix seconds; 0: never */
    char *caller;                 /* for the log */
    char *url;
    char *ca_file; /* "" for the machine's own authorities */

    /* The fetcher's own; milliseconds of the monotonic clock, 0: never. */
    int64_t asked_at;
    int64_t fetched_at;
    bool has_failed;
};

/* With one holder; NULL when there is no memory. Copies the texts. */
struct key_source *key_source_new(const char *caller, const char *url, const char *ca_file);

struct key_source *key_source_hold(struct key_source *source);
void key_source_release(struct key_source *source); /* NULL is allowed */

/* The keys as they are now, to be given to key_set_release; NULL when there are none. */
struct key_set *key_source_keys(struct key_source *source);

/* Takes over the caller's hold of the keys; NULL takes them away. */
void key_source_replace(struct key_source *source, struct key_set *keys);

#endif
