# shellcheck shell=sh
# What the scripts that run tests share: they run suites, count, and end with `N passed, N failed`. A
# script reads this file, calls `begin` with the folder in which to keep what a suite printed, and ends
# in `finish`.

# Namespaces and bare systems are for root. Better now than after minutes.
needs_root() {
    [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null || {
        echo "$0 needs root, or sudo that asks for no password" >&2
        exit 1
    }
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

# Of each suite that has ended there is a line in `counts`: how many cases passed, and how many failed.
# Of each that runs there is a file in `running`. How many there will be is known from the last whole run.
# Of each processor that is free for a suite there is one in a pipe, which `beside` takes and puts back.
begin() {
    logs=$1
    counts=$logs/counts
    mkdir -p "$logs"
    total=$(cat "$logs/total" 2>/dev/null || :)
    began=$(date +%s)
    : >"$counts"
    rm -rf "$logs/running"
    mkdir "$logs/running"
    rm -f "$logs/free"
    mkfifo "$logs/free"
    exec 9<>"$logs/free"
    rm "$logs/free"
    seq "$(nproc)" >&9
    # A terminal's Ctrl-C does not reach what runs in the background.
    trap 'trap "" TERM; kill -s TERM 0; wait; exit 1' HUP INT TERM
}

# Settings of whoever runs this must not reach the tests.
unset APP_ID APP_ID_FILE APP_CERTIFICATE APP_CERTIFICATE_FILE CORS_ALLOW_ORIGIN ACCESS_FILE LOG_LEVEL LOG_FORMAT PAGE \
    METRICS PORT SERVER_PORT WORKERS MAX_CONNECTIONS REQUEST_TIMEOUT MAKEFLAGS MFLAGS MAKELEVEL

# Counters of what test programs print.
# shellcheck disable=SC2034 # used by those who read this file
cmocka='s/^\[  PASSED  \] ([0-9]+) test.*/passed \1/p; s/^\[  FAILED  \] ([0-9]+) test.*/failed \1/p'
# shellcheck disable=SC2034
tap='s/^# pass ([0-9]+)$/passed \1/p; s/^# fail ([0-9]+)$/failed \1/p'

log_of() {
    echo "$logs/$(echo "$1" | tr -c 'a-z0-9\n' '-').log"
}

# How many suites have ended, and after which time.
progress() {
    seconds=$(($(date +%s) - began))
    printf '%d%s done, %d:%02d' "$(wc -l <"$counts")" "${total:+ of $total}" $((seconds / 60)) $((seconds % 60))
}

# tell [TEXT]: prints it, in one piece as others print too; on a terminal before the line that says what
# runs, which makes room for the next.
tell() {
    if [ -t 1 ]; then
        printf '\r\033[K%s%.76s' "${1+$1
}" "$(progress): $(cat "$logs/running"/* 2>/dev/null | paste -sd ';' -)"
    elif [ $# -gt 0 ]; then
        printf '%s\n' "$1"
    fi
}

# suite NAME COUNTER COMMAND...: runs the command, with no other suite beside it, and counts what it
# printed with COUNTER, a sed script that leaves `passed N` and `failed N` lines. A suite that fails
# without saying how often counts as one failure, and so does one that ran nothing.
suite() {
    wait
    (judge "$@")
}

judge() {
    name=$1
    counter=$2
    shift 2
    log=$(log_of "$name")
    mark=$logs/running/${log##*/}
    echo "$name" >"$mark"
    tell
    started=$(date +%s)
    status=0
    "$@" >"$log" 2>&1 9>&- || status=$?
    good=$(sed -nE "$counter" "$log" | awk '/^passed/ { n += $2 } END { print n + 0 }')
    bad=$(sed -nE "$counter" "$log" | awk '/^failed/ { n += $2 } END { print n + 0 }')
    if [ "$status" -ne 0 ] || [ "$good" -eq 0 ]; then
        [ "$bad" -ne 0 ] || bad=1
    fi
    echo "$good $bad" >>"$counts"
    rm "$mark"
    tell "$(
        printf '%-44s %4d passed, %d failed, %d s   [%s]' "$name" "$good" "$bad" $(($(date +%s) - started)) "$(progress)"
        if [ "$bad" -ne 0 ]; then
            echo
            grep -nE 'not ok|FAILED|ERROR|error:|warning:|Error:|expected|actual' "$log" | head -40 || :
            echo "--- all of it is in $log; its end:"
            tail -n 25 "$log"
        fi
    )"
}

# beside suite|step NAME...: the same, but others that are begun so run at the same time, as many as
# there are processors.
beside() {
    read -r _ <&9
    {
        "$@"
        echo >&9
    } &
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
    ! grep -qv ' 0$' "$counts" || {
        finish
        rm "$logs/total"
        exit 1
    }
}

finish() {
    wait
    wc -l <"$counts" >"$logs/total"
    if [ -t 1 ]; then
        printf '\r\033[K'
    fi
    awk '{ passed += $1; failed += $2 }
        END { print passed + 0 " passed, " failed + 0 " failed"; exit failed != 0 }' "$counts"
}

# Suites of the program's own tests: the unit tests of a build, and files of tests/e2e.

each_unit() {
    flavour=$1
    shift
    bad=0
    for source in tests/unit/test_*.c; do
        "$@" "build/$flavour/${source%.c}" || bad=1
    done
    return $bad
}

# What of the contract a web server can change. (All of it is contract.test.mjs and clients.test.mjs.)
# shellcheck disable=SC2034
host_contract=host-contract.test.mjs

# e2e GATEWAY FILE...
e2e() {
    GATEWAY=$1
    export GATEWAY
    shift
    (cd tests/e2e && exec node --test --test-reporter=tap "$@")
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
