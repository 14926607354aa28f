// What a table does with what its policies do not allow: `enforced` refuses it; `staged` lets it pass, counts it and tells
// of it. Both are written by the same code (writer.ts), so that what a staged policy is said to refuse is what it
// will refuse.
//
// The table of staged policies holds all policies, enforced ones too, and is asked after the table that enforces: what it
// does not allow is what staged policies alone would refuse. It guards nothing, and says nothing of connections that it
// has not seen begin: a pod that no enforced policy isolates may be in the middle of many.
import type { NftTable } from "../../../kernel/nft/document.ts";
import type { Direction } from "../types.ts";
import { forwardNew } from "./groups-hook.ts";
import { fromPod, onlyNew, refusedSource, refusedTarget } from "./guard.ts";
import type { RefusalSite } from "./refusals.ts";

export interface Manner {
  /** Whether the table guards the addresses that pods send from, and calls the rules of security groups. */
  readonly guards: boolean;
  /** By which a refusal is told. */
  readonly sites: Readonly<Record<Direction, RefusalSite>>;
  /** What is asked first of a connection's first packet at a pod that policies isolate. */
  readonly stray: readonly string[];
  /** What becomes of a packet that no policy allows. */
  readonly refuse: string;
  /** What becomes of a packet from, and to, an address that no pod here has. */
  readonly strangers: { readonly source: string; readonly target: string };
  /** Rules of the chain for connections that are forwarded. */
  forwardNew(table: NftTable): readonly string[];
}

export const enforced: Manner = {
  guards: true,
  sites: { ingress: "ingress", egress: "egress" },
  stray: ["ct state invalid goto policy-stray", "tcp flags & (fin | syn | rst | ack) != syn goto policy-cut"],
  refuse: "counter drop",
  strangers: { source: refusedSource, target: refusedTarget },
  forwardNew,
};

export const staged: Manner = {
  guards: false,
  sites: { ingress: "would-ingress", egress: "would-egress" },
  stray: ["ct state invalid accept", "tcp flags & (fin | syn | rst | ack) != syn accept"],
  refuse: "meta priority set none counter accept",
  strangers: { source: "accept", target: "accept" },
  forwardNew: () => [`${fromPod} goto policy-egress`, "goto policy-ingress"],
};

/** After the table that enforces (-20). */
const STAGE_PRIORITY = -19;

/** The chains through which the kernel asks staged policies: new connections only. */
export function writeStageHooks(table: NftTable): void {
  for (const [name, hook] of [
    ["policy-forward", "forward"],
    ["policy-node", "input"],
  ] as const)
    table.setChain(name, {
      base: { type: "filter", hook, priority: STAGE_PRIORITY },
      rules: [onlyNew(`${name}-new`)],
    });
}
