/* The caller's memory, handed out from its beginning. */
#ifndef TOKEN_ROOM_H
#define TOKEN_ROOM_H

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

struct room {
    unsigned char *data;
    size_t left;
};

/* Room for `count` things of `size` bytes, aligned for anything; NULL when that much is not left.
 */
static inline void *room_take(struct room *room, size_t count, size_t size) {
    size_t skip = -(uintptr_t)room->data % alignof(max_align_t);
    if (skip > room->left || count > (room->left - skip) / size)
        return NULL;
    void *taken = room->data + skip;
    room->data += skip + count * size;
    room->left -= skip + count * size;
    return taken;
}

#endif
