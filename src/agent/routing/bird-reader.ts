// One look at BIRD: how its sessions stand, what it has refused, and how far it has come after a start.
import type { BirdControl } from "../../bird/control.ts";
import { BirdLog } from "../../bird/read/log.ts";
import {
  type ProtocolState,
  type RipNeighbour,
  readProtocols,
  readRipNeighbours,
} from "../../bird/read/protocols.ts";
import { type BirdRoute, readRoutes } from "../../bird/read/routes.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { judgeImport, missingFilters, rulesFor } from "../../plan/routing/bird/filters.ts";
import type { BirdPlan } from "../../plan/routing/bird/plan-bird.ts";
import { guardsOf } from "../../plan/routing/bird/ranges.ts";
import type { LiveSession, SessionError } from "../../plan/routing/bird/report.ts";
import type { Session } from "../../plan/routing/bird/sessions.ts";
import type { Progress } from "./route-holds.ts";
import { SessionWatch } from "./session-watch.ts";
import { SignatureWitness } from "./signature-witness.ts";
import { readSignatureCounts } from "./tcp-signatures.ts";

export interface RefusedRoute {
  readonly prefix: string;
  /** The neighbour's address. */
  readonly peer: string;
  readonly through: "bgp" | "rip";
  readonly why: string;
}

export interface BirdView {
  /** By BIRD's name. */
  readonly live: ReadonlyMap<string, LiveSession>;
  readonly ripNeighbours: readonly RipNeighbour[];
  readonly refused: readonly RefusedRoute[];
  /** Prefixes whose next hop nothing leads to. */
  readonly unresolved: readonly { readonly prefix: string; readonly nextHop: string }[];
  readonly progress: Progress;
}

export const nothingSeen: BirdView = {
  live: new Map(),
  ripNeighbours: [],
  refused: [],
  unresolved: [],
  progress: { recovered: false, complete: false },
};

export class BirdReader {
  readonly #kernel: Kernel;
  readonly #witness: SignatureWitness;
  readonly #watch: SessionWatch;
  /** Since when nobody could be asked. */
  #awaySince: string | undefined;
  /** What was refused, with what it was made from: reading thousands of routes every second would be too much. */
  #refused: { key: string; routes: readonly RefusedRoute[] } = { key: "", routes: [] };
  #unresolved: { key: string; routes: BirdView["unresolved"] } = { key: "", routes: [] };

  readonly #log: BirdLog;

  /** @param logFile BIRD's log */
  constructor(kernel: Kernel, logFile: string) {
    this.#kernel = kernel;
    const now = () => performance.now();
    this.#witness = new SignatureWitness(kernel.sockets, now);
    this.#watch = new SessionWatch(now, this.#witness);
    this.#log = new BirdLog(logFile);
  }

  stop(): void {
    this.#witness.watch(new Set());
  }

  /** @param control undefined while BIRD is away or not as it should be */
  async look(
    control: BirdControl | undefined,
    facts: ClusterFacts,
    plan: BirdPlan,
    here: ReadonlySet<string>,
  ): Promise<BirdView> {
    const text = control ? (await control.command("show protocols all")).text : "";
    const protocols = readProtocols(text);
    const counts = readSignatureCounts(this.#kernel.netstat());
    const watched = this.#watch.look(plan.sessions, protocols, counts, here, this.#log.news());
    this.#awaySince = control ? undefined : (this.#awaySince ?? new Date().toISOString());
    const errors = control ? watched : birdAway(plan.sessions);
    const rip = [...protocols.values()].filter(({ type }) => type === "RIP" || type === "RIPng");
    const ripNeighbours: RipNeighbour[] = [];
    for (const { name } of control ? rip : [])
      ripNeighbours.push(...readRipNeighbours((await control!.command(`show rip neighbors ${name}`)).text));
    const refused = control ? await this.#readRefused(control, facts, plan, protocols) : [];
    const unresolved = control ? await this.#readUnresolved(control, protocols) : [];
    const live = new Map(
      plan.sessions.map((session) => [
        session.protocol,
        liveSession(
          session,
          protocols.get(session.protocol) ?? { since: this.#awaySince },
          errors.get(session.protocol),
          refused,
        ),
      ]),
    );
    return { live, ripNeighbours, refused, unresolved, progress: await progressOf(control, plan, protocols) };
  }

  async #readRefused(
    control: BirdControl,
    facts: ClusterFacts,
    plan: BirdPlan,
    protocols: ReadonlyMap<string, ProtocolState>,
  ): Promise<readonly RefusedRoute[]> {
    const telling = [...protocols.values()].filter(
      ({ type, filtered }) => filtered > 0 && (type === "BGP" || type.startsWith("RIP")),
    );
    const key = JSON.stringify([
      telling.map(({ name, filtered, since }) => [name, filtered, since]),
      plan.config?.families.map(({ guarded, sessions }) => [guarded, sessions.map((one) => one.import)]),
    ]);
    if (key === this.#refused.key) return this.#refused.routes;
    const routes: RefusedRoute[] = [];
    for (const { name, type } of telling) {
      const { text } = await control.command(`show route filtered protocol ${name} all`);
      const session = plan.sessions.find(({ protocol }) => protocol === name);
      for (const route of readRoutes(text)) {
        if (type === "BGP" && !session) continue;
        routes.push(session ? refusedBySession(facts, session, route) : refusedByRip(facts, route));
      }
    }
    this.#refused = { key, routes };
    return routes;
  }

  async #readUnresolved(
    control: BirdControl,
    protocols: ReadonlyMap<string, ProtocolState>,
  ): Promise<BirdView["unresolved"]> {
    const bgp = [...protocols.values()].filter(({ type, imported }) => type === "BGP" && imported > 0);
    // The kernel's routes resolve next hops: what it has of others' counts too.
    const kernel = [...protocols.values()].filter(({ type }) => type === "Kernel" || type === "Direct");
    const key = JSON.stringify(
      [...bgp, ...kernel].map(({ name, imported, exported }) => [name, imported, exported]),
    );
    if (key === this.#unresolved.key) return this.#unresolved.routes;
    const routes: { prefix: string; nextHop: string }[] = [];
    if (bgp.length > 0) {
      const { text } = await control.command(
        "show route where source = RTS_BGP && dest = RTD_UNREACHABLE all",
      );
      for (const { prefix, nextHop } of readRoutes(text)) routes.push({ prefix, nextHop: nextHop ?? "" });
    }
    this.#unresolved = { key, routes };
    return routes;
  }
}

/** The peers are not to blame. */
function birdAway(sessions: readonly Session[]): ReadonlyMap<string, SessionError> {
  return new Map(
    sessions.map(({ protocol, node, held }) => [
      protocol,
      held ?? { code: "bird-away", message: `BIRD of ${node} does not run` },
    ]),
  );
}

function liveSession(
  session: Session,
  state: Partial<ProtocolState>,
  error: SessionError | undefined,
  refused: readonly RefusedRoute[],
): LiveSession {
  return {
    state: state.bgpState ?? "Down",
    since: state.since ?? null,
    error: error ?? null,
    routesIn: state.imported ?? 0,
    routesOut: state.exported ?? 0,
    refused: refused
      .filter(({ peer, through }) => through === "bgp" && peer === session.peer)
      .map(({ prefix, why }) => ({ prefix, why })),
  };
}

function refusedBySession(facts: ClusterFacts, session: Session, route: BirdRoute): RefusedRoute {
  const heard = {
    prefix: route.prefix,
    asPath: route.asPath,
    communities: route.communities.flatMap(([a = 0, b = 0, c]) => [
      c === undefined ? ([a, b] as const) : ([a, b, c] as const),
    ]),
    ...(route.interface !== undefined && { interface: route.interface }),
  };
  const { why } = judgeImport(rulesFor(facts, session, "import"), heard, {
    outside: session.peerNode === undefined,
    guards: guardsOf(facts, session.family),
    missing: missingFilters(facts, session),
  });
  return { prefix: route.prefix, peer: session.peer, through: "bgp", why };
}

function refusedByRip(facts: ClusterFacts, route: BirdRoute): RefusedRoute {
  const family = route.prefix.includes(":") ? 6 : 4;
  const { why } = judgeImport(
    { closed: false, rules: [] },
    { prefix: route.prefix, asPath: [], communities: [] },
    { outside: true, guards: guardsOf(facts, family), missing: [] },
  );
  return {
    prefix: route.prefix,
    peer: route.from ?? route.via ?? "",
    through: "rip",
    why: why.replace(/; only a BGPFilter.*$/, ", and is no node's block as it stands"),
  };
}

async function progressOf(
  control: BirdControl | undefined,
  plan: BirdPlan,
  protocols: ReadonlyMap<string, ProtocolState>,
): Promise<Progress> {
  if (!control) return { recovered: false, complete: false };
  const { text } = await control.command("show status");
  const recovered = !/graceful restart/i.test(text);
  const configured = plan.sessions.filter(({ held }) => held === undefined);
  const spoken = configured.every(({ protocol }) => protocols.get(protocol)?.bgpState === "Established");
  const rips = plan.config?.families.flatMap(({ rip }) => rip ?? []) ?? [];
  const started = [...protocols.values()].filter(({ type }) => type.startsWith("RIP"));
  // RIP has no "that was all": who has not spoken after two rounds does not.
  const heard = started.every(({ since }) => {
    const updates = Math.max(0, ...rips.map(({ updateTime }) => updateTime));
    return since !== undefined && Date.now() - Date.parse(since) > 2 * updates * 1000;
  });
  return { recovered, complete: spoken && heard };
}
