/* The service: reads options and settings, finds out how it was started, and calls the gateway. */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config.h"
#include "gateway/gateway.h"
#include "gateway/listener.h"
#include "log.h"
#include "redact.h"
#include "version.h"

enum { EXIT_USAGE = 2 };

static const char usage[] =
    "usage: agora-token-fcgi --listen unix:/path/to/socket | HOST:PORT [--workers N]\n"
    "       agora-token-fcgi --check\n"
    "\n"
    "Mints Agora access tokens for requests that a web server passes on. Started by a\n"
    "process manager with a listening socket (spawn-fcgi, mod_fcgid, systemd) it serves\n"
    "that; started by a web server as a CGI program it answers the one request.\n"
    "\n"
    "  --listen ADDRESS  where the web server reaches this responder by FastCGI\n"
    "  --workers N       threads that serve connections; 0, the default, is one a core\n"
    "  --check           check the settings, print all but the credentials, and exit\n"
    "  --version         print the version and exit\n"
    "  --help, -h        print this and exit\n"
    "\n"
    "Settings come from the environment, else from .env in the working directory (for\n"
    "a CGI program also from agora-token.env in a folder above):\n"
    "  APP_ID, APP_CERTIFICATE   32 hexadecimal digits each, from the Agora console;\n"
    "                            or APP_ID_FILE, APP_CERTIFICATE_FILE with a file's path\n"
    "  CORS_ALLOW_ORIGIN         * or origins separated by commas; default: none\n"
    "  ACCESS_FILE               the policy: who may get which token; default: none, and\n"
    "                            whoever reaches the service gets any\n"
    "  LOG_LEVEL                 error, warning, info or debug; default: info\n"
    "  LOG_FORMAT                text or json: one object a line; default: text\n"
    "  PAGE                      on or off: the page at /; default: on\n"
    "  METRICS                   on or off: /metrics; default: off\n"
    "  WORKERS                   as --workers\n"
    "  MAX_CONNECTIONS           from the web server, 1 to 65536; default: 4096\n"
    "  REQUEST_TIMEOUT           seconds in which a request that has begun must be\n"
    "                            complete, 1 to 300; default: 10\n";

/* Beyond all letters, as refused_option has it. */
enum option_id { LISTEN = 256, WORKERS, CHECK, VERSION_, HELP };

static const struct option options[] = {
    {"listen", required_argument, NULL, LISTEN}, {"workers", required_argument, NULL, WORKERS},
    {"check", no_argument, NULL, CHECK},         {"version", no_argument, NULL, VERSION_},
    {"help", no_argument, NULL, HELP},           {NULL, 0, NULL, 0},
};

/* A process manager may start a responder with standard output and error closed (FastCGI 1.0,
 * section 2.2). The next connection would else have such a descriptor, and get the log. */
static void occupy_standard_descriptors(void) {
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

static int complain(const char *what, const char *why) {
    fprintf(stderr, "agora-token-fcgi: %s%s; see agora-token-fcgi --help\n", what, why);
    return EXIT_USAGE;
}

static bool is_cgi(void) {
    return getenv("GATEWAY_INTERFACE") || getenv("REQUEST_METHOD");
}

/* Takes over the caller's reference to the settings. */
static int serve_fastcgi(struct settings *settings, struct listener *listener,
                         const char *address) {
    char error[LISTENER_ERROR_MAX];
    if (address && !listener_open(listener, address, error)) {
        log_line(LOG_ERROR, "--listen: %s", error);
        settings_release(settings);
        return EXIT_FAILURE;
    }
    log_line(LOG_INFO, "agora-token-fcgi " VERSION " listens on %s",
             address ? address : "the socket that it was started with");
    if (settings_are_sample(settings))
        log_line(LOG_WARNING, SETTINGS_SAMPLE_WARNING);
    return fastcgi_serve(settings, listener);
}

int main(int argc, char **argv) {
    occupy_standard_descriptors();
    gateway_start();
    const char *address = NULL;
    bool check = false;
    /* A web server passes a query without = as arguments (RFC 3875, section 4.4), and strangers
     * write queries. */
    if (getenv("GATEWAY_INTERFACE"))
        argc = 1;
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, ":h", options, NULL)) != -1;) {
        switch (option) {
        case LISTEN:
            address = optarg;
            break;
        case WORKERS:
            setenv("WORKERS", optarg, 1);
            break;
        case CHECK:
            check = true;
            break;
        case VERSION_:
            puts("agora-token-fcgi " VERSION);
            return EXIT_SUCCESS;
        case HELP:
        case 'h':
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        default:
            return complain(refused_option(option, argv, options).text, "");
        }
    }

    if (optind < argc)
        return complain(show(agora_text_of(argv[optind])).text, " is one argument too many");
    struct listener listener;
    bool inherited = !address && listener_inherit(&listener);
    if (!address && !check && !inherited && !is_cgi()) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }

    bool cgi = !address && !inherited && !check;
    if (cgi)
        cgi_start();
    else if (!check)
        fastcgi_hold_signals();
    char error[SETTINGS_ERROR_MAX];
    struct settings *settings = settings_load(cgi ? settings_cgi_file() : SETTINGS_DOTENV,
                                              cgi ? ACCESS_CGI : ACCESS_SERVICE, NULL, error);
    if (!settings) {
        log_line(LOG_ERROR, "%s", error);
        return cgi ? cgi_refuse() : EXIT_FAILURE;
    }
    log_set_level(settings->log_level);
    log_set_format(settings->log_format);

    if (!cgi && !check)
        return serve_fastcgi(settings, &listener, address);
    int status = EXIT_SUCCESS;
    if (check)
        settings_print(settings, stdout);
    else
        status = cgi_serve(settings);
    settings_release(settings);
    return status;
}
