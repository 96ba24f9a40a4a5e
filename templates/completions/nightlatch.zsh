#compdef nightlatch
# Completion of nightlatch in zsh.

_nightlatch() {
    # Behind `--` stands another command, which knows better how it goes on.
    local -i at=${words[(ie)--]}
    if (( at < CURRENT )); then
        shift at words
        (( CURRENT -= at ))
        _normal
        return
    fi
    local -a candidates directories others
    local candidate
    candidates=("${(@f)$(_CLAP_IFS=$'\n' _CLAP_COMPLETE_INDEX=$(( CURRENT - 1 )) NIGHTLATCH_COMPLETE=zsh \
        nightlatch -- "${(@Q)words}" 2>/dev/null)}")
    for candidate in $candidates; do
        if [[ $candidate == */ ]]; then
            directories+=("${candidate%/}")
        else
            others+=("$candidate")
        fi
    done
    (( $#directories )) && _describe -V value directories -S / -r /
    (( $#others )) && _describe -V value others
}

# Read from the function path it is called at once; sourced, it is to be known first.
if [[ ${funcstack[1]-} == _nightlatch ]]; then
    _nightlatch "$@"
else
    compdef _nightlatch nightlatch
fi
