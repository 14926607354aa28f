// Translations to an address that another machine has: what goes out that way is answered to that machine, and nothing comes back.
import { type Pod, podIps } from "../../api/kinds/core.ts";
import { matchesSelector } from "../../api/selectors/selectors.ts";
import { type IpRange, tryParseIp } from "../../base/ip.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { type ReadyRule, readSourceNats } from "../../plan/snat/source-nat-rules.ts";
import type { Diagnosis } from "./diagnosis.ts";

/** So many pods are named. */
const MOST_NAMED = 3;

/** Returns a finding for each address of a SourceNAT without egress nodes that a machine has which is not the pods' own node. */
export function answersElsewhere(facts: ClusterFacts): Diagnosis[] {
  return readSourceNats(facts).rules.flatMap((rule) => {
    const { action, name, path } = rule;
    if (action.type !== "own") return [];
    return ownersIn(facts, action.ranges).flatMap(({ address, machine, node }): Diagnosis[] => {
      const lost = [...facts.pods].flatMap(([key, pod]) =>
        pod.spec.nodeName !== node && hasRule(facts, pod, rule, address) ? [key] : [],
      );
      if (lost.length === 0) return [];
      const more = lost.length > MOST_NAMED ? `, and ${lost.length - MOST_NAMED} more` : "";
      const pods = `${lost.toSorted().slice(0, MOST_NAMED).join(", ")}${more}`;
      const message =
        `${path} translates what ${pods} ${lost.length === 1 ? "sends" : "send"} to ${address}, which ${machine} has: answers go ` +
        `there and are lost; to mend it: action.type Masquerade, or an address that nobody has, with action.egressNodes`;
      return [{ code: "snat.answers-elsewhere", severity: "error", object: `SourceNAT/${name}`, message }];
    });
  });
}

/** Machines that objects know, whose addresses are in ranges. */
function ownersIn({ nodes, hosts }: ClusterFacts, ranges: readonly IpRange[]) {
  const isIn = (address: string) => {
    const ip = tryParseIp(address);
    return (
      ip && ranges.some((one) => one.family === ip.family && one.first <= ip.value && ip.value <= one.last)
    );
  };
  return [
    ...[...nodes].flatMap(([name, { status }]) =>
      (status?.addresses ?? []).map(({ address }) => ({ address, machine: `node ${name}`, node: name })),
    ),
    ...[...hosts].flatMap(([name, { spec }]) =>
      spec.addresses.map((address) => ({ address, machine: `${spec.role ?? "host"} ${name}`, node: "" })),
    ),
  ].filter(({ address }) => isIn(address));
}

/** Whether a rule is asked about a pod, of the address's family. */
function hasRule({ namespaces }: ClusterFacts, pod: Pod, rule: ReadyRule, address: string): boolean {
  const { namespace = "default", labels } = pod.metadata;
  const isSix = address.includes(":");
  return (
    pod.spec.hostNetwork !== true &&
    pod.spec.nodeName !== undefined &&
    podIps(pod).some((ip) => ip.includes(":") === isSix) &&
    (!rule.namespaceSelector ||
      matchesSelector(rule.namespaceSelector, namespaces.get(namespace)?.metadata.labels)) &&
    (!rule.podSelector || matchesSelector(rule.podSelector, labels))
  );
}
