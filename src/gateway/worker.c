/*
 * What a peer does never makes a worker wait. It reads what has come and goes on; a request that is
 * not whole yet is kept in memory of its own until the rest comes or its time is up, and so is what
 * a peer has not taken of its answer. A whole request, by far the most usual case, is answered from
 * and into the worker's own two buffers, with one read and one write.
 */
#include "gateway/worker.h"

#include <errno.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "gateway/codec.h"
#include "log.h"

enum {
    /* All that the connections of a worker may store of unfinished requests and untaken answers. */
    STORED_MAX = 64 * 1024 * 1024,
    /* What is read from one connection before the others have their turn. */
    READ_AT_ONCE = 16 * 1024,
    EVENTS_AT_ONCE = 64,
    SWEEP_MS = 1000,
    DRAIN_MS = 1500,
    LINGER_MS = 2000,
};

static const int64_t NEVER = INT64_MAX;

enum state {
    FRESH,    /* no request has come yet */
    IDLE,     /* between requests, for as long as the peer likes */
    ANSWERED, /* the same, but the peer may not have read the answer: the first with a time limit */
    READING,  /* a request has begun; unread holds what has come of it */
    WRITING,  /* unsent holds what the peer has not taken of its answer; nothing is read */
    LINGERING, /* closed for writing; what the peer still sends is discarded */
};

struct connection {
    struct connection *next; /* in one of the worker's rings, or among those added */
    struct connection *previous;
    int fd;
    enum state state;
    int64_t since; /* when this state began */
    struct record_reader reader;
    struct buffer unread;
    struct buffer unsent;
    enum next_step next_step; /* what comes after the answer */
};

enum stage { SERVING, DRAINING, ENDING };

struct worker {
    pthread_t thread;
    int epoll_fd;
    int wake_fd;                        /* an eventfd: one of the four below has changed */
    _Atomic(struct connection *) added; /* handed over, not yet seen by the thread */
    _Atomic(struct settings *) next_settings;
    _Atomic enum stage stage;
    _Atomic int64_t close_idle_since; /* asked for by worker_make_room, else 0 */
    const struct connection_limit *limit;
    atomic_uint load;
    _Atomic int64_t idle_since; /* of the first of the idle connections */

    /* The thread's own. */
    struct connection
        idle; /* the ring of those FRESH, IDLE or ANSWERED, the longest idle first ... */
    struct connection busy; /* ... and of the others */
    struct settings *settings;
    struct counters *counters;
    bool draining;
    int64_t drained_at;
    int64_t now; /* milliseconds of the monotonic clock */
    int64_t sweep_at;
    size_t stored; /* capacity of all unread and unsent buffers */
    struct codec codec;
    struct buffer out;
    uint8_t in[READ_AT_ONCE];
};

static int64_t deadline(const struct worker *worker, const struct connection *connection) {
    int64_t lasts = connection->state == LINGERING
                        ? LINGER_MS
                        : (int64_t)worker->settings->request_timeout * 1000;
    return connection->since + lasts;
}

static void unlink_connection(struct connection *connection) {
    connection->previous->next = connection->next;
    connection->next->previous = connection->previous;
}

/* Puts the connection at the end of the ring of its new state. */
static void link_connection(struct worker *worker, struct connection *connection,
                            enum state state) {
    struct connection *ring = state <= ANSWERED ? &worker->idle : &worker->busy;
    connection->state = state;
    connection->since = worker->now;
    connection->next = ring;
    connection->previous = ring->previous;
    ring->previous->next = connection;
    ring->previous = connection;
    if (worker->sweep_at == NEVER)
        worker->sweep_at = worker->now + SWEEP_MS;
}

static void set_state(struct worker *worker, struct connection *connection, enum state state) {
    unlink_connection(connection);
    link_connection(worker, connection, state);
}

static void release(struct worker *worker, struct buffer *buffer) {
    worker->stored -= buffer->capacity;
    buffer_free(buffer);
}

/* Appends to an unread or unsent buffer. False when that would be more than may be stored. */
static bool store(struct worker *worker, struct buffer *buffer, const void *data, size_t length) {
    worker->stored -= buffer->capacity;
    buffer_put(buffer, (struct agora_text){data, length});
    worker->stored += buffer->capacity;
    if (!buffer->failed && worker->stored <= STORED_MAX)
        return true;
    log_line(LOG_WARNING, "a connection was closed: too much is unfinished on the others");
    return false;
}

/* Has the thread that accepts look again, if it waits for a connection to be closed or idle. */
static void wake_acceptor(const struct worker *worker) {
    if (atomic_load(&worker->limit->is_reached))
        eventfd_write(worker->limit->wake_fd, 1);
}

static void drop(struct worker *worker, struct connection *connection) {
    release(worker, &connection->unread);
    release(worker, &connection->unsent);
    unlink_connection(connection);
    /* To close it does not end that while a program that is being started has a copy of it. */
    epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL);
    close(connection->fd);
    free(connection);
    atomic_fetch_sub(&worker->load, 1);
    wake_acceptor(worker);
}

/* Edge-triggered: what happens wakes the worker once, not for as long as it lasts. */
static bool watch(const struct worker *worker, struct connection *connection, int operation,
                  uint32_t also) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET | also,
                                .data.ptr = connection};
    return epoll_ctl(worker->epoll_fd, operation, connection->fd, &event) == 0;
}

/* The steps of serving a connection. Each returns false when the connection has to be dropped. */

/* Reads once more after the others' turn: to watch anew has what is there reported again. */
static bool read_again_later(const struct worker *worker, struct connection *connection) {
    return watch(worker, connection, EPOLL_CTL_MOD, 0);
}

static bool discard(struct worker *worker, struct connection *connection) {
    ssize_t got = recv(connection->fd, worker->in, sizeof worker->in, MSG_DONTWAIT);
    if (got > 0)
        return read_again_later(worker, connection);
    return got < 0 && errno == EAGAIN;
}

/* queue: FIONREAD for what the peer has sent, SIOCOUTQ for what it has yet to read. */
static bool has_queued(const struct connection *connection, unsigned long queue) {
    int bytes = 0;
    return ioctl(connection->fd, queue, &bytes) == 0 && bytes > 0;
}

/* True if the peer has sent nothing more. On a Unix socket no request is lost if the connection is
 * closed then: once reading is shut down the peer cannot send another. Over TCP one may be on its
 * way, and the web server has to try again. */
static bool is_last(const struct connection *connection) {
    if (connection->unread.length > 0 || has_queued(connection, FIONREAD))
        return false;
    shutdown(connection->fd, SHUT_RD);
    return !has_queued(connection, FIONREAD);
}

/* All of the answer has been handed to the kernel. */
static bool finish_answer(struct worker *worker, struct connection *connection) {
    if (connection->next_step == LINGER) {
        shutdown(connection->fd, SHUT_WR);
        set_state(worker, connection, LINGERING);
        return discard(worker, connection);
    }
    if (connection->next_step == CLOSE)
        return false;
    set_state(worker, connection, connection->unread.length > 0 ? READING : ANSWERED);
    return true;
}

/* Returns how much the kernel took, -1 when the peer has gone. */
static ssize_t send_some(const struct worker *worker, struct connection *connection,
                         const struct buffer *buffer) {
    /* While draining, nothing comes after an answer unless more has been sent by then. */
    if (worker->draining && connection->next_step == KEEP_OPEN && is_last(connection))
        connection->next_step = CLOSE;
    ssize_t sent = send(connection->fd, buffer->data, buffer->length, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 && errno == EAGAIN ? 0 : sent;
}

static bool send_answer(struct worker *worker, struct connection *connection) {
    ssize_t sent = send_some(worker, connection, &worker->out);
    if (sent < 0)
        return false;
    size_t taken = (size_t)sent;
    if (taken == worker->out.length)
        return finish_answer(worker, connection);

    set_state(worker, connection, WRITING);
    return store(worker, &connection->unsent, worker->out.data + taken,
                 worker->out.length - taken) &&
           watch(worker, connection, EPOLL_CTL_MOD, EPOLLOUT);
}

static bool send_more(struct worker *worker, struct connection *connection) {
    struct buffer *unsent = &connection->unsent;
    ssize_t sent = send_some(worker, connection, unsent);
    if (sent < 0)
        return false;
    unsent->length -= (size_t)sent;
    memmove(unsent->data, unsent->data + sent, unsent->length);
    if (unsent->length > 0)
        return true;

    release(worker, unsent);
    return finish_answer(worker, connection) && read_again_later(worker, connection);
}

/* Stores what follows the whole requests: the end of unread itself, or of what was just read. */
static bool store_rest(struct worker *worker, struct connection *connection, const uint8_t *rest,
                       size_t length) {
    struct buffer *unread = &connection->unread;
    if (length == 0) {
        release(worker, unread);
        return true;
    }
    if (unread->length == 0)
        return store(worker, unread, rest, length);
    if (unread->length > length)
        memmove(unread->data, rest, length);
    unread->length = length;
    return true;
}

/* Answers all that is whole in data, in one go, and stores what follows. */
static bool answer(struct worker *worker, struct connection *connection, const uint8_t *data,
                   size_t length) {
    struct buffer *out = &worker->out;
    size_t used;
    buffer_clear(out);
    connection->next_step =
        codec_answer(&worker->codec, &connection->reader, data, length, &used, out);

    bool goes_on = connection->next_step == KEEP_OPEN;
    if (!store_rest(worker, connection, data + used, goes_on ? length - used : 0) || out->failed)
        return false;
    if (out->length > 0)
        return send_answer(worker, connection);
    if (!goes_on)
        return false;
    /* No answer: the request is not whole yet, or what came was no request. */
    bool has_begun = connection->unread.length > 0;
    if (has_begun != (connection->state == READING))
        set_state(worker, connection, has_begun ? READING : IDLE);
    return has_begun || !worker->draining;
}

static bool read_requests(struct worker *worker, struct connection *connection) {
    ssize_t got = recv(connection->fd, worker->in, sizeof worker->in, MSG_DONTWAIT);
    if (got <= 0)
        return got < 0 && errno == EAGAIN;

    bool stays = connection->unread.length == 0
                     ? answer(worker, connection, worker->in, (size_t)got)
                     : store(worker, &connection->unread, worker->in, (size_t)got) &&
                           answer(worker, connection, (const uint8_t *)connection->unread.data,
                                  connection->unread.length);
    /* A full buffer may have left bytes behind. */
    if (stays && got == sizeof worker->in && connection->state != WRITING)
        return read_again_later(worker, connection);
    return stays;
}

/* Does what can be done now. The one place but for the clock that drops a connection. */
static void serve(struct worker *worker, struct connection *connection, bool peer_has_closed) {
    bool stays = connection->state == LINGERING ? discard(worker, connection)
                 : connection->state == WRITING ? send_more(worker, connection)
                                                : read_requests(worker, connection);
    /* The peer may have sent more before it closed: read on until there is nothing left. */
    if (stays && peer_has_closed && connection->state != WRITING)
        stays = read_again_later(worker, connection);
    if (!stays)
        drop(worker, connection);
}

static void adopt_added(struct worker *worker) {
    struct connection *added = atomic_exchange(&worker->added, NULL);
    while (added) {
        struct connection *connection = added;
        added = connection->next;
        link_connection(worker, connection, FRESH);
        if (!watch(worker, connection, EPOLL_CTL_ADD, 0)) {
            log_line(LOG_ERROR, "a connection was closed: it cannot be watched: %s",
                     strerror(errno));
            drop(worker, connection);
        }
    }
}

static void sweep_ring(struct worker *worker, struct connection *ring) {
    for (struct connection *connection = ring->next, *next; connection != ring; connection = next) {
        next = connection->next;
        if (connection->state < ANSWERED)
            continue;
        if (worker->now < deadline(worker, connection)) {
            worker->sweep_at = worker->now + SWEEP_MS;
        } else if (connection->state == ANSWERED && !has_queued(connection, SIOCOUTQ)) {
            connection->state = IDLE;
        } else {
            log_line(LOG_WARNING, "a connection was closed: its %s in time",
                     connection->state == READING     ? "request was not complete"
                     : connection->state == LINGERING ? "peer had not closed"
                                                      : "answer was not read");
            drop(worker, connection);
        }
    }
}

static void sweep(struct worker *worker) {
    worker->sweep_at = NEVER;
    sweep_ring(worker, &worker->idle);
    sweep_ring(worker, &worker->busy);
}

/* Closes what idles, unless another request has come by then. A fresh connection was made for one
 * that must be about to come, so it may stay for that. */
static void begin_draining(struct worker *worker) {
    worker->draining = true;
    worker->drained_at = worker->now + DRAIN_MS;
    for (struct connection *connection = worker->idle.next, *next; connection != &worker->idle;
         connection = next) {
        next = connection->next;
        bool stays = connection->state == FRESH ||
                     (!is_last(connection) && read_again_later(worker, connection));
        if (!stays)
            drop(worker, connection);
    }
}

/* Closes the connection that has idled longest, unless a request has come on it. */
static void make_room(struct worker *worker) {
    int64_t latest = atomic_exchange(&worker->close_idle_since, 0);
    if (latest == 0)
        return;
    struct connection *connection = worker->idle.next;
    while (connection != &worker->idle && connection->since <= latest && !is_last(connection))
        connection = connection->next;
    if (connection != &worker->idle && connection->since <= latest)
        drop(worker, connection);
    else
        wake_acceptor(worker);
}

static void publish_idle_since(struct worker *worker) {
    int64_t before = atomic_load(&worker->idle_since);
    int64_t since =
        worker->idle.next == &worker->idle ? WORKER_NONE_IDLE : worker->idle.next->since;
    if (since == before)
        return;
    atomic_store(&worker->idle_since, since);
    if (before == WORKER_NONE_IDLE)
        wake_acceptor(worker);
}

static void use_settings(struct worker *worker, struct settings *settings) {
    struct api *api = &worker->codec.api;
    worker->settings = settings;
    api->settings = settings;
    api->counters = settings->metrics == ON ? worker->counters : NULL;
}

static void take_settings(struct worker *worker) {
    struct settings *next = atomic_exchange(&worker->next_settings, NULL);
    if (!next)
        return;
    settings_release(worker->settings);
    use_settings(worker, next);
    /* The old one keeps what it has derived from the certificate that may just have gone. */
    struct agora_minter *minter = agora_minter_new();
    if (minter) {
        agora_minter_free(worker->codec.api.minter);
        worker->codec.api.minter = minter;
    }
}

static int timeout(const struct worker *worker, bool is_ending) {
    int64_t until = is_ending ? worker->drained_at : worker->sweep_at;
    if (until == NEVER)
        return -1;
    return until > worker->now ? (int)(until - worker->now) : 0;
}

static void *run(void *argument) {
    struct worker *worker = argument;
    enum stage stage = SERVING;
    worker->now = monotonic_ms();

    while (stage != ENDING || (worker_load(worker) > 0 && worker->now < worker->drained_at)) {
        struct epoll_event events[EVENTS_AT_ONCE];
        int count =
            epoll_wait(worker->epoll_fd, events, EVENTS_AT_ONCE, timeout(worker, stage == ENDING));
        worker->now = monotonic_ms();
        /* In this order, as nothing is added once the stage is the last. */
        stage = atomic_load(&worker->stage);
        adopt_added(worker);
        take_settings(worker);

        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (connection)
                serve(worker, connection, events[i].events & (EPOLLRDHUP | EPOLLHUP));
        }
        if (stage != SERVING && !worker->draining)
            begin_draining(worker);
        if (worker->now >= worker->sweep_at)
            sweep(worker);
        make_room(worker);
        publish_idle_since(worker);
    }
    while (worker->idle.next != &worker->idle)
        drop(worker, worker->idle.next);
    while (worker->busy.next != &worker->busy)
        drop(worker, worker->busy.next);
    return NULL;
}

void worker_free(struct worker *worker) {
    if (worker->epoll_fd >= 0)
        close(worker->epoll_fd);
    if (worker->wake_fd >= 0)
        close(worker->wake_fd);
    settings_release(worker->settings);
    settings_release(worker->next_settings);
    agora_minter_free(worker->codec.api.minter);
    codec_free(&worker->codec);
    buffer_free(&worker->out);
    free(worker);
}

struct worker *worker_start(struct settings *settings, const struct connection_limit *limit,
                            struct monitor *monitor) {
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return NULL;
    worker->counters = monitor_add(monitor);
    worker->codec.api.minter = agora_minter_new();
    use_settings(worker, settings_hold(settings));
    worker->limit = limit;
    worker->sweep_at = NEVER;
    worker->idle_since = WORKER_NONE_IDLE;
    worker->idle.next = worker->idle.previous = &worker->idle;
    worker->busy.next = worker->busy.previous = &worker->busy;
    worker->codec.max_connections = limit->connections;
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    struct epoll_event wake = {.events = EPOLLIN | EPOLLET}; /* the one without a connection */
    if (worker->counters && worker->codec.api.minter && worker->epoll_fd >= 0 &&
        worker->wake_fd >= 0 &&
        epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, worker->wake_fd, &wake) == 0 &&
        (errno = pthread_create(&worker->thread, NULL, run, worker)) == 0)
        return worker;
    int error = errno;
    worker_free(worker);
    errno = error;
    return NULL;
}

static void wake(const struct worker *worker) {
    eventfd_write(worker->wake_fd, 1);
}

void worker_add(struct worker *worker, int fd) {
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection) {
        log_line(LOG_ERROR, "a connection was closed: out of memory");
        close(fd);
        return;
    }
    connection->fd = fd;
    connection->next = atomic_load(&worker->added);
    while (!atomic_compare_exchange_weak(&worker->added, &connection->next, connection))
        ;
    atomic_fetch_add(&worker->load, 1);
    wake(worker);
}

int64_t worker_idle_since(const struct worker *worker) {
    return atomic_load(&worker->idle_since);
}

void worker_make_room(struct worker *worker, int64_t latest) {
    atomic_store(&worker->close_idle_since, latest);
    wake(worker);
}

unsigned worker_load(const struct worker *worker) {
    return atomic_load(&worker->load);
}

void worker_use(struct worker *worker, struct settings *settings) {
    settings_release(atomic_exchange(&worker->next_settings, settings_hold(settings)));
    wake(worker);
}

void worker_drain(struct worker *worker) {
    atomic_store(&worker->stage, DRAINING);
    wake(worker);
}

void worker_end(struct worker *worker) {
    atomic_store(&worker->stage, ENDING);
    wake(worker);
}

void worker_join(struct worker *worker) {
    pthread_join(worker->thread, NULL);
}
