#!/usr/bin/env bash
# Runs inside the virtual machine, whose kernel was started without IPv6: a lab with policies and source translation.
# Prints sections for no-ipv6.test.ts to judge.
set -euo pipefail
folder=$(mktemp -d)
cat >"$folder/lab.yaml" <<'LAB'
name: vm
networks:
  - {name: nodes, cidr: 192.168.18.0/24}
  - {name: far, cidr: 172.17.0.0/24}
routers: [{name: r1, addresses: [192.168.18.1, 172.17.0.1]}]
nodes:
  - {name: node1, address: 192.168.18.11}
  - {name: node2, address: 192.168.18.12}
hosts: [{name: store, address: 172.17.0.9, ports: [80, 53/udp]}]
LAB
cat >"$folder/objects.yaml" <<'OBJECTS'
apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: default-ipv4-ippool}
spec: {cidr: 10.1.0.0/16, blockSize: 26, natOutgoing: true}
---
apiVersion: trunkline.dev/v1alpha1
kind: SourceNAT
metadata: {name: held}
spec:
  rules:
  - podSelector: {matchLabels: {app: other}}
    destinations: [172.17.0.0/24]
    action: {type: Address, addresses: [192.168.18.240], egressNodes: {matchLabels: {kubernetes.io/hostname: node2}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{podSelector: {matchLabels: {app: cli}}}], ports: [{port: 80}]}]
OBJECTS
pod() {
  cat <<POD
---
apiVersion: v1
kind: Pod
metadata: {name: $1, labels: {app: $1}}
spec: {nodeName: $2, containers: [{name: c, image: x, ports: [{containerPort: 80}, {containerPort: 53, protocol: UDP}]}]}
POD
}
{
  pod web node2
  pod cli node1
  pod other node1
} >>"$folder/objects.yaml"

# shellcheck source=test/vm/common.sh
. test/vm/common.sh
# One line for each question: what packets find, and what explain says.
both() {
  printf '%s\t' "$1 $2"
  trunkline probe "$@" --timeout 5s -o json | tr -d '\n' || true
  printf '\t'
  trunkline explain "$@" -o json | tr -d '\n' || true
  echo
}

section kernel
ls -d /proc/sys/net/ipv6 2>/dev/null || echo none
lab_up "$folder"
trunkline apply -f "$folder/objects.yaml" >/dev/null
trunkline wait --for ready --all --timeout 180s >/dev/null
until_says node2 trunkline get sourcenat held -o 'jsonpath={.status.holders[*].node}'

section pods
trunkline get pods -o json
section nodes
trunkline get nodes -o 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}'
echo
section asked
both pod/cli pod/web:80
both pod/cli pod/web:53/udp
both pod/other pod/web:80
both pod/web pod/other:53/udp
both pod/cli host/store:80
both pod/other host/store:80
both pod/other host/store:53/udp
both node/node1 pod/web:80
both host/store pod/other:80
section tables
on node1 -- nft list tables
section doctor
trunkline doctor || true
trunkline lab down >/dev/null
section end
