#include "cli/show.h"

#include <string.h>
#include <time.h>

#include "redact.h"
#include "json/utf8.h"

/* Bytes at the beginning that may go to a terminal as they are, 0 when the first may not. */
static size_t printable(struct agora_text text) {
    size_t length = utf8_length(text);
    const unsigned char *bytes = (const unsigned char *)text.data;
    if (length == 1)
        return bytes[0] >= 0x20 && bytes[0] != 0x7f;
    /* U+0080 to U+009F are control characters as well. */
    return length == 2 && bytes[0] == 0xc2 && bytes[1] < 0xa0 ? 0 : length;
}

/* Takes the next character from *text and writes it to out, which has room for 4 bytes and a NUL.
 */
static size_t show_next(struct agora_text *text, char out[static 5]) {
    size_t taken = printable(*text);
    size_t written = taken;
    if (taken > 0) {
        memcpy(out, text->data, taken);
    } else {
        taken = 1;
        written = (size_t)snprintf(out, 5, "\\x%02x", (unsigned char)text->data[0]);
    }
    text->data += taken;
    text->length -= taken;
    return written;
}

void show_text(FILE *out, struct agora_text text) {
    char room[5] = "";
    while (text.length > 0)
        fwrite(room, 1, show_next(&text, room), out);
}

struct shown show(struct agora_text text) {
    struct shown shown;
    if (may_be_secret(text))
        text = agora_text_of(REDACTED);
    size_t at = 0;
    while (text.length > 0 && at < 4 * SHOWN_BYTES_MAX - 4)
        at += show_next(&text, &shown.text[at]);
    memcpy(&shown.text[at], text.length > 0 ? "..." : "", text.length > 0 ? 4 : 1);
    return shown;
}

struct shown show_time(uint64_t unix_seconds) {
    struct shown shown;
    struct tm tm;
    time_t time = (time_t)unix_seconds;
    if (!localtime_r(&time, &tm) ||
        strftime(shown.text, sizeof shown.text, "%Y-%m-%d %H:%M:%S %Z", &tm) == 0)
        snprintf(shown.text, sizeof shown.text, "%llu s", (unsigned long long)unix_seconds);
    return shown;
}

/* The two largest units of a span: "5m 10s", "2d 3h", "7s". */
static void write_span(char *out, size_t size, uint64_t seconds) {
    static const struct {
        uint64_t seconds;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    size_t unit = 0;
    while (unit < 3 && seconds < units[unit].seconds)
        unit++;
    int written = snprintf(out, size, "%llu%c", (unsigned long long)(seconds / units[unit].seconds),
                           units[unit].unit);
    if (unit == 3)
        return;
    uint64_t rest = seconds % units[unit].seconds / units[unit + 1].seconds;
    if (rest > 0)
        snprintf(out + written, size - (size_t)written, " %llu%c", (unsigned long long)rest,
                 units[unit + 1].unit);
}

struct shown show_time_left(uint64_t unix_seconds, uint64_t now) {
    struct shown shown;
    char span[64];
    write_span(span, sizeof span, now < unix_seconds ? unix_seconds - now : now - unix_seconds);
    snprintf(shown.text, sizeof shown.text, now < unix_seconds ? "%.100s, in %s" : "%.100s, %s ago",
             show_time(unix_seconds).text, span);
    return shown;
}
