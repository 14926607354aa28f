// The pods that a node's pool of addresses asks about, again and again: its own, and those anywhere that wait for an address.
// Kept as objects change, so that nobody looks at all pods of a cluster for it.
import type { Pod } from "../../../api/kinds/core.ts";
import { waitsForAddress } from "../../../plan/subnets/demand.ts";
import type { Changes } from "../../managers/manager.ts";

export class ConcernedPods {
  readonly #node: string;
  readonly #all: ReadonlyMap<string, Pod>;
  readonly #pods = new Map<string, Pod>();

  /** @param all the cluster's, by `namespace/name`, which change as objects do */
  constructor(node: string, all: ReadonlyMap<string, Pod>) {
    this.#node = node;
    this.#all = all;
    for (const key of all.keys()) this.#look(key);
  }

  /** By `namespace/name`; as of the last change that was noted. */
  get pods(): ReadonlyMap<string, Pod> {
    return this.#pods;
  }

  /** Takes in what has changed; returns whether any of it concerns, or concerned, this node's pool. */
  note(changes: Changes): boolean {
    const changed = changes.get("pods");
    if (changed === undefined) return false;
    if (changed === "all") this.#pods.clear();
    let any = changed === "all";
    for (const key of changed === "all" ? this.#all.keys() : changed) any = this.#look(key) || any;
    return any;
  }

  #look(key: string): boolean {
    const pod = this.#all.get(key);
    if (pod !== undefined && (pod.spec.nodeName === this.#node || waitsForAddress(pod))) {
      this.#pods.set(key, pod);
      return true;
    }
    return this.#pods.delete(key);
  }
}
