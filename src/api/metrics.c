/* GET /metrics: what Prometheus reads, in its text format. */
#include "metrics/metrics.h"

#include <inttypes.h>

#include "api/routes.h"
#include "version.h"
#include "json/names.h"

enum { COUNTER, GAUGE, HISTOGRAM };

static void put_family(struct buffer *out, const char *name, unsigned type, const char *help) {
    static const char *const types[] = {
        [COUNTER] = "counter", [GAUGE] = "gauge", [HISTOGRAM] = "histogram"};
    buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, types[type]);
}

/* A label value in its quotes. */
static void put_quoted(struct buffer *out, const char *text) {
    buffer_puts(out, "\"");
    for (; *text; text++) {
        if (*text == '\n')
            buffer_puts(out, "\\n");
        else if (*text == '\\' || *text == '"')
            buffer_put(out, (struct agora_text){(char[]){'\\', *text}, 2});
        else
            buffer_put(out, (struct agora_text){text, 1});
    }
    buffer_puts(out, "\"");
}

static void put_sample(struct buffer *out, const char *name, const char *label, const char *value,
                       uint64_t number) {
    buffer_printf(out, "%s{%s=", name, label);
    put_quoted(out, value);
    buffer_printf(out, "} %" PRIu64 "\n", number);
}

static const char *route_name(size_t route) {
    return route == 0 ? "none" : route_pattern(route);
}

/* Of the many that could be, those that are there. */
static void put_requests(struct buffer *out, const struct counts *counts) {
    static const char name[] = "agora_token_requests_total";
    put_family(out, name, COUNTER,
               "Requests that were answered. Route none: refused before a route was looked for, or "
               "no route has the path.");
    for (size_t route = 0; route_name(route); route++)
        for (size_t method = 0; method < COUNTED_METHODS; method++)
            for (size_t status = 0; status < HTTP_STATUSES_MAX; status++)
                if (counts->requests[route][method][status] > 0)
                    buffer_printf(out, "%s{route=\"%s\",method=\"%s\",code=\"%d\"} %" PRIu64 "\n",
                                  name, route_name(route), counted_methods[method].data,
                                  http_status_at(status), counts->requests[route][method][status]);
}

static void put_durations(struct buffer *out, const struct counts *counts) {
    static const char name[] = "agora_token_request_duration_seconds";
    enum { BILLION = 1000000000 };
    const char *route;
    put_family(out, name, HISTOGRAM, "How long it took to make the answer to a request.");
    for (size_t i = 0; (route = route_name(i)); i++) {
        const uint64_t *buckets = counts->durations[i];
        uint64_t count = 0;
        for (size_t j = 0; j < COUNTED_BUCKETS; j++)
            count += buckets[j];
        if (count == 0)
            continue;
        count = 0;
        for (size_t j = 0; j < COUNTED_BUCKETS; j++)
            buffer_printf(out, "%s_bucket{route=\"%s\",le=\"%s\"} %" PRIu64 "\n", name, route,
                          counted_buckets[j].seconds, count += buckets[j]);
        buffer_printf(out, "%s_sum{route=\"%s\"} %" PRIu64 ".%09" PRIu64 "\n", name, route,
                      counts->nanoseconds[i] / BILLION, counts->nanoseconds[i] % BILLION);
        buffer_printf(out, "%s_count{route=\"%s\"} %" PRIu64 "\n", name, route, count);
    }
}

static void put_minted(struct buffer *out, const struct counts *counts) {
    static const char name[] = "agora_token_minted_total";
    put_family(out, name, COUNTER, "Services in the tokens that were minted.");
    for (unsigned type = 0; type < COUNTED_SERVICES; type++)
        if (service_name_of_type((uint16_t)type))
            put_sample(out, name, "service", service_name_of_type((uint16_t)type)->key,
                       counts->minted[type]);
}

/* Nothing is counted for these: they follow from what is. */
static const struct {
    const char *reason;
    enum http_status status;
    bool by_route; /* else before a route was found */
} refusals_by_status[] = {
    {"origin", HTTP_FORBIDDEN, false},         {"path", HTTP_BAD_REQUEST, false},
    {"no_endpoint", HTTP_NOT_FOUND, false},    {"body_too_large", HTTP_CONTENT_TOO_LARGE, false},
    {"method", HTTP_METHOD_NOT_ALLOWED, true}, {"value", HTTP_BAD_REQUEST, true},
    {"not_allowed", HTTP_FORBIDDEN, true},     {"rate", HTTP_TOO_MANY_REQUESTS, true},
};
static const struct {
    const char *reason;
    size_t first, last;
} refusals_by_credential[] = {
    {"credential_missing", CREDENTIAL_ABSENT, CREDENTIAL_ABSENT},
    {"credential_invalid", CREDENTIAL_ABSENT + 1, CREDENTIAL_VERDICTS - 1},
    {"keys_not_fetched", CREDENTIAL_NO_KEYS, CREDENTIAL_NO_KEYS},
};

static void put_refused(struct buffer *out, const struct counts *counts) {
    static const char name[] = "agora_token_refused_total";
    put_family(out, name, COUNTER, "Requests that were refused for what they are.");
    for (size_t i = 0; i < sizeof refusals_by_status / sizeof refusals_by_status[0]; i++) {
        size_t status = http_status_place(refusals_by_status[i].status);
        uint64_t sum = 0;
        for (size_t route = 0; route < COUNTED_ROUTES; route++)
            for (size_t method = 0; method < COUNTED_METHODS; method++)
                if ((route > 0) == refusals_by_status[i].by_route)
                    sum += counts->requests[route][method][status];
        put_sample(out, name, "reason", refusals_by_status[i].reason, sum);
    }
    for (size_t i = 0; i < sizeof refusals_by_credential / sizeof refusals_by_credential[0]; i++) {
        uint64_t sum = 0;
        for (size_t caller = 0; caller < COUNTED_CALLERS; caller++)
            for (size_t j = refusals_by_credential[i].first; j <= refusals_by_credential[i].last;
                 j++)
                sum += counts->failures[caller][j];
        put_sample(out, name, "reason", refusals_by_credential[i].reason, sum);
    }
}

static void put_failures(struct buffer *out, const struct monitor *monitor,
                         const struct counts *counts) {
    static const char name[] = "agora_token_access_failures_total";
    const char *caller;
    put_family(out, name, COUNTER,
               "Requests that access control turned away. Caller \"\": it is not known whose they "
               "are.");
    for (size_t i = 0; (caller = monitor_caller(monitor, i)); i++)
        for (size_t failure = 0; failure < COUNTED_FAILURES; failure++)
            if (counts->failures[i][failure] > 0) {
                buffer_printf(out, "%s{caller=", name);
                put_quoted(out, caller);
                buffer_printf(out, ",reason=\"%s\"} %" PRIu64 "\n", failure_name(failure),
                              counts->failures[i][failure]);
            }
}

/* Of those whose keys are fetched. Callers may have the same key set, and still each has its own.
 */
static void put_key_sets(struct buffer *out, const struct access *access) {
    static const char name[] = "agora_token_jwks_last_success_timestamp_seconds";
    struct key_source *source;
    put_family(out, name, GAUGE,
               "When the keys of a caller were fetched last, in Unix time; 0: not yet.");
    for (size_t i = 0; access && (source = access_source(access, i)); i++)
        put_sample(out, name, "caller", source->caller,
                   (uint64_t)atomic_load(&source->succeeded_at));
}

static void put_singles(struct buffer *out, const struct monitor *monitor,
                        const struct settings *settings) {
    struct process_figures process;
    monitor->read_process(monitor->context, &process);
    const struct {
        const char *name;
        unsigned type;
        const char *help;
        double value;
    } singles[] = {
        {"agora_token_connections", GAUGE, "Connections from the web server that are open.",
         process.connections},
        {"agora_token_connection_limit", GAUGE,
         "How many there may be: MAX_CONNECTIONS, or what the limit on open files allows.",
         process.connection_limit},
        {"agora_token_log_lines_dropped_total", COUNTER,
         "Lines of the log that were lost, as nobody read them.", process.log_lines_dropped},
        {"agora_token_settings_last_reload_successful", GAUGE,
         "Whether the settings could be used when they were read last, at the start or on SIGHUP.",
         process.reload_was_successful},
        {"agora_token_settings_last_reload_timestamp_seconds", GAUGE,
         "When that was, in Unix time.", process.reloaded_at},
        {"agora_token_access_open", GAUGE,
         "Whether anybody gets any token: ACCESS_FILE is not set.", settings->access ? 0 : 1},
        {"agora_token_sample_credentials", GAUGE,
         "Whether the credentials are those of the sample project, whose tokens let nobody in.",
         settings_are_sample(settings) ? 1 : 0},
        {"process_cpu_seconds_total", COUNTER, "User and system CPU time spent.",
         process.cpu_seconds},
        {"process_open_fds", GAUGE, "Open file descriptors.", process.open_fds},
        {"process_max_fds", GAUGE, "How many there may be.", process.max_fds},
        {"process_virtual_memory_bytes", GAUGE, "Virtual memory size.", process.virtual_bytes},
        {"process_resident_memory_bytes", GAUGE, "Resident memory size.", process.resident_bytes},
        {"process_start_time_seconds", GAUGE, "When the process started, in Unix time.",
         process.started_at},
    };
    for (size_t i = 0; i < sizeof singles / sizeof singles[0]; i++) {
        if (singles[i].value < 0)
            continue;
        put_family(out, singles[i].name, singles[i].type, singles[i].help);
        buffer_printf(out, "%s %.15g\n", singles[i].name, singles[i].value);
    }
    put_family(out, "agora_token_build_info", GAUGE, "The version of the program; always 1.");
    put_sample(out, "agora_token_build_info", "version", VERSION, 1);
}

void endpoint_metrics(const struct call *call, struct response *response) {
    const struct counters *counters = call->api->counters;
    struct counts total;
    if (!counters) {
        response_error(response, HTTP_NOT_FOUND,
                       "there are no metrics: a process of one request (CGI) counts nothing; run "
                       "the service over FastCGI to have them");
        return;
    }
    struct buffer *out = &response->body;
    response->content_type = "text/plain; version=0.0.4; charset=utf-8";
    monitor_sum(counters->monitor, &total);
    put_requests(out, &total);
    put_durations(out, &total);
    put_minted(out, &total);
    put_refused(out, &total);
    put_failures(out, counters->monitor, &total);
    put_key_sets(out, call->api->settings->access);
    put_singles(out, counters->monitor, call->api->settings);
}
