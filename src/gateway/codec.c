/*
 * libfcgi is made of the protocol (fcgiapp.c) and, below it, a layer for the operating system whose
 * functions <fcgios.h> declares. The protocol blocks a thread in that layer for as long as a
 * request is on its way or an answer is not taken. So this file takes the place of the layer's
 * three functions for connections: they read from and write to memory, and sockets are left to the
 * worker. The dynamic linker prefers a program's own definitions; codec_start makes sure that it
 * did.
 */
#include "gateway/codec.h"

#include <fcgiapp.h>
#include <fcgios.h>
#include <string.h>

#include "gateway/gateway.h"
#include "log.h"

/* What this thread's request is read from and its answer written to. */
static _Thread_local struct {
    const uint8_t *in;
    size_t in_left;
    struct buffer *out;
} memory;

int OS_Read(int fd, char *buffer, size_t size) {
    (void)fd;
    size_t count = size < memory.in_left ? size : memory.in_left;
    memcpy(buffer, memory.in, count);
    memory.in += count;
    memory.in_left -= count;
    return (int)count;
}

int OS_Write(int fd, char *buffer, size_t size) {
    (void)fd;
    buffer_put(memory.out, (struct agora_text){buffer, size});
    return memory.out->failed ? -1 : (int)size;
}

int OS_IpcClose(int fd, int shut_down) {
    (void)fd;
    (void)shut_down;
    return 0;
}

/* An open connection for libfcgi, which then reads its next request in place of accepting one. */
static void open_memory(FCGX_Request *fcgi, const uint8_t *data, size_t length,
                        struct buffer *out) {
    memory.in = data;
    memory.in_left = length;
    memory.out = out;
    FCGX_InitRequest(fcgi, -1, 0);
    fcgi->ipcFd = 0; /* any number that is one */
    fcgi->keepConnection = 1;
}

void codec_free(struct codec *codec) {
    buffer_free(&codec->response.body);
    buffer_free(&codec->head);
}

static void read_body(struct codec *codec, FCGX_Request *fcgi, bool is_cut,
                      struct request *request) {
    int length = is_cut ? 0 : FCGX_GetStr(codec->body, (int)sizeof codec->body, fcgi->in);
    request->body_too_large = is_cut || length > REQUEST_BODY_MAX;
    if (!request->body_too_large)
        request->body = (struct agora_text){codec->body, (size_t)length};
}

static void write_answer(struct codec *codec, FCGX_Request *fcgi) {
    struct agora_text content = response_content(&codec->response);
    buffer_clear(&codec->head);
    response_write_head(&codec->response, &codec->head);
    FCGX_PutStr(codec->head.data, (int)codec->head.length, fcgi->out);
    if (content.length > 0)
        FCGX_PutStr(content.data, (int)content.length, fcgi->out);
}

/* Answers a request whose records have been checked. One that is cut off, because its end would be
 * too far away, is refused with 413. False when there is no memory for it. */
static bool answer_request(struct codec *codec, const uint8_t *data, size_t length, bool is_cut,
                           struct buffer *out) {
    FCGX_Request fcgi;
    open_memory(&fcgi, data, length, out);
    if (FCGX_Accept_r(&fcgi) != 0)
        return false;

    struct request request;
    request_read_environment(&request, fcgi.envp);
    read_body(codec, &fcgi, is_cut, &request);
    gateway_answer(&codec->api, &request, &codec->response);
    write_answer(codec, &fcgi);
    FCGX_Finish_r(&fcgi);

    if (!codec->response.body.failed && !codec->head.failed && !out->failed)
        return true;
    log_line(LOG_ERROR, "out of memory");
    return false;
}

enum next_step codec_answer(struct codec *codec, struct record_reader *reader, const uint8_t *data,
                            size_t length, size_t *used, struct buffer *out) {
    enum next_step next = KEEP_OPEN;
    for (*used = 0; next == KEEP_OPEN && *used < length; *used += reader->length) {
        const uint8_t *unit = data + *used;
        enum record_kind kind = record_next(reader, unit, length - *used);
        enum next_step after = reader->keep_connection ? KEEP_OPEN : CLOSE;
        switch (kind) {
        case RECORD_PARTIAL:
            if (length - *used < REQUEST_MAX)
                return KEEP_OPEN;
            if (!record_parameters_are_sound(unit, reader->length))
                return CLOSE;
            answer_request(codec, unit, reader->length, true, out);
            return LINGER;
        case RECORD_REQUEST:
            next = answer_request(codec, unit, reader->length, false, out) ? after : CLOSE;
            break;
        case RECORD_ABORTED:
            record_put_end(out, reader->id, RECORD_REQUEST_COMPLETE);
            next = after;
            break;
        case RECORD_UNKNOWN_ROLE:
            record_put_end(out, reader->id, RECORD_ROLE_UNKNOWN);
            next = reader->keep_connection ? KEEP_OPEN : LINGER;
            break;
        case RECORD_MANAGEMENT:
            record_answer_management(unit, reader->length, codec->max_connections, out);
            break;
        case RECORD_LATE:
            break;
        case RECORD_BROKEN:
            next = CLOSE;
        }
    }
    return next;
}

bool codec_start(void) {
    /* FCGI_BEGIN_REQUEST and the ends of FCGI_PARAMS and FCGI_STDIN: the shortest request. */
    static const uint8_t shortest[] = {
        1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0,
        1, 4, 0, 1, 0, 0, 0, 0, 1, 5, 0, 1, 0, 0, 0, 0,
    };
    FCGX_Request fcgi;
    struct buffer out = {0};
    if (FCGX_Init() != 0)
        return false;
    open_memory(&fcgi, shortest, sizeof shortest, &out);
    bool accepted = FCGX_Accept_r(&fcgi) == 0;
    if (accepted)
        FCGX_Finish_r(&fcgi);
    bool answered = out.length > 0;
    buffer_free(&out);
    return accepted && answered;
}
