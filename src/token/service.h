/* One service of a token, to and from the wire. */
#ifndef TOKEN_SERVICE_H
#define TOKEN_SERVICE_H

#include "agora_token.h"
#include "token/arena.h"
#include "token/wire.h"

enum {
    SERVICE_TYPE_FIRST = AGORA_SERVICE_RTC,
    SERVICE_TYPE_LAST = AGORA_SERVICE_STT,
};

/* AGORA_TOKEN_BAD_SERVICE for an unknown type, AGORA_TOKEN_BAD_PRIVILEGE for too many privileges or
 * one that stands twice, AGORA_TOKEN_BAD_PERMISSION likewise. Lengths are the writer's to judge. */
enum agora_token_error service_check(const struct agora_service *service);

void service_write(const struct agora_service *service, struct wire_writer *w);

/*
 * Reads one service, its lists into the arena. AGORA_TOKEN_BAD_SERVICE when nobody can tell where
 * it ends: the type or so many privileges are not known; the reader then stands where the service
 * begins. AGORA_TOKEN_MALFORMED when it can't be, AGORA_TOKEN_NO_ROOM.
 */
enum agora_token_error service_read(struct wire_reader *r, struct arena *arena,
                                    struct agora_service *service);

#endif
