/*
 * Fetches key sets (RFC 7517) for the service, which opens no connection itself. The service starts
 * this program with a pipe to its standard input and one from its standard output:
 *
 *     asked:     NUMBER <tab> CA_FILE <tab> URL <line feed>
 *     answered:  NUMBER <space> LENGTH <line feed> and that many bytes of the key set, or
 *                NUMBER <space> - LENGTH <line feed> and that many bytes of why there is none
 *
 * It answers in the order in which it was asked and ends with its input. `--once URL FILE` fetches
 * one key set into a file, for cron, timers and plain CGI.
 */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/key_source.h"
#include "http/buffer.h"
#include "text.h"
#include "version.h"

enum { EXIT_USAGE = 2, TIMEOUT_SECONDS = 5 };

static const char usage[] =
    "usage: agora-token-jwks --once [--ca-file FILE] URL FILE\n"
    "\n"
    "Fetches the JSON Web Key Set at URL (https, or http on this machine) into FILE, which a\n"
    "policy of agora-token-fcgi may name as jwks_file. FILE stays as it is when there is no key\n"
    "set to be had or none of its keys can be used; the exit status is then 1.\n"
    "\n"
    "Without --once it serves agora-token-fcgi, which starts it when a policy names a jwks_url.\n"
    "\n"
    "  --once          fetch once, write FILE, and exit\n"
    "  --ca-file FILE  trust the authorities in this file (PEM) in place of the machine's\n"
    "  --version       print the version and exit\n"
    "  --help          print this and exit\n";

static size_t take(char *data, size_t size, size_t count, void *body) {
    struct buffer *buffer = body;
    if (size * count > JWKS_MAX - buffer->length)
        return 0;
    buffer_put(buffer, (struct agora_text){data, size * count});
    return buffer->failed ? 0 : size * count;
}

/* False with why in error. ca_file: "" for the machine's own authorities. */
static bool fetch(CURL *curl, const char *url, const char *ca_file, struct buffer *body,
                  char error[static CURL_ERROR_SIZE]) {
    long status = 0;
    buffer_clear(body);
    if (!jwks_url_is_allowed(url)) {
        snprintf(error, CURL_ERROR_SIZE, "use " JWKS_URL_ALLOWED);
        return false;
    }
    if (!curl) {
        snprintf(error, CURL_ERROR_SIZE, "libcurl cannot start");
        return false;
    }
    curl_easy_reset(curl);
    error[0] = '\0';
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "agora-token-jwks/" VERSION);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    if (ca_file[0] != '\0')
        curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file);
    /* Without TLS a proxy would choose the keys; the URL is one of this machine. */
    if (strncasecmp(url, "http://", 7) == 0)
        curl_easy_setopt(curl, CURLOPT_PROXY, "");

    CURLcode code = curl_easy_perform(curl);
    if (code == CURLE_WRITE_ERROR)
        snprintf(error, CURL_ERROR_SIZE, "the answer is longer than %d bytes", JWKS_MAX);
    else if (code != CURLE_OK && error[0] == '\0')
        snprintf(error, CURL_ERROR_SIZE, "%s", curl_easy_strerror(code));
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && status != 200)
        snprintf(error, CURL_ERROR_SIZE, "the answer has status %ld where 200 is expected", status);
    return code == CURLE_OK && status == 200;
}

/* Whoever reads FILE sees the old key set or the new one, whole. */
static bool write_file(const char *path, const struct buffer *body) {
    char beside[4096];
    if ((size_t)snprintf(beside, sizeof beside, "%s.XXXXXX", path) >= sizeof beside) {
        errno = ENAMETOOLONG;
        return false;
    }
    int fd = mkstemp(beside);
    if (fd < 0)
        return false;
    bool written = write(fd, body->data, body->length) == (ssize_t)body->length &&
                   fchmod(fd, 0644) == 0 && fsync(fd) == 0;
    int error = errno;
    close(fd);
    if (written && rename(beside, path) == 0)
        return true;
    error = written ? errno : error;
    unlink(beside);
    errno = error;
    return false;
}

static int fetch_once(CURL *curl, const char *url, const char *ca_file, const char *path) {
    char error[CURL_ERROR_SIZE];
    char unusable[KEY_SET_ERROR_MAX];
    struct buffer body = {0};
    struct key_set *keys = NULL;
    const char *why = error;
    bool fetched = fetch(curl, url, ca_file, &body, error);
    if (fetched && !(keys = key_set_read((struct agora_text){body.data, body.length}, unusable)))
        why = unusable;
    if (keys && !write_file(path, &body)) {
        why = strerror(errno);
        url = path;
        key_set_release(keys);
        keys = NULL;
    }
    if (!keys)
        fprintf(stderr, "agora-token-jwks: %s: %s\n", quote(agora_text_of(url)).text, why);
    buffer_free(&body);
    key_set_release(keys);
    return keys ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool answer(CURL *curl, char *line, struct buffer *body) {
    char error[CURL_ERROR_SIZE];
    const char *number = strsep(&line, "\t");
    const char *ca_file = strsep(&line, "\t");
    if (!line)
        return false;
    bool fetched = fetch(curl, line, ca_file, body, error);
    size_t length = fetched ? body->length : strlen(error);
    printf("%s %s%zu\n", number, fetched ? "" : "- ", length);
    fwrite(fetched ? body->data : error, 1, length, stdout);
    return fflush(stdout) == 0;
}

static int serve(CURL *curl) {
    char *line = NULL;
    size_t size = 0;
    struct buffer body = {0};
    ssize_t length;
    bool good = true;
    while (good && (length = getline(&line, &size, stdin)) > 0) {
        line[length - 1] = '\0';
        good = answer(curl, line, &body);
    }
    free(line);
    buffer_free(&body);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

enum option_id { ONCE = 256, CA_FILE, VERSION_ };

static const struct option options[] = {
    {"once", no_argument, NULL, ONCE},
    {"ca-file", required_argument, NULL, CA_FILE},
    {"version", no_argument, NULL, VERSION_},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

int main(int argc, char **argv) {
    bool once = false;
    const char *ca_file = "";
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (option) {
        case ONCE:
            once = true;
            break;
        case CA_FILE:
            ca_file = optarg;
            break;
        case VERSION_:
            puts("agora-token-jwks " VERSION);
            return EXIT_SUCCESS;
        case 'h':
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        default:
            return EXIT_USAGE;
        }
    }
    if (argc - optind != (once ? 2 : 0) || (!once && isatty(STDIN_FILENO))) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }

    signal(SIGPIPE, SIG_IGN);
    CURL *curl = curl_global_init(CURL_GLOBAL_DEFAULT) == 0 ? curl_easy_init() : NULL;
    int status = once ? fetch_once(curl, argv[optind], ca_file, argv[optind + 1]) : serve(curl);
    curl_easy_cleanup(curl);
    curl_global_cleanup();
    return status;
}
