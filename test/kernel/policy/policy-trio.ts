// Three pods on one node, which most tests of policies in the kernel begin with.
import type { Pod } from "../../../src/api/kinds/core.ts";
import type { NetworkPolicy } from "../../../src/api/kinds/network-policy.ts";
import { emptyFacts } from "../../../src/plan/facts.ts";
import { PolicyBed } from "./policy-bed.ts";

export const meta = { resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" };
/** Their addresses; their IPv6 addresses are fd00::1 to fd00::3, and their label `app` is their name. */
export const server = "10.0.0.1";
export const friend = "10.0.0.2";
export const other = "10.0.0.3";
const names = ["server", "friend", "other"];

/** Returns the name of the node's end of a pod's wire. */
export function linkOf(index: number): string {
  return `tl${index.toString(16).padStart(13, "0")}`;
}

/** Returns a pod of namespace x with the addresses of that number. */
export function podOf(name: string, index: number): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...meta, name, namespace: "x", uid: name, labels: { app: name } },
    spec: { nodeName: "n1", containers: [{ name: "c" }] },
    status: { phase: "Running", podIPs: [{ ip: `10.0.0.${index}` }, { ip: `fd00::${index}` }] },
  };
}

/** Makes the node and its pods, with these policies in force; the caller closes it. */
export async function trio(...policies: readonly NetworkPolicy[]): Promise<PolicyBed> {
  const bed = new PolicyBed();
  for (const [at, name] of names.entries()) {
    const index = at + 1;
    const ips = [`10.0.0.${index}`, `fd00::${index}`];
    bed.plug(linkOf(index), ips);
    bed.endpoints.set(name, { pod: `x/${name}`, uid: name, interface: linkOf(index), ips });
  }
  bed.facts = {
    ...emptyFacts(),
    namespaces: new Map([
      ["x", { apiVersion: "v1", kind: "Namespace", metadata: { ...meta, name: "x", uid: "x" } }],
    ]),
    pods: new Map(names.map((name, at) => [`x/${name}`, podOf(name, at + 1)])),
    policies: new Map(policies.map((policy) => [`x/${policy.metadata.name}`, policy])),
  };
  await bed.apply();
  return bed;
}

/** Returns the table without counters; the kernel lists chains in the order in which they came, which means nothing. */
export async function rulesetOf(bed: PolicyBed): Promise<string> {
  const text = (await bed.node.nft.text("list table inet trunkline")) ?? "";
  const plain = text.replaceAll(/counter packets \d+ bytes \d+/g, "counter").replace(/\n}\n$/, "\n");
  const [head = "", ...parts] = plain.split(/^(?=\t(?:chain|set|map) )/m);
  return [head, ...parts.map((part) => part.trimEnd()).toSorted()].join("\n");
}
