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
#include "gateway/record.h"
#include "log.h"

enum {
    /* A body of the largest size, all parameters and record headers. What is longer is answered
     * with 413 and cut off. */
    REQUEST_MAX = REQUEST_BODY_MAX + 32 * 1024,
    /* All that the connections of a worker may keep of unfinished requests and untaken answers. */
    KEPT_MAX = 64 * 1024 * 1024,
    /* What is read from one connection before the others have their turn. */
    READ_AT_ONCE = 16 * 1024,
    EVENTS_AT_ONCE = 64,
    SWEEP_MS = 1000,
    DRAIN_MS = 1500,
    LINGER_MS = 2000,
};

enum state {
    FRESH,     /* no request has come yet */
    IDLE,      /* between requests, for as long as the peer likes */
    READING,   /* a request has begun; unread holds what has come of it */
    WRITING,   /* unsent holds what the peer has not taken of its answer; nothing is read */
    ANSWERED,  /* the kernel has the answer, the peer may not */
    LINGERING, /* closed for writing; what the peer still sends is thrown away */
};

/* What comes after an answer. LINGER where the rest of a request is still on its way: to close on
 * bytes that are not read would take the answer from the peer. */
enum then { KEEP, CLOSE, LINGER };

struct connection {
    struct connection *next;
    struct connection **link; /* the pointer that points here */
    int fd;
    enum state state;
    int64_t deadline; /* where the state is timed */
    struct buffer unread;
    struct buffer unsent;
    enum then then; /* WRITING: what comes after */
};

enum stage { SERVING, DRAINING, ENDING };

struct worker {
    pthread_t thread;
    int epoll_fd;
    int told_fd;                        /* an eventfd: one of the three below has changed */
    _Atomic(struct connection *) added; /* handed over, not yet seen by the thread */
    _Atomic(struct settings *) next_settings;
    _Atomic enum stage stage;
    const struct limit *limit;
    atomic_uint load;

    /* The thread's own. */
    struct connection *connections;
    struct settings *settings;
    bool draining;
    int64_t drained_at;
    int64_t now; /* milliseconds of the monotonic clock */
    int64_t sweep_at;
    unsigned timed; /* connections whose state has a deadline */
    size_t kept;    /* capacity of all unread and unsent buffers */
    struct codec codec;
    struct buffer out;
    uint8_t in[READ_AT_ONCE];
};

static int64_t request_timeout_ms(const struct worker *worker) {
    return (int64_t)worker->settings->request_timeout * 1000;
}

static bool is_timed(enum state state) {
    return state != FRESH && state != IDLE;
}

static void set_state(struct worker *worker, struct connection *connection, enum state state,
                      int64_t lasts) {
    worker->timed -= is_timed(connection->state);
    worker->timed += is_timed(state);
    connection->state = state;
    connection->deadline = worker->now + lasts;
}

static void let_go(struct worker *worker, struct buffer *buffer) {
    worker->kept -= buffer->capacity;
    buffer_free(buffer);
}

/* Appends to an unread or unsent buffer. False when there is no room for it. */
static bool keep(struct worker *worker, struct buffer *buffer, const void *data, size_t length) {
    worker->kept -= buffer->capacity;
    buffer_put(buffer, (struct agora_text){data, length});
    worker->kept += buffer->capacity;
    if (!buffer->failed && worker->kept <= KEPT_MAX)
        return true;
    log_line(LOG_WARNING, "a connection was closed: too much is unfinished on the others");
    return false;
}

static void drop(struct worker *worker, struct connection *connection) {
    set_state(worker, connection, IDLE, 0);
    let_go(worker, &connection->unread);
    let_go(worker, &connection->unsent);
    *connection->link = connection->next;
    if (connection->next)
        connection->next->link = connection->link;
    close(connection->fd);
    free(connection);
    atomic_fetch_sub(&worker->load, 1);
    if (atomic_load(&worker->limit->is_reached))
        eventfd_write(worker->limit->wake_fd, 1);
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

static bool throw_away(struct worker *worker, struct connection *connection) {
    ssize_t got = recv(connection->fd, worker->in, sizeof worker->in, MSG_DONTWAIT);
    if (got > 0)
        return read_again_later(worker, connection);
    return got < 0 && errno == EAGAIN;
}

static bool has_more(const struct connection *connection) {
    int unread = 0;
    return ioctl(connection->fd, FIONREAD, &unread) == 0 && unread > 0;
}

/* While draining, nothing comes after an answer unless more has been sent by then. On a Unix socket
 * no request is lost by that: once reading is shut down the peer can't send another. Over TCP one
 * may be on its way, and the web server has to try again. */
static enum then last_or_not(const struct worker *worker, struct connection *connection,
                             enum then then) {
    if (!worker->draining || then != KEEP || connection->unread.length > 0 || has_more(connection))
        return then;
    shutdown(connection->fd, SHUT_RD);
    return has_more(connection) ? KEEP : CLOSE;
}

/* All of the answer has been handed to the kernel. */
static bool finish_answer(struct worker *worker, struct connection *connection, enum then then) {
    if (then == LINGER) {
        shutdown(connection->fd, SHUT_WR);
        set_state(worker, connection, LINGERING, LINGER_MS);
        return throw_away(worker, connection);
    }
    if (then == CLOSE)
        return false;
    set_state(worker, connection, connection->unread.length > 0 ? READING : ANSWERED,
              request_timeout_ms(worker));
    return true;
}

/* Returns how much the kernel took, -1 when the peer has gone. */
static ssize_t send_some(const struct connection *connection, const struct buffer *buffer) {
    ssize_t sent = send(connection->fd, buffer->data, buffer->length, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 && errno == EAGAIN ? 0 : sent;
}

static bool send_answer(struct worker *worker, struct connection *connection, enum then then) {
    then = last_or_not(worker, connection, then);
    ssize_t sent = send_some(connection, &worker->out);
    if (sent < 0)
        return false;
    size_t taken = (size_t)sent;
    if (taken == worker->out.length)
        return finish_answer(worker, connection, then);

    connection->then = then;
    set_state(worker, connection, WRITING, request_timeout_ms(worker));
    return keep(worker, &connection->unsent, worker->out.data + taken,
                worker->out.length - taken) &&
           watch(worker, connection, EPOLL_CTL_MOD, EPOLLOUT);
}

static bool send_more(struct worker *worker, struct connection *connection) {
    struct buffer *unsent = &connection->unsent;
    ssize_t sent = send_some(connection, unsent);
    if (sent < 0)
        return false;
    unsent->length -= (size_t)sent;
    memmove(unsent->data, unsent->data + sent, unsent->length);
    if (unsent->length > 0)
        return true;

    let_go(worker, unsent);
    return finish_answer(worker, connection, last_or_not(worker, connection, connection->then)) &&
           read_again_later(worker, connection);
}

/* Answers what data begins with, and says how long that was: 0 when it is not whole yet. */
static enum then answer_next(struct worker *worker, const uint8_t *data, size_t length,
                             size_t *unit) {
    struct buffer *out = &worker->out;
    switch (record_next(data, length, unit)) {
    case RECORD_PARTIAL: {
        size_t whole = *unit;
        *unit = length < REQUEST_MAX ? 0 : length;
        if (*unit == 0)
            return KEEP;
        if (!record_parameters_are_sound(data, whole))
            return CLOSE;
        codec_answer(&worker->codec, data, whole, true, out);
        return LINGER;
    }
    case RECORD_REQUEST:
        return codec_answer(&worker->codec, data, *unit, false, out) ? KEEP : CLOSE;
    case RECORD_MANAGEMENT:
        record_answer_management(data, *unit, worker->limit->connections, out);
        return KEEP;
    case RECORD_LATE_ABORT:
        return KEEP;
    case RECORD_BROKEN:
        break;
    }
    return CLOSE;
}

/* Keeps what follows the whole requests: the end of unread itself, or of what was just read. */
static bool keep_rest(struct worker *worker, struct connection *connection, const uint8_t *rest,
                      size_t length) {
    struct buffer *unread = &connection->unread;
    if (length == 0) {
        let_go(worker, unread);
        return true;
    }
    if (unread->length == 0)
        return keep(worker, unread, rest, length);
    if (unread->length > length)
        memmove(unread->data, rest, length);
    unread->length = length;
    return true;
}

/* Answers all that is whole in data, in one go, and keeps what follows. */
static bool answer(struct worker *worker, struct connection *connection, const uint8_t *data,
                   size_t length) {
    size_t at = 0;
    enum then then = KEEP;
    buffer_clear(&worker->out);
    while (at < length && then == KEEP) {
        size_t unit;
        then = answer_next(worker, data + at, length - at, &unit);
        if (unit == 0)
            break;
        at += unit;
    }

    bool kept = keep_rest(worker, connection, data + at, then == KEEP ? length - at : 0);
    if (!kept || worker->out.failed || (worker->out.length == 0 && then != KEEP))
        return false;
    if (worker->out.length > 0)
        return send_answer(worker, connection, then);
    /* No answer: the request is not whole yet, or what came was no request. */
    bool has_begun = connection->unread.length > 0;
    if (has_begun && connection->state != READING)
        set_state(worker, connection, READING, request_timeout_ms(worker));
    if (!has_begun && connection->state == READING)
        set_state(worker, connection, IDLE, 0);
    return has_begun || !worker->draining;
}

static bool read_requests(struct worker *worker, struct connection *connection) {
    ssize_t got = recv(connection->fd, worker->in, sizeof worker->in, MSG_DONTWAIT);
    if (got <= 0)
        return got < 0 && errno == EAGAIN;

    bool stays = connection->unread.length == 0
                     ? answer(worker, connection, worker->in, (size_t)got)
                     : keep(worker, &connection->unread, worker->in, (size_t)got) &&
                           answer(worker, connection, (const uint8_t *)connection->unread.data,
                                  connection->unread.length);
    /* A full buffer may have left bytes behind. */
    if (stays && got == sizeof worker->in && connection->state != WRITING)
        return read_again_later(worker, connection);
    return stays;
}

/* Does what can be done now. The one place but for the clock that drops a connection. */
static void serve(struct worker *worker, struct connection *connection, bool peer_has_closed) {
    bool stays = connection->state == LINGERING ? throw_away(worker, connection)
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
        connection->next = worker->connections;
        connection->link = &worker->connections;
        if (connection->next)
            connection->next->link = &connection->next;
        worker->connections = connection;
        if (!watch(worker, connection, EPOLL_CTL_ADD, 0)) {
            log_line(LOG_ERROR, "a connection was closed: it can't be watched: %s",
                     strerror(errno));
            drop(worker, connection);
        }
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
        log_line(LOG_WARNING, "a connection was closed: its %s in time",
                 connection->state == READING     ? "request was not complete"
                 : connection->state == LINGERING ? "peer had not closed"
                                                  : "answer was not read");
        drop(worker, connection);
    }
    worker->sweep_at = worker->now + SWEEP_MS;
}

static bool is_between_requests(const struct connection *connection) {
    return connection->state == IDLE || connection->state == ANSWERED;
}

/* Closes what idles, unless another request has come by then. A fresh connection was made for one
 * that must be about to come, so it may stay for that. */
static void begin_draining(struct worker *worker) {
    worker->draining = true;
    worker->drained_at = worker->now + DRAIN_MS;
    for (struct connection *connection = worker->connections, *next; connection;
         connection = next) {
        next = connection->next;
        if (!is_between_requests(connection))
            continue;
        if (last_or_not(worker, connection, KEEP) == CLOSE)
            drop(worker, connection);
        else
            serve(worker, connection, false);
    }
}

static void take_settings(struct worker *worker) {
    struct settings *next = atomic_exchange(&worker->next_settings, NULL);
    if (!next)
        return;
    settings_release(worker->settings);
    worker->settings = next;
    worker->codec.api.settings = next;
    /* The old one keeps what it has derived from the certificate that may just have gone. */
    struct agora_minter *minter = agora_minter_new();
    if (minter) {
        agora_minter_free(worker->codec.api.minter);
        worker->codec.api.minter = minter;
    }
}

static int timeout(const struct worker *worker, bool is_ending) {
    int64_t until = is_ending ? worker->drained_at : worker->sweep_at;
    if (!is_ending && worker->timed == 0)
        return -1;
    return until > worker->now ? (int)(until - worker->now) : 0;
}

static void *run(void *argument) {
    struct worker *worker = argument;
    enum stage stage = SERVING;
    worker->now = monotonic_ms();
    worker->sweep_at = worker->now + SWEEP_MS;

    while (stage != ENDING || (worker->connections && worker->now < worker->drained_at)) {
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
    }
    while (worker->connections)
        drop(worker, worker->connections);
    return NULL;
}

static void free_worker(struct worker *worker) {
    if (worker->epoll_fd >= 0)
        close(worker->epoll_fd);
    if (worker->told_fd >= 0)
        close(worker->told_fd);
    settings_release(worker->settings);
    settings_release(worker->next_settings);
    agora_minter_free(worker->codec.api.minter);
    codec_free(&worker->codec);
    buffer_free(&worker->out);
    free(worker);
}

struct worker *worker_start(struct settings *settings, const struct limit *limit) {
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return NULL;
    worker->settings = settings_hold(settings);
    worker->limit = limit;
    worker->codec.api = (struct api){.settings = settings, .minter = agora_minter_new()};
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    worker->told_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    struct epoll_event told = {.events = EPOLLIN | EPOLLET}; /* the one without a connection */
    if (worker->codec.api.minter && worker->epoll_fd >= 0 && worker->told_fd >= 0 &&
        epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, worker->told_fd, &told) == 0 &&
        (errno = pthread_create(&worker->thread, NULL, run, worker)) == 0)
        return worker;
    int error = errno;
    free_worker(worker);
    errno = error;
    return NULL;
}

static void wake(const struct worker *worker) {
    eventfd_write(worker->told_fd, 1);
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
    free_worker(worker);
}
