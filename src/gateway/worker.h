/* A thread that serves FastCGI connections: its own readiness loop, its own minter, no locks. */
#ifndef GATEWAY_WORKER_H
#define GATEWAY_WORKER_H

#include <stdbool.h>

#include "config.h"

struct worker;

/* Starts a thread. wake_fd: an eventfd to which the worker adds 1 whenever it closes a connection
 * while *watched is true. NULL when there is no memory or no descriptor. */
struct worker *worker_start(struct settings *settings, int wake_fd, const _Atomic bool *watched);

/* Has the worker hold and use these settings for every request to come. */
void worker_use(struct worker *worker, struct settings *settings);

/* Hands a connected, non-blocking socket to the worker, which closes it. */
void worker_add(struct worker *worker, int fd);

/* How many connections the worker holds. */
unsigned worker_load(const struct worker *worker);

/* Tells the worker to answer what has begun, close the rest and end. */
void worker_stop(struct worker *worker);

/* Waits for the end and frees. */
void worker_join(struct worker *worker);

#endif
