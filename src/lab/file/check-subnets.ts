// What cannot work about a lab file's subnets and groups.
import { subnetGateway } from "../../api/subnets.ts";
import { cidrContains, cidrsOverlap, parseCidr, parseIp, tryParseCidr, tryParseIp } from "../../base/ip.ts";
import type { Fault } from "./fault.ts";
import type { LabFile } from "./lab-file.ts";
import type { LabSecurityGroup } from "./subnets.ts";

export function subnetFaults(lab: LabFile): Fault[] {
  const faults: Fault[] = [];
  const fault = (path: Fault["path"], code: string, message: string) => faults.push({ path, code, message });
  if (lab.subnets.length > 0 && lab.routers.length === 0)
    fault(
      ["subnets"],
      "lab.subnet-router",
      "subnets need a router, which carries traffic between them and networks",
    );
  for (const [at, subnet] of lab.subnets.entries()) {
    const { id, cidr: text } = subnet;
    const range = parseCidr(text);
    if (lab.subnets.slice(0, at).some((other) => other.id === id))
      fault(["subnets", at, "id"], "lab.name-twice", `the id '${id}' is taken`);
    if (lab.networks.some((network) => network.name === id))
      fault(["subnets", at, "id"], "lab.name-twice", `'${id}' is the name of a network`);
    if (range.family === 6 || range.length > 29) {
      fault(["subnets", at, "cidr"], "lab.subnet-range", "must be an IPv4 range of at least /29");
      continue;
    }
    const others = [
      ...lab.networks.flatMap(({ cidrs, name: other }) =>
        cidrs.map((one) => ({ one, other: `network '${other}'` })),
      ),
      ...lab.subnets.slice(0, at).map((other) => ({ one: other.cidr, other: `subnet '${other.id}'` })),
    ];
    for (const { one, other } of others)
      if (cidrsOverlap(range, parseCidr(one)))
        fault(["subnets", at, "cidr"], "lab.overlap", `${text} overlaps ${one} of ${other}`);
    if (!cidrContains(range, parseIp(subnetGateway(subnet))))
      fault(["subnets", at, "gateway"], "lab.no-network", `${subnet.gateway} lies outside of ${text}`);
  }
  faults.push(...lab.securityGroups.flatMap((group, at) => peerFaults(lab, group, at)));
  for (const [at, { id }] of lab.securityGroups.entries())
    if (lab.securityGroups.slice(0, at).some((other) => other.id === id))
      fault(["securityGroups", at, "id"], "lab.name-twice", `the id '${id}' is taken`);
  return faults;
}

/** Peers that mean nobody. */
function peerFaults(lab: LabFile, group: LabSecurityGroup, at: number): Fault[] {
  const ids = lab.securityGroups.map(({ id }) => id);
  return (["ingress", "egress"] as const).flatMap((direction) =>
    (group[direction] ?? []).flatMap(({ peers }, rule) =>
      peers.flatMap((peer, place): Fault[] =>
        ids.includes(peer) || tryParseCidr(peer) !== undefined || tryParseIp(peer) !== undefined
          ? []
          : [
              {
                path: ["securityGroups", at, direction, rule, "peers", place],
                code: "lab.group-peer",
                message: `'${peer}' is no range and the id of no group of this lab (${ids.join(", ")})`,
              },
            ],
      ),
    ),
  );
}
