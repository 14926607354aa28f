// A lab file with one node more, one less, or one with another address: what a running lab is then like. Pure.
import { TrunklineError } from "../../base/errors.ts";
import { cidrContains, formatIp, parseCidr, parseIp, tryParseIp } from "../../base/ip.ts";
import { checkLabFile } from "../file/check.ts";
import { type LabFile, type LabNode, nodeSchema } from "../file/lab-file.ts";

/** @throws TrunklineError `lab.node-refused` */
export function withNode(lab: LabFile, wanted: unknown): { lab: LabFile; node: LabNode } {
  const parsed = nodeSchema.safeParse(wanted);
  if (!parsed.success) {
    const name = String((wanted as { name?: unknown }).name);
    throw refused(
      name,
      parsed.error.issues.map(({ message, path }) => `${path.join(".")}: ${message}`),
    );
  }
  const node = parsed.data as LabNode;
  return { node, lab: checked(node.name, { ...lab, nodes: [...lab.nodes, node] }) };
}

/** @throws TrunklineError `lab.no-node` */
export function withoutNode(lab: LabFile, name: string): LabFile {
  nodeNamed(lab, name);
  return { ...lab, nodes: lab.nodes.filter((node) => node.name !== name) };
}

/**
 * Returns the lab with a node's address replaced by another one of the same network.
 * @throws TrunklineError `lab.no-node`, `lab.node-refused`
 */
export function renumbered(
  lab: LabFile,
  name: string,
  address: string,
): { lab: LabFile; node: LabNode; before: string; after: string } {
  const node = nodeNamed(lab, name);
  const ip = tryParseIp(address);
  if (!ip) throw refused(name, [`'${address}' is not an IP address`]);
  const after = formatIp(ip);
  const network = lab.networks
    .flatMap(({ cidrs }) => cidrs.map(parseCidr))
    .find((one) => cidrContains(one, ip));
  const before = network && node.addresses.find((own) => cidrContains(network, parseIp(own)));
  if (before === undefined) throw refused(name, [`${after} is on none of the networks that it stands on`]);
  const moved = { ...node, addresses: node.addresses.map((own) => (own === before ? after : own)) };
  if (before === after) return { lab, node, before, after };
  const next = { ...lab, nodes: lab.nodes.map((one) => (one === node ? moved : one)) };
  return { lab: checked(name, next), node: moved, before, after };
}

function nodeNamed(lab: LabFile, name: string): LabNode {
  const node = lab.nodes.find((one) => one.name === name);
  if (!node) throw new TrunklineError("lab.no-node", { name, known: lab.nodes.map((one) => one.name) });
  return node;
}

function checked(name: string, lab: LabFile): LabFile {
  const faults = checkLabFile(lab);
  if (faults.length > 0)
    throw refused(
      name,
      faults.map(({ message }) => message),
    );
  return lab;
}

function refused(name: string, why: readonly string[]): TrunklineError {
  return new TrunklineError("lab.node-refused", { name, why });
}
