# Nightlatch for bash. In ~/.bashrc, last: eval "$(nightlatch hook bash)"

# So that no alias changes the meaning of what follows.
\builtin shopt -q expand_aliases && __nightlatch_aliases=-s || __nightlatch_aliases=-u
\builtin shopt -u expand_aliases

# What an earlier hook wrapped and nobody defined anew since.
for __nightlatch_name in ${__nightlatch_wrapped[@]+"${__nightlatch_wrapped[@]}"}; do
    case "$(builtin declare -f -- "$__nightlatch_name")" in
    *" exec -- $__nightlatch_name "*) builtin unset -f "$__nightlatch_name" ;;
    esac
done
builtin unset -v __nightlatch_name
__nightlatch_wrapped=({{ hook.names }})

# A completion that asks the command itself asks nobody to sign in, and is no activity.
{%- for name in hook.commands %}
function {{ name }} {
    if [ -n "${COMP_LINE+completing}" ]; then
        {{ hook.nightlatch }} -n exec --no-extend -- {{ name }} "$@" 2>/dev/null
    else
        {{ hook.nightlatch }} exec -- {{ name }} "$@"
    fi
}
{%- endfor %}

case $- in
*i*)
    NIGHTLATCH_PROMPT=''
    __nightlatch_warned=''

    # Before each prompt: what is left of the session, which neither extends it nor is recorded.
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
        *) ! builtin shopt -q promptvars || PS1='${NIGHTLATCH_PROMPT:+[$NIGHTLATCH_PROMPT] }'${PS1-} ;;
        esac
{%- endif %}
        # For what follows in PROMPT_COMMAND. Under set -e a code would end the shell.
        case $- in
        *e*) builtin return 0 ;;
        esac
        builtin return "$code"
    }

    case ${PROMPT_COMMAND[*]-} in
    *__nightlatch_precmd*) ;;
    *)
        # An array is run element by element from bash 5.1 on.
        case "${BASH_VERSINFO[0]}.${BASH_VERSINFO[1]} $(builtin declare -p PROMPT_COMMAND 2>/dev/null)" in
        5.[1-9]' declare -a'* | [6-9].?' declare -a'*) PROMPT_COMMAND+=(__nightlatch_precmd) ;;
        *)
            PROMPT_COMMAND="${PROMPT_COMMAND:+$PROMPT_COMMAND
}__nightlatch_precmd"
            ;;
        esac
        ;;
    esac
    ;;
esac

builtin shopt "$__nightlatch_aliases" expand_aliases
builtin unset -v __nightlatch_aliases
