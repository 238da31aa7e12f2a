/* The life of the responder: start workers, accept connections for them, stop on a signal. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "gateway/codec.h"
#include "gateway/gateway.h"
#include "gateway/key_fetcher.h"
#include "gateway/notify.h"
#include "gateway/process.h"
#include "gateway/worker.h"
#include "log.h"

enum {
    DESCRIPTORS_ELSE = 64,  /* what the process needs beside connections, with some to spare ... */
    DESCRIPTORS_WORKER = 2, /* ... and each worker */
    ACCEPTS_AT_ONCE = 64,
    EXHAUSTED_PAUSE_MS = 100,
    LOG_PAUSE_MS = 10000, /* between two lines about the same */
    IDLE_GRACE_MS = 50,
    LAST_ACCEPTS_MS = 300,
    LAST_ACCEPTS_PAUSE_MS = 5,
};

struct server {
    struct settings *settings;
    struct listener *listener;
    struct key_fetcher *fetcher;
    int signal_fd;
    struct connection_limit limit;
    struct monitor monitor;
    int64_t started_at;          /* Unix seconds */
    _Atomic int64_t reloaded_at; /* the same; negative where the settings could not be used */
    bool is_draining;
    int64_t full_since; /* when a connection began to wait to be accepted, 0 when none does */
    int64_t limit_logged_at;
    int64_t error_logged_at;
    unsigned worker_count;
    struct worker **workers;
};

static unsigned core_count(void) {
    cpu_set_t cores;
    if (sched_getaffinity(0, sizeof cores, &cores) != 0)
        return 1;
    return (unsigned)CPU_COUNT(&cores);
}

static unsigned workers_wanted(const struct settings *settings) {
    return settings->workers > 0 ? settings->workers : core_count();
}

/* How many connections the descriptors of this process allow, at most those wanted. */
static unsigned connections_possible(const struct settings *settings) {
    unsigned wanted = settings->max_connections;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return wanted;
    const struct rlimit raised = {limit.rlim_max, limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
        limit = raised;
    const rlim_t otherwise_needed =
        DESCRIPTORS_ELSE + DESCRIPTORS_WORKER * (rlim_t)workers_wanted(settings);
    rlim_t possible = limit.rlim_cur > 2 * otherwise_needed ? limit.rlim_cur - otherwise_needed
                                                            : limit.rlim_cur / 2;
    if (possible >= wanted)
        return wanted;
    log_line(LOG_WARNING, "MAX_CONNECTIONS is %u, but the limit on open files allows %u", wanted,
             (unsigned)possible);
    return (unsigned)possible;
}

static sigset_t handled_signals(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGUSR1); /* how FastCGI process managers ask for a soft stop */
    return signals;
}

void fastcgi_hold_signals(void) {
    const sigset_t signals = handled_signals();
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* Signals come as something to read, and to this thread alone. */
static int open_signals(void) {
    const sigset_t signals = handled_signals();
    return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

static unsigned connection_count(const struct server *server) {
    unsigned total = 0;
    for (unsigned i = 0; i < server->worker_count; i++)
        total += worker_load(server->workers[i]);
    return total;
}

static struct worker *least_loaded(const struct server *server) {
    struct worker *least = server->workers[0];
    for (unsigned i = 1; i < server->worker_count; i++)
        if (worker_load(server->workers[i]) < worker_load(least))
            least = server->workers[i];
    return least;
}

/* Not every time, as the same happens with every connection. */
static bool shall_log(int64_t *logged_at) {
    int64_t now = monotonic_ms();
    if (*logged_at != 0 && now < *logged_at + LOG_PAUSE_MS)
        return false;
    *logged_at = now;
    return true;
}

static bool is_full(const struct server *server) {
    return !server->is_draining && connection_count(server) >= server->limit.connections;
}

static struct worker *longest_idle(const struct server *server) {
    struct worker *longest = server->workers[0];
    for (unsigned i = 1; i < server->worker_count; i++)
        if (worker_idle_since(server->workers[i]) < worker_idle_since(longest))
            longest = server->workers[i];
    return longest;
}

/*
 * At the limit, and somebody waits: the connection that has idled longest is closed. For a moment
 * it is waited for one that has idled a moment, as on a younger one a request may be on its way.
 * Returns for how many milliseconds to wait, less than 0 to wait until a worker wakes this thread,
 * which it does from the time that is_reached is set: hence that comes first.
 */
static int make_room(struct server *server) {
    atomic_store(&server->limit.is_reached, true);
    if (!is_full(server)) {
        atomic_store(&server->limit.is_reached, false);
        return -1;
    }
    if (shall_log(&server->limit_logged_at))
        log_line(LOG_WARNING,
                 "all %u connections are in use (MAX_CONNECTIONS): for each new one, the one that "
                 "has idled longest is closed",
                 server->limit.connections);
    int64_t now = monotonic_ms();
    if (server->full_since == 0)
        server->full_since = now;

    struct worker *worker = longest_idle(server);
    int64_t since = worker_idle_since(worker);
    if (since == WORKER_NONE_IDLE)
        return -1;
    int64_t due = (since < server->full_since ? since : server->full_since) + IDLE_GRACE_MS;
    if (now < due)
        return (int)(due - now);
    worker_make_room(worker, since + IDLE_GRACE_MS);
    return -1;
}

/* Accepts what waits, as far as the limit allows. Returns for how many milliseconds to pause, less
 * than 0 for none. */
static int accept_waiting(struct server *server, unsigned most) {
    for (unsigned i = 0; i < most && !is_full(server); i++) {
        int fd = accept4(server->listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            server->full_since = 0;
            worker_add(least_loaded(server), fd);
        } else if (errno == EAGAIN) {
            break;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            if (shall_log(&server->error_logged_at))
                log_line(LOG_ERROR, "cannot accept connections: %s", strerror(errno));
            return EXHAUSTED_PAUSE_MS;
        }
    }
    return -1;
}

/* Whoever is asked for the metrics calls this. */
static void look(const void *context, struct process_figures *figures) {
    const struct server *server = context;
    int64_t reloaded_at = atomic_load(&server->reloaded_at);
    process_look(figures);
    figures->connections = connection_count(server);
    figures->connection_limit = server->limit.connections;
    figures->log_lines_dropped = (double)log_lost_lines();
    figures->reload_was_successful = reloaded_at > 0;
    figures->reloaded_at = (double)(reloaded_at > 0 ? reloaded_at : -reloaded_at);
    figures->started_at = (double)server->started_at;
}

static void use_settings(struct server *server, struct settings *settings) {
    const struct settings *old = server->settings;
    if (settings->workers != old->workers || settings->max_connections != old->max_connections)
        log_line(LOG_WARNING, "WORKERS and MAX_CONNECTIONS count at the start only");
    if (settings->access)
        monitor_expect(&server->monitor, access_policy(settings->access));
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_use(server->workers[i], settings);

    /* The line shall stand in the log by the old level or by the new. */
    log_set_level(settings->log_level > old->log_level ? settings->log_level : old->log_level);
    log_set_format(settings->log_format);
    log_line(LOG_INFO, "the settings were read again and are in use");
    log_set_level(settings->log_level);
    if (!key_fetcher_use(server->fetcher, settings->access))
        log_line(LOG_ERROR, "out of memory: key sets are not fetched");
    settings_release(server->settings);
    server->settings = settings;
}

static void reload(struct server *server) {
    char error[SETTINGS_ERROR_MAX];
    notify("RELOADING=1");
    struct settings *settings =
        settings_load(SETTINGS_DOTENV, ACCESS_SERVICE, server->settings, error);
    int64_t now = time(NULL);
    atomic_store(&server->reloaded_at, settings ? now : -now);
    if (settings)
        use_settings(server, settings);
    else
        log_line(LOG_ERROR, "the settings stay as they were: %s", error);
    notify("READY=1");
}

/* Until a signal says stop. */
static void accept_loop(struct server *server) {
    int pause = -1;
    for (;;) {
        key_fetcher_step(server->fetcher, monotonic_ms());
        bool waits = atomic_load(&server->limit.is_reached);
        struct pollfd fds[] = {
            {.fd = server->signal_fd, .events = POLLIN},
            {.fd = server->limit.wake_fd, .events = POLLIN},
            {.fd = waits || pause >= 0 ? -1 : server->listener->fd, .events = POLLIN},
            {.fd = key_fetcher_fd(server->fetcher), .events = POLLIN},
        };
        int timeout = key_fetcher_timeout(server->fetcher);
        poll(fds, 4, pause >= 0 && (timeout < 0 || pause < timeout) ? pause : timeout);
        pause = -1;

        bool shall_reload = false;
        struct signalfd_siginfo signal_;
        while (read(server->signal_fd, &signal_, sizeof signal_) == sizeof signal_) {
            if (signal_.ssi_signo != SIGHUP)
                return;
            shall_reload = true;
        }
        if (shall_reload)
            reload(server);
        if (fds[1].revents) {
            eventfd_t ignored;
            eventfd_read(server->limit.wake_fd, &ignored);
        }
        if (waits || (fds[2].revents && is_full(server)))
            pause = make_room(server);
        else if (fds[2].revents)
            pause = accept_waiting(server, ACCEPTS_AT_ONCE);
    }
}

static bool start_codec(void) {
    if (codec_start())
        return true;
    log_line(LOG_ERROR, "this build of libfcgi does not let its connections be replaced");
    errno = ENOTSUP;
    return false;
}

static bool start_workers(struct server *server) {
    unsigned wanted = workers_wanted(server->settings);
    server->workers = calloc(wanted, sizeof(struct worker *));
    while (server->workers && server->worker_count < wanted) {
        struct worker *worker = worker_start(server->settings, &server->limit, &server->monitor);
        if (!worker)
            return false;
        server->workers[server->worker_count++] = worker;
    }
    return server->workers != NULL;
}

static void end_workers(struct server *server) {
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_end(server->workers[i]);
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_join(server->workers[i]);
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_free(server->workers[i]);
    free(server->workers);
}

/* Those who have connected by now were accepted as far as they can see. Where descriptors are
 * short, the idle connections that the workers close make room for them. Neither a flood of new
 * ones nor the lack of room puts off the end for long. */
static void drain(struct server *server) {
    listener_remove_file(server->listener);
    server->is_draining = true;
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_drain(server->workers[i]);
    notify("STOPPING=1");
    int64_t until = monotonic_ms() + LAST_ACCEPTS_MS;
    while (accept_waiting(server, SOMAXCONN) >= 0 && monotonic_ms() < until)
        poll(NULL, 0, LAST_ACCEPTS_PAUSE_MS);
    listener_close(server->listener);
    log_line(LOG_INFO, "stopping: %u connections", connection_count(server));
}

int fastcgi_serve(struct settings *settings, struct listener *listener) {
    int status = EXIT_FAILURE;
    struct server server = {
        .settings = settings,
        .listener = listener,
        .fetcher = key_fetcher_new(),
        .signal_fd = open_signals(),
        .started_at = time(NULL),
        .limit = {.connections = connections_possible(settings),
                  .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)},
    };
    server.monitor = (struct monitor){.look = look, .context = &server};
    server.reloaded_at = server.started_at;
    if (settings->access)
        monitor_expect(&server.monitor, access_policy(settings->access));
    int flags = fcntl(listener->fd, F_GETFL);
    if (server.signal_fd < 0 || server.limit.wake_fd < 0 || flags < 0 ||
        fcntl(listener->fd, F_SETFL, flags | O_NONBLOCK) != 0 || !server.fetcher ||
        !key_fetcher_use(server.fetcher, settings->access) || !start_codec() ||
        !start_workers(&server)) {
        log_line(LOG_ERROR, "cannot start: %s", strerror(errno));
        listener_close(listener);
    } else {
        log_line(LOG_INFO, "ready: %u workers, up to %u connections", server.worker_count,
                 server.limit.connections);
        if (!settings->access)
            log_line(LOG_WARNING, SETTINGS_OPEN_WARNING);
        notify("READY=1");
        accept_loop(&server);
        drain(&server);
        status = EXIT_SUCCESS;
    }
    end_workers(&server);
    monitor_free(&server.monitor);
    key_fetcher_free(server.fetcher);
    close(server.limit.wake_fd);
    close(server.signal_fd);
    settings_release(server.settings);
    if (status == EXIT_SUCCESS)
        log_line(LOG_INFO, "stopped");
    return status;
}
