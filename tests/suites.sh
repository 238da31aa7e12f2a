# shellcheck shell=sh
# What the check scripts share: they run suites, count, and end with `N passed, N failed`. A script
# sets `logs`, the folder in which what a suite printed is kept, reads this file, and ends in `finish`.

# Namespaces and bare systems are for root. Better now than after minutes.
[ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null || {
    echo "$0 needs root, or sudo that asks for no password" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

passed=0
failed=0
mkdir -p "${logs:?}"

# Settings of whoever runs this must not reach the tests.
unset APP_ID APP_ID_FILE APP_CERTIFICATE APP_CERTIFICATE_FILE CORS_ALLOW_ORIGIN LOG_LEVEL PORT \
    SERVER_PORT WORKERS MAX_CONNECTIONS REQUEST_TIMEOUT MAKEFLAGS MFLAGS MAKELEVEL

# Counters of what test programs print.
# shellcheck disable=SC2034 # used by those who read this file
cmocka='s/^\[  PASSED  \] ([0-9]+) test.*/passed \1/p; s/^\[  FAILED  \] ([0-9]+) test.*/failed \1/p'
# shellcheck disable=SC2034
tap='s/^# pass ([0-9]+)$/passed \1/p; s/^# fail ([0-9]+)$/failed \1/p'

# suite NAME COUNTER COMMAND...: runs the command, then counts what it printed with COUNTER, a sed
# script that leaves `passed N` and `failed N` lines. A suite that fails without saying how often
# counts as one failure, and so does one that ran nothing.
suite() {
    name=$1
    counter=$2
    shift 2
    log="$logs/$(echo "$name" | tr -c 'a-z0-9\n' '-').log"
    started=$(date +%s)
    status=0
    "$@" >"$log" 2>&1 || status=$?
    good=$(sed -nE "$counter" "$log" | awk '/^passed/ { n += $2 } END { print n + 0 }')
    bad=$(sed -nE "$counter" "$log" | awk '/^failed/ { n += $2 } END { print n + 0 }')
    if [ "$status" -ne 0 ] || [ "$good" -eq 0 ]; then
        [ "$bad" -ne 0 ] || bad=1
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
    printf '%-42s %4d passed, %d failed, %d s\n' "$name" "$good" "$bad" $(($(date +%s) - started))
    if [ "$bad" -ne 0 ]; then
        grep -nE 'not ok|FAILED|ERROR|error:|warning:|Error:|expected|actual' "$log" | head -40 || :
        echo "--- all of it is in $log; its end:"
        tail -n 25 "$log"
    fi
}

# step NAME COMMAND...: what has no count of its own passes or does not.
step() {
    name=$1
    shift
    suite "$name" 's/^step ok$/passed 1/p' step_once "$@"
}

step_once() {
    "$@" && echo && echo 'step ok'
}

# need NAME COMMAND...: a step without which the others make no sense.
need() {
    step "$@"
    [ "$failed" -eq 0 ] || {
        finish
        exit 1
    }
}

finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}

# bare_system RELEASE FOLDER: makes the smallest Debian there is, from where this machine has its own
# packages.
bare_system() {
    mirror=$(debian_mirror)
    [ -n "$mirror" ] || { as_root apt-get -q update && mirror=$(debian_mirror); }
    [ -n "$mirror" ] || { echo 'error: apt knows of no Debian mirror' && return 1; }
    as_root debootstrap --variant=minbase "$1" "$2" "$mirror"
}

debian_mirror() {
    apt-get indextargets --format "\$(REPO_URI) \$(ORIGIN) \$(LABEL) \$(COMPONENT)" 'Created-By: Packages' |
        sed -n 's/ Debian Debian main$//p' | head -n 1
}
