#include "access/access.h"

#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "access/api_key.h"
#include "file.h"
#include "text.h"
#include "json/reader.h"

enum { FILE_TIMEOUT_MS = 2000 };

/* What a caller's JWTs are verified with: keys that were read, or a source of them. */
struct caller_keys {
    struct jwt_party party;
    struct key_set *keys;
    struct key_source *source;
};

struct access {
    atomic_uint holders;
    struct policy *policy;
    struct caller_keys *callers; /* in the order of the policy */
    EVP_MD *sha256;
    struct rate_table *rates;
    bool has_api_keys;
    bool has_ambient_callers;
};

static const struct caller *caller_at(const struct policy *policy, size_t i) {
    return (const struct caller *)policy->callers.items + i;
}

/* Loading. */

static bool fail(char *error, const char *place, const char *member, const char *why) {
    snprintf(error, ACCESS_ERROR_MAX, "%.160s.%s: %.300s", place, member, why);
    return false;
}

/* The path of a file that the policy names. */
static bool path_of(const char *policy_path, struct agora_text name, char path[static PATH_MAX],
                    char *error, const char *place, const char *member) {
    const char *slash = strrchr(policy_path, '/');
    int folder = slash && name.data[0] != '/' ? (int)(slash + 1 - policy_path) : 0;
    return snprintf(path, PATH_MAX, "%.*s%s", folder, policy_path, name.data) < PATH_MAX ||
           fail(error, place, member, "the path is too long");
}

/* Reads a file that the policy names into content, of POLICY_SIZE_MAX bytes. Others must
 * not read a secret, nor change what decides who is let in. */
static bool read_named(const char *policy_path, struct agora_text name, bool is_secret,
                       char *content, char *error, const char *place, const char *member) {
    char path[PATH_MAX];
    char why[ACCESS_ERROR_MAX];
    if (!path_of(policy_path, name, path, error, place, member))
        return false;
    if (is_secret ? file_is_exposed(path, why, sizeof why)
                  : file_is_writable_by_others(path, why, sizeof why))
        return fail(error, place, member, why);
    if (file_read(path, FILE_TIMEOUT_MS, content, POLICY_SIZE_MAX))
        return true;
    snprintf(why, sizeof why, "cannot read %.200s: %s", path, strerror(errno));
    return fail(error, place, member, why);
}

/* The keys of a JWT caller. content: POLICY_SIZE_MAX bytes for one file after another. */
static bool load_keys(const char *path, enum access_use use, const struct caller *caller,
                      struct caller_keys *keys, char *content, char *error) {
    const struct jwt_caller *jwt = &caller->jwt;
    char place[96];
    char why[KEY_SET_ERROR_MAX];
    snprintf(place, sizeof place, "%.40s: callers.%.40s.jwt", path, caller->name.data);
    keys->party = (struct jwt_party){
        .issuer = jwt->issuer,
        .audiences = jwt->audience.items,
        .audience_count = jwt->audience.count,
        .audience_claim = jwt->audience_claim.data,
    };
    if (jwt->jwks_url.data && use == ACCESS_CGI)
        return fail(error, place, "jwks_url",
                    "a CGI program can't wait for keys: use jwks_file, and have "
                    "agora-token-jwks --once fetch them into it");
    if (jwt->jwks_url.data) {
        char ca_file[PATH_MAX] = "";
        if (jwt->ca_file.data &&
            (!read_named(path, jwt->ca_file, false, content, error, place, "ca_file") ||
             !path_of(path, jwt->ca_file, ca_file, error, place, "ca_file")))
            return false;
        keys->source = key_source_new(caller->name.data, jwt->jwks_url.data, ca_file);
        return keys->source || fail(error, place, "jwks_url", "out of memory");
    }
    bool is_secret = jwt->secret_file.data != NULL;
    const char *member = is_secret ? "secret_file" : "jwks_file";
    if (!read_named(path, is_secret ? jwt->secret_file : jwt->jwks_file, is_secret, content, error,
                    place, member))
        return false;
    struct agora_text text = agora_text_of(content);
    /* An editor ends the last line; that is no part of the secret. */
    if (is_secret && text.length > 0 && text.data[text.length - 1] == '\n')
        text.length--;
    keys->keys = is_secret ? key_set_of_secret(text, why) : key_set_read(text, why);
    OPENSSL_cleanse(content, strlen(content));
    return keys->keys || fail(error, place, member, why);
}

/* Takes over what was fetched for a caller of the same name, login and address. */
static void take_over(const struct access *old, const struct caller *caller,
                      struct caller_keys *keys) {
    for (size_t i = 0; old && keys->source && i < old->policy->callers.count; i++) {
        const struct caller *before = caller_at(old->policy, i);
        if (!old->callers[i].source || !text_same(before->name, caller->name) ||
            !text_same(before->jwt.issuer, caller->jwt.issuer) ||
            !text_same(before->jwt.jwks_url, caller->jwt.jwks_url) ||
            !text_same(before->jwt.ca_file, caller->jwt.ca_file))
            continue;
        key_source_release(keys->source);
        keys->source = key_source_hold(old->callers[i].source);
    }
}

static struct policy *load_policy(const char *path, char *content, char *error) {
    if (!file_read(path, FILE_TIMEOUT_MS, content, POLICY_SIZE_MAX)) {
        snprintf(error, ACCESS_ERROR_MAX, "ACCESS_FILE: cannot read %.200s: %s", path,
                 strerror(errno));
        return NULL;
    }
    if (file_is_writable_by_others(path, error, ACCESS_ERROR_MAX))
        return NULL;
    return policy_read(path, agora_text_of(content), error);
}

static struct rate_table *new_rates(void) {
    unsigned char secret[16];
    return RAND_bytes(secret, sizeof secret) == 1 ? rate_table_new(secret) : NULL;
}

struct access *access_load(const char *path, enum access_use use, const struct access *old,
                           char error[static ACCESS_ERROR_MAX]) {
    bool loaded = false;
    struct access *access = calloc(1, sizeof *access);
    char *content = malloc(POLICY_SIZE_MAX);
    snprintf(error, ACCESS_ERROR_MAX, "ACCESS_FILE: out of memory");
    if (!access || !content)
        goto out;
    atomic_init(&access->holders, 1);
    access->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    access->policy = access->sha256 ? load_policy(path, content, error) : NULL;
    if (!access->policy)
        goto out;
    access->callers = calloc(access->policy->callers.count + 1, sizeof *access->callers);
    if (use == ACCESS_SERVICE)
        access->rates = old && old->rates ? rate_table_hold(old->rates) : new_rates();
    loaded = access->callers && (access->rates || use != ACCESS_SERVICE);
    for (size_t i = 0; loaded && i < access->policy->callers.count; i++) {
        const struct caller *caller = caller_at(access->policy, i);
        if (caller->kind == CALLER_JWT)
            loaded = load_keys(path, use, caller, &access->callers[i], content, error);
        if (loaded)
            take_over(old, caller, &access->callers[i]);
        access->has_api_keys |= caller->kind == CALLER_API_KEYS;
        access->has_ambient_callers |= caller->kind == CALLER_SERVER || caller->jwt.cookie.data;
    }
out:
    free(content);
    if (loaded)
        return access;
    access_release(access);
    return NULL;
}

struct access *access_hold(struct access *access) {
    atomic_fetch_add(&access->holders, 1);
    return access;
}

void access_release(struct access *access) {
    if (!access || atomic_fetch_sub(&access->holders, 1) > 1)
        return;
    for (size_t i = 0; access->callers && i < access->policy->callers.count; i++) {
        key_set_release(access->callers[i].keys);
        key_source_release(access->callers[i].source);
    }
    free(access->callers);
    rate_table_release(access->rates);
    policy_free(access->policy);
    EVP_MD_free(access->sha256);
    free(access);
}

const struct policy *access_policy(const struct access *access) {
    return access->policy;
}

struct rate_table *access_rates(const struct access *access) {
    return access->rates;
}

bool access_has_rates(const struct access *access) {
    const struct rule *rules = access->policy->rules.items;
    for (size_t i = 0; i < access->policy->rules.count; i++)
        if (rules[i].rate.count > 0)
            return true;
    return false;
}

bool access_has_ambient_callers(const struct access *access) {
    return access->has_ambient_callers;
}

struct key_source *access_source(const struct access *access, size_t i) {
    for (size_t j = 0; j < access->policy->callers.count; j++)
        if (access->callers[j].source && i-- == 0)
            return access->callers[j].source;
    return NULL;
}

const char *access_missing_keys(const struct access *access) {
    struct key_source *source;
    for (size_t i = 0; (source = access_source(access, i)); i++) {
        struct key_set *keys = key_source_keys(source);
        if (!keys)
            return source->caller;
        key_set_release(keys);
    }
    return NULL;
}

/* Who asks. */

struct question {
    const struct access *access;
    const struct request *request;
    int64_t now;
    struct identification *out;
};

static enum access_result refuse(const struct question *q, enum credential_verdict verdict) {
    q->out->verdict = verdict;
    return verdict == CREDENTIAL_NO_MEMORY ? ACCESS_FAILED : ACCESS_REFUSED;
}

static struct agora_text variable(const struct question *q, const char *name) {
    return request_variable(q->request, name, NULL);
}

/* Looks for a caller that has the key. ACCESS_ABSENT if there is none. Every key is compared,
 * whichever it is. */
static enum access_result try_api_key(const struct question *q, struct agora_text key) {
    const struct policy *policy = q->access->policy;
    const struct api_key *found = NULL;
    unsigned char hash[API_KEY_HASH_LENGTH];
    if (!q->access->has_api_keys)
        return ACCESS_ABSENT;
    if (!api_key_hash(q->access->sha256, key, hash))
        return refuse(q, CREDENTIAL_NO_MEMORY);
    for (size_t i = 0; i < policy->callers.count; i++) {
        const struct caller *caller = caller_at(policy, i);
        const struct api_key *one =
            api_key_find(caller->api_keys.items, caller->api_keys.count, hash);
        if (one) {
            found = one;
            q->out->identity.caller = caller;
        }
    }
    if (!found)
        return ACCESS_ABSENT;
    q->out->identity.subject = found->id;
    return api_key_is_expired(found, q->now) ? refuse(q, CREDENTIAL_API_KEY_EXPIRED)
                                             : ACCESS_IDENTIFIED;
}

/* Whose JWT it is; NULL if it is nobody's, or that of several, as its audiences may be. */
static const struct caller *caller_of(const struct question *q) {
    const struct policy *policy = q->access->policy;
    const struct caller *found = NULL;
    q->out->verdict = CREDENTIAL_WRONG_CALLER;
    for (size_t i = 0; i < policy->callers.count; i++) {
        const struct caller *caller = caller_at(policy, i);
        if (caller->kind != CALLER_JWT || !jwt_is_for(&q->out->jwt, &q->access->callers[i].party))
            continue;
        if (found) {
            q->out->verdict = CREDENTIAL_SEVERAL_CALLERS;
            return NULL;
        }
        found = caller;
    }
    return found;
}

static enum access_result verify(const struct question *q, const struct caller_keys *its) {
    struct key_set *keys = its->source ? key_source_keys(its->source) : its->keys;
    if (!keys) {
        q->out->verdict = CREDENTIAL_NO_KEYS;
        return ACCESS_NOT_READY;
    }
    enum credential_verdict verdict = jwt_verify(&q->out->jwt, &its->party, keys, q->now);
    if (its->source)
        key_set_release(keys);
    if (verdict == CREDENTIAL_UNKNOWN_KEY && its->source)
        atomic_store(&its->source->is_wanted, true);
    return verdict == CREDENTIAL_VALID ? ACCESS_IDENTIFIED : refuse(q, verdict);
}

/* only: the one caller whose JWT it may be; NULL for any. */
static enum access_result try_jwt(const struct question *q, struct agora_text token,
                                  const struct caller *only) {
    struct jwt *jwt = &q->out->jwt;
    struct identity *identity = &q->out->identity;
    struct scalar subject;
    enum credential_verdict verdict = jwt_parse(jwt, token);
    if (verdict != CREDENTIAL_VALID)
        return refuse(q, verdict);

    enum access_result result = ACCESS_REFUSED;
    const struct caller *caller = caller_of(q);
    if (caller && (!only || only == caller)) {
        identity->caller = caller;
        result = verify(q, &q->access->callers[caller - caller_at(q->access->policy, 0)]);
    }
    if (result != ACCESS_IDENTIFIED) {
        jwt_free(jwt);
        return result;
    }
    identity->claims = jwt->claims;
    if (scalar_of(json_object_object_get(jwt->claims, "sub"), q->out->digits, &subject))
        identity->subject = subject.text;
    return ACCESS_IDENTIFIED;
}

/* False if the header was sent more than once: which of them counts would depend on who reads it.
 */
static bool take_header(const struct question *q, const char *name, struct agora_text *value) {
    unsigned count;
    *value = request_variable(q->request, name, &count);
    if (count > 1)
        q->out->verdict = CREDENTIAL_HEADER_TWICE;
    return count <= 1;
}

static enum access_result try_bearer(const struct question *q) {
    struct agora_text header;
    if (!take_header(q, "HTTP_AUTHORIZATION", &header))
        return ACCESS_REFUSED;
    struct agora_text token = credential_bearer(header);
    if (token.length == 0)
        return ACCESS_ABSENT;
    enum access_result result = try_api_key(q, token);
    return result == ACCESS_ABSENT ? try_jwt(q, token, NULL) : result;
}

static enum access_result try_key_header(const struct question *q) {
    struct agora_text header;
    if (!take_header(q, "HTTP_X_API_KEY", &header))
        return ACCESS_REFUSED;
    struct agora_text key = credential_value(header);
    if (key.length == 0)
        return ACCESS_ABSENT;
    enum access_result result = try_api_key(q, key);
    return result == ACCESS_ABSENT ? refuse(q, CREDENTIAL_NO_API_KEY) : result;
}

static enum access_result try_cookies(const struct question *q) {
    const struct policy *policy = q->access->policy;
    for (size_t i = 0; i < policy->callers.count; i++) {
        const struct caller *caller = caller_at(policy, i);
        struct agora_text header, value;
        if (!caller->jwt.cookie.data)
            continue;
        if (!take_header(q, "HTTP_COOKIE", &header))
            return ACCESS_REFUSED;
        if (!credential_cookie(header, caller->jwt.cookie.data, &value))
            return refuse(q, CREDENTIAL_COOKIE_TWICE);
        if (value.length > 0)
            return try_jwt(q, value, caller);
    }
    return ACCESS_ABSENT;
}

/* nginx sets REMOTE_USER from the header of Basic authentication, though nothing has checked it; a
 * server that has checked it says so by AUTH_TYPE. */
static bool is_unchecked(const struct question *q, const char *name) {
    struct agora_text header = text_trim(variable(q, "HTTP_AUTHORIZATION"));
    return strcmp(name, "REMOTE_USER") == 0 && header.length >= 5 &&
           strncasecmp(header.data, "Basic", 5) == 0 && variable(q, "AUTH_TYPE").length == 0;
}

static enum access_result try_server(const struct question *q) {
    const struct policy *policy = q->access->policy;
    for (size_t i = 0; i < policy->callers.count; i++) {
        const struct caller *caller = caller_at(policy, i);
        const struct server_parameter *parameters = caller->server.parameters.items;
        unsigned count = 0;
        if (caller->kind == CALLER_SERVER)
            q->out->parameters[0] =
                request_variable(q->request, parameters[0].parameter.data, &count);
        if (count == 0 || (count == 1 && q->out->parameters[0].length == 0))
            continue;
        q->out->identity.caller = caller;
        for (size_t j = 0; j < caller->server.parameters.count; j++) {
            const char *name = parameters[j].parameter.data;
            q->out->parameters[j] = request_variable(q->request, name, &count);
            if (count > 1)
                return refuse(q, CREDENTIAL_PARAMETER_TWICE);
            if (count > 0 && is_unchecked(q, name))
                return refuse(q, CREDENTIAL_UNCHECKED);
        }
        q->out->identity.parameters = q->out->parameters;
        q->out->identity.subject = q->out->parameters[0];
        return ACCESS_IDENTIFIED;
    }
    return ACCESS_ABSENT;
}

enum access_result access_identify(const struct access *access, const struct request *request,
                                   bool is_foreign, int64_t now,
                                   struct identification *identification) {
    static const struct {
        enum access_result (*try)(const struct question *);
        bool is_ambient; /* a browser sends it along by itself */
    } kinds[] = {
        {try_bearer, false}, {try_key_header, false}, {try_cookies, true}, {try_server, true}};
    const struct question q = {access, request, now, identification};
    identification->identity = (struct identity){0};
    identification->verdict = CREDENTIAL_VALID;
    identification->jwt.claims = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        enum access_result result =
            kinds[i].is_ambient && is_foreign ? ACCESS_ABSENT : kinds[i].try(&q);
        if (result != ACCESS_ABSENT)
            return result;
    }
    identification->verdict = CREDENTIAL_ABSENT;
    return ACCESS_ABSENT;
}

void identification_free(struct identification *identification) {
    jwt_free(&identification->jwt);
}
