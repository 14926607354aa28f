#!/usr/bin/env bash
# Runs inside the virtual machine: members of a trunk beside an exclusive and a shared interface, on one node. Prints sections
# for trunk.test.ts to judge.
set -euo pipefail
folder=$(mktemp -d)
cat >"$folder/lab.yaml" <<'LAB'
name: vm
networks:
  - {name: machines, cidr: 192.168.20.0/24}
  - {name: data, cidr: 10.9.0.0/24}
routers: [{name: vpc, addresses: [192.168.20.1, 10.9.0.1]}]
subnets:
  - {id: vsw-1, zone: a, cidr: 10.2.1.0/24}
  - {id: vsw-2, zone: a, cidr: 10.2.2.0/24}
securityGroups:
  - {id: sg-base}
  - {id: sg-out, ingress: []}
  - {id: sg-web, ingress: [{peers: [10.9.0.0/24, sg-base], ports: [80/tcp]}]}
nodes:
  - {name: node1, address: 192.168.20.11, zone: a}
hosts: [{name: db, address: 10.9.0.5, ports: [3306]}]
LAB
{
  cat <<'CONFIG'
apiVersion: v1
kind: ConfigMap
metadata: {name: eni-config, namespace: kube-system}
data: {eni_conf: '{"vswitches": {"a": ["vsw-1"]}, "security_group": "sg-base", "max_pool_size": 0}'}
CONFIG
  for name in shared excl member1 member2; do
    annotations='k8s.aliyun.com/pod-eni: "true"'
    [ "$name" != shared ] || annotations=
    cat <<POD
---
apiVersion: v1
kind: Pod
metadata: {name: $name, annotations: {$annotations}}
spec:
  nodeName: node1
  containers: [{name: web, image: web, ports: [{containerPort: 80}]}]
POD
  done
} >"$folder/objects.yaml"

# shellcheck source=test/vm/common.sh
. test/vm/common.sh

lab_up "$folder"
# What the controller does is done by hand here.
trunkline lab process stop controller >/dev/null
trunkline apply -f "$folder/objects.yaml" >/dev/null
node "$programs/give-enis.mjs" vm excl=vsw-2:sg-out member1=vsw-1:sg-web:trunk member2=vsw-2:sg-out:trunk
trunkline wait --for ready --all --timeout 180s >/dev/null

section links
on node1 -- ip -j -d link show type vlan
for number in 1 2; do
  section "told$number"
  trunkline explain "pod/member$number" host/db:3306 -o json
done
# What comes from the wire to the trunk's link, by its VLAN.
trunk=$(on node1 -- ip -o link show tlv1 | sed 's/.*tlv1@\([^:]*\):.*/\1/')
on node1 -- nft -f - <<RULES
table netdev wire {
  counter vlan1 {}
  counter vlan2 {}
  counter untagged {}
  chain in {
    type filter hook ingress device $trunk priority 0;
    vlan id 1 counter name vlan1 accept
    vlan id 2 counter name vlan2 accept
    ip protocol tcp counter name untagged
  }
}
RULES
for number in 1 2; do
  section "probe$number"
  trunkline probe "pod/member$number" host/db:3306 -o json
  section "counters$number"
  on node1 -- nft -j list counters
done
on node1 -- nft delete table netdev wire
section probed
trunkline probe --all -o json || true
section planned
trunkline policy matrix -o json || true
section pods
trunkline get pods -o json
section gone
trunkline delete pod member1 --wait >/dev/null
on node1 -- ip -j link show type vlan
trunkline lab down >/dev/null
section end
