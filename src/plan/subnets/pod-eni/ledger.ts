// The ledger of addresses that are held for names: who holds which, since when, until when.

import type { Pod } from "../../../api/kinds/core.ts";
import { isTerminal } from "../../../api/kinds/core.ts";
import type { PodENI } from "../../../api/kinds/pod-eni.ts";
import { keyOf } from "../../../api/object.ts";
import { stampOf } from "../../../base/stamp.ts";
import { podNetworkingAnnotation } from "../demand.ts";
import { releaseOf } from "./release.ts";
import { isHeld, nodeLabel } from "./words.ts";

export interface HeldAddress {
  readonly namespace: string;
  readonly pod: string;
  readonly addresses: readonly string[];
  readonly network: string | null;
  readonly vSwitchID: string | null;
  readonly zone: string | null;
  /** As the PodENI says it, also where that is nothing known. */
  readonly strategy: string;
  readonly releaseAfter: string | null;
  readonly phase: string;
  readonly podRunning: boolean;
  /** Of its pod, or of the last one. */
  readonly node: string | null;
  /** RFC 3339, like all that follow. */
  readonly since: string;
  readonly podLastSeen: string | null;
  /** Null while a pod has it, where only somebody's hand frees it, and where nobody knows yet (see `isEndKnown`). */
  readonly until: string | null;
  /** Whether the controller has seen that the pod is gone: the time counts from then, and from nothing earlier. */
  readonly isEndKnown: boolean;
}

export interface LedgerFacts {
  /** By `namespace/name`, like the next. */
  readonly podEnis: ReadonlyMap<string, PodENI>;
  readonly pods: ReadonlyMap<string, Pod>;
}

/** Returns every address that is held for a name, by namespace and name. */
export function heldAddresses({ podEnis, pods }: LedgerFacts): readonly HeldAddress[] {
  return [...podEnis.values()]
    .filter(isHeld)
    .toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
    .map((podEni) => heldBy(podEni, hasPod(podEni, pods)));
}

/** Returns the PodENI that holds an address for a name, whether or not there is a pod. */
export function holderOf({ podEnis }: Pick<LedgerFacts, "podEnis">, address: string): PodENI | undefined {
  return [...podEnis.values()].find(({ spec }) =>
    spec.allocations?.some(({ ipv4, ipv6 }) => ipv4 === address || ipv6 === address),
  );
}

/** Returns whether the pod of a PodENI's name is about. */
export function hasPod(podEni: PodENI, pods: LedgerFacts["pods"]): boolean {
  const pod = pods.get(keyOf(podEni));
  return pod !== undefined && !isTerminal(pod);
}

function heldBy(podEni: PodENI, podRunning: boolean): HeldAddress {
  const { metadata, spec, status } = podEni;
  const all = spec.allocations ?? [];
  const [first] = all;
  const release = releaseOf(podEni);
  const { releaseStrategy = "Never", releaseAfter } = first?.allocationType ?? {};
  const phase = status?.phase ?? "";
  // In all other phases podLastSeen is when the pod was seen alive; whoever sees that it is gone stamps anew.
  const isEndKnown = !podRunning && ["Detaching", "Unbind", "Deleting"].includes(phase);
  const until = release.what === "at" && isEndKnown ? stampOf(release.at) : null;
  return {
    namespace: metadata.namespace ?? "",
    pod: metadata.name,
    addresses: all.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6].filter((one) => one !== undefined)),
    network: metadata.annotations?.[podNetworkingAnnotation] ?? null,
    vSwitchID: first?.eni.vSwitchID ?? null,
    zone: spec.zone ?? null,
    strategy: releaseStrategy,
    releaseAfter: releaseAfter ?? null,
    phase,
    podRunning,
    node: metadata.labels?.[nodeLabel] ?? null,
    since: metadata.creationTimestamp,
    podLastSeen: status?.podLastSeen ?? null,
    until,
    isEndKnown,
  };
}

/** Returns in words until when an address is held. */
export function untilText({ until, podRunning, isEndKnown, strategy }: HeldAddress): string {
  if (until !== null) return until;
  if (podRunning) return "with its pod";
  return strategy === "TTL" && !isEndKnown ? "unknown: the controller has not seen its pod go" : "by hand";
}
