/* A thread that serves FastCGI connections: its own readiness loop, its own minter, no locks. */
#ifndef GATEWAY_WORKER_H
#define GATEWAY_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "metrics/metrics.h"

struct worker;

/* How many connections all workers together may have, and how they tell that there is room. */
struct connection_limit {
    unsigned connections;
    atomic_bool is_reached; /* a connection waits to be accepted: a worker that closes one ... */
    int wake_fd;            /* ... or has an idle one again adds 1 to this eventfd */
};

/* Starts a thread. NULL with errno when there is no memory or no descriptor. */
struct worker *worker_start(struct settings *settings, const struct connection_limit *limit,
                            struct monitor *monitor);

/* Has the worker hold and use these settings for every request to come. */
void worker_use(struct worker *worker, struct settings *settings);

/* Hands a connected, non-blocking socket to the worker, which closes it. */
void worker_add(struct worker *worker, int fd);

/* How many connections the worker holds. */
unsigned worker_load(const struct worker *worker);

/* Since when, in milliseconds of the monotonic clock, its longest idle connection has been without
 * a request. */
#define WORKER_NONE_IDLE INT64_MAX
int64_t worker_idle_since(const struct worker *worker);

/* Tells the worker to close its longest idle connection, if it has been so since `latest` or
 * before. Adds 1 to wake_fd, whether there was one or not. */
void worker_make_room(struct worker *worker, int64_t latest);

/* Tells the worker to answer what has begun and close the rest. What is added later is answered
 * too. */
void worker_drain(struct worker *worker);

/* Tells the worker that it has drained when nothing is left, at the latest one and a half seconds
 * after it began. */
void worker_end(struct worker *worker);

/* Waits for the end. */
void worker_join(struct worker *worker);

/* Once it has ended, and all the others too: one that is asked for the metrics looks at each. */
void worker_free(struct worker *worker);

#endif
