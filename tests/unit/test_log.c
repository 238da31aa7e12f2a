/* The log on standard error, as a pipe of this test. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/gateway.h"
#include "log.h"
#include "unit.h"
#include "json/reader.h"

enum { NOBODY = 65534 };

/* In a process of its own, as it changes what is one for all of a process. True if all was well. */
static bool in_child(bool (*test)(void)) {
    pid_t child = fork();
    if (child == 0)
        _exit(test() ? 0 : 1);
    int status;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Makes standard error a pipe whose other end is returned, -1 on failure. */
static int pipe_log(void) {
    int ends[2];
    return pipe(ends) == 0 && dup2(ends[1], STDERR_FILENO) >= 0 && close(ends[1]) == 0 ? ends[0]
                                                                                       : -1;
}

static bool logs_no_control_characters(void) {
    char text[256];
    int reader = pipe_log();
    log_line(LOG_INFO, "a\n\r\t%s\x7f\x1b[31m~ \xc3\xa9", "\x01\x1f");
    ssize_t got = read(reader, text, sizeof text - 1);
    text[got > 0 ? got : 0] = '\0';
    return strstr(text, "info: a???????[31m~ \xc3\xa9\n") && strlen(strchr(text, '\n')) == 1;
}

static void test_control_characters(void **state) {
    (void)state;
    assert_true(in_child(logs_no_control_characters));
}

/* What stands at its end, such as who asked, is not for others to push out of the line. */
static bool logs_long_lines(void) {
    char text[2048];
    int reader = pipe_log();
    log_line(LOG_INFO, "%01900d address", 0);
    ssize_t got = read(reader, text, sizeof text - 1);
    text[got > 0 ? got : 0] = '\0';
    return strstr(text, "0 address\n") != NULL;
}

static void test_long_lines(void **state) {
    (void)state;
    assert_true(in_child(logs_long_lines));
}

/* The one line that the log has, as JSON; NULL if it is no line of an object, and of nothing else.
 */
static struct json_object *read_object(int reader) {
    static char text[2 * LOG_LINE_MAX];
    ssize_t got = read(reader, text, sizeof text - 1);
    if (got <= 0 || got > LOG_LINE_MAX || text[got - 1] != '\n' ||
        memchr(text, '\n', (size_t)got - 1))
        return NULL;
    struct json_object *object;
    struct json_error error;
    const struct agora_text line = {text, (size_t)got - 1};
    return json_read(line, JSON_REFUSE_REPEATED, &object, &error) &&
                   json_object_is_type(object, json_type_object)
               ? object
               : NULL;
}

static const char *member(struct json_object *object, const char *name) {
    return json_object_get_string(json_object_object_get(object, name));
}

static bool same(const char *a, const char *b) {
    return a && b && strcmp(a, b) == 0;
}

static bool logs_json(void) {
    int reader = pipe_log();
    log_set_format(LOG_JSON);
    log_line(LOG_INFO, "a \"b\" \\ %s", "\x01\x7f\xff\xc3\xa9");
    struct json_object *object = read_object(reader);
    const char *time = member(object, "time");
    bool is_good = time && strlen(time) == strlen("2026-11-25T00:00:00.000Z") && time[23] == 'Z' &&
                   same(member(object, "level"), "info") &&
                   same(member(object, "message"), "a \"b\" \\ ??\xef\xbf\xbd\xc3\xa9") &&
                   json_object_object_length(object) == 3;
    json_object_put(object);
    return is_good;
}

static void test_json(void **state) {
    (void)state;
    assert_true(in_child(logs_json));
}

static void put_fields(struct log_event *event) {
    const struct agora_text values[] = {agora_text_of("a"), agora_text_of("b\"")};
    log_begin(event, LOG_INFO, "done");
    log_field(event, "word", LOG_WORD, agora_text_of("w"));
    log_field(event, "none", LOG_WORD, agora_text_of(""));
    log_detail(event, "number", LOG_NUMBER, agora_text_of("0.5"));
    log_list(event, "list", LOG_STRING, values, COUNT(values));
    log_list(event, "empty", LOG_STRING, values, 0);
    log_end(event);
}

static bool logs_fields(void) {
    char text[256];
    struct log_event event;
    int reader = pipe_log();
    put_fields(&event);
    ssize_t got = read(reader, text, sizeof text - 1);
    text[got > 0 ? got : 0] = '\0';
    if (!strstr(text, "Z info: done word=w list=\"a\",\"b\\\"\"\n"))
        return false;
    log_set_format(LOG_JSON);
    put_fields(&event);
    got = read(reader, text, sizeof text - 1);
    text[got > 0 ? got : 0] = '\0';
    return strstr(text, "\"message\":\"done\",\"word\":\"w\",\"number\":0.5,"
                        "\"list\":[\"a\",\"b\\\"\"]}\n") != NULL;
}

static void test_fields(void **state) {
    (void)state;
    assert_true(in_child(logs_fields));
}

/* What is too long is cut where it stands; the line is whole whatever its length comes to. */
static bool cuts_values(void) {
    static char text[2 * LOG_LINE_MAX];
    static const char *const fillings[] = {"x", "\"", "\xff", "\xc3\xa9", "\x01"};
    int reader = pipe_log();
    log_set_format(LOG_JSON);
    for (size_t kind = 0; kind < COUNT(fillings); kind++)
        for (size_t length = 0; length < LOG_LINE_MAX + 64; length += length < 500 ? 97 : 7) {
            struct log_event event;
            text[0] = '\0';
            for (size_t at = 0; at < length; at += strlen(fillings[kind]))
                memcpy(text + at, fillings[kind], strlen(fillings[kind]) + 1);
            const struct agora_text values[] = {agora_text_of("first"), agora_text_of(text),
                                                agora_text_of("last")};
            log_begin(&event, LOG_INFO, "%s", length % 2 ? text : "short");
            log_field(&event, "value", LOG_STRING, agora_text_of(text));
            log_field(&event, "number", LOG_NUMBER, agora_text_of("12345678"));
            log_list(&event, "list", LOG_STRING, values, COUNT(values));
            log_field(&event, "end", LOG_WORD, agora_text_of("e"));
            log_end(&event);
            struct json_object *object = read_object(reader);
            bool is_good = object && member(object, "message");
            json_object_put(object);
            if (!is_good)
                return false;
        }
    return true;
}

static void test_cut_values(void **state) {
    (void)state;
    assert_true(in_child(cuts_values));
}

/* Many long values leave room for what stands behind them. */
static bool lists_leave_room(void) {
    static char text[200];
    struct agora_text values[40];
    struct log_event event;
    int reader = pipe_log();
    log_set_format(LOG_JSON);
    memset(text, 'x', sizeof text - 1);
    for (size_t i = 0; i < COUNT(values); i++)
        values[i] = agora_text_of(text);
    log_begin(&event, LOG_INFO, "granted");
    log_list(&event, "channel", LOG_STRING, values, COUNT(values));
    log_list(&event, "user", LOG_STRING, values, COUNT(values));
    log_field(&event, "address", LOG_STRING, agora_text_of("192.0.2.7"));
    log_end(&event);
    struct json_object *object = read_object(reader);
    struct json_object *channels = json_object_object_get(object, "channel");
    size_t count = json_object_array_length(channels);
    bool is_good =
        same(member(object, "address"), "192.0.2.7") && count > 5 &&
        same(json_object_get_string(json_object_array_get_idx(channels, count - 1)), "...");
    json_object_put(object);
    return is_good;
}

static void test_long_lists(void **state) {
    (void)state;
    assert_true(in_child(lists_leave_room));
}

/* What is wrong with the settings is told before they are there. */
static bool follows_environment(void) {
    int reader = pipe_log();
    setenv("LOG_FORMAT", "JSON", 1); /* which is not valid */
    log_open();
    log_line(LOG_ERROR, "wrong");
    char text[256];
    if (read(reader, text, sizeof text) <= 0 || text[0] == '{')
        return false;
    setenv("LOG_FORMAT", "json", 1);
    log_open();
    log_line(LOG_ERROR, "wrong");
    struct json_object *object = read_object(reader);
    bool is_good = same(member(object, "message"), "wrong");
    json_object_put(object);
    return is_good;
}

static void test_environment(void **state) {
    (void)state;
    assert_true(in_child(follows_environment));
}

/* The descriptor, beside standard error itself, that does not wait for whoever reads the log. */
static bool has_unwaiting_descriptor(void) {
    for (int fd = STDERR_FILENO + 1; fd < 32; fd++) {
        int flags = fcntl(fd, F_GETFL);
        if (flags >= 0 && (flags & O_ACCMODE) == O_WRONLY && flags & O_NONBLOCK)
            return true;
    }
    return false;
}

/* As an ordinary user, to whose undumpable processes /proc/self does not belong. */
static bool waits_for_nobody(void) {
    if (geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
        return false;
    prctl(PR_SET_DUMPABLE, 1); /* which another user ID has undone */
    if (pipe_log() < 0)
        return false;
    gateway_start();
    for (int i = 0; i < 10000;
         i++) /* far more than a pipe takes, so this ends only if nothing waits */
        log_line(LOG_INFO, "a line that nobody reads");
    return has_unwaiting_descriptor() && !(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK);
}

static void test_waits_for_nobody(void **state) {
    (void)state;
    assert_true(in_child(waits_for_nobody));
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
enum { SHALL_BE_DUMPABLE = 0 };
#else
enum { SHALL_BE_DUMPABLE = 1 };
#endif

static bool becomes_undumpable(void) {
    prctl(PR_SET_DUMPABLE, 1);
    gateway_start();
    return prctl(PR_GET_DUMPABLE) == SHALL_BE_DUMPABLE;
}

static void test_undumpable(void **state) {
    (void)state;
    assert_true(in_child(becomes_undumpable));
}

/* The limit is reached in the midst of a line; later the file may grow again. */
static bool survives_a_full_file_in(enum log_format format) {
    const char *const end = format == LOG_JSON ? "\"}\n" : "\n";
    char second_line[80], last_line[80];
    snprintf(second_line, sizeof second_line, "line 1 of forty characters or so, and a bit more%s",
             end);
    snprintf(last_line, sizeof last_line, "the last%s", end);
    log_set_format(format);
    static const char name[] = "/tmp/agora-token-test-log-XXXXXX";
    char path[sizeof name];
    memcpy(path, name, sizeof name);
    int file = mkstemp(path);
    int reader = open(path, O_RDONLY);
    if (file < 0 || reader < 0 || unlink(path) != 0 || dup2(file, STDERR_FILENO) < 0)
        return false;
    gateway_start();
    struct rlimit limit = {format == LOG_JSON ? 150 : 100, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &limit);
    for (int i = 0; i < 9; i++)
        log_line(LOG_INFO, "line %d %s", i, "of forty characters or so, and a bit more");
    limit.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_FSIZE, &limit);
    log_line(LOG_INFO, "the last");

    char text[2048];
    ssize_t got = read(reader, text, sizeof text - 1);
    text[got > 0 ? got : 0] = '\0';
    const char *second = strstr(text, second_line);
    const char *notice = format == LOG_JSON
                             ? "\"level\":\"warning\",\"message\":\"7 lines were lost here"
                             : "warning: 7 lines were lost here";
    return second && strstr(second, notice) && log_lost_lines() == 7 && strstr(second, last_line);
}

static bool survives_a_full_file(void) {
    return survives_a_full_file_in(LOG_TEXT);
}

static bool survives_a_full_file_of_json(void) {
    return survives_a_full_file_in(LOG_JSON);
}

static void test_full_file(void **state) {
    (void)state;
    assert_true(in_child(survives_a_full_file));
    assert_true(in_child(survives_a_full_file_of_json));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_control_characters),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_cut_values),
        cmocka_unit_test(test_long_lists),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_waits_for_nobody),
        cmocka_unit_test(test_undumpable),
        cmocka_unit_test(test_full_file),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
