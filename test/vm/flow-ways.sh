#!/usr/bin/env bash
# Runs inside the virtual machine: connections through flow tables whose sources are translated, by IPv6, and by UDP that is
# silent for longer than the kernel keeps a flow. Prints sections for flow-ways.test.ts to judge.
set -euo pipefail
# shellcheck source=test/vm/common.sh
. test/vm/common.sh
# shellcheck source=test/vm/flows.sh
. test/vm/flows.sh
folder=$(mktemp -d)
cat >"$folder/lab.yaml" <<'LAB'
name: vm
networks: [{name: lan, cidrs: [192.168.18.0/24, "fd00:18::/64"]}]
nodes:
  - {name: node1, addresses: [192.168.18.11, "fd00:18::11"], labels: {at: n1}}
  - {name: node2, addresses: [192.168.18.12, "fd00:18::12"], labels: {at: n2}}
hosts: [{name: db, addresses: [192.168.18.50, "fd00:18::50"], ports: [80]}]
LAB
# NAME CIDR BITS
pool() {
  cat <<POOL
---
apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: $1}
spec: {cidr: "$2", blockSize: $3, natOutgoing: true}
POOL
}
{
  pool v4 10.1.0.0/16 26
  pool v6 fd10::/112 122
  pod a n1
  pod c n2
} >"$folder/objects.yaml"

# NODE VERSION PROTOCOL PORT: the connections of a node to a port, by its kernel
flows() { node "$1" conntrack -L -f "ipv$2" -p "$3" --dport "$4" 2>/dev/null; }
offloaded() { until_says OFFLOAD flows "$@" && flows "$@"; }

lab_up "$folder"
trunkline apply -f "$folder/objects.yaml" >/dev/null
trunkline wait --for ready --all --timeout 180s >/dev/null
for node in node1 node2; do until_says '^on' state "$node"; done
v4=$(trunkline get pod c -o 'jsonpath={.status.podIP}')
v6=$(on pod/c -- ip -6 -o addr show dev eth0 scope global | grep -o 'fd10:[0-9a-f:]*' | head -n 1)
serve host/db 7000
serve pod/c 7001
on pod/c -- node test/vm/echo.ts serve 7002 >/dev/null 2>&1 &
until_says 7000 on host/db -- ss -ltn
until_says 7001 on pod/c -- ss -ltn
until_says 7002 on pod/c -- ss -lun
talk a 192.168.18.50 7000 masqueraded4
talk a fd00:18::50 7000 masqueraded6
talk a "$v6" 7001 pods6
on pod/a -- node test/vm/echo.ts "$v4" 7002 "$folder/udp" >/dev/null 2>&1 &

section udp
offloaded node1 4 udp 7002
section masqueraded
for version in 4 6; do offloaded node1 $version tcp 7000; done
section ipv6
for node in node1 node2; do offloaded "$node" 6 tcp 7001; done
section alive
for one in masqueraded4 masqueraded6 pods6; do goes_on $one; done
# The other side sees the node, as of connections that are not handed over.
on host/db -- ss -Htn state established sport = :7000 | awk '{print $4}' | sed 's/:[0-9]*$//' | sort
section silent
until_says '"got"' cat "$folder/udp"
cat "$folder/udp"
trunkline lab down >/dev/null
section end
