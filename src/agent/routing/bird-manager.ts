// Keeps the node's BIRD equal to the plan, and tells how its sessions stand. Nothing here holds up pods: BIRD is spoken
// to in a queue of its own, and what fails there is a problem that is told and tried again.
import { setTimeout as sleep } from "node:timers/promises";
import { equalJson } from "../../api/equal.ts";
import { isError, textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { Turns } from "../../base/turns.ts";
import { birdConfigText } from "../../bird/config/text.ts";
import type { BirdConfig } from "../../bird/config/types.ts";
import { type BirdFiles, birdFiles } from "../../bird/files.ts";
import { BirdProcess } from "../../bird/process.ts";
import { readRoutes } from "../../bird/read/routes.ts";
import type { Kernel, Link, NetnsRef } from "../../kernel/kernel.ts";
import type { ClusterFacts, NodeFacts } from "../../plan/facts.ts";
import { routingFindings } from "../../plan/routing/bird/findings.ts";
import {
  type BirdPlan,
  type NodeLink,
  planBird,
  withBlocks,
  withNodes,
} from "../../plan/routing/bird/plan-bird.ts";
import { serviceRanges } from "../../plan/routing/bird/ranges.ts";
import { type SessionReport, sessionReport } from "../../plan/routing/bird/report.ts";
import { routingProtocols } from "../../plan/routing/bird/settings.ts";
import type { Store } from "../../store/store.ts";
import { addressedLinks } from "../managers/addressed-links.ts";
import type { Changes, Manager } from "../managers/manager.ts";
import { setNodeCondition } from "../node-condition.ts";
import { hostInterfacePattern } from "../pods/endpoint.ts";
import { GATEWAY6 } from "../pods/pod-routes.ts";
import { BirdReader, type BirdView, nothingSeen } from "./bird-reader.ts";
import { hasty, keepsRoutes, together } from "./config-change.ts";
import { PeerStatus } from "./peer-status.ts";
import { RouteHolds } from "./route-holds.ts";
import { routesTold, Settled } from "./routes-told.ts";

export interface BirdManagerOptions {
  readonly node: string;
  readonly kernel: Kernel;
  readonly netns: NetnsRef;
  readonly store: Store;
  readonly stateDir: string;
  readonly logger: Logger;
}

const BLOCKS = "addressblocks";
const NODES = "nodes";
const concernedKinds = [
  NODES,
  BLOCKS,
  "ippools",
  "bgpconfigurations",
  "bgppeers",
  "bgpfilters",
  "routingconfigurations",
  "secrets",
  "servicecidrs",
  "configmaps",
];
/** Kinds of which single changes are followed. */
const parts: ReadonlySet<string> = new Set([NODES, BLOCKS]);
const LOOK_MS = 1000;
/** While routes are held every moment counts. */
const HOLD_LOOK_MS = 250;
/** Beyond the neighbours' own patience, in milliseconds. */
const HOLD_EXTRA_MS = 10_000;
/** How long the old protocol goes on beside the new one: at most, and after the new one has told everything. */
const LINGER_MS = 30_000;
const SETTLED_MS = 3000;
/**
 * How long RIP tells all it has every second once BGP has gone, in milliseconds. A router that passed BGP's routes on by
 * RIP (FRR's ripd with `redistribute bgp`) has thrown away what RIP told it of them, and hears it with the next update.
 */
const HASTE_MS = 10_000;
/** Configurations that are remembered: the one that BIRD is about to take, and those that were wanted since. */
const GIVEN = 4;
/** All nodes hear of a change of objects within this, busy ones too. */
const OTHERS_MS = 1000;

export class BirdManager implements Manager {
  readonly name = "bird";
  readonly concerns = ["link", "address"] as const;
  readonly kinds = concernedKinds;
  readonly answers = { "/routing": () => this.#answer() };
  readonly #options: BirdManagerOptions;
  readonly #files: BirdFiles;
  readonly #process: BirdProcess;
  readonly #holds: RouteHolds;
  readonly #reader: BirdReader;
  readonly #status: PeerStatus;
  readonly #told = new Settled();
  #known: { facts: ClusterFacts; plan: BirdPlan; protocols: string; farEnds: string } | undefined;
  /** As they were when the whole was planned. */
  #plannedLinks: readonly NodeLink[] = [];
  #wanted: { text: string; config: BirdConfig } | undefined;
  /** The old way, until the new one stands. */
  #lingering: { config: BirdConfig; until: number; settledAt?: number } | undefined;
  /** RIP tells more often until then, on the clock of `performance.now()`. */
  #hasteUntil: number | undefined;
  /** The configuration that BIRD is known to have. */
  #inForce: BirdConfig | undefined;
  /** The last ones that were wanted, by their texts: BIRD may be given one of them when another is wanted already. */
  readonly #given = new Map<string, BirdConfig>();
  #seen: BirdView = nothingSeen;
  #timer: NodeJS.Timeout | undefined;
  readonly #looks = new Turns();
  #stopped = false;

  constructor(options: BirdManagerOptions) {
    const { node, kernel, netns, logger, stateDir } = options;
    this.#options = options;
    this.#files = birdFiles(stateDir);
    this.#holds = new RouteHolds(kernel, logger);
    this.#reader = new BirdReader(kernel, this.#files.log);
    this.#status = new PeerStatus(options);
    this.#process = new BirdProcess({
      node,
      netns,
      files: this.#files,
      logger,
      leftRoutes: () => this.#holds.anyOfBird(),
      beforeChange: (what, text) => this.#beforeChange(what, this.#given.get(text)),
      onSettled: (text) => {
        this.#inForce = this.#given.get(text);
        this.#lookSoon(0);
      },
    });
  }

  async apply(facts: ClusterFacts, node: NodeFacts, changes: Changes): Promise<void> {
    const kinds = concernedKinds.filter((kind) => changes.has(kind));
    if (this.#known && kinds.length === 0) return;
    const others = changes.get(NODES) ?? new Set();
    const isMore = others === "all" || others.has(node.node) || kinds.some((kind) => !parts.has(kind));
    if (!this.#known || isMore) {
      this.#make(facts, node, this.#linksFor(facts));
      return;
    }
    let { plan } = this.#known;
    if (others.size > 0) plan = withNodes(plan, facts, node.node, others);
    if (changes.has(BLOCKS)) plan = withBlocks(plan, facts, node.node);
    if (plan !== this.#known.plan) this.#follow(facts, plan);
  }

  /** Of what the kernel has, links alone make a difference; events of pods' links are no news. */
  async resync(facts: ClusterFacts, node: NodeFacts): Promise<void> {
    const links = this.#linksFor(facts);
    if (!this.#known || !equalJson(links, this.#plannedLinks)) this.#make(facts, node, links);
  }

  #make(facts: ClusterFacts, { node }: NodeFacts, links: readonly NodeLink[]): void {
    this.#plannedLinks = links;
    this.#follow(facts, planBird(facts, node, links));
  }

  #follow(facts: ClusterFacts, plan: BirdPlan): void {
    const protocols = [...routingProtocols(facts)].toSorted().join();
    const farEnds = JSON.stringify(plan.sessions.map(({ protocol, farEnd }) => [protocol, farEnd]));
    const before = this.#known;
    if (before && before.protocols !== protocols && this.#inForce)
      this.#lingering = { config: this.#inForce, until: performance.now() + LINGER_MS };
    this.#known = { facts, plan, protocols, farEnds };
    this.#want();
    // The other ends are about to begin their sessions anew, and will take back what they have told.
    const disturbed =
      before !== undefined && (before.farEnds !== farEnds || this.#disturbs(this.#wanted?.config));
    if (disturbed && this.#inForce && plan.config) this.#hold();
    if (!plan.config) this.#holds.drop();
    this.#lookSoon(0);
  }

  #want(): void {
    const config = this.#known?.plan.config;
    if (!config) {
      this.#lingering = undefined;
      this.#hasteUntil = undefined;
      this.#wanted = undefined;
      this.#process.want(undefined);
      return;
    }
    const both = this.#lingering ? together(config, this.#lingering.config) : config;
    const merged = this.#lingering || this.#hasteUntil !== undefined ? hasty(both) : both;
    this.#wanted = { config: merged, text: birdConfigText(merged, this.#files.log) };
    this.#given.delete(this.#wanted.text);
    this.#given.set(this.#wanted.text, merged);
    const [oldest] = this.#given.keys();
    if (this.#given.size > GIVEN && oldest !== undefined) this.#given.delete(oldest);
    this.#process.want(this.#wanted.text);
  }

  /** Ends the old protocol once the new one has settled, or does not in any reasonable time. */
  #reviewLingering(complete: boolean): void {
    const old = this.#lingering;
    if (!old) return;
    const now = performance.now();
    if (complete) old.settledAt ??= now;
    else delete old.settledAt;
    const settled = old.settledAt !== undefined && now - old.settledAt >= SETTLED_MS;
    if (!settled && now < old.until) return;
    this.#lingering = undefined;
    this.#hasteUntil = now + HASTE_MS;
    this.#want();
  }

  #reviewHaste(): void {
    if (this.#hasteUntil === undefined || performance.now() < this.#hasteUntil) return;
    this.#hasteUntil = undefined;
    this.#want();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#process.stop();
    await this.#looks.settled();
    this.#reader.stop();
  }

  /** Without the program nothing that is planned of routes can come about. */
  notReady(): readonly string[] {
    const { error } = this.#process;
    return this.#known?.plan.config && isError(error, "bird.missing") ? [error.message] : [];
  }

  problems() {
    const { error } = this.#process;
    const own =
      error === undefined || !this.#known?.plan.config
        ? []
        : [
            {
              code: isError(error) ? error.code : "bird.failed",
              message: error.message,
              object: `Node/${this.#options.node}`,
            },
          ];
    return own;
  }

  /** Copies what may vanish for a moment. A change of filters or of announcements takes nothing from this node. */
  async #beforeChange(what: "start" | "configure", next: BirdConfig | undefined): Promise<void> {
    if (what === "configure" && !this.#disturbs(next)) return;
    this.#hold();
    // The other ends must have copied theirs before this end closes sessions.
    if (what === "configure" && this.#inForce) await sleep(OTHERS_MS);
  }

  /** Whether another configuration takes away sessions that BIRD has, or begins them anew. */
  #disturbs(next: BirdConfig | undefined): boolean {
    return !(this.#inForce && next && keepsRoutes(this.#inForce, next));
  }

  #hold(): void {
    const longest = Math.max(0, ...(this.#known?.plan.sessions ?? []).map((one) => one.restartTime));
    this.#holds.take(longest * 1000 + HOLD_EXTRA_MS, this.#services());
  }

  /** Another node may announce them before this node has heard that they are Services'. */
  #services(): readonly string[] {
    const facts = this.#known?.facts;
    return facts ? [...serviceRanges(facts, 4), ...serviceRanges(facts, 6)] : [];
  }

  #lookSoon(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#stopped || !this.#known) return;
    this.#timer = setTimeout(() => {
      void this.#looks.run(() => this.#look());
    }, ms);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    const known = this.#known;
    if (!known || this.#stopped) return;
    const { facts, plan } = known;
    try {
      this.#seen = await this.#reader.look(this.#process.control, facts, plan, this.#addresses());
      this.#holds.review(this.#seen.progress);
      this.#reviewLingering(this.#seen.progress.recovered && this.#seen.progress.complete);
      this.#reviewHaste();
      const reports = plan.sessions.map((session) =>
        sessionReport(session, this.#seen.live.get(session.protocol)),
      );
      await this.#status.tell(facts, reports);
      await this.#tellNode(facts, plan, reports);
    } catch (error) {
      this.#options.logger.debug({ error: textOf(error) }, "BIRD could not be looked at");
    }
    // Without BIRD there is nothing to see, but sessions on objects are still to be taken back once.
    if (plan.config) this.#lookSoon(this.#holds.active ? HOLD_LOOK_MS : LOOK_MS);
  }

  async #tellNode(facts: ClusterFacts, plan: BirdPlan, reports: readonly SessionReport[]): Promise<void> {
    const { node, store } = this.#options;
    const running = plan.config && this.#process.control !== undefined;
    const condition = routesTold(facts.nodes.get(node), running, reports);
    // Without BIRD nobody looks again.
    if (!condition || (!this.#told.take(condition) && plan.config)) return;
    await setNodeCondition(store, node, condition);
    this.#told.done(condition);
  }

  /** All that `trunkline route` asks of a node. */
  async #answer(): Promise<unknown> {
    const { node, kernel } = this.#options;
    const { facts, plan } = this.#known ?? {};
    const { control } = this.#process;
    const routes = control && readRoutes((await control.command("show route all")).text);
    const exports = new Map<string, string[]>();
    for (const session of plan?.sessions ?? []) {
      const state = this.#seen.live.get(session.protocol)?.state;
      if (!control || state !== "Established") continue;
      const { text } = await control.command(`show route export ${session.protocol} all`);
      exports.set(session.peer, [...new Set(readRoutes(text).map(({ prefix }) => prefix))]);
    }
    return {
      node,
      running: control !== undefined,
      error: this.#process.error?.message ?? null,
      sessions: (plan?.sessions ?? []).map((session) =>
        sessionReport(session, this.#seen.live.get(session.protocol)),
      ),
      ripNeighbours: this.#seen.ripNeighbours.map((one) => ({ node, ...one })),
      findings: facts && plan ? routingFindings(facts, node, this.#seen.unresolved) : [],
      routes: routes ?? [],
      refused: this.#seen.refused,
      exports: Object.fromEntries(exports),
      kernel: kernel.routes.list(),
      links: this.#links(),
    };
  }

  /** Those that the plan looks at: RIP is spoken on links, BGP with addresses. */
  #linksFor(facts: ClusterFacts): readonly NodeLink[] {
    return routingProtocols(facts).has("rip") ? this.#links() : [];
  }

  /** Links that are no pods'. */
  #links(): (NodeLink & { readonly index: number; readonly mtu: number })[] {
    const { kernel } = this.#options;
    const addresses = Map.groupBy(kernel.addresses.list(), ({ linkIndex }) => linkIndex);
    return kernel.links
      .list()
      .filter(isMachines)
      .map(({ name, index, mtu }) => ({
        name,
        index,
        mtu,
        addresses: (addresses.get(index) ?? []).map(({ address }) => address.split("/")[0] ?? ""),
      }));
  }

  /** The machine's own addresses. */
  #addresses(): ReadonlySet<string> {
    const { kernel } = this.#options;
    // That one is all that pods' links hold.
    const held = kernel.addresses.list().filter(({ address }) => !address.startsWith(`${GATEWAY6}/`));
    const links = addressedLinks(kernel, held);
    return new Set(
      held
        .filter(({ linkIndex }) => isMachines(links.get(linkIndex)))
        .map(({ address }) => address.split("/")[0] ?? ""),
    );
  }
}

/** Returns whether a link is the machine's own: no pod's, and not the loopback. */
function isMachines(link: Pick<Link, "name"> | undefined): boolean {
  return link !== undefined && link.name !== "lo" && !hostInterfacePattern.test(link.name);
}
