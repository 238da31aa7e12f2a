/*
 * The decision: whether somebody may have a token, by a policy. No I/O and no state; any thread may
 * ask. Nothing is allowed but what one rule grants whole.
 */
#ifndef ACCESS_DECISION_H
#define ACCESS_DECISION_H

#include "access/policy.h"

/* Who asks, once the credential has been found good. All belongs to whoever asks for a decision. */
struct identity {
    const struct caller *caller;
    struct agora_text subject;           /* the id of an API key; for log and rate, sub or user */
    struct json_object *claims;          /* of a JWT, else NULL */
    const struct agora_text *parameters; /* of a server: values in the order of its caller's
                                            parameters, {NULL, 0} or "" where one is absent */
};

/* What somebody asks for: all tokens of one answer, finished but for their signatures. */
struct wanted_token {
    size_t service_count;
    const struct agora_service *services;
};
struct wanted {
    size_t token_count;
    const struct wanted_token *tokens;
    uint32_t expire;   /* seconds, of each token */
    bool expire_asked; /* false: expire is a default, of privileges too where it stands there */
};

/* The text fits a JSON body twice, escaped, within 1 KiB. */
enum { DECISION_TEXT_MAX = 480 };
struct decision {
    const struct rule *rule; /* the first that fits; its rate is to be charged. NULL: refused */
    uint32_t expire;         /* granted: seconds that each token shall live */
    const char *field;       /* refused: what the rule that came nearest has against it */
    char text[DECISION_TEXT_MAX]; /* refused: one line that names the value, and what the caller may
                                     have in its place by its own rules */
};

/* True if granted. Texts of the decision live as long as the policy. */
bool decide(const struct policy *policy, const struct identity *identity,
            const struct wanted *wanted, struct decision *decision);

/* The same by one rule alone. */
bool decide_by_rule(const struct rule *rule, const struct identity *identity,
                    const struct wanted *wanted, struct decision *decision);

/* To be done for each token after a grant of less than wanted.expire: lowers what its privileges
 * have of that. */
void decision_shorten(const struct decision *decision, struct agora_service *services,
                      size_t service_count);

#endif
