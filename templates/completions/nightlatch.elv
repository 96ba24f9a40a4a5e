# Completion of nightlatch in Elvish.

set edit:completion:arg-completer[nightlatch] = {|@words|
    var at = (- (count $words) 1)
    try {
        env NIGHTLATCH_COMPLETE=elvish _CLAP_IFS="\n" _CLAP_COMPLETE_INDEX=(to-string $at) nightlatch -- $@words 2>/dev/null
    } catch _ { nop }
}
