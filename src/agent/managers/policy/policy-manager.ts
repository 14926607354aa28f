// Keeps the node's policies equal to the cluster's: feeds changes into NodePolicy, sends what differs to the kernel in one
// transaction, and cuts connections that are no longer allowed.
//
// Order matters: first the rules, then the cut. A connection that is cut before the rules forbid it would open again.

import { setTimeout as sleep } from "node:timers/promises";
import { textOf } from "../../../base/errors.ts";
import type { Logger } from "../../../base/log.ts";
import { formatProblem, type Problem } from "../../../base/problem.ts";
import type { ConntrackFlow, Kernel } from "../../../kernel/kernel.ts";
import type { ClusterFacts, NodeFacts } from "../../../plan/facts.ts";
import { PolicyWriter } from "../../../plan/policy/nft/writer.ts";
import type { ClusterModel } from "../../../plan/policy/node/cluster-model.ts";
import { type Affected, NodePolicy } from "../../../plan/policy/node/node-policy.ts";
import { readSwitch } from "../../../plan/policy/switch.ts";
import { ownAddresses } from "../../node-links.ts";
import type { Changes, Manager } from "../manager.ts";
import type { NodeTable } from "../node-table.ts";
import { feedPolicy, policyKinds } from "./feed.ts";
import { guardSettings } from "./guard-settings.ts";

export interface PolicyManagerOptions {
  readonly kernel: Kernel;
  readonly table: NodeTable;
  readonly logger: Logger;
  /**
   * Least time between two cuts, in milliseconds. A cut walks the kernel's whole table of connections, which takes some
   * milliseconds however few there are. With this, `apply` settles when the rules are in force, the cut follows at
   * once, and cuts that come close together are one. Without it `apply` settles after the cut.
   */
  readonly cutSpacingMs?: number;
  /** Whether the kernel can tell of refusals; default: it is not asked to. */
  readonly log?: boolean;
  /** Called where connections were cut of pods that live: what passes the rules by must hear of it. */
  readonly cut?: () => Promise<void>;
}

/** After a cut that took t ms, the next one waits for this many times t, but never longer than CUT_LONGEST_MS. */
const CUT_REST = 20;
const CUT_LONGEST_MS = 500;
const CUT_RETRY_MS = 1000;

const protocolNames: ReadonlyMap<number, string> = new Map([
  [6, "TCP"],
  [17, "UDP"],
  [132, "SCTP"],
]);

export class PolicyManager implements Manager {
  readonly name = "policy";
  readonly concerns = ["nftables"] as const;
  readonly kinds = policyKinds;
  readonly #options: PolicyManagerOptions;
  readonly #writer: PolicyWriter;
  readonly #policy: NodePolicy;
  readonly #invalid = new Map<string, readonly Problem[]>();
  #switchProblems: readonly Problem[] = [];
  /** All connections are to be judged: nothing is known of what was enforced before. */
  #cutAll = true;
  #hasFlushed = false;
  /** What a cut that failed still has to look at. */
  #owed = { locals: new Set<string>(), peers: new Set<string>() };
  #cutting: Promise<void> | undefined;
  readonly #ending = new AbortController();
  #lastCut = Number.NEGATIVE_INFINITY;

  constructor(options: PolicyManagerOptions) {
    this.#options = options;
    const { kernel, table, log = false } = options;
    this.#writer = new PolicyWriter(table.document(this.name), guardSettings(kernel), log);
    this.#policy = new NodePolicy(this.#writer);
    options.table.follow(options.kernel);
  }

  async apply(facts: ClusterFacts, node: NodeFacts, changes: Changes): Promise<void> {
    for (const key of feedPolicy(this.#policy, facts, node, changes)) this.#judge(key);
    const enforcing = readSwitch(facts);
    // Before anything was told there is nothing to tell again: the first flush tells it all.
    if (!this.#hasFlushed) this.#turn(enforcing);
    this.#hasFlushed = true;
    const affected = this.#policy.flush();
    this.#turn(enforcing);
    this.#writer.finish();
    for (const ip of affected.locals) this.#owed.locals.add(ip);
    for (const ip of affected.peers) this.#owed.peers.add(ip);
    await this.#options.table.commit(this.name);
    if (this.#options.cutSpacingMs === undefined) await this.#cut();
    else {
      // Nobody knows what was let in before: the rules are not in force until that is looked through.
      if (this.#cutAll) await this.#cutOrOwe();
      this.#cutting ??= this.#cutApart(this.#options.cutSpacingMs).finally(() => {
        this.#cutting = undefined;
      });
    }
  }

  async resync(): Promise<void> {
    this.#writer.guard(guardSettings(this.#options.kernel));
    await this.#options.table.restore(this.name);
  }

  /** The rules stay: what was secured goes on, what is new stays shut. */
  async stop(): Promise<void> {
    this.#ending.abort();
    this.#options.table.stop();
    await this.#cutting;
  }

  /** The cluster as the node's policies see it. */
  get model(): ClusterModel {
    return this.#policy.model;
  }

  problems() {
    const ofPolicies = [...this.#invalid].flatMap(([key, problems]) =>
      problems.map((problem) => ({ ...worded(problem), object: `NetworkPolicy/${key}` })),
    );
    const ofSwitch = this.#switchProblems.map((problem) => ({
      ...worded(problem),
      object: "ConfigMap/kube-system/eni-config",
    }));
    return [...ofPolicies, ...ofSwitch];
  }

  /** Notes what is wrong with a policy, and says it. */
  #judge(key: string): void {
    const problems = this.#policy.model.policy(key)?.problems ?? [];
    if (problems.length === 0) {
      this.#invalid.delete(key);
      return;
    }
    this.#invalid.set(key, problems);
    const texts = problems.map(formatProblem);
    this.#options.logger.warn({ policy: key, problems: texts }, "parts of a network policy are invalid");
  }

  /** Policies may have been switched off or on. Addresses stay guarded either way. */
  #turn({ enforced, problems }: ReturnType<typeof readSwitch>): void {
    this.#switchProblems = problems;
    if (enforced === this.#writer.enforcing) return;
    this.#options.logger.info({ enforced }, "network policies are enforced or not");
    if (enforced) {
      this.#writer.start();
      this.#cutAll = true;
    } else this.#writer.stop();
    this.#policy.replay(this.#writer);
  }

  async #cutApart(spacingMs: number): Promise<void> {
    let wait = this.#lastCut + spacingMs - performance.now();
    while (this.#owesCut && !this.#ending.signal.aborted) {
      // Also where there is nothing to wait for: whoever waits for the rules comes first.
      await pause(Math.max(0, wait), this.#ending.signal);
      if (this.#ending.signal.aborted) return;
      const began = performance.now();
      const done = await this.#cutOrOwe();
      // A node where pods come and go all the time must not spend its time on walking that table.
      const rest = Math.max(spacingMs, (performance.now() - began) * CUT_REST);
      wait = done ? Math.min(CUT_LONGEST_MS, rest) : CUT_RETRY_MS;
    }
  }

  /** Returns whether it went well; if not, what was owed is owed still. */
  async #cutOrOwe(): Promise<boolean> {
    try {
      await this.#cut();
      return true;
    } catch (error) {
      this.#options.logger.error({ error: textOf(error) }, "connections could not be cut");
      return false;
    } finally {
      this.#lastCut = performance.now();
    }
  }

  get #owesCut(): boolean {
    return this.#cutAll || this.#owed.locals.size > 0 || this.#owed.peers.size > 0;
  }

  /** Forgets connections of affected addresses that the rules, which are in force now, would not let in. */
  async #cut(): Promise<void> {
    if (!this.#owesCut) return;
    const owed = this.#owed;
    const all = this.#cutAll;
    // What is owed from here on, while the kernel answers, is of the next cut.
    this.#owed = { locals: new Set(), peers: new Set() };
    this.#cutAll = false;
    try {
      await this.#cutNow(owed, all);
    } catch (error) {
      for (const ip of owed.locals) this.#owed.locals.add(ip);
      for (const ip of owed.peers) this.#owed.peers.add(ip);
      this.#cutAll ||= all;
      throw error;
    }
  }

  async #cutNow(owed: Affected, all: boolean): Promise<void> {
    const { kernel, logger, cut } = this.#options;
    const own = new Set(ownAddresses(kernel));
    let count = 0;
    let living = 0;
    for (const flow of await kernel.conntrack.list()) {
      const ends = [flow.original.source, flow.reply.source];
      if (!all && !ends.some((ip) => owed.locals.has(ip) || owed.peers.has(ip))) continue;
      if (!this.#forbidden(flow, own, owed)) continue;
      kernel.conntrack.remove(flow);
      count++;
      if (!ends.some((ip) => owed.locals.has(ip) && !this.#policy.isLocal(ip))) living++;
    }
    // With the link of a pod that is gone the kernel forgets by itself.
    if (living > 0) await cut?.();
    if (count > 0) logger.info({ connections: count }, "connections cut that are no longer allowed");
  }

  #forbidden(flow: ConntrackFlow, own: ReadonlySet<string>, { locals }: Affected): boolean {
    const policy = this.#policy;
    const from = flow.original.source;
    // Where it went in the end: a Service's address is translated before policies look.
    const to = flow.reply.source;
    // The next pod with this address must not inherit the connections of the last one.
    for (const ip of [from, to]) if (locals.has(ip) && !policy.isLocal(ip)) return true;
    if (!this.#writer.enforcing) return false;
    const protocol = protocolNames.get(flow.protocol) ?? `${flow.protocol}`;
    const port = flow.reply.sourcePort;
    if (!policy.allows("egress", from, to, protocol, port)) return true;
    return !own.has(from) && !policy.allows("ingress", to, from, protocol, port);
  }
}

function worded(problem: Problem): { code: string; message: string } {
  return { code: problem.code, message: formatProblem(problem) };
}

/** Settles after that many milliseconds, or when `signal` aborts. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
