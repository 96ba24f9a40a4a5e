# What an earlier hook wrapped and nobody defined anew since.
for __nightlatch_name in "${__nightlatch_wrapped[@]}"; do
    if [[ ${functions[$__nightlatch_name]-} == *" exec -- $__nightlatch_name "* ]]; then
        builtin unfunction -- "$__nightlatch_name"
    fi
done
builtin unset __nightlatch_name
builtin typeset -ga __nightlatch_wrapped
__nightlatch_wrapped=({{ hook.names }})

# A completion that asks the command itself asks nobody to sign in, and is no activity. The other call stands
# alone and last, for under the option err_exit zsh overlooks a failure inside of if.
{%- for name in hook.commands %}
function {{ name }} {
    if (( ${+compstate} )); then
        {{ hook.nightlatch }} -n exec --no-extend -- {{ name }} "$@" 2>/dev/null
        return
    fi
    {{ hook.nightlatch }} exec -- {{ name }} "$@"
}
{%- endfor %}

if [[ -o interactive ]]; then
    builtin typeset -g NIGHTLATCH_PROMPT="" __nightlatch_warned=""
    builtin typeset -ga psvar

    # Before each prompt: what is left of the session, which neither extends it nor is recorded.
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
        if [[ ${PROMPT-}${RPROMPT-} != *(NIGHTLATCH_PROMPT|%9v)* ]]; then
            PROMPT="%(9V.[%9v] .)${PROMPT-}"
        fi
{%- endif %}
    }

    builtin autoload -Uz add-zsh-hook
    add-zsh-hook precmd __nightlatch_precmd
fi
