# Completion of nightlatch in PowerShell.

Register-ArgumentCompleter -Native -CommandName nightlatch -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    # The words as they stand there: nothing in them is evaluated.
    $words = @($commandAst.CommandElements |
        Where-Object { $_.Extent.StartOffset -lt $cursorPosition } |
        ForEach-Object {
            if ($_ -is [System.Management.Automation.Language.StringConstantExpressionAst]) { $_.Value } else { $_.Extent.Text }
        })
    if ($wordToComplete -eq '') {
        # Older versions drop an empty argument unless it is quoted twice.
        $words += if ($PSNativeCommandArgumentPassing -in 'Standard', 'Windows') { '' } else { '""' }
    }
    $before = $env:NIGHTLATCH_COMPLETE
    $env:NIGHTLATCH_COMPLETE = 'powershell'
    try { $candidates = @(& nightlatch '--' @words 2>$null) } finally { $env:NIGHTLATCH_COMPLETE = $before }
    foreach ($candidate in $candidates) {
        $value, $help = $candidate -split "`t", 2
        if (-not $help) { $help = $value }
        # What PowerShell would make something else of is quoted.
        $word = if ($value -match '^[A-Za-z0-9_@%+=:./-]+$') { $value } else {
            "'" + [System.Management.Automation.Language.CodeGeneration]::EscapeSingleQuotedStringContent($value) + "'"
        }
        [System.Management.Automation.CompletionResult]::new($word, $value, 'ParameterValue', $help)
    }
}
