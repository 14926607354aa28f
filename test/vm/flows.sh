# What the scripts about flow tables share: pods, and conversations that go on, whose state is kept in the
# script's $folder. Sourced after common.sh, not run.
# shellcheck shell=bash disable=SC2154
# NAME NODE [BITS]: with a limit of so many bits a second
pod() {
  local limit='{}'
  [ -z "${3:-}" ] || limit="{kubernetes.io/ingress-bandwidth: $3}"
  cat <<POD
---
apiVersion: v1
kind: Pod
metadata: {name: $1, labels: {app: $1}, annotations: $limit}
spec:
  nodeSelector: {at: $2}
  containers: [{name: web, image: web, ports: [{containerPort: 80}]}]
POD
}
# NODE COMMAND: the same as `on`, at once: each command of ours takes seconds on a machine that is emulated
node() { ip netns exec "tl-vm-$1" "${@:2}"; }
state() { trunkline get node "$1" -o 'jsonpath={.metadata.annotations.trunkline\.dev/flow-tables}'; }
# MEMBER PORT
serve() { on "$1" -- node "$programs/talk.mjs" serve "$2" >/dev/null 2>&1 & }
# POD ADDRESS PORT NAME: begins a conversation that goes on
talk() { on "pod/$1" -- node "$programs/talk.mjs" "$2" "$3" "$folder/$4" >/dev/null 2>&1 & }
answers() { grep -o '"answers":[0-9]*' "$folder/$1" || true; }
# NAME: waits until a conversation has had more answers, or is over
goes_on() {
  local before
  before=$(answers "$1")
  for _ in $(seq 120); do
    if grep -q '"end"' "$folder/$1"; then
      echo "$1 ended: $(cat "$folder/$1")"
      return 0
    fi
    if [ "$(answers "$1")" != "$before" ]; then
      echo "$1 goes on"
      return 0
    fi
    sleep 0.5
  done
  echo "$1 is silent after $before"
}
