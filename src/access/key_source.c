#include "access/key_source.h"

#include <stdlib.h>
#include <string.h>

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
