# What an earlier hook wrapped and nobody defined anew since.
for __nightlatch_name in "${__nightlatch_wrapped[@]}"; do
    if [[ ${functions[$__nightlatch_name]-} == *" exec -- $__nightlatch_name "* ]]; then
        builtin unfunction -- "$__nightlatch_name"
    fi
done
builtin unset __nightlatch_name
builtin typeset -ga __nightlatch_wrapped
__nightlatch_wrapped=({{ hook.names }})

# Whether a completion or the prompt asks the command: then nobody is asked to sign in, and it is no activity.
function __nightlatch_is_unattended {
    (( ${+compstate} || ${__nightlatch_at_prompt:-0} )) && return 0
    # A function that runs before each prompt has called it.
    builtin local caller
    for caller in precmd $precmd_functions; do
        (( ${funcstack[(Ie)$caller]} )) && return 0
    done
    return 1
}

# The other call stands alone and last, for under the option err_exit zsh overlooks a failure inside of if.
{%- for name in hook.commands %}
function {{ name }} {
    if __nightlatch_is_unattended; then
        {{ hook.nightlatch }} -n exec --no-extend -- {{ name }} "$@" 2>/dev/null
        return
    fi
    {{ hook.nightlatch }} exec -- {{ name }} "$@"
}
{%- endfor %}

if [[ -o interactive ]]; then
    builtin typeset -g NIGHTLATCH_PROMPT="" __nightlatch_warned="" __nightlatch_at_prompt=0
    builtin typeset -ga psvar

    # Before each prompt: when the session locks, which neither extends it nor is recorded.
    function __nightlatch_precmd {
        builtin local left answer=0
        left=$({{ hook.nightlatch }} status --prompt 2>/dev/null) || answer=$?
        case $answer in
        0|4) # live, or not
            case $left in
            "")
                [[ -z $NIGHTLATCH_PROMPT ]] || {{ hook.nightlatch }} status --notice >&2 || builtin :
                __nightlatch_warned=""
                ;;
            *:*:*)
                if [[ -z $__nightlatch_warned ]]; then
                    {{ hook.nightlatch }} status --notice >&2 || builtin :
                    __nightlatch_warned=yes
                fi
                ;;
            *) __nightlatch_warned="" ;;
            esac
            NIGHTLATCH_PROMPT=$left
            ;;
        *)
            # It cannot tell: better nothing than what was true before.
            NIGHTLATCH_PROMPT=""
            ;;
        esac
        psvar[9]=$NIGHTLATCH_PROMPT
{%- if hook.places_prompt %}
        # Again where another tool has set the prompt anew, and not where it is placed already. By way
        # of psvar, for parameters show in a prompt only with the option prompt_subst.
        if [[ ${PROMPT-}${RPROMPT-} != *(NIGHTLATCH_PROMPT|%9v)* && ${(t)PROMPT} != *readonly* ]]; then
            PROMPT="%(9V.[%9v] .)${PROMPT-}"
        fi
{%- endif %}
        # From here on the prompt is drawn, until a line was entered.
        __nightlatch_at_prompt=1
    }

    function __nightlatch_preexec {
        __nightlatch_at_prompt=0
    }

    builtin autoload -Uz add-zsh-hook
    add-zsh-hook precmd __nightlatch_precmd
    add-zsh-hook preexec __nightlatch_preexec
fi
