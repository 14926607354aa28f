#!/usr/bin/env bash
# What must hold before anything is committed: types, format, lint, layers, unused code. No root, a few seconds.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/node_modules/.bin:$PATH"
step() {
  printf '%s\n' "check: $1" >&2
  shift
  "$@"
}
step "types" node node_modules/ts7/bin/tsc -p .
step "types of the page" node node_modules/ts7/bin/tsc -p web
step "format and lint (biome)" biome check --error-on-warnings --diagnostic-level=warn .
step "lint with types (oxlint)" oxlint --type-aware --deny-warnings src test bench scripts web
step "layers" depcruise --config .dependency-cruiser.cjs --output-type err src web/src
# Slower, and unhappy while a change is half written: asked for with --all, as `npm test` and CI do.
if [ "${1:-}" = --all ]; then
  step "unused code" knip --no-progress
fi
if command -v shellcheck >/dev/null; then
  step "shell" shellcheck -x bin/trunkline scripts/*.sh scripts/kube scripts/cluster/*.sh test/vm/*.sh findings/*.sh .ci/run
fi
