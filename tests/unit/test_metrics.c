/* Metrics: what is counted, by whom, and how it is written. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "metrics/metrics.h"
#include "unit.h"

static void read_process(const void *context, struct process_figures *figures) {
    assert_string_equal(context, "context");
    *figures = (struct process_figures){.connections = 3,
                                        .reloaded_at = 1795566162,
                                        .cpu_seconds = 0.25,
                                        .virtual_bytes = 1e12,
                                        .open_fds = -1};
}

static const struct monitor fresh = {.read_process = read_process, .context = "context"};

static uint64_t sum_of(const uint64_t *values, size_t count) {
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return sum;
}

static void count(struct counters *counters, const char *method, uint64_t nanoseconds) {
    count_request(counters, 1, text(method), HTTP_OK, nanoseconds);
}

static void test_sums(void **state) {
    (void)state;
    enum { WORKERS = 3 };
    static const uint64_t durations[] = {0,          10000,      10001,         25000,
                                         1000000000, 1000000001, UINT64_MAX / 2};
    static const size_t buckets[] = {
        0, 0, 1, 1, COUNTED_BUCKETS - 2, COUNTED_BUCKETS - 1, COUNTED_BUCKETS - 1};
    static const struct agora_service services[] = {{.type = AGORA_SERVICE_RTC},
                                                    {.type = AGORA_SERVICE_STT}};
    struct monitor monitor = fresh;
    struct counts total;
    struct counters *workers[WORKERS];
    for (size_t i = 0; i < WORKERS; i++) {
        workers[i] = monitor_add_counters(&monitor);
        assert_non_null(workers[i]);
        assert_int_equal((uintptr_t)workers[i] % CACHE_LINE, 0);
    }
    assert_int_equal(sizeof(struct counters) % CACHE_LINE, 0);

    for (size_t i = 0; i < COUNT(durations); i++) {
        count(workers[i % WORKERS], "GET", durations[i]);
        monitor_sum(&monitor, &total);
        assert_int_equal(sum_of(total.durations[1], COUNTED_BUCKETS), i + 1);
        assert_true(total.durations[1][buckets[i]] > 0);
    }
    static const char *const methods[] = {"POST", "HEAD", "OPTIONS", "get", "", "DELETE", "GETS"};
    for (size_t i = 0; i < COUNT(methods); i++)
        count(workers[i % WORKERS], methods[i], 5);
    count_request(workers[2], 0, text("GET"), HTTP_SERVICE_UNAVAILABLE, 7);
    count_minted(workers[0], services, COUNT(services));
    count_minted(workers[1], services, 1);

    monitor_sum(&monitor, &total);
    const size_t ok = http_status_place(HTTP_OK);
    static const uint64_t by_method[COUNTED_METHODS] = {COUNT(durations), 1, 1, 1, 4};
    for (size_t i = 0; i < COUNTED_METHODS; i++)
        assert_int_equal(total.requests[1][i][ok], by_method[i]);
    assert_int_equal(total.requests[0][0][http_status_place(HTTP_SERVICE_UNAVAILABLE)], 1);
    assert_int_equal(sum_of(&total.requests[0][0][0], sizeof total.requests / sizeof(uint64_t)),
                     COUNT(durations) + COUNT(methods) + 1);
    assert_int_equal(total.nanoseconds[0], 7);
    assert_int_equal(total.minted[AGORA_SERVICE_RTC], 2);
    assert_int_equal(total.minted[AGORA_SERVICE_STT], 1);
    monitor_free(&monitor);
}

static void expect(struct monitor *monitor, struct caller *callers, size_t first, size_t number) {
    static char names[2 * COUNTED_CALLERS][16];
    for (size_t i = 0; i < number; i++) {
        snprintf(names[i], sizeof names[i], "caller %zu", first + i);
        callers[i] = (struct caller){.name = text(names[i])};
    }
    monitor_add_callers(monitor, &(struct policy){.callers = {callers, number}});
}

static uint64_t failures_of(const struct monitor *monitor, const char *name) {
    struct counts total;
    const char *caller;
    uint64_t sum = 0;
    monitor_sum(monitor, &total);
    for (size_t i = 0; (caller = monitor_caller(monitor, i)); i++)
        if (strcmp(caller, name) == 0)
            sum += sum_of(total.failures[i], COUNTED_FAILURES);
    return sum;
}

/* Policies come and go; what was counted stays, and so does the number of series. */
static void test_callers(void **state) {
    (void)state;
    struct monitor monitor = fresh;
    struct counters *counters = monitor_add_counters(&monitor);
    static struct caller callers[2 * COUNTED_CALLERS];
    count_failure(counters, NULL, CREDENTIAL_ABSENT);
    expect(&monitor, callers, 0, 2);
    count_failure(counters, &callers[0], CREDENTIAL_EXPIRED);
    count_failure(counters, &callers[1], FAILURE_RATE);
    expect(&monitor, callers, 1, 2);
    count_failure(counters, &callers[0], FAILURE_RATE);
    assert_int_equal(failures_of(&monitor, ""), 1);
    assert_int_equal(failures_of(&monitor, "caller 0"), 1);
    assert_int_equal(failures_of(&monitor, "caller 1"), 2);
    assert_int_equal(failures_of(&monitor, "caller 2"), 0);

    /* Names that mean something here already. */
    struct caller fixed[] = {{.name = text("")}, {.name = text("(other)")}};
    monitor_add_callers(&monitor, &(struct policy){.callers = {fixed, COUNT(fixed)}});
    assert_int_equal(monitor.caller_count, 3);
    count_failure(counters, &fixed[0], FAILURE_NOT_ALLOWED);
    count_failure(counters, &fixed[1], FAILURE_NOT_ALLOWED);
    assert_int_equal(failures_of(&monitor, ""), 2);
    assert_int_equal(failures_of(&monitor, "(other)"), 1);

    expect(&monitor, callers, 0, COUNT(callers));
    for (size_t i = 0; i < COUNT(callers); i++)
        count_failure(counters, &callers[i], CREDENTIAL_EXPIRED);
    expect(&monitor, callers, COUNT(callers), COUNT(callers));
    count_failure(counters, &callers[0], CREDENTIAL_EXPIRED);
    assert_null(monitor_caller(&monitor, COUNTED_CALLERS));
    assert_non_null(monitor_caller(&monitor, COUNTED_CALLERS - 1));
    assert_int_equal(failures_of(&monitor, "caller 61"), 1);
    assert_int_equal(failures_of(&monitor, "(other)"), 1 + COUNT(callers) - 62 + 1);
    monitor_free(&monitor);
}

static struct settings settings = {.app_id = "970CA35de60c44645bbae8a215061b33", .metrics = ON};

/* Asks for the metrics; the text is to be freed. */
static char *ask(struct counters *counters, enum http_status status) {
    static struct response response;
    struct api api = {.settings = &settings, .counters = counters};
    struct request request = {.method = text("GET"), .path = text("/metrics")};
    api_answer(&api, &request, &response);
    assert_int_equal(response.status, status);
    char *body = strndup(response.body.data, response.body.length);
    assert_non_null(body);
    buffer_free(&response.body);
    return body;
}

static void test_text(void **state) {
    (void)state;
    static const char *const there[] = {
        "# TYPE agora_token_requests_total counter\n",
        "\nagora_token_requests_total{route=\"none\",method=\"other\",code=\"404\"} "
        "18446744073709551615\n",
        "\nagora_token_requests_total{route=\"/ping\",method=\"GET\",code=\"200\"} 2\n",
        "\nagora_token_request_duration_seconds_bucket{route=\"/ping\",le=\"0.00001\"} 1\n",
        "\nagora_token_request_duration_seconds_bucket{route=\"/ping\",le=\"0.1\"} 1\n",
        "\nagora_token_request_duration_seconds_bucket{route=\"/ping\",le=\"+Inf\"} 2\n",
        "\nagora_token_request_duration_seconds_sum{route=\"/ping\"} 2.000000009\n",
        "\nagora_token_request_duration_seconds_count{route=\"/ping\"} 2\n",
        "\nagora_token_minted_total{service=\"rtc\"} 1\n",
        "\nagora_token_minted_total{service=\"stt\"} 0\n",
        "\nagora_token_refused_total{reason=\"no_endpoint\"} 18446744073709551615\n",
        "\nagora_token_refused_total{reason=\"credential_invalid\"} 1\n",
        "\nagora_token_access_failures_total{caller=\"a\\\"b\\\\c\\nd\\\\\",reason=\"expired\"} "
        "1\n",
        "\nagora_token_access_failures_total{caller=\"\",reason=\"not_allowed\"} 1\n",
        "\nagora_token_connections 3\n",
        "\nagora_token_settings_last_reload_timestamp_seconds 1795566162\n",
        "\nagora_token_settings_last_reload_successful 0\n",
        "\nagora_token_access_open 1\n",
        "\nagora_token_sample_credentials 1\n",
        "\nagora_token_build_info{version=\"",
        "\nprocess_cpu_seconds_total 0.25\n",
        "\nprocess_virtual_memory_bytes 1000000000000\n",
    };
    struct monitor monitor = fresh;
    struct counters *counters = monitor_add_counters(&monitor);
    struct caller odd = {.name = text("a\"b\\c\nd\\")};
    monitor_add_callers(&monitor, &(struct policy){.callers = {&odd, 1}});
    count(counters, "GET", 9);
    count(counters, "GET", 2000000000);
    counters->counts.requests[0][COUNTED_METHODS - 1][http_status_place(HTTP_NOT_FOUND)] =
        UINT64_MAX;
    count_minted(counters, &(struct agora_service){.type = AGORA_SERVICE_RTC}, 1);
    count_failure(counters, &odd, CREDENTIAL_EXPIRED);
    count_failure(counters, NULL, FAILURE_NOT_ALLOWED);
    char *body = ask(counters, HTTP_OK);
    for (size_t i = 0; i < COUNT(there); i++)
        if (!strstr(body, there[i]))
            fail_msg("no %s in\n%s", there[i], body);
    /* What is not known, and routes that nobody asked for. */
    assert_null(strstr(body, "process_open_fds"));
    assert_null(strstr(body, "/getToken"));
    free(body);
    monitor_free(&monitor);
}

static void test_none(void **state) {
    (void)state;
    struct monitor monitor = fresh;
    char *body = ask(NULL, HTTP_NOT_FOUND);
    assert_non_null(strstr(body, "a process of one request (CGI) counts nothing"));
    free(body);
    settings.metrics = OFF;
    body = ask(monitor_add_counters(&monitor), HTTP_NOT_FOUND);
    settings.metrics = ON;
    assert_non_null(strstr(body, "no endpoint at '/metrics'"));
    free(body);
    monitor_free(&monitor);
}

/* A label is all that tells one reason from another. */
static void test_reasons(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNTED_FAILURES; i++) {
        assert_non_null(failure_name(i));
        assert_true(strspn(failure_name(i), "abcdefghijklmnopqrstuvwxyz_") ==
                    strlen(failure_name(i)));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(failure_name(i), failure_name(j));
    }
}

/* Counting waits for nobody, and sums never go back. */
enum { THREADS = 3, TIMES = 20000 };

static void *count_often(void *counters) {
    struct caller caller = {.name = text("late")};
    for (int i = 0; i < TIMES; i++) {
        count(counters, "GET", 1);
        count_failure(counters, &caller, FAILURE_RATE);
    }
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    struct monitor monitor = fresh;
    struct caller late = {.name = text("late")};
    pthread_t threads[THREADS];
    struct counters *workers[THREADS];
    struct counts total;
    uint64_t before = 0;
    for (size_t i = 0; i < THREADS; i++)
        workers[i] = monitor_add_counters(&monitor);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_often, workers[i]), 0);
    monitor_add_callers(&monitor, &(struct policy){.callers = {&late, 1}});
    for (int i = 0; i < 1000; i++) {
        monitor_sum(&monitor, &total);
        assert_true(total.requests[1][0][0] >= before);
        before = total.requests[1][0][0];
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    monitor_sum(&monitor, &total);
    assert_int_equal(total.requests[1][0][0], THREADS * TIMES);
    assert_int_equal(failures_of(&monitor, "(other)") + failures_of(&monitor, "late"),
                     THREADS * TIMES);
    monitor_free(&monitor);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums), cmocka_unit_test(test_callers), cmocka_unit_test(test_text),
        cmocka_unit_test(test_none), cmocka_unit_test(test_reasons), cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
