# Nightlatch for fish. In ~/.config/fish/config.fish, last: nightlatch hook fish | source

# What an earlier hook wrapped and nobody defined anew since.
for __nightlatch_name in $__nightlatch_wrapped
    if builtin functions $__nightlatch_name | builtin string match -q -- "* exec -- $__nightlatch_name *"
        builtin functions -e -- $__nightlatch_name
    end
end
builtin set -e __nightlatch_name
builtin set -g __nightlatch_wrapped {{ hook.names }}

# Whether a completion, before the line is entered, or the prompt asks the command: then nobody is asked to sign
# in, and it is no activity.
function __nightlatch_is_unattended
    builtin status is-interactive
    or return 1
    switch "$__nightlatch_at_prompt"
        case 1
            return 0
        case 0 # a line was entered, and what it starts is running
            return 1
    end
    builtin commandline 2>/dev/null | builtin string match -q -r .
end
{% for name in hook.commands %}
function {{ name }} --description 'guarded by nightlatch'
    if __nightlatch_is_unattended
        {{ hook.nightlatch }} -n exec --no-extend -- {{ name }} $argv 2>/dev/null
    else
        {{ hook.nightlatch }} exec -- {{ name }} $argv
    end
end
{%- endfor %}

if builtin status is-interactive
    builtin set -g NIGHTLATCH_PROMPT ''
    builtin set -g __nightlatch_warned ''
    builtin set -g __nightlatch_at_prompt ''

    # Between a command's end and the next line that is entered the prompt is drawn.
    function __nightlatch_postexec --on-event fish_postexec
        builtin set -g __nightlatch_at_prompt 1
    end
    function __nightlatch_preexec --on-event fish_preexec
        builtin set -g __nightlatch_at_prompt 0
    end

    # Before each prompt: when the session locks, which neither extends it nor is recorded.
    function __nightlatch_precmd --on-event fish_prompt
        # Also where no command has run yet.
        builtin set -g __nightlatch_at_prompt 1
        builtin set -l left ({{ hook.nightlatch }} status --prompt 2>/dev/null)
        # Of a session that is live, or of none.
        if builtin contains -- $status 0 4
            switch "$left"
                case ''
                    if builtin test -n "$NIGHTLATCH_PROMPT"
                        {{ hook.nightlatch }} status --notice >&2
                    end
                    builtin set -g __nightlatch_warned ''
                case '*:*:*'
                    if builtin test -z "$__nightlatch_warned"
                        {{ hook.nightlatch }} status --notice >&2
                        builtin set -g __nightlatch_warned yes
                    end
                case '*'
                    builtin set -g __nightlatch_warned ''
            end
            builtin set -g NIGHTLATCH_PROMPT "$left"
        else
            # It cannot tell: better nothing than what was true before.
            builtin set -g NIGHTLATCH_PROMPT ''
        end
{%- if hook.places_prompt %}
        builtin set -g __nightlatch_segment "$NIGHTLATCH_PROMPT"
        if builtin functions fish_prompt fish_right_prompt 2>/dev/null | builtin string match -q '*NIGHTLATCH_PROMPT*'
            builtin set -g __nightlatch_segment ''
        end
        # Again where another tool has taken it away. In the function for the mode, for the prompt itself is
        # to see the status of the last command.
        if not builtin functions fish_mode_prompt | builtin string match -q -r 'NIGHTLATCH_PROMPT|__nightlatch_segment'
            builtin functions -e __nightlatch_mode_prompt
            if builtin functions -q fish_mode_prompt
                builtin functions -c fish_mode_prompt __nightlatch_mode_prompt
            end
            function fish_mode_prompt --description 'the time that is left, and the mode'
                if builtin test -n "$__nightlatch_segment"
                    builtin printf '[%s] ' $__nightlatch_segment
                end
                if builtin functions -q __nightlatch_mode_prompt
                    __nightlatch_mode_prompt
                end
            end
        end
{%- endif %}
    end
end
