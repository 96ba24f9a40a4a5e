#!/bin/sh
# Starts a program under test that lives in the test binary itself:
#     driver.sh ENTRY [ARG...]
# The arguments travel in variables, because the test binary's own command line is not ours.
entry=$1
shift
NIGHTLATCH_TEST_ARGC=$#
export NIGHTLATCH_TEST_ARGC
number=0
for argument in "$@"; do
    export "NIGHTLATCH_TEST_ARG_$number=$argument"
    number=$((number + 1))
done
exec "$NIGHTLATCH_TEST_EXE" --exact "support::driver::$entry" --ignored --nocapture --test-threads=2
