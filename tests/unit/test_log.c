/* The log on standard error, as a pipe of this test. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/gateway.h"
#include "log.h"
#include "unit.h"

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
static bool survives_a_full_file(void) {
    static const char name[] = "/tmp/agora-token-test-log-XXXXXX";
    char path[sizeof name];
    memcpy(path, name, sizeof name);
    int file = mkstemp(path);
    int reader = open(path, O_RDONLY);
    if (file < 0 || reader < 0 || unlink(path) != 0 || dup2(file, STDERR_FILENO) < 0)
        return false;
    gateway_start();
    struct rlimit limit = {100, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &limit);
    for (int i = 0; i < 9; i++)
        log_line(LOG_INFO, "line %d %s", i, "of forty characters or so, and a bit more");
    limit.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_FSIZE, &limit);
    log_line(LOG_INFO, "the last");

    char text[2048];
    ssize_t got = read(reader, text, sizeof text - 1);
    text[got > 0 ? got : 0] = '\0';
    const char *second = strstr(text, "line 1 of forty characters or so, and a bit more\n");
    return second && strstr(second, "warning: 7 lines were lost here") && log_lost_lines() == 7 &&
           strstr(second, "info: the last\n");
}

static void test_full_file(void **state) {
    (void)state;
    assert_true(in_child(survives_a_full_file));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_control_characters), cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_waits_for_nobody),   cmocka_unit_test(test_undumpable),
        cmocka_unit_test(test_full_file),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
