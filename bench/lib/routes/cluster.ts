// The objects of the routes bench: a cluster of thousands of nodes, of which a reflector tells.
import { addressBlockKind } from "../../../src/api/kinds/address-block.ts";
import { nodeKind } from "../../../src/api/kinds/core.ts";
import { ipPoolKind } from "../../../src/api/kinds/ip-pool.ts";
import { bgpConfigurationKind, bgpPeerKind } from "../../../src/api/kinds/routing/bgp.ts";
import type { Store } from "../../../src/store/store.ts";

export const AS = 64_512;
export const REFLECTOR = "192.168.0.1";

/** Returns the address and the block of a node that is there by name only. */
export const simulated = (at: number) => ({
  address: `192.168.${16 + (at >> 7)}.${1 + (at & 127)}`,
  block: `10.${64 + (at >> 10)}.${(at >> 2) & 255}.${(at & 3) * 64}`,
});

/** Writes a pool, settings, the reflector, the nodes that are real, and simulated ones with a block each. */
export async function fill(
  store: Store,
  real: Readonly<Record<string, string>>,
  simulatedNodes: number,
): Promise<void> {
  const { apiVersion } = ipPoolKind;
  await store.create(ipPoolKind, {
    apiVersion,
    kind: "IPPool",
    metadata: { name: "bench" },
    spec: { cidr: "10.64.0.0/12" },
  });
  await store.create(bgpConfigurationKind, {
    apiVersion: bgpConfigurationKind.apiVersion,
    kind: "BGPConfiguration",
    metadata: { name: "default" },
    spec: { asNumber: AS, nodeToNodeMeshEnabled: false },
  });
  await store.create(bgpPeerKind, {
    apiVersion: bgpPeerKind.apiVersion,
    kind: "BGPPeer",
    metadata: { name: "reflectors" },
    spec: { peerSelector: "reflector == 'true'" },
  });
  await createNode(store, "rr", REFLECTOR, true);
  for (const [name, address] of Object.entries(real)) await createNode(store, name, address);
  for (let at = 0; at < simulatedNodes; at++) {
    await createNode(store, `n${at}`, simulated(at).address);
    await store.create(addressBlockKind, blockOf(at, `n${at}`));
  }
}

export async function createNode(
  store: Store,
  name: string,
  address: string,
  reflects = false,
): Promise<void> {
  const annotations = {
    "projectcalico.org/IPv4Address": `${address}/16`,
    ...(reflects && { "projectcalico.org/RouteReflectorClusterID": "244.0.0.1" }),
  };
  const metadata = { name, annotations, labels: reflects ? { reflector: "true" } : {} };
  const addresses = [{ type: "InternalIP" as const, address }];
  await store.create(nodeKind, { apiVersion: "v1", kind: "Node", metadata, status: { addresses } });
}

export function blockOf(at: number, node: string) {
  const { block } = simulated(at);
  return {
    apiVersion: addressBlockKind.apiVersion,
    kind: "AddressBlock" as const,
    metadata: { name: `${block.replaceAll(".", "-")}-26` },
    spec: { cidr: `${block}/26`, pool: "bench", node, state: "confirmed" as const },
  };
}
