#include "cli/cli.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

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

struct shown show_time(uint64_t unix_seconds, uint64_t now) {
    struct shown shown;
    char date[64];
    char span[48];
    struct tm tm;
    time_t time = (time_t)unix_seconds;
    if (!localtime_r(&time, &tm) || strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S %Z", &tm) == 0)
        snprintf(date, sizeof date, "%llu s", (unsigned long long)unix_seconds);
    bool is_ahead = now < unix_seconds;
    write_span(span, sizeof span, is_ahead ? unix_seconds - now : now - unix_seconds);
    snprintf(shown.text, sizeof shown.text, is_ahead ? "%s, in %s" : "%s, %s ago", date, span);
    return shown;
}
