# Nightlatch for zsh. In ~/.zshrc, last: eval "$(nightlatch hook zsh)"

# In zsh's own emulation, which the functions keep: no option and no alias of yours changes what they mean.
'builtin' 'emulate' 'zsh' '-o' 'no_aliases' '-c' {{ body }}
