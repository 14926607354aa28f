// How a node finds the address that routes and sessions use, by the words of RoutingConfiguration `spec.nodeAddress`
// (Calico's IP_AUTODETECTION_METHOD). Pure: what the machine has is told by the caller.
import { readMethod } from "../../api/detection-method.ts";
import { cidrContains, type Family, formatIp, tryParseIp } from "../../base/ip.ts";
import { tunnelTypes } from "./tunnels.ts";

/** An address of the machine, in the order in which the kernel lists links and addresses. */
export interface MachineAddress {
  readonly interface: string;
  readonly address: string;
  /** Prefix length of its network. */
  readonly length: number;
}

export interface Surroundings {
  /** Global addresses of links that are up, without those that are no source of anything new. */
  readonly addresses: readonly MachineAddress[];
  /** Of the Node object. */
  readonly internalIps: readonly string[];
  /** Returns the source that the kernel chooses for packets to an address; undefined: no route leads there. */
  readonly sourceTowards: (address: string) => string | undefined;
}

export type Detected =
  | { readonly address: string; readonly length: number; readonly interface: string | undefined }
  /** Not looked for: the node is to have none. */
  | { readonly none: true }
  | { readonly why: string };

/** Links of container programs and of pods' networks, as Calico's first-found passes them over (unanchored but for the start). */
const INTERNAL_LINK =
  /^(docker|cbr|dummy|podman|virbr|lxcbr|veth|lo$|br-|cali|tunl|flannel|kube-ipvs|cni|vxlan\.calico|vxlan-v6\.calico|wireguard\.cali|wg-v6\.cali|nodelocaldns|tl[0-9a-f]{13}$)/;
const ourDevices: ReadonlySet<string> = new Set(tunnelTypes.map(({ device }) => device));

/** Finds the node's address of a family. A method that cannot be read finds nothing. */
export function detectAddress(text: string, family: Family, around: Surroundings): Detected {
  const method = readMethod(text, family);
  if ("wrong" in method) return { why: method.wrong };
  const usable = around.addresses.filter((one) => isUsable(one, family));
  switch (method.kind) {
    case "none":
      return { none: true };
    case "kubernetes-internal-ip":
      return internalIp(around, usable, family);
    case "can-reach":
      return towards(method.address, around, usable);
    case "first-found":
      return first(
        usable,
        ({ interface: name }) => !INTERNAL_LINK.test(name),
        "no link of the machine has one",
      );
    case "interface":
      // Patterns match anywhere in the name, as Calico's do.
      return first(
        usable,
        ({ interface: name }) => method.patterns.some((pattern) => pattern.test(name)),
        `no link whose name matches has one`,
      );
    case "skip-interface":
      return first(
        usable,
        ({ interface: name }) =>
          !INTERNAL_LINK.test(name) && !method.patterns.some((pattern) => pattern.test(name)),
        "no link that is left has one",
      );
    case "cidr":
      return first(
        usable,
        ({ address }) => method.ranges.some((range) => cidrContains(range, tryParseIp(address)!)),
        "no address of the machine is in the ranges",
      );
  }
}

/** Tunnels' own addresses are never a node's: they are reached by it. */
function isUsable({ interface: name, address }: MachineAddress, family: Family): boolean {
  return tryParseIp(address)?.family === family && !ourDevices.has(name);
}

function first(
  usable: readonly MachineAddress[],
  fits: (one: MachineAddress) => boolean,
  why: string,
): Detected {
  return usable.find(fits) ?? { why };
}

function internalIp(around: Surroundings, usable: readonly MachineAddress[], family: Family): Detected {
  const ips = around.internalIps.flatMap((text) => tryParseIp(text) ?? []);
  const ip = ips.find((one) => one.family === family);
  if (!ip) return { why: `the Node object has no InternalIP of IPv${family}` };
  const address = formatIp(ip);
  return usable.find((one) => one.address === address) ?? { why: `no link has the InternalIP ${address}` };
}

function towards(address: string, around: Surroundings, usable: readonly MachineAddress[]): Detected {
  const source = around.sourceTowards(address);
  if (source === undefined) return { why: `no route leads to ${address}` };
  return (
    usable.find((one) => one.address === source) ?? {
      why: `packets to ${address} leave with ${source}, which is no address of a link that is up`,
    }
  );
}
