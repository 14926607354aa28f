// What ADD answers about a wire, in the newest version of the specification.
import type { CniResult } from "../../cni/spec.ts";
import { newestVersion } from "../../cni/versions.ts";
import { type Endpoint, podMac } from "./endpoint.ts";
import { type Families, GATEWAY4, GATEWAY6 } from "./pod-routes.ts";
import { HOST_MAC, podAddresses, type WireEnds } from "./wire.ts";

/** Position of the pod's end among our interfaces; the host's end comes first. */
const podEnd = 1;

export function resultOf(endpoint: Endpoint, wire: WireEnds, mtu: number): CniResult {
  return {
    cniVersion: newestVersion,
    interfaces: [
      { name: endpoint.hostInterface, mac: HOST_MAC, mtu },
      { name: endpoint.ifName, mac: podMac(endpoint), mtu, sandbox: endpoint.netns },
    ],
    ips: podAddresses(endpoint.ips, wire.podIndex).map(({ address }) => ({
      address,
      gateway: address.includes(":") ? GATEWAY6 : GATEWAY4,
      interface: podEnd,
    })),
    routes: [
      ...(wire.main.has(4) ? [{ dst: "0.0.0.0/0", gw: GATEWAY4 }] : []),
      ...(wire.main.has(6) ? [{ dst: "::/0", gw: GATEWAY6 }] : []),
    ],
  };
}

/** Returns the families whose default route in the pod was this interface's when ADD answered. */
export function mainFamilies({ routes }: CniResult): Families {
  const main = new Set<4 | 6>();
  for (const { dst } of routes ?? []) main.add(dst.includes(":") ? 6 : 4);
  return main;
}
