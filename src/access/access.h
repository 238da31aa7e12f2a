/*
 * Access control as the service has it in memory: the policy, and the keys that its callers'
 * credentials are checked with. Constant once it is loaded, but for the keys that are fetched, so
 * threads share it.
 */
#ifndef ACCESS_ACCESS_H
#define ACCESS_ACCESS_H

#include "access/decision.h"
#include "access/jwt.h"
#include "access/key_source.h"
#include "http/request.h"

struct access;

enum { ACCESS_ERROR_MAX = 512 };

/* Who reads a policy: a process of many requests has its keys fetched and its rates counted, one of
 * a single request can do neither, the tool only looks. */
enum access_use { ACCESS_SERVICE, ACCESS_CGI, ACCESS_TOOL };

/*
 * Reads the policy at path and the files that it names, whose relative paths are taken from the
 * folder of the policy. old, which may be NULL, is what was in use: its rates go over, and its
 * fetched keys to callers that did not change. The caller holds the result. NULL with one line in
 * error, which tells the place and what is allowed, where anything is wrong: also where others may
 * change the policy, or read a secret.
 */
struct access *access_load(const char *path, enum access_use use, const struct access *old,
                           char error[static ACCESS_ERROR_MAX]);

struct access *access_hold(struct access *access);
void access_release(struct access *access); /* NULL is allowed */

const struct policy *access_policy(const struct access *access);

/* What counts the rates of rules; NULL where they are not counted. */
struct rate_table *access_rates(const struct access *access);

/* Whether some callers are known by what a browser sends along by itself. */
bool access_has_ambient_callers(const struct access *access);

/* Whether a rule has a rate. */
bool access_has_rates(const struct access *access);

/* The first caller whose keys have not been fetched yet, or are too old; NULL when all are there.
 */
const char *access_missing_keys(const struct access *access);

/* The i-th of the key sets that are to be fetched; NULL behind the last. It belongs to the access.
 */
struct key_source *access_source(const struct access *access, size_t i);

enum access_result {
    ACCESS_IDENTIFIED,
    ACCESS_ABSENT,    /* the request has no credential that counts */
    ACCESS_REFUSED,   /* it has one that is not good */
    ACCESS_NOT_READY, /* the keys that it takes have not been fetched yet */
    ACCESS_FAILED,    /* memory or OpenSSL */
};

/* Who asks, and the memory that this points to besides the request and the access. To be zeroed
 * before its first use and kept for the next, as a jwt is; for one thread at a time. */
struct identification {
    struct identity identity; /* its caller also after ACCESS_NOT_READY; NULL where none is known */
    enum credential_verdict verdict; /* for the log and the metrics */
    struct jwt jwt;
    char digits[SCALAR_DIGITS]; /* of a subject that is a number */
    struct agora_text parameters[POLICY_PARAMETERS_MAX];
};

/*
 * Finds and checks the one credential of a request that decides. is_foreign: it comes from a page
 * of another origin that is not listed by name, so that what a browser sends along by itself,
 * cookies and the web server's login, does not count. now: Unix seconds. After ACCESS_IDENTIFIED
 * the result is to be given to identification_free.
 */
enum access_result access_identify(const struct access *access, const struct request *request,
                                   bool is_foreign, int64_t now,
                                   struct identification *identification);

void identification_free(struct identification *identification);

#endif
