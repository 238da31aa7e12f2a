#include "metrics/metrics.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

/* The names of the first places among the callers. Whoever is called so in a policy shares them. */
enum { CALLER_UNKNOWN, CALLER_OTHER, CALLERS_FIXED };
static const char *const fixed_callers[CALLERS_FIXED] = {
    [CALLER_UNKNOWN] = "", [CALLER_OTHER] = "(other)"};

const struct agora_text counted_methods[COUNTED_METHODS] = {
    {"GET", 3}, {"POST", 4}, {"HEAD", 4}, {"OPTIONS", 7}, {"other", 5}};

/* A token takes some ten microseconds, a policy's signature check a hundred or two. */
const struct bucket counted_buckets[COUNTED_BUCKETS] = {
    {10000, "0.00001"},  {25000, "0.000025"}, {50000, "0.00005"}, {100000, "0.0001"},
    {250000, "0.00025"}, {500000, "0.0005"},  {1000000, "0.001"}, {2500000, "0.0025"},
    {5000000, "0.005"},  {10000000, "0.01"},  {100000000, "0.1"}, {1000000000, "1"},
    {UINT64_MAX, "+Inf"}};

const char *failure_name(size_t failure) {
    return failure == FAILURE_NOT_ALLOWED ? "not_allowed"
           : failure == FAILURE_RATE      ? "rate"
                                     : credential_verdict_name((enum credential_verdict)failure);
}

struct counters *monitor_add_counters(struct monitor *monitor) {
    struct counters *counters = aligned_alloc(CACHE_LINE, sizeof *counters);
    if (!counters)
        return NULL;
    memset(counters, 0, sizeof *counters);
    counters->monitor = monitor;
    counters->next = monitor->first;
    monitor->first = counters;
    return counters;
}

void monitor_free(struct monitor *monitor) {
    while (monitor->first) {
        struct counters *counters = monitor->first;
        monitor->first = counters->next;
        free(counters);
    }
    for (size_t i = 0; i < monitor->caller_count; i++)
        free(monitor->callers[i]);
}

const char *monitor_caller(const struct monitor *monitor, size_t place) {
    if (place < CALLERS_FIXED)
        return fixed_callers[place];
    place -= CALLERS_FIXED;
    /* Names are never taken back: what is there can be read while others come. */
    return place < atomic_load_explicit(&monitor->caller_count, memory_order_acquire)
               ? monitor->callers[place]
               : NULL;
}

/* COUNTED_CALLERS where there is none. */
static size_t place_of(const struct monitor *monitor, struct agora_text name) {
    const char *known;
    for (size_t i = 0; (known = monitor_caller(monitor, i)); i++)
        if (text_equals(name, known))
            return i;
    return COUNTED_CALLERS;
}

void monitor_add_callers(struct monitor *monitor, const struct policy *policy) {
    const struct caller *callers = policy->callers.items;
    for (size_t i = 0; i < policy->callers.count; i++) {
        size_t count = monitor->caller_count;
        if (count == COUNTED_CALLERS - CALLERS_FIXED)
            return;
        if (place_of(monitor, callers[i].name) < COUNTED_CALLERS)
            continue;
        monitor->callers[count] = strdup(callers[i].name.data);
        if (!monitor->callers[count])
            return;
        atomic_store_explicit(&monitor->caller_count, count + 1, memory_order_release);
    }
}

void monitor_sum(const struct monitor *monitor, struct counts *total) {
    uint64_t *sums = (uint64_t *)total;
    memset(total, 0, sizeof *total);
    for (const struct counters *one = monitor->first; one; one = one->next) {
        const uint64_t *values = (const uint64_t *)&one->counts;
        for (size_t i = 0; i < sizeof *total / sizeof *sums; i++)
            sums[i] += __atomic_load_n(&values[i], __ATOMIC_RELAXED);
    }
}

/* A plain read and a plain write, whole for others: no other thread writes it. */
static void add(uint64_t *number, uint64_t more) {
    __atomic_store_n(number, *number + more, __ATOMIC_RELAXED);
}

void count_request(struct counters *counters, size_t route, struct agora_text method,
                   enum http_status status, uint64_t nanoseconds) {
    struct counts *counts = &counters->counts;
    size_t which = 0;
    while (which < COUNTED_METHODS - 1 && !text_same(method, counted_methods[which]))
        which++;
    size_t bucket = 0;
    while (nanoseconds > counted_buckets[bucket].nanoseconds)
        bucket++;
    assert(route < COUNTED_ROUTES);
    add(&counts->requests[route][which][http_status_place(status)], 1);
    add(&counts->durations[route][bucket], 1);
    add(&counts->nanoseconds[route], nanoseconds);
}

void count_minted(struct counters *counters, const struct agora_service *services, size_t count) {
    for (size_t i = 0; i < count; i++) {
        assert(services[i].type < COUNTED_SERVICES);
        add(&counters->counts.minted[services[i].type], 1);
    }
}

void count_failure(struct counters *counters, const struct caller *caller, size_t failure) {
    size_t place = caller ? place_of(counters->monitor, caller->name) : CALLER_UNKNOWN;
    add(&counters->counts.failures[place < COUNTED_CALLERS ? place : CALLER_OTHER][failure], 1);
}
