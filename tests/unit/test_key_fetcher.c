/* When key sets are fetched, by a clock of the test, and what the fetcher does of whatever the
 * program answers that it starts: here a script. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "gateway/key_fetcher.h"
#include "unit.h"

static const int64_t second = 1000, minute = 60 * second, hour = 60 * minute;

#define KEY(kid)                                                                                   \
    "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"" kid                               \
    "\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"

static char folder[] = "/tmp/agora-token-fetcher-XXXXXX";
static bool is_missing;
static int starts;
static pid_t last_pid;
static int lost; /* questions whose script was ended before it noted that it had answered */

/* Starts the script in place of the program. */
int __real_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *files,
                       const posix_spawnattr_t *attributes, char *const arguments[],
                       char *const environment[]);
int __wrap_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *files,
                       const posix_spawnattr_t *attributes, char *const arguments[],
                       char *const environment[]);
int __wrap_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *files,
                       const posix_spawnattr_t *attributes, char *const arguments[],
                       char *const environment[]) {
    char script[128];
    assert_non_null(strstr(path, "/agora-token-jwks"));
    snprintf(script, sizeof script, "%s/script", folder);
    if (is_missing)
        return ENOENT;
    starts++;
    int error = __real_posix_spawn(pid, script, files, attributes, arguments, environment);
    last_pid = *pid;
    return error;
}

static char *file(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *content, size_t length) {
    FILE *out = fopen(file(name), "w");
    assert_non_null(out);
    assert_int_equal(fwrite(content, 1, length, out), length);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(file(name), 0700), 0);
}

static void answer_raw(const char *text) {
    write_file("answer", text, strlen(text));
}

static void answer(const char *content, bool is_good) {
    char text[1024];
    snprintf(text, sizeof text, "1 %s%zu\n%s", is_good ? "" : "- ", strlen(content), content);
    answer_raw(text);
}

static int lines_of(const char *name) {
    int count = 0;
    FILE *in = fopen(file(name), "r");
    for (int c; in && (c = getc(in)) != EOF;)
        count += c == '\n';
    if (in)
        fclose(in);
    return count;
}

static struct access *load(const char *more) {
    char policy[512];
    char error[ACCESS_ERROR_MAX];
    snprintf(policy, sizeof policy,
             "{\"callers\":{%s\"key\":{\"api_keys\":[{\"id\":\"a\",\"sha256\":\"%064d\"}]}},"
             "\"rules\":[]}",
             more, 0);
    write_file("access.json", policy, strlen(policy));
    struct access *access = access_load(file("access.json"), ACCESS_SERVICE, NULL, error);
    assert_non_null(access);
    return access;
}

#define APP                                                                                        \
    "\"app\":{\"jwt\":{\"issuer\":\"i\",\"audience\":\"a\",\"jwks_url\":\"https://example.com/"    \
    "\"}},"

struct scene {
    struct key_fetcher *fetcher;
    struct access *access;
    struct key_source *source;
};

static int begin(void **state) {
    static struct scene scene;
    static const char script[] = "#!/bin/sh\n"
                                 "cd \"${0%/*}\"\n"
                                 "while read -r line; do\n"
                                 "echo >>asked; cat answer; echo >>answered\n"
                                 "done\n";
    starts = 0;
    is_missing = false;
    write_file("script", script, sizeof script - 1);
    unlink(file("asked"));
    unlink(file("answered"));
    lost = 0;
    answer(KEY("1"), true);
    scene.fetcher = key_fetcher_new();
    scene.access = load(APP);
    scene.source = access_source(scene.access, 0);
    assert_true(key_fetcher_use(scene.fetcher, scene.access));
    *state = &scene;
    return 0;
}

static int end(void **state) {
    struct scene *scene = *state;
    key_fetcher_free(scene->fetcher);
    access_release(scene->access);
    assert_true(last_pid == 0 || kill(last_pid, 0) != 0);
    return 0;
}

/* Steps at one moment until `wanted` questions in all have been asked and their answers read, and
 * shows that no more come. */
static void step(struct scene *scene, int64_t now, int wanted) {
    for (int i = 0; i < 1000; i++) {
        key_fetcher_step(scene->fetcher, now);
        int fd = key_fetcher_fd(scene->fetcher);
        int asked = lines_of("asked");
        bool is_answered = lines_of("answered") + lost >= asked;
        bool came = poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 5) > 0;
        if (fd < 0)
            lost = lines_of("asked") - lines_of("answered");
        if (!came && asked >= wanted && (fd < 0 || is_answered))
            break;
    }
    assert_int_equal(lines_of("asked"), wanted);
}

static bool has_keys(struct scene *scene) {
    struct key_set *keys = key_source_keys(scene->source);
    key_set_release(keys);
    return keys;
}

static void test_period(void **state) {
    struct scene *scene = *state;
    const int64_t t = 7 * hour;
    assert_false(has_keys(scene));
    step(scene, t, 1);
    assert_true(has_keys(scene));
    step(scene, t + 10 * minute - 1, 1);
    step(scene, t + 10 * minute, 2);
    assert_int_equal(starts, 1);
}

static void test_unknown_key(void **state) {
    struct scene *scene = *state;
    const int64_t t = 7 * hour;
    step(scene, t, 1);
    for (int i = 0; i < 3; i++) {
        int64_t asked = t + i * 30 * second;
        atomic_store(&scene->source->is_wanted, true);
        step(scene, asked + 30 * second - 1, 1 + i);
        step(scene, asked + 30 * second, 2 + i);
        assert_false(atomic_load(&scene->source->is_wanted));
    }
}

static void test_reload_fetches_at_once(void **state) {
    struct scene *scene = *state;
    const int64_t t = 7 * hour;
    step(scene, t, 1);
    struct key_set *before = key_source_keys(scene->source);
    answer(KEY("2"), true);
    assert_true(key_fetcher_use(scene->fetcher, scene->access));
    assert_true(key_source_keys(scene->source) == before);
    key_set_release(before);
    step(scene, t + 1, 2);
    struct key_set *after = key_source_keys(scene->source);
    assert_true(after != before);
    key_set_release(after);
    key_set_release(before);
    assert_int_equal(starts, 1);

    /* Without anything to fetch the program ends. */
    struct access *none = load("");
    assert_true(key_fetcher_use(scene->fetcher, none));
    access_release(none);
    assert_int_equal(key_fetcher_timeout(scene->fetcher), -1);
    assert_int_equal(key_fetcher_fd(scene->fetcher), -1);
    assert_int_not_equal(kill(last_pid, 0), 0);
}

static void test_failures_keep_keys_for_a_day(void **state) {
    struct scene *scene = *state;
    const int64_t t = 7 * hour;
    int asked = 1;
    step(scene, t, asked);
    static const char *const bad[] = {"nobody is there", "no"};
    static const char *const useless[] = {"{\"keys\":[]}",
                                          "{\"keys\":5}",
                                          "[]",
                                          "{",
                                          "",
                                          "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}"};
    int64_t now = t + 10 * minute;
    for (size_t i = 0; i < COUNT(bad) + COUNT(useless); i++) {
        if (i < COUNT(bad))
            answer(bad[i], false);
        else
            answer(useless[i - COUNT(bad)], true);
        step(scene, now, ++asked);
        assert_true(scene->source->has_failed);
        assert_true(has_keys(scene));
        step(scene, now + 30 * second - 1, asked);
        now += 30 * second;
    }
    assert_int_equal(starts, 1);
    step(scene, t + 24 * hour - 1, ++asked);
    assert_true(has_keys(scene));
    step(scene, t + 24 * hour, asked);
    assert_false(has_keys(scene));
    answer(KEY("3"), true);
    step(scene, t + 25 * hour, ++asked);
    assert_true(has_keys(scene));
    assert_false(scene->source->has_failed);
}

/* What the program itself gets wrong: it is started again, and the keys stay. */
static void test_wrong_answers(void **state) {
    static const char *const answers[] = {
        "2 3\n{}\n",
        "1\n",
        "\n",
        "1 -\n",
        "1 - \n",
        "1 x\n",
        "1 5x\n.....",
        "1 262145\n",
        "1 -1\n.",
        "hello\n",
        "1 3\n{}.x",
        "x",
        "1 00000000000000000000000000000000000000000000000000000000000000000000000000000000001\n"};
    struct scene *scene = *state;
    int64_t now = 7 * hour;
    step(scene, now, 1);
    for (size_t i = 0; i < COUNT(answers); i++) {
        pid_t before = last_pid;
        now += 10 * minute;
        answer_raw(answers[i]);
        step(scene, now, 2 + 2 * (int)i);
        assert_true(has_keys(scene));
        now += 10 * minute + 11 * second;
        answer(KEY("1"), true);
        step(scene, now, 3 + 2 * (int)i);
        assert_false(scene->source->has_failed);
        assert_int_not_equal(last_pid, before);
    }
}

static void test_silence(void **state) {
    struct scene *scene = *state;
    const int64_t t = 7 * hour;
    answer_raw("");
    step(scene, t, 1);
    pid_t before = last_pid;
    step(scene, t + 10 * second, 1);
    assert_false(scene->source->has_failed);
    step(scene, t + 10 * second + 1, 1);
    assert_true(scene->source->has_failed);
    assert_int_not_equal(kill(before, 0), 0);
    answer(KEY("1"), true);
    step(scene, t + 30 * second, 2);
    assert_true(has_keys(scene));
    assert_int_equal(starts, 2);
}

static void test_missing_program(void **state) {
    struct scene *scene = *state;
    const int64_t t = 7 * hour;
    is_missing = true;
    step(scene, t, 0);
    assert_true(scene->source->has_failed);
    assert_int_equal(key_fetcher_fd(scene->fetcher), -1);
    is_missing = false;
    step(scene, t + 30 * second - 1, 0);
    step(scene, t + 30 * second, 1);
    assert_true(has_keys(scene));
}

static void test_killed_program(void **state) {
    struct scene *scene = *state;
    const int64_t t = 7 * hour;
    step(scene, t, 1);
    kill(last_pid, SIGKILL);
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    step(scene, t + minute, 1);
    assert_int_equal(key_fetcher_fd(scene->fetcher), -1);
    step(scene, t + 10 * minute, 2);
    assert_int_equal(starts, 2);
    assert_false(scene->source->has_failed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_period, begin, end),
        cmocka_unit_test_setup_teardown(test_unknown_key, begin, end),
        cmocka_unit_test_setup_teardown(test_reload_fetches_at_once, begin, end),
        cmocka_unit_test_setup_teardown(test_failures_keep_keys_for_a_day, begin, end),
        cmocka_unit_test_setup_teardown(test_wrong_answers, begin, end),
        cmocka_unit_test_setup_teardown(test_silence, begin, end),
        cmocka_unit_test_setup_teardown(test_missing_program, begin, end),
        cmocka_unit_test_setup_teardown(test_killed_program, begin, end),
    };
    signal(SIGPIPE, SIG_IGN);
    if (!mkdtemp(folder))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    static const char *const names[] = {"script", "answer", "asked", "answered", "access.json"};
    for (size_t i = 0; i < COUNT(names); i++)
        unlink(file(names[i]));
    rmdir(folder);
    return failed;
}
