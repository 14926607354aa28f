// What of a node's holdings belongs to nothing that lives, and since when.
import { isRecovered } from "./recovery.ts";
import { tunnelDeviceOf } from "./tunnel-owner.ts";
import { type Holding, type Owner, ownerKey } from "./types.ts";

/** What still exists: what is not in a list that is given counts as leaked. */
export interface Living {
  /** Attachments that the container runtime knows. */
  readonly attachments?: readonly Pick<Owner, "containerId" | "ifName">[];
  /** Addresses that something on the node uses: what was found in use after the journal was lost is judged by them, and nothing else. */
  readonly addresses?: () => ReadonlySet<string>;
  /** Pods of this node, by uid and by `namespace/name`. */
  readonly pods?: readonly { readonly uid: string; readonly pod: string }[];
}

export class Leaks {
  /** By the holding's number, in milliseconds. */
  readonly #since = new Map<number, number>();

  /** Returns what has been leaked for `graceMs`. */
  due(all: readonly Holding[], living: Living, now: number, graceMs: number): Holding[] {
    const leaked = leakedOf(all, living);
    const seqs = new Set(leaked.map(({ seq }) => seq));
    for (const seq of this.#since.keys()) if (!seqs.has(seq)) this.#since.delete(seq);
    for (const seq of seqs) if (!this.#since.has(seq)) this.#since.set(seq, now);
    return leaked.filter(({ seq }) => now - (this.#since.get(seq) ?? now) >= graceMs);
  }
}

function leakedOf(all: readonly Holding[], living: Living): Holding[] {
  const keys = living.attachments && new Set(living.attachments.map(ownerKey));
  const uids = living.pods && new Set(living.pods.map(({ uid }) => uid));
  const names = living.pods && new Set(living.pods.map(({ pod }) => pod));
  // To find them out is dear, and nearly never is there anything to judge.
  const used = all.some(({ owner }) => isRecovered(owner)) ? living.addresses?.() : undefined;
  return all.filter(({ owner, addresses }) => {
    // The node's own devices give theirs back themselves.
    if (tunnelDeviceOf(owner) !== undefined) return false;
    if (used && isRecovered(owner)) return !addresses.some(({ address }) => used.has(address));
    if (keys && !isRecovered(owner) && !keys.has(ownerKey(owner))) return true;
    if (!uids || !names || (owner.uid === "" && owner.pod === "")) return false;
    return owner.uid === "" ? !names.has(owner.pod) : !uids.has(owner.uid);
  });
}
