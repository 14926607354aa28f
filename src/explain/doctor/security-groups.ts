// What of security groups does not do what somebody may think that it does.
import { tryParseCidr, tryParseIp } from "../../base/ip.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import type { Diagnosis } from "./diagnosis.ts";

/** Returns peers that mean nobody, and groups of interfaces whose rules nobody here knows. */
export function securityGroupFindings(facts: ClusterFacts): Diagnosis[] {
  const { securityGroups, nodeConfigs, podEnis } = facts;
  const used = new Map<string, string>();
  const note = (ids: readonly string[], object: string) => {
    for (const id of ids) if (!used.has(id)) used.set(id, object);
  };
  for (const [name, { status }] of nodeConfigs)
    for (const { securityGroupIDs } of status?.interfaces ?? []) note(securityGroupIDs, `NodeConfig/${name}`);
  for (const [key, { spec }] of podEnis)
    for (const { eni } of spec.allocations ?? []) note(eni.securityGroupIDs ?? [], `PodENI/${key}`);
  const found: Diagnosis[] = [];
  for (const [id, { spec }] of [...securityGroups].toSorted(([a], [b]) => (a < b ? -1 : 1)))
    for (const direction of ["ingress", "egress"] as const)
      for (const [at, { peers }] of (spec[direction] ?? []).entries())
        for (const peer of peers)
          if (!isRange(peer) && !securityGroups.has(peer) && !used.has(peer))
            found.push({
              code: "group.unknown-peer",
              severity: "warning",
              object: `SecurityGroup/${id}`,
              message: `spec.${direction}[${at}] names ${peer}, which is no range and the id of no group that is known: it lets nobody pass`,
            });
  for (const [id, object] of [...used].toSorted(([a], [b]) => (a < b ? -1 : 1)))
    if (!securityGroups.has(id))
      found.push({
        code: "group.of-provider",
        severity: "note",
        object,
        message: `only the provider knows the rules of security group ${id}: what it lets pass, explain cannot tell`,
      });
  return found;
}

function isRange(text: string): boolean {
  return tryParseCidr(text) !== undefined || tryParseIp(text) !== undefined;
}
