# Completion of nightlatch in fish.

# Behind `--` stands another command, which knows better how it goes on.
function __nightlatch_is_guarded
    contains -- -- (commandline --current-process --tokenize --cut-at-cursor)
end

function __nightlatch_guarded
    set --local words (commandline --current-process --tokenize --cut-at-cursor)
    set --local at (contains --index -- -- $words)
    set --erase words[1..$at]
    complete --do-complete (string join ' ' -- (string escape -- $words) (commandline --current-token))
end

function __nightlatch_candidates
    NIGHTLATCH_COMPLETE=fish nightlatch -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token) 2>/dev/null
end

complete --command nightlatch --no-files
complete --command nightlatch --keep-order --condition 'not __nightlatch_is_guarded' --arguments '(__nightlatch_candidates)'
complete --command nightlatch --keep-order --condition __nightlatch_is_guarded --arguments '(__nightlatch_guarded)'
