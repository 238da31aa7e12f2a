/* The table of what the service answers, which also is the list of what it describes. */
#ifndef API_ROUTES_H
#define API_ROUTES_H

#include "api/endpoints.h"
#include "api/openapi.h"

enum method { GET, POST };

/* Whether a route asks who comes, where there is a policy. */
enum access_needed { OPEN, CALLERS };

/* Whether a setting turns a route off, which is then as if it were not there. */
enum availability { ALWAYS, WITH_PAGE, WITH_METRICS };

/* A segment that begins with a colon matches any text, the empty one too, and is captured. */
struct route {
    enum method method;
    const char *pattern;
    endpoint *endpoint;
    enum access_needed access;
    enum error_form error_form;
    enum availability availability;
    const struct operation *operation; /* its description: no row compiles without one */
};

/* Ended by a pattern NULL. */
extern const struct route routes[];

/* Of response.route; NULL for 0 and behind the last. */
const char *route_pattern(size_t number);

bool route_is_available(const struct route *route, const struct settings *settings);

#endif
