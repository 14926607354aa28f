// A node's rules as its agent would write them, for who cannot ask the node.
import { createHash } from "node:crypto";
import { isTerminal, podIps } from "../../api/kinds/core.ts";
import { NftTable } from "../../kernel/nft/document.ts";
import { type ClusterFacts, nodeIps } from "../../plan/facts.ts";
import { readSwitch } from "../../plan/policy/index.ts";
import { PolicyWriter } from "../../plan/policy/nft/writer.ts";
import { NodePolicy } from "../../plan/policy/node/node-policy.ts";
import { planSnat } from "../../plan/snat/index.ts";
import { writeSnat } from "../../plan/snat/nft.ts";
import { SecurityGroups } from "../../plan/subnets/groups/model.ts";
import { type GroupedPod, writeGroups } from "../../plan/subnets/groups/write.ts";
import { podInterface } from "../../plan/subnets/pod-interface.ts";
import { tableOf } from "../../plan/trace/table.ts";
import type { NodeRules } from "./stops.ts";

/** Returns the rules of a node from the objects alone; its pods' links get names that no link has. */
export function renderedRules(facts: ClusterFacts, node: string): NodeRules {
  const table = new NftTable("inet", "trunkline");
  const writer = new PolicyWriter(table);
  const policy = new NodePolicy(writer);
  if (readSwitch(facts).enforced) writer.start();
  for (const [name, namespace] of facts.namespaces) policy.setNamespace(name, namespace);
  for (const [key, one] of facts.policies) policy.setPolicy(key, one);
  for (const [key, pod] of facts.pods) {
    policy.setPod(key, pod);
    if (pod.spec.nodeName !== node || pod.spec.hostNetwork === true || isTerminal(pod)) continue;
    const digest = createHash("sha256").update(key).digest("hex").slice(0, 13);
    policy.setEndpoint(key, { pod: key, uid: pod.metadata.uid, interface: `tl${digest}`, ips: podIps(pod) });
  }
  policy.flush();
  writer.finish();
  writeGroups(table, new SecurityGroups(facts), groupedPods(facts, node));
  const object = facts.nodes.get(node);
  const own = { node, addresses: object ? nodeIps(object) : [], uplink: "", endpoints: new Map() };
  writeSnat(planSnat(facts, own), table);
  return { table: tableOf(table), from: "plan" };
}

function groupedPods(facts: ClusterFacts, node: string): GroupedPod[] {
  return [...facts.pods.values()]
    .filter((pod) => pod.spec.nodeName === node && pod.spec.hostNetwork !== true && !isTerminal(pod))
    .flatMap((pod) => {
      const found = podInterface(facts, pod);
      return podIps(pod)
        .filter((ip) => !ip.includes(":"))
        .map((address) => ({
          address,
          groups: found?.securityGroupIDs ?? [],
          own: found !== undefined && found.kind !== "shared",
        }));
    });
}
