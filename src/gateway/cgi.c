/* Plain CGI (RFC 3875): one process, one request. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/gateway.h"
#include "log.h"

/* Reads up to size bytes; fewer only at the end of the input. */
static size_t read_all(int fd, char *data, size_t size) {
    size_t length = 0;
    while (length < size) {
        ssize_t got = read(fd, data + length, size - length);
        if (got <= 0)
            break;
        length += (size_t)got;
    }
    return length;
}

static bool write_all(int fd, const char *data, size_t length) {
    while (length > 0) {
        ssize_t written = write(fd, data, length);
        if (written <= 0)
            return false;
        data += written;
        length -= (size_t)written;
    }
    return true;
}

/* Returns whether all of it was written. */
static bool write_response(const struct response *response) {
    struct buffer out = {0};
    response_write_head(response, &out);
    buffer_put(&out, response_content(response));
    bool written =
        !out.failed && !response->body.failed && write_all(STDOUT_FILENO, out.data, out.length);
    buffer_free(&out);
    return written;
}

void cgi_start(void) {
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS |
                            OPENSSL_INIT_NO_ADD_ALL_CIPHERS | OPENSSL_INIT_NO_ADD_ALL_DIGESTS |
                            OPENSSL_INIT_NO_ATEXIT,
                        NULL);
}

int cgi_refuse(void) {
    struct response response = {0};
    response_clear(&response);
    response_error(&response, HTTP_SERVICE_UNAVAILABLE,
                   "the service is not set up: its log says what is wrong");
    write_response(&response);
    buffer_free(&response.body);
    return EXIT_FAILURE;
}

int cgi_serve(const struct settings *settings) {
    static char body[REQUEST_BODY_MAX + 1];
    struct request request;
    struct response response = {0};
    static struct api api;
    api = (struct api){.settings = settings, .minter = agora_minter_new()};

    request_read_environment(&request, environ);
    /* A web server may leave standard input open behind the body, so read what was announced. */
    size_t length = read_all(STDIN_FILENO, body, request_content_length(&request));
    request.body_too_large = length > REQUEST_BODY_MAX;
    if (!request.body_too_large)
        request.body = (struct agora_text){body, length};

    bool written = false;
    if (api.minter) {
        gateway_answer(&api, &request, &response);
        written = write_response(&response);
    }
    if (!written)
        log_line(LOG_ERROR, "the answer could not be made or written");

    buffer_free(&response.body);
    buffer_free(&response.audit);
    agora_minter_free(api.minter);
    return written ? EXIT_SUCCESS : EXIT_FAILURE;
}
