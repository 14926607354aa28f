// What a schema cannot see: names and addresses that clash, and addresses that lie in no network of the lab.
import { cidrContains, cidrsOverlap, parseCidr, parseIp } from "../../base/ip.ts";
import { routerFaults } from "./check-routers.ts";
import { subnetFaults } from "./check-subnets.ts";
import type { Fault } from "./fault.ts";
import type { LabFile } from "./lab-file.ts";

/** Returns everything about a well-formed lab file that cannot work, with the path of each. */
export function checkLabFile(lab: LabFile): Fault[] {
  return [
    ...nameFaults(lab),
    ...networkFaults(lab),
    ...addressFaults(lab),
    ...routerFaults(lab),
    ...subnetFaults(lab),
  ];
}

type Path = (string | number)[];

function* members(lab: LabFile): Generator<{ name: string; addresses: readonly string[]; path: Path }> {
  for (const key of ["nodes", "routers", "hosts"] as const) {
    for (const [at, member] of lab[key].entries()) yield { ...member, path: [key, at] };
  }
}

function nameFaults(lab: LabFile): Fault[] {
  const faults: Fault[] = [];
  const seen = new Set<string>();
  // A member's namespace is called after it, so the names of nodes, routers and hosts share one space.
  for (const { name, path } of members(lab)) {
    if (seen.has(name))
      faults.push(fault([...path, "name"], "lab.name-twice", `the name '${name}' is taken`));
    if (/^(lan|pod)-/.test(name)) {
      faults.push(
        fault([...path, "name"], "lab.name-reserved", "names must not begin with 'lan-' or 'pod-'"),
      );
    }
    seen.add(name);
  }
  const networks = new Set<string>();
  for (const [at, { name }] of lab.networks.entries()) {
    if (networks.has(name)) {
      faults.push(fault(["networks", at, "name"], "lab.name-twice", `the name '${name}' is taken`));
    }
    networks.add(name);
  }
  return faults;
}

function networkFaults(lab: LabFile): Fault[] {
  const faults: Fault[] = [];
  const ranges = lab.networks.flatMap((network, at) => network.cidrs.map((text) => ({ text, at, network })));
  for (const [index, one] of ranges.entries()) {
    for (const other of ranges.slice(0, index)) {
      if (cidrsOverlap(parseCidr(one.text), parseCidr(other.text))) {
        const message = `${one.text} overlaps ${other.text} of network '${other.network.name}'`;
        faults.push(fault(["networks", one.at], "lab.overlap", message));
      }
    }
  }
  return faults;
}

function addressFaults(lab: LabFile): Fault[] {
  const faults: Fault[] = [];
  const owners = new Map<string, string>();
  for (const { name, addresses, path } of members(lab)) {
    for (const text of addresses) {
      const ip = parseIp(text);
      const owner = owners.get(text);
      if (owner !== undefined)
        faults.push(
          fault(path, "lab.address-twice", `'${name}' has ${text}, which is also that of '${owner}'`),
        );
      owners.set(text, name);
      if (
        !lab.networks.some((network) => network.cidrs.some((range) => cidrContains(parseCidr(range), ip)))
      ) {
        faults.push(fault(path, "lab.no-network", `${text} lies in none of the lab's networks`));
      }
    }
  }
  return faults;
}

function fault(path: Path, code: string, message: string): Fault {
  return { path, code, message };
}
