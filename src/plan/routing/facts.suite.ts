// Facts for tests of routes, with little to write. Test only.
import type { AddressBlock } from "../../api/kinds/address-block.ts";
import type { Node } from "../../api/kinds/core.ts";
import { type ClusterFacts, emptyFacts } from "../facts.ts";

const meta = (name: string) => ({
  name,
  uid: name,
  resourceVersion: "1",
  creationTimestamp: "2026-01-01T00:00:00Z",
});

export function node(name: string, ...addresses: string[]): Node {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: meta(name),
    status: { addresses: addresses.map((address) => ({ type: "InternalIP", address })) },
  };
}

export function block(cidr: string, owner: string, more: Partial<AddressBlock["spec"]> = {}): AddressBlock {
  return {
    apiVersion: "trunkline.dev/v1alpha1",
    kind: "AddressBlock",
    metadata: meta(cidr.replaceAll(/[./:]/g, "-")),
    spec: { cidr, pool: "p", node: owner, state: "confirmed", ...more },
  };
}

export function facts(nodes: Node[], blocks: AddressBlock[]): ClusterFacts {
  return {
    ...emptyFacts(),
    nodes: new Map(nodes.map((one) => [one.metadata.name, one])),
    blocks: new Map(blocks.map((one) => [one.metadata.name, one])),
  };
}
