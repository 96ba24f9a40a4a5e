# Nightlatch for bash. In ~/.bashrc, last: eval "$(nightlatch hook bash)"

# So that no alias changes the meaning of what follows.
\builtin shopt -q expand_aliases && __nightlatch_aliases=-s || __nightlatch_aliases=-u
# In posix mode a function named `docker-compose` cannot be defined, though it can be called. Leaving the mode
# forgets POSIXLY_CORRECT and sets how aliases are taken.
__nightlatch_posix=''
if \builtin shopt -qo posix; then
    __nightlatch_posix=$(\builtin declare -p POSIXLY_CORRECT 2>/dev/null) || \builtin :
    __nightlatch_posix=${__nightlatch_posix:-declare}
    \builtin set +o posix
fi
\builtin shopt -u expand_aliases

# What an earlier hook wrapped and nobody defined anew since.
for __nightlatch_name in ${__nightlatch_wrapped[@]+"${__nightlatch_wrapped[@]}"}; do
    case "$(builtin declare -f -- "$__nightlatch_name")" in
    *" exec -- $__nightlatch_name "*) builtin unset -f "$__nightlatch_name" ;;
    esac
done
builtin unset -v __nightlatch_name
__nightlatch_wrapped=({{ hook.names }})

# Whether a completion or the prompt asks the command: then nobody is asked to sign in, and it is no activity.
function __nightlatch_is_unattended {
    [ -z "${COMP_LINE+completing}" ] || builtin return 0
    # A person wrote it in an editor (fc, Ctrl-X Ctrl-E), which bash announces by no PS0.
    case "${FUNCNAME[*]: -1} ${BASH_SOURCE[*]: -1}" in
    'source '*/bash-fc[-.]*) builtin return 1 ;;
    esac
    [ "${__nightlatch_at_prompt:-0}" = 0 ] || builtin return 0
    # What PROMPT_COMMAND names, and calls, has called it.
    builtin local caller
    for caller in "${FUNCNAME[@]:2}"; do
        case " ${PROMPT_COMMAND[*]-} " in
        *[!a-zA-Z0-9_]"$caller"[!a-zA-Z0-9_]*) builtin return 0 ;;
        esac
    done
    builtin return 1
}

# In a list with more behind it, a command that fails sets off no trap on ERR: the call of the function does.
{%- for name in hook.commands %}
function {{ name }} {
    if __nightlatch_is_unattended; then
        {{ hook.nightlatch }} -n exec --no-extend -- {{ name }} "$@" 2>/dev/null && builtin :
    else
        {{ hook.nightlatch }} exec -- {{ name }} "$@" && builtin :
    fi
}
{%- endfor %}

case $- in
*i*)
    NIGHTLATCH_PROMPT=''
    __nightlatch_warned=''
    __nightlatch_none=''
    __nightlatch_at_prompt=0

    # Whether a variable may not be set, as some companies have it: then it is left alone.
    function __nightlatch_is_readonly {
        builtin local flags
        flags=$(builtin declare -p "$1" 2>/dev/null) || builtin return 1
        flags=${flags#declare -}
        case ${flags%%[[:space:]]*} in
        *r*) builtin return 0 ;;
        esac
        builtin return 1
    }

    # Has PS0 say that a line was entered: until then the prompt is drawn. Where it cannot, what the prompt
    # calls by itself is not told from what is typed.
    function __nightlatch_place_ps0 {
        __nightlatch_has_ps0=0
        case "${PS0-} ${BASH_VERSINFO[0]}.${BASH_VERSINFO[1]}" in
        *__nightlatch_at_prompt=0*) ;;
        *' '[1-3].* | *' '4.[0-3]) builtin return ;;
        *)
            builtin shopt -q promptvars && ! __nightlatch_is_readonly PS0 || builtin return 0
            PS0=${PS0-}'${__nightlatch_none:$((__nightlatch_at_prompt=0)):0}'
            ;;
        esac
        __nightlatch_has_ps0=1
    }
    __nightlatch_place_ps0

    # Before each prompt: when the session locks, which neither extends it nor is recorded.
    function __nightlatch_precmd {
        builtin local "code=$?" left answer=0
        left=$(builtin exec {{ hook.nightlatch }} status --prompt 2>/dev/null) || answer=$?
        case $answer in
        0 | 4) # live, or not
            case $left in
            '')
                [ -z "$NIGHTLATCH_PROMPT" ] || {{ hook.nightlatch }} status --notice >&2 || builtin :
                __nightlatch_warned=''
                ;;
            *:*:*)
                if [ -z "$__nightlatch_warned" ]; then
                    {{ hook.nightlatch }} status --notice >&2 || builtin :
                    __nightlatch_warned=yes
                fi
                ;;
            *) __nightlatch_warned='' ;;
            esac
            NIGHTLATCH_PROMPT=$left
            ;;
        *)
            # It cannot tell: better nothing than what was true before.
            NIGHTLATCH_PROMPT=''
            ;;
        esac
{%- if hook.places_prompt %}
        # Again where another tool has set the prompt anew, and not where it is placed already.
        case ${PS1-} in
        *NIGHTLATCH_PROMPT*) ;;
        *)
            if builtin shopt -q promptvars && ! __nightlatch_is_readonly PS1; then
                PS1='${NIGHTLATCH_PROMPT:+[$NIGHTLATCH_PROMPT] }'${PS1-}
            fi
            ;;
        esac
{%- endif %}
        __nightlatch_place_ps0
        __nightlatch_at_prompt=$__nightlatch_has_ps0
        # For what follows in PROMPT_COMMAND.
        builtin return "$code"
    }

    # Around what is there, which sees the codes of the last command: a word of `case` is no command, and an
    # element of an array is run by itself. From the first command on the prompt is being drawn. In a list
    # with more behind it the code of ours neither ends the shell, under set -e, nor sets off a trap on ERR.
    case ${PROMPT_COMMAND[*]-} in
    *__nightlatch_precmd*) ;;
    *)
        ! __nightlatch_is_readonly PROMPT_COMMAND &&
        # An array is run element by element from bash 5.1 on.
        case "${BASH_VERSINFO[0]}.${BASH_VERSINFO[1]} $(builtin declare -p PROMPT_COMMAND 2>/dev/null)" in
        5.[1-9]' declare -a'* | [6-9].?' declare -a'*)
            PROMPT_COMMAND=('__nightlatch_at_prompt=$__nightlatch_has_ps0' "${PROMPT_COMMAND[@]}" '__nightlatch_precmd && builtin :')
            ;;
        *)
            PROMPT_COMMAND="case \$((__nightlatch_at_prompt=__nightlatch_has_ps0)) in
*)
${PROMPT_COMMAND:+$PROMPT_COMMAND
}__nightlatch_precmd && builtin :
esac"
            ;;
        esac
        ;;
    esac
    ;;
esac

case $__nightlatch_posix in
'') ;;
*)
    builtin set -o posix
    case ${__nightlatch_posix%%POSIXLY_CORRECT*} in
    *x*) builtin export POSIXLY_CORRECT ;;
    esac
    ;;
esac
builtin shopt "$__nightlatch_aliases" expand_aliases
builtin unset -v __nightlatch_aliases __nightlatch_posix
