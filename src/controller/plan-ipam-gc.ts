// What to do about blocks and loans of nodes that are gone, as a pure function of what the store holds. A node counts as
// gone when its Node object was missing for the whole grace and no pod is bound to it any more.
import type { AddressBlock, Loan } from "../api/kinds/address-block.ts";
import { isTerminal, type Pod, podIps } from "../api/kinds/core.ts";
import { cidrContains, tryParseIp } from "../base/ip.ts";
import { loansOf, rangeOf } from "../ipam/block-object.ts";

export interface IpamGcFacts {
  readonly blocks: readonly AddressBlock[];
  readonly pods: readonly Pod[];
  /** Names of nodes that were missing for the whole grace. */
  readonly gone: ReadonlySet<string>;
}

export type IpamGcAction =
  | { readonly type: "delete"; readonly block: AddressBlock; readonly why: string }
  | {
      readonly type: "update";
      readonly block: AddressBlock;
      readonly next: AddressBlock;
      readonly why: string;
    };

/** Returns what is to be done, at most one action for each block. */
export function planIpamGc(facts: IpamGcFacts): IpamGcAction[] {
  const living = facts.pods.filter((pod) => !isTerminal(pod) && pod.spec.hostNetwork !== true);
  const bound = new Set(living.map((pod) => pod.spec.nodeName ?? ""));
  const used = new Set(living.flatMap(podIps));
  const isGone = (node: string) => facts.gone.has(node) && !bound.has(node);
  return facts.blocks.flatMap((block) => {
    const action = isGone(block.spec.node)
      ? forAbandoned(block, used, isGone)
      : forLoans(block, used, isGone);
    return action ? [action] : [];
  });
}

/** The owner is gone: the block goes as well, but not before its last loan has come back. */
function forAbandoned(
  block: AddressBlock,
  used: ReadonlySet<string>,
  isGone: (node: string) => boolean,
): IpamGcAction | undefined {
  const all = block.spec.loans ?? [];
  // What is lent of something else is nobody's, and keeps no block.
  const loans = loansOf(block).filter((loan) => !isOver(loan, used, isGone));
  const lent = new Set(loans.map((loan) => loan.address));
  const range = rangeOf(block);
  const inUse = [...used].filter((text) => {
    const ip = tryParseIp(text);
    return ip !== undefined && range !== undefined && cidrContains(range, ip) && !lent.has(text);
  });
  if (loans.length === 0 && inUse.length === 0)
    return { type: "delete", block, why: `node ${block.spec.node} is gone, and nothing of it is in use` };
  const asked = block.spec.requests ?? [];
  if (loans.length === all.length && asked.length === 0) return undefined;
  // Nobody else answers for this block: requests are denied here.
  const next = { ...block, spec: { ...block.spec, loans, requests: [] } };
  return { type: "update", block, next, why: `node ${block.spec.node} is gone; its loans are followed` };
}

/** The owner lives: loans of borrowers that are gone go back to it. */
function forLoans(
  block: AddressBlock,
  used: ReadonlySet<string>,
  isGone: (node: string) => boolean,
): IpamGcAction | undefined {
  const all = block.spec.loans ?? [];
  const loans = all.map((loan) =>
    loan.returned !== true && isOver(loan, used, isGone) ? { ...loan, returned: true } : loan,
  );
  if (loans.every((loan, at) => loan === all[at])) return undefined;
  const next = { ...block, spec: { ...block.spec, loans } };
  return { type: "update", block, next, why: "a borrower is gone" };
}

function isOver(loan: Loan, used: ReadonlySet<string>, isGone: (node: string) => boolean): boolean {
  return loan.returned === true || (isGone(loan.node) && !used.has(loan.address));
}
