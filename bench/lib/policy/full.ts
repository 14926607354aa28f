// Computes a whole cluster in a process of its own: `policy/full.ts`, prints seconds and MiB as JSON.

import { ClusterModel } from "../../../src/plan/policy/node/cluster-model.ts";
import { trimmed } from "../../../src/store/kubernetes/trim.ts";
import { makeCluster } from "./cluster.ts";

// As an agent keeps what an API server says, object by object.
const { facts } = makeCluster(25_000, 4, 3, 0, (object) => trimmed(object, { node: "n1" }));
const began = performance.now();
const model = new ClusterModel();
for (const [name, namespace] of facts.namespaces) model.setNamespace(name, namespace);
for (const [key, pod] of facts.pods) model.setPod(key, pod);
for (const [key, policy] of facts.policies) model.setPolicy(key, policy);
let subjects = 0;
let peers = 0;
for (const key of facts.policies.keys()) {
  const compiled = model.policy(key);
  if (compiled === undefined) continue;
  subjects += model.subjectsOf(compiled).length;
  for (const rule of [...(compiled.ingress ?? []), ...(compiled.egress ?? [])])
    for (const peer of rule.peers === "any" ? [] : rule.peers)
      if (peer.kind === "pods") {
        const within = peer.namespaces === "own" ? compiled.namespace : peer.namespaces;
        peers += model.acquire(within, peer.pods).members.size;
      }
}
const seconds = (performance.now() - began) / 1000;
const cpu = process.cpuUsage().user / 1e6;
const { maxRSS } = process.resourceUsage();
process.stdout.write(JSON.stringify({ seconds, mib: maxRSS / 1024, cpu, subjects, peers }));
