#!/usr/bin/env bash
# Runs inside the virtual machine: connections through flow tables whose sources are translated, by IPv6, by host ports, and by
# UDP that is silent for longer than the kernel keeps a flow; and those that IPVS leads, as kube-proxy has it do. Prints
# sections for flow-ways.test.ts to judge.
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
chainedPlugins: [portmap]
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
  pod near n1
  cat <<'HOSTED'
---
apiVersion: v1
kind: Pod
metadata: {name: hosted}
spec:
  nodeSelector: {at: n2}
  containers: [{name: web, image: web, ports: [{containerPort: 7003, hostPort: 7103}]}]
HOSTED
} >"$folder/objects.yaml"

# NODE VERSION PROTOCOL PORT: the connections of a node to a port, by its kernel
flows() { node "$1" conntrack -L -f "ipv$2" -p "$3" --dport "$4" 2>/dev/null; }
# A Service's address on node1, as kube-proxy makes it in its mode ipvs. ADDRESS PORT SERVER
led() {
  node node1 ip addr add "$1/32" dev kube-ipvs0
  node node1 ipvsadm -A -t "$1:$2" -s rr
  node node1 ipvsadm -a -t "$1:$2" -r "$3:$2" -m
}
offloaded() { until_says OFFLOAD flows "$@" && flows "$@"; }

lab_up "$folder"
trunkline apply -f "$folder/objects.yaml" >/dev/null
trunkline wait --for ready --all --timeout 180s >/dev/null
for node in node1 node2; do until_says '^on' state "$node"; done
v4=$(trunkline get pod c -o 'jsonpath={.status.podIP}')
v6=$(on pod/c -- ip -6 -o addr show dev eth0 scope global | grep -o 'fd10:[0-9a-f:]*' | head -n 1)
serve host/db 7000
serve pod/c 7001
on pod/c -- node "$programs/echo.mjs" serve 7002 >/dev/null 2>&1 &
serve pod/near 7001
serve pod/hosted 7003
near=$(trunkline get pod near -o 'jsonpath={.status.podIP}')
# The kernel loads the module as it is asked.
node node1 ipvsadm -L >/dev/null
node node1 ip link add kube-ipvs0 type dummy
node node1 sysctl -q -w net.ipv4.vs.conntrack=1
led 10.96.0.10 7001 "$v4"
led 10.96.0.11 7001 "$near"
until_says 7001 on pod/near -- ss -ltn
until_says 7003 on pod/hosted -- ss -ltn
until_says 7000 on host/db -- ss -ltn
until_says 7001 on pod/c -- ss -ltn
until_says 7002 on pod/c -- ss -lun
talk a 192.168.18.50 7000 masqueraded4
talk a fd00:18::50 7000 masqueraded6
talk a "$v6" 7001 pods6
talk a 10.96.0.10 7001 led-far
talk a 10.96.0.11 7001 led-near
on host/db -- node "$programs/talk.mjs" 192.168.18.12 7103 "$folder/host-port" >/dev/null 2>&1 &
on pod/a -- node "$programs/echo.mjs" "$v4" 7002 "$folder/udp" >/dev/null 2>&1 &

section udp
offloaded node1 4 udp 7002
section masqueraded
for version in 4 6; do offloaded node1 $version tcp 7000; done
section ipv6
for node in node1 node2; do offloaded "$node" 6 tcp 7001; done
section host-port
offloaded node2 4 tcp 7103
section led
# What could have been handed over has been by now: a flow is by the packet after the one that made it assured.
for one in led-far led-near; do for _ in 1 2 3; do goes_on $one; done; done
flows node1 4 tcp 7001
section led-there
# On the other node it is a connection like any other.
offloaded node2 4 tcp 7001
section alive
for one in masqueraded4 masqueraded6 pods6 host-port led-far led-near; do goes_on $one; done
# The other side sees the node, as of connections that are not handed over.
on host/db -- ss -Htn state established sport = :7000 | awk '{print $4}' | sed 's/:[0-9]*$//' | sort
section silent
until_says '"got"' cat "$folder/udp"
cat "$folder/udp"
trunkline lab down >/dev/null
section end
