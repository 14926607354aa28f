// Hands open connections of the node's pods to the kernel's flow tables (plan/flow/table.ts) where it has them, the
// RoutingConfiguration lets it, and nobody else's rules may have something to say about such packets.
//
// Pods are followed a moment after they came: ADD waits for none of this, and a pod's first packets go the long way. The
// kernel forgets a flow by itself where a link goes, where the route of a packet changes, and where the connection ends. It
// looks at a connection that was cut (conntrack) a second later only, and at others' rules never: then the table is made
// anew in one transaction (`renew`), by which no packet is lost.
import { Gauge, type Registry } from "prom-client";
import { nodeAnnotation, nodeAnnotations } from "../../api/kinds/routing/node-annotations.ts";
import { textOf, wording } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { Turns } from "../../base/turns.ts";
import { readForeignTables } from "../../kernel/foreign-tables.ts";
import type { Kernel, NetnsRef } from "../../kernel/kernel.ts";
import { OWN_TABLES } from "../../kernel/own-tables.ts";
import type { ClusterFacts, NodeFacts } from "../../plan/facts.ts";
import { foreignSay } from "../../plan/flow/obstacles.ts";
import { type FlowState, flowSetting, flowStateText, flowWires } from "../../plan/flow/setting.ts";
import { type Ruleset, rulesetOf } from "../../plan/foreign/index.ts";
import type { Store } from "../../store/store.ts";
import { type Changes, concerns, type Manager } from "../managers/manager.ts";
import { setNodeAnnotations } from "../node-annotations.ts";
import { FlowTable } from "./flow-table.ts";

export interface FlowManagerOptions {
  readonly node: string;
  readonly kernel: Kernel;
  readonly netns: NetnsRef;
  readonly store: Store;
  readonly logger: Logger;
  /** Addresses of interfaces in subnets, whose packets take routes of their own. */
  readonly places: () => ReadonlyMap<string, unknown>;
  /** Milliseconds for which changes are gathered. */
  readonly gatherMs?: number;
  /** Reads what other programs have in packets' way; default: by their tools. */
  readonly others?: () => Promise<Ruleset>;
}

const GATHER_MS = 200;
const RETRY_MS = 10_000;
/** Kinds of which every change concerns the node. */
const wholeKinds = ["endpoints", "routingconfigurations", "subnets"];
const notAsked: FlowState = { on: false, why: "nobody has looked yet" };

export class FlowManager implements Manager {
  readonly name = "flow-tables";
  readonly concerns = ["nftables", "others-rules"] as const;
  readonly kinds = ["endpoints", "pods", "nodes", "routingconfigurations", "subnets"] as const;
  readonly answers = { "/flow-tables": async () => ({ ...this.#state, links: this.#table.links }) };
  readonly #options: FlowManagerOptions;
  readonly #table: FlowTable;
  #known: { readonly facts: ClusterFacts; readonly node: NodeFacts } | undefined;
  #state: FlowState = notAsked;
  /** What the kernel said when it was asked; undefined: nobody has asked it. */
  #probed: { readonly against: string | undefined } | undefined;
  /** What is in the kernel may be another than is thought, and others' rules may have changed. */
  #mustLook = true;
  #signature: string | undefined;
  #obstacle: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #turns = new Turns();
  #isOver = false;
  #logged = "";

  constructor(options: FlowManagerOptions) {
    this.#options = options;
    this.#table = new FlowTable(options.kernel);
  }

  async apply(facts: ClusterFacts, node: NodeFacts, changes: Changes): Promise<void> {
    const isFirst = this.#known === undefined;
    this.#known = { facts, node };
    if (isFirst || this.#isOfThisNode(node, changes)) this.#soon(this.#options.gatherMs ?? GATHER_MS);
  }

  async resync(facts: ClusterFacts, node: NodeFacts): Promise<void> {
    this.#known = { facts, node };
    this.#mustLook = true;
    this.#soon(this.#options.gatherMs ?? GATHER_MS);
  }

  /** Connections were cut, or rules changed for such as are open: they are judged anew. Never rejects. */
  async renew(): Promise<void> {
    try {
      await this.#table.renew();
    } catch (error) {
      // Better slow than wrong: without the table nothing passes the rules by.
      this.#options.logger.error({ error: textOf(error) }, "the flow table could not be made anew");
      await this.#table.clear().catch(() => {});
      this.#soon(RETRY_MS);
    }
  }

  /** The table stays: what is in it goes on as fast as it went. */
  async stop(): Promise<void> {
    this.#isOver = true;
    clearTimeout(this.#timer);
    await this.#turns.settled();
  }

  problems() {
    const known = this.#known;
    if (this.#state.on || known === undefined || this.#state === notAsked) return [];
    if (flowSetting(known.facts) !== "Enabled") return [];
    const message = wording("agent.no-flows", { why: this.#state.why });
    return [{ code: "agent.no-flows", message, object: `Node/${this.#options.node}` }];
  }

  meter(registry: Registry): void {
    const table = this.#table;
    new Gauge({
      name: "trunkline_flow_table_links",
      help: "Links whose packets are looked up in the flow table; 0: open connections are not handed over",
      registers: [registry],
      collect() {
        this.set(table.links);
      },
    });
    new Gauge({
      name: "trunkline_flow_table_renewals",
      help: "Times that all flows were judged anew, since connections were cut or other programs' rules changed",
      registers: [registry],
      collect() {
        this.set(table.renewals);
      },
    });
  }

  /** Settles when what was told so far is done; for tests. */
  async settled(): Promise<void> {
    await this.#turns.settled();
  }

  #soon(ms: number): void {
    if (this.#isOver) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#turns.run(() => this.#try());
    }, ms).unref();
  }

  /** Pods of a large cluster come and go all the time: only this node's have links here. */
  #isOfThisNode(node: NodeFacts, changes: Changes): boolean {
    if (wholeKinds.some((kind) => changes.has(kind)) || concerns(changes, "nodes", node.node)) return true;
    return node.endpoints.values().some(({ pod }) => concerns(changes, "pods", pod));
  }

  async #try(): Promise<void> {
    const known = this.#known;
    if (known === undefined || this.#isOver) return;
    try {
      this.#state = await this.#work(known.facts, known.node);
    } catch (error) {
      if (this.#isOver) return;
      this.#mustLook = true;
      this.#state = { on: false, why: textOf(error) };
      await this.#table.clear().catch(() => {});
      this.#soon(RETRY_MS);
    }
    await this.#tell(known.facts);
  }

  async #work(facts: ClusterFacts, node: NodeFacts): Promise<FlowState> {
    const setting = flowSetting(facts);
    if (setting === "Disabled") return await this.#off("RoutingConfiguration default has them disabled");
    this.#probed ??= { against: await this.#table.probe() };
    const { against: text } = this.#probed;
    // Such a kernel has no table of an earlier agent's either.
    if (text !== undefined) return { on: false, why: wording("agent.kernel-no-flows", { text }) };
    const uplinks = [node.uplink];
    const mustLook = this.#mustLook;
    this.#mustLook = false;
    const changed = mustLook && (await this.#look(uplinks));
    if (this.#obstacle !== undefined) return await this.#off(this.#obstacle);
    const places = this.#options.places();
    const wires = flowWires(facts, node, (ip) => places.has(ip));
    const hadFlows = this.#table.links > 0;
    await this.#table.make({ wires, uplinks });
    if (hadFlows && changed) await this.#table.renew();
    else if (hadFlows && mustLook) await this.#table.check();
    return { on: true };
  }

  async #off(why: string): Promise<FlowState> {
    if (this.#state.on || this.#state === notAsked || this.#table.links > 0) await this.#table.clear();
    return { on: false, why };
  }

  /** Looks at what others have in packets' way; returns whether that is something else than before. */
  async #look(uplinks: readonly string[]): Promise<boolean> {
    const { kernel, netns } = this.#options;
    const read = async () => rulesetOf(await readForeignTables(kernel, netns, OWN_TABLES));
    const others = this.#options.others ?? read;
    // Those who are let in encrypted only would be let in in the clear.
    const policies = kernel.ipsecPolicies();
    const { obstacle, signature } = foreignSay(await others(), uplinks);
    const rule = obstacle === undefined ? undefined : wording("agent.flows-foreign", { rule: obstacle });
    this.#obstacle = policies > 0 ? wording("agent.flows-ipsec", { policies }) : rule;
    const changed = this.#signature !== undefined && this.#signature !== signature;
    this.#signature = signature;
    return changed;
  }

  /** Says what stands: in the log, and on the Node object where the kernel has flow tables. */
  async #tell(facts: ClusterFacts): Promise<void> {
    const { store, node, logger } = this.#options;
    const text = flowStateText(this.#state);
    if (text !== this.#logged) {
      this.#logged = text;
      if (this.problems().length > 0)
        logger.warn({ flowTables: text }, "flow tables are asked for and not in force");
      else logger.info({ flowTables: text, links: this.#table.links }, "flow tables");
    }
    const self = facts.nodes.get(node);
    const setting = flowSetting(facts);
    const isSilent = setting === "Disabled" || (setting === "Auto" && this.#probed?.against !== undefined);
    const wanted = isSilent ? undefined : text;
    if (!self || nodeAnnotation(self, "flowTables") === wanted) return;
    try {
      await setNodeAnnotations(store, node, { [nodeAnnotations.flowTables]: wanted });
    } catch (error) {
      logger.warn({ error: textOf(error) }, "the state of flow tables could not be written down");
      this.#soon(RETRY_MS);
    }
  }
}
