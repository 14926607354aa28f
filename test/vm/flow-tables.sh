#!/usr/bin/env bash
# Runs inside the virtual machine: a lab whose nodes hand open connections to flow tables. Prints sections for
# flow-tables.test.ts to judge.
set -euo pipefail
# shellcheck source=test/vm/common.sh
. test/vm/common.sh
# shellcheck source=test/vm/flows.sh
. test/vm/flows.sh
folder=$(mktemp -d)
cat >"$folder/lab.yaml" <<'LAB'
name: vm
networks: [{name: lan, cidr: 192.168.18.0/24}]
nodes:
  - {name: node1, address: 192.168.18.11, labels: {at: n1}}
  - {name: node2, address: 192.168.18.12, labels: {at: n2}}
LAB
setting() {
  cat <<SETTING
apiVersion: trunkline.dev/v1alpha1
kind: RoutingConfiguration
metadata: {name: default}
spec: {flowTables: $1}
SETTING
}
# NAME PEER: lets nobody but PEER in
only_from() {
  cat <<POLICY
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: only}
spec:
  podSelector: {matchLabels: {app: $1}}
  ingress: [{from: [{podSelector: {matchLabels: {app: $2}}}]}]
POLICY
}
{
  cat <<'POOL'
apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: default-ipv4-ippool}
spec: {cidr: 10.1.0.0/16, blockSize: 26, natOutgoing: true}
POOL
  pod a n1
  pod b n1
  pod c n2
  pod slow n1 8M
} >"$folder/objects.yaml"

# Addresses by pod: each command of ours takes seconds on a machine that is emulated.
declare -A ip
# NODE TO: the connections that it has with TO, by the kernel
flows() { node "$1" conntrack -L -p tcp --dport 7000 2>/dev/null | grep "dst=${ip[$2]} " || true; }
conntrack_of() { node "$1" conntrack -L -p tcp 2>/dev/null; }
# TEXT COMMAND: waits until its output has that text no more
until_not() {
  local text=$1
  shift
  for _ in $(seq 120); do
    if ! "$@" 2>/dev/null | grep -q -- "$text"; then return 0; fi
    sleep 1
  done
  printf 'still: %s\n' "$text" >&2
  return 1
}
offloaded() { until_says OFFLOAD flows "$@"; }
# Which of all tables that were ever made it is.
handle() { node "$1" nft -a list table inet trunkline-flow | sed -n '1s/.*handle //p'; }

lab_up "$folder"
trunkline apply -f "$folder/objects.yaml" >/dev/null
trunkline wait --for ready --all --timeout 180s >/dev/null
for pod in a b c slow; do ip[$pod]=$(trunkline get pod "$pod" -o 'jsonpath={.status.podIP}'); done
for node in node1 node2; do until_says '^on' state "$node"; done
for pod in b c slow; do serve "pod/$pod" 7000; done
for pod in b c slow; do until_says 7000 on "pod/$pod" -- ss -ltn; done
for pod in b c slow; do talk a "${ip[$pod]}" 7000 "a-$pod"; done

section offloaded
offloaded node1 b
offloaded node1 c
offloaded node2 c
until_says ASSURED flows node1 slow
for pod in b c slow; do flows node1 "$pod"; done
section explain
for pod in b c slow; do trunkline explain pod/a "pod/$pod:80" -o json | tr -d '\n' && echo; done

section forged
# A pod takes another's address, and sends from the port of its connection: the same packet but for the link.
on pod/b -- nft 'add table inet seen; add counter inet seen syn; add chain inet seen in { type filter hook input priority 0; }; add rule inet seen in tcp dport 7000 tcp flags syn counter name syn'
seen() { on pod/b -- nft list counter inet seen syn | grep -o 'packets [0-9]*'; }
port=$(flows node1 b | grep -o 'sport=[0-9]*' | head -n 1 | cut -d= -f2)
knock() { on "pod/$1" -- node -e 'const [host, localAddress, localPort] = process.argv.slice(1); require("net").connect({ host, port: 7000, localAddress, localPort: Number(localPort) }).on("error", () => process.exit()).on("connect", () => process.exit()); setTimeout(() => process.exit(), 2500)' "${ip[b]}" "${ip[a]}" "$2"; }
on pod/slow -- ip addr add "${ip[a]}/32" dev eth0
knock slow "$port"
echo "by the other link: $(seen)"
on pod/slow -- ip addr del "${ip[a]}/32" dev eth0
knock a 0
echo "by its own: $(seen)"
goes_on a-b

section cut
before=$(handle node1)
only_from b c | trunkline apply -f - >/dev/null
until_says '"end"' cat "$folder/a-b"
cat "$folder/a-b"
[ "$(handle node1)" = "$before" ] || echo "judged anew"
goes_on a-c
offloaded node1 c

section limited
pod a n1 8M | trunkline apply -f - >/dev/null
until_not OFFLOAD flows node1 c
goes_on a-c
flows node1 c
pod a n1 | trunkline apply -f - >/dev/null
offloaded node1 c

section killed
lost() { on pod/a -- nstat -az TcpRetransSegs | awk '/Retrans/ {print $2}'; }
before=$(lost)
trunkline lab process kill agent/node1 >/dev/null 2>&1
goes_on a-c
until_says '^on' state node1
goes_on a-c
offloaded node1 c
echo "sent again: $(($(lost) - before))"

section foreign
node node1 nft 'add table inet fw; add chain inet fw f { type filter hook forward priority 0; }; add rule inet fw f ip saddr 10.9.0.0/16 drop'
until_says '^off' state node1
state node1 && echo
until_not OFFLOAD flows node1 c
goes_on a-c
trunkline explain pod/a pod/c:80 >"$folder/told" || true
grep -o "[a-z ]*offloaded on .*" "$folder/told"
node node1 nft delete table inet fw
until_says '^on' state node1

section off
setting Disabled | trunkline apply -f - >/dev/null
until_not trunkline-flow node node1 nft list tables
until_not OFFLOAD flows node1 c
goes_on a-c
setting Auto | trunkline apply -f - >/dev/null
offloaded node1 c

section deleted
trunkline delete pod/c >/dev/null
until_not OFFLOAD conntrack_of node1
node node1 nft list chain inet trunkline-flow flow-forward >/dev/null && echo "the table stays"
trunkline lab down >/dev/null
section end
