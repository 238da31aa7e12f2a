/*
 * What GET /openapi.json says, an OpenAPI 3.1 description of the service. It is written from the
 * tables that route and check, and from one of texts, in operations.c.
 *
 * In all its texts ' stands for ", so that JSON can be read in C; they hold neither otherwise.
 */
#ifndef API_OPENAPI_H
#define API_OPENAPI_H

#include <stdbool.h>

#include "http/buffer.h"

/* Everything that the description says about a route and that is in no other table. */
struct operation {
    const char *id;
    const char *tag;
    const char *summary;
    const char *description; /* NULL: the summary says all */
    bool mints;              /* answers with tokens */
    bool can_be_unready;     /* answers 503 where keys were not fetched */
    const char *body;        /* the name of a schema; NULL: takes no body */
    const char *examples;    /* of the body: {'name':{'value':…},…} */
    const char *media_type;  /* of the answer, NULL for JSON */
    const char *answer;      /* the name of a schema, NULL for a text */
    const char *example;     /* of the answer, as JSON; NULL for none */
};

extern const struct operation operation_page;
extern const struct operation operation_openapi;
extern const struct operation operation_metrics;
extern const struct operation operation_ping;
extern const struct operation operation_livez;
extern const struct operation operation_readyz;
extern const struct operation operation_rtc;
extern const struct operation operation_rtm;
extern const struct operation operation_rte;
extern const struct operation operation_rte_rtm;
extern const struct operation operation_chat_app;
extern const struct operation operation_chat_account;
extern const struct operation operation_get_token;
extern const struct operation operation_token_generate;
extern const struct operation operation_inspect;

/* A part of a path or query. There is one for each part that a route leaves open. */
struct parameter {
    const struct operation *operation; /* NULL: of every operation that has none of its own */
    const char *name;
    const char *schema; /* the name of one */
    const char *example;
    const char *description;
};

extern const struct parameter path_parameters[]; /* ended by a name NULL */
extern const struct parameter expiry_parameter;

/* Appends "'Name':{…},…", every schema that operations and parameters name. */
void put_schemas(struct buffer *out);

#endif
