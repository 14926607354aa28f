// Whether one rule allows all that another one allows, judged by what is written: never a false yes.
import type { NetworkPolicyPeer, NetworkPolicyPort } from "../../api/kinds/network-policy.ts";
import { cidrRange, subtractRanges } from "../../base/ip.ts";
import { selectorCovers } from "../policies/selectors.ts";
import { type RuleView, range, rangeCovers } from "./view.ts";

/** Returns whether `wide` allows everything that `narrow` does; both belong to policies of one namespace. */
export function ruleCovers(wide: RuleView, narrow: RuleView, namespace: string): boolean {
  if (wide.direction !== narrow.direction) return false;
  return peersCover(wide.peers, narrow.peers, namespace) && portsCover(wide.ports, narrow.ports);
}

function peersCover(
  wide: readonly NetworkPolicyPeer[] | undefined,
  narrow: readonly NetworkPolicyPeer[] | undefined,
  namespace: string,
): boolean {
  if (wide === undefined) return true;
  if (narrow === undefined) return false;
  return narrow.every((inner) => wide.some((outer) => peerCovers(outer, inner, namespace)));
}

function peerCovers(wide: NetworkPolicyPeer, narrow: NetworkPolicyPeer, namespace: string): boolean {
  if (wide.ipBlock || narrow.ipBlock) return blockCovers(wide.ipBlock, narrow.ipBlock);
  return (
    spaceCovers(wide, narrow, namespace) && selectorCovers(wide.podSelector ?? {}, narrow.podSelector ?? {})
  );
}

function spaceCovers(wide: NetworkPolicyPeer, narrow: NetworkPolicyPeer, namespace: string): boolean {
  const own = { matchLabels: { "kubernetes.io/metadata.name": namespace } };
  if (!wide.namespaceSelector)
    return !narrow.namespaceSelector || selectorCovers(own, narrow.namespaceSelector);
  return selectorCovers(wide.namespaceSelector, narrow.namespaceSelector ?? own);
}

function blockCovers(wide: NetworkPolicyPeer["ipBlock"], narrow: NetworkPolicyPeer["ipBlock"]): boolean {
  if (!wide || !narrow || !rangeCovers(wide.cidr, narrow.cidr)) return false;
  const outer = range(narrow.cidr);
  if (!outer) return false;
  const mine = subtractRanges(cidrRange(outer), rangesOf(narrow.except));
  const holes = rangesOf(wide.except);
  return mine.every((part) => holes.every((hole) => hole.last < part.first || hole.first > part.last));
}

function rangesOf(list: readonly string[] | undefined) {
  return (list ?? []).flatMap((text) => {
    const cidr = range(text);
    return cidr ? [cidrRange(cidr)] : [];
  });
}

function portsCover(
  wide: readonly NetworkPolicyPort[] | undefined,
  narrow: readonly NetworkPolicyPort[] | undefined,
): boolean {
  if (wide === undefined) return true;
  if (narrow === undefined) return false;
  return narrow.every((inner) => wide.some((outer) => portCovers(outer, inner)));
}

function portCovers(wide: NetworkPolicyPort, narrow: NetworkPolicyPort): boolean {
  if ((wide.protocol ?? "TCP") !== (narrow.protocol ?? "TCP")) return false;
  if (wide.port === undefined) return true;
  if (typeof wide.port === "string" || typeof narrow.port === "string") return wide.port === narrow.port;
  if (narrow.port === undefined) return false;
  return wide.port <= narrow.port && (narrow.endPort ?? narrow.port) <= (wide.endPort ?? wide.port);
}
