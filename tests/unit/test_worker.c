/* Workers and listeners: limits that are reached, and a kernel that refuses something. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "gateway/codec.h"
#include "gateway/listener.h"
#include "gateway/worker.h"
#include "log.h"
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
    const int few_bytes = 1;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &few_bytes, sizeof few_bytes);
    worker_add(worker, ends[1]);
    return ends[0];
}

static struct settings *settings;
static struct connection_limit limit;
static struct monitor monitor;

static struct worker *start_worker(void) {
    limit = (struct connection_limit){
        .connections = 1, .is_reached = true, .wake_fd = eventfd(0, EFD_CLOEXEC)};
    assert_true(limit.wake_fd >= 0);
    struct worker *worker = worker_start(settings, &limit, &monitor);
    assert_non_null(worker);
    return worker;
}

static void end_worker(struct worker *worker) {
    worker_drain(worker);
    worker_end(worker);
    worker_join(worker);
    worker_free(worker);
    monitor_free(&monitor);
    close(limit.wake_fd);
}

static void expect_wake(void) {
    struct pollfd ready = {.fd = limit.wake_fd, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, MOMENT_MS), 1);
    eventfd_t count;
    assert_int_equal(eventfd_read(limit.wake_fd, &count), 0);
}

/* How much comes within a moment; 0 when the worker has closed. */
static ssize_t receive(int fd, char *data, size_t size) {
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, MOMENT_MS), 1);
    return recv(fd, data, size, 0);
}

static void expect_served(int fd) {
    char data[4096];
    assert_int_equal(send(fd, whole, sizeof whole, MSG_NOSIGNAL), sizeof whole);
    assert_true(receive(fd, data, sizeof data) > 0);
}

static void expect_closed(int fd) {
    char data[4096];
    assert_int_equal(receive(fd, data, sizeof data), 0);
}

static void test_watch_refused(void **state) {
    (void)state;
    struct worker *worker = start_worker();

    /* Closed, and the thread that accepts is told so. */
    refusing = true;
    int refused = connect_to(worker);
    expect_closed(refused);
    close(refused);
    expect_wake();
    assert_int_equal(worker_load(worker), 0);

    /* The next one is served. */
    refusing = false;
    int served = connect_to(worker);
    expect_served(served);

    end_worker(worker);
    expect_closed(served);
    close(served);
}

/* Waits until the worker has a connection that has idled for longer than those which are given to
 * it next, or has none that idles. */
/* A program that is being started has copies of all descriptors until it is there, and by them the
 * kernel goes on to report what happens to a connection that was closed here. */
static void test_copied_descriptor(void **state) {
    (void)state;
    int ends[2];
    struct worker *worker = start_worker();
    int other = connect_to(worker);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    int copy = dup(ends[1]);
    worker_add(worker, ends[1]);
    expect_served(ends[0]);
    shutdown(ends[0], SHUT_WR);
    for (int i = 0; i < 1000 && worker_load(worker) > 1; i++)
        usleep(1000);
    assert_int_equal(worker_load(worker), 1);
    /* Reported once more, unless it is watched no longer. */
    close(ends[0]);
    expect_served(other);
    expect_served(other);
    close(copy);
    close(other);
    end_worker(worker);
}

static int64_t idle_since(struct worker *worker, bool is_any) {
    for (int i = 0; i < MOMENT_MS; i++) {
        int64_t since = worker_idle_since(worker);
        if ((since != WORKER_NONE_IDLE) == is_any && since != monotonic_ms())
            return since;
        poll(NULL, 0, 1);
    }
    fail_msg("no idle connection");
    return 0;
}

static void test_make_room(void **state) {
    (void)state;
    struct worker *worker = start_worker();
    assert_int_equal(worker_idle_since(worker), WORKER_NONE_IDLE);
    int first = connect_to(worker);
    int64_t since = idle_since(worker, true);
    expect_wake(); /* there is an idle one now */
    int second = connect_to(worker);
    while (worker_load(worker) < 2)
        poll(NULL, 0, 1);
    int begun = connect_to(worker);
    poll(NULL, 0, 5);
    expect_served(second);
    assert_int_equal(send(begun, whole, 20, 0), 20);
    poll(NULL, 0, 5);

    /* None that idles has done so for longer than the first. */
    assert_int_equal(worker_idle_since(worker), since);
    worker_make_room(worker, since - 1);
    expect_wake();
    assert_int_equal(worker_load(worker), 3);

    /* Whoever has been served goes to the end of the queue, and whose request has begun stays. */
    expect_served(first);
    worker_make_room(worker, monotonic_ms());
    expect_closed(second);
    worker_make_room(worker, monotonic_ms());
    expect_closed(first);
    idle_since(worker, false);
    worker_make_room(worker, monotonic_ms());
    char data[4096];
    assert_int_equal(send(begun, whole + 20, sizeof whole - 20, 0), sizeof whole - 20);
    assert_true(receive(begun, data, sizeof data) > 0);

    end_worker(worker);
    close(first);
    close(second);
    close(begun);
}

/* Answers that nobody takes are stored up to 64 MiB, then the connection whose answer it is is
 * closed: here each takes half a mebibyte. */
static void test_stored_max(void **state) {
    (void)state;
    enum { REQUESTS = 512, MOST = 128, CONNECTIONS = MOST + 8 };
    static uint8_t requests[REQUESTS * sizeof whole];
    for (size_t i = 0; i < REQUESTS; i++)
        memcpy(requests + i * sizeof whole, whole, sizeof whole);
    struct worker *worker = start_worker();
    int peers[CONNECTIONS];
    for (int i = 0; i < CONNECTIONS; i++) {
        peers[i] = connect_to(worker);
        assert_int_equal(send(peers[i], requests, sizeof requests, 0), sizeof requests);
        struct pollfd answered = {.fd = peers[i], .events = POLLIN};
        assert_int_equal(poll(&answered, 1, MOMENT_MS), 1);
    }
    for (int i = 0; i < MOMENT_MS && worker_load(worker) > MOST; i++)
        poll(NULL, 0, 1);
    assert_int_equal(worker_load(worker), MOST);

    /* One that leaves gives back what it took. */
    close(peers[0]);
    peers[0] = connect_to(worker);
    for (int i = 0; i < MOMENT_MS && worker_load(worker) > MOST; i++)
        poll(NULL, 0, 1);
    expect_served(peers[0]);
    for (int i = 0; i < CONNECTIONS; i++)
        close(peers[i]);
    end_worker(worker);
}

/* The addresses that any name has: the first is of no machine (RFC 5737), so it cannot be listened
 * at. */
static const char *addresses[2];

int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **found);
void __wrap_freeaddrinfo(struct addrinfo *found);

int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **found) {
    static struct sockaddr_in names[2];
    static struct addrinfo infos[2];
    (void)node;
    for (int i = 0; i < 2; i++) {
        names[i] = (struct sockaddr_in){.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)strtol(service, NULL, 10))};
        inet_pton(AF_INET, addresses[i], &names[i].sin_addr);
        infos[i] = (struct addrinfo){.ai_family = AF_INET,
                                     .ai_socktype = hints->ai_socktype,
                                     .ai_addr = (struct sockaddr *)&names[i],
                                     .ai_addrlen = sizeof names[i],
                                     .ai_next = i == 0 ? &infos[1] : NULL};
    }
    *found = infos;
    return 0;
}

void __wrap_freeaddrinfo(struct addrinfo *found) {
    (void)found;
}

static void test_addresses(void **state) {
    (void)state;
    struct listener listener;
    struct listener other;
    char error[LISTENER_ERROR_MAX];
    char address[32];
    addresses[0] = "192.0.2.1";
    addresses[1] = "127.0.0.1";
    int port = 20000;
    do
        snprintf(address, sizeof address, "name:%d", ++port);
    while (!listener_open(&listener, address, error) && strstr(error, "in use") && port < 20100);
    assert_true(listener.fd >= 0);

    /* Where the first is in use, the service is reached at it already. */
    addresses[0] = "127.0.0.1";
    addresses[1] = "127.0.0.2";
    assert_false(listener_open(&other, address, error));
    assert_non_null(strstr(error, "Address already in use"));
    listener_close(&listener);

    addresses[0] = addresses[1] = "192.0.2.1";
    assert_false(listener_open(&other, address, error));
    assert_non_null(strstr(error, "Cannot assign requested address"));
}

static int start(void **state) {
    (void)state;
    setenv("APP_ID", "970CA35de60c44645bbae8a215061b33", 1);
    setenv("APP_CERTIFICATE", "5CFd2fd1755d40ecb72977518be15d3b", 1);
    setenv("REQUEST_TIMEOUT", "300", 1); /* none may be dropped for its time on a slow machine */
    setenv("PAGE", "off", 1); /* its refusals are shorter, and nothing here is about them */
    char error[SETTINGS_ERROR_MAX];
    settings = settings_load("no such file", ACCESS_SERVICE, NULL, error);
    log_set_level(LOG_ERROR);
    return settings && codec_start() ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    settings_release(settings);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_watch_refused), cmocka_unit_test(test_copied_descriptor),
        cmocka_unit_test(test_make_room),     cmocka_unit_test(test_stored_max),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests_name("worker", tests, start, end);
}
