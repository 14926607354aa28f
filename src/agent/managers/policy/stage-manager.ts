// Tries policies that are staged (annotation trunkline.dev/stage): a table of its own holds all policies, those too, is asked
// after the one that enforces, and lets pass, counts and tells of what it would not allow (plan/policy/nft/manner.ts).
// Where nothing is staged there is no table, and nothing is kept.
import { isStaged } from "../../../api/kinds/network-policy.ts";
import { textOf } from "../../../base/errors.ts";
import type { Logger } from "../../../base/log.ts";
import type { Kernel } from "../../../kernel/kernel.ts";
import { STAGE_TABLE } from "../../../kernel/own-tables.ts";
import type { ClusterFacts, NodeFacts } from "../../../plan/facts.ts";
import { staged } from "../../../plan/policy/nft/manner.ts";
import { PolicyWriter } from "../../../plan/policy/nft/writer.ts";
import type { ClusterModel } from "../../../plan/policy/node/cluster-model.ts";
import { NodePolicy } from "../../../plan/policy/node/node-policy.ts";
import { readSwitch } from "../../../plan/policy/switch.ts";
import type { Changes, Manager } from "../manager.ts";
import { NodeTable } from "../node-table.ts";
import { feedPolicy, policyKinds } from "./feed.ts";

/** What is kept while anything is staged. */
interface Rehearsal {
  readonly table: NodeTable;
  readonly writer: PolicyWriter;
  readonly policy: NodePolicy;
}

export interface StageManagerOptions {
  readonly kernel: Kernel;
  readonly logger: Logger;
  /** Whether the kernel can tell of packets; where not, it counts them. */
  readonly log: boolean;
}

const everything: Changes = new Map(
  (["namespaces", "networkpolicies", "pods", "endpoints"] as const).map((kind) => [kind, "all"]),
);

export class StageManager implements Manager {
  readonly name = "stage";
  readonly concerns = ["nftables"] as const;
  readonly kinds = policyKinds;
  readonly #options: StageManagerOptions;
  #rehearsal: Rehearsal | undefined;
  /** An earlier agent may have left a table. */
  #isClear = false;
  #wrong: string | undefined;
  /** Keys of staged policies. */
  readonly #staged = new Set<string>();

  constructor(options: StageManagerOptions) {
    this.#options = options;
  }

  /** The cluster as it would be if staged policies were enforced; undefined while nothing is staged. */
  get model(): ClusterModel | undefined {
    return this.#rehearsal?.policy.model;
  }

  async apply(facts: ClusterFacts, node: NodeFacts, changes: Changes): Promise<void> {
    await this.#try(() => this.#apply(facts, node, changes));
  }

  async resync(): Promise<void> {
    await this.#try(async () => this.#rehearsal?.table.restore(this.name));
  }

  /** The table stays: it refuses nothing. */
  stop(): void {
    this.#rehearsal?.table.stop();
  }

  problems() {
    const message = `staged policies are not tried on this node: ${this.#wrong}`;
    return this.#wrong === undefined ? [] : [{ code: "policy.stage", message }];
  }

  async #apply(facts: ClusterFacts, node: NodeFacts, changes: Changes): Promise<void> {
    this.#note(facts, changes.get("networkpolicies"));
    // Where policies are switched off, staged ones are, too.
    if (this.#staged.size === 0 || !readSwitch(facts).enforced) {
      await this.#clear();
      return;
    }
    const { table, writer, policy } = this.#rehearsal ?? this.#begin();
    feedPolicy(policy, facts, node, this.#rehearsal === undefined ? everything : changes);
    this.#rehearsal = { table, writer, policy };
    policy.flush();
    writer.finish();
    this.#isClear = false;
    await table.commit(this.name);
  }

  /** What is only tried must not keep the node from being ready. */
  async #try(step: () => Promise<void>): Promise<void> {
    try {
      await step();
      this.#wrong = undefined;
    } catch (error) {
      this.#wrong = textOf(error);
      this.#options.logger.error({ error: this.#wrong }, "staged policies cannot be tried");
    }
  }

  #note({ policies }: ClusterFacts, told: ReadonlySet<string> | "all" | undefined): void {
    if (told === "all") this.#staged.clear();
    for (const key of told === "all" ? policies.keys() : (told ?? [])) {
      const policy = policies.get(key);
      if (policy && isStaged(policy)) this.#staged.add(key);
      else this.#staged.delete(key);
    }
  }

  #begin(): Rehearsal {
    const table = new NodeTable(this.#options.kernel.nft, [this.name], { name: STAGE_TABLE });
    table.follow(this.#options.kernel);
    const writer = new PolicyWriter(table.document(this.name), undefined, this.#options.log, staged);
    const policy = new NodePolicy(writer, true);
    writer.start();
    return { table, writer, policy };
  }

  async #clear(): Promise<void> {
    if (this.#isClear) return;
    const table =
      this.#rehearsal?.table ?? new NodeTable(this.#options.kernel.nft, [], { name: STAGE_TABLE });
    table.stop();
    this.#rehearsal = undefined;
    await table.remove();
    this.#isClear = true;
  }
}
