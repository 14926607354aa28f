// What answers are made from. A lab knows its machines and sends packets; a cluster is its objects alone.
import type { AddressList } from "../api/kinds/address-list.ts";
import type { Judges } from "../explain/judges/judge.ts";
import type { Ledger } from "../ipam/ledger.ts";
import type { ClusterFacts } from "../plan/facts.ts";
import type { ServiceObjects } from "../plan/services.ts";
import type { About, ChangeEvent, ProbeRequest, ProbeResult, RefusedAnswer } from "./api.ts";

/** Facts and what decides flows among them, of one moment. */
export interface Picture {
  readonly facts: ClusterFacts;
  readonly judges: Judges;
  /** Whether all of the network is known, not only the objects. */
  readonly isWhole: boolean;
}

export interface Sources {
  readonly about: Pick<About, "version" | "kind" | "name" | "probe" | "refused">;
  /** As `About.revision`. */
  readonly revision: () => number;
  readonly facts: () => ClusterFacts;
  readonly picture: () => Promise<Picture>;
  readonly services: () => Promise<ServiceObjects>;
  readonly lists: () => Promise<readonly AddressList[]>;
  /** Journals of the nodes that this machine has, by node. */
  readonly ledgers: () => Promise<ReadonlyMap<string, Ledger>>;
  /** @throws TrunklineError `ui.no-probe`, and what the lab throws */
  readonly probe: (request: ProbeRequest) => Promise<ProbeResult>;
  readonly refused: () => Promise<RefusedAnswer>;
  /** Tells of changes from now on, not each but soon after; returns how to stop. */
  readonly onChange: (listener: (event: ChangeEvent) => void) => () => void;
  /** Tells of refused packets from now on; returns how to stop. */
  readonly onRefused: (listener: (answer: RefusedAnswer) => void) => () => void;
}
