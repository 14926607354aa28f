// The pods that a node's pool of addresses asks about, again and again: its own, and those anywhere that wait for an address.
// Kept as objects change, so that nobody looks at all pods of a cluster for it. And the nodes whose pods have no address yet.
import type { Pod } from "../../../api/kinds/core.ts";
import { waitsForAddress } from "../../../plan/subnets/demand.ts";
import type { Changes } from "../../managers/manager.ts";
import { needsAddress } from "./pool-demand.ts";

export class ConcernedPods {
  readonly #node: string;
  readonly #all: ReadonlyMap<string, Pod>;
  readonly #pods = new Map<string, Pod>();
  /** Pods anywhere that have no address yet, with their nodes. */
  readonly #needy = new Map<string, string>();

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

  /** Nodes with pods that have no address yet; as of the last change that was noted. */
  needyNodes(): ReadonlySet<string> {
    return new Set(this.#needy.values());
  }

  /** Takes in what has changed; returns whether any of it concerns, or concerned, this node's pool. */
  note(changes: Changes): boolean {
    const changed = changes.get("pods");
    if (changed === undefined) return false;
    if (changed === "all") {
      this.#pods.clear();
      this.#needy.clear();
    }
    let any = changed === "all";
    for (const key of changed === "all" ? this.#all.keys() : changed) any = this.#look(key) || any;
    return any;
  }

  #look(key: string): boolean {
    const pod = this.#all.get(key);
    const { nodeName } = pod?.spec ?? {};
    if (pod !== undefined && nodeName !== undefined && needsAddress(pod)) this.#needy.set(key, nodeName);
    else this.#needy.delete(key);
    if (pod !== undefined && (nodeName === this.#node || waitsForAddress(pod))) {
      this.#pods.set(key, pod);
      return true;
    }
    return this.#pods.delete(key);
  }
}
