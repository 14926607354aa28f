// What ADD answers about a wire, in the newest version of the specification.
import { parseIp } from "../../base/ip.ts";
import type { CniResult } from "../../cni/spec.ts";
import { newestVersion } from "../../cni/versions.ts";
import { type Endpoint, podMac } from "./endpoint.ts";
import { GATEWAY4, GATEWAY6, HOST_MAC, podAddresses, type WireEnds } from "./wire.ts";

/** Position of the pod's end among our interfaces; the host's end comes first. */
const podEnd = 1;

export function resultOf(endpoint: Endpoint, wire: WireEnds, mtu: number): CniResult {
  const families = new Set(endpoint.ips.map((ip) => parseIp(ip).family));
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
      ...(families.has(4) ? [{ dst: "0.0.0.0/0", gw: GATEWAY4 }] : []),
      ...(families.has(6) ? [{ dst: "::/0", gw: GATEWAY6 }] : []),
    ],
  };
}
