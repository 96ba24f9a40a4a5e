# Completion of nightlatch in bash.

_nightlatch() {
    local i word line=$COMP_LINE at=-1 IFS=$' \t\n'
    local -a words=()
    for ((i = 0; i < ${#COMP_WORDS[@]}; i++)); do
        # Behind `--` stands another command, which knows better how it goes on.
        if ((i < COMP_CWORD)) && [[ ${COMP_WORDS[i]} == -- ]]; then
            _nightlatch_guarded $((i + 1)) "$2"
            return
        fi
        word=${COMP_WORDS[i]}
        # Bash splits at @, : and = too: what no blank separates is put back together.
        if ((i > 0)) && [[ $line != [[:space:]]* ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
        line=${line#"${line%%[![:space:]]*}"}
        line=${line#"$word"}
        if ((i == COMP_CWORD)); then
            at=$((${#words[@]} - 1))
            break
        fi
    done
    ((at > 0)) || return
    # Only what follows the last place where bash splits is replaced.
    local before=${words[at]%"$2"} candidate
    COMPREPLY=()
    # The last line has no end.
    while IFS= read -r candidate || [[ -n $candidate ]]; do
        candidate=${candidate#"$before"}
        [[ $candidate != *[^[:alnum:]_@%+=:,./-]* ]] || printf -v candidate %q "$candidate"
        COMPREPLY+=("$candidate")
    done < <(NIGHTLATCH_COMPLETE=bash _CLAP_COMPLETE_INDEX=$at nightlatch -- "${words[@]}" 2>/dev/null)
    if ((${#COMPREPLY[@]} == 1)) && [[ ${COMPREPLY[0]} == *[=/] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}

# How the guarded command that begins at word $1 goes on, the word at the cursor being $2.
_nightlatch_guarded() {
    if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset "$1"
    elif declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    else
        local IFS=$'\n'
        if ((COMP_CWORD == $1)); then
            COMPREPLY=($(compgen -c -- "$2"))
        else
            COMPREPLY=($(compgen -f -- "$2"))
        fi
        compopt -o filenames 2>/dev/null
    fi
}

complete -F _nightlatch nightlatch
