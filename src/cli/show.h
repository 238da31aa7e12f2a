/* Times, as people read them. */
#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include <stdint.h>

struct shown {
    char text[128];
};

/* "2024-05-01 12:00:00 CEST, in 5m 10s" or "…, 2d 3h ago", in local time. Use as
 * show_time(end, now).text. */
struct shown show_time(uint64_t unix_seconds, uint64_t now);

#endif
