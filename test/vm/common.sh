# What the scripts of tests in a virtual machine share. Sourced, not run.
# shellcheck shell=bash
# What make-programs.ts made of the programs beside this file; whole, as commands run in members too.
# shellcheck disable=SC2034
programs=$PWD/.cache/vm-programs
trunkline() { bin/trunkline "$@"; }
# MEMBER -- COMMAND: runs it in the namespace of that node, host or pod (`pod/NAME`)
on() { trunkline lab exec "$@"; }
section() { printf '== %s\n' "$1"; }
# Waits until the command's output has a text, for a machine that is emulated.
until_says() {
  local text=$1
  shift
  for _ in $(seq 120); do
    if "$@" 2>/dev/null | grep -q -- "$text"; then return 0; fi
    sleep 1
  done
  printf 'never: %s\n' "$text" >&2
  return 1
}
# Starts the lab of a folder; not by -d, which waits for a minute at most.
lab_up() {
  local folder=$1
  trunkline lab up "$folder/lab.yaml" >"$folder/log" 2>&1 &
  until_says running trunkline lab list || {
    cat "$folder/log" >&2
    return 1
  }
}
