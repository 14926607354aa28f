// What a generated router says and hears, before it is written in BIRD's or FRR's words. Pure.
import { cidrContains, formatCidr, parseCidr, parseIp } from "../../base/ip.ts";
import { networksOf } from "../file/check-routers.ts";
import type { LabFile, LabNetwork } from "../file/lab-file.ts";
import type { LabRouter } from "../file/router.ts";
import type { MemberPlan } from "../topology/plan.ts";

export interface Speaker {
  readonly name: string;
  /** Its first IPv4 address. */
  readonly routerId: string;
  readonly bgp?: { readonly as: number; readonly peers: readonly SpeakerPeer[] };
  readonly rip?: SpeakerRip;
  /** Prefixes that it originates, by every protocol. */
  readonly announce: readonly string[];
}

export interface SpeakerPeer {
  readonly family: 4 | 6;
  readonly address?: string;
  /** Instead of an address: whoever connects from it. */
  readonly range?: string;
  readonly as: number;
  readonly password?: string;
  readonly passive: boolean;
  readonly multihop: boolean;
}

export interface SpeakerRip {
  /** The router's links, with the families that they have addresses of. */
  readonly interfaces: readonly { readonly name: string; readonly families: readonly (4 | 6)[] }[];
  readonly update: number;
  readonly timeout: number;
  readonly garbage: number;
}

/** Returns what a router of a checked lab file speaks, with the nodes that the lab has now. */
export function speakerOf(router: LabRouter, lab: LabFile, { interfaces }: MemberPlan): Speaker {
  const { name, addresses, as, rip } = router;
  return {
    name,
    // The check of the lab file has made sure that there is one.
    routerId: addresses.find((text) => familyOf(text) === 4) ?? "",
    ...(as !== undefined && { bgp: { as, peers: peersOf(router, lab) } }),
    ...(rip && {
      rip: {
        interfaces: interfaces
          .filter(({ lan }) => rip.networks.includes(lan.name))
          .map((link) => ({
            name: link.name,
            families: ([4, 6] as const).filter((family) =>
              link.addresses.some((text) => familyOf(text) === family),
            ),
          })),
        update: rip.update,
        timeout: rip.timeout,
        garbage: rip.garbage,
      },
    }),
    announce: announcedBy(router, lab),
  };
}

function peersOf(router: LabRouter, lab: LabFile): SpeakerPeer[] {
  const near = networksOf(router.addresses, lab);
  const all = router.peers.flatMap(({ address, range, nodes, ...rest }): SpeakerPeer[] => {
    if (address !== undefined) return [{ ...rest, family: familyOf(address), address }];
    if (range !== undefined) return [{ ...rest, family: familyOf(range), range }];
    return nodes
      ? nodeAddresses(lab, near).map((own) => ({ ...rest, family: familyOf(own), address: own }))
      : [];
  });
  // Whom a peer names by address is not meant by `nodes` as well.
  return all.filter(
    (one, at) => one.address === undefined || all.findIndex(({ address }) => address === one.address) === at,
  );
}

/** Each node's address, one a family, on a network of these. */
function nodeAddresses(lab: LabFile, networks: readonly LabNetwork[]): string[] {
  const ranges = networks.flatMap(({ cidrs }) => cidrs.map(parseCidr));
  return lab.nodes.flatMap(({ addresses }) => {
    const common = addresses.filter((text) => ranges.some((range) => cidrContains(range, parseIp(text))));
    return ([4, 6] as const).flatMap((family) => common.find((text) => familyOf(text) === family) ?? []);
  });
}

function announcedBy(router: LabRouter, lab: LabFile): string[] {
  if (router.announce) return router.announce.map((text) => formatCidr(parseCidr(text)));
  const withNodes = new Set(lab.nodes.flatMap(({ addresses }) => networksOf(addresses, lab)));
  return networksOf(router.addresses, lab)
    .filter((network) => !withNodes.has(network))
    .flatMap(({ cidrs }) => cidrs.map((text) => formatCidr(parseCidr(text))));
}

export function familyOf(text: string): 4 | 6 {
  return text.includes(":") ? 6 : 4;
}
