#include "access/key_source.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_host(const char *url, size_t length, const char *host) {
    return length == strlen(host) && strncasecmp(url, host, length) == 0;
}

bool jwks_url_is_allowed(const char *url) {
    bool is_http = strncasecmp(url, "http://", 7) == 0;
    if (!is_http && strncasecmp(url, "https://", 8) != 0)
        return false;
    url += is_http ? 7 : 8;
    /* Without user and password; a backslash is a slash to some and not to others. */
    size_t authority = strcspn(url, "/?#");
    size_t host = url[0] == '[' ? strcspn(url, "]") + 1 : strcspn(url, ":/?#");
    if (host == 0 || host > authority || strcspn(url, "@ \\") < authority)
        return false;
    size_t port = url[host] == ':' ? 1 + strspn(url + host + 1, "0123456789") : 0;
    if (host + port != authority)
        return false;
    return !is_http || is_host(url, host, "localhost") || is_host(url, host, "127.0.0.1") ||
           is_host(url, host, "[::1]");
}

struct key_source *key_source_new(const char *caller, const char *url, const char *ca_file) {
    struct key_source *source = calloc(1, sizeof *source);
    if (!source)
        return NULL;
    atomic_init(&source->holders, 1);
    pthread_mutex_init(&source->lock, NULL);
    source->caller = strdup(caller);
    source->url = strdup(url);
    source->ca_file = strdup(ca_file);
    if (source->caller && source->url && source->ca_file)
        return source;
    key_source_release(source);
    return NULL;
}

struct key_source *key_source_hold(struct key_source *source) {
    atomic_fetch_add(&source->holders, 1);
    return source;
}

void key_source_release(struct key_source *source) {
    if (!source || atomic_fetch_sub(&source->holders, 1) > 1)
        return;
    key_set_release(source->keys);
    pthread_mutex_destroy(&source->lock);
    free(source->caller);
    free(source->url);
    free(source->ca_file);
    free(source);
}

struct key_set *key_source_keys(struct key_source *source) {
    pthread_mutex_lock(&source->lock);
    struct key_set *keys = source->keys ? key_set_hold(source->keys) : NULL;
    pthread_mutex_unlock(&source->lock);
    return keys;
}

void key_source_replace(struct key_source *source, struct key_set *keys) {
    pthread_mutex_lock(&source->lock);
    struct key_set *old = source->keys;
    source->keys = keys;
    pthread_mutex_unlock(&source->lock);
    key_set_release(old);
}
