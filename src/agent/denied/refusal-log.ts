// Hears of the packets that the node's rules refuse, says whose they were and why, and keeps that for `trunkline denied`,
// for events on the pods and for /metrics. What it hears is a sample that the kernel limits (plan/policy/nft/refusals.ts);
// what is counted is exact.
import { Counter, type Registry } from "prom-client";
import { isError, textOf } from "../../base/errors.ts";
import { formatIp, tryParseIp } from "../../base/ip.ts";
import type { Logger } from "../../base/log.ts";
import {
  directionOf,
  portText,
  type RefusedEnd,
  type RefusedPacket,
  refusalOf,
} from "../../explain/denied/refusal.ts";
import type { Kernel, LoggedPacket, PacketLog } from "../../kernel/kernel.ts";
import { type ClusterFacts, type LocalEndpoint, type NodeFacts, nodeIps } from "../../plan/facts.ts";
import { isStagedSite, LOG_GROUP, type RefusalSite, siteOf } from "../../plan/policy/nft/refusals.ts";
import type { ClusterModel } from "../../plan/policy/node/cluster-model.ts";
import type { CompiledPolicy, Direction } from "../../plan/policy/types.ts";
import { EventRecorder } from "../../store/event-recorder.ts";
import type { Store } from "../../store/store.ts";
import type { Changes, Manager } from "../managers/manager.ts";
import {
  type Count,
  type DeniedCounts,
  type LinkCount,
  readDeniedCounts,
  readStagedCounts,
} from "./denied-counts.ts";
import { type BookedRefusal, RefusalBook } from "./refusal-book.ts";

/** What a pod's owner can do something about. */
const ofPods: ReadonlySet<RefusalSite> = new Set([
  "ingress",
  "egress",
  "forged",
  "loopback",
  "group-ingress",
  "group-egress",
]);
/** A pod is told at most that often that it is refused, in ms: an event is an object in the store. */
const EVENT_MS = 60_000;

export interface RefusalLogOptions {
  readonly node: string;
  readonly kernel: Kernel;
  readonly store: Store;
  readonly logger: Logger;
  readonly facts: ClusterFacts;
  /** The cluster as this node's policies see it. */
  readonly model: () => ClusterModel;
  /** The same with staged policies; undefined while there are none. */
  readonly stagedModel: () => ClusterModel | undefined;
}

/** What the agent answers at /denied (with `would`: of staged policies); plain JSON. */
export interface DeniedAnswer {
  readonly node: string;
  /** Of this agent: the numbers of refusals are its own. */
  readonly started: string;
  /** Why no packets are heard of; null: they are. */
  readonly deaf: string | null;
  /** Number of the last one. */
  readonly last: number;
  /** Packets that the kernel told of and that came too many at once to be heard. */
  readonly lost: number;
  readonly refusals: readonly BookedRefusal[];
  /** Where asked for: what the kernel counted, whether told or not. */
  readonly counts?: readonly PodCount[];
}

export interface PodCount extends Count {
  /** `namespace/name` */
  readonly pod: string;
  readonly by: LinkCount["by"];
}

export class RefusalLog implements Manager {
  readonly name = "denied";
  readonly concerns = [] as const;
  readonly kinds = ["endpoints", "nodes", "hosts"] as const;
  readonly answers = { "/denied": (query: URLSearchParams) => this.#answer(query) };
  /** Whether the kernel can tell of packets; where it cannot, rules that ask for it would be refused. */
  readonly supported: boolean;
  readonly #options: RefusalLogOptions;
  readonly #events: EventRecorder;
  readonly #book = new RefusalBook();
  /** What staged policies would have refused: apart, so that neither keeps the other out. */
  readonly #stagedBook = new RefusalBook();
  readonly #started = new Date().toISOString();
  readonly #told = new Map<string, number>();
  #log: PacketLog | undefined;
  #deaf: string | undefined;
  #lost = 0;
  #endpoints: ReadonlyMap<string, LocalEndpoint> = new Map();
  /** By the name of the link; undefined: to be made anew. */
  #byLink: Map<string, LocalEndpoint> | undefined;
  /** Nodes and hosts by address; undefined: to be made anew. */
  #names: Map<string, string> | undefined;

  constructor(options: RefusalLogOptions) {
    this.#options = options;
    const source = { component: "trunkline-agent", host: options.node };
    this.#events = new EventRecorder(options.store, source, options.logger);
    this.supported = this.#listen() !== "unsupported";
  }

  async apply(_facts: ClusterFacts, node: NodeFacts, changes: Changes): Promise<void> {
    this.#endpoints = node.endpoints;
    if (changes.has("endpoints")) this.#byLink = undefined;
    if (changes.has("nodes") || changes.has("hosts")) this.#names = undefined;
    if (this.#log === undefined && this.supported) this.#listen();
  }

  async resync(): Promise<void> {
    if (this.#log === undefined && this.supported) this.#listen();
  }

  stop(): void {
    this.#log?.stop();
    this.#log = undefined;
  }

  /** Puts what is counted into the agent's metrics. */
  meter(registry: Registry): void {
    const { kernel, model, stagedModel, logger } = this.#options;
    const failures = new Counter({
      name: "trunkline_denied_read_failures_total",
      help: "Times that the counters of refused packets could not be read from the kernel: those figures stand still then",
      registers: [registry],
    });
    // All other figures are still to be had where nft refuses these.
    const read = async (counts: () => Promise<void>): Promise<void> => {
      try {
        await counts();
      } catch (error) {
        failures.inc();
        logger.warn({ error: textOf(error) }, "the counters of refused packets cannot be read");
      }
    };
    const sums = new Sums(
      () => readDeniedCounts(kernel.nft),
      (link, direction) => this.#isolating(model(), link, direction),
    );
    const stagedSums = new Sums(
      () => readStagedCounts(kernel.nft),
      (link, direction) => this.#isolating(stagedModel(), link, direction),
    );
    const perPolicy: Counter<"namespace" | "policy" | "direction"> = new Counter({
      name: "trunkline_denied_packets_total",
      help: "Packets refused by default at pods that a policy isolates; each policy that isolates the pod has them all",
      labelNames: ["namespace", "policy", "direction"],
      registers: [registry],
      collect: (): Promise<void> => read(() => sums.collect(perPolicy, guards)),
    });
    const wouldBe: Counter<"namespace" | "policy" | "direction"> = new Counter({
      name: "trunkline_staged_denied_packets_total",
      help: "Packets that passed, and that staged policies would have refused at pods that they would isolate",
      labelNames: ["namespace", "policy", "direction"],
      registers: [registry],
      collect: (): Promise<void> =>
        stagedModel() === undefined ? Promise.resolve() : read(() => stagedSums.collect(wouldBe)),
    });
    const guards: Counter<"chain"> = new Counter({
      name: "trunkline_guard_denied_packets_total",
      help: "Packets refused whatever policies say, by the chain that refused them",
      labelNames: ["chain"],
      registers: [registry],
    });
  }

  #listen(): "unsupported" | undefined {
    try {
      this.#log = this.#options.kernel.packetLog(LOG_GROUP, (packets, lost) => {
        this.#lost += lost;
        for (const packet of packets) this.#tryToHear(packet);
      });
      if (this.#deaf !== undefined) this.#options.logger.info({}, "refused packets are heard of again");
      this.#deaf = undefined;
      return undefined;
    } catch (error) {
      // So the kernel says that another has the group; who may write rules may also listen.
      const taken = isError(error, "kernel.permission");
      const why = taken
        ? `another program listens to log group ${LOG_GROUP}`
        : `the kernel cannot tell of packets (nfnetlink_log): ${textOf(error)}`;
      if (this.#deaf !== why) this.#options.logger.warn({ why }, "refused packets are counted only");
      this.#deaf = why;
      return taken ? undefined : "unsupported";
    }
  }

  /** The kernel calls us here, and is asked whose link it was: what it refuses must not reach who waits for its events. */
  #tryToHear(packet: LoggedPacket): void {
    try {
      this.#hear(packet);
    } catch (error) {
      this.#lost++;
      this.#options.logger.debug({ error: textOf(error) }, "a refused packet could not be looked at");
    }
  }

  #hear(packet: LoggedPacket): void {
    const site = siteOf(packet.prefix);
    if (site === undefined || packet.ends === undefined) return;
    const { ends } = packet;
    const out = this.#endpointAt(packet.outLink);
    const direction = directionOf(site, out !== undefined);
    const self = direction === "ingress" ? out : this.#endpointAt(packet.inLink);
    const time = new Date().toISOString();
    const key = [site, packet.inLink, packet.outLink, ends.source, ends.destination, portText(ends)].join(
      " ",
    );
    const isStaged = isStagedSite(site);
    const { node, model, stagedModel } = this.#options;
    const known = isStaged ? (stagedModel() ?? model()) : model();
    const began = (isStaged ? this.#stagedBook : this.#book).note(key, performance.now(), time, () =>
      refusalOf({ ...this.#known(known, self, direction, ends), time, node, site, direction }),
    );
    if (began !== undefined && self !== undefined && ofPods.has(site)) this.#tellPod(self, began);
  }

  #known(
    model: ClusterModel,
    endpoint: LocalEndpoint | undefined,
    direction: Direction,
    ends: NonNullable<LoggedPacket["ends"]>,
  ): Omit<RefusedPacket, "time" | "node" | "site" | "direction"> {
    const entry = endpoint && model.pod(endpoint.pod);
    const [own, other] =
      direction === "ingress" ? [ends.destination, ends.source] : [ends.source, ends.destination];
    const peer = model.ownerOf(other);
    const ownEnd: RefusedEnd = {
      // By its link: the address may be one that it has no right to.
      name: endpoint ? `pod/${endpoint.pod}` : this.#nameOf(own),
      address: own,
    };
    const otherEnd: RefusedEnd = { name: this.#nameOf(other), address: other };
    return {
      ends,
      from: direction === "ingress" ? otherEnd : ownEnd,
      to: direction === "ingress" ? ownEnd : otherEnd,
      self: entry && { key: entry.key, pod: entry.pod },
      selfKey: endpoint?.pod,
      peer: {
        ip: other,
        ...(peer && { pod: { key: peer.key, pod: peer.pod, namespaceLabels: peer.namespace.labels } }),
      },
      policies: entry ? isolating(model.policiesOf(entry), direction) : [],
    };
  }

  #isolating(model: ClusterModel | undefined, link: string, direction: Direction): readonly CompiledPolicy[] {
    const endpoint = this.#links().get(link);
    const entry = endpoint && model?.pod(endpoint.pod);
    return entry && model ? isolating(model.policiesOf(entry), direction) : [];
  }

  #nameOf(address: string): string | null {
    const ip = tryParseIp(address);
    const text = ip === undefined ? address : formatIp(ip);
    const pod = this.#options.model().ownerOf(text);
    if (pod !== undefined) return `pod/${pod.key}`;
    this.#names ??= namesOf(this.#options.facts);
    return this.#names.get(text) ?? null;
  }

  #endpointAt(index: number | undefined): LocalEndpoint | undefined {
    const name = index === undefined ? undefined : this.#options.kernel.links.get(index)?.name;
    return name === undefined ? undefined : this.#links().get(name);
  }

  #links(): Map<string, LocalEndpoint> {
    this.#byLink ??= new Map([...this.#endpoints.values()].map((one) => [one.interface, one]));
    return this.#byLink;
  }

  /** One event for a pod, a direction and who refuses it, however many flows there are: `denied` shows each. */
  #tellPod({ pod, uid }: LocalEndpoint, { direction, by }: BookedRefusal): void {
    const [namespace = "", name = ""] = pod.split("/");
    const who = by.kind === "policy" ? `policy ${by.policies.join(", ")}` : `the ${by.kind} (${by.site})`;
    const message = `${direction} is refused by ${who}: trunkline denied --pod ${name} -n ${namespace} shows what`;
    const key = `${uid} ${message}`;
    const last = this.#told.get(key);
    const now = performance.now();
    if (last !== undefined && now - last < EVENT_MS) return;
    if (this.#told.size >= 1000) this.#told.clear();
    this.#told.set(key, now);
    const object = { apiVersion: "v1", kind: "Pod", namespace, name, uid };
    this.#events.record({ object, reason: "PacketsRefused", message, type: "Warning" });
  }

  async #answer(query: URLSearchParams): Promise<DeniedAnswer> {
    const after = Number(query.get("after") ?? 0);
    const isStaged = query.get("would") !== null;
    const read = isStaged ? readStagedCounts : readDeniedCounts;
    const counts = query.get("counts") === null ? undefined : await this.#podCounts(read);
    const book = isStaged ? this.#stagedBook : this.#book;
    return {
      node: this.#options.node,
      started: this.#started,
      deaf: this.#deaf ?? null,
      last: book.last,
      lost: this.#lost,
      refusals: book.after(Number.isFinite(after) ? after : 0),
      ...(counts && { counts }),
    };
  }

  async #podCounts(read: typeof readDeniedCounts): Promise<PodCount[]> {
    const { links } = await read(this.#options.kernel.nft);
    return links.flatMap(({ link, by, packets, bytes }) => {
      const endpoint = this.#links().get(link);
      return endpoint === undefined || packets === 0 ? [] : [{ pod: endpoint.pod, by, packets, bytes }];
    });
  }
}

function isolating(policies: readonly CompiledPolicy[], direction: Direction): readonly CompiledPolicy[] {
  return policies.filter((policy) => policy[direction] !== undefined);
}

function namesOf({ nodes, hosts }: Pick<ClusterFacts, "nodes" | "hosts">): Map<string, string> {
  const out = new Map<string, string>();
  const note = (name: string, addresses: readonly string[]) => {
    for (const address of addresses) {
      const ip = tryParseIp(address);
      if (ip !== undefined) out.set(formatIp(ip), name);
    }
  };
  for (const host of hosts.values()) note(`host/${host.metadata.name}`, host.spec.addresses);
  for (const node of nodes.values()) note(`node/${node.metadata.name}`, nodeIps(node));
  return out;
}

/** Makes counters that only grow of the kernel's, which go with their pods. */
class Sums {
  readonly #read: () => Promise<DeniedCounts>;
  readonly #isolating: (link: string, direction: Direction) => readonly CompiledPolicy[];
  readonly #seen = new Map<string, number>();

  constructor(
    read: () => Promise<DeniedCounts>,
    isolatingAt: (link: string, direction: Direction) => readonly CompiledPolicy[],
  ) {
    this.#read = read;
    this.#isolating = isolatingAt;
  }

  async collect(
    perPolicy: Counter<"namespace" | "policy" | "direction">,
    guards?: Counter<"chain">,
  ): Promise<void> {
    const { links, chains } = await this.#read();
    const there = new Set<string>();
    for (const { link, by, packets } of links) {
      const more = this.#more(`${by} ${link}`, packets, there);
      if (more === 0 || by === "guard") continue;
      for (const { namespace, name } of this.#isolating(link, by))
        perPolicy.inc({ namespace, policy: name, direction: by }, more);
    }
    for (const [chain, { packets }] of chains) {
      const more = this.#more(`chain ${chain}`, packets, there);
      guards?.inc({ chain }, more);
    }
    for (const key of this.#seen.keys()) if (!there.has(key)) this.#seen.delete(key);
  }

  #more(key: string, packets: number, there: Set<string>): number {
    there.add(key);
    const before = this.#seen.get(key) ?? 0;
    this.#seen.set(key, packets);
    // Less than before: the kernel's counter began anew.
    return packets >= before ? packets - before : packets;
  }
}
