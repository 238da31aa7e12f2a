/*
 * libfcgi blocks on a connection from the first byte of a request to the last. So a worker calls it
 * only when the whole request waits in the kernel: it looks without taking (MSG_PEEK), and leaves a
 * request that is still on its way where it is. A kept connection that idles costs a descriptor and
 * a few bytes, one that stalls costs the same until its time is up, and libfcgi never waits.
 *
 * Nor does it wait to write. A web server has one request at a time on a connection, so an answer
 * always fits the empty send buffer; where it does not, the peer has not read its earlier answers,
 * the write fails, and libfcgi closes the connection.
 */
#include "gateway/worker.h"

#include <errno.h>
#include <fcgiapp.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "gateway/gateway.h"
#include "gateway/record.h"
#include "log.h"

enum {
    /* A body of the largest size with all parameters and record headers; what is longer is cut
     * off with 413. It must fit the kernel's buffers, see worker_add. */
    REQUEST_MAX = REQUEST_BODY_MAX + 32 * 1024,
    SOCKET_BUFFER = 256 * 1024,
    EVENTS_AT_ONCE = 64,
    SWEEP_MS = 1000,
    DRAIN_MS = 1500,
    LINGER_MS = 2000,
};

enum state {
    FRESH,     /* no request has come yet */
    IDLE,      /* between requests, for as long as the peer likes */
    PARTIAL,   /* a request has begun */
    ANSWERED,  /* the peer has an answer to read */
    LINGERING, /* closed for writing; what the peer still sends is thrown away */
};

struct connection {
    struct connection *next;
    struct connection **link; /* the pointer that points here */
    int fd;
    enum state state;
    int64_t deadline; /* where the state is timed */
};

struct worker {
    pthread_t thread;
    int epoll_fd;
    int stop_fd;
    int wake_fd;
    const _Atomic bool *watched;
    atomic_uint load;
    _Atomic(struct connection *) added; /* handed over, not yet seen by the thread */

    /* The thread's own. */
    struct connection *connections;
    const struct settings *settings;
    bool draining;
    int64_t now; /* milliseconds of the monotonic clock */
    int64_t sweep_at;
    unsigned timed; /* connections that have a deadline */
    struct api api;
    struct response response;
    struct buffer head;
    char body[REQUEST_BODY_MAX + 1];
    uint8_t peeked[REQUEST_MAX];
};

static int64_t monotonic_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_timed(enum state state) {
    return state != FRESH && state != IDLE;
}

static int64_t request_timeout_ms(const struct worker *worker) {
    return (int64_t)worker->settings->request_timeout * 1000;
}

static void set_state(struct worker *worker, struct connection *connection, enum state state,
                      int64_t lasts) {
    worker->timed -= is_timed(connection->state);
    worker->timed += is_timed(state);
    connection->state = state;
    connection->deadline = worker->now + lasts;
}

/* Closes and frees the connection. fd is -1 where libfcgi has closed it. */
static void drop(struct worker *worker, struct connection *connection) {
    set_state(worker, connection, IDLE, 0);
    *connection->link = connection->next;
    if (connection->next)
        connection->next->link = connection->link;
    if (connection->fd >= 0)
        close(connection->fd);
    free(connection);
    atomic_fetch_sub(&worker->load, 1);
    if (atomic_load(worker->watched))
        eventfd_write(worker->wake_fd, 1);
}

/* Reads the body to its end, as what is left of it would be taken for the next request. */
static void read_body(struct worker *worker, FCGX_Request *fcgi, struct request *request) {
    int length = FCGX_GetStr(worker->body, (int)sizeof worker->body, fcgi->in);
    request->body_too_large = length > REQUEST_BODY_MAX;
    if (!request->body_too_large)
        request->body = (struct agora_text){worker->body, (size_t)length};
}

static void write_answer(struct worker *worker, FCGX_Request *fcgi) {
    struct agora_text content = response_content(&worker->response);
    buffer_clear(&worker->head);
    response_write_head(&worker->response, &worker->head);
    FCGX_PutStr(worker->head.data, (int)worker->head.length, fcgi->out);
    if (content.length > 0)
        FCGX_PutStr(content.data, (int)content.length, fcgi->out);
}

/* Answers the request that waits on the connection, whole or too long to ever be. False when the
 * connection is gone. */
static bool answer(struct worker *worker, struct connection *connection) {
    FCGX_Request fcgi;
    FCGX_InitRequest(&fcgi, -1, 0);
    /* An open ipcFd that is kept: FCGX_Accept_r then reads from it in place of accepting. Detached:
     * when it closes the connection it does so at once and does not wait for the peer. */
    fcgi.ipcFd = connection->fd;
    fcgi.keepConnection = 1;
    fcgi.detached = 1;

    if (FCGX_Accept_r(&fcgi) != 0) {
        connection->fd = -1;
        drop(worker, connection);
        return false;
    }

    struct request request;
    bool keep = fcgi.keepConnection && !worker->draining;
    request_read_environment(&request, fcgi.envp);
    read_body(worker, &fcgi, &request);
    gateway_answer(&worker->api, &request, &worker->response);
    write_answer(worker, &fcgi);

    if (worker->response.body.failed || worker->head.failed) {
        log_line(LOG_ERROR, "out of memory");
        keep = false;
    }
    fcgi.keepConnection = 1; /* closing is done here */
    FCGX_Finish_r(&fcgi);
    connection->fd = fcgi.ipcFd;
    if (connection->fd < 0) {
        log_line(LOG_DEBUG, "the peer went away, or does not read its answers");
        drop(worker, connection);
        return false;
    }
    if (request.body_too_large) {
        /* To close on unread bytes would take the answer from the peer. */
        shutdown(connection->fd, SHUT_WR);
        set_state(worker, connection, LINGERING, LINGER_MS);
        return true;
    }
    if (!keep) {
        drop(worker, connection);
        return false;
    }
    set_state(worker, connection, ANSWERED, request_timeout_ms(worker));
    return true;
}

static bool throw_away(struct worker *worker, struct connection *connection) {
    ssize_t got;
    do
        got = recv(connection->fd, worker->peeked, sizeof worker->peeked, MSG_DONTWAIT);
    while (got > 0);
    if (got < 0 && errno == EAGAIN)
        return true;
    drop(worker, connection);
    return false;
}

/* Looks at what waits on the connection and does what can be done now. False when the connection is
 * gone. */
static bool serve(struct worker *worker, struct connection *connection) {
    if (connection->state == LINGERING)
        return throw_away(worker, connection);

    ssize_t got =
        recv(connection->fd, worker->peeked, sizeof worker->peeked, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return true;
    if (got <= 0) {
        drop(worker, connection);
        return false;
    }
    if (record_request_is_whole(worker->peeked, (size_t)got) ||
        (size_t)got == sizeof worker->peeked)
        return answer(worker, connection);
    if (connection->state != PARTIAL)
        set_state(worker, connection, PARTIAL, request_timeout_ms(worker));
    return true;
}

static void adopt_added(struct worker *worker) {
    struct connection *added = atomic_exchange(&worker->added, NULL);
    while (added) {
        struct connection *connection = added;
        added = connection->next;
        connection->next = worker->connections;
        connection->link = &worker->connections;
        if (connection->next)
            connection->next->link = &connection->next;
        worker->connections = connection;
    }
}

static bool is_unread(int fd) {
    int unread = 0;
    return ioctl(fd, SIOCOUTQ, &unread) == 0 && unread > 0;
}

static void sweep(struct worker *worker) {
    for (struct connection *connection = worker->connections, *next; connection;
         connection = next) {
        next = connection->next;
        if (!is_timed(connection->state) || worker->now < connection->deadline)
            continue;
        if (connection->state == ANSWERED && !is_unread(connection->fd)) {
            set_state(worker, connection, IDLE, 0);
            continue;
        }
        log_line(LOG_WARNING, "a connection was closed: %s in time",
                 connection->state == PARTIAL ? "its request was not complete"
                                              : "its answer was not read");
        drop(worker, connection);
    }
    worker->sweep_at = worker->now + SWEEP_MS;
}

/* Closes what idles. A request that comes in between is caught: once reading is shut down no more
 * can come, and what is there by then is answered. A fresh connection was made for a request that
 * must be about to come, so it may stay for that. */
static void begin_draining(struct worker *worker) {
    worker->draining = true;
    for (struct connection *connection = worker->connections, *next; connection;
         connection = next) {
        next = connection->next;
        char byte;
        if ((connection->state == IDLE || connection->state == ANSWERED) &&
            recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0)
            shutdown(connection->fd, SHUT_RD);
        serve(worker, connection);
    }
}

static int timeout(const struct worker *worker, int64_t drained_at) {
    int64_t until = worker->draining ? drained_at : worker->sweep_at;
    if (!worker->draining && worker->timed == 0)
        return -1;
    return until > worker->now ? (int)(until - worker->now) : 0;
}

static void *run(void *argument) {
    struct worker *worker = argument;
    int64_t drained_at = 0;
    worker->now = monotonic_ms();
    worker->sweep_at = worker->now + SWEEP_MS;

    while (!worker->draining || (worker->connections && worker->now < drained_at)) {
        struct epoll_event events[EVENTS_AT_ONCE];
        int count =
            epoll_wait(worker->epoll_fd, events, EVENTS_AT_ONCE, timeout(worker, drained_at));
        worker->now = monotonic_ms();
        adopt_added(worker);

        bool stop = false;
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (!connection)
                stop = true;
            /* The peer has closed its side: what it had sent is answered, no more will come. */
            else if (serve(worker, connection) && events[i].events & (EPOLLRDHUP | EPOLLHUP))
                drop(worker, connection);
        }
        if (stop && !worker->draining) {
            drained_at = worker->now + DRAIN_MS;
            begin_draining(worker);
        }
        if (worker->now >= worker->sweep_at)
            sweep(worker);
    }
    while (worker->connections)
        drop(worker, worker->connections);
    return NULL;
}

static void free_worker(struct worker *worker) {
    if (worker->epoll_fd >= 0)
        close(worker->epoll_fd);
    if (worker->stop_fd >= 0)
        close(worker->stop_fd);
    agora_minter_free(worker->api.minter);
    buffer_free(&worker->response.body);
    buffer_free(&worker->head);
    free(worker);
}

struct worker *worker_start(const struct settings *settings, int wake_fd,
                            const _Atomic bool *watched) {
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return NULL;
    worker->settings = settings;
    worker->wake_fd = wake_fd;
    worker->watched = watched;
    worker->api = (struct api){.settings = settings, .minter = agora_minter_new()};
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    worker->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    /* The one event without a connection. Edge-triggered, so that it comes once. */
    struct epoll_event stop = {.events = EPOLLIN | EPOLLET};
    if (worker->api.minter && worker->epoll_fd >= 0 && worker->stop_fd >= 0 &&
        epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, worker->stop_fd, &stop) == 0 &&
        pthread_create(&worker->thread, NULL, run, worker) == 0)
        return worker;
    free_worker(worker);
    return NULL;
}

void worker_add(struct worker *worker, int fd) {
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection) {
        close(fd);
        return;
    }
    /* Room for the largest answer, and over TCP for the largest request, which is not taken out of
     * the kernel before it is whole. */
    const int room = SOCKET_BUFFER;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);

    connection->fd = fd;
    connection->next = atomic_load(&worker->added);
    while (!atomic_compare_exchange_weak(&worker->added, &connection->next, connection))
        ;
    atomic_fetch_add(&worker->load, 1);

    /* Edge-triggered: a request that is still on its way wakes the worker when more of it comes,
     * not for as long as it waits. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = connection};
    if (epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        shutdown(fd, SHUT_RDWR); /* the connection is the worker's by now; it goes when that ends */
}

unsigned worker_load(const struct worker *worker) {
    return atomic_load(&worker->load);
}

void worker_stop(struct worker *worker) {
    eventfd_write(worker->stop_fd, 1);
}

void worker_join(struct worker *worker) {
    pthread_join(worker->thread, NULL);
    free_worker(worker);
}
