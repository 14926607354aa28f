// Keeps pods' packets from being dropped by the policy of iptables' FORWARD chain, and says where another table drops them
// all, which no rule of ours can change (docs/agent.md).

import { wording } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { changeFilter, readForwardRules } from "../../kernel/forward-rules.ts";
import type { Kernel, NetnsRef } from "../../kernel/kernel.ts";
import type { ClusterFacts, NodeFacts } from "../../plan/facts.ts";
import { ACCEPT_CHAIN, acceptInput, readForward } from "../../plan/forward/accept.ts";
import { type ForwardStop, forwardStops } from "../../plan/forward/stops.ts";
import { parseNftJson } from "../../plan/snat/foreign/index.ts";
import { readPodRanges } from "../../plan/snat/ranges.ts";
import type { Changes, Manager } from "./manager.ts";

interface Options {
  readonly node: string;
  readonly kernel: Kernel;
  readonly netns: NetnsRef;
  readonly logger: Logger;
}

interface Trouble {
  readonly code: "forward.dropped" | "forward.no-tool";
  readonly message: string;
}

export class ForwardManager implements Manager {
  readonly name = "forwarding";
  readonly concerns = ["others-rules"] as const;
  readonly kinds = ["ippools", "nodes"] as const;
  readonly #options: Options;
  #troubles: readonly Trouble[] = [];
  #looked = false;

  constructor(options: Options) {
    this.#options = options;
  }

  async apply(facts: ClusterFacts, node: NodeFacts, changes: Changes): Promise<void> {
    // Pods' ranges are in pools, and in nodes that have one of their own.
    if (this.#looked && !changes.has("ippools") && changes.get("nodes") !== "all") return;
    await this.resync(facts, node);
  }

  async resync(facts: ClusterFacts, _node: NodeFacts): Promise<void> {
    const { kernel, netns, logger } = this.#options;
    const ranges = readPodRanges(facts).map(({ cidr }) => cidr);
    const { filters, tables } = await readForwardRules(kernel, netns, ACCEPT_CHAIN);
    const troubles: Trouble[] = [];
    for (const table of filters) {
      const { store, family, saved } = table;
      if (saved === undefined) {
        troubles.push({ code: "forward.no-tool", message: wording("forward.no-tool", { store, family }) });
        continue;
      }
      const state = readForward(saved);
      const mine = ranges.filter((range) => range.family === family);
      const input = state && acceptInput(state, mine);
      if (input === undefined) continue;
      await changeFilter(table, input, netns);
      logger.info({ store, family, policy: state?.policy }, "pods' packets pass iptables' FORWARD chain");
    }
    const stops = tables.flatMap((objects) => forwardStops(parseNftJson(objects), ranges));
    this.#troubles = [...troubles, ...stops.map((stop) => this.#troubleOf(stop))];
    this.#looked = true;
  }

  problems() {
    return this.#troubles.map((trouble) => ({ ...trouble, object: `Node/${this.#options.node}` }));
  }

  notReady(): readonly string[] {
    return this.#troubles.map(({ message }) => message);
  }

  #troubleOf({ table, chain, family, commands }: ForwardStop): Trouble {
    return {
      code: "forward.dropped",
      message: wording("forward.dropped", { table, chain, family, commands }),
    };
  }
}
