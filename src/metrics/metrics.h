/*
 * What the service counts. Each worker has counters of its own, on cache lines of its own, which
 * its thread alone writes: no lock and no locked instruction. Whoever is asked for the metrics adds
 * them up. No label holds what a client chose, so the number of counters is fixed.
 */
#ifndef METRICS_METRICS_H
#define METRICS_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "access/credential.h"
#include "access/policy.h"
#include "agora_token.h"
#include "http/response.h"

/* Why somebody did not get what they asked for: an enum credential_verdict, or one of these. */
enum { FAILURE_NOT_ALLOWED = CREDENTIAL_VERDICTS, FAILURE_RATE, COUNTED_FAILURES };
const char *failure_name(size_t failure);

enum {
    COUNTED_ROUTES = 24,  /* 0: the request met no route */
    COUNTED_METHODS = 5,  /* the last: any that the service does not know */
    COUNTED_BUCKETS = 13, /* the last: any duration above the limits */
    COUNTED_SERVICES = AGORA_SERVICE_STT + 1,
    /* Names of callers since the start, however often the policy changes. 0: unknown who it was; 1:
     * those for whom there was no room. */
    COUNTED_CALLERS = 64,
};

extern const struct agora_text counted_methods[COUNTED_METHODS];

/* What a bucket goes up to. */
extern const struct bucket {
    uint64_t nanoseconds;
    const char *seconds;
} counted_buckets[COUNTED_BUCKETS];

/* Numbers of this type alone, so that two of them are added up as arrays. */
struct counts {
    uint64_t requests[COUNTED_ROUTES][COUNTED_METHODS][HTTP_STATUSES_MAX];
    uint64_t durations[COUNTED_ROUTES][COUNTED_BUCKETS];
    uint64_t nanoseconds[COUNTED_ROUTES];
    uint64_t minted[COUNTED_SERVICES];
    uint64_t failures[COUNTED_CALLERS][COUNTED_FAILURES];
};

enum { CACHE_LINE = 64 };

/* A worker's. Others may read it at any time. */
struct counters {
    _Alignas(CACHE_LINE) struct counts counts;
    const struct monitor *monitor;
    struct counters *next;
};

/* What there is to tell of the process besides; negative where it cannot be known. */
struct process_figures {
    double connections;
    double connection_limit;
    double log_lines_dropped;
    double reload_was_successful;
    double reloaded_at; /* Unix seconds */
    double started_at;
    double cpu_seconds;
    double open_fds;
    double max_fds;
    double virtual_bytes;
    double resident_bytes;
};

/* The one of a process. All zero but for the first two. */
struct monitor {
    /* Fills all of figures. Any worker may call it. */
    void (*read_process)(const void *context, struct process_figures *figures);
    const void *context;
    struct counters *first;
    atomic_size_t caller_count;
    char *callers[COUNTED_CALLERS];
};

/* For one more worker; before the first of them serves. NULL when there is no memory. */
struct counters *monitor_add_counters(struct monitor *monitor);

/* Makes room for the callers of a policy that is about to be used. One thread calls this. */
void monitor_add_callers(struct monitor *monitor, const struct policy *policy);

/* What is left of it, once no worker is. */
void monitor_free(struct monitor *monitor);

/* The name of a place among the callers; NULL behind the last. */
const char *monitor_caller(const struct monitor *monitor, size_t place);

void monitor_sum(const struct monitor *monitor, struct counts *total);

/* All of them by the thread of the worker alone. route: its number; caller: NULL where it is not
 * known. */
void count_request(struct counters *counters, size_t route, struct agora_text method,
                   enum http_status status, uint64_t nanoseconds);
void count_minted(struct counters *counters, const struct agora_service *services, size_t count);
void count_failure(struct counters *counters, const struct caller *caller, size_t failure);

#endif
