#include "http/cors.h"

#include <strings.h>

#include "text.h"

static bool same_text(struct agora_text a, struct agora_text b) {
    return a.length == b.length && strncasecmp(a.data, b.data, a.length) == 0;
}

static bool is_listed(const char *allow, struct agora_text origin) {
    struct agora_text rest = agora_text_of(allow);
    while (rest.data) {
        struct agora_text entry = text_trim(text_cut(&rest, ','));
        if (text_equals(entry, "*") || (entry.length > 0 && same_text(entry, origin)))
            return true;
    }
    return false;
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

/* An origin is echoed in a header line; the web server lets no line break through, nor do we. */
static bool is_printable(struct agora_text text) {
    for (size_t i = 0; i < text.length; i++)
        if ((unsigned char)text.data[i] <= 0x20 || (unsigned char)text.data[i] >= 0x7f)
            return false;
    return true;
}

bool cors_check(const char *allow, const struct request *request, struct response *response) {
    struct agora_text origin = request->origin;
    if (origin.length == 0)
        return true;
    if (is_printable(origin) && is_listed(allow, origin)) {
        response->cors_origin = origin;
        return true;
    }
    return is_own(request->host, origin) ||
           response_error(response, HTTP_FORBIDDEN, "Origin not allowed");
}
