// Keeps the guard of pods' IPv6 addresses where packets come in; a node without pods that have such addresses has no table.
import { hasIpv6 } from "../../../kernel/ipv6.ts";
import type { Kernel } from "../../../kernel/kernel.ts";
import type { ClusterFacts, NodeFacts } from "../../../plan/facts.ts";
import { ownAddresses, writeIpv6Guard } from "../../../plan/policy/nft/ipv6-guard.ts";
import type { Changes, Manager } from "../manager.ts";
import { NodeTable } from "../node-table.ts";

export class Ipv6Guard implements Manager {
  readonly name = "ipv6-guard";
  readonly concerns = ["nftables"] as const;
  readonly kinds = ["endpoints"] as const;
  readonly #kernel: Kernel;
  readonly #log: boolean;
  readonly #table: NodeTable;
  /** Whether there is a table; undefined until that was seen to. */
  #there: boolean | undefined;

  /** @param log whether the kernel can tell of refusals */
  constructor(kernel: Kernel, log = false) {
    this.#kernel = kernel;
    this.#log = log;
    this.#table = new NodeTable(kernel.nft, [this.name], { family: "ip6" });
    this.#table.follow(kernel);
  }

  async apply(_facts: ClusterFacts, node: NodeFacts, changes: Changes): Promise<void> {
    if (!hasIpv6(this.#kernel) || (this.#there !== undefined && !changes.has("endpoints"))) return;
    const own = ownAddresses(node.endpoints.values());
    if (own.size === 0) {
      if (this.#there !== false) await this.#table.remove();
      this.#there = false;
      return;
    }
    writeIpv6Guard(this.#table.document(this.name), own, this.#log);
    this.#there = true;
    await this.#table.commit(this.name);
  }

  async resync(): Promise<void> {
    if (this.#there === true) await this.#table.restore(this.name);
  }

  /** The table stays: pods go on. */
  stop(): void {
    this.#table.stop();
  }
}
