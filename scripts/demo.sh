#!/usr/bin/env bash
# `npm run demo`: sets up what is missing, then plays the first scenario end to end and says what it shows.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh
exec node_modules/.bin/node scripts/demo.mjs
