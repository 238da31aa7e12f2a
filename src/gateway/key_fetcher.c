#include "gateway/key_fetcher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "http/buffer.h"
#include "log.h"
#include "text.h"

enum {
    PERIOD_MS = 10 * 60 * 1000,    /* from one success to the next fetch */
    RETRY_MS = 30 * 1000,          /* from any fetch to the next at the earliest */
    KEEP_MS = 24 * 60 * 60 * 1000, /* how long keys count that can't be fetched again */
    ANSWER_MS = 10 * 1000,         /* in which the program must have answered; it takes 5 s */
    RESTART_MS = 1000,             /* from one start of the program to the next */
    LOOK_MS = 1000,                /* how soon an unknown key is noticed */
    HEADER_MAX = 64,
    WHY_MAX = 512, /* of what the program says, in the log */
};

struct key_fetcher {
    pid_t pid; /* 0: the program does not run */
    int in;    /* what it reads */
    int out;   /* what it writes */
    int64_t started_at;
    size_t count;
    struct key_source **sources;
    struct key_source *asked; /* held; the one whose answer is awaited */
    struct buffer answer;
};

struct key_fetcher *key_fetcher_new(void) {
    struct key_fetcher *fetcher = calloc(1, sizeof *fetcher);
    if (fetcher)
        fetcher->in = fetcher->out = -1;
    return fetcher;
}

static void forget_question(struct key_fetcher *fetcher) {
    key_source_release(fetcher->asked);
    fetcher->asked = NULL;
    buffer_free(&fetcher->answer);
}

/* The program holds nothing that a sudden end could damage. */
static void stop(struct key_fetcher *fetcher) {
    if (fetcher->pid == 0)
        return;
    close(fetcher->in);
    close(fetcher->out);
    fetcher->in = fetcher->out = -1;
    kill(fetcher->pid, SIGKILL);
    while (waitpid(fetcher->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    fetcher->pid = 0;
}

/* The environment of the program: where the machine's proxies and authorities are, and no secret.
 */
static size_t copy_environment(char **out, size_t size) {
    static const char *const names[] = {
        "http_proxy=", "https_proxy=", "HTTPS_PROXY=",   "all_proxy=",   "ALL_PROXY=",
        "no_proxy=",   "NO_PROXY=",    "SSL_CERT_FILE=", "SSL_CERT_DIR="};
    size_t count = 0;
    for (char **variable = environ; *variable && count < size - 1; variable++)
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            if (strncmp(*variable, names[i], strlen(names[i])) == 0)
                out[count++] = *variable;
    out[count] = NULL;
    return count;
}

static bool program_path(char *path, size_t size) {
    static const char name[] = "agora-token-jwks";
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    if (length < 0)
        return false;
    path[length] = '\0';
    char *file = strrchr(path, '/');
    if (!file || (size_t)(file + 1 - path) + sizeof name > size)
        return false;
    memcpy(file + 1, name, sizeof name);
    return true;
}

/* Both ends close on exec; those that the program gets are duplicated for it. */
static int spawn(struct key_fetcher *fetcher, const char *path, int in, int out) {
    enum { ENVIRONMENT_MAX = 16 };
    char *environment[ENVIRONMENT_MAX];
    char name[] = "agora-token-jwks";
    char *arguments[] = {name, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t broken_pipe;
    copy_environment(environment, ENVIRONMENT_MAX);
    sigemptyset(&none);
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &broken_pipe);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int error = posix_spawn(&fetcher->pid, path, &files, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

static bool start(struct key_fetcher *fetcher) {
    char path[4096] = "agora-token-jwks";
    int in[2] = {-1, -1};
    int out[2] = {-1, -1};
    int error = 0;
    if (!program_path(path, sizeof path) || pipe2(in, O_CLOEXEC) != 0 ||
        pipe2(out, O_CLOEXEC) != 0 || fcntl(in[1], F_SETFL, O_NONBLOCK) != 0 ||
        fcntl(out[0], F_SETFL, O_NONBLOCK) != 0)
        error = errno;
    else
        error = spawn(fetcher, path, in[0], out[1]);
    if (in[0] >= 0)
        close(in[0]);
    if (out[1] >= 0)
        close(out[1]);
    if (error == 0) {
        fetcher->in = in[1];
        fetcher->out = out[0];
        return true;
    }
    if (in[1] >= 0)
        close(in[1]);
    if (out[0] >= 0)
        close(out[0]);
    fetcher->pid = 0;
    log_line(LOG_ERROR, "key sets can't be fetched: %s can't be started: %s", path,
             strerror(error));
    return false;
}

static bool is_due(const struct key_source *source, int64_t now) {
    if (source->asked_at == 0)
        return true;
    int64_t since = now - source->asked_at;
    bool is_soon = source->has_failed || !source->fetched_at || atomic_load(&source->is_wanted);
    return since >= (is_soon ? RETRY_MS : PERIOD_MS);
}

__attribute__((format(printf, 3, 4))) static void
tell(enum log_level level, const struct key_source *source, const char *format, ...) {
    char text[1024];
    struct log_event event;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    log_begin(&event, level, "caller %s: %s", source->caller, text);
    log_detail(&event, "caller", LOG_STRING, agora_text_of(source->caller));
    log_end(&event);
}

/* An outage of the key server does not turn everybody away, but revoked keys do not live for ever.
 */
static void expire(struct key_source *source, int64_t now) {
    if (source->fetched_at == 0 || now - source->fetched_at < KEEP_MS)
        return;
    source->fetched_at = 0;
    key_source_replace(source, NULL);
    tell(LOG_ERROR, source, "its keys could not be fetched for a day and count no longer");
}

/* A question is far shorter than a pipe holds, and there is never more than one. */
static bool ask(struct key_fetcher *fetcher, struct key_source *source, int64_t now) {
    struct buffer line = {0};
    source->asked_at = now;
    atomic_store(&source->is_wanted, false);
    buffer_puts(&line, "1\t");
    buffer_puts(&line, source->ca_file);
    buffer_puts(&line, "\t");
    buffer_puts(&line, source->url);
    buffer_puts(&line, "\n");
    bool asked = !line.failed && write(fetcher->in, line.data, line.length) == (ssize_t)line.length;
    buffer_free(&line);
    if (asked)
        fetcher->asked = key_source_hold(source);
    return asked;
}

static void fail(struct key_source *source, const char *why, size_t length) {
    source->has_failed = true;
    tell(LOG_ERROR, source, "the key set could not be fetched: %.*s%s",
         (int)(length < WHY_MAX ? length : WHY_MAX), why,
         source->fetched_at ? "; the last good one stays in use" : "");
}

static void use_answer(struct key_source *source, bool is_good, struct agora_text content,
                       int64_t now) {
    char error[KEY_SET_ERROR_MAX];
    if (!is_good) {
        fail(source, content.data, content.length);
        return;
    }
    struct key_set *keys = key_set_read(content, error);
    if (!keys) {
        fail(source, error, strlen(error));
        return;
    }
    key_source_replace(source, keys);
    if (source->fetched_at == 0 || source->has_failed)
        tell(LOG_INFO, source, "the key set was fetched");
    source->fetched_at = now;
    atomic_store(&source->succeeded_at, (int64_t)time(NULL));
    source->has_failed = false;
}

/* Reads "1 LENGTH\n" or "1 - LENGTH\n" and LENGTH bytes. False for anything else. */
static bool take_answer(struct key_fetcher *fetcher, int64_t now) {
    const struct buffer *answer = &fetcher->answer;
    const char *end = answer->length > 0 ? memchr(answer->data, '\n', answer->length) : NULL;
    if (!end)
        return answer->length < HEADER_MAX;
    struct agora_text digits = {answer->data, (size_t)(end - answer->data)};
    bool is_ours = text_equals(text_cut(&digits, ' '), "1");
    bool is_good = digits.length == 0 || digits.data[0] != '-';
    if (!is_good)
        is_ours &= text_equals(text_cut(&digits, ' '), "-");
    size_t length = 0;
    for (size_t i = 0; i < digits.length && length <= JWKS_MAX; i++) {
        is_ours &= digits.data[i] >= '0' && digits.data[i] <= '9';
        length = length * 10 + (size_t)(digits.data[i] - '0');
    }
    if (!is_ours || digits.length == 0 || length > JWKS_MAX)
        return false;
    size_t head = (size_t)(end + 1 - answer->data);
    if (answer->length - head != length)
        return answer->length - head < length;
    use_answer(fetcher->asked, is_good, (struct agora_text){end + 1, length}, now);
    forget_question(fetcher);
    return true;
}

/* False when the program has to be started again. */
static bool read_answer(struct key_fetcher *fetcher, int64_t now) {
    for (;;) {
        char *bytes = buffer_reserve(&fetcher->answer, 4096);
        if (!bytes || fetcher->answer.length > JWKS_MAX + HEADER_MAX)
            return false;
        ssize_t got = read(fetcher->out, bytes, 4096);
        if (got < 0)
            return errno == EAGAIN || errno == EINTR;
        if (got == 0 || !fetcher->asked)
            return false;
        fetcher->answer.length += (size_t)got;
        if (!take_answer(fetcher, now))
            return false;
    }
}

static void release_sources(struct key_fetcher *fetcher) {
    for (size_t i = 0; i < fetcher->count; i++)
        key_source_release(fetcher->sources[i]);
    free(fetcher->sources);
}

bool key_fetcher_use(struct key_fetcher *fetcher, const struct access *access) {
    size_t count = 0;
    while (access && access_source(access, count))
        count++;
    struct key_source **sources = calloc(count + 1, sizeof(struct key_source *));
    if (!sources)
        return false;
    for (size_t i = 0; i < count; i++) {
        sources[i] = key_source_hold(access_source(access, i));
        if (sources[i] != fetcher->asked)
            sources[i]->asked_at = 0;
    }
    release_sources(fetcher);
    fetcher->sources = sources;
    fetcher->count = count;
    if (count == 0) {
        forget_question(fetcher);
        stop(fetcher);
    }
    return true;
}

int key_fetcher_fd(const struct key_fetcher *fetcher) {
    return fetcher->out;
}

int key_fetcher_timeout(const struct key_fetcher *fetcher) {
    return fetcher->count > 0 ? LOOK_MS : -1;
}

void key_fetcher_step(struct key_fetcher *fetcher, int64_t now) {
    if (fetcher->pid > 0 && !read_answer(fetcher, now)) {
        log_line(LOG_ERROR, "agora-token-jwks has ended, or answered wrongly; it is started again");
        stop(fetcher);
    }
    if (fetcher->asked && (fetcher->pid == 0 || now - fetcher->asked->asked_at > ANSWER_MS)) {
        static const char why[] = "agora-token-jwks has not answered";
        fail(fetcher->asked, why, sizeof why - 1);
        forget_question(fetcher);
        stop(fetcher);
    }
    for (size_t i = 0; i < fetcher->count; i++)
        expire(fetcher->sources[i], now);
    for (size_t i = 0; i < fetcher->count && !fetcher->asked; i++) {
        if (!is_due(fetcher->sources[i], now))
            continue;
        if (fetcher->pid == 0) {
            if (fetcher->started_at != 0 && now - fetcher->started_at < RESTART_MS)
                return;
            fetcher->started_at = now;
            if (!start(fetcher)) {
                fetcher->sources[i]->asked_at = now;
                fetcher->sources[i]->has_failed = true;
                return;
            }
        }
        if (!ask(fetcher, fetcher->sources[i], now))
            stop(fetcher);
    }
}

void key_fetcher_free(struct key_fetcher *fetcher) {
    if (!fetcher)
        return;
    stop(fetcher);
    forget_question(fetcher);
    release_sources(fetcher);
    free(fetcher);
}
