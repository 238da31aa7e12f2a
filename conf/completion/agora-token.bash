# bash completion for agora-token. The commands and options come from its own --help.

_agora_token() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local program=${COMP_WORDS[0]} depth=1 words=
    COMPREPLY=()

    if [ "$COMP_CWORD" -eq 1 ]; then
        words="$("$program" --help 2>/dev/null | sed -n 's/^  \([a-z0-9-]*\) .*/\1/p') --help --version"
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
        return
    fi
    [ "${COMP_WORDS[1]}" != access ] || depth=2
    case $previous in
    access) words=$("$program" access --help 2>/dev/null | sed -n 's/^  \([a-z]*\) .*/\1/p') ;;
    check | try)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        compopt -o filenames
        return
        ;;
    --role) [ "${COMP_WORDS[1]}" = apaas ] || words='publisher subscriber' ;;
    --expire | --rtm-expire) words='15m 1h 24h' ;;
    --join | --audio | --video | --data | --mixed | --raw | --publish | --play) words='none 0 15m 1h 24h' ;;
    --read | --write)
        words='message-channels= stream-channels= group-channels= server-groups= users='
        compopt -o nospace
        ;;
    --*-file)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        compopt -o filenames
        return
        ;;
    --app-id | --certificate | --channel | --uid | --user | --rtm-user | --room | --issue-ts | --salt | --at) return ;;
    --id | --bearer | --api-key | --server) return ;;
    *) words=$("$program" "${COMP_WORDS[@]:1:depth}" --help 2>/dev/null | sed -n 's/^  \(--[a-z0-9-]*\).*/\1/p') ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _agora_token agora-token
