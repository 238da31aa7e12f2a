/* The caller's memory, handed out from its beginning. */
#ifndef TOKEN_ARENA_H
#define TOKEN_ARENA_H

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

struct arena {
    unsigned char *data;
    size_t left;
};

/* Room for `count` things of `size` bytes, aligned for anything; NULL when that much is not left.
 */
static inline void *arena_take(struct arena *arena, size_t count, size_t size) {
    size_t skip = -(uintptr_t)arena->data % alignof(max_align_t);
    if (skip > arena->left || count > (arena->left - skip) / size)
        return NULL;
    void *taken = arena->data + skip;
    arena->data += skip + count * size;
    arena->left -= skip + count * size;
    return taken;
}

#endif
