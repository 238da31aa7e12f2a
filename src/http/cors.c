#include "http/cors.h"

#include <strings.h>

#include "text.h"

static bool same_text(struct agora_text a, struct agora_text b) {
    return a.length == b.length && strncasecmp(a.data, b.data, a.length) == 0;
}

static bool has_entry(const char *allow, struct agora_text wanted) {
    struct agora_text rest = agora_text_of(allow);
    while (rest.data) {
        struct agora_text entry = text_trim(text_cut(&rest, ','));
        if (entry.length > 0 && same_text(entry, wanted))
            return true;
    }
    return false;
}

static bool allows_all(const char *allow) {
    return has_entry(allow, agora_text_of("*"));
}

static bool is_named(const char *allow, struct agora_text origin) {
    return !text_equals(origin, "*") && has_entry(allow, origin);
}

/* The scheme is left out of the comparison: behind a proxy that ends TLS it can't be known here,
 * and a browser still withholds the answer from a page of another scheme, as no origin is echoed.
 */
static bool is_own(struct agora_text host, struct agora_text origin) {
    const char *separator = memmem(origin.data, origin.length, "://", 3);
    if (!separator || host.length == 0)
        return false;
    struct agora_text authority = {separator + 3, origin.length};
    authority.length -= (size_t)(authority.data - origin.data);
    return same_text(authority, host);
}

/* An origin is echoed in a header, where a line break would begin another one. */
static bool is_printable(struct agora_text text) {
    for (size_t i = 0; i < text.length; i++)
        if ((unsigned char)text.data[i] <= 0x20 || (unsigned char)text.data[i] >= 0x7f)
            return false;
    return true;
}

/* Every sandboxed page of every site is "null": a list that has it names nobody. */
bool cors_is_foreign(const char *allow, const struct request *request) {
    struct agora_text origin = request->origin;
    return origin.length > 0 && !is_own(request->host, origin) &&
           (same_text(origin, agora_text_of("null")) || !is_named(allow, origin));
}

bool cors_check(const char *allow, enum cors_credentials credentials, const struct request *request,
                struct response *response) {
    struct agora_text origin = request->origin;
    if (origin.length == 0)
        return true;
    if (is_printable(origin) && (is_named(allow, origin) || allows_all(allow))) {
        response_header(response, "Access-Control-Allow-Origin", origin);
        response_header(response, "Access-Control-Allow-Methods",
                        agora_text_of("GET, POST, OPTIONS"));
        response_header(response, "Access-Control-Allow-Headers",
                        agora_text_of(credentials == CORS_NONE
                                          ? "Origin, Content-Type"
                                          : "Origin, Content-Type, Authorization, X-API-Key"));
        if (credentials == CORS_COOKIES && !allows_all(allow))
            response_header(response, "Access-Control-Allow-Credentials", agora_text_of("true"));
        return true;
    }
    return is_own(request->host, origin) ||
           response_error(response, HTTP_FORBIDDEN, "Origin not allowed");
}
