// What one node has to enforce, kept up to date change by change and told to a sink as rows of tables: which class a
// peer's address belongs to, which ports a class may use of a local pod, and what else each local pod allows.
import type { Namespace, Pod } from "../../../api/kinds/core.ts";
import type { NetworkPolicy } from "../../../api/kinds/network-policy.ts";
import { tryParseIp } from "../../../base/ip.ts";
import type { LocalEndpoint } from "../../facts.ts";
import { type Blocks, kindAt } from "../blocks.ts";
import { canonical, isPolicyPod } from "../pods.ts";
import { hasPort, isEmpty, type PortSet } from "../port-set.ts";
import { type CompiledPolicy, type Direction, directions } from "../types.ts";
import { ClusterModel, type ModelChanges, speaksOf } from "./cluster-model.ts";
import type { PodEntry } from "./entries.ts";
import { groupKey, makeGroup, portsFor } from "./groups.ts";
import { PeerClasses } from "./peer-classes.ts";
import { getOrMake } from "./selector-index.ts";
import type { Group, LocalPod, PeerClass } from "./types.ts";

/** What a direction of a local pod is, beside the rows of its peers. Undefined: no policy isolates it. */
export interface Isolation {
  readonly any: PortSet;
  readonly blocks: Blocks;
}

export interface LocalRules {
  readonly interface: string;
  readonly ips: readonly string[];
  readonly ingress: Isolation | undefined;
  readonly egress: Isolation | undefined;
}

/** Takes the node's rules. Each call says how one thing is now; undefined: it is gone. */
export interface PolicySink {
  peer(direction: Direction, ip: string, classId: number | undefined): void;
  row(direction: Direction, classId: number, localIp: string, ports: PortSet | undefined): void;
  local(key: string, rules: LocalRules | undefined): void;
}

/** Addresses whose rights a flush took away or changed: connections that they have may have to be cut. */
export interface Affected {
  /** Of local pods; also of those that are gone. */
  readonly locals: ReadonlySet<string>;
  /** Of peers. */
  readonly peers: ReadonlySet<string>;
}

export class NodePolicy {
  readonly model: ClusterModel;
  readonly #sink: PolicySink;
  readonly #classes: Readonly<Record<Direction, PeerClasses>>;
  readonly #groups: Record<Direction, Map<string, Group>> = { ingress: new Map(), egress: new Map() };
  readonly #locals = new Map<string, LocalPod>();
  readonly #localByIp = new Map<string, LocalPod>();
  readonly #localsOfPod = new Map<string, Set<LocalPod>>();
  readonly #dirty = new Set<LocalPod>();
  /** Those that the model does not hold: policies do not speak of them. */
  readonly #otherPods = new Map<string, Pod>();

  /**
   * @param withStaged whether policies that are only tried count like all others
   * @param idBits for tests
   */
  constructor(sink: PolicySink, withStaged = false, idBits?: number) {
    this.#sink = sink;
    this.model = new ClusterModel(withStaged);
    this.#classes = {
      ingress: new PeerClasses(this.model, "ingress", idBits),
      egress: new PeerClasses(this.model, "egress", idBits),
    };
  }

  setNamespace(name: string, namespace: Namespace | undefined): void {
    this.model.setNamespace(name, namespace);
  }

  setPolicy(key: string, policy: NetworkPolicy | undefined): void {
    this.model.setPolicy(key, policy);
  }

  setPod(key: string, pod: Pod | undefined): void {
    if (pod === undefined || isPolicyPod(pod)) this.#otherPods.delete(key);
    else this.#otherPods.set(key, pod);
    const locals = [...(this.#localsOfPod.get(key) ?? [])];
    const here = locals.filter((local) => pod !== undefined && isIncarnation(pod, local.endpoint));
    const ips = here.flatMap((local) => local.ips).toSorted();
    this.model.setPod(key, pod, here.length > 0 ? ips : undefined);
    for (const local of locals) this.#dirty.add(local);
  }

  /** An interface of a pod on this node, by the endpoint's own key; undefined when it is gone. */
  setEndpoint(key: string, endpoint: LocalEndpoint | undefined): void {
    const before = this.#locals.get(key);
    if (before !== undefined) {
      if (endpoint !== undefined && sameEndpoint(before.endpoint, endpoint)) return;
      this.#dropLocal(before);
    }
    if (endpoint !== undefined) {
      const local: LocalPod = {
        key,
        endpoint,
        ips: canonical(endpoint.ips),
        groups: { ingress: undefined, egress: undefined },
        entry: undefined,
      };
      this.#locals.set(key, local);
      getOrMake(this.#localsOfPod, endpoint.pod, () => new Set<LocalPod>()).add(local);
      for (const ip of local.ips) this.#localByIp.set(ip, local);
    }
    for (const pod of new Set([before?.endpoint.pod, endpoint?.pod]))
      if (pod !== undefined) this.setPod(pod, this.model.pod(pod)?.pod ?? this.#otherPods.get(pod));
  }

  endpointKeys(): Iterable<string> {
    return this.#locals.keys();
  }

  *podKeys(): Iterable<string> {
    yield* this.model.podKeys();
    yield* this.#otherPods.keys();
  }

  /** Whether a pod on this node has the address. */
  isLocal(ip: string): boolean {
    return this.#localByIp.has(ip);
  }

  /** Every address of pods on this node. */
  localIps(): Iterable<string> {
    return this.#localByIp.keys();
  }

  /** Tells the sink everything that changed since the last time. */
  flush(): Affected {
    const locals = new Set<string>();
    const peers = new Set<string>();
    const changes = this.model.takeChanges();
    this.#noteChanges(changes);
    const fresh: Group[] = [];
    const left: Group[] = [];
    const joined: [LocalPod, Group][] = [];
    for (const local of this.#dirty) {
      const [{ ingress, egress }, known] = [{ ...local.groups }, local.entry !== undefined];
      joined.push(...this.#regroup(local, fresh, left));
      const { groups, entry } = local;
      const same = groups.ingress === ingress && groups.egress === egress && known === (entry !== undefined);
      if (same && this.#isCurrent(local)) continue;
      // A pod that is told for the first time has no connections yet.
      if (this.#toldLocals.has(local)) for (const ip of local.ips) locals.add(ip);
    }
    // After everybody has left: an address may have gone from one pod to another.
    for (const [local, group] of joined) this.#tellRows(group, local, true);
    for (const group of left) this.#disband(group);
    const ips = new Set(changes.ips);
    for (const direction of directions) {
      const classes = this.#classes[direction];
      const { made, gone, moved, renumbered } = classes.settle();
      for (const one of gone) this.#dropRows(direction, one);
      if (renumbered !== undefined) this.#dropAllRows(direction, renumbered);
      for (const one of made)
        for (const { term } of one.terms) for (const group of term.groups) this.#fillRow(group, one);
      for (const group of fresh) if (group.direction === direction) this.#fillRows(group);
      if (renumbered !== undefined)
        for (const group of this.#groups[direction].values())
          for (const local of group.locals) this.#tellRows(group, local, true);
      for (const entry of moved) for (const ip of entry.ips) ips.add(ip);
      if (renumbered !== undefined)
        for (const entry of classes.members()) for (const ip of entry.ips) ips.add(ip);
    }
    for (const ip of ips) {
      if (this.#tellPeer(ip)) peers.add(ip);
    }
    for (const local of this.#dirty) if (!this.#isCurrent(local)) this.#sink.local(local.key, undefined);
    for (const local of this.#dirty) {
      if (!this.#isCurrent(local)) continue;
      this.#sink.local(local.key, rulesOf(local));
      if (local.entry !== undefined) this.#toldLocals.add(local);
    }
    this.#dirty.clear();
    return { locals, peers };
  }

  /** Tells a sink everything there is. Call `flush` before. */
  replay(sink: PolicySink): void {
    for (const direction of directions) {
      const classes = this.#classes[direction];
      for (const entry of classes.members())
        for (const ip of entry.ips) {
          const owner = this.model.ownerOf(ip);
          if (owner === entry) sink.peer(direction, ip, classes.classOf(entry)?.id);
        }
      for (const group of this.#groups[direction].values())
        for (const local of group.locals)
          for (const [one, ports] of group.rows)
            for (const ip of local.ips) sink.row(direction, one.id, ip, ports);
    }
    for (const local of this.#locals.values()) sink.local(local.key, rulesOf(local));
  }

  /**
   * Says whether the node's rules let a connection through at a local pod, as the kernel would. Addresses that are no
   * local pod's are not judged here. The pod's own node is the caller's business.
   */
  allows(direction: Direction, localIp: string, peerIp: string, protocol: string, port: number): boolean {
    const local = this.#localByIp.get(localIp);
    if (local === undefined) return true;
    if (local.entry === undefined) return false;
    const group = local.groups[direction];
    if (group === undefined || local.ips.includes(peerIp)) return true;
    if (hasPort(group.any, protocol, port)) return true;
    const owner = this.model.ownerOf(peerIp);
    const peers = owner === undefined ? undefined : this.#classes[direction].classOf(owner);
    const row = peers === undefined ? undefined : group.rows.get(peers);
    if (row !== undefined && hasPort(row, protocol, port)) return true;
    const ip = tryParseIp(peerIp);
    if (ip === undefined) return false;
    const block = kindAt(group.blocks, ip);
    return block !== undefined && hasPort(block.ports, protocol, port);
  }

  #noteChanges({ pods, gone, policies }: ModelChanges): void {
    const present = [...pods].flatMap((key) => this.model.pod(key) ?? []);
    for (const direction of directions)
      for (const entry of [...gone, ...present]) this.#classes[direction].touch(entry);
    if (policies.length === 0) return;
    for (const local of this.#locals.values()) {
      const { entry } = local;
      if (entry !== undefined && policies.some((policy) => speaksOf(policy, entry))) this.#dirty.add(local);
    }
  }

  /** What the sink has been told last. */
  readonly #toldPeers = { ingress: new Map<string, PeerClass>(), egress: new Map<string, PeerClass>() };
  readonly #toldLocals = new WeakSet<LocalPod>();

  #regroup(local: LocalPod, fresh: Group[], left: Group[]): [LocalPod, Group][] {
    const joined: [LocalPod, Group][] = [];
    const entry = this.#isCurrent(local) ? this.model.pod(local.endpoint.pod) : undefined;
    local.entry = entry !== undefined && isIncarnation(entry.pod, local.endpoint) ? entry : undefined;
    const policies = local.entry === undefined ? [] : this.model.policiesOf(local.entry);
    for (const direction of directions) {
      const before = local.groups[direction];
      const mine = policies.filter((policy) => policy[direction] !== undefined);
      const now =
        local.entry === undefined || mine.length === 0
          ? undefined
          : this.#group(direction, mine, local.entry, fresh);
      if (now === before) continue;
      if (before !== undefined) {
        this.#tellRows(before, local, false);
        before.locals.delete(local);
        if (before.locals.size === 0) left.push(before);
      }
      local.groups[direction] = now;
      if (now === undefined) continue;
      now.locals.add(local);
      joined.push([local, now]);
    }
    return joined;
  }

  #group(direction: Direction, policies: readonly CompiledPolicy[], entry: PodEntry, fresh: Group[]): Group {
    const key = groupKey(policies, direction, entry);
    return getOrMake(this.#groups[direction], key, () => {
      const group = makeGroup(key, direction, policies, entry, this.#classes[direction]);
      fresh.push(group);
      return group;
    });
  }

  #disband(group: Group): void {
    if (group.locals.size > 0) return;
    this.#groups[group.direction].delete(group.key);
    for (const term of group.terms.keys()) this.#classes[group.direction].leave(term, group);
  }

  #fillRows(group: Group): void {
    for (const term of group.terms.keys()) for (const one of term.classes) this.#fillRow(group, one);
  }

  #fillRow(group: Group, peers: PeerClass): void {
    if (group.rows.has(peers) || group.locals.size === 0) return;
    const ports = portsFor(group, peers);
    if (isEmpty(ports)) return;
    group.rows.set(peers, ports);
    for (const local of group.locals)
      for (const ip of local.ips) this.#sink.row(group.direction, peers.id, ip, ports);
  }

  #dropRows(direction: Direction, peers: PeerClass): void {
    const groups = new Set(peers.terms.flatMap(({ term }) => [...term.groups]));
    for (const group of groups) {
      if (!group.rows.delete(peers)) continue;
      for (const local of group.locals)
        for (const ip of local.ips) this.#sink.row(direction, peers.id, ip, undefined);
    }
  }

  #dropAllRows(direction: Direction, numbers: ReadonlyMap<PeerClass, number>): void {
    for (const group of this.#groups[direction].values())
      for (const one of group.rows.keys())
        for (const local of group.locals)
          for (const ip of local.ips) this.#sink.row(direction, numbers.get(one) ?? one.id, ip, undefined);
  }

  #tellRows(group: Group, local: LocalPod, present: boolean): void {
    for (const [one, ports] of group.rows)
      for (const ip of local.ips) this.#sink.row(group.direction, one.id, ip, present ? ports : undefined);
  }

  /** Returns whether the address was of another class before. */
  #tellPeer(ip: string): boolean {
    const owner = this.model.ownerOf(ip);
    let lost = false;
    for (const direction of directions) {
      const told = this.#toldPeers[direction];
      const now = owner === undefined ? undefined : this.#classes[direction].classOf(owner);
      const before = told.get(ip);
      if (before !== undefined && before !== now) lost = true;
      if (now === undefined) told.delete(ip);
      else told.set(ip, now);
      this.#sink.peer(direction, ip, now?.id);
    }
    return lost;
  }

  #isCurrent(local: LocalPod): boolean {
    return this.#locals.get(local.key) === local;
  }

  #dropLocal(local: LocalPod): void {
    this.#locals.delete(local.key);
    const siblings = this.#localsOfPod.get(local.endpoint.pod);
    siblings?.delete(local);
    if (siblings?.size === 0) this.#localsOfPod.delete(local.endpoint.pod);
    for (const ip of local.ips) if (this.#localByIp.get(ip) === local) this.#localByIp.delete(ip);
    this.#dirty.add(local);
  }
}

function rulesOf(local: LocalPod): LocalRules | undefined {
  if (local.entry === undefined) return undefined;
  return {
    interface: local.endpoint.interface,
    ips: local.ips,
    ingress: local.groups.ingress,
    egress: local.groups.egress,
  };
}

/** Static pods run under a hash of their own; the object in the API mirrors them and carries it as an annotation. */
function isIncarnation(pod: Pod, endpoint: LocalEndpoint): boolean {
  const mirrored = pod.metadata.annotations?.["kubernetes.io/config.hash"];
  return endpoint.uid === "" || endpoint.uid === pod.metadata.uid || endpoint.uid === mirrored;
}

function sameEndpoint(a: LocalEndpoint, b: LocalEndpoint): boolean {
  return a.uid === b.uid && a.interface === b.interface && a.ips.join() === b.ips.join();
}
