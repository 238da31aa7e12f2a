/* A worker that the kernel refuses something. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/codec.h"
#include "gateway/worker.h"
#include "unit.h"

enum { MOMENT_MS = 5000 };

/* FCGI_BEGIN_REQUEST and the ends of FCGI_PARAMS and FCGI_STDIN: the shortest request. */
static const uint8_t whole[] = {1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0,
                                1, 4, 0, 1, 0, 0, 0, 0, 1, 5, 0, 1, 0, 0, 0, 0};

static _Atomic bool refusing;
int __real_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);

int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event) {
    if (!refusing)
        return __real_epoll_ctl(epoll_fd, operation, fd, event);
    errno = ENOSPC; /* as where a user watches more than the system lets one */
    return -1;
}

/* Our end of a connection that the worker gets. */
static int connect_to(struct worker *worker) {
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    worker_add(worker, ends[1]);
    return ends[0];
}

/* How much comes within a moment; 0 when the worker has closed. */
static ssize_t receive(int fd, char *data, size_t size) {
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, MOMENT_MS), 1);
    return recv(fd, data, size, 0);
}

static void test_watch_refused(void **state) {
    (void)state;
    setenv("APP_ID", "970CA35de60c44645bbae8a215061b33", 1);
    setenv("APP_CERTIFICATE", "5CFd2fd1755d40ecb72977518be15d3b", 1);
    char error[SETTINGS_ERROR_MAX];
    struct settings *settings = settings_load("no such file", error);
    assert_non_null(settings);
    struct limit limit = {.connections = 1, .is_reached = true, .wake_fd = eventfd(0, EFD_CLOEXEC)};
    assert_true(codec_start());
    struct worker *worker = worker_start(settings, &limit);
    assert_non_null(worker);

    /* Closed, and its place told to be free. */
    char data[4096];
    refusing = true;
    int refused = connect_to(worker);
    assert_int_equal(receive(refused, data, sizeof data), 0);
    close(refused);
    eventfd_t told;
    assert_int_equal(eventfd_read(limit.wake_fd, &told), 0);
    assert_int_equal(worker_load(worker), 0);

    /* The next one is served. */
    refusing = false;
    int served = connect_to(worker);
    assert_int_equal(send(served, whole, sizeof whole, 0), sizeof whole);
    assert_true(receive(served, data, sizeof data) > 0);

    worker_drain(worker);
    worker_end(worker);
    worker_join(worker);
    assert_int_equal(receive(served, data, sizeof data), 0);
    close(served);
    close(limit.wake_fd);
    settings_release(settings);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_watch_refused),
    };
    return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
