// Keeps the node's source translation equal to the plan: its part of the nftables table, the routes to nodes that hold
// egress addresses, and the addresses that this node holds itself.
import { textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { formatProblem, type Problem } from "../../base/problem.ts";
import { Turns } from "../../base/turns.ts";
import { hasIpv6 } from "../../kernel/ipv6.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { ClusterFacts, NodeFacts } from "../../plan/facts.ts";
import { type ChangedPods, leftBlocks, planSnat, type SnatPlan, WishBook } from "../../plan/snat/index.ts";
import { writeSnat } from "../../plan/snat/nft.ts";
import type { Store } from "../../store/store.ts";
import { setNodeCondition } from "../node-condition.ts";
import { EgressHolder } from "./egress/holder.ts";
import {
  addSteerRouting,
  removeSteerRouting,
  type SteerRouting,
  steerRouting,
} from "./egress/steer-routes.ts";
import { LastGood, lastGoodFile } from "./last-good.ts";
import type { Changes, Manager } from "./manager.ts";
import type { NodeTable } from "./node-table.ts";

export interface SnatManagerOptions {
  readonly node: string;
  readonly kernel: Kernel;
  readonly store: Store;
  readonly stateDir: string;
  readonly table: NodeTable;
  readonly logger: Logger;
}

const concernedKinds = [
  "configmaps",
  "servicecidrs",
  "ippools",
  "hosts",
  "nodes",
  "namespaces",
  "pods",
  "sourcenats",
  "subnets",
  "endpoints",
];
const conditionReasons = {
  absent: "NoConfiguration",
  current: "ConfigurationInForce",
  "last-good": "LastGoodConfigurationInForce",
  defaults: "DefaultsInForce",
} as const;
const none: ReadonlySet<string> = new Set();
const noRouting: SteerRouting = { rules: [], routes: [] };

export class SnatManager implements Manager {
  readonly name = "snat";
  readonly concerns = ["nftables", "rule", "route"] as const;
  readonly kinds = [...concernedKinds, "addressblocks"];
  readonly #options: SnatManagerOptions;
  readonly #lastGood: LastGood;
  readonly #egress: EgressHolder;
  readonly #book = new WishBook();
  #plan: SnatPlan | undefined;
  #known: { facts: ClusterFacts; node: NodeFacts } | undefined;
  #told = "";
  #leftBlocks = "";
  #steering = false;
  /** The agent calls one at a time, but egress addresses come and go by themselves. */
  readonly #turns = new Turns();

  constructor(options: SnatManagerOptions) {
    this.#options = options;
    this.#lastGood = new LastGood(lastGoodFile(options.stateDir));
    this.#egress = new EgressHolder({ ...options, changed: () => this.#again() });
  }

  async apply(facts: ClusterFacts, node: NodeFacts, changes: Changes): Promise<void> {
    // Blocks are written all the time; they matter only where their pool is gone.
    const read = !this.#plan || changes.has("addressblocks") || changes.has("ippools");
    const objects = read ? leftBlocks(facts).map(({ object }) => object) : undefined;
    const left = objects?.join() ?? this.#leftBlocks;
    const concerned = left !== this.#leftBlocks || concernedKinds.some((kind) => changes.has(kind));
    if (this.#plan && !concerned) return;
    const pods = changes.get("pods");
    const onlyPods =
      left === this.#leftBlocks && concernedKinds.every((kind) => kind === "pods" || !changes.has(kind));
    // Most pods that come and go do so elsewhere.
    if (
      this.#plan &&
      onlyPods &&
      pods !== undefined &&
      pods !== "all" &&
      !this.#book.mayConcern(pods, facts, node.node)
    )
      return;
    // What single pods ask for is most of the work where there are many: only those that changed are asked again.
    const changed = changes.has("namespaces") ? "all" : (pods ?? none);
    await this.#turns.run(() => this.#make(facts, node, { changed }));
    this.#leftBlocks = left;
  }

  async resync(facts: ClusterFacts, node: NodeFacts): Promise<void> {
    await this.#turns.run(async () => {
      this.#egress.recheck();
      await this.#make(facts, node, { restore: this.#plan !== undefined });
    });
  }

  /** Gives up the addresses that this node holds, so that others need not wait for it. */
  async stop(): Promise<void> {
    await this.#egress.stop();
  }

  problems() {
    const { config, problems } = this.#plan ?? { config: undefined, problems: [] };
    const ofConfig = [...(config?.errors ?? []), ...(config?.findings ?? [])].map((problem) => ({
      ...worded(problem),
      object: "ConfigMap/kube-system/ip-masq-agent",
    }));
    const ofObjects = problems.map((problem) => ({ ...worded(problem), object: problem.object }));
    return [...ofConfig, ...ofObjects, ...this.#egress.problems()];
  }

  /** An egress address came or went: same facts, another plan. */
  async #again(): Promise<void> {
    const known = this.#known;
    if (known) await this.#turns.run(() => this.#make(known.facts, known.node));
  }

  async #make(
    facts: ClusterFacts,
    node: NodeFacts,
    { changed = none, restore = false }: { changed?: ChangedPods; restore?: boolean } = {},
  ): Promise<void> {
    const { kernel, table } = this.#options;
    this.#known = { facts, node };
    const { text } = this.#lastGood;
    const plan = planSnat(facts, node, {
      ...(text !== undefined && { lastGood: text }),
      held: this.#egress.held(),
      book: this.#book,
      changed,
    });
    // Pods come and go all the time, and few of them ask for anything: then nothing is to be written.
    if (!restore && this.#plan !== undefined && areSame(plan, this.#plan)) return;
    const routing =
      plan.steers.length === 0
        ? noRouting
        : steerRouting(plan, uplinkIndex(kernel, node), hasIpv6(kernel) ? [4, 6] : [4]);
    // Packets are marked only once there is a way for them, and the way goes once none are.
    if (routing.rules.length > 0) addSteerRouting(kernel, routing);
    writeSnat(plan, table.document(this.name));
    // A table that somebody deleted must be made anew as a whole: what differs would not fit anything.
    await (restore ? table.restore(this.name) : table.commit(this.name));
    if (this.#steering || routing.rules.length > 0 || this.#plan === undefined)
      removeSteerRouting(kernel, routing);
    this.#steering = routing.rules.length > 0;
    this.#plan = plan;
    const { good } = plan.config;
    const unwritten = good === undefined ? undefined : this.#lastGood.remember(good);
    if (unwritten !== undefined)
      this.#options.logger.warn({ error: unwritten }, "the last good configuration cannot be written down");
    this.#tell(plan);
    this.#egress.follow(plan.egress, node);
  }

  /** Says what is wrong with the configuration once, in the log and on the node, and not at every change of a pod. */
  #tell({ config }: SnatPlan): void {
    const errors = config.errors.map(formatProblem);
    const findings = config.findings.map(formatProblem);
    const told = JSON.stringify([config.state, errors, findings]);
    if (told === this.#told) return;
    this.#told = told;
    const { logger, store, node } = this.#options;
    if (errors.length > 0)
      logger.error({ inForce: config.state, errors }, "ip-masq-agent's configuration is unusable");
    else if (findings.length > 0)
      logger.warn({ inForce: config.state, findings }, "ip-masq-agent's configuration read");
    else logger.info({ inForce: config.state }, "ip-masq-agent's configuration read");
    const condition = {
      type: "SourceNATConfigured",
      status: errors.length > 0 ? "False" : "True",
      reason: conditionReasons[config.state],
      message: [...errors, ...findings].join("; "),
    } as const;
    setNodeCondition(store, node, condition).catch((error: unknown) => {
      // The rules are in force all the same; told again at the next change of facts.
      this.#told = "";
      logger.warn({ error: textOf(error) }, "the node's condition could not be written");
    });
  }
}

/** Whether two plans are made of the very same parts, and have none that is made anew each time. */
function areSame(left: SnatPlan, right: SnatPlan): boolean {
  const parts = ["inside", "ranges", "subnets", "pods", "config", "nodeAddresses"] as const;
  return (
    parts.every((part) => left[part] === right[part]) &&
    [left, right].every(
      ({ egress, steers, problems }) => egress.length + steers.length + problems.length === 0,
    )
  );
}

function uplinkIndex(kernel: Kernel, node: NodeFacts): number {
  return kernel.links.get(node.uplink)?.index ?? 0;
}

function worded(problem: Problem): { code: string; message: string } {
  return { code: problem.code, message: formatProblem(problem) };
}
