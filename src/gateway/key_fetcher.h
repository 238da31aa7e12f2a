/*
 * Has the key sets of a policy's jwks_url fetched, by the program agora-token-jwks beside this one,
 * which it starts, talks to by pipes, and starts again when it ends or does not answer. Nothing
 * here waits. One thread, the one that accepts, calls all of it.
 */
#ifndef GATEWAY_KEY_FETCHER_H
#define GATEWAY_KEY_FETCHER_H

#include <stdint.h>

#include "access/access.h"

struct key_fetcher;

/* NULL when there is no memory. Starts no program before there is something to fetch. */
struct key_fetcher *key_fetcher_new(void);

/* Ends the program and frees. NULL is allowed. */
void key_fetcher_free(struct key_fetcher *fetcher);

/* From now on fetches the key sets that this policy names by URL, each of them at once, and no
 * others; NULL for none. False when there is no memory; nothing has changed then. */
bool key_fetcher_use(struct key_fetcher *fetcher, const struct access *access);

/* Does what is due, now of the monotonic clock; to be called again when there is input or time has
 * passed, in milliseconds. -1: no input is expected, no time matters. */
void key_fetcher_step(struct key_fetcher *fetcher, int64_t now);
int key_fetcher_fd(const struct key_fetcher *fetcher);
int key_fetcher_timeout(const struct key_fetcher *fetcher);

#endif
