#!/usr/bin/env bash
# `npm test`: sets up, checks, and runs the quick suites (unit, kernel, e2e) within five minutes.
# `scripts/test.sh long` runs the suites that take longer (store, faults, long), `scripts/test.sh kube` those against a real
# API server, which it builds first (scripts/cluster/build.sh), `scripts/test.sh cluster` those on clusters with kubelets
# (`cluster quick`: the seed manifests and what kubectl does), `scripts/test.sh vm` those for what this kernel lacks, in a
# virtual machine (scripts/vm/run.sh); `vm quick` without the longest one.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh --dev
export PATH="$PWD/node_modules/.bin:$PATH"
results=.cache/test-results
mkdir -p "$results"
files=()

if [ "${1:-quick}" = long ]; then
  bash scripts/setup.sh --browser
  projects=(store faults long)
elif [ "${1:-quick}" = vm ]; then
  projects=(vm)
  [ "${2:-all}" = quick ] || projects+=(vm-long)
elif [ "${1:-quick}" = cluster ]; then
  bash scripts/setup.sh --kube
  bash scripts/cluster/build.sh
  projects=(cluster)
  [ "${2:-all}" = all ] || files=(test/cluster/workloads.test.ts)
elif [ "${1:-quick}" = kube ]; then
  bash scripts/cluster/build.sh api
  projects=(kube)
else
  rm -f "$results"/*.json
  bash scripts/check.sh --all
  projects=(unit)
  if [ "$(id -u)" = 0 ]; then
    projects+=(kernel e2e)
  else
    echo "test: not root: the kernel and e2e suites are NOT run (they make network namespaces)" >&2
  fi
fi

status=0
for project in "${projects[@]}"; do
  echo "test: $project" >&2
  vitest run --project "$project" "${files[@]}" --reporter=default --reporter=json --outputFile.json="$results/$project.json" || status=1
done
node scripts/sum-tests.mjs "$results"
exit "$status"
