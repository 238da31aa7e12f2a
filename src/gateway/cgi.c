/* Plain CGI (RFC 3875): one process, one request. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/gateway.h"
#include "log.h"

/* Returns whether all of it was written. */
static bool write_response(const struct response *response) {
    struct buffer out = {0};
    response_write_head(response, &out);
    buffer_put(&out, response_content(response));
    bool written = !out.failed && !response->body.failed &&
                   fwrite(out.data, 1, out.length, stdout) == out.length && fflush(stdout) == 0;
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
    size_t length = fread(body, 1, request_content_length(&request), stdin);
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
    agora_minter_free(api.minter);
    return written ? EXIT_SUCCESS : EXIT_FAILURE;
}
