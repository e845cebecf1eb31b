#!/bin/sh
# run.sh: tests of pprof-symbolize: run.sh PATH-OF-THE-PROGRAM
#
# Builds small programs in a folder of its own, makes raw profiles of them, and judges what the
# program writes with binutils, an independent decoder and `go tool pprof`. Prints `ok - name` or
# `not ok - name` for each check and `N passed, N failed` at the end.
#
# SPDX-License-Identifier: MIT
set -eu

program=$(realpath "${1:?usage: run.sh PATH-OF-PPROF-SYMBOLIZE}")
here=$(dirname "$(realpath "$0")")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

export PYTHONDONTWRITEBYTECODE=1
unset PPROF_BINARY_PATH DEBUGINFOD_URLS
HOME=$folder python3 "$here/checks.py" "$program" "$folder"
