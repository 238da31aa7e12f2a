/* A block of bytes that grows as it is written to, and is used again for the next request. */
#ifndef HTTP_BUFFER_H
#define HTTP_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

#include "agora_token.h"

/* All zero is an empty buffer. After a failed allocation `failed` stays true and writes do nothing,
 * so that a caller checks once, at the end. */
struct buffer {
    char *data;
    size_t length;
    size_t capacity;
    bool failed;
};

void buffer_free(struct buffer *buffer);

/* Empties the buffer and clears `failed`. Memory over 64 KiB is freed, the rest used again. */
void buffer_clear(struct buffer *buffer);

/* Makes room for `count` more bytes and returns where they go, NULL on failure. The caller adds
 * what it wrote to length. */
char *buffer_reserve(struct buffer *buffer, size_t count);

void buffer_put(struct buffer *buffer, struct agora_text text);
void buffer_puts(struct buffer *buffer, const char *string);
void buffer_put_number(struct buffer *buffer, size_t number);
__attribute__((format(printf, 2, 3))) void buffer_printf(struct buffer *buffer, const char *format,
                                                         ...);

/* The text, which is UTF-8, as a JSON string in its quotes. */
void buffer_put_json_string(struct buffer *buffer, struct agora_text text);

#endif
