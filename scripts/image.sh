#!/usr/bin/env bash
# `npm run image`: builds dist/trunkline-image.tar, from a fresh clone, too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh --image
export PATH="$PWD/node_modules/.bin:$PATH"
exec node scripts/image/build.ts "$@"
