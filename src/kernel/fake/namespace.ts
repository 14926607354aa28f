// A network namespace in memory: what it holds, and who is told of changes.

import { TrunklineError } from "../../base/errors.ts";
import type {
  ConntrackFlow,
  EventGroup,
  KernelEvent,
  Link,
  LinkAddress,
  LoggedPacket,
  Neighbour,
  PacketLog,
  RateLimit,
  Route,
  Rule,
} from "../kernel.ts";
import { FakeNftStore } from "./nft/store.ts";

export type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A link and what the kernel keeps beside it. */
export interface FakeLink {
  facts: Mutable<Omit<Link, "running">>;
  home: Namespace;
  /** What ethtool has switched. */
  readonly features: Map<string, boolean>;
  /** The other end of a veth. */
  peer?: FakeLink;
  /** What a vlan or macvlan stands on. */
  base?: FakeLink;
  vlanId?: number;
  rateLimit?: RateLimit;
}

export type PacketListener = (packets: readonly LoggedPacket[], lost: number) => void;

interface Watcher {
  readonly groups: readonly EventGroup[];
  readonly owner: object;
  readonly tell: (event: KernelEvent) => void;
}

export class Namespace {
  readonly id: string;
  readonly links = new Map<number, FakeLink>();
  addresses: LinkAddress[] = [];
  routes: Route[] = [];
  rules: Rule[] = [
    { family: 4, priority: 0, table: 255, protocol: 2 },
    { family: 4, priority: 32766, table: 254, protocol: 2 },
    { family: 4, priority: 32767, table: 253, protocol: 2 },
    { family: 6, priority: 0, table: 255, protocol: 2 },
    { family: 6, priority: 32766, table: 254, protocol: 2 },
  ];
  neighbours: Neighbour[] = [];
  flows: ConntrackFlow[] = [];
  readonly sysctls = new Map<string, string>();
  readonly nft = new FakeNftStore();
  /** Names and open handles that keep it alive. */
  holders = 0;
  readonly #watchers = new Set<Watcher>();
  /** By group: who hears what rules tell of; a test may tell, since no packet ever comes. */
  readonly packetListeners = new Map<number, PacketListener>();
  #lastIndex = 0;

  constructor(id: string, ipv6 = true) {
    this.id = id;
    if (!ipv6) this.rules = this.rules.filter(({ family }) => family === 4);
  }

  nextIndex(): number {
    do this.#lastIndex++;
    while (this.links.has(this.#lastIndex));
    return this.#lastIndex;
  }

  linkNamed(name: string): FakeLink | undefined {
    return [...this.links.values()].find((link) => link.facts.name === name);
  }

  find(nameOrIndex: string | number): FakeLink | undefined {
    return typeof nameOrIndex === "number" ? this.links.get(nameOrIndex) : this.linkNamed(nameOrIndex);
  }

  listenToLog(group: number, onPackets: PacketListener): PacketLog {
    if (this.packetListeners.has(group)) {
      const facts = { attempt: `listen to log group ${group}`, errno: "EPERM", text: undefined };
      throw new TrunklineError("kernel.permission", facts);
    }
    this.packetListeners.set(group, onPackets);
    return { stop: () => void this.packetListeners.delete(group) };
  }

  /** `owner` stands for the handle that watches. */
  watch(groups: readonly EventGroup[], owner: object, tell: (event: KernelEvent) => void): { stop(): void } {
    const watcher = { groups, owner, tell };
    this.#watchers.add(watcher);
    return { stop: () => void this.#watchers.delete(watcher) };
  }

  /** Tells all watchers of a group, after the caller's own turn: the real kernel's events come later, too. */
  tell(group: EventGroup, event: KernelEvent | ((owner: object) => KernelEvent)): void {
    for (const watcher of this.#watchers) {
      if (!watcher.groups.includes(group)) continue;
      const told = typeof event === "function" ? event(watcher.owner) : event;
      queueMicrotask(() => {
        if (this.#watchers.has(watcher)) watcher.tell(told);
      });
    }
  }

  /** Tells every watcher that events were lost. */
  lose(): void {
    for (const watcher of this.#watchers) queueMicrotask(() => watcher.tell({ kind: "lost" }));
  }
}
